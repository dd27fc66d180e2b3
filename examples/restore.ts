/**
 * Restores a folder as it was on a date, or as it is on the medium now: files, folders and links
 * with their times and modes. A restore that was cut off can be run again: what is there already
 * stays. As it stands, this restores what `nightly.ts` has stored:
 *
 *     deno run --allow-run=xorriso --allow-read --allow-write \
 *       examples/restore.ts xorriso:///tmp/backup.iso /tmp/restored src/tree
 *
 * Links need `--allow-read` and `--allow-write` without a path; where there are none, or none are
 * wanted, `--allow-read=IMAGE,FOLDER --allow-write=FOLDER` will do.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { getTree, XorrisoBackend, XorrisoError } from "@xorriso/backend";

const [url, folder, name = "", date] = Deno.args;
if (url === undefined || folder === undefined) {
  console.error("Usage: examples/restore.ts URL FOLDER [NAME [DATE]]");
  Deno.exit(2);
}

// A day means its end, in local time.
const isDay = date !== undefined && /^\d{4}-\d\d-\d\d$/.test(date);
const asOf = date && new Date(isDay ? `${date}T23:59:59.999` : date);
if (asOf && Number.isNaN(asOf.getTime())) {
  console.error(`Cannot use the date "${date}": it must be like 2026-11-26`);
  Deno.exit(2);
}

try {
  await using backend = await XorrisoBackend.open(url, {
    readOnly: true,
    // The newest session that was written by then.
    ...(asOf && { session: asOf }),
  });

  for (const { number, date, size } of await backend.sessions()) {
    console.log(`Session ${number}: ${date?.toISOString()}, ${size} bytes`);
  }

  const { files, bytes, unchanged, left } = await getTree(
    backend,
    name,
    folder,
  );

  for (const { error } of left) console.error(error.message);
  console.log(
    `Restored ${files} files (${bytes} bytes) into ${folder}; ` +
      `${unchanged} were there already, ${left.length} are left`,
  );
  Deno.exitCode = left.length > 0 ? 1 : 0;
} catch (error) {
  if (!(error instanceof XorrisoError)) throw error;
  // No such name, no session as old as that, no image, damage.
  console.error(error.message);
  Deno.exitCode = 1;
}
