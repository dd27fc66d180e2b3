/** The reader: trees out of blocks, and checksums on all cores. */

import { createHash } from "node:crypto";
import {
  type Blocks,
  fileBlocks,
  readImage,
  readTree,
  type Tree,
} from "@xorriso/backend/iso";
import { rereadTree } from "../../src/iso/read_tree.ts";
import { checkMany, type FileCheck } from "../../src/iso/restore.ts";
import { BLOCK } from "../../src/medium.ts";
import { type Scene, timed } from "./bench.ts";
import { makeImage } from "./list.ts";
import { fill, remove, xorriso } from "./programs.ts";

/** Files that are hashed, and bytes of each. */
const FILES = 8;
const SIZE = 256 << 20;

const CHUNK = 1 << 20;
/** Trees and checksums. */
export async function iso(scene: Scene): Promise<void> {
  for (const [count, ratio] of [[10_000, 0.33], [100_000, 0.5]] as const) {
    const image = await makeImage(scene.folder, count);
    await readNames(scene, image, count, ratio);
    await readAgain(scene, image, count);
    await remove(image);
  }
  await hash(scene);
}

/** The newest tree of an image. */
async function treeOf(blocks: Blocks): Promise<Tree> {
  return await readTree(blocks, (await readImage(blocks)).newest);
}

async function readNames(
  scene: Scene,
  image: string,
  count: number,
  ratio: number,
): Promise<void> {
  const find = ["-find", "/", "-type", "f", "-exec", "report_lba"];
  await scene.contest({
    work: `open and list ${count} names by their blocks`,
    ours: () =>
      timed(async () => {
        await using blocks = await fileBlocks(image);
        let found = 0;
        for (const { type, path } of (await treeOf(blocks)).walk()) {
          if (type === "file" && path !== "") found++;
        }
        if (found !== count) throw new Error(`Found ${found} names`);
      }),
    others: [{
      ...{ name: "xorriso by hand, -find report_lba", ratio },
      run: () =>
        timed(() => xorriso("-indev", `stdio:${image}`, ...find, "--")),
    }],
  });
}

/** After one more file: what leads to it is read, the rest taken over. */
async function readAgain(
  scene: Scene,
  image: string,
  count: number,
): Promise<void> {
  await using blocks = await fileBlocks(image);
  const known = await treeOf(blocks);
  const source = `${scene.folder}/one`;
  await fill(source, 10);
  const name = "/added/one";
  await xorriso("-dev", `stdio:${image}`, "-map", source, name, "-commit");
  await remove(source);
  let tree = known;
  const value = await timed(async () => {
    const { newest } = await readImage(blocks);
    tree = await rereadTree(known, blocks, newest, [name]);
  });
  if (tree.size !== known.size + 2) throw new Error(`Found ${tree.size} names`);
  scene.figure({
    work: `read what changed of ${count} names`,
    ...{ value, unit: "ms", limit: 20 },
  });
}

async function hash(scene: Scene): Promise<void> {
  const path = `${scene.folder}/large.bin`;
  await fill(path, FILES * SIZE);
  await using blocks = await fileBlocks(path);
  const jobs: FileCheck[] = [];
  for (let i = 0; i < FILES; i++) {
    const sections = [{ lba: i * SIZE / BLOCK, size: SIZE }];
    const md5 = await hashBare(path, i);
    jobs.push({ entry: { path: `/${i}`, size: SIZE, sections }, md5 });
  }
  await scene.contest({
    work: `verify ${FILES} x 256 MiB`,
    rounds: 3,
    ours: () =>
      timed(async () => {
        const { size } = await checkMany(blocks, jobs);
        if (size > 0) throw new Error(`${size} files differ`);
      }),
    others: [{
      // On two cores; with more it is faster still.
      ...{ name: "reading and MD5 on one core", ratio: 0.62 },
      run: () =>
        timed(async () => {
          for (let i = 0; i < FILES; i++) await hashBare(path, i);
        }),
    }],
  });
  await remove(path);
}

/** Reads and hashes a file by the plainest loop there is. */
async function hashBare(path: string, index: number): Promise<string> {
  using file = await Deno.open(path, { read: true });
  await file.seek(index * SIZE, Deno.SeekMode.Start);
  const digest = createHash("md5");
  const buffer = new Uint8Array(CHUNK);
  for (let left = SIZE; left > 0;) {
    const count = await file.read(buffer.subarray(0, left));
    if (count === null) throw new Error(`${path} is too short`);
    digest.update(buffer.subarray(0, count));
    left -= count;
  }
  return digest.digest("hex");
}
