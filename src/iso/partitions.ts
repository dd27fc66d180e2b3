/** What the partition tables in the system area of an image tell of (MBR, and GPT of UEFI 2.10, 5.3). */

import type { Blocks, BlocksReadOptions } from "./blocks.ts";
import { holds, isZero, u32 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";

/** Bytes in which the tables count. */
const SECTOR = 512;

/** An entry of the first that only says that there is the second. */
const PROTECTIVE = 0xee;

/** Bytes of the second table that are looked at: 512 entries, where 128 are usual. */
const LONGEST = 1 << 16;

/**
 * Finds a partition that begins behind the volume. One that covers the volume, as those of isohybrid
 * images do, begins before.
 *
 * @param end The block behind the volume.
 * @returns Its first block; undefined if no table tells of one.
 */
export async function partitionBehind(
  blocks: Blocks,
  end: number,
  options: BlocksReadOptions,
): Promise<number | undefined> {
  const read = async (at: number, length: number) => {
    const there = Math.min(length, blocks.byteLength - at);
    const bytes = new Uint8Array(Math.max(0, there));
    if (there > 0) await blocks.read(bytes, at, options);
    return bytes;
  };
  const head = await read(0, BLOCK);
  const starts: number[] = [];
  if (holds(head, 510, "\x55\xaa")) {
    for (let at = 446; at < 510; at += 16) {
      const type = head[at + 4] ?? 0;
      if (type !== 0 && type !== PROTECTIVE) starts.push(u32(head, at + 8));
    }
  }
  if (holds(head, SECTOR, "EFI PART")) {
    const size = u32(head, SECTOR + 84);
    const length = Math.min(u32(head, SECTOR + 80) * size, LONGEST);
    const entries = await read(u32(head, SECTOR + 72) * SECTOR, length);
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
