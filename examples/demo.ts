/**
 * The main job in one run: backs up the folder `src` and a generated file of 50 MB into a new
 * image, lists it, restores all of it, and compares byte for byte. `deno task demo` runs it like
 * this, with a new folder for its one argument, where everything is left for you to look at:
 *
 *     deno run --allow-run=xorriso --allow-read=src,FOLDER --allow-write=FOLDER \
 *       examples/demo.ts FOLDER
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { XorrisoBackend } from "@xorriso/backend";

/** Bytes of the generated file: no whole number of blocks. */
const SIZE = 50_000_000;

/** All regular files below a folder, as paths relative to it. */
async function* filesBelow(folder: string, below = ""): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(`${folder}/${below}`)) {
    const path = `${below}${entry.name}`;
    if (entry.isDirectory) yield* filesBelow(folder, `${path}/`);
    else if (entry.isFile) yield path;
  }
}

/** Random bytes, which no program could shrink or guess. */
function* randomBytes(size: number): Generator<Uint8Array> {
  // The Web's random source gives 64 KiB at a time.
  for (let left = size; left > 0; left -= 65_536) {
    yield crypto.getRandomValues(new Uint8Array(Math.min(left, 65_536)));
  }
}

/** Fails unless both files have the same bytes; returns how many there are. */
async function compare(one: string, other: string): Promise<number> {
  const [a, b] = await Promise.all([Deno.readFile(one), Deno.readFile(other)]);
  let same = 0;
  while (same < a.length && a[same] === b[same]) same++;
  if (same < a.length || same < b.length) {
    throw new Error(`"${other}" differs from "${one}" at byte ${same}`);
  }
  return same;
}

/** Says what was done and how long it took; returns what the step returned. */
async function step<T>(
  work: () => Promise<T>,
  tell: (result: T) => string,
): Promise<T> {
  const start = performance.now();
  const result = await work();
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  console.log(`${seconds.padStart(6)} s  ${tell(result)}`);
  return result;
}

const [folder] = Deno.args;
if (folder === undefined) {
  console.error("Usage: examples/demo.ts FOLDER (a new, empty folder)");
  Deno.exit(2);
}
const image = `${folder}/backup.iso`;
const generated = `${folder}/random.bin`;
const restored = `${folder}/restored`;

await step(
  () =>
    Deno.writeFile(generated, ReadableStream.from(randomBytes(SIZE)), {
      createNew: true,
    }),
  () => `generated ${generated}, ${SIZE} bytes`,
);

// Name on the medium -> file on disk.
const sources = new Map([["random.bin", generated]]);
for await (const path of filesBelow("src")) {
  sources.set(`src/${path}`, `src/${path}`);
}

// Blanks, `%` and the like in the path must not mean anything in the URL.
const device = image.split("/").map(encodeURIComponent).join("/");
const url = `xorriso://${device}:/demo`;

{
  await using backend = await XorrisoBackend.open(url, { create: true });
  await step(
    // Asked for together, they share one session on the medium.
    () =>
      Promise.all([...sources].map(([name, path]) => backend.put(path, name))),
    (all) => `stored ${all.length} files in ${image}`,
  );
}

// A new session, as on the day when the backup is needed.
await using backend = await XorrisoBackend.open(url, { readOnly: true });
const entries = await step(
  () => backend.list(),
  (all) => `listed ${all.length} files:`,
);
for (const { name, size } of entries) {
  console.log(`${String(size).padStart(20)}  ${name}`);
}

await Deno.mkdir(restored);
await step(
  () => backend.getList(entries.map(({ name }) => name), restored),
  () => `restored them into ${restored}`,
);

await step(
  async () => {
    // What is compared is what went in, not what the listing says.
    let bytes = 0;
    for (const [name, path] of sources) {
      bytes += await compare(path, `${restored}/${name}`);
    }
    for await (const name of filesBelow(restored)) {
      if (!sources.has(name)) throw new Error(`"${name}" was never stored`);
    }
    return bytes;
  },
  (bytes) =>
    `compared: all ${sources.size} files, ${bytes} bytes, are the same`,
);

console.log(`Everything is in ${folder}: remove it when you have seen it.`);
