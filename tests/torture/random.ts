/** Random numbers that are the same for the same seed. */

/** A source of random numbers: xorshift128 (Marsaglia 2003), seeded by text. */
export class Random {
  readonly #state = new Uint32Array(4);

  /** All that is drawn follows from this text. */
  constructor(seed: string) {
    // FNV-1a, four times over, so that seeds that are alike differ everywhere.
    let hash = 0x811c9dc5;
    for (let i = 0; i < 4; i++) {
      for (const byte of new TextEncoder().encode(`${seed}#${i}`)) {
        hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
      }
      this.#state[i] = hash | 1;
    }
    for (let i = 0; i < 20; i++) this.#next();
  }

  #next(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#state;
    let t = d ^ (d << 11);
    t ^= t >>> 8;
    const next = (t ^ a ^ (a >>> 19)) >>> 0;
    this.#state.set([next, a, b, c]);
    return next;
  }

  /** A whole number from 0 to before a limit. */
  below(limit: number): number {
    return Math.floor(this.#next() / 2 ** 32 * limit);
  }

  /** A whole number from one bound to the other, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** One of several. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("Cannot pick from nothing");
    return item;
  }

  /** The same items in another order. */
  shuffle<T>(items: readonly T[]): T[] {
    return items.map((item) => ({ item, key: this.#next() }))
      .sort((a, b) => a.key - b.key).map(({ item }) => item);
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    const words = new Uint32Array(bytes.buffer, 0, length >> 2);
    for (let i = 0; i < words.length; i++) words[i] = this.#next();
    for (let i = words.length * 4; i < length; i++) bytes[i] = this.#next();
    return bytes;
  }
}
