/** Changes that are not written yet, each checked when it is asked for. */

import { XorrisoError } from "../errors.ts";
import type { Entry } from "../iso/mod.ts";
import { baseName, folderOf, join, show } from "../names.ts";
import {
  type EntryType,
  entryTypeOf,
  foldersAbove,
  type Index,
} from "./index.ts";

/** One change that has been asked for. */
export interface PlannedChange {
  /** What is to become of the name. */
  readonly kind:
    | "file"
    | "folder"
    | "link"
    | "attributes"
    | "move"
    | "remove";
  /** Name relative to the backend's directory. */
  readonly name: string;
  /** With `move`: the name before. */
  readonly from?: string;
  /** With `file` and `move`: whether a file of that name may be replaced. */
  readonly overwrite?: boolean;
  /** With `remove`: whether a folder goes with all that is below it. */
  readonly recursive?: boolean;
}

/** What is to be done to one name: its last change; all settle with it. */
export class Operation<Change extends PlannedChange> {
  /** All changes of that name in call order; the last one stands. */
  readonly all: Change[];

  /** The change that stands. */
  last: Change;

  /**
   * The first change, so far alone.
   *
   * @param number How many changes the plan had before.
   */
  constructor(change: Change, readonly number: number) {
    this.all = [change];
    this.last = change;
  }

  /** Takes a later change. */
  take(change: Change): void {
    this.all.push(change);
    this.last = change;
  }
}

/** Whether a change leaves nothing of what an earlier one has made. */
function isWhole({ kind, recursive = false }: PlannedChange): boolean {
  return kind === "file" || kind === "remove" && !recursive;
}

/** What a name would be, with all below it, of which it knows what has changed. */
class ViewNode<Maker> {
  /** What is in it that is not as the medium has it; undefined is gone. */
  changed: Map<string, ViewNode<Maker> | undefined> | undefined;
  /** How many entries it has itself. */
  count: number;
  /** Whether it has been named itself. */
  isKept = false;
  /** The changes that have made it so, the oldest first. */
  makers: readonly Maker[] = [];

  /**
   * Nothing of it has changed.
   *
   * @param origin Its name before, unless something new is stored under it.
   * @param entry What the medium has of it.
   */
  constructor(
    readonly type: EntryType,
    readonly origin?: string,
    readonly entry?: Entry,
  ) {
    this.count = entry?.children?.size ?? 0;
  }

  /** What is in it under a name. */
  get(part: string): ViewNode<Maker> | undefined {
    if (this.changed?.has(part)) return this.changed.get(part);
    const entry = this.entry?.children?.get(part);
    return entry &&
      new ViewNode(entryTypeOf(entry), nameIn(this.origin, part), entry);
  }

  /** Has something in it under a name; undefined takes away what is there. */
  set(part: string, node: ViewNode<Maker> | undefined): void {
    this.count += (node ? 1 : 0) - (this.get(part) ? 1 : 0);
    this.changed ??= new Map();
    this.changed.set(part, node);
  }

  /** Everything in it, with its name there. */
  *entries(): Generator<[part: string, node: ViewNode<Maker>]> {
    const parts = new Set(this.entry?.children?.keys());
    for (const part of this.changed?.keys() ?? []) parts.add(part);
    for (const part of parts) {
      const node = this.get(part);
      if (node !== undefined) yield [part, node];
    }
  }
}

/** A name in a folder. */
function nameIn(folder = "", part: string): string {
  return folder === "" ? part : `${folder}/${part}`;
}

/** A name that changes have made what it is. */
export type Made<Maker> = Pick<ViewNode<Maker>, "makers" | "origin"> & {
  /** Its name now. */
  readonly name: string;
};

/** The names in a folder that changes have made what they are. */
function* madeIn<Maker>(
  folder: string,
  { changed = new Map() }: ViewNode<Maker>,
): Generator<Made<Maker>> {
  for (const [part, node] of changed) {
    if (node === undefined) continue;
    const name = nameIn(folder, part);
    const { makers, origin } = node;
    if (makers.length > 0) yield { name, makers, origin };
    yield* madeIn(name, node);
  }
}

