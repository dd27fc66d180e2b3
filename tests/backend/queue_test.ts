import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { createHash } from "node:crypto";
import { XorrisoBackend } from "../../mod.ts";
import {
  AFTER_COMMIT,
  beside,
  HOLD,
  hookXorriso,
  isPending,
  ONE_BATCH,
  openImage,
  outcomes,
  store,
  storedTexts,
  textOf,
  textsOf,
  urlOf,
} from "../support/backends.ts";
import {
  age,
  assertCode,
  assertRejectsCode,
  exists,
  fingerprint,
  makeFolder,
  makeScript,
  rejection,
  toBytes,
  until,
} from "../support/helpers.ts";

/** A delay that no test lives to see. */
const NEVER = 1e6;

async function sessionsOf(backend: XorrisoBackend): Promise<number> {
  return (await backend.sessions()).length;
}

/** A stream that gives its text only when it is told to. */
function makeStream(text: string) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  promise.catch(() => {}); // told to whoever reads
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await promise;
      controller.enqueue(toBytes(text));
      controller.close();
    },
  }, { highWaterMark: 0 });
  return { stream, finish: resolve, fail: reject };
}

Deno.test("XorrisoBackend.put() beside room() loses nothing", async () => {
  await using folder = await makeFolder();
  const texts: Record<string, string> = { a: "1", b: "2", c: "3" };
  await using hooked = await hookXorriso(folder, "-none", []);
  {
    await using backend = await openImage(folder, {
      xorrisoPath: hooked.path,
    });
    for (const [name, text] of Object.entries(texts)) {
      await beside(backend.put(toBytes(text), name), () => backend.room());
    }
  }
  assertEquals(await storedTexts(folder), texts);
  // What asks for room may pretend that something is staged, but not there.
  const lines = (await hooked.lines()).map((line) => line.split(" ")[0])
    .filter((word) => /^-(map|changes_pending|commit)$/.test(word ?? ""));
  assert(lines.join().match(/-map,-commit/g)?.length === 3, lines.join());
  assert(lines.includes("-changes_pending"));
});

Deno.test("XorrisoBackend.put() rejects when xorriso has not stored it, whatever is there", async () => {
  await using folder = await makeFolder();
  // What else is in the line stays there.
  const drop = `case $line in *'"/a"')
    line="\${line%-map*}-print forgotten";; esac`;
  await using hooked = await hookXorriso(folder, "-map", ["", drop, drop]);
  await using backend = await openImage(folder, {
    autoCommit: false,
    xorrisoPath: hooked.path,
  });
  await backend.put(toBytes("old"), "a");
  await backend.commit();
  await backend.put(toBytes("new"), "a");
  await backend.put(toBytes("b"), "b");
  await assertRejectsCode(backend.commit(), "WRITE_ERROR");
  assertEquals(await textsOf(backend), { a: "old", b: "b" });
});

Deno.test("XorrisoBackend.put() resolves when the file is on the medium", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "text");
  await using backend = await openImage(folder);
  await backend.put(source, "a");
  // A copy of the image shows that it is there, whatever happens from now on.
  await using other = await makeFolder();
  await Deno.copyFile(`${folder.path}/test.iso`, `${other.path}/test.iso`);
  assertEquals(await storedTexts(other), { a: "text" });
});

Deno.test("XorrisoBackend.put() shares a session with all that come close", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using backend = await openImage(folder);
  const names = Array.from(
    { length: 300 },
    (_, index) => `${index % 7}/${index}`,
  );
  await Promise.all(names.map((name) => backend.put(source, name)));
  assertEquals(await sessionsOf(backend), 1);
  assertEquals((await backend.list()).length, names.length);
});

Deno.test("XorrisoBackend.delete() shares a session with puts", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, ONE_BATCH);
  await store(backend, { a: "a", b: "b" });
  await Promise.all([
    backend.delete("a"),
    backend.put(toBytes("c"), "c"),
    backend.deleteList(["b"]),
  ]);
  assertEquals(await sessionsOf(backend), 2);
  assertEquals(await storedTextsAfter(backend, folder), { c: "c" });
});

async function storedTextsAfter(
  backend: XorrisoBackend,
  folder: Parameters<typeof storedTexts>[0],
): Promise<Record<string, string>> {
  await backend.close();
  return await storedTexts(folder);
}

