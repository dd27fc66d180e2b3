/** The MD5s that libisofs records: in a table behind the content of a session. */

import { loadMd5 } from "../disk/md5.ts";
import type { Blocks, BlocksReadOptions } from "./blocks.ts";
import { bigEndian, BLOCK, latin1 } from "./bytes.ts";
import type { Entry } from "./entry.ts";
import type { Tree } from "./tree.ts";
import { damaged } from "./volume.ts";

/** Bytes of an MD5. */
const SIZE = 16;

/**
 * The recorded MD5s of a tree.
 *
 * @example The checksum of each file
 * ```ts ignore
 * const checksums = await readChecksums(blocks, tree);
 * for (const entry of tree.walk()) console.log(checksums?.get(entry), entry.path);
 * ```
 */
export class Checksums {
  readonly #table: Uint8Array;

  /**
   * Made by {@linkcode readChecksums}.
   *
   * @param table All MD5s, one behind the other.
   */
  constructor(table: Uint8Array) {
    this.#table = table;
  }

  /**
   * The MD5 of a file's content, as it is stored.
   *
   * @param entry The file, of the same tree.
   * @returns 32 hexadecimal digits; undefined if none is recorded.
   */
  get({ checksumIndex: index, type }: Entry): string | undefined {
    if (index === undefined || type !== "file") return undefined;
    // The first is the session's, the last that of the table itself.
    const end = (index + 1) * SIZE;
    if (index < 1 || end > this.#table.length - SIZE) return undefined;
    return this.#table.subarray(end - SIZE, end).toHex();
  }
}

/**
 * Reads the checksums that are recorded for a tree.
 *
 * @param blocks Where it is.
 * @param tree The tree.
 * @param options How to read.
 * @returns The checksums; undefined where none are recorded.
 * @throws {XorrisoError} IMAGE_DAMAGED when their own checksum does not fit, or as `blocks` tells.
 *
 * @example The checksum of one file
 * ```ts ignore
 * const entry = tree.get("/a.tar");
 * console.log(entry && (await readChecksums(blocks, tree))?.get(entry));
 * ```
 */
export async function readChecksums(
  blocks: Blocks,
  tree: Tree,
  options: BlocksReadOptions = {},
): Promise<Checksums | undefined> {
  const place = tree.checksums && parsePlace(tree.checksums);
  if (place === undefined) return undefined;
  const { lba, count } = place;
  const position = lba * BLOCK;
  const length = count * SIZE;
  if (position + length > blocks.byteLength || count < 2) {
    throw damaged(blocks, lba, "its table of checksums is not there");
  }
  const table = new Uint8Array(length);
  await blocks.read(table, position, options);
  const newMd5 = await loadMd5();
  const found = newMd5().update(table.subarray(0, -SIZE)).digest("hex");
  if (found !== table.subarray(-SIZE).toHex()) {
    throw damaged(blocks, lba, "its table of checksums has another checksum");
  }
  return new Checksums(table);
}

/**
 * Where the table is: numbers, each with a byte for its length before it, of the range that the
 * first MD5 is of, of the MD5s, and of the bytes of each, then their kind.
 */
function parsePlace(
  value: Uint8Array,
): { readonly lba: number; readonly count: number } | undefined {
  const numbers: number[] = [];
  let at = 0;
  while (numbers.length < 4) {
    const end = at + 1 + (value[at] ?? 0);
    if (end > value.length) return undefined;
    numbers.push(bigEndian(value.subarray(at + 1, end)));
    at = end;
  }
  const [, lba = 0, count = 0, size] = numbers;
  const isMd5 = size === SIZE && latin1(value.subarray(at)) === "MD5";
  return isMd5 ? { lba, count } : undefined;
}
