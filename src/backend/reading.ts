/** What is read from a medium: listings, contents, and whether they are sound. */

import { globToRegExp } from "@std/path/posix/glob-to-regexp";
import { onAbort, unlessAborted } from "../async.ts";
import type { Entry } from "../dialogue/answers.ts";
import { TargetFolder } from "../disk/folders.ts";
import { resolveTarget } from "../disk/targets.ts";
import { checkMd5 } from "../iso/content.ts";
import { fromExtents } from "../iso/entry.ts";
import type { CopyJob } from "../iso/restore.ts";
import { XorrisoError } from "../errors.ts";
import { checkName, join, relative, show } from "../names.ts";
import type { ReadableOptions, RestoreOptions } from "../options.ts";
import { checkMany, readFile, restoreMany } from "../session/content.ts";
import { eachMd5, readMd5, readMd5s } from "../session/entries.ts";
import type { BackendEntry, Index } from "./index.ts";
import type {
  GetListOptions,
  GetOptions,
  ListedEntry,
  ListOptions,
  NameResult,
  QueryOptions,
  VerifyResult,
} from "./options.ts";
import { placingOf } from "./placing.ts";
import type { Store } from "./store.ts";

/** Reads from the medium that a store has open. */
export class Reading {
  readonly #store: Store;
  /** Resolves when nothing is being written. */
  readonly #idle: () => Promise<void>;
  readonly #ended = new AbortController();

  /**
   * @param idle Resolves when nothing is being written: xorriso is not asked
   * about newer names before.
   */
  constructor(store: Store, idle: () => Promise<void>) {
    this.#store = store;
    this.#idle = idle;
  }

  /** Ends all readings under way, and fails all later ones. */
  end(reason: unknown): void {
    this.#ended.abort(reason);
  }

  /** As `XorrisoBackend.get`. */
  async get(
    name: string,
    target: string | WritableStream<Uint8Array>,
    options: GetOptions,
  ): Promise<void> {
    const { verify = true } = options;
    const signal = this.#either(options.signal);
    const entry = this.#find(await this.#index(verify), name);
    const session = await this.#store.session();
    if (typeof target === "string") {
      signal.throwIfAborted();
      const job: CopyJob = {
        ...{ ...placingOf(entry, options), entry: fromExtents(entry) },
        target: await resolveTarget(target),
        md5: verify ? await readMd5(session, entry.path) : undefined,
      };
      const failures = await restoreMany(session, [job], {
        ...options,
        signal,
      });
      if (failures.has(job)) throw failures.get(job);
      return;
    }
    const content = await readFile(session, entry, { verify, signal });
    // A sink that is stuck does not hear that it is given up.
    await unlessAborted(content.pipeTo(target, { signal }), signal);
  }

