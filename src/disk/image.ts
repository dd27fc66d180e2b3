/** An image file as the module itself handles it: opened, locked, watched, and taken back to the state before a commit. */

import { delay } from "@std/async/delay";
import { dirname } from "@std/path/posix/dirname";
import { isCode, systemError, systemName, XorrisoError } from "../errors.ts";
import {
  type Identity,
  isSame,
  readAt,
  syncFolder,
  writeAll,
} from "./files.ts";
import { type ImageState, judgeHead, readHead } from "./head.ts";
import { cleanAtExit } from "./leftovers.ts";
import { letGo, lock, type LockOptions } from "./lock.ts";
import {
  createFile,
  findImage,
  missingImage,
  type Opened,
  openFile,
} from "./open_image.ts";
import { requireRead } from "./permissions.ts";

/** How to open an image file. */
export interface ImageOptions extends LockOptions {
  /** Whether a session may be written to it; readers take no lock. */
  readonly writable: boolean;
  /** Whether to make the file if it is not there. */
  readonly create: boolean;
  /** Whether a writer takes the lock. @default {true} */
  readonly lock?: boolean | undefined;
}

/** Milliseconds without a change after which no commit can have begun that has not written yet. */
export const WARM = 2000;

/** Milliseconds between two checks of a file that must rest. */
const TICK = 500;

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
  /** Why it was opened for reading alone, though it was to be written. */
  readonly #refusal: unknown;
  /** The state of the file that later ones are compared with. */
  #known: Deno.FileInfo;
  #before: Before | undefined;
  /** Whether a commit has begun whose result is not known. */
  #committing = false;
  /** Settles when a commit is taken back. */
  #restoring: Promise<void> | undefined;

  /** Whether no other xorriso can be at work on it. */
  isAtRest: boolean;

  /** The absolute path, without links. */
  readonly path: string;

  private constructor(info: Deno.FileInfo, opened: Opened) {
    this.path = opened.path;
    this.#file = opened.file;
    this.#refusal = opened.refusal;
    this.#created = opened.created;
    this.#known = info;
    this.isAtRest = opened.created;
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
    const found = await findImage(given);
    if (found === undefined && !(create && writable)) {
      throw missingImage(given, create);
    }
    const opened = found === undefined
      ? await createFile(given)
      : await openFile(found, writable);
    if (opened === undefined) return undefined;
    const { path, file, created, refusal } = opened;
    const locks = writable && refusal === undefined && options.lock !== false;
    try {
      if (locks) await lock(file, path, options);
      const info = await file.stat();
      // Between opening and locking, its maker may have removed it.
      const there = await Deno.stat(path).catch(() => undefined);
      if (there !== undefined && isSame(there, info)) {
        return new ImageFile(info, opened);
      }
    } catch (error) {
      // A program that has the lock uses the file.
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

  /** The file behind the path. */
  get identity(): Identity {
    const { dev, ino } = this.#known;
    return { dev, ino };
  }

  /** Throws PERMISSION_DENIED or MEDIUM_NOT_WRITABLE if the system refused to open it for writing. */
  requireWritable(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  /** Judges the file by its volume descriptor (ECMA-119, 6.2.1: block 16). */
  async inspect(): Promise<ImageState> {
    const { size } = await this.#file.stat();
    return await judgeHead(size, this.#read);
  }

  /** Shortens the file. */
  async cut(bytes: number): Promise<void> {
    this.requireWritable();
    const isKnown = await this.isUnchanged();
    await this.#file.truncate(bytes);
    await this.#sync();
    // A change by another program is still to be noticed.
    if (isKnown) await this.remember();
  }

  /** Replaces the bytes at the beginning, which do not fit what follows. */
  async replaceHead(head: Uint8Array): Promise<void> {
    await this.#write(0, head);
    await this.remember();
  }

  /**
   * Makes sure that no other program has written since the file was last
   * remembered, and keeps its head for `restore()` and `undo()`.
   *
   * From now on its time is recent until it is closed in order, so that other
   * programs know that xorriso may write its first byte at any moment.
   *
   * Throws with MEDIUM_CHANGED, and as `requireWritable()`.
   */
  async beforeCommit(): Promise<void> {
    this.requireWritable();
    await this.#requireUnchanged();
    // A little old, so that whatever is written from now on gets another time:
    // Linux takes it from the last timer tick, at most 10 ms ago.
    await this.#setAge(20);
    this.#known = await this.#file.stat();
    const head = await readHead(this.size, this.#read);
    this.#before = { head, size: this.size };
    this.#committing = true;
  }

  /**
   * Waits until the file has not changed for some time.
   *
   * @param needed Returns the milliseconds; called again after each change.
   * @param onWait Called twice a second with the milliseconds that are left; may throw to give up.
   * @returns The time of its last change.
   */
  async rest(
    needed: () => Promise<number>,
    onWait: (left: number) => void = () => {},
    signal?: AbortSignal,
  ): Promise<Date> {
    let seen = await this.#stat();
    // Of a time in the future, only its changes count.
    const age = Math.max(0, Date.now() - Number(seen.mtime));
    let since = performance.now() - age;
    for (let enough = await needed();;) {
      const left = since + enough - performance.now();
      if (left <= 0) return seen.mtime ?? new Date(0);
      onWait(left);
      await delay(Math.min(left, TICK), { ...(signal && { signal }) });
      const next = await this.#stat();
      if (isAlike(next, seen)) continue;
      seen = next;
      since = performance.now();
      enough = await needed();
    }
  }

  async #setAge(milliseconds: number): Promise<void> {
    const time = new Date(Date.now() - milliseconds);
    try {
      await this.#file.utime(time, time);
    } catch (error) {
      // Only the owner may set the time; another user may still write.
      if (systemName(error) !== "EPERM") throw error;
    }
  }

  /**
   * Makes sure that a commit has gone into this file, and that its bytes are on
   * the disk; then remembers its state.
   *
   * xorriso opens the path by itself, and another program may have put another
   * file there; and xorriso takes ENOSPC of its own fsync for success.
   *
   * Throws with MEDIUM_CHANGED, MEDIUM_FULL or WRITE_ERROR; with SESSION_LOST
   * where `restore()` was called meanwhile and takes the commit back.
   *
   * @param written Whether anything was to be written.
   */
  async afterCommit(written: boolean): Promise<void> {
    const isElsewhere = written &&
      isAlike(await this.#file.stat(), this.#known);
    if (isElsewhere || !this.#isInPlace()) {
      throw new XorrisoError(
        "MEDIUM_CHANGED",
        `Cannot commit to "${this.path}": another file was in its place ` +
          `while it was written; nothing has been stored in the image`,
        { path: this.path },
      );
    }
    await this.#sync();
    if (!this.#committing) {
      throw new XorrisoError(
        "SESSION_LOST",
        `Cannot commit to "${this.path}": xorriso has died meanwhile`,
        { path: this.path },
      );
    }
    this.#committing = false;
    await this.remember();
  }

  /** Has the bytes of the file on the disk, and its name if it was made here. */
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

  /** Remembers the present state of the file, with which later ones are compared. */
  async remember(): Promise<void> {
    this.#known = await this.#file.stat();
    this.#committing = false;
  }

  /**
   * Takes back a commit that no caller was told to have succeeded, however far it
   * was. xorriso must not be writing.
   */
  async restore(): Promise<void> {
    if (this.#before !== undefined && this.#committing) {
      // Set before any await: a commit succeeds or is taken back, never both.
      this.#committing = false;
      this.#restoring = this.#restore(this.#before);
    }
    // The file must not be closed in the middle of it.
    await this.#restoring;
  }

  async #restore(before: Before): Promise<void> {
    try {
      const changed = !isAlike(await this.#file.stat(), this.#known);
      if (changed && this.#isInPlace()) await this.#takeBack(before);
      this.#before = undefined;
      await this.remember();
    } catch (error) {
      this.#committing = true;
      throw error;
    }
  }

  /**
   * Takes back the last commit. xorriso must not be writing.
   *
   * Throws with MEDIUM_CHANGED if another program has written since.
   */
  async undo(): Promise<void> {
    if (this.#before === undefined) return;
    await this.#requireUnchanged();
    await this.#takeBack(this.#before);
    await this.remember();
  }

  /** Of the bytes that were there before, a session changes the head alone. */
  async #takeBack({ head, size }: Before): Promise<void> {
    // First the head, so that it never shows a session that is cut off. On a
    // full disk that may fail; there is room when the session has gone.
    await this.#write(0, head).catch(() => {});
    await this.#file.truncate(size);
    await this.#write(0, head);
  }

  /** Closes the file while xorriso may still write to it. */
  abandon(): void {
    this.#cleaning?.[Symbol.dispose]();
    this.#file.close();
  }

  /** Unlocks and closes the file; removes it if it was made here and is still empty. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cleaning?.[Symbol.dispose]();
    try {
      // While it is locked: no other program may open it before it is gone.
      if (this.#created) this.#removeEmpty();
      if (this.#before === undefined || this.#committing) return;
      const { mtime } = await this.#file.stat();
      if (Date.now() - Number(mtime) < WARM) await this.#setAge(WARM);
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
      return false;
    }
  }

  /** Whether the file is as it was when last remembered. */
  async isUnchanged(): Promise<boolean> {
    return isAlike(await this.#stat(), this.#known);
  }

  async #requireUnchanged(): Promise<void> {
    if (await this.isUnchanged()) return;
    throw new XorrisoError(
      "MEDIUM_CHANGED",
      `Cannot write to "${this.path}": another program has changed it ` +
        `since it was opened; open it again`,
      { path: this.path },
    );
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
    return bytes.subarray(0, await readAt(this.#file, offset, bytes));
  };

  async #write(offset: number, bytes: Uint8Array): Promise<void> {
    this.requireWritable();
    await this.#file.seek(offset, Deno.SeekMode.Start);
    await writeAll(this.#file, bytes);
    await this.#sync();
  }
}

/** What is needed to take a commit back. */
interface Before {
  readonly head: Uint8Array;
  /** Bytes of the file before it. */
  readonly size: number;
}

/** Whether identity, size and time show no change of a file. */
function isAlike(now: Deno.FileInfo, then: Deno.FileInfo): boolean {
  return isSame(now, then) && now.size === then.size &&
    now.mtime?.getTime() === then.mtime?.getTime();
}
