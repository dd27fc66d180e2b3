/** What a commit has written: read anew from the medium, and compared. */

import { eachOf } from "../async.ts";
import { doubtOf, Folders } from "../disk/sources.ts";
import { XorrisoError } from "../errors.ts";
import { contentChunks } from "../iso/content.ts";
import type { Entry } from "../iso/mod.ts";
import { join, show } from "../names.ts";
import type { Attributes } from "../session/changes.ts";
import type { Pending } from "./change.ts";
import { type EntryType, entryTypeOf, folderOf, type Index } from "./index.ts";
import type { Operation, View } from "./plan.ts";
import type { Snapshot } from "./snapshot.ts";

/** Absolute paths where a batch may have changed something. */
export function changedPaths(
  directory: string,
  operations: readonly Operation<Pending>[],
): string[] {
  return operations.flatMap(({ last: { name, from } }) =>
    (from === undefined ? [name] : [name, from])
      .map((name) => join(directory, name))
  );
}

/**
 * Adds to what is wrong with a batch what the medium does not have as it was
 * asked for.
 *
 * @param bad What is wrong already.
 */
export async function checkWritten(
  operations: readonly Operation<Pending>[],
  { before, view, written, lba }: {
    /** The names before. */
    readonly before: Index;
    /** The names as they must be. */
    readonly view: View;
    /** What the medium shows now. */
    readonly written: Snapshot;
    /** First block of the session that was written. */
    readonly lba: number;
  },
  bad: Map<Operation<Pending>, unknown>,
): Promise<void> {
  const { index, tree } = written;
  if (tree?.session.volume.lba !== lba) {
    const shown = tree === undefined ? "none" : tree.session.volume.lba;
    for (const operation of operations) {
      const why = `the medium shows the session at block ${shown}, not the ` +
        `one at ${lba} that was written`;
      bad.set(
        operation,
        writeError(operation.last, pathOf(index, operation), why),
      );
    }
    return;
  }
  const summed = operations.flatMap(({ last: { name, prepared } }) =>
    prepared?.md5 === undefined ? [] : index.entry(name) ?? []
  );
  const sums = await written.checksums(summed);
  const newest = new Map(operations.map((each) => [each.last.name, each]));
  const folders = new Folders();
  await eachOf(operations, async (operation) => {
    if (bad.has(operation)) return;
    const { last } = operation;
    const found = index.entry(last.name);
    const path = pathOf(index, operation);
    let problem: unknown = typeProblem(
      last,
      found,
      view.typeOf(last.name),
      path,
    );
    // What a later change of the batch has made of the name counts.
    if (problem === undefined && newest.get(last.name) === operation && found) {
      problem = contentProblem(last, found, path, lba, sums) ??
        moveProblem(last, found, path, before) ??
        attributeProblem(last, found, path) ??
        await compare(last, found, written, folders);
    }
    if (problem !== undefined) bad.set(operation, problem);
  });
  if (bad.size > 0) return;
  const lost = missingFolder(operations, view, index);
  if (lost === undefined) return;
  const why = `more than was asked for has gone from ` +
    show(lost === "" ? index.directory : join(index.directory, lost));
  const removals = operations.filter(({ last: { kind } }) =>
    kind === "remove" || kind === "move"
  );
  for (const operation of removals.length > 0 ? removals : operations) {
    bad.set(
      operation,
      writeError(operation.last, pathOf(index, operation), why),
    );
  }
}

function pathOf(
  { directory }: Index,
  { last: { name } }: Operation<Pending>,
): string {
  return join(directory, name);
}

/** What is wrong with what a name is after a change of it. */
function typeProblem(
  change: Pending,
  found: Entry | undefined,
  expected: EntryType | undefined,
  path: string,
): XorrisoError | undefined {
  const type = found && entryTypeOf(found);
  if (type === expected) return undefined;
  return writeError(
    change,
    path,
    expected === undefined
      ? "it is still there after the commit"
      : `the medium shows ${type ?? "nothing"} instead of a ${expected}`,
  );
}