/**
 * Names as they would be if changes were made.
 *
 * A folder goes with its last entry, unless it has been named itself; one that
 * was empty before is nobody's to remove.
 */
export class View<Maker> {
  readonly #root: ViewNode<Maker>;

  /** The names of an index. */
  constructor(index: Index) {
    this.#root = new ViewNode("directory", "", index.entry(""));
  }

  /** The names that changes have made what they are. */
  made(): Generator<Made<Maker>> {
    return madeIn("", this.#root);
  }

  /** What a name is; undefined if it is not there. */
  typeOf(name: string): EntryType | undefined {
    return this.#find(name)?.type;
  }

  /** How many entries a folder has itself. */
  countIn(folder: string): number {
    return this.#find(folder)?.count ?? 0;
  }

  /** Name and type of each entry of a folder. */
  entriesIn(folder: string): { name: string; type: EntryType }[] {
    return Array.from(
      this.#find(folder)?.entries() ?? [],
      ([part, { type }]) => ({ name: nameIn(folder, part), type }),
    );
  }

  /**
   * Makes a change.
   *
   * @param maker What it is a part of.
   * @returns The folders above that go by it, the lowest first.
   */
  apply({ kind, name, from = "" }: PlannedChange, maker: Maker): string[] {
    switch (kind) {
      case "file":
      case "link":
        this.#put(name, new ViewNode(kind), maker);
        return [];
      case "folder":
      case "attributes": {
        const node = this.#find(name) ?? new ViewNode("directory");
        node.isKept = true;
        this.#put(name, node, maker);
        return [];
      }
      case "move":
        this.#put(name, this.#find(from) ?? new ViewNode("file"), maker);
        return this.#remove(from);
      case "remove":
        return this.#remove(name);
    }
  }

  #find(name: string): ViewNode<Maker> | undefined {
    const parts = name === "" ? [] : name.split("/");
    return parts.reduce<ViewNode<Maker> | undefined>(
      (node, part) => node?.get(part),
      this.#root,
    );
  }

  /** The folder above a name; it is made, with those above it, if it is not there. */
  #folderAbove(name: string): ViewNode<Maker> {
    let folder = this.#root;
    for (const part of name.split("/").slice(0, -1)) {
      const inside = folder.get(part) ?? new ViewNode<Maker>("directory");
      if (folder.changed?.get(part) !== inside) folder.set(part, inside);
      folder = inside;
    }
    return folder;
  }

  #put(name: string, node: ViewNode<Maker>, maker: Maker): void {
    node.makers = [...node.makers, maker];
    this.#folderAbove(name).set(baseName(name), node);
  }

  /** Removes a name with all below it. */
  #remove(name: string): string[] {
    this.#folderAbove(name).set(baseName(name), undefined);
    const gone: string[] = [];
    for (
      let folder = folderOf(name);
      folder !== "" && this.#goes(folder);
      folder = folderOf(folder)
    ) {
      this.#folderAbove(folder).set(baseName(folder), undefined);
      gone.push(folder);
    }
    return gone;
  }

  /** Whether a folder goes, since its last entry has gone. */
  #goes(name: string): boolean {
    const folder = this.#find(name);
    if (folder === undefined || folder.count > 0 || folder.isKept) return false;
    return folder.entry === undefined || folder.entry.children?.size !== 0;
  }
}

/**
 * Changes on top of an index, each checked when it is added.
 *
 * xorriso silently turns a file into a directory when something is stored
 * below its name, and its content is gone; here that is refused.
 */
export class Plan<Change extends PlannedChange> {
  readonly #index: Index;
  readonly #view: View<Change>;
  readonly #changes = new Set<Change>();
  readonly #operations: Operation<Change>[] = [];
  /** Operations that a later change of the name may become a part of. */
  readonly #open = new Map<string, Operation<Change>>();
  /** The last change of each name that may be, or may have been, a folder. */
  readonly #named = new Map<string, number>();

  /** A plan on top of an index, empty. */
  constructor(index: Index) {
    this.#index = index;
    this.#view = new View(index);
  }

  /** Number of changes to be made. */
  get size(): number {
    return this.#operations.length;
  }

