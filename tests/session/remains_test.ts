import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Xorriso, XorrisoBackend } from "../../mod.ts";
import { fileBlocks, readImage } from "../../src/iso/mod.ts";
import { readBehind } from "../../src/iso/behind.ts";
import { directory, Forgery } from "../iso/forge.ts";
import {
  age,
  assertRejectsCode,
  type Folder,
  grows,
  hash,
  listImage,
  makeFolder,
  makeImage,
  makeScript,
  makeSparse,
  noise,
  patch,
  runXorriso,
  signalTo,
  writeSession,
} from "../support/helpers.ts";

/** Whether a file begins with these bytes at an offset. */
async function has(
  path: string,
  bytes: Uint8Array,
  offset: number,
): Promise<boolean> {
  const found = (await Deno.readFile(path)).subarray(offset);
  return bytes.every((byte, i) => byte === found[i]);
}

/** An image with foreign bytes behind it, and where they are. */
async function makeForeign(
  folder: Folder,
): Promise<{ image: string; rest: Uint8Array; offset: number }> {
  const image = await makeImage(folder);
  const { size: offset } = await Deno.stat(image);
  const rest = noise(300_000);
  await Deno.writeFile(image, rest, { append: true });
  await age(image);
  return { image, rest, offset };
}

Deno.test("Xorriso changes no image with something of others behind it, and reads it", async () => {
  await using folder = await makeFolder();
  const { image, rest, offset } = await makeForeign(folder);
  const before = await hash(image);
  {
    await using session = await Xorriso.open(image);
    assertEquals(await session.ls(), ["old"]);
    const source = await folder.file("new", "new");
    for (
      const change of [
        () => session.map(source, "/new"),
        () => session.rm(["/old"]),
        () => session.commit({ force: true }),
      ]
    ) {
      const error = await assertRejectsCode(change(), "MEDIUM_NOT_WRITABLE");
      assertEquals(error.path, image);
      assertStringIncludes(
        error.message,
        `${rest.length} bytes lie behind block`,
      );
      assertStringIncludes(error.message, `from block ${offset / 2048} on`);
    }
  }
  assertEquals(await hash(image), before);
  assert(await has(image, rest, offset));
});

Deno.test("XorrisoBackend warns of something of others behind an image, once", async () => {
  await using folder = await makeFolder();
  const { image, rest } = await makeForeign(folder);
  for (const readOnly of [true, false]) {
    const lines: string[] = [];
    await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
      readOnly,
      onMessage: (line) => lines.push(line),
    });
    assertEquals(
      await new Response(await backend.readable("old")).text(),
      "old",
    );
    const { behind = "", appendable } = await backend.medium();
    assertStringIncludes(behind, `${rest.length} bytes lie behind block`);
    assertEquals([appendable, await backend.room()], [false, 0]);
    const warnings = lines.filter((line) =>
      line.includes(": WARNING : nothing")
    );
    assertEquals(warnings.length, 1);
    assertStringIncludes(warnings[0] ?? "", behind);
  }
});

Deno.test("Xorriso changes no image with a partition behind its files, be it empty", async (t) => {
  for (const table of ["mbr", "gpt"]) {
    await t.step(table, async () => {
      await using folder = await makeFolder();
      const image = `${folder.path}/partition.iso`;
      const partition = await folder.file("partition", new Uint8Array(200_000));
      const source = await folder.file("new", "new");
      await runXorriso([
        ["-outdev", `stdio:${image}`],
        ["-map", source, "/old"],
        ["-append_partition", "2", "0xef", partition],
        ["-boot_image", "any", `appended_part_as=${table}`],
        ["-commit"],
      ]);
      await age(image);
      const before = await hash(image);
      await using session = await Xorriso.open(image);
      const error = await assertRejectsCode(
        session.map(source, "/new"),
        "MEDIUM_NOT_WRITABLE",
      );
      assertStringIncludes(error.message, "its partition table tells of one");
      assertEquals(await hash(image), before);
    });
  }
});

