/** duplicity keeps backups on a medium by `examples/clients/rclone` and `http_store.ts`. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { fromFileUrl } from "@std/path";
import { noise, runXorriso } from "../support/helpers.ts";
import { readTree } from "../support/program.ts";
import { Home, testWith } from "./clients.ts";

const test = await testWith("duplicity");

const URL_OF_SHIM = "rclone://disc:/my photos";

/** A home with files, and duplicity on a medium through the shim. */
async function prepare(): Promise<{
  home: Home;
  duplicity: (...words: string[]) => Promise<string>;
}> {
  const home = await Home.make();
  const shim = fromFileUrl(
    import.meta.resolve("../../examples/clients/rclone"),
  );
  await Deno.copyFile(shim, `${home.path}/bin/rclone`);
  await Deno.mkdir(`${home.path}/files`);
  await Deno.writeFile(`${home.path}/files/large`, noise(1_000_000));
  await Deno.writeTextFile(`${home.path}/files/small`, "one");
  const env = { XORRISO_SOCKET: `${home.path}/tmp/store.sock` };
  const duplicity = async (...words: string[]) => {
    // It tells backups, and changes of files, apart by whole seconds.
    await delay(1000 - Date.now() % 1000);
    return await home.succeed(["duplicity", ...words, "--no-encryption"], {
      env,
    });
  };
  return { home, duplicity };
}

test("full and incremental backups are verified and restored", async () => {
  const { home, duplicity } = await prepare();
  await using _home = home;
  const { path } = home;
  await using server = await home.serve("http_store.ts");
  await duplicity("full", `${path}/files`, URL_OF_SHIM);
  await Deno.writeTextFile(`${path}/files/small`, "second");
  await duplicity("incremental", `${path}/files`, URL_OF_SHIM);
  // As on another machine, which has none of it.
  await Deno.remove(`${path}/.cache`, { recursive: true });
  const verified = await duplicity(
    "verify",
    "--compare-data",
    URL_OF_SHIM,
    `${path}/files`,
  );
  assertMatch(verified, /\b0 difference(s|\(s\)) found/);
  await duplicity("restore", URL_OF_SHIM, `${path}/restored`);
  assertEquals(
    await readTree(`${path}/restored`),
    await readTree(`${path}/files`),
  );
  await duplicity("remove-all-but-n-full", "1", "--force", URL_OF_SHIM);
  assertEquals(await server.end("SIGTERM"), 0);
  assertEquals(await home.leftovers(), ["store.iso"]);
  // Without a server nothing is taken for empty or missing.
  const env = { XORRISO_SOCKET: `${home.path}/tmp/store.sock` };
  for (const words of [["lsf", "x:a"], ["lsf", "--format=s", "x:a/b"]]) {
    const { code, stdout } = await home.run(["rclone", ...words], { env });
    assertEquals([0, 3].includes(code), false);
    assertEquals(stdout, "");
  }
});

test("a chain is continued by who runs xorriso for each file, and again by the shim", async () => {
  const { home, duplicity } = await prepare();
  await using _home = home;
  const { path } = home;
  const image = `${path}/tmp/store.iso`;
  const backUp = async (text: string, url: string) => {
    await Deno.writeTextFile(`${path}/files/small`, text);
    await duplicity(`${path}/files`, url);
  };
  {
    await using server = await home.serve("http_store.ts");
    await backUp("one", URL_OF_SHIM);
    await server.end("SIGTERM");
  }
  const copy = `${path}/copy`;
  const extract = async () => {
    await runXorriso([["-indev", `stdio:${image}`], [
      "-extract",
      "/my photos",
      copy,
    ]]);
  };
  await extract();
  const names = () => Array.fromAsync(Deno.readDir(copy), ({ name }) => name);
  const before = new Set(await names());
  await backUp("second", `file://${copy}`);
  for (const name of await names()) {
    if (before.has(name)) continue;
    await runXorriso([
      ["-dev", `stdio:${image}`],
      ["-cpr", `${copy}/${name}`, "/my photos", "--"],
      ["-commit"],
    ]);
  }
  {
    await using server = await home.serve("http_store.ts");
    await backUp("three", URL_OF_SHIM);
    await duplicity("restore", URL_OF_SHIM, `${path}/restored`);
    assertEquals(
      await readTree(`${path}/restored`),
      await readTree(`${path}/files`),
    );
    const chain = await duplicity("collection-status", URL_OF_SHIM);
    assertStringIncludes(chain, "Number of contained backup sets: 3");
    await server.end("SIGTERM");
  }
  await Deno.remove(copy, { recursive: true });
  await extract();
  await duplicity("restore", `file://${copy}`, `${path}/again`);
  assertEquals(
    await readTree(`${path}/again`),
    await readTree(`${path}/files`),
  );
});
