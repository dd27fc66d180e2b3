/** Who has to wait for whom: calls about one name go in call order. */

import { parents } from "../names.ts";

/** A place in the order. */
export interface Turn {
  /** Resolves when all earlier calls that this one depends on are done. */
  readonly come: Promise<unknown>;
  /** Lets the later ones go on. */
  done(): void;
}

/**
 * Keeps calls in order that are about the same name, or about names above or
 * below each other; all others go at their own pace.
 */
export class Turns {
  /** The turns under way, by name. */
  readonly #names = new Map<string, Set<Promise<void>>>();
  /** The turns under way below a name. */
  readonly #below = new Map<string, Set<Promise<void>>>();
  readonly #all = new Set<Promise<void>>();

  /** Takes the next turn for a name. */
  take(name: string): Turn {
    const { promise, resolve } = Promise.withResolvers<void>();
    const above = [...directoriesOf(name)];
    const earlier = [
      ...this.#names.get(name) ?? [],
      ...this.#below.get(name) ?? [],
      ...above.flatMap((parent) => [...this.#names.get(parent) ?? []]),
    ];
    add(this.#names, name, promise);
    for (const parent of above) add(this.#below, parent, promise);
    this.#all.add(promise);
    return {
      come: Promise.all(earlier),
      done: () => {
        remove(this.#names, name, promise);
        for (const parent of above) remove(this.#below, parent, promise);
        this.#all.delete(promise);
        resolve();
      },
    };
  }

  /** Resolves when every turn taken so far is done. */
  async all(): Promise<void> {
    await Promise.all(this.#all);
  }
}

function* directoriesOf(name: string): Generator<string> {
  for (const parent of parents(`/${name}`)) {
    if (parent !== "/") yield parent.slice(1);
  }
}

function add<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, new Set([value]));
  else values.add(value);
}

function remove<T>(map: Map<string, Set<T>>, key: string, value: T): void {
  const values = map.get(key);
  values?.delete(value);
  if (values?.size === 0) map.delete(key);
}
