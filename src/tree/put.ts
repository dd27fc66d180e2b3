/** Storing whole trees: `putTree()`. */

import { delay } from "@std/async/delay";
import { breathe } from "../async.ts";
import { resolveForRead } from "../disk/permissions.ts";
import { isCode, XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import { Copy, isLying, timeToSettle } from "./changing.ts";
import { recordable } from "./difference.ts";
import { planTree } from "./examine.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import type { Change } from "../backend/options.ts";
import type { Attributes } from "../session/changes.ts";
import type { PutTreeOptions, PutTreeResult, TreeSource } from "./options.ts";
import type { TreeStep } from "./plan.ts";
import { walkSources } from "./sources.ts";
import { Tally } from "./tally.ts";
import type { Found } from "./walk.ts";

/**
 * Stores a folder with all that is in it: files, folders, symbolic links, and
 * their times, modes and owners.
 *
 * What has not changed since it was stored is not written again: a second call
 * without changes writes no session. All changes of a call are in one session.
 * Names of one file (hard links) share their content. A file that was written in
 * the last 2 s is stored from a copy, or, with more than 16 MiB, waited for.
 *
 * @param backend The medium.
 * @param source A folder or file on disk, or several with their names.
 * @returns What was stored, and what was left and why.
 * @throws {XorrisoError} SOURCE_UNREADABLE when the source itself is not there,
 * MEDIUM_FULL, or as `XorrisoBackend.commit`: then nothing is stored.
 * @throws {TypeError} When a name cannot be stored, or a pattern is empty.
 * @throws {Deno.errors.NotCapable} When a permission is missing.
 *
 * @example Store a folder; again, when one file has changed
 * ```ts
 * import { putTree, XorrisoBackend } from "@xorriso/backend";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.mkdir(`${folder}/photos/2026`, { recursive: true });
 * await Deno.writeTextFile(`${folder}/photos/2026/a.txt`, "hello");
 * {
 *   await using backend = await XorrisoBackend.open(
 *     `xorriso://${folder}/backup.iso`,
 *     { create: true },
 *   );
 *   const first = await putTree(backend, `${folder}/photos`);
 *   console.log(first.files, first.folders); // 1 2
 *   await Deno.chmod(`${folder}/photos/2026/a.txt`, 0o600);
 *   const { files, attributes, left } = await putTree(
 *     backend,
 *     `${folder}/photos`,
 *     { exclude: ["**\/*.tmp"], mirror: true },
 *   );
 *   console.log(files, attributes, left.length); // 0 1 0
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function putTree(
  backend: XorrisoBackend,
  source: string | URL | readonly TreeSource[],
  options: PutTreeOptions = {},
): Promise<PutTreeResult> {
  const walked = await walkSources(backend, source, options);
  const { steps, unchanged } = await planTree(backend, walked, options);
  const tally = new Tally(walked, options.onEntry);
  for (const found of unchanged) {
    await breathe();
    tally.unchanged(found);
  }
  if (options.dryRun) {
    for (const step of steps) tally.done(step);
    return { ...tally.result, free: await backend.room() };
  }
  await new Storing(backend, options, tally).store(steps);
  return tally.result;
}

/** The files that are stored from a copy; undefined for one that is stored as it is. */
type Copies = ReadonlyMap<TreeStep, Copy | undefined>;

/** Bytes up to which a file that was written just now is copied; to wait for a larger one takes less. */
const SMALL = 16 << 20;

/** Does the steps of a plan. */
class Storing {
  readonly #backend: XorrisoBackend;
  readonly #options: PutTreeOptions;
  readonly #tally: Tally;
  #isSecond = false;

  constructor(backend: XorrisoBackend, options: PutTreeOptions, tally: Tally) {
    this.#backend = backend;
    this.#options = options;
    this.#tally = tally;
  }

  /** Stores all in one session; and what has changed meanwhile in a second one, from copies. */
  async store(steps: readonly TreeStep[]): Promise<void> {
    const again = await this.#apply(steps, await this.#copiesFor(steps));
    if (again.size === 0) return;
    this.#isSecond = true;
    await this.#apply([...again.keys()], again);
  }

  /** Chooses the files that are copied, and waits for large ones that were written just now. */
  async #copiesFor(steps: readonly TreeStep[]): Promise<Copies> {
    const { signal } = this.#options;
    const copies = new Map<TreeStep, Copy>();
    let rest = 0;
    for (const step of steps) {
      await breathe();
      signal?.throwIfAborted();
      if (step.kind !== "store" || step.found.type !== "file") continue;
      const { found } = step;
      if (await isLying(found)) {
        copies.set(step, new Copy(found, "length"));
        continue;
      }
      const time = await timeToSettle(found);
      if (time > 0 && found.size <= SMALL) {
        copies.set(step, new Copy(found, "recent"));
      } else rest = Math.max(rest, time);
    }
    // If one is still being written then, it is found to have changed.
    if (rest > 0) await delay(rest, signal ? { signal } : {});
    return copies;
  }

  /** Does steps; returns those that are to be done once more, and how. */
  async #apply(steps: readonly TreeStep[], copies: Copies): Promise<Copies> {
    const changes: Change[] = [];
    const owners: TreeStep[] = [];
    for (const step of steps) {
      await breathe();
      for (const change of this.#changesOf(step, copies.get(step))) {
        changes.push(change);
        owners.push(step);
      }
    }
    const results = changes.length === 0
      ? []
      : await this.#backend.apply(changes, this.#options);
    const errors = new Map<TreeStep, unknown>();
    for (const [index, step] of owners.entries()) {
      await breathe();
      const error = results[index]?.error;
      if (error !== undefined && !errors.has(step)) errors.set(step, error);
    }
    const isLost = errors.size > 0 && errors.size === new Set(owners).size;
    const again = new Map<TreeStep, Copy | undefined>();
    for (const step of steps) {
      await breathe();
      const error = errors.get(step);
      const copy = copies.get(step);
      const next = await this.#nextTry(step, copy, error);
      // A folder goes with its last entry.
      const isGone = step.kind === "remove" && isCode(error, "ENTRY_NOT_FOUND");
      if (next !== undefined) again.set(step, next.copy);
      else if (error === undefined || isGone) this.#tally.done(step, copy);
      else if (isLost && !await isOfOne(error, step, copy)) throw error;
      else this.#tally.fail(step, error);
    }
    return again;
  }

  /** How a file is to be stored once more; undefined if it is not. */
  async #nextTry(
    step: TreeStep,
    copy: Copy | undefined,
    error: unknown,
  ): Promise<{ readonly copy: Copy | undefined } | undefined> {
    if (this.#isSecond || step.kind !== "store") return undefined;
    const isChanging = error === undefined
      ? await copy?.isOutdated()
      : isCode(error, "SOURCE_CHANGED");
    if (isChanging) return { copy: new Copy(step.found, "changing") };
    // Without place for a copy, a file that only may be changing is stored as it is.
    const isPlaceless = error instanceof Deno.errors.NotCapable ||
      isCode(error, "TARGET_UNWRITABLE");
    return isPlaceless && copy !== undefined && copy.reason !== "length"
      ? { copy: undefined }
      : undefined;
  }

  /** The changes of a step. */
  #changesOf(step: TreeStep, copy: Copy | undefined): Change[] {
    switch (step.kind) {
      case "blocked":
        return [];
      case "remove": {
        const { name, type } = step.entry;
        return [{ kind: "remove", name, recursive: type === "directory" }];
      }
      case "move": {
        const { found, from } = step;
        return [{ kind: "move", from, name: found.name }, changeTo(found)];
      }
      case "attributes":
      case "keep":
        return [changeTo(step.found)];
      case "store":
        return [this.#storing(step.found, copy)];
    }
  }

  #storing(found: Found, copy: Copy | undefined): Change {
    const { name, path, type, link: text = "" } = found;
    const { verify = false, signal } = this.#options;
    const { attributes } = changeTo(found);
    if (type === "directory") return { kind: "folder", name, attributes };
    if (type === "link") return { kind: "link", name, text, attributes };
    // xorriso takes the attributes of a file from the file itself.
    if (copy === undefined) return { kind: "file", name, source: path, verify };
    const source = copy.content(signal);
    return { kind: "file", name, source, verify, attributes };
  }
}

