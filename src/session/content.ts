/** Reading the content of files, restoring it to disk, comparing it with its checksum. */

import { absolutePath } from "../disk/permissions.ts";
import { resolveTarget } from "../disk/targets.ts";
import { XorrisoError } from "../errors.ts";
import type { Chunks } from "../iso/chunks.ts";
import {
  contentChunks,
  type ContentOptions,
  resolveRange,
  streamOf,
} from "../iso/content.ts";
import { type FileContent, fromExtents } from "../iso/entry.ts";
import { copyMany } from "../iso/restore.ts";
import { blocksOf, type Entry } from "../medium.ts";
import { checkPath, show } from "../names.ts";
import type { ReadableOptions, RestoreOptions } from "../options.ts";
import { lookUp, readMd5 } from "./entries.ts";
import { openBlocks } from "./medium.ts";
import type { Session } from "./session.ts";

/**
 * A file whose content is on the medium, and its recorded MD5. Both are asked together: a commit
 * between them could exchange the file.
 *
 * @throws {XorrisoError} ENTRY_NOT_FOUND if its content is not there.
 */
async function findContent(
  session: Session,
  file: string | Entry,
): Promise<{ content: FileContent; md5: string | undefined }> {
  const path = checkPath(typeof file === "string" ? file : file.path);
  const [node, md5] = await Promise.all([
    lookUp(session, path),
    readMd5(session, path),
  ]);
  const isWritten = node.size === 0 || node.extents.length > 0;
  if (node.type === "file" && isWritten) {
    return { content: fromExtents(node), md5 };
  }
  const why = node.type === "file"
    ? "it is not written yet; commit first"
    : "it is no regular file";
  throw new XorrisoError(
    "ENTRY_NOT_FOUND",
    `Cannot read ${show(path)} on "${session.device}": ${why}`,
    { path },
  );
}

/** Reads a file, or a part of it; with `verify` a whole one is compared with its recorded MD5. */
export async function readFile(
  session: Session,
  file: string | Entry,
  { verify = true, ...options }: ReadableOptions = {},
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { content, md5 } = await findContent(session, file);
  const { offset = 0, length = Infinity } = options;
  resolveRange(content.size, options);
  const isWhole = offset === 0 && length >= content.size;
  const chunks = chunksOf(session, content, {
    ...options,
    md5: verify && isWhole ? md5 : undefined,
  });
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
 * Restores a file, which appears under its name when it is complete and, with
 * `verify`, has its recorded MD5.
 */
export async function restoreFile(
  session: Session,
  file: string | Entry,
  target: string,
  { verify = true, ...options }: RestoreOptions,
): Promise<void> {
  const path = absolutePath(target);
  const { content: entry, md5 } = await findContent(session, file);
  options.signal?.throwIfAborted();
  const copy = {
    entry,
    target: await resolveTarget(path),
    md5: verify ? md5 : undefined,
  };
  await using blocks = await openBlocks(session, endOf(entry));
  const failures = await copyMany(blocks, [copy], options);
  if (failures.has(copy)) throw failures.get(copy);
}

/** The block behind the last one of a file. */
function endOf({ sections }: FileContent): number {
  return Math.max(0, ...sections.map(({ lba, size }) => lba + blocksOf(size)));
}
