import { assertEquals } from "@std/assert";
import { copyBlocks } from "../../src/session/medium.ts";
import { openSession } from "../../src/session/open.ts";
import { makeFolder, makeImage } from "../support/helpers.ts";

Deno.test("copyBlocks() copies blocks to their place in a file, and tells which cannot be read", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const bytes = await Deno.readFile(image);
  const target = `${folder.path}/blocks`;
  await using session = await openSession(image, { readOnly: true });
  assertEquals(await copyBlocks(session, { lba: 16, blocks: 2 }, target), []);
  assertEquals(
    (await Deno.readFile(target)).subarray(16 * 2048, 18 * 2048),
    bytes.subarray(16 * 2048, 18 * 2048),
  );
  const end = bytes.length / 2048;
  const bad = await copyBlocks(
    session,
    { lba: end - 1, blocks: 40 },
    `${target}2`,
  );
  assertEquals(bad.map(({ lba, blocks }) => lba + blocks), [end + 39]);
});
