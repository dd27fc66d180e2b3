/** Group commit: changes that come close together share a session. */

import { abortable, breathe, eachOf, LONGEST } from "../async.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { loadMd5 } from "../disk/md5.ts";
import { join, show } from "../names.ts";
import {
  BLOCK,
  type Entry,
  type Extent,
  type Medium,
} from "../dialogue/answers.ts";
import { checkSource, type Source } from "../disk/sources.ts";
import { orNone, type Store } from "./store.ts";
import {
  type Node,
  type Operation,
  Plan,
  type PlannedChange,
  type Tree,
} from "./tree.ts";
import type { CommitOptions } from "../options.ts";
import type { Committed } from "../session/recorder.ts";
import type { Changes } from "../session/changes.ts";
import { driver, type Xorriso } from "../session/xorriso.ts";
import { Turns } from "./order.ts";

/** When a batch is committed. */
export interface BatchOptions {
  /** Whether batches are committed by themselves. */
  readonly autoCommit: boolean;
  /** Milliseconds without a new change after which a batch is committed. */
  readonly commitDelay: number;
  /** Milliseconds after its first change when a batch is committed anyway. */
  readonly commitMax: number;
}

/** How to write a batch. */
export type WriteOptions = Omit<CommitOptions, "force">;

/** What is to be stored, ready to be staged. */
export interface Prepared {
  /** The file that xorriso reads. */
  readonly source: Source;
  /** The MD5 of its content, to compare what was stored with. */
  readonly md5?: string;
  /** Removes a temporary file, once it has served. */
  readonly dispose?: () => Promise<void>;
}

/** What is asked for about one name. */
export interface Request extends PlannedChange {
  /** Makes ready what is to be stored; not for `delete`. */
  readonly prepare?: (signal?: AbortSignal) => Promise<Prepared>;
  /** Whether preparing may take long, so that no batch waits for it. */
  readonly slow?: boolean;
  /** Takes the change back, as long as it is not staged. */
  readonly signal?: AbortSignal | undefined;
}

interface Change extends PlannedChange {
  readonly prepared: Prepared | undefined;
  readonly settled: PromiseWithResolvers<void>;
  readonly release: () => void;
}

/** Changes that one session takes at most. */
const LIMIT = 10_000;

/** Collects changes, commits them together, and checks what was written. */
export class Batches {
  readonly #store: Store;
  readonly #options: BatchOptions;
  readonly #turns = new Turns();
  #plan: { readonly tree: Tree; readonly plan: Plan<Change> } | undefined;
  #committing: Promise<readonly unknown[]> | undefined;
  /** Changes that have been asked for and will soon be in the plan. */
  #arriving = 0;
  /** Changes that are being prepared for who knows how long. */
  readonly #slow = new Map<AbortController, Request>();
  #free: number | undefined;
  /** The question for it, under way. */
  #asking: Promise<Medium> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #latest: ReturnType<typeof setTimeout> | undefined;

