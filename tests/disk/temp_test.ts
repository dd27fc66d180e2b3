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
import { checkSource } from "../../src/disk/sources.ts";
import { spool, TempFolder } from "../../src/disk/temp.ts";
import {
  assertRejectsCode,
  exists,
  makeFolder,
  noise,
  rejection,
  runDeno,
} from "../support/helpers.ts";

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

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
  const module = new URL("../../src/disk/temp.ts", import.meta.url).href;
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
