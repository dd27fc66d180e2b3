import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { findSession } from "../../src/backend/snapshot.ts";
import { XorrisoBackend } from "../../mod.ts";
import {
  AFTER_COMMIT,
  HOLD,
  hookXorriso,
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
  assertCode,
  assertRejectsCode,
  execute,
  type Folder,
  hash,
  makeFolder,
  noise,
  readAll,
  rejection,
  toBytes,
} from "../support/helpers.ts";

const CONFIG = fromFileUrl(import.meta.resolve("../../deno.json"));

/** Runs a script that may read the image alone, where no program can be found. */
async function runReader(folder: Folder, body: string): Promise<string> {
  const module = JSON.stringify(new URL("../../mod.ts", import.meta.url).href);
  const program = await folder.file(
    "reader.ts",
    `import { XorrisoBackend } from ${module};
await using backend = await XorrisoBackend.open(
  ${JSON.stringify(urlOf(folder))},
  { readOnly: true },
);
${body}`,
  );
  const { stdout, stderr } = await execute(
    Deno.execPath(),
    [
      ...["run", "--quiet", "--no-prompt", "--no-check", "--config", CONFIG],
      ...[`--allow-read=${folder.path}/test.iso`, program],
    ],
    { env: { PATH: "" } },
  );
  assertEquals(stderr, "");
  return stdout;
}

Deno.test("XorrisoBackend reads an image without xorriso, by the permission for it alone", async () => {
  await using folder = await makeFolder();
  {
    await using backend = await openImage(folder, { volumeId: "MINE" });
    await store(backend, { "a/b": "content", c: "c" });
  }
  const output = await runReader(
    folder,
    `const text = async (stream) => await new Response(stream).text();
const [state] = await backend.verify(["c"]);
const sums = await backend.list({ md5: true });
const results = [
  sums.map(({ name, md5 }) => [name, md5?.length]),
  (await backend.query("a/"))?.type,
  await text(await backend.readable("a/b")),
  await text(await backend.readable("a/b", { offset: 3, length: 3 })),
  state.state,
  (await backend.sessions()).map(({ date }) => date instanceof Date),
  (await backend.medium()).volumeId,
  backend.writable,
  await backend.put(new Uint8Array(1), "x").catch(({ code }) => code),
];
console.log(JSON.stringify(results));`,
  );
  assertEquals(JSON.parse(output), [
    [["a/b", 32], ["c", 32]],
    "directory",
    "content",
    "ten",
    "verified",
    [true],
    "MINE",
    false,
    "MEDIUM_NOT_WRITABLE",
  ]);
});

Deno.test("XorrisoBackend.list() tells type, mode, owner, time and link of each entry", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "content");
  await Deno.chmod(source, 0o640);
  const mtime = new Date("1999-12-31T23:59:59Z");
  await Deno.utime(source, mtime, mtime);
  await using backend = await openImage(folder);
  await backend.apply([
    { kind: "file", name: "d/f", source },
    { kind: "link", name: "l", text: "d/f" },
    { kind: "folder", name: "d", attributes: { mode: 0o750, mtime } },
  ]);
  const all = await backend.list({ all: true });
  const told = all.map(({ name, type, size, mode, mtime, link }) => {
    return { name, type, size, mode, time: mtime.getTime(), link };
  });
  const time = mtime.getTime();
  const link = told.find(({ name }) => name === "l");
  assertEquals([link?.type, link?.link, link?.size], ["link", "d/f", 0]);
  assertEquals(
    told.filter(({ name }) => name !== "l"),
    [
      ...[
        { name: "d", type: "directory", size: 0, mode: 0o750 },
        { name: "d/f", type: "file", size: 7, mode: 0o640 },
      ].map((each) => ({ ...each, time, link: undefined })),
    ] as typeof told,
  );
  const entry = await backend.query("d/f");
  const { uid, gid } = await Deno.stat(source);
  assertEquals([entry?.uid, entry?.gid], [uid, gid]);
  assertEquals((await backend.list()).map(({ name }) => name), ["d/f"]);
});

