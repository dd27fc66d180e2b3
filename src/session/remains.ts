/** An image file before xorriso opens it: its names, and what lies where a commit would write. */

import { notify, unlessAborted } from "../async.ts";
import { type ImageFile, WARM } from "../disk/image.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { foreignBehind, readBehind } from "../iso/behind.ts";
import { BLOCK } from "../medium.ts";
import { headOf } from "../iso/head.ts";
import { fileBlocks, readImage, readTree } from "../iso/mod.ts";
import type { XorrisoOptions } from "../options.ts";
import { findWriter } from "./settle.ts";
import type { Session } from "./session.ts";

/** How long an image must rest until nobody can be at work on it any more. */
export const REST = {
  /** Milliseconds without a change where there are marks of a commit that came to no end. */
  unfinished: 60_000,
};

/** What a commit that came to no end has left in an image. */
interface Remains {
  /** The first session, a beginning that does not fit the sessions, or one more session behind them. */
  readonly kind: "first" | "head" | "behind";
  readonly what: string;
  /** Makes the image what it was before, or what it should have become; undefined where nothing can. */
  readonly mend: (() => Promise<void>) | undefined;
}

/** What lies where a commit would write. */
interface Findings {
  readonly remains?: Remains;
  /** What is not ours, in words. */
  readonly foreign?: string | undefined;
  /** Whether it has no list of sessions, nor gets one, as other programs make images. */
  readonly isUnlisted?: boolean;
}

async function inspect(image: ImageFile): Promise<Findings> {
  const state = await image.inspect();
  const first = "its first session is not complete";
  if (state === "interrupted") {
    const mend = () => image.cut(0);
    return { remains: { kind: "first", what: first, mend } };
  }
  if (state === "blank" || state === "foreign") return {};
  await using blocks = await fileBlocks(image.path, image.identity);
  try {
    const found = await readImage(blocks);
    if (found.head !== "sound" && found.head !== "behind") {
      const head = await headOf(blocks, found);
      const isFirst = state === "headless";
      const what = isFirst
        ? first
        : found.head === "cut"
        ? "the file ends before its newest session does"
        : "its beginning does not fit its sessions";
      const mend = head && (async () => {
        await image.replaceHead(head);
        // What is left of a session that was cut off, but of nobody else.
        const { remains } = await inspect(image);
        if (remains?.kind === "behind") await remains.mend?.();
      });
      const kind = isFirst ? "first" : "head";
      return { remains: { kind, what, mend } };
    }
    const behind = await readBehind(blocks, found);
    if (behind?.kind !== "unfinished") {
      const foreign = foreignBehind(behind, blocks.byteLength);
      return { foreign, isUnlisted: found.newest.lba === 0 };
    }
    const what =
      `a session that it does not show lies behind block ${behind.end}`;
    const mend = () => image.cut(behind.end * BLOCK);
    return { remains: { kind: "behind", what, mend } };
  } catch (error) {
    // Of what is no image, or not readable at all, the rest of the opening tells.
    if (isCode(error, "NOT_ISO") || isCode(error, "IMAGE_DAMAGED")) return {};
    throw error;
  }
}

/** Reads all names in an image, unless whoever opens it has done so. */
export type ReadFirst = (image: ImageFile) => Promise<boolean>;

/**
 * Reads all names of the session that xorriso is to load. Directories that lead in circles would
 * keep it busy for ever.
 */
export async function readNames(
  { path, identity }: ImageFile,
  { session: number, signal }: XorrisoOptions,
): Promise<void> {
  await using blocks = await fileBlocks(path, identity);
  const { sessions, newest } = await readImage(blocks, { signal });
  const wanted = sessions.find((session) => session.number === number);
  await readTree(blocks, wanted ?? newest, { signal });
}

/**
 * Looks at an image that is to be written, before xorriso opens it.
 *
 * @returns Why nothing may be written to it; undefined if something may.
 * @throws {XorrisoError} IMAGE_DAMAGED where its beginning is not sound and `recover` is not set, or does
 * not help; DRIVE_BUSY as {@linkcode settle}.
 */
export async function requireSound(
  session: Session,
  image: ImageFile,
): Promise<XorrisoError | undefined> {
  const { device } = session.target;
  const { recover = false, signal } = session.options;
  const first = await inspect(image);
  const keepsShut = first.remains?.kind === "first" ||
    first.remains?.kind === "head" && recover && first.remains.mend;
  if (keepsShut) {
    await settle(session, signal);
    await image.remember();
  }
  const { remains, foreign } = keepsShut ? await inspect(image) : first;
  if (remains?.kind === "head") {
    const advice = remains.mend
      ? "open it with recover to have that mended, or with readOnly"
      : "what belongs there, for the first partition, too, is nowhere else: " +
        "that cannot be mended; read it with readOnly, and store what it has " +
        "into another image";
    throw new XorrisoError(
      "IMAGE_DAMAGED",
      `Cannot open "${device}" for writing: ${remains.what}, as a write that ` +
        `was interrupted leaves it; ${advice}`,
      { path: device },
    );
  }
  return foreign === undefined ? undefined : new XorrisoError(
    "MEDIUM_NOT_WRITABLE",
    `Cannot change "${device}": ${foreign}, and would be ` +
      `overwritten; store into another image`,
    { path: device },
  );
}

/**
 * Waits until no xorriso can be at work on the image whose program was killed, and takes away what a
 * commit that came to no end has left, if `recover` is set.
 *
 * Such a xorriso goes on until it reads the end of its input, and the lock of its program is gone: Deno
 * hands no open file to a child that could keep it. So an image with the marks of an unfinished commit
 * must have rested for a minute, and any other that was not closed in order for two seconds.
 *
 * @returns Whether the image is as it was when it was opened.
 * @throws {XorrisoError} DRIVE_BUSY when there are such marks and it rests without `recover`, or does
 * not rest within `lockTimeout`.
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

async function rest(
  session: Session,
  image: ImageFile,
): Promise<boolean> {
  const { recover = false, lockTimeout = Infinity, onProgress } =
    session.options;
  const end = performance.now() + lockTimeout;
  const gone = new AbortController();
  const abort = () => gone.abort();
  session.closed.then(abort, abort);
  let { remains, isUnlisted }: Findings = {};
  const busy = (advice: string) =>
    new XorrisoError(
      "DRIVE_BUSY",
      `${
        session.doing("change")
      }: another program's commit to it has not come ` +
        `to its end (${remains?.what}); ${advice}`,
      { path: session.device },
    );
  const needed = async () => {
    ({ remains, isUnlisted } = await inspect(image));
    return remains === undefined ? WARM : REST.unfinished;
  };
  const onWait = (left: number) => {
    if (remains === undefined) return;
    if (performance.now() >= end) {
      throw busy(
        `it may go on until nothing has changed for another ` +
          `${Math.ceil(left / 1000)} s; wait for that by lockTimeout`,
      );
    }
    const none = { done: 0, total: undefined, rate: undefined };
    notify(onProgress, { phase: "resting", ...none });
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
      session.options.onMessage,
      `xorriso-backend : WARNING : "${session.device}" was made by a program ` +
        `that keeps no sessions: what it shows now cannot be gone back to`,
    );
  }
  image.isAtRest = true;
  return await image.isUnchanged();
}
