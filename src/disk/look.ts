/**
 * Looking at files on disk, many of them at once.
 *
 * A synchronous call takes a few microseconds where the system knows the file
 * already; through the thread pool it takes ten times as long (Deno 2.9, 100
 * files: 1.3 ms instead of 14 ms), and three looks at each file belong to a
 * `put`. What is slow, as a cold disk or a network is, must not stop everything
 * else, though: after one slow look the thread pool is used for a while.
 */

/** Milliseconds that a look may take at most to count as quick. */
const QUICK = 2;

/** Milliseconds after a slow look in which none is synchronous. */
const WHILE = 1000;

let slowUntil = 0;

async function look<T>(now: () => T, later: () => Promise<T>): Promise<T> {
  const begin = performance.now();
  if (begin < slowUntil) return await later();
  try {
    return now();
  } finally {
    const end = performance.now();
    if (end - begin > QUICK) slowUntil = end + WHILE;
  }
}

/** `Deno.stat()`. */
export function stat(path: string): Promise<Deno.FileInfo> {
  return look(() => Deno.statSync(path), () => Deno.stat(path));
}

/** `Deno.lstat()`. */
export function lstat(path: string): Promise<Deno.FileInfo> {
  return look(() => Deno.lstatSync(path), () => Deno.lstat(path));
}

/** `Deno.realPath()`. */
export function realPath(path: string): Promise<string> {
  return look(() => Deno.realPathSync(path), () => Deno.realPath(path));
}

/** `Deno.readDir()`, all of it. */
export function readDir(path: string): Promise<Deno.DirEntry[]> {
  return look(
    () => [...Deno.readDirSync(path)],
    () => Array.fromAsync(Deno.readDir(path)),
  );
}

/** `Deno.readLink()`. */
export function readLink(path: string): Promise<string> {
  return look(() => Deno.readLinkSync(path), () => Deno.readLink(path));
}
