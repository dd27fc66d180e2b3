import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import { relative } from "@std/path/posix/relative";
import { XorrisoBackend } from "../../mod.ts";
import {
  assertTypeError,
  hookXorriso,
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
  codeOf,
  exists,
  type Folder,
  hash,
  makeFifo,
  makeFolder,
  md5,
  noise,
  patch,
  readAll,
  rejection,
  runDeno,
  runXorriso,
  toBytes,
  traceXorriso,
  writeSession,
} from "../support/helpers.ts";

/** Names in a folder on disk. */
async function namesIn(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(path)) names.push(name);
  return names.sort();
}

/** Changes one byte of a stored file, in the newest session. */
async function damage(folder: Folder, name: string): Promise<void> {
  await using backend = await openImage(folder, { readOnly: true });
  const lba = (await backend.query(name))?.extents[0]?.lba ?? 0;
  await patch(`${folder.path}/test.iso`, lba * 2048, toBytes("X"));
}

// Where it is.

Deno.test("XorrisoBackend.open() takes all documented forms of a location", async () => {
  await using folder = await makeFolder();
  await Deno.mkdir(`${folder.path}/a b`);
  const image = `${folder.path}/a b/c.iso`;
  const forms = [
    `xorriso://${image}`,
    `xorriso://${image.replaceAll(" ", "%20")}:/`,
    `xorriso://${relative(Deno.cwd(), image)}`,
  ];
  for (const [index, url] of forms.entries()) {
    await age(image);
    await using backend = await XorrisoBackend.open(url, { create: true });
    await store(backend, { [`${index}`]: url });
  }
  await age(image);
  await using backend = await XorrisoBackend.open(
    `xorriso://${image}:/dir//x/`,
  );
  await store(backend, { below: "below" });
  await using all = await reopen(backend, `xorriso://${image}`);
  const texts = await textsOf(all);
  assertEquals(Object.keys(texts), ["0", "1", "2", "dir/x/below"]);
});

async function reopen(
  backend: XorrisoBackend,
  url: string,
): Promise<XorrisoBackend> {
  await backend.close();
  return await XorrisoBackend.open(url, { readOnly: true });
}

Deno.test("XorrisoBackend.open() takes dev/NAME for /dev/NAME, unless there is such a file", async () => {
  const error = await assertRejectsCode(
    XorrisoBackend.open("xorriso://dev/xorriso-test-none:/dir"),
    "NO_DRIVE",
  );
  assertStringIncludes(error.message, '"/dev/xorriso-test-none"');
  await using folder = await makeFolder();
  await folder.file("dev/image.iso");
  const { stdout, stderr } = await runDeno(
    `import { XorrisoBackend } from "@xorriso/backend";
     Deno.chdir(${JSON.stringify(folder.path)});
     await using backend = await XorrisoBackend.open("xorriso://dev/image.iso");
     await backend.put(new Uint8Array(7), "a");
     console.log((await backend.query("a"))?.size);`,
  );
  assertEquals([stdout, stderr], ["7\n", ""]);
  assert((await Deno.stat(`${folder.path}/dev/image.iso`)).size > 0);
});

Deno.test("XorrisoBackend.open() refuses what is no location", async () => {
  const bad = ["", "/a.iso", "file:///a.iso", "xorriso:/a.iso", "xorriso://"];
  const worse = ["xorriso:///%zz", "xorriso:///a%00", "xorriso:///a.iso:/../b"];
  for (const url of [...bad, ...worse]) {
    await assertTypeError(XorrisoBackend.open(url));
  }
});

Deno.test("XorrisoBackend.open() tells what is wrong with the image", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await folder.file("text", "This is no image".repeat(10_000));
  const open = (name: string, create = false) =>
    XorrisoBackend.open(`xorriso://${path}/${name}`, { create });
  assertEquals(
    await outcomes([
      open("none"),
      open("none/none.iso", true),
      open(""),
      open("text"),
      open("text/below", true),
      XorrisoBackend.open("xorriso:///dev/null"),
    ]),
    ["NO_DRIVE", "NO_DRIVE", "NO_DRIVE", "NOT_ISO", "NO_DRIVE", "NO_DRIVE"],
  );
  assertEquals(await namesIn(path), ["text"]);
});

