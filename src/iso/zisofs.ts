/**
 * zisofs: content that mkzftree or xorriso has compressed block by block with zlib, as Linux reads it. It
 * begins with a header, and pointers to the compressed blocks.
 */

import { type ByteRange, type Chunks, damagedContent } from "./chunks.ts";
import { type FileContent, storedSize } from "./entry.ts";
import { holds, u32 } from "../bytes.ts";

/** First bytes of a compressed file: of the first version, and of the second, for large files. */
const MAGIC = "\x37\xe4\x53\x96\xc9\xdb\xd6\x07";
const MAGIC_2 = "\xef\x22\x55\xa1\xbc\x1b\x95\xa0";

/** Bytes of a header, at most. */
const HEADER = 24;

/** Sizes of blocks that programs use, as powers of two: 32 KiB to 1 MiB. */
const MIN_BLOCK = 15;
const MAX_BLOCK = 20;

/** Pointers that are read at once. */
const POINTERS = 4096;

interface Header {
  /** Bytes of the inflated content. */
  readonly size: number;
  /** Bytes of it in each block. */
  readonly block: number;
  /** Where the pointers begin. */
  readonly pointers: number;
  /** Bytes of a pointer. */
  readonly width: 4 | 8;
}

/**
 * Inflates a range of a compressed file, block by block; IMAGE_DAMAGED if it cannot be inflated.
 *
 * @param read Reads bytes of the stored content.
 */
export async function* inflate(
  entry: FileContent,
  { start, end }: ByteRange,
  read: (start: number, end: number) => Promise<Uint8Array>,
): Chunks {
  if (start >= end) return;
  const stored = storedSize(entry);
  const header = parseHeader(await read(0, Math.min(HEADER, stored)));
  const { size, block, width, pointers } = header ?? unusable(entry);
  const count = Math.ceil(size / block);
  if (size !== entry.size || pointers + (count + 1) * width > stored) {
    unusable(entry);
  }
  const last = Math.ceil(end / block);
  for (let index = Math.floor(start / block); index < last;) {
    const stop = Math.min(index + POINTERS, last);
    const at = pointers + index * width;
    const places = parsePointers(
      await read(at, at + (stop - index + 1) * width),
      width,
    );
    for (let i = 0; index < stop; i++, index++) {
      const [from = 0, to = 0] = [places[i], places[i + 1]];
      if (from > to || to > stored || to - from > 2 * block) unusable(entry);
      const length = Math.min(block, size - index * block);
      const bytes = from === to
        ? new Uint8Array(length) // a block of zeros
        : await inflateBlock(entry, await read(from, to), length);
      const begin = index * block;
      // A copy, so that the buffer holds nothing else.
      yield bytes.slice(
        Math.max(start - begin, 0),
        Math.min(end - begin, length),
      );
    }
  }
}

async function inflateBlock(
  entry: FileContent,
  compressed: Uint8Array,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { inflateSync } = await import("node:zlib");
  let bytes: Uint8Array;
  try {
    bytes = inflateSync(compressed, { maxOutputLength: length });
  } catch (cause) {
    throw damagedContent(entry, "its compressed content is damaged", cause);
  }
  return bytes.length === length ? new Uint8Array(bytes) : unusable(entry);
}

function unusable(entry: FileContent): never {
  throw damagedContent(entry, "its compressed content does not fit together");
}

function parseHeader(bytes: Uint8Array): Header | undefined {
  const isLarge = holds(bytes, 0, MAGIC_2);
  if (bytes.length < 16 || !isLarge && !holds(bytes, 0, MAGIC)) {
    return undefined;
  }
  // Words of 4 bytes in the header, and the size of a block.
  const [words = 0, log = 0] = isLarge
    ? [bytes[9], bytes[11]]
    : [bytes[12], bytes[13]];
  if (log < MIN_BLOCK || log > MAX_BLOCK) return undefined;
  const size = isLarge ? u64(bytes, 12) : u32(bytes, 8);
  return { size, block: 2 ** log, pointers: words * 4, width: isLarge ? 8 : 4 };
}

function parsePointers(bytes: Uint8Array, width: 4 | 8): number[] {
  const read = width === 8 ? u64 : u32;
  return Array.from(
    { length: bytes.length / width },
    (_, index) => read(bytes, index * width),
  );
}

function u64(bytes: Uint8Array, at: number): number {
  return u32(bytes, at) + u32(bytes, at + 4) * 2 ** 32;
}
