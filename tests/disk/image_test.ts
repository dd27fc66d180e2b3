import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import type { ImageState } from "../../src/disk/head.ts";
import { ImageFile, WARM } from "../../src/disk/image.ts";
import { BLOCK } from "../../src/medium.ts";
import { Clock } from "../support/clock.ts";
import {
  assertCode,
  assertRejectsCode,
  exists,
  fingerprint,
  type Folder,
  hash,
  listImage,
  makeFifo,
  makeFolder,
  makeImage,
  outcome,
  patch,
  rejection,
  runDeno,
  runProgram,
  writeSession,
} from "../support/helpers.ts";
import { withoutRights } from "../support/needs.ts";

const READ = { writable: false, create: false };
const WRITE = { writable: true, create: false };
const CREATE = { writable: true, create: true };

/** Sets the time of the last change to some milliseconds ago. */
async function age(path: string, milliseconds: number): Promise<void> {
  const time = new Date(Date.now() - milliseconds);
  await Deno.utime(path, time, time);
}

async function append(path: string, text: string): Promise<void> {
  await Deno.writeTextFile(path, text, { append: true });
}

/** How an image file looks to the module. */
async function inspect(path: string): Promise<ImageState> {
  await using image = await ImageFile.open(path, READ);
  return await image.inspect();
}

/** A file that nobody has touched for long, open for writing. */
async function openOld(folder: Folder, content: string): Promise<ImageFile> {
  const path = await folder.file("old.iso", content);
  await age(path, 60_000);
  return await ImageFile.open(path, WRITE);
}

Deno.test("ImageFile.open() lets one writer in, and no other", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  {
    await using _writer = await ImageFile.open(path, WRITE);
    for (const options of [WRITE, CREATE]) {
      const error = await assertRejectsCode(
        ImageFile.open(path, options),
        "DRIVE_BUSY",
      );
      assert(error.retryable);
    }
  }
  await using _next = await ImageFile.open(path, WRITE);
});

Deno.test("ImageFile.open() lets any number of readers in, beside a writer too", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  await using _first = await ImageFile.open(path, READ);
  await using _writer = await ImageFile.open(path, WRITE);
  await using _second = await ImageFile.open(path, READ);
});

Deno.test("ImageFile.open() locks the file, not its name", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  await Deno.symlink(path, `${folder.path}/link`);
  await Deno.link(path, `${folder.path}/hard`);
  await using image = await ImageFile.open(`${folder.path}/link`, WRITE);
  assertEquals(image.path, path);
  for (const name of ["a.iso", "hard", "./link"]) {
    await assertRejectsCode(
      ImageFile.open(`${folder.path}/${name}`, WRITE),
      "DRIVE_BUSY",
    );
  }
});

Deno.test("ImageFile gives its lock back at once, whatever is started meanwhile", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  // A process that is being forked by another thread has all files open.
  const code = `
    for (let i = 0; i < 200; i++) await new Deno.Command("true").output();
    postMessage("done");`;
  const worker = new Worker(
    `data:application/javascript,${encodeURIComponent(code)}`,
    { type: "module" },
  );
  try {
    let done = false;
    worker.onmessage = worker.onerror = () => done = true;
    while (!done) {
      await using _image = await ImageFile.open(path, WRITE);
    }
  } finally {
    worker.terminate();
  }
});

Deno.test("ImageFile.open() has a lock that other programs see", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  const flock = async () =>
    (await new Deno.Command("flock", {
      args: ["--nonblock", "--shared", path, "true"],
    }).output()).code;
  {
    await using _image = await ImageFile.open(path, WRITE);
    assertEquals(await flock(), 1);
  }
  assertEquals(await flock(), 0);
});

Deno.test("ImageFile.open() refuses what is no regular file", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await Deno.mkdir(`${path}/folder`);
  await Deno.symlink("folder", `${path}/link`);
  await Deno.symlink("loop", `${path}/loop`);
  // To open a FIFO would wait for somebody to write to it.
  await makeFifo(`${path}/fifo`);
  await folder.file("file");
  const names = ["folder", "link", "loop", "fifo", "file/x", "y".repeat(300)];
  for (const name of names) {
    for (const options of [READ, CREATE]) {
      const error = await assertRejectsCode(
        ImageFile.open(`${path}/${name}`, options),
        "NO_DRIVE",
      );
      assertEquals(error.path, `${path}/${name}`);
    }
  }
});

