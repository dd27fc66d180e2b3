import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fileBlocks } from "../../src/iso/blocks.ts";
import { CHUNK } from "../../src/disk/files.ts";
import { BLOCK } from "../../src/medium.ts";
import {
  contentChunks,
  type ContentOptions,
  resolveRange,
  streamOf,
} from "../../src/iso/content.ts";
import { readChecksums } from "../../src/iso/checksums.ts";
import type { FileContent } from "../../src/iso/entry.ts";
import { readTree } from "../../src/iso/read_tree.ts";
import { readImage } from "../../src/iso/sessions.ts";
import {
  assertRejectsCode,
  type Folder,
  makeFolder,
  noise,
  readAll,
  rejection,
  runXorriso,
  until,
} from "../support/helpers.ts";

/** A file of two blocks, three blocks before them, and a bit of a block after them. */
const PIECES: FileContent = {
  path: "/pieces",
  size: 5 * BLOCK + 100,
  sections: [
    { lba: 4, size: 2 * BLOCK },
    { lba: 1, size: 3 * BLOCK },
    { lba: 9, size: 100 },
  ],
};

/** Images that are open. */
let opened = 0;

/** The content of a file of an image, which is open as long as it is read. */
function readContent(
  image: string,
  entry: FileContent,
  options: ContentOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  async function* chunks() {
    opened++;
    try {
      await using blocks = await fileBlocks(image);
      yield* contentChunks(blocks, entry, options);
    } finally {
      opened--;
    }
  }
  return streamOf(chunks(), options.signal);
}

const IMAGE = noise(10 * BLOCK);

/** What {@linkcode PIECES} holds in {@linkcode IMAGE}. */
const CONTENT = new Uint8Array([
  ...IMAGE.subarray(4 * BLOCK, 6 * BLOCK),
  ...IMAGE.subarray(1 * BLOCK, 4 * BLOCK),
  ...IMAGE.subarray(9 * BLOCK, 9 * BLOCK + 100),
]);

/** A file of three and a half chunks behind one block, and the image that holds it. */
const LARGE: FileContent = {
  path: "/large",
  size: 3.5 * CHUNK,
  sections: [{ lba: 1, size: 3.5 * CHUNK }],
};

async function makeLarge(folder: Folder): Promise<string> {
  return await folder.file("large.iso", noise(BLOCK + LARGE.size));
}

/** Counts the calls that read from files, until it is disposed of. */
function countReads(): Disposable & { readonly count: number } {
  const { prototype } = Deno.FsFile;
  const original = prototype.read;
  let count = 0;
  prototype.read = function (buffer) {
    count++;
    return original.call(this, buffer);
  };
  return {
    get count() {
      return count;
    },
    [Symbol.dispose]() {
      prototype.read = original;
    },
  };
}

Deno.test("resolveRange() cuts to what the file has", () => {
  assertEquals(resolveRange(10, {}), { start: 0, end: 10 });
  assertEquals(resolveRange(10, { offset: 3 }), { start: 3, end: 10 });
  assertEquals(resolveRange(10, { offset: 3, length: 4 }), {
    start: 3,
    end: 7,
  });
  assertEquals(resolveRange(10, { offset: 8, length: 4 }), {
    start: 8,
    end: 10,
  });
  assertEquals(resolveRange(10, { offset: 12, length: 4 }), {
    start: 10,
    end: 10,
  });
  assertEquals(resolveRange(0, { length: 4 }), { start: 0, end: 0 });
});

Deno.test("resolveRange() throws RangeError on what is no whole number", () => {
  for (const value of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assertThrows(
      () => resolveRange(1, { offset: value }),
      RangeError,
      "offset",
    );
    assertThrows(
      () => resolveRange(1, { length: value }),
      RangeError,
      "length",
    );
  }
});

