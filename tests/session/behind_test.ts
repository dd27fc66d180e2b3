import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Xorriso } from "../../mod.ts";
import {
  age,
  assertRejectsCode,
  type Folder,
  grows,
  hash,
  listImage,
  makeFolder,
  makeImage,
  makeSparse,
  noise,
  patch,
  runXorriso,
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

Deno.test("Xorriso changes no image with a partition behind its files", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/partition.iso`;
  const partition = await folder.file("partition", noise(200_000));
  const source = await folder.file("new", "new");
  await runXorriso([
    ["-outdev", `stdio:${image}`],
    ["-map", source, "/old"],
    ["-append_partition", "2", "0xef", partition],
    ["-commit"],
  ]);
  await age(image);
  const before = await hash(image);
  await using session = await Xorriso.open(image);
  await assertRejectsCode(session.map(source, "/new"), "MEDIUM_NOT_WRITABLE");
  assertEquals(await hash(image), before);
});

Deno.test("Xorriso.commit() takes the place of a commit that came to no end", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const { size } = await Deno.stat(image);
  const large = await makeSparse(`${folder.path}/large`);
  const xorriso = new Deno.Command("xorriso", {
    args: ["-dev", `stdio:${image}`, "-map", large, "/large", "-commit"],
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  await grows(image);
  xorriso.kill("SIGKILL");
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
