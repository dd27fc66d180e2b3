/** Content that is in no file yet: kept in private temporary files, from which xorriso takes it. */

import { unlessAborted } from "../async.ts";
import { systemError, XorrisoError } from "../errors.ts";
import { readDir, readFull, tolerate, writeAll } from "./files.ts";
import { cleanAtExit } from "./leftovers.ts";
import { loadMd5 } from "./md5.ts";
import { requireRead, requireWrite } from "./permissions.ts";
import { type Source, stateOf } from "./sources.ts";

/** Where content comes from that is in no file yet. */
export type Content = Uint8Array | ReadableStream<Uint8Array> | Blob;

/** The file in each folder that its program holds a lock on as long as it lives. */
const OWNER = "owner";

/** What is in that file once it is locked. */
const NOTICE =
  "Temporary files of @xorriso/backend: who gets the lock of this file may remove them.\n";

/** The file that is there while a commit may read the others. */
const BUSY = "busy";

/** Milliseconds that a commit takes at most which goes on by itself when its program was killed. */
const LONGEST_COMMIT = 12 * 3600 * 1000;

/** Folders that have been looked through for what killed programs left. */
const swept = new Set<string>();

/** The folders that are there now. */
const folders = new Set<TempFolder>();

/** A private folder for temporary files; it goes with all that is in it. */
export class TempFolder implements AsyncDisposable {
  readonly #owner: Deno.FsFile | undefined;
  readonly #cleaning: Disposable;
  #files = 0;
  #commits = 0;

