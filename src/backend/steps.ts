/** What xorriso is told for each change of a batch, line by line. */

import { join } from "../names.ts";
import type { Attributes, Changes } from "../session/changes.ts";
import type { Pending } from "./change.ts";
import type { EntryType, Index } from "./index.ts";
import { apply, checkChange, isKept, type Operation, View } from "./plan.ts";

/** One step; all paths but `source` are absolute ones on the medium. */
export type Step =
  & { readonly path: string }
  & (
    | { readonly kind: "store"; readonly source: string }
    | { readonly kind: "link"; readonly text: string }
    | { readonly kind: "makeFolder" | "removeFolder" }
    | { readonly kind: "remove"; readonly recursive: boolean }
    | { readonly kind: "move"; readonly from: string }
    | { readonly kind: "attributes"; readonly attributes: Attributes }
  );

/** Stages one step. */
export function stage(changes: Changes, step: Step): Promise<void> {
  switch (step.kind) {
    case "store":
      return changes.stage(step.source, step.path);
    case "link":
      return changes.link(step.text, step.path);
    case "makeFolder":
      return changes.makeFolder(step.path);
    case "removeFolder":
      return changes.removeFolder(step.path);
    case "remove":
      return changes.remove(step.path, { recursive: step.recursive });
    case "move":
      return changes.move(step.from, step.path);
    case "attributes":
      return changes.setAttributes(step.path, step.attributes);
  }
}

/** The lines of a batch. */
export interface Steps {
  /** The lines of each operation, in the order to send them. */
  readonly first: ReadonlyMap<Operation<Pending>, readonly Step[]>;
  /**
   * What is told when all else is staged, since what comes into a folder
   * changes its time.
   */
  readonly last: ReadonlyMap<Operation<Pending>, Step>;
  /** Operations that cannot be done, each with its error. */
  readonly refused: ReadonlyMap<Operation<Pending>, unknown>;
  /** The names as they are when all is done. */
  readonly view: View;
  /** Whether there is nothing to be done. */
  readonly isEmpty: boolean;
}

/**
 * Finds out what xorriso is to be told.
 *
 * What was planned is checked once more: it may have been planned on another
 * tree, which somebody else has changed while the medium was free.
 */
export function stepsOf(
  index: Index,
  operations: readonly Operation<Pending>[],
): Steps {
  const { directory } = index;
  const kept = new Set(
    operations.filter(({ last }) => isKept(last)).map(({ last }) => last.name),
  );
  const view = new View(index, kept);
  const first = new Map<Operation<Pending>, readonly Step[]>();
  const last = new Map<Operation<Pending>, Step>();
  const refused = new Map<Operation<Pending>, unknown>();
  for (const operation of operations) {
    const change = operation.last;
    const type = view.typeOf(change.name);
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
    const steps = own(change, type, directory);
    const path = join(directory, change.name);
    for (const folder of apply(view, change)) {
      steps.push({ kind: "removeFolder", path: join(directory, folder) });
    }
    const { attributes } = change;
    if (attributes !== undefined) {
      const step: Step = { kind: "attributes", path, attributes };
      if (view.typeOf(change.name) === "directory") last.set(operation, step);
      else steps.push(step);
    }
    first.set(operation, steps);
  }
  const isEmpty = last.size === 0 &&
    first.values().every((steps) => steps.length === 0);
  return { first, last, refused, view, isEmpty };
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
function own(
  { kind, name, from = "", text = "", prepared }: Pending,
  type: EntryType | undefined,
  directory: string,
): Step[] {
  const path = join(directory, name);
  switch (kind) {
    case "file":
      return [{ kind: "store", path, source: prepared?.source.path ?? "" }];
    case "link":
      return [
        ...type === undefined
          ? []
          : [{ kind: "remove", path, recursive: false } as const],
        { kind: "link", path, text },
      ];
    case "folder":
      return type === undefined ? [{ kind: "makeFolder", path }] : [];
    case "attributes":
      return [];
    case "move":
      return [{ kind: "move", path, from: join(directory, from) }];
    case "remove":
      return [{ kind: "remove", path, recursive: type === "directory" }];
  }
}
