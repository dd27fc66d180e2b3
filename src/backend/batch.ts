/** One batch of changes: staged, committed, checked, taken back where wrong. */

import { eachOf, notify } from "../async.ts";
import { BLOCK, blocksOf } from "../medium.ts";
import { checkSource } from "../disk/sources.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { baseName, folderOf, join, show } from "../names.ts";
import { type Changes, exclusive } from "../session/changes.ts";
import { commit } from "../session/commit.ts";
import { typeOf } from "../session/entries.ts";
import { readMedium } from "../session/medium.ts";
import { makeWritable } from "../session/open.ts";
import { rollback, undo } from "../session/rollback.ts";
import type { Session } from "../session/session.ts";
import type { Pending } from "./change.ts";
import { checkWritten } from "./check.ts";
import type { CommitOptions, Progress } from "../options.ts";
import type { Index } from "./index.ts";
import { type FolderEntry, isLong, refusedFolders } from "./long_names.ts";
import type { Operation, View } from "./plan.ts";
import { type Step, type Steps, stepsOf } from "./steps.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Store } from "./store.ts";

/** How to write a batch. */
export type WriteOptions = Omit<CommitOptions, "force">;

/** What is wrong with operations of a batch, each with its error. */
type Failures = Map<Operation<Pending>, unknown>;

/** Changes that are written as one session. */
export class Batch {
  readonly #store: Store;
  #operations: readonly Operation<Pending>[];

  /** What has failed so far. */
  readonly failures: Failures = new Map();

  /** Nothing is told to xorriso yet. */
  constructor(store: Store, operations: readonly Operation<Pending>[]) {
    this.#store = store;
    this.#operations = operations;
  }

  /**
   * Writes it as one session, and checks that it is what it should be. What
   * fails is told by `failures`.
   *
   * @param isChecked Whether the medium was asked if there is room for each.
   */
  async write(options: WriteOptions, isChecked: boolean): Promise<void> {
    try {
      const onProgress = progressOf(this.#operations, options);
      await this.#try({ ...options, onProgress }, isChecked);
    } catch (error) {
      this.#drop(new Map(this.#operations.map((each) => [each, error])));
    }
  }

  async #try(options: WriteOptions, isChecked: boolean): Promise<void> {
    const session = await this.#store.session();
    try {
      await exclusive(session, async (changes) => {
        try {
          await this.#write(session, changes, options, isChecked);
        } catch (error) {
          // What is on the medium is not what the index says.
          this.#store.forget();
          if (isCode(error, "MEDIUM_CHANGED")) await session.end();
          throw error;
        }
      });
    } catch (error) {
      // xorriso was stopped, for it waited in vain for what is a FIFO now.
      if (isCode(error, "SOURCE_CHANGED")) {
        return await this.#goOn(session, error, options);
      }
      throw isCode(error, "MEDIUM_FULL") ? await this.#measure(error) : error;
    }
  }

