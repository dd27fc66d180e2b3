/** Blocks that lie together, read at once and kept while a tree is read. */

import type { Blocks } from "./blocks.ts";
import { BLOCK } from "./bytes.ts";

/** Bytes of a run: directories lie together, and what is behind them costs little. */
const RUN = 1 << 20;

/** Bytes that are kept. */
const KEPT = 64 << 20;

interface Run {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** Reads bytes, and keeps what was read along. */
export class Runs {
  readonly #blocks: Blocks;
  readonly #signal: AbortSignal | undefined;
  #runs: Run[] = [];
  #kept = 0;

  /** Nothing is read yet. */
  constructor(blocks: Blocks, signal: AbortSignal | undefined) {
    this.#blocks = blocks;
    this.#signal = signal;
  }

  /** Bytes that have been read already; undefined if they have not. */
  peek(position: number, length: number): Uint8Array | undefined {
    const end = position + length;
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      const run = this.#runs[i];
      if (run === undefined || run.position > position) continue;
      if (run.position + run.bytes.length < end) continue;
      return run.bytes.subarray(position - run.position, end - run.position);
    }
    return undefined;
  }

  /** Bytes, read if they have not been. */
  async get(position: number, length: number): Promise<Uint8Array> {
    const known = this.peek(position, length);
    if (known !== undefined) return known;
    const start = position - position % BLOCK;
    const along = Math.min(start + RUN, this.#blocks.byteLength);
    const bytes = new Uint8Array(Math.max(along, position + length) - start);
    await this.#blocks.read(bytes, start, { signal: this.#signal });
    this.#runs.push({ position: start, bytes });
    this.#kept += bytes.length;
    while (this.#kept > KEPT && this.#runs.length > 1) {
      this.#kept -= this.#runs.shift()?.bytes.length ?? 0;
    }
    return bytes.subarray(position - start, position - start + length);
  }
}
