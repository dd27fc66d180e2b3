/** Staging for a caller that does not know the tree: xorriso is asked about it first. */

import { resolveForRead } from "../disk/permissions.ts";
import { openSource } from "../disk/sources.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { checkNewPath, parents, show } from "../names.ts";
import type { Changes } from "./changes.ts";
import { lookUp, typeOf } from "./entries.ts";
import { makeWritable } from "./open.ts";
import { rollback } from "./rollback.ts";
import type { Session } from "./session.ts";

/** Stages a file under a path, unless a directory is there, or a file above it. */
export async function stageFile(
  changes: Changes,
  source: string,
  isoPath: string,
): Promise<void> {
  const { session } = changes;
  const path = checkNewPath(isoPath);
  await makeWritable(changes);
  const real = await openSource(source);
  await requirePlace(session, path);
  try {
    await changes.stage(real.path, path);
  } catch (error) {
    // xorriso has removed the file that this one should have replaced: that
    // must not be committed.
    if (!isCode(error, "CLOSED")) await rollback(changes).catch(() => {});
    throw error;
  }
}

/**
 * Stages the removal of paths.
 *
 * @param options `recursive`: directories with all below them, too.
 */
export async function stageRemoval(
  changes: Changes,
  paths: readonly string[],
  { recursive = false }: { readonly recursive?: boolean },
): Promise<void> {
  const { session } = changes;
  await makeWritable(changes);
  const nodes = await Promise.all(paths.map((path) => lookUp(session, path)));
  const directory = nodes.find(({ type }) => type === "directory");
  if (directory !== undefined && !recursive) {
    const { path } = directory;
    const why = "it is a directory; add recursive";
    throw isTaken(session, `remove ${show(path)}`, why, path);
  }
  await changes.remove(paths, { recursive });
}

/** Stages another path for a node, unless something is there. */
export async function stageMove(
  changes: Changes,
  path: string,
  target: string,
): Promise<void> {
  const { session } = changes;
  await makeWritable(changes);
  await lookUp(session, path);
  await requirePlace(session, target);
  if (await typeOf(session, target) !== undefined) {
    const why = `${show(target)} is there already; remove it first`;
    throw isTaken(session, `rename ${show(path)}`, why, target);
  }
  await changes.move(path, target);
}

/** Refuses to replace a directory, or to make one of a file: xorriso would do both silently. */
async function requirePlace(session: Session, path: string): Promise<void> {
  for (const parent of parents(path)) {
    const type = await typeOf(session, parent);
    if (type === undefined) return;
    if (type === "directory") continue;
    const why = `${show(parent)} is no directory; remove it first`;
    throw isTaken(session, `store ${show(path)}`, why, path);
  }
  if (await typeOf(session, path) !== "directory") return;
  const why = "it is a directory; choose another name";
  throw isTaken(session, `store ${show(path)}`, why, path);
}

function isTaken(
  session: Session,
  what: string,
  why: string,
  path: string,
): XorrisoError {
  const doing = session.doing(`${what} on`);
  return new XorrisoError("ENTRY_EXISTS", `${doing}: ${why}`, { path });
}

/**
 * Checks the staged files again before xorriso reads them: a link may be in the
 * path by now that leads to what the script may not read. Rolls back then.
 */
export async function requireSources(changes: Changes): Promise<void> {
  for (const path of changes.session.sources) {
    try {
      await resolveForRead(path, "the source");
    } catch (error) {
      // xorriso finds all other problems by itself.
      if (!(error instanceof Deno.errors.NotCapable)) continue;
      await rollback(changes);
      throw error;
    }
  }
}
