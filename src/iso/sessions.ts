/**
 * The sessions of an image file, found in its blocks.
 *
 * xorriso begins the first session at block 32, and each further one at the next block divisible by 32.
 * Blocks 0 to 31, the head, are a copy of the newest session's first blocks: by these the file shows it.
 * Other programs, and copies of discs, have their first session at block 0 instead.
 */

import { delay } from "@std/async/delay";
import { equals } from "@std/bytes/equals";
import { align, ALIGNMENT, isPrimary, partitionStart } from "../disk/head.ts";
import { isCode, XorrisoError } from "../errors.ts";
import {
  type Blocks,
  blocksIn,
  type BlocksReadOptions,
  readRun,
} from "./blocks.ts";
import { holds, u32 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";
import {
  readFirstTag,
  readTags,
  requireWhole,
  type SessionTags,
} from "./tags.ts";
import {
  damaged,
  FIELD,
  notIso,
  parseVolume,
  SYSTEM_AREA,
  type Volume,
} from "./volume.ts";

/** One session on a medium. */
export interface Session {
  /** Its number, from 1 on, as xorriso counts. */
  readonly number: number;
  /** The first block. */
  readonly lba: number;
  /** Number of blocks, by its own descriptor. */
  readonly size: number;
  /** Its volume id. */
  readonly volumeId: string;
  /** When it was written, if its descriptor tells. */
  readonly date: Date | undefined;
  /** What its descriptors say. */
  readonly volume: Volume;
}

/** What the head of an image file, its first blocks, shows. */
export type HeadState =
  /** The newest session. */
  | "sound"
  /** No session that is there: writing the head was interrupted. */
  | "torn"
  /** Nothing: there is no volume descriptor. */
  | "missing"
  /** A session that has been cut off. */
  | "cut"
  /** The first of several sessions: the file is a copy of a disc. */
  | "behind";

/** What an image file holds. */
export interface Image {
  /** Its sessions, the oldest first, up to the newest that is whole. */
  readonly sessions: readonly Session[];
  /** The newest session. */
  readonly newest: Session;
  /** What its head shows. */
  readonly head: HeadState;
  /** The first block of a partition that the image can be mounted from, too; 0 if there is none. */
  readonly partitionOffset: number;
}

/** Blocks that are read to look for descriptors: few sessions have more of them. */
const PEEK = 8;

/** Blocks from a session's first descriptor to its path table, at most. */
const MAX_DISTANCE = 64;

/** Blocks that are searched at once. */
const RUN = 512;

/** Blocks between two sessions on a disc: at most 28,688 on a DVD-R, 11,400 on a CD. */
const MAX_GAP = 1 << 15;

/** Milliseconds until blocks that another program may just be writing are read again. */
export const RETRY = 10;

/** Milliseconds without a change after which no program is writing to a file. */
const QUIET = 2000;

/**
 * Finds the sessions of an image file.
 *
 * @param blocks The image.
 * @param options `signal` gives up.
 * @returns Its sessions, and what its head shows.
 * @throws {XorrisoError} NOT_ISO when it is no image, IMAGE_DAMAGED when nothing of it can be read, or
 * as `Blocks.read`.
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
  const finder = new Finder(blocks, options);
  let before: Uint8Array = new Uint8Array();
  for (;;) {
    const head = await readRun(blocks, 0, 2 * ALIGNMENT, options);
    // A head that is just being written looks torn: it is read until it stays the same.
    const { modified } = blocks;
    const isFinal = modified === undefined ||
      equals(head, before) && isQuiet(modified);
    try {
      const image = await finder.find(head);
      if (isFinal || !["torn", "missing"].includes(image.head)) return image;
    } catch (error) {
      if (isFinal || !(error instanceof XorrisoError)) throw error;
    }
    before = head;
    await delay(RETRY, signal && { signal });
  }
}

/** Whether no program is writing to a file, as far as its time of modification tells. */
function isQuiet(modified: number): boolean {
  return Math.abs(Date.now() - modified) > QUIET;
}

/**
 * Reads one session of a medium whose sessions are known, as from a drive's table of contents; NOT_ISO
 * if there is none at that block.
 */
export async function readSession(
  blocks: Blocks,
  lba: number,
  number: number,
  options: BlocksReadOptions = {},
): Promise<Session> {
  const bytes = await readRun(blocks, lba + SYSTEM_AREA, PEEK, options);
  const volume = parseVolume(bytes, lba, blocks);
  if (volume !== undefined) return sessionOf(volume, number);
  throw notIso(blocks, `block ${lba + SYSTEM_AREA} holds no volume descriptor`);
}

/** What has been found. */
type FoundSessions = Pick<Image, "sessions" | "head">;

/** Looks for sessions in the blocks of an image. */
class Finder {
  readonly #blocks: Blocks;
  readonly #options: BlocksReadOptions;

  constructor(blocks: Blocks, options: BlocksReadOptions) {
    this.#blocks = blocks;
    this.#options = options;
  }

  /** Finds all, given the first blocks of the file. */
  async find(head: Uint8Array): Promise<Image> {
    const blocks = this.#blocks;
    const descriptors = head.subarray(SYSTEM_AREA * BLOCK);
    if (holds(descriptors, 1, "CDXX1")) {
      throw notIso(blocks, "it has been blanked");
    }
    const { volume: top, reason } = this.#parse(descriptors, 0);
    const partitionOffset = partitionOffsetIn(head);
    const chain = await this.#followChain(ALIGNMENT + partitionOffset);
    const shown = top && await this.#findShown(top);
    const hasTree = shown?.isSound && await this.#hasTree(shown.volume);
    // Where the root lies beyond the end of the file, there is a reason in place of `top`.
    const broken = shown?.isSound || reason ? "cut" : top ? "torn" : "missing";
    const found = top && hasTree
      ? await this.#withHead(top, shown.volume, chain)
      : await this.#withoutHead(
        [...chain, ...shown ? [shown.volume] : []],
        broken,
      );
    const newest = found.sessions.at(-1);
    if (newest !== undefined) return { ...found, newest, partitionOffset };
    throw reason ??
      (top
        ? damaged(blocks, SYSTEM_AREA, "its directories are not there")
        : notIso(blocks, `block ${SYSTEM_AREA} holds no volume descriptor`));
  }

  /**
   * The sessions of an image with a sound head.
   *
   * @param top What the descriptors in the head say.
   * @param own What those of the session say that it shows.
   */
  async #withHead(
    top: Volume,
    own: Volume,
    chain: readonly Volume[],
  ): Promise<FoundSessions> {
    if (chain.length > 0) {
      const shown = [...chain.filter(({ lba }) => lba < own.lba), own];
      return { sessions: numbered(shown), head: "sound" };
    }
    // It begins at block 0. What was appended has overwritten the first session's descriptors there,
    // and the two are one; but in a copy of a disc each session keeps its own.
    const first = { ...sessionOf(own, 1), lba: 0, size: top.size };
    const later = own.lba > 0 ? [] : await this.#findLater(top);
    return {
      sessions: [first, ...numbered(later, 2)],
      head: later.length > 0 ? "behind" : "sound",
    };
  }

  /** Those of the sessions that are whole, where the head does not show the newest one. */
  async #withoutHead(
    volumes: readonly Volume[],
    head: HeadState,
  ): Promise<FoundSessions> {
    const byLba = new Map(volumes.map((volume) => [volume.lba, volume]));
    const ordered = [...byLba.values()].sort((a, b) => a.lba - b.lba);
    const whole = await this.#keepWhole(ordered);
    if (whole.length === 0 && head === "cut") {
      // It may begin at block 0, and have sessions appended: the newest of these is shown.
      whole.push(
        ...(await this.#keepWhole(await this.#findTagged())).slice(-1),
      );
    }
    return { sessions: numbered(whole), head };
  }

  /** Finds the session that the head shows; it is sound if its descriptors are a true copy. */
  async #findShown(
    top: Volume,
  ): Promise<{ readonly volume: Volume; readonly isSound: boolean }> {
    const tag = await readFirstTag(this.#blocks, top, this.#options);
    const tagged = tag?.kind === "head" && tag.link !== undefined
      ? await this.#readVolume(tag.link)
      : undefined;
    if (tagged && isCopy(top, tagged)) return { volume: tagged, isSound: true };
    const own = await this.#findOriginal(top) ?? top;
    // Other programs rewrite the descriptors, but leave the tag of the session before.
    const isForeign = own.lba > 0 && await this.#tags(own) === undefined;
    return {
      volume: own,
      isSound: isForeign || tagged === undefined && isCopy(top, own),
    };
  }

  /** Looks for the original of a copied descriptor, which is a little before the path table. */
  async #findOriginal(top: Volume): Promise<Volume | undefined> {
    const primary = top.descriptors.subarray(0, BLOCK);
    const pathTable = u32(primary, FIELD.pathTable);
    const end = Math.min(pathTable, top.root.lba, this.#count);
    const start = Math.max(end - MAX_DISTANCE, SYSTEM_AREA);
    const run = await this.#run(start, end - start);
    for (let at = run.length - BLOCK; at >= 0; at -= BLOCK) {
      if (!isSameDescriptor(run.subarray(at, at + BLOCK), primary)) continue;
      const lba = start + at / BLOCK - SYSTEM_AREA;
      const volume = lba === 0 ? top : await this.#readVolume(lba);
      if (volume !== undefined) return volume;
    }
    return undefined;
  }

  /** The sessions from a block on, each behind the one before. */
  async #followChain(first: number): Promise<Volume[]> {
    const chain: Volume[] = [];
    for (let lba = first;;) {
      const volume = await this.#readVolume(lba);
      if (volume === undefined) return chain;
      chain.push(volume);
      lba = align(lba + volume.size);
    }
  }

  /** Looks for further sessions behind the first one, as in a copy of a disc. */
  async #findLater(first: Volume): Promise<Volume[]> {
    const found: Volume[] = [];
    for (let last = first;;) {
      const next = await this.#findNext(last.lba + last.size);
      if (next === undefined) return await this.#keepWhole(found);
      found.push(next);
      last = next;
    }
  }

  /** Looks for the next session behind the end of one, as far as a disc may have a gap between them. */
  async #findNext(from: number): Promise<Volume | undefined> {
    const end = Math.min(from + MAX_GAP, this.#count);
    for (let start = from; start < end; start += RUN) {
      const run = await this.#run(start, Math.min(RUN, end - start));
      for (let at = 0; at < run.length; at += BLOCK) {
        const lba = start + at / BLOCK - SYSTEM_AREA;
        if (lba < from || !isPrimary(run, at)) continue;
        const volume = await this.#readVolume(lba);
        if (volume !== undefined) return volume;
      }
    }
    return undefined;
  }

  /**
   * Looks in the whole file for sessions with checksum tags. A tag tells its own block, so that of an
   * image that is stored as a file does not count.
   */
  async #findTagged(): Promise<Volume[]> {
    const found: Volume[] = [];
    for (let lba = ALIGNMENT; lba < this.#count;) {
      const volume = await this.#readVolume(lba);
      const isTagged = volume && await this.#tags(volume) !== undefined;
      if (isTagged) found.push(volume);
      lba = align(lba + (isTagged ? volume.size : 1));
    }
    return found;
  }

  /**
   * The descriptors of a session that begins at a block; undefined if none does. Its root directory must
   * lie within it: an image that is stored as a file has addresses that count from its own beginning.
   */
  async #readVolume(lba: number): Promise<Volume | undefined> {
    const first = lba + SYSTEM_AREA;
    const { volume } = this.#parse(await this.#run(first, PEEK), lba);
    if (volume === undefined) return undefined;
    const { root, size } = volume;
    return root.lba > first && root.lba < lba + size ? volume : undefined;
  }

  /** What descriptors say, or why they cannot be right. */
  #parse(
    bytes: Uint8Array,
    lba: number,
  ): { readonly volume?: Volume | undefined; readonly reason?: XorrisoError } {
    try {
      return { volume: parseVolume(bytes, lba, this.#blocks) };
    } catch (reason) {
      if (isCode(reason, "IMAGE_DAMAGED")) return { reason };
      throw reason;
    }
  }

  /** The sessions up to the last one that is whole. */
  async #keepWhole(volumes: readonly Volume[]): Promise<Volume[]> {
    for (let count = volumes.length; count > 0; count--) {
      const last = volumes[count - 1];
      if (last && await this.#isWhole(last)) return volumes.slice(0, count);
    }
    return [];
  }

  /** Whether a session is whole, by its checksums or, where it has none, by its size. */
  async #isWhole(volume: Volume): Promise<boolean> {
    try {
      return await requireWhole(this.#blocks, volume, this.#options) ||
        volume.lba + volume.size <= this.#count;
    } catch (error) {
      if (isCode(error, "IMAGE_DAMAGED")) return false;
      throw error;
    }
  }

  /** Whether the file reaches to the tag behind the directories of a session, if it has tags. */
  async #hasTree(volume: Volume): Promise<boolean> {
    const tags = await this.#tags(volume);
    return tags === undefined || (tags.superblock.link ?? 0) < this.#count;
  }

  #tags(volume: Volume): Promise<SessionTags | undefined> {
    return readTags(this.#blocks, volume, this.#options);
  }

  #run(lba: number, count: number): Promise<Uint8Array> {
    return readRun(this.#blocks, lba, count, this.#options);
  }

  /** Number of blocks of the file. */
  get #count(): number {
    return blocksIn(this.#blocks);
  }
}

