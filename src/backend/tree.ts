/** The tree of a medium in memory, and changes to it that are not written. */

import { XorrisoError } from "../errors.ts";
import { join, parents, relative, show } from "../names.ts";
import type { Extent } from "../dialogue/answers.ts";

/** What a path of the medium's tree is. */
export type NodeType = "file" | "directory" | "other";

/** One path of the medium's tree. */
export interface Node {
  /** Absolute path on the medium. */
  readonly path: string;
  /** Regular file, directory, or something else (link, device, FIFO). */
  readonly type: NodeType;
  /** Bytes of a file; 0 for all else. */
  readonly size: number;
  /** Where the content of a file lies; empty for all else and while pending. */
  readonly extents: readonly Extent[];
}

/** A file that a backend stores. */
export interface BackendEntry {
  /** Name relative to the backend's directory. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Where the content lies; one extent, more from 4 GiB on. */
  readonly extents: readonly Extent[];
}

/** The newest tree below one directory, as xorriso has told it. */
export class Tree {
  readonly #files = new Map<string, BackendEntry>();
  /** Names of what is no regular file, and whether it is a directory. */
  readonly #others = new Map<string, NodeType>();

  /** Absolute path of the directory, `/` or `/a/b`. */
  readonly directory: string;

  /**
   * @param directory Absolute path on the medium.
   * @param above Nodes above the directory, as far as they exist.
   */
  constructor(
    directory: string,
    readonly above: ReadonlyMap<string, NodeType>,
  ) {
    this.directory = directory;
  }

  /** Adds or replaces a node; one outside of the directory is left out. */
  set(node: Node): void {
    const name = relative(this.directory, node.path);
    if (name === undefined || name === "") return;
    if (node.type === "file") {
      const { size, extents } = node;
      this.#others.delete(name);
      this.#files.set(name, { name, size, extents });
    } else {
      this.#files.delete(name);
      this.#others.set(name, node.type);
    }
  }

  /** Removes a name. */
  delete(name: string): void {
    this.#files.delete(name);
    this.#others.delete(name);
  }

  /** Notes that the directories above a name are there now. */
  addParents(name: string): void {
    for (const parent of parents(`/${name}`)) {
      if (parent !== "/") this.#others.set(parent.slice(1), "directory");
    }
  }

  /** The file of a name. */
  get(name: string): BackendEntry | undefined {
    return this.#files.get(name);
  }

  /** What a name is; undefined if it is not there. */
  typeOf(name: string): NodeType | undefined {
    return this.#files.has(name) ? "file" : this.#others.get(name);
  }

  /** Number of files. */
  get size(): number {
    return this.#files.size;
  }

  /** All files, in the order of the medium's tree. */
  files(): IterableIterator<BackendEntry> {
    return this.#files.values();
  }
}

/** One change that has been asked for. */
export interface PlannedChange {
  /** Whether the name gets a content or goes away. */
  readonly kind: "put" | "delete";
  /** Name relative to the backend's directory. */
  readonly name: string;
  /** With `put`: whether a file of that name may be replaced. */
  readonly overwrite?: boolean;
}

/** What is to be done to one name: its last change; all settle with it. */
export interface Operation<Change extends PlannedChange> {
  /** The change that stands. */
  readonly last: Change;
  /** All changes of that name in call order, the last one included. */
  readonly all: readonly Change[];
}

/**
 * Changes on top of a tree, each checked when it is added.
 *
 * xorriso silently turns a file into a directory when something is stored
 * below its name, and its content is gone; here that is refused.
 */
export class Plan<Change extends PlannedChange> {
  readonly #tree: Tree;
  readonly #changes = new Map<string, Change[]>();
  /** How many planned files lie below each directory. */
  readonly #below = new Map<string, number>();

  /** A plan on top of a tree, empty. */
  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** Number of names that change. */
  get size(): number {
    return this.#changes.size;
  }

  /**
   * Adds a change.
   *
   * Throws with ENTRY_EXISTS or ENTRY_NOT_FOUND where it cannot be done; the
   * plan is then as before.
   */
  add(change: Change): void {
    const { name } = change;
    if (change.kind === "put") this.#checkPut(change);
    else this.#checkDelete(name);
    const before = this.#changes.get(name);
    if (before?.at(-1)?.kind === "put") this.#count(name, -1);
    // The order of operations is that of the last changes.
    this.#changes.delete(name);
    this.#changes.set(name, [...before ?? [], change]);
    if (change.kind === "put") this.#count(name, 1);
  }

  /** All changes, those of one name together. */
  changes(): Change[] {
    return [...this.#changes.values()].flat();
  }

  /** What is to be done, in order. */
  operations(): Operation<Change>[] {
    return [...this.#changes.values()].flatMap((all) => {
      const last = all.at(-1);
      return last === undefined ? [] : [{ last, all }];
    });
  }

  /** What a name would be if all that is planned were done. */
  typeOf(name: string): NodeType | undefined {
    const last = this.#changes.get(name)?.at(-1);
    if (last?.kind === "put") return "file";
    if (this.#below.has(name)) return "directory";
    return last === undefined ? this.#tree.typeOf(name) : undefined;
  }

  #checkPut({ name, overwrite = true }: PlannedChange): void {
    const { directory, above } = this.#tree;
    for (const [path, type] of above) {
      if (type !== "directory") throw exists(join(directory, name), path);
    }
    for (const parent of parents(`/${name}`)) {
      if (parent === "/") continue;
      const type = this.typeOf(parent.slice(1));
      if (type !== undefined && type !== "directory") {
        throw exists(join(directory, name), join(directory, parent.slice(1)));
      }
    }
    const type = this.typeOf(name);
    if (type === undefined || type === "file" && overwrite) return;
    throw exists(join(directory, name));
  }

  #checkDelete(name: string): void {
    const type = this.typeOf(name);
    if (type === "file") return;
    const path = join(this.#tree.directory, name);
    const why = type === undefined ? "there is none" : "it is no regular file";
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot delete ${show(path)}: ${why}`,
      { path },
    );
  }

  #count(name: string, step: number): void {
    for (const parent of parents(`/${name}`)) {
      if (parent === "/") continue;
      const directory = parent.slice(1);
      const count = (this.#below.get(directory) ?? 0) + step;
      if (count > 0) this.#below.set(directory, count);
      else this.#below.delete(directory);
    }
  }
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
