/** Volume descriptors: what an image or a session says of itself (ECMA-119, 8). */

import { XorrisoError } from "../errors.ts";
import { decodeName } from "../names.ts";
import { type Blocks, blocksIn } from "./blocks.ts";
import { dateOf, holds, latin1, longDate, u16, u32 } from "../bytes.ts";
import { BLOCK, blocksOf } from "../medium.ts";

/** Bytes that lie together, from the beginning of a block on. */
export interface Section {
  /** The first block. */
  readonly lba: number;
  /** Number of bytes. */
  readonly size: number;
}

/** What the volume descriptors of an image or of one session say. */
export interface Volume {
  /** Its first block; the descriptors begin 16 blocks behind. */
  readonly lba: number;
  /** Number of blocks, as the descriptor says. */
  readonly size: number;
  /** Name of the volume, without the blanks at its end. */
  readonly volumeId: string;
  /** When it was made: the time of its session. */
  readonly created: Date | undefined;
  /** The root directory, of plain names, mostly with Rock Ridge. */
  readonly root: Section;
  /** The root directory of the Joliet tree, if there is one. */
  readonly joliet: Section | undefined;
  /** The bytes of all descriptors, the terminator included. */
  readonly descriptors: Uint8Array;
}

/** Blocks of a session before its descriptors (ECMA-119, 6.2.1). */
export const SYSTEM_AREA = 16;

/** Types of descriptors (ECMA-119, 8.1.1). */
const PRIMARY = 1;
const SUPPLEMENTARY = 2;
const TERMINATOR = 255;

/** Where the fields of a descriptor begin, with their numbers in ECMA-119. */
export const FIELD = {
  volumeId: 40, // 8.4.6
  spaceSize: 80, // 8.4.8
  escapes: 88, // 8.5.6
  blockSize: 128, // 8.4.12
  pathTable: 140, // 8.4.14
  root: 156, // 8.4.18
  created: 813, // 8.4.26
} as const;

/**
 * Parses descriptors; undefined if none of them is a primary one, IMAGE_DAMAGED if they cannot be right.
 *
 * @param bytes The blocks from the first descriptor on.
 * @param lba The first block of the session.
 * @param blocks The medium, beyond whose end nothing can lie.
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
  const blockSize = u16(primary, FIELD.blockSize);
  if (blockSize !== BLOCK) {
    throw damaged(blocks, at, `its blocks have ${blockSize} bytes, not 2048`);
  }
  const root = sectionAt(primary, FIELD.root);
  const problem = sectionProblem(root, blocks);
  if (problem !== undefined) {
    throw damaged(blocks, at, `its root directory ${problem}`);
  }
  // The escape sequences of UCS-2, level 1 to 3 (Joliet specification).
  const other = all.find((each) =>
    each[0] === SUPPLEMENTARY &&
    /^%\/[@CE]/.test(latin1(each.subarray(FIELD.escapes, FIELD.escapes + 3)))
  );
  const joliet = other && sectionAt(other, FIELD.root);
  return {
    lba,
    size: u32(primary, FIELD.spaceSize),
    volumeId: textAt(primary, FIELD.volumeId, 32),
    created: dateOf(longDate(primary, FIELD.created)),
    root,
    joliet: joliet && sectionProblem(joliet, blocks) ? undefined : joliet,
    descriptors,
  };
}

/** Number of bytes that descriptors take, the terminator included. */
function descriptorBytes(bytes: Uint8Array): number {
  let at = 0;
  while (at + BLOCK <= bytes.length && holds(bytes, at + 1, "CD001")) {
    at += BLOCK;
    if (bytes[at - BLOCK] === TERMINATOR) break;
  }
  return at;
}

/** The section of a directory record: location of extent, and data length (ECMA-119, 9.1.3 and 9.1.4). */
export function sectionAt(bytes: Uint8Array, at: number): Section {
  return { lba: u32(bytes, at + 2), size: u32(bytes, at + 10) };
}

/** Why a section cannot be right; undefined if it can. */
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

/** A text without the blanks, or the NULs of some programs, at its end. */
function textAt(bytes: Uint8Array, at: number, length: number): string {
  let end = at + length;
  while (end > at && (bytes[end - 1] === 0x20 || bytes[end - 1] === 0)) end--;
  return decodeName(bytes.slice(at, end));
}

/** IMAGE_DAMAGED, by what is in a block. */
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

/** NOT_ISO, and why. */
export function notIso({ name }: Blocks, why: string): XorrisoError {
  return new XorrisoError(
    "NOT_ISO",
    `Cannot read "${name}" as an ISO 9660 image: ${why}`,
    { path: name },
  );
}
