/** The medium as a whole: its free room, blanking, formatting, closing it for good, the tray. */

import { parseSpace } from "../dialogue/answers.ts";
import { XorrisoError } from "../errors.ts";
import { BLOCK, type Medium } from "../medium.ts";
import type { BlankOptions, CommitOptions, FormatOptions } from "../options.ts";
import type { Changes } from "./changes.ts";
import { checkVolume } from "./checks.ts";
import { commit } from "./commit.ts";
import { hasChanges, readMedium } from "./medium.ts";
import { loadMedium, makeWritable, openMedium } from "./open.ts";
import { checkErase, checkFinish, largestSession } from "./profiles.ts";
import { resume, rollback } from "./rollback.ts";
import type { Session } from "./session.ts";
import { settle } from "./settle.ts";

/** Bytes that a few more files may add to the directory trees. */
const ROOM_FOR_NAMES = 16 * BLOCK;

/**
 * Bytes of content that still fit in one session. Needs `exclusive()`, since
 * xorriso tells the size of a session only while changes are pending.
 */
export async function readRoom({ session }: Changes): Promise<number> {
  const medium = await readMedium(session);
  if (!session.target.writable || session.refusal || !medium.appendable) {
    return 0;
  }
  const doing = session.doing("measure what is staged for");
  const isPending = await hasChanges(session);
  if (!isPending) await session.run("-changes_pending yes", doing);
  try {
    // xorriso reports it as a problem if there is no room at all.
    const { results, messages } = await session.run("-tell_media_space", {
      doing,
      tolerant: true,
    });
    const space = parseSpace(results);
    if (space === undefined) throw session.unexpected(doing, messages);
    const taken = space.free - space.afterCommit + ROOM_FOR_NAMES;
    return Math.max(0, largestSession(medium) - taken);
  } finally {
    if (!isPending) await session.run("-changes_pending no", doing);
  }
}

/** Blanks or formats the medium. */
export async function erase(
  changes: Changes,
  what: "blank" | "format",
  options: BlankOptions | FormatOptions,
): Promise<void> {
  const { mode = "as_needed", force = false, onProgress } = options;
  const { session } = changes;
  const signal = session.stopOn(options.signal);
  await session.requireWritable({ erasing: true });
  const { image } = session.target;
  checkErase(await readMedium(session), what, force);
  if (session.foreign === undefined) await rollback(changes);
  if (image === undefined) {
    const doing = session.doing(`${what} the medium in`);
    await session.requireSame(doing);
    try {
      await session.burn(`-${what} ${mode}`, { doing, signal, onProgress });
    } catch (error) {
      await resume(session);
      throw error;
    }
  } else {
    await settle(session, signal);
    await image.beforeCommit();
    await image.cut(0);
  }
  // Only the medium shows whether it was erased.
  const { status, drive } = await loadMedium(session);
  if (status === "blank") return;
  throw new XorrisoError(
    "BLANK_FAILED",
    `Cannot ${what} the medium in "${drive}": it is still ${status}; try ` +
      `another mode`,
    { path: drive },
  );
}

/** Closes the medium for good, with what is staged. */
export async function closeMedium(
  changes: Changes,
  options: CommitOptions = {},
): Promise<void> {
  const { session } = changes;
  await makeWritable(changes);
  const doing = session.doing("close the medium in");
  checkFinish(await readMedium(session));
  await session.run("-close on", doing);
  try {
    const { problem } = await commit(changes, { ...options, force: true });
    if (problem !== undefined) throw problem;
  } finally {
    if (!session.lost) await session.run("-close off", doing);
  }
}

/** Opens the tray; what is staged is discarded. */
export async function openTray(changes: Changes): Promise<void> {
  const { session } = changes;
  requireTray(session, "eject");
  if (session.foreign === undefined) await rollback(changes);
  await session.run("-eject all", session.doing("eject the medium in"));
  session.isUnloaded = true;
}

/** Closes the tray and opens the medium in it. */
export async function closeTray(
  { session }: Changes,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Medium> {
  const signal = session.stopOn(options.signal);
  requireTray(session, "load");
  // Changes that were staged for the medium before must not go to this one.
  const doing = { doing: session.doing("roll back"), tolerant: true };
  if (!session.isUnloaded) await session.run("-rollback", doing);
  session.isUnloaded = true;
  const medium = await session.whenReady(
    () => openMedium(session, { signal }),
    signal,
  );
  try {
    checkVolume(medium, session.options, session.target);
    return medium;
  } catch (error) {
    session.isUnloaded = true;
    throw error;
  }
}

/** Refuses an image file, which has no tray. */
function requireTray(session: Session, what: string): void {
  if (!session.isImage) return;
  throw new XorrisoError(
    "NO_DRIVE",
    `${session.doing(what)}: it is an image file, no drive`,
  );
}
