/** Reading a session of an image beside writers, so that nothing else is ever taken for it. */

import { delay } from "@std/async/delay";
import { equals } from "@std/bytes/equals";
import { isPrimary } from "../disk/head.ts";
import { isCode } from "../errors.ts";
import { type Blocks, type BlocksReadOptions, imageChanged } from "./blocks.ts";
import { BLOCK } from "../medium.ts";
import { type Image, RETRY, type Session } from "./sessions.ts";
import { readTags } from "./tags.ts";
import { FIELD, sectionAt, SYSTEM_AREA, type Volume } from "./volume.ts";

/** Milliseconds after which a further change of a file shows in its time of modification. */
const GRAIN = 1000;

/** How often the marks are read until they count as gone: another program may just be writing the head. */
const ATTEMPTS = 5;

/** A block that stays as it is as long as the session is there. */
interface Mark {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/**
 * Gives the blocks of an image for reading one of its sessions: each read makes sure that the session is
 * still there.
 *
 * Writers append, so sessions stay as they are. But an image may be blanked and written anew, or a
 * session be taken back and another one be written in its place: then its descriptors and checksum
 * tags, or those of the first session, have gone.
 *
 * @param blocks The image.
 * @param image What it holds.
 * @param session The session that is read.
 * @param options `signal` gives up.
 * @returns The same blocks; reading them fails with MEDIUM_CHANGED when the session has gone. Only
 * `blocks` is to be disposed of.
 * @throws {XorrisoError} As `Blocks.read`.
 *
 * @example Read beside a writer
 * ```ts
 * import { fileBlocks, readImage, readTree, sealed } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * const image = await readImage(blocks);
 * const steady = await sealed(blocks, image, image.newest);
 * const tree = await readTree(steady, image.newest);
 * ```
 */
export async function sealed(
  blocks: Blocks,
  { head, sessions: [first] }: Image,
  { volume }: Session,
  options: BlocksReadOptions = {},
): Promise<Blocks> {
  const marks: Mark[] = [];
  for (const each of new Set([first?.volume ?? volume, volume])) {
    for (const lba of await markedBlocks(blocks, each, options)) {
      const position = lba * BLOCK;
      const bytes = new Uint8Array(BLOCK);
      await blocks.read(bytes, position, options);
      marks.push({ position, bytes });
    }
  }
  const root = head === "sound" ? volume.root.lba : 0;
  const sealed = new SealedBlocks(blocks, marks, root);
  // It may have gone since its descriptors were read.
  await sealed.check(options);
  return sealed;
}

/** The blocks that tell a session from any other that may be written in its place. */
async function markedBlocks(
  blocks: Blocks,
  volume: Volume,
  options: BlocksReadOptions,
): Promise<number[]> {
  const { lba, root } = volume;
  const tags = await readTags(blocks, volume, options);
  const tagged = [tags?.superblock, tags?.tree, tags?.session].flatMap((tag) =>
    tag ? [tag.pos] : []
  );
  // Those at the beginning of the file are overwritten when another session is appended.
  const descriptor = lba === 0 ? [] : [lba + SYSTEM_AREA];
  return [...descriptor, root.lba, ...tagged];
}

class SealedBlocks implements Blocks {
  readonly #blocks: Blocks;
  readonly #marks: readonly Mark[];
  /** The root directory that the head must not fall behind; 0 if the head is not looked at. */
  readonly #root: number;
  /** Time of the last change of the file that cannot have removed the marks. */
  #seen: number | undefined;

  readonly name: string;
  readonly file: Blocks["file"];
  /** As at first: a file that has become shorter was changed, not damaged. */
  readonly byteLength: number;

  constructor(blocks: Blocks, marks: readonly Mark[], root: number) {
    this.#blocks = blocks;
    this.#marks = marks;
    this.#root = root;
    this.name = blocks.name;
    this.file = blocks.file;
    this.byteLength = blocks.byteLength;
  }

  get modified(): number | undefined {
    return this.#blocks.modified;
  }

  async read(
    buffer: Uint8Array,
    position: number,
    options: BlocksReadOptions = {},
  ): Promise<void> {
    try {
      await this.#blocks.read(buffer, position, options);
    } catch (error) {
      // The bytes may have gone with the session.
      if (isCode(error, "IMAGE_DAMAGED")) await this.check(options);
      throw error;
    }
    if (this.#seen === undefined || this.#seen !== this.modified) {
      await this.check(options);
    }
  }

  /** Makes sure that the session is still there. */
  async check({ signal }: BlocksReadOptions): Promise<void> {
    const begun = Date.now();
    for (let attempt = 1; !await this.#isThere(signal); attempt++) {
      if (attempt >= ATTEMPTS) {
        const why = "the session that is being read is not there any more";
        throw imageChanged(this.name, why);
      }
      await delay(RETRY, signal && { signal });
    }
    const { modified = NaN } = this;
    this.#seen = begun - modified > GRAIN ? modified : undefined;
  }

  async #isThere(signal: AbortSignal | undefined): Promise<boolean> {
    const block = new Uint8Array(BLOCK);
    try {
      if (this.#root > 0) {
        await this.#blocks.read(block, SYSTEM_AREA * BLOCK, { signal });
        // When a session is taken back, the head shows an older one again.
        const isOlder = sectionAt(block, FIELD.root).lba < this.#root;
        if (!isPrimary(block, 0) || isOlder) return false;
      }
      for (const { position, bytes } of this.#marks) {
        await this.#blocks.read(block, position, { signal });
        if (!equals(bytes, block)) return false;
      }
      return true;
    } catch (error) {
      if (isCode(error, "IMAGE_DAMAGED")) return false;
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
