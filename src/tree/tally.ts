/** Counting what is stored of a tree. */

import { notify } from "../dialogue/dialogue.ts";
import { XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import type { Plan } from "./examine.ts";
import type {
  LeftOut,
  LeftReason,
  PutTreeOptions,
  PutTreeResult,
  TreeEvent,
} from "./options.ts";
import type { Step } from "./plan.ts";
import type { Found, Walked } from "./walk.ts";

/** Bytes of a block, the least that a file takes on a medium. */
const BLOCK = 2048;

/** Counts what is done, and tells it. */
export class Tally {
  readonly #onEntry: PutTreeOptions["onEntry"];
  readonly #left: LeftOut[];
  readonly #copied: string[] = [];
  readonly #excluded: number;
  readonly #unchanged: number;
  readonly #inodes = new Set<string>();
  #files = 0;
  #bytes = 0;
  #needed = 0;
  #folders = 0;
  #links = 0;
  #attributes = 0;
  #moved = 0;
  #removed = 0;

  /** Nothing is done yet. */
  constructor(
    { left, excluded }: Walked,
    { unchanged }: Plan,
    onEntry: PutTreeOptions["onEntry"],
  ) {
    this.#left = [...left];
    this.#excluded = excluded.length;
    this.#unchanged = unchanged.length;
    this.#onEntry = onEntry;
    for (const { name, error } of left) {
      this.#tell({ kind: "left", name, error });
    }
    for (const { name } of unchanged) this.#tell({ kind: "unchanged", name });
  }

  /**
   * Counts a step that has been done, or would be.
   *
   * @param copied Bytes of a file that was stored from a copy.
   */
  done(step: Step, copied?: number): void {
    switch (step.kind) {
      case "blocked":
        return this.fail(step, blockedError(step.found));
      case "keep":
        return;
      case "remove": {
        if (step.count === 0) return;
        this.#removed += step.count;
        return this.#tell({ kind: "removed", name: step.entry.name });
      }
      case "move": {
        this.#moved++;
        const { found: { name }, from } = step;
        return this.#tell({ kind: "moved", name, from });
      }
      case "attributes": {
        this.#attributes++;
        return this.#tell({ kind: "attributes", name: step.found.name });
      }
      case "store":
        return this.#stored(step, copied);
    }
  }

  #stored(
    { found, change }: Step & { readonly kind: "store" },
    copied: number | undefined,
  ): void {
    const { name, type, inode } = found;
    const size = copied ?? found.size;
    if (copied !== undefined) this.#copied.push(name);
    if (type === "directory") this.#folders++;
    else if (type === "link") this.#links++;
    else this.#files++;
    if (inode === undefined || !this.#inodes.has(inode)) {
      this.#bytes += size;
      this.#needed += Math.ceil(size / BLOCK) * BLOCK;
    }
    if (inode !== undefined) this.#inodes.add(inode);
    const told = { kind: "stored", name, ...(change && { change }) } as const;
    this.#tell({ ...told, ...(type === "file" && { size }) });
  }

  /** Notes what could not be done. */
  fail(step: Step, cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const name = step.kind === "remove" ? step.entry.name : step.found.name;
    const path = step.kind === "remove" ? {} : { path: step.found.path };
    this.#left.push({ name, ...path, reason: reasonOf(error), error });
    this.#tell({ kind: "left", name, error });
  }

  /** What was done. */
  result(): PutTreeResult {
    return {
      files: this.#files,
      bytes: this.#bytes,
      folders: this.#folders,
      links: this.#links,
      unchanged: this.#unchanged,
      attributes: this.#attributes,
      moved: this.#moved,
      removed: this.#removed,
      excluded: this.#excluded,
      copied: this.#copied,
      left: this.#left,
      needed: this.#needed,
    };
  }

  #tell(event: TreeEvent): void {
    notify(this.#onEntry, event);
  }
}

function blockedError({ name, path }: Found): XorrisoError {
  return new XorrisoError(
    "ENTRY_EXISTS",
    `Cannot store "${path}": there is a folder ${show(name)} on the medium; ` +
      `have it removed by mirror, or by delete()`,
    { path },
  );
}

/** In one word, why a name could not be stored. */
function reasonOf(error: Error): LeftReason {
  if (error instanceof TypeError) return "name";
  if (!(error instanceof XorrisoError)) return "unreadable";
  switch (error.code) {
    case "NAME_TOO_LONG":
      return "name";
    case "SOURCE_UNREADABLE":
      return "unreadable";
    case "SOURCE_CHANGED":
      return "changed";
    case "ENTRY_EXISTS":
      return "exists";
    default:
      return "failed";
  }
}
