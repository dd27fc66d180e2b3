import { assertEquals } from "@std/assert";
import type { ListedEntry } from "../../mod.ts";
import {
  goneEntries,
  judge,
  moveCandidates,
  planSteps,
  relinked,
  sessionTimes,
  type TreeStep,
  type Verdict,
} from "../../src/tree/plan.ts";
import type { Found } from "../../src/tree/walk.ts";

/** Seconds: long before the session that stored it. */
const OLD = 1_000_000;
const SESSION = 2_000_000;

function file(name: string, values: Partial<Found> = {}): Found {
  return {
    ...{ name, path: `/disk/${name}`, type: "file", size: 5, mtime: OLD },
    ...{ mode: 0o644, uid: 1, gid: 2, isOdd: false },
    ...values,
  };
}

function folder(name: string, values: Partial<Found> = {}): Found {
  return file(name, { type: "directory", size: 0, mode: 0o755, ...values });
}

/** What is on the medium of something on disk. */
function stored(found: Found, values: Partial<ListedEntry> = {}): ListedEntry {
  const { name, type, size, mode, uid, gid, link } = found;
  return {
    ...{ name, type, size, mode, uid, gid, ...(link && { link }) },
    mtime: new Date(found.mtime * 1000),
    extents: [{ lba: 100, blocks: 1 }],
    md5: "md5",
    ...values,
  };
}

const JUDGING = { unchanged: "time", stored: () => SESSION } as const;

Deno.test("judge() takes a file of the same size and time as it is", () => {
  const found = file("a");
  assertEquals(judge(found, stored(found), JUDGING), "same");
});

Deno.test("judge() has a content written that is new, longer, or of another kind", () => {
  const found = file("a");
  for (
    const entry of [
      undefined,
      stored(found, { size: 6 }),
      stored(found, { type: "link", link: "x" }),
    ]
  ) assertEquals(judge(found, entry, JUDGING), "content");
  const link = file("l", { type: "link", link: "x", size: 0 });
  assertEquals(judge(link, stored(link, { link: "y" }), JUDGING), "content");
});

Deno.test("judge() has attributes alone written where nothing else differs", () => {
  const found = file("a");
  for (const other of [{ mode: 0o600 }, { uid: 7 }, { gid: 7 }]) {
    assertEquals(judge(found, stored(found, other), JUDGING), "attributes");
  }
  const dir = folder("d");
  const later = stored(dir, { mtime: new Date(0) });
  assertEquals(judge(dir, later, JUDGING), "attributes");
  assertEquals(judge(dir, stored(dir), JUDGING), "same");
});

Deno.test("judge() takes no notice of a link's mode", () => {
  const link = file("l", { type: "link", link: "x", mode: 0o777, size: 0 });
  assertEquals(judge(link, stored(link, { mode: 0o755 }), JUDGING), "same");
});

Deno.test("judge() has the checksum compared where the time proves nothing", () => {
  const of = (mtime: number, rest: Partial<ListedEntry> = {}) => {
    const found = file("a", { mtime });
    return judge(found, stored(found, rest), JUDGING);
  };
  assertEquals(of(SESSION - 3), "same");
  assertEquals(of(SESSION - 2), "checksum");
  assertEquals(of(SESSION), "checksum");
  assertEquals(of(SESSION + 1e6), "checksum");
  assertEquals(of(OLD, { mtime: new Date(0) }), "checksum");
  const found = file("a");
  const unknown = { ...JUDGING, stored: () => undefined };
  assertEquals(judge(found, stored(found), unknown), "checksum");
});

Deno.test("judge() follows what shows that a file has not changed", () => {
  const found = file("a");
  const of = (unchanged: "checksum" | "store") =>
    judge(found, stored(found), { ...JUDGING, unchanged });
  assertEquals(of("checksum"), "checksum");
  assertEquals(of("store"), "content");
  const dir = folder("d");
  const again = { ...JUDGING, unchanged: "store" } as const;
  assertEquals(judge(dir, stored(dir), again), "same");
});

Deno.test("judge() takes a time as unchanged that no medium can record", () => {
  const found = file("a", { mtime: 1e10 });
  const entry = stored(found, { mtime: new Date(Date.UTC(2156, 0, 1) - 1) });
  const late = { ...JUDGING, stored: () => 2e10 };
  assertEquals(judge(found, entry, late), "same");
});

Deno.test("sessionTimes() tells when the session began that has a block", () => {
  const of = sessionTimes([
    { lba: 32, date: new Date(1000) },
    { lba: 500, date: new Date(3000) },
    { lba: 200, date: new Date(2000) },
  ]);
  assertEquals([32, 199, 200, 499, 9999].map(of), [1, 1, 2, 2, 3]);
  assertEquals(of(0), undefined);
});

Deno.test("relinked() has all names of an inode stored if one is", () => {
  const a = file("a", { inode: "1" });
  const b = file("b", { inode: "1" });
  const c = file("c");
  const entries = new Map([a, c].map((each) => [each.name, stored(each)]));
  entries.set("c", stored(c, { extents: [{ lba: 7, blocks: 1 }] }));
  const verdicts = new Map<Found, Verdict>([[a, "same"], [b, "content"]]);
  assertEquals(relinked([a, b, c], entries, verdicts), new Set([a, b]));
});

