import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { EXIT_CODES } from "../../src/cli/job.ts";
import {
  age,
  grows,
  makeFifo,
  makeFolder,
  makeSparse,
} from "../support/helpers.ts";
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

Deno.test("main() shows help", async (t) => {
  const commands = [
    ...["put", "get", "list", "query", "delete", "info", "verify"],
    ...["blank", "format", "finish", "eject", "load", "devices"],
  ];
  for (const words of [[], ...commands.map((name) => [name])]) {
    await t.step(words.join() || "without a command", async (t) => {
      const { code, stdout, stderr } = await run([...words, "--help"]);
      assertEquals([code, stderr], [0, ""]);
      assert(stdout.split("\n").every((line) => line.length <= 100));
      await t.assertSnapshot(stdout, { serializer: (text) => text });
    });
  }
});

Deno.test("main() shows the version of the package", async () => {
  assertEquals(await run(["--version"]), {
    code: 0,
    stdout: `xorriso-backend ${config.version}\n`,
    stderr: "",
  });
});

Deno.test("main() refuses a wrong command line with exit 2, before anything is opened", async (t) => {
  const url = "xorriso:///nowhere/a.iso";
  const cases = [
    [],
    ["burn", url],
    ["list", url, "--wrong"],
    ["list", url, "--wrong=1", "--json"],
    ["list"],
    ["info", url, "more"],
    ["put", url, "a", "--session", "1"],
    ["put", url, "a", "b", "--as", "c"],
    ["put", url, "-"],
    ["list", "/nowhere/a.iso"],
    ["put", "http://nowhere", "a"],
    ["blank", url, "--mode", "full"],
    ["format", url, "--mode", "all"],
    ["devices", url],
    ["list", url, "--session", "0"],
    ["list", url, "--session", "1e1"],
    ["list", url, "--write-speed", "fast"],
    ["list", url, "--xorriso-args", "'a"],
    ["list", url, "--unknown\x1b[2J"],
  ];
  for (const words of cases) {
    await t.step(JSON.stringify(words), async (t) => {
      const outcome = await run(words);
      assertEquals([outcome.code, outcome.stdout], [2, ""]);
      await t.assertSnapshot(outcome.stderr, { serializer: (text) => text });
    });
  }
});

Deno.test("EXIT_CODES has a documented exit code for each error", async () => {
  const { stdout } = await run(["--help"]);
  for (const code of Object.values(EXIT_CODES)) {
    assertMatch(stdout, new RegExp(`^  ${code}    \\w`, "m"));
  }
});

Deno.test("put stores files and folders in one session, and get restores them", async () => {
  await using folder = await makeFolder();
  const files = {
    "a.txt": "a",
    "deep/b.txt": "b",
    "deep/er/c '\"*?[x]\\$ ü.txt": "c",
    "deep/er/empty": "",
  };
  const url = await putImage(folder.path, files);
  const info = JSON.parse(await succeed("info", url, "--json"));
  assertEquals(info.sessions.length, 1);
  await succeed("get", url, ".", `${folder.path}/all`);
  assertEquals(await readTree(`${folder.path}/all`), files);
  await succeed("get", url, "deep/er/", `${folder.path}/new/part`);
  assertEquals(await readTree(`${folder.path}/new/part`), {
    "c '\"*?[x]\\$ ü.txt": "c",
    "empty": "",
  });
  await succeed("get", url, "deep/b.txt", `${folder.path}/b`);
  assertEquals(await Deno.readTextFile(`${folder.path}/b`), "b");
});

Deno.test("put leaves out links and special files, and names them", async () => {
  await using folder = await makeFolder();
  const source = `${folder.path}/f`;
  await Deno.mkdir(`${source}/sub`, { recursive: true });
  await Deno.writeTextFile(`${source}/sub/a`, "a");
  await Deno.symlink("/etc/passwd", `${source}/link`);
  await Deno.symlink("/etc", `${source}/sub/folder`);
  await makeFifo(`${source}/fifo`);
  const url = `xorriso://${folder.path}/a.iso`;
  const outcome = await run(["put", url, source, "--create"]);
  assertEquals(outcome, {
    code: 0,
    stdout: "",
    stderr: `Left out "${source}/fifo": it is neither a file nor a folder
Left out "${source}/link": it is a link
Left out "${source}/sub/folder": it is a link
Stored 1 file, 1 B
`,
  });
  assertEquals(await succeed("list", url), "f/sub/a\n");
  const json = await run(["put", url, source, "--json"]);
  assertEquals(json.stdout, '{"name":"f/sub/a","size":1}\n');
  assertEquals(parseLines(json.stderr), [
    { skipped: { path: `${source}/fifo`, type: "special" } },
    { skipped: { path: `${source}/link`, type: "link" } },
    { skipped: { path: `${source}/sub/folder`, type: "link" } },
  ]);
  await age(`${folder.path}/a.iso`);
  const quiet = await run(["put", url, source, "-q"]);
  assertEquals(quiet, { code: 0, stdout: "", stderr: "" });
});

