import { assertEquals, assertMatch } from "@std/assert";
import {
  age,
  grows,
  makeFifo,
  makeFolder,
  makeSparse,
} from "../support/helpers.ts";
import {
  assertMissing,
  parseLines,
  putImage,
  readTree,
  run,
  succeed,
} from "../support/program.ts";

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
  await succeed("get", url, "--to", `${folder.path}/all`);
  assertEquals(await readTree(`${folder.path}/all`), files);
  await succeed("get", url, "deep/er/", "--to", `${folder.path}/new/part`);
  assertEquals(await readTree(`${folder.path}/new/part`), {
    "c '\"*?[x]\\$ ü.txt": "c",
    "empty": "",
  });
  await succeed("get", url, "deep/b.txt", "--to", `${folder.path}/b`);
  assertEquals(await Deno.readTextFile(`${folder.path}/b`), "b");
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
    stderr: "Stored 1 file, 14 B, session 4\n",
  });
  assertEquals(await succeed("list", url), "f/a\nx/true\ny/a\nz\n");
  assertEquals(await succeed("get", url, "z", "--to", "-"), "standard input");
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
      path: paths[1],
    },
  }]);
  assertEquals(Object.keys(await readTree(folder.path)), ["a"]);
});

Deno.test("put makes a new image only if it is told to", async () => {
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/a`, "a");
  const url = `xorriso://${folder.path}/a.iso`;
  const { code, stderr } = await run(["put", url, `${folder.path}/a`]);
  assertEquals(code, 4);
  assertMatch(stderr, /make it with --create/);
  await assertMissing(`${folder.path}/a.iso`);
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
  const again = ["put", url, `${folder.path}/a`, "--create", "--volume-id"];
  await succeed(...again, "BACKUP 1");
  const other = await run([...again, "BACKUP 2"]);
  assertEquals(other.code, 2);
  assertMatch(other.stderr, /"BACKUP 1" already/);
  const wrong = await run(["list", url, "--assert-volid", "BACKUP 2"]);
  assertEquals(wrong.code, 4);
  assertMatch(wrong.stderr, /"BACKUP 1"/);
  await succeed("list", url, "--assert-volid", "BACKUP 1");
});

Deno.test("put stores links and empty folders, and names what it leaves out", async () => {
  await using folder = await makeFolder();
  const source = `${folder.path}/f`;
  await Deno.mkdir(`${source}/sub/empty`, { recursive: true });
  await age(await folder.file("f/sub/a", "a"));
  await Deno.symlink("sub/a", `${source}/link`);
  await makeFifo(`${source}/fifo`);
  const url = `xorriso://${folder.path}/a.iso`;
  const why = `Cannot store "${source}/fifo": it is no file, folder or link`;
  assertEquals(await run(["put", url, source, "--create"]), {
    code: 7,
    stdout: "",
    stderr: `${why}
Stored 1 file, 1 B, 3 folders, 1 link, session 1, 1 left out
`,
  });
  assertEquals(await succeed("list", url), "f/link\nf/sub/a\nf/sub/empty/\n");
  const json = await run(["put", url, source, "--json"]);
  const none = { folders: 0, links: 0, attributes: 0, moved: 0, removed: 0 };
  const summary = { files: 0, bytes: 0, ...none, unchanged: 5 };
  assertEquals(parseLines(json.stdout), [
    { summary: { ...summary, excluded: 0, copied: [], left: 1, seconds: 0 } },
  ]);
  assertEquals(parseLines(json.stderr), [{
    left: {
      ...{ name: "f/fifo", path: `${source}/fifo`, reason: "special" },
      message: why,
    },
  }]);
  const quiet = await run(["put", url, source, "-q"]);
  assertEquals(quiet, { code: 7, stdout: "", stderr: "" });
});

