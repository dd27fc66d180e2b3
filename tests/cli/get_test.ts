import { assertEquals, assertMatch } from "@std/assert";
import { makeFolder } from "../support/helpers.ts";
import {
  assertMissing,
  makeForeignImage,
  parseLines,
  putImage,
  readTree,
  run,
  succeed,
} from "../support/program.ts";

Deno.test("get puts one file where --to says: a new name, or a folder that is there", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a" });
  const to = `${folder.path}/to`;
  await Deno.mkdir(to);
  for (const target of [`${to}/b`, to, `${to}/new/`]) {
    await succeed("get", url, "f/a", "--to", target);
  }
  assertEquals(await readTree(to), { "b": "a", "a": "a", "new/a": "a" });
});

Deno.test("get restores several names and globs below --to, by their whole names", async () => {
  await using folder = await makeFolder();
  const files = { "f/a": "a", "f/g/b": "b", "c": "c", "d.tar": "d" };
  const url = await putImage(folder.path, files);
  const to = `${folder.path}/to`;
  await succeed("get", url, "f/g", "*.tar", "--to", to);
  assertEquals(await readTree(to), { "f/g/b": "b", "d.tar": "d" });
});

Deno.test("get of a missing name makes nothing and exits with 3", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  for (const name of ["b", "b/", "a/b", "*.png"]) {
    const outcome = await run([
      "get",
      url,
      "a",
      name,
      "--to",
      `${folder.path}/target`,
    ]);
    assertEquals([outcome.code, outcome.stdout], [3, ""]);
  }
  for (const words of [["--to", "-"], ["a", "--to", ""]]) {
    assertEquals((await run(["get", url, ...words])).code, 2);
  }
  await assertMissing(`${folder.path}/target`);
});

Deno.test("get goes on when a name cannot be that of a file, and fails", async () => {
  await using folder = await makeFolder();
  const url = await makeForeignImage(folder.path);
  const { code, stdout, stderr } = await run([
    ...["get", url, "--to", `${folder.path}/target`],
    "--json",
  ]);
  assertEquals(code, 1);
  const counts = { files: 1, bytes: 1, folders: 0, links: 0, unchanged: 0 };
  assertEquals(parseLines(stdout), [
    { kind: "restored", name: "plain", size: 1 },
    { summary: { ...counts, left: 1, seconds: 0 } },
  ]);
  assertEquals(parseLines(stderr).length, 1);
  assertEquals(await readTree(`${folder.path}/target`), { plain: "x" });
});

Deno.test("get keeps what is there and differs, and replaces it with --overwrite", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a", "f/b": "b" });
  const to = `${folder.path}/to`;
  await succeed("get", url, "f", "--to", to);
  await Deno.writeTextFile(`${to}/a`, "mine");
  const kept = await run(["get", url, "f", "--to", to]);
  assertEquals([kept.code, await readTree(to)], [7, { a: "mine", b: "b" }]);
  assertMatch(kept.stderr, /a".*by --overwrite\n.*1 unchanged, 1 left out\n$/);
  const one = await run(["get", url, "f/a", "--to", `${to}/a`]);
  assertEquals([one.code, await readTree(to)], [7, { a: "mine", b: "b" }]);
  const words = ["get", url, "f", "--to", to, "--overwrite"];
  assertEquals(
    (await run([...words, "-n"])).stderr,
    "restored    f/a  (1 B)\nWould restore 1 file, 1 B, 1 unchanged\n",
  );
  assertEquals(await Deno.readTextFile(`${to}/a`), "mine");
  assertEquals(
    (await run(words)).stderr,
    "Restored 1 file, 1 B, 1 unchanged\n",
  );
  assertEquals(await readTree(to), { a: "a", b: "b" });
});

Deno.test("get tells what no flag replaces: a folder in a file's place, and no folder in a folder's", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a" });
  const to = `${folder.path}/to`;
  await Deno.mkdir(`${to}/a`, { recursive: true });
  const file = await folder.file("file", "mine");
  for (const [target, expected] of [[to, 7], [file, 1]] as const) {
    const words = ["get", url, "f", "--to", target, "--overwrite"];
    const { code, stderr } = await run(words);
    assertEquals(code, expected);
    assertMatch(stderr, /is there; move it|it is no folder; move it/);
  }
  assertEquals(await Deno.readTextFile(file), "mine");
});

Deno.test("get names the target that cannot be written", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a", "f/b": "b" });
  const inFile = `${folder.path}/a.iso/x`;
  assertEquals(await run(["get", url, "a", "--to", inFile]), {
    code: 1,
    stdout: "",
    stderr: `xorriso-backend: Cannot write "${inFile}": Not a directory\n`,
  });
});

Deno.test("get of a link restores it by its own name, and of a name with a byte that is not UTF-8", async () => {
  await using folder = await makeFolder();
  await folder.file("f/a", "a");
  await Deno.symlink("a", `${folder.path}/f/link`);
  const url = `xorriso://${folder.path}/a.iso`;
  await succeed("put", url, `${folder.path}/f`, "--create");
  const to = `${folder.path}/to`;
  await succeed("get", url, "f/link", "--to", to);
  assertEquals(await Deno.readLink(`${to}/link`), "a");
  assertEquals((await run(["get", url, "f/link", "--to", "-"])).code, 2);
  const foreign = await makeForeignImage(folder.path);
  assertEquals(await succeed("get", foreign, "caf\\xe9", "--to", "-"), "x");
});

Deno.test("get takes globs with wildcards in a folder's part, below the folder before these", async () => {
  await using folder = await makeFolder();
  const files = { "a/b/x": "1", "a/c/d/x": "2", "a/y": "3", "e/x": "4" };
  const url = await putImage(folder.path, files);
  const cases = [
    ["**/x", { "a/b/x": "1", "a/c/d/x": "2", "e/x": "4" }],
    ["a/*/x", { "b/x": "1" }],
    ["a/**/x", { "b/x": "1", "c/d/x": "2" }],
    ["*/b", { "a/b/x": "1" }],
    ["a/[bc]/*", { "b/x": "1", "c/d/x": "2" }],
    ["a/c/d/*", { "x": "2" }],
  ] as const;
  for (const [i, [glob, expected]] of cases.entries()) {
    const to = `${folder.path}/to${i}`;
    await succeed("get", url, glob, "--to", to);
    assertEquals(await readTree(to), expected, glob);
  }
});

Deno.test("get --exclude, --set-id and put --follow are passed on", async () => {
  await using folder = await makeFolder();
  await Deno.chmod(await folder.file("f/a", "a"), 0o4755);
  await folder.file("f/b.tmp", "b");
  await Deno.symlink("a", `${folder.path}/f/link`);
  const url = `xorriso://${folder.path}/a.iso`;
  await succeed("put", url, `${folder.path}/f`, "--create", "--follow");
  const words = ["get", url, "--exclude", "**/*.tmp", "--to"];
  for (const [flag, mode] of [["-q", 0o755], ["--set-id", 0o4755]] as const) {
    const to = `${folder.path}/to${flag}`;
    await succeed(...words, to, flag);
    assertEquals(await readTree(to), { "f/a": "a", "f/link": "a" });
    assertEquals(((await Deno.stat(`${to}/f/a`)).mode ?? 0) & 0o7777, mode);
  }
});
