/** What lies in an image file behind its newest session, where a commit would write. */

import type { ImageFile } from "../disk/image.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { BLOCK } from "../iso/bytes.ts";
import {
  type Behind,
  fileBlocks,
  headOf,
  readBehind,
  readImage,
} from "../iso/mod.ts";
import type { Session } from "./session.ts";

/**
 * Looks behind the newest session of an image. The rest of a commit that came
 * to no end gives way to the next one; anything else is somebody's.
 *
 * @returns Why the image must not be written to; undefined if it may.
 */
export async function lookBehind(
  { target: { device, writable } }: Session,
  image: ImageFile,
): Promise<XorrisoError | undefined> {
  if (!writable) return undefined;
  await using blocks = await fileBlocks(image.path, image.identity);
  const found = await readImage(blocks);
  if (found.head === "torn") {
    throw new XorrisoError(
      "IMAGE_DAMAGED",
      `Cannot open "${device}" for writing: its beginning does not fit its sessions, as a write that ` +
        `was interrupted leaves it; open it with recover to have that mended, or with readOnly`,
      { path: device },
    );
  }
  const behind = await readBehind(blocks, found);
  if (behind?.kind === "unfinished") image.expectEnd(behind.end * BLOCK);
  if (behind === undefined || behind.kind === "unfinished") return undefined;
  return new XorrisoError(
    "MEDIUM_NOT_WRITABLE",
    `Cannot change "${device}": ${
      describe(behind, image.size)
    }, and would be ` +
      `overwritten; store into another image`,
    { path: device },
  );
}

/**
 * Mends an image whose beginning was lost or torn by a write that was interrupted: it shows the
 * newest session that is whole.
 */
export async function mendHead(image: ImageFile): Promise<void> {
  await using blocks = await fileBlocks(image.path, image.identity);
  try {
    const found = await readImage(blocks);
    if (found.head !== "torn" && found.head !== "missing") return;
    const head = await headOf(blocks, found);
    if (head !== undefined) await image.replaceHead(head);
  } catch (error) {
    // Of what is no image, or not readable at all, the rest of the opening tells.
    if (isCode(error, "NOT_ISO") || isCode(error, "IMAGE_DAMAGED")) return;
    throw error;
  }
}

function describe({ kind, lba, end }: Behind, size: number): string {
  const where = `behind block ${end}, where its newest session ends`;
  return kind === "sessions"
    ? `it is a copy of a disc, whose further sessions lie ${where}`
    : `${size - lba * BLOCK} bytes lie ${where}, from block ${lba} on (error ` +
      `correction, a partition, or a signature)`;
}
