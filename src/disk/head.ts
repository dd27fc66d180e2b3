/** Judging an image file by its first blocks, before anything is loaded from it. */

import { holds, isZero, u32 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";

/** What the first blocks of an image file show. */
export type ImageState =
  /** Empty: a first session can be written. */
  | "blank"
  /** There is a volume descriptor where ISO 9660 wants it. */
  | "iso"
  /** A first session that was never finished: nothing in it was promised. */
  | "interrupted"
  /** A first session that is complete but for its mirror at the beginning. */
  | "headless"
  /** There was an ISO 9660 image, but its descriptor is gone. */
  | "damaged"
  /** Something else. */
  | "foreign";

/** Bytes before the first session: xorriso mirrors the newest superblock here. */
const HEAD = 32 * BLOCK;

/** Sessions in a file begin at multiples of so many blocks, the first one where the head ends. */
export const ALIGNMENT = 32;

/** Bytes before a second head that are still worth a copy in memory. */
const MAX_OFFSET = 1 << 26;

/** Whether a primary volume descriptor begins there: type 1 and "CD001" (ECMA-119, 8.4.1 and 8.4.2). */
export function isPrimary(bytes: Uint8Array, at: number): boolean {
  return holds(bytes, at, "\x01CD001");
}

/** Reads bytes of a file: fewer at its end. */
export type ReadBytes = (offset: number, length: number) => Promise<Uint8Array>;

/** Tells what a file of some size is by its volume descriptor (ECMA-119, 6.2.1: block 16). */
export async function judgeHead(
  size: number,
  read: ReadBytes,
): Promise<ImageState> {
  if (size === 0) return "blank";
  const head = await read(0, HEAD);
  if (isPrimary(head, 16 * BLOCK)) return "iso";
  const first = await read(48 * BLOCK, BLOCK);
  if (isPrimary(first, 0)) {
    // The header of the first session, at block 32, is written first, its
    // mirror at block 0 when the session is complete.
    if (!isZero(head)) return "damaged";
    if (first.length < BLOCK) return "interrupted";
    // Its blocks, by its descriptor (ECMA-119, 8.4.8).
    const end = ALIGNMENT + u32(first, 80);
    if (size < end * BLOCK) return "interrupted";
    // Behind it there would be further sessions, which are not to be lost.
    return size <= align(end) * BLOCK ? "headless" : "damaged";
  }
  // Only the empty system areas have been written.
  if (size === 48 * BLOCK && isZero(await read(0, size))) {
    return "interrupted";
  }
  // Any other descriptor of the set shows that there was an image.
  const others = [16, 17, 18].some((lba) =>
    holds(head, lba * BLOCK + 1, "CD001")
  );
  return others ? "damaged" : "foreign";
}

/**
 * The bytes at the beginning that a commit overwrites. Where an image can be mounted from its first
 * partition, too (xorriso(1), -boot_image any partition_offset=), they include the descriptors there.
 */
export async function readHead(
  size: number,
  read: ReadBytes,
): Promise<Uint8Array> {
  const head = await read(0, Math.min(size, HEAD));
  const offset = partitionStart(head);
  if (offset === 0 || offset > MAX_OFFSET) return head;
  const descriptor = await read(offset + 16 * BLOCK, BLOCK);
  if (!isPrimary(descriptor, 0)) return head;
  return await read(0, offset + HEAD);
}

/** Where the first partition begins, in bytes; 0 if there is no table of partitions. */
export function partitionStart(head: Uint8Array): number {
  // The first entry has its start in units of 512.
  return holds(head, 510, "\x55\xaa") ? u32(head, 446 + 8) * 512 : 0;
}

/** The first block, from `lba` on, at which a session may begin. */
export function align(lba: number): number {
  return Math.ceil(lba / ALIGNMENT) * ALIGNMENT;
}
