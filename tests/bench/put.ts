/** Storing and deleting. */

import { XorrisoBackend } from "@xorriso/backend";
import { type Scene, timed, timedEach } from "./bench.ts";
import {
  BareDialogue,
  fill,
  makeTree,
  remove,
  run,
  xorriso,
} from "./programs.ts";

const KIB = 1 << 10;
const MIB = 1 << 20;

interface Work {
  readonly name: string;
  readonly count: number;
  readonly size: number;
  readonly ratio: number;
  readonly rounds?: number;
  /** Whether one xorriso for each file is measured, too. */
  readonly single?: boolean;
}

const WORKS: readonly Work[] = [
  { name: "put 1 x 4 KiB", count: 1, size: 4 * KIB, ratio: 1.2 },
  {
    ...{ name: "put 100 x 4 KiB", count: 100, size: 4 * KIB, ratio: 1.2 },
    single: true,
  },
  { name: "put 20 x 5 MiB", count: 20, size: 5 * MIB, ratio: 1.1 },
  { name: "put 1 x 1 GiB", count: 1, size: 1024 * MIB, ratio: 1.1, rounds: 3 },
];

/** Storing files that are given together, one after another, and deleting. */
export async function put(scene: Scene): Promise<void> {
  for (const work of WORKS) await putTogether(scene, work);
  await putInTurn(scene);
  await applyMany(scene);
  await deleteMany(scene);
}

/** So many that what each of them costs is nearly all. */
async function applyMany(scene: Scene): Promise<void> {
  const COUNT = 100_000;
  const { folder } = scene;
  const image = `${folder}/apply.iso`;
  const source = `${folder}/source`;
  const names = await makeTree(source, COUNT, 16);
  await scene.contest({
    work: "apply 100,000 x 16 B",
    rounds: 3,
    ours: async () => {
      await remove(image);
      await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
        create: true,
      });
      const changes = names.map((name) =>
        ({ kind: "file", name, source: `${source}/${name}` }) as const
      );
      return await timed(() => backend.apply(changes));
    },
    others: [{
      name: "-map of the folder and -commit",
      ratio: 4,
      run: async () => {
        await remove(image);
        return await timed(() =>
          xorriso(
            ...["-md5", "on", "-dev", `stdio:${image}`],
            ...["-map", source, "/", "-commit"],
          )
        );
      },
    }],
  });
  await remove(source, image);
}

async function putTogether(scene: Scene, work: Work): Promise<void> {
  const { folder } = scene;
  const source = `${folder}/source`;
  const image = `${folder}/put.iso`;
  const names = await makeSource(source, work);
  const files = names.map((name) => [`${source}/${name}`, name] as const);
  await scene.contest({
    work: work.name,
    ...(work.rounds !== undefined && { rounds: work.rounds }),
    ours: async () => {
      await remove(image);
      await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
        create: true,
      });
      return await timed(() =>
        Promise.all(files.map(([path, name]) => backend.put(path, name)))
      );
    },
    others: [
      {
        name: "xorriso by hand",
        ratio: work.ratio,
        run: async () => {
          await remove(image);
          return await timed(() =>
            xorriso(
              ...["-dev", `stdio:${image}`],
              ...files.flatMap(([path, name]) => ["-map", path, `/${name}`]),
              "-commit",
            )
          );
        },
      },
      ...(work.single
        ? [{
          name: "one xorriso for each",
          rounds: 1,
          run: async () => {
            await remove(image);
            return await timed(async () => {
              for (const [path, name] of files) {
                await xorriso(
                  "-dev",
                  `stdio:${image}`,
                  "-map",
                  path,
                  `/${name}`,
                );
              }
            });
          },
        }]
        : []),
      {
        name: "cp -r",
        run: async () => {
          await remove(`${folder}/copy`);
          return await timed(() => run("cp", "-r", source, `${folder}/copy`));
        },
      },
    ],
  });
  await remove(source, image, `${folder}/copy`);
}

async function makeSource(folder: string, work: Work): Promise<string[]> {
  if (work.size <= MIB) return await makeTree(folder, work.count, work.size);
  await Deno.mkdir(folder);
  const names = Array.from({ length: work.count }, (_, i) => `file-${i}.dat`);
  for (const name of names) await fill(`${folder}/${name}`, work.size);
  return names;
}

/**
 * Each commit waits for the one before: what is ours must not show.
 *
 * Of several the one in the middle counts, since now and then a commit is over
 * before libburn first looks, or takes half a second.
 */
async function putInTurn(scene: Scene): Promise<void> {
  const COUNT = 7;
  const { folder } = scene;
  const image = `${folder}/put.iso`;
  const source = `${folder}/source`;
  const names = await makeTree(source, COUNT, 4 * KIB);
  await scene.contest({
    work: `put 4 KiB, one of ${COUNT} awaited in turn`,
    ours: async () => {
      await remove(image);
      await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
        create: true,
      });
      return await timedEach(
        names,
        (name) => backend.put(`${source}/${name}`, name),
      );
    },
    others: [
      {
        name: "-map and -commit in one bare dialogue",
        ratio: 1.05,
        run: async () => {
          await remove(image);
          await using dialogue = await BareDialogue.open(image);
          return await timedEach(
            names,
            (name) =>
              dialogue.say(`-map ${source}/${name} /${name}`, "-commit"),
          );
        },
      },
      {
        name: "one xorriso for each",
        run: async () => {
          await remove(image);
          return await timedEach(names, (name) =>
            xorriso(
              ...["-dev", `stdio:${image}`],
              ...["-map", `${source}/${name}`, `/${name}`],
            ));
        },
      },
    ],
  });
  await remove(source, image);
}

async function deleteMany(scene: Scene): Promise<void> {
  const { folder } = scene;
  const source = `${folder}/source`;
  const base = `${folder}/base.iso`;
  const image = `${folder}/delete.iso`;
  const names = await makeTree(source, 200, 4 * KIB);
  await xorriso("-dev", `stdio:${base}`, "-map", source, "/", "-commit");
  const half = names.slice(0, 100);
  await scene.contest({
    work: "delete 100 of 200 names",
    ours: async () => {
      await settled(base, image);
      await using backend = await XorrisoBackend.open(`xorriso://${image}`);
      return await timed(() => backend.deleteList(half));
    },
    others: [{
      name: "xorriso by hand",
      ratio: 1.2,
      run: async () => {
        await settled(base, image);
        return await timed(() =>
          xorriso(
            ...[
              "-dev",
              `stdio:${image}`,
              "-rm",
              ...half.map((name) => `/${name}`),
            ],
            ...["--", "-commit"],
          )
        );
      },
    }],
  });
  await remove(source, base, image);
}

/** A copy of an image that looks as if nobody had touched it for a while. */
async function settled(base: string, image: string): Promise<void> {
  await Deno.copyFile(base, image);
  const past = Date.now() / 1000 - 60;
  await Deno.utime(image, past, past);
}