Deno.test("put follows a link that is named, under the link's name", async () => {
  await using folder = await makeFolder();
  await Deno.mkdir(`${folder.path}/real`);
  await Deno.writeTextFile(`${folder.path}/real/a`, "a");
  await Deno.symlink("real", `${folder.path}/folder`);
  await Deno.symlink("real/a", `${folder.path}/file`);
  const url = `xorriso://${folder.path}/a.iso`;
  await succeed(
    "put",
    url,
    `${folder.path}/folder/`,
    `${folder.path}/file`,
    "--create",
  );
  assertEquals(await succeed("list", url), "file\nfolder/a\n");
});

Deno.test("put leaves out the image that it writes to", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const outcome = await run(["put", url, folder.path, "--as", "f"]);
  assertEquals(outcome.code, 0);
  assertEquals(
    outcome.stderr,
    `Left out "${folder.path}/a.iso": it is the image that is written to\nStored 1 file, 1 B\n`,
  );
});

Deno.test("put --as stores a file, a folder or standard input under another name", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a" });
  const source = `${folder.path}/sources/f`;
  await succeed("put", url, `${source}/a`, "--as", "x/true");
  await succeed("put", url, source, "--as", "y");
  const stdin = ReadableStream.from([
    new TextEncoder().encode("standard "),
    new TextEncoder().encode("input"),
  ]);
  const outcome = await run(["put", url, "-", "--as", "z"], { stdin });
  assertEquals(outcome, {
    code: 0,
    stdout: "",
    stderr: "Stored 1 file, 14 B\n",
  });
  assertEquals(await succeed("list", url), "f/a\nx/true\ny/a\nz\n");
  assertEquals(await succeed("get", url, "z", "-"), "standard input");
});

Deno.test("put stores nothing if something that was named is not there", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/a`, "a");
  const url = `xorriso://${folder.path}/a.iso`;
  const paths = [`${folder.path}/a`, `${folder.path}/b`];
  const outcome = await run(["put", url, "--create", ...paths, "--json"]);
  assertEquals([outcome.code, outcome.stdout], [1, ""]);
  assertEquals(parseLines(outcome.stderr), [{
    error: {
      code: "SOURCE_UNREADABLE",
      message: `Cannot store "${paths[1]}": there is no such file or folder`,
    },
  }]);
  assertEquals(Object.keys(await readTree(folder.path)), ["a"]);
});

Deno.test("put stores nothing if a file that was named cannot have its name", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a" });
  await Deno.writeTextFile(`${folder.path}/b`, "b");
  await Deno.writeTextFile(`${folder.path}/f`, "f");
  const paths = [`${folder.path}/b`, `${folder.path}/f`];
  const outcome = await run(["put", url, ...paths, "--json"]);
  assertEquals([outcome.code, outcome.stdout], [1, ""]);
  assertMatch(outcome.stderr, /^{"error":{"code":"ENTRY_EXISTS",/);
  assertEquals(await succeed("list", url), "f/a\n");
});

Deno.test("put tells which file has changed while it was stored, and stores the others", async () => {
  await using folder = await makeFolder();
  const source = `${folder.path}/f`;
  await Deno.mkdir(source);
  await Deno.writeTextFile(`${source}/good`, "good");
  await makeSparse(`${source}/moving`, 256 << 20);
  const url = `xorriso://${folder.path}/a.iso`;
  const running = run(["put", url, source, "--create", "--json"]);
  await grows(`${folder.path}/a.iso`);
  await Deno.truncate(`${source}/moving`, 1);
  const { code, stdout, stderr } = await running;
  assertEquals(code, 1);
  assertEquals(parseLines(stdout), [{ name: "f/good", size: 4 }]);
  assertMatch(stderr, /^{"error":{"code":"SOURCE_CHANGED",.*moving.*\n$/);
  assertEquals(await succeed("list", url), "f/good\n");
});

Deno.test("put makes a new image only if it is told to", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/a`, "a");
  const url = `xorriso://${folder.path}/a.iso`;
  const { code, stderr } = await run(["put", url, `${folder.path}/a`]);
  assertEquals(code, 4);
  assertMatch(stderr, /create/);
  await assertMissing(`${folder.path}/a.iso`);
});

Deno.test("put refuses two files for one name", async () => {
  await using folder = await makeFolder();
  for (const part of ["x", "y"]) {
    await Deno.mkdir(`${folder.path}/${part}`);
    await Deno.writeTextFile(`${folder.path}/${part}/a`, part);
  }
  const url = `xorriso://${folder.path}/a.iso`;
  const paths = [`${folder.path}/x/a`, `${folder.path}/y/a`];
  const { code, stderr } = await run(["put", url, "--create", ...paths]);
  assertEquals(code, 2);
  assertMatch(stderr, /two files as "a"/);
});

Deno.test("put goes on when a file in a folder cannot be stored, and fails", async () => {
  await using folder = await makeFolder();
  const long = "x".repeat(101);
  await Deno.mkdir(`${folder.path}/f`);
  await Deno.writeTextFile(`${folder.path}/f/a`, "a");
  await Deno.writeTextFile(`${folder.path}/f/${long}`, "b");
  const url = `xorriso://${folder.path}/a.iso`;
  const { code, stderr } = await run([
    "put",
    url,
    "--create",
    `${folder.path}/f`,
  ]);
  assertEquals(code, 1);
  assertMatch(stderr, /xxx.*\n.*Stored 1 file/);
  assertEquals(await succeed("list", url), "f/a\n");
});

Deno.test("put --verify reads back, --volume-id and --write-speed are passed on", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/a`, "a");
  const url = `xorriso://${folder.path}/a.iso`;
  await succeed(
    ...["put", url, `${folder.path}/a`, "--create", "--verify"],
    ...["--volume-id", "BACKUP 1", "--write-speed", "max"],
  );
  const info = JSON.parse(await succeed("info", url, "--json"));
  assertEquals([info.volumeId, info.sessions[0].volumeId], [
    "BACKUP 1",
    "BACKUP 1",
  ]);
  const wrong = await run(["list", url, "--assert-volid", "BACKUP 2"]);
  assertEquals(wrong.code, 4);
  assertMatch(wrong.stderr, /"BACKUP 1", not "BACKUP 2"/);
  await succeed("list", url, "--assert-volid", "BACKUP 1");
});

Deno.test("get refuses an existing folder as the target of a file", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  await Deno.mkdir(`${folder.path}/target`);
  const outcome = await run(["get", url, "a", `${folder.path}/target`]);
  assertEquals([outcome.code, outcome.stdout], [1, ""]);
  assertMatch(outcome.stderr, /target/);
  assertEquals(await readTree(`${folder.path}/target`), {});
});