Deno.test("XorrisoBackend.open() takes all four variables, and options win", async () => {
  await using folder = await makeFolder();
  const hooked = await hookXorriso(
    folder,
    "-none",
    [],
    `printf '[%s]' "$@" >'${folder.path}/args'`,
  );
  const program = (options: string) =>
    `import { XorrisoBackend } from "@xorriso/backend";
     try {
       await using backend = await XorrisoBackend.open(
         ${JSON.stringify(urlOf(folder))},
         ${options},
       );
       await backend.put(new Uint8Array(1), "a");
       console.log((await backend.medium()).volumeId);
     } catch (error) {
       console.log(error.code ?? error.name);
     }`;
  const run = async (
    variables: Readonly<Record<string, string>>,
    options = "{ create: true }",
  ) => {
    await age(`${folder.path}/test.iso`);
    const words = Object.entries(variables).map(([name, value]) =>
      `XORRISO_${name}=${value}`
    );
    const { stdout, stderr } = await runDeno(program(options), [
      "env",
      ...words,
    ]);
    assertEquals(stderr, "");
    return stdout.trim();
  };
  const variables = {
    PATH: hooked.path,
    WRITE_SPEED: "max",
    ASSERT_VOLID: "NIGHTLY",
    ARGS: `-publisher 'Me and "you"'`,
  };
  // A blank medium gets the volume id that is asserted.
  assertEquals(await run(variables), "NIGHTLY");
  assertEquals((await hooked.pids()).length, 1);
  assert((await hooked.lines()).includes('-speed "max"'));
  assertStringIncludes(
    (await hooked.lines()).join("\n"),
    '-publisher" "Me and \\042you\\042"',
  );

  assertEquals(await run({ ASSERT_VOLID: "OTHER" }), "VOLUME_MISMATCH");
  assertEquals(await run({ WRITE_SPEED: "fast" }), "TypeError");
  assertEquals(await run({ ARGS: "-publisher 'me" }), "TypeError");
  assertEquals(await run({ PATH: "/none/xorriso" }), "NotFound");
  const wrong = {
    PATH: "/none/xorriso",
    WRITE_SPEED: "fast",
    ASSERT_VOLID: "OTHER",
    ARGS: "'",
  };
  assertEquals(
    await run(
      wrong,
      `{ xorrisoPath: "xorriso", writeSpeed: "min", assertVolumeId: "NIGHTLY",
         xorrisoArgs: [] }`,
    ),
    "NIGHTLY",
  );
});

// Storing.

Deno.test("XorrisoBackend.put() takes paths, URLs, bytes and streams", async () => {
  await using folder = await makeFolder();
  const odd = await folder.file("odd %20#?.txt", "odd");
  const url = new URL("file:///");
  url.pathname = odd.replaceAll("%", "%25");
  await using backend = await openImage(folder);
  await Promise.all([
    backend.put(odd, "path"),
    backend.put(relative(Deno.cwd(), odd), "relative"),
    backend.put(url, "url"),
    backend.put(toBytes("bytes"), "bytes"),
    backend.put(new Uint8Array(0), "no bytes"),
    backend.put(new Blob(["stream"]).stream(), "stream"),
    backend.put(ReadableStream.from<Uint8Array>([]), "no stream"),
  ]);
  assertEquals(await textsOf(backend), {
    bytes: "bytes",
    "no bytes": "",
    "no stream": "",
    path: "odd",
    relative: "odd",
    stream: "stream",
    url: "odd",
  });
});

Deno.test("XorrisoBackend.put() refuses what is no regular file", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await makeFifo(`${path}/fifo`);
  await Deno.symlink("/dev/zero", `${path}/device`);
  await Deno.symlink("nowhere", `${path}/dangling`);
  await using backend = await openImage(folder);
  const sources = ["fifo", "device", "dangling", "none", ""].map((name) =>
    `${path}/${name}`
  ).concat("/dev/zero", "/dev/stdin");
  const errors = await Promise.all(
    sources.map((source) => rejection(backend.put(source, "a"))),
  );
  for (const [index, error] of errors.entries()) {
    assertEquals(assertCode(error, "SOURCE_UNREADABLE").path, sources[index]);
  }
  await assertTypeError(backend.put(new URL("https://example.com/"), "a"));
  await assertTypeError(backend.put("a\0b", "a"));
  assertEquals(await backend.sessions(), []);
});

Deno.test("XorrisoBackend.put() stores the file that a link points to", async () => {
  await using folder = await makeFolder();
  await folder.file("dir/file", "the file");
  await Deno.symlink("dir", `${folder.path}/to dir`);
  await Deno.symlink("to dir/file", `${folder.path}/to file`);
  await using backend = await openImage(folder);
  await backend.put(`${folder.path}/to file`, "a");
  assertEquals(await textsOf(backend), { a: "the file" });
});

Deno.test("XorrisoBackend.put() replaces a file unless told not to", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { a: "1" });
  const keep = { overwrite: false };
  assertEquals(
    await outcomes([
      backend.put(toBytes("2"), "a", keep),
      backend.put(toBytes("2"), "b", keep),
      backend.put(toBytes("3"), "b", keep),
    ]),
    ["ENTRY_EXISTS", "ok", "ENTRY_EXISTS"],
  );
  await backend.put(toBytes("4"), "a", { overwrite: true });
  assertEquals(await textsOf(backend), { a: "4", b: "2" });
});

