/** Files that are changing, or whose size is not what reading gives: they are stored from a copy. */

import { lstat } from "../disk/files.ts";
import { XorrisoError } from "../errors.ts";
import type { Found } from "./walk.ts";

/** Milliseconds that a file must have been left alone to be stored from its place. */
const SETTLED = 2000;

/** Bytes read at once. */
const CHUNK = 1 << 20;

/**
 * Whether a file has been modified just now, so that it may be in the midst of
 * it; `false`, too, if it is gone.
 */
export async function isChanging({ path }: Found): Promise<boolean> {
  try {
    const { mtime } = await lstat(path);
    return mtime !== null && Math.abs(Date.now() - mtime.getTime()) < SETTLED;
  } catch {
    return false;
  }
}

/**
 * Whether a file was modified since its copy was begun, but within the second
 * that is recorded as its time: nothing would show later that the copy lacks it.
 *
 * @param begun Its time when the copy was begun, in milliseconds since 1970.
 */
export async function isChangedUnseen(
  { path, mtime }: Found,
  begun: number,
  bytes: number | undefined,
): Promise<boolean> {
  try {
    // Soon after, the time proves nothing yet, and checksums are compared.
    if (Date.now() < (mtime + 2) * 1000) return false;
    const info = await lstat(path);
    const now = info.mtime?.getTime() ?? 0;
    return info.size === bytes && Math.floor(now / 1000) === mtime &&
      now !== begun;
  } catch {
    return false;
  }
}

/**
 * Whether reading a file gives another length than the file system tells, as
 * in `/proc` and `/sys`.
 *
 * @returns `false`, too, if it cannot be read: who stores it is told.
 */
export async function isLying({ path, size, isOdd }: Found): Promise<boolean> {
  // What has blocks has content; that of a file without any is looked at.
  if (!isOdd) return false;
  try {
    await using file = await openFile(path);
    const buffer = new Uint8Array(2);
    const at = Math.max(0, size - 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    return bytesRead !== size - at;
  } catch {
    return false;
  }
}

/**
 * The content of a file as it is read, from its first reading on.
 *
 * @param onEnd Takes how many bytes it had, and its time when it was opened, in
 * milliseconds since 1970.
 */
export function contentOf(
  path: string,
  onEnd: (bytes: number, begun: number) => void = () => {},
): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunksOf(path, onEnd));
}

async function* chunksOf(
  path: string,
  onEnd: (bytes: number, begun: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    await using file = await openFile(path);
    const begun = (await file.stat()).mtime.getTime();
    for (;;) {
      const buffer = new Uint8Array(CHUNK);
      const { bytesRead } = await file.read(buffer, 0, CHUNK, null);
      if (bytesRead === 0) return onEnd(bytes, begun);
      bytes += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (cause) {
    if (!(cause instanceof Error) || cause instanceof XorrisoError) throw cause;
    throw unreadable(path, cause.message, cause);
  }
}

/** Opens a regular file; what has become a FIFO would wait for a writer for ever. */
async function openFile(path: string) {
  const { constants, promises } = await import("node:fs");
  const { O_RDONLY, O_NONBLOCK } = constants;
  const file = await promises.open(path, O_RDONLY | O_NONBLOCK);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw unreadable(path, "it is no regular file any more");
}

function unreadable(
  path: string,
  problem: string,
  cause?: unknown,
): XorrisoError {
  return new XorrisoError(
    "SOURCE_UNREADABLE",
    `Cannot store "${path}": ${problem}`,
    { path, cause },
  );
}
