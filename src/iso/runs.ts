/** A cache of runs of blocks: directories lie together, so one read serves many of them. */

import { CHUNK } from "../disk/files.ts";
import type { Blocks } from "./blocks.ts";
import { BLOCK } from "../medium.ts";
import { damaged } from "./volume.ts";

/** Runs that are kept: a directory and the continuation areas of its records lie close together. */
const KEPT = 8;

/** Bytes that may be read besides twice those of the medium. */
const MORE = 64 << 20;

/** Bytes that have been read. */
interface ReadRun {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** Reads runs of blocks, and keeps the last ones. */
export class Runs {
  readonly #blocks: Blocks;
  readonly #signal: AbortSignal | undefined;
  readonly #runs: ReadRun[] = [];
  /** Bytes read so far. */
  #total = 0;

  /** Nothing is read yet. */
  constructor(blocks: Blocks, signal: AbortSignal | undefined) {
    this.#blocks = blocks;
    this.#signal = signal;
  }

  /** Bytes that are kept; undefined if they are not. */
  peek(position: number, length: number): Uint8Array | undefined {
    const end = position + length;
    const run = this.#runs.findLast(({ position: from, bytes }) =>
      from <= position && end <= from + bytes.length
    );
    return run?.bytes.subarray(position - run.position, end - run.position);
  }

  /**
   * Bytes, read unless they are kept. Later reads may overwrite them: a run that is no longer kept
   * leaves its buffer to a new one.
   */
  async get(position: number, length: number): Promise<Uint8Array> {
    const known = this.peek(position, length);
    if (known !== undefined) return known;
    const start = position - position % BLOCK;
    const end = Math.max(
      Math.min(start + CHUNK, this.#blocks.byteLength),
      position + length,
    );
    this.#total += end - start;
    if (this.#total > 2 * this.#blocks.byteLength + MORE) {
      const why = "its directories lead back and forth without end";
      throw damaged(this.#blocks, start / BLOCK, why);
    }
    const bytes = this.#buffer(end - start);
    await this.#blocks.read(bytes, start, { signal: this.#signal });
    this.#runs.push({ position: start, bytes });
    return bytes.subarray(position - start, position - start + length);
  }

  /** The buffer of the oldest run, or a new one, which costs more: it is filled with zeros first. */
  #buffer(length: number): Uint8Array {
    const oldest = this.#runs.length < KEPT ? undefined : this.#runs.shift();
    const buffer = oldest?.bytes.buffer;
    return buffer && buffer.byteLength >= length
      ? new Uint8Array(buffer, 0, length)
      : new Uint8Array(length);
  }
}
