import { assertEquals, assertMatch, assertObjectMatch } from "@std/assert";
import { makeFolder, patch, runShell } from "../support/helpers.ts";
import {
  assertMissing,
  corrupt,
  makeForeignImage,
  parseLines,
  PUT_DATE,
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
  const names = parseLines(json.stdout) as { name: string }[];
  assertEquals(names.map(({ name }) => name), ["caf\uDCE9", "plain"]);
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
  const date = "2026-01-02 03:04";
  assertEquals(
    await succeed("ls", url, "?.*", "-l", "--md5"),
    `-rw-r--r--  1 B  ${date}  0cc175b9c0f1b6a831c399e269772661  a.tar
-rw-r--r--  0 B  ${date}  d41d8cd98f00b204e9800998ecf8427e  c.txt
`,
  );
  assertEquals(
    await succeed("list", url, "deep", "a.tar", "--bytes", "-lq"),
    `-rw-r--r--   1  ${date}  a.tar
drwxr-xr-x   -  ${date}  deep/
-rw-r--r--  10  ${date}  deep/b.tar
`,
  );
  assertEquals(await succeed("list", `${url}:/deep`), "b.tar\n");
});

Deno.test("list tells what is odd about an image", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  await succeed("rm", url, "a");
  await patch(`${folder.path}/a.iso`, 16 * 2048, new Uint8Array(2048));
  const { code, stderr } = await run(["list", url]);
  assertEquals(code, 0);
  assertMatch(stderr, /^Warning: the beginning of .* is missing/);
  const json = await run(["list", url, "--json"]);
  assertMatch(json.stderr, /^{"warning":{"message":"the beginning/);
});

Deno.test("list tells that an older session is shown, also where something lies behind that", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const { size } = await Deno.stat(`${folder.path}/a.iso`);
  await succeed("move", url, "a", "b");
  await Deno.truncate(`${folder.path}/a.iso`, size + 2048);
  await patch(`${folder.path}/a.iso`, size, new Uint8Array(2048).fill(1));
  const { stdout, stderr } = await run(["list", url]);
  assertEquals(stdout, "a\n");
  assertMatch(stderr, /^Warning: nothing can be stored in .*: 2048 bytes lie/m);
  assertMatch(stderr, /^Warning: the beginning of .* is cut/m);
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
  const [entry] = parseLines(json.stdout) as Record<string, unknown>[];
  assertEquals(Object.keys(entry ?? {}), [
    ...["name", "type", "size", "mtime", "mode", "uid", "gid", "md5"],
  ]);
  assertObjectMatch(entry ?? {}, {
    ...{ name: "b", type: "file", size: 1, mtime: PUT_DATE.toISOString() },
    ...{ mode: 0o644, md5: "92eb5ffee6ae2fec3ad71c777531578f" },
  });
  assertEquals(parseLines(json.stderr), [{
    error: {
      code: "ENTRY_NOT_FOUND",
      message: 'Cannot find "x" on the medium',
      path: "x",
    },
  }]);
});

Deno.test("list sorts names as people do, a folder before what is in it", async () => {
  await using folder = await makeFolder();
  const names = ["B", "a", "file10", "file2", "d/x", "d-e", "D/x", "Ä", "z"];
  const files = Object.fromEntries(names.map((name) => [name, ""]));
  const url = await putImage(folder.path, files);
  assertEquals(
    await succeed("list", url),
    "a\nÄ\nB\nD/x\nd/x\nd-e\nfile2\nfile10\nz\n",
  );
});

Deno.test("commands that read exit with 3 if the directory of the URL is not there", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "photos/a": "a" });
  const to = `${folder.path}/to`;
  for (
    const words of [
      ...[["list"], ["verify"], ["get", "--to", to], ["rm", "a"], ["info"]],
    ]
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
  await Deno.mkdir(`${folder.path}/empty`);
  await succeed("put", url, `${folder.path}/empty`);
  for (const words of [["list"], ["verify"], ["get", "--to", to], ["info"]]) {
    const [command = "", ...rest] = words;
    await succeed(command, `${url}:/empty`, ...rest);
  }
});

Deno.test("commands refuse a URL whose directory is a file", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "photos/run.sh": "a" });
  const to = `${folder.path}/to`;
  const sources = `${folder.path}/sources/photos`;
  for (
    const words of [
      ...[["list"], ["verify"], ["get", "--to", to], ["rm", "a"]],
      ...[["diff", sources], ["diff", "--from", "1"], ["put", sources]],
      ["info"],
    ]
  ) {
    const [command = "", ...rest] = words;
    assertEquals(await run([command, `${url}:/photos/run.sh`, ...rest]), {
      code: 3,
      stdout: "",
      stderr:
        'xorriso-backend: Cannot use "/photos/run.sh" as a directory: it is a file; name it behind the URL\n',
    }, command);
  }
  await assertMissing(to);
});