Deno.test("XorrisoBackend shows a reader beside a writer one session, whole", async () => {
  await using folder = await makeFolder();
  await using writer = await openImage(folder);
  let goesOn = true;
  let count = 0;
  const write = async () => {
    for (; goesOn; count++) {
      const text = `${count}`.repeat(100);
      await Promise.all([
        writer.put(toBytes(text), "a"),
        writer.put(toBytes(text), `dir/${count % 5}`),
        writer.put(toBytes(text), "z"),
      ]);
    }
  };
  await store(writer, { a: "", "dir/0": "", z: "" });
  const writing = write();
  try {
    for (let i = 0; i < 60; i++) {
      // It is not waited for until nobody has written to it for a while.
      await using reader = await XorrisoBackend.open(urlOf(folder), {
        readOnly: true,
      });
      const { a, z, ...others } = await textsOf(reader);
      assertEquals(z, a);
      assert(a === "" || Object.values(others).includes(a ?? ""));
    }
  } finally {
    goesOn = false;
    await writing;
  }
  assert(count > 0);
});

Deno.test("XorrisoBackend tells a reader that its session has been taken back", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", noise(3 << 20));
  await using hooked = await hookXorriso(folder, AFTER_COMMIT, [
    "",
    `rm '${source}'; ${HOLD}`,
  ]);
  await using writer = await openImage(folder, {
    ...ONE_BATCH,
    xorrisoPath: hooked.path,
  });
  await store(writer, { a: "old" });
  const results = outcomes([
    writer.put(source, "b"),
    writer.put(toBytes("other"), "c"),
  ]);
  await hooked.held();
  await using reader = await XorrisoBackend.open(urlOf(folder), {
    readOnly: true,
  });
  const names = (await reader.list()).map(({ name }) => name).sort();
  assertEquals(names, ["a", "b", "c"]);
  const begun = (await reader.readable("b")).getReader();
  await begun.read();
  await hooked.release();
  assertEquals(await results, ["SOURCE_UNREADABLE", "ok"]);
  assertEquals(
    await outcomes([
      textOf(reader, "b"),
      reader.readable("b", { offset: 5, length: 9 }).then(readAll),
      reader.get("c", `${folder.path}/c`),
      reader.verify(["a"]).then(([result]) => Promise.reject(result?.error)),
      (async () => {
        while (!(await begun.read()).done);
      })(),
    ]),
    Array(5).fill("MEDIUM_CHANGED"),
  );
  await begun.cancel().catch(() => {});
  assertEquals(await storedTexts(folder), { a: "old", c: "other" });
});

Deno.test("XorrisoBackend tells a reader that its image was blanked, or replaced", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  {
    await using writer = await openImage(folder);
    await store(writer, { a: "a" });
  }
  const openReader = () =>
    XorrisoBackend.open(urlOf(folder), { readOnly: true });
  await using first = await openReader();
  assertEquals(await textOf(first, "a"), "a");
  {
    await using writer = await openImage(folder);
    await writer.blank({ force: true });
    await assertRejectsCode(textOf(first, "a"), "MEDIUM_CHANGED");
    await store(writer, { a: "b" });
    await assertRejectsCode(textOf(first, "a"), "MEDIUM_CHANGED");
  }
  await using second = await openReader();
  assertEquals(await textOf(second, "a"), "b");
  await Deno.copyFile(image, `${image}.new`);
  await Deno.rename(`${image}.new`, image);
  await assertRejectsCode(textOf(second, "a"), "MEDIUM_CHANGED");
});

Deno.test("XorrisoBackend.delete() notices that more has gone than it was asked for", async () => {
  await using folder = await makeFolder();
  // As where patterns are obeyed.
  await using hooked = await hookXorriso(folder, "-rm", [
    `line='-rm "/d/*" "/d/b" --'`,
  ]);
  await using backend = await openImage(folder, {
    ...ONE_BATCH,
    xorrisoPath: hooked.path,
  });
  await store(backend, { "d/*": "a", "d/b": "b", c: "c" });
  const error = await assertRejectsCode(backend.delete("d/*"), "WRITE_ERROR");
  assert(error.message.includes("more than was asked for"), error.message);
  assertEquals(await storedTexts(folder), { "d/*": "a", "d/b": "b", c: "c" });
});