Deno.test("XorrisoBackend.put() never bends the tree", async () => {
  await using folder = await makeFolder();
  await Deno.symlink("target", `${folder.path}/link`);
  const image = `${folder.path}/test.iso`;
  await writeSession(image, { "/file": "file", "/dir/sub/x": "x" });
  await runXorriso([
    ["-dev", `stdio:${image}`],
    ["-map", `${folder.path}/link`, "/link"],
    ["-commit"],
  ]);
  const source = await folder.file("source", "source");
  await using backend = await openImage(folder);
  const bad = ["file/a", "file/a/b", "dir", "dir/sub", "link", "link/a"];
  assertEquals(
    await outcomes(bad.map((name) => backend.put(source, name))),
    bad.map(() => "ENTRY_EXISTS"),
  );
  assertEquals(
    await outcomes(
      ["dir", "dir/sub", "none"].map((name) => backend.delete(name)),
    ),
    Array(3).fill("ENTRY_NOT_FOUND"),
  );
  assertEquals(await backend.list({ glob: "link" }), []);
  assertEquals((await backend.sessions()).length, 2);
  assertEquals(await textsOf(backend), { "dir/sub/x": "x", file: "file" });
});

Deno.test("XorrisoBackend.put() stores nothing below a file that the URL names", async () => {
  await using folder = await makeFolder();
  {
    await using backend = await openImage(folder);
    await store(backend, { "dir/file": "file" });
  }
  for (const directory of ["/dir/file", "/dir/file/below"]) {
    await using backend = await openImage(folder, {}, directory);
    assertEquals(await backend.list(), []);
    assertEquals(await backend.query("a"), undefined);
    await assertRejectsCode(backend.put(toBytes("a"), "a"), "ENTRY_EXISTS");
  }
  assertEquals(await storedTexts(folder), { "dir/file": "file" });
});

Deno.test("XorrisoBackend keeps to its directory", async () => {
  await using folder = await makeFolder();
  const directory = "/a b/c%2Fd";
  {
    await using all = await openImage(folder);
    await store(all, { "a b/x": "above", "a b/c%2Fd2/y": "beside", z: "z" });
  }
  await using backend = await openImage(folder, {}, "/a%20b/c%252Fd");
  assertEquals(await backend.list(), []);
  await store(backend, { "x": "inside", "sub/x": "below" });
  assertEquals(await textsOf(backend), { "sub/x": "below", x: "inside" });
  await assertTypeError(backend.query("../x"));
  await backend.delete("x");
  await backend.close();
  assertEquals(Object.keys(await storedTexts(folder)), [
    `${directory.slice(1)}/sub/x`,
    "a b/c%2Fd2/y",
    "a b/x",
    "z",
  ]);
});

Deno.test("XorrisoBackend refuses names that cannot be", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  await store(backend, { a: "a" });
  const before = (await hooked.lines()).length;
  const never = ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a"];
  const names = [...never, "a\0b", "a/".repeat(2000) + "a"];
  for (const name of names) {
    await assertTypeError(backend.put(toBytes("x"), name));
    await assertTypeError(backend.delete(name));
    // A slash at the end is for folders, nothing for the directory itself.
    if (!["a/", ""].includes(name)) await assertTypeError(backend.query(name));
    await assertTypeError(backend.readable(name));
    await assertTypeError(backend.get(name, `${folder.path}/x`));
  }
  const unstorable = ["\ud800", "a\udc80", "x".repeat(256), "é".repeat(128)];
  for (const name of unstorable) {
    await assertTypeError(backend.put(toBytes("x"), name));
  }
  assertEquals(await backend.query("x".repeat(256)), undefined);
  assertEquals((await hooked.lines()).length, before);
});

Deno.test("XorrisoBackend stores a file once that has several names", async () => {
  await using folder = await makeFolder();
  const bytes = noise(100_000);
  const source = await folder.file("source", bytes);
  await Deno.link(source, `${folder.path}/hard link`);
  await using backend = await openImage(folder);
  await Promise.all([
    backend.put(source, "a"),
    backend.put(`${folder.path}/hard link`, "b/hard link"),
    backend.put(source, "c"),
  ]);
  const [a, b, c] = await backend.queryList(["a", "b/hard link", "c"]);
  assertEquals([b?.extents, c?.extents], [a?.extents, a?.extents]);
  await Deno.mkdir(`${folder.path}/out`);
  const results = await backend.getList(
    ["a", "b/hard link", "c"],
    `${folder.path}/out`,
  );
  assertEquals(results.map(({ error }) => error), Array(3).fill(undefined));
  for (const name of ["a", "b/hard link", "c"]) {
    assertEquals(await hash(`${folder.path}/out/${name}`), await hash(source));
  }
  // Replacing one leaves the others.
  await backend.put(toBytes("new"), "a");
  await backend.delete("c");
  assertEquals(await readAll(await backend.readable("b/hard link")), bytes);
});

