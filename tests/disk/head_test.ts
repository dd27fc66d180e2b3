import { assertEquals } from "@std/assert";
import {
  align,
  isPrimary,
  judgeHead,
  partitionStart,
  type ReadBytes,
  readHead,
} from "../../src/disk/head.ts";
import { BLOCK } from "../../src/medium.ts";
import { both } from "../iso/forge.ts";
import { noise, toBytes } from "../support/helpers.ts";

/** Where libisofs puts the first session of a file. */
const FIRST = 32;

/** A volume descriptor of some type, of a volume of some blocks. */
function descriptor(type = 1, blocks = 0): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  bytes.set([type, ...toBytes("CD001"), 1]);
  bytes.set(both(blocks), 80);
  return bytes;
}

/** A file that is zero but for some bytes, by the blocks where they begin. */
function file(
  size: number,
  parts: Readonly<Record<number, Uint8Array>> = {},
): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const [lba, part] of Object.entries(parts)) {
    const at = Number(lba) * BLOCK;
    bytes.set(part.subarray(0, Math.max(0, size - at)), Math.min(at, size));
  }
  return bytes;
}

function reading(bytes: Uint8Array): ReadBytes {
  return (offset, length) =>
    Promise.resolve(bytes.subarray(offset, offset + length));
}

async function judge(bytes: Uint8Array): Promise<string> {
  return await judgeHead(bytes.length, reading(bytes));
}

Deno.test("judgeHead() knows an image by its descriptor alone, whatever else is there", async () => {
  assertEquals(await judge(file(17 * BLOCK, { 16: descriptor() })), "iso");
  const full = file(64 * BLOCK, { 0: noise(64 * BLOCK), 16: descriptor() });
  assertEquals(await judge(full), "iso");
  assertEquals(await judge(full.subarray(0, 16 * BLOCK + 6)), "iso");
});

Deno.test("judgeHead() takes nothing for blank but what is empty", async () => {
  assertEquals(await judge(file(0)), "blank");
  for (const size of [1, BLOCK, 48 * BLOCK - 1, 48 * BLOCK + 1, 300_000]) {
    assertEquals(await judge(file(size)), "foreign", `${size} zeros`);
  }
  assertEquals(await judge(toBytes("hello\n".repeat(20_000))), "foreign");
});

Deno.test("judgeHead() knows that there was an image by what is left of its descriptors", async () => {
  const whole = {
    16: descriptor(1),
    17: descriptor(2),
    18: descriptor(255),
  };
  const damages: Record<string, Partial<typeof whole>> = {
    "another type": { 16: descriptor(0xff) },
    "no first descriptor": { 17: whole[17], 18: whole[18] },
    "the last one alone": { 18: whole[18] },
  };
  for (const [name, parts] of Object.entries(damages)) {
    assertEquals(await judge(file(64 * BLOCK, parts)), "damaged", name);
  }
  const unnamed = file(64 * BLOCK, { 16: descriptor() });
  unnamed[16 * BLOCK + 3] = 0xff;
  assertEquals(await judge(unnamed), "foreign");
});

Deno.test("judgeHead() tells how far the first session has come by its size", async () => {
  const blocks = 100; // to block 132; rounded up, to 160
  const parts = { 48: descriptor(1, blocks) };
  const sizes: readonly (readonly [string, number])[] = [
    ["foreign", 48 * BLOCK - 1],
    // What is written first is empty.
    ["interrupted", 48 * BLOCK],
    // Its descriptor has not come far enough to be known.
    ["foreign", 48 * BLOCK + 5],
    ["interrupted", 48 * BLOCK + 6],
    // Nor far enough to tell how long the session is.
    ["interrupted", 48 * BLOCK + 83],
    ["interrupted", 49 * BLOCK - 1],
    ["interrupted", 49 * BLOCK],
    ["interrupted", (FIRST + blocks) * BLOCK - 1],
    ["headless", (FIRST + blocks) * BLOCK],
    ["headless", 160 * BLOCK],
    // There may be another session behind it.
    ["damaged", 160 * BLOCK + 1],
    ["damaged", 400 * BLOCK],
  ];
  for (const [state, size] of sizes) {
    assertEquals(await judge(file(size, parts)), state, `${size} bytes`);
  }
});

Deno.test("judgeHead() begins nothing anew where the head is of something else", async () => {
  for (const at of [0, 16 * BLOCK - 1, FIRST * BLOCK - 1]) {
    const bytes = file((FIRST + 100) * BLOCK, { 48: descriptor(1, 100) });
    bytes[at] = 1;
    assertEquals(await judge(bytes), "damaged", `byte ${at}`);
    assertEquals(await judge(bytes.subarray(0, 60 * BLOCK)), "damaged");
  }
  // The first 48 blocks are all that there is.
  const bytes = file(48 * BLOCK);
  bytes[40 * BLOCK] = 1;
  assertEquals(await judge(bytes), "foreign");
});

Deno.test("readHead() gives what a commit changes: 32 blocks, or all to a second head behind", async () => {
  const table = (start: number) => {
    const bytes = new Uint8Array(512);
    bytes.set(both(start).slice(0, 4), 446 + 8);
    bytes.set([0x55, 0xaa], 510);
    return bytes;
  };
  // The first partition begins at block 64, in units of 512 bytes.
  const parts = { 0: table(256), 16: descriptor(), 80: descriptor() };
  const heads: readonly (readonly [number, Uint8Array])[] = [
    [5, file(5)],
    [32, file(200 * BLOCK, { 16: descriptor() })],
    [96, file(200 * BLOCK, parts)],
    // No descriptor there: no second head.
    [32, file(200 * BLOCK, { ...parts, 80: descriptor(2) })],
    // No table.
    [32, file(200 * BLOCK, { ...parts, 0: table(256).fill(0, 511) })],
  ];
  for (const [blocks, bytes] of heads) {
    const head = await readHead(bytes.length, reading(bytes));
    const length = bytes.length === 5 ? 5 : blocks * BLOCK;
    assertEquals(head, bytes.subarray(0, length));
  }
  // 64 MiB before it may be kept in memory, and not a sector more.
  for (const [start, blocks] of [[1 << 17, 32768 + 32], [(1 << 17) + 1, 32]]) {
    const read: ReadBytes = (offset, length) =>
      Promise.resolve(
        file(length, { 0: offset === 0 ? table(start ?? 0) : descriptor() }),
      );
    assertEquals((await readHead(1e9, read)).length, (blocks ?? 0) * BLOCK);
  }
});

Deno.test("partitionStart() needs the mark of a table", () => {
  const sector = new Uint8Array(512);
  sector.set([0, 0, 1, 0], 446 + 8);
  assertEquals(partitionStart(sector), 0);
  sector.set([0x55, 0xaa], 510);
  assertEquals(partitionStart(sector), 65536 * 512);
});

Deno.test("align() rounds up to where a session may begin", () => {
  assertEquals([0, 1, 31, 32, 33, 160].map(align), [0, 32, 32, 32, 64, 160]);
});

Deno.test("isPrimary() wants type and name", () => {
  assertEquals(isPrimary(descriptor(), 0), true);
  assertEquals(isPrimary(descriptor(2), 0), false);
  assertEquals(isPrimary(descriptor(), 1), false);
  assertEquals(isPrimary(new Uint8Array(3), 0), false);
});
