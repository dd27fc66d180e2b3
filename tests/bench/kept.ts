/** What programs keep of a tree of every kind, and how much room the next night takes. */

import { getTree, putTree, XorrisoBackend } from "@xorriso/backend";
import { age, isInstalled, noise } from "../support/helpers.ts";
import { differences, makeEveryKind, tellTree } from "../support/trees.ts";
import type { Scene } from "./bench.ts";
import { makeTree, remove, restic, run, xorriso } from "./programs.ts";

/** A way to keep a folder, and to get it back. */
interface Keeper {
  /** Its name; the first word is the program. */
  readonly name: string;
  /** Keeps a folder in a place that is not there, or that it has made before. */
  readonly keep: (source: string, place: string) => Promise<void>;
  /** Gets it back into a folder that is not there. */
  readonly restore: (place: string, target: string) => Promise<void>;
}

const KEEPERS: readonly Keeper[] = [
  {
    name: "putTree, getTree",
    keep: async (source, place) => {
      await age(place);
      await using backend = await open(place, true);
      await putTree(backend, source, { as: "tree", mirror: true });
    },
    restore: async (place, target) => {
      await using backend = await open(place, false);
      await getTree(backend, "tree", target, { setId: true });
    },
  },
  {
    name: "xorriso -update_r, -extract",
    keep: (source, place) =>
      xorriso(
        "-dev",
        `stdio:${place}`,
        "-update_r",
        source,
        "/tree",
        "-commit",
      ),
    restore: (place, target) =>
      xorriso(
        ...["-osirrox", "on", "-indev", `stdio:${place}`],
        ...["-extract", "/tree", target],
      ),
  },
  {
    name: "tar",
    keep: (source, place) => run("tar", "-cf", place, "-C", source, "."),
    restore: async (place, target) => {
      await Deno.mkdir(target);
      await run("tar", "-xpf", place, "-C", target);
    },
  },
  {
    name: "rsync -aH",
    keep: (source, place) =>
      run("rsync", "-aH", "--delete", `${source}/`, place),
    restore: (place, target) => run("rsync", "-aH", `${place}/`, target),
  },
  {
    name: "restic",
    keep: async (source, place) => {
      const isNew = await Deno.lstat(place).then(() => false, () => true);
      if (isNew) await restic(place, "init");
      await restic(place, "backup", source);
    },
    restore: async (place, target) => {
      // It restores a folder below all folders that it was in.
      const all = `${target}-all`;
      await restic(place, "restore", "latest", "--target", all);
      await Deno.rename(all + target.replace(/[^/]*$/, "source"), target);
      await remove(all);
    },
  },
];

async function open(path: string, create: boolean): Promise<XorrisoBackend> {
  const url = `xorriso://${path}`;
  return await XorrisoBackend.open(
    url,
    create ? { create } : { readOnly: true },
  );
}

/** Whether the program of a keeper is installed. */
async function canRun(name: string): Promise<boolean> {
  const [program = ""] = name.split(/[ ,]/);
  return program === "putTree" || await isInstalled(program);
}

/** Counts what is not as it was after a round trip. */
export async function kept(scene: Scene): Promise<void> {
  const { folder } = scene;
  const [source, place, target] = ["source", "place", "target"]
    .map((name) => `${folder}/${name}`) as [string, string, string];
  await Deno.mkdir(source);
  makeEveryKind(source);
  const wanted = tellTree(source);
  for (const { name, keep, restore } of KEEPERS) {
    if (!await canRun(name)) continue;
    await keep(source, place);
    await restore(place, target);
    const lines = differences(tellTree(target), wanted);
    const kinds = Map.groupBy(lines, (line) => line.split(" ")[0] ?? "");
    const told = Array.from(kinds, ([kind, all]) => `${kind} ${all.length}`);
    scene.figure({
      work: `of ${wanted.size} names of every kind, not as before: ${name}`,
      value: lines.length,
      unit: told.length === 0 ? "differences" : `(${told.join(", ")})`,
    });
    await remove(place, target);
  }
  await remove(source);
}

/** Measures what one changed file of many takes. */
export async function nights(scene: Scene): Promise<void> {
  const { folder } = scene;
  const source = `${folder}/source`;
  const place = `${folder}/place`;
  const [first = ""] = await makeTree(source, 1000, 10_000);
  for (const { name, keep } of KEEPERS) {
    // A night's tar is a whole one.
    if (name === "tar" || !await canRun(name)) continue;
    await Deno.writeFile(`${source}/${first}`, noise(10_000));
    await keep(source, place);
    const before = await bytesOf(place);
    await Deno.writeFile(`${source}/${first}`, noise(10_000, 2));
    await keep(source, place);
    scene.figure({
      work: `1 of 1000 files of 10 kB changed: ${name}`,
      value: (await bytesOf(place) - before) / 1000,
      unit: "kB more",
    });
    await remove(place);
  }
  await remove(source);
}

/** Bytes of all files at a path. */
async function bytesOf(path: string): Promise<number> {
  const { isDirectory, size } = await Deno.lstat(path);
  if (!isDirectory) return size;
  let bytes = 0;
  for await (const { name } of Deno.readDir(path)) {
    bytes += await bytesOf(`${path}/${name}`);
  }
  return bytes;
}
