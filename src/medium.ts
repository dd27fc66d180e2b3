/** Words for media that all folders use: blocks, extents, entries, sessions. */

/**
 * Bytes of a block, the unit of addresses and sizes on optical media (ECMA-119,
 * 6.1.2).
 */
export const BLOCK = 2048;

/** Number of blocks that hold so many bytes. */
export function blocksOf(bytes: number): number {
  return Math.ceil(bytes / BLOCK);
}

/**
 * A run of blocks, such as one that holds a piece of a file.
 *
 * @example Where the bytes are in an image file
 * ```ts
 * import type { Extent } from "@xorriso/backend";
 *
 * export const offset = ({ lba }: Extent): number => lba * 2048;
 * ```
 */
export interface Extent {
  /** Address of its first block; a block has 2048 bytes. */
  readonly lba: number;
  /** Number of blocks; 0 for an empty file, whose address means nothing. */
  readonly blocks: number;
}

/**
 * A regular file on the medium.
 *
 * @example The space that a file takes
 * ```ts
 * import type { Entry } from "@xorriso/backend";
 *
 * export const blocksOf = ({ extents }: Entry): number =>
 *   extents.reduce((sum, { blocks }) => sum + blocks, 0);
 * ```
 */
export interface Entry {
  /**
   * Absolute path on the medium. A byte that is no part of valid UTF-8 is the
   * lone surrogate U+DC00 plus its value.
   */
  readonly path: string;
  /** Bytes of content. */
  readonly size: number;
  /**
   * Where the content is, in its order. Files of 4 GiB and more have several
   * extents; hard links have the same.
   */
  readonly extents: readonly Extent[];
}

/** What a path of the tree that xorriso holds is; others are links, devices, FIFOs. */
export type NodeType = "file" | "directory" | "other";

/** One path of the tree that xorriso holds, staged changes included. */
export interface Node extends Entry {
  /** What it is. Only files have a size, and extents once they are written. */
  readonly type: NodeType;
}

/**
 * One session on the medium: what one commit wrote.
 *
 * @example The newest state of a medium
 * ```ts
 * import type { RecordedSession } from "@xorriso/backend";
 *
 * export const newest = (sessions: readonly RecordedSession[]) =>
 *   sessions.at(-1)?.number;
 * ```
 */
export interface RecordedSession {
  /** 1 for the oldest; what the option `session` takes. */
  readonly number: number;
  /** Address of its first block; a block has 2048 bytes. */
  readonly lba: number;
  /** Bytes that it takes. */
  readonly size: number;
  /** Its volume id, without trailing blanks. */
  readonly volumeId: string;
  /** When it was written, as its descriptor tells; not from `-toc`. */
  readonly date?: Date;
}

/**
 * What can be done with a medium: nothing is on it, a session can be added, it
 * can only be read, or there is none that the drive knows.
 *
 * @example Ask before writing
 * ```ts
 * import type { MediumStatus } from "@xorriso/backend";
 *
 * export const isWritable = (status: MediumStatus): boolean =>
 *   status === "blank" || status === "appendable";
 * ```
 */
export type MediumStatus = "blank" | "appendable" | "closed" | "absent";

/**
 * The medium in a drive, or an image file.
 *
 * @example Room for another file?
 * ```ts
 * import type { Medium } from "@xorriso/backend";
 *
 * export const fits = ({ appendable, free }: Medium, size: number): boolean =>
 *   appendable && size < free;
 * ```
 */
export interface Medium {
  /** The drive's device node, or the path of the image file. */
  readonly drive: string;
  /**
   * The kind of medium in xorriso's words, as `BD-R sequential recording` or
   * `stdio file, overwriteable`.
   */
  readonly profile: string;
  /** What can be done with it. */
  readonly status: MediumStatus;
  /**
   * The volume id of the loaded session, without trailing blanks; undefined on
   * a blank medium.
   */
  readonly volumeId: string | undefined;
  /** Bytes in its sessions, without the gaps between them. */
  readonly used: number;
  /**
   * Bytes that can still be written, or about as many. A session takes some of
   * them for its directory tree.
   */
  readonly free: number;
  /** Whether a session can be written. */
  readonly appendable: boolean;
  /** What a further session would overwrite behind the newest one of an image, in words. */
  readonly behind?: string | undefined;
  /** Number of sessions. */
  readonly sessions: number;
}
