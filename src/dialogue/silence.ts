/** Watching over a process that should be at work. */

/** What is done when nothing moves. */
export interface SilenceOptions {
  /** Milliseconds until `onStill`; from then on each time after twice as long. */
  readonly still: number;
  /** Milliseconds until `onSilent`. */
  readonly timeout: number;
  /** Called when it is time to find out why nothing moves. */
  onStill(): void;
  /** Called, once, when it has taken too long; given the milliseconds. */
  onSilent(silent: number): void;
}

/** Milliseconds between two looks at the clock, at most. */
const STEP = 1000;

/**
 * Tells when nothing has moved for a while.
 *
 * Time is counted in steps, so that it does not pass while this program is
 * stopped, by Ctrl-Z or with its container: that takes one step, however long
 * it was, and there is one more to read what has arrived meanwhile.
 */
export class Silence {
  readonly #options: SilenceOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whole steps since something has moved; -1 in the step in which it has. */
  #steps = -1;
  #timeout: number;
  /** Milliseconds of silence after which `onStill` is called next. */
  #patience: number;

  /** Does not watch yet. */
  constructor(options: SilenceOptions) {
    this.#options = options;
    this.#timeout = options.timeout;
    this.#patience = options.still;
  }

  /**
   * Begins to watch, or goes on; this moment counts as a move.
   *
   * @param timeout Milliseconds until `onSilent`, where it is another time.
   */
  start(timeout = this.#options.timeout): void {
    this.moved();
    this.#timeout = timeout;
    if (this.#timer === undefined) this.#next();
  }

  /** Watches no more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Notes that something has moved. */
  moved(): void {
    this.#steps = -1;
  }

  #next(): void {
    const step = Math.max(
      1,
      Math.min(STEP, this.#options.still, this.#timeout),
    );
    this.#timer = setTimeout(() => this.#pass(step), step);
  }

  /** Judges after a step of so many milliseconds. */
  #pass(step: number): void {
    this.#next();
    const { still, onStill, onSilent } = this.#options;
    const silent = ++this.#steps * step;
    if (silent > this.#timeout) {
      this.stop();
      onSilent(silent);
    } else if (silent < still) {
      this.#patience = still;
    } else if (silent >= this.#patience) {
      this.#patience = 2 * silent;
      onStill();
    }
  }
}
