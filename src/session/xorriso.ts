/** The public face of a session: what a user may ask of one drive or image. */

import type { Answer } from "../dialogue/exchange.ts";
import {
  commandLine,
  requireBearable,
  SETTINGS,
  wordsLine,
} from "../dialogue/protocol.ts";
import { absolutePath, requireArgs } from "../disk/permissions.ts";
import type { Entry, Medium, Node, RecordedSession } from "../medium.ts";
import {
  baseName,
  checkNewPath,
  checkPath,
  join,
  relative,
  show,
} from "../names.ts";
import type {
  BlankOptions,
  CommitOptions,
  FormatOptions,
  ReadableOptions,
  RestoreOptions,
  XorrisoOptions,
} from "../options.ts";
import { exclusive } from "./changes.ts";
import { commit } from "./commit.ts";
import { readFile, restoreFile } from "./content.ts";
import { find, findMatches, readMd5, readMd5s, typeOf } from "./entries.ts";
import {
  closeMedium,
  closeTray,
  erase,
  openTray,
  readRoom,
} from "./maintain.ts";
import { readMedium, readSessions } from "./medium.ts";
import { openSession } from "./open.ts";
import { revert, rollback } from "./rollback.ts";
import type { Session } from "./session.ts";
import { requireSources, stageFile, stageMove, stageRemoval } from "./stage.ts";
import { withAbsolutePaths } from "./target.ts";

