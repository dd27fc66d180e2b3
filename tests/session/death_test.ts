import { assert, assertEquals } from "@std/assert";
import {
  hookXorriso,
  ONE_BATCH,
  openImage,
  outcomes,
  store,
  storedTexts,
  textOf,
  textsOf,
} from "../support/backends.ts";
import {
  age,
  assertCode,
  assertRejectsCode,
  exists,
  grows,
  hash,
  isAlive,
  makeFolder,
  makeSparse,
  rejection,
  runDeno,
  runXorriso,
  toBytes,
  until,
} from "../support/helpers.ts";

Deno.test("XorrisoBackend goes on when xorriso was killed while idle", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  await store(backend, { a: "a" });
  await hooked.kill("SIGKILL");
  // Nothing that is read needs it.
  assert((await backend.query("a", { md5: true }))?.md5);
  assertEquals(await textOf(backend, "a"), "a");
  assertEquals((await hooked.pids()).length, 1);
  await age(`${folder.path}/test.iso`);
  // Whether the loss is noticed before this call or by it is a matter of luck.
  const [first] = await outcomes([backend.medium()]);
  assert(first === "ok" || first === "SESSION_LOST", first);
  await store(backend, { b: "b" });
  assertEquals((await hooked.pids()).length, 2);
  assertEquals(await textsOf(backend), { a: "a", b: "b" });
});

Deno.test("XorrisoBackend stores what was pending when xorriso was killed", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, {
    xorrisoPath: hooked.path,
    autoCommit: false,
  });
  await backend.put(toBytes("a"), "a");
  await backend.put(toBytes("b"), "b");
  await hooked.kill("SIGKILL");
  const pid = await hooked.newest();
  await until(() => !isAlive(pid), "it is dead");
  await outcomes([backend.medium()]);
  await backend.commit();
  assertEquals(await textsOf(backend), { a: "a", b: "b" });
});

Deno.test("XorrisoBackend rejects what was in a commit when xorriso was killed", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  const large = await makeSparse(`${folder.path}/large`);
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, {
    ...ONE_BATCH,
    xorrisoPath: hooked.path,
  });
  await store(backend, { a: "old", b: "b" });
  const before = await hash(image);
  const killed = outcomes([
    backend.put(large, "a"),
    backend.put(large, "large"),
    backend.delete("b"),
  ]);
  await grows(image, killed);
  // What comes later is for the next session, by itself.
  const next = outcomes([
    backend.put(toBytes("next"), "next"),
    backend.verify(["a"]),
  ]);
  await hooked.kill("SIGKILL");
  assertEquals(await killed, Array(3).fill("SESSION_LOST"));
  // Its space is given back.
  assertEquals(await hash(image), before);
  assertEquals(await next, ["ok", "ok"]);
  const expected = { a: "old", b: "b", next: "next" };
  assertEquals(await textsOf(backend), expected);
  await backend.close();
  assertEquals(await storedTexts(folder), expected);
});

Deno.test("XorrisoBackend begins anew when xorriso was killed in a first commit", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  const large = await makeSparse(`${folder.path}/large`);
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  const killed = outcomes([backend.put(large, "large")]);
  await grows(image, killed);
  await hooked.kill("SIGKILL");
  assertEquals(await killed, ["SESSION_LOST"]);
  assertEquals(await exists(image), false);
  assertEquals(await backend.list(), []);
  await backend.put(toBytes("a"), "a");
  await backend.close();
  assertEquals(await storedTexts(folder), { a: "a" });
});

Deno.test("XorrisoBackend takes no killed commit for one that was written", async () => {
  // At every line of the exchange, before and after the commit itself.
  const lines = ["-map", "-commit", "-toc"];
  await Promise.all(lines.map(async (line) => {
    await using folder = await makeFolder();
    // The first lines are those of the older version.
    await using hooked = await hookXorriso(
      folder,
      line,
      Array.from(
        { length: 9 },
        () => `[ -e '${folder.path}/armed' ] && kill -9 $$`,
      ),
    );
    await using backend = await openImage(folder, { xorrisoPath: hooked.path });
    await store(backend, { a: "old" });
    await folder.file("armed");
    const [result] = await outcomes([backend.put(toBytes("new"), "a")]);
    await Deno.remove(`${folder.path}/armed`);
    await backend.close();
    assertEquals(result, "SESSION_LOST", line);
    const { a, ...others } = await storedTexts(folder);
    assert(a === "old" || a === "new", `${line}: ${a}`);
    assertEquals(others, {});
  }));
});

Deno.test("XorrisoBackend goes on reading a file while xorriso dies", async () => {
  await using folder = await makeFolder();
  const large = await makeSparse(`${folder.path}/large`, 64 << 20);
  await using hooked = await hookXorriso(folder, "-none", []);
  await using backend = await openImage(folder, { xorrisoPath: hooked.path });
  await backend.put(large, "large");
  let bytes = 0;
  for await (const chunk of await backend.readable("large")) {
    if (bytes === 0) await hooked.kill("SIGKILL");
    bytes += chunk.length;
  }
  assertEquals(bytes, 64 << 20);
});

Deno.test("XorrisoBackend tells of a xorriso that was told to end", async () => {
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  await Promise.all(signals.map(async (signal) => {
    await using folder = await makeFolder();
    const image = `${folder.path}/test.iso`;
    const large = await makeSparse(`${folder.path}/large`);
    await using hooked = await hookXorriso(folder, "-none", []);
    await using backend = await openImage(folder, { xorrisoPath: hooked.path });
    await store(backend, { a: "a" });
    const put = outcomes([backend.put(large, "large")]);
    await grows(image, put);
    await hooked.kill(signal);
    const [result] = await put;
    assert(
      result === "SESSION_LOST" || result === "ABORTED",
      `${signal}: ${result}`,
    );
    assertEquals(await textsOf(backend), { a: "a" });
  }));
});

