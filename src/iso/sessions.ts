/**
 * The sessions of an image file, found in its blocks.
 *
 * xorriso begins the first one at block 32 and each further one at the next block divisible by 32;
 * blocks 0 to 31, the head, are a copy of the newest session's beginning. Other programs, and copies of discs, begin at
 * block 0.
 */

import { delay } from "@std/async/delay";
import { isCode, XorrisoError } from "../errors.ts";
import type { Blocks, BlocksReadOptions } from "./blocks.ts";
import { BLOCK, holds, u32 } from "./bytes.ts";
import { checkSession, readFirstTag, readTags } from "./tags.ts";
import {
  blocksIn,
  damaged,
  parseVolume,
  readRun,
  readVolume,
  type Volume,
} from "./volume.ts";

/**
 * One session on a medium.
 *
 * @example When the newest one was written
 * ```ts
 * import { fileBlocks, readImage } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * const { newest } = await readImage(blocks);
 * console.log(newest.number, newest.date);
 * ```
 */
export interface Session {
  /** Its number, from 1 on, as xorriso counts. */
  readonly number: number;
  /** The first block. */
  readonly lba: number;
  /** Blocks, by its own account. */
  readonly size: number;
  /** Its volume id. */
  readonly volumeId: string;
  /** When it was written, as far as its descriptor tells. */
  readonly date: Date | undefined;
  /** Its descriptors. */
  readonly volume: Volume;
}

/** What the beginning of an image file is worth. */
export type HeadState =
  /** It shows the newest session. */
  | "sound"
  /** It is neither the beginning of the newest session nor of an older one: writing it was interrupted. */
  | "torn"
  /** There is none. */
  | "missing"
  /** The session that it shows has been cut off. */
  | "cut"
  /** It shows an older session than the newest: a copy of a disc with several sessions. */
  | "behind";

/** What an image file holds. */
export interface Image {
  /** Its sessions, the oldest first, up to the newest that is whole. */
  readonly sessions: readonly Session[];
  /** The newest session. */
  readonly newest: Session;
  /** What its beginning is worth. */
  readonly head: HeadState;
  /** Whole sessions behind the newest that the head has never shown: a commit that was cut off. */
  readonly unseen: readonly Session[];
  /** The first block of a partition that the image can be mounted from, too; 0 if there is none. */
  readonly partitionOffset: number;
}

/** Sessions in a file begin at multiples of this many blocks; the first one where the head ends. */
const ALIGNMENT = 32;

/** Blocks that are read to look for descriptors: few sessions have more. */
const PEEK = 8;

/** Blocks between a session's first descriptor and its path table, at most. */
const MAX_DISTANCE = 64;

/** Blocks that are read at once. */
const RUN = 512;

/** Blocks between two sessions on a disc: at most 28,688 on a DVD-R, 11,400 on a CD. */
const MAX_GAP = 1 << 15;

/** Milliseconds from one look at a head that does not fit together to the next. */
const RETRY = 10;

/** Milliseconds without a change after which nobody is writing. */
const REST = 2000;

/**
 * Finds the sessions of an image file.
 *
 * @param blocks The image.
 * @param options `signal` gives up.
 * @returns Its sessions, and what its beginning is worth.
 * @throws {XorrisoError} NOT_ISO when it is no image, IMAGE_DAMAGED when nothing of it can be read, or
 * as `blocks` tells.
 *
 * @example All sessions of an image
 * ```ts
 * import { fileBlocks, readImage } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * for (const { number, date } of (await readImage(blocks)).sessions) {
 *   console.log(number, date);
 * }
 * ```
 */
