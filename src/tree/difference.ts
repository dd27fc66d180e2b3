/** Differences between a name on disk and the same name on a medium, or between two trees. Pure. */

import type { ListedEntry } from "../backend/options.ts";
import type { Attribute, TreeChange } from "./options.ts";

/** The attributes of a name on disk; times are in seconds since 1970. */
export type FoundAttributes =
  & Pick<ListedEntry, "type" | "mode" | "uid" | "gid">
  & { readonly mtime: number };

/** The first and the last second that Rock Ridge can record: years 1900 to 2155. */
const FIRST = Date.UTC(1900, 0, 1) / 1000;
const LAST = Date.UTC(2156, 0, 1) / 1000 - 1;

/** The nearest time that Rock Ridge can record, in seconds since 1970. */
export function recordable(seconds: number): number {
  return Math.min(Math.max(seconds, FIRST), LAST);
}

/** A time in whole seconds since 1970. */
export function secondsOf(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

/** The attributes of a name on disk that differ from those on the medium. */
export function differingAttributes(
  found: FoundAttributes,
  entry: ListedEntry,
): Attribute[] {
  const differing: Attribute[] = [];
  // The mode of a link means nothing.
  if (found.type !== "link" && found.mode !== entry.mode) {
    differing.push("mode");
  }
  if (found.uid !== entry.uid || found.gid !== entry.gid) {
    differing.push("owner");
  }
  if (recordable(found.mtime) !== secondsOf(entry.mtime)) {
    differing.push("mtime");
  }
  return differing;
}

/**
 * Compares two lists of entries, of two sessions of a medium for example.
 *
 * @param older Entries as `list({ all: true, md5: true })` gives them.
 * @param newer The same.
 * @returns What differs, sorted by name.
 *
 * @example What the last session has changed
 * ```ts ignore
 * const changes = compareEntries(
 *   await older.list({ all: true, md5: true }),
 *   await newest.list({ all: true, md5: true }),
 * );
 * ```
 */
export function compareEntries(
  older: Iterable<ListedEntry>,
  newer: Iterable<ListedEntry>,
): TreeChange[] {
  const before = new Map<string, ListedEntry>();
  for (const entry of older) before.set(entry.name, entry);
  const changes: TreeChange[] = [];
  for (const entry of newer) {
    const old = before.get(entry.name);
    before.delete(entry.name);
    const found = { ...entry, mtime: secondsOf(entry.mtime) };
    const isOther = old !== undefined && !hasSameContent(old, entry);
    const change = changeBetween(old, found, isOther);
    if (change !== undefined) changes.push(change);
  }
  for (const entry of before.values()) changes.push(changeOf("removed", entry));
  return sortChanges(changes);
}

/** What has changed of a name; `isOther` if its content has. */
export function changeBetween(
  old: ListedEntry | undefined,
  found: FoundAttributes & Pick<ListedEntry, "name">,
  isOther: boolean,
): TreeChange | undefined {
  if (old === undefined) return changeOf("added", found);
  const attributes = differingAttributes(found, old);
  const kind = old.type !== found.type
    ? "type"
    : isOther
    ? "content"
    : "attributes";
  return kind === "attributes" && attributes.length === 0
    ? undefined
    : changeOf(kind, found, attributes);
}

function hasSameContent(a: ListedEntry, b: ListedEntry): boolean {
  if (a.link !== b.link || a.size !== b.size) return false;
  if (a.md5 !== undefined && b.md5 !== undefined) return a.md5 === b.md5;
  return a.size === 0 || a.extents[0]?.lba === b.extents[0]?.lba;
}

/** Makes a difference. */
export function changeOf(
  kind: TreeChange["kind"],
  { name, type }: Pick<TreeChange, "name" | "type">,
  attributes: readonly Attribute[] = [],
): TreeChange {
  return { kind, name, type, attributes };
}

/** Puts differences into the order of their names. */
export function sortChanges(changes: TreeChange[]): TreeChange[] {
  return changes.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}
