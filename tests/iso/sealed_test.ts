import { assert, assertEquals } from "@std/assert";
import {
  type Blocks,
  content,
  fileBlocks,
  memoryBlocks,
  readImage,
  readTree,
  sealed,
} from "../../src/iso/mod.ts";
import { BLOCK } from "../../src/medium.ts";
import {
  assertRejectsCode,
  makeFolder,
  noise,
  readAll,
  rejection,
  runXorriso,
  writeSession,
} from "../support/helpers.ts";
import { makeSessions, pathsOf, upTo } from "./sessions.ts";

Deno.test("sealed() reads a session beside what is appended", async () => {
  await using folder = await makeFolder();
  const path = await makeSessions(folder, 2);
  await using blocks = await fileBlocks(path);
  const image = await readImage(blocks);
  const steady = await Promise.all(
    image.sessions.map((each) => sealed(blocks, image, each)),
  );
  await writeSession(path, { "/3": "three" });
  for (const [i, session] of image.sessions.entries()) {
    assertEquals(await pathsOf(steady[i] as Blocks, session), upTo(i + 1));
  }
});

Deno.test("sealed() reads nothing of a session that is gone", async (t) => {
  const cases: Record<
    string,
    (path: string, before: Uint8Array) => Promise<void>
  > = {
    "taken back": async (path, before) => {
      await Deno.writeFile(path, before);
    },
    "taken back, and another written in its place": async (path, before) => {
      await Deno.writeFile(path, before);
      await writeSession(path, { "/3": noise(30_000, 9) });
    },
    "blanked": async (path) => {
      await runXorriso([["-dev", `stdio:${path}`], ["-blank", "as_needed"]]);
    },
    "blanked and written anew": async (path) => {
      await runXorriso([["-dev", `stdio:${path}`], ["-blank", "as_needed"]]);
      await writeSession(path, { "/1": noise(30_000, 1) });
    },
    "cut off": async (path) => {
      await Deno.truncate(path, (await Deno.stat(path)).size - 400 * BLOCK);
    },
    "replaced by a copy": async (path) => {
      await Deno.copyFile(path, `${path}.copy`);
      await Deno.rename(`${path}.copy`, path);
    },
    "removed": async (path) => {
      await Deno.remove(path);
    },
  };
  await using made = await makeFolder();
  const first = await makeSessions(made, 2);
  const before = await Deno.readFile(first);
  await writeSession(first, { "/3": noise(30_000, 3) });
  const all = await Deno.readFile(first);
  for (const [what, change] of Object.entries(cases)) {
    await t.step(what, async () => {
      await using folder = await makeFolder();
      const path = await folder.file("test.iso", all);
      await using blocks = await fileBlocks(path);
      const image = await readImage(blocks);
      const steady = await sealed(blocks, image, image.newest);
      const tree = await readTree(steady, image.newest);
      const old = tree.get("/1");
      assert(old !== undefined);
      const read = (length: number) =>
        old && readAll(content(steady, old, { length }));
      assertEquals((await read(1))?.length, 1);
      await change(path, before);
      // Parts that are the same bytes still are no part of that session.
      await assertRejectsCode(Promise.resolve(read(1)), "MEDIUM_CHANGED");
      await assertRejectsCode(readTree(steady, image.newest), "MEDIUM_CHANGED");
    });
  }
});

Deno.test("sealed() tells damage from a session that is gone", async () => {
  await using folder = await makeFolder();
  const bytes = await Deno.readFile(await makeSessions(folder, 1));
  await using blocks = memoryBlocks(bytes);
  const image = await readImage(blocks);
  const steady = await sealed(blocks, image, image.newest);
  const buffer = new Uint8Array(BLOCK);
  const behind = steady.read(buffer, bytes.length);
  await assertRejectsCode(behind, "IMAGE_DAMAGED");
  await steady.read(buffer, bytes.length - BLOCK);
  // The block where its directories begin is a mark of it.
  const at = image.newest.volume.root.lba * BLOCK;
  bytes.fill(0xff, at, at + BLOCK);
  await assertRejectsCode(steady.read(buffer, bytes.length), "MEDIUM_CHANGED");
});

Deno.test("sealed() tells why it cannot look whether the session is there", async () => {
  await using folder = await makeFolder();
  const bytes = await Deno.readFile(await makeSessions(folder, 1));
  await using blocks = memoryBlocks(bytes);
  const image = await readImage(blocks);
  const reason = new Error("unplugged");
  let left = Infinity;
  const steady = await sealed(
    {
      ...{ name: "a drive", byteLength: bytes.length },
      read: (...args) =>
        left-- > 0 ? blocks.read(...args) : Promise.reject(reason),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    image,
    image.newest,
  );
  const buffer = new Uint8Array(BLOCK);
  await steady.read(buffer, 0);
  // What is asked for is read, and then one of the marks is not.
  left = 1;
  assertEquals(await rejection(steady.read(buffer, 0)), reason);
});
