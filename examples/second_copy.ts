/**
 * A second copy of all that is stored, in another image or on another medium, read back and
 * compared. Whatever both have already is not written again, so it can be run after each backup.
 * As it stands, this copies what `nightly.ts` has stored:
 *
 *     deno run --allow-run=xorriso --allow-env=TMPDIR --allow-read=/tmp --allow-write=/tmp \
 *       examples/second_copy.ts xorriso:///tmp/backup.iso xorriso:///tmp/second.iso
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import {
  type Change,
  compareEntries,
  type ListedEntry,
  XorrisoBackend,
} from "@xorriso/backend";

const [from, to] = Deno.args;
if (from === undefined || to === undefined) {
  console.error("Usage: examples/second_copy.ts FROM_URL TO_URL");
  Deno.exit(2);
}

await using first = await XorrisoBackend.open(from, { readOnly: true });
await using second = await XorrisoBackend.open(to, { create: true });

const wanted = await first.list({ all: true, md5: true });
const entries = new Map(wanted.map((entry) => [entry.name, entry]));

/** What makes the second copy have an entry of the first. */
async function changeTo(entry: ListedEntry): Promise<Change[]> {
  const { name, type, mode, uid, gid, mtime, link = "" } = entry;
  const attributes = { mode, uid, gid, mtime };
  switch (type) {
    case "file":
      return [{
        ...{ kind: "file", name, attributes },
        source: await first.readable(name),
      }];
    case "directory":
      return [{ kind: "folder", name, attributes }];
    case "link":
      return [{
        kind: "link",
        name,
        text: link,
        attributes: { uid, gid, mtime },
      }];
    default:
      console.error(`Left out ${name}: it is no file, folder or link`);
      return [];
  }
}

const changes: Change[] = [];
const removed = new Set<string>();
const differences = compareEntries(
  await second.list({ all: true, md5: true }),
  wanted,
);
for (const { kind, name } of differences) {
  const entry = entries.get(name);
  const isGone = removed.values().some((folder) => name.startsWith(folder));
  if ((kind === "removed" || kind === "type") && !isGone) {
    changes.push({ kind: "remove", name, recursive: true });
    removed.add(`${name}/`);
  }
  if (entry !== undefined) changes.push(...await changeTo(entry));
}

const results = await second.apply(changes);
const failed = results.filter(({ error }) => error !== undefined);
for (const { name, error } of failed) console.error(`${name}: ${error}`);

// Not what xorriso said when it wrote, but what can be read.
const verified = await second.verify();
const bad = verified.filter(({ state }) => state !== "verified");
for (const { name, error } of bad) console.error(`${name}: ${error}`);
console.log(
  `${changes.length} changes; ${verified.length - bad.length} of ` +
    `${verified.length} files of the second copy are as they were stored`,
);
Deno.exitCode = failed.length + bad.length > 0 ? 1 : 0;
