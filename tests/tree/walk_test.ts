import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Filter } from "../../src/tree/filter.ts";
import { walk, type Walked, type WalkOptions } from "../../src/tree/walk.ts";
import {
  type Folder,
  makeFifo,
  makeFolder,
  runDeno,
  runShell,
} from "../support/helpers.ts";

const OPTIONS: WalkOptions = {
  filter: new Filter([]),
  cacheTags: false,
  oneFileSystem: false,
  links: "store",
};

async function look(
  folder: Folder,
  options: Partial<WalkOptions> = {},
  name = "",
): Promise<Walked> {
  return await walk(folder.path, name, { ...OPTIONS, ...options });
}

function names({ found }: Walked): string[] {
  return found.map(({ name, type }) =>
    type === "file" ? name : `${name} ${type}`
  );
}

Deno.test("walk() finds files, folders and links, a folder before what is in it", async () => {
  await using folder = await makeFolder();
  await folder.file("b/x");
  await folder.file("a", "hello");
  await Deno.mkdir(`${folder.path}/c`);
  await Deno.symlink("nowhere", `${folder.path}/b/l`);
  const walked = await look(folder);
  assertEquals(names(walked), [
    "a",
    "b directory",
    "b/l link",
    "b/x",
    "c directory",
  ]);
  assertEquals(walked.found[2]?.link, "nowhere");
  assertEquals(names(await look(folder, {}, "as/it")), [
    ...["as/it directory", "as/it/a", "as/it/b directory", "as/it/b/l link"],
    ...["as/it/b/x", "as/it/c directory"],
  ]);
});

Deno.test("walk() tells attributes, times in whole seconds before 1970, too", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a", "hello");
  await Deno.chmod(path, 0o4751);
  await Deno.utime(path, -1.5, -1.5);
  const [found] = (await look(folder)).found;
  assertEquals(
    [found?.size, found?.mode, found?.mtime, found?.inode],
    [5, 0o4751, -2, undefined],
  );
});

Deno.test("walk() tells which names share an inode", async () => {
  await using folder = await makeFolder();
  await Deno.link(await folder.file("a"), `${folder.path}/b`);
  const [a, b] = (await look(folder)).found;
  assert(a?.inode !== undefined);
  assertEquals(a?.inode, b?.inode);
});

Deno.test("walk() leaves FIFOs and the image, and says so", async () => {
  await using folder = await makeFolder();
  await makeFifo(`${folder.path}/f`);
  const image = await Deno.lstat(await folder.file("i.iso"));
  const { found, left } = await look(folder, { image });
  assertEquals(found, []);
  assertEquals(left.map(({ name, reason }) => [name, reason]), [
    ...[["f", "special"], ["i.iso", "image"]],
  ]);
});

Deno.test("walk() leaves names that are not UTF-8, and those alone", async () => {
  await using folder = await makeFolder();
  await folder.file("good");
  await folder.file("na\ufffdve");
  await runShell(
    `cd "$1"; : >"$(printf 'na\\357ve')"; : >"$(printf 'na\\356ve')"; : >"$(printf 'x\\377')"`,
    folder.path,
  );
  const { found, left } = await look(folder);
  assertEquals(found.map(({ name }) => name), ["good", "na\ufffdve"]);
  assertEquals(left.map(({ name, reason }) => [name, reason]), [
    ...[["na\ufffdve", "name"], ["na\ufffdve", "name"], ["x\ufffd", "name"]],
  ]);
});

Deno.test("walk() leaves links to names that are not UTF-8", async () => {
  await using folder = await makeFolder();
  await runShell(`ln -s "$(printf 'x\\377')" "$1/l"`, folder.path);
  await Deno.symlink("\ufffd", `${folder.path}/m`);
  const { found, left } = await look(folder);
  assertEquals(found.map(({ name }) => name), ["m"]);
  assertEquals(left.map(({ name, reason }) => [name, reason]), [[
    "l",
    "unreadable",
  ]]);
});

Deno.test("walk() does not enter a folder that is left out", async () => {
  await using folder = await makeFolder();
  for (const name of ["a", "d/b", "d/e/c"]) await folder.file(name);
  const walked = await look(folder, { filter: new Filter(["d"]) }, "as");
  assertEquals(names(walked), ["as directory", "as/a"]);
  assertEquals(walked.excluded, ["as/d"]);
});

