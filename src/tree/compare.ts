/** Comparing a folder on disk with what is stored of it: `compareTree()`. */

import { breathe } from "../async.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import { changeBetween, changeOf, sortChanges } from "./difference.ts";
import { examine } from "./examine.ts";
import type { CompareTreeOptions, TreeChange } from "./options.ts";
import { walkSources } from "./sources.ts";

/**
 * Compares a folder on disk with what is stored of it, both ways: what
 * `putTree` with `mirror` would change.
 *
 * Contents are compared by size and time, and by checksum where these prove
 * nothing; with `checksums` always by checksum.
 *
 * @param backend The medium.
 * @param folder A folder or file on disk.
 * @returns The differences, sorted by name. What cannot be stored, such as a
 * FIFO, is none.
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
  const walked = await walkSources(backend, folder, options);
  const { entries, verdicts, gone } = await examine(backend, walked, {
    unchanged: checksums ? "checksum" : "time",
    mirror: true,
    ...(signal && { signal }),
  });
  const changes = gone.map((entry) => changeOf("removed", entry));
  for (const each of walked.found) {
    await breathe();
    const isOther = verdicts.get(each) === "content";
    const change = changeBetween(entries.get(each.name), each, isOther);
    if (change !== undefined) changes.push(change);
  }
  return sortChanges(changes);
}
