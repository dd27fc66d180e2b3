/** The options that sessions and backends have in common. */

/**
 * How far xorriso is with what it does.
 *
 * @example Percent, if the end is known
 * ```ts
 * import type { Progress } from "@xorriso/backend";
 *
 * export const percent = ({ done, total }: Progress): number | undefined =>
 *   total && 100 * done / total;
 * ```
 */
export interface Progress {
  /** What it does; while `resting` it waits until no commit of a killed program can be under way. */
  readonly phase:
    | "reading"
    | "staging"
    | "writing"
    | "closing"
    | "restoring"
    | "checking"
    | "waiting"
    | "resting"
    | "blanking"
    | "formatting";
  /** Bytes done; 0 in a phase that counts none. */
  readonly done: number;
  /**
   * Bytes to do in all, undefined if unknown. While writing it is derived from
   * a rounded percentage.
   */
  readonly total: number | undefined;
  /** Bytes per second at present, undefined if unknown. */
  readonly rate: number | undefined;
}

/** How to open a session. */
export interface XorrisoOptions {
  /**
   * The executable. A script around xorriso should end in `exec xorriso "$@"`:
   * else only an `--allow-run` without names lets the module stop what it has
   * started. It must hand on all three standard streams.
   * @default {"xorriso"}
   */
  readonly xorrisoPath?: string;
  /**
   * Further commands for xorriso, for experts, as they would be its arguments,
   * up to 8000 bytes: they are sent before the drive is opened. What the module
   * relies on, as patterns and packets, is set again behind them. Those that
   * can name a file need `--allow-read` and `--allow-write` without a path.
   * @default {[]}
   */
  readonly xorrisoArgs?: readonly string[];
  /**
   * How fast a drive writes. An image file knows no speed.
   * @default {"min"} on a drive
   */
  readonly writeSpeed?: "min" | "max";
  /**
   * Open only a medium with this volume id, or one without any volume to begin
   * it: that gets this one. Else VOLUME_MISMATCH.
   */
  readonly assertVolumeId?: string;
  /**
   * Open only a medium that has this volume id already: a blank one and a new
   * image are VOLUME_MISMATCH, too.
   */
  readonly requireVolumeId?: string;
  /**
   * Volume id of a first session, at most 32 bytes.
   * @default {"ISOIMAGE"} or what `assertVolumeId` says
   */
  readonly volumeId?: string;
  /** Number of an older session to look at; nothing can be written then. */
  readonly session?: number;
  /** Open for reading alone. @default {false} */
  readonly readOnly?: boolean;
  /** Make a new image file where there is none. @default {false} */
  readonly create?: boolean;
  /**
   * Go on from the newest session that can be read, where a later one was
   * interrupted while a drive burned it, or cut off from the end of an image;
   * remove or mend what an interrupted commit has left in an image.
   * @default {false}
   */
  readonly recover?: boolean;
  /**
   * Also open a medium that cannot be read or that holds no image, or a drive
   * without a medium: to blank, format or eject it. Nothing can be stored
   * before. @default {false}
   */
  readonly foreign?: boolean;
  /**
   * Write names for systems without Rock Ridge, too: a second, smaller tree.
   * @default {true}
   */
  readonly joliet?: boolean;
  /**
   * Folder for pieces of files that are read from a drive.
   * @default {"/tmp"} or what TMPDIR says
   */
  readonly tempDir?: string;
  /** Gives up opening. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds of silence after which xorriso counts as hung: TIMEOUT.
   * @default {600_000}
   */
  readonly timeout?: number;
  /**
   * Milliseconds to wait for a drive that is becoming ready.
   * @default {60_000}
   */
  readonly readyTimeout?: number;
  /**
   * Milliseconds to wait for another program that has an image open for writing; then DRIVE_BUSY.
   * After an interrupted commit its xorriso may still be writing, until the image has not changed for a
   * minute. @default {2000, or until that minute has passed}
   */
  readonly lockTimeout?: number;
  /**
   * Lock an image that is opened for writing. `false` is for file systems without locks: then nothing
   * keeps two programs from overwriting each other's sessions. @default {true}
   */
  readonly lock?: boolean;
  /**
   * Takes progress reports, about two a second while xorriso works.
   *
   * What a listener throws is an uncaught error, as with those of an
   * `EventTarget`: it ends the program, unless that handles `error` events;
   * the call goes on. A commit under way is completed by xorriso all the same.
   */
  readonly onProgress?: (progress: Progress) => void;
  /**
   * Takes each message line of xorriso, for a log; throwing is as with
   * `onProgress`.
   */
  readonly onMessage?: (line: string) => void;
}

/** How to commit. */
export interface CommitOptions {
  /** Write a session even if nothing has changed. @default {false} */
  readonly force?: boolean;
  /** Takes progress reports of this commit. */
  readonly onProgress?: (progress: Progress) => void;
  /**
   * Stops in an orderly way, by which the session is ended. A drive finishes
   * what it has begun to write: of a write-once medium that part is lost, and a
   * burn that was all but done may be complete in spite of it.
   */
  readonly signal?: AbortSignal;
}

/** How to erase a medium: what is necessary, quickly, or every block. */
export type BlankMode = "as_needed" | "fast" | "all";

/** How to format a medium: what is necessary, quickly, or every block. */
export type FormatMode = "as_needed" | "fast" | "full";

/** How to erase a medium. */
export interface BlankOptions extends Omit<CommitOptions, "force"> {
  /** What is necessary, quickly, or every block. @default {"as_needed"} */
  readonly mode?: BlankMode;
  /** Erase or format even if there is data on it. @default {false} */
  readonly force?: boolean;
}

/** How to format a medium, as to erase it, but for the mode. */
export interface FormatOptions extends Omit<BlankOptions, "mode"> {
  /** What is necessary, quickly, or every block. @default {"as_needed"} */
  readonly mode?: FormatMode;
}

/** How to read a file of the medium. */
export interface ReadableOptions {
  /** First byte to read. @default {0} */
  readonly offset?: number;
  /** Bytes to read. @default {all} up to the end of the file */
  readonly length?: number;
  /**
   * Compare with the recorded MD5, where the whole file is read and one is
   * recorded; a difference is CHECKSUM_MISMATCH. @default {true}
   */
  readonly verify?: boolean;
  /** Stops reading. */
  readonly signal?: AbortSignal;
}

/** How to restore a file of the medium to disk. */
export interface RestoreOptions {
  /** Compare with the recorded MD5, where one is recorded. @default {true} */
  readonly verify?: boolean;
  /**
   * Have each file on the disk, past the system's memory, before it gets its name: so a file
   * that is there after a power failure is whole. @default {true}
   */
  readonly sync?: boolean;
  /** Takes reports of bytes done. */
  readonly onProgress?: (progress: Progress) => void;
  /** Stops; nothing appears under the target's name. */
  readonly signal?: AbortSignal;
}

/**
 * Checks a write speed, since xorriso takes nonsense without a word and burns with any speed.
 *
 * @throws {TypeError} When it is not `min` or `max`.
 */
export function parseWriteSpeed(text: string): "min" | "max" {
  if (text === "min" || text === "max") return text;
  throw new TypeError(
    `Cannot use the write speed "${text}": it must be "min" or "max"`,
  );
}
