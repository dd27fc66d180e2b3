/** Where blocks are read from: an image file, or bytes in memory; a drive has a file of its own. */

import { unlessAborted } from "../async.ts";
import { type Identity, isSame, readFull } from "../disk/files.ts";
import { systemError, systemName, XorrisoError } from "../errors.ts";

/** How to read blocks. */
export interface BlocksReadOptions {
  /** Gives up, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Bytes behind these that will be asked for next: a drive fetches them along. @default {0} */
  readonly ahead?: number;
}

/** The bytes of a medium, in blocks of 2048. */
export interface Blocks extends AsyncDisposable {
  /** What messages call it. */
  readonly name: string;
  /** Number of bytes that there are to read. */
  readonly byteLength: number;
  /** The file that has them from its first byte on, if one does. */
  readonly file?: Identity & { readonly path: string } | undefined;
  /** When they were last changed, in milliseconds since 1970, as the last reading found it. */
  readonly modified?: number | undefined;
  /**
   * Fills a buffer with the bytes from a position on.
   *
   * @param buffer Takes the bytes.
   * @param position The first byte; a multiple of 2048 is fastest on a drive.
   * @param options How to read.
   * @throws {XorrisoError} IMAGE_DAMAGED when there are not so many bytes, READ_ERROR,
   * MEDIUM_CHANGED, or as the kind of medium tells.
   */
  read(
    buffer: Uint8Array,
    position: number,
    options?: BlocksReadOptions,
  ): Promise<void>;
}

/**
 * The blocks of bytes in memory.
 *
 * @param bytes All bytes of an image.
 * @param name What messages call it.
 * @returns Their blocks.
 *
 * @example The volume id of an image that has come from somewhere
 * ```ts
 * import { memoryBlocks, readImage } from "@xorriso/backend/iso";
 *
 * const bytes = await Deno.readFile("examples/photos.iso");
 * const { newest } = await readImage(memoryBlocks(bytes));
 * console.log(newest.volumeId);
 * ```
 */
