/** The volume descriptors: what an image or a session says of itself (ECMA-119, 8). */

import { XorrisoError } from "../errors.ts";
import { decodeName } from "../names.ts";
import type { Blocks, BlocksReadOptions } from "./blocks.ts";
import { dateOf, holds, latin1, longDate, u16, u32 } from "../bytes.ts";
import { BLOCK, blocksOf } from "../medium.ts";

/** Bytes that lie together. */
export interface Section {
  /** The first block. */
  readonly lba: number;
  /** Number of bytes. */
  readonly size: number;
}

/** What the volume descriptors of an image or of one session say. */
export interface Volume {
  /** The block that it begins with; its first descriptor is 16 blocks behind. */
  readonly lba: number;
  /** Blocks, by its own account. */
  readonly size: number;
  /** Name of the volume, without the blanks at its end. */
  readonly volumeId: string;
  /** When it was made: the time of its session. */
  readonly created: Date | undefined;
  /** The root directory, with plain names and perhaps Rock Ridge. */
  readonly root: Section;
  /** The root of the tree with Joliet names, if there is one. */
  readonly joliet: Section | undefined;
  /** The descriptors as they are, block by block, their terminator included. */
  readonly descriptors: Uint8Array;
}

/** Blocks of a session before its descriptors (ECMA-119, 6.2.1). */
export const SYSTEM_AREA = 16;

/** Types of descriptors (ECMA-119, 8.1.1). */
const PRIMARY = 1;
const SUPPLEMENTARY = 2;
const TERMINATOR = 255;

/** Number of whole blocks that can be read. */
export function blocksIn({ byteLength }: Pick<Blocks, "byteLength">): number {
  return Math.floor(byteLength / BLOCK);
}

/** Reads blocks that lie together, as many of them as there are. */
export async function readRun(
  blocks: Blocks,
  lba: number,
  count: number,
  options: BlocksReadOptions,
): Promise<Uint8Array> {
  const there = Math.min(count, blocksIn(blocks) - lba);
  const bytes = new Uint8Array(Math.max(there, 0) * BLOCK);
  if (bytes.length > 0) await blocks.read(bytes, lba * BLOCK, options);
  return bytes;
}

/**
 * What descriptors say.
 *
 * @param bytes The blocks from the first descriptor on.
 * @param lba The block that the session begins with.
 * @param blocks What there is, so that nothing beyond is believed.
 * @returns Undefined where the first one is none of a volume.
 * @throws {XorrisoError} IMAGE_DAMAGED when they cannot be right.
 */
export function parseVolume(
  bytes: Uint8Array,
  lba: number,
  blocks: Pick<Blocks, "name" | "byteLength">,
): Volume | undefined {
  const length = descriptorBytes(bytes);
  const descriptors = bytes.slice(0, length);
  const all = Array.from(
    { length: length / BLOCK },
    (_, index) => descriptors.subarray(index * BLOCK, (index + 1) * BLOCK),
  );
  const primary = all.find(([type]) => type === PRIMARY);
  if (primary === undefined) return undefined;
  const at = lba + SYSTEM_AREA + all.indexOf(primary);
  const blockSize = u16(primary, 128);
  if (blockSize !== BLOCK) {
    throw damaged(blocks, at, `its blocks have ${blockSize} bytes, not 2048`);
  }
  const root = sectionAt(primary, 156);
  const problem = sectionProblem(root, blocks);
  if (problem !== undefined) {
    throw damaged(blocks, at, `its root directory ${problem}`);
  }
  // The escape sequences of UCS-2, level 1 to 3 (Joliet specification).
  const other = all.find((each) =>
    each[0] === SUPPLEMENTARY && /^%\/[@CE]/.test(latin1(each.subarray(88, 91)))
  );
  const joliet = other && sectionAt(other, 156);
  return {
    lba,
    size: u32(primary, 80),
    volumeId: textAt(primary, 40, 32),
    created: dateOf(longDate(primary, 813)),
    root,
    joliet: joliet && sectionProblem(joliet, blocks) ? undefined : joliet,
    descriptors,
  };
}

/** Bytes of the descriptors from there on, the terminator included. */
function descriptorBytes(bytes: Uint8Array): number {
  let at = 0;
  while (at + BLOCK <= bytes.length && holds(bytes, at + 1, "CD001")) {
    at += BLOCK;
    if (bytes[at - BLOCK] === TERMINATOR) break;
  }
  return at;
}

/** Where the directory of a record is (ECMA-119, 9.1.3 and 9.1.4). */
export function sectionAt(bytes: Uint8Array, at: number): Section {
  return { lba: u32(bytes, at + 2), size: u32(bytes, at + 10) };
}

/** Why there can be no such section; undefined if there is one. */
export function sectionProblem(
  { lba, size }: Section,
  blocks: Pick<Blocks, "byteLength">,
): string | undefined {
  if (size === 0) return "is empty";
  const end = lba + blocksOf(size);
  const count = blocksIn(blocks);
  return end <= count
    ? undefined
    : `reaches to block ${end}, but there are only ${count}`;
}

/** A text that is filled up with blanks, or by some programs with NUL. */
function textAt(bytes: Uint8Array, at: number, length: number): string {
  let end = at + length;
  while (end > at && (bytes[end - 1] === 0x20 || bytes[end - 1] === 0)) end--;
  return decodeName(bytes.slice(at, end));
}

/** IMAGE_DAMAGED, with the block that tells it. */
export function damaged(
  { name }: Pick<Blocks, "name">,
  lba: number,
  why: string,
): XorrisoError {
  return new XorrisoError(
    "IMAGE_DAMAGED",
    `Cannot read "${name}": the volume is damaged at block ${lba}: ${why}`,
    { path: name },
  );
}

/** NOT_ISO, with what tells it. */
export function notIso({ name }: Blocks, why: string): XorrisoError {
  return new XorrisoError(
    "NOT_ISO",
    `Cannot read "${name}" as an ISO 9660 image: ${why}`,
    { path: name },
  );
}