Deno.test("Xorriso.commit() takes the place of a commit that came to no end", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const { size } = await Deno.stat(image);
  const large = await makeSparse(`${folder.path}/large`);
  await using xorriso = new Deno.Command("xorriso", {
    args: ["-dev", `stdio:${image}`, "-map", large, "/large", "-commit"],
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  await grows(image, xorriso.status);
  signalTo(xorriso, "SIGKILL");
  await xorriso.status;
  await age(image);
  assert((await Deno.stat(image)).size > size);
  await using session = await Xorriso.open(image, { recover: true });
  await session.map(await folder.file("new", "new"), "/new");
  await session.commit();
  assertEquals(await listImage(image), ["/new", "/old"]);
  // Nothing is left of it behind the new session.
  const after = await Deno.stat(image);
  assert(after.size < size + 400_000, `${after.size}`);
  await session.rm(["/new"]);
  await session.commit();
  assertEquals(await listImage(image), ["/old"]);
});

/** An image of three sessions, `/1` to `/3`, whose beginning is partly that of the second. */
async function makeTorn(
  folder: Folder,
  first: number,
  end: number,
): Promise<string> {
  const image = `${folder.path}/torn.iso`;
  for (const path of ["/1", "/2"]) await writeSession(image, { [path]: path });
  const before = await Deno.readFile(image);
  await writeSession(image, { "/3": "/3" });
  const part = before.subarray(first * 2048, end * 2048);
  await patch(image, first * 2048, part);
  await age(image);
  return image;
}

Deno.test("Xorriso mends the beginning of an image where it was torn, if that is wanted", async (t) => {
  for (const [what, first, end] of [["new", 18, 32], ["old", 0, 18]] as const) {
    await t.step(`the ${what} descriptor before other tags`, async () => {
      await using folder = await makeFolder();
      const image = await makeTorn(folder, first, end);
      const torn = await hash(image);
      const error = await assertRejectsCode(
        Xorriso.open(image),
        "IMAGE_DAMAGED",
      );
      assertStringIncludes(error.message, "open it with recover");
      assertEquals(await hash(image), torn);
      {
        await using session = await Xorriso.open(image, { recover: true });
        assertEquals(
          await session.ls("/"),
          ["1", "2", "3"],
        );
        await session.map(await folder.file("4", "/4"), "/4");
        await session.commit();
      }
      assertEquals(await listImage(image), ["/1", "/2", "/3", "/4"]);
    });
  }
});

Deno.test("Xorriso makes the beginning of an image anew where it is gone, if that is wanted", async () => {
  await using folder = await makeFolder();
  const image = await makeTorn(folder, 0, 0);
  await patch(image, 0, new Uint8Array(32 * 2048));
  await age(image);
  await assertRejectsCode(Xorriso.open(image), "IMAGE_DAMAGED");
  {
    await using _ = await Xorriso.open(image, { recover: true });
  }
  assertEquals(await listImage(image), ["/1", "/2", "/3"]);
});

/** Cuts what is behind the tree of the newest session off an image. */
async function cutOff(image: string): Promise<void> {
  await using blocks = await fileBlocks(image);
  const { newest } = await readImage(blocks);
  await Deno.truncate(image, newest.volume.root.lba * 2048);
  await age(image);
}

Deno.test("Xorriso goes on from before a session that was cut off, if that is wanted", async (t) => {
  for (const first of ["its own", "that of mkisofs"]) {
    await t.step(`behind a first session, ${first}`, async () => {
      await using folder = await makeFolder();
      const image = `${folder.path}/cut.iso`;
      if (first !== "its own") {
        const source = await folder.file("0", "/0");
        const words = ["-as", "mkisofs", "-o", image, "-R", source, "--"];
        await runXorriso([words, ["-commit"]]);
      }
      for (const path of ["/1", "/2"]) {
        await writeSession(image, { [path]: path });
      }
      await cutOff(image);
      const before = await hash(image);
      const error = await assertRejectsCode(
        Xorriso.open(image),
        "IMAGE_DAMAGED",
      );
      assertStringIncludes(error.message, "open it with recover");
      assertEquals(await hash(image), before);
      {
        await using session = await Xorriso.open(image, { recover: true });
        await session.map(await folder.file("3", "/3"), "/3");
        await session.commit();
      }
      const kept = first === "its own" ? ["/1", "/3"] : ["/0", "/1", "/3"];
      assertEquals(await listImage(image), kept);
      await using blocks = await fileBlocks(image);
      const found = await readImage(blocks);
      assertEquals(found.head, "sound");
      assertEquals(await readBehind(blocks, found), undefined);
    });
  }
});

Deno.test("Xorriso mends a beginning, and leaves what is not ours behind the sessions", async () => {
  await using folder = await makeFolder();
  const { image, rest, offset } = await makeForeign(folder);
  // The root directory of its first descriptor lies beyond the end.
  await patch(image, 16 * 2048 + 158, Uint8Array.of(255, 255, 255, 127));
  await age(image);
  await assertRejectsCode(Xorriso.open(image), "IMAGE_DAMAGED");
  {
    await using session = await Xorriso.open(image, { recover: true });
    assertEquals(await session.ls(), ["old"]);
    await assertRejectsCode(session.rm(["/old"]), "MEDIUM_NOT_WRITABLE");
  }
  assert(await has(image, rest, offset));
  assertEquals((await Deno.stat(image)).size, offset + rest.length);
});

Deno.test("Xorriso tells what cannot be mended", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/partition.iso`;
  const partition = ["-boot_image", "any", "partition_offset=16"];
  for (const path of ["/1", "/2"]) {
    await writeSession(image, { [path]: path }, partition);
  }
  await cutOff(image);
  const before = await hash(image);
  for (const recover of [false, true]) {
    const error = await assertRejectsCode(
      Xorriso.open(image, { recover }),
      "IMAGE_DAMAGED",
    );
    assertStringIncludes(error.message, "cannot be mended");
    assertStringIncludes(error.message, "readOnly");
  }
  assertEquals(await hash(image), before);
  await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
    readOnly: true,
  });
  assertEquals((await backend.list()).map(({ name }) => name), ["1"]);
});

Deno.test("Xorriso opens no image whose directories lead in circles", async () => {
  await using folder = await makeFolder();
  const forgery = new Forgery();
  const lba = forgery.reserve();
  forgery.list(20, [directory("a", lba)]);
  forgery.list(lba, [directory("b", lba)]);
  const image = await folder.file("circle.iso", forgery.bytes());
  await age(image);
  const log = await folder.file("log", "");
  const xorrisoPath = await makeScript(
    folder,
    "logged-xorriso",
    `tee -a '${log}' | xorriso "$@"`,
  );
  for (const readOnly of [false, true]) {
    const options = { readOnly, xorrisoPath };
    for (const open of [Xorriso.open, XorrisoBackend.open]) {
      const address = open === Xorriso.open ? image : `xorriso://${image}`;
      await assertRejectsCode(open(address, options), "IMAGE_DAMAGED");
    }
  }
  const lines = await Deno.readTextFile(log);
  assertStringIncludes(lines, "-version");
  assert(!/-(in)?dev/.test(lines));
});

Deno.test("Xorriso mends nothing where nothing is to be mended", async () => {
  await using folder = await makeFolder();
  const image = await makeTorn(folder, 0, 0);
  const before = await hash(image);
  {
    await using _ = await Xorriso.open(image, { recover: true });
  }
  assertEquals(await hash(image), before);
  const foreign = await folder.file("foreign.iso", noise(100_000));
  await age(foreign);
  await assertRejectsCode(Xorriso.open(foreign, { recover: true }), "NOT_ISO");
});
