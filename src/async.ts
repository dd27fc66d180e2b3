/** Waiting: for a time, for what can be given up, for one's turn. */

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
    // A timer would take 2 ms (Deno 2.9).
    gate = gate.then(() => new Promise((resolve) => setImmediate(resolve)));
  }
  return gate;
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

/**
 * Resolves after a time.
 *
 * @param signal Rejects with its reason.
 */
export function delay(
  milliseconds: number,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => {
    clearTimeout(timer);
    reject(signal?.reason);
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener("abort", onAbort);
    resolve();
  }, milliseconds);
  signal?.addEventListener("abort", onAbort, { once: true });
  return promise;
}

/** Waits for something, but no longer than until the signal is given. */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
