import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { createHash } from "node:crypto";
import type { Entry } from "../../src/medium.ts";
import { encodeName } from "../../src/names.ts";
import { Xorriso } from "../../src/session/xorriso.ts";
import { HOLD, hookXorriso } from "../support/backends.ts";
import {
  assertRejectsCode,
  exists,
  type Folder,
  isAlive,
  listImage,
  makeFifo,
  makeFolder,
  makeImage,
  noise,
  patch,
  readAll,
  readImage,
  rejection,
  runDeno,
  runXorriso,
  toBytes,
  traceXorriso,
  writeSession,
} from "../support/helpers.ts";

/** Names that quoting, listing or matching could get wrong. */
const NASTY: readonly string[] = [
  ...[" ", "a b", " lead", "trail ", "tab\there", "new\nline", "cr\rx"],
  ...["it's", "''", '"', 'say "x"', "back\\slash", "\\", "\\042", "\\n"],
  ...["*", "?", "[a]", "a*", "{a,b}", "#x", "-end", "--", "-rm_r", "$HOME"],
  ...["`id`", "; -end", "\n-end\n", "'\n-commit\n", "@@@", "%41", "a:b", "~"],
  ...[
    "é",
    "e\u0301",
    "名前",
    "emoji 💿",
    "\x01\x7f",
    "\u0085",
    "\u2028",
    "...",
  ],
  ...[".hidden", "xorriso : FAILURE : x", "R:1: x", "M:0: x1", "' -> '"],
  "x".repeat(100),
  "é".repeat(50),
];

/** Content that is different for each name. */
function contentOf(name: string): string {
  return `content of ${JSON.stringify(name)}`;
}

async function openNew(folder: Folder): Promise<Xorriso> {
  return await Xorriso.open(`${folder.path}/new.iso`, { create: true });
}

async function readText(session: Xorriso, path: string): Promise<string> {
  return new TextDecoder().decode(
    await readAll(await session.readable(path)),
  );
}

/** An image with some of everything. */
function makeTree(folder: Folder): Promise<string> {
  return makeImage(
    folder,
    {
      "/a.tar": "a",
      "/b.tar": "bb",
      "/c": "",
      "/dir/a.tar": "aaa",
      "/dir/sub/x": "x",
    },
    ["-mkdir", "/empty", "--"],
    ["-lns", "dir", "/link"],
  );
}

async function entryOf(session: Xorriso, path: string): Promise<Entry> {
  const [entry] = await session.find(path);
  if (entry === undefined) throw new Error(`There is no ${path}`);
  return entry;
}

Deno.test("Xorriso does all its work with one process, which ends with it", async () => {
  await using folder = await makeFolder();
  const { path: xorrisoPath, pids } = await traceXorriso(folder);
  const image = `${folder.path}/new.iso`;
  const source = await folder.file("source", "x");
  {
    await using session = await Xorriso.open(image, {
      create: true,
      xorrisoPath,
    });
    await session.cp([source], "/a");
    await session.commit();
    await session.rm(["/a"]);
    await session.rollback();
    await session.extract(["/a"], folder.path);
    assertEquals(await session.ls(), ["a"]);
    const [pid = 0, ...others] = await pids();
    assertEquals([isAlive(pid), others], [true, []]);
  }
  assertEquals((await pids()).map(isAlive), [false]);
});

