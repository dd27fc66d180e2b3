/** The storage: names and contents on one medium, through one session. */

import { globToRegExp } from "@std/path/posix/glob-to-regexp";
import { Batches, type Prepared } from "./batches.ts";
import { XorrisoError } from "../errors.ts";
import { deviceCandidates, parseLocation } from "./url.ts";
import { checkName, join, relative, show } from "../names.ts";
import { isGranted } from "../disk/permissions.ts";
import type { Entry, Medium, RecordedSession } from "../dialogue/answers.ts";
import { readSettings } from "./settings.ts";
import { md5Of, openSource } from "../disk/sources.ts";
import { type Content, spool, TempFolder } from "../disk/temp.ts";
import { TargetFolder } from "../disk/folders.ts";
import type { CopyJob } from "../iso/restore.ts";
import { Store } from "./store.ts";
import type { BackendEntry, Tree } from "./tree.ts";
import type {
  BlankOptions,
  CommitOptions,
  FormatOptions,
  ReadableOptions,
  RestoreOptions,
  XorrisoOptions,
} from "../options.ts";
import { driver, type Xorriso } from "../session/xorriso.ts";

/** How to open a backend. */
export interface BackendOptions extends XorrisoOptions {
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

/** How to store one file. */
export interface PutOptions {
  /** Replace a file of the same name; else ENTRY_EXISTS. @default {true} */
  readonly overwrite?: boolean;
  /** Read the stored file back and compare it. @default {false} */
  readonly verify?: boolean;
  /** Takes the call back, as long as xorriso has not been told of it. */
  readonly signal?: AbortSignal;
}

/** How to delete one name. */
export interface DeleteOptions {
  /** Takes the call back, as long as xorriso has not been told of it. */
  readonly signal?: AbortSignal;
}

/** How to list files. */
export interface ListOptions {
  /** Only names that match; `*` matches within a part, `**` across parts. */
  readonly glob?: string;
  /** Tell the recorded MD5 of each, too. @default {false} */
  readonly md5?: boolean;
}

/** How to look for names. */
export interface QueryOptions {
  /** Tell the recorded MD5, too. @default {false} */
  readonly md5?: boolean;
}

/** How to restore many files. */
export interface GetListOptions extends RestoreOptions {
  /** Directory that the names on disk leave out. @default {""} */
  readonly base?: string;
}

/** A file on the medium, as `list` and `query` tell it. */
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

/**
 * Stores files under names on one medium, and gets them back.
 *
 * All changes that come close together share one session on the medium; a
 * resolved `put()` or `delete()` is on it. Calls may overlap at will; those
 * about one name take effect in call order.
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
 *   await Promise.all([
 *     backend.put(new TextEncoder().encode("hello"), "a.txt"),
 *     backend.put(new TextEncoder().encode("world"), "b.txt"),
 *   ]);
 *   for (const { name, size } of await backend.list()) console.log(name, size);
 *   await backend.get("a.txt", `${folder}/a.txt`);
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class XorrisoBackend implements AsyncDisposable {
  readonly #store: Store;
  readonly #batches: Batches;
  readonly #tempDir: string | undefined;
  #temp: Promise<TempFolder> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Whether the medium was opened for writing: not with `readOnly` or an older
   * session, nor an image file without write permission.
   */
  readonly writable: boolean;

  private constructor(
    store: Store,
    batches: Batches,
    writable: boolean,
    tempDir?: string,
  ) {
    this.writable = writable;
    this.#store = store;
    this.#batches = batches;
    this.#tempDir = tempDir;
  }

