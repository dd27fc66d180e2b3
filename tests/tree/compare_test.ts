import { assertEquals } from "@std/assert";
import {
  compareEntries,
  compareTree,
  putTree,
  type TreeChange,
} from "../../mod.ts";
import { openImage } from "../support/backends.ts";
import { age, makeFifo, makeFolder } from "../support/helpers.ts";

/** Changes, a line each. */
function told(changes: readonly TreeChange[]): string[] {
  return changes.map(({ kind, name, attributes }) =>
    [kind, name, ...attributes].join(" ")
  );
}

Deno.test("compareTree() finds no difference right after putTree()", async () => {
  await using folder = await makeFolder();
  await folder.file("tree/a", "a");
  await folder.file("tree/d/b", "b");
  await Deno.symlink("a", `${folder.path}/tree/l`);
  await makeFifo(`${folder.path}/tree/fifo`);
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  await putTree(backend, path);
  assertEquals(await compareTree(backend, path), []);
  assertEquals(await compareTree(backend, path, { checksums: true }), []);
});

Deno.test("compareTree() tells each kind of difference", async () => {
  await using folder = await makeFolder();
  for (const name of ["gone", "same", "mode", "kind", "longer", "d/e/gone"]) {
    await age(await folder.file(`tree/${name}`, name));
  }
  const path = `${folder.path}/tree`;
  for (const name of ["d/e", "d", "."]) await age(`${path}/${name}`);
  await Deno.symlink("one", `${path}/link`);
  await age(path);
  await using backend = await openImage(folder);
  await putTree(backend, path);
  for (const name of ["gone", "kind", "link", "d/e"]) {
    await Deno.remove(`${path}/${name}`, { recursive: true });
  }
  await folder.file("tree/new");
  await age(await folder.file("tree/longer", "longer than before"));
  await Deno.chmod(`${path}/mode`, 0o600);
  await Deno.mkdir(`${path}/kind`);
  await Deno.symlink("two", `${path}/link`);
  await age(`${path}/longer`);
  const changes = told(await compareTree(backend, path));
  assertEquals(
    changes.map((line) => line.split(" ").slice(0, 2).join(" ")),
    [
      ...["attributes tree", "attributes tree/d", "removed tree/d/e"],
      ...["removed tree/d/e/gone", "removed tree/gone", "type tree/kind"],
      ...["content tree/link", "content tree/longer", "attributes tree/mode"],
      "added tree/new",
    ],
  );
  assertEquals(changes.includes("attributes tree/mode mode"), true);
});

Deno.test("compareTree() compares contents where times prove nothing, or it is asked to", async () => {
  await using folder = await makeFolder();
  const file = await folder.file("tree/a", "one");
  const path = `${folder.path}/tree`;
  const old = new Date(Date.now() - 60_000);
  await Deno.utime(file, old, old);
  await using backend = await openImage(folder);
  await putTree(backend, path);
  await Deno.writeTextFile(file, "two");
  await Deno.utime(file, old, old);
  assertEquals(await compareTree(backend, path), []);
  const checksums = true;
  assertEquals(told(await compareTree(backend, path, { checksums })), [
    "content tree/a",
  ]);
});

Deno.test("compareTree() leaves out what patterns match", async () => {
  await using folder = await makeFolder();
  await folder.file("tree/a");
  await using backend = await openImage(folder);
  const path = `${folder.path}/tree`;
  await putTree(backend, path);
  await folder.file("tree/b.tmp");
  await Deno.remove(`${path}/a`);
  const exclude = ["*.tmp", "a"];
  const changes = told(await compareTree(backend, path, { exclude }));
  assertEquals(changes.filter((line) => line !== "attributes tree mtime"), [
    "removed tree/a",
  ]);
});

Deno.test("compareEntries() tells what a session has changed", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/tree`;
  for (const name of ["gone", "same", "other"]) {
    await age(await folder.file(`tree/${name}`, name));
  }
  await using backend = await openImage(folder);
  await putTree(backend, path);
  const older = await backend.list({ all: true, md5: true });
  await Deno.remove(`${path}/gone`);
  await age(await folder.file("tree/other", "another"));
  await Deno.chmod(`${path}/same`, 0o600);
  await folder.file("tree/new");
  await putTree(backend, path, { mirror: true });
  const newer = await backend.list({ all: true, md5: true });
  const changes = compareEntries(older, newer).filter(({ name }) =>
    name !== "tree"
  );
  assertEquals(changes.map(({ kind, name }) => `${kind} ${name}`), [
    ...["removed tree/gone", "added tree/new", "content tree/other"],
    "attributes tree/same",
  ]);
});
