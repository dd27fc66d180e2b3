/** Which call waits for which: those about one name are done in call order. */

import { parents } from "../names.ts";

/** The place of a call among the others. */
export interface Place {
  /** Resolves when all earlier calls that this one depends on are done. */
  readonly reached: Promise<unknown>;
  /** Lets the later ones go on. */
  leave(): void;
}

/**
 * Keeps calls in order that are about the same name, or about names above or
 * below each other; all others go at their own pace.
 */
export class Order {
  /** The calls under way, by name. */
  readonly #names = new Map<string, Set<Promise<void>>>();
  /** The calls under way below a name. */
  readonly #below = new Map<string, Set<Promise<void>>>();
  readonly #all = new Set<Promise<void>>();

  /** Takes the next place for a call about some names. */
  take(...names: readonly string[]): Place {
    const { promise, resolve } = Promise.withResolvers<void>();
    const above = names.flatMap((name) => [...foldersOf(name)]);
    const earlier = names.flatMap((name) => [
      ...this.#names.get(name) ?? [],
      ...this.#below.get(name) ?? [],
    ]).concat(above.flatMap((folder) => [...this.#names.get(folder) ?? []]));
    for (const name of names) add(this.#names, name, promise);
    for (const folder of above) add(this.#below, folder, promise);
    this.#all.add(promise);
    return {
      reached: Promise.all(earlier),
      leave: () => {
        for (const name of names) remove(this.#names, name, promise);
        for (const folder of above) remove(this.#below, folder, promise);
        this.#all.delete(promise);
        resolve();
      },
    };
  }

  /** Resolves when every call under way now is done. */
  async all(): Promise<void> {
    await Promise.all(this.#all);
  }
}

function* foldersOf(name: string): Generator<string> {
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
