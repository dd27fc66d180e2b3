/** An image file as the module itself handles it: lock, head, size, identity. */

import { delay } from "../async.ts";
import { XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import {
  requireRead,
  requireWrite,
  resolveForRead,
  resolveForWrite,
} from "./permissions.ts";
import { BLOCK } from "../dialogue/answers.ts";
import { writeAll } from "./write.ts";

/** What the first bytes of an image file tell. */
export type ImageState =
  /** Empty: a first session can be written. */
  | "blank"
  /** There is a volume descriptor where ISO 9660 wants it. */
  | "iso"
  /** A first session that was never finished: nothing in it was promised. */
  | "interrupted"
  /** A first session that is complete but for its mirror at the beginning. */
  | "headless"
  /** There was an ISO 9660 image, but its descriptor is gone. */
  | "damaged"
  /** Something else. */
  | "foreign";

/** How to open an image file. */
export interface ImageOptions {
  /** Whether a session may be written to it. */
  readonly writable: boolean;
  /** Whether to make the file if it is not there. */
  readonly create: boolean;
}

interface Identity {
  readonly device: number;
  readonly inode: number | null;
  readonly size: number;
  readonly modified: number | undefined;
}

/** Bytes before the first session: xorriso mirrors the newest superblock here. */
const HEAD = 32 * BLOCK;

/** Blocks that sessions in a file are rounded up to. */
const ALIGNMENT = 32;

/** Bytes before a second head that are still worth a copy in memory. */
const MAX_OFFSET = 1 << 26;

/** Type 1 and the standard's identifier (ECMA-119, 8.4.1 and 8.4.2). */
const DESCRIPTOR = "\x01CD001";

/** Milliseconds without a change after which no forsaken writer is at work. */
const QUIET = 2000;

/** How often a file may vanish between opening and locking it. */
const ATTEMPTS = 10;

/**
 * A locked image file.
 *
 * xorriso does not lock image files: of two processes that append to one, the
 * second overwrites the session of the first. So this handle is kept open with
 * a lock on it, exclusive for writing and shared for reading, that dies with
 * this program.
 */
export class ImageFile implements AsyncDisposable {
  readonly #file: Deno.FsFile;
  readonly #writable: boolean;
  readonly #created: boolean;
  #identity: Identity;
  #before: { readonly head: Uint8Array; readonly size: number } | undefined;
  /** Whether a commit has begun of which nobody knows how it ended. */
  #committing = false;
  #quiet: boolean;

  /** The absolute path, without links. */
  readonly path: string;

  private constructor(
    path: string,
    file: Deno.FsFile,
    options: { writable: boolean; created: boolean; info: Deno.FileInfo },
  ) {
    this.path = path;
    this.#file = file;
    this.#writable = options.writable;
    this.#created = options.created;
    this.#identity = identityOf(options.info);
    this.#quiet = options.created;
  }

  /**
   * Opens and locks an image file.
   *
   * Throws with NO_DRIVE if it is missing or no regular file, DRIVE_BUSY if
   * another program has the lock, PERMISSION_DENIED if the operating system
   * refuses.
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
    { writable, create }: ImageOptions,
  ): Promise<ImageFile | undefined> {
    let path = await resolveExisting(given);
    const created = path === undefined;
    let file: Deno.FsFile | undefined;
    if (path === undefined) {
      if (!create || !writable) throw missing(given, create);
      const made = await createFile(given);
      if (made === undefined) return undefined;
      ({ file, path } = made);
    } else {
      file = await openFile(path);
    }
    if (file === undefined) return undefined;
    try {
      const locked = await file.tryLock(writable);
      if (!locked) throw busy(path);
      const info = await file.stat();
      // Between opening and locking, its maker may have removed it.
      const there = await Deno.stat(path).catch(() => undefined);
      if (there === undefined || there.ino !== info.ino) {
        await letGo(file);
        return undefined;
      }
      return new ImageFile(path, file, { writable, created, info });
    } catch (error) {
      await letGo(file);
      throw error;
    }
  }

  /** Size in bytes when last remembered. */
  get size(): number {
    return this.#identity.size;
  }

  /** Device and inode, to recognise the file behind the path. */
  get identity(): { readonly dev: number; readonly ino: number | null } {
    return { dev: this.#identity.device, ino: this.#identity.inode };
  }

  /**
   * Looks at the volume descriptor (ECMA-119, 6.2.1: block 16).
   *
   * What looks damaged may be a first session on its way: a xorriso whose
   * program was killed goes on writing. So only a file at rest is judged so.
   */
  async inspect(signal?: AbortSignal): Promise<ImageState> {
    const state = await this.#inspect();
    if (["interrupted", "headless", "damaged"].includes(state)) {
      await this.#waitForQuiet(signal);
      await this.remember();
      return await this.#inspect();
    }
    return state;
  }

  async #inspect(): Promise<ImageState> {
    if (this.size === 0) return "blank";
    const head = await this.#read(0, HEAD);
    if (holds(head, 16 * BLOCK, DESCRIPTOR)) return "iso";
    const first = await this.#read(48 * BLOCK, BLOCK);
    if (holds(first, 0, DESCRIPTOR)) {
      // The header of the first session, at block 32, is written at once, its
      // mirror at block 0 when the session is complete.
      if (!isZero(head)) return "damaged";
      if (first.length < BLOCK) return "interrupted";
      const end = (32 + volumeBlocks(first)) * BLOCK;
      if (this.size < end) return "interrupted";
      // Behind it there would be further sessions, which must not be lost.
      const next = Math.ceil(end / BLOCK / ALIGNMENT) * ALIGNMENT * BLOCK;
      return this.size <= next ? "headless" : "damaged";
    }
    // What comes first, before the descriptor: the system area, empty.
    if (this.size === 48 * BLOCK && isZero(await this.#read(0, this.size))) {
      return "interrupted";
    }
    // Any other descriptor of the set tells that there was an image.
    const others = [16, 17, 18].some((lba) =>
      holds(head, lba * BLOCK + 1, "CD001")
    );
    return others ? "damaged" : "foreign";
  }

  /** Makes the file empty, so that xorriso takes it for a blank medium. */
  async clear(): Promise<void> {
    await Deno.truncate(this.path, 0);
    await this.remember();
  }

  /**
   * Completes a first session that is `headless`: writes the mirror of its
   * volume descriptors, by which xorriso finds it.
   */
  async complete(): Promise<void> {
    const header = await this.#read(HEAD, HEAD);
    using file = await Deno.open(this.path, { read: true, write: true });
    await file.seek(16 * BLOCK, Deno.SeekMode.Start);
    await writeAll(file, mirrorOf(header));
    await file.syncData();
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
   * Throws with MEDIUM_CHANGED.
   */
  async beforeCommit(signal?: AbortSignal): Promise<void> {
    if (!this.#quiet) await this.#waitForQuiet(signal);
    await this.#checkUnchanged();
    await this.#warm();
    const head = await this.#readHead();
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
      await Deno.utime(this.path, time, time);
      this.#identity = identityOf(await this.#file.stat());
    } catch (error) {
      // Only the owner of a file may set its time, and on a read-only file
      // system nobody; whether it can be written at all is told by xorriso.
      if (error instanceof Deno.errors.NotCapable) throw error;
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
      await delay(age < 0 ? QUIET : QUIET - age, signal);
    }
    this.#quiet = true;
  }

  /** Takes the present state of the file as the known one. */
  async remember(): Promise<void> {
    this.#identity = identityOf(await this.#file.stat());
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
    if (same && grown && await this.#isInPlace()) {
      await Deno.truncate(this.path, size);
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
    using file = await Deno.open(this.path, { read: true, write: true });
    await writeAll(file, head);
    await file.syncData();
    await file.truncate(size);
    await this.remember();
  }

  /** Unlocks and closes; a file that was made here and is still empty goes. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      const { size } = await this.#file.stat();
      // Removed while locked, so that nobody takes an unlinked file for real.
      if (this.#created && size === 0 && await this.#isInPlace()) {
        await Deno.remove(this.path);
      }
    } finally {
      await letGo(this.#file);
    }
  }

  /** Whether the path still leads to this file. */
  async #isInPlace(): Promise<boolean> {
    const { device, inode } = this.#identity;
    const there = await Deno.lstat(this.path).catch(() => undefined);
    return there?.dev === device && there.ino === inode;
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

  #isKnown(info: Deno.FileInfo): boolean {
    const now = identityOf(info);
    const known = this.#identity;
    return now.device === known.device && now.inode === known.inode &&
      now.size === known.size && now.modified === known.modified;
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

  /** All that a commit changes of what is there already. */
  async #readHead(): Promise<Uint8Array> {
    const head = await this.#read(0, Math.min(this.size, HEAD));
    const offset = partitionOffset(head);
    if (offset === 0 || offset > MAX_OFFSET) return head;
    const descriptor = await this.#read(offset + 16 * BLOCK, BLOCK);
    if (!holds(descriptor, 0, DESCRIPTOR)) return head;
    return await this.#read(0, offset + HEAD);
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.#file.seek(offset, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < length) {
      const read = await this.#file.read(bytes.subarray(filled));
      if (read === null) break;
      filled += read;
    }
    return bytes.slice(0, filled);
  }
}

/** The resolved path of what is there; undefined if nothing is. */
async function resolveExisting(given: string): Promise<string | undefined> {
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
    throw systemError(error, given);
  }
}

/** Opens the file; undefined if it has just been removed. */
async function openFile(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw systemError(error, path);
  }
}

