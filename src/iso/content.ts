/** The content of a file, read from its sections, and inflated where it is stored compressed. */

import { onAbort } from "../async.ts";
import { CHUNK } from "../disk/files.ts";
import { loadMd5 } from "../disk/md5.ts";
import { XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import type { Blocks } from "./blocks.ts";
import { type ByteRange, type Chunks, damagedContent } from "./chunks.ts";
import { BLOCK, blocksOf } from "../medium.ts";
import { type FileContent, storedSize } from "./entry.ts";
import { inflate } from "./zisofs.ts";

/** Which bytes of a file to read, and how. */
export interface ContentOptions {
  /** First byte to read; nothing is read from beyond the end. @default {0} */
  readonly offset?: number;
  /** Number of bytes to read, cut off at the end. @default {the rest} */
  readonly length?: number;
  /** Give compressed content as it is stored. @default {false} */
  readonly stored?: boolean;
  /**
   * The MD5 that the content must have as it is stored, in hexadecimal digits. Where all of it is read
   * and has another, the stream fails with CHECKSUM_MISMATCH at its end.
   */
  readonly md5?: string | undefined;
  /** Errors the stream with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a file, or a part of it.
 *
 * The stream reads one chunk ahead.
 *
 * @param blocks Where it is.
 * @param entry The file.
 * @param options Which bytes.
 * @returns Chunks of at most 1 MiB. The stream fails with IMAGE_DAMAGED when the content cannot be
 * right, or as `Blocks.read`.
 * @throws {RangeError} When offset or length is no whole number from 0 on.
 *
 * @example The first bytes of a file
 * ```ts
 * import {
 *   content,
 *   fileBlocks,
 *   readImage,
 *   readTree,
 * } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * const tree = await readTree(blocks, (await readImage(blocks)).newest);
 * const entry = tree.get("/photos/beach.ppm");
 * if (entry) {
 *   const bytes = content(blocks, entry, { length: 12 });
 *   console.log(await new Response(bytes).text());
 * }
 * ```
 */
export function content(
  blocks: Blocks,
  entry: FileContent,
  options: ContentOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return streamOf(contentChunks(blocks, entry, options), options.signal);
}

/** A stream of chunks that reads one ahead; a signal errors it at once. */
export function streamOf(
  chunks: Chunks,
  signal?: AbortSignal,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let forget = () => {};
  return new ReadableStream({
    type: "bytes",
    start(controller) {
      forget = onAbort(signal, (reason) => {
        controller.error(reason);
        chunks.return().catch(() => {}); // the stream has its reason already
      });
    },
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (signal?.aborted) return;
        if (!done) return controller.enqueue(value);
      } catch (error) {
        forget();
        throw error;
      }
      forget();
      controller.close();
      // A BYOB reader waits until it has its buffer back, even empty.
      controller.byobRequest?.respond(0);
    },
    async cancel() {
      forget();
      await chunks.return();
    },
  }, { highWaterMark: CHUNK });
}

/** Reads as {@linkcode content} does, but gives the chunks, each in a buffer of its own. */
export function contentChunks(
  blocks: Blocks,
  entry: FileContent,
  { stored, signal, md5, ...part }: ContentOptions = {},
): Chunks {
  const isCompressed = entry.compression !== undefined;
  const isInflated = isCompressed && !stored;
  const size = isCompressed && stored ? storedSize(entry) : entry.size;
  const { start, end } = resolveRange(size, part);
  const isChecked = start === 0 && end === size && md5 !== undefined;
  const chunksOf = (start: number, end: number) =>
    storedChunks(blocks, entry, { start, end }, signal);
  if (!isInflated) {
    const chunks = chunksOf(start, end);
    return isChecked ? checked(chunks, md5, entry) : chunks;
  }
  const inflated = inflate(entry, { start, end }, async (start, end) => {
    return await new Blob(await Array.fromAsync(chunksOf(start, end))).bytes();
  });
  if (!isChecked) return inflated;
  return after(checked(chunksOf(0, storedSize(entry)), md5, entry), inflated);
}

/** Reads chunks to their end, then gives others. */
async function* after(first: Chunks, then: Chunks): Chunks {
  for await (const _ of first);
  yield* then;
}

/** Hands chunks on; fails at their end if they have another MD5. */
async function* checked(
  chunks: Chunks,
  md5: string,
  { path }: FileContent,
): Chunks {
  const hash = (await loadMd5())();
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  requireMd5(hash.digest("hex"), md5, path);
}

/** Makes sure that content has the MD5 that is recorded for it; CHECKSUM_MISMATCH if it has another. */
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

/** The range that is wanted of a file, cut off at its end. */
export function resolveRange(
  size: number,
  { offset = 0, length = size }: Pick<ContentOptions, "offset" | "length">,
): ByteRange {
  for (const [name, value] of Object.entries({ offset, length })) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new RangeError(
      `Cannot read a part of the file: ${name} must be a whole number from 0 on, not ${value}`,
    );
  }
  const start = Math.min(offset, size);
  return { start, end: start + Math.min(length, size - start) };
}

async function* storedChunks(
  blocks: Blocks,
  entry: FileContent,
  { start, end }: ByteRange,
  signal: AbortSignal | undefined,
): Chunks {
  const stored = storedSize(entry);
  if (end > stored) {
    const why = `it has ${end} bytes, but its extents only ${stored}`;
    throw damagedContent(entry, why);
  }
  let before = 0;
  for (const { lba, size } of entry.sections) {
    const from = Math.max(start - before, 0);
    const to = Math.min(end - before, size);
    before += size;
    if (from >= to) continue;
    requireThere(blocks, entry, lba, to);
    for (let at = from; at < to; at += CHUNK) {
      const chunk = new Uint8Array(Math.min(CHUNK, to - at));
      const ahead = to - at - chunk.length;
      try {
        await blocks.read(chunk, lba * BLOCK + at, { signal, ahead });
      } catch (error) {
        throw about(entry, error);
      }
      yield chunk;
    }
  }
}

/** Makes sure that so many bytes of a section are on the medium. */
function requireThere(
  { name, byteLength }: Blocks,
  entry: FileContent,
  lba: number,
  bytes: number,
): void {
  const isThere = lba * BLOCK + bytes <= byteLength;
  if (isThere && storedSize(entry) <= byteLength) return;
  const [end, count] = [lba + blocksOf(bytes), blocksOf(byteLength)];
  const why =
    `its content reaches to block ${end}, but "${name}" has only ${count}`;
  throw damagedContent(entry, why);
}

/** An error of reading blocks, with the file in its message. */
function about({ path }: FileContent, cause: unknown): unknown {
  if (!(cause instanceof XorrisoError)) return cause;
  const { code, message, messages } = cause;
  return new XorrisoError(code, `${message}; it belongs to ${show(path)}`, {
    path,
    messages,
    cause,
  });
}
