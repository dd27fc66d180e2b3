import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import { XorrisoError } from "../../mod.ts";
import { Caller, type Pending } from "../../src/backend/change.ts";
import { Index } from "../../src/backend/index.ts";
import { Plan, type PlannedChange, View } from "../../src/backend/plan.ts";
import { stepsOf } from "../../src/backend/steps.ts";
import { Entry, Tree } from "../../src/iso/mod.ts";
import { assertCode } from "../support/helpers.ts";

/** An index of these paths, and of the directories above them. */
function indexOf(
  paths: Readonly<Record<string, "file" | "directory" | "link">>,
  directory = "/b",
): Index {
  const root = entryOf("/", "directory");
  const tree = new Tree({
    root: root.entry,
    session: {} as Tree["session"],

    problems: [],
  });
  for (const [path, type] of Object.entries(paths)) {
    let { children } = root;
    const parts = path.slice(1).split("/");
    for (const [i, name] of parts.entries()) {
      const at = `/${parts.slice(0, i + 1).join("/")}`;
      const isLast = i === parts.length - 1;
      const known = children.get(name);
      const { entry, children: inside } = entryOf(
        at,
        isLast ? type : "directory",
      );
      if (known === undefined) children.set(name, entry);
      children = known?.children as Map<string, Entry> ?? inside;
    }
  }
  return new Index(directory, tree);
}

function entryOf(path: string, type: "file" | "directory" | "link") {
  const children = new Map<string, Entry>();
  const slash = path.lastIndexOf("/");
  const isRoot = path === "/";
  const entry = new Entry({
    folder: isRoot ? undefined : path.slice(0, slash) || "/",
    name: path.slice(slash + 1),
    ...{ type, mode: 0o644, uid: 0, gid: 0, seconds: 0, rare: undefined },
    ...{ size: 1, sections: [{ lba: 32, size: 1 }] },
    ...{ checksumIndex: undefined, checksums: undefined },
    children: type === "directory" ? children : undefined,
  });
  return { entry, children };
}

/** An index of `/b` with a file, a directory with a file, and a link. */
function makeIndex(
  more: Readonly<Record<string, "file" | "directory" | "link">> = {},
): Index {
  return indexOf({
    "/b/file": "file",
    "/b/dir/file": "file",
    "/b/link": "link",
    "/bc": "file",
    "/c/file": "file",
    ...more,
  });
}

function put(name: string, overwrite?: boolean): PlannedChange {
  return overwrite === undefined
    ? { kind: "file", name }
    : { kind: "file", name, overwrite };
}

function remove(name: string): PlannedChange {
  return { kind: "remove", name };
}

/** What is to be done, in short. */
function operations(plan: Plan<PlannedChange>): string[] {
  return plan.operations.map(({ last, all }) =>
    `${last.kind} ${last.name} (${all.length})`
  );
}

function refused(
  plan: Plan<PlannedChange>,
  change: PlannedChange,
  code: "ENTRY_EXISTS" | "ENTRY_NOT_FOUND",
): void {
  const before = operations(plan);
  const error: unknown = assertThrows(() => plan.add(change));
  assertEquals(assertCode(error, code).path, `/b/${change.name}`);
  assertEquals(operations(plan), before);
}

Deno.test("Index knows names below its directory, and no others", () => {
  const index = makeIndex();
  assertEquals(
    Array.from(index.below(""), ([name]) => name),
    ["file", "dir", "dir/file", "link"],
  );
  assertEquals(
    ["file", "dir", "dir/file", "link", "none", "c", "../c"].map((name) =>
      index.typeOf(name)
    ),
    ["file", "directory", "file", "link", undefined, undefined, undefined],
  );
  assertEquals(
    ["", "dir", "file", "none"].map((name) => index.countIn(name)),
    [3, 1, 0, 0],
  );
  assertEquals(index.get("dir/file"), {
    ...{ name: "dir/file", type: "file", size: 1, mode: 0o644 },
    ...{ uid: 0, gid: 0, mtime: new Date(0) },
    extents: [{ lba: 32, blocks: 1 }],
  });
});