/** Makes the file; undefined if another program was faster. */
async function createFile(
  given: string,
): Promise<{ file: Deno.FsFile; path: string } | undefined> {
  const target = await resolveForWrite(given, "the image");
  let file: Deno.FsFile;
  try {
    file = await Deno.open(target, {
      read: true,
      write: true,
      createNew: true,
    });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      const info = await Deno.lstat(target).catch(() => undefined);
      if (!info?.isSymlink) return undefined;
    }
    throw systemError(error, given);
  }
  try {
    // Where the folder could not be looked at, only now its links show.
    const path = await resolveForRead(target, "the image");
    await requireWrite(path, "the image");
    return { file, path };
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

function busy(path: string): XorrisoError {
  return new XorrisoError(
    "DRIVE_BUSY",
    `Cannot open "${path}": another program has it open; try again when ` +
      `that has ended`,
    { path },
  );
}

/** An error of the operating system about the image, with its code. */
function systemError(cause: unknown, path: string): unknown {
  if (!(cause instanceof Error) || cause instanceof XorrisoError) return cause;
  if (cause instanceof Deno.errors.NotCapable) return cause;
  const code = systemCode(cause);
  if (code === undefined) return cause;
  return new XorrisoError(code, `Cannot open "${path}": ${cause.message}`, {
    path,
    cause,
  });
}

function systemCode(error: Error): XorrisoErrorCode | undefined {
  if (error instanceof Deno.errors.PermissionDenied) return "PERMISSION_DENIED";
  if (error instanceof Deno.errors.NotFound) return "NO_DRIVE";
  if (error instanceof Deno.errors.NotADirectory) return "NO_DRIVE";
  if (error instanceof Deno.errors.FilesystemLoop) return "NO_DRIVE";
  if (error instanceof Deno.errors.AlreadyExists) return "NO_DRIVE";
  switch ("code" in error ? error.code : undefined) {
    case "EROFS":
      return "MEDIUM_NOT_WRITABLE";
    case "ENOSPC":
    case "EDQUOT":
      return "MEDIUM_FULL";
    case "ENAMETOOLONG":
    case "EISDIR":
      return "NO_DRIVE";
    case "EIO":
      return "READ_ERROR";
    default:
      return undefined;
  }
}

function identityOf(info: Deno.FileInfo): Identity {
  return {
    device: info.dev,
    inode: info.ino,
    size: info.size,
    modified: info.mtime?.getTime(),
  };
}

/** Blocks of the volume, by its descriptor (ECMA-119, 8.4.12). */
function volumeBlocks(descriptor: Uint8Array): number {
  const { buffer, byteOffset } = descriptor;
  return new DataView(buffer, byteOffset).getUint32(80, true);
}

/**
 * The set of descriptors of a session at block 32 (ECMA-119, 8), as a volume
 * from block 0 on has it. All other addresses in it count from there anyway.
 */
function mirrorOf(header: Uint8Array): Uint8Array {
  let end = 16 * BLOCK;
  for (; holds(header, end + 1, "CD001"); end += BLOCK) {
    // Primary and supplementary volumes tell their size in both byte orders.
    if (header[end] !== 1 && header[end] !== 2) continue;
    const descriptor = header.subarray(end, end + BLOCK);
    const blocks = volumeBlocks(descriptor) + 32;
    const view = new DataView(header.buffer, header.byteOffset + end);
    view.setUint32(80, blocks, true);
    view.setUint32(84, blocks, false);
  }
  return header.subarray(16 * BLOCK, end);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/**
 * Where the first partition begins, in bytes. An image may be mountable from
 * there, too (xorriso(1), -boot_image any partition_offset=): then a commit
 * rewrites its head up to the descriptors there.
 */
function partitionOffset(head: Uint8Array): number {
  // The first entry of the partition table has its start in units of 512.
  if (head.length < HEAD || !holds(head, 510, "\x55\xaa")) return 0;
  return new DataView(head.buffer).getUint32(446 + 8, true) * 512;
}

function holds(bytes: Uint8Array, offset: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[offset + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * Unlocks and closes.
 *
 * A process that another thread of this program is forking at this moment has
 * the file open, too, and would keep the lock until it becomes another program.
 */
async function letGo(file: Deno.FsFile): Promise<void> {
  try {
    await file.unlock();
  } finally {
    file.close();
  }
}
