/** Sources that become FIFOs, for which xorriso would wait for ever. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Xorriso } from "../../mod.ts";
import { Fifos } from "../../src/disk/fifos.ts";
import { burnerTests } from "../burner/burner.ts";
import {
  hookXorriso,
  openImage,
  store,
  storedTexts,
} from "../support/backends.ts";
import * as drives from "../support/drives.ts";
import {
  assertCode,
  assertRejectsCode,
  type Folder,
  hash,
  isAlive,
  makeFifo,
  makeFolder,
  noise,
  rejection,
  runDeno,
  until,
  within,
} from "../support/helpers.ts";

/** Puts a FIFO in the place of a file. */
async function turn(path: string): Promise<void> {
  await makeFifo(`${path}.fifo`);
  await Deno.rename(`${path}.fifo`, path);
}

/** A shell command that does so. */
function turning(path: string): string {
  return `mkfifo '${path}.fifo' && mv '${path}.fifo' '${path}'`;
}

/** Lets all go on that wait for the writer of a FIFO. */
async function comeAndGo(path: string): Promise<void> {
  await new Deno.Command("timeout", { args: ["9", "sh", "-c", `: >'${path}'`] })
    .output();
}

/** What becomes of four changes in one batch, as a program prints it. */
const STORE = (url: string, xorriso: string, sources: string) => `
  import { XorrisoBackend, XorrisoError } from "@xorriso/backend";
  const backend = await XorrisoBackend.open(${JSON.stringify(url)}, {
    create: ${!url.startsWith("xorriso:///dev")},
    commitDelay: 300,
    xorrisoPath: ${JSON.stringify(xorriso)},
  });
  const names = ["large", "moves", "sound"];
  const results = await Promise.allSettled([
    ...names.map((name) => backend.put(${
  JSON.stringify(sources)
} + name, name)),
    backend.delete("old"),
  ]);
  console.log(results.map(({ reason }) => reason?.code ?? "ok").join());
  const [next] = await Promise.allSettled([
    backend.put(new Uint8Array(1), "next"),
  ]);
  console.log(next.reason?.code ?? "ok");
  await backend.close();`;

async function makeSources(folder: Folder): Promise<string> {
  await folder.file("sources/large", noise(8 << 20));
  await folder.file("sources/moves", noise(100_000));
  await folder.file("sources/sound", "sound");
  return `${folder.path}/sources/`;
}

Deno.test("Fifos.unblock() comes as a writer and goes, without a word", async () => {
  await using folder = await makeFolder();
  const sound = await folder.file("sound");
  const fifo = await makeFifo(`${folder.path}/fifo`);
  await Deno.symlink(fifo, `${folder.path}/link`);
  for (const path of [fifo, `${folder.path}/link`]) {
    const reading = Deno.readTextFile(path);
    const fifos = new Fifos([sound, `${folder.path}/nothing`, path]);
    await until(async () => {
      assertEquals(await fifos.unblock(), undefined);
      return fifos.problem !== undefined;
    }, "it was opened");
    assertEquals(await reading, "");
    const { message } = assertCode(fifos.problem, "SOURCE_CHANGED");
    assertStringIncludes(message, path);
    assertEquals(fifos.problem?.messages.length, 1);
  }
});

Deno.test("Fifos.unblock() tells nothing of files, and of FIFOs that nobody reads", async () => {
  await using folder = await makeFolder();
  const fifo = await makeFifo(`${folder.path}/fifo`);
  const fifos = new Fifos([folder.path, await folder.file("sound"), fifo]);
  assertEquals(await fifos.unblock(), undefined);
  assertEquals(fifos.problem, undefined);
});

Deno.test("Fifos.unblock() tells what it may not open", async () => {
  await using folder = await makeFolder();
  const fifo = await makeFifo(`${folder.path}/fifo`);
  await folder.file("granted/x");
  await Deno.symlink(fifo, `${folder.path}/granted/link`);
  const module = new URL("../../src/disk/fifos.ts", import.meta.url).href;
  const { stdout, stderr } = await runDeno(
    `import { Fifos } from ${JSON.stringify(module)};
     for (const path of ["fifo", "granted/link"]) {
       const fifos = new Fifos(["${folder.path}/" + path]);
       console.log((await fifos.unblock())?.code);
     }`,
    [],
    [`--deny-write=${fifo}`],
  );
  assertEquals([stdout, stderr], ["SOURCE_CHANGED\nSOURCE_CHANGED\n", ""]);
});

