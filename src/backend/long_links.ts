/**
 * Long symbolic links, from whose text xorriso 1.5.8 loses slashes when it loads
 * them, so that the next session has them damaged: they are made anew in each.
 */

import type { Entry } from "../iso/mod.ts";
import { encodeName } from "../names.ts";
import type { Changes } from "../session/changes.ts";

/** The one version that has the fault (1.5.4 and 1.5.6 were tried). */
const FAULTY = "1.5.8";

/** Bytes that a record takes of the parts of a text. */
const RECORD = 250;

/** Bytes that each part takes besides its own. */
const PART = 2;

/** Whether a link's text takes more than one record. */
export function isLongLink(text: string): boolean {
  if (text.length * (3 + PART) <= RECORD) return false;
  const parts = text.split("/");
  const bytes = parts.reduce((sum, part) => sum + encodeName(part).length, 0);
  return bytes + PART * parts.length > RECORD;
}

/**
 * Stages long links anew, as they were read from the medium.
 *
 * @param version Version of the xorriso that writes them.
 * @param entries What is on the medium.
 * @param isSame Whether a path will be what it is now.
 */
export async function renewLongLinks(
  changes: Changes,
  version: string,
  entries: Iterable<Entry>,
  isSame: (path: string) => boolean,
): Promise<void> {
  if (version !== FAULTY) return;
  const steps: Promise<void>[] = [];
  for (const { path, target: text, uid, gid, mtime } of entries) {
    if (text === undefined || !isLongLink(text) || !isSame(path)) continue;
    steps.push(
      changes.remove(path),
      changes.link(text, path),
      changes.setAttributes(path, { uid, gid, mtime }),
    );
  }
  await Promise.all(steps);
}
