/** Storing whole trees. */

import { isCode, XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import { contentOf, isChangedUnseen, isChanging, isLying } from "./changing.ts";
import { recordable } from "./difference.ts";
import { makePlan } from "./examine.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import type { Change } from "../backend/options.ts";
import type { Attributes } from "../session/changes.ts";
import type { PutTreeOptions, PutTreeResult, TreeSource } from "./options.ts";
import type { Step } from "./plan.ts";
import { openFilter, resolveSources, walkAll } from "./sources.ts";
import { Tally } from "./tally.ts";
import type { Found } from "./walk.ts";

/**
 * Stores a folder with all that is in it: files, folders, symbolic links, and
 * their times, modes and owners.
 *
 * What is on the medium already, and has not changed, is not written again: a
 * second call without changes writes no session. All changes of a call are in
 * one session. Names of one file (hard links) share their content. Files that
 * are changing right now are stored from a copy of this moment.
 *
 * @param backend The medium.
 * @param source A folder or file on disk, or several with their names.
 * @returns What was stored, and what was left and why.
 * @throws {XorrisoError} SOURCE_UNREADABLE when the source itself is not there,
 * MEDIUM_FULL, or as `XorrisoBackend.commit`: nothing of it is stored then.
 * @throws {TypeError} When a name or pattern cannot be.
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
  const filter = await openFilter(options);
  const sources = await resolveSources(source, options.as);
  const walked = await walkAll(backend, sources, filter, options);
  const plan = await makePlan(backend, sources, walked, options);
  const tally = new Tally(walked, plan, options.onEntry);
  if (options.dryRun) {
    for (const step of plan.steps) tally.done(step);
    return { ...tally.result(), free: await backend.room() };
  }
  await new Storing(backend, options, tally).store(plan.steps);
  return tally.result();
}

/** Files that are stored from a copy, each with the bytes that it turned out to have. */
type Copied = Map<Step, number>;

/** Does what is planned. */
class Storing {
  readonly #backend: XorrisoBackend;
  readonly #options: PutTreeOptions;
  readonly #tally: Tally;
  /** When files that are copied were modified, as their copies were begun. */
  readonly #begun = new Map<Step, number>();
  /** Files whose reading gives another length than they tell. */
  readonly #lying = new Set<Step>();
  #isSecond = false;

  constructor(backend: XorrisoBackend, options: PutTreeOptions, tally: Tally) {
    this.#backend = backend;
    this.#options = options;
    this.#tally = tally;
  }

  /** Stores all in one session; what has changed meanwhile again, from copies. */
  async store(steps: readonly Step[]): Promise<void> {
    const copied: Copied = new Map();
    for (const step of steps) {
      if (step.kind !== "store" || step.found.type !== "file") continue;
      const { found } = step;
      if (await isLying(found)) this.#lying.add(step);
      else if (!await isChanging(found)) continue;
      copied.set(step, 0);
    }
    const again = await this.#apply(steps, copied);
    if (again.size === 0) return;
    this.#isSecond = true;
    const copies = [...again].filter(([, isCopied]) => isCopied);
    await this.#apply(
      [...again.keys()],
      new Map(copies.map(([step]) => [step, 0])),
    );
  }

  /**
   * Has steps done.
   *
   * @returns Those to be done once more, and whether from a copy.
   */
  async #apply(
    steps: readonly Step[],
    copied: Copied,
  ): Promise<Map<Step, boolean>> {
    const { signal, onProgress, verify = false } = this.#options;
    const staged: { readonly step: Step; readonly change: Change }[] = [];
    for (const step of steps) {
      for (const change of changesOf(step, copied, verify, this.#begun)) {
        staged.push({ step, change });
      }
    }
    const results = staged.length === 0 ? [] : await this.#backend.apply(
      staged.map(({ change }) => change),
      { ...(signal && { signal }), ...(onProgress && { onProgress }) },
    );
    const errors = new Map<Step, unknown>();
    results.forEach(({ error }, index) => {
      const step = staged[index]?.step;
      if (error !== undefined && step && !errors.has(step)) {
        errors.set(step, error);
      }
    });
    const isLost = errors.size === new Set(staged.map(({ step }) => step)).size;
    const again = new Map<Step, boolean>();
    for (const step of steps) {
      const error = errors.get(step);
      // A folder has gone with the last that was in it.
      const isGone = step.kind === "remove" && isCode(error, "ENTRY_NOT_FOUND");
      if (error === undefined && await this.#lacks(step, copied.get(step))) {
        again.set(step, true);
      } else if (error === undefined || isGone) {
        this.#tally.done(step, copied.get(step));
      } else if (!this.#isSecond && this.#isMoved(step, error, copied)) {
        again.set(step, !copied.has(step));
      } else if (isLost && !isOfOne(error)) throw error;
      else this.#tally.fail(step, error);
    }
    return again;
  }

  /**
   * Whether a file is to be stored in the other way: from a copy if it has
   * changed meanwhile, as it is if there is no permission for copies.
   */
  #isMoved(step: Step, error: unknown, copied: Copied): boolean {
    return copied.has(step)
      ? error instanceof Deno.errors.NotCapable && !this.#lying.has(step)
      : isCode(error, "SOURCE_CHANGED");
  }

  /** Whether the first copy of a file may lack what no time shows. */
  async #lacks(step: Step, bytes: number | undefined): Promise<boolean> {
    const begun = this.#begun.get(step);
    // The next copy is begun when that second is over.
    this.#begun.delete(step);
    if (begun === undefined || step.kind !== "store") return false;
    return !this.#isSecond && await isChangedUnseen(step.found, begun, bytes);
  }
}