  /** All changes, in call order. */
  get changes(): ReadonlySet<Change> {
    return this.#changes;
  }

  /** What is to be done, in order. */
  get operations(): readonly Operation<Change>[] {
    return this.#operations;
  }

  /** What a name would be if all that is planned were done. */
  typeOf(name: string): EntryType | undefined {
    return this.#view.typeOf(name);
  }

  /**
   * Adds a change.
   *
   * Throws with ENTRY_EXISTS or ENTRY_NOT_FOUND where it cannot be done; the
   * plan is then as before.
   */
  add(change: Change): void {
    this.check(change);
    const { kind, name } = change;
    const type = this.#view.typeOf(name);
    this.#view.apply(change, change);
    const number = this.#changes.size;
    this.#changes.add(change);
    let open = this.#open.get(name);
    for (const folder of foldersAbove(name)) {
      // What is below it rests on what it was made before.
      this.#open.delete(folder);
      if ((this.#named.get(folder) ?? -1) > (open?.number ?? number)) {
        open = undefined;
      }
    }
    if (kind !== "file") this.#named.set(name, number);
    // A file takes no place but that of a file.
    const isOpen = isWhole(change) && (kind === "file" || type === "file");
    if (open !== undefined && isOpen) return open.take(change);
    const operation = new Operation(change, number);
    this.#operations.push(operation);
    // Nothing is done earlier or later than a move that it may rest on.
    if (kind === "move") this.#open.clear();
    else if (isOpen) this.#open.set(name, operation);
    else this.#open.delete(name);
  }

  /** Throws where a change cannot be done. */
  check(change: PlannedChange): void {
    checkChange(change, this.#index, this.#view);
  }
}

/**
 * Refuses what would bend the tree, or is about what is not there.
 *
 * @param view What is there when the change is made.
 */
export function checkChange(
  change: PlannedChange,
  { directory, above }: Index,
  view: View<unknown>,
): void {
  const { kind, name, from = "", overwrite = true } = change;
  const type = view.typeOf(name);
  if (kind === "remove") {
    const isFull = type === "directory" && view.countIn(name) > 0;
    if (type === undefined) throw notThere("delete", directory, name);
    if (type === "directory" && !change.recursive) {
      throw notThere(
        "delete",
        directory,
        name,
        isFull ? "it is a folder that is not empty" : "it is a folder",
      );
    }
    return;
  }
  if (kind === "attributes") {
    if (type === undefined) throw notThere("change", directory, name);
    return;
  }
  for (const [path, type] of above) {
    if (type !== "directory") throw exists(join(directory, name), path);
  }
  for (const folder of foldersAbove(name)) {
    const type = view.typeOf(folder);
    if (type !== undefined && type !== "directory") {
      throw exists(join(directory, name), join(directory, folder));
    }
  }
  if (kind === "move") {
    if (view.typeOf(from) === undefined) {
      throw notThere("rename", directory, from);
    }
    if (`${name}/`.startsWith(`${from}/`)) {
      throw new XorrisoError(
        "ENTRY_EXISTS",
        `Cannot rename ${show(join(directory, from))} to ` +
          `${show(join(directory, name))}: that is itself or below it`,
        { path: join(directory, name) },
      );
    }
  }
  if (type === undefined) return;
  const isSame = kind === "folder" && type === "directory" ||
    kind === "link" && type === "link" ||
    kind === "file" && type === "file" ||
    kind === "move" && type === "file" && view.typeOf(from) === "file";
  if (isSame && (overwrite || kind === "folder")) return;
  throw exists(join(directory, name));
}

function notThere(
  doing: string,
  directory: string,
  name: string,
  why = "there is none",
): XorrisoError {
  const path = join(directory, name);
  return new XorrisoError(
    "ENTRY_NOT_FOUND",
    `Cannot ${doing} ${show(path)}: ${why}`,
    { path },
  );
}

function exists(path: string, obstacle: string = path): XorrisoError {
  const why = path === obstacle
    ? "something is there already that must not be replaced"
    : `${show(obstacle)} is no directory`;
  return new XorrisoError(
    "ENTRY_EXISTS",
    `Cannot store ${show(path)}: ${why}; choose another name`,
    { path },
  );
}
