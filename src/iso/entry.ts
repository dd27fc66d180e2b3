/** One name in the tree of a session. */

import { baseName } from "../names.ts";
import { BLOCK, blocksOf } from "./bytes.ts";
import type { Compression } from "./rock_ridge.ts";

/** What a name stands for. */
export type EntryType =
  | "file"
  | "directory"
  | "link"
  | "block"
  | "character"
  | "fifo"
  | "socket";

/** Where a part of a file's content lies. */
export interface Extent {
  /** Its first block. */
  readonly lba: number;
  /** Number of blocks. */
  readonly blocks: number;
}

/** Bytes of a file that lie together. */
export interface Section {
  /** The first block. */
  readonly lba: number;
  /** Number of bytes. */
  readonly size: number;
}

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
export function storedSize({ sections }: FileContent): number {
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
export type EntryFields = Omit<Entry, "name" | "mtime" | "extents"> & {
  /** When the content was last changed, in milliseconds since 1970. */
  readonly time: number;
};

/** Numbers of a device file. */
export interface Device {
  /** Which driver. */
  readonly major: number;
  /** Which of its devices. */
  readonly minor: number;
}

/**
 * One name in the tree of a session: a file, a directory, a link, or a special file.
 *
 * @example What is to be told of a file
 * ```ts ignore
 * const entry = tree.get("/photos/a.jpg");
 * console.log(entry?.size, entry?.mtime, entry?.mode.toString(8));
 * ```
 */
export class Entry {
  /** Absolute path, `/a/b`. A byte that is not UTF-8 is the lone surrogate U+DC00 plus its value. */
  readonly path: string;
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
  /** How many names the file had. */
  readonly links: number;
  /** The same number for all names of one file; undefined where none is recorded. */
  readonly inode: number | undefined;
  /** Text of a symbolic link. */
  readonly target: string | undefined;
  /** Numbers of a device file. */
  readonly device: Device | undefined;
  /** How the content is compressed, if it is. */
  readonly compression: Compression | undefined;
  /** Which of the recorded MD5s is that of the content. */
  readonly checksumIndex: number | undefined;
  /** Where they are: each session numbers them anew. */
  readonly checksums: ChecksumTable | undefined;
  /** Where a file's content is stored, or a directory's records, to the byte. */
  readonly sections: readonly Section[];
  /** What is in a directory, by name; undefined for all else, and where it has not been read. */
  readonly children: ReadonlyMap<string, Entry> | undefined;
  readonly #time: number;

  /**
   * Makes an entry; programs get theirs from a tree.
   *
   * @param fields What it is.
   */
  constructor(fields: EntryFields) {
    this.path = fields.path;
    this.type = fields.type;
    this.size = fields.size;
    this.mode = fields.mode;
    this.uid = fields.uid;
    this.gid = fields.gid;
    this.links = fields.links;
    this.inode = fields.inode;
    this.target = fields.target;
    this.device = fields.device;
    this.compression = fields.compression;
    this.checksumIndex = fields.checksumIndex;
    this.checksums = fields.checksums;
    this.sections = fields.sections;
    this.children = fields.children;
    this.#time = fields.time;
  }

  /** The last part of the path; empty for the root. */
  get name(): string {
    return baseName(this.path);
  }

  /** When the content was last changed, to the second; 1970 where it is not recorded. */
  get mtime(): Date {
    return new Date(this.#time);
  }

  /** Where a file's content lies, in blocks: one extent, more from 4 GiB on. */
  get extents(): Extent[] {
    if (this.type !== "file") return [];
    return this.sections.map(({ lba, size }) => ({
      lba,
      blocks: blocksOf(size),
    }));
  }
}