Deno.test("XorrisoBackend stores and reads files without content", async () => {
  await using folder = await makeFolder();
  const empty = await folder.file("empty");
  await using backend = await openImage(folder);
  await Promise.all([
    backend.put(empty, "a", { verify: true }),
    backend.put(empty, "b"),
    backend.put(toBytes("c"), "c"),
  ]);
  await backend.put(toBytes("now with content"), "b");
  await backend.put(empty, "c");
  assertEquals((await backend.query("a"))?.size, 0);
  assertEquals(await textsOf(backend), {
    a: "",
    b: "now with content",
    c: "",
  });
  await backend.get("a", `${folder.path}/a`);
  assertEquals(await Deno.readTextFile(`${folder.path}/a`), "");
  const results = await backend.getList(["a", "b", "c"], `${folder.path}/out`);
  assertEquals(results.map(({ error }) => error), Array(3).fill(undefined));
  assertEquals(
    (await backend.verify()).map(({ error }) => error),
    Array(3).fill(undefined),
  );
});

Deno.test("XorrisoBackend passes on what xorriso says, and its progress", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", new Uint8Array(1e7));
  const phases = new Set<string>();
  const lines: string[] = [];
  await using backend = await openImage(folder, {
    onProgress: ({ phase, done }) => {
      assert(done >= 0);
      phases.add(phase);
    },
    onMessage: (line) => lines.push(line),
  });
  await backend.put(source, "a");
  assert(lines.some((line) => line.includes("Written to medium")));
  assert(phases.size > 0);
});

// Deleting.

Deno.test("XorrisoBackend.delete() hides a file from the newest session alone", async () => {
  await using folder = await makeFolder();
  {
    await using backend = await openImage(folder);
    await store(backend, { a: "a", b: "b" });
    const { used } = await backend.medium();
    await backend.delete("a");
    assertEquals(await textsOf(backend), { b: "b" });
    assert((await backend.medium()).used > used);
    await assertRejectsCode(backend.delete("a"), "ENTRY_NOT_FOUND");
  }
  await using first = await openImage(folder, { session: 1 });
  assertEquals(await textsOf(first), { a: "a", b: "b" });
});

Deno.test("XorrisoBackend.deleteList() tells a result for each name", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using backend = await openImage(folder);
  const names = Array.from(
    { length: 200 },
    (_, i) => `long name ${i}`.repeat(5),
  );
  await Promise.all(names.map((name) => backend.put(source, name)));
  const results = await backend.deleteList([
    ...names.slice(1),
    "none",
    "",
    names[1] ?? "",
  ]);
  assertEquals(results.length, names.length + 2);
  const failed = results.filter(({ error }) => error !== undefined);
  assertEquals(failed.map(({ name }) => name), ["none", "", names[1]]);
  assertEquals((await backend.sessions()).length, 2);
  assertEquals((await backend.list()).map(({ name }) => name), [names[0]]);
});

// Looking.

Deno.test("XorrisoBackend.list() matches globs part by part", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using backend = await openImage(folder);
  const names = ["a.tar", "b.TAR", "b.txt", "[x].tar", "d/a.tar", "d/e/c.tar"];
  await Promise.all(names.map((name) => backend.put(source, name)));
  const list = async (glob: string) =>
    (await backend.list({ glob })).map(({ name }) => name).sort();
  assertEquals(await list("*.tar"), ["[x].tar", "a.tar"]);
  assertEquals(await list("**/*.tar"), [
    "[x].tar",
    "a.tar",
    "d/a.tar",
    "d/e/c.tar",
  ]);
  assertEquals(await list("d/*"), ["d/a.tar"]);
  assertEquals(await list("?.{tar,txt}"), ["a.tar", "b.txt"]);
  assertEquals(await list("\\[x\\].tar"), ["[x].tar"]);
});

Deno.test("XorrisoBackend.list() tells checksums where it is asked to", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, {}, "/dir");
  await store(backend, { a: "a", "sub/b": "b" });
  const entries = await backend.list({ md5: true });
  assertEquals(
    Object.fromEntries(entries.map(({ name, md5 }) => [name, md5])),
    { a: md5("a"), "sub/b": md5("b") },
  );
  assert((await backend.list()).every((entry) => !("md5" in entry)));
  assertEquals((await backend.query("a", { md5: true }))?.md5, md5("a"));
  assertEquals(await backend.query("none", { md5: true }), undefined);
});

Deno.test("XorrisoBackend.query() throws when it cannot tell", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { a: "a" });
  await backend.close();
  const image = `${folder.path}/test.iso`;
  await using reader = await openImage(folder, { readOnly: true });
  await Deno.truncate(image, 40 * 2048);
  await assertRejectsCode(
    reader.query("a", { md5: true }),
    "MEDIUM_CHANGED",
  );
});

