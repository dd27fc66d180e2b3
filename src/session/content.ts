/** The content of files: read, restored to disk, compared with its checksum. */

import { BLOCK, type Entry } from "../dialogue/answers.ts";
import { notify } from "../dialogue/dialogue.ts";
import { writeTarget } from "../disk/targets.ts";
import { TempFolder } from "../disk/temp.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { checkMd5, readExtents, resolveRange } from "../iso/extents.ts";
import {
  type CheckJob,
  checkMany as checkInImage,
  copyExtents,
  type CopyJob,
  copyMany,
} from "../iso/restore.ts";
import { checkPath, show } from "../names.ts";
import type { Progress, ReadableOptions, RestoreOptions } from "../options.ts";
import { lookUp, readMd5 } from "./entries.ts";
import type { Session } from "./session.ts";

/**
 * The entry of a file whose content is on the medium.
 *
 * @throws {XorrisoError} ENTRY_NOT_FOUND if it is not.
 */
async function writtenEntry(
  session: Session,
  file: string | Entry,
): Promise<Entry> {
  if (typeof file !== "string") return file;
  const node = await lookUp(session, checkPath(file));
  if (node.type === "file") {
    if (node.size === 0 || node.extents.length > 0) return node;
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot read ${show(file)} on "${session.device}": it is not ` +
        `written yet; commit first`,
      { path: file },
    );
  }
  throw new XorrisoError(
    "ENTRY_NOT_FOUND",
    `Cannot read ${show(file)} on "${session.device}": it is no ` +
      `regular file`,
    { path: file },
  );
}

/**
 * The content of a file, or a part of it: from an image file straight from its
 * place in it, from a drive piece by piece.
 */
function contentOf(
  session: Session,
  entry: Entry,
  options: ReadableOptions & { readonly md5?: string | undefined },
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { image } = session.target;
  const { md5, offset, length, signal } = options;
  const range = {
    ...(offset !== undefined && { offset }),
    ...(length !== undefined && { length }),
    ...(signal && { signal }),
  };
  const content = image !== undefined
    ? readExtents(image.path, entry, { ...range, inode: image.identity })
    : ReadableStream.from(readPieces(session, entry, range));
  return md5 === undefined ? content : checkMd5(content, md5, entry.path);
}

/**
 * Reads a file, or a part of it; a whole one is compared with its recorded MD5,
 * unless that is not wanted.
 */
export async function readFile(
  session: Session,
  file: string | Entry,
  options: ReadableOptions = {},
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const entry = await writtenEntry(session, file);
  const { offset = 0, length = entry.size - offset, verify = true } = options;
  const isWhole = offset === 0 && length >= entry.size;
  const md5 = verify && isWhole
    ? await readMd5(session, entry.path)
    : undefined;
  return contentOf(session, entry, { ...options, md5 });
}

/**
 * Restores a file, which appears under its name when it is complete, and has
 * its recorded MD5, unless that is of no interest.
 */
export async function restoreFile(
  session: Session,
  file: string | Entry,
  target: string,
  { verify = true, sync, signal, onProgress }: RestoreOptions,
): Promise<void> {
  const entry = await writtenEntry(session, file);
  const md5 = verify ? await readMd5(session, entry.path) : undefined;
  const { image } = session.target;
  const reading = { ...(signal && { signal }) };
  const reporting = { ...(onProgress && { onProgress }) };
  if (image !== undefined) {
    return await copyExtents(image.path, entry, target, {
      ...{ inode: image.identity, sync, ...reading, ...reporting },
      ...(md5 !== undefined && { md5 }),
    });
  }
  await writeTarget(
    target,
    () => contentOf(session, entry, { md5, ...reading }),
    { total: entry.size, sync, ...reporting },
  );
}

/** Restores many files; returns those that failed, each with its error. */
export async function restoreMany(
  session: Session,
  jobs: readonly CopyJob[],
  { signal, sync, onProgress }: RestoreOptions,
): Promise<Map<CopyJob, unknown>> {
  const { image } = session.target;
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
        () => contentOf(session, entry, { md5, ...(signal && { signal }) }),
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

/**
 * Reads many files; returns those that cannot be read or are not what they
 * should be, each with its error.
 */
export async function checkMany<Job extends CheckJob>(
  session: Session,
  jobs: readonly Job[],
  { signal, onProgress }: RestoreOptions,
): Promise<Map<Job, unknown>> {
  const { image } = session.target;
  const reading = signal ? { signal } : {};
  if (image !== undefined) {
    return await checkInImage(image.path, jobs, {
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
      for await (
        const chunk of contentOf(session, entry, { md5, ...reading })
      ) {
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

/** The order in which files lie on the medium. */
function byPlace(a: CheckJob, b: CheckJob): number {
  return (a.entry.extents[0]?.lba ?? 0) - (b.entry.extents[0]?.lba ?? 0);
}

/**
 * Bytes of a piece: small enough that other calls need not wait long for the
 * drive, large enough that it streams.
 */
const PIECE = 64 << 20;

const CHUNK = 1 << 20;

/**
 * Reads a file from a drive, or a part of it: xorriso copies it to disk piece
 * by piece.
 */
async function* readPieces(
  session: Session,
  { path, size }: Entry,
  range: ReadableOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const { start, end } = resolveRange(size, range);
  if (start >= end) return;
  await using folder = await TempFolder.make(session.options.tempDir);
  for (let at = start; at < end;) {
    range.signal?.throwIfAborted();
    // From a block's beginning xorriso takes a faster way (-extract_cut).
    const begin = at - at % BLOCK;
    const stop = Math.min(begin + PIECE, end);
    const target = folder.next();
    await copyPiece(session, path, { begin, stop }, target);
    yield* chunksOf(target, at - begin);
    await Deno.remove(target);
    at = stop;
  }
}

/** Has xorriso copy a part of a file to a new file on disk. */
async function copyPiece(
  session: Session,
  path: string,
  { begin, stop }: { readonly begin: number; readonly stop: number },
  target: string,
): Promise<void> {
  const doing = session.doing(`read ${show(path)} on`);
  try {
    await session.run(
      ["-extract_cut", path, `${begin}`, `${stop - begin}`, target],
      { doing, path },
    );
  } catch (error) {
    // What went wrong may be that it was another medium.
    if (!isCode(error, "SESSION_LOST")) await session.requireSame(doing);
    throw error;
  }
  await session.requireSame(doing);
}

async function* chunksOf(
  path: string,
  offset: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path, { read: true });
  await file.seek(offset, Deno.SeekMode.Start);
  for (;;) {
    const buffer = new Uint8Array(CHUNK);
    const count = await file.read(buffer);
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}
