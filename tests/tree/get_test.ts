import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  getTree,
  putTree,
  type TreeResult,
  type XorrisoBackend,
} from "../../mod.ts";
import { openImage } from "../support/backends.ts";
import {
  age,
  assertRejectsCode,
  execute,
  type Folder,
  makeFolder,
  patch,
  runShell,
  toBytes,
} from "../support/helpers.ts";
import { exchange, giveBack } from "../support/stranger.ts";
import { differences, tellTree } from "../support/trees.ts";
import { absent, isRoot, unless, unmounting } from "../support/needs.ts";

/** An image with a tree of these texts. */
async function makeStored(
  files: Readonly<Record<string, string>>,
): Promise<
  AsyncDisposable & { folder: Folder; backend: XorrisoBackend; to: string }
> {
  const folder = await makeFolder();
  for (const [name, content] of Object.entries(files)) {
    await age(await folder.file(`tree/${name}`, content));
  }
  const backend = await openImage(folder);
  await putTree(backend, `${folder.path}/tree`);
  return {
    ...{ folder, backend, to: `${folder.path}/to` },
    async [Symbol.asyncDispose]() {
      await backend.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function textsIn(folder: string): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const [name, { type }] of tellTree(folder)) {
    if (type === "file") {
      texts[name] = await Deno.readTextFile(`${folder}/${name}`);
    }
  }
  return texts;
}

Deno.test("getTree() restores a folder, a file, what a glob matches, or everything", async () => {
  await using at = await makeStored({ a: "a", "d/b": "b", "d/c.txt": "c" });
  const { backend, to } = at;
  const get = async (names: string | string[]) => {
    const target = `${to}-${crypto.randomUUID()}`;
    await getTree(backend, names, target);
    return Object.keys(await textsIn(target));
  };
  assertEquals(await get("tree/d"), ["b", "c.txt"]);
  assertEquals(await get("tree/d/b"), ["tree/d/b"]);
  assertEquals(await get(["tree/a", "tree/**/*.txt"]), [
    "tree/a",
    "tree/d/c.txt",
  ]);
  assertEquals(await get(""), ["tree/a", "tree/d/b", "tree/d/c.txt"]);
  await assertRejectsCode(
    getTree(backend, ["tree/a", "no"], to),
    "ENTRY_NOT_FOUND",
  );
  await assertRejects(() => Deno.lstat(to), Deno.errors.NotFound);
});

Deno.test("getTree() leaves out what base names, and what patterns match", async () => {
  await using at = await makeStored({ a: "a", "d/b": "b", "d/c.tmp": "c" });
  const { backend, to } = at;
  await getTree(backend, ["tree/a", "tree/d"], to, {
    base: "tree/",
    exclude: ["**/*.tmp"],
  });
  assertEquals(Object.keys(await textsIn(to)), ["a", "d/b"]);
  await assertRejects(
    () => getTree(backend, "tree/a", to, { base: "tree/d" }),
    TypeError,
    "not below",
  );
});

Deno.test("getTree() keeps what is there unless it is told to overwrite it", async () => {
  await using at = await makeStored({
    same: "same",
    other: "other",
    "d/new": "new",
  });
  const { backend, to } = at;
  await getTree(backend, "tree/same", to, { base: "tree" });
  await Deno.writeTextFile(`${to}/other`, "mine");
  const never = await getTree(backend, "tree", to);
  assertEquals([never.files, never.unchanged], [1, 1]);
  assertEquals(never.left.map(({ name, reason }) => [name, reason]), [
    ["tree/other", "exists"],
  ]);
  assertMatch(
    never.left[0]?.error.message ?? "",
    /"[^"]*\/to\/other".*overwrite/,
  );
  assertEquals(await Deno.readTextFile(`${to}/other`), "mine");
  const differing = await getTree(backend, "tree", to, {
    overwrite: "differing",
  });
  assertEquals([differing.files, differing.unchanged, differing.left], [
    1,
    2,
    [],
  ]);
  assertEquals(await Deno.readTextFile(`${to}/other`), "other");
  const always = await getTree(backend, "tree", to, { overwrite: "always" });
  assertEquals([always.files, always.unchanged, always.left], [3, 0, []]);
});

