/** Finding out what is to be stored of what was found on disk. */

import { pooledMap } from "@std/async/pool";
import { breathe } from "../async.ts";
import { md5Of } from "../disk/sources.ts";
import { isCode } from "../errors.ts";
import { attributesDiffer, type Stored } from "./difference.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import type { PutTreeOptions } from "./options.ts";
import {
  goneEntries,
  judge,
  moveCandidates,
  planSteps,
  relinked,
  sessionTimes,
  type Step,
  type Verdict,
} from "./plan.ts";
import { isBelowAny, type ResolvedSource } from "./sources.ts";
import type { Found, Walked } from "./walk.ts";

/** Files whose checksums are computed at a time. */
const HASHED_AT_ONCE = 8;

/** What is to be done, and what it rests on. */
export interface Plan {
  readonly steps: readonly Step[];
  /** Names that are as they should be. */
  readonly unchanged: readonly Found[];
}

/** Compares what was found with what is on the medium. */
export async function makePlan(
  backend: XorrisoBackend,
  sources: readonly ResolvedSource[],
  { found, left, excluded }: Walked,
  { unchanged = "time", mirror = false, signal }: PutTreeOptions,
): Promise<Plan> {
  let entries = await listStored(backend);
  const judging = { unchanged, stored: sessionTimes(await backend.sessions()) };
  const verdicts = new Map<Found, Verdict>();
  for (const each of found) {
    await breathe();
    verdicts.set(each, judge(each, entries.get(each.name), judging));
  }
  const names = new Set(found.map(({ name }) => name));
  const kept = new Set([...excluded, ...left.map(({ name }) => name)]);
  const gone = mirror
    ? goneEntries(
      entries.values().filter(({ name }) => isBelowAny(name, sources)),
      names,
      kept,
    )
    : [];
  const arrived = found.filter(({ name }) => !entries.has(name));
  const doubtful = found.filter((each) => verdicts.get(each) === "checksum");
  const moves = new Map<Found, Stored>();
  if (doubtful.length > 0 || moveCandidates(arrived, gone).size > 0) {
    // Checksums are read only when one is asked for.
    entries = await listStored(backend, true);
    const candidates = moveCandidates(
      arrived,
      gone.flatMap(({ name }) => entries.get(name) ?? []),
    );
    const sums = await sumsOf([...doubtful, ...candidates.keys()], signal);
    for (const each of doubtful) {
      const entry = entries.get(each.name);
      verdicts.set(each, compareSums(each, entry, sums.get(each)));
    }
    const taken = new Set<Stored>();
    for (const [each, list] of candidates) {
      const md5 = sums.get(each);
      const from = list.find((entry) => entry.md5 === md5 && !taken.has(entry));
      if (md5 === undefined || from === undefined) continue;
      taken.add(from);
      moves.set(each, from);
    }
  }
  for (const each of relinked(found, entries, verdicts)) {
    if (!moves.has(each)) verdicts.set(each, "content");
  }
  const steps = planSteps({ found, entries, verdicts, moves, gone, mirror });
  return {
    steps,
    unchanged: found.filter((each) => verdicts.get(each) === "same"),
  };
}

/** What is on the medium, by name. */
export async function listStored(
  backend: XorrisoBackend,
  md5 = false,
): Promise<Map<string, Stored>> {
  const entries = await backend.list({ all: true, md5 });
  return new Map(entries.map((entry) => [entry.name, entry]));
}

/** What a file needs whose checksum was compared. */
function compareSums(
  found: Found,
  entry: Stored | undefined,
  md5: string | undefined,
): Verdict {
  if (entry === undefined || md5 === undefined || md5 !== entry.md5) {
    return "content";
  }
  return attributesDiffer(found, entry) ? "attributes" : "same";
}

/** The MD5s of files on disk; none for those that cannot be read. */
export async function sumsOf(
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
        sums.set(each, await md5Of({ ...each, name: each.path }));
      } catch (error) {
        // Whoever stores it is told what is wrong.
        if (!isCode(error, "SOURCE_UNREADABLE")) throw error;
      }
    },
  );
  for await (const _ of done);
  return sums;
}
