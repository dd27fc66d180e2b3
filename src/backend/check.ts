/** What a commit has written: read anew from the medium, and compared. */

import { eachOf } from "../async.ts";
import { doubtOf, Folders } from "../disk/sources.ts";
import { XorrisoError } from "../errors.ts";
import { contentChunks } from "../iso/content.ts";
import type { Entry } from "../iso/mod.ts";
import { join, show } from "../names.ts";
import type { Attributes } from "../session/changes.ts";
import type { Pending } from "./change.ts";
import {
  type EntryType,
  entryTypeOf,
  folderOf,
  foldersAbove,
  type Index,
} from "./index.ts";
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
  const { fates, origins } = follow(operations);
  const summed = operations.flatMap((operation) => {
    const { at } = fates.get(operation) ?? {};
    const { prepared } = operation.last;
    if (at === undefined || prepared?.md5 === undefined) return [];
    return index.entry(at) ?? [];
  });
  const sums = await written.checksums(summed);
  const folders = new Folders();
  await eachOf(operations, async (operation) => {
    if (bad.has(operation)) return;
    const { last } = operation;
    const path = pathOf(index, operation);
    let problem: unknown = typeProblem(
      last,
      index.entry(last.name),
      view.typeOf(last.name),
      path,
    );
    // What later changes of the batch have made of it counts.
    const { at, isSettled } = fates.get(operation) ?? {};
    const found = at === undefined ? undefined : index.entry(at);
    if (problem === undefined && at !== undefined) {
      problem = found === undefined
        ? writeError(last, path, `${show(at)} is not on the medium`)
        : contentProblem(last, found, path, lba, sums) ??
          moveProblem(last, found, path, before, origins.get(operation)) ??
          (isSettled ? attributeProblem(last, found, path) : undefined) ??
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

/** What is left of what an operation has made when all later ones are done. */
interface Fate {
  /** Its name. */
  readonly at: string;
  /** Whether none of them has changed its attributes. */
  readonly isSettled: boolean;
}

/** Follows what operations have made through the later ones of their batch. */
function follow(operations: readonly Operation<Pending>[]): {
  readonly fates: ReadonlyMap<Operation<Pending>, Fate>;
  /** Name before the batch of what was moved, where it was not made in it. */
  readonly origins: ReadonlyMap<Operation<Pending>, string>;
} {
  /** Operations that have made what is at a name. */
  const made = new Map<string, Operation<Pending>[]>();
  const folders = new Set<string>();
  const unsettled = new Set<Operation<Pending>>();
  const origins = new Map<Operation<Pending>, string>();
  const set = (name: string, makers: Operation<Pending>[]) => {
    made.set(name, makers);
    for (const folder of foldersAbove(name)) folders.add(folder);
  };
  const take = (name: string) => {
    const inside = folders.has(name)
      ? [...made.keys()].filter((each) => each.startsWith(`${name}/`))
      : [];
    return [name, ...inside].map((each) => {
      const makers = made.get(each) ?? [];
      made.delete(each);
      return [each.slice(name.length), makers] as const;
    });
  };
  for (const operation of operations) {
    const { kind, name, from = "" } = operation.last;
    const before = made.get(name) ?? [];
    if (kind === "remove") take(name);
    else if (kind === "attributes" || kind === "folder") {
      for (const each of before) unsettled.add(each);
      set(name, [...before, operation]);
    } else if (kind === "move") {
      const taken = take(from);
      const makers = taken[0]?.[1] ?? [];
      const earlier = makers.find(({ last }) => last.kind === "move");
      const origin = earlier === undefined ? from : origins.get(earlier);
      const isMade = makers.some(({ last: { kind } }) =>
        kind === "file" || kind === "link"
      ) || [...foldersAbove(from)].some((folder) =>
        made.get(folder)?.some(({ last }) =>
          last.kind === "move"
        )
      );
      if (origin !== undefined && !isMade) {
        origins.set(operation, origin);
      }
      for (const [below, each] of taken) {
        set(name + below, each);
      }
      set(name, [...makers, operation]);
    } else set(name, [operation]);
  }
  const fates = new Map<Operation<Pending>, Fate>();
  for (const [at, makers] of made) {
    for (const each of makers) {
      fates.set(each, { at, isSettled: !unsettled.has(each) });
    }
  }
  return { fates, origins };
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
  origin: string | undefined,
): XorrisoError | undefined {
  if (change.kind !== "move" || found.type !== "file") return undefined;
  // What was stored in the same batch is checked as that.
  const older = origin === undefined ? undefined : before.entry(origin);
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
