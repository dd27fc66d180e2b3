import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { XorrisoError } from "../../src/errors.ts";
import { PartFile, resolveTarget } from "../../src/disk/targets.ts";
import { makeFolder, toBytes } from "../support/helpers.ts";
import { exchange, giveBack } from "../support/stranger.ts";

Deno.test("PartFile.place() gives a file its name, and leaves nothing else", async () => {
  await using folder = await makeFolder();
  const target = await resolveTarget(`${folder.path}/x`);
  using part = PartFile.create({ target }, toBytes("content"));
  part.place();
  assertEquals(await Deno.readTextFile(target), "content");
  const names = await Array.fromAsync(Deno.readDir(folder.path));
  assertEquals(names.map(({ name }) => name), ["x"]);
});

/** Has something done right before and after the next call of `Deno.renameSync()`. */
function aroundRename(before: () => void, after: () => void): Disposable {
  const { renameSync } = Deno;
  const back = () => void Object.assign(Deno, { renameSync });
  Deno.renameSync = (from, to) => {
    back();
    before();
    renameSync(from, to);
    after();
  };
  return { [Symbol.dispose]: back };
}

/** A folder `d` with a file `x`, which is to be replaced, and another folder. */
async function makeFolders(): Promise<
  AsyncDisposable & {
    readonly d: string;
    readonly other: string;
    readonly target: string;
  }
> {
  const folder = await makeFolder();
  const [d, other] = [`${folder.path}/d`, `${folder.path}/other`];
  await Deno.mkdir(other);
  await folder.file("d/x", "old");
  return {
    ...{ d, other, target: await resolveTarget(`${d}/x`) },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function assertTold(part: PartFile): void {
  const error = assertThrows(() => part.place(), XorrisoError);
  assertEquals(error.code, "TARGET_UNWRITABLE");
  assertStringIncludes(error.message, "folder above it was exchanged");
}

Deno.test("PartFile.place() replaces nothing where a folder above was exchanged before", async () => {
  await using at = await makeFolders();
  const { d, other, target } = at;
  await Deno.writeTextFile(`${other}/x`, "theirs");
  exchange(d, other);
  using part = PartFile.create({ target }, toBytes("content"));
  assertTold(part);
  assertEquals(await Deno.readTextFile(`${other}/x`), "theirs");
});

Deno.test("PartFile.place() tells that a folder above was exchanged meanwhile", async (t) => {
  for (const isBack of [false, true]) {
    await t.step(isBack ? "and is back" : "for good", async () => {
      await using at = await makeFolders();
      const { d, other, target } = at;
      exchange(d, other);
      using part = PartFile.create({ target }, toBytes("content"));
      giveBack(d);
      using _ = aroundRename(() => exchange(d, other), () => {
        if (isBack) giveBack(d);
      });
      assertTold(part);
      if (!isBack) giveBack(d);
      assertEquals(await Deno.readTextFile(target), "old");
    });
  }
});

/** Counts the calls of `Deno.realPathSync()`. */
function countLooks(): Disposable & { count: number } {
  const { realPathSync } = Deno;
  const looks = {
    count: 0,
    [Symbol.dispose]: () => void (Deno.realPathSync = realPathSync),
  };
  Deno.realPathSync = (path) => {
    looks.count++;
    return realPathSync(path);
  };
  return looks;
}

Deno.test("PartFile.place() looks once at each folder, and tells each file that may lie elsewhere", async () => {
  await using folder = await makeFolder();
  await using at = await makeFolders();
  using stack = new DisposableStack();
  const make = (target: string) => stack.use(PartFile.create({ target }));
  const parts = ["a", "b", "c"].map((name) => make(`${folder.path}/${name}`));
  exchange(at.d, at.other);
  const lost = ["x", "y"].map((name) => make(`${at.d}/${name}`));
  using looks = countLooks();
  assertEquals([...PartFile.place([...lost, ...parts]).keys()], lost);
  // Twice at the folder of the three, once at the other for each that is told.
  assertEquals(looks.count, 2 + 2);
  const names = await Array.fromAsync(Deno.readDir(folder.path));
  assertEquals(names.map(({ name }) => name).sort(), ["a", "b", "c"]);
});

Deno.test("PartFile gives its room back at once when it is given up", async () => {
  await using folder = await makeFolder();
  const part = PartFile.create({ target: `${folder.path}/x` }, toBytes("x"));
  const [{ name } = { name: "" }] = await Array.fromAsync(
    Deno.readDir(folder.path),
  );
  // As a process that is being forked at this moment has it.
  using file = await Deno.open(`${folder.path}/${name}`);
  part[Symbol.dispose]();
  assertEquals((await file.stat()).size, 0);
});

/** Has files keep to one name, as on FAT. */
function forbidLinks(): Disposable {
  const { linkSync } = Deno;
  Deno.linkSync = () => {
    const error = new Deno.errors.PermissionDenied("Operation not permitted");
    throw Object.assign(error, { code: "EPERM" });
  };
  return { [Symbol.dispose]: () => void (Deno.linkSync = linkSync) };
}

Deno.test("PartFile.place() replaces nothing where files have one name only, either", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await folder.file("taken", "mine");
  await Deno.symlink("nowhere", `${path}/link`);
  using _ = forbidLinks();
  for (const name of ["free", "taken", "link"]) {
    const target = { target: `${path}/${name}`, replace: false };
    using part = PartFile.create(target, toBytes("content"));
    if (name === "free") part.place();
    else {
      const error = assertThrows(() => part.place(), XorrisoError);
      assertEquals(error.code, "TARGET_EXISTS");
    }
  }
  assertEquals(await Deno.readTextFile(`${path}/free`), "content");
  assertEquals(await Deno.readTextFile(`${path}/taken`), "mine");
  assertEquals(await Deno.readLink(`${path}/link`), "nowhere");
});