export async function readImage(
  blocks: Blocks,
  options: BlocksReadOptions = {},
): Promise<Image> {
  const { signal } = options;
  let before: Uint8Array | undefined;
  for (;;) {
    const head = await readRun(blocks, 0, 2 * ALIGNMENT, options);
    // A head that is being written is read again, until nobody writes.
    const last = blocks.modified === undefined ||
      isSame(head, before) && isAtRest(blocks.modified);
    try {
      const image = await examine(blocks, head, options);
      if (last || !["torn", "missing"].includes(image.head)) return image;
    } catch (error) {
      if (last || !(error instanceof XorrisoError)) throw error;
    }
    before = head;
    await delay(RETRY, signal && { signal });
  }
}

/** What a beginning shows, and whether all of it fits together. */
interface Shown {
  readonly volume: Volume;
  readonly isSound: boolean;
}

/** What has been found. */
type Found = Pick<Image, "sessions" | "head" | "unseen">;

async function examine(
  blocks: Blocks,
  head: Uint8Array,
  options: BlocksReadOptions,
): Promise<Image> {
  if (holds(head, 16 * BLOCK + 1, "CDXX1")) {
    throw notIso(blocks, "it has been blanked");
  }
  const { volume: top, reason } = tryParse(
    blocks,
    head.subarray(16 * BLOCK),
    0,
  );
  const chain = await chainOf(blocks, options);
  const shown = top && await findShown(blocks, top, options);
  const isThere = shown?.isSound &&
    await hasTree(blocks, shown.volume, options);
  const found = top && isThere
    ? await whereShown(blocks, { top, own: shown.volume, chain }, options)
    : await wherePossible(blocks, [...chain, ...shown ? [shown.volume] : []], {
      head: shown?.isSound || reason ? "cut" : top ? "torn" : "missing",
      options,
    });
  const newest = found.sessions.at(-1);
  if (newest === undefined) {
    throw reason ??
      (top
        ? damaged(blocks, 16, "its directories are not there")
        : notIso(blocks, "block 16 holds no volume descriptor"));
  }
  return { ...found, newest, partitionOffset: partitionOffset(head) };
}

/** The sessions of an image whose beginning is in order. */
async function whereShown(
  blocks: Blocks,
  { top, own, chain }: {
    readonly top: Volume;
    readonly own: Volume;
    readonly chain: readonly Volume[];
  },
  options: BlocksReadOptions,
): Promise<Found> {
  if (chain.length === 0) {
    // One that was appended to an image without a head has taken the place of its first session.
    const first = { ...numbered([own])[0], lba: 0, size: top.size } as Session;
    const later = own.lba > 0 ? [] : await findBehind(blocks, top, options);
    const sessions = [first, ...numbered(later, 2)];
    return {
      sessions,
      head: later.length > 0 ? "behind" : "sound",
      unseen: [],
    };
  }
  const sessions = numbered([...chain.filter(({ lba }) => lba < own.lba), own]);
  // What was there before the medium was blanked is older.
  const later = chain.filter(({ lba, created }) =>
    lba > own.lba && Number(created) >= Number(own.created)
  );
  const unseen = await keepWhole(blocks, later, options);
  return {
    sessions,
    head: "sound",
    unseen: numbered(unseen, sessions.length + 1),
  };
}

/** What is whole of the sessions of an image whose beginning is not in order. */
async function wherePossible(
  blocks: Blocks,
  volumes: readonly Volume[],
  { head, options }: {
    readonly head: HeadState;
    readonly options: BlocksReadOptions;
  },
): Promise<Found> {
  const byLba = new Map(volumes.map((volume) => [volume.lba, volume]));
  const ordered = [...byLba.values()].sort((a, b) => a.lba - b.lba);
  const whole = await keepWhole(blocks, ordered, options);
  return { sessions: numbered(whole), head, unseen: [] };
}

function numbered(volumes: readonly Volume[], from = 1): Session[] {
  return volumes.map((volume, index) => sessionOf(volume, from + index));
}

function sessionOf(volume: Volume, number: number): Session {
  const { lba, size, volumeId, created } = volume;
  return { number, lba, size, volumeId, date: created, volume };
}

