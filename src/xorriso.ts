/** The session: one long-lived xorriso process with one drive or image. */

import { globToRegExp } from "@std/path/posix/glob-to-regexp";
import { readCuts } from "./cuts.ts";
import { type Answer, Dialogue, type ExchangeOptions } from "./dialogue.ts";
import { delay } from "./delay.ts";
import {
  type BlankMode,
  capacity,
  checkErase,
  checkFinish,
  DriveLog,
  type FormatMode,
} from "./drive.ts";
import { XorrisoError, type XorrisoErrorCode } from "./errors.ts";
import { checkMd5, readExtents } from "./extents.ts";
import {
  baseName,
  checkNewPath,
  checkPath,
  join,
  parents,
  show,
} from "./names.ts";
import {
  acquire,
  checkOptions,
  checkSession,
  checkState,
  checkVersion,
  checkVolume,
  release,
  stateError,
  type Target,
} from "./opening.ts";
import { requireArgs, requireRun, requireWrite } from "./permissions.ts";
import { commandLine, commandLines } from "./protocol.ts";
import {
  BLOCK,
  type Entry,
  FileListing,
  type Medium,
  parseLoadedLba,
  parseMd5Line,
  parseMedium,
  parsePathLine,
  parseSpace,
  parseToc,
  parseWritten,
  type Progress,
  type RecordedSession,
} from "./report.ts";

import { copyExtents, type CopyJob, copyMany, writeTarget } from "./restore.ts";
import { openSource } from "./sources.ts";
import type { Node, NodeType } from "./tree.ts";

/** How to open a session. */
export interface XorrisoOptions {
  /** The executable. @default {"xorriso"} */
  readonly xorrisoPath?: string;
  /**
   * Further arguments of xorriso, for experts: they come after the fixed ones
   * and before the drive is opened. Those that can name a file need
   * `--allow-read` and `--allow-write` without a path. @default {[]}
   */
  readonly xorrisoArgs?: readonly string[];
  /**
   * How fast a drive writes. An image file knows no speed.
   * @default {"min"} on a drive
   */
  readonly writeSpeed?: "min" | "max";
  /** Open only a medium with this volume id; else VOLUME_MISMATCH. */
  readonly assertVolumeId?: string;
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
   * interrupted while a drive burned it. @default {false}
   */
  readonly recover?: boolean;
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
  /** Takes progress reports, about two a second while xorriso works. */
  readonly onProgress?: (progress: Progress) => void;
  /** Takes each message line of xorriso, for a log. */
  readonly onMessage?: (line: string) => void;
}

/** How to commit. */
export interface CommitOptions {
  /** Write a session even if nothing has changed. @default {false} */
  readonly force?: boolean;
  /** Takes progress reports of this commit. */
  readonly onProgress?: (progress: Progress) => void;
  /** Stops in an orderly way; the session is ended then. */
  readonly signal?: AbortSignal;
}

/** How to erase a medium. */
export interface BlankOptions extends Omit<CommitOptions, "force"> {
  /** What is necessary, quickly, or every block. @default {"as_needed"} */
  readonly mode?: BlankMode;
  /** Erase even if there is data on it. @default {false} */
  readonly force?: boolean;
}

/** How to format a medium. */
export interface FormatOptions extends Omit<CommitOptions, "force"> {
  /** What is necessary, quickly, or every block. @default {"as_needed"} */
  readonly mode?: FormatMode;
  /** Format even if there is data on it. @default {false} */
  readonly force?: boolean;
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
  /** Takes reports of bytes done. */
  readonly onProgress?: (progress: Progress) => void;
  /** Stops; nothing appears under the target's name. */
  readonly signal?: AbortSignal;
}

/**
 * How far a commit could be taken back: the medium is as before (`done`), the
 * older tree is the base of the next commit (`pending`), or there is no older
 * one (`impossible`).
 */
export type Undone = "done" | "pending" | "impossible";

/** A session to begin from, in the terms of xorriso's `-load`. */
interface Base {
  readonly by: "session" | "sbsector";
  readonly at: number;
}

/** Staging without questions, for a caller that knows the tree. */
export interface Driver {
  /** Stages a file whose path has been resolved and checked. */
  stage(source: string, path: string): Promise<Answer>;
  /** Stages the removal of one path. */
  remove(path: string): Promise<Answer>;
  /** The node at a path; ENTRY_NOT_FOUND if there is none. */
  lookUp(path: string): Promise<Node>;
  /** Restores many files; returns those that failed, each with its error. */
  restoreAll(
    jobs: readonly CopyJob[],
    options: RestoreOptions,
  ): Promise<Map<CopyJob, unknown>>;
  /** Commits; returns a problem in spite of which a session was written. */
  commit(options: CommitOptions): Promise<XorrisoError | undefined>;
  /** Goes back to the tree before the last commit. */
  undo(): Promise<Undone>;
  /** Throws if the medium was not opened for writing. */
  requireWritable(): Promise<void>;
}

let driverOf: (session: Xorriso) => Driver;

const TIMEOUT = 600_000;

/** Milliseconds to wait for a drive that is becoming ready. */
const READY_TIMEOUT = 60_000;

/** Bytes that the names of a few more files may add to the directory trees. */
const ROOM_FOR_NAMES = 16 * BLOCK;

/** Milliseconds in which what has been written to a pipe is surely read. */
const LOG_DELAY = 20;

/** Milliseconds that the end of an idle process may take. */
const GRACE = 10_000;

