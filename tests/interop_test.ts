/** Images go both ways between this module, xorriso alone, and other programs. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { XorrisoBackend } from "../src/backend/backend.ts";
import {
  age,
  assertRejectsCode,
  type Folder,
  listImage,
  makeFifo,
  makeFolder,
  makeImage,
  noise,
  patch,
  readImage,
  rejection,
  runProgram,
  runXorriso,
  toBytes,
} from "./support/helpers.ts";
import { absent, unless } from "./support/needs.ts";

/** Files by path on the medium. */
type Files = Readonly<Record<string, Uint8Array>>;

/** Contents of all sizes about a block, and one of many. */
const SIZES: Files = {
  "/empty": new Uint8Array(),
  "/sizes/1": noise(1, 1),
  "/sizes/2047": noise(2047, 2),
  "/sizes/2048": noise(2048, 3),
  "/sizes/2049": noise(2049, 4),
  "/sizes/large": noise(3_000_001, 5),
};

/** Names of all sorts, of which many readers get some wrong. */
const NAMES = [
  "plain.txt",
  "no extension",
  "a/b/c/d/e/f/g/h/i/j/eleven deep",
  "ends in blank ",
  ".hidden",
  "-dash",
  "--",
  "$HOME & (c) ~ #1 100%",
  "Grüße 文件 😀",
  "x".repeat(64),
  "it's",
  'a "quoted" name',
  "back\\slash",
  "a*b?[c]{d}",
  "new\nline",
  "tab\tand \x1b[31mescape",
  "xorriso : FAILURE : not at all",
  "ä".repeat(50),
];

const UTF8 = { env: { LC_ALL: "C.UTF-8" } };

const NAMED: Files = Object.fromEntries(
  NAMES.map((name, index) => [
    `/${name}`,
    toBytes(`content ${index}`),
  ]),
);

/** What is compared: a digest by path. */
function digests(
  files: Iterable<readonly [string, Uint8Array]>,
): Record<string, string> {
  return Object.fromEntries(
    Array.from(
      files,
      ([path, content]) =>
        [path, createHash("sha256").update(content).digest("hex")] as const,
    ).sort(([a], [b]) => a < b ? -1 : 1),
  );
}

/** Stores files by this module, the first half as one session, the rest as another. */
async function storeAll(folder: Folder, files: Files): Promise<string> {
  const image = `${folder.path}/ours.iso`;
  const entries = Object.entries(files);
  const half = entries.length >> 1;
  const sources = new Map<string, string>();
  for (const [index, [path, content]] of entries.entries()) {
    sources.set(path, await folder.file(`sources/${index}`, content));
  }
  await using backend = await open(image, { create: true });
  for (const part of [entries.slice(0, half), entries.slice(half)]) {
    await Promise.all(
      part.map(([path]) => backend.put(sources.get(path) ?? "", path.slice(1))),
    );
  }
  assertEquals((await backend.sessions()).length, 2);
  return image;
}

/** Reads all files by this module. */
async function readAll(
  image: string,
  folder: Folder,
  directory = "",
): Promise<Record<string, Uint8Array>> {
  await using backend = await open(image, { readOnly: true }, directory);
  const names = (await backend.list()).map(({ name }) => name);
  const target = `${folder.path}/restored-${crypto.randomUUID()}`;
  for (const { error } of await backend.getList(names, target)) {
    if (error !== undefined) throw error;
  }
  const files: Record<string, Uint8Array> = {};
  for (const name of names) {
    files[`/${name}`] = await Deno.readFile(`${target}/${name}`);
  }
  return files;
}

async function open(
  image: string,
  options: { create?: boolean; readOnly?: boolean } = {},
  directory = "",
): Promise<XorrisoBackend> {
  return await XorrisoBackend.open(`xorriso://${image}${directory}`, options);
}

Deno.test("an image of this module is read by xorriso alone", async () => {
  await using folder = await makeFolder();
  const files = { ...SIZES, ...NAMED };
  const image = await storeAll(folder, files);
  assertEquals(await listImage(image), Object.keys(files).sort());
  const target = `${folder.path}/target`;
  await Deno.mkdir(target);
  await runXorriso([
    ["-indev", `stdio:${image}`],
    ["-extract", "/", target],
  ]);
  const found: [string, Uint8Array][] = [];
  for (const path of Object.keys(files)) {
    found.push([path, await Deno.readFile(`${target}${path}`)]);
  }
  assertEquals(digests(found), digests(Object.entries(files)));
});

