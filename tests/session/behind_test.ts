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
  runXorriso,
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
  await using session = await Xorriso.open(image);
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
