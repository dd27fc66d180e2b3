/** Reading and restoring. */

import { createHash } from "node:crypto";
import { type BackendEntry, XorrisoBackend } from "@xorriso/backend";
import { type Scene, timed } from "./bench.ts";
import { fill, makeTree, remove, run, xorriso } from "./programs.ts";
import { BLOCK } from "../../src/medium.ts";

const GIB = 1 << 30;
const CHUNK = 1 << 20;
/** Many small files. */
export async function small(scene: Scene): Promise<void> {
  await getMany(scene, 100);
  await getMany(scene, 10_000);
}

/** One large file. */
export async function get(scene: Scene): Promise<void> {
  const { folder } = scene;
  const source = `${folder}/large.bin`;
  const image = `${folder}/large.iso`;
  const target = `${folder}/target.bin`;
  await fill(source, GIB);
  await xorriso(
    "-dev",
    `stdio:${image}`,
    "-map",
    source,
    "/large.bin",
    "-commit",
  );
  await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
    readOnly: true,
  });
  const entry = await backend.query("large.bin");
  if (entry === undefined) throw new Error("The image has no large.bin");
  // What is read must be in memory for each side alike: some systems take
  // pages back that have not been used for a while.
  const warm = async (work: () => Promise<unknown>): Promise<number> => {
    await readBare(image, entry, false);
    await run("dd", `if=${source}`, "of=/dev/null", "bs=1M");
    return await timed(work);
  };
  const fresh = async (work: () => Promise<unknown>): Promise<number> => {
    await remove(target);
    // Nor is anybody to wait for what the side before has left to be written.
    await run("sync");
    return await warm(work);
  };
  const extract = [
    ...["-osirrox", "on", "-indev", `stdio:${image}`],
    ...["-extract", "/large.bin", target],
  ];
  await scene.contest({
    work: "get 1 GiB, unchecked",
    rounds: 5,
    ours: () =>
      fresh(() => backend.get("large.bin", target, { verify: false })),
    others: [
      {
        ...{ name: "cp", ratio: 1.3 },
        run: () => fresh(() => run("cp", source, target)),
      },
      {
        ...{ name: "xorriso -extract" },
        run: () => fresh(() => xorriso(...extract)),
      },
    ],
  });
  await scene.contest({
    work: "get 1 GiB",
    rounds: 5,
    ours: () => fresh(() => backend.get("large.bin", target)),
    others: [
      {
        ...{ name: "reading and MD5 alone", ratio: 1.1 },
        run: () => warm(() => readBare(image, entry, true)),
      },
      {
        ...{ name: "xorriso -extract -check_md5", ratio: 1 },
        run: () =>
          fresh(() =>
            xorriso(...extract, "-check_md5", "FAILURE", "/large.bin", "--")
          ),
      },
    ],
  });
  await remove(target, source);
  await readLarge(scene, backend, image, entry);
  await remove(image);
}

async function readLarge(
  scene: Scene,
  backend: XorrisoBackend,
  image: string,
  entry: BackendEntry,
): Promise<void> {
  for (const verify of [false, true]) {
    const readable = () => backend.readable("large.bin", { verify });
    const hash = verify ? " and MD5" : "";
    const rest = verify ? "" : ", unchecked";
    await scene.contest({
      work: `readable 1 GiB${rest}`,
      rounds: 5,
      ours: () =>
        timed(async () => {
          let length = 0;
          for await (const chunk of await readable()) length += chunk.length;
          if (length !== GIB) throw new Error(`Read ${length} bytes`);
        }),
      others: [{
        // A stream gives its chunks away, so each needs a buffer of its own.
        ...{ name: `a loop of read()${hash}, a new MiB each`, ratio: 1.2 },
        run: () => timed(() => readBare(image, entry, verify, true)),
      }, {
        name: `a loop of read()${hash}, always into the same MiB`,
        run: () => timed(() => readBare(image, entry, verify)),
      }],
    });
  }
  await scene.contest({
    work: "readable 1 GiB, unchecked, into the reader's buffer",
    rounds: 5,
    ours: () =>
      timed(async () => {
        const content = await backend.readable("large.bin", { verify: false });
        const reader = content.getReader({ mode: "byob" });
        for (let buffer = new Uint8Array(CHUNK);;) {
          const { done, value } = await reader.read(buffer);
          if (done) return;
          buffer = new Uint8Array(value.buffer);
        }
      }),
    others: [{
      ...{ name: "a loop of read(), always into the same MiB", ratio: 1.2 },
      run: () => timed(() => readBare(image, entry, false)),
    }],
  });
}

