/** Which call waits for which: those about one name are done in call order. */

import { breathe, GROUP, unlessAborted } from "../async.ts";
import { foldersAbove } from "./index.ts";

/** The names that a call is about. */
interface CallNames {
  readonly name: string;
  readonly from?: string;
}

/** The place of a call among the others. */
export class CallPlace {
  readonly #forget: (place: CallPlace) => void;
  #leaving: PromiseWithResolvers<void> | undefined;

  /** The calls that it waits for. */
  earlier: readonly CallPlace[];
  /** Whether its call is done. */
  isLeft = false;
  /** The content that its call is keeping. */
  arriving: Arriving | undefined;

  /**
   * For {@linkcode Order}.
   *
   * @param names The names that its call is about.
   * @param together What it has in common with those that were taken with it.
   */
  constructor(
    readonly names: readonly string[],
    readonly together: unknown,
    earlier: readonly CallPlace[],
    forget: (place: CallPlace) => void,
  ) {
    this.earlier = earlier;
    this.#forget = forget;
  }

  /** Whether its content has not gone on for some milliseconds. */
  isStalled(patience: number): boolean {
    return this.arriving !== undefined &&
      performance.now() - this.arriving.latest >= patience;
  }

  /** Resolves when all earlier calls that this one depends on are done. */
  async reached(signal?: AbortSignal): Promise<void> {
    for (const place of this.earlier) {
      await unlessAborted(place.left(), signal);
    }
    this.earlier = [];
  }

  /** Lets the later ones go on. */
  leave(): void {
    this.#forget(this);
    this.isLeft = true;
    this.earlier = [];
    this.#leaving?.resolve();
  }

  /** Resolves when its call is done. */
  async left(): Promise<void> {
    if (this.isLeft) return;
    await (this.#leaving ??= Promise.withResolvers<void>()).promise;
  }
}

/** Content that is being kept until it can be stored. */
export interface Arriving {
  /** The name that it is stored under. */
  readonly name: string;
  /** When it last went on, by `performance.now()`. */
  latest: number;
  /** Gives it up. */
  readonly controller: AbortController;
}

/** Places of calls under way, by name: of most names there is one. */
class Places {
  readonly #places = new Map<string, CallPlace | Set<CallPlace>>();

  get(name: string): Iterable<CallPlace> {
    const places = this.#places.get(name) ?? [];
    return places instanceof CallPlace ? [places] : places;
  }

  add(name: string, place: CallPlace): void {
    const places = this.#places.get(name);
    if (places === undefined) this.#places.set(name, place);
    else if (places instanceof Set) places.add(place);
    else this.#places.set(name, new Set([places, place]));
  }

  delete(name: string, place: CallPlace): void {
    const places = this.#places.get(name);
    if (places instanceof Set) places.delete(place);
    if (places === place || places instanceof Set && places.size === 0) {
      this.#places.delete(name);
    }
  }
}

/**
 * Keeps calls in order that are about the same name, or about names above or
 * below each other; all others go at their own pace.
 */
export class Order {
  readonly #names = new Places();
  readonly #below = new Places();
  readonly #all = new Set<CallPlace>();

  /** Settled when all calls so far have their places. */
  #before: Promise<unknown> = Promise.resolve();

  /** All calls under way, in call order. */
  get all(): readonly CallPlace[] {
    return [...this.#all];
  }

  /** Takes the next place for a call about some names. */
  take({ name, from = name }: CallNames, together: unknown = {}): CallPlace {
    const earlier: CallPlace[] = [];
    const names = from === name ? [name] : [from, name];
    for (const each of names) {
      earlier.push(...this.#names.get(each), ...this.#below.get(each));
      for (const folder of foldersAbove(each)) {
        earlier.push(...this.#names.get(folder));
      }
    }
    const place = new CallPlace(names, together, earlier, this.#forget);
    this.#all.add(place);
    for (const each of names) {
      this.#names.add(each, place);
      for (const folder of foldersAbove(each)) this.#below.add(folder, place);
    }
    return place;
  }

  #forget = (place: CallPlace): void => {
    this.#all.delete(place);
    for (const each of place.names) {
      this.#names.delete(each, place);
      for (const folder of foldersAbove(each)) {
        this.#below.delete(folder, place);
      }
    }
  };

  /**
   * Takes the places of calls that are made together, after all that were made
   * before. Lets others on the event loop go on where there are thousands.
   * They are to be gone through by `eachOf()`.
   */
  async takeAll<Call extends CallNames>(
    calls: readonly Call[],
  ): Promise<(readonly [Call, CallPlace])[]> {
    const taking = this.#before.then(async () => {
      await breathe();
      const places: (readonly [Call, CallPlace])[] = [];
      try {
        for (const [i, call] of calls.entries()) {
          if (i > 0) await breathe();
          places.push([call, this.take(call, places)]);
        }
        return places;
      } catch (error) {
        for (const [, place] of places) place.leave();
        throw error;
      }
    });
    // What is no change fails its own call alone.
    this.#before = taking.catch(() => {});
    return await taking;
  }

  /**
   * Waits for the calls that are under way now.
   *
   * @param patience Milliseconds after which content stands still.
   * @param isLeft Asked about content that does: whether its call is not waited
   * for, nor what waits for that.
   */
  async done(
    patience: number,
    isLeft: (arriving: Arriving) => boolean,
    signal?: AbortSignal,
  ): Promise<void> {
    let tick = Promise.withResolvers<void>();
    const timer = setInterval(() => {
      tick.resolve();
      tick = Promise.withResolvers();
    }, patience / 4);
    const left = new Set<CallPlace>();
    const counts = new Map<unknown, number>();
    // Of calls that were made together, no more than so many are under way.
    const isHeld = ({ earlier, together }: CallPlace) =>
      earlier.some((each) => left.has(each)) ||
      (counts.get(together) ?? 0) >= GROUP;
    try {
      for (const place of this.all) {
        while (!place.isLeft && !left.has(place)) {
          const { arriving, together } = place;
          const isStalled = arriving && place.isStalled(patience);
          if (isStalled && isLeft(arriving) || isHeld(place)) {
            left.add(place);
            counts.set(together, (counts.get(together) ?? 0) + 1);
          } else {
            const next = Promise.race([place.left(), tick.promise]);
            await unlessAborted(next, signal);
          }
        }
      }
    } finally {
      clearInterval(timer);
    }
  }
}