Deno.test("Xorriso stores and restores any name", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/new.iso`;
  {
    await using session = await Xorriso.open(image, { create: true });
    for (const [i, name] of NASTY.entries()) {
      const source = await folder.file(`${i}`, contentOf(name));
      await session.map(source, `/d/${name}`);
    }
    await session.commit();
    const sorted = [...NASTY].sort();
    assertEquals((await session.ls("/d")).sort(), sorted);
    // Plain xorriso has them, too.
    assertEquals(
      await listImage(image),
      NASTY.map((name) => `/d/${name}`).sort(),
    );
    const sums = await session.md5s("/d");
    await Deno.mkdir(`${folder.path}/out`);
    for (const name of NASTY) {
      const path = `/d/${name}`;
      assertEquals((await session.lsl(path)).map((node) => node.path), [path]);
      assertEquals(await readText(session, path), contentOf(name));
      const md5 = createHash("md5").update(contentOf(name)).digest("hex");
      assertEquals([sums.get(path), await session.md5(path)], [md5, md5]);
      await session.extract([path], `${folder.path}/out`);
      assertEquals(
        await Deno.readTextFile(`${folder.path}/out/${name}`),
        contentOf(name),
      );
    }
  }
});

Deno.test("Xorriso.rm() takes names literally", async () => {
  await using folder = await makeFolder();
  const files = Object.fromEntries(
    NASTY.map((name) => [`/d/${name}`, contentOf(name)]),
  );
  const image = await makeImage(folder, files);
  const gone = NASTY.filter((_, i) => i % 2 === 0);
  {
    await using session = await Xorriso.open(image, { readOnly: false });
    for (const name of gone) {
      await session.rm([`/d/${name}`]);
      const left = await session.ls("/d");
      assertEquals(left.includes(name), false, JSON.stringify(name));
    }
    const left = NASTY.filter((name) => !gone.includes(name));
    assertEquals((await session.ls("/d")).sort(), left.sort());
    await session.rollback();
    await session.rm(NASTY.map((name) => `/d/${name}`));
    assertEquals(await session.ls("/d"), []);
  }
  assertEquals((await listImage(image)).length, NASTY.length);
});

Deno.test("Xorriso reads and removes names that are not UTF-8", async () => {
  await using folder = await makeFolder();
  const names = ["caf\udce9", "\udcff\udcfe", "\udced\udca0\udc80"];
  const image = await makeImage(
    folder,
    Object.fromEntries(names.map((name) => [`/${name}`, contentOf(name)])),
  );
  await using session = await Xorriso.open(image);
  assertEquals((await session.ls()).sort(), names.toSorted());
  for (const name of names) {
    assertEquals(await readText(session, `/${name}`), contentOf(name));
    assert((await session.md5(`/${name}`))?.length === 32);
  }
  await session.rm([`/${names[0]}`]);
  assertEquals((await session.ls()).sort(), names.slice(1).sort());
  assertEquals(encodeName(names[0] ?? "").at(-1), 0xe9);
  await assertRejects(
    () => session.map("/etc/hostname", "/caf\udce9"),
    TypeError,
  );
});

Deno.test("Xorriso.ls() lists a directory, a file, or what a glob matches", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeTree(folder));
  const sorted = async (pattern?: string) => (await session.ls(pattern)).sort();
  assertEquals(await sorted(), [
    ...["a.tar", "b.tar", "c", "dir", "empty", "link"],
  ]);
  assertEquals(await sorted("/dir"), ["a.tar", "sub"]);
  assertEquals(await sorted("/dir/"), ["a.tar", "sub"]);
  assertEquals(await sorted("/empty"), []);
  assertEquals(await sorted("/a.tar"), ["a.tar"]);
  assertEquals(await sorted("/link"), ["link"]);
  assertEquals(await sorted("/*.tar"), ["a.tar", "b.tar"]);
  assertEquals(await sorted("/dir/*"), ["a.tar", "sub"]);
  assertEquals(await sorted("/[bc]*"), ["b.tar", "c"]);
  assertEquals(await sorted("/{a,b}.tar"), ["a.tar", "b.tar"]);
  assertEquals(await sorted("/?"), ["c"]);
  assertEquals(await sorted("/nothing*"), []);
  for (const path of ["/none", "/none/x", "/none/*", "/a.tar/x", "/link/x"]) {
    const error = await assertRejectsCode(session.ls(path), "ENTRY_NOT_FOUND");
    assert(error.path !== undefined && path.startsWith(error.path));
  }
  await assertRejects(() => session.ls("dir"), TypeError);
});

Deno.test("Xorriso.ls() prefers a name to the glob that it could be", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a*": "", "/ab": "", "/[a]": "" });
  await using session = await Xorriso.open(image);
  assertEquals(await session.ls("/a*"), ["a*"]);
  assertEquals(await session.ls("/[a]"), ["[a]"]);
  assertEquals((await session.ls("/*a*")).length, 3);
});

Deno.test("Xorriso.lsl() tells type and size", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeTree(folder));
  const nodes = (await session.lsl()).map(({ path, type, size }) =>
    `${path} ${type} ${size}`
  );
  assertEquals(nodes.sort(), [
    "/a.tar file 1",
    "/b.tar file 2",
    "/c file 0",
    "/dir directory 0",
    "/empty directory 0",
    "/link other 0",
  ]);
});

Deno.test("Xorriso.find() lists everything below", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeTree(folder));
  const paths = async (path?: string) =>
    (await session.find(path)).map((node) => node.path).sort();
  assertEquals(await paths("/dir"), [
    ...["/dir", "/dir/a.tar", "/dir/sub", "/dir/sub/x"],
  ]);
  assertEquals((await paths()).length, 10);
  assertEquals(await paths("/a.tar"), ["/a.tar"]);
  await assertRejectsCode(session.find("/none"), "ENTRY_NOT_FOUND");
});

Deno.test("Xorriso lists a long directory to its end, every time", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  const names = Array.from({ length: 1000 }, (_, i) => `name ${i}`);
  const image = `${folder.path}/long.iso`;
  await runXorriso([
    ["-dev", `stdio:${image}`],
    ...names.map((name) => ["-map", source, `/d/${name}`]),
    ["-commit"],
  ]);
  await using session = await Xorriso.open(image);
  for (let i = 0; i < 10; i++) {
    assertEquals((await session.ls("/d")).length, 1000);
  }
});

Deno.test("Xorriso.cp() puts files into a directory, or one under a new name", async () => {
  await using folder = await makeFolder();
  const a = await folder.file("a", "a");
  const b = await folder.file("b", "b");
  const link = `${folder.path}/link`;
  await Deno.symlink("b", link);
  const image = `${folder.path}/new.iso`;
  {
    await using session = await Xorriso.open(image, { create: true });
    await session.cp([a, b], "/new");
    await session.cp([a], "/dir/");
    await session.cp([a], "/renamed");
    // What is staged is there for what comes next.
    await session.cp([b], "/dir");
    await session.cp([link], "/");
    await session.cp([], "/nothing");
    await session.commit();
  }
  assertEquals(await listImage(image), [
    ...["/dir/a", "/dir/b", "/link", "/new/a", "/new/b", "/renamed"],
  ]);
  assertEquals(await readImage(image, "/link"), toBytes("b"));
});

Deno.test("Xorriso.cp() changes nothing before the commit", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const before = await Deno.readFile(image);
  {
    await using session = await Xorriso.open(image);
    await session.cp([await folder.file("new", "x")], "/");
    await session.rm(["/old"]);
    assertEquals(await session.ls(), ["new"]);
  }
  assertEquals(await Deno.readFile(image), before);
});

Deno.test("Xorriso.cp() reads the source at the commit", async () => {
  await using folder = await makeFolder();
  await using session = await openNew(folder);
  const source = await folder.file("source", "old");
  await session.cp([source], "/a");
  await folder.file("source", "newer");
  await session.commit();
  assertEquals(await readText(session, "/a"), "newer");
});

Deno.test("Xorriso.map() refuses what is no regular file", async () => {
  await using folder = await makeFolder();
  await using session = await openNew(folder);
  await makeFifo(`${folder.path}/fifo`);
  const sources = ["/dev/null", "/dev/stdin", folder.path];
  for (const name of ["fifo", "none"]) sources.push(`${folder.path}/${name}`);
  for (const source of sources) {
    const error = await assertRejectsCode(
      session.map(source, "/x"),
      "SOURCE_UNREADABLE",
    );
    assertEquals(error.path, source);
  }
  for (const path of ["x", "/../x", "/a\0", `/${"x".repeat(256)}`]) {
    await assertRejects(() => session.map("/etc/hostname", path), TypeError);
  }
  assertEquals(await session.ls(), []);
});

Deno.test("Xorriso.map() replaces a file, and bends no tree", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "new");
  const image = await makeTree(folder);
  await using session = await Xorriso.open(image);
  const before = (await session.find()).length;
  const paths = ["/dir", "/empty", "/a.tar/x", "/a.tar/x/y", "/link/x", "/"];
  for (const path of paths) {
    const error = await assertRejectsCode(
      session.map(source, path),
      "ENTRY_EXISTS",
    );
    assertEquals(error.path, path);
  }
  assertEquals((await session.find()).length, before);
  // The same holds for what is only staged.
  await session.map(source, "/staged");
  await session.map(source, "/in/staged");
  for (const path of ["/staged/x", "/in", "/in/staged/x/y"]) {
    await assertRejectsCode(session.map(source, path), "ENTRY_EXISTS");
  }
  await session.map(source, "/a.tar");
  await session.map(source, "/staged");
  await session.commit();
  const sizes = (await session.lsl("/*")).map(({ path, size }) => path + size);
  assertEquals(sizes.filter((node) => /3$/.test(node)).sort(), [
    "/a.tar3",
    "/staged3",
  ]);
});

Deno.test("Xorriso.map() calls at once bend no tree either", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using session = await openNew(folder);
  const outcomes = await Promise.allSettled([
    session.map(source, "/a"),
    session.map(source, "/a/b"),
    session.map(source, "/c/d"),
    session.map(source, "/c"),
  ]);
  assertEquals(outcomes.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
  ]);
  await session.commit();
  assertEquals((await session.find()).map(({ path }) => path).sort(), [
    ...["/", "/a", "/c", "/c/d"],
  ]);
});

Deno.test("Xorriso lists what is staged, with its size", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeTree(folder));
  await session.cp([await folder.file("it's new", "12345")], "/dir");
  await session.cp([await folder.file("source", "1234")], "/a.tar");
  await session.cp([await folder.file("empty", "")], "/dir/e");
  await session.rm(["/b.tar"]);
  const nodes = (await session.find()).filter(({ type }) => type === "file")
    .map(({ path, size }) => `${path} ${size}`);
  assertEquals(nodes.sort(), [
    "/a.tar 4",
    "/c 0",
    "/dir/a.tar 3",
    "/dir/e 0",
    "/dir/it's new 5",
    "/dir/sub/x 1",
  ]);
  assertEquals(await session.ls("/dir/it*"), ["it's new"]);
  // Its content is not on the medium yet.
  await assertRejectsCode(session.readable("/a.tar"), "ENTRY_NOT_FOUND");
  await session.rm(["/dir/it's new"]);
  assertEquals((await session.ls("/dir")).sort(), ["a.tar", "e", "sub"]);
  await session.rollback();
  assertEquals((await session.lsl("/a.tar")).map(({ size }) => size), [1]);
});

Deno.test("Xorriso.map() takes a source of any name", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/xorriso : FAILURE : FATAL.iso`;
  await using session = await Xorriso.open(image, { create: true });
  const names = NASTY.filter((name) => name !== "...");
  for (const [i, name] of names.entries()) {
    await session.map(await folder.file(`in/${name}`, name), `/${i}`);
  }
  await session.commit();
  for (const [i, name] of names.entries()) {
    assertEquals(await readText(session, `/${i}`), name);
  }
});

