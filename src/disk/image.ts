/** An image file as the module itself handles it: opened, locked, recognised, taken back. */

import { delay } from "@std/async/delay";
import { dirname } from "@std/path/posix/dirname";
import { BLOCK } from "../dialogue/answers.ts";
import { isCode, systemError, systemName, XorrisoError } from "../errors.ts";
import {
  type Identity,
  isSame,
  readFull,
  syncFolder,
  writeAll,
} from "./files.ts";
import {
  HEAD,
  type ImageState,
  judgeHead,
  mirrorOf,
  readHead,
} from "./head.ts";
import { cleanAtExit } from "./leftovers.ts";
import { letGo, lock, type LockOptions } from "./lock.ts";
import {
  requireRead,
  requireWrite,
  resolveForRead,
  resolveForWrite,
} from "./permissions.ts";

/** How to open an image file. */
export interface ImageOptions extends LockOptions {
  /** Whether a session may be written to it; readers take no lock. */
  readonly writable: boolean;
  /** Whether to make the file if it is not there. */
  readonly create: boolean;
  /** Whether a writer takes the lock. @default {true} */
  readonly lock?: boolean | undefined;
}

/** Milliseconds without a change after which no forsaken writer is at work. */
const QUIET = 2000;

/** How often a file may vanish between opening and locking it. */
const ATTEMPTS = 10;

/**
 * An open image file, locked by its writer.
 *
 * xorriso does not lock image files: of two processes that append to one, the
 * second overwrites the session of the first. So a writer keeps this handle
 * open with a lock on it that dies with this program. Readers need none: a
 * session never moves what older ones wrote.
 */
export class ImageFile implements AsyncDisposable {
  readonly #file: Deno.FsFile;
  readonly #created: boolean;
  readonly #cleaning: Disposable | undefined;
  /** Why it cannot be written, though it was to be. */
  readonly #refusal: unknown;
  /** What the file was when it was last remembered. */
  #known: Deno.FileInfo;
  #before: { readonly head: Uint8Array; readonly size: number } | undefined;
  /** Whether a commit has begun of which nobody knows how it ended. */
  #committing = false;
  #quiet: boolean;

  /** The absolute path, without links. */
  readonly path: string;

  private constructor(path: string, info: Deno.FileInfo, opened: Opened) {
    this.path = path;
    this.#file = opened.file;
    this.#refusal = opened.refusal;
    this.#created = opened.created;
    this.#known = info;
    this.#quiet = opened.created;
    this.#cleaning = opened.created
      ? cleanAtExit(() => this.#removeEmpty())
      : undefined;
  }

  /**
   * Opens an image file, and locks it for a writer.
   *
   * Throws with NO_DRIVE if it is missing or no regular file, DRIVE_BUSY if
   * another program has the lock, PERMISSION_DENIED if the operating system
   * refuses, MEDIUM_NOT_WRITABLE if it cannot be locked or made.
   */
  static async open(path: string, options: ImageOptions): Promise<ImageFile> {
    await requireRead(path, "the image");
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const image = await ImageFile.#tryOpen(path, options);
      if (image !== undefined) return image;
    }
    throw new XorrisoError(
      "DRIVE_BUSY",
      `Cannot open "${path}": other programs keep making and removing it`,
      { path },
    );
  }