Deno.test("relinked() sees names that were linked or unlinked since", () => {
  const a = file("a");
  const b = file("b");
  const shared = new Map([["a", stored(a)], ["b", stored(b)]]);
  assertEquals(relinked([a, b], shared, new Map()), new Set([b]));
  const own = new Map([
    ["a", stored(a)],
    ["b", stored(b, { extents: [{ lba: 7, blocks: 1 }] })],
  ]);
  const linked = [a, b].map((each) => ({ ...each, inode: "1" }));
  assertEquals(relinked(linked, own, new Map()), new Set(linked));
  assertEquals(relinked(linked, shared, new Map()), new Set());
});

/** Steps in one word each. */
function told(steps: readonly TreeStep[]): string[] {
  return steps.map((step) => {
    const name = step.kind === "remove" ? step.entry.name : step.found.name;
    return `${step.kind} ${name}`;
  });
}

function plan(
  found: readonly Found[],
  entries: readonly ListedEntry[],
  { moves = new Map<Found, ListedEntry>(), mirror = true } = {},
): TreeStep[] {
  const known = new Map(entries.map((entry) => [entry.name, entry]));
  const verdicts = new Map(
    found.map((each) => {
      const verdict = judge(each, known.get(each.name), JUDGING);
      return [each, verdict];
    }),
  );
  const names = new Set(found.map(({ name }) => name));
  const gone = mirror ? goneEntries(entries, names, new Set()) : [];
  return planSteps({ found, entries: known, verdicts, moves, gone, mirror });
}

Deno.test("planSteps() plans nothing for what has not changed", () => {
  const found = [folder("d"), file("d/a"), file("d/b", { size: 0 })];
  assertEquals(plan(found, found.map((each) => stored(each))), []);
});

Deno.test("planSteps() makes folders before what is in them", () => {
  const found = [folder("d"), file("d/a"), folder("d/e"), file("d/e/b")];
  assertEquals(told(plan(found, [])), [
    ...["store d", "store d/e", "store d/a", "store d/e/b"],
  ]);
});

Deno.test("planSteps() removes what stands in the way before", () => {
  const found = [
    ...[folder("a"), file("a/x")],
    ...[file("b"), file("c", { type: "link", link: "x", size: 0 })],
  ];
  const entries = [
    stored(file("a")),
    stored(folder("b")),
    stored(file("b/y")),
    stored(file("c", { type: "link", link: "y" })),
  ];
  assertEquals(told(plan(found, entries)), [
    ...["remove a", "store a", "remove b"],
    ...["store a/x", "store b", "store c"],
  ]);
});

Deno.test("planSteps() keeps a folder from becoming a file without mirror", () => {
  const steps = plan([file("b")], [stored(folder("b"))], { mirror: false });
  assertEquals(told(steps), ["blocked b"]);
});

Deno.test("planSteps() removes the highest folder that is gone", () => {
  const found = [folder("d")];
  const entries = [folder("d"), folder("d/e"), file("d/e/a"), file("f")]
    .map((each) => stored(each));
  const steps = plan(found, entries);
  assertEquals(told(steps), ["keep d", "remove d/e", "remove f"]);
  assertEquals(
    steps.flatMap((step) => step.kind === "remove" ? [step.count] : []),
    [2, 1],
  );
});

Deno.test("planSteps() moves a file before its old folder is removed", () => {
  const moved = file("new/a");
  const found = [folder("new"), moved];
  const entries = [stored(folder("old")), stored(file("old/a"))];
  const moves = new Map([[moved, stored(file("old/a"))]]);
  assertEquals(told(plan(found, entries, { moves })), [
    ...["store new", "move new/a", "remove old"],
  ]);
});

Deno.test("goneEntries() keeps what was left out, with all below it", () => {
  const entries = ["a", "b", "b/c", "bc", "d"].map((each) =>
    stored(file(each))
  );
  assertEquals(
    goneEntries(entries, new Set(["a"]), new Set(["b"]))
      .map(({ name }) => name),
    ["bc", "d"],
  );
});

Deno.test("moveCandidates() pairs files of the same size and time", () => {
  const arrived = [
    ...[file("x"), file("y", { size: 6 }), file("z", { mtime: 1 })],
    file("h", { inode: "1" }),
  ];
  const gone = [
    ...[stored(file("a")), stored(file("b"), { size: 4 })],
    stored(folder("d", { size: 5 })),
  ];
  const pairs = moveCandidates(arrived, gone);
  assertEquals(
    Array.from(pairs, ([{ name }, list]) => [name, list.map((e) => e.name)]),
    [["x", ["a"]]],
  );
});

Deno.test("planSteps() keeps a folder whose only entry becomes something else", () => {
  const found = [
    folder("d"),
    file("d/a", { type: "link", link: "x", size: 0 }),
  ];
  const entries = [stored(folder("d")), stored(file("d/a"))];
  assertEquals(told(plan(found, entries)), [
    ...["keep d", "remove d/a", "store d/a"],
  ]);
});