Deno.test("XorrisoBackend.sessions() and medium() tell what was written", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder, { volumeId: "MY BACKUPS" });
  assertEquals(await backend.sessions(), []);
  await store(backend, { a: "a" });
  await store(backend, { b: "b" });
  const sessions = await backend.sessions();
  assertEquals(
    sessions.map(({ number, volumeId }) => [number, volumeId]),
    [[1, "MY BACKUPS"], [2, "MY BACKUPS"]],
  );
  const medium = await backend.medium();
  assertEquals(medium.sessions, 2);
  assertEquals(medium.status, "appendable");
  assertEquals(medium.used, sessions.reduce((sum, { size }) => sum + size, 0));
});

Deno.test("XorrisoBackend keeps to a relative image wherever the program goes", async () => {
  await using folder = await makeFolder();
  for (const name of ["one", "two"]) await Deno.mkdir(`${folder.path}/${name}`);
  const { path, pids } = await traceXorriso(folder);
  const module = new URL("../../mod.ts", import.meta.url).href;
  const { code, stdout, stderr } = await runDeno(`
    import { XorrisoBackend } from "${module}";
    Deno.chdir("${folder.path}/one");
    const backend = await XorrisoBackend.open("xorriso://photos.iso", {
      create: true,
      xorrisoPath: "${path}",
    });
    await backend.put(new Uint8Array(1), "a");
    Deno.chdir("${folder.path}/two");
    const [pid] = (await Deno.readTextFile("${folder.path}/pids")).split("\\n");
    Deno.kill(Number(pid), "SIGKILL");
    // The first one may be told that xorriso is lost.
    await backend.medium().catch(() => {});
    await backend.medium();
    const names = await backend.list();
    await backend.put(new Uint8Array(1), "b");
    await backend.close();
    console.log(names.map(({ name }) => name).join());
  `);
  assertEquals([code, stdout], [0, "a\n"], stderr);
  assertEquals((await pids()).length, 2);
  assertEquals(await exists(`${folder.path}/two/photos.iso`), false);
});

Deno.test("XorrisoBackend takes relative paths for what they are when it is called", async () => {
  await using folder = await makeFolder();
  await Deno.mkdir(`${folder.path}/two`);
  for (const name of ["a", "tree/a", "tmp/a"]) {
    await folder.file(`one/${name}`, "one");
  }
  await folder.file("one/exclude", "tmp\n");
  const xorriso = (await traceXorriso(folder)).path;
  await Deno.copyFile(xorriso, `${folder.path}/one/xorriso`);
  const module = new URL("../../mod.ts", import.meta.url).href;
  const { code, stdout, stderr } = await runDeno(`
    import { getTree, putTree, Xorriso, XorrisoBackend } from "${module}";
    const elsewhere = async (...calls) => {
      Deno.chdir("${folder.path}/one");
      const all = calls.map((call) => call());
      Deno.chdir("${folder.path}/two");
      return (await Promise.all(all))[0];
    };
    const options = { create: true, tempDir: "tmp", xorrisoPath: "./xorriso" };
    const backend = await elsewhere(() =>
      XorrisoBackend.open("xorriso://b.iso", { ...options, idleClose: 1 }));
    await elsewhere(
      () => backend.put("a", "put"),
      () => backend.apply([{ kind: "file", name: "applied", source: "a" }]),
      () => putTree(backend, [{ path: ".", as: "all" }], { excludeFrom: "exclude" }),
    );
    await elsewhere(
      () => backend.get("put", "got"),
      () => backend.getList(["put"], "list"),
      () => getTree(backend, "all", "restored"),
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    await backend.put(new Uint8Array(1), "bytes");
    console.log((await backend.list()).map(({ name }) => name).sort().join());
    await backend.close();
    const session = await elsewhere(() => Xorriso.open("s.iso", options));
    await elsewhere(
      () => session.map("a", "/mapped"),
      () => session.cp(["a"], "/copied/"),
    );
    await session.commit();
    await elsewhere(
      () => session.restore("/mapped", "session"),
      () => session.extract(["/mapped", "/copied/a"], "."),
    );
    await session.end();
  `);
  const names = "all/a,all/exclude,all/tree/a,all/xorriso,applied,bytes,put";
  assertEquals([code, stdout], [0, `${names}\n`], stderr);
  assertEquals(await Array.fromAsync(Deno.readDir(`${folder.path}/two`)), []);
  const restored = ["got", "list/put", "restored/tree/a", "session", "mapped"];
  for (const name of restored) {
    assertEquals(await Deno.readTextFile(`${folder.path}/one/${name}`), "one");
  }
});

