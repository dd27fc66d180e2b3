import { assertEquals, assertMatch } from "@std/assert";
import { XorrisoBackend } from "../../mod.ts";
import { age, makeFolder } from "../support/helpers.ts";
import { parseLines, putImage, run, succeed } from "../support/program.ts";

Deno.test("delete removes names from the newest session, and --session shows the older one", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a", b: "b", "f/c": "c" });
  assertEquals((await run(["delete", url, "a", "x"])).code, 3);
  assertEquals(await succeed("list", url), "a\nb\nf/c\n");
  const outcome = await run(["delete", url, "a", "f/*", "--json"]);
  assertEquals(outcome.code, 0);
  assertEquals(parseLines(outcome.stdout), [
    { kind: "removed", name: "a" },
    { kind: "removed", name: "f/c" },
    { summary: { files: 2, folders: 0, session: 2, left: 0, seconds: 0 } },
  ]);
  await age(`${folder.path}/a.iso`);
  assertEquals(await succeed("list", url), "b\n");
  assertEquals(await succeed("list", url, "--session", "1"), "a\nb\nf/c\n");
  assertEquals(
    await succeed("get", url, "a", "--to", "-", "--session", "1"),
    "a",
  );
  assertEquals((await run(["list", url, "--session", "9"])).code, 3);
});

Deno.test("delete removes a folder with --recursive alone", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a", "f/g/b": "b", c: "c" });
  for (const name of ["f", "f/g/", "?"]) {
    const outcome = await run(["rm", url, name]);
    assertEquals([outcome.code, outcome.stdout], [2, ""]);
    assertMatch(outcome.stderr, /is a folder: add "--recursive"/);
  }
  const { code, stderr } = await run(["rm", url, "f/g", "f/a", "f", "-rv"]);
  assertEquals([code, stderr.split("\n").toSorted()], [0, [
    "",
    "Removed 2 files, 2 folders, session 2",
    "removed     f",
    "removed     f/a",
    "removed     f/g",
    "removed     f/g/b",
  ]]);
  assertEquals(await succeed("list", url), "c\n");
});

Deno.test("move renames files and folders, and replaces a file with --overwrite alone", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a", b: "b" });
  await succeed("move", url, "f", "g/h");
  assertEquals(await succeed("list", url), "b\ng/h/a\n");
  assertEquals((await run(["mv", url, "b", "g/h/a"])).code, 1);
  assertEquals((await run(["mv", url, "x", "y"])).code, 3);
  const outcome = await run(["mv", url, "b", "g/h/a", "--overwrite"]);
  assertEquals(outcome.stderr, 'Moved "b" to "g/h/a", session 3\n');
  assertEquals(await succeed("get", url, "g/h/a", "--to", "-"), "b");
});

Deno.test("commands wait for an image that is in use as long as --wait says", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  await using backend = await XorrisoBackend.open(url);
  const busy = await run(["rm", url, "a"]);
  assertEquals(busy.code, 4);
  assertMatch(busy.stderr, /^xorriso-backend: .* by --wait\n$/);
  assertEquals((await run(["rm", url, "a", "--wait", "soon"])).code, 2);
  const waiting = run(["rm", url, "a", "--wait", "60"]);
  await backend.close();
  assertEquals((await waiting).code, 0);
});
