/** Files to be stored: their state when they were resolved, and whether it has changed. */

import { dirname } from "@std/path/posix/dirname";
import { systemError, XorrisoError } from "../errors.ts";
import {
  CHUNK,
  type Identity,
  isSame,
  lstat,
  realPath,
  stat,
} from "./files.ts";
import { loadMd5 } from "./md5.ts";
import { isDrivePath, isGranted, resolveForRead } from "./permissions.ts";

/** A file to be stored, as it was when it was resolved. */
export interface Source {
  /** As the caller named it. */
  readonly name: string;
  /** Absolute path without links. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Device and number of the file. */
  readonly identity: Identity;
  /** `stateOf()` the file, which must not change until the commit has ended. */
  readonly state: string;
  /** State of the folders above it; undefined where nobody else can exchange them. */
  readonly folders?: string;
}

/**
 * Milliseconds in which two changes may get the same time stamp.
 *
 * Linux takes it from the last timer tick, at most 10 ms ago.
 */
const TICK = 10;

/** Bytes of the 100 extents that Linux reads of a file: xorriso's limit (-file_size_limit). */
export const MAX_SIZE = 100 * (2 ** 32 - 2048);

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
    if (await isDrivePath(path)) throw unreadableSource(name, "it is a device");
    const folders = await recentFolders().above(path);
    let info = await stat(path);
    // A change right after stat() could leave the times as they were: so stat()
    // is called when the last change is older than a tick.
    for (let i = 0; i < ATTEMPTS && isYoung(info); i++) {
      await new Promise((resolve) => setTimeout(resolve, TICK));
      info = await stat(path);
    }
    if (!info.isFile) {
      const kind = info.isDirectory ? "a directory" : "no regular file";
      throw unreadableSource(name, `it is ${kind}`);
    }
    if (info.size > MAX_SIZE) {
      throw unreadableSource(
        name,
        `it has ${info.size} bytes, and a file on the medium at most ` +
          `${MAX_SIZE} (400 GiB); split it`,
      );
    }
    return { ...sourceOf(name, path, info), folders };
  } catch (error) {
    throw unreadableBy(error, name);
  }
}

/** A file as a source, without the folders above it. */
export function sourceOf(
  name: string,
  path: string,
  info: Deno.FileInfo,
): Source {
  const { size, dev, ino } = info;
  return { name, path, size, identity: { dev, ino }, state: stateOf(info) };
}

/**
 * Checks that a source has not changed.
 *
 * @returns Undefined if it has not; else the error for its `put`, SOURCE_CHANGED
 * or SOURCE_UNREADABLE.
 */
export async function checkSource(
  { name, path, state }: Source,
): Promise<XorrisoError | undefined> {
  try {
    if (stateOf(await lstat(path)) === state) return undefined;
  } catch (error) {
    const problem = unreadableBy(error, name);
    if (problem instanceof XorrisoError) return problem;
    throw problem;
  }
  return sourceChanged(name, "it was changed while it was being stored");
}

/**
 * Finds out whether xorriso may have read another file, since a folder above the source has changed,
 * and could have been a link for a while. Then the stored content must be compared with the source.
 *
 * @param now The folders as they are after the commit.
 * @returns The MD5 of the source if it must be compared; else undefined.
 * @throws {XorrisoError} SOURCE_CHANGED if the path leads elsewhere now.
 */
export async function doubtOf(
  source: Source,
  now: Folders,
): Promise<string | undefined> {
  const { name, path, folders } = source;
  if (folders === undefined) return;
  // A folder that is gone counts as changed.
  if (folders === await now.above(path).catch(() => undefined)) return;
  const exchanged = sourceChanged(name, "a folder above it has been exchanged");
  if (await realPath(path).catch(() => undefined) !== path) throw exchanged;
  const md5 = await md5Of(source);
  if (await checkSource(source) !== undefined) throw exchanged;
  return md5;
}

function sourceChanged(name: string, how: string): XorrisoError {
  return new XorrisoError(
    "SOURCE_CHANGED",
    `Cannot store "${name}": ${how}; keep it as it is until it is stored`,
    { path: name },
  );
}

