/** What lies behind the newest session of an image file, such as an interrupted commit. */

import { type Blocks, type BlocksReadOptions, readBytes } from "./blocks.ts";
import { holds, isZero, u32 } from "../bytes.ts";
import { BLOCK, blocksOf } from "../medium.ts";
import { partitionBehind } from "./partitions.ts";
import type { Image } from "./sessions.ts";
import { CHUNK } from "../disk/files.ts";
import { align, isPrimary } from "../disk/head.ts";
import { parseTag } from "./tags.ts";
import { FIELD, sectionAt, SYSTEM_AREA } from "./volume.ts";

/** Something behind the newest session. */
export interface Behind {
  /**
   * What it is: `unfinished` sessions, whose commits were interrupted before the head of the file
   * showed them; further `sessions`, in a copy of a disc; a `partition`, be it empty; or `other`, such as
   * error correction or a signature.
   */
  readonly kind: "unfinished" | "sessions" | "partition" | "other";
  /** Its first block that is not all zeros; of a partition the first one. */
  readonly lba: number;
  /** The block behind the newest session. */
  readonly end: number;
}

/**
 * Finds what lies behind the newest session of an image file; undefined if there are only zeros, as of
 * padding.
 *
 * xorriso writes a further session from its first byte to its last, from the next block divisible by
 * 32 on, and then the head of the file, which shows it. So a commit that was killed leaves zeros up to
 * such a block, and there the descriptors of a session that no head has shown. A power loss may keep
 * any of its blocks: then a checksum tag or a directory shows where it began.
 */
export async function readBehind(
  blocks: Blocks,
  image: Pick<Image, "sessions" | "newest" | "head">,
  options: BlocksReadOptions = {},
): Promise<Behind | undefined> {
  const { sessions: [first], newest, head } = image;
  if (head === "behind" && first !== undefined) {
    const end = first.lba + first.size;
    return { kind: "sessions", lba: end, end };
  }
  const end = newest.lba + newest.size;
  const partition = await partitionBehind(blocks, end, options);
  if (partition !== undefined) {
    return { kind: "partition", lba: partition, end };
  }
  const lba = await findBlock(blocks, end, options);
  if (lba === undefined) return undefined;
  let from = end;
  for (let used: number | undefined = lba; used !== undefined;) {
    const start = align(from);
    const size = used < start ? 0 : await sizeAt(blocks, start, options);
    if (size === 0) return { kind: "other", lba: used, end };
    from = start + size;
    used = await findBlock(blocks, from, options);
  }
  return { kind: "unfinished", lba, end };
}

/**
 * Says in words what a further session would overwrite; undefined if there is nothing, or only what an
 * interrupted commit has left.
 *
 * @param bytes Size of the file.
 */
export function foreignBehind(
  behind: Behind | undefined,
  bytes: number,
): string | undefined {
  if (behind === undefined || behind.kind === "unfinished") return undefined;
  const { kind, lba, end } = behind;
  const where = `behind block ${end}, where its newest session ends`;
  if (kind === "sessions") {
    return `it is a copy of a disc, whose further sessions lie ${where}`;
  }
  if (kind === "partition") {
    return `its partition table tells of one that lies ${where}, at block ${lba}`;
  }
  return `${
    bytes - lba * BLOCK
  } bytes lie ${where}, from block ${lba} on (error ` +
    `correction, a partition, or a signature)`;
}

/** The first block, from one on, that is not all zeros and that a test holds for. */
async function findBlock(
  blocks: Blocks,
  from: number,
  options: BlocksReadOptions,
  isWanted: (block: Uint8Array, lba: number) => boolean = () => true,
): Promise<number | undefined> {
  for (let at = from * BLOCK; at < blocks.byteLength; at += CHUNK) {
    const bytes = await readBytes(blocks, at, CHUNK, options);
    if (isZero(bytes)) continue;
    for (let i = 0; i < bytes.length; i += BLOCK) {
      const [block, lba] = [bytes.subarray(i, i + BLOCK), (at + i) / BLOCK];
      if (!isZero(block) && isWanted(block, lba)) return lba;
    }
  }
  return undefined;
}

/** Whether a block is a trace of a session that began at `start`: a tag of it, or a directory. */
function isTrace(block: Uint8Array, lba: number, start: number): boolean {
  const isDirectory = u32(block, 2) === lba && block[25] === 2 &&
    holds(block, 32, "\x01\x00");
  return isDirectory || parseTag(block, lba)?.start === start;
}

/** Blocks of the session that begins at `start`, by its descriptor or by traces; 0 if there is none. */
async function sizeAt(
  blocks: Blocks,
  start: number,
  options: BlocksReadOptions,
): Promise<number> {
  const first = start + SYSTEM_AREA;
  const descriptor = await readBytes(blocks, first * BLOCK, BLOCK, options);
  if (descriptor.length === 0) return 0;
  if (isZero(descriptor)) {
    const trace = await findBlock(
      blocks,
      first,
      options,
      (block, lba) => isTrace(block, lba, start),
    );
    return trace === undefined ? 0 : blocksOf(blocks.byteLength) - start;
  }
  if (!isPrimary(descriptor, 0)) return 0;
  // The file ends within the first descriptor.
  if (descriptor.length < BLOCK) return SYSTEM_AREA + 1;
  const size = u32(descriptor, FIELD.spaceSize);
  // Another image that was put there has addresses that count from its own beginning.
  const root = sectionAt(descriptor, FIELD.root).lba;
  return root > first && root < start + size ? size : 0;
}
