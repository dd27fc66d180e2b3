/** When changes are committed: those that come close together share a session. */

import { eachOf, unlessAborted } from "../async.ts";
import type { Medium } from "../medium.ts";
import { XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import { readMedium } from "../session/medium.ts";
import { Batch, tooLargeFor, type WriteOptions } from "./batch.ts";
import {
  Caller,
  conclude,
  dispose,
  type Pending,
  type Prepared,
  prepareFor,
  type Request,
  rolledBack,
} from "./change.ts";
import { Due } from "./due.ts";
import type { Index } from "./index.ts";
import type { AutoCommitOptions, Change } from "./options.ts";
import { type CallPlace, Order } from "./order.ts";
import { type Operation, Plan } from "./plan.ts";
import type { Store } from "./store.ts";

/** A batch that is being written. */
interface Writing {
  /** What failed in it. */
  readonly failures: Promise<readonly unknown[]>;
  /** Those who still want some of it. */
  readonly live: Set<Caller>;
  /** Stops it. */
  readonly controller: AbortController;
}

/** Changes that one session takes at most, unless they came in one call. */
const LIMIT = 10_000;

/** Milliseconds without a byte after which no commit waits for a stream. */
const STALLED = 2000;

/** Collects changes, and has them written together. */
export class Queue {
  readonly #store: Store;
  readonly #autoCommit: boolean;
  readonly #order = new Order();
  readonly #due: Due;
  #plan: { readonly index: Index; readonly plan: Plan<Pending> } | undefined;
  /** Whether the plan has changes that were taken back. */
  #isStale = false;
  #writing: Writing | undefined;
  /** Whose changes are not all in the plan, and how they fail by a rollback. */
  readonly #entering = new Map<Caller, () => XorrisoError>();
  /** Changes that have been asked for and will soon be in the plan. */
  #coming = 0;
  /** Calls whose changes all go into one batch, with the places come to. */
  readonly #held = new Map<Caller, readonly CallPlace[]>();
  /** Bytes that are free on the medium; undefined when it is to be asked. */
  #free: number | undefined;
  /** The question for them, under way. */
  #asking: Promise<Medium> | undefined;

  /** No change yet. */
  constructor(
    store: Store,
    { autoCommit = true, ...options }: AutoCommitOptions,
  ) {
    const { isImage } = store;
    const { commitDelay = isImage ? 2 : 1000 } = options;
    const { commitMax = isImage ? 1000 : 30_000 } = options;
    this.#store = store;
    this.#autoCommit = autoCommit;
    this.#due = new Due({ commitDelay, commitMax }, () => this.#flush());
  }

  /** Number of changes that wait to be written. */
  get size(): number {
    return this.#plan?.plan.size ?? 0;
  }

  /**
   * Takes a change. Resolves when it is on the medium, or, without
   * `autoCommit`, when it will be part of the next commit.
   */
  async add(request: Request): Promise<void> {
    const { signal } = request;
    signal?.throwIfAborted();
    const caller = this.#caller(signal);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = () => caller[Symbol.dispose]();
    promise.then(end, end);
    this.#entering.set(caller, () => rolledBack(request));
    const tell = (...error: unknown[]) =>
      error.length === 0 ? resolve() : reject(error[0]);
    const enter = async () => {
      const taking = this.#order.takeAll([request]);
      for (const [, place] of await this.#arrive(() => taking)) {
        await this.#enter(request, { caller, place, tell });
      }
    };
    try {
      await unlessAborted(enter(), signal);
    } catch (error) {
      end();
      throw error;
    } finally {
      this.#entering.delete(caller);
    }
    // Without it, whoever commits is told what becomes of it.
    if (this.#autoCommit) await unlessAborted(promise, signal);
  }

  /**
   * Takes changes that go into one session, and writes it.
   *
   * @param requestOf Makes ready to take a change.
   * @returns What failed, by its index, when all else is on the medium.
   */
  async addAll(
    changes: readonly Change[],
    requestOf: (change: Change) => Request,
    options: WriteOptions = {},
  ): Promise<Map<number, unknown>> {
    const { signal } = options;
    signal?.throwIfAborted();
    const failures = new Map<number, unknown>();
    let untold = changes.length;
    const { promise: told, resolve } = Promise.withResolvers<void>();
    if (untold === 0) resolve();
    using caller = this.#caller(signal);
    this.#entering.set(caller, () => rolledBack());
    const begun: CallPlace[] = [];
    this.#held.set(caller, begun);
    const timer = setInterval(() => this.#relent(), STALLED);
    try {
      const entering = this.#order.takeAll(changes).then((places) =>
        // Few at a time: what is under way takes more memory than what is done.
        eachOf(places.entries(), async ([i, [change, place]]) => {
          begun.push(place);
          const tell = (...error: unknown[]) => {
            if (error.length > 0) failures.set(i, error[0]);
            if (--untold === 0) resolve();
          };
          try {
            await this.#enter(requestOf(change), { caller, place, tell });
          } catch (error) {
            place.leave();
            tell(error);
          }
        })
      );
      await unlessAborted(entering, signal);
    } finally {
      clearInterval(timer);
      this.#held.delete(caller);
      this.#entering.delete(caller);
      this.#schedule();
    }
    await this.#flush(options);
    // Somebody else may write some of them, or take them out of the plan.
    await unlessAborted(told, signal);
    return failures;
  }

  /**
   * Commits all changes that were asked for before; throws what failed. A
   * stream that stands still is not waited for, nor what waits for it.
   */
  async commit(options: WriteOptions = {}): Promise<void> {
    await this.#order.takeAll([]);
    await this.#order.done(STALLED, () => true, options.signal);
    await this.#commit(options);
  }

  async #commit(options: WriteOptions): Promise<void> {
    const { signal } = options;
    const failures: unknown[] = [];
    while (this.#writing !== undefined) {
      failures.push(...await unlessAborted(this.#writing.failures, signal));
    }
    signal?.throwIfAborted();
    failures.push(...await this.#flush(options));
    const [first] = failures;
    if (failures.length < 2 || !(first instanceof XorrisoError)) {
      if (failures.length > 0) throw first;
      return;
    }
    throw new XorrisoError(first.code, first.message, {
      ...first,
      cause: new AggregateError(failures, "Several changes failed"),
    });
  }

  /** Commits what was asked for, and gives up streams that stand still. */
  async close(): Promise<void> {
    await this.#order.takeAll([]);
    await this.#order.done(STALLED, ({ name, controller }) => {
      controller.abort(
        new XorrisoError(
          "CLOSED",
          `Cannot store ${show(name)}: the backend is closed, and nothing ` +
            `has come from the stream for ${STALLED} ms`,
          { path: name },
        ),
      );
      return false;
    });
    await this.#commit({});
  }

  /** Resolves when nothing is being written. */
  async idle(signal?: AbortSignal): Promise<void> {
    while (this.#writing !== undefined) {
      await unlessAborted(this.#writing.failures, signal);
    }
  }

  /** Does something else to the medium: after what is pending, alone. */
  async between<T>(
    work: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const options = signal ? { signal } : {};
    do await this.commit(options); while (this.#writing !== undefined);
    const controller = new AbortController();
    const running = work(either(controller.signal, signal));
    // Nothing is staged meanwhile.
    const failures = running.then(() => [], () => []);
    this.#writing = { failures, controller, live: new Set() };
    try {
      return await running;
    } finally {
      this.#written();
    }
  }

  /** Rejects all changes that are not being written. */
  async rollback(): Promise<void> {
    await this.#order.takeAll([]);
    const places = this.#order.all;
    for (const [caller, error] of this.#entering) caller.giveUp(error());
    for (const place of places) await place.left();
    const changes = this.#plan?.plan.changes ?? [];
    this.#plan = undefined;
    this.#due.clear();
    await eachOf(changes, (change) => conclude(change, rolledBack(change)));
  }

  /** Rejects all changes, also those that are being written. */
  async discard(): Promise<void> {
    this.#writing?.controller.abort(
      new XorrisoError(
        "ABORTED",
        "Cannot go on with the commit: the backend was disposed of",
      ),
    );
    await this.rollback();
    await this.idle();
  }

  #caller(signal: AbortSignal | undefined): Caller {
    return new Caller(signal, (caller, reason) => {
      const { live, controller } = this.#writing ?? {};
      if (live?.delete(caller) && live.size === 0) controller?.abort(reason);
      if (!caller.isPlanned || this.#isStale) return;
      // Thousands may do so in one turn: the plan is made anew once.
      this.#isStale = true;
      queueMicrotask(() => this.#tidy());
    });
  }

  /** Makes a change ready and adds it to the plan, in its order. */
  async #enter(
    request: Request,
    { caller, place, tell }: Pick<Pending, "caller" | "tell"> & {
      readonly place: CallPlace;
    },
  ): Promise<void> {
    const { signal } = caller;
    // The source is looked at while xorriso answers.
    if (this.#free === undefined) this.#ask().catch(() => {});
    let prepared: Prepared | undefined;
    try {
      prepared = await this.#prepare(request, place, signal);
      await place.reached(signal);
      const change: Pending = { ...request, caller, prepared, tell };
      await this.#arrive(() => this.#accept(change));
    } catch (error) {
      await dispose(prepared);
      throw error;
    } finally {
      place.leave();
    }
  }

  /** Makes ready what is to be stored. */
  async #prepare(
    request: Request,
    place: CallPlace,
    signal: AbortSignal,
  ): Promise<Prepared | undefined> {
    const { prepare, asksFirst = false, isSlow = false } = request;
    try {
      signal.throwIfAborted();
      if (prepare === undefined) return undefined;
      if (asksFirst) await place.reached(signal);
      const work = async () => {
        // Before gigabytes of a stream are kept for nothing.
        if (asksFirst) await this.#requirePlace(request, signal);
        return await prepareFor(place, request, signal);
      };
      return isSlow ? await work() : await this.#arrive(work);
    } catch (error) {
      request.discard?.(error);
      throw error;
    }
  }

  /** Makes sure that a change can be made, as far as that can be told now. */
  async #requirePlace(request: Request, signal: AbortSignal): Promise<void> {
    const { name, size = 0 } = request;
    await this.#checkFree(name, size);
    for (;;) {
      signal.throwIfAborted();
      const { index } = await this.#store.snapshot();
      try {
        return this.#planOn(index).check(request);
      } catch (error) {
        // What is being written may make room for it.
        if (this.#writing === undefined) throw error;
      }
      await this.idle(signal);
    }
  }

  /** Does what soon brings a change: no batch is committed before it is in. */
  async #arrive<T>(work: () => Promise<T>): Promise<T> {
    this.#coming++;
    this.#due.hold();
    try {
      return await work();
    } finally {
      this.#coming--;
      this.#schedule();
    }
  }

  /** Adds a change to the plan; not while a commit changes what it rests on. */
  async #accept(change: Pending): Promise<void> {
    const { name, prepared, caller } = change;
    const size = prepared?.source.size ?? 0;
    await this.#store.rest(caller.signal);
    let plan = this.#openPlan(size);
    for (; plan === undefined; plan = this.#openPlan(size)) {
      await this.idle(caller.signal);
      await this.#store.rest(caller.signal);
      const { index } = await this.#store.snapshot();
      await this.#checkFree(name, size);
      if (this.#writing === undefined) this.#planOn(index);
    }
    caller.signal.throwIfAborted();
    plan.add(change);
    caller.isPlanned = true;
    if (plan.size >= LIMIT && this.#held.size === 0 && this.#autoCommit) {
      this.#flush();
    }
  }

  /** The plan, if a change of a size can be added to it at once. */
  #openPlan(size: number): Plan<Pending> | undefined {
    if (this.#writing !== undefined || !this.#fits(size)) return undefined;
    const index = this.#store.known?.index;
    if (index === undefined || this.#plan?.index !== index) return undefined;
    return this.#planOn(index);
  }

  /** The plan; made anew if the tree was read again meanwhile. */
  #planOn(index: Index): Plan<Pending> {
    if (this.#plan?.index === index && !this.#isStale) return this.#plan.plan;
    const plan = new Plan<Pending>(index);
    for (const change of this.#plan?.plan.changes ?? []) {
      const { signal } = change.caller;
      try {
        signal.throwIfAborted();
        plan.add(change);
      } catch (error) {
        conclude(change, error);
      }
    }
    this.#isStale = false;
    this.#plan = { index, plan };
    return plan;
  }

  /** Takes out of the plan what was taken back, and what rests on that. */
  #tidy(): void {
    if (this.#plan !== undefined) this.#planOn(this.#plan.index);
    this.#isStale = false;
  }

  #fits(size: number): boolean {
    return this.#free !== undefined && size <= this.#free;
  }

  /** Refuses what cannot fit, before it is part of a batch. */
  async #checkFree(name: string, size: number): Promise<void> {
    if (this.#fits(size)) return;
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
    if (size > free) throw tooLargeFor(name, size, free);
  }

  /** Asks what medium it is; who comes meanwhile gets the same answer. */
  #ask(): Promise<Medium> {
    this.#asking ??= this.#store.writableSession()
      .then(readMedium)
      .finally(() => this.#asking = undefined);
    return this.#asking;
  }

  #schedule(): void {
    if (!this.#autoCommit || this.#held.size > 0) return;
    if (this.#writing !== undefined || this.size === 0) return;
    this.#due.note(this.#coming > 0);
  }

  /**
   * Writes what others have asked for when all calls that hold it for the sake
   * of one session have content that stands still.
   */
  #relent(): void {
    if (!this.#autoCommit || this.#writing !== undefined) return;
    const isStill = this.#held.values().every((places) =>
      places.some((place) => place.isStalled(STALLED))
    );
    const hasOthers = this.#plan?.plan.changes.values().some(({ caller }) =>
      !this.#held.has(caller)
    );
    if (isStill && hasOthers) this.#flush();
  }

  /**
   * Writes the plan, after what is being written: whoever finds no plan finds
   * its changes on the medium. Resolves with what failed.
   */
  async #flush(options: WriteOptions = {}): Promise<readonly unknown[]> {
    while (this.#writing !== undefined) await this.idle(options.signal);
    this.#due.clear();
    this.#tidy();
    const plan = this.#plan?.plan;
    this.#plan = undefined;
    if (plan === undefined || plan.size === 0) return [];
    const controller = new AbortController();
    const live = new Set<Caller>();
    for (const { caller } of plan.changes) live.add(caller);
    const failures = this.#write(plan.operations, {
      ...options,
      signal: either(controller.signal, options.signal),
    });
    this.#writing = { failures, controller, live };
    try {
      return await failures;
    } finally {
      this.#written();
    }
  }

  /** Goes on with what has come meanwhile. */
  #written(): void {
    this.#writing = undefined;
    this.#free = undefined;
    this.#schedule();
  }

  /** Writes a batch and settles all changes in it. */
  async #write(
    operations: readonly Operation<Pending>[],
    options: WriteOptions,
  ): Promise<readonly unknown[]> {
    const batch = new Batch(this.#store, operations);
    // A batch that is committed by itself was checked just now.
    await batch.write(options, this.#autoCommit);
    const told = new Set<unknown>();
    await eachOf(operations, async (operation) => {
      const error = batch.failures.has(operation)
        ? [batch.failures.get(operation)]
        : [];
      for (const change of operation.all) {
        await conclude(change, ...error);
        // What was taken back is nobody's any more.
        if (change.caller.signal.aborted) continue;
        for (const each of error) told.add(each);
      }
    });
    return [...told];
  }
}

function either(signal: AbortSignal, other?: AbortSignal): AbortSignal {
  return other === undefined ? signal : AbortSignal.any([signal, other]);
}
