/**
 * The checksum tags of libisofs, by which a session shows whether it is whole: each is a line of text
 * at the beginning of a block, with the MD5 of the blocks before it.
 */

import { CHUNK } from "../disk/files.ts";
import { loadMd5 } from "../disk/md5.ts";
import { XorrisoError } from "../errors.ts";
import { type Blocks, type BlocksReadOptions, readRun } from "./blocks.ts";
import { latin1 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";
import { SYSTEM_AREA, type Volume } from "./volume.ts";

/** One checksum tag. */
export interface Tag {
  /**
   * What it stands behind: the descriptors of a session, its directories, all of it, or the head of an
   * image file, which is a copy of the descriptors of its newest session.
   */
  readonly kind: "superblock" | "tree" | "session" | "head";
  /** The block that it is in. */
  readonly pos: number;
  /** The first block that its MD5 is about. */
  readonly start: number;
  /** Number of these blocks. */
  readonly size: number;
  /** The block of the next tag; in a head, the first block of the session. */
  readonly link: number | undefined;
  /** MD5 of the blocks. */
  readonly md5: string;
  /** The line up to its own MD5, and that. */
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

/** Characters that a line may have; most have about 200. */
const MAX_LINE = 320;

/** The tag in a block; undefined if there is none, or one of another place. */
export function parseTag(block: Uint8Array, lba: number): Tag | undefined {
  const match = LINE.exec(latin1(block.subarray(0, MAX_LINE)));
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

/** Finds the tag behind descriptors: of kind `superblock`, or `head` at the beginning of a file. */
export async function readFirstTag(
  blocks: Blocks,
  volume: Volume,
  options: BlocksReadOptions = {},
): Promise<Tag | undefined> {
  const { lba, descriptors } = volume;
  const end = lba + SYSTEM_AREA + descriptors.length / BLOCK;
  // Some versions of libisofs leave a block between.
  return await readTag(blocks, end, options) ??
    await readTag(blocks, end + 1, options);
}

/** Finds the tags of a session; undefined where there are none, as of programs without libisofs. */
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
  return parseTag(await readRun(blocks, lba, 1, options), lba);
}

/** Whether a line has its own MD5, and the blocks before it have the one that it tells. */
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
 * Makes sure that a session is whole, with its descriptors and directories as they were written;
 * IMAGE_DAMAGED if it is not.
 *
 * @returns False if it has no tags that could tell.
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
 * has tags; IMAGE_DAMAGED if they are not. The tag of the directories may have been cut off.
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
