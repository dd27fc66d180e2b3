/** What is special about optical drives and their media. */

import { XorrisoError } from "./errors.ts";
import { BLOCK, type Medium } from "./report.ts";

/** How to erase a medium: what is necessary, quickly, or every block. */
export type BlankMode = "as_needed" | "fast" | "all";

/** How to format a medium: what is necessary, quickly, or every block. */
export type FormatMode = "as_needed" | "fast" | "full";

/** Media that can be written again after they were erased. */
const ERASABLE = /^(CD-RW|DVD-RW|DVD\+RW|DVD-RAM|BD-RE|stdio)/;

/** Media that are written in place: they have no end that could be closed. */
const OVERWRITABLE =
  /^(DVD-RW restricted|DVD\+RW|DVD-RAM|BD-RE|stdio)(?! sequential)/;

/** Media that know formatting (MMC-5, 6.5 FORMAT UNIT). */
const FORMATTABLE = /^(DVD-RW|DVD\+RW|DVD-RAM|BD-RE|BD-R)/;

/**
 * Makes sure that a medium may be erased.
 *
 * @throws {XorrisoError} BLANK_FAILED if it is of a kind that cannot be,
 * MEDIUM_NOT_WRITABLE if it has data and there is no `force`.
 */
export function checkErase(
  { drive, profile, sessions, status }: Medium,
  what: "blank" | "format",
  force: boolean,
): void {
  const kinds = what === "blank" ? ERASABLE : FORMATTABLE;
  if (!kinds.test(profile) || profile === "BD-R" && status !== "blank") {
    throw new XorrisoError(
      "BLANK_FAILED",
      `Cannot ${what} the medium in "${drive}": ${profile} cannot be ` +
        `${what === "blank" ? "erased" : "formatted"}; use another medium`,
      { path: drive },
    );
  }
  if (status === "blank" || force) return;
  throw new XorrisoError(
    "MEDIUM_NOT_WRITABLE",
    `Cannot ${what} the medium in "${drive}": it holds data in ${sessions} ` +
      `sessions; add force to destroy it`,
    { path: drive },
  );
}

/**
 * Makes sure that a medium can be closed for good.
 *
 * @throws {XorrisoError} MEDIUM_NOT_WRITABLE if it cannot.
 */
export function checkFinish({ drive, profile, status }: Medium): void {
  const why = OVERWRITABLE.test(profile)
    ? `${profile} stays writable always`
    : status === "closed"
    ? "it is closed already"
    : status === "blank"
    ? "it is blank"
    : undefined;
  if (why === undefined) return;
  throw new XorrisoError(
    "MEDIUM_NOT_WRITABLE",
    `Cannot close the medium in "${drive}" for good: ${why}`,
    { path: drive },
  );
}

/** Tells whether a medium is written in place, and not in a new track. */
export function isOverwritable(medium: Medium | undefined): boolean {
  return medium !== undefined && OVERWRITABLE.test(medium.profile);
}

/**
 * Bytes of a session that fit into the free space of a medium: what xorriso
 * counts is rounded up to the units that the medium is written in, ECC blocks
 * of 32 KiB on DVD and 64 KiB on BD, when a track is reserved for it. Media that
 * are written in place take as much as they say, and on blank ones what xorriso
 * counts has 32 blocks for the mirrored header that are counted as used already.
 */
export function capacity({ profile, status, free }: Medium): number {
  if (OVERWRITABLE.test(profile)) {
    return status === "blank" ? free + 32 * BLOCK : free;
  }
  if (profile.startsWith("CD")) return free;
  const unit = (profile.startsWith("DVD") ? 16 : 32) * BLOCK;
  return Math.floor(free / unit) * unit;
}

/**
 * The log of SCSI commands, which alone tells that a medium was exchanged.
 *
 * libburn repeats a command that the drive answers by "the medium may have
 * changed" (MMC-5, unit attention 28h), without a word, and xorriso would write
 * the tree of the old medium over the new one. With `-scsi_log on` the answer
 * is told on standard error.
 */
export class DriveLog {
  #exchanged = false;

  /** Whether the medium was exchanged since the last `reset()`. */
  get exchanged(): boolean {
    return this.#exchanged;
  }

  /** Takes one line; tells whether it is one of the log. */
  take(line: string): boolean {
    if (/^\+\+\+ key=6 +asc=28h/.test(line)) this.#exchanged = true;
    return LOG_LINE.test(line);
  }

  /** What is there now is known. */
  reset(): void {
    this.#exchanged = false;
  }
}

/** Names of commands, their bytes, replies, sense data, and durations. */
const LOG_LINE =
  /^(?:[A-Z][A-Z0-9 /_()+-]*|(?:[0-9a-f]{2} ?)+|From drive: \d+b|To drive: \d+b|\+\+\+ .*| +\d+ us .*|\.\.\..*)$/;
