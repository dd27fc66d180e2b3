/** The MD5s that libisofs records for files, in a table behind the content of a session. */

import { loadMd5 } from "../disk/md5.ts";
import type { Blocks, BlocksReadOptions } from "./blocks.ts";
import { bigEndian, latin1 } from "../bytes.ts";
import { BLOCK } from "../medium.ts";
import type { ChecksumTable, Entry } from "./entry.ts";
import { damaged } from "./volume.ts";

/** Bytes of an MD5. */
const SIZE = 16;

/** Gives the MD5 of a file's stored content, in 32 hexadecimal digits; undefined if none is recorded. */
export type Checksums = (entry: Entry) => string | undefined;

/**
 * Reads the checksums that are recorded for files.
 *
 * @param blocks Where they are.
 * @param entries The files, of one or more trees; directories and others are passed over.
 * @param options How to read.
 * @returns A function that gives the checksum of each.
 * @throws {XorrisoError} IMAGE_DAMAGED when a table does not have its own checksum, or as
 * `Blocks.read`.
 *
 * @example The checksum of each file
 * ```ts
 * import { fileBlocks, readChecksums, readImage, readTree } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * const tree = await readTree(blocks, (await readImage(blocks)).newest);
 * const checksumOf = await readChecksums(blocks, tree.walk());
 * for (const entry of tree.walk()) console.log(checksumOf(entry), entry.path);
 * ```
 */
export async function readChecksums(
  blocks: Blocks,
  entries: Iterable<Entry>,
  options: BlocksReadOptions = {},
): Promise<Checksums> {
  const tables = new Map<ChecksumTable, Uint8Array>();
  for (const { checksums, checksumIndex } of entries) {
    if (checksums === undefined || checksumIndex === undefined) continue;
    if (tables.has(checksums)) continue;
    tables.set(checksums, await readTable(blocks, checksums, options));
  }
  return ({ checksumIndex: index = 0, checksums, type }) => {
    const table = checksums && tables.get(checksums);
    if (table === undefined || type !== "file") return undefined;
    // The first MD5 is that of the session, the last that of the table itself.
    const end = (index + 1) * SIZE;
    if (index < 1 || end > table.length - SIZE) return undefined;
    return table.subarray(end - SIZE, end).toHex();
  };
}

async function readTable(
  blocks: Blocks,
  { lba, count }: ChecksumTable,
  options: BlocksReadOptions,
): Promise<Uint8Array> {
  const length = count * SIZE;
  if (count < 2 || lba * BLOCK + length > blocks.byteLength) {
    throw damaged(blocks, lba, "its table of checksums is not there");
  }
  const table = new Uint8Array(length);
  await blocks.read(table, lba * BLOCK, options);
  const newMd5 = await loadMd5();
  const found = newMd5().update(table.subarray(0, -SIZE)).digest("hex");
  if (found === table.subarray(-SIZE).toHex()) return table;
  throw damaged(blocks, lba, "its table of checksums has another checksum");
}

/**
 * Finds the table by the attribute `isofs.ca` of the root: the first block of the session, that of the
 * table, the number of checksums and the bytes of each, every number with a byte for its length
 * before it, then "MD5".
 */
export function parseTable(value: Uint8Array): ChecksumTable | undefined {
  const numbers: number[] = [];
  let at = 0;
  while (numbers.length < 4) {
    const end = at + 1 + (value[at] ?? 0);
    if (end > value.length) return undefined;
    numbers.push(bigEndian(value, at + 1, end));
    at = end;
  }
  const [, lba = 0, count = 0, size] = numbers;
  const isMd5 = size === SIZE && latin1(value.subarray(at)) === "MD5";
  return isMd5 ? { lba, count } : undefined;
}
