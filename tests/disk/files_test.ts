import { assertEquals, assertRejects } from "@std/assert";
import { lstat, realPath, stat } from "../../src/disk/files.ts";
import { makeFolder } from "../support/helpers.ts";

Deno.test("stat(), lstat() and realPath() tell what Deno tells", async () => {
  await using folder = await makeFolder();
  const file = await folder.file("a", "content");
  const link = `${folder.path}/link`;
  await Deno.symlink(file, link);
  assertEquals(await stat(link), await Deno.stat(link));
  assertEquals(await lstat(link), await Deno.lstat(link));
  assertEquals(await realPath(link), file);
});

Deno.test("stat(), lstat() and realPath() reject where nothing is", async () => {
  await using folder = await makeFolder();
  for (const look of [stat, lstat, realPath]) {
    // A promise in any case: nothing is thrown before it can be caught.
    const looking: Promise<unknown> = look(`${folder.path}/missing`);
    await assertRejects(() => looking, Deno.errors.NotFound);
  }
});

Deno.test("stat() leaves the rest to the thread pool after a slow look", async () => {
  const { now } = performance;
  const { statSync } = Deno;
  let clock = 1e6;
  let calls = 0;
  try {
    performance.now = () => clock;
    // deno-lint-ignore no-sync-fn-in-async-fn -- replaced, not called
    Deno.statSync = (path) => {
      calls++;
      clock += 3;
      return statSync(path);
    };
    await stat("/");
    await stat("/");
    assertEquals(calls, 1);
    clock += 1001;
    await stat("/");
    assertEquals(calls, 2);
  } finally {
    performance.now = now;
    // deno-lint-ignore no-sync-fn-in-async-fn -- replaced, not called
    Deno.statSync = statSync;
  }
});