Deno.test("Xorriso.rm() removes nothing if one name is missing", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeTree(folder));
  const error = await assertRejectsCode(
    session.rm(["/a.tar", "/none", "/b.tar"]),
    "ENTRY_NOT_FOUND",
  );
  assertEquals(error.path, "/none");
  assertEquals((await session.ls()).length, 6);
});

Deno.test("Xorriso.rm() removes directories only if told to", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeTree(folder));
  for (const path of ["/dir", "/empty"]) {
    await assertRejectsCode(session.rm(["/c", path]), "ENTRY_EXISTS");
  }
  assertEquals((await session.ls()).length, 6);
  await session.rm(["/link"]);
  await session.rm(["/dir", "/empty", "/c"], { recursive: true });
  assertEquals((await session.ls()).sort(), ["a.tar", "b.tar"]);
});

Deno.test("Xorriso.rm() takes more names than a line has room for", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  const names = Array.from(
    { length: 400 },
    (_, i) => `/${"n'".repeat(40)}${i}`,
  );
  await using session = await openNew(folder);
  await Promise.all(names.map((name) => session.map(source, name)));
  await session.commit();
  assertEquals((await session.ls()).length, 400);
  await session.rm([...names, ...names.slice(0, 5)]);
  assertEquals(await session.ls(), []);
});

