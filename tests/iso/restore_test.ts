import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Buffer } from "node:buffer";
import { XorrisoError } from "../../src/errors.ts";
import { resolveTarget } from "../../src/disk/targets.ts";
import { fileBlocks } from "../../src/iso/blocks.ts";
import { BLOCK } from "../../src/medium.ts";
import { CHUNK } from "../../src/disk/files.ts";
import type { FileContent } from "../../src/iso/entry.ts";
import type { Progress } from "../../src/options.ts";
import {
  checkMany as checkInBlocks,
  copyMany as copyFromBlocks,
  type CopyOptions,
  type FileCopy,
} from "../../src/iso/restore.ts";
import {
  assertCode,
  assertRejectsCode,
  type Folder,
  makeFifo,
  makeFolder,
  md5,
  noise,
  rejection,
} from "../support/helpers.ts";

/** Copies many files of an image. */
async function copyMany(
  image: string,
  jobs: readonly FileCopy[],
  options?: CopyOptions,
): Promise<Map<FileCopy, unknown>> {
  await using blocks = await fileBlocks(image);
  return await copyFromBlocks(blocks, jobs, options);
}

/** Copies one file of an image; throws if that fails. */
async function copy(
  image: string,
  entry: FileContent,
  target: string,
  { md5, ...options }: CopyOptions & { readonly md5?: string } = {},
): Promise<void> {
  const job = { entry, target: await resolveTarget(target), md5 };
  const failures = await copyMany(image, [job], options);
  if (failures.has(job)) throw failures.get(job);
}

/** Checks many files of an image. */
async function checkMany(
  image: string,
  jobs: readonly FileCopy[],
  options?: CopyOptions,
): Promise<Map<FileCopy, unknown>> {
  await using blocks = await fileBlocks(image);
  return await checkInBlocks(blocks, jobs, options);
}

/** An image in a folder with files of these sizes one after another, and a folder for targets. */
interface Images extends AsyncDisposable {
  readonly folder: Folder;
  readonly image: string;
  readonly target: string;
  readonly entries: readonly FileContent[];
  job(number: number): FileCopy;
  jobs(): FileCopy[];
  content(entry: FileContent): Uint8Array;
}

