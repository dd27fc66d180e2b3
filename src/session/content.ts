/** Reading a file from a drive: xorriso copies it to disk piece by piece. */

import { resolveRange } from "../iso/extents.ts";
import { BLOCK, type Entry } from "../dialogue/answers.ts";
import { TempFolder } from "../disk/temp.ts";

/** How to read from a drive. */
export interface CutOptions {
  /** First byte to read. */
  readonly offset?: number;
  /** Bytes to read. */
  readonly length?: number;
  /** Stops reading. */
  readonly signal?: AbortSignal;
  /** Folder for the pieces. */
  readonly tempDir: string | undefined;
  /** Has xorriso copy a range of the file to a new file on disk. */
  readonly extract: (
    offset: number,
    length: number,
    target: string,
  ) => Promise<unknown>;
}

/**
 * Bytes of a piece: small enough that other calls need not wait long for the
 * drive, large enough that it streams.
 */
const PIECE = 64 << 20;

const CHUNK = 1 << 20;

/** The content of a file on a drive, or a part of it, as a stream. */
export function readCuts(
  entry: Entry,
  options: CutOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(cuts(entry, options));
}

async function* cuts(
  { size }: Entry,
  options: CutOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { signal, extract } = options;
  const { start, end } = resolveRange(size, options);
  if (start >= end) return;
  await using folder = await TempFolder.make(options.tempDir);
  for (let at = start; at < end;) {
    signal?.throwIfAborted();
    // From a block's beginning xorriso takes a faster way (-extract_cut).
    const begin = at - at % BLOCK;
    const stop = Math.min(begin + PIECE, end);
    const target = folder.next();
    await extract(begin, stop - begin, target);
    yield* chunksOf(target, at - begin);
    await Deno.remove(target);
    at = stop;
  }
}

async function* chunksOf(
  path: string,
  offset: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path, { read: true });
  await file.seek(offset, Deno.SeekMode.Start);
  for (;;) {
    const buffer = new Uint8Array(CHUNK);
    const count = await file.read(buffer);
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}
