/** The options of the calls of a backend, and what they tell. */

import type { Content } from "../disk/temp.ts";
import type { Progress, RestoreOptions, XorrisoOptions } from "../options.ts";
import type { Attributes } from "../session/changes.ts";
import type { BackendEntry } from "./index.ts";

/** Where a backend is, by paths as they are. */
export interface Place {
  /** Path of the drive or of the image file. */
  readonly device: string;
  /** Directory on its medium. @default {"/"} */
  readonly directory?: string;
}

/** When changes are committed. */
export interface AutoCommitOptions {
  /**
   * Whether changes are committed by themselves. Without it they wait for
   * `commit()`, all in one session. @default {true}
   */
  readonly autoCommit?: boolean;
  /**
   * Milliseconds without a new change after which what has come is committed.
   * @default {2} on an image, 1000 on a drive
   */
  readonly commitDelay?: number;
  /**
   * Milliseconds after the first change when what has come is committed anyway.
   * @default {1000} on an image, 30,000 on a drive
   */
  readonly commitMax?: number;
}

/** How to open a backend. */
export interface BackendOptions
  extends AutoCommitOptions, Omit<XorrisoOptions, "session"> {
  /**
   * An older session to look at: its number, or a time, for the newest that
   * was written then. Nothing can be written.
   */
  readonly session?: number | Date;
  /**
   * Milliseconds without a call after which the drive or image is given back,
   * so that other programs can use it; the next call opens it again, and fails
   * with MEDIUM_CHANGED if it is another one then. What waits for `commit()`
   * stays. @default {Infinity}
   */
  readonly idleClose?: number;
}

/** Where content comes from: a file's path or URL, bytes, or a stream. */
export type PutSource = string | URL | Content;

/** How to store one file. */
export interface PutOptions {
  /** Replace a file of the same name; else ENTRY_EXISTS. @default {true} */
  readonly overwrite?: boolean;
  /** Read the stored file back and compare it. @default {false} */
  readonly verify?: boolean;
  /** Permission bits to record, at most 0o7777. @default {the file's} */
  readonly mode?: number;
  /** Time of the last change to record. @default {the file's}, or now */
  readonly mtime?: Date;
  /**
   * Bytes that a stream will have, as far as known: refused with MEDIUM_FULL
   * before it is read where they cannot fit.
   */
  readonly size?: number;
  /** Takes reports while a stream is read, and while the session is written. */
  readonly onProgress?: (progress: Progress) => void;
  /**
   * Takes the call back. A session that is being written is stopped only when
   * all its changes are taken back; else the name may be stored all the same.
   */
  readonly signal?: AbortSignal;
}

/** How to delete one name. */
export interface DeleteOptions {
  /** Delete a folder with all below it. @default {false} */
  readonly recursive?: boolean;
  /** Takes the call back, as with `put`. */
  readonly signal?: AbortSignal;
}

/** How to rename: what is replaced, and the signal that takes the call back. */
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

/**
 * How to make many changes: what takes reports, and the signal that stops, as
 * with `commit`: an image is as before.
 */
export type ApplyOptions = Pick<PutOptions, "onProgress" | "signal">;

/** How to list files. */
export interface ListOptions {
  /** Only names that match; `*` matches within a part, `**` across parts. */
  readonly glob?: string;
  /** Only names that begin so, taken literally. */
  readonly prefix?: string;
  /** Tell folders, links and others, too. @default {false} */
  readonly all?: boolean;
  /** Tell the recorded MD5 of each, too. @default {false} */
  readonly md5?: boolean;
}

/** How to look for names. */
export interface QueryOptions {
  /** Tell the recorded MD5, too. @default {false} */
  readonly md5?: boolean;
}

/** How to restore a file. */
export interface GetOptions extends RestoreOptions {
  /**
   * Whether what is there is replaced when the file is complete, or kept:
   * TARGET_EXISTS. @default {"always"}
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
   * Directory that the names on disk leave out; all names must be below it.
   * @default {""}
   */
  readonly base?: string;
}

/** What is on the medium, as `list` and `query` tell it. */
export interface ListedEntry extends BackendEntry {
  /** 32 hexadecimal digits, where asked for and recorded. */
  readonly md5?: string;
}

/** What became of one name in a call with many. */
export interface NameResult {
  /** Name relative to the backend's directory. */
  readonly name: string;
  /** What went wrong; undefined if nothing did. */
  readonly error: unknown;
}

/** What `verify` found out about one file. */
export interface VerifyResult extends NameResult {
  /**
   * Its content is what was stored, it is not or could not be read (`error`
   * tells), or no checksum was recorded to compare it with.
   */
  readonly state: "verified" | "failed" | "unverifiable";
}