export function memoryBlocks(
  bytes: Uint8Array,
  name = "the image in memory",
): Blocks {
  return {
    name,
    byteLength: bytes.length,
    read(buffer, position, { signal } = {}) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (position + buffer.length > bytes.length) {
        return Promise.reject(tooShort(name, bytes.length));
      }
      buffer.set(bytes.subarray(position, position + buffer.length));
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Handles that are kept open when nobody reads. */
const IDLE = 2;

/**
 * The blocks of an image file, as {@linkcode fileBlocks} opens them.
 *
 * It is read without a lock, beside any writer: nothing that a whole session has written is ever
 * moved. Each reading makes sure that the path still leads to the same file.
 */
export class FileBlocks implements Blocks {
  /** What messages call it: its path. */
  readonly name: string;
  /** The file itself. */
  readonly file: Identity & { readonly path: string };
  readonly #idle: Handle[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #info: Deno.FileInfo;
  #closed = false;

  private constructor(path: string, handle: Handle) {
    const { dev, ino } = handle.info;
    this.name = path;
    this.file = { path, dev, ino };
    this.#info = handle.info;
    this.#idle.push(handle);
  }

  /** Opens the file, as {@linkcode fileBlocks}. */
  static async open(path: string, identity?: Identity): Promise<FileBlocks> {
    await requireRegular(path, identity);
    return new FileBlocks(path, await Handle.open(path, identity));
  }

  /** Bytes of the file when it was last looked at. */
  get byteLength(): number {
    return this.#info.size;
  }

  /** When the file had been changed when it was last looked at, in milliseconds since 1970. */
  get modified(): number | undefined {
    return this.#info.mtime?.getTime();
  }

  /** Looks at the file; MEDIUM_CHANGED when it is gone or another is in its place. */
  async stat(): Promise<Deno.FileInfo> {
    try {
      const info = await Deno.stat(this.name);
      requireSame(this.name, this.file, info);
      return this.#info = info;
    } catch (error) {
      throw fileError(this.name, error);
    }
  }

  /**
   * Fills a buffer, as {@linkcode Blocks} tells: MEDIUM_CHANGED when the file is gone, another is in
   * its place, or it is shorter than it was; IMAGE_DAMAGED when it never had so many bytes.
   */
  async read(
    buffer: Uint8Array,
    position: number,
    { signal }: BlocksReadOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted();
    // A file system that has stopped to answer is left to itself.
    const reading = this.#read(buffer, position)
      .finally(() => this.#underWay.delete(reading));
    this.#underWay.add(reading);
    reading.catch(() => {}); // for who does not wait any more
    await unlessAborted(reading, signal);
  }

  async #read(buffer: Uint8Array, position: number): Promise<void> {
    const handle = this.#idle.pop() ??
      await Handle.open(this.name, this.file);
    try {
      const known = this.byteLength;
      const end = position + await handle.fill(buffer, position);
      await this.stat();
      if (end < Math.min(position + buffer.length, known)) {
        throw imageChanged(this.name, "it has become shorter");
      }
      if (end < position + buffer.length) throw tooShort(this.name, end);
    } catch (error) {
      throw fileError(this.name, error);
    } finally {
      if (this.#closed || this.#idle.length >= IDLE) handle.close();
      else this.#idle.push(handle);
    }
  }

  /** Closes the file; readings that are under way end first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const handle of this.#idle.splice(0)) handle.close();
    await Promise.allSettled(this.#underWay);
  }
}

/**
 * Opens the blocks of an image file.
 *
 * @param path Path of the image, a regular file.
 * @param identity What the file must be, so that another in its place is noticed.
 * @returns Its blocks; they keep it open until they are disposed of.
 * @throws {XorrisoError} NO_DRIVE when there is no such file, MEDIUM_CHANGED when it is not the one
 * that `identity` tells, PERMISSION_DENIED, or READ_ERROR.
 * @throws {Deno.errors.NotCapable} Without `--allow-read` for it.
 *
 * @example How large it is
 * ```ts
 * import { fileBlocks } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * console.log(blocks.byteLength);
 * ```
 */
export async function fileBlocks(
  path: string,
  identity?: Identity,
): Promise<FileBlocks> {
  return await FileBlocks.open(path, identity);
}

/** An open file and where it stands: Deno has no reading at a position. */
class Handle {
  readonly #file: Deno.FsFile;
  #position = 0;

  /** What the file was when it was opened. */
  readonly info: Deno.FileInfo;

  private constructor(file: Deno.FsFile, info: Deno.FileInfo) {
    this.#file = file;
    this.info = info;
  }

  static async open(path: string, identity?: Identity): Promise<Handle> {
    let file: Deno.FsFile | undefined;
    try {
      file = await Deno.open(path, { read: true });
      const info = await file.stat();
      if (identity !== undefined) requireSame(path, identity, info);
      return new Handle(file, info);
    } catch (error) {
      file?.close();
      throw fileError(path, error);
    }
  }

  /** Fills a buffer as far as there are bytes; returns their number. */
  async fill(buffer: Uint8Array, position: number): Promise<number> {
    const known = this.#position;
    this.#position = NaN;
    if (position !== known) {
      await this.#file.seek(position, Deno.SeekMode.Start);
    }
    const filled = await readFull(this.#file, buffer);
    this.#position = position + filled;
    return filled;
  }

  close(): void {
    this.#file.close();
  }
}

/** Makes sure that a path leads to a regular file: to open a FIFO would wait for its writer. */
async function requireRegular(
  path: string,
  identity: Identity | undefined,
): Promise<void> {
  const noDrive = (why: string, cause?: unknown) =>
    new XorrisoError("NO_DRIVE", `Cannot open "${path}": ${why}`, {
      ...{ path, cause },
    });
  const info = await Deno.stat(path).catch((error) => {
    throw identity === undefined && systemName(error) === "ENOENT"
      ? noDrive("it does not exist; check its address", error)
      : fileError(path, error);
  });
  if (!info.isFile) throw noDrive("it is no regular file, as an image is");
}

function requireSame(
  path: string,
  expected: Identity,
  found: Identity,
): void {
  if (isSame(expected, found)) return;
  throw imageChanged(path, "another file has taken its place");
}

/** MEDIUM_CHANGED for an image that is not any more what was opened. */
export function imageChanged(name: string, why: string): XorrisoError {
  return new XorrisoError(
    "MEDIUM_CHANGED",
    `Cannot read "${name}": ${why}; open it again`,
    { path: name },
  );
}

function tooShort(name: string, end: number): XorrisoError {
  return new XorrisoError(
    "IMAGE_DAMAGED",
    `Cannot read "${name}": it ends at byte ${end}, in the middle of what should be there`,
    { path: name },
  );
}

/** What a failure to open or read an image file is to the caller. */
function fileError(path: string, cause: unknown): unknown {
  return systemError(cause, {
    doing: `Cannot read "${path}"`,
    path,
    code: "READ_ERROR",
    codes: { ENOENT: "MEDIUM_CHANGED", EACCES: "PERMISSION_DENIED" },
    reasons: { ENOENT: "it is not there any more" },
  });
}
