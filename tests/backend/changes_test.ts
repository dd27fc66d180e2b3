import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Change, XorrisoBackend } from "../../mod.ts";
import {
  hookXorriso,
  ONE_BATCH,
  openImage,
  outcomes,
  store,
  storedTexts,
  textsOf,
} from "../support/backends.ts";
import {
  assertRejectsCode,
  codeOf,
  makeFolder,
  runXorriso,
  toBytes,
  until,
  writeSession,
} from "../support/helpers.ts";

/** Makes changes; tells `ok` or a code for each. */
async function apply(
  backend: XorrisoBackend,
  changes: readonly Change[],
): Promise<string[]> {
  return (await backend.apply(changes)).map(({ error }) =>
    error === undefined ? "ok" : codeOf(error)
  );
}

/** What plain xorriso shows of an image: type, mode, size, path, link. */
async function longList(image: string): Promise<string[]> {
  const lines = await runXorriso([
    ["-indev", `stdio:${image}`],
    ["-find", "/", "-exec", "lsdl"],
  ]);
  return lines.map((line) => line.replace(/ +/g, " "));
}

Deno.test("XorrisoBackend.delete() takes a folder with its last entry, so that its name is free", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { "a/b/x": "x", "a/y": "y" });
  await backend.delete("a/b/x");
  assertEquals(await backend.query("a/b/"), undefined);
  assert(await backend.query("a/"));
  await backend.delete("a/y");
  await backend.put(toBytes("a file"), "a");
  // In one session it is the same.
  await Promise.all([
    backend.delete("a"),
    backend.put(toBytes("below"), "a/x"),
  ]);
  await backend.close();
  assertEquals(await storedTexts(folder), { "a/x": "below" });
});

Deno.test("XorrisoBackend.delete() leaves empty folders that others have made", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  await writeSession(image, { "/theirs/x": "x", "/file": "file" });
  await runXorriso([
    ["-dev", `stdio:${image}`],
    ["-mkdir", "/empty", "/theirs/empty", "--"],
    ["-commit"],
  ]);
  await using backend = await openImage(folder);
  await Promise.all([backend.delete("theirs/x"), backend.delete("file")]);
  const names = (await backend.list({ all: true })).map(({ name }) => name);
  assertEquals(names.sort(), ["empty", "theirs", "theirs/empty"]);
});

Deno.test("XorrisoBackend.apply() makes changes of all kinds in one session, in their order", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "content");
  const mtime = new Date("2001-02-03T04:05:06Z");
  await using backend = await openImage(folder);
  await store(backend, { "old/a": "a", "old/b": "b", gone: "x", kept: "k" });
  const found = await backend.query("old/a");
  assertEquals(
    await apply(backend, [
      { kind: "move", from: "old", name: "new/place" },
      { kind: "remove", name: "gone" },
      { kind: "link", name: "gone", text: "new/place/a" },
      {
        kind: "file",
        name: "new/file",
        source,
        attributes: { mode: 0o4711, uid: 7, gid: 8, mtime },
      },
      { kind: "folder", name: "empty", attributes: { mode: 0o700, mtime } },
      { kind: "attributes", name: "kept", attributes: { mode: 0o400 } },
      { kind: "remove", name: "new/place/b" },
    ]),
    Array(7).fill("ok"),
  );
  assertEquals((await backend.sessions()).length, 2);
  // Content that was moved lies where it did.
  const moved = await backend.query("new/place/a");
  assertEquals(moved?.extents, found?.extents);
  await backend.close();
  const { uid, gid } = await Deno.lstat(folder.path);
  const list = await longList(`${folder.path}/test.iso`);
  const lines = list.map((line) => line.replace(/ 1 (\d+ \d+) .*? '/, " $1 '"));
  assertEquals(
    lines.filter((line) => !/ '\/(new)?'| '\/new\/place/.test(line)).sort(),
    [
      `-r-------- ${uid} ${gid} '/kept'`,
      "-rws--x--x 7 8 '/new/file'",
      `drwx------ ${uid} ${gid} '/empty'`,
      // xorriso gives links that it makes to root.
      "lrwxrwxrwx 0 0 '/gone' -> 'new/place/a'",
    ],
  );
  assert(list.some((line) => /Feb 3 2001 '\/new\/file'/.test(line)));
  assert(list.some((line) => /Feb 3 2001 '\/empty'/.test(line)));
});

Deno.test("XorrisoBackend.apply() fails only what cannot be, and writes the rest", async () => {
  await using folder = await makeFolder();
  const gone = await folder.file("gone", "gone");
  await using backend = await openImage(folder, { autoCommit: false });
  await backend.put(toBytes("pending"), "pending");
  const source = await folder.file("source", "x");
  await Deno.remove(gone);
  assertEquals(
    await apply(backend, [
      { kind: "file", name: "a", source },
      { kind: "file", name: "b", source: gone },
      { kind: "file", name: "a/below", source },
      { kind: "file", name: "../c", source },
      { kind: "remove", name: "none" },
      { kind: "link", name: "a", text: "x" },
      { kind: "move", from: "none", name: "c" },
      { kind: "attributes", name: "none", attributes: { mode: 0o600 } },
      { kind: "folder", name: "d" },
      { kind: "remove", name: "d" },
    ]),
    [
      ...["ok", "SOURCE_UNREADABLE", "ENTRY_EXISTS", "TypeError"],
      ...["ENTRY_NOT_FOUND", "ENTRY_EXISTS", "ENTRY_NOT_FOUND"],
      ...["ENTRY_NOT_FOUND", "ok", "ENTRY_NOT_FOUND"],
    ],
  );
  assertEquals(await textsOf(backend), { a: "x", pending: "pending" });
  assertEquals((await backend.sessions()).length, 1);
});

Deno.test("XorrisoBackend.apply() tells many files in few lines", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  const source = await folder.file("source", "x");
  const files = (prefix: string) =>
    Array.from(
      { length: 640 },
      (_, i): Change => ({ kind: "file", name: `${prefix}/${i}`, source }),
    );
  const lines = async () =>
    (await hooked.lines()).filter((line) => line.startsWith("-map ")).length;
  const results = await apply(backend, files("a"));
  assertEquals(results.filter((each) => each !== "ok"), []);
  const few = await lines();
  assert(few <= 640 / 8, `${few} lines`);
  assertEquals((await backend.list()).length, 640);
});

