import { assertEquals, assertMatch } from "@std/assert";
import {
  age,
  grows,
  makeFifo,
  makeFolder,
  makeSparse,
  runShell,
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
    code: 7,
    stdout: "",
    stderr: `Left out "${source}/fifo": it is neither a file nor a folder
Left out "${source}/link": it is a link
Left out "${source}/sub/folder": it is a link
Stored 1 file, 1 B, 3 left out
`,
  });
  assertEquals(await succeed("list", url), "f/sub/a\n");
  const json = await run(["put", url, source, "--json"]);
  assertEquals(parseLines(json.stdout), [
    { name: "f/sub/a", size: 1 },
    { summary: { stored: 1, bytes: 1, left: 3, seconds: 0 } },
  ]);
  assertEquals(parseLines(json.stderr), [
    ...[["fifo", "special"], ["link", "link"], ["sub/folder", "link"]].map(
      ([name, reason]) => {
        const why = reason === "link"
          ? "it is a link"
          : "it is neither a file nor a folder";
        const path = `${source}/${name}`;
        const message = `Left out "${path}": ${why}`;
        return { left: { name: "f", path, reason, message } };
      },
    ),
  ]);
  await age(`${folder.path}/a.iso`);
  const quiet = await run(["put", url, source, "-q"]);
  assertEquals(quiet, { code: 7, stdout: "", stderr: "" });
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
  assertEquals(outcome.code, 7);
  assertEquals(
    outcome.stderr,
    `Left out "${folder.path}/a.iso": it is the image that is written to\nStored 1 file, 1 B, 1 left out\n`,
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
  assertEquals(parseLines(stdout)[0], { name: "f/good", size: 4 });
  assertMatch(stderr, /^{"error":{"code":"SOURCE_CHANGED",.*moving.*\n$/);
  assertEquals(await succeed("list", url), "f/good\n");
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
  await Deno.mkdir(`${folder.path}/f`);
  await Deno.writeTextFile(`${folder.path}/f/a`, "a");
  await runShell(`: >"$1/f/$(printf 'na\\357ve')"`, folder.path);
  const url = `xorriso://${folder.path}/a.iso`;
  const { code, stderr } = await run([
    "put",
    url,
    "--create",
    `${folder.path}/f`,
  ]);
  assertEquals(code, 1);
  assertMatch(stderr, /na.ve.*\n.*Stored 1 file/);
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
