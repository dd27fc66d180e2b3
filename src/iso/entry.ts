/** One name in the tree of a session. */

import { BLOCK, blocksOf, type Extent } from "../medium.ts";
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

export type { Extent };

/** A table of MD5s that libisofs has left behind the content of a session. */
export interface ChecksumTable {
  /** Its first block. */
  readonly lba: number;
  /** Number of MD5s, of 16 bytes each. */
  readonly count: number;
}

/** What is to be known of a file to read its content. */
export interface FileContent {
  /** How messages call it. */
  readonly path: string;
  /** Bytes, inflated where it is stored compressed. */
  readonly size: number;
  /** Where it is stored, to the byte. */
  readonly sections: readonly Section[];
  /** How it is compressed, if it is. */
  readonly compression?: Compression | undefined;
}

/** Bytes of a file as it is stored. */
export function storedSize(
  { sections }: Pick<FileContent, "sections">,
): number {
  return sections.reduce((sum, { size }) => sum + size, 0);
}

/** The same of a file whose extents are known, in blocks. */
export function fromExtents(
  { path, size, extents }: {
    readonly path: string;
    readonly size: number;
    readonly extents: readonly Extent[];
  },
): FileContent {
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
  /** Path of its directory; undefined for the root. */
  readonly folder: string | undefined;
  /** When it was last changed, in seconds since 1970. */
  readonly seconds: number;
  /** What few have. */
  readonly rare: RareFields | undefined;
}

/** What few entries have. */
export type RareFields = Pick<
  Entry,
  "links" | "inode" | "target" | "device" | "compression"
>;

/** Numbers of a device file. */
export interface DeviceNumbers {
  /** Which driver. */
  readonly major: number;
  /** Which of its devices. */
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
  /** Which of the recorded MD5s is that of the content. */
  readonly checksumIndex: number | undefined;
  /** Where they are: each session numbers them anew. */
  readonly checksums: ChecksumTable | undefined;
  /** What is in a directory, by name; undefined for all else, and where it has not been read. */
  readonly children: ReadonlyMap<string, Entry> | undefined;
  // There are hundreds of thousands of entries: what can be put together when it is asked for is not
  // kept, and a single section, as nearly all have, is kept as two numbers.
  readonly #folder: string | undefined;
  readonly #seconds: number;
  readonly #lba: number;
  readonly #stored: number;
  readonly #sections: readonly Section[] | undefined;
  readonly #rare: RareFields | undefined;

  /**
   * Makes an entry; programs get theirs from a tree.
   *
   * @param fields What it is.
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
    const folder = this.#folder;
    if (folder === undefined) return "/";
    return join(folder, this.name);
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
    return this.sections.map(({ lba, size }) => {
      return { lba, blocks: blocksOf(size) };
    });
  }

  /** How many names the file had, as far as it is recorded. */
  get links(): number {
    return this.#rare?.links ?? 1;
  }

  /** The same number for all names of one file; undefined where none is recorded. */
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
