/** The content of a file, out of its extents, inflated where it is stored compressed. */

import { XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import type { Blocks } from "./blocks.ts";
import { BLOCK, blocksOf } from "./bytes.ts";
import type { Entry } from "./entry.ts";
import { inflate } from "./zisofs.ts";

/** Which bytes of a file to read, and how. */
export interface ContentOptions {
  /** First byte to read; nothing is read from beyond the end. @default {0} */
  readonly offset?: number;
  /** Number of bytes to read, cut off at the end. @default {the rest} */
  readonly length?: number;
  /** Give compressed content as it is stored: recorded checksums are of that. @default {false} */
  readonly stored?: boolean;
  /** Errors the stream with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Bytes read at once: as fast as larger chunks, and hashing one takes 2 ms, which is how long the event
 * loop waits.
 */
const CHUNK = 1 << 20;

/**
 * Reads a file, or a part of it.
 *
 * The stream keeps one chunk ahead of its reader.
 *
 * @param blocks Where it is.
 * @param entry The file.
 * @param options Which bytes.
 * @returns Chunks of at most 1 MiB. The stream fails with IMAGE_DAMAGED when the content cannot be right, or
 * as `blocks` tells.
 * @throws {RangeError} When offset or length is no whole number from 0 on.
 *
 * @example The first kilobyte of a file
 * ```ts ignore
 * const entry = tree.get("/a.tar");
 * if (entry) await new Response(content(blocks, entry, { length: 1024 })).bytes();
 * ```
 */
export function content(
  blocks: Blocks,
  entry: Entry,
  options: ContentOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { signal } = options;
  const chunks = contentChunks(blocks, entry, options);
  let onAbort = () => {};
  const settle = () => signal?.removeEventListener("abort", onAbort);
  return new ReadableStream({
    type: "bytes",
    start(controller) {
      onAbort = () => controller.error(signal?.reason);
      if (signal?.aborted) onAbort();
      else signal?.addEventListener("abort", onAbort, { once: true });
    },
    async pull(controller) {
      try {
        const { done, value } = await chunks.next();
        if (signal?.aborted) return;
        if (!done) return controller.enqueue(value);
      } catch (error) {
        settle();
        throw error;
      }
      settle();
      controller.close();
      // A reader that brought a buffer waits until it is given back, even empty.
      controller.byobRequest?.respond(0);
    },
    async cancel() {
      settle();
      await chunks.return();
    },
  }, { highWaterMark: CHUNK });
}

/**
 * The same as chunks, each in a buffer of its own.
 *
 * @throws {RangeError} When offset or length is no whole number from 0 on.
 */
export function contentChunks(
  blocks: Blocks,
  entry: Entry,
  { stored, signal, ...part }: ContentOptions = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { compression } = entry;
  const isInflated = compression !== undefined && !stored;
  const size = isInflated ? entry.size : storedSize(entry);
  const { start, end } = resolveRange(size, part);
  const range = { start, end, signal };
  if (!isInflated) return storedChunks(blocks, entry, range);
  return inflate(
    entry,
    range,
    async (start, end) => {
      const parts = [];
      for await (
        const chunk of storedChunks(blocks, entry, { start, end, signal })
      ) {
        parts.push(chunk);
      }
      return parts.length === 1 && parts[0] ? parts[0] : concat(parts);
    },
  );
}

/** Bytes of the content as it is stored. */
export function storedSize({ sections }: Entry): number {
  return sections.reduce((sum, { size }) => sum + size, 0);
}

/** Some bytes of a file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
  readonly signal: AbortSignal | undefined;
}

/** A wanted range of a file, cut to what the file has. */
function resolveRange(
  size: number,
  { offset = 0, length = size }: Pick<ContentOptions, "offset" | "length">,
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

async function* storedChunks(
  blocks: Blocks,
  entry: Entry,
  { start, end, signal }: ByteRange,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
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

/** Makes sure that a section is on the medium as far as it is wanted. */
function requireThere(
  { name, byteLength }: Blocks,
  entry: Entry,
  lba: number,
  bytes: number,
): void {
  if (lba * BLOCK + bytes <= byteLength && storedSize(entry) <= byteLength) {
    return;
  }
  throw unreadable(
    entry,
    `its content reaches to block ${
      lba + blocksOf(bytes)
    }, but "${name}" has only ${blocksOf(byteLength)}`,
  );
}

/** IMAGE_DAMAGED for a file whose content cannot be right. */
export function unreadable(
  { path }: Entry,
  why: string,
  cause?: unknown,
): XorrisoError {
  return new XorrisoError(
    "IMAGE_DAMAGED",
    `Cannot read ${show(path)}: ${why}`,
    { path, ...(cause !== undefined && { cause }) },
  );
}

/** An error of the medium that names the file, too. */
function about({ path }: Entry, cause: unknown): unknown {
  if (!(cause instanceof XorrisoError)) return cause;
  const { code, message, messages } = cause;
  return new XorrisoError(code, `${message}; it belongs to ${show(path)}`, {
    path,
    messages,
    cause,
  });
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