Deno.test("XorrisoBackend.put() is committed commitDelay after the last change", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, {
    // Far longer than a busy machine takes to come to the second change.
    commitDelay: 1500,
    commitMax: NEVER,
  });
  const begun = performance.now();
  const first = backend.put(toBytes("a"), "a");
  await new Promise((resolve) => setTimeout(resolve, 60));
  const second = backend.put(toBytes("b"), "b");
  await Promise.all([first, second]);
  assert(performance.now() - begun >= 1500 + 60 - 5);
  assertEquals(await sessionsOf(backend), 1);
});

Deno.test("XorrisoBackend.put() is committed commitMax after the first change", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, {
    commitDelay: NEVER,
    commitMax: 1500,
  });
  const begun = performance.now();
  const first = backend.put(toBytes("a"), "a");
  await new Promise((resolve) => setTimeout(resolve, 100));
  await Promise.all([first, backend.put(toBytes("b"), "b")]);
  const time = performance.now() - begun;
  assert(time >= 1500 - 5 && time < NEVER);
  assertEquals(await sessionsOf(backend), 1);
});

Deno.test("XorrisoBackend.put() is not committed at once with an endless delay", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, {
    commitDelay: Infinity,
    commitMax: 2 ** 40,
  });
  const puts = [backend.put(toBytes("a"), "a")];
  await backend.query("a");
  puts.push(backend.put(toBytes("b"), "b"));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert(await isPending(Promise.any(puts)));
  await backend.commit();
  await Promise.all(puts);
  assertEquals(await sessionsOf(backend), 1);
});

Deno.test("XorrisoBackend.open() refuses delays that are none", async () => {
  await using folder = await makeFolder();
  for (const delay of [-1, NaN]) {
    for (const options of [{ commitDelay: delay }, { commitMax: delay }]) {
      assertInstanceOf(await rejection(openImage(folder, options)), RangeError);
    }
  }
  assertEquals(await exists(`${folder.path}/test.iso`), false);
});

Deno.test("XorrisoBackend.put() closes a batch at 10,000 names", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using backend = await openImage(folder, {
    commitDelay: NEVER,
    commitMax: NEVER,
    joliet: false,
  });
  const puts = Array.from(
    { length: 10_000 },
    (_, index) => backend.put(source, `${index % 100}/${index}`),
  );
  await Promise.all(puts);
  assertEquals(await sessionsOf(backend), 1);
  assertEquals((await backend.list()).length, 10_000);
});

Deno.test("XorrisoBackend.put() of a slow stream holds no other change", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, { commitMax: NEVER });
  const { stream, finish } = makeStream("slow");
  const slow = backend.put(stream, "slow");
  await backend.put(toBytes("fast"), "fast");
  assertEquals(await textsOf(backend), { fast: "fast" });
  assert(await isPending(slow));
  finish();
  await slow;
  assertEquals(await textsOf(backend), { fast: "fast", slow: "slow" });
  assertEquals(await sessionsOf(backend), 2);
});

Deno.test("XorrisoBackend.put() that waits for a slow stream holds no other change", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "later");
  await using backend = await openImage(folder, { commitMax: NEVER });
  const { stream, finish } = makeStream("slow");
  const both = [backend.put(stream, "slow"), backend.put(source, "slow")];
  await backend.put(source, "fast");
  assert(await isPending(Promise.any(both)));
  finish();
  await Promise.all(both);
  assertEquals(await textsOf(backend), { fast: "later", slow: "later" });
});

Deno.test("XorrisoBackend.put() with a stream that fails rejects alone", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  const { stream, fail } = makeStream("never");
  const put = backend.put(stream, "a");
  const other = backend.put(toBytes("b"), "b");
  const reason = new Error("The stream broke");
  fail(reason);
  assertEquals(await rejection(put), reason);
  await other;
  // The name is not taken by what failed.
  await backend.put(toBytes("a"), "a");
  assertEquals(await textsOf(backend), { a: "a", b: "b" });
});

Deno.test("XorrisoBackend.put() during a commit joins the next session", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-commit", [HOLD]);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  const first = backend.put(toBytes("1"), "first");
  await hooked.held();
  const others = ["a", "b", "c"].map((name) =>
    backend.put(toBytes(name), name)
  );
  assert(await isPending(Promise.any([first, ...others])));
  await hooked.release();
  await first;
  await Promise.all(others);
  assertEquals(await sessionsOf(backend), 2);
  assertEquals(await textsOf(backend), { first: "1", a: "a", b: "b", c: "c" });
});

