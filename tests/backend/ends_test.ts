import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type Change, XorrisoBackend } from "../../mod.ts";
import {
  hookXorriso,
  openImage,
  outcomes,
  store,
  storedTexts,
  textsOf,
  urlOf,
} from "../support/backends.ts";
import {
  assertCode,
  assertRejectsCode,
  exists,
  grows,
  hash,
  isAlive,
  makeFolder,
  makeSparse,
  noise,
  readAll,
  rejection,
  toBytes,
  until,
  writeSession,
} from "../support/helpers.ts";

/** A delay that no test lives to see. */
const NEVER = 1e6;

const reason = Object.assign(new Error("Enough"), { name: "ReasonError" });

/** A stream that gives nothing, and does not even hear that it is cancelled. */
function stuckStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({ cancel: () => new Promise(() => {}) });
}

/** A sink that takes nothing, and does not hear that it is given up. */
function stuckSink(): WritableStream<Uint8Array> {
  const forever = () => new Promise<void>(() => {});
  return new WritableStream({ write: forever, abort: forever });
}

Deno.test("XorrisoBackend.commit() and blank() hear their signal beside a stuck stream", async () => {
  await using folder = await makeFolder();
  const backend = await openImage(folder, { autoCommit: false });
  const stuck = outcomes([backend.put(stuckStream(), "stuck")]);
  await backend.put(toBytes("ready"), "ready");
  const signal = AbortSignal.timeout(50);
  assertEquals(
    await outcomes([
      backend.commit({ signal }),
      backend.blank({ force: true, signal }),
      backend.finish({ signal }),
    ]),
    Array(3).fill("TimeoutError"),
  );
  await backend.rollback();
  assertEquals(await stuck, ["ABORTED"]);
  await backend.close();
});

Deno.test("XorrisoBackend.commit() waits for no stream that stands still, nor for what is behind it", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "last");
  const backend = await openImage(folder, { autoCommit: false });
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const puts = [backend.put(readable, "a"), backend.put(source, "a")];
  await backend.put(toBytes("ready"), "ready");
  await backend.commit();
  assertEquals(await textsOf(backend), { ready: "ready" });
  // They are part of the next session.
  await store(backend, { b: "b" });
  const writer = writable.getWriter();
  await writer.write(toBytes("first"));
  await writer.close();
  await Promise.all(puts);
  await backend.close();
  assertEquals(await storedTexts(folder), {
    ...{ a: "last", b: "b", ready: "ready" },
  });
});

Deno.test("XorrisoBackend.put() behind a stuck stream of its name goes on when one of them is given up", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  const [first, second] = [new AbortController(), new AbortController()];
  const puts = outcomes([
    backend.put(stuckStream(), "a", { signal: first.signal }),
    backend.put(toBytes("2"), "a", { signal: second.signal }),
    backend.put(toBytes("3"), "a"),
  ]);
  second.abort(reason);
  await store(backend, { other: "x" });
  first.abort(reason);
  assertEquals(await puts, ["ReasonError", "ReasonError", "ok"]);
  assertEquals(await textsOf(backend), { a: "3", other: "x" });
});

Deno.test("XorrisoBackend.apply() holds no other call while its stream stands still", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  const controller = new AbortController();
  const { signal } = controller;
  const changes: Change[] = [
    { kind: "file", name: "stuck", source: stuckStream() },
    { kind: "folder", name: "folder" },
  ];
  const applying = rejection(backend.apply(changes, { signal }));
  await backend.put(toBytes("other"), "other");
  assertEquals(await textsOf(backend), { other: "other" });
  controller.abort(reason);
  assertEquals(await applying, reason);
});

Deno.test("XorrisoBackend.apply() ends at once by its signal while it prepares, and stores nothing", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, { autoCommit: false });
  const controller = new AbortController();
  let read = 0;
  const changes = Array.from({ length: 3000 }, (_, i): Change => ({
    kind: "file",
    name: `${i}`,
    source: new ReadableStream<Uint8Array>({
      pull(stream) {
        if (++read === 1000) controller.abort(reason);
        stream.close();
      },
    }, { highWaterMark: 0 }),
  }));
  const { signal } = controller;
  assertEquals(await rejection(backend.apply(changes, { signal })), reason);
  await backend.commit();
  assert(read < 2000, `${read} sources were read`);
  assertEquals(await backend.list(), []);
});

Deno.test("XorrisoBackend.apply() tells what a rollback has taken out of the plan", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  const applying = backend.apply([
    { kind: "file", name: "a", source: toBytes("a") },
    { kind: "file", name: "b", source: stuckStream() },
  ]);
  // The first is in the plan by then.
  await backend.query("a", { md5: true });
  await backend.medium();
  await backend.rollback();
  assertEquals(
    (await applying).map(({ error }) => assertCode(error, "ABORTED").code),
    ["ABORTED", "ABORTED"],
  );
  await store(backend, { c: "c" });
  assertEquals(await textsOf(backend), { c: "c" });
});