Deno.test("get of a missing name makes nothing and exits with 3", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  for (const name of ["b", "b/", "a/b", "*"]) {
    const outcome = await run(["get", url, name, `${folder.path}/target`]);
    assertEquals([outcome.code, outcome.stdout], [3, ""]);
  }
  const { code } = await run(["get", url, ".", "-"]);
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
    ".",
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
    ...["get", url, ".", `${folder.path}/target`],
    "--json",
  ]);
  assertEquals(code, 1);
  assertEquals(parseLines(stdout), [
    { name: "plain", size: 1, target: `${folder.path}/target/plain` },
  ]);
  assertEquals(parseLines(stderr).length, 1);
  assertEquals(await readTree(`${folder.path}/target`), { plain: "x" });
});

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

Deno.test("list takes a glob, and --long shows size and MD5", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, {
    "a.tar": "a",
    "deep/b.tar": "0123456789",
    "c.txt": "",
  });
  assertEquals(await succeed("list", url, "*.tar"), "a.tar\n");
  assertEquals(await succeed("list", url, "**/*.tar"), "a.tar\ndeep/b.tar\n");
  assertEquals(
    await succeed("list", url, "*", "-l"),
    `1  0cc175b9c0f1b6a831c399e269772661  a.tar
0  d41d8cd98f00b204e9800998ecf8427e  c.txt
`,
  );
  assertEquals(await succeed("list", `${url}:/deep`), "b.tar\n");
  assertEquals(await succeed("list", url, "nothing*"), "");
});

Deno.test("query exits with 3 if one name is missing, and tells the others", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a", b: "b" });
  const line = "1  0cc175b9c0f1b6a831c399e269772661  a\n";
  assertEquals(await succeed("query", url, "a"), line);
  assertEquals(await run(["query", url, "x\x1b", "a"]), {
    code: 3,
    stdout: line,
    stderr: 'xorriso-backend: Cannot find "x\\x1b" on the medium\n',
  });
  const json = await run(["query", url, "a", "x", "--json"]);
  assertEquals(parseLines(json.stdout), [
    { name: "a", size: 1, md5: "0cc175b9c0f1b6a831c399e269772661" },
  ]);
  assertEquals(parseLines(json.stderr), [
    {
      error: {
        code: "ENTRY_NOT_FOUND",
        message: 'Cannot find "x" on the medium',
      },
    },
  ]);
});

