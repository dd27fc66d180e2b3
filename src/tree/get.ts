/** Restoring whole trees. */

import { breathe, notify } from "../async.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import type { ListedEntry as Stored } from "../backend/options.ts";
import { SET_ID } from "../backend/reading.ts";
import {
  type DiskAttributes,
  probeAttributes,
  setAttributesSync,
  setLinkAttributes,
} from "../disk/attributes.ts";
import { requireFileNames } from "../disk/folders.ts";
import {
  absolutePath,
  isGranted,
  resolveForWrite,
} from "../disk/permissions.ts";
import { md5Of } from "../disk/sources.ts";
import { alreadyThere, unwritableBy } from "../disk/targets.ts";
import { isCode, reasonOf, XorrisoError } from "../errors.ts";
import { folderOf, show } from "../names.ts";
import { listStored } from "./examine.ts";
import { Filter } from "./filter.ts";
import type {
  GetTreeOptions,
  LeftOut,
  LeftReason,
  TreeEvent,
  TreeResult,
} from "./options.ts";
import { selectEntries } from "./select.ts";
import {
  collision,
  type Destination,
  type Double,
  isAlready,
  isExists,
  placed,
  separateLinks,
  statAt,
} from "./target.ts";

/**
 * Restores files, folders and symbolic links as they were: contents, names,
 * times, modes, and hard links as such; as root, owners, too.
 *
 * Each file is complete, compared with its checksum, and has its attributes
 * before it has its name. A call that was cut off can be made again: what is
 * there already is not read again; a program that was killed may leave hidden
 * files `.xorriso-*.part`. Nothing is written through a link.
 *
 * Links need `--allow-read` and `--allow-write` without a path (Deno 2.9);
 * without them they are left, and told.
 *
 * @param backend The medium.
 * @param names Files, folders or globs, relative to the backend's directory;
 * "" is everything.
 * @param folder Where on disk; it is made if it is not there.
 * @returns What was restored, and what was left and why.
 * @throws {XorrisoError} ENTRY_NOT_FOUND when a name fits nothing, nothing is
 * restored then; TARGET_UNWRITABLE when the folder cannot be made; or when the
 * medium cannot be read any more.
 * @throws {Deno.errors.NotCapable} When a permission is missing.
 *
 * @example Restore one folder
 * ```ts
 * import { getTree, putTree, XorrisoBackend } from "@xorriso/backend";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.mkdir(`${folder}/photos`);
 * await Deno.writeTextFile(`${folder}/photos/a.txt`, "hello");
 * {
 *   await using backend = await XorrisoBackend.open(
 *     `xorriso://${folder}/backup.iso`,
 *     { create: true },
 *   );
 *   await putTree(backend, `${folder}/photos`);
 *   const { files, left } = await getTree(
 *     backend,
 *     "photos",
 *     `${folder}/restored`,
 *   );
 *   console.log(files, left.length); // 1 0
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function getTree(
  backend: XorrisoBackend,
  names: string | readonly string[],
  folder: string,
  options: GetTreeOptions = {},
): Promise<TreeResult> {
  const wanted = typeof names === "string" ? [names] : names;
  const target = absolutePath(folder);
  const entries = [...(await listStored(backend)).values()];
  const { found, missing } = selectEntries(entries, wanted);
  const [first] = missing;
  if (first !== undefined) {
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot restore ${show(first)}: there is no such name on the medium`,
      { path: first },
    );
  }
  const base = options.base ?? baseOf(wanted, entries);
  const root = await resolveForWrite(target, "the target folder");
  return await new Restoring(backend, root, base, options).run(found);
}

/** The directory that is named alone. */
function baseOf(names: readonly string[], entries: readonly Stored[]): string {
  const [name = "", ...more] = names;
  const isAlone = more.length === 0 &&
    entries.some((each) => each.name === name && each.type === "directory");
  return isAlone ? name : "";
}

/** Permissions of a folder until all in it is restored. */
const OWN = 0o700;