Deno.test("Index knows what lies above its directory", () => {
  const above = (directory: string) => [
    ...indexOf({ "/a/b": "file" }, directory).above,
  ];
  assertEquals(above("/"), [["/", "directory"]]);
  assertEquals(above("/a"), [["/", "directory"], ["/a", "directory"]]);
  assertEquals(above("/a/b/c").at(-1), ["/a/b", "file"]);
  assertEquals(above("/none/x"), [["/", "directory"]]);
});

Deno.test("Plan.add() replaces a file, unless told not to", () => {
  const plan = new Plan(makeIndex());
  plan.add(put("file"));
  plan.add(put("new", false));
  refused(plan, put("dir/file", false), "ENTRY_EXISTS");
  refused(plan, put("new", false), "ENTRY_EXISTS");
  plan.add(put("new", true));
  assertEquals(operations(plan), ["file file (1)", "file new (2)"]);
});

Deno.test("Plan.add() never puts a file in place of a directory or a link", () => {
  const plan = new Plan(makeIndex());
  refused(plan, put("dir"), "ENTRY_EXISTS");
  refused(plan, put("link"), "ENTRY_EXISTS");
  plan.add(put("p/q/r"));
  refused(plan, put("p"), "ENTRY_EXISTS");
  refused(plan, put("p/q"), "ENTRY_EXISTS");
});

Deno.test("Plan.add() never turns a file into a directory", () => {
  const plan = new Plan(makeIndex());
  refused(plan, put("file/x"), "ENTRY_EXISTS");
  refused(plan, put("file/x/y"), "ENTRY_EXISTS");
  refused(plan, put("link/x"), "ENTRY_EXISTS");
  plan.add(put("p"));
  refused(plan, put("p/q"), "ENTRY_EXISTS");
  plan.add(put("dir/x"));
  plan.add(put("filex"));
});

Deno.test("Plan.add() puts nothing below a file above its directory", () => {
  const plan = new Plan(indexOf({ "/b": "file" }));
  refused(plan, put("x"), "ENTRY_EXISTS");
  const sound = new Plan(indexOf({}));
  sound.add(put("x"));
});

Deno.test("Plan.add() frees a name that is deleted before", () => {
  const plan = new Plan(makeIndex());
  plan.add(remove("file"));
  assertEquals(plan.typeOf("file"), undefined);
  plan.add(put("file/x"));
  assertEquals(plan.typeOf("file"), "directory");
  refused(plan, put("file"), "ENTRY_EXISTS");
  refused(plan, remove("file"), "ENTRY_NOT_FOUND");
  // The removal has to come first.
  assertEquals(operations(plan), ["remove file (1)", "file file/x (1)"]);
});

Deno.test("Plan.add() gives a pending directory's name back with its last file", () => {
  const plan = new Plan(makeIndex());
  plan.add(put("p/q/r"));
  plan.add(put("p/s"));
  plan.add(put("p/s"));
  plan.add(remove("p/q/r"));
  assertEquals(plan.typeOf("p/q"), undefined);
  assertEquals(plan.typeOf("p"), "directory");
  plan.add(remove("p/s"));
  assertEquals(plan.typeOf("p"), undefined);
  plan.add(put("p"));
  assertEquals(operations(plan).at(-1), "file p (1)");
});

Deno.test("Plan.add() deletes only files and links that are there", () => {
  const plan = new Plan(makeIndex());
  refused(plan, remove("none"), "ENTRY_NOT_FOUND");
  refused(plan, remove("dir"), "ENTRY_NOT_FOUND");
  plan.add(remove("link"));
  plan.add(remove("file"));
  refused(plan, remove("file"), "ENTRY_NOT_FOUND");
  plan.add(put("none"));
  plan.add(remove("none"));
  assertEquals(plan.typeOf("none"), undefined);
});

