import { assert, assertEquals } from "@std/assert";
import { getTree, putTree, type XorrisoBackend } from "../../mod.ts";
import { Random } from "../torture/random.ts";
import { openImage } from "../support/backends.ts";
import { onMedia, openDrive } from "../support/drives.ts";
import {
  isInstalled,
  makeFolder,
  runShell,
  runXorriso,
} from "../support/helpers.ts";
import {
  differences,
  makeEveryKind,
  makeRandom,
  tellTree,
  type Told,
} from "../support/trees.ts";
import { cannotMount, mountImage, unless } from "../support/needs.ts";

/** Stores a tree of every kind, restores it, and makes sure that it is the same. */
async function roundTrip(
  backend: XorrisoBackend,
  from: string,
  to: string,
): Promise<void> {
  const stored = await putTree(backend, from, { as: "tree" });
  assertEquals(stored.left, []);
  const restored = await getTree(backend, "tree", to, { setId: true });
  assertEquals(restored.left, []);
  assertEquals(differences(tellTree(to), tellTree(from)), []);
  const { files, folders, links } = stored;
  assertEquals([restored.files, restored.links], [files, links]);
  assertEquals(restored.folders, folders - 1);
}

/** What plain tools tell: not which names are one file, nor when a link was made. */
function tellPlainly(folder: string): Map<string, Told> {
  const told = new Map<string, Told>();
  for (const [name, each] of tellTree(folder)) {
    const isLink = each.type === "link";
    told.set(name, { ...each, twin: undefined, ...(isLink && { mtime: 0 }) });
  }
  return told;
}

Deno.test("getTree() restores a tree of every kind as putTree() found it", async () => {
  await using folder = await makeFolder();
  const from = `${folder.path}/from`;
  await Deno.mkdir(from);
  makeEveryKind(from);
  await using backend = await openImage(folder);
  const to = `${folder.path}/to`;
  await roundTrip(backend, from, to);
  if (await isInstalled("rsync")) {
    const told = await runShell(
      'rsync -aHn --delete --itemize-changes "$1/" "$2/"',
      ...[from, to],
    );
    assertEquals(told, "");
  }
});

Deno.test("putTree() keeps a tree so that plain xorriso extracts it as it was", async () => {
  await using folder = await makeFolder();
  const from = `${folder.path}/from`;
  await Deno.mkdir(from);
  makeEveryKind(from);
  // xorriso 1.5.8 loses slashes of links with more than 250 bytes.
  await Deno.remove(`${from}/links/long`);
  {
    await using backend = await openImage(folder);
    assertEquals((await putTree(backend, from, { as: "tree" })).left, []);
  }
  const to = `${folder.path}/to`;
  await runXorriso([
    ["-indev", `stdio:${folder.path}/test.iso`],
    ["-extract", "/tree", to],
  ]);
  assertEquals(
    differences(tellPlainly(to), tellPlainly(from)),
    [],
  );
});

Deno.test(
  unless(
    await cannotMount(),
    "putTree() keeps a tree so that the kernel shows it as it was",
  ),
  async () => {
    await using folder = await makeFolder();
    const from = `${folder.path}/from`;
    await Deno.mkdir(from);
    makeEveryKind(from);
    // Linux cuts names of 254 and 255 bytes.
    for (const char of ["n", "漢"]) {
      await Deno.remove(
        `${from}/names/${char.repeat(char === "n" ? 255 : 85)}`,
      );
    }
    {
      await using backend = await openImage(folder);
      assertEquals((await putTree(backend, from, { as: "tree" })).left, []);
    }
    const to = `${folder.path}/to`;
    await using _mounted = await mountImage(`${folder.path}/test.iso`, to);
    assertEquals(differences(tellPlainly(`${to}/tree`), tellPlainly(from)), []);
  },
);

Deno.test("getTree() restores a tree of every kind from media of the burner", async () => {
  await onMedia(["bd-r", "dvd+rw"], async (burner) => {
    await using folder = await makeFolder();
    const from = `${folder.path}/from`;
    await Deno.mkdir(from);
    makeEveryKind(from);
    await using backend = await openDrive(burner);
    await roundTrip(backend, from, `${folder.path}/to`);
  });
});

/** Random trees in the suite; the torture makes more of them. */
const TREES = 200;

Deno.test("getTree() restores random trees as putTree() found them, and what became of them", async () => {
  const seed = crypto.randomUUID();
  const random = new Random(seed);
  await using folder = await makeFolder();
  const sources = Array.from({ length: TREES }, (_, i) => {
    return { path: `${folder.path}/from-${i}`, as: `trees/${i}` };
  });
  for (const { path } of sources) {
    await Deno.mkdir(path);
    makeRandom(path, random);
  }
  await using backend = await openImage(folder);
  const check = async (round: string) => {
    const { left } = await putTree(backend, sources, { mirror: true });
    assertEquals(left, [], `seed ${seed}, ${round}`);
    const to = `${folder.path}/to-${round}`;
    const restored = await getTree(backend, "trees", to, {
      ...{ setId: true, sync: false },
    });
    assertEquals(restored.left, [], `seed ${seed}, ${round}`);
    for (const { path, as } of sources) {
      const found = tellTree(`${to}/${as.slice("trees/".length)}`);
      const differing = differences(found, tellTree(path));
      assertEquals(differing, [], `seed ${seed}, ${round}, ${as}`);
    }
  };
  await check("first");
  for (const { path } of sources) {
    // What is made over what is there changes some of it, and its kinds.
    if (random.oneIn(2)) makeRandom(path, random);
    const names = await Array.fromAsync(Deno.readDir(path), (e) => e.name);
    // An empty folder is not mirrored.
    const gone = names.length > 1 ? random.pick(names) : undefined;
    if (gone !== undefined && random.oneIn(2)) {
      await Deno.remove(`${path}/${gone}`, { recursive: true });
    }
  }
  await check("second");
  assert((await backend.sessions()).length === 2);
});