  /** No change yet. */
  constructor(store: Store, options: BatchOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * Takes a change. Resolves when it is on the medium, or, without
   * `autoCommit`, when it will be part of the next commit.
   */
  async add(request: Request): Promise<void> {
    const { signal } = request;
    signal?.throwIfAborted();
    await this.#come();
    const turn = this.#turns.take(request.name);
    // The source is looked at while xorriso answers.
    if (this.#free === undefined) this.#ask().catch(() => {});
    let prepared: Prepared | undefined;
    let change: Change;
    try {
      prepared = await this.#prepare(request);
      await abortable(turn.come, signal);
      change = await this.#arrive(() => this.#accept(request, prepared));
    } catch (error) {
      await dispose(prepared);
      throw error;
    } finally {
      turn.done();
    }
    if (this.#options.autoCommit) await change.settled.promise;
    // Whoever commits is told what becomes of it.
    else change.settled.promise.catch(() => {});
  }

  /** Commits all changes that were asked for before; throws what failed. */
  async commit(options: WriteOptions = {}): Promise<void> {
    await this.#come();
    await this.#turns.all();
    const failures: unknown[] = [];
    while (this.#committing !== undefined) {
      failures.push(...await this.#committing);
    }
    options.signal?.throwIfAborted();
    failures.push(...await this.#flush(options));
    if (failures.length > 1) {
      const [first] = failures;
      throw first instanceof XorrisoError
        ? new XorrisoError(first.code, first.message, {
          ...first,
          cause: new AggregateError(failures, "Several changes failed"),
        })
        : first;
    }
    if (failures.length === 1) throw failures[0];
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#committing !== undefined) await this.#committing;
  }

  /** Does something else to the medium: after what is pending, alone. */
  async between<T>(work: () => Promise<T>): Promise<T> {
    do await this.commit(); while (this.#committing !== undefined);
    const running = work();
    // Nothing is staged meanwhile.
    this.#committing = running.then(() => [], () => []);
    try {
      return await running;
    } finally {
      this.#committing = undefined;
      this.#free = undefined;
      this.#schedule();
    }
  }

  /** Rejects all changes that are not being written; waits for the others. */
  async rollback(): Promise<void> {
    await this.#come();
    for (const [controller, request] of this.#slow) {
      controller.abort(rolledBack(request));
    }
    await this.#turns.all();
    const changes = this.#plan?.plan.changes() ?? [];
    this.#plan = undefined;
    this.#disarm();
    await Promise.all(
      changes.map((change) => settle(change, rolledBack(change))),
    );
    await this.#committing;
  }

  /**
   * Lets others on the event loop go on where thousands of calls are made at
   * once. All calls come this way, so they go on in the order they were made.
   */
  async #come(): Promise<void> {
    await this.#arrive(breathe);
  }

  /** Makes ready what is to be stored. */
  async #prepare(request: Request): Promise<Prepared | undefined> {
    const { prepare, signal, slow = false } = request;
    if (prepare === undefined) return undefined;
    if (!slow) return await this.#arrive(() => prepare(signal));
    const controller = new AbortController();
    this.#slow.set(controller, request);
    try {
      // Before gigabytes of a stream are kept for nothing.
      await this.#writable();
      return await prepare(
        signal
          ? AbortSignal.any([signal, controller.signal])
          : controller.signal,
      );
    } finally {
      this.#slow.delete(controller);
    }
  }

  /** Does what no batch is committed before, since it soon gets a change. */
  async #arrive<T>(work: () => Promise<T>): Promise<T> {
    this.#arriving++;
    clearTimeout(this.#idle);
    try {
      return await work();
    } finally {
      this.#arriving--;
      this.#schedule();
    }
  }

  /** Adds a change to the plan; not while a commit changes what it rests on. */
  async #accept(
    { kind, name, overwrite, signal }: Request,
    prepared: Prepared | undefined,
  ): Promise<Change> {
    const size = prepared?.source.size ?? 0;
    let tree: Tree;
    do {
      await abortable(this.idle(), signal);
      await this.#store.rest(signal);
      tree = await this.#store.tree();
      if (this.#free === undefined || size > this.#free) {
        await this.#checkFree(name, size);
      }
      signal?.throwIfAborted();
    } while (this.#committing !== undefined);
    const onAbort = () => this.#takeBack(change, signal?.reason);
    const change: Change = {
      ...{ kind, name, prepared, settled: Promise.withResolvers<void>() },
      ...(overwrite !== undefined && { overwrite }),
      release: () => signal?.removeEventListener("abort", onAbort),
    };
    const plan = this.#planOn(tree);
    plan.add(change);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (plan.size >= LIMIT && this.#options.autoCommit) this.#flush();
    return change;
  }

  /** The plan; made anew if the tree was read again meanwhile. */
  #planOn(tree: Tree, without?: Change): Plan<Change> {
    if (this.#plan?.tree === tree && without === undefined) {
      return this.#plan.plan;
    }
    const plan = new Plan<Change>(tree);
    for (const change of this.#plan?.plan.changes() ?? []) {
      if (change === without) continue;
      try {
        plan.add(change);
      } catch (error) {
        settle(change, error);
      }
    }
    this.#plan = { tree, plan };
    return plan;
  }

  #takeBack(change: Change, reason: unknown): void {
    if (!this.#plan?.plan.changes().includes(change)) return;
    this.#planOn(this.#plan.tree, change);
    settle(change, reason);
  }

  /** Refuses what cannot fit, before it is part of a batch. */
  async #checkFree(name: string, size: number): Promise<void> {
    const { appendable, drive, free } = await this.#ask();
    if (!appendable) {
      throw new XorrisoError(
        "MEDIUM_NOT_WRITABLE",
        `Cannot store ${show(name)}: the medium in "${drive}" is closed; use ` +
          `another medium`,
        { path: drive },
      );
    }
    this.#free = free;
    if (size > free) throw tooLarge(show(name), size, free);
  }

  /** The session, if changes can be written by it. */
  async #writable(): Promise<Xorriso> {
    const session = await this.#store.session();
    await driver(session).requireWritable();
    return session;
  }

  /** Asks what medium it is; who comes meanwhile gets the same answer. */
  #ask(): Promise<Medium> {
    this.#asking ??= this.#writable()
      .then((session) => session.medium())
      .finally(() => this.#asking = undefined);
    return this.#asking;
  }

  #schedule(): void {
    if (!this.#options.autoCommit || this.#committing !== undefined) return;
    if (this.#plan === undefined || this.#plan.plan.size === 0) return;
    const { commitDelay, commitMax } = this.#options;
    clearTimeout(this.#idle);
    if (this.#arriving === 0) {
      // A timer comes a millisecond late (Deno 2.9).
      this.#idle = setTimeout(
        () => this.#flush(),
        Math.min(Math.max(0, commitDelay - 1), LONGEST),
      );
    }
    this.#latest ??= setTimeout(
      () => this.#flush(),
      Math.min(commitMax, LONGEST),
    );
  }

  #disarm(): void {
    clearTimeout(this.#idle);
    clearTimeout(this.#latest);
    this.#latest = undefined;
  }

  /** Commits the plan; resolves with what failed. */
  async #flush(options: WriteOptions = {}): Promise<readonly unknown[]> {
    this.#disarm();
    const { tree, plan } = this.#plan ?? {};
    const operations = plan?.operations() ?? [];
    this.#plan = undefined;
    if (tree === undefined || operations.length === 0) return [];
    this.#committing = this.#commit(tree, operations, options);
    try {
      return await this.#committing;
    } finally {
      this.#committing = undefined;
      this.#free = undefined;
      this.#schedule();
    }
  }

  /** Writes a batch and settles all changes in it. */
  async #commit(
    tree: Tree,
    operations: readonly Operation<Change>[],
    options: WriteOptions,
  ): Promise<readonly unknown[]> {
    for (const { all } of operations) for (const { release } of all) release();
    const failures = new Map<Operation<Change>, unknown>();
    try {
      await new Batch(this.#store, tree, operations, failures).write(options, {
        // A batch that is committed by itself was so just now.
        isChecked: this.#options.autoCommit,
      });
    } catch (error) {
      for (const operation of operations) {
        if (!failures.has(operation)) failures.set(operation, error);
      }
    }
    await eachOf(operations, async (operation) => {
      const error = failures.has(operation) ? [failures.get(operation)] : [];
      for (const change of operation.all) await settle(change, ...error);
    });
    return [...new Set(failures.values())];
  }
}

