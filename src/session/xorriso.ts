/** The session: one long-lived xorriso process with one drive or image. */

import { globToRegExp } from "@std/path/posix/glob-to-regexp";
import { readCuts } from "./content.ts";
import { notify } from "../dialogue/dialogue.ts";
import type { Answer } from "../dialogue/exchange.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { checkMd5, readExtents } from "../iso/extents.ts";
import {
  baseName,
  checkNewPath,
  checkPath,
  join,
  parents,
  show,
} from "../names.ts";
import { checkOptions } from "./target.ts";
import type {
  BlankOptions,
  CommitOptions,
  FormatOptions,
  Progress,
  ReadableOptions,
  RestoreOptions,
  XorrisoOptions,
} from "../options.ts";
import {
  requireArgs,
  requireRun,
  resolveForRead,
} from "../disk/permissions.ts";
import { commandLine, commandLines } from "../dialogue/protocol.ts";
import { Changes } from "./changes.ts";
import { Recorder } from "./commit.ts";
import {
  type BlockRange,
  type Entry,
  FileListing,
  type Medium,
  parseLongLine,
  parseMd5Line,
  type RecordedSession,
} from "../dialogue/answers.ts";
import {
  type CheckJob,
  checkMany,
  copyExtents,
  type CopyJob,
  copyMany,
} from "../iso/restore.ts";
import { writeTarget } from "../disk/targets.ts";
import { openSource } from "../disk/sources.ts";
import type { Node, NodeType } from "./nodes.ts";

/** Takes the recorded MD5 of a path, in hexadecimal digits. */
type TakeMd5 = (path: string, md5: string) => void;

/** The inner side of a session, for a caller that knows the tree. */
export interface Driver {
  /** Does work that changes something, while nobody else does. */
  exclusive<T>(work: (changes: Changes) => Promise<T>): Promise<T>;
  /**
   * Waits until no other process writes to the image; whether it is as it was
   * when it was opened.
   */
  rest(signal?: AbortSignal): Promise<boolean>;
  /** The node at a path; ENTRY_NOT_FOUND if there is none. */
  lookUp(path: string): Promise<Node>;
  /**
   * Tells of every node from a path on, as soon as xorriso does; later ones
   * may add to the extents of the last. ENTRY_NOT_FOUND if there is none.
   */
  walk(path: string, take: (node: Node) => void): Promise<void>;
  /**
   * Copies blocks of the medium to a new file on disk, where block A is at byte
   * A x 2048; tells what could not be read.
   */
  copyBlocks(
    range: BlockRange,
    target: string,
    signal?: AbortSignal,
  ): Promise<BlockRange[]>;
  /** Tells of the recorded MD5 of every file below a directory. */
  eachMd5(directory: string, take: TakeMd5): Promise<void>;
  /** Restores many files; returns those that failed, each with its error. */
  restoreAll(
    jobs: readonly CopyJob[],
    options: RestoreOptions,
  ): Promise<Map<CopyJob, unknown>>;
  /**
   * Reads many files; returns those that cannot be read or are not what they
   * should be, each with its error.
   */
  checkAll<Job extends CheckJob>(
    jobs: readonly Job[],
    options: RestoreOptions,
  ): Promise<Map<Job, unknown>>;
  /** Throws if the medium was not opened for writing. */
  requireWritable(): Promise<void>;
}

