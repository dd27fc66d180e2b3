/** Comparing what was found on disk with the medium, and planning what is to be stored. */

import { pooledMap } from "@std/async/pool";
import { breathe, nextTurn } from "../async.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import type { ListedEntry } from "../backend/options.ts";
import { md5Of } from "../disk/sources.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { parents } from "../names.ts";
import { differingAttributes } from "./difference.ts";
import type { PutTreeOptions } from "./options.ts";
import {
  type Examined,
  goneEntries,
  judge,
  moveCandidates,
  planSteps,
  relinked,
  sessionTimes,
  type TreeStep,
  type Verdict,
} from "./plan.ts";
import { isBelowAny, type WalkedSources } from "./sources.ts";
import type { Found } from "./walk.ts";

/** Files whose checksums are computed at a time. */
const HASHED_AT_ONCE = 8;

/** What is to be done to store a tree. */
export interface TreePlan {
  readonly steps: readonly TreeStep[];
  /** Names that are as they should be. */
  readonly unchanged: readonly Found[];
}

/** Compares what was found with the medium; by checksum only where size and time prove nothing. */
export async function examine(
  backend: XorrisoBackend,
  { sources, found, left, excluded }: WalkedSources,
  { unchanged = "time", mirror = false, signal }: PutTreeOptions,
): Promise<Examined> {
  let entries = await listStored(backend);
  const judging = { unchanged, stored: sessionTimes(await backend.sessions()) };
  const verdicts = new Map<Found, Verdict>();
  const names = new Set<string>();
  for (const each of found) {
    await breathe();
    signal?.throwIfAborted();
    names.add(each.name);
    verdicts.set(each, judge(each, entries.get(each.name), judging));
  }
  const doubtful = found.filter((each) => verdicts.get(each) === "checksum");
  if (doubtful.length > 0) {
    entries = await listStored(backend, true);
    const sums = await sumsOf(doubtful, signal);
    for (const each of doubtful) {
      const entry = entries.get(each.name);
      verdicts.set(each, compareSums(each, entry, sums.get(each)));
    }
  }
  if (!mirror) return { entries, verdicts, gone: [] };
  await nextTurn();
  // The folders above a source are not gone, though no other source may have them.
  for (const { name } of sources) {
    for (const parent of parents(`/${name}`)) names.add(parent.slice(1));
  }
  const kept = new Set([...excluded, ...left.map(({ name }) => name)]);
  const mine = entries.values().filter(({ name }) => isBelowAny(name, sources));
  return { entries, verdicts, gone: goneEntries(mine, names, kept) };
}

/** Plans what is to be stored. */
export async function planTree(
  backend: XorrisoBackend,
  walked: WalkedSources,
  options: PutTreeOptions,
): Promise<TreePlan> {
  const { found } = walked;
  const { mirror = false, signal } = options;
  const examined = await examine(backend, walked, options);
  const { entries, verdicts, gone } = examined;
  refuseEmpty(walked, gone);
  const arrived = found.filter(({ name }) => !entries.has(name));
  const candidates = moveCandidates(arrived, gone);
  const moves = await findMoves(backend, candidates, signal);
  await nextTurn();
  const all = new Map(verdicts);
  for (const each of relinked(found, entries, verdicts)) {
    if (!moves.has(each)) all.set(each, "content");
  }
  await nextTurn();
  return {
    steps: planSteps({ ...examined, verdicts: all, found, moves, mirror }),
    unchanged: found.filter((each) => all.get(each) === "same"),
  };
}

/** Refuses to mirror an empty folder, which may be one where nothing is mounted. */
function refuseEmpty(
  { sources, found, left, excluded }: WalkedSources,
  gone: readonly ListedEntry[],
): void {
  const files = new Set<string>();
  const names = [...excluded];
  for (const { name } of left) names.push(name);
  for (const { name, type } of found) {
    names.push(name);
    if (type !== "directory") files.add(name);
  }
  for (const { name, path } of sources) {
    const isBelow = (each: string) =>
      name === "" || each.startsWith(`${name}/`);
    if (files.has(name) || names.some(isBelow)) continue;
    if (!gone.some((entry) => isBelow(entry.name))) continue;
    throw new XorrisoError(
      "SOURCE_UNREADABLE",
      `Cannot mirror "${path}": it is empty, as where nothing is mounted; to ` +
        `remove all from the medium, delete it there`,
      { path },
    );
  }
}

/** What is on the medium, by name. */
export async function listStored(
  backend: XorrisoBackend,
  md5 = false,
): Promise<Map<string, ListedEntry>> {
  const entries = await backend.list({ all: true, md5 });
  await nextTurn();
  return new Map(entries.map((entry) => [entry.name, entry]));
}

/** Finds files that have moved, by the checksums of those that may have. */
async function findMoves(
  backend: XorrisoBackend,
  candidates: ReadonlyMap<Found, readonly ListedEntry[]>,
  signal: AbortSignal | undefined,
): Promise<Map<Found, ListedEntry>> {
  const moves = new Map<Found, ListedEntry>();
  if (candidates.size === 0) return moves;
  const entries = await listStored(backend, true);
  const sums = await sumsOf([...candidates.keys()], signal);
  const taken = new Set<ListedEntry>();
  for (const [found, list] of candidates) {
    const md5 = sums.get(found);
    const from = list.find((entry) =>
      entries.get(entry.name)?.md5 === md5 && !taken.has(entry)
    );
    if (md5 === undefined || from === undefined) continue;
    taken.add(from);
    moves.set(found, from);
  }
  return moves;
}

/** Judges a file by its checksum. */
function compareSums(
  found: Found,
  entry: ListedEntry | undefined,
  md5: string | undefined,
): Verdict {
  if (entry === undefined || md5 === undefined || md5 !== entry.md5) {
    return "content";
  }
  return differingAttributes(found, entry).length > 0 ? "attributes" : "same";
}

/** The MD5s of files on disk; none for those that cannot be read. */
async function sumsOf(
  found: readonly Found[],
  signal: AbortSignal | undefined,
): Promise<Map<Found, string>> {
  const sums = new Map<Found, string>();
  const done: AsyncIterable<void> = pooledMap(
    HASHED_AT_ONCE,
    found,
    async (each: Found) => {
      signal?.throwIfAborted();
      try {
        const source = { name: each.path, path: each.path };
        sums.set(each, await md5Of(source, () => signal?.throwIfAborted()));
      } catch (error) {
        // To store it fails in the same way, and that is reported.
        if (!isCode(error, "SOURCE_UNREADABLE")) throw error;
      }
    },
  );
  try {
    for await (const _ of done);
  } catch (error) {
    // What has failed first, or the signal's reason, is in it.
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
  return sums;
}