async function makeImages(...sizes: readonly number[]): Promise<Images> {
  const folder = await makeFolder();
  const entries: FileContent[] = [];
  let lba = 3;
  for (const [number, size] of sizes.entries()) {
    const blocks = Math.ceil(size / BLOCK);
    const path = `/${number}`;
    entries.push({ path, size, sections: size > 0 ? [{ lba, size }] : [] });
    lba += blocks;
  }
  const bytes = noise(lba * BLOCK);
  const image = await folder.file("x.iso", bytes);
  const target = `${folder.path}/restored`;
  await Deno.mkdir(target);
  const content = ({ size, sections }: FileContent) => {
    const at = (sections[0]?.lba ?? 0) * BLOCK;
    return bytes.subarray(at, at + size);
  };
  const job = (number: number): FileCopy => {
    const entry = entries[number] ?? { path: "/", size: 0, sections: [] };
    return { entry, target: target + entry.path, md5: md5(content(entry)) };
  };
  return {
    folder,
    image,
    target,
    entries,
    content,
    job,
    jobs: () => entries.map((_, number) => job(number)),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function assertContent(path: string, wanted: Uint8Array): Promise<void> {
  assert(Buffer.from(await Deno.readFile(path)).equals(wanted), path);
}

/** All names in a folder. */
async function names(folder: string): Promise<string[]> {
  const found = await Array.fromAsync(Deno.readDir(folder));
  return found.map(({ name }) => name).sort();
}

const LARGE = 2.5 * CHUNK + 1;

Deno.test("copyMany() restores files of any size", async () => {
  const sizes = [0, 1, BLOCK, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, LARGE];
  await using at = await makeImages(...sizes);
  for (const entry of at.entries) {
    const target = at.target + entry.path;
    await copy(at.image, entry, target, { md5: md5(at.content(entry)) });
    await assertContent(target, at.content(entry));
    await copy(at.image, entry, target);
    await assertContent(target, at.content(entry));
  }
  assertEquals((await names(at.target)).length, sizes.length);
});

Deno.test("copyMany() restores a file in several extents", async () => {
  await using at = await makeImages(3 * BLOCK, 2 * BLOCK, CHUNK, 100);
  const parts = [2, 0, 1, 3].map((number) => at.job(number).entry);
  const entry = {
    path: "/all",
    size: 5 * BLOCK + CHUNK + 100,
    sections: parts.flatMap(({ sections }) => sections),
  };
  const content = Buffer.concat(parts.map((part) => at.content(part)));
  await copy(at.image, entry, `${at.target}/all`, {
    md5: md5(content),
  });
  await assertContent(`${at.target}/all`, content);
});

Deno.test("copyMany() tells the bytes done", async () => {
  await using at = await makeImages(LARGE);
  const { entry } = at.job(0);
  const reports: Progress[] = [];
  await copy(at.image, entry, `${at.target}/x`, {
    onProgress: (progress) => reports.push(progress),
  });
  const always = { phase: "restoring", total: LARGE, rate: undefined } as const;
  assertEquals(reports, [
    { ...always, done: CHUNK },
    { ...always, done: 2 * CHUNK },
    { ...always, done: LARGE },
  ]);
});

Deno.test("copyMany() takes a target with the longest name there is", async () => {
  await using at = await makeImages(10);
  const name = "x".repeat(255);
  await copy(
    at.image,
    at.job(0).entry,
    `${at.target}/${name}`,
  );
  assertEquals(await names(at.target), [name]);
});

Deno.test("copyMany() replaces a file, and a link instead of following it", async () => {
  await using at = await makeImages(10);
  const { entry } = at.job(0);
  const kept = await at.folder.file("kept", "kept");
  await at.folder.file("restored/file", "a longer old content");
  await Deno.symlink(kept, `${at.target}/link`);
  await Deno.symlink(`${at.target}/nowhere`, `${at.target}/dangling`);
  for (const name of ["file", "link", "dangling"]) {
    await copy(at.image, entry, `${at.target}/${name}`);
    await assertContent(`${at.target}/${name}`, at.content(entry));
    assert((await Deno.lstat(`${at.target}/${name}`)).isFile);
  }
  assertEquals(await Deno.readTextFile(kept), "kept");
  assertEquals(await names(at.target), ["dangling", "file", "link"]);
});

Deno.test("copyMany() takes a relative target", async () => {
  await using at = await makeImages(10);
  const { entry } = at.job(0);
  const up = "../".repeat(Deno.cwd().split("/").length - 1);
  await copy(at.image, entry, `${up}${at.target.slice(1)}/x`);
  await assertContent(`${at.target}/x`, at.content(entry));
});

Deno.test("copyMany() leaves the target as it was when it fails", async (t) => {
  await using at = await makeImages(LARGE);
  const { entry } = at.job(0);
  const target = await at.folder.file("restored/x", "old");
  const check = async () => {
    assertEquals(await names(at.target), ["x"]);
    assertEquals(await Deno.readTextFile(target), "old");
  };
  await t.step("CHECKSUM_MISMATCH", async () => {
    const error = await assertRejectsCode(
      copy(at.image, entry, target, { md5: md5(noise(1)) }),
      "CHECKSUM_MISMATCH",
    );
    assertEquals(error.path, "/0");
    await check();
  });
  await t.step("IMAGE_DAMAGED", async () => {
    const damaged = { ...entry, sections: [{ lba: 9999, size: entry.size }] };
    await assertRejectsCode(
      copy(at.image, damaged, target),
      "IMAGE_DAMAGED",
    );
    await check();
  });
  await t.step("aborted before", async () => {
    const signal = AbortSignal.abort("enough");
    assertEquals(
      await rejection(copy(at.image, entry, target, { signal })),
      "enough",
    );
    await check();
  });
  await t.step("aborted in the middle", async () => {
    const controller = new AbortController();
    const copying = copy(at.image, entry, target, {
      signal: controller.signal,
      onProgress: () => controller.abort("enough"),
    });
    assertEquals(await rejection(copying), "enough");
    await check();
  });
});

Deno.test("copyMany() rejects with TARGET_UNWRITABLE what it cannot replace", async (t) => {
  await using at = await makeImages(10);
  const { entry } = at.job(0);
  const folder = `${at.target}/folder`;
  await Deno.mkdir(folder);
  await Deno.symlink(folder, `${at.target}/link`);
  await Deno.symlink(at.image, `${at.target}/image`);
  await makeFifo(`${at.target}/fifo`);
  const before = await names(at.target);
  const refused: readonly (readonly [string, string])[] = [
    [folder, "it is a folder"],
    [`${folder}/`, "it is a folder"],
    [`${at.target}/link`, "it is a folder"],
    [`${at.target}/fifo`, "it is no regular file"],
    [`${at.target}/none/x`, "its folder does not exist"],
    [`${at.image}/x`, ": Not a directory"],
    [at.image, "it is the image itself"],
    [`${at.target}/image`, "it is the image itself"],
    [`${at.target}/${"x".repeat(256)}`, ": File name too long"],
  ];
  for (const [target, reason] of refused) {
    await t.step(reason, async () => {
      const error = await assertRejectsCode(
        copy(at.image, entry, target),
        "TARGET_UNWRITABLE",
      );
      assert(error.message.endsWith(reason), error.message);
      assert(error.path?.startsWith(at.folder.path));
      assertEquals(await names(at.target), before);
      assertEquals(await names(folder), []);
    });
  }
});

Deno.test("copyMany() leaves nothing when the disk takes no more", async () => {
  await using at = await makeImages(LARGE, 200_000, 10);
  const script = `
    import { copyMany } from ${
    JSON.stringify(new URL("../../src/iso/restore.ts", import.meta.url))
  };
    import { fileBlocks } from ${
    JSON.stringify(new URL("../../src/iso/blocks.ts", import.meta.url))
  };
    const { image, target, entries } = ${JSON.stringify(at)};
    await using blocks = await fileBlocks(image);
    const jobs = entries.map((entry) => ({ entry, target: target + entry.path }));
    const failures = await copyMany(blocks, jobs);
    for (const { code, path } of failures.values()) console.log(code, path);
  `;
  const { stdout, stderr } = await new Deno.Command("sh", {
    args: [
      "-c",
      // A full disk for everyone: no file may grow beyond 50 KiB, and the signal that tells is ignored.
      `trap "" XFSZ; ulimit -f 100; exec "$@"`,
      "sh",
      Deno.execPath(),
      ...["run", "-q", "-A", "--no-check", "--no-code-cache", "--config"],
      fromFileUrl(import.meta.resolve("../../deno.json")),
      await at.folder.file("script.ts", script),
    ],
  }).output();
  assertEquals(
    new TextDecoder().decode(stdout),
    ["0", "1"].map((name) => `TARGET_UNWRITABLE ${at.target}/${name}\n`).join(
      "",
    ),
    new TextDecoder().decode(stderr),
  );
  assertEquals(await names(at.target), ["2"]);
});

Deno.test({
  name: "copyMany() rejects with NotCapable without permission",
  permissions: { read: true },
  async fn() {
    const image = fromFileUrl(import.meta.url);
    const entry = { path: "/x", size: 10, sections: [{ lba: 0, size: 10 }] };
    const job = { entry, target: "/nowhere/x" };
    const { NotCapable } = Deno.errors;
    assert((await copyMany(image, [job])).get(job) instanceof NotCapable);
  },
});

Deno.test("copyMany() restores files of all sizes and in any order", async () => {
  const sizes = Array.from(
    { length: 400 },
    (_, i) => [0, 1, BLOCK, 5000, 70_000, 256 << 10, 300_000][i % 7] ?? 0,
  );
  await using at = await makeImages(...sizes, LARGE, 3);
  const jobs = at.jobs();
  const order = noise(jobs.length, 5);
  jobs.sort((a, b) =>
    (order[Number(a.entry.path.slice(1))] ?? 0) -
    (order[Number(b.entry.path.slice(1))] ?? 0)
  );
  jobs.push({ ...at.job(3), target: `${at.target}/linked` });
  const reports: Progress[] = [];
  const failures = await copyMany(at.image, jobs, {
    onProgress: (progress) => reports.push(progress),
  });
  assertEquals(failures, new Map());
  for (const { entry, target } of jobs) {
    await assertContent(target, at.content(entry));
  }
  assertEquals((await names(at.target)).length, jobs.length);
  const total = jobs.reduce((sum, { entry }) => sum + entry.size, 0);
  assertEquals(reports.at(-1), {
    phase: "restoring",
    done: total,
    total,
    rate: undefined,
  });
});

Deno.test("copyMany() reads the image from its front to its back", async () => {
  await using at = await makeImages(9000, CHUNK, 5, 0, LARGE, 100, 800_000, 7);
  const { prototype } = Deno.FsFile;
  const { seek, read } = prototype;
  const places: number[] = [];
  let place = 0;
  prototype.seek = async function (offset, whence) {
    return place = await seek.call(this, offset, whence);
  };
  prototype.read = async function (buffer) {
    places.push(place);
    const count = await read.call(this, buffer);
    place += count ?? 0;
    return count;
  };
  try {
    const jobs = at.jobs().reverse();
    assertEquals(await copyMany(at.image, jobs), new Map());
  } finally {
    Object.assign(prototype, { seek, read });
  }
  assertEquals(places, places.toSorted((a, b) => a - b));
});

Deno.test("copyMany() reads close small files at once, and skips what is far between", async () => {
  const gap = 200_000;
  await using at = await makeImages(...Array<number>(300).fill(1000), gap, 7);
  const { prototype } = Deno.FsFile;
  const { read } = prototype;
  const reads: number[] = [];
  prototype.read = function (buffer) {
    reads.push(buffer.length);
    return read.call(this, buffer);
  };
  try {
    const jobs = at.jobs().filter(({ entry }) => entry.size !== gap);
    assertEquals(await copyMany(at.image, jobs), new Map());
  } finally {
    Object.assign(prototype, { read });
  }
  assertEquals(reads, [299 * BLOCK + 1000, 7]);
});

Deno.test("copyMany() lets only those files fail that have a problem", async () => {
  await using at = await makeImages(100, 200, 300, LARGE, 400, LARGE, 500, 600);
  const large = at.job(3);
  const last = at.job(7);
  const sections = [{ lba: 9999, size: last.entry.size }];
  const changed = { ...at.job(1), md5: md5(noise(9)) };
  const inFolder = { ...at.job(2), target: `${at.target}/taken` };
  const damaged = { ...large, entry: { ...large.entry, size: 9e9 } };
  const homeless = { ...at.job(4), target: `${at.target}/none/4` };
  const other = { ...at.job(5), md5: md5(noise(8)) };
  const onImage = { ...at.job(6), target: at.image };
  const beyond = { ...last, entry: { ...last.entry, sections } };
  await Deno.mkdir(`${at.target}/taken`);
  const wanted = new Map(
    [
      [changed, "CHECKSUM_MISMATCH"],
      [inFolder, "TARGET_UNWRITABLE"],
      [damaged, "IMAGE_DAMAGED"],
      [homeless, "TARGET_UNWRITABLE"],
      [other, "CHECKSUM_MISMATCH"],
      [onImage, "TARGET_UNWRITABLE"],
      [beyond, "IMAGE_DAMAGED"],
    ] as const,
  );
  const before = md5(await Deno.readFile(at.image));
  const failures = await copyMany(at.image, [...wanted.keys(), at.job(0)]);
  for (const [job, code] of wanted) assertCode(failures.get(job), code);
  assertEquals(failures.size, wanted.size);
  assertEquals(await names(at.target), ["0", "taken"]);
  assertEquals(md5(await Deno.readFile(at.image)), before);
});

Deno.test("copyMany() rescues the files of an image that ends too early", async () => {
  await using at = await makeImages(100, 200, 300);
  const jobs = at.jobs();
  const last = at.job(2).entry;
  await Deno.truncate(at.image, (last.sections[0]?.lba ?? 0) * BLOCK + 299);
  const failures = await copyMany(at.image, jobs);
  assertEquals([...failures.keys()].map(({ entry }) => entry), [last]);
  assertEquals(await names(at.target), ["0", "1"]);
});

Deno.test("copyMany() lets the event loop run, and stops when the signal says so", async () => {
  await using at = await makeImages(...Array<number>(200).fill(0));
  const controller = new AbortController();
  const { signal } = controller;
  const { now } = performance;
  let clock = 0;
  performance.now = () => clock++; // each file seems to take a millisecond
  let isBegun = false;
  const onProgress = () => {
    // Not before a file is there: opening the image may take a while.
    if (!isBegun) setTimeout(() => controller.abort("enough"));
    isBegun = true;
  };
  try {
    const jobs = at.jobs();
    const options = { signal, onProgress, sync: false };
    const copying = copyMany(at.image, jobs, options);
    assertEquals(await rejection(copying), "enough");
  } finally {
    performance.now = now;
  }
  const { length } = await names(at.target);
  assert(length > 0 && length < 100, `${length} files`);
});

Deno.test("checkMany() finds what differs from its checksum, and what cannot be read", async () => {
  const sizes = [0, 1, 5000, 3 * CHUNK + 7, 100, CHUNK];
  await using at = await makeImages(...sizes);
  const jobs = at.jobs();
  const progress: Progress[] = [];
  const onProgress = (each: Progress) => progress.push(each);
  assertEquals(await checkMany(at.image, jobs, { onProgress }), new Map());
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const { phase, done } = progress.at(-1) ?? {};
  assertEquals({ phase, done }, { phase: "checking", done: total });

  // One byte of a small file, one of a large one, and the end is missing.
  using file = await Deno.open(at.image, { write: true });
  for (const number of [2, 3]) {
    const { entry } = at.job(number);
    const [byte = 0] = at.content(entry);
    await file.seek((entry.sections[0]?.lba ?? 0) * BLOCK, Deno.SeekMode.Start);
    await file.write(Uint8Array.of(byte ^ 1));
  }
  await file.truncate((at.entries[5]?.sections[0]?.lba ?? 0) * BLOCK + 100);
  const failures = await checkMany(at.image, jobs);
  assertEquals(
    Array.from(failures, ([{ entry }, error]) => [
      entry.path,
      error instanceof XorrisoError ? error.code : error,
    ]),
    [
      ["/2", "CHECKSUM_MISMATCH"],
      ["/3", "CHECKSUM_MISMATCH"],
      ["/5", "IMAGE_DAMAGED"],
    ],
  );
});

Deno.test("checkMany() stops when the signal says so", async () => {
  await using at = await makeImages(4 * CHUNK);
  const controller = new AbortController();
  const checking = checkMany(at.image, at.jobs(), {
    signal: controller.signal,
    onProgress: () => controller.abort("enough"),
  });
  assertEquals(await rejection(checking), "enough");
});

Deno.test("copyMany() goes on when the listener of its progress throws", async () => {
  await using at = await makeImages(LARGE);
  const { entry, target } = at.job(0);
  const bug = new Error("A bug in the listener");
  const reported: unknown[] = [];
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", onError);
  try {
    await copy(at.image, entry, target, {
      onProgress: () => {
        throw bug;
      },
    });
  } finally {
    removeEventListener("error", onError);
  }
  assertEquals(reported, [bug, bug, bug]);
  await assertContent(target, at.content(entry));
});

Deno.test("copyMany() gives files their attributes before their names", async () => {
  await using at = await makeImages(10, LARGE);
  const mtime = new Date(-86_400_000);
  const jobs = at.jobs().map((job) => {
    return { ...job, attributes: { mode: 0o640, mtime } };
  });
  assertEquals(await copyMany(at.image, jobs), new Map());
  for (const { target } of jobs) {
    const info = await Deno.lstat(target);
    assertEquals([(info.mode ?? 0) & 0o7777, info.mtime], [0o640, mtime]);
  }
});

Deno.test("copyMany() keeps what is there where it must not be replaced", async () => {
  await using at = await makeImages(10, LARGE, 20);
  const jobs = at.jobs().map((job) => ({ ...job, replace: false }));
  const [small, large, free] = jobs;
  for (const job of [small, large]) {
    await Deno.writeTextFile(job?.target ?? "", "mine");
  }
  const failures = await copyMany(at.image, jobs);
  for (const job of [small, large]) {
    assertCode(job && failures.get(job), "TARGET_EXISTS");
    assertEquals(await Deno.readTextFile(job?.target ?? ""), "mine");
  }
  assertEquals(failures.size, 2);
  assertEquals((await Deno.lstat(free?.target ?? "")).size, 20);
  assertEquals((await names(at.target)).length, 3);
});

Deno.test("copyMany() replaces no FIFO and no folder", async () => {
  await using at = await makeImages(10, LARGE, 20, 30);
  const jobs = at.jobs();
  await makeFifo(`${at.target}/0`);
  await makeFifo(`${at.target}/1`);
  await Deno.mkdir(`${at.target}/2`);
  const failures = await copyMany(at.image, jobs);
  assertEquals([...failures.keys()], jobs.slice(0, 3));
  for (const error of failures.values()) {
    assertCode(error, "TARGET_UNWRITABLE");
  }
  assert((await Deno.lstat(`${at.target}/0`)).isFifo);
  assert((await Deno.lstat(`${at.target}/1`)).isFifo);
  assertEquals(await names(at.target), ["0", "1", "2", "3"]);
});

/** Has something done before each sync of a file: by a synchronous call, or through the thread pool. */
function beforeSyncs(work: (by: "call" | "pool") => void): Disposable {
  const { prototype } = Deno.FsFile;
  const { syncData, syncDataSync } = prototype;
  prototype.syncDataSync = function () {
    work("call");
    syncDataSync.call(this);
  };
  prototype.syncData = async function () {
    work("pool");
    await syncData.call(this);
  };
  const back = { syncData, syncDataSync };
  return { [Symbol.dispose]: () => void Object.assign(prototype, back) };
}

Deno.test("copyMany() has files on the disk before they get their names", async () => {
  await using at = await makeImages(10, LARGE, 20);
  const named: string[][] = [];
  using _ = beforeSyncs(() => {
    const all = [...Deno.readDirSync(at.target)].map(({ name }) => name);
    named.push(all.filter((name) => !name.startsWith(".")).sort());
  });
  await copyMany(at.image, at.jobs(), { sync: false });
  assertEquals(named, []);
  for (const name of await names(at.target)) {
    await Deno.remove(`${at.target}/${name}`);
  }
  await copyMany(at.image, at.jobs());
  // The large one comes by itself, the small ones together.
  assertEquals(named, [[], ["1"], ["1"]]);
  await copy(at.image, at.job(0).entry, `${at.target}/x`);
  assertEquals(named.slice(3), [["0", "1", "2"]]);
});

Deno.test("copyMany() syncs many files at once where that takes time", async () => {
  await using at = await makeImages(...Array<number>(20).fill(10));
  const { now } = performance;
  let clock = 0;
  performance.now = () => clock;
  try {
    for (const time of [0, 1]) {
      const syncs: string[] = [];
      using _ = beforeSyncs((by) => {
        syncs.push(by);
        clock += time;
      });
      assertEquals(await copyMany(at.image, at.jobs()), new Map());
      const quick = time === 0 ? 20 : 1;
      assertEquals(syncs, [
        ...Array<string>(quick).fill("call"),
        ...Array<string>(20 - quick).fill("pool"),
      ]);
    }
  } finally {
    performance.now = now;
  }
});

Deno.test("copyMany() names no file that the disk does not take", async () => {
  await using at = await makeImages(10, LARGE, 20);
  using _ = beforeSyncs(() => {
    throw new Error("No space left on device (os error 28)");
  });
  const failures = await copyMany(at.image, at.jobs());
  assertEquals(failures.size, 3);
  for (const error of failures.values()) {
    assertCode(error, "TARGET_UNWRITABLE");
  }
  assertEquals(await names(at.target), []);
});
