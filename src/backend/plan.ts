/** Changes that are not written yet, each checked when it is asked for. */

import { XorrisoError } from "../errors.ts";
import { folderOf, join, show } from "../names.ts";
import { type EntryType, foldersAbove, type Index } from "./index.ts";

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

/** What a name would be. */
export interface Named<Maker> {
  /** What it is. */
  readonly type: EntryType;
  /** The changes that have made it so, the oldest first. */
  readonly makers: readonly Maker[];
  /** Its name before, unless something new is stored under it. */
  readonly origin: string | undefined;
}

/**
 * Names as they would be if changes were made.
 *
 * A folder goes with its last entry, unless it has been named itself; one that
 * was empty before is nobody's to remove.
 */
export class View<Maker> {
  readonly #index: Index;
  /** Folders that have been named themselves. */
  readonly #kept = new Set<string>();
  readonly #changed = new Map<string, Named<Maker> | undefined>();
  readonly #counts = new Map<string, number>();

  /** The names of an index. */
  constructor(index: Index) {
    this.#index = index;
  }

  /** The names that differ from those of the index; undefined is gone. */
  get changed(): ReadonlyMap<string, Named<Maker> | undefined> {
    return this.#changed;
  }

  /** What is under a name; undefined if it is not there. */
  get(name: string): Named<Maker> | undefined {
    if (this.#changed.has(name)) return this.#changed.get(name);
    const type = this.#index.typeOf(name);
    return type && { type, makers: [], origin: name };
  }

  /** What a name is; undefined if it is not there. */
  typeOf(name: string): EntryType | undefined {
    return this.#changed.has(name)
      ? this.#changed.get(name)?.type
      : this.#index.typeOf(name);
  }

  /** How many entries a folder has itself. */
  countIn(folder: string): number {
    return this.#counts.get(folder) ?? this.#index.countIn(folder);
  }

  /**
   * Makes a change.
   *
   * @param maker What it is a part of.
   * @returns The folders above that go by it, the lowest first.
   */
  apply({ kind, name, from = "" }: PlannedChange, maker: Maker): string[] {
    const before = this.get(name);
    switch (kind) {
      case "file":
      case "link":
        this.#add(name, { type: kind, makers: [maker], origin: undefined });
        return [];
      case "folder":
      case "attributes": {
        this.#kept.add(name);
        const { type = "directory", makers = [], origin } = before ?? {};
        this.#add(name, { type, makers: [...makers, maker], origin });
        return [];
      }
      case "move":
        return this.#move(from, name, maker);
      case "remove":
        return this.#remove(name);
    }
  }

  /** Adds a name, and the folders above it. */
  #add(name: string, named: Named<Maker>): void {
    const folder = folderOf(name);
    if (this.typeOf(name) === undefined) {
      if (folder !== "" && this.typeOf(folder) === undefined) {
        const made = { makers: [], origin: undefined } as const;
        this.#add(folder, { type: "directory", ...made });
      }
      this.#counts.set(folder, this.countIn(folder) + 1);
    }
    this.#changed.set(name, named);
  }

  /** Removes a name and all below it. */
  #remove(name: string): string[] {
    for (const below of this.#below(name)) this.#drop(below);
    this.#drop(name);
    const gone: string[] = [];
    for (
      let folder = folderOf(name);
      this.#goes(folder);
      folder = folderOf(folder)
    ) {
      this.#drop(folder);
      gone.push(folder);
    }
    return gone;
  }

  /** Whether a folder goes, since its last entry has gone. */
  #goes(folder: string): boolean {
    if (folder === "" || this.#kept.has(folder)) return false;
    const wasEmpty = this.#index.typeOf(folder) === "directory" &&
      this.#index.countIn(folder) === 0;
    return this.countIn(folder) === 0 && !wasEmpty;
  }

  /** Gives a name and all below it another one. */
  #move(from: string, to: string, maker: Maker): string[] {
    const moved = [from, ...this.#below(from)].map((name) =>
      [to + name.slice(from.length), this.get(name)] as const
    );
    for (const [name, named] of moved) {
      if (named === undefined) continue;
      const makers = name === to ? [...named.makers, maker] : named.makers;
      this.#add(name, { ...named, makers });
    }
    return this.#remove(from);
  }

  /** All names below a folder. */
  #below(folder: string): string[] {
    if (this.typeOf(folder) !== "directory") return [];
    if (this.countIn(folder) === 0) return [];
    const prefix = `${folder}/`;
    const names = new Set<string>();
    for (const [name] of this.#index.below(folder)) names.add(name);
    for (const name of this.#changed.keys()) {
      if (name.startsWith(prefix)) names.add(name);
    }
    return [...names].filter((name) => this.typeOf(name) !== undefined);
  }

  /** Name and type of each entry of some folders. */
  entriesOf(
    folders: ReadonlySet<string>,
  ): Map<string, { readonly name: string; readonly type: EntryType }[]> {
    const names = new Set<string>(this.#changed.keys());
    for (const folder of folders) {
      const inside = this.#index.entry(folder)?.children?.keys() ?? [];
      const prefix = folder === "" ? "" : `${folder}/`;
      for (const name of inside) names.add(prefix + name);
    }
    const inside = [...names].flatMap((name) => {
      const type = folders.has(folderOf(name)) && this.typeOf(name);
      return type ? [{ name, type }] : [];
    });
    return Map.groupBy(inside, ({ name }) => folderOf(name));
  }

  #drop(name: string): void {
    if (this.typeOf(name) === undefined) return;
    this.#changed.set(name, undefined);
    this.#kept.delete(name);
    const folder = folderOf(name);
    this.#counts.set(folder, this.countIn(folder) - 1);
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
