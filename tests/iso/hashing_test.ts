import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { createHash } from "node:crypto";
import { fileBlocks, memoryBlocks } from "../../src/iso/blocks.ts";
import { BLOCK } from "../../src/medium.ts";
import type { FileContent } from "../../src/iso/entry.ts";
import { Hasher } from "../../src/iso/hashing.ts";
import {
  assertRejectsCode,
  makeFolder,
  makeSparse,
  noise,
  rejection,
} from "../support/helpers.ts";
import { unless } from "../support/needs.ts";

/** Enough that it pays. */
const MUCH = 1 << 30;

/** A test of what there is only with more than one core. */
function hasherTest(name: string, fn: () => Promise<void>): void {
  const isAlone = navigator.hardwareConcurrency < 2;
  Deno.test(unless(isAlone ? "there is one core" : undefined, name), fn);
}

/** Files one behind the other, of these many blocks. */
function filesOf(...sizes: readonly number[]): FileContent[] {
  let lba = 0;
  return sizes.map((blocks, i) => {
    const size = blocks * BLOCK - i;
    const sections = [{ lba, size: Math.min(size, BLOCK) }];
    if (size > BLOCK) sections.push({ lba: lba + 1, size: size - BLOCK });
    lba += blocks;
    return { path: `/${i}`, size, sections };
  });
}

hasherTest("Hasher.md5() hashes many files side by side", async () => {
  await using folder = await makeFolder();
  const files = filesOf(1, 2, 700, 5000, 3, 9000, 1);
  const bytes = noise(files.reduce((sum, { size }) => sum + size, 0) + 50_000);
  await using blocks = await fileBlocks(await folder.file("image", bytes));
  using hasher = Hasher.forBytes(blocks, MUCH, undefined);
  assert(hasher !== undefined);
  let counted = 0;
  const count = (bytes: number) => counted += bytes;
  const found = await Promise.all(
    files.map((file) => hasher?.md5(file, count)),
  );
  const wanted = files.map(({ sections, size }) => {
    const at = (sections[0]?.lba ?? 0) * BLOCK;
    return createHash("md5").update(bytes.subarray(at, at + size)).digest(
      "hex",
    );
  });
  assertEquals(found, wanted);
  assertEquals(counted, files.reduce((sum, { size }) => sum + size, 0));
});

hasherTest("Hasher.md5() fails when the image is not what it was", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("image", noise(100 * BLOCK));
  await using blocks = await fileBlocks(path);
  using hasher = Hasher.forBytes(blocks, MUCH, undefined);
  const [file, beyond] = filesOf(10, 100);
  assert(hasher !== undefined && file !== undefined && beyond !== undefined);
  const md5 = (each: FileContent | undefined) =>
    Promise.resolve(each && hasher?.md5(each));
  await assertRejectsCode(md5(beyond), "IMAGE_DAMAGED");
  await md5(file);
  await Deno.copyFile(path, `${path}.new`);
  await Deno.rename(`${path}.new`, path);
  await assertRejectsCode(md5(file), "MEDIUM_CHANGED");
  await Deno.remove(path);
  await rejection(md5(file));
});

hasherTest("Hasher.md5() stops when its signal is given", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/image`;
  await makeSparse(path, 1 << 30);
  await using blocks = await fileBlocks(path);
  const controller = new AbortController();
  using hasher = Hasher.forBytes(blocks, MUCH, controller.signal);
  const sections = [{ lba: 0, size: 1 << 30 }];
  const hashing = hasher?.md5(
    { sections },
    () => controller.abort("enough"),
  );
  assertEquals(await rejection(Promise.resolve(hashing)), "enough");
});

Deno.test("Hasher.forBytes() makes none where it does not pay, or cannot be", async () => {
  await using folder = await makeFolder();
  await using blocks = await fileBlocks(await folder.file("image", "x"));
  assertEquals(Hasher.forBytes(blocks, 1 << 20, undefined), undefined);
  const inMemory = memoryBlocks(new Uint8Array(1));
  assertEquals(Hasher.forBytes(inMemory, MUCH, undefined), undefined);
});

hasherTest(
  "Hasher.md5() needs no permission but to read the image",
  async () => {
    await using folder = await makeFolder();
    const path = await folder.file("image", noise(10 * BLOCK));
    const urlOf = (path: string) => new URL(`../../${path}`, import.meta.url);
    const module = (name: string) =>
      JSON.stringify(urlOf(`src/iso/${name}.ts`).href);
    const script = `
    import { fileBlocks } from ${module("blocks")};
    import { Hasher } from ${module("hashing")};
    await using blocks = await fileBlocks(${JSON.stringify(path)});
    using hasher = Hasher.forBytes(blocks, 1 << 30);
    console.log(await hasher.md5({ sections: [{ lba: 0, size: 20480 }] }));
  `;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--no-check"],
        ...[
          `--allow-read=${path}`,
          "--config",
          fromFileUrl(urlOf("deno.json")),
        ],
        `data:application/typescript,${encodeURIComponent(script)}`,
      ],
      stdin: "null",
    }).output();
    const md5 = createHash("md5").update(noise(10 * BLOCK)).digest("hex");
    const decoder = new TextDecoder();
    assertEquals(
      [decoder.decode(stdout), decoder.decode(stderr)],
      [`${md5}\n`, ""],
    );
  },
);
