/** What lies in an image file behind its newest session: nothing, what an interrupted commit left, or somebody's data. */

import type { Blocks, BlocksReadOptions } from "./blocks.ts";
import { holds, isZero, u32 } from "../bytes.ts";
import { BLOCK, blocksOf } from "../medium.ts";
import { partitionBehind } from "./partitions.ts";
import type { Image } from "./sessions.ts";
import { align } from "../disk/head.ts";
import { parseTag } from "./tags.ts";
import { SYSTEM_AREA } from "./volume.ts";

/** Something behind the newest session. */
export interface Behind {
  /**
   * What it is: a session that has never been shown (`unfinished`), further sessions as in a copy of
   * a disc (`sessions`), a partition that the table at the beginning tells of, even an empty one
   * (`partition`), or `other`, as error correction or a signature.
   */
  readonly kind: "unfinished" | "sessions" | "partition" | "other";
  /** The first block that has something in it. */
  readonly lba: number;
  /** The block behind the newest session. */
  readonly end: number;
}

/** Bytes that are read at once. */
const CHUNK = 1 << 20;

/**
 * Tells what lies behind the newest session of an image file; undefined if there is nothing.
 *
 * xorriso appends at the next block divisible by 32, from its first byte to its last, and shows the
 * session by the file's beginning only when all of it is there. So what it leaves when it is killed
 * begins with zeros up to that block, and has the descriptors of a session there that nobody was
 * told of, or after a power loss, which keeps some blocks and not others, at least a checksum tag or
 * a directory of it. With zeros alone, as padding, there is nothing.
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
  const lba = await findUsed(blocks, end, options);
  if (lba === undefined) return undefined;
  let from = end;
  for (let used: number | undefined = lba; used !== undefined;) {
    const start = align(from);
    const size = used < start ? 0 : await sizeAt(blocks, start, options);
    if (size === 0) return { kind: "other", lba: used, end };
    from = start + size;
    used = await findUsed(blocks, from, options);
  }
  return { kind: "unfinished", lba, end };
}

/**
 * Says what lies behind the newest session of an image that is not ours, and would be overwritten.
 *
 * @param bytes Size of the file.
 * @returns undefined where there is nothing, or what an interrupted commit has left.
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

/** The first block from there on that has something in it. */
function findUsed(
  blocks: Blocks,
  from: number,
  options: BlocksReadOptions,
): Promise<number | undefined> {
  return findBlock(blocks, from, () => true, options);
}

/** The first block from there on, among those that are not empty, that something holds for. */
async function findBlock(
  blocks: Blocks,
  from: number,
  isWanted: (block: Uint8Array, lba: number) => boolean,
  options: BlocksReadOptions,
): Promise<number | undefined> {
  for (let at = from * BLOCK; at < blocks.byteLength; at += CHUNK) {
    const bytes = new Uint8Array(Math.min(CHUNK, blocks.byteLength - at));
    await blocks.read(bytes, at, options);
    if (isZero(bytes)) continue;
    for (let i = 0; i < bytes.length; i += BLOCK) {
      const [block, lba] = [bytes.subarray(i, i + BLOCK), (at + i) / BLOCK];
      if (!isZero(block) && isWanted(block, lba)) return lba;
    }
  }
  return undefined;
}

/** Whether a block can only be of a session that begins there: its tag, or a directory at its own address. */
function isTrace(block: Uint8Array, lba: number, start: number): boolean {
  const isDirectory = u32(block, 2) === lba && block[25] === 2 &&
    holds(block, 32, "\x01\x00");
  return isDirectory || parseTag(block, lba)?.start === start;
}

/** Blocks of the session that begins there, by its descriptor or its traces; 0 if none does. */
async function sizeAt(
  blocks: Blocks,
  start: number,
  options: BlocksReadOptions,
): Promise<number> {
  const first = start + SYSTEM_AREA;
  const there = Math.min(blocks.byteLength - first * BLOCK, BLOCK);
  if (there <= 0) return 0;
  const descriptor = new Uint8Array(there);
  await blocks.read(descriptor, first * BLOCK, options);
  if (isZero(descriptor)) {
    const traced = (block: Uint8Array, lba: number) =>
      isTrace(block, lba, start);
    const trace = await findBlock(blocks, first, traced, options);
    return trace === undefined ? 0 : blocksOf(blocks.byteLength) - start;
  }
  if (!holds(descriptor, 0, "\x01CD001")) return 0;
  // Cut off in its first descriptor already.
  if (there < BLOCK) return SYSTEM_AREA + 1;
  const size = u32(descriptor, 80);
  // Its root is its own: an image that lies there for itself counts its blocks from its own beginning.
  const root = u32(descriptor, 156 + 2);
  return root > first && root < start + size ? size : 0;
}