  /** As `XorrisoBackend.getList`. */
  async getList(
    names: readonly string[],
    folder: string,
    options: GetListOptions,
  ): Promise<NameResult[]> {
    const { base = "", verify = true, ...rest } = options;
    const index = await this.#index(verify);
    const errors = new Map<string, unknown>();
    const entries = new Map<string, Entry & BackendEntry>();
    for (const name of names) {
      try {
        below(name, base);
        entries.set(name, this.#find(index, name));
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
        const path = await target.prepare(below(name, base));
        const placing = placingOf(entry, options);
        jobs.set(name, { entry: fromExtents(entry), target: path, ...placing });
      } catch (error) {
        errors.set(name, error);
      }
    }
    const sums = await asking;
    const list = Array.from(jobs, ([name, job]) => {
      return { ...job, name, md5: sums?.get(job.entry.path) };
    });
    const session = await this.#store.session();
    const failures = await restoreMany(session, list, {
      ...rest,
      signal: this.#either(options.signal),
    });
    for (const job of list) {
      if (failures.has(job)) errors.set(job.name, failures.get(job));
    }
    return names.map((name) => ({ name, error: errors.get(name) }));
  }

  /** As `XorrisoBackend.readable`. */
  async readable(
    name: string,
    options: ReadableOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { offset = 0, length = Infinity, verify = true } = options;
    const entry = this.#find(await this.#index(verify), name);
    const session = await this.#store.session();
    const isWhole = offset === 0 && length >= entry.size;
    const md5 = verify && isWhole
      ? await readMd5(session, entry.path)
      : undefined;
    return this.#atFirstRead(async () => {
      const raw = await readFile(session, entry, { ...options, verify: false });
      return md5 === undefined ? raw : checkMd5(raw, md5, entry.path);
    });
  }

  /** As `XorrisoBackend.list`. */
  async list(options: ListOptions): Promise<ListedEntry[]> {
    const { glob, prefix = "", all = false, md5 = false } = options;
    const index = await this.#index(md5);
    const pattern: RegExp | undefined = glob === undefined
      ? undefined
      : globToRegExp(glob);
    const entries: ListedEntry[] = [];
    for (const entry of index.all()) {
      if (!all && entry.type !== "file") continue;
      if (!entry.name.startsWith(prefix)) continue;
      if (pattern === undefined || pattern.test(entry.name)) {
        entries.push(entry);
      }
    }
    if (!md5 || entries.length === 0) return entries;
    const { directory } = this.#store;
    const sums = new Map<string | undefined, string>();
    await eachMd5(
      await this.#store.session(),
      directory,
      (path, md5) => sums.set(relative(directory, path), md5),
    );
    return entries.map((entry) => withMd5(entry, sums.get(entry.name)));
  }

  /** As `XorrisoBackend.query`. */
  async query(
    name: string,
    { md5 = false }: QueryOptions,
  ): Promise<ListedEntry | undefined> {
    const index = await this.#index(md5);
    const entry = entryOf(index, name);
    const path = checkName(
      this.#store.directory,
      name.endsWith("/") ? name.slice(0, -1) : name,
      false,
    );
    if (entry?.type !== "file" || !md5) return entry;
    return withMd5(entry, await readMd5(await this.#store.session(), path));
  }

  /** The same at once, where the names have been read. */
  known(name: string): ListedEntry | undefined {
    const index = this.#store.knownIndex;
    return index && entryOf(index, name);
  }

  /** As `XorrisoBackend.verify`. */
  async verify(
    names: readonly string[] | undefined,
    options: Omit<RestoreOptions, "verify">,
  ): Promise<VerifyResult[]> {
    const index = await this.#index(true);
    const wanted = names ?? namesOf(index);
    const errors = new Map<string, unknown>();
    const unverifiable = new Set<string>();
    const entries: (Entry & { readonly name: string })[] = [];
    for (const name of wanted) {
      try {
        entries.push({ ...this.#find(index, name), name });
      } catch (error) {
        errors.set(name, error);
      }
    }
    const session = await this.#store.session();
    const sums = await this.#sums(entries);
    const jobs = entries.flatMap((entry) => {
      const md5 = sums.get(entry.path);
      const { name, extents: [first] } = entry;
      if (md5 !== undefined) {
        return [{ name, first, entry: fromExtents(entry), md5 }];
      }
      unverifiable.add(entry.name);
      return [];
    });
    const signal = this.#either(options.signal);
    const reading = { ...options, signal };
    const failures = await checkMany(session, jobs, reading);
    for (const [{ name }, error] of failures) errors.set(name, error);
    // What was stored anew meanwhile is read from a drive by its name.
    const newer = await this.#index(true);
    const replaced = Array.from(failures.keys()).filter(({ name, first }) =>
      newer.get(name)?.extents[0]?.lba !== first?.lba
    );
    if (replaced.length > 0) {
      const again = await this.verify(
        replaced.map(({ name }) => name),
        options,
      );
      for (const { name, error } of again) {
        if (error === undefined) errors.delete(name);
        else errors.set(name, error);
      }
    }
    return wanted.map((name) => ({
      ...{ name, error: errors.get(name) },
      state: errors.has(name)
        ? "failed"
        : unverifiable.has(name)
        ? "unverifiable"
        : "verified",
    }));
  }

  /**
   * The names of the last commit.
   *
   * @param still Whether xorriso is to be asked about names in it: not while
   * it knows newer ones that are being written.
   */
  async #index(still: boolean): Promise<Index> {
    if (still) await this.#idle();
    return await this.#store.index();
  }

  /** The signal of a call, which the end of the backend is, too. */
  #either(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined
      ? this.#ended.signal
      : AbortSignal.any([signal, this.#ended.signal]);
  }

  #find(index: Index, name: string): Entry & BackendEntry {
    const { directory } = this.#store;
    const entry = index.get(name);
    if (entry?.type === "file") {
      return { ...entry, path: join(directory, name) };
    }
    const path = checkName(directory, name, false);
    const why = entry === undefined ? "" : ": it is no regular file";
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot find the file ${show(path)} on the medium${why}`,
      { path },
    );
  }

  /** Recorded checksums: each by itself, or all at once where that is less. */
  async #sums(entries: readonly Entry[]): Promise<Map<string, string>> {
    const session = await this.#store.session();
    if (entries.length * 10 >= (await this.#store.index()).size) {
      return entries.length === 0
        ? new Map()
        : await readMd5s(session, this.#store.directory);
    }
    const sums = new Map<string, string>();
    await Promise.all(entries.map(async ({ path }) => {
      const md5 = await readMd5(session, path);
      if (md5 !== undefined) sums.set(path, md5);
    }));
    return sums;
  }

  /**
   * A stream that opens nothing before it is read, so that one that is dropped
   * keeps nothing open; the end of the backend fails it.
   */
  #atFirstRead(
    open: () => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
    let opened = false;
    let forget = () => {};
    let use: Disposable | undefined;
    const end = () => {
      forget();
      use?.[Symbol.dispose]();
      use = undefined;
    };
    const source: UnderlyingByteSource = {
      type: "bytes",
      pull: async (controller) => {
        this.#ended.signal.throwIfAborted();
        try {
          if (!opened) {
            use = this.#store.use();
            reader = (await open()).getReader();
            opened = true;
            forget = onAbort(this.#ended.signal, (reason) => {
              end();
              controller.error(reason);
              reader.cancel(reason).catch(() => {});
            });
          }
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          end();
          controller.close();
          // A reader that brought a buffer gets it back, even empty.
          controller.byobRequest?.respond(0);
        } catch (error) {
          end();
          throw error;
        }
      },
      cancel: async (reason) => {
        end();
        if (opened) await reader.cancel(reason);
      },
    };
    return new ReadableStream(source, { highWaterMark: 0 });
  }
}

/** What is there: a folder only where the name ends in a slash. */
function entryOf(index: Index, name: string): BackendEntry | undefined {
  const isFolder = name.endsWith("/");
  const entry = index.get(isFolder ? name.slice(0, -1) : name);
  return (entry?.type === "directory") === isFolder ? entry : undefined;
}

function namesOf(index: Index): string[] {
  const names: string[] = [];
  for (const { name, type } of index.all()) {
    if (type === "file") names.push(name);
  }
  return names;
}

/** The name below a base, which it must be below. */
function below(name: string, base: string): string {
  const inside = relative(base === "" ? "/" : `/${base}`, `/${name}`);
  if (inside !== undefined) return inside;
  throw new TypeError(
    `Cannot restore ${show(name)}: it is not below the base ${show(base)}`,
  );
}

function withMd5(entry: BackendEntry, md5: string | undefined): ListedEntry {
  return md5 === undefined ? entry : { ...entry, md5 };
}
