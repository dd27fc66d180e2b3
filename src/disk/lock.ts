/** Locks on image files, by which only one program writes to an image at a time. */

import { abortable } from "@std/async/abortable";
import { systemError, XorrisoError } from "../errors.ts";

/** How to wait for a lock. */
export interface LockOptions {
  /** Milliseconds to wait for another program. @default {0} */
  readonly lockTimeout?: number | undefined;
  /** Gives up waiting. */
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds between two tries. */
const INTERVAL = 1000;

/**
 * Takes the exclusive lock of a file (flock(2)), which is gone when the handle is closed, even by the
 * death of this program.
 *
 * @param file Open for writing: NFS gives no exclusive lock without.
 * @throws {XorrisoError} DRIVE_BUSY when another program keeps it; MEDIUM_NOT_WRITABLE when the file
 * system has no locks.
 */
export async function lock(
  file: Deno.FsFile,
  path: string,
  options: LockOptions = {},
): Promise<void> {
  try {
    if (await file.tryLock(true) || await waitForLock(file, path, options)) {
      return;
    }
  } catch (cause) {
    throw systemError(cause, {
      doing: `Cannot lock "${path}"`,
      path,
      code: "MEDIUM_NOT_WRITABLE",
      advice: "if no other program writes to it, open it with lock: false",
    });
  }
  throw new XorrisoError(
    "DRIVE_BUSY",
    `Cannot open "${path}": another program has it open for writing; try ` +
      `again when that has ended, or wait for it by lockTimeout`,
    { path },
  );
}

/**
 * Tries again at each event of the file system, as the closing of a handle that could write is one,
 * and each second, since a network file system reports no events of other machines. A blocking flock()
 * would heed no signal, and keep the program running.
 */
async function waitForLock(
  file: Deno.FsFile,
  path: string,
  { lockTimeout = 0, signal }: LockOptions,
): Promise<boolean> {
  const end = performance.now() + lockTimeout;
  using watcher = watch(path);
  for (let left = lockTimeout; left > 0; left = end - performance.now()) {
    await pause(Math.min(left, INTERVAL), watcher.next(), signal);
    if (await file.tryLock(true)) return true;
  }
  return false;
}

/** Waits for a time, for something to happen, or for a signal. */
async function pause(
  milliseconds: number,
  event: Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  try {
    const any = Promise.race([promise, event]);
    await (signal ? abortable(any, signal) : any);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for events of a file; for ever where the system has no more watches to give. */
function watch(path: string): Disposable & { next(): Promise<unknown> } {
  try {
    const watcher = Deno.watchFs(path);
    const events = watcher[Symbol.asyncIterator]();
    let event: Promise<unknown> | undefined;
    return {
      next: () => event ??= events.next().finally(() => event = undefined),
      [Symbol.dispose]: () => watcher.close(),
    };
  } catch {
    return { next: () => new Promise(() => {}), [Symbol.dispose]() {} };
  }
}

/**
 * Unlocks and closes.
 *
 * A process that another thread of this program is forking at this moment has
 * the file open, too, and would keep the lock until it becomes another program.
 */
export async function letGo(file: Deno.FsFile): Promise<void> {
  // A file system without locks refuses.
  await file.unlock().catch(() => {});
  file.close();
}
