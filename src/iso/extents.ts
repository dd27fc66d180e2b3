/**
 * Reading a file of an image where its bytes lie: in its extents, at LBA x 2048.
 *
 * This needs no xorriso, so it also works while a session is being written: a commit to an image
 * appends and leaves old extents where they are.
 */
import { type Identity, isSame, readFull } from "../disk/files.ts";
import { loadMd5 } from "../disk/md5.ts";
import { systemError, XorrisoError } from "../errors.ts";
import { BLOCK, type Entry } from "../dialogue/answers.ts";

/** Which bytes of a file to read, and how. */
export interface ReadOptions {
  /** First byte to read; nothing is read from beyond the end. @default {0} */
  readonly offset?: number;
  /** Number of bytes to read, cut off at the end. @default {the rest} */
  readonly length?: number;
  /** What the image must be, so that another file in its place is noticed. */
  readonly inode?: Identity;
  /** Errors the stream with its reason. */
  readonly signal?: AbortSignal;
}

/** A run of bytes in an image. */
export interface Range {
  /** First byte. */
  readonly position: number;
  /** Number of bytes. */
  readonly length: number;
}

/**
 * Bytes read at once: as fast as larger chunks, and hashing one takes 2 ms, which is how long the event
 * loop waits.
 */
export const CHUNK = 1 << 20;

/**
 * Cuts a wanted range of a file to what the file has.
 *
 * @throws {RangeError} When offset or length is no whole number from 0 on.
 */
export function resolveRange(
  size: number,
  { offset = 0, length = size }: Pick<ReadOptions, "offset" | "length">,
): { start: number; end: number } {
  for (const [name, value] of Object.entries({ offset, length })) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new RangeError(
      `Cannot read a part of the file: ${name} must be a whole number from 0 on, not ${value}`,
    );
  }
  const start = Math.min(offset, size);
  return { start, end: start + Math.min(length, size - start) };
}

/**
 * Finds the bytes of a file from `start` to before `end` in the image.
 *
 * @throws {XorrisoError} IMAGE_DAMAGED when its extents have fewer bytes.
 */
export function byteRanges(
  { path, size, extents }: Entry,
  start = 0,
  end: number = size,
): Range[] {
  const ranges: Range[] = [];
  let before = 0;
  for (const { lba, blocks } of extents) {
    const from = Math.max(start - before, 0);
    const length = Math.min(end - before, blocks * BLOCK) - from;
    if (length > 0) ranges.push({ position: lba * BLOCK + from, length });
    before += blocks * BLOCK;
  }
  if (before >= end || start >= end) return ranges;
  throw new XorrisoError(
    "IMAGE_DAMAGED",
    `Cannot read "${path}": it has ${size} bytes, but its extents only ${before}`,
    { path },
  );
}

/** Takes at most `most` bytes off the front of ranges that are still to be read. */
export function takeRange(ranges: Range[], most: number): Range | undefined {
  const [first] = ranges;
  if (first === undefined || first.length <= most) return ranges.shift();
  const { position, length } = first;
  ranges[0] = { position: position + most, length: length - most };
  return { position, length: most };
}

