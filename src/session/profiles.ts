/** What each kind of medium allows: blanking, formatting, closing, and how much of it a session takes. */

import { XorrisoError } from "../errors.ts";
import { BLOCK, blocksOf, type Medium } from "../medium.ts";

/** Media that can be written again after they were erased. */
const ERASABLE = /^(CD-RW|DVD-RW|DVD\+RW|DVD-RAM|BD-RE|stdio)/;

/** Media that are written in place: they have no end that could be closed. */
const OVERWRITABLE =
  /^(DVD-RW restricted|DVD\+RW|DVD-RAM|BD-RE|stdio)(?! sequential)/;

/** Media that know formatting (MMC-5, 6.5 FORMAT UNIT). */
const FORMATTABLE = /^(DVD-RW|DVD\+RW|DVD-RAM|BD-RE|BD-R)/;

/** Refuses what cannot be erased (BLANK_FAILED), and data without `force` (MEDIUM_NOT_WRITABLE). */
export function checkErase(
  { drive, profile, sessions, status }: Medium,
  what: "blank" | "format",
  force: boolean,
): void {
  const kinds = what === "blank" ? ERASABLE : FORMATTABLE;
  // A BD-R can be formatted before it is written (MMC-6, 6.5), not after.
  const isWritten = status !== "blank" && /^BD-R(?!E)/.test(profile);
  if (!kinds.test(profile) || isWritten) {
    throw new XorrisoError(
      "BLANK_FAILED",
      `Cannot ${what} the medium in "${drive}": ${profile} cannot be ` +
        `${what === "blank" ? "erased" : "formatted"}` +
        `${isWritten ? " once it is written" : ""}; use another medium`,
      { path: drive },
    );
  }
  if (status === "blank" || force) return;
  throw new XorrisoError(
    "MEDIUM_NOT_WRITABLE",
    `Cannot ${what} the medium in "${drive}": it holds data in ${sessions} ` +
      `${sessions === 1 ? "session" : "sessions"}; add force to destroy it`,
    { path: drive },
  );
}

/** Refuses a medium that cannot be closed for good (MEDIUM_NOT_WRITABLE). */
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

/** Blocks of the mirrored header at the start of media written in place. */
const HEADER = 32;

/** Fewest blocks of a track on a CD (Red Book: four seconds). */
const SHORTEST = 300;

/** Blocks that a medium is written in: the ECC blocks of DVD and BD. */
function unitOf(profile: string): number {
  if (OVERWRITABLE.test(profile) || profile.startsWith("CD")) return 1;
  return profile.startsWith("DVD") ? 16 : 32;
}

/**
 * Bytes that a session takes from the free space of a medium: a track is
 * reserved in whole units of it. On blank media that are written in place
 * xorriso counts the mirrored header, too, whose place does not count as free.
 *
 * @param bytes What xorriso counts.
 */
export function footprint({ profile, status }: Medium, bytes: number): number {
  const blocks = blocksOf(bytes);
  if (blocks === 0) return 0;
  if (OVERWRITABLE.test(profile)) {
    return (status === "blank" ? blocks - HEADER : blocks) * BLOCK;
  }
  if (profile.startsWith("CD")) return Math.max(blocks, SHORTEST) * BLOCK;
  const unit = unitOf(profile);
  return Math.ceil(blocks / unit) * unit * BLOCK;
}

/** Bytes, as xorriso counts them, of the largest session that still fits. */
export function largestSession({ profile, status, free }: Medium): number {
  const unit = unitOf(profile) * BLOCK;
  const header = OVERWRITABLE.test(profile) && status === "blank" ? HEADER : 0;
  return Math.floor(free / unit) * unit + header * BLOCK;
}
