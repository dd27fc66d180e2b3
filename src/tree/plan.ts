/** Planning what is to be done so that a medium has what a folder on disk has. Pure. */

import type { ListedEntry } from "../backend/options.ts";
import { encodeName, folderOf, parents } from "../names.ts";
import { differingAttributes, recordable, secondsOf } from "./difference.ts";
import type { PutTreeOptions, TreeEvent } from "./options.ts";
import type { Found } from "./walk.ts";

/** What is to be written of a name on disk; with `checksum` that is to be compared first. */
export type Verdict = "same" | "attributes" | "content" | "checksum";

/** What names are judged by, besides size and attributes. */
export interface Judging {
  /** What shows that a file has not changed. */
  readonly unchanged: NonNullable<PutTreeOptions["unchanged"]>;
  /** When the session with the content at a block was begun, in seconds since 1970. */
  readonly stored: (lba: number) => number | undefined;
}

/**
 * Seconds by which a file must be older than the session that stored it, so that
 * its time proves that it has not changed since: one because times are recorded
 * in seconds, one for file systems that round them.
 */
const PROOF = 2;

/** Judges a name by what it is on disk and on the medium. */
export function judge(
  found: Found,
  entry: ListedEntry | undefined,
  { unchanged, stored }: Judging,
): Verdict {
  if (entry === undefined || entry.type !== found.type) return "content";
  if (found.type === "link" && found.link !== entry.link) return "content";
  const settled = differingAttributes(found, entry).length > 0
    ? "attributes"
    : "same";
  if (found.type !== "file") return settled;
  if (found.size !== entry.size || unchanged === "store") return "content";
  if (found.size === 0) return settled;
  if (unchanged === "checksum") return "checksum";
  const isLater = recordable(found.mtime) !== secondsOf(entry.mtime);
  const begun = stored(entry.extents[0]?.lba ?? 0) ?? -Infinity;
  return isLater || found.mtime >= begun - PROOF ? "checksum" : settled;
}

/** Makes a function that tells when the session with a block was begun. */
export function sessionTimes(
  sessions: readonly { readonly lba: number; readonly date?: Date }[],
): Judging["stored"] {
  const latest = sessions.toSorted((a, b) => b.lba - a.lba);
  return (lba) => {
    const date = latest.find((session) => session.lba <= lba)?.date;
    return date && date.getTime() / 1000;
  };
}

/**
 * Finds the names whose content is to be stored so that all names of one inode
 * (hard links) share it on the medium, and no others do.
 */
export function relinked(
  found: readonly Found[],
  entries: ReadonlyMap<string, ListedEntry>,
  verdicts: ReadonlyMap<Found, Verdict>,
): Set<Found> {
  const files = found.filter(({ type, size }) => type === "file" && size > 0);
  const byInode = Map.groupBy(files, ({ inode }) => inode);
  const single = byInode.get(undefined) ?? [];
  byInode.delete(undefined);
  const places = new Set<number>();
  const stored = new Set<Found>();
  const lbaOf = ({ name }: Found) => entries.get(name)?.extents[0]?.lba;
  for (const group of [...byInode.values(), ...single.map((each) => [each])]) {
    const lba = group[0] && lbaOf(group[0]);
    const isStored = lba === undefined || places.has(lba) ||
      group.some((each) =>
        lbaOf(each) !== lba || verdicts.get(each) === "content"
      );
    if (lba !== undefined) places.add(lba);
    if (isStored) { for (const each of group) stored.add(each); }
  }
  return stored;
}

/** Something to be done, in order. */
export type TreeStep =
  | {
    readonly kind: "store";
    readonly found: Found;
    readonly change: TreeEvent["change"];
  }
  | { readonly kind: "attributes"; readonly found: Found }
  /** Names a folder, so that it stays when it becomes empty. */
  | { readonly kind: "keep"; readonly found: Found }
  | { readonly kind: "move"; readonly from: string; readonly found: Found }
  | {
    readonly kind: "remove";
    readonly entry: ListedEntry;
    readonly count: number;
  }
  /** Nothing: a folder on the medium has its name, which only a mirror would remove. */
  | { readonly kind: "blocked"; readonly found: Found };

/** What was found on disk, compared with what is on the medium. */
export interface Examined {
  /** What is on the medium, by name. */
  readonly entries: ReadonlyMap<string, ListedEntry>;
  /** What is to be written of each name on disk; none says `checksum`. */
  readonly verdicts: ReadonlyMap<Found, Verdict>;
  /** What is on the medium, but no longer on disk; only with `mirror`. */
  readonly gone: readonly ListedEntry[];
}

