/** Which call waits for which: those about one name are done in call order. */

import { breathe, unlessAborted } from "../async.ts";
import { foldersAbove } from "./index.ts";

/** The names that a call is about. */
interface Named {
  readonly name: string;
  readonly from?: string;
}

/** The place of a call among the others. */
export class Place {
  readonly #sets: readonly (readonly [Places, string])[];
  #leaving: PromiseWithResolvers<void> | undefined;

  /** The calls that it waits for. */
  earlier: readonly Place[];
  /** Whether its call is done. */
  isLeft = false;
  /** The content that its call is keeping. */
  arriving: Arriving | undefined;

  /** For {@linkcode Order}. */
  constructor(
    earlier: readonly Place[],
    sets: readonly (readonly [Places, string])[],
  ) {
    this.earlier = earlier;
    this.#sets = sets;
    for (const [places, name] of sets) places.add(name, this);
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
    for (const [places, name] of this.#sets) places.delete(name, this);
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

/** Places of calls under way, by name. */
class Places {
  readonly #places = new Map<string, Set<Place>>();

  get(name: string): Iterable<Place> {
    return this.#places.get(name) ?? [];
  }

  add(name: string, place: Place): void {
    const places = this.#places.get(name);
    if (places === undefined) this.#places.set(name, new Set([place]));
    else places.add(place);
  }

  delete(name: string, place: Place): void {
    const places = this.#places.get(name);
    places?.delete(place);
    if (places?.size === 0) this.#places.delete(name);
  }
}

/**
 * Keeps calls in order that are about the same name, or about names above or
 * below each other; all others go at their own pace.
 */
export class Order {
  readonly #names = new Places();
  readonly #below = new Places();
  readonly #all = new Places();

  /** Settled when the calls before have their places. */
  #before: Promise<unknown> = Promise.resolve();

  /** All calls under way, in call order. */
  get all(): readonly Place[] {
    return [...this.#all.get("")];
  }

  /**
   * Lets others on the event loop go on where thousands of calls are made at
   * once. All calls come this way, so they go on in the order they were made.
   */
  async come(): Promise<void> {
    await this.#before;
    await breathe();
  }

  /** Takes the next place for a call about some names. */
  take({ name, from = name }: Named): Place {
    const earlier: Place[] = [];
    const sets: [Places, string][] = [[this.#all, ""]];
    for (const each of from === name ? [name] : [from, name]) {
      earlier.push(...this.#names.get(each), ...this.#below.get(each));
      sets.push([this.#names, each]);
      for (const folder of foldersAbove(each)) {
        earlier.push(...this.#names.get(folder));
        sets.push([this.#below, folder]);
      }
    }
    return new Place(earlier, sets);
  }

  /** Takes the places of many calls, before any later one takes its own. */
  async takeAll(calls: readonly Named[]): Promise<readonly Place[]> {
    const places: Place[] = [];
    const taking = this.#before.then(async () => {
      for (const call of calls) {
        await breathe();
        places.push(this.take(call));
      }
    });
    this.#before = taking;
    await taking;
    return places;
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
    const left = new Set<Place>();
    try {
      for (const place of this.all) {
        while (!place.isLeft && !left.has(place)) {
          const { arriving, earlier } = place;
          const isStalled = arriving !== undefined &&
            performance.now() - arriving.latest >= patience;
          if (
            isStalled && isLeft(arriving) ||
            earlier.some((each) => left.has(each))
          ) left.add(place);
          else {
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
