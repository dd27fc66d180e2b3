/**
 * A nightly backup of a folder into one image, or onto the medium in a drive.
 *
 * Each run appends one session that holds only what has changed since the last one; what is gone
 * from the folder is gone from the newest session. Older sessions stay as they were: `restore.ts`
 * with a number gets one back. If nothing has changed, nothing is written. As it stands, this backs
 * up this project's own sources; run it again after a change:
 *
 *     deno run --allow-run=xorriso --allow-read=src,/tmp/backup.iso \
 *       --allow-write=/tmp/backup.iso examples/nightly.ts src xorriso:///tmp/backup.iso:/src
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { XorrisoBackend, XorrisoError } from "@xorriso/backend";
import { createHash } from "node:crypto";

/** Is asked for each night, so that the wrong medium is not written to. */
const VOLUME_ID = "NIGHTLY";

/** All regular files below a folder, as paths relative to it. */
async function* filesBelow(folder: string, below = ""): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(`${folder}/${below}`)) {
    const path = `${below}${entry.name}`;
    if (entry.isDirectory) yield* filesBelow(folder, `${path}/`);
    else if (entry.isFile) yield path;
  }
}

async function md5Of(path: string): Promise<string> {
  const hash = createHash("md5");
  using file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}

const [folder, url] = Deno.args;
if (folder === undefined || url === undefined) {
  console.error("Usage: examples/nightly.ts FOLDER URL");
  Deno.exit(2);
}

await using backend = await XorrisoBackend.open(url, {
  create: true,
  assertVolumeId: VOLUME_ID,
  // All changes wait for commit(), which makes one session of them.
  autoCommit: false,
});

const old = new Map(
  (await backend.list({ md5: true })).map((entry) => [entry.name, entry]),
);
let stored = 0;
let failed = 0;

/** Tells what could not be stored; the other files must not suffer from it. */
function report(error: unknown): void {
  failed++;
  console.error(error instanceof Error ? error.message : error);
}

for await (const name of filesBelow(folder)) {
  const path = `${folder}/${name}`;
  const before = old.get(name);
  old.delete(name);
  try {
    const { size } = await Deno.stat(path);
    if (size === before?.size && await md5Of(path) === before.md5) continue;
    await backend.put(path, name);
    stored++;
  } catch (error) {
    report(error);
  }
}
// What is left was there the last time, and is not any more.
for (const name of old.keys()) await backend.delete(name);

try {
  await backend.commit();
} catch (error) {
  // A file that has changed meanwhile is left out; all else is stored.
  if (!(error instanceof XorrisoError) || error.path === undefined) throw error;
  const { cause } = error;
  const all = cause instanceof AggregateError ? cause.errors : [error];
  for (const each of all) report(each);
  stored -= all.length;
}

const { length } = await backend.sessions();
console.log(
  stored + old.size === 0
    ? `Nothing has changed since session ${length}`
    : `Session ${length}: ${stored} files stored, ${old.size} deleted`,
);
if (failed > 0) console.error(`${failed} files could not be stored`);
Deno.exitCode = failed > 0 ? 1 : 0;
