/** When changes are committed: those that come close together share a session. */

import { breathe, eachOf, onAbort, unlessAborted } from "../async.ts";
import type { Medium } from "../dialogue/answers.ts";
import type { Progress } from "../options.ts";
import { notify } from "../dialogue/dialogue.ts";
import { XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import { readMedium } from "../session/medium.ts";
import { Batch, tooLarge, type WriteOptions } from "./batch.ts";
import {
  dispose,
  type Pending,
  type Prepared,
  type Request,
  rolledBack,
  settle,
} from "./change.ts";
import type { Index } from "./index.ts";
import { Due, type DueOptions } from "./due.ts";
import { Order, type Place } from "./order.ts";
import { type Operation, Plan } from "./plan.ts";
import type { Store } from "./store.ts";

/** When a batch is committed. */
export interface QueueOptions extends DueOptions {
  /** Whether batches are committed by themselves. */
  readonly autoCommit: boolean;
}

/** A batch that is being written. */
interface Writing {
  /** What failed in it. */
  readonly failures: Promise<readonly unknown[]>;
  /** Changes whose callers still want them. */
  readonly live: Set<Pending>;
  /** Stops it. */
  readonly controller: AbortController;
}

/** Content that is being kept until it can be stored. */
interface Arriving {
  readonly request: Request;
  readonly controller: AbortController;
  /** When it last went on, by `performance.now()`. */
  latest: number;
}

/** Changes that one session takes at most, unless they came in one call. */
const LIMIT = 10_000;

/** Milliseconds without a byte after which closing gives a stream up. */
const STALLED = 2000;

/** Collects changes, and has them written together. */
export class Queue {
  readonly #store: Store;
  readonly #options: QueueOptions;
  readonly #order = new Order();
  readonly #due: Due;
  #plan: { readonly index: Index; readonly plan: Plan<Pending> } | undefined;
  /** Changes of the plan whose callers have taken them back. */
  readonly #takenBack = new Set<Pending>();
  #writing: Writing | undefined;
  /** Changes that have been asked for and will soon be in the plan. */
  #coming = 0;
  /** Calls whose changes all go into one batch. */
  #held = 0;
  /** What is being prepared for who knows how long. */
  readonly #slow = new Set<Arriving>();
  #free: number | undefined;
  /** The question for it, under way. */
  #asking: Promise<Medium> | undefined;

  /** No change yet. */
  constructor(store: Store, options: QueueOptions) {
    this.#store = store;
    this.#options = options;
    this.#due = new Due(options, () => this.#flush());
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
    const change = await this.#enter(request);
    if (this.#options.autoCommit) await change.settled.promise;
    // Whoever commits is told what becomes of it.
    else change.settled.promise.catch(() => {});
  }

  /**
   * Takes changes that go into one session, and writes it. Resolves with what
   * failed, when all else is on the medium.
   */
  async addAll(
    requests: readonly Request[],
    options: WriteOptions = {},
  ): Promise<Map<Request, unknown>> {
    const failures = new Map<Request, unknown>();
    const changes: Promise<void>[] = [];
    this.#held++;
    try {
      await Promise.all(requests.map(async (request) => {
        try {
          const { settled } = await this.#enter(request);
          changes.push(
            settled.promise.catch((error) => void failures.set(request, error)),
          );
        } catch (error) {
          failures.set(request, error);
        }
      }));
      options.signal?.throwIfAborted();
    } finally {
      this.#held--;
    }
    while (this.#writing !== undefined) {
      await unlessAborted(this.#writing.failures, options.signal);
    }
    await this.#flush(options);
    await Promise.all(changes);
    return failures;
  }

  /** Commits all changes that were asked for before; throws what failed. */
  async commit(options: WriteOptions = {}): Promise<void> {
    const { signal } = options;
    await this.#come();
    await unlessAborted(this.#order.all(), signal);
    const failures: unknown[] = [];
    while (this.#writing !== undefined) {
      failures.push(...await unlessAborted(this.#writing.failures, signal));
    }
    signal?.throwIfAborted();
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

  /** Commits what was asked for, but waits for no stream that stands still. */
  async close(): Promise<void> {
    const watch = setInterval(() => {
      const now = performance.now();
      for (const { controller, latest, request } of this.#slow) {
        if (now - latest < STALLED) continue;
        controller.abort(
          new XorrisoError(
            "CLOSED",
            `Cannot store ${show(request.name)}: the backend is closed, and ` +
              `nothing has come from the stream for ${STALLED} ms`,
            { path: request.name },
          ),
        );
      }
    }, STALLED / 4);
    try {
      await this.commit();
    } finally {
      clearInterval(watch);
    }
  }

  /** Resolves when nothing is being written. */
  async idle(signal?: AbortSignal): Promise<void> {
    while (this.#writing !== undefined) {
      await unlessAborted(this.#writing.failures, signal);
    }
  }

  /** Does something else to the medium: after what is pending, alone. */
  async between<T>(
    work: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const options = signal ? { signal } : {};
    do await this.commit(options); while (this.#writing !== undefined);
    const running = work();
    // Nothing is staged meanwhile.
    this.#writing = {
      failures: running.then(() => [], () => []),
      ...{ controller: new AbortController(), live: new Set() },
    };
    try {
      return await running;
    } finally {
      this.#written();
    }
  }

  /** Rejects all changes that are not being written; waits for the others. */
  async rollback(): Promise<void> {
    await this.#come();
    for (const { controller, request } of this.#slow) {
      controller.abort(rolledBack(request));
    }
    await this.#order.all();
    const changes = this.#plan?.plan.changes ?? [];
    this.#plan = undefined;
    this.#due.clear();
    await Promise.all(
      Array.from(changes, (change) => settle(change, rolledBack(change))),
    );
    await this.#writing?.failures;
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
  }

  /**
   * Lets others on the event loop go on where thousands of calls are made at
   * once. All calls come this way, so they go on in the order they were made.
   */
  async #come(): Promise<void> {
    await this.#arrive(breathe);
  }

  /** Makes a change ready and adds it to the plan, in its order. */
  async #enter(request: Request): Promise<Pending> {
    const { signal, name, from } = request;
    signal?.throwIfAborted();
    await this.#come();
    const place = this.#order.take(...from === undefined ? [] : [from], name);
    // The source is looked at while xorriso answers.
    if (this.#free === undefined) this.#ask().catch(() => {});
    let prepared: Prepared | undefined;
    try {
      prepared = await this.#prepare(request, place);
      await unlessAborted(place.reached, signal);
      return await this.#arrive(() => this.#accept(request, prepared));
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
    place: Place,
  ): Promise<Prepared | undefined> {
    const { prepare, signal, asksFirst, isSlow = false } = request;
    if (prepare === undefined) return undefined;
    const work = async (
      signal: AbortSignal | undefined,
      onBytes: (count: number) => void,
    ) => {
      // Before gigabytes of a stream are kept for nothing.
      if (asksFirst) await this.#requirePlace(request, place, signal);
      return await prepare(signal, onBytes);
    };
    if (!isSlow) {
      if (asksFirst) await unlessAborted(place.reached, signal);
      return await this.#arrive(() => work(signal, () => {}));
    }
    const controller = new AbortController();
    const arriving = { request, controller, latest: performance.now() };
    this.#slow.add(arriving);
    const either = signal
      ? AbortSignal.any([signal, controller.signal])
      : controller.signal;
    let done = 0;
    const preparing = work(either, (count) => {
      arriving.latest = performance.now();
      done += count;
      const progress = { total: request.size, rate: undefined };
      notify(request.onProgress, { phase: "reading", done, ...progress });
    });
    try {
      // A stream that is stuck may not even hear that it is cancelled.
      return await unlessAborted(preparing, either);
    } catch (error) {
      preparing.then(dispose, () => request.discard?.(error));
      throw error;
    } finally {
      this.#slow.delete(arriving);
    }
  }

  /** Makes sure that a change can be made, as far as that can be told now. */
  async #requirePlace(
    request: Request,
    place: Place,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await unlessAborted(place.reached, signal);
    const { name, size = 0 } = request;
    if (this.#free === undefined || size > this.#free) {
      await this.#checkFree(name, size);
    }
    for (;;) {
      signal?.throwIfAborted();
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

  /** Does what no batch is committed before, since it soon gets a change. */
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
  async #accept(
    request: Request,
    prepared: Prepared | undefined,
  ): Promise<Pending> {
    const { name, signal } = request;
    const size = prepared?.source.size ?? 0;
    let index: Index;
    do {
      await this.idle(signal);
      await this.#store.rest(signal);
      ({ index } = await this.#store.snapshot());
      if (this.#free === undefined || size > this.#free) {
        await this.#checkFree(name, size);
      }
      signal?.throwIfAborted();
    } while (this.#writing !== undefined);
    const change: Pending = {
      ...request,
      ...{ prepared, settled: Promise.withResolvers<void>() },
      release: onAbort(signal, (reason) => this.#giveUp(change, reason)),
    };
    const plan = this.#planOn(index);
    try {
      plan.add(change);
    } catch (error) {
      change.release();
      throw error;
    }
    if (plan.size >= LIMIT && this.#held === 0 && this.#options.autoCommit) {
      this.#flush();
    }
    return change;
  }

  /** The plan; made anew if the tree was read again meanwhile. */
  #planOn(index: Index): Plan<Pending> {
    if (this.#plan?.index === index && this.#takenBack.size === 0) {
      return this.#plan.plan;
    }
    const plan = new Plan<Pending>(index);
    for (const change of this.#plan?.plan.changes ?? []) {
      if (this.#takenBack.has(change)) continue;
      try {
        plan.add(change);
      } catch (error) {
        settle(change, error);
      }
    }
    this.#takenBack.clear();
    this.#plan = { index, plan };
    return plan;
  }

  /** Rejects a change whose caller does not want it any more. */
  #giveUp(change: Pending, reason: unknown): void {
    const { live, controller } = this.#writing ?? {};
    if (live?.delete(change)) {
      // Its file is still being read; it is removed with the others.
      change.settled.reject(reason);
      if (live.size === 0) controller?.abort(reason);
    } else if (this.#plan?.plan.changes.has(change)) {
      // Thousands may do so in one turn: the plan is made anew once.
      if (this.#takenBack.size === 0) queueMicrotask(() => this.#tidy());
      this.#takenBack.add(change);
      settle(change, reason);
    }
  }

  /** Takes out of the plan what was taken back, and what rests on that. */
  #tidy(): void {
    if (this.#plan !== undefined) this.#planOn(this.#plan.index);
    this.#takenBack.clear();
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
    if (size > free) throw tooLarge(name, size, free);
  }

  /** Asks what medium it is; who comes meanwhile gets the same answer. */
  #ask(): Promise<Medium> {
    this.#asking ??= this.#store.writableSession()
      .then(readMedium)
      .finally(() => this.#asking = undefined);
    return this.#asking;
  }

  #schedule(): void {
    if (!this.#options.autoCommit || this.#held > 0) return;
    if (this.#writing !== undefined || this.size === 0) return;
    this.#due.note(this.#coming > 0);
  }

  /** Writes the plan; resolves with what failed. */
  async #flush(options: WriteOptions = {}): Promise<readonly unknown[]> {
    this.#due.clear();
    this.#tidy();
    const plan = this.#plan?.plan;
    const operations = plan?.operations() ?? [];
    this.#plan = undefined;
    if (operations.length === 0) return [];
    const controller = new AbortController();
    const failures = this.#write(operations, {
      ...options,
      signal: AbortSignal.any([
        controller.signal,
        ...options.signal ? [options.signal] : [],
      ]),
    });
    this.#writing = { failures, controller, live: new Set(plan?.changes) };
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
    await batch.write(
      { ...options, onProgress: progressOf(operations, options) },
      // A batch that is committed by itself was so just now.
      this.#options.autoCommit,
    );
    await eachOf(operations, async (operation) => {
      const error = batch.failures.has(operation)
        ? [batch.failures.get(operation)]
        : [];
      for (const change of operation.all) await settle(change, ...error);
    });
    return [...new Set(batch.failures.values())];
  }
}

/** Tells everybody in a batch how far it is. */
function progressOf(
  operations: readonly Operation<Pending>[],
  options: WriteOptions,
): (progress: Progress) => void {
  const listeners = new Set(
    operations.flatMap(({ all }) => all.map(({ onProgress }) => onProgress)),
  ).add(options.onProgress);
  return (progress) => {
    for (const listener of listeners) notify(listener, progress);
  };
}
