/** The names below one directory of a medium, in memory. */

import type { Extent } from "../dialogue/answers.ts";
import { parents, relative } from "../names.ts";

/** What a name stands for; `other` is a device, a FIFO or a socket. */
export type EntryType = "file" | "directory" | "link" | "other";

/** One path of the medium's tree. */
export interface IndexedNode {
  /** Absolute path on the medium. */
  readonly path: string;
  /** What it is. */
  readonly type: EntryType;
  /** Bytes of a file; 0 for all else. */
  readonly size: number;
  /** Where the content of a file lies; empty for all else. */
  readonly extents: readonly Extent[];
}

/** What a backend stores under a name. */
export interface BackendEntry {
  /** Name relative to the backend's directory. */
  readonly name: string;
  /** What it is; `other` is a device, a FIFO or a socket. */
  readonly type: EntryType;
  /** Bytes of a file; 0 for all else. */
  readonly size: number;
  /** Where the content lies; one extent, more from 4 GiB on. */
  readonly extents: readonly Extent[];
  /** When it was last changed, to the second. */
  readonly mtime?: Date;
  /** Permission bits, at most 0o7777. */
  readonly mode?: number;
  /** Number of its owner. */
  readonly uid?: number;
  /** Number of its group. */
  readonly gid?: number;
  /** Where a link leads to. */
  readonly link?: string;
}

/** The newest tree below one directory, as the medium has it. */
export class Index {
  readonly #entries = new Map<string, BackendEntry>();
  /** How many entries each folder has itself; `""` is the directory. */
  readonly #counts = new Map<string, number>();

  /** Absolute path of the directory, `/` or `/a/b`. */
  readonly directory: string;

  /**
   * @param directory Absolute path on the medium.
   * @param above What lies above the directory, itself included, as far as it
   * exists.
   */
  constructor(
    directory: string,
    readonly above: ReadonlyMap<string, EntryType>,
  ) {
    this.directory = directory;
  }

  /** Adds or replaces a node; one outside of the directory is left out. */
  set({ path, ...rest }: IndexedNode): void {
    const name = relative(this.directory, path);
    if (name === undefined || name === "") return;
    if (!this.#entries.has(name)) this.#count(name, 1);
    this.#entries.set(name, { name, ...rest });
  }

  /** Removes a name. */
  delete(name: string): void {
    if (this.#entries.delete(name)) this.#count(name, -1);
  }

  /** What is stored under a name. */
  get(name: string): BackendEntry | undefined {
    return this.#entries.get(name);
  }

  /** The file of a name. */
  file(name: string): BackendEntry | undefined {
    const entry = this.#entries.get(name);
    return entry?.type === "file" ? entry : undefined;
  }

  /** What a name is; undefined if it is not there. */
  typeOf(name: string): EntryType | undefined {
    return this.#entries.get(name)?.type;
  }

  /** How many entries a folder has itself. */
  countIn(folder: string): number {
    return this.#counts.get(folder) ?? 0;
  }

  /** Number of names. */
  get size(): number {
    return this.#entries.size;
  }

  /** Everything, in the order of the medium's tree. */
  all(): IterableIterator<BackendEntry> {
    return this.#entries.values();
  }

  #count(name: string, step: number): void {
    const folder = folderOf(name);
    this.#counts.set(folder, this.countIn(folder) + step);
  }
}

/** The folder that a name lies in; `""` is the backend's directory. */
export function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

/** The folders above a name, the topmost first. */
export function* foldersAbove(name: string): Generator<string> {
  for (const parent of parents(`/${name}`)) {
    if (parent !== "/") yield parent.slice(1);
  }
}
