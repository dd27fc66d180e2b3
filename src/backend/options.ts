/** The options and results of a backend. */

import type { Content } from "../disk/spool.ts";
import type { Progress, RestoreOptions, XorrisoOptions } from "../options.ts";
import type { Attributes } from "../session/changes.ts";
import type { BackendEntry } from "./index.ts";

/** Where a backend is, by paths without any encoding. */
export interface Place {
  /** Path of the drive or of the image file. */
  readonly device: string;
  /** Directory on its medium. @default {"/"} */
  readonly directory?: string;
}

/** When changes are committed. */
export interface AutoCommitOptions {
  /**
   * Commit changes without a call of `commit()`; if not, they wait for it, and
   * share one session. @default {true}
   */
  readonly autoCommit?: boolean;
  /**
   * Milliseconds after the last change until all are committed.
   * @default {2} on an image, 1000 on a drive
   */
  readonly commitDelay?: number;
  /**
   * Milliseconds after the first change until all are committed, whatever
   * follows. @default {1000} on an image, 30,000 on a drive
   */
  readonly commitMax?: number;
}

/** How to open a backend. */
export interface BackendOptions
  extends AutoCommitOptions, Omit<XorrisoOptions, "session"> {
  /**
   * An older session to read: its number, or a time, for the newest one at that
   * time. Nothing can be written.
   */
  readonly session?: number | Date;
  /**
   * Milliseconds without a call after which the drive or image is released, so
   * that other programs can use it. The next call opens it again, and fails with
   * MEDIUM_CHANGED if it is another one by then. Changes that wait for `commit()`
   * stay. @default {Infinity}
   */
  readonly idleClose?: number;
}

/** Where content comes from: a file's path or URL, bytes, or a stream. */
export type PutSource = string | URL | Content;

/** How to store one file. */
export interface PutOptions {
  /** Replace a file of the same name; if not, ENTRY_EXISTS. @default {true} */
  readonly overwrite?: boolean;
  /** Read the stored file back and compare it. @default {false} */
  readonly verify?: boolean;
  /** Permission bits to record, at most 0o7777. @default {the file's} */
  readonly mode?: number;
  /** Time of the last change to record. @default {the file's}, or now */
  readonly mtime?: Date;
  /**
   * Bytes that a stream will have, if known: with too many it is MEDIUM_FULL
   * before it is read.
   */
  readonly size?: number;
  /** Takes progress reports while a stream is read, and while the session is written. */
  readonly onProgress?: (progress: Progress) => void;
  /**
   * Aborts the call. A session that is being written is stopped only when all
   * its changes are aborted; otherwise the file may be stored nevertheless.
   */
  readonly signal?: AbortSignal;
}

/** How to delete one name. */
export interface DeleteOptions {
  /** Delete a folder with all below it. @default {false} */
  readonly recursive?: boolean;
  /** Aborts the call, as with `put`. */
  readonly signal?: AbortSignal;
}

/** How to rename one name. */
export type RenameOptions = Pick<PutOptions, "overwrite" | "signal">;

/** One change of many; names are relative to the backend's directory. */
export type Change =
  & { readonly name: string }
  & (
    | {
      /** Stores a file. */
      readonly kind: "file";
      readonly source: PutSource;
      readonly attributes?: Attributes;
      readonly overwrite?: boolean;
      readonly verify?: boolean;
    }
    | {
      /** Makes a folder, or sets the attributes of one that is there. */
      readonly kind: "folder";
      readonly attributes?: Attributes;
    }
    | {
      /** Stores a symbolic link, which may replace another one. */
      readonly kind: "link";
      readonly text: string;
      readonly attributes?: Attributes;
    }
    | {
      /** Sets attributes of what is there. */
      readonly kind: "attributes";
      readonly attributes: Attributes;
    }
    | {
      /** Gives a file, link or folder this name; no content is written. */
      readonly kind: "move";
      readonly from: string;
      readonly overwrite?: boolean;
    }
    | {
      /** Deletes; a folder only with `recursive`. */
      readonly kind: "remove";
      readonly recursive?: boolean;
    }
  );

/** How to make many changes; `signal` stops the session as with `commit`, and an image is as before. */
export type ApplyOptions = Pick<PutOptions, "onProgress" | "signal">;

/** How to list files. */
export interface ListOptions {
  /** Only names that match; `*` matches within a part, `**` across parts. */
  readonly glob?: string;
  /** Only names that begin so, taken literally. */
  readonly prefix?: string;
  /** List folders, links and special files, too. @default {false} */
  readonly all?: boolean;
  /** Give the recorded MD5 of each, too. @default {false} */
  readonly md5?: boolean;
}

/** How to look for names. */
export type QueryOptions = Pick<ListOptions, "md5">;

/** How to restore a file. */
export interface GetOptions extends RestoreOptions {
  /**
   * Whether a file that is there already is replaced, when the new one is
   * complete; if not, TARGET_EXISTS. @default {"always"}
   */
  readonly overwrite?: "never" | "always";
  /** Restore the permission bits. @default {true} */
  readonly mode?: boolean;
  /** Restore set-uid and set-gid bits, too. @default {false} */
  readonly setId?: boolean;
  /** Restore the time of the last change. @default {true} */
  readonly mtime?: boolean;
  /** Restore owner and group, which only root may. @default {false} */
  readonly owner?: boolean;
}

/** How to restore many files. */
export interface GetListOptions extends GetOptions {
  /**
   * Directory whose name the names on disk do not begin with; all names must be
   * below it. @default {""}
   */
  readonly base?: string;
}

/** What is on the medium under a name, as `list` and `query` give it. */
export interface ListedEntry extends BackendEntry {
  /** 32 hexadecimal digits, where asked for and recorded. */
  readonly md5?: string;
}

/** The result for one name of a call with many. */
export interface NameResult {
  /** Name relative to the backend's directory. */
  readonly name: string;
  /** What went wrong; undefined if nothing did. */
  readonly error: unknown;
}

/** What `verify` found out about one file. */
export interface VerifyResult extends NameResult {
  /**
   * `verified`: its content is what was stored; `failed`: it is not, or could not
   * be read, as `error` tells; `unverifiable`: no checksum was recorded.
   */
  readonly state: "verified" | "failed" | "unverifiable";
}
