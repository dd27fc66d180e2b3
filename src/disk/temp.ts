/** Content that is in no file yet: kept in private temporary files, from which xorriso takes it. */

import { systemError } from "../errors.ts";
import { writeAll } from "./files.ts";
import { loadMd5 } from "./md5.ts";
import { requireRead, requireWrite } from "./permissions.ts";
import { type Source, stateOf } from "./sources.ts";

/** Where content comes from that is in no file yet. */
export type Content = Uint8Array | ReadableStream<Uint8Array> | Blob;

/** Whether something is content, and no path. */
export function isContent(value: unknown): value is Content {
  return value instanceof Uint8Array || value instanceof ReadableStream ||
    value instanceof Blob;
}

/** A private folder for temporary files; it goes with all that is in it. */
export class TempFolder implements AsyncDisposable {
  #files = 0;

  private constructor(readonly path: string) {}

  /**
   * Makes one, readable by this user alone.
   *
   * @param parent Where; by default what TMPDIR says, if it may be read, or
   * `/tmp`.
   */
  static async make(parent: string = defaultFolder()): Promise<TempFolder> {
    await requireRead(parent, "the folder for temporary files");
    await requireWrite(parent, "the folder for temporary files");
    const dir = await spoolFile(() => Deno.realPath(parent));
    await requireRead(dir, "the folder for temporary files");
    await requireWrite(dir, "the folder for temporary files");
    return new TempFolder(
      await spoolFile(() => Deno.makeTempDir({ dir, prefix: "xorriso-" })),
    );
  }

  /** A path in it that was not given out before. */
  next(): string {
    return `${this.path}/${++this.#files}`;
  }

  /** Removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Deno.remove(this.path, { recursive: true });
    } catch (error) {
      // Others clean up folders for temporary files, too.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * Writes content to a temporary file, from which xorriso can take it: it
 * stores a FIFO as a FIFO, whatever would come out of it.
 *
 * @returns The file as a source, and the MD5 of what was written.
 * @throws {TypeError} When a stream is locked, has been read to its end before, or gives something
 * else than bytes.
 */
export async function spool(
  content: Content,
  path: string,
  signal?: AbortSignal,
): Promise<Source & { readonly md5: string }> {
  const { stream, wasRead } = openContent(content);
  const hash = (await loadMd5())();
  using file = await spoolFile(() =>
    Deno.open(path, { write: true, createNew: true })
  );
  try {
    const sink = new WritableStream<unknown>({
      async write(chunk) {
        if (!(chunk instanceof Uint8Array)) {
          throw new TypeError(
            `Cannot store the stream: it gives a ${kindOf(chunk)}, only ` +
              `Uint8Array chunks are bytes to store`,
          );
        }
        hash.update(chunk);
        await spoolFile(() => writeAll(file, chunk));
      },
    });
    await stream.pipeTo(sink, signal ? { signal } : {});
    const info = await spoolFile(() => file.stat());
    if (wasRead && info.size === 0) {
      throw new TypeError(
        "Cannot store the stream: it has been read to its end before; open it anew",
      );
    }
    const md5 = hash.digest("hex");
    return { name: path, path, size: info.size, state: stateOf(info), md5 };
  } catch (error) {
    await Deno.remove(path).catch(() => {});
    throw error;
  }
}
function defaultFolder(): string {
  const { state } = Deno.permissions.querySync({
    name: "env",
    variable: "TMPDIR",
  });
  return state === "granted" && Deno.env.get("TMPDIR") || "/tmp";
}

/** The stream of content that nobody else is reading. */
function openContent(
  content: Content,
): { stream: ReadableStream<unknown>; wasRead: boolean } {
  if (content instanceof Blob) {
    return { stream: content.stream(), wasRead: false };
  }
  if (content instanceof Uint8Array) {
    return { stream: ReadableStream.from([content]), wasRead: false };
  }
  if (content.locked) {
    throw new TypeError(
      "Cannot store the stream: it is locked, something else is reading it",
    );
  }
  return { stream: content, wasRead: isDisturbed(content) };
}

/** Whether a stream has been read from; only what takes it as a body says so (Fetch, 5.3). */
function isDisturbed(stream: ReadableStream<Uint8Array>): boolean {
  try {
    new Response(stream);
    return false;
  } catch {
    return true;
  }
}

/** What something is, in a word: `DataView`, `String`. */
function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

/** Does something with temporary files; its failures are not the stream's. */
async function spoolFile<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw systemError(cause, {
      doing: "Cannot keep the content until it is stored",
      code: "TARGET_UNWRITABLE",
      advice: "choose another folder by tempDir",
    });
  }
}
