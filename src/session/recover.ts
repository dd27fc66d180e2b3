/** Finding the session to go on from on a medium in a drive whose last burn was interrupted. */

import { parseToc, type Toc } from "../dialogue/answers.ts";
import { XorrisoError } from "../errors.ts";
import type { Session } from "./session.ts";

/** A session to load, in the terms of xorriso's `-load`. */
export interface Base {
  /** The meaning of `at`. */
  readonly by: "session" | "sbsector";
  /** The number of the session, or its first block. */
  readonly at: number;
  /** Whether nothing is there: the next session begins a new tree. */
  readonly isEmpty?: boolean;
}

/**
 * The sessions that may be loaded where the newest one is damaged, newest first;
 * on a writable medium, an empty tree comes last. Closes the medium behind the
 * damage if it is writable, and no session is left.
 */
export async function findBases(session: Session): Promise<Base[]> {
  const { address, writable } = session.target;
  if (!writable) {
    // xorriso has given up a drive that it could not open by -indev.
    const doing = session.doing("look at");
    await session.run(["-outdev", address], { doing, tolerant: true });
  }
  const toc = await readToc(session);
  const sessions = toc.sessions.map(({ number: at }): Base => ({
    by: "session",
    at,
  })).reverse();
  if (!writable) return sessions;
  // Where no session is sound, the next one begins with an empty tree.
  let { nwa } = toc;
  if (sessions.length === 0) {
    await closeDamaged(session);
    nwa = await endOfMedium(session);
  }
  return nwa === undefined ? sessions : [...sessions, emptyAt(nwa)];
}

/**
 * Closes the session that an interrupted burn has left open, which a BD-R needs
 * before it can be written.
 *
 * @returns What to load now: the session before it, or an empty tree.
 */
export async function closeInterrupted(session: Session): Promise<Base> {
  const { device: path, loaded } = session;
  await closeDamaged(session);
  if (loaded > 0) return { by: "session", at: loaded };
  const nwa = await endOfMedium(session);
  if (nwa !== undefined) return emptyAt(nwa);
  throw new XorrisoError(
    "MEDIUM_NOT_WRITABLE",
    `Cannot go on with the medium in "${path}": it has no writable block ` +
      `behind the interrupted session; use another medium`,
    { path },
  );
}

/** The sessions of a medium that may be damaged. */
async function readToc(session: Session): Promise<Toc> {
  const doing = session.doing("look at");
  const { results } = await session.run("-toc", { doing, tolerant: true });
  return parseToc(results);
}

/** Closes a session that was left open; xorriso gives up the drive by that. */
async function closeDamaged(session: Session): Promise<void> {
  const doing = session.doing("close the interrupted session on");
  await session.burn("-close_damaged force", { doing, tolerant: true });
}

/** The next writable block, behind all that was written. */
async function endOfMedium(session: Session): Promise<number | undefined> {
  const doing = session.doing("look at");
  // Its content does not matter, and may be reported as a problem.
  await session.run(["-dev", session.target.address], {
    doing,
    tolerant: true,
  });
  const { nwa } = await readToc(session);
  await session.releaseDrive();
  return nwa;
}

/** An empty tree, to be written where nothing is. */
function emptyAt(at: number): Base {
  return { by: "sbsector", at, isEmpty: true };
}
