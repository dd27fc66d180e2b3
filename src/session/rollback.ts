/** Going back: to the tree on the medium, to that of an older session, to the state before a commit. */

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
    // xorriso could not read the tree again: it holds an empty one, which the
    // next commit would write.
    if (!session.isUnloaded) await session.end();
    throw error;
  }
}

/**
 * Takes the tree of an older session as the base of the next commit. What is
 * staged is discarded.
 *
 * @param number Number of the session, as `sessions()` lists it.
 */
export async function revert(changes: Changes, number: number): Promise<void> {
  const { session } = changes;
  await makeWritable(changes);
  checkSession(number);
  await rollback(changes);
  try {
    await choose(session, { by: "session", at: number });
  } catch (error) {
    // xorriso holds an empty tree now.
    await resume(session);
    throw error;
  }
  session.loaded = number;
}

/**
 * The result of `undo()`: the medium is as before (`done`), the older tree is
 * the base of the next commit (`pending`), or there is none (`impossible`).
 */
export type Undone = "done" | "pending" | "impossible";

/**
 * Goes back to the tree before the last commit.
 *
 * @param base Number of the session before that commit; 0 if there was none.
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
 * @param written Whether a session was written all the same; in an image it is
 * taken back.
 */
export async function resume(
  session: Session,
  written = false,
): Promise<void> {
  const { image } = session.target;
  try {
    // The failure is known already; this only finds out whether xorriso can go on.
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
 * Opens the medium again; if a failed burn has left a damaged session, with the
 * one that was loaded before.
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