Deno.test("XorrisoBackend.apply() beside others resolves when its own changes are on the medium", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  for (let round = 0; round < 5; round++) {
    await Promise.all([1, 2, 3, 4, 5].map(async (i) => {
      const name = `${round}/${i}`;
      const source = toBytes(name);
      const change = { kind: "file", name, source } as const;
      assertEquals(await apply(backend, [change]), ["ok"]);
      assertEquals((await backend.query(name))?.size, source.length);
    }));
  }
});

Deno.test("XorrisoBackend.apply() removes a folder that it has made", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using backend = await openImage(folder);
  const remove = { kind: "remove", name: "d", recursive: true } as const;
  const changes: Change[] = [
    { kind: "file", name: "d/a", source },
    remove,
    { kind: "file", name: "d/a", source },
  ];
  assertEquals(await apply(backend, changes), ["ok", "ok", "ok"]);
  assertEquals(await textsOf(backend), { "d/a": "x" });
  assertEquals(
    await apply(backend, [{ kind: "file", name: "d/b", source }, remove]),
    ["ok", "ok"],
  );
  assertEquals(await textsOf(backend), {});
});

Deno.test("XorrisoBackend.apply() writes one session for more changes than a batch takes", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using backend = await openImage(folder, { commitMax: 1 });
  const changes = Array.from(
    { length: 10_050 },
    (_, i): Change => ({ kind: "file", name: `${i % 100}/${i}`, source }),
  );
  const results = await backend.apply(changes);
  assertEquals(results.filter(({ error }) => error !== undefined), []);
  assertEquals((await backend.sessions()).length, 1);
  assertEquals((await backend.list()).length, changes.length);
});

Deno.test("XorrisoBackend.rename() moves files and folders without writing content", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { "a/x": "x", b: "b", "c/y": "y" });
  const before = await backend.query("b");
  await backend.rename("b", "a/b");
  assertEquals((await backend.query("a/b"))?.extents, before?.extents);
  await backend.rename("c", "a/c");
  await backend.rename("a", "z");
  assertEquals(await textsOf(backend), {
    "z/b": "b",
    "z/c/y": "y",
    "z/x": "x",
  });
  const keep = { overwrite: false };
  assertEquals(
    await outcomes([
      backend.rename("none", "d"),
      backend.rename("z/x", "z/b", keep),
      backend.rename("z/x", "z/c"),
      backend.rename("z", "z/c/d"),
      backend.rename("z/x", "z/x/y"),
    ]),
    ["ENTRY_NOT_FOUND", ...Array(4).fill("ENTRY_EXISTS")],
  );
  await backend.rename("z/x", "z/b");
  await backend.close();
  assertEquals(await storedTexts(folder), { "z/b": "x", "z/c/y": "y" });
});