Deno.test("a session that is not there is told by its date as tables show it", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const { code, stderr } = await run(["list", url, "--session", "2020-01-01"]);
  assertEquals(code, 3);
  assertMatch(stderr, /a session from 2020-01-01 23:59 or before/);
});

Deno.test("verify exits with 6 if a checksum is wrong, and get restores nothing of that file", async () => {
  await using folder = await makeFolder();
  const text = "find these bytes in the image";
  const url = await putImage(folder.path, { good: "good", bad: text });
  const sound = await run(["verify", url, "-v"]);
  assertEquals(
    sound.stderr,
    "verified    bad\nverified    good\nVerified 2 files\n",
  );
  await corrupt(`${folder.path}/a.iso`, text);
  const outcome = await run(["verify", url]);
  assertEquals([outcome.code, outcome.stdout], [6, ""]);
  assertMatch(outcome.stderr, /"\/bad".*\nVerified 1 file, 1 failed\n$/);
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

Deno.test("verify tells files that no checksum was recorded for, and exits with 7", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/a.iso`;
  await folder.file("f", "f");
  await runShell(
    'cd "$1" && xorriso -md5 off -outdev a.iso -map f /f -commit 2>&1',
    folder.path,
  );
  const { code, stderr } = await run(["verify", `xorriso://${image}`]);
  assertEquals([code, stderr], [
    7,
    'Cannot verify "f": no checksum was recorded for it\nVerified 0 files, 1 left out\n',
  ]);
});

Deno.test("diff tells what a put would change, in the words of put --dry-run", async () => {
  await using folder = await makeFolder();
  const files = { "f/a": "a", "f/b": "b", "f/c": "c", "f/d": "d" };
  const url = await putImage(folder.path, files);
  const source = `${folder.path}/sources/f`;
  assertEquals((await run(["diff", url, source])).stderr, "No differences\n");
  await Deno.writeTextFile(`${source}/a`, "changed");
  await Deno.remove(`${source}/b`);
  await Deno.chmod(`${source}/c`, 0o600);
  await Deno.writeTextFile(`${source}/new`, "new");
  await Deno.remove(`${source}/d`);
  await Deno.symlink("c", `${source}/d`);
  await Deno.utime(source, PUT_DATE, PUT_DATE);
  const { code, stdout, stderr } = await run(["diff", url, source]);
  assertEquals([code, stderr], [
    0,
    "1 added, 1 removed, 1 of another type, 1 with other content, 1 with other attributes\n",
  ]);
  assertEquals(
    stdout,
    `content     f/a  (mtime)
removed     f/b
attributes  f/c  (mode)
type        f/d  (mtime)
added       f/new
`,
  );
  const kinds = async (...words: string[]) =>
    Array.from(
      (await succeed(...words)).matchAll(/"kind":"\w+","name":"[^"]*"/g),
      String,
    ).sort();
  assertEquals(
    await kinds("put", url, source, "--mirror", "-n", "--json"),
    await kinds("diff", url, source, "--json"),
  );
  await Deno.writeTextFile(`${source}/c`, "C");
  await Deno.utime(`${source}/c`, PUT_DATE, PUT_DATE);
  const checked = await succeed("diff", url, source, "--checksum");
  assertMatch(checked, /^content +f\/c {2}\(mode\)$/m);
  assertEquals((await run(["diff", url])).code, 2);
  assertEquals((await run(["diff", url, source, "--from", "1"])).code, 2);
});

Deno.test("diff --from tells what sessions have changed", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a", "f/b": "b" });
  await succeed("rm", url, "f/a");
  const { stdout } = await run(["diff", url, "--from", "1", "--json"]);
  assertEquals(parseLines(stdout), [
    { kind: "removed", name: "f/a", type: "file", attributes: [] },
  ]);
  const typo = await run(["diff", `${url}:/g`, "--from", "1"]);
  assertEquals([typo.code, typo.stdout], [3, ""]);
  const none = await run(["diff", url, "--from", "1", "--session", "1"]);
  assertEquals(none.stderr, "No differences\n");
});

Deno.test("list, get and delete take names as they are, and as a terminal shows them", async () => {
  await using folder = await makeFolder();
  // One of these is what a terminal shows of another.
  const names = ["a\tb", "a\\tb", "\\xe9", "c\\\\d", "c\\d"];
  const files = names.map((name) => [name, name]);
  const url = await putImage(folder.path, Object.fromEntries(files));
  for (const name of names) {
    assertEquals(await succeed("list", url, name), `${name}\n`);
    assertEquals(await succeed("get", url, name, "--to", "-"), name);
  }
  assertEquals(await succeed("list", url, "\\\\xe9"), "\\xe9\n");
  await succeed("delete", url, "c\\\\d", "a\\tb");
  assertEquals(await succeed("list", url), "\\xe9\na\tb\nc\\d\n");
  await succeed("delete", url, "c\\\\d", "a\\tb");
  assertEquals(await succeed("list", url), "\\xe9\n");
});
