/**
 * Files on disk: looking at them, reading and writing their bytes, telling one from another.
 *
 * A synchronous look takes a few microseconds where the system knows the file
 * already; through the thread pool it takes ten times as long (Deno 2.9, 100
 * files: 1.3 ms instead of 14 ms), and three looks at each file belong to a
 * `put`. What is slow, as a cold disk or a network is, must not stop everything
 * else, though: after one slow look the thread pool is used for a while.
 */

import { systemName } from "../errors.ts";

/** What tells one file on disk from all others, as `Deno.stat()` has it. */
export interface Identity {
  /** The device that holds the file. */
  readonly dev: number;
  /** The number of the file on it. */
  readonly ino: number | null;
}

/** Whether two are one file. */
export function isSame(one: Identity, other: Identity): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/** Milliseconds that a look may take at most to count as quick. */
const QUICK = 2;

/** Milliseconds that it may take to list a folder, which may be a large one. */
const QUICK_LIST = 50;

/**
 * Milliseconds after a slow look in which none is synchronous. On a busy
 * machine any look may be slow by chance.
 */
const WHILE = 100;

let slowUntil = 0;

async function quickly<T>(
  now: () => T,
  later: () => Promise<T>,
  quick = QUICK,
): Promise<T> {
  const begin = performance.now();
  if (begin < slowUntil) return await later();
  try {
    return now();
  } finally {
    const end = performance.now();
    if (end - begin > quick) slowUntil = end + WHILE;
  }
}

/** `Deno.stat()`. */
export function stat(path: string): Promise<Deno.FileInfo> {
  return quickly(() => Deno.statSync(path), () => Deno.stat(path));
}

/** `Deno.lstat()`. */
export function lstat(path: string): Promise<Deno.FileInfo> {
  return quickly(() => Deno.lstatSync(path), () => Deno.lstat(path));
}

/** The same, or undefined where nothing is. */
export async function lstatIfThere(
  path: string,
): Promise<Deno.FileInfo | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** `Deno.realPath()`. */
export function realPath(path: string): Promise<string> {
  return quickly(() => Deno.realPathSync(path), () => Deno.realPath(path));
}

/** `Deno.readDir()`, all of it. */
export function readDir(path: string): Promise<Deno.DirEntry[]> {
  return quickly(
    () => [...Deno.readDirSync(path)],
    () => Array.fromAsync(Deno.readDir(path)),
    QUICK_LIST,
  );
}

/** `Deno.readLink()`. */
export function readLink(path: string): Promise<string> {
  return quickly(() => Deno.readLinkSync(path), () => Deno.readLink(path));
}

/** Does what may fail where something else tells what is wrong, or nobody is there to hear it. */
export function tolerate(work: () => void): void {
  try {
    work();
  } catch {
    // See above.
  }
}

/**
 * Bytes read at once, where much is read: as fast as larger chunks, and hashing one blocks the
 * event loop for 2 ms only.
 */
export const CHUNK = 1 << 20;

/**
 * Fills a buffer with the bytes from the file's place on.
 *
 * @returns How many there were: fewer than the buffer takes at the end of the file.
 */
export async function readFull(
  file: Pick<Deno.FsFile, "read">,
  buffer: Uint8Array,
): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const count = await file.read(buffer.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  return filled;
}

/** Fills a buffer with the bytes from a position on, as {@linkcode readFull} does. */
export function readAt(
  file: Deno.FsFile,
  position: number,
  buffer: Uint8Array,
): Promise<number> {
  // It asks no disk, so it need not go through the thread pool.
  file.seekSync(position, Deno.SeekMode.Start);
  return readFull(file, buffer);
}

/**
 * Bytes written at once. Of more the kernel makes one larger piece of its
 * cache; getting those took a virtual machine up to ten times as long as all
 * else (ext4, Linux 6.18: 1 GiB in 0.3 s or 0.9 to 2.9).
 */
const PIECE = 512 << 10;

/** Writes all bytes at the file's place. */
export async function writeAll(
  file: Deno.FsFile,
  bytes: Uint8Array,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await file.write(bytes.subarray(done, done + PIECE));
  }
}

/**
 * Has the names in a folder on the disk, where the script may read the folder.
 *
 * Without, the system gets to it by itself; ext4, XFS and btrfs do it for a new file that is synced.
 */
export async function syncFolder(path: string): Promise<void> {
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (state !== "granted") return;
  using folder = await Deno.open(path, { read: true });
  try {
    await folder.sync();
  } catch (error) {
    // Some network file systems know no such thing.
    if (!["EINVAL", "ENOTSUP"].includes(systemName(error) ?? "")) throw error;
  }
}
