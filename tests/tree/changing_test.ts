import { assertEquals } from "@std/assert";
import { contentOf, isChanging, isLying } from "../../src/tree/changing.ts";
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

Deno.test("isChanging() tells what was modified in the last two seconds", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a");
  const at = async (age: number) => {
    const time = new Date(Date.now() - age);
    await Deno.utime(path, time, time);
    return await isChanging({ ...NOTHING, path });
  };
  assertEquals([await at(0), await at(-1e9), await at(2100)], [
    true,
    false,
    false,
  ]);
  assertEquals(await isChanging({ ...NOTHING, path: "/nowhere" }), false);
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
});

Deno.test("isLying() sees through files that the kernel makes when they are read", async () => {
  const module = import.meta.resolve("../../src/tree/changing.ts");
  const { stdout, stderr } = await runDeno(`
    import { contentOf, isLying } from ${JSON.stringify(module)};
    const path = "/proc/version";
    console.log(await isLying({ path, size: Deno.statSync(path).size, isOdd: true }));
    console.log(await new Response(contentOf(path)).text() === Deno.readTextFileSync(path));
  `);
  assertEquals([stdout, stderr], ["true\ntrue\n", ""]);
});

Deno.test("contentOf() reads a file when it is first asked for it", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a", "before");
  const content = contentOf(path);
  const bytes = new Uint8Array(3 << 20).fill(7);
  await Deno.writeFile(path, bytes);
  assertEquals(await readAll(content), bytes);
});

Deno.test("contentOf() waits for no writer of a FIFO, and tells what is gone", async () => {
  await using folder = await makeFolder();
  const fifo = await makeFifo(`${folder.path}/fifo`);
  for (const path of [fifo, `${folder.path}/gone`]) {
    await assertRejectsCode(readAll(contentOf(path)), "SOURCE_UNREADABLE");
  }
});