Deno.test("ImageFile.open() makes a file only if asked, and where there is a folder", async () => {
  await using folder = await makeFolder();
  const missing = `${folder.path}/missing.iso`;
  const dangling = `${folder.path}/dangling`;
  await Deno.symlink(missing, dangling);
  const cases = [
    [missing, READ],
    [missing, WRITE],
    [missing, { writable: false, create: true }],
    [`${folder.path}/none/x.iso`, CREATE],
    [dangling, WRITE],
    [dangling, CREATE],
  ] as const;
  for (const [path, options] of cases) {
    await assertRejectsCode(ImageFile.open(path, options), "NO_DRIVE");
    assertEquals(await exists(missing), false);
  }
});

Deno.test("ImageFile removes a file that it made, if it is still empty", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  {
    await using image = await ImageFile.open(path, CREATE);
    assertEquals(await image.inspect(), "blank");
    assert(await exists(path));
  }
  assertEquals(await exists(path), false);
  {
    await using _image = await ImageFile.open(path, CREATE);
    await append(path, "x");
  }
  assertEquals(await Deno.readTextFile(path), "x");
});

Deno.test("ImageFile leaves an empty file that it did not make", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("empty.iso");
  {
    await using _image = await ImageFile.open(path, CREATE);
  }
  assert(await exists(path));
});

Deno.test("ImageFile removes nothing that has taken its file's place", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  {
    await using _image = await ImageFile.open(path, CREATE);
    await Deno.rename(await folder.file("other", ""), path);
  }
  assert(await exists(path));
});

Deno.test("ImageFile does not mind if its new file is gone", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  await using _image = await ImageFile.open(path, CREATE);
  await Deno.remove(path);
});

Deno.test("ImageFile.open() never holds a file that was removed meanwhile", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  const contend = async () => {
    for (let i = 0; i < 20; i++) {
      try {
        await using image = await ImageFile.open(path, CREATE);
        assertEquals((await Deno.stat(path)).ino, image.identity.ino);
      } catch (error) {
        assertCode(error, "DRIVE_BUSY");
      }
    }
  };
  await Promise.all([contend(), contend(), contend()]);
  // Who made the file may lose it at once to another one, who leaves it there.
  const left = await Deno.stat(path).catch(() => undefined);
  assertEquals(left?.size ?? 0, 0);
});

Deno.test("ImageFile.inspect() tells images from other files", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  assertEquals(await inspect(image), "iso");
  const mkisofs = `${folder.path}/plain.iso`;
  await runProgram("xorriso", [
    ...["-no_rc", "-as", "mkisofs", "-o", mkisofs, "-quiet"],
    await folder.file("source", "x"),
  ]);
  assertEquals(await inspect(mkisofs), "iso");
  assertEquals(await inspect(await folder.file("empty")), "blank");
  assertEquals(await inspect(await folder.file("text", "text")), "foreign");
  // Without its mirror, the first session is where libisofs puts it.
  await patch(image, 0, new Uint8Array(32 * BLOCK));
  assertEquals(await inspect(image), "headless");
  await Deno.truncate(image, 49 * BLOCK);
  assertEquals(await inspect(image), "interrupted");
  await patch(image, 0, new Uint8Array([1]));
  assertEquals(await inspect(image), "damaged");
});

Deno.test("ImageFile writes nothing to a file that may only be read", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "content");
  await Deno.chmod(path, 0o444);
  const module = new URL("../../src/disk/image.ts", import.meta.url).href;
  const { stdout, stderr } = await runDeno(
    `import { ImageFile } from ${JSON.stringify(module)};
     const image = await ImageFile.open(${JSON.stringify(path)}, {
       writable: true, create: false });
     console.log(await image.inspect());
     const tell = ({ code }) => console.log(code);
     try { image.requireWritable() } catch (error) { tell(error) }
     await image.beforeCommit().catch(tell);
     await image.cut(0).catch(tell);
     await image.replaceHead(new Uint8Array(1)).catch(tell);
     await image[Symbol.asyncDispose]();`,
    await withoutRights(),
  );
  const refused = "PERMISSION_DENIED\n".repeat(4);
  assertEquals([stdout, stderr], [`foreign\n${refused}`, ""]);
  assertEquals(await Deno.readTextFile(path), "content");
});

