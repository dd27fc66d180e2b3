import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  compareTree,
  getTree,
  putTree,
  type PutTreeResult,
  type XorrisoBackend,
} from "../../mod.ts";
import { openImage, textOf } from "../support/backends.ts";
import {
  age,
  assertRejectsCode,
  type Folder,
  makeFifo,
  makeFolder,
  noise,
  runShell,
  runXorriso,
} from "../support/helpers.ts";
import { differences, tellTree } from "../support/trees.ts";
import { noLongNameFault, unless } from "../support/needs.ts";

/** A folder `tree` with old files in a folder for the test. */
async function makeTree(
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<Folder> {
  const folder = await makeFolder();
  for (const [name, content] of Object.entries(files)) {
    await age(await folder.file(`tree/${name}`, content));
  }
  await age(`${folder.path}/tree`);
  return folder;
}

/** What has been done, without what has not. */
function summary(result: PutTreeResult): Partial<PutTreeResult> {
  const { needed: _, bytes: __, unchanged: ___, ...rest } = result;
  return Object.fromEntries(
    Object.entries(rest).filter(([, value]) =>
      Array.isArray(value) ? value.length > 0 : value !== 0
    ),
  );
}

/** Number of sessions on the medium. */
async function sessions(backend: XorrisoBackend): Promise<number> {
  return (await backend.sessions()).length;
}

Deno.test("putTree() writes no session when nothing has changed", async () => {
  await using folder = await makeTree({ a: "hello", "d/b": "world" });
  await Deno.mkdir(`${folder.path}/tree/empty`);
  await Deno.symlink("a", `${folder.path}/tree/l`);
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  assertEquals(summary(await putTree(backend, path)), {
    ...{ files: 2, folders: 3, links: 1 },
  });
  const again = await putTree(backend, path, { mirror: true });
  assertEquals(summary(again), {});
  assertEquals(again.unchanged, 6);
  assertEquals(await sessions(backend), 1);
});

Deno.test("putTree() writes the content of what has changed, and of nothing else", async () => {
  await using folder = await makeTree({ a: noise(500_000), b: "one" });
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  await putTree(backend, path);
  await age(await folder.file("tree/b", "other"));
  const { size } = await Deno.stat(`${folder.path}/test.iso`);
  const result = await putTree(backend, path);
  assertEquals(summary(result), { files: 1 });
  assertEquals([result.bytes, result.unchanged], [5, 2]);
  assertEquals(await textOf(backend, "tree/b"), "other");
  const grown = (await Deno.stat(`${folder.path}/test.iso`)).size - size;
  assert(grown < 500_000, `${grown} bytes`);
});

Deno.test("putTree() writes attributes without content", async () => {
  await using folder = await makeTree({ a: noise(3_000_000), "d/b": "x" });
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  await putTree(backend, path);
  await Deno.chmod(`${path}/a`, 0o4711);
  await Deno.chmod(`${path}/d`, 0o700);
  await Deno.utime(`${path}/d/b`, 1e9, 1e9);
  const { size } = await Deno.stat(`${folder.path}/test.iso`);
  assertEquals(summary(await putTree(backend, path)), { attributes: 3 });
  const grown = (await Deno.stat(`${folder.path}/test.iso`)).size - size;
  assert(grown < 1_000_000, `${grown} bytes`);
  const to = `${folder.path}/to`;
  await getTree(backend, "tree", to, { setId: true });
  assertEquals(differences(tellTree(to), tellTree(path)), []);
});

Deno.test("putTree() moves what has moved, its content unwritten", async () => {
  await using folder = await makeTree({
    ...{ "old/a": noise(3_000_000), "old/b": noise(3_000_000, 2), c: "c" },
  });
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  await putTree(backend, path);
  await Deno.rename(`${path}/old`, `${path}/new`);
  await Deno.rename(`${path}/new/b`, `${path}/b`);
  const { size } = await Deno.stat(`${folder.path}/test.iso`);
  const result = await putTree(backend, path, { mirror: true });
  assertEquals(summary(result), {
    ...{ folders: 1, attributes: 1, moved: 2, removed: 1 },
  });
  const grown = (await Deno.stat(`${folder.path}/test.iso`)).size - size;
  assert(grown < 1_000_000, `${grown} bytes`);
  const to = `${folder.path}/to`;
  await getTree(backend, "tree", to);
  assertEquals(differences(tellTree(to), tellTree(path)), []);
});

Deno.test("putTree() takes no other file of the same size and time for one that has moved", async () => {
  await using folder = await makeTree({ a: "one" });
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  const { mtime } = await Deno.stat(`${path}/a`);
  await putTree(backend, path);
  await Deno.remove(`${path}/a`);
  await folder.file("tree/b", "two");
  await Deno.utime(`${path}/b`, mtime ?? 0, mtime ?? 0);
  const result = await putTree(backend, path, { mirror: true });
  assertEquals([result.moved, result.files, result.removed], [0, 1, 1]);
  assertEquals(await textOf(backend, "tree/b"), "two");
});

Deno.test("putTree() removes what is gone only as a mirror", async () => {
  await using folder = await makeTree({
    ...{ a: "a", "d/b": "b", "d/e/c": "c", "keep/x.tmp": "x" },
  });
  await using backend = await openImage(folder);
  await backend.put(new Uint8Array(1), "other/file");
  const path = `${folder.path}/tree`;
  await putTree(backend, path);
  await Deno.remove(`${path}/a`);
  await Deno.remove(`${path}/d/e`, { recursive: true });
  assertEquals((await putTree(backend, path)).removed, 0);
  assertEquals(await textOf(backend, "tree/d/e/c"), "c");
  const exclude = ["**/*.tmp"];
  const result = await putTree(backend, path, { mirror: true, exclude });
  assertEquals([result.removed, result.excluded], [3, 1]);
  const names = (await backend.list({ all: true })).map(({ name }) => name);
  assertEquals(names.sort(), [
    ...["other", "other/file", "tree", "tree/d", "tree/d/b"],
    ...["tree/keep", "tree/keep/x.tmp"],
  ]);
});

Deno.test("putTree() refuses to mirror an empty folder, which may not be mounted", async () => {
  await using folder = await makeTree({ a: "a", "d/b": "b" });
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  for (const as of ["tree", ""]) {
    await putTree(backend, path, { as });
    await Deno.rename(path, `${path}.away`);
    await Deno.mkdir(path);
    const options = { as, mirror: true };
    const refused = putTree(backend, path, options);
    const { message } = await assertRejectsCode(refused, "SOURCE_UNREADABLE");
    assertMatch(message, /tree": it is empty/);
    assertEquals(await textOf(backend, `${as}/a`.replace(/^\//, "")), "a");
    // One name, be it left out, shows that it is there.
    await Deno.writeTextFile(`${path}/x.tmp`, "");
    await putTree(backend, path, { ...options, exclude: ["*.tmp"] });
    const names = (await backend.list()).map(({ name }) => name);
    assertEquals(names, []);
    await Deno.remove(path, { recursive: true });
    await Deno.rename(`${path}.away`, path);
  }
  await Deno.remove(path, { recursive: true });
  await Deno.mkdir(path);
  const { folders } = await putTree(backend, path, { mirror: true });
  assertEquals(folders, 1);
});

Deno.test("putTree() replaces things by things of another kind", async () => {
  await using folder = await makeTree({ a: "a", "b/x": "x", c: "c" });
  await Deno.symlink("a", `${folder.path}/tree/l`);
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  await putTree(backend, path);
  for (const name of ["a", "b", "c", "l"]) {
    await Deno.remove(`${path}/${name}`, { recursive: true });
  }
  await folder.file("tree/a/y", "y");
  await folder.file("tree/b", "b");
  await Deno.symlink("x", `${path}/c`);
  await Deno.symlink("y", `${path}/l`);
  const some = await putTree(backend, path);
  assertEquals(some.left.map(({ name, reason }) => [name, reason]), [
    ["tree/b", "exists"],
  ]);
  assertMatch(some.left[0]?.error.message ?? "", /folder "tree\/b".*mirror/);
  const all = await putTree(backend, path, { mirror: true });
  assertEquals(all.left, []);
  const to = `${folder.path}/to`;
  assertEquals((await getTree(backend, "tree", to)).left, []);
  assertEquals(differences(tellTree(to), tellTree(path)), []);
});

Deno.test("putTree() never takes a file for unchanged that changed within the second of its commit", async () => {
  await using folder = await makeFolder();
  const file = await folder.file("tree/a", "one");
  const path = `${folder.path}/tree`;
  await using backend = await openImage(folder);
  const mtime = new Date();
  await Deno.utime(file, mtime, mtime);
  await putTree(backend, path);
  await Deno.writeTextFile(file, "two");
  await Deno.utime(file, mtime, mtime);
  assertEquals((await putTree(backend, path)).files, 1);
  assertEquals(await textOf(backend, "tree/a"), "two");
});

Deno.test("putTree() compares checksums where asked to, or stores all again", async () => {
  await using folder = await makeTree({ a: "one", b: "b" });
  const path = `${folder.path}/tree`;
  await using backend = await openImage(folder);
  await putTree(backend, path);
  const { mtime } = await Deno.stat(`${path}/a`);
  await Deno.writeTextFile(`${path}/a`, "two");
  await Deno.utime(`${path}/a`, mtime ?? 0, mtime ?? 0);
  // Only who sets times back could deceive it so.
  const quick = await putTree(backend, path);
  assertEquals(quick.files, 0);
  const sure = await putTree(backend, path, { unchanged: "checksum" });
  assertEquals([sure.files, sure.unchanged], [1, 2]);
  const all = await putTree(backend, path, { unchanged: "store" });
  assertEquals(all.files, 2);
});

Deno.test("putTree() leaves what it cannot store, and stores the rest", async () => {
  await using folder = await makeTree({ good: "good" });
  const path = `${folder.path}/tree`;
  await makeFifo(`${path}/fifo`);
  await runShell(`: >"$1/$(printf 'na\\357ve')"`, path);
  const told: string[] = [];
  await using backend = await openImage(folder);
  const { files, left } = await putTree(backend, path, {
    onEntry: ({ kind, name }) => told.push(`${kind} ${name}`),
  });
  assertEquals(files, 1);
  assertEquals(left.map(({ name, reason }) => [name, reason]), [
    ...[["tree/fifo", "special"], ["tree/na\ufffdve", "name"]],
  ]);
  assertEquals(told, [
    ...["left tree/fifo", "left tree/na\ufffdve"],
    ...["stored tree", "stored tree/good"],
  ]);
});

Deno.test("putTree() never removes as a mirror what it cannot see on disk: names that are not UTF-8", async () => {
  await using folder = await makeTree({ a: "a" });
  const path = `${folder.path}/tree`;
  await runShell(
    `cd "$1"; : >"$(printf 'na\\357ve')"; : >"$(printf 'out\\357')"
    mkdir "$(printf 'x\\377')"; : >"$(printf 'x\\377/in')"`,
    path,
  );
  await runXorriso([
    ["-outdev", `stdio:${folder.path}/test.iso`],
    ["-map", path, "/tree"],
    ["-map", `${path}/a`, "/tree/gone"],
    ["-commit"],
  ]);
  await using backend = await openImage(folder);
  const options = { exclude: ["out*"] };
  const changes = await compareTree(backend, path, options);
  assertEquals(changes.map(({ kind, name }) => `${kind} ${name}`), [
    "removed tree/gone",
  ]);
  await putTree(backend, path, { ...options, mirror: true });
  const names = (await backend.list()).map(({ name }) => name);
  const unseen = ["na\udcefve", "out\udcef", "x\udcff/in"];
  assertEquals(names.sort(), ["a", ...unseen].map((name) => `tree/${name}`));
});

Deno.test("putTree() does not store the image in itself", async () => {
  await using folder = await makeTree({ a: "a" });
  await using backend = await openImage(folder);
  const { left } = await putTree(backend, folder.path, { as: "all" });
  assertEquals(left.map(({ name, reason }) => [name, reason]), [
    ["all/test.iso", "image"],
  ]);
});

Deno.test("putTree() stores several sources in one session, and into the directory itself", async () => {
  await using folder = await makeTree({ a: "a" });
  const other = await folder.file("other", "other");
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  const sources = [{ path, as: "" }, { path: other, as: "deep/er/file" }];
  await putTree(backend, sources);
  assertEquals(await sessions(backend), 1);
  const names = (await backend.list({ all: true })).map(({ name }) => name);
  assertEquals(names.sort(), ["a", "deep", "deep/er", "deep/er/file"]);
  await assertRejects(
    () => putTree(backend, [{ path, as: "x" }, { path: other, as: "x/a" }]),
    TypeError,
    'as "x/a"',
  );
});

Deno.test("putTree() removes no source as a mirror of another that it is stored below", async () => {
  await using folder = await makeTree({ a: "a", b: "b" });
  const other = await folder.file("other", "other");
  await age(other);
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  const sources = [{ path }, { path: other, as: "tree/deep/er/file" }];
  await putTree(backend, sources, { mirror: true });
  await Deno.remove(`${path}/b`);
  const { removed } = await putTree(backend, sources, { mirror: true });
  assertEquals(removed, 1);
  const names = (await backend.list()).map(({ name }) => name);
  assertEquals(names.sort(), ["tree/a", "tree/deep/er/file"]);
});

Deno.test("putTree() tells what it would do, with dryRun, and does nothing", async () => {
  await using folder = await makeTree({ a: noise(3000), b: "b" });
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  const { files, bytes, needed, free = 0 } = await putTree(backend, path, {
    dryRun: true,
  });
  assertEquals([files, bytes, needed], [2, 3001, 3 * 2048]);
  assert(free > needed);
  assertEquals(await sessions(backend), 0);
});

Deno.test("putTree() keeps hard links when one of them changes by name", async () => {
  await using folder = await makeTree({ a: noise(100_000) });
  const path = `${folder.path}/tree`;
  await Deno.link(`${path}/a`, `${path}/b`);
  await using backend = await openImage(folder);
  assertEquals((await putTree(backend, path)).bytes, 100_000);
  await Deno.link(`${path}/a`, `${path}/c`);
  await putTree(backend, path);
  const to = `${folder.path}/to`;
  await getTree(backend, "tree", to);
  assertEquals(differences(tellTree(to), tellTree(path)), []);
});

Deno.test("putTree() fails where the source is not there, or its pattern names nothing", async () => {
  await using folder = await makeTree({});
  await using backend = await openImage(folder);
  await assertRejectsCode(
    putTree(backend, `${folder.path}/nowhere`),
    "SOURCE_UNREADABLE",
  );
  await assertRejectsCode(
    putTree(backend, folder.path, { excludeFrom: `${folder.path}/nowhere` }),
    "SOURCE_UNREADABLE",
  );
  await assertRejects(
    () => putTree(backend, folder.path, { exclude: [""] }),
    TypeError,
  );
});

Deno.test("putTree() takes patterns from a file, too", async () => {
  await using folder = await makeTree({ a: "a", "b.tmp": "b", "c.tmp": "c" });
  const excludeFrom = await folder.file("patterns", "# temporary\n*.tmp\n");
  await using backend = await openImage(folder);
  await putTree(backend, `${folder.path}/tree`, {
    ...{ excludeFrom, exclude: ["!c.tmp"] },
  });
  const names = (await backend.list()).map(({ name }) => name);
  assertEquals(names.sort(), ["tree/a", "tree/c.tmp"]);
});

Deno.test(
  unless(
    await noLongNameFault(),
    "putTree() stores the rest where xorriso 1.5.4 cannot write the long names of a folder",
  ),
  async () => {
    await using folder = await makeTree({ "d/short": "d", "e/short": "e" });
    const long = Array.from({ length: 60 }, (_, i) => `${i}`.padEnd(200, "x"));
    for (const name of long) await age(await folder.file(`tree/d/${name}`));
    await using backend = await openImage(folder);
    const { files, left } = await putTree(backend, `${folder.path}/tree`);
    assertEquals([files, left.length], [2, 60]);
    assertEquals([...new Set(left.map(({ reason }) => reason))], ["name"]);
    assertMatch(left[0]?.error.message ?? "", /xorriso 1\.5\.6/);
    assertEquals(await sessions(backend), 1);
  },
);