/** One batch on its way to the medium. */
class Batch {
  readonly #store: Store;
  readonly #failures: Map<Operation<Change>, unknown>;
  #tree: Tree;
  #operations: readonly Operation<Change>[];

  /** `tree` is what the operations have been checked against. */
  constructor(
    store: Store,
    tree: Tree,
    operations: readonly Operation<Change>[],
    failures: Map<Operation<Change>, unknown>,
  ) {
    this.#store = store;
    this.#tree = tree;
    this.#operations = operations;
    this.#failures = failures;
  }

  /**
   * Writes it as one session, and checks that it is what it should be. Changes
   * that fail by themselves are noted; what it throws is the fate of the rest.
   *
   * @param isChecked Whether the medium was asked if there is room for each.
   */
  async write(
    options: WriteOptions,
    { isChecked }: { readonly isChecked: boolean },
  ): Promise<void> {
    const session = await this.#store.session();
    try {
      await driver(session).exclusive(async (changes) => {
        try {
          await this.#write(session, changes, options, isChecked);
        } catch (error) {
          // What is on the medium is not what the tree in memory says.
          this.#store.forget();
          if (isCode(error, "MEDIUM_CHANGED")) await changes.end();
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
    session: Xorriso,
    changes: Changes,
    options: WriteOptions,
    isChecked: boolean,
  ): Promise<void> {
    await changes.requireWritable();
    let force = false;
    for (;;) {
      if (!isChecked) await this.#dropTooLarge(session);
      await this.#stage(changes);
      if (this.#operations.length === 0 && !force) return;
      const committed = await changes.commit(
        { ...options, force },
        this.#sources(),
      );
      const written = await this.#reread(session);
      const bad = await this.#check(session, written, committed);
      if (bad.size === 0) return written.keep();
      // xorriso has written wrong bytes, perhaps over a good older version: go
      // back to the tree before it, which is the one that readers see, and
      // write the rest again.
      this.#drop(bad);
      const undone = await changes.undo();
      force = undone === "pending";
      if (undone !== "impossible") continue;
      await this.#remove(session, changes, bad);
      await changes.commit(options, []);
      this.#store.forget();
      return;
    }
  }

  /** Writes the rest where xorriso could not go on because of some sources. */
  async #goOn(
    session: Xorriso,
    error: XorrisoError,
    options: WriteOptions,
  ): Promise<void> {
    const moved = await this.#moved();
    if (moved.size === 0) throw error;
    this.#drop(moved);
    // An image is as before; a drive has begun to burn, and may be in use.
    if (session.isImage) return await this.write(options, { isChecked: false });
    throw new XorrisoError(
      "ABORTED",
      `Cannot store it: another file of the same batch has changed, and ` +
        `xorriso could not go on; store it again`,
      { cause: error },
    );
  }

  /** The files that are to be read. */
  #sources(): string[] {
    return this.#operations.flatMap(({ last: { prepared } }) =>
      prepared === undefined ? [] : [prepared.source.path]
    );
  }

  #drop(failures: ReadonlyMap<Operation<Change>, unknown>): void {
    for (const operation of this.#operations) {
      if (!failures.has(operation)) continue;
      this.#failures.set(operation, failures.get(operation));
    }
    this.#operations = this.#operations.filter((each) => !failures.has(each));
  }

  async #dropTooLarge(session: Xorriso): Promise<void> {
    if (this.#operations.every((each) => sizeOf(each) === 0)) return;
    const { free } = await session.medium();
    const tooBig = this.#operations.filter((each) => sizeOf(each) > free);
    this.#drop(
      new Map(tooBig.map((each) => [
        each,
        tooLarge(show(each.last.name), sizeOf(each), free),
      ])),
    );
  }

