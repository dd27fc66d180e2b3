import { assertEquals } from "@std/assert";
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
  const { code } = await run(["get", url, "--to", "-"]);
  assertEquals(code, 2);
  await assertMissing(`${folder.path}/target`);
});

Deno.test("get never leaves TARGET through a link in it", async () => {
  await using folder = await makeFolder();
  const files = { "in/a": "a", "out/b": "b", "out/deep/c": "c" };
  const url = await putImage(folder.path, files);
  await Deno.mkdir(`${folder.path}/target`);
  await Deno.mkdir(`${folder.path}/elsewhere`);
  await Deno.symlink("../elsewhere", `${folder.path}/target/out`);
  const { code, stderr } = await run([
    "get",
    url,
    "--to",
    `${folder.path}/target`,
    "--json",
  ]);
  assertEquals(code, 1);
  assertEquals(parseLines(stderr).length, 2);
  assertEquals(await readTree(`${folder.path}/elsewhere`), {});
  assertEquals(await Deno.readTextFile(`${folder.path}/target/in/a`), "a");
});

Deno.test("get goes on when a name cannot be that of a file, and fails", async () => {
  await using folder = await makeFolder();
  const url = await makeForeignImage(folder.path);
  const { code, stdout, stderr } = await run([
    ...["get", url, "--to", `${folder.path}/target`],
    "--json",
  ]);
  assertEquals(code, 1);
  assertEquals(parseLines(stdout), [
    { name: "plain", size: 1, target: `${folder.path}/target/plain` },
    { summary: { restored: 1, bytes: 1, left: 0, seconds: 0 } },
  ]);
  assertEquals(parseLines(stderr).length, 1);
  assertEquals(await readTree(`${folder.path}/target`), { plain: "x" });
});