Deno.test("XorrisoBackend.open() shows an older session for reading alone", async () => {
  await using folder = await makeFolder();
  {
    await using backend = await openImage(folder);
    await store(backend, { a: "1", b: "b" });
    await store(backend, { a: "2" });
    await backend.delete("b");
  }
  const expected = [{ a: "1", b: "b" }, { a: "2", b: "b" }, { a: "2" }];
  for (const [index, texts] of expected.entries()) {
    await using backend = await openImage(folder, { session: index + 1 });
    assertEquals(await textsOf(backend), texts);
    assertEquals(
      (await backend.verify()).filter(({ error }) => error !== undefined),
      [],
    );
    for (
      const refused of [backend.put(toBytes("x"), "x"), backend.delete("a")]
    ) {
      await assertRejectsCode(refused, "MEDIUM_NOT_WRITABLE");
    }
  }
  await assertRejectsCode(
    openImage(folder, { session: 4 }),
    "SESSION_NOT_FOUND",
  );
  assertInstanceOf(
    await rejection(openImage(folder, { session: 0 })),
    RangeError,
  );
});

// Reading.

Deno.test("XorrisoBackend.readable() reads any part, in chunks of at most 1 MiB", async () => {
  await using folder = await makeFolder();
  const bytes = noise(2.5 * 2 ** 20);
  const source = await folder.file("source", bytes);
  await using backend = await openImage(folder);
  await backend.put(source, "a");
  const lengths: number[] = [];
  for await (const chunk of await backend.readable("a")) {
    lengths.push(chunk.length);
  }
  assertEquals(lengths, [2 ** 20, 2 ** 20, 2 ** 19]);
  const parts: [number, number][] = [
    ...[[0, 0], [0, 1], [2047, 2], [2 ** 20 - 1, 2], [1e6, 1e6]],
    ...[[bytes.length - 1, 10], [bytes.length + 1, 10]],
  ] as [number, number][];
  for (const [offset, length] of parts) {
    assertEquals(
      await readAll(await backend.readable("a", { offset, length })),
      bytes.slice(offset, offset + length),
    );
  }
  const rest = await readAll(await backend.readable("a", { offset: 2e6 }));
  assertEquals(rest, bytes.slice(2e6));
  for (const bad of [-1, 0.5, NaN]) {
    for (const options of [{ offset: bad }, { length: bad }]) {
      const error = await rejection(
        backend.readable("a", options).then(readAll),
      );
      assertInstanceOf(error, RangeError);
    }
  }
});

Deno.test("XorrisoBackend.readable() lets go of the image when it is cancelled", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", noise(3 * 2 ** 20));
  await using backend = await openImage(folder);
  await backend.put(source, "a");
  for await (const _ of await backend.readable("a")) break;
  const controller = new AbortController();
  const stream = await backend.readable("a", { signal: controller.signal });
  const reading = rejection(readAll(stream));
  const reason = new Error("Enough");
  controller.abort(reason);
  assertEquals(await reading, reason);
});

Deno.test("XorrisoBackend tells content that differs from its checksum", async () => {
  await using folder = await makeFolder();
  const target = await folder.file("target", "older");
  {
    await using backend = await openImage(folder);
    await store(backend, { bad: "bad content", good: "good content" });
  }
  await damage(folder, "bad");
  await using backend = await openImage(folder, { readOnly: true });
  const into = new TransformStream<Uint8Array>();
  const through = outcomes([readAll(into.readable)]);
  assertEquals(
    await outcomes([
      backend.readable("bad").then(readAll),
      backend.get("bad", target),
      backend.get("bad", into.writable),
      backend.get("good", `${folder.path}/good`),
    ]),
    [...Array(3).fill("CHECKSUM_MISMATCH"), "ok"],
  );
  assertEquals(await through, ["CHECKSUM_MISMATCH"]);
  // Whoever wants it gets it, and parts cannot be compared.
  const raw = await backend.readable("bad", { verify: false });
  assertEquals((await readAll(raw)).slice(1), toBytes("ad content"));
  const part = await backend.readable("bad", { offset: 1 });
  assertEquals(await readAll(part), toBytes("ad content"));
  // A target is as it was, and nothing lies beside it.
  assertEquals(await Deno.readTextFile(target), "older");
  assertEquals(await namesIn(folder.path), ["good", "target", "test.iso"]);
  await backend.get("bad", target, { verify: false });
  assertEquals((await Deno.readFile(target)).slice(1), toBytes("ad content"));
});

