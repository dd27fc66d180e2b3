/** xorriso's progress reports (its pacifier lines) as values. */

import { BLOCK } from "../medium.ts";
import type { Progress } from "../options.ts";
import { parseSize } from "./answers.ts";

/** Reads a progress line; undefined if it is none. */
export function parseProgress(line: string): Progress | undefined {
  const [, text] = /^xorriso : UPDATE : +(.*)$/.exec(line) ?? [];
  if (text === undefined) return undefined;
  return parseWriting(text) ?? parseTransfer(text) ?? parseWork(text);
}

/**
 * `Writing:      19763s    0.5%   fifo   0%  buf  50%   35.2xD`, the last one
 * not always there.
 */
function parseWriting(text: string): Progress | undefined {
  const match = /^Writing: +(\d+)s(?: +([\d.]+)%)?/.exec(text);
  if (match === null) return undefined;
  const done = Number(match[1]) * BLOCK;
  const share = Number(match[2] ?? 0) / 100;
  const total = share > 0 ? Math.round(done / share) : undefined;
  return { phase: "writing", done, total, rate: parseRate(text) };
}

/**
 * `1 files restored (2048.0m) in 10 seconds = 152.5xD`, and the like for blocks
 * and for content that is checked.
 */
function parseTransfer(text: string): Progress | undefined {
  const rate = parseRate(text);
  const restored = /^\d+ files restored \( *(\S+)\) in /.exec(text)?.[1];
  if (restored !== undefined) {
    const done = parseSize(restored) ?? 0;
    return { phase: "restoring", done, total: undefined, rate };
  }
  const checked = /^(\S+) content bytes read in /.exec(text)?.[1];
  if (checked !== undefined) {
    const done = parseSize(checked) ?? 0;
    return { phase: "checking", done, total: undefined, rate };
  }
  const blocks = /^(\d+) (?:of (\d+) )?blocks read in /.exec(text);
  if (blocks === null) return undefined;
  return {
    phase: "reading",
    done: Number(blocks[1]) * BLOCK,
    total: blocks[2] === undefined ? undefined : Number(blocks[2]) * BLOCK,
    rate,
  };
}

/** Work that counts no bytes, by the way its lines begin. */
const WORK: readonly (readonly [RegExp, Progress["phase"]])[] = [
  [/^\d+ nodes read in /, "reading"],
  [/^\d+ files added in /, "staging"],
  [/^Closing track\/session\. Working since /, "closing"],
  [/^Thank you for being patient/, "waiting"],
  [/^Blanking\b/, "blanking"],
  [/^Formatting\b/, "formatting"],
];

function parseWork(text: string): Progress | undefined {
  const phase = WORK.find(([pattern]) => pattern.test(text))?.[1];
  return phase && withoutBytes(phase);
}

/** The progress of a phase that counts no bytes. */
export function withoutBytes(phase: Progress["phase"]): Progress {
  return { phase, done: 0, total: undefined, rate: undefined };
}

/**
 * Bytes per second of single speed with CD, DVD and BD: `176.4k`, `4d = 5540k`
 * and the limits of `-speed` in xorriso's manual; the figure for BD is the
 * standard's 35.965 Mbit/s.
 */
const SINGLE_SPEED: Readonly<Record<string, number>> = {
  C: 176_400,
  D: 1_385_000,
  B: 4_495_625,
};

const RATE = / +([\d.]+)x([CDB]) *$/;

/**
 * A line without its rate. The lines of a burn that hangs are all the same then:
 * with their rate, some end with `0.0xD`, others with none.
 */
export function withoutRate(line: string): string {
  return line.replace(RATE, "");
}

function parseRate(text: string): number | undefined {
  const [, speed, unit = ""] = RATE.exec(text) ?? [];
  const single = SINGLE_SPEED[unit];
  return single === undefined ? undefined : Math.round(Number(speed) * single);
}

/** What a share of 0.1 percent may be rounded by. */
const ROUNDING = 0.001;

/** The bytes that a burn writes in all: xorriso tells them only by a rounded share. */
export class TotalGuess {
  readonly #size: number | undefined;
  #guess: number | undefined;

  /** Knows the total if `size` is given. */
  constructor(size?: number) {
    this.#size = size;
  }

  /**
   * Adds the total to a report of writing: else a guess, which each report
   * narrows down, so that it does not go up and down.
   */
  addTo(progress: Progress): Progress {
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
