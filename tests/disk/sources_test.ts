import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import {
  checkSource,
  doubtOf,
  Folders,
  md5Of,
  openSource,
  type Source,
} from "../../src/disk/sources.ts";
import {
  assertCode,
  assertRejectsCode,
  type Folder,
  makeFifo,
  makeFolder,
  md5,
  noise,
  toBytes,
} from "../support/helpers.ts";

Deno.test("openSource() follows links and takes file URLs", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a b%20", "content");
  const link = `${folder.path}/link`;
  await Deno.symlink("a b%20", link);
  const url = new URL("file:///");
  url.pathname = path.replaceAll("%", "%25");
  for (const given of [path, link, url]) {
    const source = await openSource(given);
    assertEquals([source.path, source.size], [path, 7]);
    assertEquals(source.name, String(given));
    assertEquals(await checkSource(source), undefined);
  }
});

Deno.test("openSource() refuses what is no regular file", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await makeFifo(`${path}/fifo`);
  await Deno.symlink("loop", `${path}/loop`);
  await Deno.symlink("/dev/null", `${path}/device`);
  await folder.file("file");
  const sources = [
    ...["", "/fifo", "/loop", "/device", "/none", "/file/x"].map(
      (name) => path + name,
    ),
    ...["/dev/null", "/dev/stdin", "/dev/zero", `/${"x".repeat(300)}`],
  ];
  for (const source of sources) {
    const error = await assertRejectsCode(
      openSource(source),
      "SOURCE_UNREADABLE",
    );
    assertEquals(error.path, source);
    assertStringIncludes(error.message, `Cannot store "${source}": `);
  }
});

Deno.test("openSource() refuses what is larger than a file on the medium can be", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("sparse");
  await Deno.truncate(path, 429_496_524_800);
  assertEquals((await openSource(path)).size, 429_496_524_800);
  await Deno.truncate(path, 429_496_524_801);
  const error = await assertRejectsCode(openSource(path), "SOURCE_UNREADABLE");
  assertEquals(error.path, path);
  assertStringIncludes(error.message, "429496524801 bytes");
  assertStringIncludes(error.message, "429496524800 (400 GiB)");
});

Deno.test("openSource() throws a TypeError for what can be no path", async () => {
  for (const bad of ["", "a\0b", new URL("https://example.com/a")]) {
    await assertRejects(() => openSource(bad), TypeError);
  }
});

Deno.test({
  name: "openSource() needs read permission",
  permissions: "none",
  async fn() {
    const error: Error = await assertRejects(
      () => openSource("/etc/hostname"),
      Deno.errors.NotCapable,
    );
    assertStringIncludes(error.message, "--allow-read=/etc/hostname");
  },
});

Deno.test("checkSource() notices whatever has become of a source", async (t) => {
  const changes: Record<
    string,
    [
      "SOURCE_CHANGED" | "SOURCE_UNREADABLE",
      (path: string, folder: Folder) => unknown,
    ]
  > = {
    "other content of the same size": [
      "SOURCE_CHANGED",
      (path) => Deno.writeTextFile(path, "CONTENT"),
    ],
    "shorter": ["SOURCE_CHANGED", (path) => Deno.truncate(path, 3)],
    "longer": [
      "SOURCE_CHANGED",
      (path) => Deno.writeTextFile(path, "x", { append: true }),
    ],
    "changed, with its time set back": ["SOURCE_CHANGED", async (path) => {
      const { atime, mtime, ctime } = await Deno.stat(path);
      // Deno tells whole seconds of the one time that cannot be set.
      while (Date.now() < (ctime?.getTime() ?? 0) + 1010) await delay(100);
      await Deno.writeTextFile(path, "CONTENT");
      await Deno.utime(path, atime ?? 0, mtime ?? 0);
    }],
    "replaced by its like": ["SOURCE_CHANGED", async (path, folder) => {
      const { atime, mtime } = await Deno.stat(path);
      const other = await folder.file("other", "content");
      await Deno.utime(other, atime ?? 0, mtime ?? 0);
      await Deno.rename(other, path);
    }],
    "replaced by a link": ["SOURCE_CHANGED", async (path) => {
      await Deno.rename(path, `${path}.old`);
      await Deno.symlink(`${path}.old`, path);
    }],
    "replaced by a folder": ["SOURCE_CHANGED", async (path) => {
      await Deno.remove(path);
      await Deno.mkdir(path);
    }],
    "removed": ["SOURCE_UNREADABLE", (path) => Deno.remove(path)],
    "its folder removed": [
      "SOURCE_UNREADABLE",
      (_, folder) => Deno.remove(`${folder.path}/in`, { recursive: true }),
    ],
  };
  for (const [name, [code, change]] of Object.entries(changes)) {
    await t.step(name, async () => {
      await using folder = await makeFolder();
      const path = await folder.file("in/source", "content");
      const source = await openSource(path);
      await change(path, folder);
      const error = assertCode(await checkSource(source), code);
      assertEquals(error.path, path);
    });
  }
});

