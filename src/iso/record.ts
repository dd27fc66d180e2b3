/** A directory record, and the entry that it makes with Rock Ridge or without (ECMA-119, 9.1). */

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

/** Which names of a tree are used. */
export type Naming = "rock ridge" | "joliet" | "plain";

/** A directory record among bytes. */
export interface DirectoryRecord {
  /** The bytes that it is part of. */
  readonly bytes: Uint8Array;
  /** Where it begins. */
  readonly at: number;
  /** Number of its bytes. */
  readonly length: number;
  /** Number of bytes of its file identifier, the plain name. */
  readonly nameLength: number;
  /** Its {@linkcode FLAGS}. */
  readonly flags: number;
  /** The block that it is in. */
  readonly lba: number;
}

/** File flags (ECMA-119, 9.1.6). */
export const FLAGS = {
  directory: 2,
  associated: 4,
  /** The next record has a further extent of the same file. */
  multiExtent: 0x80,
} as const;

/** Types of special files, in the upper bits of a mode (RRIP 1.12, 4.1.1). */
const TYPES: Readonly<Record<number, EntryType>> = {
  0o01: "fifo",
  0o02: "character",
  0o06: "block",
  0o12: "link",
  0o14: "socket",
};

/** The sections of all entries without content. */
export const NO_SECTIONS: readonly never[] = [];

const utf16 = new TextDecoder("utf-16be", { ignoreBOM: true });

/**
 * The record at a place; undefined if its block has no more, IMAGE_DAMAGED if it cannot be one. Records
 * do not cross the ends of blocks (ECMA-119, 6.8.1.1).
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

/** Whether a record is one of the first two of a directory, those of itself and of its parent. */
export function isSelfOrParent(
  { bytes, at, nameLength }: DirectoryRecord,
): boolean {
  return nameLength === 1 && (bytes[at + 33] ?? 0) <= 1;
}

/** What a record stands for; undefined if its mode says a directory, but nothing tells where that is. */
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

/** The name of a record, which is not checked yet. */
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
  // Without the version number, and the dot of a name without extension (ECMA-119, 7.5.1).
  return decodeName(plain).replace(/\.?;\d+$/, "");
}

/** The fields of the entry that a record makes. */
export function fieldsOf(
  { bytes, at }: DirectoryRecord,
  rockRidge: RockRidge,
  naming: Naming,
  known: Pick<
    EntryFields,
    "type" | "name" | "folder" | "sections" | "checksums"
  >,
): EntryFields {
  const { uid, gid, mtime, inflated, checksumIndex } = rockRidge;
  const { sections } = known;
  const isFile = known.type === "file";
  const compression = isFile ? rockRidge.compression : undefined;
  // What xorriso shows where there is no Rock Ridge.
  const mode = naming === "rock ridge" ? rockRidge.mode ?? 0 : 0o555;
  const time = Number.isNaN(mtime) ? shortDate(bytes, at + 18) : mtime;
  return {
    ...known,
    uid,
    gid,
    checksumIndex,
    size: !isFile ? 0 : compression ? inflated : storedSize({ sections }),
    mode: mode & 0o7777,
    seconds: Number.isNaN(time) ? 0 : Math.floor(time / 1000),
    sections: isFile ? sections : NO_SECTIONS,
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
