/** The public face of the storage: names and contents on one medium. */

import { notify } from "../async.ts";
import type { Medium, RecordedSession } from "../medium.ts";
import { TempFolder } from "../disk/temp.ts";
import type {
  BlankOptions,
  CommitOptions,
  FormatOptions,
  ReadableOptions,
  RestoreOptions,
} from "../options.ts";
import { type Changes, exclusive } from "../session/changes.ts";
import { withAbsolutePaths } from "../session/target.ts";
import {
  closeMedium,
  closeTray,
  erase,
  openTray,
} from "../session/maintain.ts";
import { type Request, requestOf, withAbsoluteSource } from "./change.ts";
import type {
  ApplyOptions,
  BackendOptions,
  Change,
  DeleteOptions,
  GetListOptions,
  GetOptions,
  ListedEntry,
  ListOptions,
  NameResult,
  Place,
  PutOptions,
  PutSource,
  QueryOptions,
  RenameOptions,
  VerifyResult,
} from "./options.ts";
import { Queue } from "./queue.ts";
import { Reading } from "./reading.ts";
import { checkTimes, readSettings } from "./settings.ts";
import { closedError, Store } from "./store.ts";
import { findDevice, placeOf } from "./url.ts";

/**
 * Stores files under names on one medium, and gets them back.
 *
 * Changes that are made within a short time share one session on the medium; a
 * resolved `put()` or `delete()` is on it. Calls may overlap at will; those
 * about one name take effect in call order. A folder exists as long as something
 * is in it.
 *
 * @example Store, list, restore
 * ```ts
 * import { XorrisoBackend } from "@xorriso/backend";
 *
 * const folder = await Deno.makeTempDir();
 * {
 *   await using backend = await XorrisoBackend.open(
 *     `xorriso://${folder}/photos.iso:/2026`,
 *     { create: true },
 *   );
 *   await backend.put(new TextEncoder().encode("hello"), "a.txt");
 *   for (const { name, size } of await backend.list()) console.log(name, size);
 *   await backend.get("a.txt", `${folder}/a.txt`);
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class XorrisoBackend implements AsyncDisposable {
  readonly #store: Store;
  readonly #queue: Queue;
  readonly #reading: Reading;
  readonly #options: BackendOptions;
  #temp: Promise<TempFolder> | undefined;
  #closing: Promise<void> | undefined;

  /** Absolute path of the drive or image file. */
  readonly device: string;

  /**
   * Whether the medium was opened for writing: not with `readOnly` or an older
   * session, nor an image file without write permission.
   */
  readonly writable: boolean;

  private constructor(store: Store, options: BackendOptions) {
    this.#store = store;
    this.#queue = new Queue(store, options);
    this.#reading = new Reading(store);
    this.#options = options;
    this.device = store.device;
    this.writable = store.writable;
  }

  /**
   * Opens the medium that a URL names.
   *
   * Where env permission is granted, the variables XORRISO_PATH,
   * XORRISO_WRITE_SPEED, XORRISO_ASSERT_VOLID and XORRISO_ARGS are used for
   * options that are not given.
   *
   * @param place `xorriso://DEVICE[:/DIRECTORY]`, percent-encoded where needed
   * (`xorriso:///dev/sr0`, `xorriso:///backups/photos.iso:/2026`), or the paths
   * as they are.
   * @returns The backend; end it by `close()`.
   * @throws {XorrisoError | TypeError} As `Xorriso.open`.
   * @throws {Deno.errors.NotCapable} When a permission is missing.
   * @throws {Deno.errors.NotFound} When xorriso is not installed.
   */
  static async open(
    place: string | URL | Place,
    options: BackendOptions = {},
  ): Promise<XorrisoBackend> {
    const { device, directory } = placeOf(place);
    const settings = withAbsolutePaths({
      ...options,
      ...readSettings(options),
    });
    const { autoCommit: _, commitDelay, commitMax, ...rest } = settings;
    checkTimes({ commitDelay, commitMax, idleClose: rest.idleClose });
    const found = await findDevice(device);
    const store = await Store.open(found, directory, rest);
    return new XorrisoBackend(store, settings);
  }

  /**
   * Stores a file under a name.
   *
   * Resolves when it is on the medium and checked; with `autoCommit: false`,
   * when `commit()` will store it. A file on disk must not change meanwhile;
   * bytes and streams are kept in `tempDir` until then. A call waits for the
   * earlier ones of the same name, also for a stream that stands still.
   *
   * @param source Path or `file:` URL of a regular file, bytes, a `Blob`, or a
   * stream.
   * @param name Relative name: parts of at most 255 bytes, not `.` or `..`,
   * separated by `/`; else any characters but NUL.
   * @throws {XorrisoError} SOURCE_UNREADABLE, SOURCE_CHANGED, ENTRY_EXISTS when
   * a directory would be replaced or a file turned into one, NAME_TOO_LONG,
   * MEDIUM_FULL with `needed` and `free`, or as `Xorriso.commit`.
   * @throws {TypeError | RangeError} When the name, the source, the mode or the
   * time cannot be stored.
   * @throws {Deno.errors.NotCapable} When a permission is missing.
   */
  async put(
    source: PutSource,
    name: string,
    options: PutOptions = {},
  ): Promise<void> {
    const { mode, mtime, ...rest } = options;
    const attributes = {
      ...(mode !== undefined && { mode }),
      ...(mtime && { mtime }),
    };
    await this.#change({ kind: "file", name, source, attributes, ...rest });
  }

  /**
   * Gives a file, or a folder with all below it, another name. No content is
   * written.
   *
   * @param to The new name; folders above it are made.
   * @throws {XorrisoError} ENTRY_NOT_FOUND, ENTRY_EXISTS, or as
   * `Xorriso.commit`.
   */
  async rename(
    from: string,
    to: string,
    options: RenameOptions = {},
  ): Promise<void> {
    await this.#change({ kind: "move", from, name: to, ...options });
  }

  /**
   * Makes many changes in one session, in their order, together with what else
   * is pending. One that fails does not stop the others. A stream that gives
   * nothing for 2 s may divide them, if other calls wait to be stored.
   *
   * @param changes What is to be done; their number is not limited.
   * @returns One result for each change, in their order. The session is on the
   * medium then, also with `autoCommit: false`.
   */
  async apply(
    changes: readonly Change[],
    options: ApplyOptions = {},
  ): Promise<NameResult[]> {
    const all = changes.map(withAbsoluteSource);
    const failures = await this.#during(() =>
      this.#queue.addAll(all, (change) => this.#request(change), options)
    );
    return all.map(({ name }, i) => ({ name, error: failures.get(i) }));
  }

  /**
   * Restores a file.
   *
   * @param target Path on disk, under which the file appears when it is
   * complete and checked; or a stream, which is closed at the end.
   * @throws {XorrisoError} ENTRY_NOT_FOUND, READ_ERROR, IMAGE_DAMAGED,
   * CHECKSUM_MISMATCH, TARGET_UNWRITABLE, or TARGET_EXISTS.
   */
  async get(
    name: string,
    target: string | WritableStream<Uint8Array>,
    options: GetOptions = {},
  ): Promise<void> {
    await this.#during(() => this.#reading.get(name, target, options));
  }

  /**
   * Restores many files below a folder, in the order in which they lie on the
   * medium.
   *
   * @param names Relative names; folders above them are made below `folder`.
   * @param folder A folder on disk; it is made if it is not there.
   * @returns One result for each name, in their order.
   * @throws {XorrisoError} When the session is lost.
   */
  async getList(
    names: readonly string[],
    folder: string,
    options: GetListOptions = {},
  ): Promise<NameResult[]> {
    return await this.#during(() =>
      this.#reading.getList(names, folder, options)
    );
  }

  /**
   * Reads a file, or a part of it. Nothing is opened before the first read;
   * `close()` ends what is still open.
   *
   * @returns Chunks of at most 1 MiB.
   * @throws {XorrisoError} As `Xorriso.readable`.
   */
  async readable(
    name: string,
    options: ReadableOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return await this.#during(() => this.#reading.readable(name, options));
  }

  /**
   * Lists all files below the backend's directory, as of the last commit; with
   * `all` also folders, links and special files.
   *
   * @returns Names relative to the directory, in the order of the medium's
   * tree; empty if there is no such directory.
   * @throws {XorrisoError} When the medium cannot be read.
   */
  async list(options: ListOptions = {}): Promise<ListedEntry[]> {
    return await this.#during(() => this.#reading.list(options));
  }

  /**
   * Looks for a name, as of the last commit.
   *
   * @param name Relative name, taken literally; a folder only with a `/` at the
   * end, and "" is the backend's directory.
   * @returns Its entry; undefined if there is none.
   * @throws {XorrisoError} When the medium cannot be read.
   */
  async query(
    name: string,
    options: QueryOptions = {},
  ): Promise<ListedEntry | undefined> {
    // For thousands of calls: a name that is known costs one lookup in a map.
    const known = this.#closing === undefined && !options.md5
      ? this.#reading.known(name)
      : undefined;
    return known ??
      await this.#during(() => this.#reading.query(name, options));
  }

  /**
   * Looks for many names, as `query()` does; results are in their order.
   */
  async queryList(
    names: readonly string[],
    options: QueryOptions = {},
  ): Promise<(ListedEntry | undefined)[]> {
    return await Promise.all(names.map((name) => this.query(name, options)));
  }

  /**
   * Removes a file, link or folder from the newest session, which frees no
   * space on any medium. A folder that gets empty by it is removed, too.
   *
   * @param name Relative name, taken literally.
   * @throws {XorrisoError} ENTRY_NOT_FOUND, also for a folder without
   * `recursive`, or as `Xorriso.commit`.
   */
  async delete(name: string, options: DeleteOptions = {}): Promise<void> {
    await this.#change({ kind: "remove", name, ...options });
  }

  /**
   * Removes many names in one session; results are in their order.
   */
  async deleteList(
    names: readonly string[],
    options: DeleteOptions = {},
  ): Promise<NameResult[]> {
    return await Promise.all(names.map(async (name) => {
      try {
        await this.delete(name, options);
        return { name, error: undefined };
      } catch (error) {
        return { name, error };
      }
    }));
  }

  /**
   * Reads files and compares them with their recorded checksums.
   *
   * @param names Relative names; all files if not given.
   * @returns One result for each name, in their order.
   */
  async verify(
    names?: readonly string[],
    options: Omit<RestoreOptions, "verify"> = {},
  ): Promise<VerifyResult[]> {
    return await this.#during(() => this.#reading.verify(names, options));
  }

  /**
   * Writes all changes of earlier calls as one session; but not a stream that
   * has given nothing for 2 s, nor what waits for it: these are left to the next
   * one.
   *
   * @param options `signal` stops it in an orderly way, and every change in it
   * is rejected.
   * @throws {XorrisoError} The error of the first change that failed; the others
   * are stored, unless the commit itself failed.
   */
  async commit(options: Omit<CommitOptions, "force"> = {}): Promise<void> {
    await this.#during(() => this.#queue.commit(options));
  }

  /**
   * Discards all changes that are not being written yet; their calls reject
   * with ABORTED. A commit under way goes on, and is not waited for.
   */
  async rollback(): Promise<void> {
    await this.#during(() => this.#queue.rollback());
  }

  /**
   * Tells what the medium is, and how many bytes are free.
   *
   * @throws {XorrisoError} When the drive does not answer.
   */
  async medium(): Promise<Medium> {
    return await this.#during(() => this.#store.medium());
  }

  /**
   * Tells how many bytes of content still fit in one session of few files; 0
   * on a medium that cannot be written.
   *
   * @throws {XorrisoError} When the drive does not answer.
   */
  async room(): Promise<number> {
    return await this.#during(() => this.#store.room());
  }

  /**
   * Lists the sessions on the medium, the oldest first.
   *
   * @throws {XorrisoError} When the drive does not answer.
   */
  async sessions(): Promise<readonly RecordedSession[]> {
    return await this.#during(() => this.#store.sessions());
  }

  /**
   * Erases a medium that can be written again, or makes an image file empty.
   * What is pending is committed before.
   *
   * @throws {XorrisoError} As `Xorriso.blank`.
   */
  async blank(options: BlankOptions = {}): Promise<void> {
    await this.#maintain(
      (changes, options) => erase(changes, "blank", options),
      options,
    );
  }

  /**
   * Formats a medium of a kind that knows formatting; its data is lost. What is
   * pending is committed before.
   *
   * @throws {XorrisoError} As `Xorriso.format`.
   */
  async format(options: FormatOptions = {}): Promise<void> {
    await this.#maintain(
      (changes, options) => erase(changes, "format", options),
      options,
    );
  }

  /**
   * Closes the medium, so that nothing can be appended any more. What is pending
   * is committed before.
   *
   * @throws {XorrisoError} As `Xorriso.finish`.
   */
  async finish(options: Omit<CommitOptions, "force"> = {}): Promise<void> {
    await this.#maintain(closeMedium, options);
  }

  /**
   * Opens the tray; until `load()` there is no medium. What is pending is
   * committed before.
   *
   * @throws {XorrisoError} NO_DRIVE when it is an image file.
   */
  async eject(): Promise<void> {
    await this.#maintain(openTray, {});
  }

  /**
   * Closes the tray and opens the medium that is in it.
   *
   * @throws {XorrisoError} As `Xorriso.load`.
   */
  async load(): Promise<Medium> {
    return await this.#maintain(closeTray, {});
  }

  /**
   * Commits what is pending, then ends the session and all streams of
   * `readable()`. A stream that is being stored is given up when it has given
   * nothing for 2 s. Later calls reject with CLOSED; a second `close()` waits for
   * the first.
   *
   * @throws {XorrisoError} When the commit fails; all is ended nevertheless.
   */
  close(): Promise<void> {
    this.#closing ??= this.#end(() => this.#queue.close());
    return this.#closing;
  }

  /**
   * Ends the session, and discards what has not been committed. A commit under
   * way is stopped in an orderly way; an image is as before it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    // If it failed, close() has rejected.
    if (this.#closing !== undefined) return await this.#closing.catch(() => {});
    if (this.#options.autoCommit === false && this.#queue.size > 0) {
      notify(
        this.#options.onMessage,
        `xorriso-backend : WARNING : ${this.#queue.size} changes are ` +
          `discarded; call commit() or close() before the end`,
      );
    }
    this.#closing = this.#end(() => this.#queue.discard());
    await this.#closing;
  }

  async #end(finish: () => Promise<void>): Promise<void> {
    try {
      await finish();
    } finally {
      await this.#reading.end(closedError(this.device));
      await this.#store.close();
      const temp = await this.#temp?.catch(() => undefined);
      await temp?.[Symbol.asyncDispose]();
    }
  }

  /** Commits what is pending, then does something to the medium itself. */
  async #maintain<T, Options extends { readonly signal?: AbortSignal }>(
    work: (changes: Changes, options: Options) => Promise<T>,
    options: Options,
  ): Promise<T> {
    const alone = (signal: AbortSignal) =>
      this.#store.alter((session) =>
        exclusive(
          session,
          (changes) => work(changes, { ...options, signal }),
          signal,
        )
      );
    return await this.#during(() => this.#queue.between(alone, options.signal));
  }

  /** Does the work of a call; CLOSED if the backend is closed. */
  async #during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw closedError(this.device);
    using _use = this.#store.use();
    return await work();
  }

  async #change(
    change: Change & Pick<PutOptions, "signal" | "onProgress" | "size">,
  ): Promise<void> {
    await this.#during(() => this.#queue.add(this.#request(change)));
  }

  #request(change: Change): Request {
    const makeTemp = () => TempFolder.make(this.#options.tempDir);
    return requestOf(change, {
      directory: this.#store.directory,
      temp: () => this.#temp ??= makeTemp(),
    });
  }
}
