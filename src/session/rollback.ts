/** Going back: to what is on the medium, to an older tree, before a commit. */

import { isCode } from "../errors.ts";
import type { Changes } from "./changes.ts";
import { checkSession } from "./checks.ts";
import { choose, loadMedium, makeWritable, openMedium } from "./open.ts";
import type { Session } from "./session.ts";

/** Discards what is staged. */
export async function rollback({ session }: Changes): Promise<void> {
  const doing = session.doing("roll back");
  try {
    await session.run("-rollback", { doing });
    session.forgetStaged();
  } catch (error) {
    // The tree was read again and could not be: the one in memory is empty,
    // and would be written.
    if (!session.isUnloaded) await session.end();
    throw error;
  }
}

/**
 * Takes the tree of an older session as the base of the next commit. What is
 * staged is discarded.
 *
 * @param number The session, as `sessions()` tells it.
 */
export async function revert(changes: Changes, number: number): Promise<void> {
  const { session } = changes;
  await makeWritable(changes);
  checkSession(number);
  await rollback(changes);
  try {
    await choose(session, { by: "session", at: number });
  } catch (error) {
    // xorriso has an empty tree now, and would write that.
    await resume(session);
    throw error;
  }
  session.loaded = number;
}

/**
 * How far a commit could be taken back: the medium is as before (`done`), the
 * older tree is the base of the next commit (`pending`), or there is no older
 * one (`impossible`).
 */
export type Undone = "done" | "pending" | "impossible";

/**
 * Goes back to the tree before the last commit.
 *
 * @param base Number of the session that it is on top of.
 */
export async function undo(changes: Changes, base: number): Promise<Undone> {
  const { session } = changes;
  const { image } = session.target;
  if (image !== undefined) {
    await image.undo();
    await loadMedium(session);
    return "done";
  }
  if (base === 0) return "impossible";
  await revert(changes, base);
  return "pending";
}

/**
 * Brings a session back to the state of the medium after something has failed.
 *
 * @param written Whether a session was written all the same. An image is made
 * what it was before, so that no call that failed has changed anything.
 */
export async function resume(
  session: Session,
  written = false,
): Promise<void> {
  const { image } = session.target;
  try {
    // The verdict is out already; only whether xorriso can go on counts.
    await session.run("-rollback", session.doing("roll back")).catch(() => {});
    if (written) {
      await image?.remember();
      await image?.undo();
    } else await image?.restore();
    await openAgain(session);
  } catch {
    await session.end();
  }
}

/**
 * Opens the medium again, with the session that was loaded before where a
 * failed burn has left a newer one that cannot be.
 */
async function openAgain(session: Session): Promise<void> {
  const sound = session.loaded;
  try {
    await openMedium(session, {});
  } catch (error) {
    if (!isCode(error, "IMAGE_DAMAGED") || session.isImage || sound === 0) {
      throw error;
    }
    await session.releaseDrive();
    await openMedium(session, {
      base: await choose(session, { by: "session", at: sound }),
    });
  }
}
