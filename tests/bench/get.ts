/** Reading and restoring. */

import { createHash } from "node:crypto";
import { type BackendEntry, XorrisoBackend } from "@xorriso/backend";
import { type Scene, timed } from "./bench.ts";
import { fill, makeTree, remove, run, xorriso } from "./programs.ts";

const GIB = 1 << 30;
const CHUNK = 1 << 20;
const BLOCK = 2048;

/** One large file, and many small ones. */
export async function get(scene: Scene): Promise<void> {
  await getLarge(scene);
  await getMany(scene, 100);
  await getMany(scene, 10_000);
}

async function getLarge(scene: Scene): Promise<void> {
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
  const fresh = async (work: () => Promise<unknown>): Promise<number> => {
    await remove(target);
    return await timed(work);
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
        run: () => timed(() => readBare(image, entry, true)),
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
  for (const verify of [false, true]) {
    await scene.contest({
      work: verify ? "readable 1 GiB" : "readable 1 GiB, unchecked",
      rounds: 5,
      ours: () =>
        timed(async () => {
          let length = 0;
          const content = await backend.readable("large.bin", { verify });
          for await (const chunk of content) length += chunk.length;
          if (length !== GIB) throw new Error(`Read ${length} bytes`);
        }),
      others: [{
        name: verify
          ? "a loop of read() and MD5, 1 MiB each"
          : "a loop of read(), 1 MiB each",
        ratio: 1.2,
        run: () => timed(() => readBare(image, entry, verify)),
      }],
    });
  }
  await remove(image);
}

/** The barest loop that there can be. */
async function readBare(
  image: string,
  { size, extents }: BackendEntry,
  hashed: boolean,
): Promise<void> {
  const hash = hashed ? createHash("md5") : undefined;
  const buffer = new Uint8Array(CHUNK);
  using file = await Deno.open(image);
  await file.seek((extents[0]?.lba ?? 0) * BLOCK, Deno.SeekMode.Start);
  for (let left = size; left > 0;) {
    const count = await file.read(buffer);
    if (count === null) throw new Error("The image is too short");
    hash?.update(buffer.subarray(0, Math.min(count, left)));
    left -= count;
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
  const open = () => xorriso("-indev", `stdio:${image}`);
  const restore = async (backend: XorrisoBackend): Promise<void> => {
    const results = await backend.getList(names, target);
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
        ...{ name: "xorriso opening it, then cp -r", ratio: 1.5 },
        run: async () => {
          await remove(target);
          return await timed(async () => {
            await open();
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
  await scene.contest({
    work: `get ${count} x 4 KiB, medium listed before`,
    ours: async () => {
      await remove(target);
      return await timed(() => restore(backend));
    },
    others: [
      {
        name: "cp -r",
        run: async () => {
          await remove(target);
          return await timed(copy);
        },
      },
    ],
  });
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
