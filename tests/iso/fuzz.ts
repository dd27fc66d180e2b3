/** Images with bytes changed at random: reading them may fail, but in good order. */

import process from "node:process";
import { XorrisoError } from "../../src/errors.ts";
import {
  type Blocks,
  content,
  memoryBlocks,
  readChecksums,
  readImage,
  readTree,
  sealed,
} from "../../src/iso/mod.ts";
import { BLOCK } from "../../src/medium.ts";

/** Milliseconds of a processor that an image may take at most. */
const LONGEST = 1000;

/** Bytes of the content of a file, and files, that are looked at. */
const CONTENT = 1 << 16;
const FILES = 8;

/** Errors that tell of a broken image. */
const EXPECTED = new Set(["IMAGE_DAMAGED", "NOT_ISO", "CHECKSUM_MISMATCH"]);

/** What came of many mutations. */
export interface FuzzResult {
  /** How many were read. */
  readonly runs: number;
  /** How many of them without an error. */
  readonly sound: number;
  /** Milliseconds of the slowest. */
  readonly slowest: number;
}

/** Numbers that decoders like least. */
const NUMBERS = [
  0,
  1,
  2,
  16,
  17,
  20,
  32,
  33,
  255,
  2047,
  2048,
  65535,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];

/**
 * Reads many mutations of images.
 *
 * @param seeds Images that are sound.
 * @param runs How many.
 * @param seed The same for the same mutations.
 * @throws {Error} At the first that is not read in good order; it tells the seed.
 */
export async function fuzz(
  seeds: readonly Uint8Array[],
  runs: number,
  seed: number,
): Promise<FuzzResult> {
  let sound = 0;
  let slowest = 0;
  for (let run = 0; run < runs; run++) {
    const random = randomOf(seed + run);
    const image = seeds[random(seeds.length)] ?? new Uint8Array();
    const { bytes, undo } = mutate(image, random);
    const begun = process.cpuUsage();
    try {
      await readAll(bytes);
      sound++;
    } catch (error) {
      if (!(error instanceof XorrisoError && EXPECTED.has(error.code))) {
        throw new Error(
          `Mutation ${seed + run} of image ${seeds.indexOf(image)} fails`,
          { cause: error },
        );
      }
    } finally {
      undo();
    }
    const { user, system } = process.cpuUsage(begun);
    const taken = (user + system) / 1000;
    slowest = Math.max(slowest, taken);
    if (taken > LONGEST) {
      throw new Error(`Mutation ${seed + run} takes ${taken} ms`);
    }
  }
  return { runs, sound, slowest };
}

/** Reads all that there is to read of an image. */
async function readAll(bytes: Uint8Array): Promise<void> {
  const blocks = watched(bytes);
  const image = await readImage(blocks);
  for (
    const session of new Set([image.newest, image.sessions[0] ?? image.newest])
  ) {
    const steady = await sealed(blocks, image, session);
    const tree = await readTree(steady, session);
    const files = tree.walk().filter(({ type }) => type === "file").take(FILES)
      .toArray();
    const checksums = await readChecksums(steady, files).catch(tolerate);
    for (const file of files) {
      checksums?.(file);
      const part = content(steady, file, { length: CONTENT });
      await new Response(part).arrayBuffer().catch(tolerate);
    }
    for (const { path } of tree.walk().take(1000)) tree.get(path);
  }
}

/** Takes an error that tells of a broken image; what else is there is to be read all the same. */
function tolerate(error: unknown): undefined {
  if (error instanceof XorrisoError && EXPECTED.has(error.code)) return;
  throw error;
}

/** The blocks of an image, which nobody may ask for what is not there. */
function watched(bytes: Uint8Array): Blocks {
  const blocks = memoryBlocks(bytes);
  return {
    ...blocks,
    read(buffer, position, options) {
      if (position >= 0 && position + buffer.length <= bytes.length) {
        return blocks.read(buffer, position, options);
      }
      throw new RangeError(
        `Bytes ${position} to ${
          position + buffer.length
        } are read of ${bytes.length}`,
      );
    },
  };
}

/** Numbers from 0 to below a limit, the same for the same seed. */
type Random = (limit: number) => number;

function randomOf(seed: number): Random {
  // SplitMix32: seeds that follow each other give numbers that have nothing to do with each other.
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ state >>> 16;
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ mixed >>> 15) >>> 0) % limit;
  };
}

/** Changes an image in place, or cuts it. */
function mutate(
  image: Uint8Array,
  random: Random,
): { readonly bytes: Uint8Array; readonly undo: () => void } {
  const before: [at: number, bytes: Uint8Array][] = [];
  const set = (at: number, bytes: Uint8Array) => {
    before.unshift([at, image.slice(at, at + bytes.length)]);
    image.set(bytes.subarray(0, image.length - at), at);
  };
  for (let changes = 1 + random(8); changes > 0; changes--) {
    const at = placeIn(image, random);
    const view = new DataView(new ArrayBuffer(8));
    const number = NUMBERS[random(NUMBERS.length)] ?? 0;
    switch (random(6)) {
      case 0:
        set(at, Uint8Array.of(random(256)));
        break;
      case 1:
        set(at, Uint8Array.of((image[at] ?? 0) ^ 1 << random(8)));
        break;
      case 2:
        view.setUint32(
          0,
          random(2) ? number : random(image.length / BLOCK),
          true,
        );
        set(at, new Uint8Array(view.buffer, 0, 4));
        break;
      case 3: {
        // What is there stands somewhere else, too.
        const from = placeIn(image, random);
        set(at, image.slice(from, from + 1 + random(200)));
        break;
      }
      case 4: {
        const from = placeIn(image, random) & -BLOCK;
        set(at & -BLOCK, image.slice(from, from + BLOCK));
        break;
      }
      default: {
        const found = fieldIn(image, at, random);
        view.setUint32(0, number, true);
        view.setUint32(4, number);
        set(found, new Uint8Array(view.buffer));
      }
    }
  }
  const bytes = random(10) === 0
    ? image.subarray(0, random(image.length))
    : image;
  return {
    bytes,
    undo: () => before.forEach(([at, bytes]) => image.set(bytes, at)),
  };
}

/** A place in a block that holds something. */
function placeIn(image: Uint8Array, random: Random): number {
  for (let attempt = 0;; attempt++) {
    const at = random(image.length);
    const block = at & -BLOCK;
    if (
      attempt > 50 ||
      image.subarray(block, block + 64).some((byte) => byte !== 0)
    ) return at;
  }
}

/** The place of a number in both byte orders, if there is one nearby. */
function fieldIn(image: Uint8Array, at: number, random: Random): number {
  for (let i = at; i < Math.min(at + 400, image.length - 8); i++) {
    const mirrored = [0, 1, 2, 3].every((k) =>
      image[i + k] === image[i + 7 - k]
    );
    if (mirrored && (image[i] || image[i + 1] || random(20) === 0)) return i;
  }
  return at;
}