Deno.test("XorrisoBackend reads the last commit while it commits", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-commit", ["", HOLD]);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  await store(backend, { a: "old", b: "b" });
  // Files on disk, for which a batch waits, so that there is only one.
  const [newer, c] = [
    await folder.file("newer", "newer"),
    await folder.file("c", "c"),
  ];
  const puts = [
    backend.put(newer, "a"),
    backend.put(c, "c"),
    backend.delete("b"),
  ];
  await hooked.held();
  assertEquals((await backend.list()).map(({ name }) => name), ["a", "b"]);
  assertEquals((await backend.query("a"))?.size, 3);
  assertEquals(await backend.query("c"), undefined);
  const part = await backend.readable("a", { verify: false });
  assertEquals(await new Response(part as BodyInit).text(), "old");
  await backend.get("b", `${folder.path}/b`, { verify: false });
  assertEquals(await Deno.readTextFile(`${folder.path}/b`), "b");
  // Nothing of it waits for xorriso, checksums neither.
  assertEquals(await textOf(backend, "a"), "old");
  assertEquals(
    (await backend.query("a", { md5: true }))?.md5,
    createHash("md5").update("old").digest("hex"),
  );
  const [restored] = await backend.getList(["a"], folder.path);
  assertEquals(restored?.error, undefined);
  const [verified] = await backend.verify(["a"]);
  assertEquals(verified?.state, "verified");
  assertEquals((await backend.sessions()).length, 1);
  await hooked.release();
  await Promise.all(puts);
  assertEquals(await textsOf(backend), { a: "newer", c: "c" });
});

Deno.test("XorrisoBackend shows readers no session that is taken back", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "newer");
  await using hooked = await hookXorriso(folder, AFTER_COMMIT, [
    "",
    `rm '${source}'; hold`,
  ]);
  await using backend = await openImage(folder, {
    ...ONE_BATCH,
    xorrisoPath: hooked.path,
  });
  await store(backend, { a: "old" });
  const results = outcomes([
    backend.put(source, "a"),
    backend.put(toBytes("b"), "b"),
  ]);
  await hooked.held();
  const list = async () =>
    (await backend.list()).map(({ name, size }) => [name, size]);
  assertEquals(await list(), [["a", 3]]);
  await hooked.release();
  assertEquals(await results, ["SOURCE_UNREADABLE", "ok"]);
  assertEquals(await list(), [["a", 3], ["b", 1]]);
  assertEquals(await textsOf(backend), { a: "old", b: "b" });
});

Deno.test("XorrisoBackend checks again what another writer may have made wrong", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, {
    xorrisoPath: hooked.path,
    autoCommit: false,
  });
  await store(backend, { gone: "gone" });
  await backend.commit();
  await backend.put(toBytes("x"), "a/below");
  await backend.put(toBytes("x"), "b", { overwrite: false });
  await backend.put(toBytes("x"), "c");
  await backend.put(toBytes("x"), "d");
  await backend.delete("gone");
  await hooked.kill("SIGKILL");
  {
    // It can be opened as soon as the lost session is noticed.
    await until(
      () =>
        openImage(folder).then((other) => other.close()).then(() => true)
          .catch(() => false),
      "the image is free",
    );
    await using other = await openImage(folder);
    await store(other, { a: "theirs", b: "theirs", c: "theirs" });
    await other.delete("gone");
  }
  await age(`${folder.path}/test.iso`);
  const error = await assertRejectsCode(backend.commit(), "ENTRY_EXISTS");
  assertInstanceOf(error.cause, AggregateError);
  assertEquals(await textsOf(backend), {
    a: "theirs",
    b: "theirs",
    c: "x",
    d: "x",
  });
});

Deno.test("XorrisoBackend does changes of one name in call order, and the last stands", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "from disk");
  await using backend = await openImage(folder);
  const { stream, finish } = makeStream("slow");
  const changes = [
    backend.put(toBytes("1"), "a"),
    backend.put(toBytes("2"), "a"),
    backend.put(stream, "b"),
    backend.put(source, "b"),
    backend.put(source, "c"),
    backend.delete("c"),
    backend.put(source, "d"),
    backend.delete("d"),
    backend.put(toBytes("again"), "d"),
  ];
  finish();
  await Promise.all(changes);
  assertEquals(await storedTextsAfter(backend, folder), {
    a: "2",
    b: "from disk",
    d: "again",
  });
});