  /** Stages it, without what fails by itself. */
  async #stage(changes: Changes): Promise<void> {
    const tree = await this.#store.tree();
    // A source may be a link by now, to what the script may not read.
    this.#drop(await this.#moved());
    if (tree !== this.#tree) this.#checkAgain(tree);
    for (;;) {
      const failed = await this.#tryToStage(changes, tree);
      if (failed.size === 0) break;
      const lost = [...failed.values()].find(isLoss);
      if (lost !== undefined) throw lost;
      // A file that cannot be staged has removed the one that it should have
      // replaced: begin again without it.
      this.#drop(failed);
      await changes.rollback();
    }
    const effective = this.#operations.some(({ last }) =>
      last.prepared !== undefined || tree.get(last.name) !== undefined
    );
    if (!effective) this.#operations = [];
  }

  async #tryToStage(
    changes: Changes,
    tree: Tree,
  ): Promise<Map<Operation<Change>, unknown>> {
    const failed = new Map<Operation<Change>, unknown>();
    await eachOf(this.#operations, async (operation) => {
      const { prepared, name } = operation.last;
      const path = this.#pathOf(operation);
      try {
        if (prepared !== undefined) {
          await changes.stage(prepared.source.path, path);
        } // What came and went within this batch was never staged.
        else if (tree.get(name) !== undefined) await changes.remove(path);
      } catch (error) {
        failed.set(operation, error);
      }
    });
    return failed;
  }

  /**
   * Refuses what another program has made impossible: while a lost session is
   * opened again, the medium is free for a moment.
   */
  #checkAgain(tree: Tree): void {
    this.#tree = tree;
    const plan = new Plan<PlannedChange>(tree);
    const refused = new Map<Operation<Change>, unknown>();
    for (const operation of this.#operations) {
      const { last: { kind, name, overwrite = true }, all } = operation;
      // What came and went within this batch was never there.
      if (kind === "delete" && tree.get(name) === undefined) continue;
      try {
        plan.add({ kind, name, overwrite: overwrite || all.length > 1 });
      } catch (error) {
        refused.set(operation, error);
      }
    }
    this.#drop(refused);
  }

  /** The changes whose sources are not what they were. */
  async #moved(): Promise<Map<Operation<Change>, unknown>> {
    return await problemsOf(
      this.#operations,
      async ({ last: { prepared } }) =>
        prepared && await checkSource(prepared.source),
    );
  }

  /** Looks at what is on the medium now; returns what should not be so. */
  async #check(
    session: Xorriso,
    written: Written,
    { lba, problem }: Committed,
  ): Promise<Map<Operation<Change>, unknown>> {
    const moved = await this.#moved();
    const bad = await problemsOf(
      this.#operations,
      async (operation) =>
        moved.get(operation) ??
          await this.#checkOne(session, written, lba, operation),
    );
    if (problem === undefined || bad.size > 0) return bad;
    // A source that could not be read, although it looks as it did before.
    const puts = this.#operations.filter(({ last }) => last.prepared);
    const named = puts.filter(({ last }) =>
      problem.messages.some((line) =>
        line.includes(last.prepared?.source.path ?? "\0")
      )
    );
    for (const each of named.length > 0 ? named : puts) bad.set(each, problem);
    return bad;
  }

  /** Asks what has been written: its own names, or all where that is less. */
  async #reread(session: Xorriso): Promise<Written> {
    const tree = await this.#store.tree();
    if (this.#operations.length * 10 >= tree.size) {
      const newer = await this.#store.readTree();
      return {
        get: (name) => newer.get(name),
        keep: () => this.#store.replaceTree(newer),
      };
    }
    const { lookUp } = driver(session);
    const nodes = new Map<string, Node | undefined>();
    await eachOf(this.#operations, async (operation) => {
      const { name } = operation.last;
      nodes.set(name, await orNone<Node>(lookUp(this.#pathOf(operation))));
    });
    return {
      get: (name) => {
        const node = nodes.get(name);
        return node?.type === "file" ? node : undefined;
      },
      keep: () => {
        for (const [name, node] of nodes) {
          tree.delete(name);
          if (node === undefined) continue;
          tree.addParents(name);
          tree.set(node);
        }
      },
    };
  }

  async #checkOne(
    session: Xorriso,
    written: Written,
    lba: number | undefined,
    operation: Operation<Change>,
  ): Promise<unknown> {
    const { name, prepared } = operation.last;
    const entry = written.get(name);
    const path = this.#pathOf(operation);
    if (prepared === undefined) {
      return entry && new XorrisoError(
        "WRITE_ERROR",
        `Cannot delete ${show(path)}: it is still there after the commit`,
        { path },
      );
    }
    const { size } = prepared.source;
    if (entry?.size !== size) {
      return new XorrisoError(
        "WRITE_ERROR",
        `Cannot store ${show(path)}: the medium shows ` +
          `${entry?.size ?? "nothing"} instead of its ${size} bytes`,
        { path },
      );
    }
    const { extents } = entry;
    if (!isWithin(size, extents, lba)) {
      return new XorrisoError(
        "WRITE_ERROR",
        `Cannot store ${show(path)}: its content is not in the session that ` +
          `was written`,
        { path },
      );
    }
    if (prepared.md5 === undefined) return undefined;
    return await this.#compare(session, { path, size, extents }, prepared.md5);
  }

  /** Reads a stored file back. */
  async #compare(
    session: Xorriso,
    entry: Entry,
    md5: string,
  ): Promise<unknown> {
    try {
      const hash = (await loadMd5())();
      for await (const chunk of await session.readable(entry)) {
        hash.update(chunk);
      }
      if (hash.digest("hex") === md5) return undefined;
      return new XorrisoError(
        "CHECKSUM_MISMATCH",
        `Cannot store ${show(entry.path)}: what was read back differs from ` +
          `its source`,
        { path: entry.path },
      );
    } catch (error) {
      return error;
    }
  }

  /** Stages the removal of what should not have been written. */
  async #remove(
    session: Xorriso,
    changes: Changes,
    bad: ReadonlyMap<Operation<Change>, unknown>,
  ): Promise<void> {
    const { lookUp } = driver(session);
    for (const operation of bad.keys()) {
      const path = this.#pathOf(operation);
      if (await orNone(lookUp(path)) !== undefined) await changes.remove(path);
    }
  }

  #pathOf({ last }: Operation<Change>): string {
    return join(this.#store.directory, last.name);
  }

  /** Adds the sizes that xorriso did not tell. */
  async #measure(error: XorrisoError): Promise<XorrisoError> {
    if (error.needed !== undefined && error.free !== undefined) return error;
    const needed = error.needed ??
      this.#operations.reduce((sum, each) => sum + sizeOf(each), 0);
    const free = await this.#store.session()
      .then((session) => session.medium())
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

