/** What is at the place on disk where a tree is to be restored, and what comes there. */

import type { ListedEntry } from "../backend/options.ts";
import { type Abilities, probeAttributes } from "../disk/attributes.ts";
import { type Identity, lstatIfThere, readLink } from "../disk/files.ts";
import { makeTarget, requireFileNames } from "../disk/folders.ts";
import { resolveForWrite } from "../disk/permissions.ts";
import { alreadyThere, unwritableBy } from "../disk/targets.ts";
import { XorrisoError } from "../errors.ts";
import { folderOf, join, show } from "../names.ts";
import { secondsOf } from "./difference.ts";
import type { GetTreeOptions } from "./options.ts";

/** Something to be restored, and where. */
export interface Destination {
  readonly entry: ListedEntry;
  readonly path: string;
  /** What is there under its name: nothing, something to be replaced, or the same. */
  readonly there: "nothing" | "other" | "same";
  /** Which file or folder is there: a folder is made at once. */
  readonly identity?: Identity | undefined;
}

/** A file that is another name of one that is restored. */
export interface Double {
  readonly target: Destination;
  readonly first: Destination;
}

/** Separates the first name of each file that is to be restored from its further ones. */
export function separateLinks(
  files: readonly Destination[],
): [Destination[], Double[]] {
  const firsts = new Map<string, Destination>();
  const contents: Destination[] = [];
  const doubles: Double[] = [];
  // What is there already can be linked to.
  const sorted = files.toSorted((a, b) =>
    Number(b.there === "same") - Number(a.there === "same")
  );
  for (const target of sorted) {
    const { size, mode, uid, gid, mtime, extents } = target.entry;
    // The names of one inode have all of it in common.
    const key = [extents[0]?.lba, size, mode, uid, gid, secondsOf(mtime)]
      .join();
    const first = size > 0 ? firsts.get(key) : undefined;
    if (target.there === "same") firsts.set(key, target);
    else if (first !== undefined) doubles.push({ target, first });
    else {
      firsts.set(key, target);
      contents.push(target);
    }
  }
  return [contents, doubles];
}

/** What a disk keeps of which nothing is known. */
const KEEPS_ALL: Abilities = {
  isRoot: false,
  mode: undefined,
  owner: undefined,
  slack: 0,
};

/** Permissions of a folder until all in it is restored. */
const OWN = 0o700;

/** How something is restored into a {@linkcode TargetTree}. */
export interface TargetTreeOptions
  extends Pick<GetTreeOptions, "dryRun" | "overwrite"> {
  /** Directory that the names on disk leave out. */
  readonly base: string;
  /** Takes what a folder was made for, or would be. */
  readonly onFolder: (entry: ListedEntry) => void;
}

/** A folder on disk that can be restored into. */
interface FolderOnDisk {
  readonly isNew: boolean;
  /** Which it is; undefined if it was not really made. */
  readonly identity: Identity | undefined;
}

/** The folder on disk that a tree is restored into: what is there, and which name it stands for. */
export class TargetTree {
  /** Its absolute path. */
  readonly root: string;
  /** Which attributes this disk keeps. */
  readonly abilities: Abilities;
  readonly #options: TargetTreeOptions;
  /** By name; "" is the root. */
  readonly #folders = new Map<string, FolderOnDisk>();
  /** Which name each file and folder stands for. */
  readonly #taken = new Map<string, string>();

  private constructor(
    root: string,
    folder: FolderOnDisk,
    abilities: Abilities,
    options: TargetTreeOptions,
  ) {
    this.root = root;
    this.abilities = abilities;
    this.#options = options;
    this.#folders.set("", folder);
  }

  /**
   * Makes the folder if it is not there, and tries out what its disk keeps.
   *
   * @param path Where; it may be a link to a folder.
   * @throws {XorrisoError} TARGET_EXISTS when it is no folder, TARGET_UNWRITABLE when it cannot be made.
   */
  static async open(
    path: string,
    options: TargetTreeOptions,
  ): Promise<TargetTree> {
    const found = await resolveForWrite(path, "the target folder");
    const info = await statAt(found);
    if (info && !info.isDirectory) {
      throw alreadyThere(found, "it is no folder", false);
    }
    if (options.dryRun) {
      const folder = { isNew: info === undefined, identity: info };
      return new TargetTree(found, folder, KEEPS_ALL, options);
    }
    const { path: root, isNew } = await makeTarget(found);
    const folder = { isNew, identity: await statAt(root) };
    const abilities = await probeAttributes(root).catch((cause) => {
      throw unwritableBy(cause, root);
    });
    return new TargetTree(root, folder, abilities, options);
  }

