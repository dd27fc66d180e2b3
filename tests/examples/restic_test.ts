/** restic keeps a repository on a medium by `examples/clients/restic_server.ts`. */

import { assertEquals } from "@std/assert";
import { XorrisoBackend } from "../../mod.ts";
import { grows, makeFolder, noise, traceXorriso } from "../support/helpers.ts";
import { readTree } from "../support/program.ts";
import { Home, testWith } from "./clients.ts";

const test = await testWith("restic");

/** Runs restic on what a server at this address keeps. */
function restic(home: Home, address: string) {
  const env = {
    RESTIC_REPOSITORY: `rest:${address}`,
    RESTIC_PASSWORD: "secret",
  };
  return {
    start: (...words: string[]) =>
      home.start(["restic", "--quiet", ...words], { env }),
    run: (...words: string[]) => home.succeed(["restic", ...words], { env }),
  };
}

/** Restores what was backed up last, and compares. */
async function assertRestored(
  home: Home,
  run: (...words: string[]) => Promise<string>,
): Promise<void> {
  const target = `${home.path}/restored`;
  await run("restore", "latest", "--target", target);
  const restored = await readTree(`${target}${home.path}/files`);
  assertEquals(Object.keys(restored).length > 0, true);
  assertEquals(restored, await readTree(`${home.path}/files`));
  await Deno.remove(target, { recursive: true });
}

test("backups are restored as they were, checked and forgotten", async () => {
  await using home = await Home.make();
  await using server = await home.serve("restic_server.ts", anyPort);
  const { run } = restic(home, server.address);
  await run("init");
  await Deno.mkdir(`${home.path}/files/sub`, { recursive: true });
  await Deno.writeFile(`${home.path}/files/sub/large`, noise(5_000_000));
  await Deno.writeTextFile(`${home.path}/files/small`, "small");
  await run("backup", `${home.path}/files`);
  await assertRestored(home, run);
  await Deno.writeTextFile(`${home.path}/files/small`, "other");
  await Deno.remove(`${home.path}/files/sub/large`);
  await Deno.writeTextFile(`${home.path}/files/sub/new`, "new");
  await run("backup", `${home.path}/files`);
  await run("check", "--read-data");
  await assertRestored(home, run);
  await run("forget", "--keep-last", "1", "--prune");
  await run("check", "--read-data");
  await assertRestored(home, run);
  assertEquals(JSON.parse(await run("snapshots", "--json")).length, 1);
  assertEquals(await server.end("SIGTERM"), 0);
  assertEquals(await home.leftovers(), ["restic.iso"]);

  await using backend = await XorrisoBackend.open(
    `xorriso://${home.path}/tmp/restic.iso`,
    { readOnly: true },
  );
  const folders = (await backend.list()).map(({ name }) => name.split("/")[0]);
  assertEquals([...new Set(folders)].sort(), [
    "config",
    "data",
    "index",
    "keys",
    "snapshots",
  ]);
});

test("a backup goes on when the server or xorriso is killed, and what was told to be stored is", async () => {
  await using home = await Home.make();
  await using folder = await makeFolder();
  const xorriso = await traceXorriso(folder);
  await Deno.copyFile(xorriso.path, `${home.path}/bin/xorriso`);
  const image = `${home.path}/tmp/restic.iso`;
  let port = "0";
  const start = () =>
    home.serve(
      "restic_server.ts",
      (command) =>
        `env TOKEN=known ${command.replace(/--port=\d+/, `--port=${port}`)}`,
    );
  await using first = await start();
  port = new URL(first.address).port;
  const { run, start: begin } = restic(home, first.address);
  await run("init");
  await Deno.mkdir(`${home.path}/files`);
  for (let i = 0; i < 8; i++) {
    await Deno.writeFile(`${home.path}/files/${i}`, noise(5_000_000, i + 1));
  }
  const backup = begin("--pack-size=4", "backup", `${home.path}/files`);
  await grows(image);
  await first.end("SIGKILL");
  await using second = await start();
  assertEquals(second.address, first.address);
  await grows(image);
  Deno.kill(await xorriso.newest(), "SIGKILL");
  const { code, stderr } = await backup.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  await run("check", "--read-data");
  await assertRestored(home, run);
  assertEquals(await second.end("SIGTERM"), 0);
});

function anyPort(command: string): string {
  return command.replace(/--port=\d+/, "--port=0");
}
