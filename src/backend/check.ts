/** What a commit has written: read anew from the medium, and compared. */

import { breathe, eachOf } from "../async.ts";
import { doubtOf, Folders } from "../disk/sources.ts";
import { XorrisoError } from "../errors.ts";
import { contentChunks } from "../iso/content.ts";
import type { Entry } from "../iso/mod.ts";
import { folderOf, join, show } from "../names.ts";
import type { Pending } from "./change.ts";
import type { Index } from "./index.ts";
import type { Made, Operation, View } from "./plan.ts";
import type { Snapshot } from "./snapshot.ts";

/** What was written, and what should have been. */
export interface Written {
  /** The names before. */
  readonly before: Index;
  /** The names as they must be. */
  readonly view: View<Operation<Pending>>;
  /** What the medium shows now. */
  readonly written: Snapshot;
  /** First block of the session that was written. */
  readonly lba: number;
}

/**
 * Adds to what is wrong with a batch what the medium does not have as it was
 * asked for.
 *
 * @param bad What is wrong already.
 */
export async function checkWritten(
  operations: readonly Operation<Pending>[],
  { before, view, written, lba }: Written,
  bad: Map<Operation<Pending>, unknown>,
): Promise<void> {
  const { index, tree } = written;
  const fail = (operation: Operation<Pending>, why: string) =>
    bad.set(operation, writeError(index.directory, operation.last, why));
  const shown = tree?.session.volume.lba ?? "none";
  if (shown !== lba) {
    for (const operation of operations) {
      fail(
        operation,
        `the medium shows the session at block ${shown}, not the one at ` +
          `${lba} that was written`,
      );
    }
    return;
  }
  const places = new Map<Operation<Pending>, Made<Operation<Pending>>>();
  const summed: Entry[] = [];
  for (const made of view.made()) {
    await breathe();
    for (const maker of made.makers) {
      places.set(maker, made);
      const entry = maker.last.prepared?.md5 && index.entry(made.name);
      if (entry) summed.push(entry);
    }
  }
  const sums = await written.checksums(summed);
  const folders = new Folders();
  await eachOf(operations, async (operation) => {
    if (bad.has(operation)) return;
    const { last } = operation;
    const type = index.typeOf(last.name);
    const wanted = view.typeOf(last.name);
    if (type !== wanted) {
      const why = wanted === undefined
        ? "it is still there after the commit"
        : `the medium shows ${type ?? "nothing"} instead of a ${wanted}`;
      return void fail(operation, why);
    }
    // What later changes of the batch have made of it counts.
    const place = places.get(operation);
    if (place === undefined) return;
    const { name, makers, origin } = place;
    const entry = index.entry(name);
    const why = entry === undefined
      ? `${show(name)} is not on the medium`
      : contentProblem(last, entry, lba) ??
        moveProblem(last, entry, origin && before.entry(origin)) ??
        (isSettled(operation, makers) && attributeProblem(last, entry));
    if (why) return void fail(operation, why);
    if (entry === undefined || last.prepared === undefined) return;
    const problem =
      sumProblem(last, sums(entry), join(index.directory, name)) ??
        await compare(last.prepared, entry, written, folders);
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
  for (const each of removals.length > 0 ? removals : operations) {
    fail(each, why);
  }
}

/** Whether no later operation has changed the attributes. */
function isSettled(
  operation: Operation<Pending>,
  makers: readonly Operation<Pending>[],
): boolean {
  const later = makers.slice(makers.indexOf(operation) + 1);
  return later.every(({ last: { kind } }) => kind === "move");
}

/** What is wrong with where the content of a name is, and how long. */
function contentProblem(
  { kind, text, prepared }: Pending,
  { target, size, sections }: Entry,
  lba: number,
): string | undefined {
  if (kind === "link" && target !== text) {
    return "the medium shows another link";
  }
  if (prepared === undefined) return undefined;
  const { source } = prepared;
  if (size !== source.size) {
    return `the medium shows ${size} bytes instead of its ${source.size} bytes`;
  }
  // What is only staged, or was there before, lies elsewhere.
  const isNew = size === 0 ||
    sections.length > 0 && sections.every((section) => section.lba >= lba);
  return isNew
    ? undefined
    : "its content is not in the session that was written";
}

/** What is wrong with a content that was only given another name. */
function moveProblem(
  { kind }: Pending,
  { type, size }: Entry,
  older: Entry | "" | undefined,
): string | undefined {
  if (kind !== "move" || type !== "file") return undefined;
  // What was stored in the same batch is checked as that.
  if (!older || older.type !== "file" || older.size === size) return undefined;
  return `the medium shows ${size} bytes of it`;
}

/** What is wrong with the attributes of a name. */
function attributeProblem(
  { attributes = {} }: Pending,
  entry: Entry,
): string | undefined {
  const { mode, uid, gid, mtime } = attributes;
  // Links have no mode of their own.
  const wanted = entry.type === "link" ? { uid, gid } : { mode, uid, gid };
  for (const [name, value] of Object.entries(wanted)) {
    const shown = entry[name as "mode" | "uid" | "gid"];
    if (value === undefined || value === shown) continue;
    return `the medium shows the ${name} ${shown}, not ${value}`;
  }
  const seconds = mtime && Math.floor(mtime.getTime() / 1000);
  if (seconds === undefined || entry.mtime.getTime() === seconds * 1000) {
    return undefined;
  }
  return `the medium shows the time ${entry.mtime.toISOString()}`;
}

function sumProblem(
  { prepared }: Pending,
  sum: string | undefined,
  path: string,
): XorrisoError | undefined {
  const wanted = prepared?.md5;
  if (sum === undefined || wanted === undefined || sum === wanted) {
    return undefined;
  }
  return new XorrisoError(
    "CHECKSUM_MISMATCH",
    `Cannot store ${show(path)}: the checksum recorded for it is not that of ` +
      `its source`,
    { path },
  );
}

/**
 * Reads a stored file back, where that is wanted or what xorriso has read is in
 * doubt.
 */
async function compare(
  { source, md5: known, isVerified }: NonNullable<Pending["prepared"]>,
  entry: Entry,
  snapshot: Snapshot,
  folders: Folders,
): Promise<unknown> {
  try {
    const md5 = await doubtOf(source, folders) ??
      (isVerified ? known : undefined);
    if (md5 === undefined) return undefined;
    await using blocks = snapshot.open();
    for await (const _ of contentChunks(blocks, entry, { md5 }));
    return undefined;
  } catch (error) {
    return error;
  }
}

/** A folder of changed names with fewer entries than there should be. */
function missingFolder(
  operations: readonly Operation<Pending>[],
  view: View<unknown>,
  index: Index,
): string | undefined {
  const folders = new Set([""]);
  for (const { last: { name, from = "" } } of operations) {
    for (const each of [name, from]) {
      let at = folderOf(each);
      for (; !folders.has(at); at = folderOf(at)) folders.add(at);
    }
  }
  for (const folder of folders) {
    if (index.countIn(folder) < view.countIn(folder)) return folder;
  }
  return undefined;
}

function writeError(
  directory: string,
  { kind, name }: Pending,
  why: string,
): XorrisoError {
  const path = join(directory, name);
  return new XorrisoError(
    "WRITE_ERROR",
    `Cannot ${kind === "remove" ? "delete" : "store"} ${show(path)}: ${why}`,
    { path },
  );
}