Deno.test("XorrisoBackend does changes above and below each other in call order", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, ONE_BATCH);
  await store(backend, { file: "a file", "dir/only": "in it" });
  const { stream, finish } = makeStream("slow");
  const changes = [
    backend.delete("file"),
    backend.put(stream, "file/below"),
    backend.put(toBytes("fast"), "file/beside"),
    backend.put(toBytes("x"), "pending"),
    backend.delete("pending"),
    backend.put(toBytes("y"), "pending/now a directory"),
  ];
  const refused = outcomes([
    backend.put(toBytes("x"), "dir"),
    backend.put(toBytes("x"), "pending/now a directory/not this"),
    backend.put(toBytes("x"), "file"),
  ]);
  finish();
  await Promise.all(changes);
  assertEquals(await refused, Array(3).fill("ENTRY_EXISTS"));
  assertEquals(await storedTextsAfter(backend, folder), {
    "dir/only": "in it",
    "file/below": "slow",
    "file/beside": "fast",
    "pending/now a directory": "y",
  });
});

Deno.test("XorrisoBackend does calls of all kinds about one name in call order", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, ONE_BATCH);
  const apply = (text: string, name: string) =>
    backend.apply([{ kind: "file", name, source: toBytes(text) }]);
  await Promise.all([
    backend.put(toBytes("1"), "a"),
    apply("2", "a"),
    apply("1", "b"),
    backend.put(toBytes("2"), "b"),
    backend.put(toBytes("moved"), "from"),
    backend.rename("from", "to"),
    apply("anew", "from"),
  ]);
  assertEquals(await textsOf(backend), {
    ...{ a: "2", b: "2", from: "anew", to: "moved" },
  });
});

Deno.test("XorrisoBackend writes no session for what came and went", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, ONE_BATCH);
  await Promise.all([backend.put(toBytes("x"), "a"), backend.delete("a")]);
  assertEquals(await sessionsOf(backend), 0);
  await store(backend, { b: "b" });
  await Promise.all([backend.put(toBytes("x"), "a"), backend.delete("a")]);
  assertEquals(await sessionsOf(backend), 1);
  await backend.commit();
  await backend.commit();
  assertEquals(await sessionsOf(backend), 1);
});

Deno.test("XorrisoBackend rejects alone what fails before or at staging", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "sound");
  const vanishing = await folder.file("vanishing", "gone");
  await using hooked = await hookXorriso(folder, "-map", [
    "",
    `rm '${vanishing}'`,
  ]);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  await store(backend, { a: "old" });
  const results = await outcomes([
    backend.put(source, "b"),
    backend.put(`${folder.path}/none`, "c"),
    backend.put(vanishing, "a"),
    backend.delete("none"),
    backend.put(source, "a/below"),
    backend.put(source, "d"),
    // Too long for a line of xorriso's once it is quoted.
    backend.put(source, Array(39).fill("\x01".repeat(100)).join("/")),
  ]);
  assertEquals(results, [
    "ok",
    "SOURCE_UNREADABLE",
    "SOURCE_UNREADABLE",
    "ENTRY_NOT_FOUND",
    "ENTRY_EXISTS",
    "ok",
    "RangeError",
  ]);
  assertEquals(await sessionsOf(backend), 2);
  assertEquals(await storedTextsAfter(backend, folder), {
    a: "old",
    b: "sound",
    d: "sound",
  });
});

Deno.test("XorrisoBackend.put() of what only xorriso cannot read keeps the older file", async () => {
  await using folder = await makeFolder();
  const [sound, secret] = [
    await folder.file("sound", "sound"),
    await folder.file("secret", "secret"),
  ];
  // To root it makes no difference what may be read, so xorriso goes without.
  const blind = await makeScript(
    folder,
    "blind-xorriso",
    `p=; [ "$(id -u)" != 0 ] || p="setpriv --bounding-set=-dac_override,-dac_read_search"
     exec $p xorriso "$@"`,
  );
  await using backend = await openImage(folder, {
    xorrisoPath: blind,
    ...ONE_BATCH,
  });
  await store(backend, { a: "old", b: "b" });
  await Deno.chmod(secret, 0o000);
  assertEquals(
    await outcomes([
      backend.put(secret, "a"),
      backend.put(sound, "c"),
      backend.delete("b"),
    ]),
    ["SOURCE_UNREADABLE", "ok", "ok"],
  );
  assertEquals(await storedTextsAfter(backend, folder), {
    a: "old",
    c: "sound",
  });
});

