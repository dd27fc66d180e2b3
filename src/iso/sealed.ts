/** Reading a session so that nothing else is ever taken for it. */

import { delay } from "@std/async/delay";
import { equals } from "@std/bytes/equals";
import { isCode } from "../errors.ts";
import { type Blocks, type BlocksReadOptions, imageChanged } from "./blocks.ts";
import { holds, u32 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";
import type { Image, Session } from "./sessions.ts";
import { readTags } from "./tags.ts";
import type { Volume } from "./volume.ts";

/** Milliseconds behind a change after which the next one shows in the time of the file. */
const GRAIN = 1000;

/** How often a mark is looked at until it counts as gone: another program may just write the head. */
const ATTEMPTS = 5;

/** Milliseconds between two looks. */
const RETRY = 10;

/** Bytes that stay as they are as long as the session is there. */
interface Mark {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/**
 * The blocks of an image for reading one of its sessions: each reading makes sure that the session is still
 * what it was.
 *
 * What writes to the image appends, so older sessions stay. But the medium may be blanked and
 * written anew, or a session be taken back and another be written in its place: then its descriptors
 * and checksum tags, or those of the first session, are not there any more.
 *
 * @param blocks The image.
 * @param image What it holds.
 * @param session The session that is read.
 * @param options `signal` gives up.
 * @returns The same blocks; reading them fails with MEDIUM_CHANGED when the session is gone. They need
 * not be disposed of, as `blocks` does.
 * @throws {XorrisoError} As `blocks` tells.
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
      const [bytes, position] = [new Uint8Array(BLOCK), lba * BLOCK];
      await blocks.read(bytes, position, options);
      marks.push({ position, bytes });
    }
  }
  const root = head === "sound" ? volume.root.lba : 0;
  const sealed = new SealedBlocks(blocks, marks, root);
  // Between reading the descriptors and now it may have gone already.
  await sealed.check(options);
  return sealed;
}

/** Blocks that tell a session from any other at its place. */
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
  // At the beginning of the file, a newer session may put its descriptors.
  return [...lba === 0 ? [] : [lba + 16], root.lba, ...tagged];
}

class SealedBlocks implements Blocks {
  readonly #blocks: Blocks;
  readonly #marks: readonly Mark[];
  readonly #root: number;
  /** When the file had been changed when the marks were last seen, long after. */
  #seen: number | undefined;

  readonly name: string;
  readonly file: Blocks["file"];
  /** As it was: where there are fewer bytes now, that is a change, not damage. */
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
      // What is not there any more may have gone with its session.
      if (isCode(error, "IMAGE_DAMAGED")) await this.check(options);
      throw error;
    }
    if (this.#seen === undefined || this.#seen !== this.modified) {
      await this.check(options);
    }
  }

  /** Makes sure that the session is there. */
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
        await this.#blocks.read(block, 16 * BLOCK, { signal });
        // Whoever takes a session back shows an older one there.
        if (!holds(block, 0, "\x01CD001") || u32(block, 156 + 2) < this.#root) {
          return false;
        }
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
