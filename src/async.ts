/** What @std/async lacks: sharing the event loop, signals with many listeners, time of a running program. */

import { delay } from "@std/async/delay";

/** Milliseconds that a timer can be set to at most; with more it would fire at once. */
export const MAX_TIMEOUT = 2 ** 31 - 1;

/** How many calls of `breathe()` return in one turn of the event loop, and how many items `eachOf()` works on at a time. */
export const GROUP = 256;

let count = 0;
let gate: Promise<unknown> = Promise.resolve();

/**
 * To be awaited in each of thousands of steps: every 256th call waits for the
 * next turn of the event loop, and all later ones behind it, so that nothing
 * else is kept waiting. Calls return in their order.
 */
export function breathe(): Promise<unknown> {
  if (++count % GROUP === 0) {
    gate = gate.then(nextTurn);
  }
  return gate;
}

/** Waits for the next turn of the event loop: before or after work that takes long. */
export function nextTurn(): Promise<void> {
  // A timer takes 2 ms (Deno 2.9).
  return new Promise((resolve) => setImmediate(resolve));
}

/** Does work on each item, in their order, on up to 256 at a time. */
export async function eachOf<T>(
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = Iterator.from(items);
  await Promise.all(Array.from({ length: GROUP }, async () => {
    for (const item of left) {
      await breathe();
      await work(item);
    }
  }));
}

/** What is to be called when each signal is given. */
const listeners = new WeakMap<AbortSignal, Set<(reason: unknown) => void>>();

/**
 * Calls a function once when a signal is given; at once if it is already.
 *
 * All functions for one signal share a listener: among thousands, a signal
 * searches through all of them to add or remove one (Deno 2.9).
 *
 * @returns A function that takes this back.
 */
export function onAbort(
  signal: AbortSignal | undefined,
  call: (reason: unknown) => void,
): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    call(signal.reason);
    return () => {};
  }
  const calls = listeners.get(signal) ?? new Set();
  if (!listeners.has(signal)) {
    listeners.set(signal, calls);
    signal.addEventListener("abort", () => {
      for (const call of calls) call(signal.reason);
    }, { once: true });
  }
  calls.add(call);
  return () => void calls.delete(call);
}

/** Waits for a promise, but rejects with the reason of a signal as soon as that is given. */
export async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const forget = onAbort(signal, reject);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    forget();
  }
}

/** Milliseconds of one timer: however long a program is stopped, no more of that counts. */
const STEP = 1000;

/**
 * Resolves when this program has run for some milliseconds. Time in which it was stopped, by Ctrl-Z or
 * with its container, does not count: what it waits for may have been stopped, too.
 */
export async function running(
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  for (let left = milliseconds; left > 0; left -= STEP) {
    await delay(Math.min(left, STEP), { signal });
  }
}

/** Calls a listener of the user. What it throws is an uncaught error, as with event listeners. */
export function notify<T>(
  listener: ((value: T) => void) | undefined,
  value: T,
): void {
  // What a caller without types gives by mistake must not end its program.
  if (typeof listener !== "function") return;
  try {
    listener(value);
  } catch (error) {
    reportError(error);
  }
}