/**
 * A dialogue with one xorriso process that has one drive or image file open.
 *
 * Changes are staged by `cp`, `map`, `rm` and `rename`, and written by `commit`
 * as one session on the medium. "Session" here is this dialogue; one on the
 * medium is a {@linkcode RecordedSession}. Calls are answered in order, one at a
 * time.
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
  readonly #session: Session;

  /** Resolves when the process is gone and the image is unlocked. */
  readonly closed: Promise<void>;

  private constructor(session: Session) {
    this.#session = session;
    this.closed = session.closed;
  }

  /**
   * Starts xorriso and opens a drive or an image file.
   *
   * @param device Path of the drive (`/dev/sr0`) or of the image file.
   * @param options How to open it.
   * @returns The session; end it by `end()` or `await using`.
   * @throws {XorrisoError} When there is no such drive or image (NO_DRIVE),
   * it is DRIVE_BUSY, NOT_READY, or may not be opened (PERMISSION_DENIED), has
   * NO_MEDIUM, something else (NOT_ISO), a damaged image (IMAGE_DAMAGED),
   * another volume id than asserted (VOLUME_MISMATCH), or no such session
   * (SESSION_NOT_FOUND).
   * @throws {TypeError} When an option has a value that cannot be.
   * @throws {Deno.errors.NotCapable} When a permission is missing.
   * @throws {Deno.errors.NotFound} When xorriso is not installed.
   */
  static async open(
    device: string,
    options: XorrisoOptions = {},
  ): Promise<Xorriso> {
    const path = absolutePath(device);
    return new Xorriso(await openSession(path, withAbsolutePaths(options)));
  }

  /** Version of the xorriso program: `1.5.4`. */
  get version(): string {
    return this.#session.version;
  }

  /** Whether the medium lies in a file: it can then be read directly. */
  get isImage(): boolean {
    return this.#session.isImage;
  }

  /** Whether sessions can be written to the medium as it was opened. */
  get writable(): boolean {
    return this.#session.target.writable;
  }

  /**
   * Lists names.
   *
   * @param pattern Path of a directory, whose names are listed, or of anything
   * else; its last part may be a glob (`/2026/*.tar`).
   * @returns Names without their directory, in the order of the medium by type;
   * none where a glob matches nothing.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such path.
   */
  async ls(pattern: string = "/"): Promise<string[]> {
    return (await this.lsl(pattern)).map(({ path }) => baseName(path));
  }

  /** Lists the same as {@linkcode Xorriso.ls} with types and sizes. */
  async lsl(pattern: string = "/"): Promise<Node[]> {
    return await findMatches(this.#session, checkPath(pattern));
  }

  /**
   * Lists everything from a path on downwards.
   *
   * @param isoPath Absolute path on the medium.
   * @returns The path itself and all below it: files, directories, others,
   * each in the order of the medium.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such path.
   */
  async find(isoPath: string = "/"): Promise<Node[]> {
    return await find(this.#session, checkPath(isoPath));
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
   */
  async cp(files: readonly string[], dest: string): Promise<void> {
    const path = checkPath(dest);
    const sources = files.map(absolutePath);
    await exclusive(this.#session, async (changes) => {
      const into = sources.length !== 1 || dest.endsWith("/") ||
        await typeOf(this.#session, path) === "directory";
      for (const file of sources) {
        const name = baseName(file.replace(/\/+$/, ""));
        await stageFile(changes, file, into ? join(path, name) : path);
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
   */
  async map(source: string | URL, isoPath: string): Promise<void> {
    const file = absolutePath(source);
    await exclusive(
      this.#session,
      (changes) => stageFile(changes, file, isoPath),
    );
  }

  /**
   * Stages removal from the newest session; on no medium does it free space.
   *
   * @param files Absolute paths on the medium, taken literally.
   * @param options `recursive`: directories with all below them, too.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when one is missing, ENTRY_EXISTS
   * when one is a directory and it is not `recursive`; then nothing is removed.
   */
  async rm(
    files: readonly string[],
    options: { readonly recursive?: boolean } = {},
  ): Promise<void> {
    const paths = [...new Set(files.map(checkPath))];
    await exclusive(
      this.#session,
      (changes) => stageRemoval(changes, paths, options),
    );
  }

  /**
   * Stages another path for a file, a link, or a directory with all below it.
   * Its content is not written again.
   *
   * @param from Absolute path on the medium.
   * @param to Its new path; missing directories above it are made.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is nothing to rename,
   * ENTRY_EXISTS when something is at the new path, or a file above it.
   * @throws {TypeError} When a name cannot be stored, or a directory would go
   * into itself.
   */
  async rename(from: string, to: string): Promise<void> {
    const [path, target] = [checkPath(from), checkNewPath(to)];
    if (path === target || relative(path, target) !== undefined) {
      throw new TypeError(
        `Cannot rename ${show(path)} to ${show(target)}: that is in itself`,
      );
    }
    await exclusive(
      this.#session,
      (changes) => stageMove(changes, path, target),
    );
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
   */
  async extract(files: readonly string[], dest: string): Promise<void> {
    const folder = absolutePath(dest).replace(/\/$/, "");
    for (const file of files) {
      const path = checkPath(file);
      await this.restore(path, `${folder}/${baseName(path)}`);
    }
  }

  /**
   * Restores one regular file to a path on disk.
   *
   * @param file Absolute path on the medium, or an entry with that.
   * @param target Path on disk; it is replaced when the file is complete.
   * @throws {XorrisoError} As {@linkcode Xorriso.extract}.
   */
  async restore(
    file: string | Entry,
    target: string,
    options: RestoreOptions = {},
  ): Promise<void> {
    await restoreFile(this.#session, file, target, options);
  }

  /**
   * Reads one regular file, or a part of it.
   *
   * From an image file the bytes come straight from their place in it, also
   * while xorriso commits; from a drive in pieces through `tempDir`.
   *
   * @param file Absolute path on the medium, or an entry with that.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such file; the
   * stream fails with READ_ERROR, IMAGE_DAMAGED or CHECKSUM_MISMATCH.
   * @throws {RangeError} When offset or length is no whole number from 0 on.
   */
  async readable(
    file: string | Entry,
    options: ReadableOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return await readFile(this.#session, file, options);
  }

  /**
   * Tells the recorded MD5 of a file's content.
   *
   * @param isoPath Absolute path on the medium.
   * @returns 32 hexadecimal digits; undefined if none is recorded.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such path.
   */
  async md5(isoPath: string): Promise<string | undefined> {
    return await readMd5(this.#session, checkPath(isoPath));
  }

  /**
   * Tells the recorded MD5 of every file below a directory.
   *
   * @param isoPath Absolute path on the medium.
   * @returns 32 hexadecimal digits by absolute path.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such path.
   */
  async md5s(isoPath: string = "/"): Promise<Map<string, string>> {
    return await readMd5s(this.#session, checkPath(isoPath));
  }

  /**
   * Writes what is staged as one session on the medium.
   *
   * When it resolves, the session is on the medium, which shows it. When it
   * fails, what was staged is discarded and the medium shows what it did before;
   * only with SOURCE_CHANGED or SOURCE_UNREADABLE has a session been written,
   * with zeros in place of what could not be read: `revert()` to the one before
   * it. When writing to an image file itself fails, or a file has become a FIFO
   * that the script may not open, the session is ended.
   *
   * @throws {XorrisoError} MEDIUM_FULL with `needed` and `free`, WRITE_ERROR,
   * MEDIUM_NOT_WRITABLE, MEDIUM_CHANGED when another program has written
   * meanwhile, SOURCE_CHANGED when a file has vanished or cannot be opened any
   * more, SOURCE_UNREADABLE when it cannot be read.
   * @throws {Deno.errors.NotCapable} Without write permission for the medium.
   */
  async commit(options: CommitOptions = {}): Promise<void> {
    const { problem } = await exclusive(this.#session, async (changes) => {
      await requireSources(changes);
      return await commit(changes, options);
    }, options.signal);
    if (problem !== undefined) throw problem;
  }

  /**
   * Discards what is staged.
   *
   * @throws {XorrisoError} When the medium cannot be read again.
   */
  async rollback(): Promise<void> {
    await exclusive(this.#session, rollback);
  }

  /**
   * Takes the tree of an older session as the base of the next commit, which
   * thereby hides all that came after it. What is staged is discarded.
   *
   * @param session Its number, as `sessions()` tells it.
   * @throws {XorrisoError} SESSION_NOT_FOUND when there is none.
   */
  async revert(session: number): Promise<void> {
    await exclusive(this.#session, (changes) => revert(changes, session));
  }

  /**
   * Tells what medium it is, and how much is free.
   *
   * @returns Type, status, volume id, and sizes in bytes.
   * @throws {XorrisoError} When the drive does not answer.
   */
  async medium(): Promise<Medium> {
    return await readMedium(this.#session);
  }

  /**
   * Tells how many bytes of content still fit on the medium in one session of
   * few files: the free space without what the session itself takes, the
   * directory tree of all files above all.
   *
   * @returns Bytes; 0 on a medium that cannot be written.
   * @throws {XorrisoError} When the drive does not answer.
   */
  async room(): Promise<number> {
    return await exclusive(this.#session, readRoom);
  }

  /**
   * Lists the sessions on the medium.
   *
   * @returns Oldest first; empty on a blank medium.
   * @throws {XorrisoError} When the drive does not answer.
   */
  async sessions(): Promise<RecordedSession[]> {
    return await readSessions(this.#session);
  }

  /**
   * Sends any other command of xorriso.
   *
   * @param words The command, with its dash, and its arguments; each is quoted.
   * Commands that can name a file on disk need `--allow-read` and
   * `--allow-write` without a path, since xorriso itself is not sandboxed.
   * What the module relies on, as patterns and packets, is set again behind it.
   * @returns xorriso's result lines and messages.
   * @throws {XorrisoError} With the code of the problem that xorriso reports.
   * @throws {TypeError} When the first word is no command, or one that the
   * module could not go on after.
   * @throws {RangeError} When the line is longer than 8000 bytes.
   */
  async command(
    words: readonly string[],
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Answer> {
    const line = commandLine(words);
    requireBearable(words);
    const { signal } = options;
    const session = this.#session;
    return await exclusive(session, async () => {
      await requireArgs(words);
      const doing = session.doing(`run ${words[0]} on`);
      try {
        const { results, messages } = await session.run(line, {
          doing,
          signal,
        });
        return { results, messages };
      } finally {
        if (!session.lost) await session.run(wordsLine(SETTINGS), doing);
      }
    }, signal);
  }

  /**
   * Erases a medium that can be written again, or makes an image file empty.
   *
   * @param options `mode`: `as_needed` (the default), `fast`, or `all` blocks;
   * `force`: even if there is data on it; `signal` ends the session.
   * @throws {XorrisoError} BLANK_FAILED when it cannot be erased,
   * MEDIUM_NOT_WRITABLE when it has data and there is no `force`.
   */
  async blank(options: BlankOptions = {}): Promise<void> {
    await exclusive(
      this.#session,
      (changes) => erase(changes, "blank", options),
      options.signal,
    );
  }

  /**
   * Formats a medium of a kind that knows formatting; its data is lost.
   *
   * @param options `mode`: `as_needed` (the default), `fast`, or `full`;
   * `force`: even if there is data on it; `signal` ends the session.
   * @throws {XorrisoError} BLANK_FAILED when it cannot be formatted,
   * MEDIUM_NOT_WRITABLE when it has data and there is no `force`.
   */
  async format(options: FormatOptions = {}): Promise<void> {
    await exclusive(
      this.#session,
      (changes) => erase(changes, "format", options),
      options.signal,
    );
  }

  /**
   * Closes the medium for good: nothing can be appended any more. What is
   * staged is written before, with the last directory tree.
   *
   * @throws {XorrisoError} MEDIUM_NOT_WRITABLE when the medium is blank, closed
   * already, or of a kind that stays writable, an image file above all; else
   * as {@linkcode Xorriso.commit}.
   */
  async finish(options: CommitOptions = {}): Promise<void> {
    await exclusive(this.#session, async (changes) => {
      await requireSources(changes);
      await closeMedium(changes, options);
    }, options.signal);
  }

  /**
   * Opens the tray. What is staged is discarded; until `load()` there is no
   * medium.
   *
   * @throws {XorrisoError} NO_DRIVE when it is an image file.
   */
  async eject(): Promise<void> {
    await exclusive(this.#session, openTray);
  }

  /**
   * Closes the tray and opens the medium that is in it.
   *
   * @throws {XorrisoError} NO_MEDIUM when there is none, NO_DRIVE when it is an
   * image file; else as {@linkcode Xorriso.open}.
   */
  async load(
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Medium> {
    return await exclusive(
      this.#session,
      (changes) => closeTray(changes, options),
      options.signal,
    );
  }

  /**
   * Ends the process when all is done that was called before; what was not
   * committed is discarded. Can be called again.
   */
  async end(): Promise<void> {
    await this.#session.close();
  }

  /**
   * Ends the process; what was not committed is discarded. A commit, erasure or
   * `load()` under way is stopped, as by its signal, and rejects with ABORTED.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}