Deno.test("Plan.operations has the last change of each name, in the order of the first", () => {
  const plan = new Plan(makeIndex());
  plan.add(put("a"));
  plan.add(put("b"));
  plan.add(remove("a"));
  plan.add(put("a"));
  assertEquals(operations(plan), ["file a (3)", "file b (1)"]);
  assertEquals(
    Array.from(plan.changes, ({ kind, name }) => `${kind} ${name}`),
    ["file a", "file b", "remove a", "file a"],
  );
  assertEquals(plan.size, 2);
});

Deno.test("Plan.add() lets a folder go with its last entry", () => {
  const plan = new Plan(makeIndex());
  plan.add(remove("dir/file"));
  assertEquals(plan.typeOf("dir"), undefined);
  plan.add(put("dir"));
  assertEquals(operations(plan), ["remove dir/file (1)", "file dir (1)"]);
});

Deno.test("Plan.add() leaves a folder that was empty, and one that is named", () => {
  const plan = new Plan(makeIndex({ "/b/empty": "directory" }));
  plan.add(put("empty/x"));
  plan.add(remove("empty/x"));
  assertEquals(plan.typeOf("empty"), "directory");
  plan.add({ kind: "attributes", name: "dir" });
  plan.add(remove("dir/file"));
  assertEquals(plan.typeOf("dir"), "directory");
});

Deno.test("Plan.add() moves a folder with all below it, once", () => {
  const plan = new Plan(makeIndex());
  plan.add(put("dir/new"));
  plan.add({ kind: "move", from: "dir", name: "x/y" });
  assertEquals(
    ["dir", "dir/file", "x", "x/y", "x/y/file", "x/y/new"].map((name) =>
      plan.typeOf(name)
    ),
    [undefined, undefined, "directory", "directory", "file", "file"],
  );
  refused(plan, { kind: "move", from: "x", name: "x/y/z" }, "ENTRY_EXISTS");
  refused(plan, { kind: "move", from: "file", name: "link" }, "ENTRY_EXISTS");
  plan.add({ kind: "move", from: "file", name: "x/y/new" });
  // What comes later than a move is not done before it.
  plan.add(put("dir/new"));
  assertEquals(operations(plan), [
    "file dir/new (1)",
    "move x/y (1)",
    "move x/y/new (1)",
    "file dir/new (1)",
  ]);
});

Deno.test("View.apply() moves a folder as one name, whatever is in it", () => {
  const view = new View<string>(makeIndex({ "/b/dir/empty": "directory" }));
  view.apply({ kind: "folder", name: "new" }, "make");
  view.apply({ kind: "file", name: "new/file" }, "store");
  view.apply({ kind: "move", from: "dir", name: "new/dir" }, "move");
  view.apply({ kind: "move", from: "new", name: "moved" }, "again");
  assertEquals([...view.made()], [
    { name: "moved", makers: ["make", "again"], origin: undefined },
    { name: "moved/file", makers: ["store"], origin: undefined },
    { name: "moved/dir", makers: ["move"], origin: "dir" },
  ]);
  assertEquals(
    view.entriesIn("moved/dir").map(({ name }) => name),
    ["moved/dir/file", "moved/dir/empty"],
  );
  // What has been named, or was empty before, stays wherever it is.
  view.apply({ kind: "file", name: "moved/dir/empty/x" }, "store");
  const goes = (name: string) => view.apply({ kind: "remove", name }, "remove");
  assertEquals(goes("moved/dir/empty/x"), []);
  assertEquals(goes("moved/dir/empty"), []);
  assertEquals(goes("moved/dir/file"), ["moved/dir"]);
  assertEquals(goes("moved/file"), []);
  assertEquals(view.typeOf("moved"), "directory");
});

