/** Opening the medium in a drive, or an image, and judging what xorriso finds there. */

import { parseMedium } from "../dialogue/answers.ts";
import { requireArgs, requireRun } from "../disk/permissions.ts";
import { isCode, XorrisoError } from "../errors.ts";
import type { Medium } from "../medium.ts";
import type { XorrisoOptions } from "../options.ts";
import type { Changes } from "./changes.ts";
import { checkOptions, checkVersion, checkVolume } from "./checks.ts";
import { checkState, preview, type ReadFirst } from "./preview.ts";
import { type Base, closeInterrupted, findBases } from "./recover.ts";
import { Session } from "./session.ts";

/**
 * Starts xorriso and opens a drive or an image file; with `recover`, from an
 * older session where the newest one is damaged.
 *
 * @param readFirst Reads an image file before xorriso opens it.
 */
export async function openSession(
  device: string,
  options: XorrisoOptions,
  readFirst?: ReadFirst,
): Promise<Session> {
  const { session, signal, xorrisoPath = "xorriso", xorrisoArgs = [] } =
    options;
  signal?.throwIfAborted();
  checkOptions(options);
  await requireRun(xorrisoPath);
  await requireArgs(xorrisoArgs);
  const base: Base | undefined = session === undefined
    ? undefined
    : { by: "session", at: session };
  return await openFrom(device, options, readFirst, base);
}

/** Opens a device with the session `base` loaded, or the newest. */
async function openFrom(
  device: string,
  options: XorrisoOptions,
  readFirst: ReadFirst | undefined,
  base: Base | undefined,
): Promise<Session> {
  const session = await Session.start(device, options);
  try {
    await prepare(session, readFirst, base);
    return session;
  } catch (error) {
    const isBurn = isCode(error, "IMAGE_DAMAGED") && !session.isImage;
    const { recover = false } = options;
    let bases: Base[] = [];
    try {
      if (isBurn && recover && base === undefined && !session.lost) {
        bases = await findBases(session);
      }
    } finally {
      await session.end();
    }
    for (const other of bases) {
      try {
        return await openFrom(device, options, readFirst, other);
      } catch (cause) {
        if (!isCode(cause, "IMAGE_DAMAGED")) throw cause;
      }
    }
    if (!isBurn || recover) throw error;
    throw new XorrisoError(
      error.code,
      `${error.message}; if a burn was interrupted, open it with recover to ` +
        `go on from the session before`,
      { path: error.path, messages: error.messages, cause: error },
    );
  }
}

/** Sets xorriso up, opens the medium, and checks it. */
async function prepare(
  session: Session,
  readFirst: ReadFirst | undefined,
  base: Base | undefined,
): Promise<void> {
  const { options } = session;
  const { joliet = true, signal } = options;
  const { device, image } = session.target;
  const speed = options.writeSpeed ?? (image ? undefined : "min");
  const doing = "Cannot set up xorriso";
  const [state, version] = await Promise.all([
    preview(session, readFirst),
    session.run("-version", { doing, pipelined: true }),
    ...[
      ["-joliet", joliet ? "on" : "off"],
      // Padding is only for drivers that cannot read the end of a CD, and the
      // next session would overwrite it (xorriso(1), -padding).
      ...(image ? [["-padding", "0"]] : [["-scsi_log", "on"]]),
      ...(speed === undefined ? [] : [["-speed", speed]]),
      ...(base === undefined ? [] : [["-load", base.by, `${base.at}`]]),
    ].map((words) => session.run(words, { doing, pipelined: true })),
  ]);
  session.version = checkVersion(version.results);
  const medium = await session.whenReady(
    () => openMedium(session, { signal, base }),
    signal,
  );
  checkState(state, medium, device);
  if (base?.by === "session" && medium.status === "blank") {
    throw new XorrisoError(
      "SESSION_NOT_FOUND",
      `Cannot load session ${base.at} of "${device}": the medium is blank`,
    );
  }
  checkVolume(medium, options, session.target);
}

/** How to load a medium. */
interface LoadOptions {
  readonly signal?: AbortSignal | undefined;
  /** The session to load. @default {the newest} */
  readonly base?: Base | undefined;
}

/** Opens the medium; with `recover`, closes a session that was left open. */
export async function openMedium(
  session: Session,
  options: LoadOptions,
): Promise<Medium> {
  const medium = await loadMedium(session, options);
  const { recover = false } = session.options;
  const mayClose = recover && session.target.writable;
  if (!session.isInterrupted || !mayClose) return medium;
  return await closeAndLoad(session, options);
}

