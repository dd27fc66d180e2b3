/** Writing what is staged as one session on the medium, and judging the result. */

import {
  parseLoadedLba,
  parseMedium,
  parseSpace,
  parseWrittenLba,
} from "../dialogue/answers.ts";
import { Fifos } from "../disk/fifos.ts";
import { keepTempFiles } from "../disk/temp.ts";
import { isCode, XorrisoError } from "../errors.ts";
import type { CommitOptions } from "../options.ts";
import type { Changes } from "./changes.ts";
import { mayDamageLinks } from "./long_links.ts";
import { hasChanges, readSessions } from "./medium.ts";
import { choose, isBootable, loadMedium, makeWritable } from "./open.ts";
import { footprint, isOverwritable } from "./profiles.ts";
import { resume, rollback } from "./rollback.ts";
import type { Session } from "./session.ts";
import { settle } from "./settle.ts";

/** The result of a commit. */
export interface Committed {
  /** Number of the session before it; 0 if there was none. */
  readonly base: number;
  /** First block of the new session; undefined if nothing was to be written. */
  readonly lba: number | undefined;
  /** A problem with a source, for which zeros were written. */
  readonly problem: XorrisoError | undefined;
}

/** Commits what is staged. */
export async function commit(
  changes: Changes,
  options: CommitOptions = {},
): Promise<Committed> {
  const { session } = changes;
  const { force = false, onProgress } = options;
  const signal = session.stopOn(options.signal);
  await makeWritable(changes);
  const { image } = session.target;
  if (image !== undefined) {
    await settle(session, signal);
    await session.whileOpen(image.beforeCommit());
  }
  if (force) await session.run("-changes_pending yes", session.doing("change"));
  // Commands of the user's may have staged something, too.
  if (mayDamageLinks(session) && await hasChanges(session)) {
    await changes.mend();
  }
  const size = image === undefined ? await requireFit(changes) : undefined;
  const base = session.loaded;
  if (base === 0) await nameVolume(session);
  const doing = session.doing("commit to");
  const fifos = new Fifos(session.sources);
  using _kept = keepTempFiles();
  let written = false;
  try {
    const { messages, problem: told } = await session.burn("-commit", {
      doing,
      tolerant: true,
      onStill: () => fifos.unblock(),
      signal,
      onProgress,
      size,
    });
    const problem = told ?? fifos.problem;
    const isSource = problem !== undefined && isSourceProblem(problem);
    written = parseWrittenLba(messages) !== undefined;
    if (problem && !(written && (isSource || isDisplaced(messages)))) {
      throw problem;
    }
    const lba = await checkCommit(
      session,
      messages,
      doing,
      isSource ? undefined : problem,
    );
    if (image) await session.whileOpen(image.afterCommit(written));
    session.loaded = session.medium?.sessions ?? 0;
    session.forgetStaged();
    return { base, lba, problem: isSource ? problem : undefined };
  } catch (error) {
    if (session.isImage && isBurnFailure(error)) await session.end();
    else await resume(session, written);
    throw error;
  }
}

/** Names the volume of a first session. */
async function nameVolume(session: Session): Promise<void> {
  const { volumeId, assertVolumeId, requireVolumeId } = session.options;
  const name = volumeId ?? assertVolumeId ?? requireVolumeId;
  if (name === undefined) return;
  await session.run(["-volid", name], session.doing("name"));
}

/**
 * Makes sure that what is staged fits on the medium, which still is the one
 * that was opened; discards it otherwise.
 *
 * @returns Bytes of the session.
 */
