/** What is read from a medium: listings, contents, and whether they are sound. */

import { globToRegExp } from "@std/path/posix/glob-to-regexp";
import { onAbort, unlessAborted } from "../async.ts";
import { TargetFolder } from "../disk/folders.ts";
import { absolutePath } from "../disk/permissions.ts";
import { type Placing, resolveTarget } from "../disk/targets.ts";
import { content, type Entry } from "../iso/mod.ts";
import { checkMany, copyMany, type FileCopy } from "../iso/restore.ts";
import { checkName, relative, show } from "../names.ts";
import type { ReadableOptions, RestoreOptions } from "../options.ts";
import { type BackendEntry, type Index, listed } from "./index.ts";
import type {
  GetListOptions,
  GetOptions,
  ListedEntry,
  ListOptions,
  NameResult,
  QueryOptions,
  VerifyResult,
} from "./options.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Store } from "./store.ts";

/**
 * Reads what the last commit has written. Nothing waits for what is being
 * written meanwhile, and no call sees a part of it.
 */
export class Reading {
  readonly #store: Store;
  readonly #ended = new AbortController();
  /** What streams still let go of. */
  readonly #endings: Promise<void>[] = [];

  /** For the medium that a store has open. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** Ends all readings under way, and fails all later ones. */
  async end(reason: unknown): Promise<void> {
    this.#ended.abort(reason);
    await Promise.allSettled(this.#endings);
  }

  /** As `XorrisoBackend.get`. */
  async get(
    name: string,
    target: string | WritableStream<Uint8Array>,
    options: GetOptions,
  ): Promise<void> {
    const { verify = true } = options;
    const signal = this.#untilEnd(options.signal);
    const sink = target instanceof WritableStream
      ? target
      : absolutePath(target);
    const snapshot = await this.#store.snapshot();
    const entry = snapshot.file(name);
    const md5 = verify ? await recordedMd5(snapshot, entry) : undefined;
    await using blocks = snapshot.open();
    if (typeof sink === "string") {
      signal.throwIfAborted();
      const copy: FileCopy = {
        ...{ ...placingOf(entry, options), entry, md5 },
        target: await resolveTarget(sink, blocks.file),
      };
      const failures = await copyMany(blocks, [copy], { ...options, signal });
      if (failures.has(copy)) throw failures.get(copy);
      return;
    }
    const stream = content(blocks, entry, { md5, signal });
    // A sink that is stuck does not hear that it is given up.
    await unlessAborted(stream.pipeTo(sink, { signal }), signal);
  }

  /** As `XorrisoBackend.getList`. */
  async getList(
    names: readonly string[],
    folder: string,
    options: GetListOptions,
  ): Promise<NameResult[]> {
    const { base = "", verify = true } = options;
    const path = absolutePath(folder);
    const signal = this.#untilEnd(options.signal);
    const snapshot = await this.#store.snapshot();
    const errors = new Map<string, unknown>();
    const entries = new Map<string, Entry>();
    for (const name of names) {
      try {
        below(name, base);
        entries.set(name, snapshot.file(name));
      } catch (error) {
        errors.set(name, error);
      }
    }
    const sums = await snapshot.checksums(verify ? [...entries.values()] : []);
    const target = await TargetFolder.open(path);
    const copies = new Map<string, FileCopy>();
    for (const [name, entry] of entries) {
      try {
        copies.set(name, {
          ...{ ...placingOf(entry, options), entry, md5: sums(entry) },
          ...await target.prepare(below(name, base)),
        });
      } catch (error) {
        errors.set(name, error);
      }
    }
    if (copies.size > 0) {
      await using blocks = snapshot.open();
      const list = [...copies.values()];
      const failures = await copyMany(blocks, list, { ...options, signal });
      for (const [name, copy] of copies) {
        if (failures.has(copy)) errors.set(name, failures.get(copy));
      }
    }
    return names.map((name) => ({ name, error: errors.get(name) }));
  }

  /** As `XorrisoBackend.readable`. */
  async readable(
    name: string,
    { verify = true, ...options }: ReadableOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const snapshot = await this.#store.snapshot();
    const entry = snapshot.file(name);
    return this.#atFirstRead(async () => {
      const md5 = verify ? await recordedMd5(snapshot, entry) : undefined;
      const blocks = snapshot.open();
      const stream = content(blocks, entry, { ...options, md5 });
      return { stream, blocks };
    });
  }

  /** As `XorrisoBackend.list`. */
  async list(options: ListOptions): Promise<ListedEntry[]> {
    const { glob, prefix = "", all = false, md5 = false } = options;
    const snapshot = await this.#store.snapshot();
    const pattern: RegExp | undefined = glob === undefined
      ? undefined
      : globToRegExp(glob);
    const found: [string, Entry][] = [];
    for (const each of snapshot.index.below("")) {
      const [name, { type }] = each;
      if (!all && type !== "file" || !name.startsWith(prefix)) continue;
      if (pattern === undefined || pattern.test(name)) found.push(each);
    }
    const sums = await snapshot.checksums(
      md5 ? found.map(([, entry]) => entry) : [],
    );
    return found.map(([name, entry]) =>
      withMd5(listed(name, entry), sums(entry))
    );
  }

  /** As `XorrisoBackend.query`. */
  async query(
    name: string,
    { md5 = false }: QueryOptions,
  ): Promise<ListedEntry | undefined> {
    const snapshot = await this.#store.snapshot();
    const { index } = snapshot;
    const path = withoutSlash(name);
    if (name !== "") checkName(index.directory, path, false);
    const found = listedEntry(index, name);
    const entry = index.entry(path);
    if (found === undefined || entry === undefined || !md5) return found;
    return withMd5(found, await recordedMd5(snapshot, entry));
  }

  /** The same at once, where the names have been read. */
  known(name: string): ListedEntry | undefined {
    const { index } = this.#store.known ?? {};
    return index && listedEntry(index, name);
  }

  /** As `XorrisoBackend.verify`. */
  async verify(
    names: readonly string[] | undefined,
    options: Omit<RestoreOptions, "verify">,
  ): Promise<VerifyResult[]> {
    const signal = this.#untilEnd(options.signal);
    const snapshot = await this.#store.snapshot();
    const wanted = names ?? filesIn(snapshot.index);
    const results = new Map<string, Omit<VerifyResult, "name">>();
    const entries = new Map<string, Entry>();
    for (const name of wanted) {
      try {
        entries.set(name, snapshot.file(name));
      } catch (error) {
        results.set(name, { state: "failed", error });
      }
    }
    const sums = await snapshot.checksums([...entries.values()]);
    const checks: { name: string; entry: Entry; md5: string }[] = [];
    for (const [name, entry] of entries) {
      const md5 = sums(entry);
      if (md5 !== undefined) checks.push({ name, entry, md5 });
      else results.set(name, { state: "unverifiable", error: undefined });
    }
    if (checks.length > 0) {
      await using blocks = snapshot.open();
      const failures = await checkMany(blocks, checks, { ...options, signal });
      for (const [{ name }, error] of failures) {
        results.set(name, { state: "failed", error });
      }
    }
    const sound = { state: "verified", error: undefined } as const;
    return wanted.map((name) => ({ name, ...results.get(name) ?? sound }));
  }

  /** The signal of a call, which the end of the backend is, too. */
  #untilEnd(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined
      ? this.#ended.signal
      : AbortSignal.any([signal, this.#ended.signal]);
  }

  /**
   * A stream that opens nothing before it is read, so that one that is dropped
   * keeps nothing open; the end of the backend fails it.
   */
  #atFirstRead(
    open: () => Promise<{
      readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
      readonly blocks: AsyncDisposable;
    }>,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
    let forget = () => {};
    let held: AsyncDisposableStack | undefined;
    const end = async () => {
      forget();
      await held?.disposeAsync();
    };
    const begin = async (controller: ReadableByteStreamController) => {
      held = new AsyncDisposableStack();
      held.use(this.#store.use());
      const { stream, blocks } = await open();
      held.use(blocks);
      reader = stream.getReader();
      held.defer(() => reader.cancel().catch(() => {}));
      forget = onAbort(this.#ended.signal, (reason) => {
        controller.error(reason);
        this.#endings.push(end());
      });
    };
    const source: UnderlyingByteSource = {
      type: "bytes",
      pull: async (controller) => {
        this.#ended.signal.throwIfAborted();
        try {
          if (held === undefined) await begin(controller);
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          await end();
          controller.close();
          // A reader that brought a buffer gets it back, even empty.
          controller.byobRequest?.respond(0);
        } catch (error) {
          await end();
          throw error;
        }
      },
      cancel: end,
    };
    return new ReadableStream(source, { highWaterMark: 0 });
  }
}

