/**
 * Who has an image open for writing: the xorriso of a killed program goes on until it reads the end of
 * its input.
 *
 * Nothing that lives as long as such a process can be seen for certain: Deno hands no open file to a
 * child that could keep a lock, xorriso locks no image, its `-logfile` would need a FIFO that Deno
 * cannot make, and Deno itself may read `/proc` with `--allow-all` alone. But xorriso can list `/proc`,
 * which tells of the processes of this user in this container: enough to refuse a file that one of
 * them has open, however long it has rested, and too little to take one for free before it has.
 */

import { delay } from "@std/async/delay";
import { unquote } from "../dialogue/protocol.ts";
import type { Session } from "./session.ts";

/**
 * Milliseconds between two looks: a child of this program has all its files open until it becomes
 * another program, which takes a part of that.
 */
const APART = 1000;

/**
 * Finds a process that has a file open for writing for a while, besides this program.
 *
 * @param path The file, without links.
 * @returns Its number; undefined if none is seen. xorriso has its image open while it writes, not before.
 */
export async function findWriter(
  session: Session,
  path: string,
): Promise<number | undefined> {
  let known: number | undefined;
  for (;;) {
    const found = await findOnce(session, path);
    if (found === undefined || found === known) return found;
    known = found;
    await delay(APART);
  }
}

async function findOnce(
  session: Session,
  path: string,
): Promise<number | undefined> {
  const doing = session.doing("look who writes to");
  await session.run(["-disk_pattern", "on"], doing);
  // Some processes end meanwhile.
  const { results } = await session.run(
    ["-lsdlx", "/proc/[0-9]*/fd/[0-9]*"],
    { doing, tolerant: true },
  );
  await session.run(["-disk_pattern", "off"], doing);
  for (const line of results) {
    const [, pid, target = ""] =
      /^l.w.* '\/proc\/(\d+)\/fd\/\d+' -> (.+)$/.exec(line) ?? [];
    if (Number(pid) === Deno.pid || unquote(target) !== path) continue;
    return Number(pid);
  }
  return undefined;
}