  /**
   * Opens the medium that a URL names.
   *
   * The variables XORRISO_PATH, XORRISO_WRITE_SPEED, XORRISO_ASSERT_VOLID and
   * XORRISO_ARGS are taken where env permission is granted; options win.
   *
   * @param url `xorriso://DEVICE[:/DIRECTORY]`, percent-encoded where needed:
   * `xorriso:///dev/sr0`, `xorriso:///backups/photos.iso:/2026`.
   * @param options How to open it.
   * @returns The backend; end it by `close()`.
   * @throws {XorrisoError} As `Xorriso.open`.
   * @throws {TypeError} When the URL or an option cannot be.
   * @throws {Deno.errors.NotCapable} When a permission is missing.
   * @throws {Deno.errors.NotFound} When xorriso is not installed.
   *
   * @example A drive, for reading
   * ```ts ignore
   * await using backend = await XorrisoBackend.open("xorriso:///dev/sr0", {
   *   readOnly: true,
   * });
   * ```
   */
  static async open(
    url: string,
    options: BackendOptions = {},
  ): Promise<XorrisoBackend> {
    const { autoCommit = true, commitDelay, commitMax, ...rest } = options;
    checkDelay("commitDelay", commitDelay);
    checkDelay("commitMax", commitMax);
    const location = parseLocation(url);
    const device = await findDevice(location.device);
    const settings = { ...rest, ...readSettings(rest) };
    const { signal: _, ...lasting } = settings;
    const store = new Store(device, location.directory, lasting);
    const { isImage, writable } = await store.open(options.signal);
    const batches = new Batches(store, {
      autoCommit,
      commitDelay: commitDelay ?? (isImage ? 2 : 1000),
      commitMax: commitMax ?? (isImage ? 1000 : 30_000),
    });
    return new XorrisoBackend(store, batches, writable, options.tempDir);
  }