  private constructor(readonly path: string, owner: Deno.FsFile | undefined) {
    this.#owner = owner;
    this.#cleaning = cleanAtExit(() => {
      if (this.#commits > 0) return;
      Deno.removeSync(path, { recursive: true });
    });
    folders.add(this);
  }

  /**
   * Makes one, readable by this user alone; the first one in its place also
   * removes those that programs have left there which were killed.
   *
   * @param parent Where; by default what TMPDIR says, if it may be read, or
   * `/tmp`.
   */
  static async make(parent: string = defaultFolder()): Promise<TempFolder> {
    await requireRead(parent, "the folder for temporary files");
    await requireWrite(parent, "the folder for temporary files");
    const dir = await spoolFile(() => Deno.realPath(parent));
    await requireRead(dir, "the folder for temporary files");
    await requireWrite(dir, "the folder for temporary files");
    const path = await spoolFile(() =>
      Deno.makeTempDir({ dir, prefix: "xorriso-" })
    );
    const folder = new TempFolder(path, await spoolFile(() => claim(path)));
    if (!swept.has(dir)) {
      swept.add(dir);
      await sweep(dir, path);
    }
    return folder;
  }

  /** A path in it that was not given out before. */
  next(): string {
    return `${this.path}/${++this.#files}`;
  }

  /** Keeps the files where they are, whatever becomes of this program. */
  keep(): Disposable {
    const busy = `${this.path}/${BUSY}`;
    // Where the folder is gone, a commit tells it by its sources.
    if (this.#commits++ === 0) {
      tolerate(() => Deno.writeTextFileSync(busy, ""));
    }
    return {
      [Symbol.dispose]: () => {
        if (--this.#commits === 0) tolerate(() => Deno.removeSync(busy));
      },
    };
  }

  /** Removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    folders.delete(this);
    this.#cleaning[Symbol.dispose]();
    try {
      await Deno.remove(this.path, { recursive: true });
    } catch (error) {
      // Others clean up folders for temporary files, too.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    } finally {
      this.#owner?.close();
    }
  }
}

/**
 * Keeps all temporary files while xorriso may read them for a commit, which it goes on with if this
 * program ends: what is gone it would store as zeros.
 */
export function keepTempFiles(): Disposable {
  const stack = new DisposableStack();
  for (const folder of folders) stack.use(folder.keep());
  return stack;
}

/** Marks a folder as one whose program lives; undefined where there are no locks to do so. */
async function claim(folder: string): Promise<Deno.FsFile | undefined> {
  const path = `${folder}/${OWNER}`;
  const file = await Deno.open(path, { write: true, createNew: true });
  if (await file.tryLock(true).catch(() => false)) {
    await writeAll(file, new TextEncoder().encode(NOTICE));
    return file;
  }
  file.close();
  return undefined;
}

/**
 * Removes folders whose programs are gone: their locks went with them, in
 * whatever container they ran. Folders of other users are left alone, since
 * they could put a link in the place of one.
 *
 * @param own The folder of this program.
 */
async function sweep(parent: string, own: string): Promise<void> {
  const { uid } = await Deno.lstat(own);
  for (const { name, isDirectory } of await readDir(parent)) {
    const path = `${parent}/${name}`;
    if (!isDirectory || !name.startsWith("xorriso-") || path === own) continue;
    // What cannot be looked at, or goes meanwhile, is somebody else's.
    await removeForsaken(path, uid).catch(() => {});
  }
}

async function removeForsaken(
  folder: string,
  uid: number | null,
): Promise<void> {
  const info = await Deno.lstat(folder);
  if (info.uid !== uid) return;
  const owner = `${folder}/${OWNER}`;
  using file = await Deno.open(owner, { read: true, write: true });
  const text = new Uint8Array(NOTICE.length);
  await readFull(file, text);
  if (new TextDecoder().decode(text) !== NOTICE) return;
  const names = (await readDir(folder)).map(({ name }) => name);
  const age = Date.now() - (info.mtime?.getTime() ?? 0);
  if (names.includes(BUSY) && age < LONGEST_COMMIT) return;
  const isOurs = /^(\d+|owner|busy)$/;
  if (!names.every((name) => isOurs.test(name))) return;
  if (!await file.tryLock(true)) return;
  await Deno.remove(folder, { recursive: true });
}

/**
 * Writes content to a temporary file, from which xorriso can take it: it
 * stores a FIFO as a FIFO, whatever would come out of it.
 *
 * @param signal Gives up.
 * @param onBytes Takes how many bytes more have come.
 * @returns The file as a source, and the MD5 of what was written.
 * @throws {TypeError} When it is no content, or a stream that is locked, has been read to its end
 * before, or gives something else than bytes.
 */
export async function spool(
  content: Content,
  path: string,
  signal?: AbortSignal,
  onBytes: (count: number) => void = () => {},
): Promise<Source & { readonly md5: string }> {
  const { stream, wasRead } = openContent(content);
  const hash = (await loadMd5())();
  using file = await spoolFile(() =>
    Deno.open(path, { write: true, createNew: true })
  );
  try {
    const sink = new WritableStream<unknown>({
      async write(chunk) {
        if (!(chunk instanceof Uint8Array)) {
          throw new TypeError(
            `Cannot store the stream: a chunk of it is of the kind ` +
              `${kindOf(chunk)}, only a Uint8Array can be stored`,
          );
        }
        requireAttached(chunk);
        hash.update(chunk);
        await spoolFile(() => writeAll(file, chunk));
        onBytes(chunk.length);
      },
    });
    // A stream that is stuck may not hear that it is cancelled.
    await unlessAborted(
      stream.pipeTo(sink, signal ? { signal } : {}),
      signal,
    );
    const info = await spoolFile(() => file.stat());
    if (wasRead && info.size === 0) {
      throw new TypeError(
        "Cannot store the stream: it has been read to its end before; open it anew",
      );
    }
    const md5 = hash.digest("hex");
    const { size, dev, ino } = info;
    const state = stateOf(info);
    return { name: path, path, size, identity: { dev, ino }, state, md5 };
  } catch (error) {
    // Its room is free now, even if a process that another thread of this program is forking at this
    // moment has it open, too.
    await file.truncate().catch(() => {});
    await Deno.remove(path).catch(() => {});
    throw error ?? new XorrisoError(
      "SOURCE_UNREADABLE",
      "Cannot store the stream: it has failed, and does not tell why",
    );
  }
}

/** Where temporary files go by themselves. */
function defaultFolder(): string {
  const { state } = Deno.permissions.querySync({
    name: "env",
    variable: "TMPDIR",
  });
  return state === "granted" && Deno.env.get("TMPDIR") || "/tmp";
}

/** The stream of content that nobody else is reading. */
function openContent(
  content: Content,
): { stream: ReadableStream<unknown>; wasRead: boolean } {
  if (content instanceof Blob) {
    return { stream: content.stream(), wasRead: false };
  }
  if (content instanceof Uint8Array) {
    return { stream: ReadableStream.from([content]), wasRead: false };
  }
  if (!(content instanceof ReadableStream)) {
    throw new TypeError(
      `Cannot store a value of the kind ${kindOf(content)}: give a path, a ` +
        `URL, a Uint8Array, a Blob, or a stream of bytes`,
    );
  }
  if (content.locked) {
    throw new TypeError(
      "Cannot store the stream: it is locked, something else is reading it",
    );
  }
  return { stream: content, wasRead: isDisturbed(content) };
}

/**
 * Refuses bytes that are not there any more: those of a buffer that was transferred, or has shrunk,
 * would be stored as an empty file.
 */
export function requireAttached(bytes: Uint8Array): void {
  try {
    bytes.at(0);
  } catch (cause) {
    throw new TypeError(
      "Cannot store the bytes: their buffer was transferred, or has shrunk",
      { cause },
    );
  }
}

/** Whether a stream has been read from; only what takes it as a body says so (Fetch, 5.3). */
function isDisturbed(stream: ReadableStream<Uint8Array>): boolean {
  try {
    new Response(stream);
    return false;
  } catch {
    return true;
  }
}

/** What something is, in a word: `DataView`, `String`. */
function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}

/** Does something with temporary files; its failures are not the stream's. */
async function spoolFile<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw systemError(cause, {
      doing: "Cannot keep the content until it is stored",
      code: "TARGET_UNWRITABLE",
      advice: "choose another folder by tempDir",
    });
  }
}
