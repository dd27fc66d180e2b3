/** What lies in an image file behind its newest session, where a commit would write. */

import type { ImageFile } from "../disk/image.ts";
import { XorrisoError } from "../errors.ts";
import { BLOCK } from "../iso/bytes.ts";
import { type Behind, fileBlocks, readBehind, readImage } from "../iso/mod.ts";
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
  const behind = await readBehind(blocks, await readImage(blocks));
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

function describe({ kind, lba, end }: Behind, size: number): string {
  const where = `behind block ${end}, where its newest session ends`;
  return kind === "sessions"
    ? `it is a copy of a disc, whose further sessions lie ${where}`
    : `${size - lba * BLOCK} bytes lie ${where}, from block ${lba} on (error ` +
      `correction, a partition, or a signature)`;
}
