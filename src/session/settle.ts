/** Waiting until no xorriso of a killed program can be at work on an image any more. */

import { delay } from "@std/async/delay";
import { notify, unlessAborted } from "../async.ts";
import { withoutBytes } from "../dialogue/progress.ts";
import { unquote } from "../dialogue/protocol.ts";
import { type ImageFile, WARM } from "../disk/image.ts";
import { XorrisoError } from "../errors.ts";
import { type Findings, findRemains } from "./remains.ts";
import type { Session } from "./session.ts";

/** How long an image must rest until nobody can be at work on it any more. */
export const REST = {
  /** Milliseconds without a change where a commit has left something unfinished. */
  unfinished: 60_000,
};

/**
 * Milliseconds between two searches for a writer: a child of this program has all its files open until
 * it becomes another program, which takes a part of that.
 */
const APART = 1000;

/**
 * Waits until no xorriso of a killed program can be at work on the image; then, with `recover`, mends
 * what an interrupted commit has left.
 *
 * Such a xorriso goes on until it reads the end of its input, while the lock of its program is gone:
 * Deno hands no open file to a child that could keep it. So an image with an unfinished commit must
 * have rested for a minute, and any other that was not closed in order for two seconds.
 *
 * @returns Whether the image is as it was when it was opened.
 * @throws {XorrisoError} DRIVE_BUSY when it has an unfinished commit, and does not rest within
 * `lockTimeout`, or does without `recover`.
 */
export async function settle(
  session: Session,
  signal?: AbortSignal,
): Promise<boolean> {
  const { image, writable } = session.target;
  if (image === undefined || image.isAtRest || !writable) return true;
  signal?.throwIfAborted();
  // All that want to write wait for the same rest.
  session.resting ??= rest(session, image).finally(() =>
    session.resting = undefined
  );
  return await session.whileOpen(unlessAborted(session.resting, signal));
}

async function rest(session: Session, image: ImageFile): Promise<boolean> {
  const { recover = false, lockTimeout = Infinity, onMessage, onProgress } =
    session.options;
  const deadline = performance.now() + lockTimeout;
  const gone = new AbortController();
  const abort = () => gone.abort();
  session.closed.then(abort, abort);
  let { remains, isUnlisted }: Findings = {};
  const busy = (advice: string) =>
    new XorrisoError(
      "DRIVE_BUSY",
      `${session.doing("change")}: another program's commit to it has not ` +
        `come to its end (${remains?.what}); ${advice}`,
      { path: session.device },
    );
  const needed = async () => {
    ({ remains, isUnlisted } = await findRemains(image));
    return remains === undefined ? WARM : REST.unfinished;
  };
  const onWait = (left: number) => {
    if (remains === undefined) return;
    if (performance.now() >= deadline) {
      throw busy(
        `it may go on until nothing has changed for another ` +
          `${Math.ceil(left / 1000)} s; wait for that by lockTimeout`,
      );
    }
    notify(onProgress, withoutBytes("resting"));
  };
  const since = await image.rest(needed, onWait, gone.signal);
  const writer = remains && await findWriter(session, image.path);
  if (writer !== undefined) {
    throw busy(`process ${writer} has it open for writing; wait for its end`);
  }
  if (remains !== undefined && !recover) {
    throw busy(
      `nothing has changed since ${since.toISOString()}; if no xorriso is at ` +
        `work on it any more, open it with recover to have that mended`,
    );
  }
  await remains?.mend?.();
  if (isUnlisted) {
    notify(
      onMessage,
      `xorriso-backend : WARNING : "${session.device}" was made by a program ` +
        `that keeps no sessions: what it shows now cannot be gone back to`,
    );
  }
  image.isAtRest = true;
  return await image.isUnchanged();
}

/**
 * Finds a process, other than this one, that has a file open for writing for a while.
 *
 * A stopped xorriso changes nothing, however long the image has rested. Nothing that lives as long as
 * it can be seen for certain: it locks no image, its `-logfile` would need a FIFO, which Deno cannot
 * make, and Deno may read `/proc` with `--allow-all` alone. But the xorriso of this session can list
 * `/proc`, which shows the processes of this user in this container: enough to refuse an image that
 * one of them has open, too little to take an image for free before it has rested.
 *
 * @param path The file, without links.
 * @returns The number of the process. xorriso has its image open while it writes, not before.
 */
async function findWriter(
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
  const doing = session.doing("find out who writes to");
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
