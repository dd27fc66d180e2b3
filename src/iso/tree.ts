/** The tree of a session: its directories with all they hold. */

import type { Entry } from "./entry.ts";
import type { Session } from "./sessions.ts";

/** A name that is left out of a tree. */
export interface TreeProblem {
  /** Path of the directory that has it. */
  readonly path: string;
  /** The block of its directory record. */
  readonly lba: number;
  /** Why it is left out. */
  readonly reason: string;
}

/** What a tree is made from. */
export type TreeParts = Pick<Tree, "root" | "session" | "problems">;

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
  /** The session that it belongs to. */
  readonly session: Session;
  /** Names that were left out: the first thousand, and one more entry if there are more. */
  readonly problems: readonly TreeProblem[];
  #size: number | undefined;

  /**
   * Made by `readTree()`.
   *
   * @param parts What has been read.
   */
  constructor(parts: TreeParts) {
    this.root = parts.root;
    this.session = parts.session;
    this.problems = parts.problems;
  }

  /** Number of names, the root left out. */
  get size(): number {
    return this.#size ??= this.walk().reduce((count) => count + 1, 0);
  }

  /**
   * Finds a path.
   *
   * @param path Absolute path, without a slash at its end.
   * @returns Its entry; undefined if there is none.
   */
  get(path: string): Entry | undefined {
    const parts = path === "/" ? [] : path.slice(1).split("/");
    return parts.reduce<Entry | undefined>(
      (entry, part) => entry?.children?.get(part),
      this.root,
    );
  }

  /**
   * Gives all names below a directory, each directory before what it holds.
   *
   * @param path Absolute path of the directory.
   * @returns Its entries; none if there is no such directory.
   */
  *walk(path = "/"): Generator<Entry, void, undefined> {
    const pending = [this.get(path)?.children?.values()];
    for (let last = pending.at(-1); last; last = pending.at(-1)) {
      const { done, value } = last.next();
      if (done) pending.pop();
      else yield value;
      if (value?.children) pending.push(value.children.values());
    }
  }
}