/** What a step is to the backend. */
function changesOf(
  step: Step,
  copied: Copied,
  verify: boolean,
  begun: Map<Step, number>,
): Change[] {
  switch (step.kind) {
    case "blocked":
      return [];
    case "remove": {
      const { name, type } = step.entry;
      return [{ kind: "remove", name, recursive: type === "directory" }];
    }
    case "move": {
      const { found, from } = step;
      const { name } = found;
      const attributes = attributesOf(found);
      return [
        { kind: "move", from, name },
        { kind: "attributes", name, attributes },
      ];
    }
    case "attributes":
    case "keep": {
      const { name } = step.found;
      return [{
        kind: "attributes",
        name,
        attributes: attributesOf(step.found),
      }];
    }
    case "store":
      return [storeChange(step, copied, verify, begun)];
  }
}

function storeChange(
  step: Step & { readonly kind: "store" },
  copied: Copied,
  verify: boolean,
  begun: Map<Step, number>,
): Change {
  const { name, path, type, link: text = "" } = step.found;
  const attributes = attributesOf(step.found);
  if (type === "directory") return { kind: "folder", name, attributes };
  if (type === "link") return { kind: "link", name, text, attributes };
  // xorriso takes the attributes of a file from the file itself.
  if (!copied.has(step)) return { kind: "file", name, source: path, verify };
  const source = contentOf(path, (bytes, time) => {
    copied.set(step, bytes);
    begun.set(step, time);
  });
  return { kind: "file", name, source, verify, attributes };
}

function attributesOf(
  { type, mode, uid, gid, mtime }: Found,
): Attributes {
  const date = new Date(recordable(mtime) * 1000);
  return { ...(type !== "link" && { mode }), uid, gid, mtime: date };
}

/** Errors that are about one name, whatever becomes of the others. */
const OF_ONE: ReadonlySet<XorrisoErrorCode> = new Set<XorrisoErrorCode>([
  ...["SOURCE_UNREADABLE", "SOURCE_CHANGED", "ENTRY_EXISTS"] as const,
  ...["ENTRY_NOT_FOUND", "NAME_TOO_LONG", "CHECKSUM_MISMATCH"] as const,
]);

function isOfOne(error: unknown): boolean {
  return error instanceof XorrisoError
    ? OF_ONE.has(error.code)
    : error instanceof TypeError || error instanceof Deno.errors.NotCapable;
}
