import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { checkSource } from "../../src/disk/sources.ts";
import { spool } from "../../src/disk/spool.ts";
import {
  assertRejectsCode,
  exists,
  makeFolder,
  md5,
  noise,
  rejection,
  runDeno,
} from "../support/helpers.ts";

Deno.test("spool() keeps bytes and streams, and knows their MD5", async () => {
  await using folder = await makeFolder();
  const bytes = noise(300_000);
  const contents = [
    bytes,
    ReadableStream.from([bytes.subarray(0, 1), bytes.subarray(1)]),
    new Blob([bytes as BlobPart]).stream(),
    new Blob([bytes as BlobPart]),
    new File([bytes as BlobPart], "name"),
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

Deno.test("spool() gives back its room when it fails, whoever has the file open", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/kept`;
  let other: Deno.FsFile | undefined;
  const content = new ReadableStream({
    async pull(controller) {
      if (other === undefined) {
        other = await Deno.open(path);
        return controller.enqueue(noise(5000));
      }
      controller.error(new Error("broken"));
    },
  }, { highWaterMark: 0 });
  await rejection(spool(content, path));
  using file = other;
  assertEquals((await file?.stat())?.size, 0);
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
  const module = new URL("../../src/disk/spool.ts", import.meta.url).href;
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

Deno.test("spool() takes bytes alone, and leaves nothing of a stream that gives else", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/spool`;
  const bytes = new Uint8Array(3);
  for (
    const [chunk, kind] of [
      [new DataView(bytes.buffer), "DataView"],
      [new Uint16Array(1), "Uint16Array"],
      [bytes.buffer, "ArrayBuffer"],
      ["text", "String"],
      [undefined, "Undefined"],
    ] as const
  ) {
    const stream = ReadableStream.from([bytes, chunk, bytes]);
    const outcome = rejection(spool(stream as ReadableStream, path));
    assertStringIncludes(`${await outcome}`, `TypeError: Cannot store`);
    assertStringIncludes(`${await outcome}`, kind);
    assertEquals(await exists(path), false);
  }
  for (const content of [bytes.buffer, 5, null, { stream: "x" }]) {
    // What a caller without types may give.
    const given = content as unknown as Uint8Array;
    await assertRejects(() => spool(given, path), TypeError, "give a path");
  }
});

Deno.test("spool() refuses bytes that are not there any more", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/spool`;
  const transferred = new Uint8Array(3);
  transferred.buffer.transfer();
  const buffer = new ArrayBuffer(3, { maxByteLength: 3 });
  const cut = new Uint8Array(buffer, 0, 3);
  buffer.resize(1);
  for (const bytes of [transferred, cut]) {
    for (const content of [bytes, ReadableStream.from([bytes])]) {
      await assertRejects(() => spool(content, path), TypeError, "transferred");
    }
  }
  assertEquals(await exists(path), false);
});

Deno.test("spool() fails with an error where a stream gives no reason", async () => {
  await using folder = await makeFolder();
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => controller.error(),
  });
  const path = `${folder.path}/spool`;
  await assertRejectsCode(spool(stream, path), "SOURCE_UNREADABLE");
});

Deno.test("spool() takes a stream that is empty, not one that has been used up or is locked", async () => {
  await using folder = await makeFolder();
  const empties = [
    new ReadableStream({ start: (controller) => controller.close() }),
    ReadableStream.from<Uint8Array>([]),
    new Blob([]).stream(),
  ];
  for (const [i, stream] of empties.entries()) {
    assertEquals((await spool(stream, `${folder.path}/${i}`)).size, 0);
  }
  const path = `${folder.path}/spool`;
  const used = ReadableStream.from([new Uint8Array(9)]);
  for await (const _ of used);
  await assertRejects(() => spool(used, path), TypeError, "read to its end");
  const locked = ReadableStream.from([new Uint8Array(9)]);
  const reader = locked.getReader();
  await assertRejects(() => spool(locked, path), TypeError, "locked");
  assertEquals(await exists(path), false);
  // Who has read only the beginning stores the rest.
  await reader.read();
  reader.releaseLock();
  const part = ReadableStream.from([new Uint8Array(1), new Uint8Array(2)]);
  const first = part.getReader();
  await first.read();
  first.releaseLock();
  assertEquals((await spool(part, path)).size, 2);
});
