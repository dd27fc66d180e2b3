/**
 * Long symbolic links: xorriso 1.5.8 loses slashes of their text when it loads
 * a tree, and would write them so into the next session.
 */

import { parseLongLine } from "../dialogue/answers.ts";
import { type Entry, readTree } from "../iso/mod.ts";
import { readSession } from "../iso/sessions.ts";
import { BLOCK } from "../medium.ts";
import { openBlocks, readSessions } from "./medium.ts";
import type { Session } from "./session.ts";

/** The one version with the fault (1.5.4 and 1.5.6 do not have it). */
const FAULTY = "1.5.8";

/** Characters of a text that cannot fill the 250 bytes from which on it is damaged. */
const SHORT = 50;

/** Whether xorriso may hold damaged links. */
export function mayDamageLinks({ version, loaded }: Session): boolean {
  return version === FAULTY && loaded > 0;
}

/** The links that xorriso has damaged when it loaded its tree, as they are on the medium. */
export async function damagedLinks(session: Session): Promise<Entry[]> {
  if (!mayDamageLinks(session)) return [];
  const doing = session.doing("look for links on");
  const held = new Map<string, string>();
  await session.run(["-find", "/", "-type", "l", "-exec", "lsdl"], {
    doing,
    onResult: (line) => {
      const { node, target = "" } = parseLongLine(line) ?? {};
      if (node && target.length > SHORT) held.set(node.path, target);
    },
  });
  if (held.size === 0) return [];
  const recorded = (await readSessions(session))
    .find(({ number }) => number === session.loaded);
  if (recorded === undefined) throw session.unexpected(doing);
  const { lba, number, size } = recorded;
  await using blocks = await openBlocks(session, lba + size / BLOCK);
  const tree = await readTree(blocks, await readSession(blocks, lba, number));
  return [...tree.walk()].filter(({ path, target }) => {
    const text = held.get(path);
    return text !== undefined && text !== target &&
      text.replaceAll("/", "") === target?.replaceAll("/", "");
  });
}
