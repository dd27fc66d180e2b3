/** Watching over somebody who should be at work. */

import { LONGEST } from "../async.ts";

/** What is done when nothing moves. */
export interface WatchOptions {
  /** Milliseconds until `onStill`; from then on each time after twice as long. */
  readonly still: number;
  /** Milliseconds until `onSilent`. */
  readonly timeout: number;
  /** Called when it is time to look why nothing moves. */
  onStill(): void;
  /** Called, once, when it has taken too long; given the milliseconds. */
  onSilent(silent: number): void;
}

/** Tells when nothing has moved for a while. Costs nothing while all moves. */
export class Watch {
  readonly #options: WatchOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = 0;
  /** Milliseconds of silence at which the next look is taken. */
  #patience: number;

  /** Does not watch yet. */
  constructor(options: WatchOptions) {
    this.#options = options;
    this.#patience = options.still;
  }

  /** Begins to watch, or goes on; this moment counts as a move. */
  start(): void {
    if (this.#timer === undefined) this.#patience = this.#options.still;
    this.moved();
    this.#arm();
  }

  /** Watches no more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Notes that something has moved. */
  moved(): void {
    this.#last = performance.now();
  }

  #arm(): void {
    const { timeout } = this.#options;
    const silent = performance.now() - this.#last;
    const left = Math.min(timeout, this.#patience) - silent;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, Math.min(Math.max(left, 0), LONGEST));
  }

  #look(): void {
    const { still, timeout, onStill, onSilent } = this.#options;
    const silent = performance.now() - this.#last;
    if (silent >= timeout) return onSilent(silent);
    if (silent < still) {
      this.#patience = still;
    } else if (silent >= this.#patience) {
      this.#patience = 2 * silent;
      onStill();
    }
    this.#arm();
  }
}