Deno.test("openSource() lets no change pass in the same tick of the clock", async () => {
  await using folder = await makeFolder();
  for (let i = 0; i < 30; i++) {
    const path = await folder.file("source", `${i}`);
    const source = await openSource(path);
    await Deno.writeTextFile(path, `${i}`);
    assertCode(await checkSource(source), "SOURCE_CHANGED");
  }
});

Deno.test("openSource() does not wait for ever for a file that is written all the time", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("log");
  const timer = setInterval(() => Deno.writeTextFileSync(path, "x"), 1);
  try {
    assertEquals((await openSource(path)).path, path);
  } finally {
    clearInterval(timer);
  }
});

Deno.test("md5Of() reads a file of several chunks", async () => {
  await using folder = await makeFolder();
  const bytes = noise(2_500_000);
  const md5OfFile = async (name: string, content: Uint8Array) =>
    await md5Of(await openSource(await folder.file(name, content)));
  assertEquals(await md5OfFile("file", bytes), md5(bytes));
  assertEquals(
    await md5OfFile("empty", new Uint8Array()),
    "d41d8cd98f00b204e9800998ecf8427e",
  );
});

Deno.test("md5Of() waits for no writer of what has become a FIFO", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("source", "x");
  const source = await openSource(path);
  assertEquals(await md5Of(source), "9dd4e461268c8034f5c8564e155c67a6");
  await Deno.remove(path);
  await makeFifo(path);
  await assertRejectsCode(md5Of(source), "SOURCE_UNREADABLE");
  await Deno.remove(path);
  await assertRejectsCode(md5Of(source), "SOURCE_UNREADABLE");
  await Deno.mkdir(path);
  await assertRejectsCode(md5Of(source), "SOURCE_UNREADABLE");
});

/** A folder with a file in it, and another folder with a secret of the same name and size. */
async function makePair(
  folder: Folder,
): Promise<{ file: string; swap(): Promise<void> }> {
  const { path } = folder;
  await Deno.mkdir(`${path}/in/open`, { recursive: true });
  await Deno.mkdir(`${path}/secret`);
  await Deno.writeTextFile(`${path}/in/open/file`, "public");
  await Deno.writeTextFile(`${path}/secret/file`, "secret");
  await Deno.symlink(`${path}/secret`, `${path}/in/link`);
  return {
    file: `${path}/in/open/file`,
    async swap() {
      await Deno.rename(`${path}/in/open`, `${path}/in/aside`);
      await Deno.rename(`${path}/in/link`, `${path}/in/open`);
      await Deno.rename(`${path}/in/aside`, `${path}/in/link`);
    },
  };
}

/** A source whose folders have not been looked at before, for another one. */
async function openAlone(file: string): Promise<Source> {
  const folders = await new Folders().above(file);
  return { ...await openSource(file), folders };
}

Deno.test("doubtOf() tells nothing while the folders above stay as they are", async () => {
  // Others are busy in the folder for temporary files, which may belong to this user alone.
  await using folder = await makeFolder("/tmp");
  const { file } = await makePair(folder);
  await Deno.chmod(folder.path, 0o1777);
  const source = await openAlone(file);
  await folder.file("beside"); // in a folder that belongs to all, like /tmp
  assertEquals(await doubtOf(source, new Folders()), undefined);
  await folder.file("in/open/other");
  assertEquals(await doubtOf(source, new Folders()), md5(toBytes("public")));
});

Deno.test("doubtOf() gives the content to compare with where a folder was exchanged and is back", async () => {
  await using folder = await makeFolder();
  const { file, swap } = await makePair(folder);
  const source = await openAlone(file);
  await swap();
  await swap();
  assertEquals(await checkSource(source), undefined);
  assertEquals(await doubtOf(source, new Folders()), md5(toBytes("public")));
});

Deno.test("doubtOf() rejects where a folder has been exchanged for good, or was at the first look", async () => {
  await using folder = await makeFolder();
  const { file, swap } = await makePair(folder);
  const source = await openAlone(file);
  await swap();
  await assertRejectsCode(doubtOf(source, new Folders()), "SOURCE_CHANGED");
  // The first look was at the other file.
  const { dev, ino } = await Deno.stat(file);
  const wrong = { ...source, identity: { dev, ino } };
  await swap();
  await assertRejectsCode(doubtOf(wrong, new Folders()), "SOURCE_CHANGED");
});