Deno.test("walk() finds what is taken back, and the folders above", async () => {
  await using folder = await makeFolder();
  for (const name of ["d/b", "d/e/c", "d/f/c"]) await folder.file(name);
  const filter = new Filter(["d", "!d/e/c"]);
  const walked = await look(folder, { filter });
  assertEquals(names(walked), ["d directory", "d/e directory", "d/e/c"]);
});

Deno.test("walk() leaves out caches that are marked as such", async () => {
  await using folder = await makeFolder();
  await folder.file(
    "a/CACHEDIR.TAG",
    "Signature: 8a477f597d28d172789f06886806bc55\n# x",
  );
  await folder.file("b/CACHEDIR.TAG", "Signature: something else");
  const walked = await look(folder, { cacheTags: true });
  assertEquals(names(walked), ["b directory", "b/CACHEDIR.TAG"]);
  assertEquals(walked.excluded, ["a"]);
  assertEquals((await look(folder)).found.length, 4);
});

Deno.test("walk() follows links, but into no loop and to nothing that is not there", async () => {
  await using folder = await makeFolder();
  await folder.file("d/x", "hello");
  await Deno.symlink("d/x", `${folder.path}/file`);
  await Deno.symlink("..", `${folder.path}/d/up`);
  await Deno.symlink("nowhere", `${folder.path}/none`);
  const walked = await look(folder, { links: "follow" });
  assertEquals(names(walked), ["d directory", "d/x", "file"]);
  assertEquals(walked.found[2]?.size, 5);
  assertEquals(walked.left.map(({ name, reason }) => [name, reason]), [
    ...[["d/up", "links"], ["none", "links"]],
  ]);
  const skipped = await look(folder, { links: "skip" });
  assertEquals(skipped.excluded, ["d/up", "file", "none"]);
});

Deno.test("walk() takes a single file", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a", "hello");
  assertEquals(names(await walk(path, "as", OPTIONS)), ["as"]);
});

/** Looks through a folder in a program of its own, with other permissions. */
async function lookElsewhere(
  folder: Folder,
  options: string,
  ...flags: readonly string[]
): Promise<{ found: string[]; left: string[][]; excluded: string[] }> {
  const at = (file: string) =>
    JSON.stringify(import.meta.resolve(`../../src/tree/${file}.ts`));
  const { stdout, stderr } = await runDeno(
    `
    import { walk } from ${at("walk")};
    import { Filter } from ${at("filter")};
    const filter = new Filter([]);
    const options = { filter, cacheTags: false, ${options} };
    const walked = await walk(${JSON.stringify(folder.path)}, "", options);
    console.log(JSON.stringify({
      found: walked.found.map(({ name }) => name),
      left: walked.left.map((each) => [each.name, each.reason, each.error.message]),
      excluded: walked.excluded,
    }));`,
    [],
    flags,
  );
  assertEquals(stderr, "");
  return JSON.parse(stdout);
}

Deno.test("walk() leaves a folder that cannot be listed, with the reason", async () => {
  await using folder = await makeFolder();
  await folder.file("d/x");
  await folder.file("e/y");
  const { found, left } = await lookElsewhere(
    folder,
    'oneFileSystem: false, links: "store"',
    `--deny-read=${folder.path}/d`,
  );
  assertEquals(found, ["e", "e/y"]);
  assertEquals(left[0]?.slice(0, 2), ["d", "unreadable"]);
  assertMatch(left[0]?.[2] ?? "", /--allow-read/);
});

Deno.test("walk() does not enter another file system", async () => {
  await using folder = await makeFolder();
  await Deno.symlink("/proc/sys/vm", `${folder.path}/l`);
  const { found, excluded } = await lookElsewhere(
    folder,
    'oneFileSystem: true, links: "follow"',
  );
  assertEquals({ found, excluded }, { found: ["l"], excluded: ["l"] });
});

Deno.test("walk() gives up when it is told to", async () => {
  await using folder = await makeFolder();
  await folder.file("a");
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => look(folder, { signal }), Error, "enough");
});
