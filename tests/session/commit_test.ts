import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { delay } from "@std/async/delay";
import { XorrisoError } from "../../src/errors.ts";
import type { Progress, XorrisoOptions } from "../../src/options.ts";
import { XorrisoBackend } from "../../src/backend/backend.ts";
import { Xorriso } from "../../src/session/xorriso.ts";
import { BLOCK } from "../../src/medium.ts";
import { hookXorriso } from "../support/backends.ts";
import { makeOrphan } from "../support/orphan.ts";
import {
  age,
  assertCode,
  assertRejectsCode,
  exists,
  type Folder,
  grows,
  hash,
  isAlive,
  listImage,
  makeFolder,
  makeImage,
  makeScript,
  makeSparse,
  noise,
  outcome,
  readImage,
  rejection,
  runDeno,
  runProgram,
  runXorriso,
  toBytes,
  traceXorriso,
  until,
  writeSession,
} from "../support/helpers.ts";
import { noSmallDisk, onSmallDisk, unless } from "../support/needs.ts";

/** Names of what is on the medium in the session's eyes. */
async function names(session: Xorriso): Promise<string[]> {
  return (await session.ls()).sort();
}

Deno.test("Xorriso.commit() appends one session with all that is staged", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const source = await folder.file("source", "content");
  {
    await using session = await Xorriso.open(image);
    for (let i = 0; i < 20; i++) await session.map(source, `/d/${i}`);
    await session.rm(["/old"]);
    await session.commit();
    assertEquals((await session.sessions()).length, 2);
    assertEquals((await session.ls("/d")).length, 20);
    assertEquals((await session.medium()).sessions, 2);
    assertEquals(
      await session.md5("/d/7"),
      "9a0364b9e99bb480dd25e1f0284c8555",
    );
  }
  assertEquals((await listImage(image)).length, 20);
  assertEquals(await readImage(image, "/d/19"), toBytes("content"));
  await using session = await Xorriso.open(image, { session: 1 });
  assertEquals(await names(session), ["old"]);
});

Deno.test("Xorriso.commit() writes nothing when nothing is staged", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const before = await hash(image);
  await using session = await Xorriso.open(image);
  await session.commit();
  assertEquals(await hash(image), before);
  await session.commit({ force: true });
  assertEquals((await session.sessions()).length, 2);
});

Deno.test("Xorriso.commit() takes little space for a little file", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/new.iso`;
  const source = await folder.file("source", noise(4096));
  const sizes: number[] = [];
  await using session = await Xorriso.open(image, { create: true });
  for (const name of ["a", "b"]) {
    await session.map(source, `/${name}`);
    await session.commit();
    sizes.push((await Deno.stat(image)).size);
  }
  assert((sizes[0] ?? 0) <= 192 << 10, `${sizes}`);
  assert((sizes[1] ?? 0) - (sizes[0] ?? 0) <= 128 << 10, `${sizes}`);
});

Deno.test("Xorriso.commit() writes a second tree for other systems, unless told not to", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  for (const joliet of [true, false]) {
    const image = `${folder.path}/${joliet}.iso`;
    await using session = await Xorriso.open(image, { create: true, joliet });
    // Not every name fits into it; that is no problem.
    await session.map(source, "/emoji 💿");
    await session.map(source, `/${"long ".repeat(20)}`);
    await session.commit();
    const bytes = await Deno.readFile(image);
    const types = [17, 18].map((lba) => bytes[lba * BLOCK]);
    assertEquals(types.includes(2), joliet);
    assertEquals((await session.ls()).length, 2);
  }
});

Deno.test("Xorriso.commit() at once with another one loses nothing", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/new.iso`;
  const source = await folder.file("source", "x");
  {
    await using session = await Xorriso.open(image, { create: true });
    await Promise.all([
      session.cp([source], "/a"),
      session.commit(),
      session.cp([source], "/b"),
      session.commit(),
      session.commit(),
    ]);
    assertEquals((await session.sessions()).length, 2);
  }
  assertEquals(await listImage(image), ["/a", "/b"]);
});

