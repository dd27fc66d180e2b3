import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { putTree } from "../../mod.ts";
import { Copy, isLying, timeToSettle } from "../../src/tree/changing.ts";
import type { Found } from "../../src/tree/walk.ts";
import { HOLD, hookXorriso, openImage, textOf } from "../support/backends.ts";
import {
  age,
  assertRejectsCode,
  makeFifo,
  makeFolder,
  makeSparse,
  readAll,
  rejection,
  runDeno,
  until,
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

Deno.test("putTree() stores a log that grows all the time, and says that it was copied", async () => {
  await using folder = await makeFolder();
  const log = await folder.file("tree/log", "begin\n");
  const growing = new AbortController();
  const writer = new Deno.Command("sh", {
    args: ["-c", 'while :; do echo line >>"$1"; sleep 0.01; done', "sh", log],
    signal: growing.signal,
  }).spawn();
  try {
    await using backend = await openImage(folder);
    const result = await putTree(backend, `${folder.path}/tree`);
    const copied = result.copied.map(({ name }) => name);
    assertEquals([result.left, copied], [[], ["tree/log"]]);
    assertEquals((await backend.sessions()).length, 1);
    assertMatch(await textOf(backend, "tree/log"), /^begin\n(line\n)*$/);
  } finally {
    growing.abort();
    await writer.status;
  }
});

Deno.test("putTree() copies what was just written only if it is small, and waits for the rest", async () => {
  await using folder = await makeFolder();
  const small = await folder.file("tree/small", "small");
  const large = await makeSparse(await folder.file("tree/large"), 17 << 20);
  await using backend = await openImage(folder);
  // However busy the machine is, they are fresh when they are looked at.
  const time = (Date.now() + 500) / 1000;
  for (const path of [small, large]) await Deno.utime(path, time, time);
  const { copied, left } = await putTree(backend, `${folder.path}/tree`);
  assertEquals([copied, left], [
    [{ name: "tree/small", reason: "recent" }],
    [],
  ]);
  assert(Date.now() >= time * 1000 + 2000, "was not waited for");
  assertEquals((await backend.sessions()).length, 1);
});

Deno.test("putTree() refuses what is too large or does not fit before it copies any of it", async () => {
  await using folder = await makeFolder();
  await age(await folder.file("tree/a", "a"));
  const path = `${folder.path}/tree`;
  await using backend = await openImage(folder);
  const limit = 400 * 2 ** 30;
  await makeSparse(`${path}/too large`, limit);
  const isSmall = await backend.room() < limit / 2;
  if (isSmall) await makeSparse(`${path}/no room`, limit - 1e9);
  const { files, left } = await putTree(backend, path);
  assertEquals(files, 1);
  assertMatch(left.at(-1)?.error.message ?? "", /too large".*400 GiB/);
  if (isSmall) assertMatch(left[0]?.error.message ?? "", /no room".*free/);
});

Deno.test("putTree() hears its signal while it copies", async () => {
  await using folder = await makeFolder();
  const tempDir = `${folder.path}/temp`;
  await Deno.mkdir(tempDir);
  await using backend = await openImage(folder, { tempDir });
  // However busy the machine is, they are fresh when they are looked at.
  const time = Date.now() / 1000 + 1.5;
  for (let i = 0; i < 100; i++) {
    const path = await folder.file(`tree/${i}`);
    await makeSparse(path, 16 << 20);
    await Deno.utime(path, time, time);
  }
  const controller = new AbortController();
  let end: unknown;
  putTree(backend, `${folder.path}/tree`, { signal: controller.signal })
    .then(() => end = "stored", (error) => end = error);
  const reason = new Error("enough");
  let most = 0;
  await until(() => {
    const bytes = bytesIn(tempDir);
    if (bytes > 0) controller.abort(reason);
    most = Math.max(most, bytes);
    return end !== undefined;
  }, "it stops");
  assertEquals(end, reason);
  assert(most < 800 << 20, `${most} bytes were copied`);
});

/** Bytes of all files in a folder, while some come and go. */
function bytesIn(path: string): number {
  try {
    const { isDirectory, size } = Deno.lstatSync(path);
    if (!isDirectory) return size;
    const names = Array.from(Deno.readDirSync(path), ({ name }) => name);
    return names.reduce((sum, name) => sum + bytesIn(`${path}/${name}`), 0);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

Deno.test("putTree() hears its signal while it waits for what was just written", async () => {
  await using folder = await makeFolder();
  const path = await makeSparse(await folder.file("tree/large"), 17 << 20);
  await using backend = await openImage(folder);
  const time = Date.now() / 1000 + 1.5;
  await Deno.utime(path, time, time);
  const reason = new Error("enough");
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 50);
  const putting = putTree(backend, `${folder.path}/tree`, {
    signal: controller.signal,
  });
  assertEquals(await rejection(putting), reason);
  assert(Date.now() < time * 1000 + 2000, "it was not heard at once");
});

Deno.test("putTree() copies a file again that was changed within the second of its copy", async () => {
  await using folder = await makeFolder();
  const file = await folder.file("tree/a", "one");
  await using hooked = await hookXorriso(folder, "-commit", [HOLD]);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  const second = Math.floor(Date.now() / 1000) + 1;
  await Deno.utime(file, second + 0.1, second + 0.1);
  const putting = putTree(backend, `${folder.path}/tree`);
  await hooked.held();
  await Deno.writeTextFile(file, "two");
  await Deno.utime(file, second + 0.9, second + 0.9);
  // Before, nobody would take the time for a proof.
  await until(() => Date.now() > (second + 2) * 1000, "the time has passed");
  await hooked.release();
  const { copied, left } = await putting;
  assertEquals([copied, left], [[{ name: "tree/a", reason: "changing" }], []]);
  assertEquals(await textOf(backend, "tree/a"), "two");
  assertEquals((await backend.sessions()).length, 2);
});

Deno.test("putTree() stores what the kernel makes when it is read as it is read", async () => {
  await using folder = await makeFolder();
  const module = import.meta.resolve("../../mod.ts");
  const { stdout, stderr } = await runDeno(`
    import { putTree, XorrisoBackend } from ${JSON.stringify(module)};
    await using backend = await XorrisoBackend.open("xorriso://${folder.path}/test.iso", { create: true });
    const { copied, left, bytes } = await putTree(backend, "/proc/version");
    const text = await new Response(await backend.readable("version")).text();
    console.log(copied[0].name, copied[0].reason, left.length, text === Deno.readTextFileSync("/proc/version"), bytes === text.length);
  `);
  assertEquals([stdout, stderr], ["version length 0 true true\n", ""]);
});
