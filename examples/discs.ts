/**
 * Spreads the files of a folder over as many discs as they need: when one is full, it asks for the
 * next. What is on a disc is complete, and any disc can be read without the others. As it stands,
 * this stores this project's own sources into an image, which has room for all of them:
 *
 *     deno run --allow-run=xorriso --allow-read=src,/tmp --allow-write=/tmp \
 *       examples/discs.ts src xorriso:///tmp/discs.iso
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { putTree, XorrisoBackend, XorrisoError } from "@xorriso/backend";

/** A file to be stored, and under which name. */
interface Source {
  readonly path: string;
  readonly as: string;
  readonly size: number;
}

const [folder, url] = Deno.args;
if (folder === undefined || url === undefined) {
  console.error("Usage: examples/discs.ts FOLDER URL");
  Deno.exit(2);
}

/** Bytes of a disc that the tree of names and the end of the session may take. */
const SPARE = 16 << 20;

/** All files below a folder. */
async function* filesBelow(below = ""): AsyncGenerator<Source> {
  for await (const { name, ...entry } of Deno.readDir(`${folder}/${below}`)) {
    const as = `${below}${name}`;
    const path = `${folder}/${as}`;
    if (entry.isDirectory) yield* filesBelow(`${as}/`);
    else if (entry.isFile) {
      yield { path, as, size: (await Deno.stat(path)).size };
    }
  }
}

/** As many of the files as fit, at least one: a file that is too large for any disc is told. */
function takeFitting(files: readonly Source[], room: number): Source[] {
  let sum = 0;
  const fitting = files.filter(({ size }) => {
    const fits = sum + size <= room;
    if (fits) sum += Math.ceil(size / 2048) * 2048;
    return fits;
  });
  return fitting.length > 0 ? fitting : files.slice(0, 1);
}

await using backend = await XorrisoBackend.open(url, { create: true });

// The large ones first: small ones fill what they leave.
let files = (await Array.fromAsync(filesBelow())).sort((a, b) =>
  b.size - a.size
);
let share = 1;
while (files.length > 0) {
  const room = (await backend.room() - SPARE) * share;
  const batch = takeFitting(files, room);
  try {
    const { files: stored, left } = await putTree(backend, batch);
    for (const { error } of left) console.error(error.message);
    console.log(`Stored ${stored} files`);
  } catch (error) {
    if (!(error instanceof XorrisoError) || error.code !== "MEDIUM_FULL") {
      throw error;
    }
    console.error(
      `${error.message} (needed ${error.needed}, free ${error.free})`,
    );
    // The medium is as before: less will fit, or nothing does.
    if (batch.length === 1) throw error;
    share /= 2;
    continue;
  }
  const done = new Set(batch);
  files = files.filter((file) => !done.has(file));
  if (files.length === 0) break;
  share = 1;
  await backend.eject();
  prompt(`${files.length} files to go: insert the next disc, then press Enter`);
  await backend.load();
}
