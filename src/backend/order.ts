/** Which call waits for which: those about one name are done in call order. */

import { foldersAbove } from "./index.ts";

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
  async reached(): Promise<void> {
    for (const place of this.earlier) await place.left();
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

  /** All calls under way, in call order. */
  get all(): readonly Place[] {
    return [...this.#all.get("")];
  }

  /** Takes the next place for a call about some names. */
  take(...names: readonly string[]): Place {
    const earlier: Place[] = [];
    const sets: [Places, string][] = [[this.#all, ""]];
    for (const name of names) {
      earlier.push(...this.#names.get(name), ...this.#below.get(name));
      sets.push([this.#names, name]);
      for (const folder of foldersAbove(name)) {
        earlier.push(...this.#names.get(folder));
        sets.push([this.#below, folder]);
      }
    }
    return new Place(earlier, sets);
  }
}