Deno.test("XorrisoBackend.put() without autoCommit resolves when it is staged", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, { autoCommit: false });
  for (const name of ["a", "b", "c"]) await backend.put(toBytes(name), name);
  await backend.delete("b");
  assertEquals(await sessionsOf(backend), 0);
  assertEquals(await backend.list(), []);
  await backend.commit();
  assertEquals(await sessionsOf(backend), 1);
  assertEquals(await storedTextsAfter(backend, folder), { a: "a", c: "c" });
});

Deno.test("XorrisoBackend.commit() waits for what was asked for before", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, { autoCommit: false });
  const { stream, finish } = makeStream("slow");
  const put = backend.put(stream, "slow");
  const commit = backend.commit();
  assert(await isPending(commit));
  finish();
  await commit;
  await put;
  assertEquals(await textsOf(backend), { slow: "slow" });
});

Deno.test("XorrisoBackend.commit() and rollback() count a thousand calls made just before", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "content");
  await using backend = await openImage(folder, { autoCommit: false });
  const putAll = (prefix: string) =>
    Array.from(
      { length: 1000 },
      (_, i) => backend.put(source, `${prefix}${i}`),
    );
  const kept = putAll("kept");
  await backend.commit();
  const taken = outcomes(putAll("taken"));
  await backend.rollback();
  await Promise.all(kept);
  // Some have been staged before.
  assertEquals(new Set(await taken).difference(new Set(["ok"])).size, 1);
  await backend.commit();
  assertEquals((await backend.list()).length, 1000);
  assertEquals(await sessionsOf(backend), 1);
});

Deno.test("XorrisoBackend.commit() resolves only when all before it is written", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-commit", [HOLD]);
  await using backend = await openImage(folder, {
    autoCommit: false,
    xorrisoPath: hooked.path,
  });
  await backend.put(toBytes("a"), "a");
  const commits = [backend.commit(), backend.commit(), backend.commit()];
  await hooked.held();
  commits.push(backend.commit());
  assert(await isPending(Promise.any(commits)));
  await hooked.release();
  await Promise.all(commits);
  assertEquals(await sessionsOf(backend), 1);
});

Deno.test("XorrisoBackend.commit() throws what failed, and stores the rest", async () => {
  await using folder = await makeFolder();
  const lost = await folder.file("lost", "lost");
  const gone = await folder.file("gone", "gone");
  await using backend = await openImage(folder, { autoCommit: false });
  await backend.put(lost, "lost");
  await backend.put(toBytes("sound"), "sound");
  await backend.put(gone, "gone");
  await Deno.remove(lost);
  await Deno.remove(gone);
  const [error, again] = await Promise.all([
    assertRejectsCode(backend.commit(), "SOURCE_UNREADABLE"),
    assertRejectsCode(backend.commit(), "SOURCE_UNREADABLE"),
  ]);
  assertEquals([error.path, again.path], [lost, lost]);
  const { cause } = error;
  const all: unknown[] = cause instanceof AggregateError ? cause.errors : [];
  assertEquals(
    all.map((each) => assertCode(each, "SOURCE_UNREADABLE").path),
    [lost, gone],
  );
  assertEquals(await textsOf(backend), { sound: "sound" });
  await backend.commit();
});

Deno.test("XorrisoBackend.rollback() rejects what is pending with ABORTED", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, {
    commitDelay: NEVER,
    commitMax: NEVER,
  });
  const put = backend.put(toBytes("a"), "a");
  const remove = put.catch(() => backend.put(toBytes("b"), "b"));
  await backend.rollback();
  const error = await assertRejectsCode(put, "ABORTED");
  assertEquals(error.path, "a");
  // What comes after it is not concerned.
  await until(async () => !await isPending(backend.query("b")), "it is read");
  await backend.commit();
  await remove;
  assertEquals(await textsOf(backend), { b: "b" });
});

