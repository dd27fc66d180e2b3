import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { content, fileBlocks, readImage, readTree } from "../../src/iso/mod.ts";
import { parseToc } from "../../src/dialogue/answers.ts";
import { makeFolder, runXorriso } from "../support/helpers.ts";
import { LAYOUTS, needsOf, writeTree } from "./layouts.ts";
import { cannotMount, isRoot, mountImage, unless } from "../support/needs.ts";

/** What is there to be compared of one name. */
interface Told {
  readonly type: string;
  readonly mode: number;
  readonly mtime: number;
  readonly owner: string;
  readonly size?: number;
  readonly content?: string;
  readonly target?: string;
}

type All = Record<string, Told>;

/** Only root can restore owners. */
const IS_ROOT = await isRoot();

/** What this module reads. */
async function readByUs(image: string): Promise<All> {
  await using blocks = await fileBlocks(image);
  const { newest } = await readImage(blocks);
  const tree = await readTree(blocks, newest);
  assertEquals(tree.problems, []);
  const all: All = {};
  for (const entry of tree.walk()) {
    const { path, type, mode, mtime, uid, gid, size, target } = entry;
    const hash = createHash("sha256");
    if (type === "file") {
      for await (const chunk of content(blocks, entry)) hash.update(chunk);
    }
    all[path] = {
      ...{ type, mode, mtime: mtime.getTime(), owner: `${uid}:${gid}` },
      ...type === "file" && { size, content: hash.digest("hex") },
      ...target !== undefined && { target },
    };
  }
  return all;
}

/** What is in a folder on disk. */
async function readFolder(root: string, path = ""): Promise<All> {
  const all: All = {};
  for await (const { name } of Deno.readDir(root + path)) {
    const own = `${path}/${name}`;
    const info = await Deno.lstat(root + own);
    const { isFile, isDirectory, isSymlink, mode, mtime, uid, gid, size } =
      info;
    all[own] = {
      type: isFile
        ? "file"
        : isDirectory
        ? "directory"
        : isSymlink
        ? "link"
        : "?",
      mode: (mode ?? 0) & 0o7777,
      mtime: mtime?.getTime() ?? NaN,
      owner: `${uid}:${gid}`,
      ...isFile && {
        size,
        content: createHash("sha256").update(await Deno.readFile(root + own))
          .digest("hex"),
      },
      ...isSymlink && { target: await Deno.readLink(root + own) },
    };
    if (isDirectory) Object.assign(all, await readFolder(root, own));
  }
  return all;
}

/** What xorriso restores. */
async function readByXorriso(image: string, target: string): Promise<All> {
  await Deno.mkdir(target);
  await runXorriso([
    // Tags that other programs have left there, though they wrote something else.
    ["-md5", "load_check_off"],
    ["-indev", `stdio:${image}`],
    ["-extract", "/", target],
  ]);
  return await readFolder(target);
}

/** What cannot be compared: attributes of links, and owners unless by root. */
function comparable(all: All): All {
  return Object.fromEntries(
    Object.entries(all).sort(([a], [b]) => a < b ? -1 : 1).map(
      ([path, told]) => {
        const { type, mode, mtime, owner, ...rest } = told;
        return [path, {
          ...{ type, ...rest },
          ...type !== "link" && { mode, mtime, ...IS_ROOT && { owner } },
        } as Told];
      },
    ),
  );
}

/** What cannot be told of files by the kernel: it has neither their owners nor all times. */
function contents(all: All): All {
  return Object.fromEntries(
    Object.entries(comparable(all)).map(([path, { type, ...rest }]) => [
      path,
      { type, content: rest.content, target: rest.target } as unknown as Told,
    ]),
  );
}

const NO_MOUNT = await cannotMount();

for (const [name, layout] of Object.entries(LAYOUTS)) {
  const { tree, make } = layout;
  const missing = await needsOf(layout);
  Deno.test({
    ...unless(missing, `an image of ${name} is read as xorriso restores it`),
    async fn(t) {
      await using folder = await makeFolder();
      await Deno.mkdir(`${folder.path}/tree`);
      await writeTree(`${folder.path}/tree`, tree);
      const image = `${folder.path}/test.iso`;
      await make(image, `${folder.path}/tree`, folder.path);
      const ours = await readByUs(image);
      const theirs = await readByXorriso(image, `${folder.path}/target`);
      assert(Object.keys(theirs).length > 100);
      assertEquals(comparable(ours), comparable(theirs));
      await compareSessions(image);
      if (!isForLinux(name)) return;
      await t.step({
        ...unless(NO_MOUNT, "and as Linux mounts it"),
        async fn() {
          const mounted = contents(await readByLinux(image, folder.path));
          const wanted = contents(ours);
          // Longer names it cuts to 93 bytes; what was relocated shows in both places.
          for (const path of Object.keys(wanted)) {
            if (path.split("/").some((part) => part.length > 250)) continue;
            assertEquals(mounted[path], wanted[path], path);
          }
        },
      });
    },
  });
}

/** Whether Linux reads the same names: it changes plain ones, and not each inflates zisofs. */
function isForLinux(name: string): boolean {
  return !/level|zisofs|-J$|-U|alone|plain|Joliet$/.test(name);
}

/** What Linux shows of an image. */
async function readByLinux(image: string, folder: string): Promise<All> {
  const point = `${folder}/mounted`;
  await using _mounted = await mountImage(image, point);
  return await readFolder(point);
}

/** Makes sure that the sessions are those that xorriso tells. */
async function compareSessions(image: string): Promise<void> {
  await using blocks = await fileBlocks(image);
  const toc = await runXorriso([
    ["-md5", "load_check_off"],
    ["-indev", `stdio:${image}`],
    ["-toc"],
  ]);
  const { sessions } = await readImage(blocks);
  assertEquals(
    sessions.map(({ number, lba, size, volumeId }) => {
      return { number, lba, size: size * 2048, volumeId };
    }),
    parseToc(toc).sessions,
  );
}
