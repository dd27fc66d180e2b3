/** What a commit has written: looked at anew, and compared with the changes. */

import { eachOf } from "../async.ts";
import type { Entry, Extent } from "../dialogue/answers.ts";
import { loadMd5 } from "../disk/md5.ts";
import { doubtOf, Folders } from "../disk/sources.ts";
import { XorrisoError } from "../errors.ts";
import { join, show } from "../names.ts";
import type { Committed } from "../session/commit.ts";
import { readFile } from "../session/content.ts";
import { lookUp } from "../session/entries.ts";
import type { Session } from "../session/session.ts";
import type { Pending } from "./change.ts";
import { type EntryType, foldersAbove, type IndexedNode } from "./index.ts";
import type { Operation, View } from "./plan.ts";
import { orNone, type Store } from "./store.ts";

/** What a commit has written, which is for readers only when it is right. */
export interface Written {
  /** What a name is now. */
  get(name: string): Omit<IndexedNode, "path"> | undefined;
  /** Shows it to readers. */
  keep(): void;
}

/** Asks what has been written: the changed names, or all where that is less. */
export async function readWritten(
  store: Store,
  operations: readonly Operation<Pending>[],
): Promise<Written> {
  const index = await store.index();
  const isFew = operations.length * 10 < index.size;
  if (
    !isFew ||
    operations.some(({ last }) => last.kind === "move" || last.recursive)
  ) {
    const newer = await store.readIndex();
    return {
      get: (name) => newer.get(name),
      keep: () => store.replaceIndex(newer),
    };
  }
  const session = await store.session();
  const names = new Set(
    operations.flatMap(({ last: { name } }) => [...foldersAbove(name), name]),
  );
  const nodes = new Map<string, IndexedNode | undefined>();
  await eachOf(names, async (name) => {
    const path = join(index.directory, name);
    nodes.set(name, await orNone(lookUp(session, path)));
  });
  return {
    get: (name) => nodes.get(name),
    keep: () => {
      for (const [name, node] of nodes) {
        if (node !== undefined) index.set(node);
        else index.delete(name);
      }
    },
  };
}

/**
 * Adds to what is wrong with a batch what the medium does not have as it was
 * asked for.
 *
 * @param view The names as they must be.
 */
export async function checkWritten(
  operations: readonly Operation<Pending>[],
  view: View,
  written: Written,
  { lba, problem }: Committed,
  session: Session,
  directory: string,
  bad: Map<Operation<Pending>, unknown>,
): Promise<void> {
  const newest = new Map(operations.map((each) => [each.last.name, each]));
  const folders = new Folders();
  await eachOf(operations, async (operation) => {
    if (bad.has(operation)) return;
    const { last } = operation;
    const found = written.get(last.name);
    const path = join(directory, last.name);
    let error: unknown = typeProblem(last, found, view.typeOf(last.name), path);
    // What a later change of the batch has made of the name counts.
    if (error === undefined && newest.get(last.name) === operation) {
      error = contentProblem(last, found, path, lba) ??
        await compare(last, found, path, session, folders);
    }
    if (error !== undefined) bad.set(operation, error);
  });
  if (problem === undefined || bad.size > 0) return;
  // A source that could not be read, although it looks as it did before.
  const puts = operations.filter(({ last }) => last.prepared);
  const named = puts.filter(({ last }) =>
    problem.messages.some((line) =>
      line.includes(last.prepared?.source.path ?? "\0")
    )
  );
  for (const each of named.length > 0 ? named : puts) bad.set(each, problem);
}

type Found = Omit<IndexedNode, "path"> | undefined;

/** What is wrong with what a name is after a change of it. */
function typeProblem(
  change: Pending,
  found: Found,
  expected: EntryType | undefined,
  path: string,
): XorrisoError | undefined {
  const type = expected === "link" ? "other" : expected;
  if (found?.type === type) return undefined;
  return writeError(
    change,
    path,
    type === undefined
      ? "it is still there after the commit"
      : `the medium shows ${found?.type ?? "nothing"} instead of a ${expected}`,
  );
}

/** What is wrong with where the content of a name is, and how long. */
function contentProblem(
  change: Pending,
  found: Found,
  path: string,
  lba: number | undefined,
): XorrisoError | undefined {
  if (change.prepared === undefined || found === undefined) return undefined;
  const { size } = change.prepared.source;
  if (found.size !== size) {
    return writeError(
      change,
      path,
      `the medium shows ${found.size} bytes instead of its ${size} bytes`,
    );
  }
  if (isWithin(size, found.extents, lba)) return undefined;
  return writeError(
    change,
    path,
    "its content is not in the session that was written",
  );
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

/** Reads a stored file back, where that is wanted or what xorriso has read is in doubt. */
async function compare(
  { prepared }: Pending,
  found: Found,
  path: string,
  session: Session,
  folders: Folders,
): Promise<unknown> {
  if (prepared === undefined || found === undefined) return undefined;
  const entry: Entry = { path, size: found.size, extents: found.extents };
  try {
    const md5 = await doubtOf(prepared.source, folders) ?? prepared.md5;
    if (md5 === undefined) return undefined;
    const hash = (await loadMd5())();
    for await (const chunk of await readFile(session, entry)) {
      hash.update(chunk);
    }
    if (hash.digest("hex") === md5) return undefined;
    return new XorrisoError(
      "CHECKSUM_MISMATCH",
      `Cannot store ${show(path)}: what was read back differs from its source`,
      { path },
    );
  } catch (error) {
    return error;
  }
}

/**
 * Whether a content has its place behind the first block of a session. What is
 * only staged has no place, whatever its size; an empty file needs none.
 */
function isWithin(
  size: number,
  extents: readonly Extent[],
  session: number | undefined,
): boolean {
  if (session === undefined) return false;
  if (size === 0) return true;
  return extents.length > 0 && extents.every(({ lba }) => lba >= session);
}