Deno.test("XorrisoBackend.rollback() does not wait for a stalled stream", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, { tempDir: folder.path });
  const cancelled = Promise.withResolvers<unknown>();
  const stalled = new ReadableStream<Uint8Array>({
    cancel: (reason) => cancelled.resolve(reason),
  });
  const puts = [
    backend.put(stalled, "a"),
    backend.put(toBytes("after it"), "a"),
  ];
  const results = outcomes(puts);
  await backend.rollback();
  assertEquals(await results, ["ABORTED", "ABORTED"]);
  assertCode(await cancelled.promise, "ABORTED");
  await store(backend, { a: "anew" });
  assertEquals(await textsOf(backend), { a: "anew" });
});

Deno.test("XorrisoBackend.rollback() leaves alone what is being written", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-commit", [HOLD]);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  const first = backend.put(toBytes("1"), "first");
  await hooked.held();
  const second = outcomes([backend.put(toBytes("2"), "second")]);
  // It does not even wait for that.
  await backend.rollback();
  assert(await isPending(first));
  await hooked.release();
  await first;
  assertEquals(await second, ["ABORTED"]);
  assertEquals(await textsOf(backend), { first: "1" });
});

Deno.test("await using discards what was not committed", async () => {
  await using folder = await makeFolder();
  const puts: Promise<string[]>[] = [];
  {
    await using backend = await openImage(folder, {
      commitDelay: NEVER,
      commitMax: NEVER,
    });
    puts.push(outcomes([
      backend.put(toBytes("a"), "a"),
      backend.put(new ReadableStream(), "stalled"),
    ]));
  }
  assertEquals(await Promise.all(puts), [["ABORTED", "ABORTED"]]);
  // An image that was made and not written to is not left behind.
  assertEquals(await exists(`${folder.path}/test.iso`), false);
});

Deno.test("XorrisoBackend.close() commits what is pending, then refuses", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, {
    commitDelay: NEVER,
    commitMax: NEVER,
  });
  const put = backend.put(toBytes("a"), "a");
  const closes = [backend.close(), backend.close()];
  const refused = [
    backend.put(toBytes("b"), "b"),
    backend.delete("a"),
    backend.get("a", `${folder.path}/a`),
    backend.getList(["a"], folder.path),
    backend.readable("a"),
    backend.list(),
    backend.query("a"),
    backend.queryList(["a"]),
    backend.verify(),
    backend.commit(),
    backend.rollback(),
    backend.medium(),
    backend.sessions(),
    backend.room(),
  ];
  assertEquals(await outcomes(refused), refused.map(() => "CLOSED"));
  const results = await Promise.all([put, ...closes, backend.close()]);
  assertEquals(results, [undefined, undefined, undefined, undefined]);
  assertEquals(await storedTexts(folder), { a: "a" });
});

Deno.test("XorrisoBackend.close() ends for good, whatever is under way", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using hooked = await hookXorriso(folder, "-none", []);
  const backend = await openImage(folder, { xorrisoPath: hooked.path });
  const names = Array.from(
    { length: 20 },
    (_, index) => `${index}/${"d/".repeat(60)}file`,
  );
  await Promise.all(names.map((name) => backend.put(source, name)));
  const reads = outcomes([
    // To make all these folders takes longer than to end xorriso.
    backend.getList(names, `${folder.path}/out`),
    backend.get(names[0] ?? "", `${folder.path}/a`),
    backend.verify(),
    backend.list({ md5: true }),
  ]);
  await backend.close();
  const [first, ...others] = await reads;
  assertEquals(first, "CLOSED");
  for (const other of others) assert(other === "ok" || other === "CLOSED");
  assertEquals((await hooked.pids()).length, 1);
});

Deno.test("XorrisoBackend.close() tells a failed commit once, and ends all the same", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  const error = await rejection((async () => {
    await using backend = await openImage(folder, { autoCommit: false });
    await backend.put(source, "a");
    await Deno.remove(source);
    await backend.close();
  })());
  assertCode(error, "SOURCE_UNREADABLE");
  await using backend = await openImage(folder);
  await store(backend, { a: "a" });
});

