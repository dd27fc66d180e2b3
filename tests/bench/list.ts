/** Listing, looking for names, and opening. */

import { fromFileUrl } from "@std/path";
import { XorrisoBackend } from "@xorriso/backend";
import { type Scene, timed } from "./bench.ts";
import { measure } from "./child.ts";
import { BareDialogue, makeTree, remove, run, xorriso } from "./programs.ts";

const QUERIES = 100_000;

/** Listing and looking for names. */
export async function list(scene: Scene): Promise<void> {
  for (const count of [10_000, 100_000]) {
    const image = await makeImage(scene.folder, count);
    await listOnce(scene, image, count);
    await listAgain(scene, image, count);
    await remove(image);
  }
}

/** An image with so many small files. */
export async function makeImage(
  folder: string,
  count: number,
): Promise<string> {
  const source = `${folder}/source`;
  const image = `${folder}/list-${count}.iso`;
  await makeTree(source, count, 16);
  await xorriso("-dev", `stdio:${image}`, "-map", source, "/", "-commit");
  await remove(source);
  return image;
}

async function listOnce(
  scene: Scene,
  image: string,
  count: number,
): Promise<void> {
  const find = ["-find", "/", "-type", "f", "-exec", "report_lba"];
  await scene.contest({
    work: `list ${count} names`,
    ours: async () => {
      await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
        readOnly: true,
      });
      return await timed(async () => {
        const { length } = await backend.list();
        if (length !== count) throw new Error(`Listed ${length} names`);
      });
    },
    others: [
      {
        ...{ name: "xorriso by hand, -find report_lba", ratio: 1.1 },
        run: () =>
          timed(() => xorriso("-indev", `stdio:${image}`, ...find, "--")),
      },
      {
        name: "the same in a bare dialogue",
        run: async () => {
          await using dialogue = await BareDialogue.open(image);
          return await timed(() => dialogue.say(`${find.join(" ")} --`));
        },
      },
    ],
  });
}

async function listAgain(
  scene: Scene,
  image: string,
  count: number,
): Promise<void> {
  await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
    readOnly: true,
  });
  const entries = await backend.list();
  using reads = countReads();
  const again = await timed(() => backend.list());
  const single = await timed(async () => {
    for (let i = 0; i < QUERIES; i++) {
      await backend.query(entries[i % count]?.name ?? "");
    }
  });
  scene.figure({
    work: `list ${count} names again`,
    ...{ value: again, unit: "ms" },
  });
  scene.figure({
    work: `reads of the image in that and ${QUERIES} queries`,
    ...{ value: reads.count, unit: "calls", limit: 0 },
  });
  scene.figure({
    work: `query one of ${count} names`,
    ...{ value: single * 1000 / QUERIES, unit: "µs", limit: 2 },
  });
}

/** Counts the calls that read from files, until it is disposed of. */
function countReads(): Disposable & { readonly count: number } {
  const { prototype } = Deno.FsFile;
  const { read } = prototype;
  let count = 0;
  prototype.read = function (buffer) {
    count++;
    return read.call(this, buffer);
  };
  return {
    get count() {
      return count;
    },
    [Symbol.dispose]() {
      prototype.read = read;
    },
  };
}

/** Opening, by the module and by the command line. */
export async function open(scene: Scene): Promise<void> {
  const image = await makeImage(scene.folder, 10);
  const url = `xorriso://${image}`;
  await scene.contest({
    work: "open a small image",
    ours: async () => {
      const begin = performance.now();
      await using _ = await XorrisoBackend.open(url);
      return performance.now() - begin;
    },
    others: [{
      ...{ name: "xorriso -dev, whole process", over: 15 },
      run: () => timed(() => xorriso("-dev", `stdio:${image}`)),
    }],
  });
  const cli = fromFileUrl(import.meta.resolve("../../src/cli.ts"));
  const name = "d000/file-000001.dat";
  await scene.contest({
    work: "list of one name, command line",
    rounds: 15,
    ours: () =>
      timed(() =>
        run(
          ...[Deno.execPath(), "run", "--no-prompt", "--allow-run=xorriso"],
          ...[`--allow-read=${image}`, cli, "list", url, name],
        )
      ),
    others: [
      {
        ...{ name: "xorriso -find report_lba", over: 120 },
        run: () =>
          timed(() =>
            xorriso(
              "-indev",
              `stdio:${image}`,
              "-find",
              `/${name}`,
              "-exec",
              "report_lba",
            )
          ),
      },
      {
        name: "deno, doing nothing",
        run: () => timed(() => run(Deno.execPath(), "eval", "0")),
      },
    ],
  });
  await remove(image);
}

/** What 100,000 entries cost in memory. */
export async function memory(scene: Scene): Promise<void> {
  const image = await makeImage(scene.folder, 100_000);
  const { heap, resident, peak } = await measure("list", image);
  scene.figure({
    work: "heap of 100,000 entries",
    ...{ value: heap / 1e6, unit: "MB", limit: 60 },
  });
  scene.figure({
    work: "resident memory that listing them adds",
    ...{ value: resident / 1e6, unit: "MB", limit: 60 },
  });
  scene.figure({
    work: "the same at the worst moment",
    ...{ value: peak / 1e6, unit: "MB" },
  });
  await remove(image);
}
