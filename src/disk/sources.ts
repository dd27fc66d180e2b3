/** Files to be stored: what they were, whether they still are, and spooling. */

import { XorrisoError } from "../errors.ts";
import { lstat, stat } from "./look.ts";
import { loadMd5 } from "./md5.ts";
import {
  isDrivePath,
  requireRead,
  requireWrite,
  resolveForRead,
} from "./permissions.ts";
import { writeAll } from "./write.ts";

/** A file to be stored, as it was when it was looked at. */
export interface Source {
  /** As the caller named it. */
  readonly name: string;
  /** Absolute path without links. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** What must stay as it is until the commit has ended. */
  readonly state: string;
}

/** Where content comes from that is in no file yet. */
export type Content = Uint8Array | ReadableStream<Uint8Array>;

/**
 * Milliseconds in which two changes may get the same time stamp.
 *
 * Linux takes it from the last timer tick, at most 10 ms ago.
 */
const TICK = 10;

/** How often to wait for a file that is being written right now. */
const ATTEMPTS = 5;

/**
 * Resolves and checks a file that is to be stored.
 *
 * @param file A path or a `file:` URL. A link is followed, after the check
 * that the script may read what it points to.
 * @throws {XorrisoError} SOURCE_UNREADABLE if it is no regular file or the
 * operating system refuses.
 * @throws {Deno.errors.NotCapable} If read permission is missing.
 */
export async function openSource(file: string | URL): Promise<Source> {
  const name = String(file);
  try {
    const path = await resolveForRead(file, "the source");
    if (await isDrivePath(path)) throw unreadable(name, "it is a device");
    let info = await stat(path);
    // A change right after a look could leave the times as they were; so the
    // look that counts comes when the last change is older than a tick.
    for (let i = 0; i < ATTEMPTS && isYoung(info); i++) {
      await new Promise((resolve) => setTimeout(resolve, TICK));
      info = await stat(path);
    }
    if (!info.isFile) {
      const kind = info.isDirectory ? "a directory" : "no regular file";
      throw unreadable(name, `it is ${kind}`);
    }
    return { name, path, size: info.size, state: stateOf(info) };
  } catch (error) {
    throw sourceError(error, name);
  }
}

/**
 * Tells what has become of a source.
 *
 * @returns Nothing if it is as it was, else the error for its `put`:
 * SOURCE_CHANGED or SOURCE_UNREADABLE.
 */
export async function checkSource(
  { name, path, state }: Source,
): Promise<XorrisoError | undefined> {
  try {
    if (stateOf(await lstat(path)) === state) return undefined;
  } catch (error) {
    const problem = sourceError(error, name);
    if (problem instanceof XorrisoError) return problem;
    throw problem;
  }
  return new XorrisoError(
    "SOURCE_CHANGED",
    `Cannot store "${name}": it was changed while it was being stored; keep ` +
      `it as it is until put() has resolved`,
    { path: name },
  );
}

/** A private folder for temporary files; it goes with all that is in it. */
export class TempFolder implements AsyncDisposable {
  #files = 0;

  private constructor(readonly path: string) {}

  /**
   * Makes one, readable by this user alone.
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
    return new TempFolder(
      await spoolFile(() => Deno.makeTempDir({ dir, prefix: "xorriso-" })),
    );
  }

  /** A path in it that was not given out before. */
  next(): string {
    return `${this.path}/${++this.#files}`;
  }

  /** Removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Deno.remove(this.path, { recursive: true });
    } catch (error) {
      // Others clean up folders for temporary files, too.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * Writes content to a temporary file, from which xorriso can take it: it
 * stores a FIFO as a FIFO, whatever would come out of it.
 *
 * @returns The file as a source, and the MD5 of what was written.
 */
export async function spool(
  content: Content,
  path: string,
  signal?: AbortSignal,
): Promise<Source & { readonly md5: string }> {
  const hash = (await loadMd5())();
  const stream: ReadableStream<Uint8Array> = content instanceof Uint8Array
    ? ReadableStream.from([content])
    : content;
  using file = await spoolFile(() =>
    Deno.open(path, { write: true, createNew: true })
  );
  try {
    const sink = new WritableStream<Uint8Array>({
      async write(chunk) {
        hash.update(chunk);
        await spoolFile(() => writeAll(file, chunk));
      },
    });
    await stream.pipeTo(sink, signal ? { signal } : {});
  } catch (error) {
    await Deno.remove(path).catch(() => {});
    throw error;
  }
  const info = await Deno.stat(path);
  const md5 = hash.digest("hex");
  return { name: path, path, size: info.size, state: stateOf(info), md5 };
}

/** Does something with temporary files; its errors are not the stream's. */
async function spoolFile<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new XorrisoError(
      "TARGET_UNWRITABLE",
      `Cannot keep the content until it is stored: ${why}; choose another ` +
        `folder by tempDir`,
      { cause },
    );
  }
}

/**
 * The MD5 of a source's content.
 *
 * @throws {XorrisoError} SOURCE_UNREADABLE if it cannot be read (any more).
 */
export async function md5Of({ name, path }: Source): Promise<string> {
  const hash = (await loadMd5())();
  const { constants, promises } = await import("node:fs");
  try {
    // What was a file may be a FIFO by now, and to open that would wait for a
    // writer for ever; `Deno.open()` does not know this flag.
    const { O_RDONLY, O_NONBLOCK } = constants;
    const file = await promises.open(path, O_RDONLY | O_NONBLOCK);
    try {
      const info = await file.stat();
      if (!info.isFile()) {
        throw unreadable(name, "it is no regular file any more");
      }
      const buffer = new Uint8Array(1 << 20);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) return hash.digest("hex");
        hash.update(buffer.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw sourceError(error, name);
  }
}

function defaultFolder(): string {
  const { state } = Deno.permissions.querySync({
    name: "env",
    variable: "TMPDIR",
  });
  return state === "granted" && Deno.env.get("TMPDIR") || "/tmp";
}

function isYoung({ mtime, ctime }: Deno.FileInfo): boolean {
  const latest = Math.max(mtime?.getTime() ?? 0, ctime?.getTime() ?? 0);
  const age = Date.now() - latest;
  // A time in the future says nothing.
  return age >= -TICK && age <= TICK;
}

/**
 * What shows a change.
 *
 * Deno 2.9 tells ctime in whole seconds: who changes a file twice within one
 * and sets mtime back each time goes unnoticed.
 */
function stateOf(info: Deno.FileInfo): string {
  const { dev, ino, size, mtime, ctime, isFile } = info;
  return [dev, ino, size, mtime?.getTime(), ctime?.getTime(), isFile].join();
}

function unreadable(
  name: string,
  problem: string,
  cause?: unknown,
): XorrisoError {
  return new XorrisoError(
    "SOURCE_UNREADABLE",
    `Cannot store "${name}": ${problem}`,
    { path: name, cause },
  );
}

/** An error of the operating system as one about the source. */
function sourceError(error: unknown, name: string): unknown {
  if (!(error instanceof Error) || error instanceof XorrisoError) return error;
  if (error instanceof TypeError) return error;
  if (error instanceof Deno.errors.NotCapable) return error;
  return unreadable(name, error.message, error);
}