/**
 * Reads one session of a medium whose sessions are known, as from a drive's table of contents.
 *
 * @param blocks The medium.
 * @param lba The first block of the session.
 * @param number Its number.
 * @param options `signal` gives up.
 * @returns The session.
 * @throws {XorrisoError} NOT_ISO when there is none, IMAGE_DAMAGED, or as `blocks` tells.
 *
 * @example The second session of a medium, which begins with block 96
 * ```ts
 * import { fileBlocks, readSession } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * const { volumeId, date } = await readSession(blocks, 96, 2);
 * console.log(volumeId, date);
 * ```
 */
export async function readSession(
  blocks: Blocks,
  lba: number,
  number: number,
  options: BlocksReadOptions = {},
): Promise<Session> {
  return sessionOf(await readVolume(blocks, lba, options), number);
}

/** Looks for the session that the descriptors at a file's beginning are a copy of. */
async function findShown(
  blocks: Blocks,
  top: Volume,
  options: BlocksReadOptions,
): Promise<Shown | undefined> {
  const tag = await readFirstTag(blocks, top, options);
  const told = tag?.kind === "head" && tag.link !== undefined
    ? await volumeAt(blocks, tag.link, options)
    : undefined;
  if (told && isCopy(top, told)) return { volume: told, isSound: true };
  const own = await findOriginal(blocks, top, options) ?? top;
  // Other programs put their descriptors there and leave the tag of the session before.
  const isForeign = own.lba > 0 &&
    await readTags(blocks, own, options) === undefined;
  return {
    volume: own,
    isSound: isForeign || told === undefined && isCopy(top, own),
  };
}

/** Looks for the original of a copied descriptor: it stands a little before the path table. */
async function findOriginal(
  blocks: Blocks,
  top: Volume,
  options: BlocksReadOptions,
): Promise<Volume | undefined> {
  const primary = primaryOf(top);
  const end = Math.min(u32(primary, 140), top.root.lba, blocksIn(blocks));
  const start = Math.max(end - MAX_DISTANCE, 16);
  const run = await readRun(blocks, start, end - start, options);
  for (let at = run.length - BLOCK; at >= 0; at -= BLOCK) {
    if (!isSameDescriptor(run.subarray(at, at + BLOCK), primary)) continue;
    const lba = start + at / BLOCK - 16;
    const volume = lba === 0 ? top : await volumeAt(blocks, lba, options);
    if (volume !== undefined) return volume;
  }
  return undefined;
}

function primaryOf({ descriptors }: Volume): Uint8Array {
  return descriptors.subarray(0, BLOCK);
}

/** Whether descriptors are the same but for the number of blocks, which counts from the beginning. */
function isCopy(one: Volume, other: Volume): boolean {
  const { descriptors: a } = one;
  const { descriptors: b } = other;
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += BLOCK) {
    const block = a.subarray(at, at + BLOCK);
    if (!isSameDescriptor(block, b.subarray(at, at + BLOCK))) return false;
  }
  return true;
}

function isSameDescriptor(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i] || i >= 80 && i < 88);
}

/** The sessions from block 32 on, each behind the one before. */
async function chainOf(
  blocks: Blocks,
  options: BlocksReadOptions,
): Promise<Volume[]> {
  const chain: Volume[] = [];
  for (let lba = ALIGNMENT;;) {
    const volume = await volumeAt(blocks, lba, options);
    if (volume === undefined) return chain;
    chain.push(volume);
    lba = Math.ceil((lba + volume.size) / ALIGNMENT) * ALIGNMENT;
  }
}

/** Looks for further sessions behind the first one, as in a copy of a disc. */
async function findBehind(
  blocks: Blocks,
  first: Volume,
  options: BlocksReadOptions,
): Promise<Volume[]> {
  const found: Volume[] = [];
  for (let last = first;;) {
    const next = await scan(blocks, last.lba + last.size, options);
    if (next === undefined) return await keepWhole(blocks, found, options);
    found.push(next);
    last = next;
  }
}