Deno.test("content() reads any part of a file in several extents", async () => {
  await using folder = await makeFolder();
  const image = await folder.file("x.iso", IMAGE);
  const parts: [offset: number, length: number][] = [
    [0, CONTENT.length],
    [0, 1],
    [2 * BLOCK - 1, 2],
    [2 * BLOCK, 3 * BLOCK],
    [CONTENT.length - 1, 5],
    [CONTENT.length, 5],
    [CONTENT.length + 5, 5],
    [7, 0],
  ];
  for (let i = 0; i < 50; i++) {
    const [a = 0, b = 0] = new Uint16Array(noise(4, i + 1).buffer);
    parts.push([a % CONTENT.length, b % CONTENT.length]);
  }
  for (const [offset, length] of parts) {
    const found = await readAll(readContent(image, PIECES, { offset, length }));
    const wanted = CONTENT.subarray(offset, offset + length);
    assert(
      Buffer.from(found).equals(wanted),
      `offset ${offset}, length ${length}`,
    );
  }
});

Deno.test("content() gives chunks of 1 MiB", async () => {
  await using folder = await makeFolder();
  const lengths: number[] = [];
  for await (const chunk of readContent(await makeLarge(folder), LARGE)) {
    lengths.push(chunk.length);
  }
  assertEquals(lengths, [CHUNK, CHUNK, CHUNK, CHUNK / 2]);
});

Deno.test("content() keeps one chunk ahead of its reader", async () => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  using reads = countReads();
  const reader = readContent(image, LARGE).getReader();
  for (const wanted of [1, 2, 3]) {
    await until(() => reads.count === wanted, "it reads");
    let turns = 0;
    await until(() => ++turns > 20, "others have run");
    assertEquals(reads.count, wanted);
    await reader.read();
  }
  await reader.cancel();
});

Deno.test("content() fills the buffers of a reader that brings its own", async () => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  for (const size of [1000, CHUNK, 3 * CHUNK]) {
    const stream = readContent(image, LARGE, { offset: 5, length: CHUNK + 9 });
    const reader = stream.getReader({ mode: "byob" });
    const hash = createHash("md5");
    let buffer = new Uint8Array(size);
    for (;;) {
      const { done, value } = await reader.read(buffer);
      if (value) hash.update(value);
      if (done || !value) break;
      buffer = new Uint8Array(value.buffer);
    }
    const wanted = noise(BLOCK + LARGE.size)
      .subarray(BLOCK + 5, BLOCK + 5 + CHUNK + 9);
    assertEquals(
      hash.digest("hex"),
      createHash("md5").update(wanted).digest("hex"),
    );
  }
});

Deno.test("content() ends at once on an empty file", async () => {
  await using folder = await makeFolder();
  const image = await folder.file("x.iso", IMAGE);
  const empty = { path: "/e", size: 0, sections: [] };
  assertEquals(await readAll(readContent(image, empty)), new Uint8Array());
  const reader = readContent(image, empty).getReader({ mode: "byob" });
  assertEquals((await reader.read(new Uint8Array(9))).done, true);
});

Deno.test("content() closes the image when it is cancelled", async (t) => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  // The sanitizer of resources finds an image that stays open.
  await t.step("before it is read", async () => {
    await readContent(image, LARGE).cancel();
  });
  await t.step("after a chunk", async () => {
    for await (const _ of readContent(image, LARGE)) break;
  });
  await t.step("while it reads", async () => {
    const reader = readContent(image, LARGE).getReader();
    const reading = reader.read();
    await reader.cancel();
    await reading;
  });
  await t.step("while it fills a buffer", async () => {
    const reader = readContent(image, LARGE).getReader({ mode: "byob" });
    await reader.read(new Uint8Array(10));
    const reading = reader.read(new Uint8Array(2 * CHUNK));
    await reader.cancel();
    await reading;
  });
});

Deno.test("content() fails with the signal's reason", async (t) => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  const reason = new Error("Enough");
  await t.step("aborted before", async () => {
    const signal = AbortSignal.abort(reason);
    const reading = readAll(readContent(image, LARGE, { signal }));
    assertEquals(await rejection(reading), reason);
  });
  await t.step("aborted after a chunk", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const reader = readContent(image, LARGE, { signal }).getReader();
    await reader.read();
    controller.abort(reason);
    assertEquals(await rejection(reader.read()), reason);
    assertEquals(await rejection(reader.closed), reason);
  });
  await t.step("aborted while it reads", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const reader = readContent(image, LARGE, { signal }).getReader();
    const reading = reader.read();
    controller.abort(reason);
    assertEquals(await rejection(reading), reason);
  });
  await until(() => opened === 0, "the images are closed");
});

