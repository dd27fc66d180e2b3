/** How much is being burned, as far as it can be told. */

import type { Progress } from "../options.ts";

/** What a share of 0.1 percent may be rounded by. */
const ROUNDING = 0.001;

/** What is being burned. */
export class Burning {
  readonly #size: number | undefined;
  #guess: number | undefined;

  /** With its bytes, where they are known. */
  constructor(size?: number) {
    this.#size = size;
  }

  /**
   * Adds the size to a report, which xorriso tells by a rounded share: a guess
   * that each report narrows down, so that it does not go up and down.
   */
  withTotal(progress: Progress): Progress {
    const { phase, done, total = 0 } = progress;
    if (phase !== "writing") return progress;
    if (total > 0) {
      const share = done / total;
      const least = done / (share + ROUNDING);
      const most = share > ROUNDING ? done / (share - ROUNDING) : Infinity;
      const guess = Math.min(Math.max(this.#guess ?? total, least), most);
      this.#guess = Math.round(guess);
    }
    const size = this.#size ?? this.#guess;
    return size === undefined
      ? progress
      : { ...progress, total: Math.max(size, done) };
  }
}
