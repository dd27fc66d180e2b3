import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { createHash } from "node:crypto";
import { delay } from "../../src/async.ts";
import {
  checkSource,
  md5Of,
  openSource,
  spool,
  TempFolder,
} from "../../src/disk/sources.ts";
import {
  assertCode,
  assertRejectsCode,
  exists,
  type Folder,
  makeFifo,
  makeFolder,
  noise,
  rejection,
  runDeno,
} from "../support/helpers.ts";

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

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

Deno.test("TempFolder.make() makes a private folder that goes with all in it", async () => {
  await using folder = await makeFolder();
  let path: string;
  {
    await using temp = await TempFolder.make(folder.path);
    path = temp.path;
    assert(path.startsWith(`${folder.path}/xorriso-`));
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o700);
    const files = [temp.next(), temp.next()];
    assertNotEquals(files[0], files[1]);
    for (const file of files) await Deno.writeTextFile(file, "x");
  }
  assertEquals(await exists(path), false);
});

Deno.test("TempFolder.make() resolves links, and says what to do where it cannot", async () => {
  await using folder = await makeFolder();
  await Deno.mkdir(`${folder.path}/real`);
  await Deno.symlink("real", `${folder.path}/link`);
  await using temp = await TempFolder.make(`${folder.path}/link`);
  assert(temp.path.startsWith(`${folder.path}/real/`));
  for (const name of ["none", "file/x"]) {
    await folder.file("file");
    const error = await assertRejectsCode(
      TempFolder.make(`${folder.path}/${name}`),
      "TARGET_UNWRITABLE",
    );
    assertStringIncludes(error.message, "tempDir");
  }
});

Deno.test({
  name: "TempFolder.make() needs permission to read and write there",
  permissions: { read: ["/tmp"] },
  async fn() {
    const refused = async (path?: string) => {
      const error: Error = await assertRejects(
        () => TempFolder.make(path),
        Deno.errors.NotCapable,
      );
      return error.message;
    };
    assertStringIncludes(await refused(), "--allow-write=/tmp");
    assertStringIncludes(await refused("/var"), "--allow-read=/var");
  },
});

Deno.test("spool() keeps bytes and streams, and knows their MD5", async () => {
  await using folder = await makeFolder();
  const bytes = noise(300_000);
  const contents = [
    bytes,
    ReadableStream.from([bytes.subarray(0, 1), bytes.subarray(1)]),
    new Blob([bytes as BlobPart]).stream(),
  ];
  for (const [i, content] of contents.entries()) {
    const path = `${folder.path}/${i}`;
    const source = await spool(content, path);
    assertEquals([source.path, source.size], [path, bytes.length]);
    assertEquals(source.md5, md5(bytes));
    assertEquals(await Deno.readFile(path), bytes);
    assertEquals(await checkSource(source), undefined);
  }
  const empty = await spool(new Uint8Array(), `${folder.path}/empty`);
  assertEquals([empty.size, empty.md5], [0, md5(new Uint8Array())]);
});

Deno.test("spool() fails with the stream's own error and leaves nothing", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/spool`;
  const reason = new Error("of the stream");
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(10));
      controller.error(reason);
    },
  });
  assertEquals(await rejection(spool(stream, path)), reason);
  assertEquals(await exists(path), false);
});

Deno.test("spool() stops when it is aborted, and cancels the stream", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/spool`;
  const controller = new AbortController();
  const reason = new Error("enough");
  let cancelled: unknown;
  const endless = new ReadableStream<Uint8Array>({
    pull(stream) {
      stream.enqueue(new Uint8Array(10));
      controller.abort(reason);
    },
    cancel: (why) => void (cancelled = why),
  });
  const outcome = await rejection(spool(endless, path, controller.signal));
  assertEquals([outcome, cancelled], [reason, reason]);
  assertEquals(await exists(path), false);
});

Deno.test("spool() never writes over a file", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("there", "mine");
  const error = await assertRejectsCode(
    spool(new Uint8Array(3), path),
    "TARGET_UNWRITABLE",
  );
  assertInstanceOf(error.cause, Deno.errors.AlreadyExists);
  assertEquals(await Deno.readTextFile(path), "mine");
});

Deno.test("spool() tells of a full disk, and leaves nothing there", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/spool`;
  const module = new URL("../../src/disk/sources.ts", import.meta.url).href;
  const { stdout } = await runDeno(
    `import { spool } from ${JSON.stringify(module)};
     const content = ReadableStream.from([new Uint8Array(9000)]);
     await spool(content, ${JSON.stringify(path)}).catch((error) =>
       console.log(error.code + ": " + error.message)
     );`,
    // A limit stands for the full disk: 8 blocks of 512 bytes.
    ["sh", "-c", `trap '' XFSZ; ulimit -f 8; exec "$@"`, "sh"],
  );
  assertMatch(stdout, /^TARGET_UNWRITABLE: .*File too large.*tempDir\n$/);
  assertEquals(await exists(path), false);
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