/** The change that gives a name the attributes that it has on disk. */
function changeTo({ name, type, mode, uid, gid, mtime }: Found) {
  const attributes: Attributes = {
    ...(type !== "link" && { mode }),
    uid,
    gid,
    mtime: new Date(recordable(mtime) * 1000),
  };
  return { kind: "attributes", name, attributes } as const;
}

/** Errors of one name, which say nothing of the others. */
const OF_ONE: ReadonlySet<XorrisoErrorCode> = new Set<XorrisoErrorCode>([
  "SOURCE_UNREADABLE",
  "SOURCE_CHANGED",
  "ENTRY_EXISTS",
  "ENTRY_NOT_FOUND",
  "NAME_TOO_LONG",
  "CHECKSUM_MISMATCH",
]);

async function isOfOne(
  error: unknown,
  step: TreeStep,
  copy: Copy | undefined,
): Promise<boolean> {
  if (error instanceof XorrisoError) return OF_ONE.has(error.code);
  if (!(error instanceof Deno.errors.NotCapable)) {
    return error instanceof TypeError;
  }
  // Else it is the medium, or xorriso, that the script may not use.
  if (step.kind !== "store" || step.found.type !== "file") return false;
  return copy !== undefined ||
    await resolveForRead(step.found.path, "the source").then(
      () => false,
      () => true,
    );
}