Deno.test("an image of this module passes the checksums that xorriso records", async () => {
  await using folder = await makeFolder();
  const image = await storeAll(folder, SIZES);
  const check = () =>
    runXorriso([
      ["-indev", `stdio:${image}`],
      ["-check_md5_r", "FAILURE", "/", "--"],
      ["-check_media", "what=disc", "use=indev"],
    ]);
  await check();
  // Checksums that were not there would be right, too.
  const bytes = await Deno.readFile(image);
  const block = SIZES["/sizes/2048"]?.toHex();
  let at = 0;
  while (at < bytes.length && bytes.subarray(at, at + 2048).toHex() !== block) {
    at += 2048;
  }
  await patch(image, at, new Uint8Array(1));
  const error = await rejection(check());
  assertStringIncludes(String(error), "'/sizes/2048'");
});

Deno.test("what this module replaced or deleted is so for xorriso, and not in the older session", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/ours.iso`;
  {
    await using backend = await open(image, { create: true });
    const one = await folder.file("one", "one");
    await Promise.all(["a", "b", "f/c"].map((name) => backend.put(one, name)));
    await Promise.all([
      backend.put(await folder.file("two", "two"), "a"),
      backend.delete("b"),
    ]);
  }
  assertEquals(await listImage(image), ["/a", "/f/c"]);
  assertEquals(await readImage(image, "/a"), toBytes("two"));
  const older = await runXorriso([
    ["-load", "session", "1"],
    ["-indev", `stdio:${image}`],
    ["-find", "/", "-type", "f", "-exec", "echo"],
  ]);
  assertEquals(older, ["'/a'", "'/b'", "'/f/c'"]);
});

Deno.test("an image of xorriso alone is read and appended to", async () => {
  await using folder = await makeFolder();
  const files = { ...SIZES, ...NAMED };
  const image = await makeImage(folder, files);
  assertEquals(
    digests(Object.entries(await readAll(image, folder))),
    digests(Object.entries(files)),
  );
  {
    await using backend = await open(image);
    for (const { error } of await backend.verify()) {
      assertEquals(error, undefined);
    }
    await backend.put(await folder.file("new", "new"), "plain.txt");
    await backend.delete("sizes/1");
  }
  const { "/sizes/1": _, ...rest } = files;
  const expected = { ...rest, "/plain.txt": toBytes("new") };
  assertEquals(await listImage(image), Object.keys(expected).sort());
  assertEquals(
    digests(Object.entries(await readAll(image, folder))),
    digests(Object.entries(expected)),
  );
});

Deno.test("nothing but files counts in an image of xorriso alone", async () => {
  await using folder = await makeFolder();
  await folder.file("tree/file", "file");
  await Deno.mkdir(`${folder.path}/tree/folder`);
  await Deno.symlink("file", `${folder.path}/tree/link`);
  await makeFifo(`${folder.path}/tree/fifo`);
  const image = `${folder.path}/test.iso`;
  await runXorriso([
    ["-dev", `stdio:${image}`],
    ["-map", `${folder.path}/tree`, "/"],
    ["-commit"],
  ]);
  await age(image);
  await using backend = await open(image);
  assertEquals((await backend.list()).map(({ name }) => name), ["file"]);
  const types = { folder: undefined, link: "link", fifo: "other" };
  for (const [name, type] of Object.entries(types)) {
    assertEquals((await backend.query(name))?.type, type);
    await assertRejectsCode(
      backend.get(name, `${folder.path}/target`),
      "ENTRY_NOT_FOUND",
    );
  }
  // The tree is not bent.
  const source = `${folder.path}/tree/file`;
  for (const name of ["folder", "link/below", "fifo/below"]) {
    await assertRejectsCode(backend.put(source, name), "ENTRY_EXISTS");
  }
  await backend.put(source, "folder/below");
  assertEquals(await listImage(image), ["/file", "/folder/below"]);
  // What is no file can be deleted all the same, but no folder by mistake.
  await backend.delete("link");
  await backend.delete("fifo");
  await assertRejectsCode(backend.delete("folder"), "ENTRY_NOT_FOUND");
  assertEquals(
    (await backend.list({ all: true })).map(({ name }) => name).sort(),
    ["file", "folder", "folder/below"],
  );
});

for (
  const [program, args] of [
    ["xorriso", ["-as", "mkisofs", "-quiet", "-R", "-J"]],
    ["xorriso", ["-as", "mkisofs", "-quiet", "-R", "-partition_offset", "16"]],
    ["genisoimage", ["-quiet", "-R", "-J"]],
    ["genisoimage", ["-quiet", "-R", "-no-pad"]],
  ] as const
) {
  Deno.test(
    unless(
      await absent(program),
      `an image of ${program} ${args.join(" ")} is read and appended to`,
    ),
    async () => {
      await using folder = await makeFolder();
      for (const [path, content] of Object.entries(SIZES)) {
        await folder.file(`tree${path}`, content);
      }
      const image = `${folder.path}/test.iso`;
      await runProgram(
        program,
        [...args, "-o", image, `${folder.path}/tree`],
        UTF8,
      );
      await age(image);
      assertEquals(
        digests(Object.entries(await readAll(image, folder))),
        digests(Object.entries(SIZES)),
      );
      {
        await using backend = await open(image);
        // These programs record no checksums unless asked to.
        const [first] = await backend.verify(["sizes/1"]);
        assertEquals(first?.state, "unverifiable");
        await backend.put(await folder.file("new", "new"), "new");
        await backend.delete("sizes/1");
        await backend.put(await folder.file("newer", "newer"), "sizes/large");
      }
      const expected = Object.entries({
        ...SIZES,
        "/new": toBytes("new"),
        "/sizes/large": toBytes("newer"),
      }).filter(([path]) => path !== "/sizes/1");
      assertEquals(
        digests(Object.entries(await readAll(image, folder))),
        digests(expected),
      );
    },
  );
}

/** What a backend does that runs xorriso once for each of its calls. */
class Counterpart {
  readonly #image: string;

  constructor(image: string) {
    this.#image = image;
  }

  async put(source: string, name: string): Promise<void> {
    await this.#xorriso(
      ["-dev", `stdio:${this.#image}`],
      ["-mkdir", "/backup", "--"],
      ["-cpr", source, `/backup/${name}`, "--"],
      ["-commit"],
    );
  }

  async get(name: string, target: string): Promise<void> {
    await this.#xorriso(
      ["-indev", `stdio:${this.#image}`],
      ["-osirrox", "on", "-extract", `/backup/${name}`, target],
    );
  }

  async delete(name: string): Promise<void> {
    await this.#xorriso(
      ["-dev", `stdio:${this.#image}`],
      ["-rm", `/backup/${name}`, "--"],
      ["-commit"],
    );
  }

  async list(): Promise<string[]> {
    const output = await this.#xorriso(
      ["-indev", `stdio:${this.#image}`],
      ["-ls", "/backup", "--"],
    );
    return output.split("\n").filter((line) => line !== "")
      .map((line) => line.replace(/^'(.*)'$/, "$1")).sort();
  }

  async #xorriso(...commands: readonly (readonly string[])[]): Promise<string> {
    const args = ["-report_about", "SORRY", ...commands.flat(), "-end"];
    return await runProgram("xorriso", args, UTF8);
  }
}

