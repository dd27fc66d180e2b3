/** What xorriso is told for each change of a batch. */

import { breathe } from "../async.ts";
import { folderOf, join } from "../names.ts";
import type { Changes } from "../session/changes.ts";
import type { Pending } from "./change.ts";
import type { EntryType, Index } from "./index.ts";
import { checkChange, type Operation, View } from "./plan.ts";

/** Stages one line. */
type Line = (changes: Changes) => Promise<void>;

/** The lines of one operation. */
export interface Step {
  /** The operation. */
  readonly operation: Operation<Pending>;
  /** The lines, in the order to send them. */
  readonly lines: readonly Line[];
  /** Where that is one alone, that stores a file: the file, and its place. */
  readonly file?: { readonly source: string; readonly path: string };
}

/** What a batch does. */
export interface Steps {
  /** What to tell, in order. */
  readonly steps: readonly Step[];
  /**
   * What to tell when all that is staged: what comes into a folder changes its
   * time, and the attributes of folders those of what they are in.
   */
  readonly last: readonly Step[];
  /** Operations that cannot be done, each with its error. */
  readonly refused: ReadonlyMap<Operation<Pending>, unknown>;
  /** The names as they are when all is done. */
  readonly view: View<Operation<Pending>>;
}

/**
 * Finds out what xorriso is to be told.
 *
 * What was planned is checked once more: it may have been planned on another
 * tree, which somebody else has changed while the medium was free.
 */
export async function stepsOf(
  index: Index,
  operations: readonly Operation<Pending>[],
): Promise<Steps> {
  const { directory } = index;
  const view = new View<Operation<Pending>>(index);
  const steps: Step[] = [];
  const last: (Step & { readonly depth: number })[] = [];
  const refused = new Map<Operation<Pending>, unknown>();
  for (const operation of operations) {
    await breathe();
    const change = operation.last;
    const { name, attributes } = change;
    const type = view.typeOf(name);
    // What came and went within this batch was never there.
    if (cameAndWent(change, type)) continue;
    // An older version of this batch is no file that must be kept.
    const isReplaced = operation.all.length > 1;
    try {
      checkChange(
        isReplaced ? { ...change, overwrite: true } : change,
        index,
        view,
      );
    } catch (error) {
      refused.set(operation, error);
      continue;
    }
    const path = join(directory, name);
    const lines = linesOf(change, type, directory);
    for (const folder of view.apply(change, operation)) {
      lines.push((changes) => changes.removeFolder(join(directory, folder)));
    }
    if (attributes !== undefined) {
      const line: Line = (changes) => changes.setAttributes(path, attributes);
      if (view.typeOf(name) !== "directory") lines.push(line);
      else {
        const depth = path.split("/").length;
        last.push({ operation, lines: [line], depth });
      }
    }
    const source = change.prepared?.source.path;
    if (source !== undefined && lines.length === 1) {
      steps.push({ operation, lines, file: { source, path } });
    } else if (lines.length > 0) steps.push({ operation, lines });
  }
  last.sort((a, b) => b.depth - a.depth);
  return { steps: await sortFiles(steps), last, refused, view };
}

/**
 * Has the files of a folder come in falling order of their names, where nothing
 * else comes between: xorriso goes through the names before a new one (100,000
 * files in one folder take it 1 s so, and minutes in another order).
 */
async function sortFiles(steps: readonly Step[]): Promise<Step[]> {
  const runs: Step[][] = [];
  const inFolders = new Map<string, Step[]>();
  for (const step of steps) {
    await breathe();
    const { kind, name } = step.operation.last;
    if (kind !== "file") inFolders.clear();
    const folder = folderOf(name);
    const run = inFolders.get(folder) ?? [];
    if (run.length === 0) runs.push(run);
    run.push(step);
    if (kind === "file") inFolders.set(folder, run);
  }
  for (const run of runs) {
    await breathe();
    run.sort((a, b) => compareNames(b, a));
  }
  return runs.flat();
}

function compareNames({ operation: a }: Step, { operation: b }: Step): number {
  if (a.last.name === b.last.name) return 0;
  return a.last.name < b.last.name ? -1 : 1;
}

/** Whether there is nothing to remove, since it was put in the same batch. */
function cameAndWent(
  { kind, recursive = false }: Pending,
  type: EntryType | undefined,
): boolean {
  return kind === "remove" &&
    (type === undefined || type === "directory" && !recursive);
}

/** The lines about the name itself, which is of a type until now. */
function linesOf(
  { kind, name, from = "", text = "", prepared }: Pending,
  type: EntryType | undefined,
  directory: string,
): Line[] {
  const path = join(directory, name);
  const remove: Line = (changes) =>
    changes.remove(path, { recursive: type === "directory" });
  switch (kind) {
    case "file":
      return [(changes) => changes.stage(prepared?.source.path ?? "", path)];
    case "link": {
      const link: Line = (changes) => changes.link(text, path);
      return type === undefined ? [link] : [remove, link];
    }
    case "folder":
      return type === undefined ? [(changes) => changes.makeFolder(path)] : [];
    case "attributes":
      return [];
    case "move":
      return [(changes) => changes.move(join(directory, from), path)];
    case "remove":
      return [remove];
  }
}
