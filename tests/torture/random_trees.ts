/** Random trees: stored, restored, changed, stored as mirrors, and compared each time. */

import { getTree, putTree, XorrisoBackend } from "../../mod.ts";
import {
  differences,
  makeRandom,
  tellTree,
  type Told,
} from "../support/trees.ts";
import { age } from "../support/helpers.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

/** Trees in one image. */
const TREES = 50;

/** Trees that all are below one name of an image. */
interface Forest {
  readonly torture: Torture;
  readonly round: number;
  readonly folder: string;
  readonly sources: readonly { readonly path: string; readonly as: string }[];
}

/** Everything below the folders of all trees. */
function tellAll({ sources }: Forest): Map<string, Told> {
  const all = new Map<string, Told>();
  for (const { path, as } of sources) {
    // Names of one inode are found out in each tree by itself.
    for (const [name, { twin, ...told }] of tellTree(path)) {
      all.set(`${as}/${name}`, { ...told, twin: twin && `${as}/${twin}` });
    }
  }
  return all;
}

/** Restores a session, and compares it with what it should be. */
async function compare(
  forest: Forest,
  session: number,
  wanted: Map<string, Told>,
): Promise<void> {
  const { torture, round, folder } = forest;
  const where = `round ${round}, session ${session}`;
  const to = `${folder}/to-${session}`;
  await using backend = await XorrisoBackend.open(
    `xorriso://${folder}/trees.iso`,
    { session },
  );
  const { left } = await getTree(backend, "trees", to, {
    ...{ setId: true, sync: false },
  });
  for (const { error } of left) torture.fail(where, error, round);
  const sources = forest.sources.map(({ as }) => ({
    path: `${folder}/to-${session}/${as.slice(6)}`,
    as,
  }));
  const found = tellAll({ ...forest, sources });
  for (const line of differences(found, wanted)) {
    torture.fail(where, line, round);
  }
  await Deno.remove(to, { recursive: true });
}

/** Stores all trees; tells what is to be restored. */
async function store(forest: Forest): Promise<Map<string, Told>> {
  const { torture, round, folder, sources } = forest;
  await age(`${folder}/trees.iso`);
  await using backend = await XorrisoBackend.open(
    `xorriso://${folder}/trees.iso`,
    { create: true },
  );
  const { left } = await putTree(backend, sources, { mirror: true });
  for (const { error } of left) torture.fail(`round ${round}`, error, round);
  const { length } = await backend.sessions();
  await putTree(backend, sources, { mirror: true });
  torture.check(
    (await backend.sessions()).length === length,
    `round ${round}`,
    () => "What has not changed was written again",
  );
  return tellAll(forest);
}

/** Changes some of a tree: more of it, over it, and less of it. */
async function change(path: string, random: Random): Promise<void> {
  if (random.oneIn(2)) makeRandom(path, random);
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  // An empty folder is not mirrored.
  if (names.length < 2 || random.oneIn(2)) return;
  const name = random.pick(names.sort());
  if (random.oneIn(2)) {
    await Deno.remove(`${path}/${name}`, { recursive: true });
  } else await Deno.rename(`${path}/${name}`, `${path}/moved ${name}`);
}

/** Random trees in one image, and what becomes of them. */
export const randomTrees: Topic = {
  name: "trees",
  unit: `times ${TREES} trees`,
  rounds: { full: 100, short: 1 },
  run: (torture) =>
    torture.eachRound(2, async (round, random) => {
      const folder = `${torture.folder}/${round}`;
      const sources = Array.from({ length: TREES }, (_, i) => {
        return { path: `${folder}/from-${i}`, as: `trees/${i}` };
      });
      const forest = { torture, round, folder, sources };
      await Deno.mkdir(folder);
      for (const { path } of sources) {
        await Deno.mkdir(path);
        makeRandom(path, random);
      }
      const first = await store(forest);
      for (const { path } of sources) await change(path, random);
      const second = await store(forest);
      torture.count("names", first.size + second.size);
      await compare(forest, 1, first);
      await compare(forest, 2, second);
      await Deno.remove(folder, { recursive: true });
    }),
};
