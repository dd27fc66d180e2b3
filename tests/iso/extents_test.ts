import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  byteRanges,
  checkMd5,
  CHUNK,
  readExtents,
  type ReadOptions,
  resolveRange,
  takeRange,
} from "../../src/iso/extents.ts";
import { BLOCK, type Entry, FileListing } from "../../src/dialogue/answers.ts";
import {
  assertCode,
  assertRejectsCode,
  type Folder,
  makeFolder,
  makeImage,
  noise,
  readAll,
  rejection,
  runXorriso,
  until,
} from "../support/helpers.ts";

/** A file of two blocks, three blocks before them, and a bit of a block after them. */
const PIECES: Entry = {
  path: "/pieces",
  size: 5 * BLOCK + 100,
  extents: [
    { lba: 4, blocks: 2 },
    { lba: 1, blocks: 3 },
    { lba: 9, blocks: 1 },
  ],
};

const IMAGE = noise(10 * BLOCK);

/** What {@linkcode PIECES} holds in {@linkcode IMAGE}. */
const CONTENT = new Uint8Array([
  ...IMAGE.subarray(4 * BLOCK, 6 * BLOCK),
  ...IMAGE.subarray(1 * BLOCK, 4 * BLOCK),
  ...IMAGE.subarray(9 * BLOCK, 9 * BLOCK + 100),
]);

/** A file of three and a half chunks behind one block, and the image that holds it. */
const LARGE: Entry = {
  path: "/large",
  size: 3.5 * CHUNK,
  extents: [{ lba: 1, blocks: 3.5 * CHUNK / BLOCK }],
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

Deno.test("byteRanges() finds a part that crosses extents", () => {
  assertEquals(byteRanges(PIECES, 2 * BLOCK - 1, 5 * BLOCK + 7), [
    { position: 6 * BLOCK - 1, length: 1 },
    { position: BLOCK, length: 3 * BLOCK },
    { position: 9 * BLOCK, length: 7 },
  ]);
});

Deno.test("byteRanges() finds all of a file of 5 GiB", () => {
  const extents = [{ lba: 57, blocks: 2097151 }, {
    lba: 2097208,
    blocks: 524289,
  }];
  assertEquals(byteRanges({ path: "/big", size: 5 * 2 ** 30, extents }), [
    { position: 57 * BLOCK, length: 4294965248 },
    { position: 2097208 * BLOCK, length: 1073743872 },
  ]);
});

Deno.test("byteRanges() finds nothing of nothing", () => {
  assertEquals(byteRanges({ path: "/e", size: 0, extents: [] }), []);
  assertEquals(byteRanges(PIECES, 7, 7), []);
});

Deno.test("byteRanges() throws IMAGE_DAMAGED when the extents fall short", () => {
  for (const extents of [[], PIECES.extents.slice(0, 2)]) {
    try {
      byteRanges({ ...PIECES, extents });
    } catch (error) {
      assertEquals(assertCode(error, "IMAGE_DAMAGED").path, "/pieces");
      continue;
    }
    throw new Error("It should have thrown");
  }
});

Deno.test("takeRange() takes pieces until nothing is left", () => {
  const ranges = [{ position: 10, length: 5 }, { position: 30, length: 1 }];
  assertEquals(takeRange(ranges, 3), { position: 10, length: 3 });
  assertEquals(takeRange(ranges, 3), { position: 13, length: 2 });
  assertEquals(takeRange(ranges, 3), { position: 30, length: 1 });
  assertEquals(takeRange(ranges, 3), undefined);
});

Deno.test("readExtents() reads any part of a file in several extents", async () => {
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
    const found = await readAll(readExtents(image, PIECES, { offset, length }));
    const wanted = CONTENT.subarray(offset, offset + length);
    assert(
      Buffer.from(found).equals(wanted),
      `offset ${offset}, length ${length}`,
    );
  }
});

Deno.test("readExtents() gives chunks of 1 MiB", async () => {
  await using folder = await makeFolder();
  const lengths: number[] = [];
  for await (const chunk of readExtents(await makeLarge(folder), LARGE)) {
    lengths.push(chunk.length);
  }
  assertEquals(lengths, [CHUNK, CHUNK, CHUNK, CHUNK / 2]);
});

Deno.test("readExtents() keeps one chunk ahead of its reader", async () => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  using reads = countReads();
  const reader = readExtents(image, LARGE).getReader();
  for (const wanted of [1, 2, 3]) {
    await until(() => reads.count === wanted, "it reads");
    let turns = 0;
    await until(() => ++turns > 20, "others have run");
    assertEquals(reads.count, wanted);
    await reader.read();
  }
  await reader.cancel();
});