Deno.test("Xorriso.room() beside map() lets nothing of it be forgotten", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/new.iso`;
  const source = await folder.file("source", "x");
  {
    await using session = await Xorriso.open(image, { create: true });
    for (const path of ["/a", "/b", "/c"]) {
      await Promise.all([session.map(source, path), session.room()]);
      await session.commit();
    }
    await Promise.all([session.room(), session.rm(["/a"]), session.room()]);
    await session.commit();
    assertEquals((await session.sessions()).length, 4);
  }
  assertEquals(await listImage(image), ["/b", "/c"]);
});

Deno.test("Xorriso.commit() says so when xorriso has forgotten what was staged", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const before = await hash(image);
  await using session = await Xorriso.open(image);
  for (
    const change of [
      async () => session.map(await folder.file("source", "x"), "/a"),
      () => session.rm(["/old"]),
    ]
  ) {
    await change();
    await session.command(["-changes_pending", "no"]);
    await assertRejectsCode(session.commit(), "WRITE_ERROR");
    assertEquals(await names(session), ["old"]);
  }
  assertEquals(await hash(image), before);
});

/** Makes an image that a BIOS can boot, and returns its path. */
async function makeBootable(folder: Folder): Promise<string> {
  const image = `${folder.path}/boot.iso`;
  await folder.file("tree/boot/loader", noise(2048));
  await runProgram("xorriso", [
    ...["-as", "mkisofs", "-quiet", "-o", image, "-b", "boot/loader"],
    ...["-no-emul-boot", "-boot-load-size", "4", `${folder.path}/tree`],
  ]);
  await age(image);
  return image;
}

/** What xorriso tells of boot records. */
async function bootRecord(image: string): Promise<string> {
  const lines = await runXorriso([
    ["-indev", `stdio:${image}`],
    ["-report_el_torito", "plain"],
  ]);
  return lines.filter((line) => line.startsWith("El Torito boot img")).join();
}

Deno.test("Xorriso.commit() keeps the boot record of an image", async () => {
  await using folder = await makeFolder();
  const image = await makeBootable(folder);
  const before = await bootRecord(image);
  assertStringIncludes(before, "BIOS");
  await using session = await Xorriso.open(image);
  await session.cp([await folder.file("source", "x")], "/a");
  await session.commit();
  assertEquals(await bootRecord(image), before);
  await session.rm(["/boot/loader"]);
  await session.commit();
  assertEquals(await bootRecord(image), before);
});

Deno.test("Xorriso.commit() takes back a session that has lost the boot record", async () => {
  await using folder = await makeFolder();
  const image = await makeBootable(folder);
  const before = await hash(image);
  await using session = await Xorriso.open(image, {
    xorrisoArgs: ["-boot_image", "any", "discard"],
  });
  await session.cp([await folder.file("source", "x")], "/a");
  const error = await assertRejectsCode(session.commit(), "WRITE_ERROR");
  assertStringIncludes(error.message, "boot record");
  assertEquals(await hash(image), before);
});

Deno.test("Xorriso.rollback() discards what is staged", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const before = await hash(image);
  await using session = await Xorriso.open(image);
  await session.rm(["/old"]);
  await session.cp([await folder.file("source", "x")], "/a");
  await session.rollback();
  assertEquals(await names(session), ["old"]);
  await session.commit();
  assertEquals(await hash(image), before);
});

Deno.test("Xorriso.revert() makes an older tree the newest", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "1", "/b": "1" });
  await writeSession(image, { "/a": "2", "/c": "2" });
  {
    await using session = await Xorriso.open(image);
    await session.cp([await folder.file("source", "x")], "/staged");
    await session.revert(1);
    assertEquals(await names(session), ["a", "b"]);
    await session.commit({ force: true });
    assertEquals(await names(session), ["a", "b"]);
    assertEquals((await session.sessions()).length, 3);
    for (const bad of [0, -1, 1.5]) {
      assert(await rejection(session.revert(bad)) instanceof RangeError);
    }
  }
  assertEquals(await listImage(image), ["/a", "/b"]);
  assertEquals(await readImage(image, "/a"), toBytes("1"));
});

Deno.test("Xorriso.revert() to no session leaves the newest tree", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  await using session = await Xorriso.open(image);
  await assertRejectsCode(session.revert(9), "SESSION_NOT_FOUND");
  assertEquals(await names(session), ["old"]);
  await session.cp([await folder.file("source", "x")], "/a");
  await session.commit();
  assertEquals(await names(session), ["a", "old"]);
});

Deno.test("Xorriso.commit() writes nothing over what another program has written", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  await using session = await Xorriso.open(image);
  await session.cp([await folder.file("source", "x")], "/mine");
  await writeSession(image, { "/theirs": "x" });
  const before = await hash(image);
  await assertRejectsCode(session.commit(), "MEDIUM_CHANGED");
  await assertRejectsCode(session.commit(), "MEDIUM_CHANGED");
  await session.end();
  assertEquals(await hash(image), before);
  assertEquals(await listImage(image), ["/old", "/theirs"]);
});

Deno.test("Xorriso.commit() writes nothing where its image is gone", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  await using session = await Xorriso.open(image);
  await session.rm(["/old"]);
  await Deno.rename(image, `${image}.moved`);
  await assertRejectsCode(session.commit(), "MEDIUM_CHANGED");
  assertEquals(await exists(image), false);
});

Deno.test("Xorriso.commit() waits for a warm image without a lock to be quiet, once", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const now = new Date();
  await Deno.utime(image, now, now);
  const source = await folder.file("source", "x");
  await using session = await Xorriso.open(image, { lock: false });
  await session.cp([source], "/a");
  await session.commit();
  const { mtime } = await Deno.stat(image);
  assert((mtime?.getTime() ?? 0) >= now.getTime() + 2000);
  await session.cp([source], "/b");
  await session.commit();
  assertEquals(await names(session), ["a", "b", "old"]);
});

Deno.test("Xorriso.commit() tells that a source has vanished, though xorriso goes on", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "precious" });
  const source = await folder.file("source", "x");
  await using session = await Xorriso.open(image);
  await session.cp([source], "/a");
  await session.cp([await folder.file("sound", "sound")], "/b");
  await Deno.remove(source);
  const error = await assertRejectsCode(session.commit(), "SOURCE_CHANGED");
  assertStringIncludes(error.messages.join("\n"), "Filling with 0s");
  assertEquals((await session.sessions()).length, 2);
  await session.revert(1);
  assertEquals(
    await session.md5("/a"),
    "23f9d50ecd20ccc464f4ad45a3328948", // of "precious"
  );
});

/** xorriso whose output is changed by a script of `sed`. */
async function alterXorriso(folder: Folder, script: string): Promise<string> {
  return await makeScript(
    folder,
    "altered-xorriso",
    `xorriso "$@" | sed -u '${script}'`,
  );
}

Deno.test("Xorriso.commit() believes no success without a session to show", async () => {
  const lies = [
    ["/Written to medium/d", "PROTOCOL"],
    ["s/ at LBA 32$/ at LBA 64/", "WRITE_ERROR"],
    ["/Loading ISO image tree/d", "WRITE_ERROR"],
    ["s/^\\(R:1: ISO session  :   1 , *\\)32/\\164/", "WRITE_ERROR"],
  ] as const;
  for (const [script, code] of lies) {
    await using folder = await makeFolder();
    await using session = await Xorriso.open(`${folder.path}/new.iso`, {
      create: true,
      xorrisoPath: await alterXorriso(folder, script),
    });
    await session.cp([await folder.file("source", "x")], "/a");
    await assertRejectsCode(session.commit(), code);
  }
});

/** xorriso that may write no file beyond a size. */
async function limitXorriso(folder: Folder, bytes: number): Promise<string> {
  return await makeScript(
    folder,
    "limited-xorriso",
    // In units of 512 bytes (POSIX).
    `ulimit -f ${Math.floor(bytes / 512)}; exec xorriso "$@"`,
  );
}

Deno.test("Xorriso.commit() that fails leaves the image as it was", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/old": noise(50_000) });
  const before = await hash(image);
  const xorrisoPath = await limitXorriso(folder, 2 << 20);
  {
    await using session = await Xorriso.open(image, { xorrisoPath });
    await session.cp([await makeSparse(`${folder.path}/large`)], "/large");
    // By the thread of xorriso that gets SIGXFSZ, the write fails, or the process ends: then a call
    // that is queued fails with it.
    const queued = delay(1).then(() => session.ls())
      .catch((error: unknown) =>
        assert(error instanceof XorrisoError, String(error))
      );
    const error = await assertRejectsCode(session.commit(), "MEDIUM_FULL");
    assertMatch(error.message, /File too large|\(ulimit -f\)/);
    assertEquals(await hash(image), before);
    await queued;
    // libburn is still at work in that process: it is no use any more.
    await assertRejectsCode(session.ls(), "CLOSED");
    await assertRejectsCode(session.commit(), "CLOSED");
  }
  assertEquals(await hash(image), before);
  await age(image);
  await using session = await Xorriso.open(image, { xorrisoPath });
  await session.cp([await folder.file("small", "small")], "/small");
  await session.commit();
  assertEquals(await names(session), ["old", "small"]);
  assertEquals(await readImage(image, "/old"), noise(50_000));
});

Deno.test("Xorriso.commit() that fails in a new image leaves none", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/new.iso`;
  const xorrisoPath = await limitXorriso(folder, 2 << 20);
  const large = await makeSparse(`${folder.path}/large`);
  await using session = await Xorriso.open(image, {
    create: true,
    xorrisoPath,
  });
  await session.cp([large], "/large");
  await assertRejectsCode(session.commit(), "MEDIUM_FULL");
  assertEquals(await exists(image), false);
});

