import { assertEquals, assertRejects } from "@std/assert";
import { Copy, isLying, timeToSettle } from "../../src/tree/changing.ts";
import type { Found } from "../../src/tree/walk.ts";
import {
  assertRejectsCode,
  makeFifo,
  makeFolder,
  makeSparse,
  readAll,
  runDeno,
} from "../support/helpers.ts";

const NOTHING = {
  ...{ name: "a", path: "/a", type: "file", size: 0, mtime: 0 },
  ...{ mode: 0, uid: 0, gid: 0, isOdd: true },
} as const satisfies Found;

Deno.test("timeToSettle() tells how long to wait for what was modified in the last two seconds", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a");
  const at = async (age: number) => {
    const time = new Date(Date.now() - age);
    await Deno.utime(path, time, time);
    return Math.ceil(await timeToSettle({ ...NOTHING, path }) / 1000);
  };
  assertEquals([await at(0), await at(-1e9), await at(2100)], [2, 0, 0]);
  assertEquals(await timeToSettle({ ...NOTHING, path: "/nowhere" }), 0);
});

Deno.test("isLying() takes a sparse and an empty file as they are", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/sparse`;
  await makeSparse(path);
  const { size } = await Deno.lstat(path);
  assertEquals(await isLying({ ...NOTHING, path, size }), false);
  const empty = await folder.file("empty");
  assertEquals(await isLying({ ...NOTHING, path: empty }), false);
  assertEquals(await isLying({ ...NOTHING, path: empty, size: 1 }), true);
  const full = await folder.file("full", "x");
  assertEquals(await isLying({ ...NOTHING, path: full }), true);
  // What is too large is refused by its size, not copied for ever.
  assertEquals(await isLying({ ...NOTHING, path: full, size: 1e14 }), false);
});

Deno.test("isLying() sees through files that the kernel makes when they are read", async () => {
  const module = import.meta.resolve("../../src/tree/changing.ts");
  const { stdout, stderr } = await runDeno(`
    import { Copy, isLying } from ${JSON.stringify(module)};
    const path = "/proc/version";
    const found = { path, size: Deno.statSync(path).size, isOdd: true };
    console.log(await isLying(found));
    const copy = new Copy(found, "length");
    const text = await new Response(copy.content()).text();
    console.log(text === Deno.readTextFileSync(path), copy.bytes === text.length, copy.reason);
  `);
  assertEquals([stdout, stderr], ["true\ntrue true length\n", ""]);
});

/** A file of 3 bytes with its copy, not read yet. */
async function makeCopy(path: string): Promise<Copy> {
  await Deno.writeTextFile(path, "one");
  await setTime(path, 100);
  const mtime = Math.floor(MOMENT / 1000);
  return new Copy({ ...NOTHING, path, size: 3, mtime }, "recent");
}

/** A second long ago, in milliseconds. */
const MOMENT = 1e12;

async function setTime(path: string, ms: number): Promise<void> {
  await Deno.utime(path, (MOMENT + ms) / 1000, (MOMENT + ms) / 1000);
}

Deno.test("Copy.content() reads a file when it is first asked for it, and sees that it has changed", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/a`;
  const copy = await makeCopy(path);
  const content = copy.content();
  const bytes = new Uint8Array(3 << 20).fill(7);
  await Deno.writeFile(path, bytes);
  assertEquals(await readAll(content), bytes);
  assertEquals([copy.bytes, copy.reason], [bytes.length, "changing"]);
  const same = await makeCopy(path);
  assertEquals((await readAll(same.content())).length, 3);
  assertEquals([same.bytes, same.reason], [3, "recent"]);
});

Deno.test("Copy.content() waits for no writer of a FIFO, tells what is gone, and hears its signal", async () => {
  await using folder = await makeFolder();
  const fifo = await makeFifo(`${folder.path}/fifo`);
  for (const path of [fifo, `${folder.path}/gone`]) {
    const copy = new Copy({ ...NOTHING, path }, "recent");
    await assertRejectsCode(readAll(copy.content()), "SOURCE_UNREADABLE");
  }
  const path = await makeSparse(`${folder.path}/large`);
  const controller = new AbortController();
  const copy = new Copy({ ...NOTHING, path }, "recent");
  const reader = copy.content(controller.signal).getReader();
  await reader.read();
  controller.abort(new Error("enough"));
  await assertRejects(
    async () => {
      while (!(await reader.read()).done);
    },
    Error,
    "enough",
  );
});

Deno.test("Copy.isOutdated() tells what was modified within the second that is recorded", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/a`;
  const after = async (change: () => Promise<void>) => {
    const copy = await makeCopy(path);
    await readAll(copy.content());
    await change();
    return await copy.isOutdated();
  };
  assertEquals(await after(async () => {}), false);
  const rewrite = async (text: string, ms: number) => {
    await Deno.writeTextFile(path, text);
    await setTime(path, ms);
  };
  assertEquals(await after(() => rewrite("two", 900)), true);
  // These are seen by their size and time the next time.
  assertEquals(await after(() => rewrite("longer", 900)), false);
  assertEquals(await after(() => rewrite("two", 1000)), false);
  assertEquals(await after(() => Deno.remove(path)), false);
});
