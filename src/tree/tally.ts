/** Counting and reporting what is stored of a tree. */

import { notify } from "../async.ts";
import { XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import { BLOCK, blocksOf } from "../medium.ts";
import { show } from "../names.ts";
import type { Copy } from "./changing.ts";
import type {
  CopiedFile,
  LeftOut,
  LeftReason,
  PutTreeOptions,
  PutTreeResult,
  TreeEvent,
} from "./options.ts";
import type { TreeStep } from "./plan.ts";
import type { Found, Walked } from "./walk.ts";

/** A result that is still being counted. */
type Counted =
  & { -readonly [Key in keyof PutTreeResult]: PutTreeResult[Key] }
  & { readonly left: LeftOut[]; readonly copied: CopiedFile[] };

/** Counts what is done, and reports it. */
export class Tally {
  readonly #onEntry: PutTreeOptions["onEntry"];
  readonly #inodes = new Set<string>();
  readonly #result: Counted;

  /** Nothing is done yet. */
  constructor(
    { left, excluded }: Walked,
    onEntry: PutTreeOptions["onEntry"],
  ) {
    this.#onEntry = onEntry;
    this.#result = {
      files: 0,
      bytes: 0,
      folders: 0,
      links: 0,
      unchanged: 0,
      attributes: 0,
      moved: 0,
      removed: 0,
      needed: 0,
      excluded: excluded.length,
      copied: [],
      left: [...left],
    };
    for (const { name, error } of left) {
      this.#report({ kind: "left", name, error });
    }
  }

  /** The counts so far. */
  get result(): PutTreeResult {
    return this.#result;
  }

  /** Counts a name that is stored already. */
  unchanged({ name }: Found): void {
    this.#result.unchanged++;
    this.#report({ kind: "unchanged", name });
  }

  /**
   * Counts a step that has been done, or would be.
   *
   * @param copy The copy that a file was stored from.
   */
  done(step: TreeStep, copy?: Copy): void {
    switch (step.kind) {
      case "blocked":
        return this.fail(step, blockedError(step.found));
      case "keep":
        return;
      case "remove":
        if (step.count === 0) return;
        this.#result.removed += step.count;
        return this.#report({ kind: "removed", name: step.entry.name });
      case "move":
        this.#result.moved++;
        return this.#report({
          kind: "moved",
          name: step.found.name,
          from: step.from,
        });
      case "attributes":
        this.#result.attributes++;
        return this.#report({ kind: "attributes", name: step.found.name });
      case "store":
        return this.#stored(step, copy);
    }
  }

  #stored(
    { found, change }: TreeStep & { readonly kind: "store" },
    copy: Copy | undefined,
  ): void {
    const { name, type, inode } = found;
    const { bytes: size, reason } = copy ?? { bytes: found.size };
    const result = this.#result;
    if (reason !== undefined) result.copied.push({ name, reason });
    result[COUNTERS[type]]++;
    if (inode === undefined || !this.#inodes.has(inode)) {
      result.bytes += size;
      result.needed += blocksOf(size) * BLOCK;
    }
    if (inode !== undefined) this.#inodes.add(inode);
    this.#report({
      kind: "stored",
      name,
      ...(change && { change }),
      ...(type === "file" && { size }),
    });
  }

  /** Counts a step that could not be done. */
  fail(step: TreeStep, cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    const name = step.kind === "remove" ? step.entry.name : step.found.name;
    const path = step.kind === "remove" ? {} : { path: step.found.path };
    this.#result.left.push({ name, ...path, reason: reasonFor(error), error });
    this.#report({ kind: "left", name, error });
  }

  #report(event: TreeEvent): void {
    notify(this.#onEntry, event);
  }
}

/** The counter of each type. */
const COUNTERS = {
  file: "files",
  directory: "folders",
  link: "links",
} as const;

function blockedError({ name, path }: Found): XorrisoError {
  return new XorrisoError(
    "ENTRY_EXISTS",
    `Cannot store "${path}": there is a folder ${show(name)} on the medium; ` +
      `have it removed by mirror, or delete it`,
    { path },
  );
}

/** The reason that an error is, in one word. */
function reasonFor(error: Error): LeftReason {
  if (error instanceof TypeError) return "name";
  if (!(error instanceof XorrisoError)) return "unreadable";
  return REASONS[error.code] ?? "failed";
}

const REASONS: Readonly<Partial<Record<XorrisoErrorCode, LeftReason>>> = {
  NAME_TOO_LONG: "name",
  SOURCE_UNREADABLE: "unreadable",
  SOURCE_CHANGED: "changed",
  ENTRY_EXISTS: "exists",
};
