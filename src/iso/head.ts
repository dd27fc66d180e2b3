/** The head of an image file: its first blocks, made anew where writing them was interrupted. */

import { loadMd5 } from "../disk/md5.ts";
import { type Blocks, type BlocksReadOptions, readRun } from "./blocks.ts";
import { u32 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";
import type { Image } from "./sessions.ts";
import { readTags } from "./tags.ts";
import { FIELD, SYSTEM_AREA } from "./volume.ts";

/**
 * Makes the head by which an image file shows its newest session, as libisofs does: a copy of the
 * session's first blocks, with volume space sizes that count from block 0, and a checksum tag.
 * Undefined for an image with a second head, for its first partition, and for one whose newest session
 * begins at block 0.
 */
export async function headOf(
  blocks: Blocks,
  { newest: { volume }, partitionOffset }: Image,
  options: BlocksReadOptions = {},
): Promise<Uint8Array | undefined> {
  const { lba, descriptors } = volume;
  if (partitionOffset > 0 || lba === 0) return undefined;
  const count = SYSTEM_AREA + descriptors.length / BLOCK;
  const head = new Uint8Array((count + 1) * BLOCK);
  head.set(await readRun(blocks, lba, count, options));
  const view = new DataView(head.buffer);
  for (let at = SYSTEM_AREA * BLOCK; at < count * BLOCK; at += BLOCK) {
    // Primary and supplementary descriptors have it in both byte orders (ECMA-119, 8.4.8).
    if (head[at] !== 1 && head[at] !== 2) continue;
    const size = u32(head, at + FIELD.spaceSize) + lba;
    view.setUint32(at + FIELD.spaceSize, size, true);
    view.setUint32(at + FIELD.spaceSize + 4, size, false);
  }
  // A session without tags has a head without one.
  if (await readTags(blocks, volume, options) === undefined) return head;
  const newMd5 = await loadMd5();
  const md5 = newMd5().update(head.subarray(0, count * BLOCK)).digest("hex");
  const line = `libisofs_rlsb32_checksum_tag_v1 pos=${count} range_start=0 ` +
    `range_size=${count} session_start=${lba} md5=${md5}`;
  const own = newMd5().update(line).digest("hex");
  head.set(new TextEncoder().encode(`${line} self=${own}\n`), count * BLOCK);
  return head;
}