Deno.test("Plan.add() agrees with a plain model on random changes", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const random = (limit: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % limit;
  };
  const names = ["a", "a/a", "a/b", "a/a/a", "b", "b/a", "c"];
  for (let round = 0; round < 200; round++) {
    const files = new Set<string>(random(2) === 0 ? ["c"] : []);
    const index = indexOf(files.has("c") ? { "/c": "file" } : {}, "/");
    const plan = new Plan(index);
    for (let step = 0; step < 12; step++) {
      const name = names[random(names.length)] ?? "a";
      const isPut = random(3) > 0;
      const inTheWay = [...files].some((other) =>
        name.startsWith(`${other}/`) || other.startsWith(`${name}/`)
      );
      const allowed = isPut ? !inTheWay : files.has(name);
      let done = true;
      try {
        plan.add(isPut ? put(name) : remove(name));
      } catch (error) {
        assertCode(error, isPut ? "ENTRY_EXISTS" : "ENTRY_NOT_FOUND");
        done = false;
      }
      assertEquals(done, allowed, `seed ${seed}, ${isPut} ${name}`);
      if (done && isPut) files.add(name);
      if (done && !isPut) files.delete(name);
    }
    // What stands in the end is what the operations make, done one by one.
    const result = new Set(Array.from(index.below(""), ([name]) => name));
    for (const { last } of plan.operations) {
      if (last.kind === "file") result.add(last.name);
      else result.delete(last.name);
    }
    assertEquals([...result].sort(), [...files].sort(), `seed ${seed}`);
  }
});

Deno.test("stepsOf() does again what Plan.add() has taken, whatever comes and goes", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  let state = seed;
  const pick = <T>(...values: readonly T[]): T => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return values[(state >> 8) % values.length] as T;
  };
  const names = ["a", "a/a", "a/b", "a/a/a", "b", "b/a", "c"];
  const index = indexOf({ "/a/a/a": "file", "/b": "file" }, "/");
  const kinds = ["file", "folder", "link", "move", "remove"] as const;
  for (let round = 0; round < 2000; round++) {
    const plan = new Plan<Pending>(index);
    for (let step = 0; step < 8; step++) {
      try {
        plan.add({
          ...{ kind: pick(...kinds), name: pick(...names) },
          ...{ from: pick(...names), recursive: pick(true, false) },
          ...{ prepared: undefined, caller: new Caller(undefined, () => {}) },
          tell: () => {},
        });
      } catch (error) {
        assertInstanceOf(error, XorrisoError);
      }
    }
    const { refused, view } = await stepsOf(index, plan.operations);
    const told = Array.from(
      plan.changes,
      ({ kind, from, name }) => `${kind} ${from} ${name}`,
    );
    assertEquals([...refused], [], `seed ${seed}: ${told.join(", ")}`);
    assertEquals(
      names.map((name) => view.typeOf(name)),
      names.map((name) => plan.typeOf(name)),
      `seed ${seed}: ${told.join(", ")}`,
    );
  }
});

Deno.test("stepsOf() stores the files of a folder last name first, but past no other change", async () => {
  const plan = new Plan<Pending>(indexOf({}, "/"));
  const caller = new Caller(undefined, () => {});
  const more = { prepared: undefined, caller, tell: () => {} };
  for (const name of ["a/1", "b", "a/2", "a/3"]) {
    plan.add({ ...put(name), ...more });
  }
  plan.add({ kind: "move", from: "a/2", name: "a/0", ...more });
  plan.add({ ...put("a/2"), ...more });
  plan.add({ ...put("a/4"), ...more });
  const { steps } = await stepsOf(indexOf({}, "/"), plan.operations);
  assertEquals(
    steps.map(({ operation: { last: { name } } }) => name),
    ["a/3", "a/2", "a/1", "b", "a/0", "a/4", "a/2"],
  );
});

Deno.test("stepsOf() lets others on the event loop go on between thousands", async () => {
  const plan = new Plan<Pending>(indexOf({}, "/"));
  const caller = new Caller(undefined, () => {});
  const more = { prepared: undefined, caller, tell: () => {} };
  for (let i = 0; i < 5000; i++) plan.add({ ...put(`${i}`), ...more });
  let turns = 0;
  let isDone = false;
  const counting = (async () => {
    for (; !isDone; turns++) await new Promise((next) => setImmediate(next));
  })();
  const { steps } = await stepsOf(indexOf({}, "/"), plan.operations);
  isDone = true;
  await counting;
  assertEquals(steps.length, 5000);
  assert(turns > 10, `${turns} turns`);
});