function numbered(volumes: readonly Volume[], from = 1): Session[] {
  return volumes.map((volume, index) => sessionOf(volume, from + index));
}

function sessionOf(volume: Volume, number: number): Session {
  const { lba, size, volumeId, created } = volume;
  return { number, lba, size, volumeId, date: created, volume };
}

/** Whether all descriptors are the same, but for the volume space sizes. */
function isCopy(
  { descriptors: a }: Volume,
  { descriptors: b }: Volume,
): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += BLOCK) {
    const block = a.subarray(at, at + BLOCK);
    if (!isSameDescriptor(block, b.subarray(at, at + BLOCK))) return false;
  }
  return true;
}

/** Whether two are the same but for the volume space size, which in a head counts from block 0. */
function isSameDescriptor(a: Uint8Array, b: Uint8Array): boolean {
  const from = FIELD.spaceSize;
  return a.every((byte, i) => byte === b[i] || i >= from && i < from + 8);
}

/**
 * The block that the first partition begins with, if there are volume descriptors for it, too
 * (xorriso(1), -boot_image any partition_offset=); else 0.
 */
function partitionOffsetIn(head: Uint8Array): number {
  const start = partitionStart(head) / BLOCK;
  return isPrimary(head, (start + SYSTEM_AREA) * BLOCK) ? start : 0;
}