Deno.test("XorrisoBackend.verify() names each damaged file", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  // These have no recorded checksums.
  await writeSession(image, { "/without": "without" }, ["-md5", "off"]);
  {
    await using backend = await openImage(folder);
    await store(backend, { a: "a", "dir/b": "b", c: "c", d: "d" });
  }
  await damage(folder, "dir/b");
  await damage(folder, "d");
  await using backend = await openImage(folder, { readOnly: true });
  const check = async (names?: string[]) =>
    (await backend.verify(names)).map(({ name, error, state }) =>
      error === undefined ? `${name}: ${state}` : `${name}: ${codeOf(error)}`
    );
  assertEquals((await check()).sort(), [
    "a: verified",
    "c: verified",
    "d: CHECKSUM_MISMATCH",
    "dir/b: CHECKSUM_MISMATCH",
    "without: unverifiable",
  ]);
  assertEquals(await check(["d", "none", "a"]), [
    "d: CHECKSUM_MISMATCH",
    "none: ENTRY_NOT_FOUND",
    "a: verified",
  ]);
  assertEquals(await check([]), []);
  const signal = AbortSignal.abort(new Error("Enough"));
  await rejection(backend.verify(undefined, { signal }));
});

Deno.test("XorrisoBackend.get() writes to a stream and closes it", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { a: "content" });
  const chunks: Uint8Array[] = [];
  let closed = false;
  await backend.get(
    "a",
    new WritableStream({
      write: (chunk) => void chunks.push(chunk),
      close: () => void (closed = true),
    }),
  );
  assertEquals([chunks, closed], [[toBytes("content")], true]);
  const reason = new Error("The reader is gone");
  const error = await rejection(
    backend.get(
      "a",
      new WritableStream({
        write: () => {
          throw reason;
        },
      }),
    ),
  );
  assertEquals(error, reason);
});

Deno.test("XorrisoBackend.get() leaves nothing when its target cannot be", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await using backend = await openImage(folder);
  await store(backend, { a: "content" });
  await Deno.mkdir(`${path}/folder`);
  await folder.file("file", "x");
  await makeFifo(`${path}/fifo`);
  const before = await namesIn(path);
  const targets = [
    ...["folder", "folder/", "none/a", "file/a", "fifo", "test.iso"].map(
      (name) => `${path}/${name}`,
    ),
    "/dev/null",
  ];
  assertEquals(
    await outcomes(targets.map((target) => backend.get("a", target))),
    targets.map(() => "TARGET_UNWRITABLE"),
  );
  assertEquals(await namesIn(path), before);
  assertEquals(await namesIn(`${path}/folder`), []);
  assertEquals(await textsOf(backend), { a: "content" });
});

Deno.test("XorrisoBackend.get() gives a target its bytes and mode, and no set-uid bit", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "content");
  await Deno.chmod(source, 0o4777);
  await Deno.symlink("elsewhere", `${folder.path}/link`);
  await folder.file("elsewhere", "not touched");
  await using backend = await openImage(folder);
  await backend.put(source, "a");
  await backend.get("a", `${folder.path}/target`);
  const { mode } = await Deno.stat(`${folder.path}/target`);
  assertEquals((mode ?? 0) & 0o7777, 0o777);
  // A link is replaced, and not followed.
  await backend.get("a", `${folder.path}/link`);
  assert((await Deno.lstat(`${folder.path}/link`)).isFile);
  assertEquals(
    await Deno.readTextFile(`${folder.path}/elsewhere`),
    "not touched",
  );
});

Deno.test("XorrisoBackend.get() stops at its signal, and leaves nothing", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", noise(5 * 2 ** 20));
  await using backend = await openImage(folder);
  await backend.put(source, "a");
  const before = await namesIn(folder.path);
  const reason = new Error("Enough");
  for (const target of [`${folder.path}/target`, new WritableStream()]) {
    const controller = new AbortController();
    const done: number[] = [];
    const { signal } = controller;
    const getting = backend.get("a", target, {
      signal,
      onProgress: ({ done: bytes }) => {
        done.push(bytes);
        controller.abort(reason);
      },
    });
    if (typeof target !== "string") controller.abort(reason);
    assertEquals(await rejection(getting), reason);
  }
  assertEquals(await namesIn(folder.path), before);
});

Deno.test("XorrisoBackend.getList() restores many files below a folder", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  const files = { "a/b/c": "c", "a/d": "d", e: "e", "a b/'": "quote" };
  await store(backend, files);
  const out = `${folder.path}/new/out`;
  const names = [...Object.keys(files), "none", "a", "../x", "e"];
  const results = await backend.getList(names, out);
  assertEquals(results.map(({ name }) => name), names);
  assertEquals(
    results.map(({ error }) => error === undefined),
    [true, true, true, true, false, false, false, true],
  );
  assertCode(results[4]?.error, "ENTRY_NOT_FOUND");
  for (const [name, text] of Object.entries(files)) {
    assertEquals(await Deno.readTextFile(`${out}/${name}`), text);
  }
  assertEquals(await namesIn(out), ["a", "a b", "e"]);
  assertEquals(await backend.getList([], out), []);
});