Deno.test("XorrisoBackend.rename() of what is pending comes after it", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, ONE_BATCH);
  await Promise.all([
    backend.put(toBytes("first"), "a"),
    backend.rename("a", "b"),
    backend.put(toBytes("second"), "a"),
  ]);
  assertEquals((await backend.sessions()).length, 1);
  assertEquals(await textsOf(backend), { a: "second", b: "first" });
});

Deno.test("XorrisoBackend.delete() takes a folder with all below it only when told so", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { "a/b/c": "c", "a/d": "d", e: "e" });
  await assertRejectsCode(backend.delete("a"), "ENTRY_NOT_FOUND");
  await backend.delete("a", { recursive: true });
  const all = await backend.list({ all: true });
  assertEquals(all.map(({ name, type }) => [name, type]), [["e", "file"]]);
});

Deno.test("XorrisoBackend.list() and query() tell folders where they are asked to", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { "a[1]/x": "x", "a[1]/y/z": "z", "a[2": "file" });
  const names = async (options: { prefix?: string; all?: boolean }) =>
    (await backend.list(options)).map(({ name }) => name).sort();
  assertEquals(await names({ prefix: "a[" }), ["a[1]/x", "a[1]/y/z", "a[2"]);
  assertEquals(await names({ prefix: "a[1]/" }), ["a[1]/x", "a[1]/y/z"]);
  assertEquals(await names({ prefix: "a[1]/", all: true }), [
    "a[1]/x",
    "a[1]/y",
    "a[1]/y/z",
  ]);
  assertEquals(
    (await backend.queryList(["a[1]/", "a[1]", "a[2", "a[2/", "none/", ""]))
      .map((entry) => entry?.type),
    ["directory", undefined, "file", undefined, undefined, "directory"],
  );
});

Deno.test("XorrisoBackend.apply() follows a content through all changes of its name", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { a: "aaaa", b: "bb", "x/1": "old", "x/s/2": "22" });
  // Names are exchanged by way of others, what is moved was stored just before.
  assertEquals(
    await apply(backend, [
      { kind: "move", from: "b", name: "c" },
      { kind: "move", from: "a", name: "b" },
      { kind: "move", from: "b", name: "d" },
      { kind: "file", name: "e", source: toBytes("longer now") },
      { kind: "move", from: "e", name: "f" },
      { kind: "attributes", name: "f", attributes: { mode: 0o600 } },
      { kind: "move", from: "x", name: "y" },
      { kind: "file", name: "x/1", source: toBytes("new") },
      { kind: "move", from: "y", name: "z" },
      { kind: "move", from: "x", name: "y" },
      { kind: "move", from: "z", name: "x" },
    ]),
    Array(11).fill("ok"),
  );
  const expected = {
    ...{ c: "bb", d: "aaaa", f: "longer now" },
    ...{ "x/1": "old", "x/s/2": "22", "y/1": "new" },
  };
  assertEquals(await textsOf(backend), expected);
  assertEquals((await backend.sessions()).length, 2);
});

Deno.test("XorrisoBackend.apply() moves nothing older in place of what was not stored", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "new1");
  await using hooked = await hookXorriso(folder, "-commit", [
    "",
    `printf new2 >'${source}'`,
  ]);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  await backend.apply([
    { kind: "file", name: "part", source: toBytes("old!") },
    { kind: "file", name: "a", source: toBytes("good") },
  ]);
  assertEquals(
    await apply(backend, [
      { kind: "file", name: "part", source },
      { kind: "move", from: "part", name: "a" },
    ]),
    ["SOURCE_CHANGED", "SOURCE_CHANGED"],
  );
  assertEquals(await textsOf(backend), { part: "old!", a: "good" });
});

/** Stores a copy that is damaged without its modification time telling it. */
async function storeDamaged(more: readonly Change[]): Promise<string> {
  await using folder = await makeFolder();
  await Deno.mkdir(`${folder.path}/temp`);
  await using hooked = await hookXorriso(folder, "-commit", [
    `for copy in '${folder.path}'/temp/*/*; do
       [ "$(cat "$copy")" = 0123456789 ] || continue
       touch -r "$copy" "$copy.time"
       printf X | dd of="$copy" bs=1 seek=9 conv=notrunc 2>/dev/null
       touch -r "$copy.time" "$copy"; rm "$copy.time"
     done`,
  ]);
  await using backend = await openImage(folder, {
    xorrisoPath: hooked.path,
    tempDir: `${folder.path}/temp`,
  });
  const source = toBytes("0123456789");
  const [outcome = ""] = await apply(backend, [
    { kind: "file", name: "a", source, verify: true },
    ...more,
  ]);
  assertEquals(await backend.list(), []);
  return outcome;
}