Deno.test("XorrisoBackend.close() waits for no stream that stands still, and commits the rest", async () => {
  await using folder = await makeFolder();
  const backend = await openImage(folder, {
    commitDelay: NEVER,
    commitMax: NEVER,
  });
  const puts = outcomes([
    backend.put(stuckStream(), "stuck"),
    backend.put(toBytes("behind it"), "stuck"),
    backend.put(toBytes("other"), "other"),
  ]);
  await backend.close();
  await backend[Symbol.asyncDispose]();
  assertEquals(await puts, ["CLOSED", "ok", "ok"]);
  assertEquals(await storedTexts(folder), {
    other: "other",
    stuck: "behind it",
  });
});

Deno.test("await using ends beside a stuck stream and a stuck sink", async () => {
  await using folder = await makeFolder();
  const calls: Promise<string[]>[] = [];
  {
    await using backend = await openImage(folder);
    await store(backend, { a: "a" });
    calls.push(outcomes([
      backend.put(stuckStream(), "stuck"),
      backend.get("a", stuckSink()),
    ]));
    await backend.query("none");
  }
  assertEquals(await Promise.all(calls), [["ABORTED", "CLOSED"]]);
});

Deno.test("XorrisoBackend.get() hears its signal while its sink takes nothing", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await backend.put(noise(5e6), "a");
  const controller = new AbortController();
  const { signal } = controller;
  const getting = rejection(backend.get("a", stuckSink(), { signal }));
  await backend.medium();
  controller.abort(reason);
  assertEquals(await getting, reason);
});

Deno.test("XorrisoBackend.readable() opens nothing before it is read, and close() ends the rest", async () => {
  await using folder = await makeFolder();
  const bytes = noise(3e6);
  const backend = await openImage(folder);
  await backend.put(bytes, "a");
  // What is still open in the end fails the test.
  const streams: ReadableStream<Uint8Array<ArrayBuffer>>[] = [];
  for (let i = 0; i < 50; i++) {
    streams.push(await backend.readable("a", { verify: i % 2 === 0 }));
  }
  const next = () => streams.shift() ?? new ReadableStream();
  const [whole, begun, byob, unread] = [next(), next(), next(), next()];
  assertEquals(await readAll(whole), bytes);
  const own = byob.getReader({ mode: "byob" });
  const { value } = await own.read(new Uint8Array(1000));
  assertEquals(value, bytes.slice(0, 1000));
  const reader = begun.getReader();
  await reader.read();
  await backend.close();
  await assertRejectsCode(own.read(new Uint8Array(9)), "CLOSED");
  await assertRejectsCode(
    (async () => {
      while (!(await reader.read()).done);
    })(),
    "CLOSED",
  );
  await assertRejectsCode(readAll(unread), "CLOSED");
});

Deno.test("XorrisoBackend.readable() reads nothing before it is asked to", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  await using backend = await openImage(folder);
  await store(backend, { a: "content" });
  const stream = await backend.readable("a");
  // Whatever else is ready has run.
  await backend.medium();
  await Deno.rename(image, `${image}.moved`);
  await assertRejectsCode(readAll(stream), "MEDIUM_CHANGED");
  await Deno.rename(`${image}.moved`, image);
});

Deno.test("XorrisoBackend takes thousands of changes back in one turn without a stop", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using backend = await openImage(folder, { autoCommit: false });
  const controller = new AbortController();
  const { signal } = controller;
  await Promise.all(
    Array.from(
      { length: 9000 },
      (_, i) => backend.put(source, `${i % 90}/${i}`, { signal }),
    ),
  );
  await backend.put(source, "kept");
  const begin = performance.now();
  controller.abort();
  await new Promise((resolve) => setTimeout(resolve));
  const turn = performance.now() - begin;
  // It was 50 s; on an idle machine it is 20 ms.
  assert(turn < 2000, `${turn} ms`);
  await backend.commit();
  assertEquals(await textsOf(backend), { kept: "x" });
});

Deno.test("XorrisoBackend stops a commit that nobody wants any more", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  const large = await makeSparse(`${folder.path}/large`);
  await using backend = await openImage(folder);
  await store(backend, { a: "old" });
  const controllers = [new AbortController(), new AbortController()];
  const puts = controllers.map(({ signal }, i) =>
    rejection(backend.put(large, i === 0 ? "a" : "b", { signal }))
  );
  await grows(image, Promise.all(puts));
  for (const controller of controllers) controller.abort(reason);
  assertEquals(await Promise.all(puts), [reason, reason]);
  // Who took them back has been told.
  await backend.commit();
  assertEquals(await textsOf(backend), { a: "old" });
  assertEquals((await backend.sessions()).length, 1);
});

Deno.test("await using stops a commit under way, and the image is as before", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  const large = await makeSparse(`${folder.path}/large`);
  const puts: Promise<string[]>[] = [];
  let before = "";
  {
    await using backend = await openImage(folder);
    await store(backend, { a: "old" });
    before = await hash(image);
    puts.push(outcomes([backend.put(large, "a")]));
    await grows(image, puts[0]);
  }
  assertEquals(await Promise.all(puts), [["ABORTED"]]);
  assertEquals(await hash(image), before);
});

