/**
 * A nightly backup of a folder into one image, or onto the medium in a drive.
 *
 * Each run appends one session with what has changed since the last one: files, folders, links,
 * with their times, modes and owners. What is gone from the folder is gone from the newest session;
 * what has moved is moved, and not written again. Older sessions stay as they were: `restore.ts`
 * gets a folder back as of any date. If nothing has changed, nothing is written. `nightly.service`
 * and `nightly.timer` beside this file run it each night. As it stands, this backs up this
 * project's own sources without the command line's; run it again after a change:
 *
 *     deno run --allow-run=xorriso --allow-read=src,/tmp --allow-write=/tmp \
 *       examples/nightly.ts src xorriso:///tmp/backup.iso:/src 'cli/' '*.bak'
 *
 * The words behind the URL are patterns of what is left out, below the folder: `cli/` is the folder
 * "cli" in it, `*.bak` are files in it. `!` before one takes back.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { putTree, XorrisoBackend } from "@xorriso/backend";

/** Is asked for each night, so that the wrong medium is not written to. */
const VOLUME_ID = "NIGHTLY";

const [folder, url, ...exclude] = Deno.args;
if (folder === undefined || url === undefined) {
  console.error("Usage: examples/nightly.ts FOLDER URL [PATTERN...]");
  Deno.exit(2);
}

await using backend = await XorrisoBackend.open(url, {
  create: true,
  assertVolumeId: VOLUME_ID,
  // A night that was cut off, by a power loss say, is taken back once the image has rested a minute.
  recover: true,
});

const result = await putTree(backend, folder, {
  as: "",
  mirror: true,
  exclude,
  // Caches that say so can be made again.
  cacheTags: true,
});

// A folder of sockets, a name that no medium takes: all else is stored in spite of it.
for (const { error } of result.left) console.error(error.message);
for (const { name, reason } of result.copied) {
  if (reason === "changing") console.log(`${name} was changing`);
}

const { length } = await backend.sessions();
const { files, bytes, attributes, folders, links, moved, removed } = result;
const changed = files + attributes + folders + links + moved + removed;
console.log(
  changed === 0
    ? `Nothing has changed since session ${length}`
    : `Session ${length}: ${files} files (${bytes} bytes) stored, ` +
      `${removed} names removed`,
);
if (result.left.length > 0) {
  console.error(`${result.left.length} names could not be stored`);
}
Deno.exitCode = result.left.length > 0 ? 1 : 0;
