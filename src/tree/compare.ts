/** Comparing a folder on disk with what is stored of it. */

import {
  changeOf,
  differingAttributes,
  sortChanges,
  type Stored,
} from "./difference.ts";
import { listStored, sumsOf } from "./examine.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import type { CompareTreeOptions, TreeChange } from "./options.ts";
import { goneEntries, judge, sessionTimes, type Verdict } from "./plan.ts";
import { isBelowAny, openFilter, resolveSources, walkAll } from "./sources.ts";
import type { Found } from "./walk.ts";

/**
 * Compares a folder on disk with what is stored of it, both ways: what
 * `putTree` with `mirror` would change.
 *
 * Contents are compared by size and time, and by checksum where these prove
 * nothing; with `checksums` all are.
 *
 * @param backend The medium.
 * @param folder A folder or file on disk.
 * @returns The differences, sorted by name; empty if there are none. What
 * cannot be stored, as FIFOs, is no difference.
 * @throws {XorrisoError} SOURCE_UNREADABLE when the folder is not there, or
 * when the medium cannot be read.
 * @throws {Deno.errors.NotCapable} When a permission is missing.
 *
 * @example Is the backup up to date?
 * ```ts
 * import { compareTree, putTree, XorrisoBackend } from "@xorriso/backend";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.mkdir(`${folder}/photos`);
 * await Deno.writeTextFile(`${folder}/photos/a.txt`, "hello");
 * {
 *   await using backend = await XorrisoBackend.open(
 *     `xorriso://${folder}/backup.iso`,
 *     { create: true },
 *   );
 *   await putTree(backend, `${folder}/photos`);
 *   await Deno.writeTextFile(`${folder}/photos/a.txt`, "hello, world");
 *   for (const { kind, name } of await compareTree(backend, `${folder}/photos`)) {
 *     console.log(kind, name); // content photos/a.txt
 *   }
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function compareTree(
  backend: XorrisoBackend,
  folder: string | URL,
  options: CompareTreeOptions = {},
): Promise<TreeChange[]> {
  const { checksums = false, signal } = options;
  const filter = await openFilter(options);
  const sources = await resolveSources(folder, options.as);
  const { found, left, excluded } = await walkAll(
    ...[backend, sources, filter, options] as const,
  );
  const entries = await listStored(backend, true);
  const unchanged = checksums ? "checksum" : "time";
  const stored = sessionTimes(await backend.sessions());
  const verdicts = new Map<Found, Verdict>();
  for (const each of found) {
    const entry = entries.get(each.name);
    verdicts.set(each, judge(each, entry, { unchanged, stored }));
  }
  const doubtful = found.filter((each) => verdicts.get(each) === "checksum");
  const sums = await sumsOf(doubtful, signal);
  const changes = found.flatMap((each) => {
    const entry = entries.get(each.name);
    const md5 = sums.get(each);
    const isOther = verdicts.get(each) === "content" ||
      md5 !== entry?.md5 && verdicts.get(each) === "checksum";
    return changeTo(each, entry, isOther) ?? [];
  });
  const kept = new Set([...excluded, ...left.map(({ name }) => name)]);
  const names = new Set(found.map(({ name }) => name));
  const mine = entries.values().filter(({ name }) => isBelowAny(name, sources));
  for (const entry of goneEntries(mine, names, kept)) {
    changes.push(changeOf("removed", entry));
  }
  return sortChanges(changes);
}

/** What has become of a name. */
function changeTo(
  found: Found,
  entry: Stored | undefined,
  isOther: boolean,
): TreeChange | undefined {
  if (entry === undefined) return changeOf("added", found);
  const attributes = differingAttributes(found, entry);
  if (found.type !== entry.type) return changeOf("type", found, attributes);
  if (isOther) return changeOf("content", found, attributes);
  return attributes.length === 0
    ? undefined
    : changeOf("attributes", found, attributes);
}
