/**
 * Restores all files of an image or medium into a folder: those of the newest session, or of an
 * older one if its number is given. As it stands, this restores what `nightly.ts` has stored:
 *
 *     deno run --allow-run=xorriso --allow-read=/tmp/backup.iso,/tmp/restored \
 *       --allow-write=/tmp/restored examples/restore.ts xorriso:///tmp/backup.iso /tmp/restored
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { XorrisoBackend } from "@xorriso/backend";

const [url, folder, number] = Deno.args;
if (url === undefined || folder === undefined) {
  console.error("Usage: examples/restore.ts URL FOLDER [SESSION]");
  Deno.exit(2);
}

await using backend = await XorrisoBackend.open(url, {
  readOnly: true,
  ...(number !== undefined && { session: Number(number) }),
});

for (const { number, volumeId, size } of await backend.sessions()) {
  console.log(`Session ${number}: ${volumeId}, ${size} bytes`);
}

const entries = await backend.list();
const names = entries.map(({ name }) => name);
// Each file is compared with its recorded checksum, and appears when it is complete.
const results = await backend.getList(names, folder);

const failures = results.filter(({ error }) => error !== undefined);
for (const { name, error } of failures) console.error(`${name}: ${error}`);
console.log(
  `Restored ${results.length - failures.length} of ${results.length} files ` +
    `into ${folder}`,
);
Deno.exitCode = failures.length > 0 ? 1 : 0;