Deno.test("XorrisoBackend tells of a limit to the size of files, however xorriso ends", async () => {
  // The write fails, or the signal ends xorriso: which is a matter of luck.
  const hits = ["ulimit -S -f 1000", "kill -XFSZ $$"] as const;
  await Promise.all(hits.map(async (hit) => {
    await using folder = await makeFolder();
    const image = `${folder.path}/test.iso`;
    const large = await makeSparse(`${folder.path}/large`);
    const isLimit = hit.startsWith("ulimit");
    await using hooked = await hookXorriso(
      folder,
      "-commit",
      ["", isLimit ? "" : hit],
      isLimit ? hit : "",
    );
    await using backend = await openImage(folder, {
      ...ONE_BATCH,
      xorrisoPath: hooked.path,
    });
    await store(backend, { a: "old" });
    const before = await hash(image);
    const puts = [backend.put(large, "a"), backend.put(large, "large")];
    const errors = await Promise.all(puts.map(rejection));
    for (const error of errors) {
      const { needed = 0, free = NaN } = assertCode(error, "MEDIUM_FULL");
      assert(needed >= 64 << 20 && free < needed, `${needed}, ${free}`);
    }
    assertEquals(await hash(image), before);
    await store(backend, { b: "b" });
    assertEquals(await textsOf(backend), { a: "old", b: "b" });
  }));
});

Deno.test("XorrisoBackend leaves no xorriso behind when its program forgets it", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-none", []);
  const open = `
    import { XorrisoBackend } from "@xorriso/backend";
    const backend = await XorrisoBackend.open(
      "xorriso://${folder.path}/test.iso",
      {
        create: true, commitDelay: 1e6, commitMax: 1e6,
        xorrisoPath: ${JSON.stringify(hooked.path)},
      },
    );`;
  const ends = [
    "Deno.exit(0);",
    "backend.put(new Uint8Array(1), 'a'); Deno.exit(1);",
    "Deno.kill(Deno.pid, 'SIGKILL');",
    "throw new Error('not caught');",
  ];
  const codes = await Promise.all(
    ends.map(async (end, index) => {
      const other = open.replace("test.iso", `${index}.iso`);
      return (await runDeno(`${other}\n${end}`)).code;
    }),
  );
  assertEquals(codes, [0, 1, 137, 1]);
  for (const pid of await hooked.pids()) {
    await until(() => !isAlive(pid), "xorriso ends with its input");
  }
  assertEquals((await hooked.pids()).length, ends.length);
});

Deno.test("XorrisoBackend leaves a whole image when a listener's error ends the program", async () => {
  await using folder = await makeFolder();
  const large = await makeSparse(`${folder.path}/large`, 64 << 20);
  await using hooked = await hookXorriso(folder, "-none", []);
  const program = (before: string) => `
    import { XorrisoBackend } from "@xorriso/backend";
    ${before}
    const backend = await XorrisoBackend.open("xorriso://${folder.path}/test.iso", {
      create: true,
      // What is killed leaves its temporary files behind.
      tempDir: ${JSON.stringify(folder.path)},
      xorrisoPath: ${JSON.stringify(hooked.path)},
      onMessage: (line) => {
        if (line.includes("Joliet")) throw new Error("of the listener");
      },
    });
    await backend.put(new Uint8Array(1), "old");
    // xorriso tells at once that Joliet does not know this letter.
    await backend.put(${JSON.stringify(large)}, "large\u{1F600}");
    console.log("stored");
    await backend.close();`;
  const handled = `globalThis.onerror = (event) => {
      event.preventDefault();
      console.log(event.error.message);
    };`;
  const first = await runDeno(program(""));
  assertEquals([first.code, first.stdout], [1, ""]);
  assert(first.stderr.includes("Error: of the listener"), first.stderr);
  for (const pid of await hooked.pids()) {
    await until(() => !isAlive(pid), "xorriso ends with its input");
  }
  await age(`${folder.path}/test.iso`);
  {
    await using backend = await openImage(folder);
    const verified = await backend.verify();
    assertEquals(verified.map(({ name }) => name), ["large\u{1F600}", "old"]);
    for (const { name, error } of verified) {
      assertEquals(error, undefined, name);
    }
    await store(backend, { next: "next" });
  }
  await age(`${folder.path}/test.iso`);
  const second = await runDeno(program(handled));
  assertEquals([second.code, second.stderr], [0, ""]);
  const lines = second.stdout.trim().split("\n");
  assertEquals(lines.pop(), "stored");
  assertEquals([...new Set(lines)], ["of the listener"]);
});

Deno.test("XorrisoBackend ends the process of a backend that is disposed of", async () => {
  await using folder = await makeFolder();
  await using hooked = await hookXorriso(folder, "-none", []);
  {
    await using backend = await openImage(folder, { xorrisoPath: hooked.path });
    await store(backend, { a: "a" });
  }
  const pid = await hooked.newest();
  assertEquals(isAlive(pid), false);
  // And of one that never opened.
  await assertRejectsCode(
    openImage(folder, { xorrisoPath: hooked.path, assertVolumeId: "X" }),
    "VOLUME_MISMATCH",
  );
  assertEquals((await hooked.pids()).map(isAlive), [false, false]);
  assertEquals(
    await runXorriso([
      ["-indev", `stdio:${folder.path}/test.iso`],
      ["-find", "/", "-type", "f", "-exec", "echo"],
    ]),
    ["'/a'"],
  );
});
