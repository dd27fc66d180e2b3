import { assertEquals, assertThrows } from "@std/assert";
import {
  type Node,
  type NodeType,
  Plan,
  type PlannedChange,
  Tree,
} from "../../src/backend/tree.ts";
import { assertCode } from "../support/helpers.ts";

function file(path: string, size = 1): Node {
  return { path, type: "file", size, extents: [{ lba: 32, blocks: 1 }] };
}

function node(path: string, type: NodeType): Node {
  return { path, type, size: 0, extents: [] };
}

/** A tree of `/b` with a file, a directory with a file, and a link. */
function makeTree(above: [string, NodeType][] = []): Tree {
  const tree = new Tree("/b", new Map(above));
  for (const path of ["/b/file", "/b/dir/file"]) tree.set(file(path));
  tree.set(node("/b/dir", "directory"));
  tree.set(node("/b/link", "other"));
  return tree;
}

function put(name: string, overwrite?: boolean): PlannedChange {
  return overwrite === undefined
    ? { kind: "put", name }
    : { kind: "put", name, overwrite };
}

function remove(name: string): PlannedChange {
  return { kind: "delete", name };
}

/** What is to be done, in short. */
function operations(plan: Plan<PlannedChange>): string[] {
  return plan.operations().map(({ last, all }) =>
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

Deno.test("Tree.set() knows files by their name below the directory", () => {
  const tree = makeTree();
  assertEquals(tree.size, 2);
  assertEquals(tree.get("dir/file"), {
    name: "dir/file",
    size: 1,
    extents: [{ lba: 32, blocks: 1 }],
  });
  assertEquals([...tree.files()].map(({ name }) => name), ["file", "dir/file"]);
  assertEquals(tree.get("dir"), undefined);
});

Deno.test("Tree.set() leaves out what is not below the directory", () => {
  const tree = makeTree();
  for (const path of ["/b", "/", "/bc", "/c/file", "/bfile"]) {
    tree.set(file(path));
  }
  assertEquals(tree.size, 2);
});

Deno.test("Tree.set() replaces what was there, whatever it was", () => {
  const tree = makeTree();
  tree.set(file("/b/link", 7));
  assertEquals(tree.typeOf("link"), "file");
  assertEquals(tree.get("link")?.size, 7);
  tree.set(node("/b/file", "directory"));
  assertEquals(tree.typeOf("file"), "directory");
  assertEquals(tree.get("file"), undefined);
});

Deno.test("Tree.typeOf() tells files, directories and others", () => {
  const tree = makeTree();
  assertEquals(
    ["file", "dir", "dir/file", "link", "none"].map((n) => tree.typeOf(n)),
    ["file", "directory", "file", "other", undefined],
  );
  tree.delete("link");
  tree.delete("file");
  assertEquals(tree.typeOf("link"), undefined);
  assertEquals(tree.typeOf("file"), undefined);
});

Deno.test("Tree.addParents() notes the directories above a name", () => {
  const tree = new Tree("/", new Map());
  tree.set(file("/x/y/z"));
  tree.addParents("x/y/z");
  assertEquals(tree.typeOf("x"), "directory");
  assertEquals(tree.typeOf("x/y"), "directory");
  assertEquals(tree.typeOf("x/y/z"), "file");
});

Deno.test("Plan.add() replaces a file, unless told not to", () => {
  const plan = new Plan(makeTree());
  plan.add(put("file"));
  plan.add(put("new", false));
  refused(plan, put("dir/file", false), "ENTRY_EXISTS");
  refused(plan, put("new", false), "ENTRY_EXISTS");
  plan.add(put("new", true));
  assertEquals(operations(plan), ["put file (1)", "put new (2)"]);
});

Deno.test("Plan.add() never puts a file in place of a directory or a link", () => {
  const plan = new Plan(makeTree());
  refused(plan, put("dir"), "ENTRY_EXISTS");
  refused(plan, put("link"), "ENTRY_EXISTS");
  plan.add(put("p/q/r"));
  refused(plan, put("p"), "ENTRY_EXISTS");
  refused(plan, put("p/q"), "ENTRY_EXISTS");
});

Deno.test("Plan.add() never turns a file into a directory", () => {
  const plan = new Plan(makeTree());
  refused(plan, put("file/x"), "ENTRY_EXISTS");
  refused(plan, put("file/x/y"), "ENTRY_EXISTS");
  refused(plan, put("link/x"), "ENTRY_EXISTS");
  plan.add(put("p"));
  refused(plan, put("p/q"), "ENTRY_EXISTS");
  plan.add(put("dir/x"));
  plan.add(put("filex"));
});

Deno.test("Plan.add() puts nothing below a file above its directory", () => {
  const plan = new Plan(makeTree([["/", "directory"], ["/b", "file"]]));
  refused(plan, put("x"), "ENTRY_EXISTS");
  const sound = new Plan(makeTree([["/", "directory"], ["/b", "directory"]]));
  sound.add(put("x"));
});

Deno.test("Plan.add() frees a name that is deleted before", () => {
  const plan = new Plan(makeTree());
  plan.add(remove("file"));
  assertEquals(plan.typeOf("file"), undefined);
  plan.add(put("file/x"));
  assertEquals(plan.typeOf("file"), "directory");
  refused(plan, put("file"), "ENTRY_EXISTS");
  refused(plan, remove("file"), "ENTRY_NOT_FOUND");
  // The removal has to come first.
  assertEquals(operations(plan), ["delete file (1)", "put file/x (1)"]);
});

Deno.test("Plan.add() gives a pending directory's name back with its last file", () => {
  const plan = new Plan(makeTree());
  plan.add(put("p/q/r"));
  plan.add(put("p/s"));
  plan.add(put("p/s"));
  plan.add(remove("p/q/r"));
  assertEquals(plan.typeOf("p/q"), undefined);
  assertEquals(plan.typeOf("p"), "directory");
  plan.add(remove("p/s"));
  assertEquals(plan.typeOf("p"), undefined);
  plan.add(put("p"));
  assertEquals(operations(plan).at(-1), "put p (1)");
});

Deno.test("Plan.add() deletes only files that are there", () => {
  const plan = new Plan(makeTree());
  refused(plan, remove("none"), "ENTRY_NOT_FOUND");
  refused(plan, remove("dir"), "ENTRY_NOT_FOUND");
  refused(plan, remove("link"), "ENTRY_NOT_FOUND");
  plan.add(remove("file"));
  refused(plan, remove("file"), "ENTRY_NOT_FOUND");
  plan.add(put("none"));
  plan.add(remove("none"));
  assertEquals(plan.typeOf("none"), undefined);
});

Deno.test("Plan.operations() has the last change of each name, in its order", () => {
  const plan = new Plan(makeTree());
  plan.add(put("a"));
  plan.add(put("b"));
  plan.add(remove("a"));
  plan.add(put("a"));
  assertEquals(operations(plan), ["put b (1)", "put a (3)"]);
  assertEquals(
    plan.changes().map(({ kind, name }) => `${kind} ${name}`),
    ["put b", "put a", "delete a", "put a"],
  );
  assertEquals(plan.size, 2);
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
    const tree = new Tree("/", new Map());
    const files = new Set<string>();
    if (random(2) === 0) {
      tree.set(file("/c"));
      files.add("c");
    }
    const plan = new Plan(tree);
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
    const result = new Set([...tree.files()].map(({ name }) => name));
    for (const { last } of plan.operations()) {
      if (last.kind === "put") result.add(last.name);
      else result.delete(last.name);
    }
    assertEquals([...result].sort(), [...files].sort(), `seed ${seed}`);
  }
});
