/** The blocks of an image file, or of bytes in memory; those of a drive are in `drive_blocks.ts`. */

import { unlessAborted } from "../async.ts";
import { type Identity, isSame, readAt } from "../disk/files.ts";
import { requireRead } from "../disk/permissions.ts";
import { systemError, systemName, XorrisoError } from "../errors.ts";
import { BLOCK } from "../medium.ts";

/** How to read blocks. */
export interface BlocksReadOptions {
  /** Gives up, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Bytes behind these that will be asked for next: a drive reads them along. @default {0} */
  readonly ahead?: number;
}

/** A file on disk: its path, and what tells it from any other that has this path later. */
export interface BlocksFile extends Identity {
  /** Its path. */
  readonly path: string;
}

/** The bytes of a medium, in blocks of 2048. */
export interface Blocks extends AsyncDisposable {
  /** What messages call it. */
  readonly name: string;
  /** Number of bytes that can be read. */
  readonly byteLength: number;
  /** The image file, if the blocks are those of one. */
  readonly file?: BlocksFile | undefined;
  /** When they were last changed, in milliseconds since 1970, as of the last read. */
  readonly modified?: number | undefined;
  /**
   * Fills a buffer with the bytes from a position on.
   *
   * @param buffer Takes the bytes.
   * @param position The first byte; a multiple of 2048 is fastest on a drive.
   * @param options How to read.
   * @throws {XorrisoError} IMAGE_DAMAGED when the blocks end before, READ_ERROR, or MEDIUM_CHANGED.
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

/** Open files that are kept while nothing reads: parallel reads need one each. */
const IDLE = 2;

/**
 * The blocks of an image file, as {@linkcode fileBlocks} opens them.
 *
 * It is read without a lock, beside any writer: sessions are appended, and never move. Each read
 * makes sure that the path still leads to the same file.
 */
export class FileBlocks implements Blocks {
  /** What messages call it: its path. */
  readonly name: string;
  /** The image file. */
  readonly file: BlocksFile;
  readonly #idle: Deno.FsFile[];
  readonly #reads = new Set<Promise<void>>();
  #info: Deno.FileInfo;
  #closed = false;

  /**
   * Takes what {@linkcode fileBlocks} has opened.
   *
   * @param path Path of the image.
   * @param file The open file.
   * @param info What it is.
   */
  constructor(path: string, file: Deno.FsFile, info: Deno.FileInfo) {
    const { dev, ino } = info;
    this.name = path;
    this.file = { path, dev, ino };
    this.#info = info;
    this.#idle = [file];
  }

  /** Bytes of the file, as of the last read. */
  get byteLength(): number {
    return this.#info.size;
  }

  /** When the file was last changed, in milliseconds since 1970, as of the last read. */
  get modified(): number | undefined {
    return this.#info.mtime?.getTime();
  }

  /** Looks at the file; MEDIUM_CHANGED when it is gone, or another has its path. */
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
   * Fills a buffer, as {@linkcode Blocks} tells: MEDIUM_CHANGED when the file is gone, another has
   * its path, or it has become shorter; IMAGE_DAMAGED when it never had so many bytes.
   */
  async read(
    buffer: Uint8Array,
    position: number,
    { signal }: BlocksReadOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted();
    // A read cannot be stopped: where the file system hangs, it goes on by itself.
    const reading = this.#read(buffer, position)
      .finally(() => this.#reads.delete(reading));
    this.#reads.add(reading);
    reading.catch(() => {}); // when an abort has won the race
    await unlessAborted(reading, signal);
  }

  async #read(buffer: Uint8Array, position: number): Promise<void> {
    const file = this.#idle.pop() ??
      (await openImage(this.name, this.file)).file;
    try {
      const known = this.byteLength;
      const end = position + await readAt(file, position, buffer);
      await this.stat();
      if (end < Math.min(position + buffer.length, known)) {
        throw imageChanged(this.name, "it has become shorter");
      }
      if (end < position + buffer.length) throw tooShort(this.name, end);
    } catch (error) {
      throw fileError(this.name, error);
    } finally {
      if (this.#closed || this.#idle.length >= IDLE) file.close();
      else this.#idle.push(file);
    }
  }

  /** Closes the file, after the reads that are under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const file of this.#idle.splice(0)) file.close();
    await Promise.allSettled(this.#reads);
  }
}

/**
 * Opens the blocks of an image file.
 *
 * @param path Path of the image, a regular file.
 * @param identity The file that it must be; another one at this path is MEDIUM_CHANGED.
 * @returns Its blocks; they keep it open until they are disposed of.
 * @throws {XorrisoError} NO_DRIVE when there is no such file, MEDIUM_CHANGED, PERMISSION_DENIED, or
 * READ_ERROR.
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
  await requireRegular(path, identity);
  const { file, info } = await openImage(path, identity);
  return new FileBlocks(path, file, info);
}

/** A file that is open, and what it was when it was opened. */
interface OpenImage {
  readonly file: Deno.FsFile;
  readonly info: Deno.FileInfo;
}

async function openImage(
  path: string,
  identity?: Identity,
): Promise<OpenImage> {
  let file: Deno.FsFile | undefined;
  try {
    file = await Deno.open(path, { read: true });
    const info = await file.stat();
    if (identity !== undefined) requireSame(path, identity, info);
    return { file, info };
  } catch (error) {
    file?.close();
    throw fileError(path, error);
  }
}

/** Makes sure that a path leads to a regular file: to open a FIFO would wait for its writer. */
async function requireRegular(
  path: string,
  identity: Identity | undefined,
): Promise<void> {
  const noDrive = (why: string, cause?: unknown) =>
    new XorrisoError(
      "NO_DRIVE",
      `Cannot open "${path}": ${why}`,
      { path, cause },
    );
  await requireRead(path, "the image");
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

/** MEDIUM_CHANGED for an image that is no longer what was opened. */
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

/** Number of whole blocks that can be read. */
export function blocksIn({ byteLength }: Pick<Blocks, "byteLength">): number {
  return Math.floor(byteLength / BLOCK);
}

/** Reads bytes from a position on: fewer where the blocks end before. */
export async function readBytes(
  blocks: Blocks,
  position: number,
  length: number,
  options: BlocksReadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const there = Math.min(length, blocks.byteLength - position);
  const bytes = new Uint8Array(Math.max(there, 0));
  if (bytes.length > 0) await blocks.read(bytes, position, options);
  return bytes;
}

/** Reads blocks that lie together: fewer where there are not so many, and whole ones only. */
export function readRun(
  blocks: Blocks,
  lba: number,
  count: number,
  options: BlocksReadOptions,
): Promise<Uint8Array> {
  const there = Math.min(count, blocksIn(blocks) - lba);
  return readBytes(blocks, lba * BLOCK, there * BLOCK, options);
}
