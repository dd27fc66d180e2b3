import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { XorrisoError } from "../../src/errors.ts";
import { PartFile, resolveTarget } from "../../src/disk/targets.ts";
import { makeFolder, toBytes } from "../support/helpers.ts";

Deno.test("PartFile.place() gives a file its name, and leaves nothing else", async () => {
  await using folder = await makeFolder();
  const target = await resolveTarget(`${folder.path}/x`);
  using part = PartFile.create(target, toBytes("content"));
  part.place();
  assertEquals(await Deno.readTextFile(target), "content");
  const names = await Array.fromAsync(Deno.readDir(folder.path));
  assertEquals(names.map(({ name }) => name), ["x"]);
});

/** Has something done right after the next call of `Deno.renameSync()`. */
function afterRename(work: () => void): Disposable {
  const { renameSync } = Deno;
  const back = () => void Object.assign(Deno, { renameSync });
  Deno.renameSync = (from, to) => {
    back();
    renameSync(from, to);
    work();
  };
  return { [Symbol.dispose]: back };
}

Deno.test("PartFile.place() tells that a folder above was exchanged after the check", async (t) => {
  for (const isBack of [false, true]) {
    await t.step(isBack ? "and is back" : "for good", async () => {
      await using folder = await makeFolder();
      const { path } = folder;
      await Deno.mkdir(`${path}/other`);
      await Deno.mkdir(`${path}/d`);
      await folder.file("d/x", "old");
      const target = await resolveTarget(`${path}/d/x`);
      await Deno.rename(`${path}/d`, `${path}/aside`);
      await Deno.symlink("other", `${path}/d`);
      using part = PartFile.create(target, toBytes("content"));
      using _ = afterRename(() => {
        if (!isBack) return;
        Deno.removeSync(`${path}/d`);
        Deno.renameSync(`${path}/aside`, `${path}/d`);
      });
      const error = assertThrows(() => part.place(), XorrisoError);
      assertEquals(error.code, "TARGET_UNWRITABLE");
      assertStringIncludes(error.message, "folder above it was exchanged");
      const old = `${path}/${isBack ? "d" : "aside"}/x`;
      assertEquals(await Deno.readTextFile(old), "old");
    });
  }
});
