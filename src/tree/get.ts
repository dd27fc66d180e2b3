/** Restoring whole trees. */

import { breathe, notify } from "../async.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import type { ListedEntry } from "../backend/options.ts";
import { SET_ID } from "../backend/reading.ts";
import { type DiskAttributes, setAttributesSync } from "../disk/attributes.ts";
import { makeHardLink, makeSymlink } from "../disk/links.ts";
import { absolutePath, isGranted } from "../disk/permissions.ts";
import { md5Of } from "../disk/sources.ts";
import { whileSame } from "../disk/straight.ts";
import { unwritableBy } from "../disk/targets.ts";
import { isCode, reasonOf, XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import { listStored } from "./examine.ts";
import { Filter } from "./filter.ts";
import type {
  GetTreeOptions,
  LeftOut,
  LeftReason,
  TreeEvent,
  TreeResult,
} from "./options.ts";
import { normalizeName, selectEntries } from "./select.ts";
import {
  type Destination,
  type Double,
  separateLinks,
  TargetTree,
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
  const base = options.base === undefined
    ? baseOf(wanted, entries)
    : normalizeName(options.base);
  const restoring = new Restoring(backend, base, options);
  await restoring.run(found, target);
  return restoring.result;
}

/** The directory that is named alone. */
function baseOf(
  names: readonly string[],
  entries: readonly ListedEntry[],
): string {
  const [name = "", ...more] = names;
  const isAlone = more.length === 0 &&
    entries.some((each) => each.name === name && each.type === "directory");
  return isAlone ? name : "";
}

/** One call to restore. */
class Restoring {
  readonly #backend: XorrisoBackend;
  readonly #base: string;
  readonly #options: GetTreeOptions;
  /** What was done so far. */
  readonly result = {
    ...{ files: 0, bytes: 0, folders: 0, links: 0, unchanged: 0 },
    left: [] as LeftOut[],
  } satisfies TreeResult;
  /** Whether modes and owners are restored. */
  #kept = { mode: true, owner: false };
  /** Files whose contents have been restored. */
  readonly #copied = new Set<Destination>();

  constructor(
    backend: XorrisoBackend,
    base: string,
    options: GetTreeOptions,
  ) {
    this.#backend = backend;
    this.#base = base;
    this.#options = options;
  }

  /** Restores entries into a folder. */
  async run(entries: readonly ListedEntry[], folder: string): Promise<void> {
    const wanted = this.#wanted(entries);
    const tree = await TargetTree.open(folder, {
      ...{ ...this.#options, base: this.#base },
      onFolder: ({ name }) => {
        this.result.folders++;
        this.#tell({ kind: "restored", name });
      },
    });
    this.#adaptTo(tree);
    const { folders, files, links } = await this.#prepare(tree, wanted);
    const [contents, doubles] = separateLinks(files);
    await this.#copy(tree, contents);
    for (const double of doubles) await this.#link(tree, double);
    for (const link of links) await this.#symlink(link);
    // What is put into a folder changes its time.
    for (const target of folders.toReversed()) await this.#finish(target);
  }

  /** Lets all else come in between, and gives up if that is wanted. */
  async #goOn(): Promise<void> {
    await breathe();
    this.#options.signal?.throwIfAborted();
  }

  /** The entries below the base that are not left out, folders before what is in them. */
  #wanted(entries: readonly ListedEntry[]): ListedEntry[] {
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

  /** Restores what this disk keeps of attributes, and tells once what it does not. */
  #adaptTo({ root, abilities }: TargetTree): void {
    const { isRoot, mode, owner } = abilities;
    const isWanted = this.#options.owner ?? isRoot;
    this.#kept = {
      mode: mode === undefined,
      owner: isWanted && owner === undefined,
    };
    const problems = { modes: mode, owners: isWanted ? owner : undefined };
    for (const [what, cause] of Object.entries(problems)) {
      if (cause === undefined) continue;
      const error = new XorrisoError(
        "TARGET_UNWRITABLE",
        `Cannot restore ${what} in "${root}": ${reasonOf(cause)}`,
        { path: root, cause },
      );
      this.result.left.push({ name: this.#base, reason: "attributes", error });
    }
  }

  /** Finds out where each entry is to be restored, and makes the folders. */
  async #prepare(
    tree: TargetTree,
    entries: readonly ListedEntry[],
  ): Promise<Record<"folders" | "files" | "links", Destination[]>> {
    const folders: Destination[] = [];
    const files: Destination[] = [];
    const links: Destination[] = [];
    for (const entry of entries) {
      await this.#goOn();
      try {
        const target = await tree.prepare(entry);
        if (entry.type === "directory") folders.push(target);
        else {
          if (target.there === "same") this.#leaveSame(target);
          (entry.type === "link" ? links : files).push(target);
        }
      } catch (error) {
        this.#leave(entry, error);
      }
    }
    return { folders, files, links };
  }

  /** Leaves what is there as it is, but for its attributes where differences are to go. */
  #leaveSame(target: Destination): void {
    const { name, type } = target.entry;
    if (this.#options.overwrite === "differing" && type === "file") {
      this.#setAttributes(target);
    }
    this.result.unchanged++;
    this.#tell({ kind: "unchanged", name });
  }

  /** Restores contents. */
  async #copy(
    { root }: TargetTree,
    targets: readonly Destination[],
  ): Promise<void> {
    if (this.#options.dryRun) {
      for (const target of targets) this.#doneCopy(target);
      return;
    }
    for (const there of ["nothing", "other"] as const) {
      const group = targets.filter((each) => each.there === there);
      if (group.length === 0) continue;
      const results = await this.#backend.getList(
        group.map(({ entry }) => entry.name),
        root,
        {
          ...{ ...this.#options, base: this.#base, ...this.#kept },
          overwrite: there === "other" ? "always" : "never",
        },
      );
      for (const [index, target] of group.entries()) {
        await breathe();
        const error = results[index]?.error;
        if (error === undefined) this.#doneCopy(target);
        else this.#leave(target.entry, error);
      }
    }
  }

  /** Counts a file whose content was restored, and notes that it can be given further names. */
  #doneCopy(target: Destination): void {
    this.#copied.add(target);
    this.#done(target.entry, target.entry.size);
  }

  /** Counts a file, and the bytes that were written of it. */
  #done({ name }: ListedEntry, size: number): void {
    this.result.files++;
    this.result.bytes += size;
    this.#tell({ kind: "restored", name, size });
  }

  /** Gives a file that is restored another name. */
  async #link(tree: TargetTree, { target, first }: Double): Promise<void> {
    await this.#goOn();
    const { entry, path, there } = target;
    if (!await this.#isSound(first)) return await this.#copy(tree, [target]);
    try {
      if (!this.#options.dryRun) {
        makeHardLink(first.path, path, there === "other");
      }
      this.#done(entry, 0);
    } catch (error) {
      if (error instanceof XorrisoError) this.#leave(entry, error);
      // Not every file system knows links.
      else await this.#copy(tree, [target]);
    }
  }

  /** Whether what is under a file's name now has the content that is recorded. */
  async #isSound(file: Destination): Promise<boolean> {
    // If it could not be restored, something else may be there.
    if (file.there !== "same") return this.#copied.has(file);
    const { entry: { name }, path } = file;
    // Size and time alone do not show what content it has.
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
        const attributes = this.#attributesOf(entry);
        await makeSymlink(
          entry.link ?? "",
          path,
          there === "other",
          attributes,
        );
      }
      this.result.links++;
      this.#tell({ kind: "restored", name: entry.name });
    } catch (error) {
      this.#leave(entry, unwritableBy(error, path), "links");
    }
  }

  /** Gives a folder its attributes, if it is not a target that was there. */
  async #finish(target: Destination): Promise<void> {
    if (target.there === "same") return;
    await breathe();
    try {
      this.#setAttributes(target);
    } catch (error) {
      this.#leave(target.entry, error, "attributes");
    }
  }

  #setAttributes({ entry, path, identity }: Destination): void {
    if (identity === undefined || this.#options.dryRun) return;
    try {
      whileSame(path, identity, () => {
        setAttributesSync(path, this.#attributesOf(entry));
      });
    } catch (cause) {
      throw unwritableBy(cause, path);
    }
  }

  #attributesOf({ type, mode, uid, gid, mtime }: ListedEntry): DiskAttributes {
    const isKept = type === "directory" || this.#options.setId;
    return {
      ...(this.#kept.mode && { mode: isKept ? mode : mode & ~SET_ID }),
      mtime,
      ...(this.#kept.owner && { uid, gid }),
    };
  }

  #leave({ name }: ListedEntry, cause: unknown, reason?: LeftReason): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const word = isCode(error, "TARGET_EXISTS") ? "exists" : "failed";
    this.result.left.push({ name, reason: reason ?? word, error });
    this.#tell({ kind: "left", name, error });
  }

  #tell(event: TreeEvent): void {
    notify(this.#options.onEntry, event);
  }
}

/** Makes sure that links may be made at all: `Deno.symlink()` asks on a terminal where it may not. */
async function requireLinks(
  { name }: ListedEntry,
  path: string,
): Promise<void> {
  if (await isGranted("read") && await isGranted("write")) return;
  throw new XorrisoError(
    "TARGET_UNWRITABLE",
    `Cannot restore the link ${show(name)}: Deno makes links only with ` +
      `--allow-read and --allow-write for all paths; add both, without a path`,
    { path },
  );
}