Deno.test("content() does not mind an abort after its end", async () => {
  await using folder = await makeFolder();
  const controller = new AbortController();
  const { signal } = controller;
  const image = await folder.file("x.iso", IMAGE);
  assertEquals(
    (await readAll(readContent(image, PIECES, { signal }))).length,
    PIECES.size,
  );
  controller.abort();
});

Deno.test("content() fails when it cannot read the file", async (t) => {
  await using folder = await makeFolder();
  const image = await folder.file("x.iso", IMAGE);
  const read = (path: string, entry = PIECES) =>
    readAll(readContent(path, entry));
  await t.step("IMAGE_DAMAGED where the image ends too early", async () => {
    await Deno.truncate(image, 9 * BLOCK + 99);
    await assertRejectsCode(read(image), "IMAGE_DAMAGED");
    await Deno.writeFile(image, IMAGE);
  });
  await t.step("IMAGE_DAMAGED where the extents fall short", async () => {
    const damaged = { ...PIECES, size: 10 * BLOCK };
    await assertRejectsCode(read(image, damaged), "IMAGE_DAMAGED");
  });
});

Deno.test({
  name: "content() fails with NotCapable without permission",
  permissions: "none",
  async fn() {
    const error = await rejection(readAll(readContent("/x.iso", PIECES)));
    assert(error instanceof Deno.errors.NotCapable);
  },
});

Deno.test("content() passes on what has the expected MD5", async () => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  const content = noise(BLOCK + LARGE.size).subarray(BLOCK);
  const md5 = createHash("md5").update(content).digest("hex");
  for (const expected of [md5, md5.toUpperCase()]) {
    const stream = readContent(image, LARGE, { md5: expected });
    assert(Buffer.from(await readAll(stream)).equals(content));
  }
});

Deno.test("content() fails with CHECKSUM_MISMATCH at the end of other content", async () => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  const md5 = createHash("md5").digest("hex");
  const reader = readContent(image, LARGE, { md5 }).getReader();
  for (let i = 0; i < 4; i++) {
    assertEquals((await reader.read()).done, false);
  }
  const error = await assertRejectsCode(reader.read(), "CHECKSUM_MISMATCH");
  assertEquals(error.path, "/large");
  // Of a part there is no checksum.
  const part = readContent(image, LARGE, { md5, offset: 1 });
  assertEquals((await readAll(part)).length, LARGE.size - 1);
});

Deno.test("content() checks what is stored, and gives it inflated", async () => {
  const plain = new TextEncoder().encode("0123456789\n".repeat(9000));
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  await runXorriso([
    ["-outdev", `stdio:${image}`],
    ["-map", await folder.file("plain", plain), "/f"],
    ["-find", "/", "-type", "f", "-exec", "set_filter", "--zisofs", "--"],
    ["-commit"],
  ]);
  await using blocks = await fileBlocks(image);
  const tree = await readTree(blocks, (await readImage(blocks)).newest);
  const entry = tree.get("/f");
  assertEquals(entry?.size, plain.length);
  if (entry === undefined) return;
  const md5 = (await readChecksums(blocks, [entry]))(entry);
  const read = (options: ContentOptions) =>
    readAll(streamOf(contentChunks(blocks, entry, options)));
  assert(Buffer.from(await read({ md5 })).equals(plain));
  for (
    const [offset, length] of [[0, 1], [32767, 2], [65536, 9], [98_999, 9]]
  ) {
    const part = plain.subarray(offset, (offset ?? 0) + (length ?? 0));
    const range = { offset: offset ?? 0, length: length ?? 0 };
    assertEquals(await read(range), part);
  }
  const stored = await read({ stored: true, md5 });
  assertEquals(createHash("md5").update(stored).digest("hex"), md5);
  assert(stored.length < plain.length / 10);
  await assertRejectsCode(
    read({ md5: md5?.replace(/./g, "0") }),
    "CHECKSUM_MISMATCH",
  );
});