Deno.test("put --exclude and --exclude-from leave out names, of which the last match counts", async () => {
  await using folder = await makeFolder();
  for (const name of ["a.tmp", "b.tmp", "c.log", "d"]) {
    await folder.file(`f/${name}`, name);
  }
  const globs = await folder.file("globs", "# all of these\n*.tmp\n");
  const url = `xorriso://${folder.path}/a.iso`;
  const { code, stderr } = await run([
    ...["put", url, `${folder.path}/f`, "--create", "--exclude-from", globs],
    ...["--exclude", "*.log", "--exclude", "!b.tmp"],
  ]);
  assertEquals(code, 0);
  assertMatch(
    stderr,
    /^Stored 2 files, 6 B, 1 folder, 2 excluded, .*session 1$/m,
  );
  assertEquals(await succeed("list", url), "f/b.tmp\nf/d\n");
});

Deno.test("put writes what has changed, and removes what is gone with --mirror alone", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a", "f/b": "b" });
  const source = `${folder.path}/sources/f`;
  await Deno.remove(`${source}/a`);
  await Deno.writeTextFile(`${source}/c`, "c");
  // What is not just now being written is stored as it is.
  await age(`${source}/c`);
  assertEquals(
    (await run(["put", url, source])).stderr,
    "Stored 1 file, 1 B, 1 with other attributes, 1 unchanged, session 2\n",
  );
  assertEquals(await succeed("list", url), "f/a\nf/b\nf/c\n");
  assertEquals(
    (await run(["put", url, source, "--mirror", "-v"])).stderr,
    `unchanged   f
unchanged   f/b
unchanged   f/c
removed     f/a
Stored 0 files, 1 removed, 3 unchanged, session 3
`,
  );
  assertEquals(
    (await run(["put", url, source])).stderr,
    "Nothing to store, 3 unchanged\n",
  );
  assertEquals(
    (await run(["put", url, source, "--all"])).stderr,
    "Stored 2 files, 2 B, 1 unchanged, session 4\n",
  );
});

Deno.test("put --dry-run tells what it would do, and does nothing", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a" });
  const source = `${folder.path}/sources/f`;
  await Deno.writeTextFile(`${source}/b`, "bb");
  const before = await Deno.readFile(`${folder.path}/a.iso`);
  const { code, stderr } = await run(["put", url, source, "-n"]);
  assertEquals(code, 0);
  assertMatch(
    stderr,
    /^added {7}f\/b {2}\(2 B\)$.*^Would store 1 file, 2 B/ms,
  );
  assertEquals(await Deno.readFile(`${folder.path}/a.iso`), before);
  const fresh = `${folder.path}/new.iso`;
  const words = ["put", `xorriso://${fresh}`, source, "-nq", "--create"];
  assertEquals((await run(words)).code, 0);
  await assertMissing(fresh);
});

Deno.test("put stores a file that changes meanwhile from a copy, and tells it", async () => {
  await using folder = await makeFolder();
  const source = `${folder.path}/f`;
  await Deno.mkdir(source);
  await Deno.writeTextFile(`${source}/good`, "good");
  // What was left alone for a while is stored from its place.
  await age(await makeSparse(`${source}/moving`, 256 << 20));
  const url = `xorriso://${folder.path}/a.iso`;
  const running = run(["put", url, source, "--create", "-v"]);
  await grows(`${folder.path}/a.iso`, running);
  await Deno.truncate(`${source}/moving`, 1);
  const { code, stderr } = await running;
  assertEquals(code, 0);
  assertMatch(stderr, /copied {6}f\/moving\n.*1 stored from a copy/s);
  assertEquals(await succeed("get", url, "f/moving", "--to", "-"), "\0");
});

Deno.test("put leaves out what cannot have its name", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a" });
  const paths = [await folder.file("b", "b"), await folder.file("f", "f")];
  const { code, stderr } = await run(["put", url, ...paths]);
  assertEquals(code, 7);
  assertMatch(stderr, /there is a folder "f" on the medium.*--mirror/);
  assertEquals(await succeed("list", url), "b\nf/a\n");
});
