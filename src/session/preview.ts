/** What the module itself reads of an image file before xorriso opens it. */

import type { ImageState } from "../disk/head.ts";
import type { ImageFile } from "../disk/image.ts";
import { XorrisoError } from "../errors.ts";
import { fileBlocks, readImage, readTree } from "../iso/mod.ts";
import type { Medium } from "../medium.ts";
import type { XorrisoOptions } from "../options.ts";
import { findRemains } from "./remains.ts";
import type { Session } from "./session.ts";
import { settle } from "./settle.ts";

/** Reads all names in an image; false if that is still to be done. */
export type ReadFirst = (image: ImageFile) => Promise<boolean>;

/**
 * Refuses an image file that cannot be opened.
 *
 * @returns What is in it, for `checkState()`.
 */
export async function preview(
  session: Session,
  readFirst: ReadFirst | undefined,
): Promise<"drive" | "blank" | "iso"> {
  const { device, image, writable } = session.target;
  if (image === undefined) return "drive";
  if (writable) session.refusal = await requireSound(session, image);
  const state = await image.inspect();
  if (state === "iso" && !await readFirst?.(image)) {
    await readNames(image, session.options);
  }
  if (state === "blank" || state === "iso") return state;
  throw stateError(state, device);
}

/**
 * Reads all names of the session that xorriso is to load: directories that lead in circles would keep
 * it busy for ever.
 */
async function readNames(
  { path, identity }: ImageFile,
  { session: number, signal }: XorrisoOptions,
): Promise<void> {
  await using blocks = await fileBlocks(path, identity);
  const { sessions, newest } = await readImage(blocks, { signal });
  const wanted = sessions.find((session) => session.number === number);
  await readTree(blocks, wanted ?? newest, { signal });
}

/**
 * Makes sure that the head of an image that is to be written fits its sessions; mends it with `recover`.
 *
 * @returns Why nothing may be written to it all the same; undefined if something may.
 * @throws {XorrisoError} IMAGE_DAMAGED where the head does not fit and is not mended; DRIVE_BUSY as
 * {@linkcode settle}.
 */
async function requireSound(
  session: Session,
  image: ImageFile,
): Promise<XorrisoError | undefined> {
  const { device } = session.target;
  const { recover = false, signal } = session.options;
  let { remains, foreign } = await findRemains(image);
  // xorriso could not open these: they are mended now, all else before the next commit.
  if (
    remains?.kind === "first" ||
    remains?.kind === "head" && recover && remains.mend
  ) {
    await settle(session, signal);
    await image.remember();
    ({ remains, foreign } = await findRemains(image));
  }
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

/** Makes sure that xorriso has found in an image what the module has. */
export function checkState(
  state: "drive" | "blank" | "iso",
  medium: Medium,
  device: string,
): void {
  const blank = medium.status === "blank";
  if (state === "iso" && blank) throw stateError("damaged", device);
  if (state === "blank" && !blank) throw stateError("foreign", device);
}

/** Words for the states in which an image file cannot be opened. */
const STATES: Readonly<Partial<Record<ImageState, string>>> = {
  interrupted: "the writing of its first session was interrupted, so it " +
    "holds nothing yet; open it for writing with recover to begin again",
  headless: "the writing of its first session was interrupted at the very " +
    "end; open it for writing with recover to complete it",
  damaged: "its volume descriptor is damaged; read what it still has with " +
    "readOnly, or open it with recover to have that mended",
};

/** The error for an image file in a state in which it cannot be opened. */
function stateError(state: ImageState, path: string): XorrisoError {
  const damage = STATES[state];
  const why = damage ?? "it holds no ISO 9660 image; choose another file";
  return new XorrisoError(
    damage === undefined ? "NOT_ISO" : "IMAGE_DAMAGED",
    `Cannot open "${path}": ${why}`,
    { path },
  );
}