/** One call to restore. */
class Restoring {
  readonly #backend: XorrisoBackend;
  readonly #root: string;
  readonly #base: string;
  readonly #options: GetTreeOptions;
  readonly #result = {
    ...{ files: 0, bytes: 0, folders: 0, links: 0, unchanged: 0 },
    left: [] as LeftOut[],
  } satisfies TreeResult;
  /** Folders on disk that can be restored into, by name, and whether they are new; "" is the target. */
  readonly #folders = new Map<string, boolean>();
  /** Which name each file and folder on disk stands for. */
  readonly #taken = new Map<string, string>();
  #owner = false;
  #mode = true;
  /** Seconds by which times on this disk may be wrong. */
  #slack = 0;

  constructor(
    backend: XorrisoBackend,
    root: string,
    base: string,
    options: GetTreeOptions,
  ) {
    this.#backend = backend;
    this.#root = root;
    this.#base = base;
    this.#options = options;
  }

  /** Restores entries. */
  async run(entries: readonly Stored[]): Promise<TreeResult> {
    const { dryRun = false } = this.#options;
    const wanted = this.#wanted(entries);
    this.#folders.set("", await this.#makeRoot());
    if (!dryRun) await this.#probe();
    const folders: Destination[] = [];
    const files: Destination[] = [];
    const links: Destination[] = [];
    for (const entry of wanted) {
      await this.#goOn();
      try {
        const target = await this.#prepare(entry);
        if (entry.type === "directory") folders.push(target);
        else (entry.type === "link" ? links : files).push(target);
      } catch (error) {
        this.#leave(entry, error);
      }
    }
    const [contents, doubles] = separateLinks(files);
    await this.#copy(contents);
    for (const double of doubles) await this.#link(double);
    for (const link of links) await this.#symlink(link);
    // What is put into a folder changes its time.
    if (!dryRun) {
      for (const target of folders.toReversed()) await this.#finish(target);
    }
    return this.#result;
  }

  /** Lets all else come in between, and gives up if that is wanted. */
  async #goOn(): Promise<void> {
    await breathe();
    this.#options.signal?.throwIfAborted();
  }

  /** The entries below the base that are not left out, folders before what is in them. */
  #wanted(entries: readonly Stored[]): Stored[] {
    const filter = new Filter(this.#options.exclude ?? []);
    const prefix = this.#base === "" ? "" : `${this.#base}/`;
    for (const { name } of entries) {
      if (name === this.#base || name.startsWith(prefix)) continue;
      throw new TypeError(
        `Cannot restore ${show(name)}: it is not below the base ` +
          show(this.#base),
      );
    }
    return entries.filter(({ name, type }) =>
      !filter.excludes(name.slice(prefix.length), type === "directory")
    ).toSorted((a, b) => a.name < b.name ? -1 : 1);
  }

  /** Finds out what this disk keeps, and tells once what it does not. */
  async #probe(): Promise<void> {
    const { isRoot, mode, owner, slack } = await probeAttributes(
      this.#root,
    ).catch((cause) => {
      throw unwritableBy(cause, this.#root);
    });
    const isWanted = this.#options.owner ?? isRoot;
    this.#owner = isWanted && owner === undefined;
    this.#mode = mode === undefined;
    this.#slack = slack;
    const problems = { modes: mode, owners: isWanted ? owner : undefined };
    for (const [what, cause] of Object.entries(problems)) {
      if (cause === undefined) continue;
      const error = new XorrisoError(
        "TARGET_UNWRITABLE",
        `Cannot restore ${what} in "${this.#root}": ${reasonOf(cause)}`,
        { path: this.#root, cause },
      );
      this.#result.left.push({ name: this.#base, reason: "attributes", error });
    }
  }

  /** Makes the target folder; tells whether it was not there. */
  async #makeRoot(): Promise<boolean> {
    const path = this.#root;
    const info = await statAt(path);
    if (info?.isDirectory) return false;
    if (info) throw alreadyThere(path, "it is no folder", false);
    if (!this.#options.dryRun) {
      await Deno.mkdir(path, { recursive: true }).catch((cause) => {
        throw unwritableBy(cause, path);
      });
    }
    return true;
  }

  /** Finds out where something is to be restored, and makes it if it is a folder. */
  async #prepare(entry: Stored): Promise<Destination> {
    const name = this.#nameOf(entry);
    if (name === "") return { entry, path: this.#root, there: "nothing" };
    const path = `${this.#root}/${name}`;
    if (entry.type === "directory") {
      await this.#makeFolder(name, entry);
      return { entry, path, there: "nothing" };
    }
    await this.#makeFolder(folderOf(name), entry);
    if (entry.type === "other") {
      throw new XorrisoError(
        "TARGET_UNWRITABLE",
        `Cannot restore ${show(entry.name)}: it is no file, folder or link`,
        { path: entry.name },
      );
    }
    // Nothing is in a new folder; should anything come in, it is not replaced.
    const there = this.#folders.get(folderOf(name))
      ? "nothing"
      : await this.#look(path, entry);
    return { entry, path, there };
  }

  /** Its name below the target folder. */
  #nameOf({ name }: Stored): string {
    const below = this.#base === "" ? name : name.slice(this.#base.length + 1);
    if (below !== "") requireFileNames(below, name);
    return below;
  }

  /** Makes a folder and those above that are not there; a link is none. */
  async #makeFolder(name: string, entry: Stored): Promise<void> {
    if (this.#folders.has(name)) return;
    await this.#makeFolder(folderOf(name), entry);
    const path = `${this.#root}/${name}`;
    let isNew = false;
    if (!this.#options.dryRun) {
      try {
        Deno.mkdirSync(path, { mode: OWN });
        isNew = true;
      } catch (cause) {
        if (!isExists(cause)) throw unwritableBy(cause, path);
      }
    }
    const info = await statAt(path);
    if (info === undefined) isNew = true;
    else {
      if (!info.isDirectory) {
        throw alreadyThere(path, "it is no folder", false);
      }
      this.#take(info, name, path, entry);
    }
    if (isNew) {
      this.#result.folders++;
      this.#tell({ kind: "restored", name: entry.name });
    }
    this.#folders.set(name, isNew);
  }

  /** Looks whether something is there already. */
  async #look(path: string, entry: Stored): Promise<Destination["there"]> {
    const info = await statAt(path);
    if (info === undefined) return "nothing";
    if (info.isDirectory) {
      throw alreadyThere(path, "a folder is there", false);
    }
    const { overwrite = "never" } = this.#options;
    if (info.isFile) this.#take(info, entry.name, path, entry);
    if (overwrite === "always") return "other";
    if (await isAlready(path, info, entry, this.#slack)) {
      if (overwrite === "differing" && info.isFile) {
        this.#setAttributes(path, entry);
      }
      this.#result.unchanged++;
      this.#tell({ kind: "unchanged", name: entry.name });
      return "same";
    }
    if (overwrite === "differing") return "other";
    throw alreadyThere(path, "something else is there");
  }

  /** Notes what stands for a name, so that nothing stands for two. */
  #take(info: Deno.FileInfo, name: string, path: string, entry: Stored): void {
    const key = `${info.dev}:${info.ino}`;
    const other = this.#taken.get(key) ?? name;
    // Files that have several names may have any of these.
    const isAlone = info.isDirectory || (info.nlink ?? 1) < 2;
    if (other !== name && isAlone) throw collision(path, entry, other);
    this.#taken.set(key, name);
  }

  /** Restores contents. */
  async #copy(targets: readonly Destination[]): Promise<void> {
    if (this.#options.dryRun) {
      for (const { entry } of targets) this.#done(entry, entry.size);
      return;
    }
    for (const there of ["nothing", "other"] as const) {
      const group = targets.filter((each) => each.there === there);
      if (group.length === 0) continue;
      const results = await this.#backend.getList(
        group.map(({ entry }) => entry.name),
        this.#root,
        {
          ...{ ...this.#options, base: this.#base },
          ...{ mode: this.#mode, owner: this.#owner },
          overwrite: there === "other" ? "always" : "never",
        },
      );
      for (const [index, { entry }] of group.entries()) {
        await breathe();
        const error = results[index]?.error;
        if (error === undefined) this.#done(entry, entry.size);
        else this.#leave(entry, error);
      }
    }
  }

  /** Counts a file, and the bytes that were written of it. */
  #done({ name }: Stored, size: number): void {
    this.#result.files++;
    this.#result.bytes += size;
    this.#tell({ kind: "restored", name, size });
  }

  /** Gives a file that is restored another name. */
  async #link({ target, first }: Double): Promise<void> {
    await this.#goOn();
    const { entry, path, there } = target;
    // Size and time alone do not show that what is there has this content.
    if (first.there === "same" && !await this.#isSound(first)) {
      return await this.#copy([target]);
    }
    try {
      if (!this.#options.dryRun) {
        await placed(path, there, (part) => Deno.link(first.path, part));
      }
      this.#done(entry, 0);
    } catch (error) {
      if (isExists(error)) return this.#leave(entry, alreadyThere(path));
      // Not every file system knows links.
      await this.#copy([target]);
    }
  }

  /** Whether a file that is there has the content that is recorded. */
  async #isSound({ entry: { name }, path }: Destination): Promise<boolean> {
    const { md5 } = await this.#backend.query(name, { md5: true }) ?? {};
    return md5 !== undefined &&
      md5 === await md5Of({ name: path, path }).catch(() => undefined);
  }

  /** Makes a symbolic link. */
  async #symlink({ entry, path, there }: Destination): Promise<void> {
    if (there === "same") return;
    await this.#goOn();
    try {
      await requireLinks(entry, path);
      if (!this.#options.dryRun) {
        await placed(path, there, async (part) => {
          await Deno.symlink(entry.link ?? "", part);
          await setLinkAttributes(part, this.#attributesOf(entry));
        });
      }
      this.#result.links++;
      this.#tell({ kind: "restored", name: entry.name });
    } catch (error) {
      const cause = isExists(error)
        ? alreadyThere(path)
        : unwritableBy(error, path);
      this.#leave(entry, cause, "links");
    }
  }

  /** Gives a folder its attributes; the target only if it was made. */
  async #finish({ entry, path }: Destination): Promise<void> {
    await breathe();
    if (this.#nameOf(entry) === "" && !this.#folders.get("")) return;
    try {
      this.#setAttributes(path, entry);
    } catch (error) {
      this.#leave(entry, error, "attributes");
    }
  }

  #setAttributes(path: string, entry: Stored): void {
    try {
      setAttributesSync(path, this.#attributesOf(entry));
    } catch (cause) {
      throw unwritableBy(cause, path);
    }
  }

  #attributesOf({ type, mode, uid, gid, mtime }: Stored): DiskAttributes {
    const isKept = type === "directory" || this.#options.setId;
    return {
      ...(this.#mode && { mode: isKept ? mode : mode & ~SET_ID }),
      mtime,
      ...(this.#owner && { uid, gid }),
    };
  }

  #leave({ name }: Stored, cause: unknown, reason?: LeftReason): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const word = isCode(error, "TARGET_EXISTS") ? "exists" : "failed";
    this.#result.left.push({ name, reason: reason ?? word, error });
    this.#tell({ kind: "left", name, error });
  }

  #tell(event: TreeEvent): void {
    notify(this.#options.onEntry, event);
  }
}

/** Makes sure that links may be made at all: `Deno.symlink()` asks on a terminal where it may not. */
async function requireLinks({ name }: Stored, path: string): Promise<void> {
  if (await isGranted("read") && await isGranted("write")) return;
  throw new XorrisoError(
    "TARGET_UNWRITABLE",
    `Cannot restore the link ${show(name)}: Deno makes links only with ` +
      `--allow-read and --allow-write for all paths; add both, without a path`,
    { path },
  );
}