Deno.test("XorrisoBackend.put() is taken back by its signal until it is sent", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-commit", [HOLD]);
  await using backend = await openImage(folder, {
    commitDelay: NEVER,
    commitMax: NEVER,
    xorrisoPath: hooked.path,
  });
  const reason = Object.assign(new Error(), { name: "ReasonError" });
  assertEquals(
    await rejection(
      backend.put(toBytes("x"), "x", { signal: AbortSignal.abort(reason) }),
    ),
    reason,
  );
  const early = new AbortController();
  const late = new AbortController();
  const staged = [
    backend.put(toBytes("first"), "both"),
    backend.put(toBytes("kept"), "kept", { signal: late.signal }),
  ];
  staged[1]?.catch(() => {}); // looked at below
  const { signal } = early;
  const taken = outcomes([
    backend.put(toBytes("x"), "taken back", { signal }),
    backend.put(toBytes("second"), "both", { signal }),
    backend.put(new ReadableStream(), "stalled", { signal }),
    backend.put(toBytes("x"), "stalled", { signal }),
  ]);
  // It may come at any moment: here some are in the batch already.
  await backend.medium();
  early.abort(reason);
  assertEquals(await taken, Array(4).fill("ReasonError"));
  const commit = backend.commit();
  await hooked.held();
  late.abort(reason);
  // It is told at once; what others have in the batch is written all the same.
  assertEquals(await rejection(staged[1] ?? commit), reason);
  await hooked.release();
  await Promise.all([commit, staged[0]]);
  assertEquals(await textsOf(backend), { both: "first", kept: "kept" });
  assertEquals((await hooked.pids()).length, 1);
});

Deno.test("XorrisoBackend.delete() is taken back by its signal, with what rests on it", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, ONE_BATCH);
  await store(backend, { a: "a file" });
  const controller = new AbortController();
  const { signal } = controller;
  const changes = [
    backend.delete("a", { signal }),
    backend.put(toBytes("x"), "a/below"),
    backend.put(toBytes("b"), "b"),
  ];
  await backend.medium();
  controller.abort();
  assertEquals(await outcomes(changes), ["AbortError", "ENTRY_EXISTS", "ok"]);
  assertEquals(await textsOf(backend), { a: "a file", b: "b" });
});

Deno.test("XorrisoBackend rolls a failed commit back and rejects all in it", async () => {
  await using folder = await makeFolder();
  {
    await using backend = await openImage(folder);
    await store(backend, { a: "old", b: "b" });
  }
  const image = `${folder.path}/test.iso`;
  // From here on xorriso can write no file beyond 1 MiB.
  await using hooked = await hookXorriso(
    folder,
    "-commit",
    [],
    "trap '' XFSZ; ulimit -f 2048",
  );
  await using backend = await openImage(folder, {
    ...ONE_BATCH,
    xorrisoPath: hooked.path,
  });
  const before = await fingerprint(image);
  const large = await folder.file("large", new Uint8Array(2e6));
  const listed = await backend.list();
  const changes = [
    backend.put(toBytes("new"), "a"),
    backend.delete("b"),
    backend.put(large, "large"),
  ];
  const errors = await Promise.all(changes.map(rejection));
  const [error] = errors.map((each) => assertCode(each, "MEDIUM_FULL"));
  assert((error?.needed ?? 0) >= 2e6);
  assert(errors.every((each) => each === errors[0]));
  assertEquals((await Deno.stat(image)).size, Number(before.split(",")[2]));
  assertEquals(await backend.list(), listed);
  assertEquals(await textsOf(backend), { a: "old", b: "b" });
  // What fits is stored afterwards.
  await backend.put(toBytes("c"), "c");
  assertEquals(await textsOf(backend), { a: "old", b: "b", c: "c" });
});

Deno.test("XorrisoBackend knows its names after a commit without reading all again", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  await Promise.all(
    Array.from({ length: 100 }, (_, i) => backend.put(source, `dir/${i}`)),
  );
  for (let i = 0; i < 3; i++) await backend.put(source, `new/${i}`);
  await Promise.all([backend.put(source, "dir/7"), backend.delete("dir/8")]);
  // xorriso is not asked for names at all.
  assertEquals((await hooked.lines()).filter((l) => l.includes("-find")), []);
  const lines = (await hooked.lines()).length;
  assertEquals((await backend.list()).length, 102);
  assertEquals(await backend.query("dir/8"), undefined);
  const entries = await Promise.all(
    (await backend.list()).map(({ name }) => backend.query(name)),
  );
  assertEquals((await hooked.lines()).length, lines);
  // What it knows is what the medium has.
  await using other = await makeFolder();
  await Deno.copyFile(`${folder.path}/test.iso`, `${other.path}/test.iso`);
  await using fresh = await openImage(other, { readOnly: true });
  assertEquals(byName(entries), byName(await fresh.list()));
});

