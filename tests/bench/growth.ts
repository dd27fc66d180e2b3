/** How cost grows with the work: time in proportion, memory not at all. */

import type { Scene } from "./bench.ts";
import { type Cost, measure } from "./child.ts";
import { makeImage } from "./list.ts";
import { fill, makeTree, remove, xorriso } from "./programs.ts";

const MIB = 1 << 20;

/** Putting, listing and getting more and more. */
export async function growth(scene: Scene): Promise<void> {
  const { folder } = scene;
  for (const count of [10, 100, 1000, 10_000]) {
    const source = `${folder}/source`;
    const image = `${folder}/put.iso`;
    await makeTree(source, count, 4096);
    tell(scene, `put ${count} x 4 KiB`, await measure("put", image, source));
    await remove(source, image);
  }
  for (const count of [1000, 10_000, 100_000, 200_000]) {
    const image = await makeImage(folder, count);
    tell(scene, `list ${count} names`, await measure("list", image));
    await remove(image);
  }
  for (const size of [1, 16, 256, 1024, 4096]) {
    const source = `${folder}/source`;
    const image = `${folder}/get.iso`;
    const target = `${folder}/target`;
    await fill(source, size * MIB);
    await xorriso("-dev", `stdio:${image}`, "-map", source, "/file", "-commit");
    await remove(source);
    tell(scene, `get ${size} MiB`, await measure("get", image, target));
    await remove(image, target);
  }
}

function tell(scene: Scene, work: string, { ms, peak }: Cost): void {
  scene.figure({ work, value: ms, unit: "ms" });
  scene.figure({
    work: `${work}: memory added`,
    ...{ value: peak / 1e6, unit: "MB" },
  });
}

/** What the module does while xorriso writes. */
export async function idle(scene: Scene): Promise<void> {
  const { folder } = scene;
  const source = `${folder}/source`;
  const image = `${folder}/put.iso`;
  await fill(source, 2048 * MIB);
  const { core, ms } = await measure("commit", image, source);
  scene.figure({ work: "commit 2 GiB", value: ms, unit: "ms" });
  scene.figure({
    work: "share of a core that the module takes meanwhile",
    ...{ value: core * 100, unit: "%", limit: 1 },
  });
  await remove(source, image);
}
