/** dar writes archives to a medium and reads them from there by the command line program. */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { noise } from "../support/helpers.ts";
import { Home, testWith } from "./clients.ts";

const test = await testWith("dar");

test("a full and a differential archive go by streams and restore the folder", async () => {
  await using home = await Home.make();
  const { path } = home;
  const cli = fromFileUrl(import.meta.resolve("../../src/cli.ts"));
  const script = `set -eu
    cli() { deno run --quiet --no-prompt --allow-read --allow-write --allow-run=xorriso "$0" "$@"; }
    store() { cli put xorriso://${path}/a.iso - --create --quiet --as "$1"; }
    load() { cli get xorriso://${path}/a.iso "$1" --to - --quiet; }
    restore() { load "$1" | dar -q -Q -x - --sequential-read -R restored -w; }
    dar -q -Q -c - -z6 -R files -@ catalogue | store full.dar
    echo two >files/small
    rm files/gone
    dar -q -Q -c - -z6 -R files -A catalogue | store diff.dar
    mkdir restored
    restore full.dar
    test -e restored/gone
    restore diff.dar
    diff -r --no-dereference files restored`;
  await Deno.mkdir(`${path}/files`);
  await Deno.writeFile(`${path}/files/large`, noise(1_000_000));
  for (const name of ["small", "gone"]) {
    await Deno.writeTextFile(`${path}/files/${name}`, name);
  }
  await Deno.symlink("small", `${path}/files/link`);
  assertEquals(
    await home.succeed(["bash", "-o", "pipefail", "-c", script, cli]),
    "",
  );
  assertEquals(await home.leftovers(), []);
});