function byName(entries: readonly ({ readonly name: string } | undefined)[]) {
  return Object.fromEntries(entries.map((entry) => [entry?.name, entry]));
}

Deno.test("XorrisoBackend keeps old extents where they are", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { a: "a" });
  const entry = await backend.query("a");
  const reading = await backend.readable("a");
  await store(backend, { a: "other", b: "b" });
  assertEquals(await new Response(reading as BodyInit).text(), "a");
  const start = (entry?.extents[0]?.lba ?? 0) * 2048;
  const bytes = await Deno.readFile(`${folder.path}/test.iso`);
  assertEquals(bytes.subarray(start, start + 2), toBytes("a\0"));
});

Deno.test("XorrisoBackend.put() keeps no temporary file when it has settled", async () => {
  await using folder = await makeFolder();
  await using temp = await makeFolder();
  await using backend = await openImage(folder, { tempDir: temp.path });
  const files = async () => {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(temp.path)) {
      for await (const file of Deno.readDir(`${temp.path}/${name}`)) {
        // It tells whether its program is still there.
        if (file.name !== "owner") names.push(file.name);
      }
    }
    return names;
  };
  const failing = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("broken")),
  });
  await outcomes([
    backend.put(toBytes("a"), "a"),
    backend.put(toBytes("b"), "a/below"),
    backend.put(toBytes("c"), "c", { overwrite: false }),
    backend.put(failing, "d"),
  ]);
  assertEquals(await files(), []);
  await backend.close();
  for await (const { name } of Deno.readDir(temp.path)) {
    throw new Error(`${name} is left behind`);
  }
});

Deno.test("XorrisoBackend.put() rejects when its temporary file is taken away", async () => {
  await using folder = await makeFolder();
  await using temp = await makeFolder();
  await using backend = await openImage(folder, {
    tempDir: temp.path,
    autoCommit: false,
  });
  await backend.put(toBytes("a"), "a");
  await backend.put(await folder.file("b", "b"), "b");
  for await (const { name } of Deno.readDir(temp.path)) {
    await Deno.remove(`${temp.path}/${name}`, { recursive: true });
  }
  await assertRejectsCode(backend.commit(), "SOURCE_UNREADABLE");
  assertEquals(await textsOf(backend), { b: "b" });
});

Deno.test("XorrisoBackend.put() with verify reads the stored file back", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  const source = await folder.file("source", "this is the content");
  // Before they are read again, changes the stored bytes, unseen.
  await using hooked = await hookXorriso(folder, AFTER_COMMIT, [
    "",
    `touch -r '${image}' "$dir/time"
     at=$(grep -abo 'this is the content' '${image}' | tail -n 1 | cut -d: -f1)
     printf THAT | dd of='${image}' bs=1 seek=$at conv=notrunc
     touch -r "$dir/time" '${image}'`,
  ]);
  await using backend = await openImage(folder, {
    ...ONE_BATCH,
    xorrisoPath: hooked.path,
  });
  await store(backend, { a: "old" });
  const results = await outcomes([
    backend.put(source, "a", { verify: true }),
    backend.put(toBytes("stream"), "b", { verify: true }),
    backend.put(toBytes("c"), "c"),
  ]);
  assertEquals(results, ["CHECKSUM_MISMATCH", "ok", "ok"]);
  assertEquals(await storedTextsAfter(backend, folder), {
    a: "old",
    b: "stream",
    c: "c",
  });
});

Deno.test("XorrisoBackend.open() can be given up by its signal", async () => {
  await using folder = await makeFolder();
  const reason = new Error("Too late");
  const signal = AbortSignal.abort(reason);
  assertEquals(
    await rejection(
      XorrisoBackend.open(urlOf(folder), { create: true, signal }),
    ),
    reason,
  );
  assertEquals(await exists(`${folder.path}/test.iso`), false);
  // Once it is open, the signal is not heeded any more.
  const controller = new AbortController();
  await using backend = await openImage(folder, { signal: controller.signal });
  controller.abort();
  await store(backend, { a: "a" });
  assertEquals(await textOf(backend, "a"), "a");
});
