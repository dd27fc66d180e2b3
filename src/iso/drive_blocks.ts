/** The blocks of a medium in a drive: xorriso copies pieces of it to temporary files, which are read. */

import { unlessAborted } from "../async.ts";
import { BLOCK, blocksOf, type Extent } from "../medium.ts";
import { readAt } from "../disk/files.ts";
import { TempFolder } from "../disk/temp.ts";
import { systemError, XorrisoError } from "../errors.ts";
import type { Blocks, BlocksReadOptions } from "./blocks.ts";
import { damaged } from "./volume.ts";

/** A drive, and how its blocks are copied. */
export interface DriveBlocksOptions {
  /** What messages call it. */
  readonly name: string;
  /** Number of blocks that can be read. */
  readonly blocks: number;
  /** Folder for the copies. @default {"/tmp"} or what TMPDIR says */
  readonly tempDir?: string | undefined;
  /**
   * Copies an extent to a new file, block A to byte A x 2048.
   *
   * @returns The parts of it that could not be read.
   */
  readonly copy: (
    extent: Extent,
    target: string,
  ) => Promise<readonly Extent[]>;
}

/** Blocks of a piece at least: a drive reads 16 or 32 at once. */
const LEAST = 64;

/** Blocks of a piece at most (64 MiB): other calls must not wait long for the drive. */
const MOST = 1 << 15;

/** Pieces that are kept: parallel reads need one each. */
const KEPT = 4;

/** An extent that has been copied to a file, or is being copied. */
interface Piece extends Extent {
  /** Path of the file. */
  readonly path: string;
  /** The parts that could not be read, when it has been copied. */
  readonly unreadable: Promise<readonly Extent[]>;
  /** Number of reads that need the file. */
  users: number;
  /** Whether the file is removed after the last of these. */
  isForgotten: boolean;
}

/**
 * The blocks of a medium in a drive. Reading them fails with READ_ERROR for those that cannot be
 * read, TARGET_UNWRITABLE when the folder for copies cannot be used, or as `copy` does.
 */
export function driveBlocks(options: DriveBlocksOptions): Blocks {
  return new DriveBlocks(options);
}

class DriveBlocks implements Blocks {
  readonly #options: DriveBlocksOptions;
  readonly #pieces: Piece[] = [];
  #folder: Promise<TempFolder> | undefined;

  constructor(options: DriveBlocksOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get byteLength(): number {
    return this.#options.blocks * BLOCK;
  }

  async read(
    buffer: Uint8Array,
    position: number,
    { signal, ahead = 0 }: BlocksReadOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted();
    const end = position + buffer.length;
    if (end > this.byteLength) {
      const lba = Math.floor(position / BLOCK);
      throw damaged(this, lba, "the medium ends before");
    }
    for (let at = position; at < end;) {
      // A copy is not stopped: another read may wait for it.
      const piece = await unlessAborted(this.#pieceAt(at, end + ahead), signal);
      const stop = Math.min((piece.lba + piece.blocks) * BLOCK, end);
      const part = buffer.subarray(at - position, stop - position);
      await unlessAborted(this.#readPiece(piece, part, at), signal);
      at = stop;
    }
  }

  /** A piece with the byte at a position; a new one reaches to `end`, but within the limits of a piece. */
  async #pieceAt(position: number, end: number): Promise<Piece> {
    const lba = Math.floor(position / BLOCK);
    const known = this.#pieces.find((piece) =>
      lba >= piece.lba && lba < piece.lba + piece.blocks
    );
    if (known !== undefined) {
      known.users++;
      return known;
    }
    this.#folder ??= TempFolder.make(this.#options.tempDir);
    const path = (await this.#folder).next();
    const wanted = Math.min(Math.max(blocksOf(end) - lba, LEAST), MOST);
    const blocks = Math.min(wanted, this.#options.blocks - lba);
    const unreadable = this.#options.copy({ lba, blocks }, path);
    const piece: Piece = {
      lba,
      blocks,
      path,
      unreadable,
      users: 1,
      isForgotten: false,
    };
    this.#pieces.push(piece);
    unreadable.catch(() => this.#forget(piece));
    const [oldest] = this.#pieces;
    if (this.#pieces.length > KEPT && oldest) this.#forget(oldest);
    return piece;
  }

  #forget(piece: Piece): void {
    const index = this.#pieces.indexOf(piece);
    if (index >= 0) this.#pieces.splice(index, 1);
    piece.isForgotten = true;
    this.#removeUnused(piece);
  }

  #removeUnused(piece: Piece): void {
    if (!piece.isForgotten || piece.users > 0) return;
    // If this fails, it is removed with its folder.
    piece.unreadable.then(() => Deno.remove(piece.path)).catch(() => {});
  }

  /** Reads from the file of a piece, as one of its users. */
  async #readPiece(
    piece: Piece,
    buffer: Uint8Array,
    position: number,
  ): Promise<void> {
    try {
      await this.#readFile(piece, buffer, position);
    } finally {
      piece.users--;
      this.#removeUnused(piece);
    }
  }

  async #readFile(
    piece: Piece,
    buffer: Uint8Array,
    position: number,
  ): Promise<void> {
    const unreadable = await piece.unreadable;
    const first = Math.floor(position / BLOCK);
    const last = blocksOf(position + buffer.length);
    const broken = unreadable.find(({ lba, blocks }) =>
      lba < last && lba + blocks > first
    );
    if (broken !== undefined) throw this.#unreadable(broken);
    try {
      using file = await Deno.open(piece.path, { read: true });
      if (await readAt(file, position, buffer) < buffer.length) {
        throw this.#unreadable(piece);
      }
    } catch (cause) {
      throw systemError(cause, {
        doing: `Cannot read the copy of blocks of "${this.name}"`,
        code: "TARGET_UNWRITABLE",
        advice: "choose another folder by tempDir",
      });
    }
  }

  #unreadable({ lba, blocks }: Extent): XorrisoError {
    const range = blocks === 1
      ? `block ${lba}`
      : `blocks ${lba} to ${lba + blocks - 1}`;
    return new XorrisoError(
      "READ_ERROR",
      `Cannot read ${range} of "${this.name}"; clean the medium, or try another drive`,
      { path: this.name },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const copies = this.#pieces.splice(0).map(({ unreadable }) => unreadable);
    await Promise.allSettled(copies);
    const making = this.#folder;
    this.#folder = undefined;
    const folder = await making?.catch(() => undefined);
    await folder?.[Symbol.asyncDispose]();
  }
}