Deno.test("readExtents() fills the buffers of a reader that brings its own", async () => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  for (const size of [1000, CHUNK, 3 * CHUNK]) {
    const stream = readExtents(image, LARGE, { offset: 5, length: CHUNK + 9 });
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

Deno.test("readExtents() ends at once on an empty file", async () => {
  await using folder = await makeFolder();
  const image = await folder.file("x.iso", IMAGE);
  const empty = { path: "/e", size: 0, extents: [{ lba: 9999, blocks: 0 }] };
  assertEquals(await readAll(readExtents(image, empty)), new Uint8Array());
  const reader = readExtents(image, empty).getReader({ mode: "byob" });
  assertEquals((await reader.read(new Uint8Array(9))).done, true);
});

Deno.test("readExtents() closes the image when it is cancelled", async (t) => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  // The sanitizer of resources finds an image that stays open.
  await t.step("before it is read", async () => {
    await readExtents(image, LARGE).cancel();
  });
  await t.step("after a chunk", async () => {
    for await (const _ of readExtents(image, LARGE)) break;
  });
  await t.step("while it reads", async () => {
    const reader = readExtents(image, LARGE).getReader();
    const reading = reader.read();
    await reader.cancel();
    await reading;
  });
  await t.step("while it fills a buffer", async () => {
    const reader = readExtents(image, LARGE).getReader({ mode: "byob" });
    await reader.read(new Uint8Array(10));
    const reading = reader.read(new Uint8Array(2 * CHUNK));
    await reader.cancel();
    await reading;
  });
});

Deno.test("readExtents() fails with the signal's reason", async (t) => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  const reason = new Error("Enough");
  await t.step("aborted before", async () => {
    const signal = AbortSignal.abort(reason);
    const reading = readAll(readExtents(image, LARGE, { signal }));
    assertEquals(await rejection(reading), reason);
  });
  await t.step("aborted after a chunk", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const reader = readExtents(image, LARGE, { signal }).getReader();
    await reader.read();
    controller.abort(reason);
    assertEquals(await rejection(reader.read()), reason);
    assertEquals(await rejection(reader.closed), reason);
  });
  await t.step("aborted while it reads", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const reader = readExtents(image, LARGE, { signal }).getReader();
    const reading = reader.read();
    controller.abort(reason);
    assertEquals(await rejection(reading), reason);
  });
});

Deno.test("readExtents() does not mind an abort after its end", async () => {
  await using folder = await makeFolder();
  const controller = new AbortController();
  const { signal } = controller;
  const image = await folder.file("x.iso", IMAGE);
  assertEquals(
    (await readAll(readExtents(image, PIECES, { signal }))).length,
    PIECES.size,
  );
  controller.abort();
});

Deno.test("readExtents() fails when it cannot read the file", async (t) => {
  await using folder = await makeFolder();
  const image = await folder.file("x.iso", IMAGE);
  const read = (path: string, entry = PIECES, options: ReadOptions = {}) =>
    readAll(readExtents(path, entry, options));
  await t.step("IMAGE_DAMAGED where the image ends too early", async () => {
    await Deno.truncate(image, 9 * BLOCK + 99);
    await assertRejectsCode(read(image), "IMAGE_DAMAGED");
    await Deno.writeFile(image, IMAGE);
  });
  await t.step("IMAGE_DAMAGED where the extents fall short", async () => {
    const damaged = { ...PIECES, size: 10 * BLOCK };
    await assertRejectsCode(read(image, damaged), "IMAGE_DAMAGED");
  });
  await t.step("MEDIUM_CHANGED where the image is gone", async () => {
    const error = await assertRejectsCode(
      read(`${folder.path}/gone.iso`),
      "MEDIUM_CHANGED",
    );
    assertEquals(error.path, `${folder.path}/gone.iso`);
  });
  await t.step("MEDIUM_CHANGED where it is another file", async () => {
    const inode = await Deno.stat(image);
    assertEquals(await read(image, PIECES, { inode }), CONTENT);
    await Deno.copyFile(image, `${image}.new`);
    await Deno.rename(`${image}.new`, image);
    await assertRejectsCode(read(image, PIECES, { inode }), "MEDIUM_CHANGED");
  });
  await t.step("READ_ERROR where the system cannot read it", async () => {
    await assertRejectsCode(read(folder.path), "READ_ERROR");
  });
});

Deno.test({
  name: "readExtents() fails with NotCapable without permission",
  permissions: "none",
  async fn() {
    const error = await rejection(readAll(readExtents("/x.iso", PIECES)));
    assert(error instanceof Deno.errors.NotCapable);
  },
});

Deno.test("readExtents() finds what xorriso stored", async () => {
  await using folder = await makeFolder();
  const files = {
    "/a": noise(100_000, 2),
    "/folder/b": noise(1, 3),
    "/folder/c": noise(2_500_000, 4),
    "/none": "",
  };
  const image = await makeImage(folder, files);
  const listing = new FileListing();
  const lines = await runXorriso([
    ["-indev", `stdio:${image}`],
    ["-find", "/", "-type", "f", "-exec", "report_lba"],
  ]);
  const found: [string, Uint8Array][] = [];
  for (const line of lines) {
    const entry = listing.add(line);
    if (entry === undefined) continue;
    found.push([entry.path, await readAll(readExtents(image, entry))]);
  }
  assertEquals(
    new Map(found),
    new Map<string, Uint8Array>([
      ...Object.entries({ ...files, "/none": new Uint8Array() }),
    ]),
  );
});

Deno.test("checkMd5() passes the content on", async () => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  const content = noise(BLOCK + LARGE.size).subarray(BLOCK);
  const md5 = createHash("md5").update(content).digest("hex");
  for (const recorded of [md5, md5.toUpperCase()]) {
    const stream = checkMd5(readExtents(image, LARGE), recorded, "/large");
    assert(Buffer.from(await readAll(stream)).equals(content));
  }
});

Deno.test("checkMd5() fails with CHECKSUM_MISMATCH at the end of other content", async () => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  const other = createHash("md5").digest("hex");
  const reader = checkMd5(readExtents(image, LARGE), other, "/large")
    .getReader();
  for (let i = 0; i < 4; i++) {
    assertEquals((await reader.read()).done, false);
  }
  const error = await assertRejectsCode(reader.read(), "CHECKSUM_MISMATCH");
  assertEquals(error.path, "/large");
});

Deno.test("checkMd5() passes a failure and a cancel on", async () => {
  await using folder = await makeFolder();
  const image = await makeLarge(folder);
  const damaged = { ...LARGE, size: 2 * LARGE.size };
  await assertRejectsCode(
    readAll(checkMd5(readExtents(image, damaged), "", "/large")),
    "IMAGE_DAMAGED",
  );
  await checkMd5(readExtents(image, LARGE), "", "/large").cancel();
});