Deno.test("getTree() goes on where it was cut off", async () => {
  await using at = await makeStored({ a: "a", "d/b": "b", "d/c": "c" });
  const { backend, folder, to } = at;
  await getTree(backend, "tree", to);
  await Deno.remove(`${to}/d/c`);
  const { files, unchanged, left } = await getTree(backend, "tree", to);
  assertEquals([files, unchanged, left], [1, 2, []]);
  assertEquals(
    differences(
      tellTree(`${to}/d`),
      tellTree(`${folder.path}/tree/d`),
    ),
    [],
  );
});

Deno.test("getTree() links to what is there already where it goes on", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/tree`;
  await age(await folder.file("tree/a", "one inode"));
  await Deno.link(`${path}/a`, `${path}/b`);
  await using backend = await openImage(folder);
  await putTree(backend, path);
  const to = `${folder.path}/to`;
  for (const name of ["a", "b"]) {
    await getTree(backend, "tree", to);
    const [a, b] = [await Deno.lstat(`${to}/a`), await Deno.lstat(`${to}/b`)];
    assertEquals(a.ino, b.ino);
    await Deno.remove(`${to}/${name}`);
  }
});

/** Has times kept as on FAT, which not every kernel knows: rounded down to two seconds. */
function keepTimesAsOnFat(): Disposable {
  const { utimeSync } = Deno;
  Deno.utimeSync = (path, _, time) => {
    const even = Math.floor(Number(time) / 2000) * 2;
    utimeSync(path, even, even);
  };
  return { [Symbol.dispose]: () => void (Deno.utimeSync = utimeSync) };
}

Deno.test("getTree() goes on where times are kept to two seconds, as on FAT", async () => {
  await using at = await makeStored({ a: "a", "d/b": "b" });
  const { backend, folder, to } = at;
  for (const name of ["a", "d/b"]) {
    await Deno.utime(`${folder.path}/tree/${name}`, 1e9 + 1, 1e9 + 1);
  }
  await putTree(backend, `${folder.path}/tree`);
  using _ = keepTimesAsOnFat();
  assertEquals((await getTree(backend, "tree", to)).files, 2);
  assertEquals((await Deno.stat(`${to}/a`)).mtime?.getTime(), 1e12);
  const again = await getTree(backend, "tree", to);
  assertEquals([again.files, again.unchanged, again.left], [0, 2, []]);
});

Deno.test("getTree() writes nothing through a link", async () => {
  await using at = await makeStored({ "d/b": "b", a: "a" });
  const { backend, folder, to } = at;
  const outside = `${folder.path}/outside`;
  await Deno.mkdir(outside);
  await Deno.mkdir(to);
  await Deno.symlink(outside, `${to}/d`);
  await Deno.writeTextFile(`${outside}/a`, "mine");
  await Deno.symlink(`${outside}/a`, `${to}/a`);
  const { left } = await getTree(backend, "tree", to, { overwrite: "always" });
  assertEquals(left.map(({ name, reason }) => [name, reason]), [
    ...[["tree/d", "exists"], ["tree/d/b", "exists"]],
  ]);
  assertEquals(await textsIn(outside), { a: "mine" });
  assertEquals(await Deno.readTextFile(`${to}/a`), "a");
});

Deno.test("getTree() restores no file through a link of the same tree", async () => {
  await using folder = await makeFolder();
  const outside = `${folder.path}/outside`;
  await Deno.mkdir(outside);
  await using backend = await openImage(folder);
  await backend.apply([
    { kind: "link", name: "d", text: outside },
    { kind: "file", name: "e/x", source: new Uint8Array(1) },
  ]);
  const to = `${folder.path}/to`;
  await Deno.mkdir(`${to}/e`, { recursive: true });
  assertEquals((await getTree(backend, "", to)).left, []);
  assertEquals(await Deno.readLink(`${to}/d`), outside);
  assertEquals(await textsIn(outside), {});
});

Deno.test("getTree() takes set-uid bits away unless told to keep them", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("tree/a", "a");
  await Deno.chmod(path, 0o6755);
  await using backend = await openImage(folder);
  await putTree(backend, `${folder.path}/tree`);
  const modeOf = async (setId: boolean) => {
    const to = `${folder.path}/to-${setId}`;
    await getTree(backend, "tree", to, { setId });
    return ((await Deno.lstat(`${to}/a`)).mode ?? 0) & 0o7777;
  };
  assertEquals([await modeOf(false), await modeOf(true)], [0o755, 0o6755]);
});

Deno.test("getTree() leaves the attributes of a target alone that was there", async () => {
  await using at = await makeStored({ a: "a" });
  const { backend, to } = at;
  await Deno.mkdir(to, { mode: 0o711 });
  await getTree(backend, "tree", to);
  assertEquals(((await Deno.lstat(to)).mode ?? 0) & 0o777, 0o711);
});

Deno.test("getTree() tells what it would do, with dryRun, and does nothing", async () => {
  await using at = await makeStored({ a: "a", "d/b": "b" });
  const { backend, to } = at;
  const { files, folders, bytes } = await getTree(backend, "tree", to, {
    dryRun: true,
  });
  assertEquals([files, folders, bytes], [2, 1, 2]);
  await assertRejects(() => Deno.lstat(to), Deno.errors.NotFound);
});

/** Why no file system can be mounted that does not tell `a` from `A`; undefined if one can. */
async function cannotMountNtfs(): Promise<string | undefined> {
  if (!await isRoot()) return "only root may mount";
  // Deno itself may look there with all permissions only.
  const { code } = await execute("test", ["-c", "/dev/fuse"]);
  if (code !== 0) return "no /dev/fuse";
  return await absent("lowntfs-3g", "mkntfs");
}

Deno.test(
  unless(
    await cannotMountNtfs(),
    "getTree() tells the second of two names that are one on the target",
  ),
  async () => {
    await using folder = await makeFolder();
    await using backend = await openImage(folder);
    const contents = ["Readme", "README", "d/x", "D/y"].map((name) => {
      return { kind: "file", name, source: toBytes(name) } as const;
    });
    await backend.apply(contents);
    const to = `${folder.path}/ntfs`;
    await runShell(
      `cd "$1" && truncate -s 20M disk && mkntfs -F -f -q disk >/dev/null &&
        mkdir ntfs && lowntfs-3g -o ignore_case disk ntfs`,
      folder.path,
    );
    await using _mounted = unmounting(to);
    for (const overwrite of ["never", "always"] as const) {
      const { files, left } = await getTree(
        backend,
        "",
        `${to}/${overwrite}`,
        {
          overwrite,
        },
      );
      assertEquals(files, 2);
      assertEquals(
        left.filter(({ reason }) => reason !== "attributes")
          .map(({ name, reason }) => [name, reason]).sort(),
        [["Readme", "exists"], ["d", "exists"], ["d/x", "exists"]],
      );
    }
  },
);

Deno.test("getTree() gives no second name to a file that only looks the same", async () => {
  await using folder = await makeFolder();
  const first = await folder.file("tree/a", "right");
  await Deno.link(first, `${folder.path}/tree/b`);
  await age(first);
  const time = (await Deno.stat(first)).mtime ?? new Date();
  await using backend = await openImage(folder);
  await putTree(backend, `${folder.path}/tree`);
  const there = await folder.file("to/a", "WRONG");
  await Deno.utime(there, time, time);
  await getTree(backend, "tree", `${folder.path}/to`);
  assertEquals(await textsIn(`${folder.path}/to`), { a: "WRONG", b: "right" });
});

/** Has a stranger put a file into a folder at once. */
function putIn(folder: string, name: string): void {
  Deno.writeTextFileSync(`${folder}/${name}`, "theirs");
}

Deno.test("getTree() gives no second name to a file that it could not restore", async () => {
  await using at = await makeLinked();
  const { backend, to } = at;
  const { files, left } = await getTree(backend, "tree", to, {
    onEntry({ name }) {
      // The folder has just been made.
      if (name === "tree/d") putIn(`${to}/d`, "a");
    },
  });
  assertEquals(await textsIn(to), { "d/a": "theirs", "d/b": "one inode" });
  assertEquals([files, left.map(({ name }) => name)], [1, ["tree/d/a"]]);
});

Deno.test("getTree() keeps both names of an old file where the stored one is damaged", async () => {
  await using folder = await makeFolder();
  const first = await folder.file("tree/a", "right");
  await Deno.link(first, `${folder.path}/tree/b`);
  await age(first);
  await using backend = await openImage(folder);
  await putTree(backend, `${folder.path}/tree`);
  const lba = (await backend.query("tree/a"))?.extents[0]?.lba ?? 0;
  await patch(`${folder.path}/test.iso`, lba * 2048, toBytes("WRONG"));
  const to = `${folder.path}/to`;
  await folder.file("to/a", "old a");
  await folder.file("to/b", "old b");
  const { files, left } = await getTree(backend, "tree", to, {
    overwrite: "always",
  });
  assertEquals(await textsIn(to), { a: "old a", b: "old b" });
  assertEquals([files, left.map(({ name }) => name)], [
    0,
    ["tree/a", "tree/b"],
  ]);
});

Deno.test("getTree() changes nothing with dryRun, not even attributes that differ", async () => {
  await using at = await makeStored({ a: "a" });
  const { backend, to } = at;
  await getTree(backend, "tree", to);
  await Deno.chmod(`${to}/a`, 0o600);
  const options = { dryRun: true, overwrite: "differing" } as const;
  assertEquals((await getTree(backend, "tree", to, options)).unchanged, 1);
  assertEquals(((await Deno.lstat(`${to}/a`)).mode ?? 0) & 0o777, 0o600);
});

/** An image with a folder `d` of a file with two names and a link, and another folder. */
async function makeLinked(): Promise<
  AsyncDisposable & { backend: XorrisoBackend; to: string; other: string }
> {
  const folder = await makeFolder();
  const { path } = folder;
  await age(await folder.file("tree/d/a", "one inode"));
  await Deno.link(`${path}/tree/d/a`, `${path}/tree/d/b`);
  await Deno.symlink("a", `${path}/tree/d/l`);
  await Deno.chmod(`${path}/tree/d`, 0o770);
  await Deno.mkdir(`${path}/other`);
  await Deno.chmod(`${path}/other`, 0o700);
  const backend = await openImage(folder);
  await putTree(backend, `${path}/tree`);
  return {
    ...{ backend, to: `${path}/to`, other: `${path}/other` },
    async [Symbol.asyncDispose]() {
      await backend.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Has something done right before and after links are made, but for those of part files. */
function aroundLinks(before: () => void, after: () => void): Disposable {
  const { linkSync, symlinkSync } = Deno;
  Deno.linkSync = (from, to) => {
    if (String(from).endsWith(".part")) return linkSync(from, to);
    before();
    linkSync(from, to);
    after();
  };
  Deno.symlinkSync = (text, to) => {
    if (text !== "a") return symlinkSync(text, to);
    before();
    symlinkSync(text, to);
    after();
  };
  return {
    [Symbol.dispose]: () => void Object.assign(Deno, { linkSync, symlinkSync }),
  };
}

function messagesOf({ left }: TreeResult): (readonly [string, string])[] {
  return left.map(({ name, error }) =>
    [name, /exchanged meanwhile/.exec(error.message)?.[0] ?? ""] as const
  );
}

Deno.test("getTree() tells each link that may lie elsewhere since a folder was exchanged", async () => {
  await using at = await makeLinked();
  const { backend, to, other } = at;
  await Deno.writeTextFile(`${other}/a`, "theirs");
  using _ = aroundLinks(
    () => exchange(`${to}/d`, other),
    () => giveBack(`${to}/d`),
  );
  assertEquals(messagesOf(await getTree(backend, "tree", to)), [
    ["tree/d/b", "exchanged meanwhile"],
    ["tree/d/l", "exchanged meanwhile"],
  ]);
});

Deno.test("getTree() makes no link and sets no attribute where a folder was exchanged before", async () => {
  await using at = await makeLinked();
  const { backend, to, other } = at;
  await Deno.writeTextFile(`${other}/a`, "theirs");
  const { mtime } = await Deno.stat(other);
  const result = await getTree(backend, "tree", to, {
    onEntry({ kind, name }) {
      if (name === "tree/d/a" && kind === "restored") {
        exchange(`${to}/d`, other);
      }
    },
  });
  assertEquals(messagesOf(result), [
    ["tree/d/b", "exchanged meanwhile"],
    ["tree/d/l", "exchanged meanwhile"],
    ["tree/d", "exchanged meanwhile"],
  ]);
  assertEquals(await textsIn(other), { a: "theirs" });
  const info = await Deno.stat(other);
  assertEquals([info.mode, info.mtime], [(info.mode ?? 0) & ~0o77, mtime]);
});