Deno.test("a directory is shared with a backend that runs xorriso for each call", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/shared.iso`;
  const names = [
    "duplicity-full.20260101T000000Z.manifest.gpg",
    "duplicity-full.20260101T000000Z.vol1.difftar.gpg",
    "duplicity-full-signatures.20260101T000000Z.sigtar.gpg",
  ];
  const contents = new Map(
    names.map((name, index) => [name, noise(50_000, index)]),
  );
  const other = new Counterpart(image);
  for (const [name, content] of contents) {
    await other.put(await folder.file("source", content), name);
  }
  await age(image);
  const paths = () =>
    digests(
      Array.from(contents, ([name, content]) => [`/${name}`, content]),
    );
  assertEquals(
    digests(Object.entries(await readAll(image, folder, ":/backup"))),
    paths(),
  );

  // This module adds, replaces and deletes.
  {
    await using backend = await open(image, {}, ":/backup");
    const incremental = "duplicity-inc.20260101T000000Z.to.20260102T000000Z";
    for (const name of [`${incremental}.vol1.difftar.gpg`, names[1] ?? ""]) {
      const content = noise(70_000, name.length);
      contents.set(name, content);
      await backend.put(await folder.file("source", content), name);
    }
    await backend.delete(names[0] ?? "");
    contents.delete(names[0] ?? "");
  }
  assertEquals(await other.list(), [...contents.keys()].sort());
  for (const [name, content] of contents) {
    await other.get(name, `${folder.path}/got`);
    assertEquals(
      digests([[name, await Deno.readFile(`${folder.path}/got`)]]),
      digests([[name, content]]),
    );
    await Deno.remove(`${folder.path}/got`);
  }

  // And the other goes on.
  await other.delete(names[2] ?? "");
  contents.delete(names[2] ?? "");
  await other.put(await folder.file("source", "last"), "last");
  contents.set("last", toBytes("last"));
  assertEquals(
    digests(Object.entries(await readAll(image, folder, ":/backup"))),
    paths(),
  );
  // It has recorded no checksums, and kept none of those that were there.
  await using backend = await open(image, { readOnly: true }, ":/backup");
  for (const { state } of await backend.verify()) {
    assertEquals(state, "unverifiable");
  }
});
