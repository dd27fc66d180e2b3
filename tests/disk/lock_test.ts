import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ImageFile } from "../../src/disk/image.ts";
import { burnerUnavailable } from "../burner/build.ts";
import { Clock } from "../support/clock.ts";
import {
  assertRejectsCode,
  exists,
  type Folder,
  makeFolder,
  rejection,
  runDeno,
  runProgram,
} from "../support/helpers.ts";
import { unless } from "../support/needs.ts";

const READ = { writable: false, create: false };
const WRITE = { writable: true, create: false };
const CREATE = { writable: true, create: true };

const LONG = 60_000;

Deno.test("ImageFile.open() has the lock as soon as another writer ends", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  // No timer goes off: only the end of the other one can wake it.
  using clock = new Clock();
  const writer = await ImageFile.open(path, WRITE);
  const opening = ImageFile.open(path, { ...WRITE, lockTimeout: LONG });
  await clock.awaited();
  await writer[Symbol.asyncDispose]();
  await using image = await opening;
  assertEquals(image.path, path);
  assertEquals(clock.passed, 0);
});

Deno.test("ImageFile.open() opens anew what its maker has removed meanwhile", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/a.iso`;
  using clock = new Clock();
  const maker = await ImageFile.open(path, CREATE);
  const opening = ImageFile.open(path, { ...CREATE, lockTimeout: LONG });
  await clock.awaited();
  await maker[Symbol.asyncDispose]();
  await using image = await opening;
  assertEquals(image.identity.ino, (await Deno.stat(path)).ino);
});

Deno.test("ImageFile.open() tries again each second where nothing tells of the other's end", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  const { watchFs } = Deno;
  using clock = new Clock();
  const writer = await ImageFile.open(path, WRITE);
  Deno.watchFs = () => {
    throw new Error("No space left on device (os error 28)");
  };
  try {
    const opening = ImageFile.open(path, { ...WRITE, lockTimeout: LONG });
    await clock.awaited();
    await writer[Symbol.asyncDispose]();
    clock.tick(1000);
    await using _image = await opening;
  } finally {
    Deno.watchFs = watchFs;
  }
});

Deno.test("ImageFile.open() waits for a lock as long as it is told, or until it is aborted", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  await using _writer = await ImageFile.open(path, WRITE);
  {
    using clock = new Clock({ leaps: true });
    const options = { ...WRITE, lockTimeout: 2500 };
    await assertRejectsCode(ImageFile.open(path, options), "DRIVE_BUSY");
    assertEquals(clock.passed, 2500);
  }
  const controller = new AbortController();
  const { signal } = controller;
  const options = { ...WRITE, lockTimeout: LONG, signal };
  const outcome = rejection(ImageFile.open(path, options));
  controller.abort("enough");
  assertEquals(await outcome, "enough");
});

/** Runs something while the system has no locks. */
async function withoutLocks(work: () => Promise<void>): Promise<void> {
  const { prototype } = Deno.FsFile;
  const { tryLock, unlock } = prototype;
  const refuse = () =>
    Promise.reject(new Error("No locks available (os error 37)"));
  Object.assign(prototype, { tryLock: refuse, unlock: refuse });
  try {
    await work();
  } finally {
    Object.assign(prototype, { tryLock, unlock });
  }
}

Deno.test("ImageFile.open() tells a writer that there are no locks, and leaves nothing", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  const created = `${folder.path}/new.iso`;
  await withoutLocks(async () => {
    for (const [at, how] of [[path, WRITE], [created, CREATE]] as const) {
      const error = await assertRejectsCode(
        ImageFile.open(at, how),
        "MEDIUM_NOT_WRITABLE",
      );
      assertEquals(error.path, at);
      assertStringIncludes(error.message, "No locks available; ");
      assertStringIncludes(error.message, "lock: false");
    }
    assertEquals(await exists(created), false);
    await using _reader = await ImageFile.open(path, READ);
  });
});

Deno.test("ImageFile.open() goes without a lock if asked", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("a.iso", "x");
  const options = { ...WRITE, lock: false };
  await withoutLocks(async () => {
    await using image = await ImageFile.open(path, options);
    await image.cut(0);
  });
  await using _writer = await ImageFile.open(path, WRITE);
  await using _other = await ImageFile.open(path, options);
});

Deno.test("ImageFile.open() removes no file that another program has taken for its own", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/a.iso`;
  const { prototype } = Deno.FsFile;
  const { tryLock } = prototype;
  // Another one is faster between the making and the locking.
  prototype.tryLock = () => Promise.resolve(false);
  try {
    await assertRejectsCode(ImageFile.open(path, CREATE), "DRIVE_BUSY");
  } finally {
    Object.assign(prototype, { tryLock });
  }
  assert(await exists(path));
});

/** A library by which flock() refuses as on NFSv4: an exclusive lock needs a handle for writing. */
async function buildNfsLocks(folder: Folder): Promise<string> {
  const source = await folder.file(
    "flock.c",
    `#define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <sys/file.h>
    int flock(int fd, int op) {
      if ((op & LOCK_EX) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        errno = EBADF;
        return -1;
      }
      return ((int (*)(int, int)) dlsym(RTLD_NEXT, "flock"))(fd, op);
    }`,
  );
  const library = `${folder.path}/flock.so`;
  const args = ["-shared", "-fPIC", "-o", library, source, "-ldl"];
  await runProgram(Deno.env.get("CC") ?? "cc", args);
  return library;
}

Deno.test(
  unless(
    burnerUnavailable(),
    "ImageFile.open() locks an image on NFS, which wants it open for writing",
  ),
  async () => {
    await using folder = await makeFolder();
    const path = await folder.file("a.iso", "x");
    const library = await buildNfsLocks(folder);
    const module = new URL("../../src/disk/image.ts", import.meta.url).href;
    const { stdout, stderr } = await runDeno(
      `import { ImageFile } from ${JSON.stringify(module)};
       const path = ${JSON.stringify(path)};
       const WRITE = { writable: true, create: false };
       await using _writer = await ImageFile.open(path, WRITE);
       await using _reader = await ImageFile.open(path, { writable: false, create: false });
       await ImageFile.open(path, WRITE).catch(({ code }) => console.log(code));
       using file = await Deno.open(path);
       await file.tryLock(true).catch(({ code }) => console.log(code));`,
      ["env", `LD_PRELOAD=${library}`],
    );
    assertEquals(stdout, "DRIVE_BUSY\nEBADF\n", stderr);
  },
);