  static async #tryOpen(
    given: string,
    options: ImageOptions,
  ): Promise<ImageFile | undefined> {
    const { writable, create } = options;
    let path = await findImage(given);
    let opened: Opened | undefined;
    if (path === undefined) {
      if (!create || !writable) throw missing(given, create);
      const made = await createFile(given);
      if (made === undefined) return undefined;
      ({ path, ...opened } = made);
    } else {
      opened = await openFile(path, writable);
    }
    if (opened === undefined) return undefined;
    const { file, created, refusal } = opened;
    try {
      if (writable && refusal === undefined && options.lock !== false) {
        await lock(file, path, options);
      }
      const info = await file.stat();
      // Between opening and locking, its maker may have removed it.
      const there = await Deno.stat(path).catch(() => undefined);
      if (there !== undefined && isSame(there, info)) {
        return new ImageFile(path, info, opened);
      }
    } catch (error) {
      // Whoever has the lock has taken it for its own.
      if (created && !isCode(error, "DRIVE_BUSY")) await Deno.remove(path);
      await letGo(file);
      throw error;
    }
    await letGo(file);
    return undefined;
  }

  /** Size in bytes when last remembered. */
  get size(): number {
    return this.#known.size;
  }

  /** What tells the file behind the path. */
  get identity(): Identity {
    const { dev, ino } = this.#known;
    return { dev, ino };
  }

  /**
   * Makes sure that the operating system lets it be written.
   *
   * Throws with PERMISSION_DENIED or MEDIUM_NOT_WRITABLE.
   */
  requireWritable(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  /**
   * Looks at the volume descriptor (ECMA-119, 6.2.1: block 16).
   *
   * What looks damaged may be a first session on its way: a xorriso whose
   * program was killed goes on writing. So only a file at rest is judged so.
   */
  async inspect(signal?: AbortSignal): Promise<ImageState> {
    const state = await judgeHead(this.size, this.#read);
    if (["interrupted", "headless", "damaged"].includes(state)) {
      await this.#waitForQuiet(signal);
      await this.remember();
      return await judgeHead(this.size, this.#read);
    }
    return state;
  }

  /** Makes the file empty, so that xorriso takes it for a blank medium. */
  async clear(): Promise<void> {
    this.requireWritable();
    await this.#file.truncate(0);
    await this.#sync();
    await this.remember();
  }

  /**
   * Completes a first session that is `headless`: writes the mirror of its
   * volume descriptors, by which xorriso finds it.
   */
  async complete(): Promise<void> {
    const header = await this.#read(HEAD, HEAD);
    await this.#write(16 * BLOCK, mirrorOf(header));
    await this.remember();
  }

  /**
   * Makes sure that nobody else has written since the file was last
   * remembered, and keeps its head for `restore()` and `undo()`.
   *
   * The lock does not cover a xorriso whose program was killed: it goes on
   * writing for a while. So the first time a file that is still warm is watched
   * until it has not changed for two seconds; and it is made warm here, for
   * xorriso takes a moment until it writes its first byte.
   *
   * Throws with MEDIUM_CHANGED, and as `requireWritable()`.
   */
  async beforeCommit(signal?: AbortSignal): Promise<void> {
    this.requireWritable();
    if (!this.#quiet) await this.#waitForQuiet(signal);
    await this.#checkUnchanged();
    await this.#warm();
    const head = await readHead(this.size, this.#read);
    this.#before = { head, size: this.size };
    this.#committing = true;
  }

  /**
   * Waits until no xorriso of a program that was killed is at work on the file.
   *
   * @returns Whether the file is as it was when it was opened.
   */
  async rest(signal?: AbortSignal): Promise<boolean> {
    if (this.#quiet) return true;
    await this.#waitForQuiet(signal);
    return this.#isKnown(await this.#stat());
  }

  async #warm(): Promise<void> {
    // A little old, so that whatever is written from now on gets another time:
    // Linux takes that from the last timer tick, at most 10 ms ago.
    const time = new Date(Date.now() - 20);
    try {
      await this.#file.utime(time, time);
      this.#known = await this.#file.stat();
    } catch (error) {
      // Only the owner of a file may set its time; whether it can be written
      // at all is told by xorriso.
      if (systemName(error) !== "EPERM") throw error;
    }
  }

  async #waitForQuiet(signal?: AbortSignal): Promise<void> {
    let watched: number | undefined;
    for (;;) {
      const { mtime } = await this.#stat();
      const modified = mtime?.getTime() ?? 0;
      const age = Date.now() - modified;
      // A time in the future tells nothing but whether it stays as it is.
      if (age >= QUIET || modified === watched) break;
      if (age < 0) watched = modified;
      await delay(age < 0 ? QUIET : QUIET - age, { ...(signal && { signal }) });
    }
    this.#quiet = true;
  }

  /**
   * Makes sure that a commit has gone into this file, and that its bytes are on
   * the disk; then takes its state as the known one.
   *
   * xorriso opens the path by itself, and somebody may have put another file
   * there; and of its own fsync it takes ENOSPC for success.
   *
   * Throws with MEDIUM_CHANGED, MEDIUM_FULL or WRITE_ERROR.
   *
   * @param written Whether anything was to be written.
   */
  async afterCommit(written: boolean): Promise<void> {
    const isElsewhere = written && this.#isKnown(await this.#file.stat());
    if (isElsewhere || !this.#isInPlace()) {
      throw new XorrisoError(
        "MEDIUM_CHANGED",
        `Cannot commit to "${this.path}": another file was in its place ` +
          `while it was written; nothing has been stored in the image`,
        { path: this.path },
      );
    }
    await this.#sync();
    await this.remember();
  }

  /** Has the bytes of the file on the disk, and the name of one that was made. */
  async #sync(): Promise<void> {
    try {
      await this.#file.syncData();
      if (this.#created) await syncFolder(dirname(this.path));
    } catch (cause) {
      throw systemError(cause, {
        doing: `Cannot have "${this.path}" on the disk`,
        path: this.path,
        code: "WRITE_ERROR",
        codes: { ENOSPC: "MEDIUM_FULL", EDQUOT: "MEDIUM_FULL" },
      });
    }
  }

  /** Takes the present state of the file as the known one. */
  async remember(): Promise<void> {
    this.#known = await this.#file.stat();
    this.#committing = false;
  }

  /**
   * Gives back the space of a commit that failed.
   *
   * Only after `beforeCommit()`, and where its head shows that the file still
   * is what it was: xorriso writes the head last, after all that it refers to.
   * Nobody may be writing.
   */
  async restore(): Promise<void> {
    if (this.#before === undefined || !this.#committing) return;
    const { head, size } = this.#before;
    this.#before = undefined;
    // A new image had no head, and shows none until the commit is complete.
    const now = await this.#read(0, Math.max(HEAD, head.length));
    const same = now.length >= head.length &&
      now.every((byte, index) => byte === (head[index] ?? 0));
    const grown = (await this.#file.stat()).size > size;
    if (same && grown && this.#isInPlace()) {
      await this.#file.truncate(size);
    }
    await this.remember();
  }

  /**
   * Takes back the last commit: all that a session changes of what was there
   * before is the head. Nobody may be writing.
   *
   * Throws with MEDIUM_CHANGED if somebody has.
   */
  async undo(): Promise<void> {
    if (this.#before === undefined) return;
    const { head, size } = this.#before;
    await this.#checkUnchanged();
    await this.#file.truncate(size);
    await this.#write(0, head);
    await this.remember();
  }

  /** Unlocks and closes; a file that was made here and is still empty goes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cleaning?.[Symbol.dispose]();
    try {
      // While locked, so that nobody takes an unlinked file for real.
      if (this.#created) this.#removeEmpty();
    } finally {
      await letGo(this.#file);
    }
  }

  /** Removes the file if nothing has been written to it. */
  #removeEmpty(): void {
    const { size } = this.#file.statSync();
    if (size === 0 && this.#isInPlace()) {
      Deno.removeSync(this.path);
    }
  }

  /** Whether the path still leads to this file. */
  #isInPlace(): boolean {
    try {
      return isSame(Deno.lstatSync(this.path), this.#known);
    } catch {
      return false; // what it leads to then is not this file, anyway
    }
  }

  async #checkUnchanged(): Promise<void> {
    if (this.#isKnown(await this.#stat())) return;
    throw new XorrisoError(
      "MEDIUM_CHANGED",
      `Cannot write to "${this.path}": another program has changed it ` +
        `since it was opened; open it again`,
      { path: this.path },
    );
  }

  #isKnown(now: Deno.FileInfo): boolean {
    const known = this.#known;
    return isSame(now, known) && now.size === known.size &&
      now.mtime?.getTime() === known.mtime?.getTime();
  }

  async #stat(): Promise<Deno.FileInfo> {
    try {
      return await Deno.stat(this.path);
    } catch (cause) {
      throw new XorrisoError(
        "MEDIUM_CHANGED",
        `Cannot write to "${this.path}": it is not there any more`,
        { path: this.path, cause },
      );
    }
  }

  readonly #read = async (
    offset: number,
    length: number,
  ): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    await this.#file.seek(offset, Deno.SeekMode.Start);
    return bytes.subarray(0, await readFull(this.#file, bytes));
  };

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    this.requireWritable();
    await this.#file.seek(offset, Deno.SeekMode.Start);
    await writeAll(this.#file, bytes);
    await this.#sync();
  }
}

/** A file that has been opened. */
interface Opened {
  readonly file: Deno.FsFile;
  /** Whether it was made for this. */
  readonly created: boolean;
  /** Why it is open for reading alone, though it was to be written. */
  readonly refusal?: unknown;
}

/** The resolved path of an image that is there; undefined if nothing is. */
async function findImage(given: string): Promise<string | undefined> {
  try {
    const path = await resolveForRead(given, "the image");
    const { isFile, isDirectory } = await Deno.stat(path);
    if (isFile) return path;
    const kind = isDirectory ? "a directory" : "no regular file";
    throw new XorrisoError(
      "NO_DRIVE",
      `Cannot open "${given}": it is ${kind}, neither a drive nor an image`,
      { path: given },
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw openError(error, given);
  }
}

/** Opens the file; undefined if it has just been removed. */
async function openFile(
  path: string,
  writable: boolean,
): Promise<Opened | undefined> {
  try {
    const file = await Deno.open(path, { read: true, write: writable });
    return { file, created: false };
  } catch (error) {
    const name = systemName(error) ?? "";
    if (name === "ENOENT") return undefined;
    if (writable && ["EACCES", "EPERM", "EROFS"].includes(name)) {
      const opened = await openFile(path, false);
      return opened && { ...opened, refusal: openError(error, path) };
    }
    throw openError(error, path);
  }
}

/** Makes the file; undefined if another program was faster. */
async function createFile(
  given: string,
): Promise<Opened & { path: string } | undefined> {
  const target = await resolveForWrite(given, "the image");
  let file: Deno.FsFile;
  try {
    file = await Deno.open(target, {
      read: true,
      write: true,
      createNew: true,
    });
  } catch (error) {
    if (systemName(error) !== "EEXIST") throw openError(error, given);
    const info = await Deno.lstat(target).catch(() => undefined);
    if (info?.isSymlink) throw danglingLink(given, error);
    return undefined;
  }
  try {
    // Where the folder could not be looked at, only now its links show.
    const path = await resolveForRead(target, "the image");
    await requireWrite(path, "the image");
    return { file, created: true, path };
  } catch (error) {
    // While locked, so that no other program has taken it for its own.
    if (await file.tryLock(true)) await Deno.remove(target).catch(() => {});
    file.close();
    throw error;
  }
}

function missing(path: string, create: boolean): XorrisoError {
  const hint = create
    ? "a new image cannot be made by a session that only reads"
    : "check its address, or make it with create";
  return new XorrisoError(
    "NO_DRIVE",
    `Cannot open "${path}": it does not exist; ${hint}`,
    { path },
  );
}

function danglingLink(path: string, cause: unknown): XorrisoError {
  return new XorrisoError(
    "NO_DRIVE",
    `Cannot make "${path}": it is a link to something that is not there; ` +
      `remove it, or name the file that it is to lead to`,
    { path, cause },
  );
}

/** A failure of the operating system about the image, with its code. */
function openError(cause: unknown, path: string): unknown {
  return systemError(cause, {
    doing: `Cannot open "${path}"`,
    path,
    code: "NO_DRIVE",
    codes: {
      EACCES: "PERMISSION_DENIED",
      EPERM: "PERMISSION_DENIED",
      EROFS: "MEDIUM_NOT_WRITABLE",
      ENOSPC: "MEDIUM_FULL",
      EDQUOT: "MEDIUM_FULL",
      EIO: "READ_ERROR",
    },
  });
}
