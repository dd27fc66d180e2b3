/** Blocks that lie together, read at once and kept while a tree is read. */

import type { Blocks } from "./blocks.ts";
import { BLOCK } from "../medium.ts";
import { damaged } from "./volume.ts";

/** Bytes of a run: directories lie together, and what is behind them costs little. */
const RUN = 1 << 20;

/** Runs that are kept: names in one directory and what they go on with lie close together. */
const KEPT = 8;

/** Bytes that are read at most, above twice what the medium has. */
const MOST = 64 << 20;

interface ReadRun {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** Reads bytes, and keeps what was read along. */
export class Runs {
  readonly #blocks: Blocks;
  readonly #signal: AbortSignal | undefined;
  readonly #runs: ReadRun[] = [];
  #taken = 0;

  /** Nothing is read yet. */
  constructor(blocks: Blocks, signal: AbortSignal | undefined) {
    this.#blocks = blocks;
    this.#signal = signal;
  }

  /** Bytes that have been read already; undefined if they have not. */
  peek(position: number, length: number): Uint8Array | undefined {
    const end = position + length;
    const run = this.#runs.findLast(({ position: from, bytes }) =>
      from <= position && end <= from + bytes.length
    );
    return run?.bytes.subarray(position - run.position, end - run.position);
  }

  /** Bytes, read if they have not been. */
  async get(position: number, length: number): Promise<Uint8Array> {
    const known = this.peek(position, length);
    if (known !== undefined) return known;
    const start = position - position % BLOCK;
    const end = Math.max(
      Math.min(start + RUN, this.#blocks.byteLength),
      position + length,
    );
    this.#taken += end - start;
    if (this.#taken > 2 * this.#blocks.byteLength + MOST) {
      const why = "its directories lead back and forth without end";
      throw damaged(this.#blocks, start / BLOCK, why);
    }
    const bytes = this.#buffer(end - start);
    await this.#blocks.read(bytes, start, { signal: this.#signal });
    this.#runs.push({ position: start, bytes });
    return bytes.subarray(position - start, position - start + length);
  }

  /** A buffer, that of the oldest run if there are enough: a new one is filled with zeros first. */
  #buffer(length: number): Uint8Array {
    const oldest = this.#runs.length < KEPT ? undefined : this.#runs.shift();
    const buffer = oldest?.bytes.buffer;
    return buffer && buffer.byteLength >= length
      ? new Uint8Array(buffer, 0, length)
      : new Uint8Array(length);
  }
}
