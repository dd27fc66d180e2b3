import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { TempFolder } from "../../src/disk/temp.ts";
import {
  assertRejectsCode,
  exists,
  makeFolder,
  runDeno,
} from "../support/helpers.ts";

Deno.test("TempFolder.make() makes a private folder that goes with all in it", async () => {
  await using folder = await makeFolder();
  let path: string;
  {
    await using temp = await TempFolder.make(folder.path);
    path = temp.path;
    assert(path.startsWith(`${folder.path}/xorriso-`));
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o700);
    const files = [temp.next(), temp.next()];
    assertNotEquals(files[0], files[1]);
    for (const file of files) await Deno.writeTextFile(file, "x");
  }
  assertEquals(await exists(path), false);
});

Deno.test("TempFolder.make() resolves links, and says what to do where it cannot", async () => {
  await using folder = await makeFolder();
  await Deno.mkdir(`${folder.path}/real`);
  await Deno.symlink("real", `${folder.path}/link`);
  await using temp = await TempFolder.make(`${folder.path}/link`);
  assert(temp.path.startsWith(`${folder.path}/real/`));
  for (const name of ["none", "file/x"]) {
    await folder.file("file");
    const error = await assertRejectsCode(
      TempFolder.make(`${folder.path}/${name}`),
      "TARGET_UNWRITABLE",
    );
    assertStringIncludes(error.message, "tempDir");
  }
});

Deno.test({
  name: "TempFolder.make() needs permission to read and write there",
  permissions: { read: ["/tmp"] },
  async fn() {
    const refused = async (path?: string) => {
      const error: Error = await assertRejects(
        () => TempFolder.make(path),
        Deno.errors.NotCapable,
      );
      return error.message;
    };
    assertStringIncludes(await refused(), "--allow-write=/tmp");
    assertStringIncludes(await refused("/var"), "--allow-read=/var");
  },
});

/** A program that makes a temporary folder with a file in it, and ends as it is told. */
async function endWith(
  parent: string,
  code: string,
  wrapper: readonly string[] = [],
): Promise<void> {
  const module = new URL("../../src/disk/temp.ts", import.meta.url).href;
  const { stdout } = await runDeno(
    `import { keepTempFiles, TempFolder } from ${JSON.stringify(module)};
     const folder = await TempFolder.make(${JSON.stringify(parent)});
     await Deno.writeFile(folder.next(), new Uint8Array(9));
     console.log((await Array.fromAsync(Deno.readDir(folder.path))).length);
     ${code}`,
    wrapper,
  );
  assertEquals(stdout, "2\n"); // the file, and the one that tells the owner
}

/** Names of the temporary folders in a folder. */
async function namesIn(parent: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(parent));
  return entries.map(({ name }) => name);
}

Deno.test("TempFolder goes with a program that exits or fails", async () => {
  await using folder = await makeFolder();
  const pause = "await new Promise((resolve) => setTimeout(resolve, 10_000));";
  for (
    const code of [
      "Deno.exit(3);",
      "throw new Error();",
      `Promise.reject(new Error()); ${pause}`,
      `setTimeout(() => { throw new Error(); }); ${pause}`,
    ]
  ) {
    await endWith(folder.path, code);
    assertEquals(await namesIn(folder.path), [], code);
  }
  // What the program handles does not end it.
  await endWith(
    folder.path,
    `addEventListener("error", (event) => event.preventDefault());
     await (await TempFolder.make(${
      JSON.stringify(folder.path)
    }))[Symbol.asyncDispose]();
     setTimeout(() => { throw new Error(); });
     await new Promise((resolve) => setTimeout(resolve, 50));
     await Deno.stat(folder.path + "/1");
     await Deno.mkdir(${JSON.stringify(`${folder.path}/handled`)});`,
  );
  assertEquals(await namesIn(folder.path), ["handled"]);
});

Deno.test("TempFolder stays while a commit may read it, though the program exits", async () => {
  await using folder = await makeFolder();
  await endWith(folder.path, "const kept = keepTempFiles(); Deno.exit();");
  const [left = ""] = await namesIn(folder.path);
  assertEquals((await namesIn(`${folder.path}/${left}`)).sort(), [
    ...["1", "busy", "owner"],
  ]);
  // The xorriso of that program may go on: nobody removes it today.
  await endWith(folder.path, "await folder[Symbol.asyncDispose]();");
  assertEquals(await namesIn(folder.path), [left]);
  const yesterday = new Date(Date.now() - 24 * 3600 * 1000);
  await Deno.utime(`${folder.path}/${left}`, yesterday, yesterday);
  await endWith(folder.path, "await folder[Symbol.asyncDispose]();");
  assertEquals(await namesIn(folder.path), []);
});

Deno.test("TempFolder.make() removes what a killed program left, and nothing else", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await using alive = await TempFolder.make(path);
  await Deno.mkdir(`${path}/xorriso-foreign`);
  await Deno.writeTextFile(`${path}/xorriso-foreign/owner`, "somebody else");
  await endWith(path, 'Deno.kill(Deno.pid, "SIGKILL");');
  const kept = (await namesIn(path)).filter((name) =>
    name === "xorriso-foreign" || path + "/" + name === alive.path
  );
  assertEquals((await namesIn(path)).length, 3);
  // One with something in it that no program of this kind puts there.
  await endWith(
    path,
    `await Deno.writeTextFile(folder.path + "/letter", "");
     Deno.kill(Deno.pid, "SIGKILL");`,
  );
  const [strange = ""] = (await namesIn(path)).filter((name) =>
    !kept.includes(name)
  );
  await endWith(path, "await folder[Symbol.asyncDispose]();");
  assertEquals((await namesIn(path)).sort(), [...kept, strange].sort());
});
