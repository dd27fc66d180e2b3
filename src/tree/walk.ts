/** Walking through a folder on disk: all that can be stored, with the attributes that a medium keeps. */

import { breathe } from "../async.ts";
import {
  isSame,
  lstat,
  readDir,
  readFull,
  readLink,
  stat,
} from "../disk/files.ts";
import { resolveForRead } from "../disk/permissions.ts";
import { reasonOf, systemError, XorrisoError } from "../errors.ts";
import { join } from "../names.ts";
import type { Filter } from "./filter.ts";
import type { LeftOut, LeftReason, TreeFilterOptions } from "./options.ts";

/** Something on disk that can be stored. */
export interface Found {
  /** Its name on the medium, relative to the backend's directory. */
  readonly name: string;
  /** Where it is on disk. */
  readonly path: string;
  /** What it is stored as. */
  readonly type: "file" | "directory" | "link";
  /** Bytes of a file, as the file system tells them; 0 for all else. */
  readonly size: number;
  /** When it was last modified, in whole seconds since 1970. */
  readonly mtime: number;
  /** Permission bits: the lower 12 of `st_mode`. */
  readonly mode: number;
  /** Number of its owner. */
  readonly uid: number;
  /** Number of its group. */
  readonly gid: number;
  /** Device and inode of a file with several names, which all of them share. */
  readonly inode?: string;
  /** Whether it is a file without blocks, whose size may not be what reading gives. */
  readonly isOdd: boolean;
  /** Where a link points to. */
  readonly link?: string;
}

