/** A queue from which what lies first on the medium comes first. */

import type { Section } from "./volume.ts";

/** What has a place on the medium. */
interface Placed {
  readonly section: Section;
}

/** A binary heap by block: its first is where nothing before it waits. */
export class Queue<T extends Placed> {
  readonly #heap: T[] = [];

  /** Adds one. */
  push(item: T): void {
    const heap = this.#heap;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const parent = at - 1 >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(item, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = item;
  }

  /** Takes the first one out; undefined if there is none. */
  pop(): T | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const item = heap.pop();
    if (item === undefined || heap.length === 0) return item;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      const next = right !== undefined && isBefore(right, left) ? right : left;
      if (next === right) child++;
      if (!isBefore(next, item)) break;
      heap[at] = next;
      at = child;
    }
    heap[at] = item;
    return first;
  }
}

function isBefore(
  { section: one }: Placed,
  { section: other }: Placed,
): boolean {
  return one.lba < other.lba;
}