Deno.test("Xorriso.extract() restores files into a folder", async () => {
  await using folder = await makeFolder();
  const content = noise(1_500_000);
  const image = await makeImage(folder, { "/a": content, "/d/b": "" });
  const out = `${folder.path}/out`;
  await Deno.mkdir(out);
  await using session = await Xorriso.open(image, { readOnly: true });
  await session.extract(["/a", "/d/b"], out);
  assertEquals(await Deno.readFile(`${out}/a`), content);
  assertEquals((await Deno.stat(`${out}/b`)).size, 0);
  await session.extract(["/d/b"], `${out}/`);
  const names = (await Array.fromAsync(Deno.readDir(out))).map((e) => e.name);
  assertEquals(names.sort(), ["a", "b"]);
});

Deno.test("Xorriso.extract() takes nothing but regular files from a medium", async () => {
  await using folder = await makeFolder();
  const image = await makeTree(folder);
  await runXorriso([
    ["-dev", `stdio:${image}`],
    ["-chmod", "u+s,a+rwx", "/a.tar", "--"],
    ["-commit"],
  ]);
  await using session = await Xorriso.open(image);
  const out = `${folder.path}/out`;
  await Deno.mkdir(out);
  for (const path of ["/dir", "/link", "/none", "/"]) {
    await assertRejectsCode(session.extract([path], out), "ENTRY_NOT_FOUND");
  }
  assertEquals(await Array.fromAsync(Deno.readDir(out)), []);
  await session.extract(["/a.tar"], out);
  const { mode } = await Deno.stat(`${out}/a.tar`);
  assertEquals((mode ?? 0) & 0o6111, 0);
});