Deno.test("XorrisoBackend.apply() rejects what the medium does not have as it was asked for", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  const cases: [string, string, Parameters<XorrisoBackend["apply"]>[0]][] = [
    ["-chmod", "-print x", [
      { kind: "attributes", name: "a", attributes: { mode: 0o600 } },
    ]],
    ["-alter_date", "-alter_date m =5 /a --", [
      { kind: "attributes", name: "a", attributes: { mtime: new Date(9e5) } },
    ]],
    ["-lns", "-lns other /l", [{ kind: "link", name: "l", text: "text" }]],
    ["-mkdir", "-print x", [{ kind: "folder", name: "f" }]],
    ["-mv", "-print x", [{ kind: "move", from: "a", name: "b" }]],
    ["-map", `-map '${source}' /elsewhere`, [
      { kind: "file", name: "c", source },
    ]],
  ];
  await Promise.all(cases.map(async ([line, instead, changes]) => {
    await using own = await makeFolder();
    const hooked = await hookXorriso(own, line, [
      ...line === "-map" ? [""] : [],
      `line=${JSON.stringify(instead)}`,
    ]);
    await using backend = await openImage(own, { xorrisoPath: hooked.path });
    await store(backend, { a: "a" });
    const [result, other] = await backend.apply([
      ...changes,
      { kind: "folder", name: "sound" },
    ]);
    assertCode(result?.error, "WRITE_ERROR");
    assertEquals(other?.error, undefined, line);
    const names = (await backend.list({ all: true })).map(({ name }) => name);
    assertEquals(names.sort(), ["a", "sound"], line);
    assertEquals((await backend.sessions()).length, 2, line);
  }));
});

Deno.test("XorrisoBackend.put() compares the recorded checksum with its content", async () => {
  await using folder = await makeFolder();
  const other = await folder.file("other", "other");
  await using hooked = await hookXorriso(folder, "-map", [
    `line='-map "${other}" "/a"'`,
  ]);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  await assertRejectsCode(
    backend.put(toBytes("bytes"), "a"),
    "CHECKSUM_MISMATCH",
  );
  assertEquals(await backend.list(), []);
});

Deno.test("findSession() finds a session by its number, or the newest of a time", () => {
  const sessions = [10, 20, 20, 30].map((seconds, i) => {
    return { number: i + 1, date: new Date(seconds * 1000) };
  });
  const at = (seconds: number) =>
    findSession(sessions, new Date(seconds * 1000), "x")?.number;
  assertEquals([10, 19.9, 20, 29, 1e9].map(at), [1, 1, 3, 3, 4]);
  assertEquals(findSession(sessions, 2, "x")?.number, 2);
  assertEquals(findSession(sessions, undefined, "x"), undefined);
  for (const wanted of [5, new Date(9999)]) {
    let error: unknown;
    try {
      findSession(sessions, wanted, "x");
    } catch (thrown) {
      error = thrown;
    }
    assertCode(error, "SESSION_NOT_FOUND");
  }
});

Deno.test("XorrisoBackend.open() takes a time for a session", async () => {
  await using folder = await makeFolder();
  {
    await using backend = await openImage(folder);
    await store(backend, { a: "1" });
    await store(backend, { a: "2" });
    const dates = (await backend.sessions()).map(({ date }) => date);
    assertEquals(dates.length, 2);
    for (const date of dates) {
      assert(Math.abs(Date.now() - Number(date)) < 60_000, `${date}`);
    }
  }
  const before = await hash(`${folder.path}/test.iso`);
  await using backend = await openImage(folder, { session: new Date() });
  assertEquals(await textsOf(backend), { a: "2" });
  await assertRejectsCode(
    backend.put(toBytes("x"), "x"),
    "MEDIUM_NOT_WRITABLE",
  );
  await assertRejectsCode(
    openImage(folder, { session: new Date(0) }),
    "SESSION_NOT_FOUND",
  );
  assertInstanceOf(
    await rejection(openImage(folder, { session: new Date(NaN) })),
    RangeError,
  );
  assertEquals(await hash(`${folder.path}/test.iso`), before);
});