/** The barest loop that there can be. */
async function readBare(
  image: string,
  { size, extents }: BackendEntry,
  hashed: boolean,
  fresh = false,
): Promise<void> {
  const hash = hashed ? createHash("md5") : undefined;
  let buffer = new Uint8Array(CHUNK);
  using file = await Deno.open(image);
  await file.seek((extents[0]?.lba ?? 0) * BLOCK, Deno.SeekMode.Start);
  for (let left = size; left > 0;) {
    const count = await file.read(buffer);
    if (count === null) throw new Error("The image is too short");
    hash?.update(buffer.subarray(0, Math.min(count, left)));
    left -= count;
    if (fresh) buffer = new Uint8Array(CHUNK);
  }
  hash?.digest("hex");
}

async function getMany(scene: Scene, count: number): Promise<void> {
  const { folder } = scene;
  const source = `${folder}/source`;
  const image = `${folder}/many.iso`;
  const target = `${folder}/target`;
  const names = await makeTree(source, count, 4096);
  await xorriso("-dev", `stdio:${image}`, "-map", source, "/", "-commit");
  const url = `xorriso://${image}`;
  const copy = () => run("cp", "-r", source, target);
  const restore = async (
    backend: XorrisoBackend,
    verify = true,
  ): Promise<void> => {
    const results = await backend.getList(names, target, { verify });
    const failed = results.find(({ error }) => error !== undefined);
    if (failed) throw failed.error;
  };
  await scene.contest({
    work: `open, get ${count} x 4 KiB`,
    ours: async () => {
      await remove(target);
      return await timed(async () => {
        await using backend = await XorrisoBackend.open(url, {
          readOnly: true,
        });
        await restore(backend);
      });
    },
    others: [
      {
        ...{ name: "opening and closing it, then cp -r", ratio: 1.5 },
        run: async () => {
          await remove(target);
          return await timed(async () => {
            const options = { readOnly: true };
            await (await XorrisoBackend.open(url, options)).close();
            await copy();
          });
        },
      },
      {
        name: "xorriso -extract, -check_md5_r",
        run: async () => {
          await remove(target);
          await Deno.mkdir(target);
          return await timed(() =>
            xorriso(
              ...[
                "-osirrox",
                "on",
                "-indev",
                `stdio:${image}`,
                "-extract",
                "/",
                target,
              ],
              ...["-check_md5_r", "FAILURE", "/", "--"],
            )
          );
        },
      },
    ],
  });
  await using backend = await XorrisoBackend.open(url, { readOnly: true });
  await backend.list();
  for (const verify of [true, false]) {
    const how = verify ? "" : ", unchecked";
    await scene.contest({
      work: `get ${count} x 4 KiB${how}, medium listed before`,
      ours: async () => {
        await remove(target);
        return await timed(() => restore(backend, verify));
      },
      others: [
        {
          ...{ name: "cp -r", ratio: 1.5 },
          run: async () => {
            await remove(target);
            return await timed(copy);
          },
        },
      ],
    });
  }
  await scene.contest({
    work: `verify ${count} x 4 KiB, medium listed before`,
    ours: () => timed(() => backend.verify()),
    others: [{
      name: "xorriso -check_md5_r",
      run: () =>
        timed(() =>
          xorriso(
            "-indev",
            `stdio:${image}`,
            "-check_md5_r",
            "FAILURE",
            "/",
            "--",
          )
        ),
    }],
  });
  await remove(source, target, image);
}