/** Stages something large, and does something while it is written. */
async function interrupt(
  image: string,
  folder: Folder,
  options: XorrisoOptions,
  act: (pid: number, session: Xorriso) => void,
  signal?: AbortSignal,
): Promise<unknown> {
  const { path: xorrisoPath, newest } = await traceXorriso(folder);
  const session = await Xorriso.open(image, { ...options, xorrisoPath });
  const pid = await newest();
  try {
    await session.cp([await makeSparse(`${folder.path}/large`)], "/large");
    const committed = rejection(session.commit(signal ? { signal } : {}));
    await grows(image, committed);
    const queued = rejection(session.ls());
    act(pid, session);
    const error = await committed;
    assertEquals(isAlive(pid), false);
    assertCode(await queued, "SESSION_LOST");
    await assertRejectsCode(session.ls(), "SESSION_LOST");
    return error;
  } finally {
    await session.end();
  }
}

Deno.test("Xorriso.commit() that is killed has not taken place", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/old": noise(50_000) });
  const before = await hash(image);
  const error = await interrupt(image, folder, {}, (pid) => {
    Deno.kill(pid, "SIGKILL");
  });
  assertStringIncludes(
    assertCode(error, "SESSION_LOST").message,
    "Cannot commit",
  );
  assertEquals(await hash(image), before);
  await age(image);
  await using session = await Xorriso.open(image);
  await session.cp([await folder.file("next", "x")], "/next");
  await session.commit();
  assertEquals(await names(session), ["next", "old"]);
});