Deno.test("XorrisoBackend.apply() compares a content whose name is changed once more", async () => {
  const further: Change[][] = [
    [],
    [{ kind: "attributes", name: "a", attributes: { mode: 0o600 } }],
    [{ kind: "move", from: "a", name: "b" }],
  ];
  for (const more of further) {
    let outcome = "SOURCE_CHANGED";
    // Its ctime tells it where a second has passed between: then once more.
    for (let i = 0; i < 30 && outcome === "SOURCE_CHANGED"; i++) {
      outcome = await storeDamaged(more);
    }
    assertEquals(outcome, "CHECKSUM_MISMATCH");
  }
});

Deno.test("XorrisoBackend.apply() comes after what was called just before, and before what comes next", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { a: "old", b: "old" });
  await Promise.all([
    backend.rename("a", "moved"),
    backend.put(toBytes("put"), "b"),
    apply(backend, [
      { kind: "file", name: "a", source: toBytes("applied") },
      { kind: "file", name: "b", source: toBytes("applied") },
      { kind: "file", name: "c", source: toBytes("applied") },
    ]),
    backend.rename("b", "last"),
    backend.delete("c"),
  ]);
  assertEquals(await textsOf(backend), {
    a: "applied",
    last: "applied",
    moved: "old",
  });
});

Deno.test("XorrisoBackend.apply() refuses what cannot be recorded, before it writes", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  const changes = [
    { kind: "nonsense", name: "a" },
    { kind: "folder" },
    { kind: "move", name: "a" },
    { kind: "link", name: "a", target: "b" },
    { kind: "link", name: "a", text: "x/".repeat(2500) }, // xorriso 1.5.4 dies of it
    { kind: "link", name: "a", text: `b/${"x".repeat(256)}` },
    { kind: "folder", name: "a", attributes: { mode: 0o10000 } },
    { kind: "folder", name: "a", attributes: { uid: -1 } },
    { kind: "folder", name: "a", attributes: { mtime: new Date(NaN) } },
    { kind: "folder", name: "a", attributes: { mtime: new Date("2156") } },
  ];
  // What a caller without types may give.
  const results = await apply(backend, changes as unknown as Change[]);
  const wanted = [
    ...Array(6).fill("TypeError"),
    ...Array(4).fill("RangeError"),
  ];
  assertEquals(results, wanted);
  await assertRejects(
    () => backend.put(toBytes("a"), "a", { mode: -1 }),
    RangeError,
    "mode -1",
  );
  assertEquals(await backend.sessions(), []);
  // No attributes at all are none to be changed.
  await store(backend, { a: "a" });
  const none = { kind: "attributes", name: "a", attributes: {} } as const;
  assertEquals(await apply(backend, [none]), ["ok"]);
  assertEquals((await backend.sessions()).length, 1);
});

Deno.test("XorrisoBackend.apply() does not store what was given away, nor what fails without a reason", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  const given = new Uint8Array(9);
  // It may reject before it is waited for.
  const storing = assertRejects(
    () => backend.put(given, "given"),
    TypeError,
    "transferred",
  );
  given.buffer.transfer();
  const broken = new ReadableStream<Uint8Array>({
    start: (controller) => controller.error(),
  });
  const [result] = await backend.apply([
    { kind: "file", name: "broken", source: broken },
  ]);
  assertEquals(codeOf(result?.error), "SOURCE_UNREADABLE");
  await storing;
  assertEquals(await backend.list(), []);
});

Deno.test("XorrisoBackend.apply() cancels the streams that it has not come to when it is given up", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  const abort = new AbortController();
  const cancelled = new Set<number>();
  const streamOf = (i: number) =>
    new ReadableStream({ cancel: () => void cancelled.add(i) });
  const put = (name: string, source: Uint8Array | ReadableStream): Change => {
    return { kind: "file", name, source };
  };
  // More than are under way at a time wait for the first.
  const waiting = Array.from({ length: 300 }, () => put("a", toBytes("a")));
  const changes = [put("a", streamOf(0)), ...waiting, put("b", streamOf(1))];
  const applying = backend.apply(changes, { signal: abort.signal });
  abort.abort(new Error("given up"));
  await assertRejects(() => applying, Error, "given up");
  await until(() => cancelled.size === 2, "both are cancelled");
});
