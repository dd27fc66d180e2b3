/** Waiting, so far as @std/async has no words for it: for one's turn, and while this program runs; and listeners. */

import { delay } from "@std/async/delay";

/** The longest time that a timer can be set to; a longer one would not wait. */
export const LONGEST = 2 ** 31 - 1;

/** How many go on in one turn of the event loop. */
const GROUP = 256;

let count = 0;
let gate: Promise<unknown> = Promise.resolve();

/**
 * Lets everything else on the event loop come in between, where thousands of
 * calls are made at once: who comes after so many others waits for a later
 * turn of it. All go on in the order in which they came.
 */
export function breathe(): Promise<unknown> {
  if (++count % GROUP === 0) {
    gate = gate.then(nextTurn);
  }
  return gate;
}

/** Lets everything else on the event loop come in between, after or before much work. */
export function nextTurn(): Promise<void> {
  // A timer would take 2 ms (Deno 2.9).
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Does work on each item, on so many at a time that they are sent together,
 * and none waits for long.
 */
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

/** What is called at each signal. */
const listeners = new WeakMap<AbortSignal, Set<(reason: unknown) => void>>();

/**
 * Has something called once when a signal is given, at once if it is already.
 *
 * All that listens to one signal shares a listener: to add or remove one of
 * thousands, a signal looks through all of them (Deno 2.9).
 *
 * @returns What takes that back.
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

/** Waits for something, but no longer than until a signal is given, if any. */
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

/** Milliseconds of which a stop of the program takes no more. */
const STEP = 1000;

/**
 * Resolves when this program has run for a time. While it is stopped, by Ctrl-Z or with its
 * container, hardly any passes: what it waits for may go on meanwhile, or stand still as well.
 *
 * @param milliseconds At least so long.
 * @param signal Rejects with its reason.
 */
export async function running(
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  for (let left = milliseconds; left > 0; left -= STEP) {
    await delay(Math.min(left, STEP), { signal });
  }
}

/**
 * Calls a listener of the user's. What it throws must not stop the reader, nor
 * be swallowed: it is reported to the program, as that of an event listener.
 */
export function notify<T>(
  listener: ((value: T) => void) | undefined,
  value: T,
): void {
  if (listener === undefined) return;
  try {
    listener(value);
  } catch (error) {
    reportError(error);
  }
}