let driverOf: (session: Xorriso) => Driver;

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
  readonly #recorder: Recorder;
  readonly #changes: Changes;
  readonly #tempDir: string | undefined;
  /** Paths on disk that are staged, or were. */
  readonly #staged = new Set<string>();

  /** Resolves when the process is gone and the image is unlocked. */
  readonly closed: Promise<void>;

  private constructor(recorder: Recorder, tempDir: string | undefined) {
    this.#recorder = recorder;
    this.#changes = new Changes(recorder);
    this.#tempDir = tempDir;
    this.closed = recorder.closed;
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
    const recorder = await Recorder.open(device, options);
    return new Xorriso(recorder, options.tempDir);
  }

  /** Version of the xorriso program: `1.5.4`. */
  get version(): string {
    return this.#recorder.version;
  }

  /** Whether the medium lies in a file: it can then be read directly. */
  get isImage(): boolean {
    return this.#recorder.isImage;
  }

  /** Whether sessions can be written to the medium as it was opened. */
  get writable(): boolean {
    return this.#recorder.writable;
  }

  /**
   * Lists names.
   *
   * @param pattern Path of a directory, whose names are listed, or of anything
   * else; its last part may be a glob (`/2026/*.tar`).
   * @returns Names without their directory, in the order of the medium, then
   * what is staged.
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
    await this.#inTurn(async () => {
      const into = files.length !== 1 || dest.endsWith("/") ||
        await this.#typeOf(path) === "directory";
      for (const file of files) {
        await this.#map(file, into ? join(path, sourceName(file)) : path);
      }
    });
  }

  /**
   * Stages one file to be stored under a path of the medium.
   *
   * Where xorriso itself cannot read the file, all that is staged is discarded.
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
    await this.#inTurn(() => this.#map(source, isoPath));
  }

  async #map(source: string | URL, isoPath: string): Promise<void> {
    const path = checkNewPath(isoPath);
    await this.#recorder.requireWritable();
    const real = await openSource(source);
    await this.#checkPlace(path);
    try {
      await this.#changes.stage(real.path, path);
    } catch (error) {
      // A file that cannot be staged has removed the one that it should have
      // replaced, and that must not be committed.
      if (!isCode(error, "CLOSED")) {
        await this.#recorder.rollback().catch(() => {});
        this.#staged.clear();
      }
      throw error;
    }
    this.#staged.add(real.path);
  }

  /**
   * Stages removal from the newest session; on no medium does it free space.
   *
   * @param files Absolute paths on the medium, taken literally.
   * @param options `recursive`: directories with all below them, too.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when one is missing, ENTRY_EXISTS
   * when one is a directory and it is not `recursive`; then nothing is removed.
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
    const { recursive = false } = options;
    const paths = [...new Set(files.map(checkPath))];
    await this.#inTurn(async () => {
      await this.#recorder.requireWritable();
      const nodes = await Promise.all(paths.map((path) => this.#lookUp(path)));
      const directory = nodes.find(({ type }) => type === "directory");
      if (directory !== undefined && !recursive) {
        throw isDirectory(directory.path, this.#recorder.device);
      }
      const head = recursive ? "-rm_r" : "-rm";
      for (const line of commandLines([head], paths)) {
        await this.#recorder.stage(line, {
          doing: this.#recorder.doing("remove from"),
          echoes: paths.map((path) => `'${path}'`),
        });
      }
    });
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
    const { verify = true, sync, signal, onProgress } = options;
    const reading = signal ? { signal } : {};
    const md5 = verify ? await this.md5(entry.path) : undefined;
    const { image } = this.#recorder;
    if (image !== undefined) {
      await copyExtents(image.path, entry, target, {
        inode: image.identity,
        sync,
        ...(md5 !== undefined && { md5 }),
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      });
      return;
    }
    await writeTarget(target, () => this.#content(entry, { md5, ...reading }), {
      total: entry.size,
      sync,
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
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
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
    let sum: string | undefined;
    await this.#eachMd5(["-find", path, "-maxdepth", "0"], path, (_, md5) => {
      sum = md5;
    });
    return sum;
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
    const sums = new Map<string, string>();
    await this.#eachMd5Below(isoPath, (path, md5) => sums.set(path, md5));
    return sums;
  }

  /**
   * Writes what is staged as one session on the medium.
   *
   * When it resolves, xorriso has flushed the session to the medium and loaded
   * it again, and that is the session that it had written. When it fails, what
   * was staged is discarded and the medium shows what it did before; only with
   * SOURCE_CHANGED or SOURCE_UNREADABLE has a session been written, with zeros
   * in place of what could not be read: `revert()` to the one before it. When
   * writing to an image file itself fails, or a file has become a FIFO that the
   * script may not open, the session is ended.
   *
   * @throws {XorrisoError} MEDIUM_FULL with `needed` and `free`, WRITE_ERROR,
   * MEDIUM_NOT_WRITABLE, MEDIUM_CHANGED when another program has written
   * meanwhile, SOURCE_CHANGED when a file has vanished or cannot be opened any
   * more, SOURCE_UNREADABLE when it cannot be read.
   * @throws {Deno.errors.NotCapable} Without write permission for the medium.
   *
   * @example Write what is staged
   * ```ts ignore
   * await session.commit({ onProgress: ({ done }) => console.log(done) });
   * ```
   */
  async commit(options: CommitOptions = {}): Promise<void> {
    const { problem } = await this.#inTurn(async () => {
      await this.#checkStaged();
      const committed = await this.#recorder.commit(options, this.#staged);
      this.#staged.clear();
      return committed;
    });
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
    await this.#inTurn(async () => {
      await this.#recorder.rollback();
      this.#staged.clear();
    });
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
    await this.#inTurn(() => this.#recorder.revert(session));
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
    return await this.#recorder.medium();
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
    return await this.#inTurn(() => this.#recorder.room());
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
    return await this.#recorder.sessions();
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
   * console.log((await session.command(["-list_profiles", "all"])).results);
   * ```
   */
  async command(
    words: readonly string[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Answer> {
    const line = commandLine(words);
    const { signal } = options;
    return await this.#inTurn(async () => {
      await requireArgs(words);
      const { results, messages } = await this.#recorder.run(line, {
        doing: this.#recorder.doing(`run ${words[0]} on`),
        ...(signal && { signal }),
      });
      return { results, messages };
    }, signal);
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
    await this.#inTurn(() =>
      this.#recorder.erase("blank", mode, force, options)
    );
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
    await this.#inTurn(() =>
      this.#recorder.erase("format", mode, force, options)
    );
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
    await this.#inTurn(async () => {
      await this.#checkStaged();
      await this.#recorder.finish(options, this.#staged);
    });
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
    await this.#inTurn(() => this.#recorder.eject());
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
    return await this.#inTurn(() => this.#recorder.load(options));
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
    await this.#inTurn(() => this.#recorder.end());
  }

  /** Ends the process, like {@linkcode Xorriso.end}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  /** Has a call that changes something wait for those before it. */
  #inTurn<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#recorder.exclusive(work, signal);
  }

  /**
   * Checks again what xorriso is about to read: a link may have come into its
   * path, to what the script may not read.
   */
  async #checkStaged(): Promise<void> {
    for (const path of this.#staged) {
      try {
        await resolveForRead(path, "the source");
      } catch (error) {
        // Whatever else is wrong, xorriso finds it, too.
        if (!(error instanceof Deno.errors.NotCapable)) continue;
        await this.#recorder.rollback();
        this.#staged.clear();
        throw error;
      }
    }
  }

  async #restoreAll(
    jobs: readonly CopyJob[],
    { signal, sync, onProgress }: RestoreOptions,
  ): Promise<Map<CopyJob, unknown>> {
    const { image } = this.#recorder;
    const options = {
      sync,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    };
    if (image !== undefined) {
      const { identity: inode, path } = image;
      return await copyMany(path, jobs, { ...options, inode });
    }
    const failures = new Map<CopyJob, unknown>();
    const total = jobs.reduce((sum, { entry }) => sum + entry.size, 0);
    let before = 0;
    const report = onProgress &&
      ((progress: Progress) =>
        onProgress({ ...progress, done: before + progress.done, total }));
    for (const job of jobs.toSorted(byPlace)) {
      const { entry, target, md5, attributes, replace } = job;
      try {
        await writeTarget(
          target,
          () => this.#content(entry, { md5, ...(signal && { signal }) }),
          { sync, attributes, replace, onProgress: report },
        );
        before += entry.size;
      } catch (error) {
        signal?.throwIfAborted();
        failures.set(job, error);
      }
    }
    return failures;
  }

  async #checkAll<Job extends CheckJob>(
    jobs: readonly Job[],
    { signal, onProgress }: RestoreOptions,
  ): Promise<Map<Job, unknown>> {
    const { image } = this.#recorder;
    const reading = signal ? { signal } : {};
    if (image !== undefined) {
      return await checkMany(image.path, jobs, {
        ...{ ...reading, inode: image.identity },
        ...(onProgress && { onProgress }),
      });
    }
    const failures = new Map<Job, unknown>();
    const total = jobs.reduce((sum, { entry }) => sum + entry.size, 0);
    let done = 0;
    for (const job of jobs.toSorted(byPlace)) {
      const { entry, md5 } = job;
      try {
        for await (const chunk of this.#content(entry, { md5, ...reading })) {
          done += chunk.length;
          notify(onProgress, {
            ...{ phase: "checking", done, total, rate: undefined },
          });
        }
      } catch (error) {
        signal?.throwIfAborted();
        failures.set(job, error);
      }
    }
    return failures;
  }

  async #find(path: string, depth?: number): Promise<Node[]> {
    const lists: Record<NodeType, Node[]> = {
      file: [],
      directory: [],
      other: [],
    };
    await this.#walk(path, depth, (node) => lists[node.type].push(node));
    return [...lists.file, ...lists.directory, ...lists.other];
  }

  /** Tells of every node from a path on: written files, then all else. */
  async #walk(
    path: string,
    depth: number | undefined,
    take: (node: Node) => void,
  ): Promise<void> {
    const listing = new FileListing();
    const tree = depth === undefined
      ? ["-find", path]
      : ["-find", path, "-maxdepth", `${depth}`];
    const options = {
      doing: this.#recorder.doing("list"),
      path,
      pipelined: true,
    };
    await Promise.all([
      this.#recorder.run([...tree, "-type", "f", "-exec", "report_lba"], {
        ...options,
        onResult: (line) => {
          const entry = listing.add(line);
          if (entry) take(entry);
        },
      }),
      // Files that are staged have no place on the medium yet, and no other
      // command tells their size.
      this.#recorder.run(
        [
          ...[...tree, "-not", "-type", "f", "-or", "-pending_data"],
          ...["-exec", "lsdl"],
        ],
        {
          ...options,
          onResult: (line) => {
            const found = parseLongLine(line);
            if (found) take({ ...found, extents: [] });
          },
        },
      ),
    ]);
  }

  async #eachMd5Below(isoPath: string, take: TakeMd5): Promise<void> {
    const path = checkPath(isoPath);
    await this.#eachMd5(["-find", path, "-type", "f"], path, take);
  }

  async #eachMd5(
    words: readonly string[],
    path: string,
    take: TakeMd5,
  ): Promise<void> {
    await this.#recorder.run([...words, "-exec", "get_md5"], {
      doing: this.#recorder.doing("look for checksums on"),
      path,
      pipelined: true,
      onResult: (line) => {
        const sum = parseMd5Line(line);
        if (sum !== undefined) take(sum.path, sum.md5);
      },
    });
  }

  /** The node at a path itself. */
  async #lookUp(path: string): Promise<Node> {
    const node = (await this.#find(path, 0)).find((node) => node.path === path);
    if (node !== undefined) return node;
    throw notFound(path, this.#recorder.device);
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
    if (node.type === "file") {
      if (node.size === 0 || node.extents.length > 0) return node;
      throw new XorrisoError(
        "ENTRY_NOT_FOUND",
        `Cannot read ${show(file)} on "${this.#recorder.device}": it is not ` +
          `written yet; commit first`,
        { path: file },
      );
    }
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot read ${show(file)} on "${this.#recorder.device}": it is no ` +
        `regular file`,
      { path: file },
    );
  }

  /** Refuses what xorriso would do without a word: bend the tree. */
  async #checkPlace(path: string): Promise<void> {
    const doing = `Cannot store ${show(path)} on "${this.#recorder.device}"`;
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
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { image } = this.#recorder;
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
        tempDir: this.#tempDir,
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
    const doing = `Cannot read ${show(path)} on "${this.#recorder.device}"`;
    try {
      await this.#recorder.run(
        ["-extract_cut", path, `${offset}`, `${length}`, target],
        { doing, path },
      );
    } catch (error) {
      // What went wrong may be that it was another medium.
      if (!isCode(error, "SESSION_LOST")) {
        await this.#recorder.requireSame(doing);
      }
      throw error;
    }
    await this.#recorder.requireSame(doing);
  }

  static {
    driverOf = (session) => ({
      exclusive: (work) => session.#inTurn(() => work(session.#changes)),
      rest: (signal) => session.#recorder.rest(signal),
      lookUp: (path) => session.#lookUp(path),
      walk: (path, take) => session.#walk(path, undefined, take),
      copyBlocks: (range, target, signal) =>
        session.#recorder.copyBlocks(range, target, signal),
      eachMd5: (directory, take) => session.#eachMd5Below(directory, take),
      restoreAll: (jobs, options) => session.#restoreAll(jobs, options),
      checkAll: (jobs, options) => session.#checkAll(jobs, options),
      requireWritable: () =>
        session.#recorder.mustClose
          ? session.#inTurn(() => session.#recorder.requireWritable())
          : session.#recorder.requireWritable(),
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
function byPlace(a: CheckJob, b: CheckJob): number {
  return (a.entry.extents[0]?.lba ?? 0) - (b.entry.extents[0]?.lba ?? 0);
}

function notFound(path: string, device: string): XorrisoError {
  return new XorrisoError(
    "ENTRY_NOT_FOUND",
    `Cannot find ${show(path)} on "${device}"`,
    { path },
  );
}

function isDirectory(path: string, device: string): XorrisoError {
  return new XorrisoError(
    "ENTRY_EXISTS",
    `Cannot remove ${show(path)} from "${device}": it is a directory; add ` +
      `recursive`,
    { path },
  );
}

function isNotFound(error: unknown): error is XorrisoError {
  return isCode(error, "ENTRY_NOT_FOUND");
}

function isGlob(name: string): boolean {
  return /[*?[{]/.test(name);
}

/** The own name of a file on disk. */
function sourceName(file: string): string {
  return baseName(file.replace(/\/+$/, ""));
}