/** What is wrong with where the content of a name is, how long, and its sum. */
function contentProblem(
  change: Pending,
  found: Entry,
  path: string,
  lba: number,
  sums: (entry: Entry) => string | undefined,
): XorrisoError | undefined {
  if (change.kind === "link") {
    return found.target === change.text
      ? undefined
      : writeError(change, path, `the medium shows another link`);
  }
  if (change.prepared === undefined) return undefined;
  const { source: { size }, md5 } = change.prepared;
  if (found.size !== size) {
    return writeError(
      change,
      path,
      `the medium shows ${found.size} bytes instead of its ${size} bytes`,
    );
  }
  // What is only staged, or was there before, lies elsewhere.
  const isNew = size === 0 || found.sections.length > 0 &&
      found.sections.every((section) => section.lba >= lba);
  if (!isNew) {
    return writeError(
      change,
      path,
      "its content is not in the session that was written",
    );
  }
  const sum = sums(found);
  return sum === undefined || md5 === undefined || sum === md5
    ? undefined
    : mismatch(path, "the checksum recorded for it is not that of its source");
}

/** What is wrong with a content that must lie where it did. */
function moveProblem(
  change: Pending,
  found: Entry,
  path: string,
  before: Index,
): XorrisoError | undefined {
  if (change.kind !== "move" || found.type !== "file") return undefined;
  const older = before.entry(change.from ?? "");
  // It may have been stored in the same batch.
  if (older === undefined || older.type !== "file") return undefined;
  return older.size === found.size
    ? undefined
    : writeError(change, path, `the medium shows ${found.size} bytes of it`);
}

/** What is wrong with the attributes of a name. */
function attributeProblem(
  change: Pending,
  found: Entry,
  path: string,
): XorrisoError | undefined {
  const { mode, uid, gid, mtime }: Attributes = change.attributes ?? {};
  // Links have no mode of their own.
  const wanted = found.type === "link" ? { uid, gid } : { mode, uid, gid };
  for (const [name, value] of Object.entries(wanted)) {
    const shown = found[name as "mode" | "uid" | "gid"];
    if (value === undefined || value === shown) continue;
    return writeError(
      change,
      path,
      `the medium shows the ${name} ${shown}, not ${value}`,
    );
  }
  const seconds = mtime && Math.floor(mtime.getTime() / 1000);
  if (seconds === undefined || found.mtime.getTime() === seconds * 1000) {
    return undefined;
  }
  return writeError(
    change,
    path,
    `the medium shows the time ${found.mtime.toISOString()}`,
  );
}

/**
 * Reads a stored file back, where that is wanted or what xorriso has read is in
 * doubt.
 */
async function compare(
  { prepared }: Pending,
  found: Entry,
  snapshot: Snapshot,
  folders: Folders,
): Promise<unknown> {
  if (prepared === undefined) return undefined;
  try {
    const known = prepared.isVerified ? prepared.md5 : undefined;
    const md5 = await doubtOf(prepared.source, folders) ?? known;
    if (md5 === undefined) return undefined;
    await using blocks = snapshot.open();
    for await (const _ of contentChunks(blocks, found, { md5 }));
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A folder of changed names with fewer entries than there should be. */
function missingFolder(
  operations: readonly Operation<Pending>[],
  view: View,
  index: Index,
): string | undefined {
  const folders = new Set([""]);
  for (const { last: { name, from } } of operations) {
    for (const each of from === undefined ? [name] : [name, from]) {
      for (let at = folderOf(each); at !== ""; at = folderOf(at)) {
        folders.add(at);
      }
    }
  }
  for (const folder of folders) {
    if (index.countIn(folder) < view.countIn(folder)) return folder;
  }
  return undefined;
}

function writeError(
  { kind }: Pending,
  path: string,
  why: string,
): XorrisoError {
  return new XorrisoError(
    "WRITE_ERROR",
    `Cannot ${kind === "remove" ? "delete" : "store"} ${show(path)}: ${why}`,
    { path },
  );
}

function mismatch(path: string, why: string): XorrisoError {
  return new XorrisoError(
    "CHECKSUM_MISMATCH",
    `Cannot store ${show(path)}: ${why}`,
    { path },
  );
}
