/** One name in the tree of a session. */

import { BLOCK, blocksOf, type Extent, type Node } from "../medium.ts";
import { join } from "../names.ts";
import type { Compression } from "./rock_ridge.ts";
import type { Section } from "./volume.ts";

/** What a name stands for. */
export type EntryType =
  | "file"
  | "directory"
  | "link"
  | "block"
  | "character"
  | "fifo"
  | "socket";

/** A table of MD5s, which libisofs writes behind the content of a session. */
export interface ChecksumTable {
  /** Its first block. */
  readonly lba: number;
  /** Number of MD5s, of 16 bytes each. */
  readonly count: number;
}

/** Where the content of a file is, and how it is stored. */
export interface FileContent {
  /** What messages call it. */
  readonly path: string;
  /** Bytes, inflated where it is stored compressed. */
  readonly size: number;
  /** Where it is stored, to the byte. */
  readonly sections: readonly Section[];
  /** How it is compressed, if it is. */
  readonly compression?: Compression | undefined;
}

/** Bytes that a file takes as it is stored. */
export function storedSize(
  { sections }: Pick<FileContent, "sections">,
): number {
  return sections.reduce((sum, { size }) => sum + size, 0);
}

/** The content of a file of which xorriso has told the extents, in blocks. */
export function fromExtents({ path, size, extents }: Node): FileContent {
  let left = size;
  const sections = extents.map(({ lba, blocks }) => {
    const section = { lba, size: Math.min(left, blocks * BLOCK) };
    left -= section.size;
    return section;
  });
  return { path, size, sections };
}

/** What an entry is made from. */
export interface EntryFields extends
  Pick<
    Entry,
    | "name"
    | "type"
    | "size"
    | "mode"
    | "uid"
    | "gid"
    | "sections"
    | "checksumIndex"
    | "checksums"
    | "children"
  > {
  /** Path of the directory that has it; undefined for the root. */
  readonly folder: string | undefined;
  /** When it was last changed, in seconds since 1970. */
  readonly seconds: number;
  /** Fields that few entries have. */
  readonly rare: RareFields | undefined;
}

/** Fields that few entries have. */
export type RareFields = Pick<
  Entry,
  "links" | "inode" | "target" | "device" | "compression"
>;

/** Numbers of a device file. */
export interface DeviceNumbers {
  /** Number of the driver. */
  readonly major: number;
  /** Number of the device among those of the driver. */
  readonly minor: number;
}

/** One name in the tree of a session: a file, a directory, a link, or a special file. */
export class Entry {
  /** The last part of the path; empty for the root. */
  readonly name: string;
  /** What it is. */
  readonly type: EntryType;
  /** Bytes of a file's content, inflated where it is stored compressed; 0 for all else. */
  readonly size: number;
  /** Permission bits, from 0 to 0o7777. */
  readonly mode: number;
  /** The owner's number. */
  readonly uid: number;
  /** The group's number. */
  readonly gid: number;
  /** Which of the MD5s in the table is that of the content. */
  readonly checksumIndex: number | undefined;
  /** The table of MD5s of the session that stored it, or its directory. */
  readonly checksums: ChecksumTable | undefined;
  /** Entries of a directory, by name; undefined for all else. */
  readonly children: ReadonlyMap<string, Entry> | undefined;
  // A tree may have millions of entries: a path, a date and an array of sections are made when they
  // are asked for. Nearly all entries have one section, which is kept as two numbers.
  readonly #folder: string | undefined;
  readonly #seconds: number;
  readonly #lba: number;
  readonly #stored: number;
  readonly #sections: readonly Section[] | undefined;
  readonly #rare: RareFields | undefined;

  /**
   * Made by `readTree()`.
   *
   * @param fields All that it has.
   */
  constructor(fields: EntryFields) {
    const { sections } = fields;
    this.name = fields.name;
    this.type = fields.type;
    this.size = fields.size;
    this.mode = fields.mode;
    this.uid = fields.uid;
    this.gid = fields.gid;
    this.checksumIndex = fields.checksumIndex;
    this.checksums = fields.checksums;
    this.children = fields.children;
    this.#folder = fields.folder;
    this.#seconds = fields.seconds;
    this.#lba = sections[0]?.lba ?? 0;
    this.#stored = sections[0]?.size ?? 0;
    this.#sections = sections.length > 1 ? sections : undefined;
    this.#rare = fields.rare;
  }

  /** Absolute path, `/a/b`. A byte that is not UTF-8 is the lone surrogate U+DC00 plus its value. */
  get path(): string {
    return this.#folder === undefined ? "/" : join(this.#folder, this.name);
  }

  /** When the content was last changed, to the second; 1970 where it is not recorded. */
  get mtime(): Date {
    return new Date(this.#seconds * 1000);
  }

  /** Where a file's content is stored, or a directory's records, to the byte. */
  get sections(): readonly Section[] {
    if (this.#sections !== undefined) return this.#sections;
    return this.#stored === 0 ? [] : [{ lba: this.#lba, size: this.#stored }];
  }

  /** Where a file's content lies, in blocks: one extent, more from 4 GiB on. */
  get extents(): Extent[] {
    if (this.type !== "file") return [];
    return this.sections.map(({ lba, size }) => ({
      lba,
      blocks: blocksOf(size),
    }));
  }

  /** Number of names that the file had; 1 where it is not recorded. */
  get links(): number {
    return this.#rare?.links ?? 1;
  }

  /** Inode number: the same for all names of one file; undefined where none is recorded. */
  get inode(): number | undefined {
    return this.#rare?.inode;
  }

  /** Text of a symbolic link. */
  get target(): string | undefined {
    return this.#rare?.target;
  }

  /** Numbers of a device file. */
  get device(): DeviceNumbers | undefined {
    return this.#rare?.device;
  }

  /** How the content is compressed, if it is. */
  get compression(): Compression | undefined {
    return this.#rare?.compression;
  }
}