/** Looks for the next descriptor of a session within the space that is left between two. */
async function scan(
  blocks: Blocks,
  from: number,
  options: BlocksReadOptions,
): Promise<Volume | undefined> {
  const end = Math.min(from + MAX_GAP, blocksIn(blocks));
  for (let start = from; start < end; start += RUN) {
    const run = await readRun(
      blocks,
      start,
      Math.min(RUN, end - start),
      options,
    );
    for (let at = 0; at < run.length; at += BLOCK) {
      if (!holds(run, at, "\x01CD001")) continue;
      const lba = start + at / BLOCK - 16;
      const volume = lba < from
        ? undefined
        : await volumeAt(blocks, lba, options);
      if (volume !== undefined) return volume;
    }
  }
  return undefined;
}

/**
 * The descriptors of a session that begins there, if one does: its root is its own. An image that
 * is stored as a file in another has addresses that count from its own beginning.
 */
async function volumeAt(
  blocks: Blocks,
  lba: number,
  options: BlocksReadOptions,
): Promise<Volume | undefined> {
  const bytes = await readRun(blocks, lba + 16, PEEK, options);
  const { volume } = tryParse(blocks, bytes, lba);
  if (volume === undefined) return undefined;
  const { root, size } = volume;
  return root.lba > lba + 16 && root.lba < lba + size ? volume : undefined;
}

/** What descriptors say, or why they cannot be right. */
function tryParse(
  blocks: Blocks,
  bytes: Uint8Array,
  lba: number,
): { readonly volume?: Volume | undefined; readonly reason?: XorrisoError } {
  try {
    return { volume: parseVolume(bytes, lba, blocks) };
  } catch (reason) {
    if (isCode(reason, "IMAGE_DAMAGED")) return { reason };
    throw reason;
  }
}

/** Sessions up to the last that is whole. */
async function keepWhole(
  blocks: Blocks,
  volumes: readonly Volume[],
  options: BlocksReadOptions,
): Promise<Volume[]> {
  const kept = [...volumes];
  for (let last = kept.at(-1); last !== undefined; last = kept.at(-1)) {
    if (await isWhole(blocks, last, options)) break;
    kept.pop();
  }
  return kept;
}

/** Whether a session is whole, by its checksums or, where it has none, by its size. */
async function isWhole(
  blocks: Blocks,
  volume: Volume,
  options: BlocksReadOptions,
): Promise<boolean> {
  try {
    return await checkSession(blocks, volume, options) ||
      volume.lba + volume.size <= blocksIn(blocks);
  } catch (error) {
    if (isCode(error, "IMAGE_DAMAGED")) return false;
    throw error;
  }
}

/** Whether the directories of a session have not been cut off. */
async function hasTree(
  blocks: Blocks,
  volume: Volume,
  options: BlocksReadOptions,
): Promise<boolean> {
  const tags = await readTags(blocks, volume, options);
  return tags === undefined || (tags.superblock.link ?? 0) < blocksIn(blocks);
}

/**
 * The block that the first partition begins with, if there are descriptors for it, too (xorriso(1),
 * -boot_image any partition_offset=).
 */
function partitionOffset(head: Uint8Array): number {
  // The first entry of the partition table has its start in units of 512.
  if (!holds(head, 510, "\x55\xaa")) return 0;
  const offset = u32(head, 446 + 8) * 512 / BLOCK;
  return holds(head, (offset + 16) * BLOCK, "\x01CD001") ? offset : 0;
}

function notIso({ name }: Blocks, why: string): XorrisoError {
  return new XorrisoError(
    "NOT_ISO",
    `Cannot read "${name}" as an ISO 9660 image: ${why}`,
    { path: name },
  );
}

function isSame(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return a.length === b?.length && a.every((byte, i) => byte === b[i]);
}

/** Whether nobody is writing, as far as can be seen. */
function isAtRest(modified: number): boolean {
  return Math.abs(Date.now() - modified) > REST;
}