/** What a commit has written, which is for readers only when it is right. */
interface Written {
  /** The file that has a name of the batch now. */
  get(name: string): Pick<Node, "size" | "extents"> | undefined;
  /** Shows it to readers. */
  keep(): void;
}

/** What is wrong with operations. */
async function problemsOf(
  operations: readonly Operation<Change>[],
  check: (operation: Operation<Change>) => Promise<unknown>,
): Promise<Map<Operation<Change>, unknown>> {
  const problems = new Map<Operation<Change>, unknown>();
  await eachOf(operations, async (operation) => {
    const problem = await check(operation);
    if (problem !== undefined) problems.set(operation, problem);
  });
  return problems;
}

/**
 * Whether a content has its place behind the first block of a session. What is
 * only staged has no place, whatever its size; an empty file needs none.
 */
function isWithin(
  size: number,
  extents: readonly Extent[],
  session: number | undefined,
): boolean {
  if (session === undefined) return false;
  if (size === 0) return true;
  return extents.length > 0 && extents.every(({ lba }) => lba >= session);
}

/** Bytes that an operation needs on the medium. */
function sizeOf({ last }: Operation<Change>): number {
  const size = last.prepared?.source.size ?? 0;
  return Math.ceil(size / BLOCK) * BLOCK;
}

function tooLarge(name: string, needed: number, free: number): XorrisoError {
  return new XorrisoError(
    "MEDIUM_FULL",
    `Cannot store ${name}: it needs ${needed} bytes, the medium has ${free} ` +
      `free; use another medium`,
    { needed, free },
  );
}

function rolledBack({ kind, name }: PlannedChange): XorrisoError {
  return new XorrisoError(
    "ABORTED",
    `Cannot ${kind} ${show(name)}: it was rolled back`,
    { path: name },
  );
}

async function dispose(prepared: Prepared | undefined): Promise<void> {
  try {
    await prepared?.dispose?.();
  } catch {
    // It is gone already, or goes with its folder in the end.
  }
}

async function settle(change: Change, ...error: unknown[]): Promise<void> {
  change.release();
  await dispose(change.prepared);
  if (error.length === 0) change.settled.resolve();
  else change.settled.reject(error[0]);
}

/** Whether the session itself failed, so that nothing can be staged. */
function isLoss(error: unknown): boolean {
  return isCode(error, "SESSION_LOST") || isCode(error, "TIMEOUT") ||
    isCode(error, "PROTOCOL") || isCode(error, "CLOSED");
}