/** What a plan is made from. */
export interface Facts extends Examined {
  /** What is on disk; a folder comes before what is in it. */
  readonly found: readonly Found[];
  /** Files that have moved, each with its entry under its old name. */
  readonly moves: ReadonlyMap<Found, ListedEntry>;
  /** Whether a folder may give way to a file or link of its name. */
  readonly mirror: boolean;
}

/** Plans what is to be done. */
export function planSteps(
  { found, entries, verdicts, moves, gone, mirror }: Facts,
): TreeStep[] {
  const blocked: TreeStep[] = [];
  const inTheWay: ListedEntry[] = [];
  const early: ListedEntry[] = [];
  const folders: TreeStep[] = [];
  const contents: TreeStep[] = [];
  const attributes: TreeStep[] = [];
  for (const each of found) {
    const entry = entries.get(each.name);
    const verdict = verdicts.get(each);
    if (verdict === "attributes") {
      attributes.push({ kind: "attributes", found: each });
    }
    if (verdict !== "content" || moves.has(each)) continue;
    if (entry?.type === "directory" && each.type !== "directory") {
      if (!mirror) {
        blocked.push({ kind: "blocked", found: each });
        continue;
      }
      inTheWay.push(entry);
    } else if (entry !== undefined && entry.type !== each.type) {
      early.push(entry);
    }
    const steps = each.type === "directory" ? folders : contents;
    const change = entry === undefined
      ? "added"
      : entry.type === each.type
      ? "content"
      : "type";
    steps.push({ kind: "store", found: each, change });
  }
  const moved = Array.from(moves, ([found, { name }]): TreeStep => {
    return { kind: "move", from: name, found };
  });
  const leaving = new Set(Array.from(moves.values(), ({ name }) => name));
  const removed = removals(
    [...gone, ...inTheWay].filter(({ name }) => !leaving.has(name)),
  );
  const touched = new Set(
    [...gone, ...inTheWay, ...early].map(({ name }) => folderOf(name)),
  );
  const kept = found.filter((each) =>
    touched.has(each.name) && verdicts.get(each) === "same"
  ).map((found): TreeStep => ({ kind: "keep", found }));
  return [
    // Changes to folders come first: the backend keeps a folder that was named, even if it gets empty.
    ...[...blocked, ...attributes, ...kept],
    ...early.map((entry): TreeStep => ({ kind: "remove", entry, count: 0 })),
    ...[...folders, ...moved, ...removed, ...contents],
  ];
}

/** The removal of the topmost names: what is below goes with them. */
function removals(gone: readonly ListedEntry[]): TreeStep[] {
  const names = new Set(gone.map(({ name }) => name));
  const top = (name: string): string => {
    for (const parent of parents(`/${name}`)) {
      if (names.has(parent.slice(1))) return parent.slice(1);
    }
    return name;
  };
  const below = Map.groupBy(gone, ({ name }) => top(name));
  return gone.filter(({ name }) => below.has(name)).map((entry): TreeStep => {
    const count = below.get(entry.name)?.length ?? 0;
    return { kind: "remove", entry, count };
  });
}

/**
 * The entries whose names are no longer on disk.
 *
 * @param names Names on disk.
 * @param kept Names that were left out, which stay with all below them.
 */
export function goneEntries(
  entries: Iterable<ListedEntry>,
  names: ReadonlySet<string>,
  kept: ReadonlySet<string>,
): ListedEntry[] {
  const isKept = (stored: string) => {
    const name = asOnDisk(stored);
    return kept.has(name) ||
      parents(`/${name}`).some((parent) => kept.has(parent.slice(1)));
  };
  return Iterator.from(entries)
    .filter(({ name }) => !names.has(name) && !isKept(name)).toArray();
}

/** A name as Deno shows it on disk, with U+FFFD for what is not UTF-8: so it is not taken for gone. */
function asOnDisk(name: string): string {
  return name.isWellFormed() ? name : shown.decode(encodeName(name));
}

const shown = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Finds files that may have moved: with the entries of the same size and time
 * under names that are gone. Their checksums tell.
 *
 * @param arrived Names on disk that are not on the medium.
 */
export function moveCandidates(
  arrived: readonly Found[],
  gone: readonly ListedEntry[],
): Map<Found, ListedEntry[]> {
  const key = (size: number, mtime: number) => `${size} ${mtime}`;
  const bySize = Map.groupBy(
    gone.filter(({ type, size }) => type === "file" && size > 0),
    ({ size, mtime }) => key(size, secondsOf(mtime)),
  );
  const pairs = new Map<Found, ListedEntry[]>();
  for (const found of arrived) {
    if (found.type !== "file" || found.inode !== undefined) continue;
    const list = bySize.get(key(found.size, recordable(found.mtime)));
    if (list !== undefined) pairs.set(found, list);
  }
  return pairs;
}