async function requireFit(changes: Changes): Promise<number> {
  const { session } = changes;
  const doing = session.doing("commit to");
  // xorriso reports it as a problem if the session does not fit.
  const { results, messages, problem } = await session.run(
    "-tell_media_space",
    { doing, tolerant: true },
  );
  await session.requireSame(doing);
  const space = parseSpace(results);
  const medium = session.medium;
  if (medium?.appendable && space !== undefined) {
    const { free } = space;
    const needed = footprint(medium, free - space.afterCommit);
    if (needed <= free) return needed;
    await rollback(changes).catch(() => {});
    throw new XorrisoError(
      "MEDIUM_FULL",
      `${doing}: the session needs ${needed} bytes, ${free} are free; store ` +
        `less, or use another medium`,
      { needed, free },
    );
  }
  await rollback(changes).catch(() => {});
  const why = medium?.appendable ? "cannot be written now" : "is closed";
  // MEDIUM_CHANGED is only a guess here: requireSame() has ruled it out.
  const isVague = problem === undefined || isCode(problem, "MEDIUM_CHANGED");
  throw medium?.appendable && !isVague ? problem : new XorrisoError(
    "MEDIUM_NOT_WRITABLE",
    `${doing}: the medium ${why}; use another medium`,
    { path: session.device, messages, cause: problem },
  );
}

/**
 * Makes sure that what was staged was written, and that the medium shows it.
 *
 * @param problem A problem with the tree that xorriso loaded after writing.
 * @returns First block of the new session; undefined if nothing was to be written.
 */
async function checkCommit(
  session: Session,
  messages: readonly string[],
  doing: string,
  problem: XorrisoError | undefined,
): Promise<number | undefined> {
  const lba = parseWrittenLba(messages);
  if (lba === undefined) {
    if (!messages.some((line) => line.includes("-commit: No image"))) {
      throw session.unexpected(doing, messages);
    }
    if (!session.isStaged) return undefined;
    throw new XorrisoError(
      "WRITE_ERROR",
      `${doing}: xorriso has written nothing, since it has forgotten what ` +
        `was staged; stage it again`,
      { messages },
    );
  }
  if (session.isBootable && !isBootable(messages)) {
    throw new XorrisoError(
      "WRITE_ERROR",
      `${doing}: xorriso has not kept its boot record; write to a copy ` +
        `without one`,
      { messages },
    );
  }
  session.medium = parseMedium(messages) ?? session.medium;
  const loaded = parseLoadedLba(messages);
  if (loaded === lba) return lba;
  // On media that are overwritten in place, the newest header is mirrored at
  // block 0, and the list of sessions tells where it is from. An image of
  // another program has no such list: it shows one session, at 0.
  const newest = loaded === 0 && problem === undefined
    ? (await readSessions(session)).at(-1)?.lba
    : loaded;
  if (newest === lba) return lba;
  if (newest === 0 && isOverwritable(session.medium)) return lba;
  if (session.isImage || !await rescue(session, lba)) {
    throw new XorrisoError(
      "WRITE_ERROR",
      `${doing}: the session written at block ${lba} is not the ` +
        `one that the medium shows, at block ${newest ?? "none"}; use ` +
        `another medium`,
      { messages, cause: problem },
    );
  }
  return lba;
}

/**
 * Makes a session the newest one that the medium does not show: it was written
 * into the same track as the remains of an interrupted session, behind these.
 *
 * Appends another session with the same tree; no content is burned again.
 */
async function rescue(session: Session, lba: number): Promise<boolean> {
  const doing = session.doing("rescue the session on");
  await session.releaseDrive();
  await loadMedium(session, {
    base: await choose(session, { by: "sbsector", at: lba }),
  });
  await session.run("-changes_pending yes", doing);
  const { messages } = await session.burn("-commit", { doing });
  session.medium = parseMedium(messages) ?? session.medium;
  const written = parseWrittenLba(messages);
  return written !== undefined && parseLoadedLba(messages) === written;
}

/** Whether a problem means that the session has zeros in place of a source. */
function isSourceProblem({ code }: XorrisoError): boolean {
  return code === "SOURCE_UNREADABLE" || code === "SOURCE_CHANGED";
}

/**
 * Whether writing itself failed. libburn's writer then ends in the background
 * for a while, and its messages make other commands fail.
 */
function isBurnFailure(error: unknown): boolean {
  return error instanceof XorrisoError &&
    error.messages.some((line) =>
      line.endsWith(": libburn indicates failure with writing.")
    );
}

/** Whether xorriso has loaded another tree than it wrote. */
function isDisplaced(messages: readonly string[]): boolean {
  const loaded = parseLoadedLba(messages);
  return loaded !== undefined && loaded !== 0 &&
    loaded !== parseWrittenLba(messages);
}
