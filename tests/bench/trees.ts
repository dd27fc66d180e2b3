/** Whole trees, beside the programs that people keep trees with. */

import { getTree, putTree, XorrisoBackend } from "@xorriso/backend";
import { isInstalled } from "../support/helpers.ts";
import { median, type Scene, type Side, timed } from "./bench.ts";
import { makeTree, remove, restic, run, xorriso } from "./programs.ts";

const COUNT = 10_000;
const SIZE = 4 << 10;
const ROUNDS = 5;

/** Files of a large tree that has not changed. */
const MANY = 100_000;

/** Storing, storing again, and restoring. */
export async function trees(scene: Scene): Promise<void> {
  const source = `${scene.folder}/source`;
  const names = await makeOldTree(source, COUNT);
  await putTrees(scene, source, names);
  await putAgain(scene, source);
  await getTrees(scene, source, names);
  await remove(source);
  if (scene.place === "tmpfs") await putManyAgain(scene);
}

/** Makes a tree that nothing takes for new. */
async function makeOldTree(folder: string, count: number): Promise<string[]> {
  const names = await makeTree(folder, count, SIZE);
  for (const name of names) {
    // deno-lint-ignore no-sync-fn-in-async-fn -- far faster for small files
    Deno.utimeSync(`${folder}/${name}`, 1e9, 1e9);
  }
  return names;
}

/** Sides whose programs are installed. */
async function installed(sides: readonly Side[]): Promise<Side[]> {
  const found: Side[] = [];
  for (const side of sides) {
    const [program = ""] = side.name.split(" ");
    if (await isInstalled(program)) found.push(side);
  }
  return found;
}

async function putTrees(
  scene: Scene,
  source: string,
  names: readonly string[],
): Promise<void> {
  const { folder } = scene;
  const image = `${folder}/put.iso`;
  const copy = `${folder}/copy`;
  const fresh = async (work: () => Promise<unknown>): Promise<number> => {
    await remove(image, copy);
    return await timed(work);
  };
  await scene.contest({
    work: `putTree ${COUNT} x 4 KiB`,
    rounds: ROUNDS,
    ours: async () => {
      await remove(image);
      await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
        create: true,
      });
      return await timed(() => putTree(backend, source));
    },
    others: [
      {
        ...{ name: "put of each file, no attributes of folders", ratio: 1.3 },
        run: async () => {
          await remove(image);
          await using backend = await XorrisoBackend.open(
            `xorriso://${image}`,
            { create: true, commitDelay: 1000, commitMax: 60_000 },
          );
          return await timed(async () => {
            const puts = names.map((name) =>
              backend.put(`${source}/${name}`, name)
            );
            await backend.commit();
            await Promise.all(puts);
          });
        },
      },
      {
        name: "xorriso -map",
        run: () =>
          fresh(() =>
            xorriso(
              ...["-dev", `stdio:${image}`, "-map", source, "/", "-commit"],
            )
          ),
      },
      ...await installed([
        {
          name: "tar -cf",
          run: () => fresh(() => run("tar", "-cf", image, "-C", source, ".")),
        },
        {
          name: "cp -a",
          run: () => fresh(() => run("cp", "-a", source, copy)),
        },
        {
          name: "rsync -a",
          run: () => fresh(() => run("rsync", "-a", `${source}/`, copy)),
        },
        {
          name: "restic backup",
          run: async () => {
            await remove(copy);
            await restic(copy, "init");
            return await timed(() => restic(copy, "backup", source));
          },
        },
      ]),
    ],
  });
  await remove(image, copy);
}

async function putAgain(scene: Scene, source: string): Promise<void> {
  const { folder } = scene;
  const image = `${folder}/again.iso`;
  const other = `${folder}/other.iso`;
  const copy = `${folder}/copy`;
  const repository = `${folder}/restic`;
  await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
    create: true,
  });
  await putTree(backend, source, { as: "" });
  await xorriso("-dev", `stdio:${other}`, "-map", source, "/", "-commit");
  await run("cp", "-a", source, copy);
  const peers = await installed([
    {
      name: "rsync -a",
      run: () => timed(() => run("rsync", "-a", `${source}/`, copy)),
    },
    {
      name: "restic backup",
      run: () => timed(() => restic(repository, "backup", source)),
    },
  ]);
  if (peers.some(({ name }) => name.startsWith("restic"))) {
    await restic(repository, "init");
    await restic(repository, "backup", source);
  }
  await scene.contest({
    work: `putTree ${COUNT} x 4 KiB, unchanged`,
    rounds: ROUNDS,
    ours: () => timed(() => putTree(backend, source, { as: "" })),
    others: [
      {
        name: "xorriso -update_r",
        run: () =>
          timed(() =>
            xorriso(
              ...["-dev", `stdio:${other}`, "-update_r", source, "/"],
              "-commit",
            )
          ),
      },
      ...peers,
    ],
  });
  await remove(image, other, copy, repository);
}

async function putManyAgain(scene: Scene): Promise<void> {
  const source = `${scene.folder}/many`;
  const image = `${scene.folder}/many.iso`;
  await makeOldTree(source, MANY);
  await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
    create: true,
  });
  await putTree(backend, source);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    times.push(await timed(() => putTree(backend, source)));
  }
  scene.figure({
    work: `putTree ${MANY} x 4 KiB, unchanged`,
    ...{ value: median(times), unit: "ms", limit: 2000 },
  });
  await remove(source, image);
}

async function getTrees(
  scene: Scene,
  source: string,
  names: readonly string[],
): Promise<void> {
  const { folder } = scene;
  const image = `${folder}/get.iso`;
  const archive = `${folder}/get.tar`;
  const target = `${folder}/target`;
  await xorriso("-dev", `stdio:${image}`, "-map", source, "/", "-commit");
  await run("tar", "-cf", archive, "-C", source, ".");
  await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
    readOnly: true,
  });
  const fresh = async (work: () => Promise<unknown>): Promise<number> => {
    await remove(target);
    await run("sync");
    await Deno.mkdir(target);
    return await timed(work);
  };
  const plain = { mode: false, mtime: false, sync: false } as const;
  await scene.contest({
    work: `getTree ${COUNT} x 4 KiB`,
    rounds: ROUNDS,
    ours: () => fresh(() => getTree(backend, "", target, { sync: false })),
    others: [
      {
        ...{ name: "getList without attributes", ratio: 1.3 },
        run: () => fresh(() => backend.getList(names, target, plain)),
      },
      {
        name: "xorriso -extract",
        run: () =>
          fresh(() =>
            xorriso(
              ...["-osirrox", "on", "-indev", `stdio:${image}`],
              ...["-extract", "/", target],
            )
          ),
      },
      ...await installed([
        {
          name: "tar -xf",
          run: () => fresh(() => run("tar", "-xf", archive, "-C", target)),
        },
        {
          name: "cp -a",
          run: () => fresh(() => run("cp", "-a", `${source}/.`, target)),
        },
        {
          name: "rsync -a",
          run: () => fresh(() => run("rsync", "-a", `${source}/`, target)),
        },
      ]),
    ],
  });
  await remove(image, archive, target);
}
