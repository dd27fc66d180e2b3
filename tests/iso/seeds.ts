/** Small images of many kinds, for what changes their bytes. */

import { makeFolder, noise } from "../support/helpers.ts";
import { type Layout, LAYOUTS, needsOf, type TreeOptions } from "./layouts.ts";

/** A tree that is small, but has something of everything. */
async function writeSmall(
  root: string,
  { plain = false, longest = 255, deep = true }: TreeOptions,
): Promise<void> {
  await Deno.mkdir(`${root}/MANY`, { recursive: true });
  await Deno.writeFile(`${root}/A.TXT`, noise(3000));
  await Deno.writeTextFile(`${root}/ZEROS`, "0".repeat(40_000));
  for (let i = 0; i < 20; i++) {
    await Deno.writeTextFile(`${root}/MANY/N${i}`, `${i}`);
  }
  if (plain) return;
  await Deno.symlink("../x/./y", `${root}/link`);
  await Deno.writeTextFile(`${root}/${"n".repeat(longest)}`, "long");
  const folder = deep ? `${root}/d/e/e/p/e/r/t/h/a/n` : `${root}/d/e`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/f`, "deep");
}

/** Images of half of the layouts whose programs are there. */
export async function makeSeeds(): Promise<Uint8Array[]> {
  const layouts = Object.values(LAYOUTS).filter((_, index) => index % 2 === 0);
  const seeds = await Promise.all(layouts.map(makeSeed));
  // Of large boot images there is nothing to learn.
  return seeds.filter((bytes) => bytes !== undefined)
    .filter(({ length }) => length < 2 << 20);
}

async function makeSeed(layout: Layout): Promise<Uint8Array | undefined> {
  if (await needsOf(layout) !== undefined) return undefined;
  await using folder = await makeFolder();
  const [image, tree] = [`${folder.path}/image`, `${folder.path}/tree`];
  await Deno.mkdir(tree);
  await writeSmall(tree, layout.tree ?? {});
  await layout.make(image, tree, folder.path);
  return await Deno.readFile(image);
}
