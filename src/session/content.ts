/** The content of files: read, restored to disk, compared with its checksum. */

import type { Entry } from "../dialogue/answers.ts";
import { resolveTarget } from "../disk/targets.ts";
import { XorrisoError } from "../errors.ts";
import type { Chunks } from "../iso/chunks.ts";
import {
  contentChunks,
  type ContentOptions,
  resolveRange,
  streamOf,
} from "../iso/content.ts";
import { blocksOf } from "../iso/bytes.ts";
import { type FileContent, fromExtents } from "../iso/entry.ts";
import { copyMany } from "../iso/restore.ts";
import { checkPath, show } from "../names.ts";
import type { ReadableOptions, RestoreOptions } from "../options.ts";
import { lookUp, readMd5 } from "./entries.ts";
import { openBlocks } from "./medium.ts";
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
 * Reads a file, or a part of it; a whole one is compared with its recorded MD5,
 * unless that is not wanted.
 */
export async function readFile(
  session: Session,
  file: string | Entry,
  { verify = true, ...options }: ReadableOptions = {},
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const entry = await writtenEntry(session, file);
  const { offset = 0, length = Infinity } = options;
  const isWhole = offset === 0 && length >= entry.size;
  const md5 = verify && isWhole
    ? await readMd5(session, entry.path)
    : undefined;
  const content = fromExtents(entry);
  resolveRange(entry.size, options);
  const chunks = chunksOf(session, content, { ...options, md5 });
  return streamOf(chunks, options.signal);
}

async function* chunksOf(
  session: Session,
  content: FileContent,
  options: ContentOptions,
): Chunks {
  await using blocks = await openBlocks(session, endOf(content));
  yield* contentChunks(blocks, content, options);
}

/**
 * Restores a file, which appears under its name when it is complete, and has
 * its recorded MD5, unless that is of no interest.
 */
export async function restoreFile(
  session: Session,
  file: string | Entry,
  target: string,
  { verify = true, ...options }: RestoreOptions,
): Promise<void> {
  const entry = await writtenEntry(session, file);
  const md5 = verify ? await readMd5(session, entry.path) : undefined;
  options.signal?.throwIfAborted();
  const job = {
    entry: fromExtents(entry),
    target: await resolveTarget(target),
    md5,
  };
  await using blocks = await openBlocks(session, endOf(job.entry));
  const failures = await copyMany(blocks, [job], options);
  if (failures.has(job)) throw failures.get(job);
}

/** The block behind the last one of a file. */
function endOf({ sections }: FileContent): number {
  return Math.max(0, ...sections.map(({ lba, size }) => lba + blocksOf(size)));
}