Deno.test("XorrisoBackend.getList() leaves out the base of names, and refuses others", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { "a/b/c": "c", "a/b/d/e": "e", "a/bc": "bc", c: "x" });
  const out = `${folder.path}/out`;
  const results = await backend.getList(
    ["a/b/c", "a/b/d/e", "a/bc", "c"],
    out,
    {
      base: "a/b",
    },
  );
  assertEquals(
    results.map(({ error }) => error instanceof TypeError),
    [false, false, true, true],
  );
  assertEquals(await namesIn(out), ["c", "d"]);
  assertEquals(await Deno.readTextFile(`${out}/c`), "c");
  assertEquals(await Deno.readTextFile(`${out}/d/e`), "e");
  const [slashed] = await backend.getList(["a/b/c"], out, { base: "a/b/" });
  assertEquals(slashed?.error, undefined);
});

Deno.test("XorrisoBackend.getList() never leaves its folder", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { "link/a": "a", "dir": "b", "c": "c" });
  await Deno.mkdir(`${folder.path}/out/dir`, { recursive: true });
  await Deno.mkdir(`${folder.path}/elsewhere`);
  await Deno.symlink("../elsewhere", `${folder.path}/out/link`);
  const results = await backend.getList(
    ["link/a", "dir", "c"],
    `${folder.path}/out`,
  );
  assertCode(results[0]?.error, "TARGET_UNWRITABLE");
  assertCode(results[1]?.error, "TARGET_UNWRITABLE");
  assertEquals(results[2]?.error, undefined);
  assertEquals(await namesIn(`${folder.path}/elsewhere`), []);
});

Deno.test("XorrisoBackend.getList() fails only where a file is damaged", async () => {
  await using folder = await makeFolder();
  {
    await using backend = await openImage(folder);
    await store(backend, { a: "a", b: "b", c: "c" });
  }
  await damage(folder, "b");
  await using backend = await openImage(folder, { readOnly: true });
  const results = await backend.getList(
    ["a", "b", "c"],
    `${folder.path}/out`,
  );
  assertEquals(
    results.map(({ error }) => error === undefined),
    [true, false, true],
  );
  assertCode(results[1]?.error, "CHECKSUM_MISMATCH");
  assertEquals(await namesIn(`${folder.path}/out`), ["a", "c"]);
  const raw = await backend.getList(["b"], `${folder.path}/out`, {
    verify: false,
  });
  assertEquals(raw, [{ name: "b", error: undefined }]);
});

// Two at once.

Deno.test("XorrisoBackend lets one writer have an image, and many readers beside", async () => {
  await using folder = await makeFolder();
  {
    await using backend = await openImage(folder);
    await store(backend, { a: "a" });
    const error = await assertRejectsCode(openImage(folder), "DRIVE_BUSY");
    assert(error.retryable);
    for (const options of [{ readOnly: true }, { session: 1 }]) {
      await using reader = await openImage(folder, options);
      assertEquals(await textOf(reader, "a"), "a");
    }
  }
  await using _next = await openImage(folder);
});

Deno.test("XorrisoBackend notices that another program has written, and goes on with that", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  await using backend = await openImage(folder);
  await store(backend, { a: "a" });
  await writeSession(image, { "/theirs": "theirs" });
  // From a file: what is spooled may come too late for the batch.
  const file = await folder.file("b", "b");
  await age(file);
  assertEquals(
    await outcomes([backend.put(file, "b"), backend.delete("a")]),
    ["MEDIUM_CHANGED", "MEDIUM_CHANGED"],
  );
  assertEquals(await textsOf(backend), { a: "a", theirs: "theirs" });
  await backend.put(toBytes("b"), "b");
  assertEquals(await textsOf(backend), { a: "a", b: "b", theirs: "theirs" });
});

Deno.test("XorrisoBackend notices that its image is gone or replaced", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  await using backend = await openImage(folder);
  await store(backend, { a: "a" });
  await Deno.rename(image, `${image}.moved`);
  assertEquals(
    await outcomes([
      backend.put(toBytes("b"), "b"),
      backend.readable("a").then(readAll),
    ]),
    ["MEDIUM_CHANGED", "MEDIUM_CHANGED"],
  );
  assertEquals(await exists(image), false);
  await Deno.copyFile(`${image}.moved`, image);
  await age(image);
  await backend.put(toBytes("c"), "c");
  assertEquals(await textsOf(backend), { a: "a", c: "c" });
});

Deno.test("get() and getList() keep what is there where they are told to", async () => {
  await using folder = await makeFolder();
  await using backend = await openImage(folder);
  await store(backend, { a: "stored" });
  const target = await folder.file("to/a", "mine");
  const keep = { overwrite: "never" } as const;
  await assertRejectsCode(backend.get("a", target, keep), "TARGET_EXISTS");
  const [result] = await backend.getList(["a"], `${folder.path}/to`, keep);
  assertCode(result?.error, "TARGET_EXISTS");
  assertEquals(await Deno.readTextFile(target), "mine");
  await backend.get("a", target);
  assertEquals(await Deno.readTextFile(target), "stored");
});
