/** The tree of a session: all its names. */

import type { Entry } from "./entry.ts";
import type { Session } from "./sessions.ts";
import type { Naming } from "./volume.ts";

/** A name that is left out of a tree. */
export interface TreeProblem {
  /** Path of its directory. */
  readonly path: string;
  /** The block that it is in. */
  readonly lba: number;
  /** What is wrong with it. */
  readonly reason: string;
}

/** What a tree is made from. */
export type TreeParts = Pick<
  Tree,
  "root" | "session" | "naming" | "problems" | "problemCount"
>;

/**
 * All names of a session.
 *
 * @example Every file below a directory
 * ```ts
 * import { fileBlocks, readImage, readTree } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * const tree = await readTree(blocks, (await readImage(blocks)).newest);
 * for (const { path, type, size } of tree.walk("/photos")) {
 *   if (type === "file") console.log(path, size);
 * }
 * ```
 */
export class Tree {
  /** The root directory. */
  readonly root: Entry;
  /** The session that it is of. */
  readonly session: Session;
  /** How its names are written. */
  readonly naming: Naming;
  /** Names that were left out, the first thousand of them. */
  readonly problems: readonly TreeProblem[];
  /** How many were left out. */
  readonly problemCount: number;
  #size: number | undefined;

  /**
   * Made by `readTree()`.
   *
   * @param parts What has been read.
   */
  constructor(parts: TreeParts) {
    this.root = parts.root;
    this.session = parts.session;
    this.naming = parts.naming;
    this.problems = parts.problems;
    this.problemCount = parts.problemCount;
  }

  /** Number of names, the root left out. */
  get size(): number {
    if (this.#size === undefined) {
      this.#size = 0;
      for (const _ of this.walk()) this.#size++;
    }
    return this.#size;
  }

  /**
   * Looks for a path.
   *
   * @param path Absolute path, without a slash at its end.
   * @returns Its entry; undefined if there is none.
   */
  get(path: string): Entry | undefined {
    if (path === "/") return this.root;
    let entry: Entry | undefined = this.root;
    for (let at = 1; at <= path.length && entry !== undefined;) {
      const slash = path.indexOf("/", at);
      const end: number = slash < 0 ? path.length : slash;
      entry = entry.children?.get(path.slice(at, end));
      at = end + 1;
    }
    return entry;
  }

  /**
   * Goes through all names below a directory, each directory before what is in it.
   *
   * @param path Absolute path of the directory.
   * @returns Its entries; none if there is no such directory.
   */
  *walk(path = "/"): Generator<Entry, void, undefined> {
    const pending = [this.get(path)?.children?.values()];
    while (pending.length > 0) {
      const next = pending.at(-1)?.next();
      if (next === undefined || next.done) {
        pending.pop();
        continue;
      }
      yield next.value;
      const { children } = next.value;
      if (children !== undefined) pending.push(children.values());
    }
  }
}
