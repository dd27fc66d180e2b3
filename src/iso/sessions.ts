/**
 * The sessions of an image file, found in its blocks.
 *
 * xorriso begins the first one at block 32 and each further one at the next block divisible by 32;
 * blocks 0 to 31, the head, are a copy of the newest session's beginning. Other programs, and copies of discs, begin at
 * block 0.
 */

import { delay } from "@std/async/delay";
import { equals } from "@std/bytes/equals";
import { align, ALIGNMENT, partitionStart } from "../disk/head.ts";
import { isCode, XorrisoError } from "../errors.ts";
import type { Blocks, BlocksReadOptions } from "./blocks.ts";
import { holds, u32 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";
import {
  readFirstTag,
  readTags,
  requireWhole,
  type SessionTags,
} from "./tags.ts";
import {
  blocksIn,
  damaged,
  notIso,
  parseVolume,
  readRun,
  SYSTEM_AREA,
  type Volume,
} from "./volume.ts";

/** One session on a medium. */
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
  /** The first block of a partition that the image can be mounted from, too; 0 if there is none. */
  readonly partitionOffset: number;
}

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
  let before: Uint8Array = new Uint8Array();
  const finder = new Finder(blocks, options);
  for (;;) {
    const head = await readRun(blocks, 0, 2 * ALIGNMENT, options);
    // A head that is being written is read again, until nobody writes.
    const last = blocks.modified === undefined ||
      equals(head, before) && isAtRest(blocks.modified);
    try {
      const image = await finder.examine(head);
      if (last || !["torn", "missing"].includes(image.head)) return image;
    } catch (error) {
      if (last || !(error instanceof XorrisoError)) throw error;
    }
    before = head;
    await delay(RETRY, signal && { signal });
  }
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

  async examine(head: Uint8Array): Promise<Image> {
    const blocks = this.#blocks;
    if (holds(head, 16 * BLOCK + 1, "CDXX1")) {
      throw notIso(blocks, "it has been blanked");
    }
    const { volume: top, reason } = this.#parse(head.subarray(16 * BLOCK), 0);
    const offset = secondBeginning(head);
    const chain = await this.#chain(ALIGNMENT + offset);
    const shown = top && await this.#shownBy(top);
    const isThere = shown?.isSound && await this.#hasTree(shown.volume);
    const found = top && isThere
      ? await this.#whereShown(top, shown.volume, chain)
      : await this.#wherePossible(
        [...chain, ...shown ? [shown.volume] : []],
        shown?.isSound || reason ? "cut" : top ? "torn" : "missing",
      );
    const newest = found.sessions.at(-1);
    if (newest !== undefined) {
      return { ...found, newest, partitionOffset: offset };
    }
    throw reason ??
      (top
        ? damaged(blocks, 16, "its directories are not there")
        : notIso(blocks, "block 16 holds no volume descriptor"));
  }

  /** The sessions of an image whose beginning is in order. */
  async #whereShown(
    top: Volume,
    own: Volume,
    chain: readonly Volume[],
  ): Promise<FoundSessions> {
    if (chain.length === 0) {
      // One that was appended to an image without a head has taken the place of its first session.
      const first = { ...sessionOf(own, 1), lba: 0, size: top.size };
      const later = own.lba > 0 ? [] : await this.#findBehind(top);
      return {
        sessions: [first, ...numbered(later, 2)],
        head: later.length > 0 ? "behind" : "sound",
      };
    }
    const shown = [...chain.filter(({ lba }) => lba < own.lba), own];
    return { sessions: numbered(shown), head: "sound" };
  }

  /** What is whole of the sessions of an image whose beginning is not in order. */
  async #wherePossible(
    volumes: readonly Volume[],
    head: HeadState,
  ): Promise<FoundSessions> {
    const byLba = new Map(volumes.map((volume) => [volume.lba, volume]));
    const ordered = [...byLba.values()].sort((a, b) => a.lba - b.lba);
    const whole = await this.#keepWhole(ordered);
    if (whole.length === 0 && head === "cut") {
      // As above, one has taken the place of those before it.
      whole.push(...(await this.#keepWhole(await this.#searchAll())).slice(-1));
    }
    return { sessions: numbered(whole), head };
  }

  /** Looks for the session that the descriptors at a file's beginning are a copy of. */
  async #shownBy(
    top: Volume,
  ): Promise<{ readonly volume: Volume; readonly isSound: boolean }> {
    const tag = await readFirstTag(this.#blocks, top, this.#options);
    const told = tag?.kind === "head" && tag.link !== undefined
      ? await this.#volumeAt(tag.link)
      : undefined;
    if (told && isCopy(top, told)) return { volume: told, isSound: true };
    const own = await this.#findOriginal(top) ?? top;
    // Other programs put their descriptors there and leave the tag of the session before.
    const isForeign = own.lba > 0 && await this.#tags(own) === undefined;
    return {
      volume: own,
      isSound: isForeign || told === undefined && isCopy(top, own),
    };
  }

  /** Looks for the original of a copied descriptor: it stands a little before the path table. */
  async #findOriginal(top: Volume): Promise<Volume | undefined> {
    const primary = top.descriptors.subarray(0, BLOCK);
    const end = Math.min(u32(primary, 140), top.root.lba, this.#count);
    const start = Math.max(end - MAX_DISTANCE, 16);
    const run = await this.#run(start, end - start);
    for (let at = run.length - BLOCK; at >= 0; at -= BLOCK) {
      if (!isSameDescriptor(run.subarray(at, at + BLOCK), primary)) continue;
      const lba = start + at / BLOCK - 16;
      const volume = lba === 0 ? top : await this.#volumeAt(lba);
      if (volume !== undefined) return volume;
    }
    return undefined;
  }

  /** The sessions from a block on, each behind the one before. */
  async #chain(first: number): Promise<Volume[]> {
    const chain: Volume[] = [];
    for (let lba = first;;) {
      const volume = await this.#volumeAt(lba);
      if (volume === undefined) return chain;
      chain.push(volume);
      lba = align(lba + volume.size);
    }
  }

  /** Looks for further sessions behind the first one, as in a copy of a disc. */
  async #findBehind(first: Volume): Promise<Volume[]> {
    const found: Volume[] = [];
    for (let last = first;;) {
      const next = await this.#scan(last.lba + last.size);
      if (next === undefined) return await this.#keepWhole(found);
      found.push(next);
      last = next;
    }
  }

  /** Looks for the next descriptor of a session within the space that is left between two. */
  async #scan(from: number): Promise<Volume | undefined> {
    const end = Math.min(from + MAX_GAP, this.#count);
    for (let start = from; start < end; start += RUN) {
      const run = await this.#run(start, Math.min(RUN, end - start));
      for (let at = 0; at < run.length; at += BLOCK) {
        const lba = start + at / BLOCK - 16;
        if (lba < from || !holds(run, at, "\x01CD001")) continue;
        const volume = await this.#volumeAt(lba);
        if (volume !== undefined) return volume;
      }
    }
    return undefined;
  }

  /** Looks everywhere for sessions of libisofs, whose tags tell their place: no image in a file does. */
  async #searchAll(): Promise<Volume[]> {
    const found: Volume[] = [];
    for (let lba = ALIGNMENT; lba < this.#count;) {
      const volume = await this.#volumeAt(lba);
      const isOwn = volume && await this.#tags(volume) !== undefined;
      if (isOwn) found.push(volume);
      lba = align(lba + (isOwn ? volume.size : 1));
    }
    return found;
  }

  /**
   * The descriptors of a session that begins there, if one does: its root is its own. An image that
   * is stored as a file in another has addresses that count from its own beginning.
   */
  async #volumeAt(lba: number): Promise<Volume | undefined> {
    const { volume } = this.#parse(await this.#run(lba + 16, PEEK), lba);
    if (volume === undefined) return undefined;
    const { root, size } = volume;
    return root.lba > lba + 16 && root.lba < lba + size ? volume : undefined;
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

  /** Sessions up to the last that is whole. */
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

  /** Whether the directories of a session have not been cut off. */
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

  /** Number of blocks that there are. */
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

/** Whether descriptors are the same but for the number of blocks, which counts from the beginning. */
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

function isSameDescriptor(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i] || i >= 80 && i < 88);
}

/**
 * The block that the first partition begins with, if there are descriptors for it, too (xorriso(1),
 * -boot_image any partition_offset=).
 */
function secondBeginning(head: Uint8Array): number {
  const start = partitionStart(head) / BLOCK;
  return holds(head, (start + 16) * BLOCK, "\x01CD001") ? start : 0;
}

/** Whether nobody is writing, as far as can be seen. */
function isAtRest(modified: number): boolean {
  return Math.abs(Date.now() - modified) > REST;
}

/**
 * Reads one session of a medium whose sessions are known, as from a drive's table of contents.
 *
 * @throws {XorrisoError} NOT_ISO when there is none, IMAGE_DAMAGED, or as `blocks` tells.
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
