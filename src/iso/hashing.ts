/** MD5s of many large files of an image file, computed by workers on all cores. */

import type { Hash } from "node:crypto";
import { onAbort } from "../async.ts";
import { XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import type { Blocks, BlocksFile } from "./blocks.ts";
import type { FileContent } from "./entry.ts";
import type { Section } from "./volume.ts";

/** How many files are hashed at once. */
export const CORES = navigator.hardwareConcurrency;

/** Bytes from which on workers are faster: to start one takes 60 ms. */
const WORTH = 128 << 20;

/** What a worker is to hash. */
interface HashRequest extends BlocksFile {
  readonly sections: readonly Section[];
}

/** What it answers: now and then bytes hashed since the last answer, at the end an MD5 or an error. */
interface HashAnswer {
  readonly bytes?: number;
  readonly md5?: string;
  readonly code?: XorrisoErrorCode;
  readonly message?: string;
}

/**
 * What runs in a worker. It gets there as text, since to import a file of this module would need a
 * permission: so it refers to nothing outside of itself.
 */
function work(): void {
  const scope = self as unknown as {
    onmessage: (event: MessageEvent<HashRequest>) => Promise<void>;
    postMessage(answer: HashAnswer): void;
  };
  const hash = (
    { path, dev, ino, sections }: HashRequest,
    digest: Hash,
  ): HashAnswer => {
    const buffer = new Uint8Array(1 << 20);
    let unreported = 0;
    using file = Deno.openSync(path, { read: true });
    const found = file.statSync();
    if (dev !== found.dev || ino !== found.ino) {
      return {
        code: "MEDIUM_CHANGED",
        message: "another file has taken its place",
      };
    }
    for (const { lba, size } of sections) {
      file.seekSync(lba * 2048, Deno.SeekMode.Start);
      for (let left = size; left > 0;) {
        const count = file.readSync(buffer.subarray(0, left));
        if (count === null) {
          return { code: "IMAGE_DAMAGED", message: "it ends before" };
        }
        digest.update(buffer.subarray(0, count));
        left -= count;
        unreported += count;
        if (unreported < 16 << 20) continue;
        scope.postMessage({ bytes: unreported });
        unreported = 0;
      }
    }
    return { bytes: unreported, md5: digest.digest("hex") };
  };
  scope.onmessage = async ({ data }) => {
    try {
      const { createHash } = await import("node:crypto");
      scope.postMessage(hash(data, createHash("md5")));
    } catch (error) {
      scope.postMessage({ code: "READ_ERROR", message: String(error) });
    }
  };
}

/** Hashes files of an image file, each in a worker of its own. */
export class Hasher implements Disposable {
  readonly #blocks: Blocks;
  readonly #file: BlocksFile;
  readonly #signal: AbortSignal | undefined;
  readonly #idle: Worker[] = [];
  /** Workers that hash a file, and how to reject its call. */
  readonly #busy = new Map<Worker, (reason: unknown) => void>();
  readonly #forget: () => void;

  private constructor(
    blocks: Blocks,
    file: BlocksFile,
    signal: AbortSignal | undefined,
  ) {
    this.#blocks = blocks;
    this.#file = file;
    this.#signal = signal;
    this.#forget = onAbort(signal, (reason) => this.#end(reason));
  }

  /** Makes one for so many bytes; undefined for few, on one core, and if the blocks are in no file. */
  static forBytes(
    blocks: Blocks,
    bytes: number,
    signal: AbortSignal | undefined,
  ): Hasher | undefined {
    const { file } = blocks;
    const pays = bytes >= WORTH && CORES > 1;
    return file && pays ? new Hasher(blocks, file, signal) : undefined;
  }

  /**
   * Computes the MD5 of a file's content as it is stored.
   *
   * @param onBytes Called with the number of bytes that have been hashed since the last call.
   */
  async md5(
    { sections }: Pick<FileContent, "sections">,
    onBytes: (count: number) => void = () => {},
  ): Promise<string> {
    this.#signal?.throwIfAborted();
    const { path, dev, ino } = this.#file;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const fail = (code: XorrisoErrorCode, why: string = "") =>
      reject(new XorrisoError(code, `Cannot read "${path}": ${why}`, { path }));
    const worker = this.#idle.pop() ?? startWorker();
    worker.onmessage = ({ data }: MessageEvent<HashAnswer>) => {
      if (data.bytes !== undefined) onBytes(data.bytes);
      if (data.md5 !== undefined) resolve(data.md5);
      else if (data.code !== undefined) fail(data.code, data.message);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail("READ_ERROR", event.message);
    };
    this.#busy.set(worker, reject);
    worker.postMessage({ path, dev, ino, sections } satisfies HashRequest);
    try {
      const md5 = await promise;
      // Each read makes sure that the session is still there; the worker's do not.
      await this.#blocks.read(new Uint8Array(1), 0);
      this.#idle.push(worker);
      return md5;
    } catch (error) {
      worker.terminate();
      throw error;
    } finally {
      this.#busy.delete(worker);
    }
  }

  #end(reason: unknown): void {
    this.#forget();
    for (const reject of this.#busy.values()) reject(reason);
    for (const worker of [...this.#busy.keys(), ...this.#idle.splice(0)]) {
      worker.terminate();
    }
  }

  /** Ends the workers; what is not done is given up. */
  [Symbol.dispose](): void {
    this.#end(new DOMException("No more is to be hashed", "AbortError"));
  }
}

function startWorker(): Worker {
  const source = encodeURIComponent(`(${work.toString()})()`);
  return new Worker(`data:text/javascript,${source}`, { type: "module" });
}
