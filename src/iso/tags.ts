/**
 * The checksum tags of libisofs: a line of text at the beginning of a block, behind the bytes that
 * it speaks of. They tell whether a session is whole.
 */

import { loadMd5 } from "../disk/md5.ts";
import { XorrisoError } from "../errors.ts";
import type { Blocks, BlocksReadOptions } from "./blocks.ts";
import { latin1 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";
import { blocksIn, type Volume } from "./volume.ts";

/** One checksum tag. */
export interface Tag {
  /** What it stands behind: descriptors, directories, all of a session, or the head of a file. */
  readonly kind: "superblock" | "tree" | "session" | "head";
  /** The block that it is in. */
  readonly pos: number;
  /** The first block of the range. */
  readonly start: number;
  /** Blocks of the range. */
  readonly size: number;
  /** The block of the next tag; with a head, where its session begins. */
  readonly link: number | undefined;
  /** MD5 of the range. */
  readonly md5: string;
  /** The line up to the checksum of its own, and that. */
  readonly line: { readonly text: string; readonly md5: string };
}

/** The tags of one session, in order. */
export interface SessionTags {
  /** Behind the volume descriptors. */
  readonly superblock: Tag;
  /** Behind the directories, if it is where it should be. */
  readonly tree: Tag | undefined;
  /** Behind everything, if it is where it should be. */
  readonly session: Tag | undefined;
}

const LINE =
  /^(libisofs_(?:(sb|tree|rlsb32)_)?checksum_tag_v1 pos=(\d+) range_start=(\d+) range_size=(\d+)(?: (?:next|session_start)=(\d+))? md5=([\da-f]{32})) self=([\da-f]{32})\n/;

const KINDS: Readonly<Record<string, Tag["kind"]>> = {
  sb: "superblock",
  tree: "tree",
  rlsb32: "head",
};

/** Characters that the line may have; it has about 200. */
const LONGEST = 320;

/** The tag that a block holds; undefined if it holds none that belongs there. */
export function parseTag(block: Uint8Array, lba: number): Tag | undefined {
  const match = LINE.exec(latin1(block.subarray(0, LONGEST)));
  if (match === null) return undefined;
  const [, text = "", kind = "", pos, start, size, link, md5 = "", own = ""] =
    match;
  const tag: Tag = {
    kind: KINDS[kind] ?? "session",
    pos: Number(pos),
    start: Number(start),
    size: Number(size),
    link: link === undefined ? undefined : Number(link),
    md5,
    line: { text, md5: own },
  };
  return tag.pos === lba && tag.start + tag.size === lba ? tag : undefined;
}

/** The block behind the descriptors of a volume. */
function behind({ lba, descriptors }: Volume): number {
  return lba + 16 + descriptors.length / BLOCK;
}

/** Finds the tag behind the descriptors of a volume: that of a session, or of the head of a file. */
export async function readFirstTag(
  blocks: Blocks,
  volume: Volume,
  options: BlocksReadOptions = {},
): Promise<Tag | undefined> {
  // Some versions leave a block between.
  for (const lba of [behind(volume), behind(volume) + 1]) {
    const tag = await readTag(blocks, lba, options);
    if (tag !== undefined) return tag;
  }
  return undefined;
}

/** Finds the tags of a session; undefined where its program wrote none. */
export async function readTags(
  blocks: Blocks,
  volume: Volume,
  options: BlocksReadOptions = {},
): Promise<SessionTags | undefined> {
  const superblock = await readFirstTag(blocks, volume, options);
  if (superblock?.kind !== "superblock" || superblock.start !== volume.lba) {
    return undefined;
  }
  const next = async (before: Tag | undefined, kind: Tag["kind"]) => {
    if (before?.link === undefined || before.link <= before.pos) return;
    const tag = await readTag(blocks, before.link, options);
    return tag?.kind === kind && tag.start === volume.lba ? tag : undefined;
  };
  const tree = await next(superblock, "tree");
  return { superblock, tree, session: await next(tree, "session") };
}

async function readTag(
  blocks: Blocks,
  lba: number,
  options: BlocksReadOptions,
): Promise<Tag | undefined> {
  if (lba >= blocksIn(blocks)) return undefined;
  const block = new Uint8Array(BLOCK);
  await blocks.read(block, lba * BLOCK, options);
  return parseTag(block, lba);
}

/** Bytes that are read at once for a checksum. */
const CHUNK = 1 << 20;

/** Whether the checksums of a tag hold: of its line, and of the blocks that it speaks of. */
async function tagHolds(
  blocks: Blocks,
  { start, size, md5, line }: Tag,
  options: BlocksReadOptions,
): Promise<boolean> {
  const newMd5 = await loadMd5();
  if (newMd5().update(line.text).digest("hex") !== line.md5) return false;
  const hash = newMd5();
  const end = (start + size) * BLOCK;
  const buffer = new Uint8Array(Math.min(CHUNK, size * BLOCK));
  for (let at = start * BLOCK; at < end; at += CHUNK) {
    const chunk = buffer.subarray(0, end - at);
    const ahead = end - at - chunk.length;
    await blocks.read(chunk, at, { ...options, ahead });
    hash.update(chunk);
  }
  return hash.digest("hex") === md5;
}

/**
 * Makes sure that a session is whole and its descriptors and directories are as they were written.
 *
 * @returns Whether there are tags that could tell.
 * @throws {XorrisoError} IMAGE_DAMAGED when it is not whole, or as `blocks` tells.
 */
export async function requireWhole(
  blocks: Blocks,
  volume: Volume,
  options: BlocksReadOptions = {},
): Promise<boolean> {
  const tags = await requireDirectories(blocks, volume, options);
  if (tags === undefined) return false;
  if (tags.tree && tags.session) return true;
  throw untrusted(blocks, volume, "the end is missing");
}

/**
 * Makes sure that the descriptors and directories of a session are as they were written, as far as it
 * has tags that tell. One whose end has been cut off may have none.
 *
 * @throws {XorrisoError} IMAGE_DAMAGED when they are not, or as `blocks` tells.
 */
export async function requireDirectories(
  blocks: Blocks,
  volume: Volume,
  options: BlocksReadOptions = {},
): Promise<SessionTags | undefined> {
  const tags = await readTags(blocks, volume, options);
  for (
    const [tag, what] of [
      [tags?.superblock, "volume descriptors"],
      [tags?.tree, "directories"],
    ] as const
  ) {
    if (tag !== undefined && !await tagHolds(blocks, tag, options)) {
      throw untrusted(blocks, volume, `the checksum does not fit the ${what}`);
    }
  }
  return tags;
}

function untrusted(
  { name }: Blocks,
  { lba }: Volume,
  what: string,
): XorrisoError {
  return new XorrisoError(
    "IMAGE_DAMAGED",
    `Cannot trust "${name}": ${what} of the session at block ${lba}; read an ` +
      `older session`,
    { path: name },
  );
}