Deno.test("XorrisoBackend tells by onMessage that changes are discarded that nobody has committed", async () => {
  await using folder = await makeFolder();
  const lines: string[] = [];
  {
    await using backend = await openImage(folder, {
      autoCommit: false,
      onMessage: (line) => lines.push(line),
    });
    await backend.put(toBytes("x"), "a");
    await backend.put(toBytes("x"), "b");
  }
  assertStringIncludes(lines.join("\n"), "WARNING : 2 changes are discarded");
});

Deno.test("XorrisoBackend gives the image back when it is idle, and goes on when called", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, {
    autoCommit: false,
    idleClose: 1,
    xorrisoPath: hooked.path,
  });
  await backend.put(toBytes("a"), "a");
  await backend.commit();
  await backend.put(toBytes("b"), "b");
  // Another program can have it now, and change it.
  {
    await using other = await openImage(folder, { lockTimeout: 20_000 });
    await store(other, { theirs: "theirs" });
  }
  await backend.commit();
  assertEquals(await textsOf(backend), { a: "a", b: "b", theirs: "theirs" });
  assert((await hooked.pids()).length > 1);
});

Deno.test("XorrisoBackend does nothing to an image that came in the place of the one given back", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, {
    autoCommit: false,
    idleClose: 1,
    xorrisoPath: hooked.path,
  });
  await store(backend, { a: "a" });
  await backend.commit();
  await backend.delete("a");
  const pid = await hooked.newest();
  await until(() => !isAlive(pid), "it is given back");
  await Deno.remove(backend.device);
  await writeSession(backend.device, { "/a": "other" }, ["-volid", "OTHER"]);
  const before = await hash(backend.device);
  await assertRejectsCode(backend.commit(), "MEDIUM_CHANGED");
  assertEquals(await hash(backend.device), before);
});

Deno.test("XorrisoBackend.put() refuses before it keeps a stream that cannot be stored", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, { tempDir: folder.path });
  await store(backend, { a: "a", "d/x": "x" });
  const never = () =>
    new ReadableStream<Uint8Array>({
      pull() {
        throw new Error("It was read");
      },
    }, { highWaterMark: 0 });
  const keep = { overwrite: false };
  assertEquals(
    await outcomes([
      backend.put(never(), "a", keep),
      backend.put(never(), "a/b"),
      backend.put(never(), "d"),
      backend.put(never(), "new", { size: 2 ** 50 }),
      backend.put(new Uint8Array(5), "a", keep),
    ]),
    [
      ...["ENTRY_EXISTS", "ENTRY_EXISTS", "ENTRY_EXISTS", "MEDIUM_FULL"],
      "ENTRY_EXISTS",
    ],
  );
  // What an earlier call makes of the name counts.
  await Promise.all([
    backend.delete("a"),
    backend.put(new Blob(["anew"]).stream(), "a", keep),
  ]);
  assertEquals(await textsOf(backend), { a: "anew", "d/x": "x" });
});

Deno.test("XorrisoBackend.put() of bytes of any size shares a session with others", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, {
    commitDelay: 1,
    commitMax: 60_000,
  });
  await Promise.all([
    backend.put(noise(32 << 20), "large"),
    backend.put(noise(1), "small"),
    backend.put(new Blob(["x".repeat(1 << 20)]), "blob"),
  ]);
  assertEquals((await backend.sessions()).length, 1);
});

Deno.test("XorrisoBackend.put() tells how far it is, while it reads and while it writes", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  const reports: string[] = [];
  await backend.put(
    ReadableStream.from([noise(1000), noise(500_000)]),
    "a",
    {
      size: 501_000,
      onProgress: ({ phase, done, total }) =>
        reports.push(`${phase} ${done} of ${total}`),
    },
  );
  assertEquals(reports.slice(0, 2), [
    "reading 1000 of 501000",
    "reading 501000 of 501000",
  ]);
});

Deno.test("XorrisoBackend.open() takes paths and URL objects", async () => {
  await using folder = await makeFolder();
  const device = `${folder.path}/100 %? mine#.iso`;
  {
    await using backend = await XorrisoBackend.open(
      { device, directory: "a b/c%" },
      { create: true },
    );
    await store(backend, { x: "x" });
  }
  await using whole = await XorrisoBackend.open({ device }, { readOnly: true });
  assertEquals(await textsOf(whole), { "a b/c%/x": "x" });
  await using writer = await openImage(folder);
  await store(writer, { y: "y" });
  await writer.close();
  await using backend = await XorrisoBackend.open(
    new URL(`${urlOf(folder)}:/`),
    { readOnly: true },
  );
  assertEquals(await textsOf(backend), { y: "y" });
  const open = (place: URL | { device: string; directory?: string }) =>
    XorrisoBackend.open(place);
  assertEquals(
    await outcomes([
      // Its colon is gone already.
      open(new URL("xorriso://photos.iso:/2026")),
      open(new URL("xorriso:///photos.iso#a")),
      open(new URL("https://example.com/")),
      open({ device: "" }),
      open({ device, directory: "../x" }),
    ]),
    Array(5).fill("TypeError"),
  );
  assertEquals(await exists("photos.iso"), false);
});