/** An image that is open for reading; one call at a time. */
export class ImageReader implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #position = 0;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Opens an image.
   *
   * @throws {XorrisoError} MEDIUM_CHANGED when it is gone or not the file that `inode` tells,
   * PERMISSION_DENIED, or READ_ERROR.
   */
  static async open(path: string, inode?: Identity): Promise<ImageReader> {
    let file: Deno.FsFile | undefined;
    try {
      file = await Deno.open(path, { read: true });
      if (inode !== undefined) requireSame(path, inode, await file.stat());
      return new ImageReader(path, file);
    } catch (error) {
      file?.close();
      throw readError(path, error);
    }
  }

  /**
   * Fills a buffer with the bytes from a position on.
   *
   * @throws {XorrisoError} IMAGE_DAMAGED when the image ends before, or READ_ERROR.
   */
  async fill(buffer: Uint8Array, position: number): Promise<void> {
    const known = this.#position;
    this.#position = NaN;
    try {
      if (position !== known) {
        await this.#file.seek(position, Deno.SeekMode.Start);
      }
      const filled = await readFull(this.#file, buffer);
      if (filled < buffer.length) {
        throw tooShort(this.#path, position + filled);
      }
    } catch (error) {
      throw readError(this.#path, error);
    }
    this.#position = position + buffer.length;
  }

  /** Closes the image. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function requireSame(
  path: string,
  expected: Identity,
  found: Identity,
): void {
  if (isSame(expected, found)) return;
  throw new XorrisoError(
    "MEDIUM_CHANGED",
    `Cannot read "${path}": another file has taken the place of the image; open it anew`,
    { path },
  );
}

function tooShort(path: string, end: number): XorrisoError {
  return new XorrisoError(
    "IMAGE_DAMAGED",
    `Cannot read "${path}": the image ends at byte ${end}, in the middle of a file`,
    { path },
  );
}

/** What a failure to open or read an image is to the caller. */
function readError(path: string, cause: unknown): unknown {
  return systemError(cause, {
    doing: `Cannot read "${path}"`,
    path,
    code: "READ_ERROR",
    codes: {
      EACCES: "PERMISSION_DENIED",
      EPERM: "PERMISSION_DENIED",
      ENOENT: "MEDIUM_CHANGED",
    },
    reasons: { ENOENT: "the image is not there any more" },
  });
}

/**
 * Reads a file of an image, or a part of it.
 *
 * The stream keeps one chunk ahead of its reader, and fills the buffers of a reader that brings its
 * own. It holds the image open until it ends, fails or is cancelled.
 *
 * @param image Path of the image.
 * @param entry The file in it.
 * @returns Chunks of at most 1 MiB. The stream fails with MEDIUM_CHANGED, IMAGE_DAMAGED, READ_ERROR
 * or PERMISSION_DENIED.
 * @throws {RangeError} When offset or length is no whole number from 0 on.
 */
export function readExtents(
  image: string,
  entry: Entry,
  options: ReadOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { start, end } = resolveRange(entry.size, options);
  return new ReadableStream(
    new ExtentSource(image, () => byteRanges(entry, start, end), options),
    { highWaterMark: CHUNK },
  );
}

class ExtentSource implements UnderlyingByteSource {
  readonly type = "bytes";
  readonly #path: string;
  readonly #options: ReadOptions;
  readonly #locate: () => Range[];
  #ranges: Range[] | undefined;
  #image: ImageReader | undefined;
  #pulling: Promise<void> = Promise.resolve();
  #ended = false;
  #onAbort = () => {};

  constructor(path: string, locate: () => Range[], options: ReadOptions) {
    this.#path = path;
    this.#locate = locate;
    this.#options = options;
  }

  start(controller: ReadableByteStreamController): void {
    const { signal } = this.#options;
    this.#onAbort = () => {
      controller.error(signal?.reason);
      this.cancel();
    };
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  pull(controller: ReadableByteStreamController): Promise<void> {
    this.#pulling = this.#pull(controller).catch((error) => {
      this.#close();
      throw error;
    });
    return this.#pulling;
  }

  async #pull(controller: ReadableByteStreamController): Promise<void> {
    const ranges = this.#ranges ??= this.#locate();
    this.#image ??= await ImageReader.open(this.#path, this.#options.inode);
    if (this.#ended) return;
    const view = controller.byobRequest?.view;
    const range = takeRange(ranges, view?.byteLength ?? CHUNK);
    if (range !== undefined) {
      const { position, length } = range;
      const chunk = view
        ? new Uint8Array(view.buffer, view.byteOffset, length)
        : new Uint8Array(length);
      await this.#image.fill(chunk, position);
      if (this.#ended) return;
      if (view) controller.byobRequest?.respond(length);
      else controller.enqueue(chunk);
    }
    if (ranges.length > 0) return;
    this.#close();
    controller.close();
    // A reader that brought a buffer waits until it is given back, even empty.
    controller.byobRequest?.respond(0);
  }

  async cancel(): Promise<void> {
    this.#ended = true;
    await this.#pulling.catch(() => {});
    this.#close();
  }

  #close(): void {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#image?.[Symbol.dispose]();
    this.#image = undefined;
  }
}

/**
 * Passes a file's content through, and fails at its end if it does not have the expected MD5.
 *
 * @param content All bytes of the file.
 * @param md5 The expected MD5 in hexadecimal digits.
 * @param path How the error names the file.
 * @returns The same chunks. The stream fails with CHECKSUM_MISMATCH.
 */
export function checkMd5(
  content: ReadableStream<Uint8Array<ArrayBuffer>>,
  md5: string,
  path: string,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const loading = loadMd5().then((newMd5) => newMd5());
  return content.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      async transform(chunk, controller) {
        (await loading).update(chunk);
        controller.enqueue(chunk);
      },
      async flush() {
        requireMd5((await loading).digest("hex"), md5, path);
      },
    }),
  );
}

/**
 * Makes sure that content has the MD5 that is recorded for it.
 *
 * @throws {XorrisoError} CHECKSUM_MISMATCH when it has another.
 */
export function requireMd5(
  found: string,
  recorded: string,
  path: string,
): void {
  if (found === recorded.toLowerCase()) return;
  throw new XorrisoError(
    "CHECKSUM_MISMATCH",
    `Cannot trust the content of "${path}": its MD5 is ${found}, recorded is ${recorded}`,
    { path },
  );
}