/** States of folders, each read once. */
export class Folders {
  /** Before the first of them was read (ms). */
  readonly since = performance.now();
  readonly #states = new Map<string, Promise<string>>();

  /** The state of all folders above a path that the script may read. */
  above(path: string): Promise<string> {
    const folder = dirname(path);
    let state = this.#states.get(folder);
    if (state === undefined) {
      state = this.#read(folder);
      this.#states.set(folder, state);
    }
    return state;
  }

  async #read(folder: string): Promise<string> {
    const above = folder === "/" ? "" : await this.above(folder);
    if (!await isGranted("read", folder)) return above;
    const { dev, ino, mode, mtime, ctime } = await lstat(folder);
    // In a sticky folder, as /tmp, users can exchange only what is theirs: its times do not matter.
    const times = (mode ?? 0) & STICKY ? [] : [mtime, ctime].map(Number);
    return `${above}/${[dev, ino, ...times]}`;
  }
}

const STICKY = 0o1000;

/** Milliseconds for which states of folders are used again. */
const RECENT = 100;

let recent = new Folders();

function recentFolders(): Folders {
  if (performance.now() - recent.since > RECENT) recent = new Folders();
  return recent;
}

/**
 * The MD5 of a source's content.
 *
 * @param onBytes Takes the number of further bytes.
 * @throws {XorrisoError} SOURCE_UNREADABLE if it cannot be read (any more).
 */
export async function md5Of(
  { name, path, identity }:
    & Pick<Source, "name" | "path">
    & Partial<Pick<Source, "identity">>,
  onBytes: (count: number) => void = () => {},
): Promise<string> {
  const hash = (await loadMd5())();
  try {
    const { file, info } = await openRegular(path, name);
    await using _ = file;
    if (identity && !isSame(identity, info)) {
      throw sourceChanged(name, "another file has taken its place");
    }
    const options = { highWaterMark: CHUNK, autoClose: false };
    for await (const chunk of file.createReadStream(options)) {
      hash.update(chunk);
      onBytes(chunk.length);
    }
    return hash.digest("hex");
  } catch (error) {
    throw unreadableBy(error, name);
  }
}

/** Opens a regular file. Unlike `Deno.open()`, does not wait if a FIFO has taken its place. */
export async function openRegular(path: string, name: string = path) {
  // `Deno.open()` has no such flag.
  const { constants, promises } = await import("node:fs");
  const { O_RDONLY, O_NONBLOCK } = constants;
  const file = await promises.open(path, O_RDONLY | O_NONBLOCK);
  const info = await file.stat();
  if (info.isFile()) return { file, info };
  await file.close();
  throw unreadableSource(name, "it is no regular file any more");
}

function isYoung({ mtime, ctime }: Deno.FileInfo): boolean {
  const latest = Math.max(mtime?.getTime() ?? 0, ctime?.getTime() ?? 0);
  const age = Date.now() - latest;
  // A time in the future says nothing.
  return age >= -TICK && age <= TICK;
}

/**
 * The state of a file, by which a change shows.
 *
 * Deno 2.9 has ctime in whole seconds: two changes within one go unnoticed if
 * mtime is set back each time.
 */
function stateOf(info: Deno.FileInfo): string {
  const { dev, ino, size, mtime, ctime, isFile } = info;
  return [dev, ino, size, mtime?.getTime(), ctime?.getTime(), isFile].join();
}

function unreadableSource(name: string, problem: string): XorrisoError {
  return new XorrisoError(
    "SOURCE_UNREADABLE",
    `Cannot store "${name}": ${problem}`,
    { path: name },
  );
}

/** A failure of the operating system as one about the source. */
export function unreadableBy(cause: unknown, name: string): unknown {
  const doing = `Cannot store "${name}"`;
  return systemError(cause, {
    doing,
    path: name,
    code: "SOURCE_UNREADABLE",
    reasons: { ENOENT: "there is no such file or folder" },
  });
}