Deno.test("delete removes names from the newest session, and --session shows the older one", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a", b: "b", "f/c": "c" });
  const outcome = await run(["delete", url, "a", "x", "f/c", "--json"]);
  assertEquals(outcome.code, 3);
  assertEquals(parseLines(outcome.stdout), [{ name: "a" }, { name: "f/c" }]);
  await age(`${folder.path}/a.iso`);
  assertEquals(await succeed("list", url), "b\n");
  assertEquals(await succeed("list", url, "--session", "1"), "a\nb\nf/c\n");
  assertEquals(await succeed("get", url, "a", "-", "--session", "1"), "a");
  assertEquals((await run(["list", url, "--session", "9"])).code, 3);
});

Deno.test("info shows drive, medium, space and sessions", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const text = await succeed("info", url);
  const labels = text.split("\n").slice(0, 7).map((line) =>
    line.slice(0, 12).trim()
  );
  assertEquals(labels, [
    "Drive",
    "Medium",
    "Volume id",
    "Used",
    "Free",
    "Room",
    "Sessions",
  ]);
  const info = JSON.parse(await succeed("info", url, "--json"));
  assertEquals(Object.keys(info), [
    "drive",
    "profile",
    "status",
    "volumeId",
    "used",
    "free",
    "room",
    "appendable",
    "sessions",
  ]);
  assertEquals(Object.keys(info.sessions[0]), [
    "number",
    "lba",
    "size",
    "volumeId",
  ]);
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
  const all = await run(["get", url, ".", `${folder.path}/target`, "--json"]);
  assertEquals(all.code, 6);
  assertEquals(await readTree(`${folder.path}/target`), { good: "good" });
  assertEquals((await run(["get", url, "bad", "-"])).code, 6);
});

Deno.test("main() exits with 4 for what is no image, and leaves it alone", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/text`;
  await Deno.writeTextFile(path, "no image".repeat(100));
  for (const url of [`xorriso://${path}`, `xorriso://${folder.path}`]) {
    for (const words of [["list", url], ["delete", url, "a"]]) {
      const { code, stdout } = await run(words);
      assertEquals([code, stdout], [4, ""]);
    }
  }
  assertEquals((await run(["list", `xorriso://${path}.iso`])).code, 4);
  assertEquals(await Deno.readTextFile(path), "no image".repeat(100));
});

Deno.test("main() exits with 5 if xorriso is not there", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const outcome = await run([
    ...["list", url, "--json"],
    ...["--xorriso-path", `${folder.path}/xorriso`],
  ]);
  assertEquals([outcome.code, outcome.stdout], [5, ""]);
  assertMatch(outcome.stderr, /^{"error":{"code":"NO_XORRISO",/);
});

Deno.test("main() passes --xorriso-args on, with values that begin with a dash", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const outcome = await run(["list", url, "--xorriso-args", "-no_such_thing"]);
  assertEquals([outcome.code, outcome.stdout], [1, ""]);
  assertMatch(outcome.stderr, /no_such_thing/);
  await succeed("list", url, "--xorriso-args", '-publisher "a b"');
});

Deno.test("main() ends quietly when nobody reads its output", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const write = () => Promise.reject(new Deno.errors.BrokenPipe());
  for (const words of [["list", url], ["get", url, "a", "-"], ["--help"]]) {
    assertEquals(await run(words, { write }), {
      code: 0,
      stdout: "",
      stderr: "",
    });
  }
});

Deno.test("main() shows progress on a terminal alone, and erases it", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a".repeat(1 << 20) });
  const words = ["get", url, "a", "-"];
  const shown = await run(words, { isTerminal: true });
  assertMatch(shown.stderr, /\rRestoring +100 %/);
  assert(shown.stderr.endsWith("\r\x1b[K"));
  for (const [isTerminal, flag] of [[true, "-q"], [true, "--json"], [false]]) {
    const hidden = await run(
      [...words, ...(flag === undefined ? [] : [String(flag)])],
      { isTerminal: isTerminal === true },
    );
    assertEquals([hidden.code, hidden.stderr], [0, ""]);
  }
});

Deno.test("main() leaves the image as it was when it is interrupted while reading", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const before = await Deno.readFile(`${folder.path}/a.iso`);
  const controller = new AbortController();
  const stdin = new ReadableStream<Uint8Array>({
    pull(stream) {
      stream.enqueue(new Uint8Array(65536));
      controller.abort();
      stream.error(controller.signal.reason);
    },
  });
  const outcome = await run(["put", url, "-", "--as", "b"], {
    stdin,
    signal: controller.signal,
  });
  assertEquals(outcome, {
    code: 130,
    stdout: "",
    stderr: "xorriso-backend: Interrupted\n",
  });
  assertEquals(await Deno.readFile(`${folder.path}/a.iso`), before);
});

Deno.test("main() does not wait for a stalled reader when it is interrupted", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const controller = new AbortController();
  const { code } = await run(["get", url, "a", "-"], {
    signal: controller.signal,
    write: () => {
      controller.abort();
      return new Promise(() => {});
    },
  });
  assertEquals(code, 130);
});