Deno.test("Xorriso.commit() that is killed in a new image leaves none", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/new.iso`;
  const error = await interrupt(image, folder, { create: true }, (pid) => {
    Deno.kill(pid, "SIGKILL");
  });
  assertCode(error, "SESSION_LOST");
  assertEquals(await exists(image), false);
});

Deno.test("Xorriso.commit() stops in an orderly way when it is aborted", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/old": noise(50_000) });
  const before = await hash(image);
  const controller = new AbortController();
  const reason = new Error("stop it");
  const error = await interrupt(
    image,
    folder,
    {},
    () => controller.abort(reason),
    controller.signal,
  );
  assertEquals(error, reason);
  assertEquals(await hash(image), before);
  await using session = await Xorriso.open(image, { readOnly: true });
  assertEquals(await names(session), ["old"]);
});

Deno.test("Xorriso.commit() stops in an orderly way when its session is disposed of", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/old": noise(50_000) });
  const before = await hash(image);
  let disposed: Promise<void> | undefined;
  const error = await interrupt(
    image,
    folder,
    {},
    (_, session) => disposed = session[Symbol.asyncDispose](),
  );
  assertCode(error, "ABORTED");
  await disposed;
  assertEquals(await hash(image), before);
  await using session = await Xorriso.open(image);
  assertEquals(await names(session), ["old"]);
});

Deno.test("Xorriso.commit() writes nothing when its session is disposed of before", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const before = await hash(image);
  const calls: Promise<string>[] = [];
  {
    await using session = await Xorriso.open(image);
    const large = await makeSparse(`${folder.path}/large`);
    await session.map(large, "/large");
    calls.push(
      outcome(session.commit()),
      outcome(session.map(large, "/other")),
      outcome(session.commit()),
    );
  }
  assertEquals(await Promise.all(calls), ["CLOSED", "CLOSED", "CLOSED"]);
  assertEquals(await hash(image), before);
});

Deno.test("Xorriso.commit() writes nothing when it is aborted before", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const before = await hash(image);
  const reason = new Error("never mind");
  await using session = await Xorriso.open(image);
  await session.rm(["/old"]);
  assertEquals(
    await rejection(session.commit({ signal: AbortSignal.abort(reason) })),
    reason,
  );
  assertEquals(await hash(image), before);
  // The session goes on, with what is staged or without.
  await session.rollback();
  assertEquals(await names(session), ["old"]);
});

Deno.test("Xorriso.commit() tells that another file has taken the place of its own meanwhile", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const aside = `${folder.path}/aside.iso`;
  const before = await hash(image);
  const { path: xorrisoPath } = await hookXorriso(folder, "-commit", [
    `cp '${image}' '${folder.path}/other.iso'; mv '${image}' '${aside}'
     mv '${folder.path}/other.iso' '${image}'`,
  ]);
  await using session = await Xorriso.open(image, { xorrisoPath });
  await session.map(await folder.file("new", "new"), "/new");
  await assertRejectsCode(session.commit(), "MEDIUM_CHANGED");
  assertEquals(await hash(aside), before);
});

Deno.test("Xorriso.commit() loses nothing while the xorriso of a killed program goes on", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/old": noise(50_000) });
  Deno.kill(await makeOrphan(folder, image), "SIGCONT");
  const source = await folder.file("next", "next");
  await until(async () => {
    await using session = await Xorriso.open(image);
    await session.map(source, "/next");
    const problem = await session.commit().catch((error: unknown) => error);
    if (problem !== undefined) assertCode(problem, "MEDIUM_CHANGED");
    return problem === undefined;
  }, "the forsaken xorriso has ended");
  const found = await listImage(image);
  assertEquals(found.filter((path) => path !== "/large"), ["/next", "/old"]);
  assertEquals(await readImage(image, "/next"), toBytes("next"));
  assertEquals(await readImage(image, "/old"), noise(50_000));
});

Deno.test("Xorriso.commit() waits for a minute where a commit came to no end, then wants recover", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/old": noise(50_000) });
  Deno.kill(await makeOrphan(folder, image), "SIGKILL");
  const left = await hash(image);
  const source = await folder.file("next", "next");
  const store = async (options: XorrisoOptions) => {
    await using session = await Xorriso.open(image, options);
    assertEquals(await session.ls(), ["old"]);
    await session.map(source, "/next");
    await session.commit();
  };
  {
    // Less than a minute ago.
    const options = { recover: true, lockTimeout: 0 };
    const error = await assertRejectsCode(store(options), "DRIVE_BUSY");
    assertMatch(
      error.message,
      /for another \d+ s; wait for that by lockTimeout/,
    );
    assert(error.retryable);
  }
  {
    const controller = new AbortController();
    const reason = new Error("no time");
    const onProgress = ({ phase }: Progress) => {
      if (phase === "resting") controller.abort(reason);
    };
    await using session = await Xorriso.open(image, { onProgress });
    await session.map(source, "/next");
    const { signal } = controller;
    assertEquals(await rejection(session.commit({ signal })), reason);
  }
  await age(image);
  const error = await assertRejectsCode(store({}), "DRIVE_BUSY");
  assertStringIncludes(error.message, "open it with recover");
  assertEquals(await hash(image), left);
  await store({ recover: true });
  assertEquals(await listImage(image), ["/next", "/old"]);
  assertEquals(await readImage(image, "/old"), noise(50_000));
});

Deno.test("Xorriso.commit() refuses an image that a stopped xorriso has open", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/old": noise(50_000) });
  const pid = await makeOrphan(folder, image);
  try {
    await age(image);
    const left = await hash(image);
    await using session = await Xorriso.open(image, { recover: true });
    await session.map(await folder.file("next", "next"), "/next");
    const error = await assertRejectsCode(session.commit(), "DRIVE_BUSY");
    assertStringIncludes(error.message, `process ${pid} has it open`);
    assertEquals(await hash(image), left);
  } finally {
    Deno.kill(pid, "SIGKILL");
  }
});

const NO_DISK = await noSmallDisk();

/** What a program prints that has a disk of 1 MiB. */
async function runOnSmallDisk(
  folder: Folder,
  code: string,
  prepare?: string,
): Promise<string> {
  const disk = `${folder.path}/disk`;
  await Deno.mkdir(disk);
  const module = new URL("../../src/session/xorriso.ts", import.meta.url).href;
  const { stdout, stderr } = await runDeno(
    `import { Xorriso } from ${JSON.stringify(module)};
     const disk = ${JSON.stringify(disk)};
     const image = disk + "/test.iso";
     ${code}`,
    await onSmallDisk(1 << 20, disk, prepare),
  );
  assertEquals(stderr, "");
  return stdout;
}

Deno.test(
  unless(
    NO_DISK,
    "Xorriso.commit() tells how much does not fit on a full disk",
  ),
  async () => {
    await using folder = await makeFolder();
    const stdout = await runOnSmallDisk(
      folder,
      `await Deno.writeFile(${
        JSON.stringify(folder.path)
      } + "/big", new Uint8Array(3 << 20));
     await Deno.writeTextFile(${JSON.stringify(folder.path)} + "/small", "x");
     {
       await using session = await Xorriso.open(image, { create: true });
       await session.cp([${JSON.stringify(folder.path)} + "/small"], "/a");
       await session.commit();
     }
     const before = (await Deno.stat(image)).size;
     await using session = await Xorriso.open(image);
     await session.cp([${JSON.stringify(folder.path)} + "/big"], "/b");
     const { code, needed, free } = await session.commit().catch((e) => e);
     console.log(code, needed > 3 << 20, free > 0 && free < 1 << 20);
     console.log((await Deno.stat(image)).size === before, await session.ls());`,
    );
    assertEquals(stdout, 'MEDIUM_FULL true true\ntrue [ "a" ]\n');
  },
);

Deno.test(
  unless(NO_DISK, "Xorriso.open() tells of a read-only file system"),
  async () => {
    await using folder = await makeFolder();
    const image = await makeImage(folder);
    const stdout = await runOnSmallDisk(
      folder,
      `await Xorriso.open(disk + "/new.iso", { create: true }).catch((e) =>
       console.log(e.code));
     await using session = await Xorriso.open(image);
     console.log(await session.ls());
     await session.rm(["/old"]).catch((e) => console.log(e.code));`,
      `cp '${image}' "$2" && mount -o remount,ro "$2"`,
    );
    assertEquals(
      stdout,
      'MEDIUM_NOT_WRITABLE\n[ "old" ]\nMEDIUM_NOT_WRITABLE\n',
    );
  },
);

Deno.test("Xorriso.commit() tells that xorriso has died while a warm image rested", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  await Deno.utime(image, new Date(), new Date());
  const { path, newest } = await traceXorriso(folder);
  await using session = await Xorriso.open(image, { xorrisoPath: path });
  await session.map(await folder.file("new", "new"), "/new");
  const outcome = rejection(session.commit());
  Deno.kill(await newest(), "SIGKILL");
  assertCode(await outcome, "SESSION_LOST");
});

Deno.test("Xorriso.commit() takes back a session that was written in spite of an unknown problem", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  await age(image);
  const before = await hash(image);
  // The second commit alone has a problem that no rule knows.
  const path = await makeScript(
    folder,
    "alarmed-xorriso",
    `xorriso "$@" | sed -u '/ISO image produced/a I:1: libisofs: MISHAP : New'`,
  );
  await using session = await Xorriso.open(image, { xorrisoPath: path });
  await session.map(await folder.file("new", "new"), "/old");
  await assertRejectsCode(session.commit(), "UNKNOWN");
  assertEquals(await hash(image), before);
  const [{ size } = { size: 0 }] = await session.lsl("/old");
  assertEquals(size, "old".length);
  assertEquals(await listImage(image), ["/old"]);
});

Deno.test("XorrisoBackend.put() goes on from what a forsaken xorriso has written", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
    lock: false,
  });
  assertEquals((await backend.list()).length, 1);
  // The image is warm: somebody may still be at work, and is.
  await writeSession(image, { "/late": "late" });
  await backend.put(toBytes("new"), "new");
  assertEquals(await listImage(image), ["/late", "/new", "/old"]);
});