Deno.test("XorrisoBackend.put() stores the others when a source becomes a FIFO", async () => {
  // With permission to write to the sources, and without.
  await Promise.all([[], ["--deny-write="]].map(async ([deny]) => {
    await using folder = await makeFolder();
    const sources = await makeSources(folder);
    await using hooked = await hookXorriso(
      folder,
      "-commit",
      ["", turning(`${sources}moves`)],
    );
    {
      await using backend = await openImage(folder);
      await store(backend, { old: "old", moves: "older" });
    }
    // The hook is for the second commit.
    {
      await using backend = await openImage(folder, {
        xorrisoPath: hooked.path,
      });
      await store(backend, { first: "first" });
    }
    const before = performance.now();
    const { code, stdout, stderr } = await runDeno(
      STORE(`xorriso://${folder.path}/test.iso`, hooked.path, sources),
      [],
      deny === undefined ? [] : [deny + sources],
    );
    assertEquals([code, stderr], [0, ""]);
    assertEquals(stdout, "ok,SOURCE_CHANGED,ok,ok\nok\n");
    assert(performance.now() - before < 60_000);
    const { large, ...others } = await storedTexts(folder);
    assertEquals(others, {
      ...{ first: "first", moves: "older", next: "\0", sound: "sound" },
    });
    assert(large !== undefined);
    for (const pid of await hooked.pids()) assertEquals(isAlive(pid), false);
  }));
});

Deno.test("Xorriso.commit() rejects when a source has become a FIFO", async () => {
  await using folder = await makeFolder();
  const [path, image] = [`${folder.path}/source`, `${folder.path}/test.iso`];
  await folder.file("source", "content");
  await using hooked = await hookXorriso(folder, "-commit", [
    "",
    turning(path),
  ]);
  await using session = await Xorriso.open(image, {
    create: true,
    xorrisoPath: hooked.path,
  });
  await session.map(path, "/a");
  await session.commit();
  const before = await hash(image);
  await session.map(path, "/a");
  const error = await assertRejectsCode(session.commit(), "SOURCE_CHANGED");
  assertEquals(error.path, path);
  // As with all that could not be read, zeros are stored now.
  assert(await hash(image) !== before);
  await session.revert(1);
  await session.commit({ force: true });
  assertEquals((await session.lsl("/a")).map(({ size }) => size), [7]);
});

const together = burnerTests("sources that become FIFOs");

together("a drive goes on where the script may open the FIFO", async () => {
  await drives.onMedia(["bd-r", "dvd+rw"], async (burner) => {
    await using folder = await makeFolder();
    const sources = await makeSources(folder);
    await burner.burnByHand({ "/old": "old", "/moves": "older" });
    await burner.fault("write_delay_us=20000");
    {
      await using backend = await drives.openDrive(burner, {
        autoCommit: false,
      });
      for (const name of ["large", "moves", "sound"]) {
        await backend.put(`${sources}${name}`, name);
      }
      const committing = rejection(backend.commit());
      await drives.burning(burner, committing);
      await turn(`${sources}moves`);
      await burner.clearFault();
      assertCode(await within(120_000, committing), "SOURCE_CHANGED");
    }
    const { large, ...others } = await drives.storedTexts(burner);
    assert(large !== undefined);
    assertEquals(others, { moves: "older", old: "old", sound: "sound" });
  });
});

together(
  "a drive is left to itself where it may not, never killed",
  async () => {
    await drives.onMedia(["bd-r", "dvd+rw"], async (burner) => {
      await using folder = await makeFolder();
      const sources = await makeSources(folder);
      await burner.burnByHand({ "/old": "old" });
      await burner.fault("write_delay_us=20000");
      const program = runDeno(
        STORE(drives.urlOf(burner), burner.xorrisoPath, sources),
        [],
        [`--deny-write=${sources}`],
      );
      await drives.burning(burner, program);
      await turn(`${sources}moves`);
      // It ends by itself, although xorriso does not.
      const { stdout, stderr } = await within(90_000, program);
      assertEquals(stderr, "");
      assertEquals(
        stdout,
        "ABORTED,SOURCE_CHANGED,ABORTED,ABORTED\nDRIVE_BUSY\n",
      );
      await burner.clearFault();
      const pids = (await burner.pids()).filter(isAlive);
      assertEquals(pids.length, 1);
      await comeAndGo(`${sources}moves`);
      await until(() => !pids.some(isAlive), "xorriso ends in an orderly way");
      assertEquals(await drives.storedTexts(burner, { recover: true }), {
        old: "old",
      });
    });
  },
);