/** How to walk. */
export interface WalkOptions
  extends Pick<TreeFilterOptions, "cacheTags" | "oneFileSystem" | "links"> {
  /** What is left out. */
  readonly filter: Filter;
  /** The image that is written to, which cannot hold itself. */
  readonly image?: Deno.FileInfo | undefined;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/** What was found. */
export interface Walked {
  /** What can be stored; a folder comes before what is in it. */
  readonly found: Found[];
  /** What cannot be stored, each with its reason. */
  readonly left: LeftOut[];
  /** Names that were left out as the options say, each with all below it. */
  readonly excluded: string[];
}

/** How the file CACHEDIR.TAG begins, in a folder of what can be made again (bford.info/cachedir). */
const CACHE_TAG = "Signature: 8a477f597d28d172789f06886806bc55";

/** What Deno shows in place of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";

/**
 * Walks through a file or folder; what it finds is sorted by name.
 *
 * @param path Where on disk, without links.
 * @param name Its name on the medium; "" if the folder itself has none.
 */
export async function walk(
  path: string,
  name: string,
  options: WalkOptions,
): Promise<Walked> {
  const walker = new Walker(name, options);
  await walker.enter({ path, name, above: [] }, await lstat(path));
  return walker;
}

/** Where the walk is. */
interface Visit {
  /** Where on disk. */
  readonly path: string;
  /** Its name on the medium. */
  readonly name: string;
  /** The folders that it is in. */
  readonly above: readonly Deno.FileInfo[];
}

/** Walks through one tree. */
class Walker implements Walked {
  readonly found: Found[] = [];
  readonly left: LeftOut[] = [];
  readonly excluded: string[] = [];
  readonly #top: string;
  readonly #options: WalkOptions;
  #device: number | undefined;

  constructor(top: string, options: WalkOptions) {
    this.#top = top;
    this.#options = options;
  }

  /** Finds one file, folder or link. */
  async enter(place: Visit, info: Deno.FileInfo): Promise<void> {
    const { image } = this.#options;
    if (image !== undefined && isSame(info, image)) {
      this.#leave(place, "image", "it is the image that is written to");
    } else if (info.isFile) this.#add(place, "file", info);
    else if (info.isSymlink) await this.#enterLink(place, info);
    else if (info.isDirectory) await this.#enterFolder(place, info);
    else this.#leave(place, "special", "it is no file, folder or link");
  }

  async #enterFolder(place: Visit, info: Deno.FileInfo): Promise<void> {
    const { path, name } = place;
    const { cacheTags, oneFileSystem, signal } = this.#options;
    if (cacheTags && await hasCacheTag(path)) {
      this.excluded.push(name);
      return;
    }
    const index = this.found.length;
    if (name !== "") this.#add(place, "directory", info);
    this.#device ??= info.dev;
    if (oneFileSystem && info.dev !== this.#device) {
      this.excluded.push(name);
      return;
    }
    let entries: Deno.DirEntry[];
    try {
      entries = await readDir(path);
    } catch (cause) {
      this.found.length = index;
      this.#leave(place, "unreadable", "cannot list it", cause);
      return;
    }
    entries.sort((a, b) => a.name < b.name ? -1 : 1);
    const above = [...place.above, info];
    let last: string | undefined;
    for (const entry of entries) {
      await breathe();
      signal?.throwIfAborted();
      const below = {
        path: join(path, entry.name),
        name: name === "" ? entry.name : `${name}/${entry.name}`,
        above,
      };
      await this.#enterEntry(below, entry, entry.name === last);
      last = entry.name;
    }
  }

  /**
   * Finds one entry of a folder, unless it is left out.
   *
   * @param isDouble Whether Deno shows two of that name: then one of them is not UTF-8.
   */
  async #enterEntry(
    place: Visit,
    entry: Deno.DirEntry,
    isDouble: boolean,
  ): Promise<void> {
    const { filter, links } = this.#options;
    const { path, name } = place;
    const inside = this.#top === "" ? name : name.slice(this.#top.length + 1);
    const isOut = filter.excludes(inside, entry.isDirectory) ||
      entry.isSymlink && links === "skip";
    if (isOut && !(entry.isDirectory && filter.takesBack)) {
      this.excluded.push(name);
      return;
    }
    let info: Deno.FileInfo;
    try {
      info = await lstat(path);
      if (isDouble) throw new Deno.errors.NotFound();
    } catch (cause) {
      const isGone = cause instanceof Deno.errors.NotFound;
      if (isGone && entry.name.includes(REPLACEMENT)) {
        this.#leave(place, "name", NOT_UTF8);
      } else if (!isGone) {
        this.#leave(place, "unreadable", "cannot look at it", cause);
      }
      // Else it has been removed this moment.
      return;
    }
    if (!isOut) return await this.enter(place, info);
    const index = this.found.length;
    await this.#enterFolder(place, info);
    // A folder that is left out is only stored with something in it that a pattern takes back.
    if (this.found.length > index + 1) return;
    this.found.length = index;
    this.excluded.push(name);
  }

  async #enterLink(place: Visit, info: Deno.FileInfo): Promise<void> {
    if (this.#options.links === "follow") return await this.#follow(place);
    try {
      this.#add(place, "link", info, await readLink(place.path));
    } catch (cause) {
      this.#leave(place, "unreadable", "cannot read the link", cause);
    }
  }

  /** Stores what a link points to in its place. */
  async #follow(place: Visit): Promise<void> {
    try {
      const path = await resolveForRead(place.path, "what a link points to");
      const info = await stat(path);
      if (place.above.some((folder) => isSame(folder, info))) {
        this.#leave(place, "links", "the link leads into a loop");
      } else await this.enter({ ...place, path }, info);
    } catch (cause) {
      this.#leave(place, "links", "cannot follow the link", cause);
    }
  }

  #add(
    { path, name }: Visit,
    type: Found["type"],
    info: Deno.FileInfo,
    link?: string,
  ): void {
    const { size, mtime, mode, uid, gid, nlink, dev, ino } = info;
    const isFile = type === "file";
    this.found.push({
      name,
      path,
      type,
      size: isFile ? size : 0,
      mtime: Math.floor((mtime?.getTime() ?? 0) / 1000),
      mode: (mode ?? 0) & 0o7777,
      uid: uid ?? 0,
      gid: gid ?? 0,
      isOdd: isFile && info.blocks === 0,
      ...(isFile && (nlink ?? 1) > 1 && { inode: `${dev}:${ino}` }),
      ...(link !== undefined && { link }),
    });
  }

  #leave(
    { path, name }: Visit,
    reason: LeftReason,
    why: string,
    cause?: unknown,
  ): void {
    const doing = `Cannot store "${path}": ${why}`;
    const code = "SOURCE_UNREADABLE";
    const failure = systemError(cause, { doing, path, code });
    const said = cause === undefined ? "" : `: ${reasonOf(cause)}`;
    const error = failure instanceof XorrisoError
      ? failure
      : new XorrisoError(code, doing + said, { path, cause });
    this.left.push({ name, path, reason, error });
  }
}

const NOT_UTF8 = "its name is not UTF-8, and Deno cannot open such a file";

async function hasCacheTag(folder: string): Promise<boolean> {
  try {
    const tag = `${folder}/CACHEDIR.TAG`;
    if (!(await lstat(tag)).isFile) return false;
    using file = await Deno.open(tag);
    const bytes = new Uint8Array(CACHE_TAG.length);
    await readFull(file, bytes);
    return new TextDecoder().decode(bytes) === CACHE_TAG;
  } catch {
    // There is none, or it cannot be read.
    return false;
  }
}
