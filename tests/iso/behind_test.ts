import { assertEquals } from "@std/assert";
import { memoryBlocks, readImage, readTree } from "../../src/iso/mod.ts";
import { type Behind, readBehind } from "../../src/iso/behind.ts";
import { BLOCK } from "../../src/medium.ts";
import {
  makeFolder,
  noise,
  toBytes,
  writeSession,
} from "../support/helpers.ts";

/** An image as it is after each of some sessions, in memory. */
async function images(
  ...sessions: readonly Record<string, string>[]
): Promise<Uint8Array[]> {
  await using folder = await makeFolder();
  const path = `${folder.path}/test.iso`;
  const found: Uint8Array[] = [];
  for (const files of sessions) {
    await writeSession(path, files);
    found.push(await Deno.readFile(path));
  }
  return found;
}

/** One with a second session that is complete, but for the head that shows it. */
async function unshown(
  content: string,
): Promise<{ before: Uint8Array; whole: Uint8Array; after: Uint8Array }> {
  const [before = new Uint8Array(), after = new Uint8Array()] = await images(
    { "/a": "a" },
    { "/b": content },
  );
  const whole = joined(
    before.subarray(0, 32 * BLOCK),
    after.subarray(32 * BLOCK),
  );
  return { before, whole, after };
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

async function behind(bytes: Uint8Array): Promise<Behind | undefined> {
  const blocks = memoryBlocks(bytes);
  return await readBehind(blocks, await readImage(blocks));
}

Deno.test("readBehind() finds nothing where there is nothing, or zeros alone", async () => {
  for (const bytes of await images({ "/a": "a" }, { "/b": "b" })) {
    assertEquals(await behind(bytes), undefined);
    const padded = joined(bytes, new Uint8Array(100_001));
    assertEquals(await behind(padded), undefined);
  }
});

Deno.test("readBehind() takes each beginning of a session that was never shown for a commit cut short", async () => {
  const { before, whole, after } = await unshown("b".repeat(100_000));
  const { newest: { lba: start, size: length } } = await readImage(
    memoryBlocks(after),
  );
  const { newest } = await readImage(memoryBlocks(before));
  const end = newest.lba + newest.size;
  // To the middle of a block, too.
  for (let blocks = 0; blocks <= length; blocks += 1.25) {
    const cut = whole.subarray(0, (start + blocks) * BLOCK);
    const isSeen = blocks > 16;
    assertEquals(
      await behind(cut),
      isSeen ? { kind: "unfinished", lba: start + 16, end } : undefined,
      `${blocks} blocks`,
    );
  }
});

Deno.test("readBehind() knows a commit by what a power loss has left of it", async () => {
  const { before, after } = await unshown("b".repeat(100_000));
  const blocks = memoryBlocks(after);
  const image = await readImage(blocks);
  const { newest: { lba: start, size, volume } } = image;
  const { newest } = await readImage(memoryBlocks(before));
  const end = newest.lba + newest.size;
  const kept = (first: number, count: number) => {
    const left = joined(before, new Uint8Array(after.length - before.length));
    const part = after.subarray(first * BLOCK, (first + count) * BLOCK);
    left.set(part, first * BLOCK);
    return behind(left);
  };
  const content = (await readTree(blocks, image.newest)).get("/b");
  // Its root, its last tag, and the content of a file, which could be anything.
  for (
    const [lba, kind] of [
      [volume.root.lba, "unfinished"],
      [start + size - 1, "unfinished"],
      [content?.sections[0]?.lba ?? 0, "other"],
    ] as const
  ) {
    assertEquals(await kept(lba, 1), { kind, lba, end });
  }
});

Deno.test("readBehind() takes everything else for somebody's", async () => {
  const [bytes = new Uint8Array()] = await images({ "/a": "a" });
  const { newest } = await readImage(memoryBlocks(bytes));
  const end = newest.lba + newest.size;
  const size = bytes.length / BLOCK;
  const gap = new Uint8Array(64 * BLOCK);
  for (
    const [rest, lba] of [
      [toBytes("signature"), size],
      [joined(gap, toBytes("EFI PART")), size + 64],
      [noise(3_000_000), size],
      // Another image, whose blocks count from its own beginning.
      [joined(gap.subarray(size % 32 * BLOCK), bytes), undefined],
    ] as const
  ) {
    const found = await behind(joined(bytes, rest));
    assertEquals(found?.kind, "other");
    assertEquals(found?.end, end);
    if (lba !== undefined) assertEquals(found?.lba, lba);
  }
});

Deno.test("readBehind() looks behind a commit that was cut short, too", async () => {
  const { whole } = await unshown("b");
  const found = await behind(joined(whole, toBytes("signature")));
  assertEquals(found?.kind, "other");
  assertEquals(found?.lba, whole.length / BLOCK);
});

Deno.test("readBehind() tells a copy of a disc by its further sessions", async () => {
  const [bytes = new Uint8Array()] = await images({ "/a": "a" });
  const blocks = memoryBlocks(bytes);
  const image = await readImage(blocks);
  const first = { ...image.newest, lba: 0, size: 100 };
  const newest = { ...image.newest, lba: 130, size: 40 };
  assertEquals(
    await readBehind(blocks, {
      head: "behind",
      sessions: [first, newest],
      newest,
    }),
    { kind: "sessions", lba: 100, end: 100 },
  );
});