/** Bits of a mode by which a program runs as another user or group. */
export const SET_ID = 0o6000;

/** How an entry appears on disk. */
function placingOf(
  entry: Entry,
  { overwrite = "always", ...options }: GetOptions,
): Placing {
  const { mode = true, setId = false, mtime = true, owner = false } = options;
  const kept = setId ? 0o7777 : 0o7777 & ~SET_ID;
  return {
    replace: overwrite === "always",
    attributes: {
      ...(mode && { mode: entry.mode & kept }),
      ...(mtime && { mtime: entry.mtime }),
      ...(owner && { uid: entry.uid, gid: entry.gid }),
    },
  };
}

/** The recorded checksum of a file. */
async function recordedMd5(
  snapshot: Snapshot,
  entry: Entry,
): Promise<string | undefined> {
  return (await snapshot.checksums([entry]))(entry);
}

/** What is there: a folder only where the name ends in a slash. */
function listedEntry(index: Index, name: string): BackendEntry | undefined {
  if (name === "") return index.get("");
  const path = withoutSlash(name);
  const entry = path === "" ? undefined : index.get(path);
  const isFolder = entry?.type === "directory";
  return isFolder === name.endsWith("/") ? entry : undefined;
}

function withoutSlash(name: string): string {
  return name.endsWith("/") ? name.slice(0, -1) : name;
}

function filesIn(index: Index): string[] {
  const names: string[] = [];
  for (const [name, { type }] of index.below("")) {
    if (type === "file") names.push(name);
  }
  return names;
}

/** The name below a base, which it must be below. */
function below(name: string, base: string): string {
  const folder = withoutSlash(base);
  const inside = relative(folder === "" ? "/" : `/${folder}`, `/${name}`);
  if (inside !== undefined) return inside;
  throw new TypeError(
    `Cannot restore ${show(name)}: it is not below the base ${show(base)}`,
  );
}

function withMd5(entry: BackendEntry, md5: string | undefined): ListedEntry {
  return md5 === undefined ? entry : { ...entry, md5 };
}
