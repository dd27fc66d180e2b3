/** Watches whether a process that should be working makes progress. */

/** What to do when there is no progress. */
export interface SilenceOptions {
  /** Milliseconds until `onStill`; from then on each time after twice as long. */
  readonly still: number;
  /** Milliseconds until `onSilent`. */
  readonly timeout: number;
  /** Called when there was no progress for a while. */
  onStill(): void;
  /** Called once, when there was none for too long; gets the milliseconds. */
  onSilent(silent: number): void;
}

/** Most milliseconds of a step. */
const STEP = 1000;

/**
 * Tells when there was no progress for a while.
 *
 * Time is counted in steps, so that it does not pass while this program is
 * stopped, by Ctrl-Z or with its container: however long a stop is, it is one
 * step, and another one follows in which to read what has arrived meanwhile.
 */
export class Silence {
  readonly #options: SilenceOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whole steps since the last progress; -1 in the step of the progress itself. */
  #steps = -1;
  #timeout: number;
  /** Milliseconds of silence after which `onStill` is called next. */
  #patience: number;

  /** Watches from `start()` on. */
  constructor(options: SilenceOptions) {
    this.#options = options;
    this.#timeout = options.timeout;
    this.#patience = options.still;
  }

  /**
   * Begins to watch, or goes on; counts as progress.
   *
   * @param timeout Milliseconds until `onSilent` from now on.
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

  /** Notes progress. */
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