Deno.test("ImageFile.cut() makes the file blank", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "x");
  await image.beforeCommit();
  await image.cut(0);
  assertEquals([image.size, await image.inspect()], [0, "blank"]);
  await image.beforeCommit();
});

Deno.test("ImageFile.beforeCommit() takes a file as it was opened", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "x");
  await image.beforeCommit();
  await image.beforeCommit();
});

Deno.test("ImageFile.beforeCommit() notices what another program has done", async (t) => {
  const changes: Record<string, (path: string, folder: Folder) => unknown> = {
    "appended": (path) => append(path, "y"),
    "rewritten": (path) => Deno.writeTextFile(path, "y"),
    "emptied": (path) => Deno.truncate(path),
    "removed": (path) => Deno.remove(path),
    "replaced": async (path, folder) => {
      const other = await folder.file("other", "x");
      const { mtime, atime } = await Deno.stat(path);
      await Deno.utime(other, atime ?? 0, mtime ?? 0);
      await Deno.rename(other, path);
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    await t.step(name, async () => {
      await using folder = await makeFolder();
      await using image = await openOld(folder, "x");
      // The file is known to be quiet from the first commit on.
      await image.beforeCommit();
      // The time of a change is that of the last tick of the system's clock.
      await delay(20);
      await change(image.path, folder);
      await assertRejectsCode(image.beforeCommit(), "MEDIUM_CHANGED");
    });
  }
});

Deno.test("ImageFile.beforeCommit() knows its own changes once told", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "x");
  await image.beforeCommit();
  await append(image.path, "y");
  await image.remember();
  assertEquals(image.size, 2);
  await image.beforeCommit();
});

/** As long as a file must rest whose commit may not have written anything yet. */
const warm = () => Promise.resolve(WARM);

Deno.test("ImageFile.rest() waits until the file has not changed for some time", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("warm.iso", "x");
  using clock = new Clock({ leaps: true });
  await age(path, 1800);
  await using image = await ImageFile.open(path, WRITE);
  const { mtime } = await Deno.stat(path);
  assertEquals(await image.rest(warm), mtime);
  assertEquals(clock.passed, 200);
  const left: number[] = [];
  await image.rest(() => Promise.resolve(3000), (each) => left.push(each));
  // What it waits is told twice a second.
  assertEquals(left, [1000, 500]);
});

Deno.test("ImageFile.rest() begins anew, and asks anew, when the file has changed", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("warm.iso", "x");
  using clock = new Clock();
  await age(path, 1900);
  await using image = await ImageFile.open(path, WRITE);
  let asked = 0;
  const rested = image.rest(() => Promise.resolve([WARM, 300][asked++] ?? 0));
  await clock.awaited();
  await append(path, "y");
  clock.tick(100);
  await clock.awaited();
  clock.tick(300);
  await rested;
  assertEquals([asked, await image.isUnchanged()], [2, false]);
});

Deno.test("ImageFile.rest() watches a file from the future all the time", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("future.iso", "x");
  using clock = new Clock({ leaps: true });
  await age(path, -3_600_000);
  await using image = await ImageFile.open(path, WRITE);
  await image.rest(warm);
  assertEquals(clock.passed, 2000);
});

Deno.test("ImageFile.rest() stops when it is aborted, or by what it tells", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("warm.iso", "x");
  await using image = await ImageFile.open(path, WRITE);
  const reason = new Error("no time");
  const controller = new AbortController();
  const outcome = rejection(image.rest(warm, undefined, controller.signal));
  controller.abort(reason);
  assertEquals(await outcome, reason);
  const giveUp = () => {
    throw reason;
  };
  assertEquals(await rejection(image.rest(warm, giveUp)), reason);
});

Deno.test("ImageFile.beforeCommit() makes the file warm for the next program", async () => {
  await using folder = await makeFolder();
  for (const content of ["x", ""]) {
    const path = await folder.file("cold.iso", content);
    await age(path, 60_000);
    {
      await using image = await ImageFile.open(path, WRITE);
      await image.beforeCommit();
    }
    // A xorriso that was told to commit just now has not yet written anything.
    await using next = await ImageFile.open(path, WRITE);
    using clock = new Clock({ leaps: true });
    await next.rest(warm);
    assert(clock.passed > 1000, `${content}: ${clock.passed} ms`);
  }
});