Deno.test("Xorriso.extract() of a missing name fails, every time", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeTree(folder));
  for (let i = 0; i < 100; i++) {
    await assertRejectsCode(
      session.extract(["/none"], folder.path),
      "ENTRY_NOT_FOUND",
    );
  }
});

Deno.test("Xorriso.extract() leaves no target when it fails", async () => {
  await using folder = await makeFolder();
  const content = noise(300_000);
  const image = await makeImage(folder, { "/a": content, "/b": "b" });
  const bytes = await Deno.readFile(image);
  const start = content.subarray(0, 16);
  const at = bytes.findIndex((_, i) =>
    i % 2048 === 0 && start.every((byte, j) => bytes[i + j] === byte)
  );
  await patch(image, at + 200_000, new Uint8Array([1, 2, 3]));
  const out = `${folder.path}/out`;
  await folder.file("out/a", "precious");
  await Deno.mkdir(`${out}/b`);
  await using session = await Xorriso.open(image, { readOnly: true });
  await assertRejectsCode(session.extract(["/a"], out), "CHECKSUM_MISMATCH");
  assertEquals(await Deno.readTextFile(`${out}/a`), "precious");
  await assertRejectsCode(session.extract(["/b"], out), "TARGET_UNWRITABLE");
  await assertRejectsCode(
    session.extract(["/b"], `${out}/none`),
    "TARGET_UNWRITABLE",
  );
  const names = (await Array.fromAsync(Deno.readDir(out))).map((e) => e.name);
  assertEquals(names.sort(), ["a", "b"]);
  // Who wants it can have what is left.
  await session.restore("/a", `${out}/c`, { verify: false });
  assertEquals((await Deno.stat(`${out}/c`)).size, content.length);
});

Deno.test("Xorriso.readable() reads a part, and checks the whole", async () => {
  await using folder = await makeFolder();
  const content = noise(1_200_000);
  const image = await makeImage(folder, { "/a": content });
  await using session = await Xorriso.open(image, { readOnly: true });
  const read = async (offset?: number, length?: number) =>
    await readAll(
      await session.readable("/a", {
        ...(offset !== undefined && { offset }),
        ...(length !== undefined && { length }),
      }),
    );
  assertEquals(await read(), content);
  assertEquals(await read(5), content.subarray(5));
  assertEquals(await read(2047, 2), content.subarray(2047, 2049));
  assertEquals(await read(1_199_999, 100), content.subarray(-1));
  assertEquals(await read(0, 0), new Uint8Array());
  assertEquals(await read(2_000_000), new Uint8Array());
  for (const [offset, length] of [[-1], [0.5], [0, -1], [0, NaN]]) {
    await assertRejects(() => read(offset, length), RangeError);
  }
});

