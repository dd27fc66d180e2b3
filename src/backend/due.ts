/** When a batch is due: soon after its last change, or long after its first. */

import { MAX_TIMEOUT } from "../async.ts";

/** Milliseconds until a batch is due. */
export interface DueOptions {
  /** After its last change. */
  readonly commitDelay: number;
  /** After its first change, whatever comes. */
  readonly commitMax: number;
}

/** Calls for a commit in time. */
export class Due {
  readonly #options: DueOptions;
  readonly #commit: () => void;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #last: ReturnType<typeof setTimeout> | undefined;

  /** Nothing is due yet. */
  constructor(options: DueOptions, commit: () => void) {
    this.#options = options;
    this.#commit = commit;
  }

  /** Notes that there is something to commit; `more` is about to come. */
  note(more: boolean): void {
    const { commitDelay, commitMax } = this.#options;
    this.hold();
    if (!more) {
      // A timer comes a millisecond late (Deno 2.9).
      const delay = Math.min(Math.max(0, commitDelay - 1), MAX_TIMEOUT);
      this.#soon = setTimeout(this.#commit, delay);
    }
    this.#last ??= setTimeout(this.#commit, Math.min(commitMax, MAX_TIMEOUT));
  }

  /** Waits for what is about to come, but not for ever. */
  hold(): void {
    clearTimeout(this.#soon);
  }

  /** Forgets what was noted. */
  clear(): void {
    this.hold();
    clearTimeout(this.#last);
    this.#last = undefined;
  }
}