  async #write(
    session: Session,
    changes: Changes,
    options: WriteOptions,
    isChecked: boolean,
  ): Promise<void> {
    await makeWritable(changes);
    let force = false;
    for (;;) {
      options.signal?.throwIfAborted();
      if (!isChecked) await this.#dropTooLarge(session);
      const { index: before } = await this.#store.snapshot();
      const { view, steps, last } = await this.#stage(session, changes, before);
      if (steps.length + last.length === 0 && !force) return;
      const { base, lba, problem } = await commit(changes, {
        ...options,
        force,
      });
      const bad = await this.#moved();
      const result = { before, view, lba, problem, bad };
      const written = await this.#check(session, result);
      if (bad.size === 0 && written) return this.#store.replace(written);
      // xorriso has written wrong bytes, perhaps over a good older version: go
      // back to the tree before it, which is the one that readers see, and
      // write the rest again.
      const failed = withResting(this.#operations, bad);
      this.#fail(failed);
      const undone = await undo(changes, base);
      force = undone === "pending";
      if (undone !== "impossible") continue;
      await this.#remove(session, changes, failed);
      await commit(changes, options);
      this.#store.forget();
      return;
    }
  }

  /** Reads what has been written; adds to `bad` what is not as it should be. */
  async #check(session: Session, { before, view, lba = 0, problem, bad }: {
    readonly before: Index;
    readonly view: Steps["view"];
    readonly lba: number | undefined;
    readonly problem: XorrisoError | undefined;
    readonly bad: Failures;
  }): Promise<Snapshot | undefined> {
    const operations = this.#operations;
    const paths = new Set<string>();
    for (const { last: { name, from = name } } of operations) {
      paths.add(join(this.#store.directory, name));
      paths.add(join(this.#store.directory, from));
    }
    let written: Snapshot;
    try {
      written = await this.#store.next(lba, paths);
    } catch (error) {
      // What a session that has died had written is taken back under a reader.
      session.requireOpen(session.doing("check what was stored on"));
      if (operations.length === 0 || isLoss(error)) throw error;
      // What cannot be read is not stored.
      for (const operation of operations) bad.set(operation, error);
      return undefined;
    }
    // What xorriso could not read may look as it did before.
    const puts = operations.filter(({ last }) => last.prepared);
    for (const each of puts) {
      const path = each.last.prepared?.source.path ?? "\0";
      const isNamed = problem?.messages.some((line) => line.includes(path));
      if (isNamed && !bad.has(each)) bad.set(each, problem);
    }
    await checkWritten(operations, { before, view, written, lba }, bad);
    if (problem !== undefined && bad.size === 0) {
      for (const each of puts) bad.set(each, problem);
    }
    return written;
  }

  /** Writes the rest where xorriso could not go on because of some sources. */
  async #goOn(
    session: Session,
    error: XorrisoError,
    options: WriteOptions,
  ): Promise<void> {
    const moved = await this.#moved();
    if (moved.size === 0) throw error;
    this.#drop(moved);
    // An image is as before; a drive has begun to burn, and may be in use.
    if (session.isImage) return await this.#try(options, false);
    throw new XorrisoError(
      "ABORTED",
      `Cannot store it: another file of the same batch has changed, and ` +
        `xorriso could not go on; store it again`,
      { cause: error },
    );
  }

  /** Leaves out what has failed, and what rests on it. */
  #drop(failures: ReadonlyMap<Operation<Pending>, unknown>): void {
    if (failures.size > 0) this.#fail(withResting(this.#operations, failures));
  }

  #fail(failures: Failures): void {
    for (const [operation, error] of failures) {
      this.failures.set(operation, error);
    }
    this.#operations = this.#operations.filter((each) => !failures.has(each));
  }

  async #dropTooLarge(session: Session): Promise<void> {
    if (this.#operations.every((each) => sizeOf(each) === 0)) return;
    const { free } = await readMedium(session);
    const tooBig = this.#operations.filter((each) => sizeOf(each) > free);
    this.#drop(
      new Map(tooBig.map((each) => [
        each,
        tooLargeFor(each.last.name, sizeOf(each), free),
      ])),
    );
  }

  /** Stages it, without what fails by itself. */
  async #stage(
    session: Session,
    changes: Changes,
    index: Index,
  ): Promise<Steps> {
    // A source may be a link by now, to what the script may not read.
    this.#drop(await this.#moved());
    let together = TOGETHER;
    for (;;) {
      const steps = await stepsOf(index, this.#operations);
      this.#drop(steps.refused);
      const tooLong = await this.#tooLong(session, steps.view, index);
      if (tooLong.size > 0) {
        this.#drop(tooLong);
        continue;
      }
      const failed = await tell(changes, steps, together);
      if (failed.size === 0) return steps;
      const lost = [...failed.values()].find(isLoss);
      if (lost !== undefined) throw lost;
      // A file that cannot be staged has removed the one that it should have
      // replaced: begin again without it, once it is known.
      if (together === 1) this.#drop(failed);
      together = 1;
      await rollback(changes);
    }
  }

  /** The changes with long names that xorriso cannot write. */
  async #tooLong(
    session: Session,
    view: View<unknown>,
    index: Index,
  ): Promise<Failures> {
    const tooLong: Failures = new Map();
    const { directory, options } = this.#store;
    const texts = new Map<string, string | undefined>();
    const changed = new Map<string, Operation<Pending>[]>();
    for (const operation of this.#operations) {
      const { kind, name, from = name, text } = operation.last;
      texts.set(name, text);
      for (const each of kind === "attributes" ? [] : [name, from]) {
        if (!isLong(baseName(each))) continue;
        const inside = changed.get(folderOf(each)) ?? [];
        inside.push(operation);
        changed.set(folderOf(each), inside);
      }
    }
    if (changed.size === 0) return tooLong;
    const folders = new Map<string, FolderEntry[]>();
    const pathOf = (folder: string) =>
      folder === "" ? directory : join(directory, folder);
    for (const folder of changed.keys()) {
      folders.set(
        pathOf(folder),
        view.entriesIn(folder).map(({ name, type }) => {
          const link = texts.get(name) ?? index.get(name)?.link;
          return { name: baseName(name), type, link };
        }),
      );
    }
    const refused = await refusedFolders(session.version, folders, options);
    for (const [folder, operations] of changed) {
      const error = refused.get(pathOf(folder));
      if (error === undefined) continue;
      for (const operation of operations) tooLong.set(operation, error);
    }
    return tooLong;
  }

  /** The changes whose sources are not what they were. */
  async #moved(): Promise<Failures> {
    const moved: Failures = new Map();
    await eachOf(this.#operations, async (operation) => {
      const { prepared } = operation.last;
      const problem = prepared && await checkSource(prepared.source);
      if (problem !== undefined) moved.set(operation, problem);
    });
    return moved;
  }

  /** Stages the removal of what should not have been written. */
  async #remove(
    session: Session,
    changes: Changes,
    bad: ReadonlyMap<Operation<Pending>, unknown>,
  ): Promise<void> {
    for (const { last: { kind, name } } of bad.keys()) {
      const path = join(this.#store.directory, name);
      if (kind === "remove" || kind === "attributes") continue;
      if (await typeOf(session, path) === undefined) continue;
      await changes.remove(path, { recursive: true });
    }
  }

  /** Adds the sizes that xorriso did not tell. */
  async #measure(error: XorrisoError): Promise<XorrisoError> {
    if (error.needed !== undefined && error.free !== undefined) return error;
    const needed = error.needed ??
      this.#operations.reduce((sum, each) => sum + sizeOf(each), 0);
    const free = await this.#store.session()
      .then(readMedium)
      // The verdict is out already.
      .then((medium) => medium.free, () => undefined);
    return new XorrisoError(error.code, error.message, {
      messages: error.messages,
      needed,
      // A file system without any room is reported as one of 1 TiB.
      free: error.free ?? (free !== undefined && free > needed ? 0 : free),
      cause: error,
    });
  }
}