Deno.test("Xorriso.restore() and readable() read what an entry's path has now", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": noise(5000) });
  await using session = await Xorriso.open(image);
  const before = await entryOf(session, "/a");
  const content = noise(7000, 2);
  await session.map(await folder.file("source", content), "/a");
  // Nothing of what is only staged can be read.
  const staged = await entryOf(session, "/a");
  await assertRejectsCode(session.readable(staged), "ENTRY_NOT_FOUND");
  await session.commit();
  for (const entry of [before, staged]) {
    assertEquals(await readAll(await session.readable(entry)), content);
    await session.restore(entry, `${folder.path}/target`);
    assertEquals(await Deno.readFile(`${folder.path}/target`), content);
  }
});

Deno.test("Xorriso.medium() and sessions() tell what is there", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "1" }, ["-volid", "FIRST"]);
  await writeSession(image, { "/b": "2" });
  await using session = await Xorriso.open(image);
  const medium = await session.medium();
  assertEquals(
    [medium.status, medium.volumeId, medium.sessions, medium.appendable],
    ["appendable", "FIRST", 2, true],
  );
  assert(medium.free > 1_000_000 && medium.used > 0);
  const sessions = await session.sessions();
  assertEquals(sessions.map(({ number, lba }) => [number, lba]), [
    [1, 32],
    [2, sessions[1]?.lba],
  ]);
  // How much less than what is free is tried on drives: others use this disk.
  assert(await session.room() > 0);
});

Deno.test("Xorriso.command() sends any command, and no second one", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeTree(folder));
  const text = "a 'b' \"c\" # *";
  assertEquals(await session.command(["-print", text]), {
    results: [text],
    messages: [],
  });
  const error = await assertRejectsCode(
    session.command(["-no_such_command"]),
    "INVALID_COMMAND",
  );
  assertStringIncludes(error.messages.join("\n"), "Not a known command");
  for (const words of [[], ["print"], ["-rm /a.tar"], ["-a\n-end"], ["--"]]) {
    await assertRejects(() => session.command(words), TypeError);
  }
  await assertRejects(
    () => session.command(["-rm", "/c", "--", "-rm", "/a.tar"]),
    TypeError,
  );
  await assertRejects(
    () => session.command(["-print", "x".repeat(8000)]),
    RangeError,
  );
  await session.command(["-print", "\n-rm /a.tar\n-commit"]);
  assertEquals((await session.ls()).length, 6);
});

