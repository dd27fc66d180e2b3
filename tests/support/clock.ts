/** A clock that tests set, in place of the machine's: what waits for it takes no time and is exact. */

import { assert } from "@std/assert";

/** What {@link Clock} stands in for. */
interface Originals {
  readonly now: () => number;
  readonly dateNow: () => number;
  readonly setTimeout: typeof setTimeout;
  readonly clearTimeout: typeof clearTimeout;
}

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/**
 * Stands in for `performance.now()`, `Date.now()` and `setTimeout()` until it is disposed of.
 *
 * Time passes by {@link Clock.tick} alone, or, where `leaps` is set, whenever somebody waits: then
 * each timer is due at once, and the clock leaps to its time.
 */
export class Clock implements Disposable {
  readonly #original: Originals;
  readonly #begin: number;
  readonly #timers = new Map<number, Timer>();
  #passed = 0;
  #count = 0;

  /** @param leaps Whether the clock leaps to the next timer by itself. */
  constructor({ leaps = false } = {}) {
    const original: Originals = {
      now: performance.now.bind(performance),
      dateNow: Date.now,
      setTimeout: globalThis.setTimeout,
      clearTimeout: globalThis.clearTimeout,
    };
    this.#original = original;
    this.#begin = original.dateNow();
    performance.now = () => this.#passed;
    Date.now = () => this.#begin + this.#passed;
    const set = (run: () => void, milliseconds = 0): number => {
      const id = ++this.#count;
      this.#timers.set(id, { at: this.#passed + milliseconds, run });
      if (leaps) original.setTimeout.call(globalThis, () => this.#leap());
      return id;
    };
    globalThis.setTimeout = set as unknown as typeof setTimeout;
    globalThis.clearTimeout = (id) => void this.#timers.delete(Number(id));
  }

  /** Milliseconds that have passed on it. */
  get passed(): number {
    return this.#passed;
  }

  /** Lets time pass: all timers that become due run in their order. */
  tick(milliseconds: number): void {
    const end = this.#passed + milliseconds;
    for (;;) {
      const [id, timer] = this.#next();
      if (timer === undefined || timer.at > end) break;
      this.#run(id, timer);
    }
    this.#passed = end;
  }

  /** Resolves when somebody waits for a time to come. */
  async awaited(): Promise<void> {
    const { setTimeout } = this.#original;
    for (let turn = 0; this.#timers.size === 0; turn++) {
      assert(turn < 10_000, "Nobody waits");
      await new Promise((resolve) => setTimeout.call(globalThis, resolve, 1));
    }
  }

  /** Gives the machine's clock back. */
  [Symbol.dispose](): void {
    performance.now = this.#original.now;
    Date.now = this.#original.dateNow;
    globalThis.setTimeout = this.#original.setTimeout;
    globalThis.clearTimeout = this.#original.clearTimeout;
  }

  #leap(): void {
    const [id, timer] = this.#next();
    if (timer !== undefined) this.#run(id, timer);
  }

  #next(): readonly [number, Timer | undefined] {
    let next: readonly [number, Timer | undefined] = [0, undefined];
    for (const [id, timer] of this.#timers) {
      if (next[1] === undefined || timer.at < next[1].at) next = [id, timer];
    }
    return next;
  }

  #run(id: number, { at, run }: Timer): void {
    this.#timers.delete(id);
    this.#passed = Math.max(this.#passed, at);
    run();
  }
}