Deno.test("ImageFile.isAtRest is true of a new file", async () => {
  await using folder = await makeFolder();
  await using image = await ImageFile.open(`${folder.path}/new.iso`, CREATE);
  assertEquals(image.isAtRest, true);
});

Deno.test("ImageFile.restore() gives back what a failed commit took", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "x".repeat(100_000));
  const before = await fingerprint(image.path);
  await image.beforeCommit();
  await append(image.path, "y".repeat(100_000));
  await image.restore();
  assertEquals(image.size, 100_000);
  assertEquals((await Deno.stat(image.path)).size, 100_000);
  assertEquals((await fingerprint(image.path)).slice(-64), before.slice(-64));
  await image.beforeCommit();
});

Deno.test("ImageFile.restore() empties a new file whose first commit failed", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  {
    await using image = await ImageFile.open(path, CREATE);
    await image.beforeCommit();
    await append(path, `${"\0".repeat(70_000)}data`);
    await image.restore();
    assertEquals(image.size, 0);
  }
  assertEquals(await exists(path), false);
});

Deno.test("ImageFile.restore() takes back a session that nobody was told of", async () => {
  await using folder = await makeFolder();
  for (const create of [true, false]) {
    const path = `${folder.path}/new.iso`;
    await using image = await ImageFile.open(path, { writable: true, create });
    if (!create) await age(path, 60_000).then(() => image.remember());
    await image.beforeCommit();
    // It is complete; the call that wanted it has rejected all the same.
    const before = await hash(path);
    await writeSession(path, { [create ? "/a" : "/b"]: "content" });
    await image.restore();
    assertEquals(await hash(path), before);
    if (create) await writeSession(path, { "/a": "content" });
  }
});

Deno.test("ImageFile.restore() takes back a commit that is being completed, which is told", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "x".repeat(100_000));
  await image.beforeCommit();
  await append(image.path, "y".repeat(100_000));
  const completed = outcome(image.afterCommit(true));
  await image.restore();
  assertEquals(await completed, "SESSION_LOST");
  assertEquals((await Deno.stat(image.path)).size, 100_000);
  // Once it is complete, it stays.
  await image.beforeCommit();
  await append(image.path, "z");
  await image.afterCommit(true);
  await image.restore();
  assertEquals((await Deno.stat(image.path)).size, 100_001);
});

Deno.test("ImageFile.restore() cuts nothing off when no commit is under way", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "x".repeat(100_000));
  await image.restore();
  await image.beforeCommit();
  await image.remember();
  // Another program, in the middle of its work.
  await append(image.path, "y");
  await image.restore();
  assertEquals((await Deno.stat(image.path)).size, 100_001);
});

Deno.test("ImageFile.restore() touches no other file that has its name now", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "x".repeat(100_000));
  await image.beforeCommit();
  await append(image.path, "y");
  const other = await folder.file("other", "z".repeat(200_000));
  await Deno.rename(other, image.path);
  await image.restore();
  assertEquals((await Deno.stat(image.path)).size, 200_000);
});

Deno.test("ImageFile.undo() takes the last session back", async () => {
  await using folder = await makeFolder();
  const path = await makeImage(folder, { "/a": "1" });
  await age(path, 60_000);
  await using image = await ImageFile.open(path, WRITE);
  const before = (await fingerprint(path)).slice(-64);
  await image.beforeCommit();
  await writeSession(path, { "/a": "2", "/b": "2" });
  await image.remember();
  assertEquals(await listImage(path), ["/a", "/b"]);
  await image.undo();
  assertEquals((await fingerprint(path)).slice(-64), before);
  assertEquals(await listImage(path), ["/a"]);
  await image.beforeCommit();
});

Deno.test("ImageFile.undo() takes nothing back that another program has added to", async () => {
  await using folder = await makeFolder();
  const path = await makeImage(folder, { "/a": "1" });
  await age(path, 60_000);
  await using image = await ImageFile.open(path, WRITE);
  await image.beforeCommit();
  await writeSession(path, { "/b": "2" });
  await image.remember();
  await writeSession(path, { "/c": "3" });
  await assertRejectsCode(image.undo(), "MEDIUM_CHANGED");
  assertEquals(await listImage(path), ["/a", "/b", "/c"]);
});