Deno.test("Xorriso.command() leaves all as the module needs it", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/*": "1", "/a": "2", "/b": "3" });
  {
    await using session = await Xorriso.open(image);
    const bending = [
      ["-iso_rr_pattern", "on"],
      ["-overwrite", "off"],
      ["-backslash_codes", "off"],
      ["-reassure", "on"],
      ["-page", "10", "80"],
      ["-md5", "off"],
    ];
    for (const words of bending) await session.command(words);
    await rejection(session.command(["-pkt_output", "off"]));
    for (const name of ["use_readline", "rockridge", "sh_style_result"]) {
      await assertRejects(() => session.command([`-${name}`, "on"]), TypeError);
    }
    await session.rm(["/*"]);
    await session.map(await folder.file("new", "4"), "/a");
    await session.map(await folder.file("other", "5"), "/\\n");
    await session.commit();
    assertEquals((await session.md5("/a"))?.length, 32);
  }
  assertEquals(await listImage(image), ["/\\n", "/a", "/b"]);
});

Deno.test("Xorriso.command() starts no other program", async () => {
  await using folder = await makeFolder();
  const marker = `${folder.path}/marker`;
  await using session = await Xorriso.open(await makeTree(folder));
  const commands = [
    ["-external_filter", "x", "default", "/bin/touch", marker, "--"],
    ["-launch_frontend", "/bin/touch", marker, "--"],
    ["-concat", "pipe", "/bin/touch", marker, "--", "/a.tar", "--"],
  ];
  for (const words of commands) {
    // Some are refused at once, for they could hide a second command.
    assertInstanceOf(await rejection(session.command(words)), Error);
  }
  assertEquals(await exists(marker), false);
});

Deno.test("Xorriso.blank() empties an image, if it is forced to", async () => {
  await using folder = await makeFolder();
  const image = await makeTree(folder);
  {
    await using session = await Xorriso.open(image);
    await assertRejectsCode(session.blank(), "MEDIUM_NOT_WRITABLE");
    assertEquals((await session.ls()).length, 6);
    await session.blank({ force: true });
    assertEquals(await session.ls(), []);
    assertEquals((await session.medium()).status, "blank");
    await session.cp([await folder.file("source", "x")], "/new");
    await session.commit();
  }
  assertEquals(await listImage(image), ["/new"]);
});

Deno.test("Xorriso has no tray and no end for an image", async () => {
  await using folder = await makeFolder();
  const image = await makeTree(folder);
  await using session = await Xorriso.open(image);
  await assertRejectsCode(session.finish(), "MEDIUM_NOT_WRITABLE");
  await assertRejectsCode(session.format({ force: true }), "BLANK_FAILED");
  await assertRejectsCode(session.eject(), "NO_DRIVE");
  await assertRejectsCode(session.load(), "NO_DRIVE");
  assertEquals((await session.ls()).length, 6);
});

Deno.test("Xorriso.command() can be aborted before it is sent", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeTree(folder));
  const reason = new Error("no");
  assertEquals(
    await rejection(
      session.command(["-toc"], { signal: AbortSignal.abort(reason) }),
    ),
    reason,
  );
  assertEquals((await session.ls()).length, 6);
});

Deno.test("Xorriso hears a signal at once that is given while others have their turn", async () => {
  await using folder = await makeFolder();
  const image = await makeTree(folder);
  await using hooked = await hookXorriso(folder, "-commit", [HOLD]);
  await using session = await Xorriso.open(image, { xorrisoPath: hooked.path });
  await session.rm(["/c"]);
  const first = session.commit();
  await hooked.held();
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = [
    session.commit({ signal }),
    session.blank({ signal, force: true }),
    session.command(["-toc"], { signal }),
  ];
  const reason = new Error("enough");
  controller.abort(reason);
  for (const call of waiting) assertEquals(await rejection(call), reason);
  await hooked.release();
  await first;
  assertEquals((await session.sessions()).length, 2);
});

Deno.test("Xorriso.rename() moves files and directories without writing them again", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, {
    "/a": noise(1 << 20),
    "/d/b": "b",
    "/file": "file",
  });
  const { size } = await Deno.stat(image);
  const sums: (string | undefined)[] = [];
  {
    await using session = await Xorriso.open(image);
    sums.push(await session.md5("/a"));
    await session.rename("/a", "/new/deep/a");
    await session.rename("/d", "/new/d");
    await session.commit();
    sums.push(await session.md5("/new/deep/a"));
    const refused: [string, string, string][] = [
      ["/a", "/b", "ENTRY_NOT_FOUND"],
      ["/file", "/new", "ENTRY_EXISTS"],
      ["/file", "/new/d/b", "ENTRY_EXISTS"],
      ["/new", "/file/new", "ENTRY_EXISTS"],
    ];
    for (const [from, to, code] of refused) {
      await assertRejectsCode(session.rename(from, to), code as "ENTRY_EXISTS");
    }
    for (const [from, to] of [["/new", "/new/x"], ["/", "/x"]] as const) {
      await assertRejects(() => session.rename(from, to), TypeError);
    }
    await session.commit();
    assertEquals((await session.sessions()).length, 2);
  }
  assertEquals(await listImage(image), ["/file", "/new/d/b", "/new/deep/a"]);
  assertEquals(sums[0], sums[1]);
  const grown = (await Deno.stat(image)).size - size;
  assert(grown < 1 << 20, `${grown} bytes more`);
});

Deno.test("Xorriso.end() tells of what is staged and goes with it", async () => {
  await using folder = await makeFolder();
  const image = await makeTree(folder);
  for (const isCommitted of [true, false]) {
    const told: string[] = [];
    {
      await using session = await Xorriso.open(image, {
        onMessage: (line) => told.push(line),
      });
      await session.cp([await folder.file("source", "x")], "/new");
      if (isCommitted) await session.commit();
    }
    const warned = told.some((line) => line.includes("is discarded"));
    assertEquals(warned, !isCommitted);
  }
});

Deno.test("Xorriso.end() can be called again, and refuses what comes later", async () => {
  await using folder = await makeFolder();
  const image = await makeTree(folder);
  const session = await Xorriso.open(image);
  const ends = [session.end(), session.end(), session[Symbol.asyncDispose]()];
  await Promise.all([...ends, session.closed]);
  await session.end();
  const calls = [
    () => session.ls(),
    () => session.commit(),
    () => session.rm(["/c"]),
    () => session.medium(),
    () => session.map("/etc/hostname", "/x"),
  ];
  for (const call of calls) await assertRejectsCode(call(), "CLOSED");
  // The lock is gone with it.
  await using _next = await Xorriso.open(image);
});

Deno.test("Xorriso.end() waits for a commit under way", async () => {
  await using folder = await makeFolder();
  const session = await openNew(folder);
  await session.cp([await folder.file("source", "x")], "/a");
  const committed = session.commit();
  await session.end();
  await committed;
  assertEquals(await listImage(`${folder.path}/new.iso`), ["/a"]);
});

Deno.test("Xorriso settles everything when its process is killed", async () => {
  await using folder = await makeFolder();
  const { path: xorrisoPath, newest } = await traceXorriso(folder);
  const image = await makeTree(folder);
  const session = await Xorriso.open(image, { xorrisoPath });
  const pid = await newest();
  const calls = [session.find(), session.medium(), session.rm(["/c"])];
  Deno.kill(pid, "SIGKILL");
  for (const call of calls) {
    // What was answered before is answered.
    const error = await call.then(() => undefined, (error: unknown) => error);
    if (error !== undefined) {
      assertEquals(
        error instanceof Error && "code" in error && error.code,
        "SESSION_LOST",
      );
    }
  }
  await assertRejectsCode(session.ls(), "SESSION_LOST");
  await session.closed;
  await session.end();
  await using next = await Xorriso.open(image);
  assertEquals((await next.ls()).length, 6);
});

Deno.test("Xorriso obeys no startup file", async () => {
  await using folder = await makeFolder();
  const image = await makeTree(folder);
  const marker = `${folder.path}/marker`;
  await folder.file(".xorrisorc", `-logfile . '${marker}'\n-rm_r /dir --\n`);
  const traced = await traceXorriso(
    folder,
    `HOME='${folder.path}'; export HOME`,
  );
  await using session = await Xorriso.open(image, { xorrisoPath: traced.path });
  assertEquals((await session.ls()).length, 6);
  assertEquals(await exists(marker), false);
});

Deno.test("Xorriso uses no processor time while it waits", async () => {
  const module =
    new URL("../../src/dialogue/dialogue.ts", import.meta.url).href;
  await using folder = await makeFolder();
  const program = await traceXorriso(folder);
  const { stdout, stderr } = await runDeno(
    `import process from "node:process";
     import { Dialogue } from ${JSON.stringify(module)};
     const dialogue = await Dialogue.start(${
      JSON.stringify(program.path)
    }, [], {
       timeout: 60_000, grace: 60_000, mayKill: true });
     const [pid] = (await Deno.readTextFile(${
      JSON.stringify(`${folder.path}/pids`)
    })).split("\\n").map(Number);
     Deno.kill(pid, "SIGSTOP");
     const answer = dialogue.exchange("-toc", { doing: "x" });
     const before = process.cpuUsage();
     await new Promise((resolve) => setTimeout(resolve, 500));
     const { user, system } = process.cpuUsage(before);
     console.log((user + system) / 1000);
     Deno.kill(pid, "SIGCONT");
     await answer.catch(() => {});
     await dialogue.end();`,
  );
  assert(Number(stdout) < 100, `${stdout} ms of 500: ${stderr}`);
});