/**
 * A dialogue with one xorriso process that has one drive or image file open.
 *
 * Changes are staged by `cp`, `map` and `rm`, and written by `commit` as one
 * session on the medium. "Session" here is this dialogue; one on the medium is
 * a {@linkcode RecordedSession}. Calls are answered in order, one at a time.
 *
 * @example Store a file in a new image
 * ```ts
 * import { Xorriso } from "@xorriso/backend";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/a.txt`, "hello");
 * {
 *   await using session = await Xorriso.open(`${folder}/photos.iso`, {
 *     create: true,
 *   });
 *   await session.cp([`${folder}/a.txt`], "/2026/");
 *   await session.commit();
 *   console.log(await session.ls("/2026")); // ["a.txt"]
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class Xorriso implements AsyncDisposable {
  readonly #dialogue: Dialogue;
  readonly #target: Target;
  readonly #options: XorrisoOptions;
  readonly #log: DriveLog;
  #medium: Medium | undefined;
  #version = "";
  #ejected = false;
  /** Sessions that were on the medium before the last commit. */
  #previous = 0;

  /** Resolves when the process is gone and the image is unlocked. */
  readonly closed: Promise<void>;

  private constructor(
    dialogue: Dialogue,
    target: Target,
    options: XorrisoOptions,
    log: DriveLog,
  ) {
    this.#dialogue = dialogue;
    this.#target = target;
    this.#options = options;
    this.#log = log;
    this.closed = dialogue.closed.then(() => release(target.image));
  }

  /**
   * Starts xorriso and opens a drive or an image file.
   *
   * @param device Path of the drive (`/dev/sr0`) or of the image file.
   * @param options How to open it.
   * @returns The session; end it by `end()` or `await using`.
   * @throws {XorrisoError} When there is no such drive or image (NO_DRIVE),
   * it is in use (DRIVE_BUSY), not ready (NOT_READY), may not be opened
   * (PERMISSION_DENIED), has no medium (NO_MEDIUM), holds something else
   * (NOT_ISO) or a damaged image (IMAGE_DAMAGED), another volume id than
   * asserted (VOLUME_MISMATCH), or no such session (SESSION_NOT_FOUND).
   * @throws {TypeError} When an option has a value that cannot be.
   * @throws {Deno.errors.NotCapable} When a permission is missing.
   * @throws {Deno.errors.NotFound} When xorriso is not installed.
   *
   * @example Look at what is there
   * ```ts ignore
   * import { Xorriso } from "@xorriso/backend";
   *
   * await using session = await Xorriso.open("/dev/sr0", { readOnly: true });
   * console.log(await session.medium());
   * ```
   */
  static async open(
    device: string,
    options: XorrisoOptions = {},
  ): Promise<Xorriso> {
    options.signal?.throwIfAborted();
    checkOptions(options);
    await requireRun(options.xorrisoPath ?? "xorriso");
    await requireArgs(options.xorrisoArgs ?? []);
    const { session } = options;
    return await Xorriso.#open(
      device,
      options,
      session === undefined ? undefined : { by: "session", at: session },
    );
  }

  /** Opens it with a certain session loaded, or the newest. */
  static async #open(
    device: string,
    options: XorrisoOptions,
    base: Base | undefined,
  ): Promise<Xorriso> {
    const target = await acquire(device, options);
    const log = new DriveLog();
    let dialogue: Dialogue;
    try {
      dialogue = await Dialogue.start(
        options.xorrisoPath ?? "xorriso",
        options.xorrisoArgs ?? [],
        {
          timeout: options.timeout ?? TIMEOUT,
          grace: GRACE,
          mayKill: target.image !== undefined,
          onMessage: options.onMessage,
          onProgress: options.onProgress,
          onLog: (line) => log.take(line),
          signal: options.signal,
        },
      );
    } catch (error) {
      await release(target.image);
      throw error;
    }
    const session = new Xorriso(dialogue, target, options, log);
    try {
      await session.#prepare(base);
      return session;
    } catch (error) {
      const bases = await session.#otherBases(error, base);
      await session.end();
      for (const other of bases) {
        try {
          return await Xorriso.#open(device, options, other);
        } catch (cause) {
          if (!isCode(cause, "IMAGE_DAMAGED")) throw cause;
        }
      }
      throw error;
    }
  }

  /** Version of the xorriso program: `1.5.4`. */
  get version(): string {
    return this.#version;
  }

  /** Whether the medium lies in a file: it can then be read directly. */
  get isImage(): boolean {
    return this.#target.image !== undefined;
  }

  /** Whether sessions can be written to the medium as it was opened. */
  get writable(): boolean {
    return this.#target.writable;
  }

  /**
   * Lists names.
   *
   * @param pattern Path of a directory, whose names are listed, or of anything
   * else; its last part may be a glob (`/2026/*.tar`).
   * @returns Names without their directory, in the order of the medium.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such path. A glob
   * that matches nothing gives an empty list.
   *
   * @example Names at the top
   * ```ts ignore
   * console.log(await session.ls("/*.tar"));
   * ```
   */
  async ls(pattern: string = "/"): Promise<string[]> {
    return (await this.lsl(pattern)).map(({ path }) => baseName(path));
  }

  /**
   * Lists entries with type and size.
   *
   * @param pattern As for {@linkcode Xorriso.ls}.
   * @returns One node for each name, in the order of the medium by type.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such path.
   *
   * @example Sizes at the top
   * ```ts ignore
   * for (const { path, size } of await session.lsl()) console.log(path, size);
   * ```
   */
  async lsl(pattern: string = "/"): Promise<Node[]> {
    const path = checkPath(pattern);
    const exact = await this.#find(path, 1).catch((error: unknown) => {
      if (isNotFound(error) && isGlob(baseName(path))) return undefined;
      throw error;
    });
    if (exact !== undefined) {
      const inside = exact.filter((node) => node.path !== path);
      const self = exact.find((node) => node.path === path);
      return self === undefined || self.type === "directory" ? inside : [self];
    }
    const glob: RegExp = globToRegExp(baseName(path), { globstar: false });
    const folder = path.slice(0, path.lastIndexOf("/")) || "/";
    return (await this.#find(folder, 1)).filter((node) =>
      node.path !== folder && glob.test(baseName(node.path))
    );
  }

  /**
   * Lists everything from a path on downwards.
   *
   * @param isoPath Absolute path on the medium.
   * @returns The path itself and all below it: files, directories, others,
   * each in the order of the medium.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such path.
   *
   * @example All bytes below a directory
   * ```ts ignore
   * let bytes = 0;
   * for (const { size } of await session.find("/2026")) bytes += size;
   * ```
   */
  async find(isoPath: string = "/"): Promise<Node[]> {
    return await this.#find(checkPath(isoPath));
  }

  /**
   * Stages files to be stored; they are read at the commit, not now.
   *
   * Files only: a link is followed after its permission check. Nothing may
   * change them until the commit has ended; compare size and times yourself,
   * or use `XorrisoBackend`, which does.
   *
   * @param files Paths on disk.
   * @param dest Path of a directory on the medium, existing or ending in `/`,
   * into which they go under their own names; or, for a single file, its new
   * path.
   * @throws {XorrisoError} SOURCE_UNREADABLE when a file cannot be read or is
   * no regular file, ENTRY_EXISTS when a directory would be replaced or a file
   * turned into a directory.
   * @throws {TypeError} When a name cannot be stored.
   *
   * @example Two files into a directory
   * ```ts ignore
   * await session.cp(["/home/me/a.tar", "/home/me/b.tar"], "/2026/");
   * await session.commit();
   * ```
   */
  async cp(files: readonly string[], dest: string): Promise<void> {
    const path = checkPath(dest);
    const into = files.length !== 1 || dest.endsWith("/") ||
      await this.#typeOf(path) === "directory";
    for (const file of files) {
      await this.map(file, into ? join(path, sourceName(file)) : path);
    }
  }

  /**
   * Stages one file to be stored under a path of the medium.
   *
   * @param source Path on disk, or a `file:` URL, of a regular file.
   * @param isoPath Absolute path on the medium; missing directories above it
   * are made.
   * @throws {XorrisoError} As {@linkcode Xorriso.cp}.
   *
   * @example A new name
   * ```ts ignore
   * await session.map("/home/me/a.tar", "/2026/monday.tar");
   * ```
   */
  async map(source: string | URL, isoPath: string): Promise<void> {
    const path = checkNewPath(isoPath);
    await this.#requireWritable();
    const real = await openSource(source);
    await this.#checkPlace(path);
    await driverOf(this).stage(real.path, path);
  }

  /**
   * Stages removal from the newest session; on no medium does it free space.
   *
   * @param files Absolute paths on the medium, taken literally.
   * @param options `recursive`: directories with all below them, too.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when one is missing; then nothing
   * is removed.
   *
   * @example Remove a file
   * ```ts ignore
   * await session.rm(["/2026/monday.tar"]);
   * await session.commit();
   * ```
   */
  async rm(
    files: readonly string[],
    options: { readonly recursive?: boolean } = {},
  ): Promise<void> {
    await this.#requireWritable();
    const paths = [...new Set(files.map(checkPath))];
    await Promise.all(paths.map((path) => this.#lookUp(path)));
    const head = options.recursive ? "-rm_r" : "-rm";
    for (const line of commandLines([head], paths)) {
      await this.#run(line, { doing: this.#doing("remove from") });
    }
  }

  /**
   * Restores regular files to disk, each checked against its recorded MD5.
   *
   * Only content leaves the medium: no links, devices or permission bits. Each
   * file appears under its name when it is complete.
   *
   * @param files Absolute paths of files on the medium.
   * @param dest An existing folder on disk; they go into it under their names.
   * @throws {XorrisoError} ENTRY_NOT_FOUND, READ_ERROR, CHECKSUM_MISMATCH, or
   * TARGET_UNWRITABLE.
   *
   * @example Restore one file
   * ```ts ignore
   * await session.extract(["/2026/monday.tar"], "/restore");
   * ```
   */
  async extract(files: readonly string[], dest: string): Promise<void> {
    for (const file of files) {
      const path = checkPath(file);
      const folder = dest.endsWith("/") ? dest.slice(0, -1) : dest;
      await this.restore(path, `${folder}/${baseName(path)}`);
    }
  }

  /**
   * Restores one regular file to a path on disk.
   *
   * @param file Absolute path on the medium, or an entry of `find()`.
   * @param target Path on disk; it is replaced when the file is complete.
   * @throws {XorrisoError} As {@linkcode Xorriso.extract}.
   *
   * @example Restore under another name
   * ```ts ignore
   * await session.restore("/2026/monday.tar", "/restore/tuesday.tar");
   * ```
   */
  async restore(
    file: string | Entry,
    target: string,
    options: RestoreOptions = {},
  ): Promise<void> {
    const entry = await this.#entryOf(file);
    const { verify = true, signal, onProgress } = options;
    const reading = signal ? { signal } : {};
    const md5 = verify ? await this.md5(entry.path) : undefined;
    const { image } = this.#target;
    if (image !== undefined) {
      await copyExtents(image.path, entry, target, {
        inode: image.identity,
        ...(md5 !== undefined && { md5 }),
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      });
      return;
    }
    await writeTarget(target, () => this.#content(entry, { md5, ...reading }), {
      total: entry.size,
      ...(onProgress && { onProgress }),
    });
  }

  /**
   * Reads one regular file, or a part of it.
   *
   * From an image file the bytes come straight from their place in it, also
   * while xorriso commits; from a drive in pieces through `tempDir`.
   *
   * @param file Absolute path on the medium, or an entry of `find()`.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such file; the
   * stream fails with READ_ERROR, IMAGE_DAMAGED or CHECKSUM_MISMATCH.
   * @throws {RangeError} When offset or length is no whole number from 0 on.
   *
   * @example The first kilobyte
   * ```ts ignore
   * const stream = await session.readable("/a.tar", { length: 1024 });
   * ```
   */
  async readable(
    file: string | Entry,
    options: ReadableOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const entry = await this.#entryOf(file);
    const { offset = 0, length = entry.size - offset, verify = true } = options;
    const whole = offset === 0 && length >= entry.size;
    const md5 = verify && whole ? await this.md5(entry.path) : undefined;
    return this.#content(entry, { ...options, md5 });
  }

  /**
   * Tells the recorded MD5 of a file's content.
   *
   * @param isoPath Absolute path on the medium.
   * @returns 32 hexadecimal digits; undefined if none is recorded.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such path.
   *
   * @example Compare with what is on disk
   * ```ts ignore
   * console.log(await session.md5("/2026/monday.tar"));
   * ```
   */
  async md5(isoPath: string): Promise<string | undefined> {
    const path = checkPath(isoPath);
    const sums = await this.#md5s(["-find", path, "-maxdepth", "0"], path);
    return sums.get(path);
  }

  /**
   * Tells the recorded MD5 of every file below a directory.
   *
   * @param isoPath Absolute path on the medium.
   * @returns 32 hexadecimal digits by absolute path.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such path.
   *
   * @example A list like that of md5sum
   * ```ts ignore
   * for (const [path, md5] of await session.md5s()) console.log(md5, path);
   * ```
   */
  async md5s(isoPath: string = "/"): Promise<Map<string, string>> {
    const path = checkPath(isoPath);
    return await this.#md5s(["-find", path, "-type", "f"], path);
  }

  /**
   * Writes what is staged as one session on the medium.
   *
   * When it resolves, xorriso has flushed the session to the medium and loaded
   * it again, and that is the session that it had written. When it fails, what
   * was staged is discarded and the medium shows what it did before; only with
   * SOURCE_UNREADABLE has a session been written, with zeros in place of what
   * could not be read: `revert()` to the one before it.
   *
   * @throws {XorrisoError} MEDIUM_FULL with `needed` and `free`, WRITE_ERROR,
   * MEDIUM_NOT_WRITABLE, MEDIUM_CHANGED when another program has written
   * meanwhile, SOURCE_UNREADABLE when a file has vanished.
   * @throws {Deno.errors.NotCapable} Without write permission for the medium.
   *
   * @example Write what is staged
   * ```ts ignore
   * await session.commit({ onProgress: ({ done }) => console.log(done) });
   * ```
   */
  async commit(options: CommitOptions = {}): Promise<void> {
    const problem = await this.#commit(options);
    if (problem !== undefined) throw problem;
  }

  /**
   * Discards what is staged.
   *
   * @throws {XorrisoError} When the medium cannot be read again.
   *
   * @example Think again
   * ```ts ignore
   * await session.rollback();
   * ```
   */
  async rollback(): Promise<void> {
    await this.#run("-rollback", { doing: this.#doing("roll back") });
  }

  /**
   * Takes the tree of an older session as the base of the next commit, which
   * thereby hides all that came after it. What is staged is discarded.
   *
   * @param session Its number, as `sessions()` tells it.
   * @throws {XorrisoError} SESSION_NOT_FOUND when there is none.
   *
   * @example Back to the first session
   * ```ts ignore
   * await session.revert(1);
   * await session.commit({ force: true });
   * ```
   */
  async revert(session: number): Promise<void> {
    await this.#requireWritable();
    checkSession(session);
    await this.rollback();
    await this.#run(commandLine(["-load", "session", `${session}`]), {
      doing: this.#doing(`load session ${session} of`),
    });
  }

  /**
   * Tells what medium it is, and how much is free.
   *
   * @returns Type, status, volume id, and sizes in bytes.
   * @throws {XorrisoError} When the drive does not answer.
   *
   * @example Free gigabytes
   * ```ts ignore
   * const { free } = await session.medium();
   * console.log(free / 1e9);
   * ```
   */
  async medium(): Promise<Medium> {
    const doing = this.#doing("look at");
    const answers = await Promise.all([
      this.#run("-toc", { doing, pipelined: true }),
      // Only what was opened for writing has space to tell.
      ...(this.writable
        ? [this.#run("-tell_media_space", { doing, pipelined: true })]
        : []),
    ]);
    const medium = parseMedium(answers.flatMap(({ results }) => results));
    if (medium === undefined) throw this.#nonsense(doing);
    return { ...medium, volumeId: this.#medium?.volumeId };
  }

  /**
   * Tells how many bytes of content still fit on the medium in one session of
   * few files: the free space without what the session itself takes, the
   * directory tree of all files above all.
   *
   * @returns Bytes; 0 on a medium that cannot be written.
   * @throws {XorrisoError} When the drive does not answer.
   *
   * @example Does it fit?
   * ```ts ignore
   * const { size } = await Deno.stat("a.tar");
   * if (size > await session.room()) console.log("Insert another medium");
   * ```
   */
  async room(): Promise<number> {
    const medium = await this.medium();
    if (!this.writable || !medium.appendable) return 0;
    const doing = this.#doing("measure what is staged for");
    const { results } = await this.#run("-changes_pending show_status", doing);
    const staged = results.some((line) => line.endsWith(" yes"));
    if (!staged) await this.#run("-changes_pending yes", doing);
    try {
      const session = await this.#pendingSize() + ROOM_FOR_NAMES;
      return Math.max(0, capacity(medium) - session);
    } finally {
      if (!staged) await this.#run("-changes_pending no", doing);
    }
  }

  /**
   * Lists the sessions on the medium.
   *
   * @returns Oldest first; empty on a blank medium.
   * @throws {XorrisoError} When the drive does not answer.
   *
   * @example The newest
   * ```ts ignore
   * console.log((await session.sessions()).at(-1));
   * ```
   */
  async sessions(): Promise<RecordedSession[]> {
    const { results } = await this.#run("-toc", {
      doing: this.#doing("look at"),
    });
    return parseToc(results).sessions;
  }

  /**
   * Sends any other command of xorriso.
   *
   * @param words The command, with its dash, and its arguments; each is quoted.
   * Commands that can name a file on disk need `--allow-read` and
   * `--allow-write` without a path, since xorriso itself is not sandboxed.
   * @returns xorriso's result lines and messages.
   * @throws {XorrisoError} With the code of the problem that xorriso reports.
   * @throws {TypeError} When the first word is no command.
   * @throws {RangeError} When the line is longer than 8000 bytes.
   *
   * @example Ask the drive for its formats
   * ```ts ignore
   * console.log((await session.command(["-list_profiles"])).results);
   * ```
   */
  async command(
    words: readonly string[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Answer> {
    const line = commandLine(words);
    await requireArgs(words);
    const { results, messages } = await this.#run(line, {
      doing: this.#doing(`run ${words[0]} on`),
      ...(options.signal && { signal: options.signal }),
    });
    return { results, messages };
  }

  /**
   * Erases a medium that can be written again, or makes an image file empty.
   *
   * @param options `mode`: `as_needed` (the default), `fast`, or `all` blocks;
   * `force`: even if there is data on it; `signal` ends the session.
   * @throws {XorrisoError} BLANK_FAILED when it cannot be erased,
   * MEDIUM_NOT_WRITABLE when it has data and there is no `force`.
   *
   * @example Use a CD-RW again
   * ```ts ignore
   * await session.blank({ force: true });
   * ```
   */
  async blank(options: BlankOptions = {}): Promise<void> {
    const { mode = "as_needed", force = false } = options;
    await this.#erase("blank", mode, force, options);
  }

  /**
   * Formats a medium of a kind that knows formatting; its data is lost.
   *
   * @param options `mode`: `as_needed` (the default), `fast`, or `full`;
   * `force`: even if there is data on it; `signal` ends the session.
   * @throws {XorrisoError} BLANK_FAILED when it cannot be formatted,
   * MEDIUM_NOT_WRITABLE when it has data and there is no `force`.
   *
   * @example Prepare a new BD-RE
   * ```ts ignore
   * await session.format();
   * ```
   */
  async format(options: FormatOptions = {}): Promise<void> {
    const { mode = "as_needed", force = false } = options;
    await this.#erase("format", mode, force, options);
  }

  /**
   * Closes the medium for good: nothing can be appended any more. What is
   * staged is written before, with the last directory tree.
   *
   * @throws {XorrisoError} MEDIUM_NOT_WRITABLE when the medium is blank, closed
   * already, or of a kind that stays writable, an image file above all; else
   * as {@linkcode Xorriso.commit}.
   *
   * @example The last session of a DVD-R
   * ```ts ignore
   * await session.finish();
   * ```
   */
  async finish(options: CommitOptions = {}): Promise<void> {
    await this.#requireWritable();
    const doing = this.#doing("close the medium in");
    checkFinish(await this.medium());
    await this.#run("-close on", doing);
    try {
      await this.commit({ ...options, force: true });
    } finally {
      if (!this.#dialogue.lost) await this.#run("-close off", doing);
    }
  }

  /**
   * Opens the tray. What is staged is discarded; until `load()` there is no
   * medium.
   *
   * @throws {XorrisoError} NO_DRIVE when it is an image file.
   *
   * @example Give the medium out
   * ```ts ignore
   * await session.eject();
   * ```
   */
  async eject(): Promise<void> {
    this.#requireTray("eject");
    await this.#run("-rollback", this.#doing("roll back"));
    await this.#run("-eject all", this.#doing("eject the medium in"));
    this.#ejected = true;
  }

  /**
   * Closes the tray and opens the medium that is in it.
   *
   * @throws {XorrisoError} NO_MEDIUM when there is none, NO_DRIVE when it is an
   * image file; else as {@linkcode Xorriso.open}.
   *
   * @example The next medium
   * ```ts ignore
   * await session.load();
   * ```
   */
  async load(
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Medium> {
    this.#requireTray("load");
    this.#ejected = false;
    const medium = await this.#whenReady((each) => this.#load(each), options);
    checkVolume(medium, this.#options, this.#target.device);
    return medium;
  }

  /**
   * Ends the process; what was not committed is discarded. Can be called again.
   *
   * @example End without `await using`
   * ```ts ignore
   * await session.end();
   * ```
   */
  async end(): Promise<void> {
    await this.#dialogue.end();
    await this.closed;
  }

  /** Ends the process, like {@linkcode Xorriso.end}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #restoreAll(
    jobs: readonly CopyJob[],
    { signal, onProgress }: RestoreOptions,
  ): Promise<Map<CopyJob, unknown>> {
    const { image } = this.#target;
    const options = {
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    };
    if (image !== undefined) {
      const { identity: inode, path } = image;
      return await copyMany(path, jobs, { ...options, inode });
    }
    const failures = new Map<CopyJob, unknown>();
    for (const job of jobs.toSorted(byPlace)) {
      const { entry, target, md5 } = job;
      try {
        await writeTarget(
          target,
          () => this.#content(entry, { md5, ...(signal && { signal }) }),
        );
      } catch (error) {
        signal?.throwIfAborted();
        failures.set(job, error);
      }
    }
    return failures;
  }

  /** Opens the drive and judges what is there. */
  async #prepare(base: Base | undefined): Promise<void> {
    const { joliet = true, signal } = this.#options;
    const { device, image } = this.#target;
    const speed = this.#options.writeSpeed ?? (image ? undefined : "min");
    const doing = "Cannot set up xorriso";
    const [version] = await Promise.all([
      this.#run("-version", { doing, pipelined: true }),
      ...[
        ["-joliet", joliet ? "on" : "off"],
        // Only for a bug of drivers that read CDs; the next session would
        // write over it (xorriso(1), -padding).
        ...(image ? [["-padding", "0"]] : [["-scsi_log", "on"]]),
        ...(speed === undefined ? [] : [["-speed", speed]]),
        ...(base === undefined ? [] : [["-load", base.by, `${base.at}`]]),
      ].map((words) =>
        this.#run(commandLine(words), { doing, pipelined: true })
      ),
    ]);
    this.#version = checkVersion(version.results);
    const state = await this.#inspect();
    const medium = await this.#whenReady((options) => this.#load(options), {
      ...(signal && { signal }),
    });
    checkState(state, medium, device);
    if (base?.by === "session" && medium.status === "blank") {
      throw new XorrisoError(
        "SESSION_NOT_FOUND",
        `Cannot load session ${base.at} of "${device}": the medium is blank`,
      );
    }
    checkVolume(medium, this.#options, device);
  }

  /**
   * Waits for a drive that is becoming ready, and tells so every second.
   *
   * xorriso itself would wait for minutes, silently, and SIGTERM would not end
   * it before; nothing is being written, so it may be killed.
   */
  async #whenReady<T>(
    work: (options: { signal?: AbortSignal }) => Promise<T>,
    { signal }: { signal?: AbortSignal },
  ): Promise<T> {
    if (this.isImage) return await work(signal ? { signal } : {});
    const { onProgress, readyTimeout = READY_TIMEOUT } = this.#options;
    const deadline = performance.now() + readyTimeout;
    const late = new AbortController();
    const timer = setInterval(() => {
      onProgress?.({
        phase: "waiting",
        done: 0,
        total: undefined,
        rate: undefined,
      });
      if (performance.now() > deadline) late.abort();
    }, Math.min(1000, readyTimeout));
    const both = AbortSignal.any([late.signal, ...(signal ? [signal] : [])]);
    try {
      for (;;) {
        try {
          return await work({ signal: both });
        } catch (error) {
          if (late.signal.aborted && !signal?.aborted) throw this.#notReady();
          if (!isCode(error, "NOT_READY")) throw error;
          if (performance.now() > deadline) throw error;
        }
        await delay(1000, both);
      }
    } finally {
      clearInterval(timer);
    }
  }

  #notReady(): XorrisoError {
    const { device } = this.#target;
    return new XorrisoError(
      "NOT_READY",
      `Cannot open "${device}": the drive has not become ready in time; wait, ` +
        `or raise readyTimeout`,
      { path: device },
    );
  }

  /** The sessions to try where the newest one on a drive is damaged. */
  async #otherBases(error: unknown, base: Base | undefined): Promise<Base[]> {
    const { recover = false } = this.#options;
    if (!recover || base !== undefined || this.isImage) return [];
    if (!isCode(error, "IMAGE_DAMAGED") || this.#dialogue.lost) return [];
    const sessions = await this.sessions().catch(() => []);
    return sessions.reverse().map(({ number: at }) => ({ by: "session", at }));
  }

  /** What the module itself sees in an image file, before xorriso does. */
  async #inspect(): Promise<string> {
    const { image, writable } = this.#target;
    if (image === undefined) return "drive";
    const state = await image.inspect();
    if (state === "blank" || state === "iso") return state;
    if (state === "interrupted" && writable && this.#options.create) {
      await requireWrite(image.path, "the image");
      await image.clear();
      return "blank";
    }
    throw stateError(state, this.#target.device);
  }

  /** Opens the drive, or opens it again, and judges what xorriso found. */
  async #load(
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Medium> {
    const { address, device, image, writable } = this.#target;
    const doing = `Cannot open "${device}"`;
    const command = writable ? "-dev" : "-indev";
    const { messages } = await this.#run(commandLine([command, address]), {
      doing,
      path: device,
      ...(signal && { signal }),
    }).catch((error: unknown) => {
      throw image && isCode(error, "NOT_ISO")
        ? new XorrisoError(
          "IMAGE_DAMAGED",
          `${doing}: its volume descriptor cannot be read`,
          { path: device, messages: error.messages, cause: error },
        )
        : error;
    });
    const medium = parseMedium(messages);
    if (
      medium === undefined ||
      !messages.some((line) => line.startsWith(`Drive current: ${command} `))
    ) {
      throw this.#nonsense(doing, messages);
    }
    this.#log.reset();
    this.#medium = medium;
    return medium;
  }

  async #nameVolume(): Promise<void> {
    const { volumeId, assertVolumeId } = this.#options;
    const name = volumeId ?? assertVolumeId;
    if (name === undefined) return;
    await this.#run(commandLine(["-volid", name]), {
      doing: this.#doing("name"),
    });
  }

  /**
   * Commits; what it returns is a problem with a source, in spite of which a
   * session was written.
   */
  async #commit(options: CommitOptions): Promise<XorrisoError | undefined> {
    const { force = false, signal, onProgress } = options;
    await this.#requireWritable();
    const { image } = this.#target;
    if (image === undefined) await this.#requireSameMedium();
    else await image.beforeCommit(signal);
    if (force) await this.#run("-changes_pending yes", this.#doing("change"));
    if (this.#medium?.status === "blank") await this.#nameVolume();
    if (image === undefined) await this.#requireSpace();
    this.#previous = this.#medium?.sessions ?? 0;
    const doing = this.#doing("commit to");
    try {
      const { messages, problem } = await this.#burn("-commit", {
        doing,
        tolerant: true,
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      });
      const written = parseWritten(messages) !== undefined;
      if (problem && !(written && isSourceProblem(problem))) throw problem;
      await this.#checkCommit(messages, doing);
      await image?.remember();
      return problem;
    } catch (error) {
      await this.#recover();
      throw error;
    }
  }

  /**
   * Makes sure that the medium was not exchanged since it was opened.
   *
   * The drive tells it to the first command after that, in its log.
   */
  async #requireSameMedium(): Promise<void> {
    const { device } = this.#target;
    await this.#run("-tell_media_space", this.#doing("look at"));
    // The log comes by another pipe than the mark: let it be read.
    await delay(LOG_DELAY);
    if (!this.#log.exchanged) return;
    throw new XorrisoError(
      "MEDIUM_CHANGED",
      `Cannot write to "${device}": the medium was exchanged; open it again`,
      { path: device },
    );
  }

  /** Makes sure that what is staged fits, before anything is burned. */
  async #requireSpace(): Promise<void> {
    const medium = await this.medium();
    const needed = await this.#pendingSize();
    const free = capacity(medium);
    if (needed <= free || !medium.appendable) return;
    await this.rollback();
    throw new XorrisoError(
      "MEDIUM_FULL",
      `Cannot commit to "${this.#target.device}": the session needs ${needed} ` +
        `bytes, ${free} are free; store less, or use another medium`,
      { needed, free },
    );
  }

  /** Bytes of the session that a commit would write now. */
  async #pendingSize(): Promise<number> {
    const doing = this.#doing("measure what is staged for");
    // That it does not fit is told by a problem, too.
    const { results, messages } = await this.#run("-tell_media_space", {
      doing,
      tolerant: true,
    });
    const space = parseSpace(results);
    if (space === undefined) throw this.#nonsense(doing, messages);
    return space.free - space.afterCommit;
  }

  /** One exchange that writes to the medium. */
  async #burn(line: string, options: ExchangeOptions): Promise<Answer> {
    const { image } = this.#target;
    const doing = this.#doing("set up");
    // Each block that is written would be told.
    if (image === undefined) await this.#run("-scsi_log off", doing);
    const answer = await this.#run(line, { ...options, writes: true });
    if (image === undefined) {
      await this.#run("-scsi_log on", doing);
      this.#log.reset();
    }
    return answer;
  }

  async #undo(): Promise<Undone> {
    const { image } = this.#target;
    if (image !== undefined) {
      await image.undo();
      await this.#load();
      return "done";
    }
    if (this.#previous === 0) return "impossible";
    await this.revert(this.#previous);
    return "pending";
  }

  /** Makes sure that what was written is what is loaded now. */
  async #checkCommit(
    messages: readonly string[],
    doing: string,
  ): Promise<void> {
    const written = parseWritten(messages);
    if (written === undefined) {
      // Nothing was staged.
      if (messages.some((line) => line.includes("-commit: No image"))) return;
      throw this.#nonsense(doing, messages);
    }
    this.#medium = parseMedium(messages) ?? this.#medium;
    const loaded = parseLoadedLba(messages);
    if (loaded === written.lba) return;
    // On media that are written again in place, the newest header is mirrored
    // at block 0, and the list of sessions tells where it is from. Of an image
    // that another program made there is no such list: one session, at 0.
    const newest = loaded === 0 ? (await this.sessions()).at(-1)?.lba : loaded;
    if (newest === written.lba || newest === 0) return;
    if (this.isImage || !await this.#rescue(written.lba)) {
      throw new XorrisoError(
        "WRITE_ERROR",
        `${doing}: the session written at block ${written.lba} is not the ` +
          `one that the medium shows, at block ${newest ?? "none"}; use ` +
          `another medium`,
        { messages },
      );
    }
  }

  /**
   * Makes a session the newest one that was written behind the remains of an
   * interrupted one, into the same track, so that the medium shows those.
   *
   * Another session with its tree is appended; no content is burned again.
   */
  async #rescue(lba: number): Promise<boolean> {
    const doing = this.#doing("rescue the session on");
    await this.#run(commandLine(["-load", "sbsector", `${lba}`]), doing);
    await this.#run("-changes_pending yes", doing);
    const { messages } = await this.#burn("-commit", { doing });
    const written = parseWritten(messages);
    return written !== undefined && parseLoadedLba(messages) === written.lba;
  }

  /** Brings the session back to the state of the medium. */
  async #recover(): Promise<void> {
    try {
      // The verdict is out already; only whether xorriso can go on counts.
      await this.#run("-rollback", this.#doing("roll back")).catch(() => {});
      await this.#target.image?.restore();
      await this.#load();
    } catch {
      await this.end();
    }
  }

  async #find(path: string, depth?: number): Promise<Node[]> {
    const listing = new FileListing();
    const directories: Node[] = [];
    const others: Node[] = [];
    const tree = depth === undefined
      ? ["-find", path]
      : ["-find", path, "-maxdepth", `${depth}`];
    const options = { doing: this.#doing("list"), path, pipelined: true };
    const nodes = (list: Node[], type: NodeType) => (line: string) => {
      const found = parsePathLine(line);
      if (found === undefined) return;
      list.push({ path: found, type, size: 0, extents: [] });
    };
    await Promise.all([
      this.#run([...tree, "-type", "f", "-exec", "report_lba"], {
        ...options,
        onResult: (line) => listing.add(line),
      }),
      this.#run([...tree, "-type", "d", "-exec", "echo"], {
        ...options,
        onResult: nodes(directories, "directory"),
      }),
      this.#run(
        [...tree, "-not", "-type", "f", "-not", "-type", "d", "-exec", "echo"],
        { ...options, onResult: nodes(others, "other") },
      ),
    ]);
    const files = listing.entries.map((entry): Node => {
      const { path, size, extents } = entry;
      return { path, type: "file", size, extents };
    });
    return [...files, ...directories, ...others];
  }

  async #md5s(
    words: readonly string[],
    path: string,
  ): Promise<Map<string, string>> {
    const sums = new Map<string, string>();
    await this.#run([...words, "-exec", "get_md5"], {
      doing: this.#doing("look for checksums on"),
      path,
      pipelined: true,
      onResult: (line) => {
        const sum = parseMd5Line(line);
        if (sum !== undefined) sums.set(sum.path, sum.md5);
      },
    });
    return sums;
  }

  async #erase(
    what: "blank" | "format",
    mode: BlankMode | FormatMode,
    force: boolean,
    { signal, onProgress }: CommitOptions,
  ): Promise<void> {
    await this.#requireWritable();
    const { image } = this.#target;
    const medium = await this.medium();
    checkErase(medium, what, force);
    await this.rollback();
    if (image === undefined) {
      await this.#requireSameMedium();
      const doing = this.#doing(`${what} the medium in`);
      await this.#burn(`-${what} ${mode}`, {
        doing,
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      });
    } else {
      await image.beforeCommit(signal);
      await image.clear();
    }
    // Whether there was anything to do is told by the medium alone.
    const { status } = await this.#load();
    if (status === "blank") return;
    throw new XorrisoError(
      "BLANK_FAILED",
      `Cannot ${what} the medium in "${medium.drive}": it is still ${status}`,
      { path: medium.drive },
    );
  }

  #requireTray(what: string): void {
    if (!this.isImage) return;
    throw new XorrisoError(
      "NO_DRIVE",
      `Cannot ${what} "${this.#target.device}": it is an image file, no drive`,
    );
  }

  /** The node at a path itself. */
  async #lookUp(path: string): Promise<Node> {
    const node = (await this.#find(path, 0)).find((node) => node.path === path);
    if (node !== undefined) return node;
    throw notFound(path, this.#target.device);
  }

  async #typeOf(path: string): Promise<NodeType | undefined> {
    try {
      return (await this.#lookUp(path)).type;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #entryOf(file: string | Entry): Promise<Entry> {
    if (typeof file !== "string") return file;
    const node = await this.#lookUp(checkPath(file));
    if (node.type === "file") return node;
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot read ${show(file)} on "${this.#target.device}": it is no ` +
        `regular file`,
      { path: file },
    );
  }

  /** Refuses what xorriso would do without a word: bend the tree. */
  async #checkPlace(path: string): Promise<void> {
    const doing = `Cannot store ${show(path)} on "${this.#target.device}"`;
    for (const parent of parents(path)) {
      const type = await this.#typeOf(parent);
      if (type === undefined) return;
      if (type === "directory") continue;
      throw new XorrisoError(
        "ENTRY_EXISTS",
        `${doing}: ${show(parent)} is no directory; remove it first`,
        { path },
      );
    }
    if (await this.#typeOf(path) !== "directory") return;
    throw new XorrisoError(
      "ENTRY_EXISTS",
      `${doing}: it is a directory; choose another name`,
      { path },
    );
  }

  #content(
    entry: Entry,
    options: ReadableOptions & { readonly md5?: string | undefined },
  ): ReadableStream<Uint8Array> {
    const { image } = this.#target;
    const { md5, offset, length, signal } = options;
    const range = {
      ...(offset !== undefined && { offset }),
      ...(length !== undefined && { length }),
      ...(signal && { signal }),
    };
    const content = image !== undefined
      ? readExtents(image.path, entry, { ...range, inode: image.identity })
      : readCuts(entry, {
        ...range,
        tempDir: this.#options.tempDir,
        extract: (start, count, target) =>
          this.#extractCut(entry.path, start, count, target),
      });
    return md5 === undefined ? content : checkMd5(content, md5, entry.path);
  }

  async #extractCut(
    path: string,
    offset: number,
    length: number,
    target: string,
  ): Promise<void> {
    await this.#run(
      ["-extract_cut", path, `${offset}`, `${length}`, target],
      { doing: this.#doing("read"), path },
    );
    if (!this.#log.exchanged) return;
    throw new XorrisoError(
      "MEDIUM_CHANGED",
      `Cannot read ${show(path)}: the medium in "${this.#target.device}" was ` +
        `exchanged; open it again`,
      { path },
    );
  }

  async #requireWritable(): Promise<void> {
    const { image, writable, device } = this.#target;
    if (this.#options.readOnly || this.#options.session !== undefined) {
      throw new XorrisoError(
        "MEDIUM_NOT_WRITABLE",
        `Cannot change "${device}": it was opened for reading alone`,
      );
    }
    if (image !== undefined) await requireWrite(image.path, "the image");
    if (writable) return;
    throw new XorrisoError(
      "MEDIUM_NOT_WRITABLE",
      `Cannot change "${device}": write permission was granted only after it ` +
        `had been opened; open it again`,
    );
  }

  #doing(what: string): string {
    return `Cannot ${what} "${this.#target.device}"`;
  }

  #nonsense(doing: string, messages: readonly string[] = []): XorrisoError {
    return new XorrisoError(
      "PROTOCOL",
      `${doing}: xorriso did not tell what was expected; its output may have ` +
        `been changed by further arguments`,
      { messages },
    );
  }

  /** One exchange; where it is the last one, the end is waited for. */
  async #run(
    words: string | readonly string[],
    options: ExchangeOptions | string,
  ): Promise<Answer> {
    const line = typeof words === "string" ? words : commandLine(words);
    const exchange = typeof options === "string" ? { doing: options } : options;
    if (this.#ejected) {
      throw new XorrisoError(
        "NO_MEDIUM",
        `${exchange.doing}: the medium was ejected; insert one and load it`,
      );
    }
    try {
      return await this.#dialogue.exchange(line, exchange);
    } catch (error) {
      if (this.#dialogue.lost) await this.closed;
      throw error;
    }
  }

  static {
    driverOf = (session) => ({
      stage: (source, path) =>
        session.#run(["-map", source, path], {
          doing: `Cannot store ${show(path)} on "${session.#target.device}"`,
          path: source,
          pipelined: true,
        }),
      remove: (path) =>
        session.#run(["-rm", path, "--"], {
          doing: `Cannot delete ${show(path)} on "${session.#target.device}"`,
          path,
          pipelined: true,
        }),
      lookUp: (path) => session.#lookUp(path),
      restoreAll: (jobs, options) => session.#restoreAll(jobs, options),
      commit: (options) => session.#commit(options),
      undo: () => session.#undo(),
      requireWritable: () => session.#requireWritable(),
    });
  }
}

/**
 * The inner side of a session, for this module alone.
 *
 * Its calls are pipelined: made in one turn, they are sent together.
 */
export function driver(session: Xorriso): Driver {
  return driverOf(session);
}

/** The order in which files lie on the medium. */
function byPlace(a: CopyJob, b: CopyJob): number {
  return (a.entry.extents[0]?.lba ?? 0) - (b.entry.extents[0]?.lba ?? 0);
}

function notFound(path: string, device: string): XorrisoError {
  return new XorrisoError(
    "ENTRY_NOT_FOUND",
    `Cannot find ${show(path)} on "${device}"`,
    { path },
  );
}

function isCode(error: unknown, code: XorrisoErrorCode): error is XorrisoError {
  return error instanceof XorrisoError && error.code === code;
}

function isNotFound(error: unknown): error is XorrisoError {
  return isCode(error, "ENTRY_NOT_FOUND");
}

/** Whether the session was written, but with zeros for some source. */
function isSourceProblem({ code }: XorrisoError): boolean {
  return code === "SOURCE_UNREADABLE" || code === "SOURCE_CHANGED";
}

function isGlob(name: string): boolean {
  return /[*?[{]/.test(name);
}

/** The own name of a file on disk. */
function sourceName(file: string): string {
  return baseName(file.replace(/\/+$/, ""));
}