/**
 * Adds the moves of what has failed: a name that an older content still has
 * would be moved in its place.
 */
function withResting(
  operations: readonly Operation<Pending>[],
  failures: ReadonlyMap<Operation<Pending>, unknown>,
): Failures {
  const all: Failures = new Map(failures);
  const missing = new Map<string, unknown>();
  for (const operation of operations) {
    const { kind, name, from = "" } = operation.last;
    if (kind === "move" && missing.has(from) && !all.has(operation)) {
      all.set(operation, missing.get(from));
    }
    if (kind === "remove" || kind === "attributes") continue;
    if (all.has(operation)) missing.set(name, all.get(operation));
    else missing.delete(name);
  }
  return all;
}

/** Files that are told in one exchange, of which xorriso refuses none as a rule. */
const TOGETHER = 64;

/** Sends all lines of a batch; returns what xorriso refuses. */
async function tell(
  changes: Changes,
  { steps, last }: Steps,
  together: number,
): Promise<Failures> {
  const failed: Failures = new Map();
  for (const part of [steps, last]) {
    await eachOf(groupsOf(part, together), async (group) => {
      if (group.some(({ operation }) => failed.has(operation))) return;
      const files = group.flatMap(({ file = [] }) => file);
      const [{ lines }] = group;
      try {
        if (files.length > 1) await changes.stageAll(files);
        else await Promise.all(lines.map((line) => line(changes)));
      } catch (error) {
        for (const { operation } of group) failed.set(operation, error);
      }
    });
  }
  return failed;
}

/** Puts files together that are stored one after the other. */
function* groupsOf(
  steps: readonly Step[],
  together: number,
): Generator<readonly [Step, ...Step[]]> {
  let group: Step[] = [];
  for (const step of steps) {
    const [first, ...others] = group;
    const isFull = group.length === together;
    if (first && (isFull || !first.file || !step.file)) {
      yield [first, ...others];
      group = [];
    }
    group.push(step);
  }
  const [first, ...others] = group;
  if (first) yield [first, ...others];
}

/** Bytes that an operation needs on the medium. */
function sizeOf({ last }: Operation<Pending>): number {
  const size = last.prepared?.source.size ?? 0;
  return blocksOf(size) * BLOCK;
}

/** The error for a content that cannot fit. */
export function tooLargeFor(
  name: string,
  needed: number,
  free: number,
): XorrisoError {
  return new XorrisoError(
    "MEDIUM_FULL",
    `Cannot store ${show(name)}: it needs ${needed} bytes, the medium has ` +
      `${free} free; use another medium`,
    { path: name, needed, free },
  );
}

/** Whether the session itself failed, so that nothing can be staged. */
function isLoss(error: unknown): boolean {
  return isCode(error, "SESSION_LOST") || isCode(error, "TIMEOUT") ||
    isCode(error, "PROTOCOL") || isCode(error, "CLOSED");
}

/** Tells everybody in a batch how far it is. */
function progressOf(
  operations: readonly Operation<Pending>[],
  options: WriteOptions,
): (progress: Progress) => void {
  const listeners = new Set([options.onProgress]);
  for (const { all } of operations) {
    for (const { onProgress } of all) listeners.add(onProgress);
  }
  return (progress) => {
    for (const listener of listeners) notify(listener, progress);
  };
}
