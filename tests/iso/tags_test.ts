import { assertEquals, assertStringIncludes } from "@std/assert";
import { memoryBlocks, readImage, readTree } from "../../src/iso/mod.ts";
import { parseTag, readTags, requireWhole } from "../../src/iso/tags.ts";
import { BLOCK } from "../../src/medium.ts";
import { assertRejectsCode, makeFolder, toBytes } from "../support/helpers.ts";
import { makeSessions } from "./sessions.ts";

const MD5 = "0123456789abcdef0123456789abcdef";

Deno.test("parseTag() takes a tag only where it belongs", () => {
  const parse = (line: string, lba: number) => {
    const block = new Uint8Array(BLOCK);
    block.set(toBytes(line));
    return parseTag(block, lba);
  };
  const line = (kind: string, ranges: string, end = "\n") =>
    `libisofs_${kind}checksum_tag_v1 ${ranges} md5=${MD5} self=${MD5}${end}`;
  const kinds = [
    ["sb_", "superblock", "next=90"],
    ["tree_", "tree", "next=90"],
    ["rlsb32_", "head", "session_start=90"],
  ] as const;
  for (const [word, kind, link] of kinds) {
    const text = line(word, `pos=50 range_start=32 range_size=18 ${link}`);
    const tag = parse(text, 50);
    assertEquals(
      [tag?.kind, tag?.pos, tag?.start, tag?.size, tag?.link, tag?.md5],
      [kind, 50, 32, 18, 90, MD5],
    );
    assertEquals(`${tag?.line.text} self=${tag?.line.md5}\n`, text);
  }
  const last = line("", "pos=50 range_start=32 range_size=18");
  assertEquals(parse(last, 50)?.kind, "session");
  assertEquals(parse(last, 50)?.link, undefined);
  // A copy of it elsewhere, or one of another range, stands behind nothing.
  assertEquals(parse(last, 51), undefined);
  for (const size of [17, 19]) {
    const other = line("", `pos=50 range_start=32 range_size=${size}`);
    assertEquals(parse(other, 50), undefined);
  }
  const cut = line("", "pos=50 range_start=32 range_size=18", "");
  for (const none of ["", ` ${last}`, cut, last.replace("v1", "v2")]) {
    assertEquals(parse(none, 50), undefined, none);
  }
});

Deno.test("requireWhole() finds what was changed, and tells where there are no checksums", async () => {
  await using folder = await makeFolder();
  const bytes = await Deno.readFile(await makeSessions(folder, 2));
  const blocks = memoryBlocks(bytes);
  const { newest: { volume } } = await readImage(blocks);
  assertEquals(await requireWhole(blocks, volume), true);
  const file = (await readTree(blocks, (await readImage(blocks)).newest)).get(
    "/2",
  );
  const places = [volume.lba + 1, volume.root.lba, file?.sections[0]?.lba ?? 0];
  for (const [i, lba] of places.entries()) {
    bytes[lba * BLOCK + 700] = (bytes[lba * BLOCK + 700] ?? 0) ^ 1;
    const checking = requireWhole(blocks, volume);
    // The content is looked at by who reads it.
    if (i === 2) assertEquals(await checking, true);
    else await assertRejectsCode(checking, "IMAGE_DAMAGED");
    bytes[lba * BLOCK + 700] = (bytes[lba * BLOCK + 700] ?? 0) ^ 1;
  }
  await using other = await makeFolder();
  const bare = memoryBlocks(
    await Deno.readFile(await makeSessions(other, 1, ["-md5", "off"])),
  );
  const { newest } = await readImage(bare);
  assertEquals(await requireWhole(bare, newest.volume), false);
});

Deno.test("requireWhole() takes no session for whole whose end is missing", async () => {
  await using folder = await makeFolder();
  const bytes = await Deno.readFile(await makeSessions(folder, 1));
  const blocks = memoryBlocks(bytes);
  const { newest: { volume } } = await readImage(blocks);
  const { session, tree } = await readTags(blocks, volume) ?? {};
  const tags = [session, tree].filter((tag) => tag !== undefined);
  assertEquals(tags.length, 2);
  for (const { pos } of tags) {
    const at = pos * BLOCK;
    const before = bytes.slice(at, at + BLOCK);
    bytes.fill(0, at, at + BLOCK);
    const error = await assertRejectsCode(
      requireWhole(blocks, volume),
      "IMAGE_DAMAGED",
    );
    assertStringIncludes(error.message, "the end is missing");
    bytes.set(before, at);
  }
  assertEquals(await requireWhole(blocks, volume), true);
});
