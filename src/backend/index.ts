/** The names below one directory of a medium, in one of its sessions. */

import type { Entry, EntryType as IsoType, Extent, Tree } from "../iso/mod.ts";
import { join, parents, relative } from "../names.ts";

/** What a name stands for; `other` is a device, a FIFO or a socket. */
export type EntryType = "file" | "directory" | "link" | "other";

/** What a backend stores under a name. */
export interface BackendEntry {
  /** Name relative to the backend's directory. */
  readonly name: string;
  /** What it is; `other` is a device, a FIFO or a socket. */
  readonly type: EntryType;
  /** Bytes of a file; 0 for all else. */
  readonly size: number;
  /** When it was last changed, to the second. */
  readonly mtime: Date;
  /** Permission bits, at most 0o7777. */
  readonly mode: number;
  /** Number of its owner. */
  readonly uid: number;
  /** Number of its group. */
  readonly gid: number;
  /** Where the content lies; one extent, more from 4 GiB on. */
  readonly extents: readonly Extent[];
  /** Where a link leads to. */
  readonly link?: string;
}

/** The names below one directory; all of them are relative to it. */
export class Index {
  readonly #tree: Tree | undefined;

  /** Absolute path of the directory, `/` or `/a/b`. */
  readonly directory: string;

  /** Types of the directory and of all above it, by path, as far as they exist. */
  readonly above: ReadonlyMap<string, EntryType>;

  /** Takes all names of the medium; undefined if it is blank. */
  constructor(directory: string, tree: Tree | undefined) {
    this.directory = directory;
    this.#tree = tree;
    const above = new Map<string, EntryType>();
    for (const path of [...parents(directory), directory]) {
      const entry = tree?.get(path);
      if (entry === undefined) break;
      above.set(path, entryTypeOf(entry));
    }
    this.above = above;
  }

  /** The entry of a name; `""` is the directory. */
  entry(name: string): Entry | undefined {
    const { directory } = this;
    return this.#tree?.get(name === "" ? directory : join(directory, name));
  }

  /** The same, in the form that `list()` gives. */
  get(name: string): BackendEntry | undefined {
    const entry = this.entry(name);
    return entry && listed(name, entry);
  }

  /** What a name is; undefined if it is not there. */
  typeOf(name: string): EntryType | undefined {
    const entry = this.entry(name);
    return entry && entryTypeOf(entry);
  }

  /** How many entries a folder has itself. */
  countIn(folder: string): number {
    return this.entry(folder)?.children?.size ?? 0;
  }

  /** All names below a folder, each folder before what it holds. */
  *below(folder: string): Generator<[name: string, entry: Entry]> {
    const { directory } = this;
    const path = folder === "" ? directory : join(directory, folder);
    for (const entry of this.#tree?.walk(path) ?? []) {
      yield [relative(directory, entry.path) ?? "", entry];
    }
  }
}

/** An entry in the form that `list()` gives. */
export function listed(name: string, entry: Entry): BackendEntry {
  const { size, mtime, mode, uid, gid, extents, target } = entry;
  const all = { name, type: entryTypeOf(entry), size, mtime, mode, uid, gid };
  return target === undefined
    ? { ...all, extents }
    : { ...all, extents, link: target };
}

/** Types in the words of the backend. */
const TYPES: Readonly<Record<IsoType, EntryType>> = {
  file: "file",
  directory: "directory",
  link: "link",
  block: "other",
  character: "other",
  fifo: "other",
  socket: "other",
};

export function entryTypeOf({ type }: Entry): EntryType {
  return TYPES[type];
}

/** The folders above a name, the topmost first. */
export function* foldersAbove(name: string): Generator<string> {
  for (const parent of parents(`/${name}`)) {
    if (parent !== "/") yield parent.slice(1);
  }
}