Deno.test("ImageFile.afterCommit() has the bytes on the disk, and the name of a new image", async () => {
  await using folder = await makeFolder();
  const { prototype } = Deno.FsFile;
  const { sync, syncData } = prototype;
  const synced: string[] = [];
  prototype.syncData = async function () {
    synced.push("content");
    await syncData.call(this);
  };
  prototype.sync = async function () {
    synced.push("folder");
    await sync.call(this);
  };
  try {
    const path = `${folder.path}/new.iso`;
    await using image = await ImageFile.open(path, CREATE);
    await image.beforeCommit();
    await append(path, "session");
    await image.afterCommit(true);
    assertEquals(synced, ["content", "folder"]);
    await image.beforeCommit();
    await image.afterCommit(false);
  } finally {
    Object.assign(prototype, { sync, syncData });
  }
});

Deno.test("ImageFile.afterCommit() tells that the disk did not take all", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "x");
  const { prototype } = Deno.FsFile;
  const { syncData } = prototype;
  try {
    for (
      const [name, code] of [
        ["ENOSPC", "MEDIUM_FULL"],
        ["EDQUOT", "MEDIUM_FULL"],
        ["EIO", "WRITE_ERROR"],
      ] as const
    ) {
      await image.beforeCommit();
      await append(image.path, "session");
      prototype.syncData = () =>
        Promise.reject(Object.assign(new Error(), { code: name }));
      await assertRejectsCode(image.afterCommit(true), code);
      Object.assign(prototype, { syncData });
      await image.remember();
      await image.undo();
      assertEquals(await Deno.readTextFile(image.path), "x");
    }
  } finally {
    Object.assign(prototype, { syncData });
  }
});

Deno.test("ImageFile.afterCommit() tells that another file was written, or is there now", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "x");
  const { path } = image;
  const aside = `${path}.aside`;
  await image.beforeCommit();
  await image.afterCommit(false);
  // Exchanged for the time of the commit alone.
  await image.beforeCommit();
  await Deno.rename(path, aside);
  await Deno.writeTextFile(path, "session");
  await Deno.rename(aside, path);
  await assertRejectsCode(image.afterCommit(true), "MEDIUM_CHANGED");
  // Exchanged for good after it has grown.
  await image.beforeCommit();
  await append(path, "session");
  await Deno.rename(path, aside);
  await Deno.writeTextFile(path, "other");
  await assertRejectsCode(image.afterCommit(true), "MEDIUM_CHANGED");
  assertEquals(await Deno.readTextFile(path), "other");
});

Deno.test("ImageFile.open() says that a link to be created leads nowhere", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/link.iso`;
  await Deno.symlink(`${folder.path}/missing/x.iso`, path);
  const error = await assertRejectsCode(
    ImageFile.open(path, CREATE),
    "NO_DRIVE",
  );
  assertStringIncludes(error.message, "it is a link to something that is not");
});

Deno.test("ImageFile is at rest when it was closed in order", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("cold.iso", "x");
  await age(path, 60_000);
  {
    await using image = await ImageFile.open(path, WRITE);
    await image.beforeCommit();
    await append(path, "y");
    await image.afterCommit(true);
  }
  await using next = await ImageFile.open(path, WRITE);
  using clock = new Clock({ leaps: true });
  await next.rest(warm);
  assert(clock.passed < 100, `${clock.passed} ms`);
});

Deno.test("ImageFile.cut() takes the end away, and hides no change of others", async () => {
  await using folder = await makeFolder();
  await using image = await openOld(folder, "image and rest");
  await image.cut("image".length);
  assertEquals(await Deno.readTextFile(image.path), "image");
  await image.beforeCommit();
  await append(image.path, " and session");
  await image.restore();
  assertEquals(await Deno.readTextFile(image.path), "image");
  // The time of a change is that of the last tick of the system's clock.
  await delay(20);
  await append(image.path, " of others");
  await image.cut("image".length);
  await assertRejectsCode(image.beforeCommit(), "MEDIUM_CHANGED");
});
