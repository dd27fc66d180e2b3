/** A directory record, and what it says with Rock Ridge or without (ECMA-119, 9.1). */

import { decodeName } from "../names.ts";
import type { Blocks } from "./blocks.ts";
import { shortDate } from "../bytes.ts";
import { BLOCK } from "../medium.ts";
import {
  type EntryFields,
  type EntryType,
  type RareFields,
  storedSize,
} from "./entry.ts";
import type { Compression, RockRidge } from "./rock_ridge.ts";
import { damaged } from "./volume.ts";

/** How the names of a tree are written. */
export type Naming = "rock ridge" | "joliet" | "plain";

/** Where a directory record is. */
export interface DirectoryRecord {
  /** The bytes that have it. */
  readonly bytes: Uint8Array;
  /** Its first one. */
  readonly at: number;
  /** How many it has. */
  readonly length: number;
  /** How many of them are its name of ISO 9660. */
  readonly nameLength: number;
  /** What it is: see {@linkcode FLAGS}. */
  readonly flags: number;
  /** The block that it is in. */
  readonly lba: number;
}

/** Flags of a record (ECMA-119, 9.1.6). */
export const FLAGS = { directory: 2, associated: 4, goesOn: 0x80 } as const;

/** Types of files in the upper bits of a mode (RRIP 1.12, 4.1.1). */
const TYPES: Readonly<Record<number, EntryType>> = {
  0o01: "fifo",
  0o02: "character",
  0o06: "block",
  0o12: "link",
  0o14: "socket",
};

/** Shared by all that has no content. */
export const NOTHING: readonly never[] = [];

const utf16 = new TextDecoder("utf-16be", { ignoreBOM: true });

/**
 * The record there; undefined if there are no more in its block, beyond whose end none goes.
 *
 * @throws {XorrisoError} IMAGE_DAMAGED if there can be none.
 */
export function recordAt(
  blocks: Blocks,
  bytes: Uint8Array,
  at: number,
  lba: number,
): DirectoryRecord | undefined {
  const length = bytes[at] ?? 0;
  if (length === 0) return undefined;
  const nameLength = bytes[at + 32] ?? 0;
  if (33 + nameLength <= length && at % BLOCK + length <= BLOCK) {
    const flags = bytes[at + 25] ?? 0;
    return { bytes, at, length, nameLength, flags, lba };
  }
  const why = `there can be no directory record as at byte ${at % BLOCK}`;
  throw damaged(blocks, lba, why);
}

/** Whether a record is the first or second of a directory, for itself and for the one above. */
export function isSelfOrParent(
  { bytes, at, nameLength }: DirectoryRecord,
): boolean {
  return nameLength === 1 && (bytes[at + 33] ?? 0) <= 1;
}

/** What a record stands for; undefined if it says that it is a directory and has none. */
export function recordType(
  { flags }: DirectoryRecord,
  { mode, child }: RockRidge,
): EntryType | undefined {
  if ((flags & FLAGS.directory) !== 0 || child !== undefined) {
    return "directory";
  }
  const type = (mode ?? 0) >>> 12;
  return type === 0o04 ? undefined : TYPES[type] ?? "file";
}

/** The name that a record gives; it may be none that can be. */
export function nameOf(
  { bytes, at, nameLength }: DirectoryRecord,
  { name, isDots }: RockRidge,
  naming: Naming,
): string {
  const plain = bytes.subarray(at + 33, at + 33 + nameLength);
  if (naming === "joliet") return utf16.decode(plain).replace(/;\d+$/, "");
  if (naming === "rock ridge") {
    if (isDots) return "..";
    if (name !== undefined) return decodeName(name);
  }
  // Without the version number and the dot before that (ECMA-119, 7.5.1).
  return decodeName(plain).replace(/\.?;\d+$/, "");
}

/** What becomes of a record in an entry. */
export function fieldsOf(
  { bytes, at }: DirectoryRecord,
  rockRidge: RockRidge,
  naming: Naming,
  known: Pick<
    EntryFields,
    "type" | "name" | "folder" | "sections" | "checksums"
  >,
): EntryFields {
  const { type, name, folder, sections, checksums } = known;
  const { uid, gid, mtime, inflated, checksumIndex } = rockRidge;
  const isFile = type === "file";
  const compression = isFile ? rockRidge.compression : undefined;
  // xorriso shows files of other systems so.
  const mode = naming === "rock ridge" ? rockRidge.mode ?? 0 : 0o555;
  const time = Number.isNaN(mtime) ? shortDate(bytes, at + 18) : mtime;
  return {
    ...{ type, name, folder, uid, gid, checksumIndex, checksums },
    size: !isFile ? 0 : compression ? inflated : storedSize({ sections }),
    mode: mode & 0o7777,
    seconds: Number.isNaN(time) ? 0 : Math.floor(time / 1000),
    sections: isFile ? sections : NOTHING,
    children: undefined,
    rare: rareOf(rockRidge, compression),
  };
}

function rareOf(
  { links, inode, target, device }: RockRidge,
  compression: Compression | undefined,
): RareFields | undefined {
  const any = target ?? device ?? compression ?? inode;
  if (any === undefined && links === 1) return undefined;
  const text = target && decodeName(Uint8Array.from(target));
  return { links, inode, target: text, device, compression };
}