/** Closes the session that was left open, and loads the one before it. */
async function closeAndLoad(
  session: Session,
  options: LoadOptions = {},
): Promise<Medium> {
  const base = await closeInterrupted(session);
  return await loadMedium(session, {
    ...options,
    base: await choose(session, base),
  });
}

/**
 * Makes sure that a session can be written, before anything is staged for it;
 * with `recover`, closes a session that was left open.
 */
export async function makeWritable({ session }: Changes): Promise<void> {
  await session.requireWritable();
  if (!session.isInterrupted) return;
  await closeAndLoad(session);
  if (!session.isInterrupted) return;
  throw new XorrisoError(
    "IMAGE_DAMAGED",
    `${session.doing("change")}: the burn of its last session was ` +
      `interrupted; the drive cannot close it; use another medium`,
    { path: session.device },
  );
}

/** Has xorriso load a session: now, or when it opens the drive next; returns that. */
export async function choose(session: Session, base: Base): Promise<Base> {
  const doing = session.doing(`load session ${base.at} of`);
  await session.run(["-load", base.by, `${base.at}`], doing);
  return base;
}

/** Opens the drive, or opens it again, and judges what xorriso finds. */
export async function loadMedium(
  session: Session,
  { signal, base }: LoadOptions = {},
): Promise<Medium> {
  const { address, device, image, writable } = session.target;
  const doing = `Cannot open "${device}"`;
  const command = writable ? "-dev" : "-indev";
  const { messages, problem } = await session.run([command, address], {
    doing,
    path: device,
    tolerant: true,
    signal,
  });
  session.foreign = undefined;
  if (problem !== undefined && isAcceptable(session, problem, messages)) {
    session.foreign = problem;
  } else if (problem !== undefined && !isEmptyStart(problem, base)) {
    // A descriptor that cannot be read looks to xorriso like none at all.
    const damaged = image !== undefined || session.log.has("unreadable");
    throw damaged && isCode(problem, "NOT_ISO")
      ? new XorrisoError(
        "IMAGE_DAMAGED",
        `${doing}: its volume descriptor cannot be read`,
        { path: device, messages: problem.messages, cause: problem },
      )
      : problem;
  }
  const medium = parseMedium(messages);
  const opened = session.foreign
    ? "Drive current: "
    : `Drive current: ${command} `;
  if (
    medium === undefined ||
    !messages.some((line) => line.startsWith(opened))
  ) {
    throw session.unexpected(doing, messages);
  }
  if (messages.some((line) => BAD_CHECKSUMS.test(line))) {
    const damage = new XorrisoError(
      "IMAGE_DAMAGED",
      `${doing}: the list of checksums at the end of its last session is ` +
        `damaged, as after an interrupted burn`,
      { path: device, messages },
    );
    if (!isAcceptable(session, damage, messages)) throw damage;
    session.foreign = damage;
  }
  session.log.reset();
  session.isUnloaded = false;
  session.forgetStaged();
  const isEmpty = base?.isEmpty ?? medium.status === "blank";
  session.medium = isEmpty ? { ...medium, volumeId: undefined } : medium;
  session.loaded = base?.by === "session"
    ? base.at
    : isEmpty
    ? 0
    : medium.sessions;
  session.isInterrupted = messages.some((line) => OPEN_SESSION.test(line));
  session.isBootable = isBootable(messages);
  return session.medium;
}

/** Whether a medium that was loaded has a boot record. */
export function isBootable(messages: readonly string[]): boolean {
  return messages.some((line) => /^Boot record +: El Torito/.test(line));
}

/** Whether a drive may be opened in spite of a problem with its medium. */
function isAcceptable(
  session: Session,
  { code }: XorrisoError,
  messages: readonly string[],
): boolean {
  return session.options.foreign === true && !session.isImage &&
    FOREIGN.has(code) && session.target.writable &&
    parseMedium(messages) !== undefined;
}

/** Problems with which a medium can still be blanked or ejected. */
const FOREIGN: ReadonlySet<string> = new Set([
  "IMAGE_DAMAGED",
  "NO_MEDIUM",
  "NOT_ISO",
  "READ_ERROR",
]);

/**
 * What libisofs says where the end of a session does not fit its start: the tree
 * may look sound then, although the content was never written.
 */
const BAD_CHECKSUMS = /MD5 checksum array appears damaged/;

/** What libburn says of a BD-R whose last session was interrupted. */
const OPEN_SESSION = /Last session on media is still open/;

/** Whether a problem is expected: the new tree begins where no session is. */
function isEmptyStart(
  { messages }: XorrisoError,
  base: Base | undefined,
): boolean {
  return base?.isEmpty === true &&
    messages.every((line) => line.includes("No ISO 9660 image at LBA"));
}