  /**
   * Stores a file under a name.
   *
   * Resolves when it is on the medium and checked (with `autoCommit: false`
   * when `commit()` will store it). A file on disk must not change meanwhile.
   * Bytes and streams are kept in a file in `tempDir` until then.
   *
   * @param source Path or `file:` URL of a regular file, bytes, or a stream.
   * @param name Relative name: parts of at most 100 bytes, not `.` or `..`,
   * separated by `/`; else any characters but NUL.
   * @throws {XorrisoError} SOURCE_UNREADABLE, SOURCE_CHANGED when the file
   * moved meanwhile, ENTRY_EXISTS when a directory would be replaced or a file
   * turned into one, MEDIUM_FULL with `needed` and `free`, or as
   * `Xorriso.commit`.
   * @throws {TypeError} When the name cannot be stored.
   * @throws {Deno.errors.NotCapable} When a permission is missing.
   *
   * @example Many files, one session
   * ```ts ignore
   * await Promise.all(files.map((file) => backend.put(file, file.slice(1))));
   * ```
   */
  async put(
    source: string | URL | Content,
    name: string,
    options: PutOptions = {},
  ): Promise<void> {
    this.#requireOpen(`store ${show(name)}`);
    checkName(this.#store.directory, name, true);
    const { overwrite = true, verify = false, signal } = options;
    const onDisk = typeof source === "string" || source instanceof URL;
    await this.#batches.add({
      ...{ kind: "put", name, overwrite, signal },
      slow: !onDisk || verify,
      prepare: (signal) =>
        onDisk
          ? prepareFile(source, verify)
          : this.#prepareContent(source, verify, signal),
    });
  }

  /**
   * Restores a file.
   *
   * @param name Relative name.
   * @param target Path on disk, under which the file appears when it is
   * complete and right, or a stream, which is closed at the end.
   * @throws {XorrisoError} ENTRY_NOT_FOUND, READ_ERROR, IMAGE_DAMAGED,
   * CHECKSUM_MISMATCH when it differs from its recorded checksum, or
   * TARGET_UNWRITABLE.
   *
   * @example Restore to disk
   * ```ts ignore
   * await backend.get("a.tar", "/restore/a.tar");
   * ```
   */
  async get(
    name: string,
    target: string | WritableStream<Uint8Array>,
    options: RestoreOptions = {},
  ): Promise<void> {
    const { signal, verify = true } = options;
    const entry = await this.#entry(name, verify);
    const session = await this.#store.session();
    if (typeof target === "string") {
      return await session.restore(entry, target, options);
    }
    const content = await session.readable(entry, {
      verify,
      ...(signal && { signal }),
    });
    await content.pipeTo(target, signal ? { signal } : {});
  }

  /**
   * Restores many files below a folder, in the order in which they lie on the
   * medium.
   *
   * @param names Relative names; folders above them are made below `folder`.
   * @param folder A folder on disk; it is made if it is not there.
   * @returns One result for each name, in the order of the names.
   * @throws {XorrisoError} When the session is lost.
   *
   * @example Restore everything
   * ```ts ignore
   * const names = (await backend.list()).map(({ name }) => name);
   * for (const { name, error } of await backend.getList(names, "/restore")) {
   *   if (error !== undefined) console.error(name, error);
   * }
   * ```
   */
  async getList(
    names: readonly string[],
    folder: string,
    options: GetListOptions = {},
  ): Promise<NameResult[]> {
    const { base = "", verify = true, ...rest } = options;
    const prefix = base === "" ? "" : `${base}/`;
    const tree = await this.#tree(`restore to "${folder}"`, verify);
    const errors = new Map<string, unknown>();
    const entries = new Map<string, Entry>();
    for (const name of names) {
      try {
        entries.set(name, this.#find(tree, name));
      } catch (error) {
        errors.set(name, error);
      }
    }
    // xorriso looks for the checksums while the folders are made.
    const asking = verify ? this.#sums([...entries.values()]) : undefined;
    asking?.catch(() => {});
    const target = await TargetFolder.open(folder);
    const jobs = new Map<string, CopyJob>();
    for (const [name, entry] of entries) {
      try {
        const below = name.startsWith(prefix)
          ? name.slice(prefix.length)
          : name;
        jobs.set(name, { entry, target: await target.prepare(below) });
      } catch (error) {
        errors.set(name, error);
      }
    }
    const sums = await asking;
    const list = Array.from(jobs, ([name, job]) => {
      return { ...job, name, md5: sums?.get(job.entry.path) };
    });
    const session = await this.#store.session();
    const failures = await driver(session).restoreAll(list, rest);
    for (const job of list) {
      if (failures.has(job)) errors.set(job.name, failures.get(job));
    }
    return names.map((name) => ({ name, error: errors.get(name) }));
  }

  /**
   * Reads a file, or a part of it.
   *
   * @param name Relative name.
   * @returns Chunks of at most 1 MiB.
   * @throws {XorrisoError} As `Xorriso.readable`.
   *
   * @example One kilobyte out of the middle
   * ```ts ignore
   * const part = await backend.readable("a.tar", { offset: 1e6, length: 1024 });
   * const bytes = new Uint8Array(await new Response(part).arrayBuffer());
   * ```
   */
  async readable(
    name: string,
    options: ReadableOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const entry = await this.#entry(name, options.verify ?? true);
    return (await this.#store.session()).readable(entry, options);
  }

  /**
   * Lists all files below the backend's directory, as of the last commit.
   *
   * @returns Names relative to the directory, in the order of the medium's
   * tree, but what was stored since it was read comes last; empty if there is
   * no such directory.
   * @throws {XorrisoError} When the medium cannot be read.
   *
   * @example All archives
   * ```ts ignore
   * for (const { name } of await backend.list({ glob: "**\/*.tar" })) {
   *   console.log(name);
   * }
   * ```
   */
  async list(options: ListOptions = {}): Promise<ListedEntry[]> {
    const { glob, md5 = false } = options;
    const tree = await this.#tree("list", md5);
    const all = [...tree.files()];
    const pattern: RegExp | undefined = glob === undefined
      ? undefined
      : globToRegExp(glob);
    const entries = pattern === undefined
      ? all
      : all.filter(({ name }) => pattern.test(name));
    if (!md5 || entries.length === 0) return entries;
    const { directory } = this.#store;
    const sums = new Map<string | undefined, string>();
    await driver(await this.#store.session()).eachMd5(
      directory,
      (path, md5) => sums.set(relative(directory, path), md5),
    );
    return entries.map((entry) => withMd5(entry, sums.get(entry.name)));
  }

  /**
   * Looks for a name, as of the last commit.
   *
   * @param name Relative name, taken literally.
   * @returns Its entry; undefined if there is no such file.
   * @throws {XorrisoError} When it cannot be told.
   *
   * @example Is it there?
   * ```ts ignore
   * if (await backend.query("a.tar") === undefined) console.log("not yet");
   * ```
   */
  async query(
    name: string,
    options: QueryOptions = {},
  ): Promise<ListedEntry | undefined> {
    const { md5 = false } = options;
    // Asked by the thousand, a name that is there costs one look into a map.
    const known = this.#closing === undefined && !md5
      ? this.#store.knownTree?.get(name)
      : undefined;
    if (known !== undefined) return known;
    const tree = await this.#tree(`look for ${show(name)}`, md5);
    const path = checkName(this.#store.directory, name, false);
    const entry = tree.get(name);
    if (entry === undefined || !md5) return entry;
    return withMd5(entry, await (await this.#store.session()).md5(path));
  }

  /**
   * Looks for many names.
   *
   * @param names Relative names.
   * @returns One entry or undefined for each name, in their order.
   * @throws {XorrisoError} When it cannot be told.
   *
   * @example Which ones are missing
   * ```ts ignore
   * const entries = await backend.queryList(names);
   * const missing = names.filter((_, index) => entries[index] === undefined);
   * ```
   */
  async queryList(
    names: readonly string[],
    options: QueryOptions = {},
  ): Promise<(ListedEntry | undefined)[]> {
    return await Promise.all(names.map((name) => this.query(name, options)));
  }

  /**
   * Removes a file from the newest session; on no medium does it free space.
   *
   * @param name Relative name of a file, taken literally.
   * @throws {XorrisoError} ENTRY_NOT_FOUND when there is no such file, or as
   * `Xorriso.commit`.
   *
   * @example Remove what is too old
   * ```ts ignore
   * await backend.delete("monday.tar");
   * ```
   */
  async delete(name: string, options: DeleteOptions = {}): Promise<void> {
    this.#requireOpen(`delete ${show(name)}`);
    checkName(this.#store.directory, name, false);
    const { signal } = options;
    await this.#batches.add({ kind: "delete", name, signal });
  }

  /**
   * Removes many files in one session.
   *
   * @param names Relative names.
   * @returns One result for each name, in their order.
   *
   * @example Which ones could not be removed
   * ```ts ignore
   * const results = await backend.deleteList(names);
   * const failed = results.filter(({ error }) => error !== undefined);
   * ```
   */
  async deleteList(names: readonly string[]): Promise<NameResult[]> {
    return await Promise.all(names.map(async (name) => {
      try {
        await this.delete(name);
        return { name, error: undefined };
      } catch (error) {
        return { name, error };
      }
    }));
  }

  /**
   * Reads files and compares them with their recorded checksums.
   *
   * They are read in the order in which they lie on the medium.
   *
   * @param names Relative names; all files if not given.
   * @param options `onProgress` takes the bytes read; `signal` gives up.
   * @returns One result for each name; a file without a recorded checksum has
   * an error with CHECKSUM_MISMATCH.
   *
   * @example Everything
   * ```ts ignore
   * for (const { name, error } of await backend.verify()) {
   *   if (error !== undefined) console.error(name, error);
   * }
   * ```
   */
  async verify(
    names?: readonly string[],
    options: Omit<RestoreOptions, "verify"> = {},
  ): Promise<NameResult[]> {
    const tree = await this.#tree("verify", true);
    const wanted = names ?? Array.from(tree.files(), ({ name }) => name);
    const results = new Map<string, unknown>();
    const entries: (Entry & { readonly name: string })[] = [];
    for (const name of wanted) {
      try {
        entries.push({ ...this.#find(tree, name), name });
      } catch (error) {
        results.set(name, error);
      }
    }
    const session = await this.#store.session();
    const sums = await this.#sums(entries);
    const jobs = entries.flatMap((entry) => {
      const md5 = sums.get(entry.path);
      if (md5 !== undefined) return [{ entry, md5 }];
      results.set(entry.name, withoutChecksum(entry.path));
      return [];
    });
    const failures = await driver(session).checkAll(jobs, options);
    for (const [{ entry }, error] of failures) results.set(entry.name, error);
    // What was stored anew meanwhile is read from a drive by its name.
    const newer = await this.#tree("verify", true);
    const replaced = Array.from(failures.keys(), ({ entry }) => entry)
      .filter(({ name, extents }) =>
        newer.get(name)?.extents[0]?.lba !== extents[0]?.lba
      );
    if (replaced.length > 0) {
      const again = await this.verify(
        replaced.map(({ name }) => name),
        options,
      );
      for (const { name, error } of again) results.set(name, error);
    }
    return wanted.map((name) => ({ name, error: results.get(name) }));
  }

  /**
   * Writes all changes that were asked for before, as one session.
   *
   * @param options `onProgress` takes reports of this commit; `signal` stops
   * it in an orderly way, and every change in it is rejected.
   * @throws {XorrisoError} The first change that failed; sound ones are stored
   * all the same, unless the commit itself failed.
   *
   * @example One session for all
   * ```ts ignore
   * const backend = await XorrisoBackend.open(url, { autoCommit: false });
   * for (const file of files) await backend.put(file, file);
   * await backend.commit();
   * ```
   */
  async commit(options: Omit<CommitOptions, "force"> = {}): Promise<void> {
    this.#requireOpen("commit");
    await this.#batches.commit(options);
  }

  /**
   * Discards all changes that are not being written yet; their calls reject
   * with ABORTED.
   *
   * @example Think again
   * ```ts ignore
   * await backend.rollback();
   * ```
   */
  async rollback(): Promise<void> {
    this.#requireOpen("roll back");
    await this.#batches.rollback();
  }

  /**
   * Tells what medium it is, and how much is free.
   *
   * @returns Type, status, volume id, and sizes in bytes.
   * @throws {XorrisoError} When the drive does not answer.
   *
   * @example Free gigabytes
   * ```ts ignore
   * console.log((await backend.medium()).free / 1e9);
   * ```
   */
  async medium(): Promise<Medium> {
    this.#requireOpen("look at the medium");
    return await (await this.#store.session()).medium();
  }

  /**
   * Tells how many bytes of content still fit on the medium in one session of
   * few files.
   *
   * @returns Bytes; 0 on a medium that cannot be written.
   * @throws {XorrisoError} When the drive does not answer.
   *
   * @example Does it fit?
   * ```ts ignore
   * const { size } = await Deno.stat("a.tar");
   * if (size > await backend.room()) console.log("Insert another medium");
   * ```
   */
  async room(): Promise<number> {
    this.#requireOpen("look at the medium");
    return await (await this.#store.session()).room();
  }

  /**
   * Lists the sessions on the medium.
   *
   * @returns Oldest first; empty on a blank medium.
   * @throws {XorrisoError} When the drive does not answer.
   *
   * @example How many
   * ```ts ignore
   * console.log((await backend.sessions()).length);
   * ```
   */
  async sessions(): Promise<RecordedSession[]> {
    this.#requireOpen("look at the sessions");
    return await (await this.#store.session()).sessions();
  }

  /**
   * Erases a medium that can be written again, or makes an image file empty.
   * What is pending is committed before.
   *
   * @throws {XorrisoError} As `Xorriso.blank`.
   *
   * @example Use a CD-RW again
   * ```ts ignore
   * await backend.blank({ force: true });
   * ```
   */
  async blank(options: BlankOptions = {}): Promise<void> {
    await this.#maintain("blank", (session) => session.blank(options));
  }

  /**
   * Formats a medium of a kind that knows formatting; its data is lost. What is
   * pending is committed before.
   *
   * @throws {XorrisoError} As `Xorriso.format`.
   *
   * @example Prepare a new BD-RE
   * ```ts ignore
   * await backend.format();
   * ```
   */
  async format(options: FormatOptions = {}): Promise<void> {
    await this.#maintain("format", (session) => session.format(options));
  }

  /**
   * Closes the medium for good: nothing can be appended any more. What is
   * pending is committed before.
   *
   * @throws {XorrisoError} As `Xorriso.finish`.
   *
   * @example The last session of a DVD-R
   * ```ts ignore
   * await backend.finish();
   * ```
   */
  async finish(options: Omit<CommitOptions, "force"> = {}): Promise<void> {
    await this.#maintain(
      "close the medium",
      (session) => session.finish(options),
    );
  }

  /**
   * Opens the tray; until `load()` there is no medium. What is pending is
   * committed before.
   *
   * @throws {XorrisoError} NO_DRIVE when it is an image file.
   *
   * @example Give the medium out
   * ```ts ignore
   * await backend.eject();
   * ```
   */
  async eject(): Promise<void> {
    await this.#maintain("eject", (session) => session.eject());
  }

  /**
   * Closes the tray and opens the medium that is in it.
   *
   * @throws {XorrisoError} As `Xorriso.load`.
   *
   * @example The next medium
   * ```ts ignore
   * await backend.load();
   * ```
   */
  async load(): Promise<Medium> {
    return await this.#maintain("load a medium", (session) => session.load());
  }

  /**
   * Commits what is pending, then ends the session. Later calls reject with
   * CLOSED; a second `close()` waits for the first.
   *
   * @throws {XorrisoError} When the commit fails; all is ended nevertheless.
   *
   * @example The orderly end
   * ```ts ignore
   * await backend.close();
   * ```
   */
  close(): Promise<void> {
    this.#closing ??= this.#close(() => this.#batches.commit());
    return this.#closing;
  }

  /** Ends the session; what has not been committed is discarded. */
  async [Symbol.asyncDispose](): Promise<void> {
    // What made close() fail has been told.
    if (this.#closing !== undefined) return await this.#closing.catch(() => {});
    this.#closing = this.#close(() => this.#batches.rollback());
    await this.#closing;
  }

  async #close(finish: () => Promise<void>): Promise<void> {
    try {
      await finish();
    } finally {
      await this.#store.close();
      const temp = await this.#temp?.catch(() => undefined);
      await temp?.[Symbol.asyncDispose]();
    }
  }

  /** Does something to the medium itself, when nothing is pending. */
  async #maintain<T>(
    doing: string,
    work: (session: Xorriso) => Promise<T>,
  ): Promise<T> {
    this.#requireOpen(doing);
    return await this.#batches.between(async () => {
      try {
        return await work(await this.#store.session());
      } finally {
        this.#store.forget();
      }
    });
  }

  #requireOpen(doing: string): void {
    if (this.#closing === undefined) return;
    throw new XorrisoError(
      "CLOSED",
      `Cannot ${doing}: the backend is closed; open it again`,
    );
  }

  /**
   * The tree of the last commit.
   *
   * @param still Whether xorriso is to be asked about names in it: not while
   * it knows newer ones that are being written.
   */
  async #tree(doing: string, still = false): Promise<Tree> {
    this.#requireOpen(doing);
    if (still) await this.#batches.idle();
    return await this.#store.tree();
  }

  /** The entry of a name, with its path. */
  async #entry(name: string, still = false): Promise<Entry> {
    return this.#find(await this.#tree(`read ${show(name)}`, still), name);
  }

  #find(tree: Tree, name: string): Entry {
    const { directory } = this.#store;
    const entry = tree.get(name);
    if (entry !== undefined) return { path: join(directory, name), ...entry };
    const path = checkName(directory, name, false);
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot find the file ${show(path)} on the medium`,
      { path },
    );
  }

  /** Recorded checksums: each by itself, or all at once where that is less. */
  async #sums(entries: readonly Entry[]): Promise<Map<string, string>> {
    const session = await this.#store.session();
    if (entries.length * 10 >= (await this.#store.tree()).size) {
      return entries.length === 0
        ? new Map()
        : await session.md5s(this.#store.directory);
    }
    const sums = new Map<string, string>();
    await Promise.all(entries.map(async ({ path }) => {
      const md5 = await session.md5(path);
      if (md5 !== undefined) sums.set(path, md5);
    }));
    return sums;
  }

  async #prepareContent(
    content: Content,
    verify: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Prepared> {
    this.#temp ??= TempFolder.make(this.#tempDir);
    const path = (await this.#temp).next();
    const { md5, ...source } = await spool(content, path, signal);
    return {
      source,
      dispose: () => Deno.remove(path),
      ...(verify && { md5 }),
    };
  }
}

async function prepareFile(
  file: string | URL,
  verify: boolean,
): Promise<Prepared> {
  const source = await openSource(file);
  return { source, ...(verify && { md5: await md5Of(source) }) };
}

/** The device that a location means, of those that it can mean. */
async function findDevice(device: string): Promise<string> {
  const candidates = deviceCandidates(device);
  const last = candidates.at(-1) ?? device;
  for (const candidate of candidates.slice(0, -1)) {
    if (!await isGranted("read", candidate)) continue;
    const found = await Deno.stat(candidate).catch(() => undefined);
    if (found !== undefined) return candidate;
  }
  return last;
}

function withoutChecksum(path: string): XorrisoError {
  return new XorrisoError(
    "CHECKSUM_MISMATCH",
    `Cannot verify ${show(path)}: no checksum was recorded for it`,
    { path },
  );
}

function withMd5(entry: BackendEntry, md5: string | undefined): ListedEntry {
  return md5 === undefined ? entry : { ...entry, md5 };
}

function checkDelay(name: string, value: number | undefined): void {
  if (value === undefined || value >= 0) return;
  throw new RangeError(
    `Cannot use the ${name} ${value}: it must be >= 0 milliseconds`,
  );
}