  /**
   * Finds out where something is to be restored, and makes it if it is a folder.
   *
   * @throws {XorrisoError} TARGET_EXISTS when something is there that is not to be replaced, or that
   * stands for another name; TARGET_UNWRITABLE when there can be no such file.
   */
  async prepare(entry: ListedEntry): Promise<Destination> {
    const name = this.#nameOf(entry);
    const path = name === "" ? this.root : join(this.root, name);
    if (entry.type === "directory") {
      const { isNew, identity } = await this.#makeFolder(name, entry);
      // The attributes of a root that was there are nobody's to change.
      const there = name === "" && !isNew ? "same" : "nothing";
      return { entry, path, there, identity };
    }
    const folder = await this.#makeFolder(folderOf(name), entry);
    if (entry.type === "other") {
      throw new XorrisoError(
        "TARGET_UNWRITABLE",
        `Cannot restore ${show(entry.name)}: it is no file, folder or link`,
        { path: entry.name },
      );
    }
    // Nothing is in a new folder; should anything come in, it is not replaced.
    if (folder.isNew) return { entry, path, there: "nothing" };
    return await this.#find(path, entry);
  }

  /** Its name below the root. */
  #nameOf({ name }: ListedEntry): string {
    const { base } = this.#options;
    const below = base === "" ? name : name.slice(base.length + 1);
    if (below !== "") requireFileNames(below, name);
    return below;
  }

  /** Makes a folder and those above that are not there; a link is none. */
  async #makeFolder(name: string, entry: ListedEntry): Promise<FolderOnDisk> {
    const known = this.#folders.get(name);
    if (known !== undefined) return known;
    await this.#makeFolder(folderOf(name), entry);
    const path = join(this.root, name);
    const isMade = !this.#options.dryRun && makeNew(path);
    const info = await statAt(path);
    if (info) {
      if (!info.isDirectory) {
        throw alreadyThere(path, "it is no folder", false);
      }
      this.#take(info, name, path, entry);
    }
    const folder = { isNew: isMade || info === undefined, identity: info };
    if (folder.isNew) this.#options.onFolder(entry);
    this.#folders.set(name, folder);
    return folder;
  }

  /** Looks what is there already. */
  async #find(path: string, entry: ListedEntry): Promise<Destination> {
    const info = await statAt(path);
    if (info === undefined) return { entry, path, there: "nothing" };
    if (info.isDirectory) {
      throw alreadyThere(path, "a folder is there", false);
    }
    const { overwrite = "never" } = this.#options;
    if (info.isFile) this.#take(info, entry.name, path, entry);
    const isKept = overwrite !== "always" &&
      await isAlready(path, info, entry, this.abilities.slack);
    if (!isKept && overwrite === "never") {
      throw alreadyThere(path, "something else is there");
    }
    const there = isKept ? "same" : "other";
    return { entry, path, there, identity: info };
  }

  /** Notes what stands for a name, so that nothing stands for two. */
  #take(
    info: Deno.FileInfo,
    name: string,
    path: string,
    entry: ListedEntry,
  ): void {
    const key = `${info.dev}:${info.ino}`;
    const other = this.#taken.get(key) ?? name;
    // Files that have several names may have any of these.
    const isAlone = info.isDirectory || (info.nlink ?? 1) < 2;
    if (other !== name && isAlone) {
      throw new XorrisoError(
        "TARGET_EXISTS",
        `Cannot restore ${show(entry.name)} to "${path}": this file system ` +
          `takes its name for that of ${show(other)}; choose a folder on ` +
          `another one`,
        { path },
      );
    }
    this.#taken.set(key, name);
  }
}

/** Makes a folder; tells whether nothing had its name. */
function makeNew(path: string): boolean {
  try {
    Deno.mkdirSync(path, { mode: OWN });
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) return false;
    throw unwritableBy(cause, path);
  }
}

/** What is at a path; undefined if nothing is. */
async function statAt(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await lstatIfThere(path);
  } catch (cause) {
    throw unwritableBy(cause, path);
  }
}

/** Whether what is there is what would be restored. */
async function isAlready(
  path: string,
  info: Deno.FileInfo,
  { type, size, mtime, link }: ListedEntry,
  slack: number,
): Promise<boolean> {
  if (type === "link") return info.isSymlink && await readLink(path) === link;
  // A file that was restored has its name only when it is complete.
  return info.isFile && info.size === size && info.mtime !== null &&
    Math.abs(secondsOf(info.mtime) - secondsOf(mtime)) <= slack;
}
