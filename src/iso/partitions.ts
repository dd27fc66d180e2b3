/** Partitions of an image file, by the tables in its system area: MBR, and GPT (UEFI 2.10, 5.2 and 5.3). */

import { type Blocks, type BlocksReadOptions, readBytes } from "./blocks.ts";
import { holds, isZero, u32 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";

/** Unit of the addresses in both tables, in bytes. */
const SECTOR = 512;

/** Type of the MBR entry that only says that there is a GPT. */
const PROTECTIVE = 0xee;

/** Bytes of the GPT that are read: 512 entries, where 128 are usual. */
const MAX_GPT = 1 << 16;

/**
 * Finds the first partition that begins at a block or behind it; undefined if there is none. Those of
 * isohybrid images cover the volume, so they begin before its end.
 *
 * @returns The first block of the partition.
 */
export async function partitionBehind(
  blocks: Blocks,
  end: number,
  options: BlocksReadOptions,
): Promise<number | undefined> {
  const head = await readBytes(blocks, 0, BLOCK, options);
  const starts: number[] = [];
  if (holds(head, 510, "\x55\xaa")) {
    for (let at = 446; at < 510; at += 16) {
      const type = head[at + 4] ?? 0;
      if (type !== 0 && type !== PROTECTIVE) starts.push(u32(head, at + 8));
    }
  }
  if (holds(head, SECTOR, "EFI PART")) {
    const size = u32(head, SECTOR + 84);
    const length = Math.min(u32(head, SECTOR + 80) * size, MAX_GPT);
    const position = u32(head, SECTOR + 72) * SECTOR;
    const entries = await readBytes(blocks, position, length, options);
    for (let at = 0; size >= 128 && at < entries.length; at += size) {
      const isUsed = !isZero(entries.subarray(at, at + 16));
      // No image is so large that the upper half of an address would count.
      if (isUsed) starts.push(u32(entries, at + 32));
    }
  }
  const firsts = starts.map((start) => Math.floor(start * SECTOR / BLOCK));
  const behind = firsts.filter((lba) => lba >= end);
  return behind.length === 0 ? undefined : Math.min(...behind);
}
