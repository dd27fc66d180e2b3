import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import {
  content as readContent,
  fileBlocks,
  memoryBlocks,
  readChecksums,
  readImage,
  readTree,
  type Tree,
} from "../../src/iso/mod.ts";
import { rereadTree } from "../../src/iso/read_tree.ts";
import {
  makeFolder,
  readAll,
  runXorriso,
  toBytes,
} from "../support/helpers.ts";

/** What is to be told of all names. */
function told(tree: Tree): unknown[] {
  return Array.from(tree.walk(), (entry) => {
    const { path, type, size, mtime, mode, extents, target } = entry;
    return { path, type, size, mtime, mode, extents, target };
  });
}

Deno.test("readTree() gives what xorriso stored, in each session", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "hello");
  const time = new Date("2031-05-06T07:08:09Z");
  await Deno.utime(source, time, time);
  await Deno.chmod(source, 0o640);
  const image = `${folder.path}/test.iso`;
  for (const name of ["/a", "/d/e/b", "/é\\x"]) {
    await runXorriso([
      ["-dev", `stdio:${image}`],
      ["-map", source, name],
      ["-lns", "../x/./y", `${name}.link`],
      ["-commit"],
    ]);
  }
  await using blocks = await fileBlocks(image);
  const { sessions, newest, head } = await readImage(blocks);
  assertEquals(head, "sound");
  assertEquals(sessions.map(({ number }) => number), [1, 2, 3]);
  assertEquals(newest, sessions[2]);
  const paths = await Promise.all(sessions.map(async (session) => {
    const tree = await readTree(blocks, session);
    assertEquals(tree.problems, []);
    return Array.from(tree.walk(), ({ path }) => path);
  }));
  const first = ["/a", "/a.link"];
  const second = [...first, "/d", "/d/e", "/d/e/b", "/d/e/b.link"];
  assertEquals(paths, [first, second, [...second, "/é\\x", "/é\\x.link"]]);
  const tree = await readTree(blocks, newest);
  const file = tree.get("/d/e/b");
  assertEquals(file?.type, "file");
  assertEquals(file?.size, 5);
  assertEquals(file?.mode, 0o640);
  assertEquals(file?.mtime, time);
  assertEquals(tree.get("/d/e/b.link")?.target, "../x/./y");
  assertEquals(tree.get("/d/e/b/c"), undefined);
  const again = await readTree(
    memoryBlocks(await Deno.readFile(image)),
    newest,
  );
  assertEquals(told(again), told(tree));
});

Deno.test("rereadTree() reads the directories above what has changed alone", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "new");
  const image = `${folder.path}/test.iso`;
  const names = Array.from(
    { length: 20 },
    (_, i) => `/d${i % 4}/e${i % 2}/f${i}`,
  );
  const sources = await Promise.all(
    names.map((name) => folder.file(`sources${name}`, name)),
  );
  await runXorriso([
    ["-dev", `stdio:${image}`],
    ...sources.map((path, i) => ["-map", path, names[i] ?? ""]),
    ["-commit"],
  ]);
  const before = await Deno.readFile(image);
  const old = memoryBlocks(before);
  const known = await readTree(old, (await readImage(old)).newest);
  await runXorriso([
    ["-dev", `stdio:${image}`],
    ["-map", source, "/d1/e1/new"],
    ["-map", source, "/fresh/e/new"],
    ["-rm", "/d2/e0/f2", "--"],
    ["-commit"],
  ]);
  const blocks = memoryBlocks(await Deno.readFile(image));
  const { newest } = await readImage(blocks);
  const tree = await rereadTree(known, blocks, newest, [
    "/d1/e1/new",
    "/fresh/e/new",
    "/d2/e0/f2",
  ]);
  const whole = await readTree(blocks, newest);
  assertEquals(told(tree), told(whole));
  // Each session numbers its checksums anew.
  const checksums = await readChecksums(blocks, tree.walk());
  for (const entry of tree.walk()) {
    if (entry.type !== "file") continue;
    const content = await readAll(readContent(blocks, entry));
    const md5 = createHash("md5").update(content).digest("hex");
    assertEquals(checksums(entry), md5, entry.path);
  }
  assert(tree.get("/d3/e1/f3") === known.get("/d3/e1/f3"));
  assert(tree.get("/d1/e1/f1") !== known.get("/d1/e1/f1"));
});

Deno.test("readTree() gives all names of one file the same inode", async () => {
  await using folder = await makeFolder();
  const one = await folder.file("tree/one", "1");
  await folder.file("tree/other", "2");
  await Deno.link(one, `${folder.path}/tree/two`);
  const image = `${folder.path}/test.iso`;
  await runXorriso([
    ["-outdev", `stdio:${image}`],
    ["-hardlinks", "on"],
    ["-compliance", "new_rr"],
    ["-map", `${folder.path}/tree`, "/"],
    ["-commit"],
  ]);
  await using blocks = await fileBlocks(image);
  const tree = await readTree(blocks, (await readImage(blocks)).newest);
  const [first, second, other] = ["/one", "/two", "/other"].map((path) =>
    tree.get(path)
  );
  assertEquals(first?.inode, second?.inode);
  assertEquals(typeof first?.inode, "number");
  assert(first?.inode !== other?.inode);
  assertEquals(first?.links, 2);
  assertEquals(first?.extents, second?.extents);
});

Deno.test("readTree() tells names that are not UTF-8 by their bytes", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  // Latin-1, of which two differ in one byte; and what looks like it.
  const names = ["/na\udcefve", "/na\udceeve", "/naïve", "/na\ufffdve"];
  await runXorriso([
    ["-outdev", `stdio:${image}`],
    ...await Promise.all(names.map(async (name, i) => {
      return ["-map", await folder.file(`${i}`, `${i}`), name];
    })),
    ["-commit"],
  ]);
  await using blocks = await fileBlocks(image);
  const tree = await readTree(blocks, (await readImage(blocks)).newest);
  assertEquals(tree.size, names.length);
  for (const [i, name] of names.entries()) {
    const entry = tree.get(name);
    assertEquals(entry?.path, name);
    const content = entry && await readAll(readContent(blocks, entry));
    assertEquals(content, toBytes(`${i}`));
  }
});
