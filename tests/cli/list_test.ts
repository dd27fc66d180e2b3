import { assertEquals, assertMatch } from "@std/assert";
import { makeFolder } from "../support/helpers.ts";
import {
  assertMissing,
  corrupt,
  makeForeignImage,
  parseLines,
  putImage,
  readTree,
  run,
  succeed,
} from "../support/program.ts";

Deno.test("list writes raw names into a pipe and safe ones to a terminal", async () => {
  await using folder = await makeFolder();
  const url = await makeForeignImage(folder.path);
  const raw: number[] = [];
  await run(["list", url], {
    write: (bytes) => {
      raw.push(...bytes);
      return Promise.resolve();
    },
  });
  assertEquals(raw, [
    ...new TextEncoder().encode("caf"),
    0xE9,
    10,
    ...new TextEncoder().encode("plain\n"),
  ]);
  const escaped = await run(["list", url], { isTerminal: true });
  assertEquals(escaped.stdout, "caf\\xe9\nplain\n");
  const json = await run(["list", url, "--json"]);
  assertEquals(parseLines(json.stdout), [
    { name: "caf\uDCE9", size: 1 },
    { name: "plain", size: 1 },
  ]);
});

Deno.test("list takes names, folders and globs, and shows sizes and checksums", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, {
    "a.tar": "a",
    "deep/b.tar": "0123456789",
    "c.txt": "",
  });
  assertEquals(await succeed("list", url, "*.tar"), "a.tar\n");
  assertEquals(await succeed("list", url, "**/*.tar"), "a.tar\ndeep/b.tar\n");
  assertEquals(
    await succeed("ls", url, "?.*", "-l", "--md5"),
    `1 B  0cc175b9c0f1b6a831c399e269772661  a.tar
0 B  d41d8cd98f00b204e9800998ecf8427e  c.txt
`,
  );
  assertEquals(
    await succeed("list", url, "deep", "a.tar", "--bytes", "-lq"),
    " 1  a.tar\n10  deep/b.tar\n",
  );
  assertEquals(await succeed("list", `${url}:/deep`), "b.tar\n");
});

Deno.test("list exits with 3 if nothing is found for a name, and tells the others", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "photos/a": "a", b: "b" });
  assertEquals(await run(["list", url, "phtos", "x\x1b*", "b"]), {
    code: 3,
    stdout: "b\n",
    stderr:
      `xorriso-backend: Cannot find "phtos" on the medium: did you mean "photos"?
xorriso-backend: Cannot find "x\\x1b*" on the medium
1 file, 1 B
`,
  });
  const json = await run(["list", url, "b", "x", "--md5", "--json"]);
  assertEquals(parseLines(json.stdout), [
    { name: "b", size: 1, md5: "92eb5ffee6ae2fec3ad71c777531578f" },
  ]);
  assertEquals(parseLines(json.stderr), [{
    error: {
      code: "ENTRY_NOT_FOUND",
      message: 'Cannot find "x" on the medium',
      path: "x",
    },
  }]);
});

Deno.test("commands that read exit with 3 if the directory of the URL is not there", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "photos/a": "a" });
  const to = `${folder.path}/to`;
  for (
    const words of [["list"], ["verify"], ["get", "--to", to], ["rm", "a"]]
  ) {
    const [command = "", ...rest] = words;
    const outcome = await run([command, `${url}:/phtos`, ...rest]);
    assertEquals([outcome.code, outcome.stdout], [3, ""]);
    assertMatch(
      outcome.stderr,
      /directory "\/phtos" on the medium: did you mean "\/photos"\?/,
    );
  }
  await assertMissing(to);
});

Deno.test("verify exits with 6 if a checksum is wrong, and get restores nothing of that file", async () => {
  await using folder = await makeFolder();
  const text = "find these bytes in the image";
  const url = await putImage(folder.path, { good: "good", bad: text });
  assertEquals(await succeed("verify", url), "bad: OK\ngood: OK\n");
  await corrupt(`${folder.path}/a.iso`, text);
  const outcome = await run(["verify", url]);
  assertEquals([outcome.code, outcome.stdout], [
    6,
    "bad: FAILED\ngood: OK\n",
  ]);
  assertEquals((await run(["verify", url, "good", "-q"])).stderr, "");
  assertEquals((await run(["verify", url, "missing"])).code, 3);
  assertEquals((await run(["verify", url, "bad", "missing"])).code, 6);
  const all = await run([
    "get",
    url,
    "--to",
    `${folder.path}/target`,
    "--json",
  ]);
  assertEquals(all.code, 6);
  assertEquals(await readTree(`${folder.path}/target`), { good: "good" });
  assertEquals((await run(["get", url, "bad", "--to", "-"])).code, 6);
});
