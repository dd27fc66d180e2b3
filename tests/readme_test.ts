/** The README and the documentation of the module say what is true. */

import { assertEquals } from "@std/assert";
import { run } from "./support/program.ts";

/** The text of a file of the project. */
async function read(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(`../${path}`, import.meta.url));
}

/** What stands in Markdown below a heading, up to the next one. */
function section(text: string, title: string): string {
  return text.split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? "";
}

/** The first cells of the tables in it. */
function firstCells(text: string): string[] {
  const rows = text.matchAll(/^(?: \*)? ?\| *([^|]*?) *\|/gm);
  return Array.from(rows, ([, cell = ""]) => cell);
}

Deno.test("the documentation tells when each error code occurs", async () => {
  const text = await read("src/errors.ts");
  const told = firstCells(text).filter((cell) => /^[A-Z_]+$/.test(cell));
  const codes = text.matchAll(/^ {2}\| "([A-Z_]+)"/gm);
  assertEquals(told.toSorted(), Array.from(codes, ([, code]) => code).sort());
});

Deno.test("the README calls the program as it wants to be called", async () => {
  const text = section(await read("README.md"), "Command line");
  const commands = text.matchAll(/(?<=^|\| )xorriso-backend ([^#|\n]*)/gm);
  const calls = Array.from(commands, ([, words = ""]) => words.trim());
  for (const words of calls) {
    // Where there is no image it ends before it does anything; what it does
    // not understand would be exit code 2.
    const { code, stderr } = await run(
      words.split(/ +/).map((word) =>
        word.replace("xorriso://backup.iso", "xorriso:///none/of/these.iso")
          .replace("xorriso:///dev/sr0", "xorriso:///dev/none")
          .replace("~/photos", "/none/photos")
      ),
    );
    assertEquals([code === 1 || code === 4, words], [true, words], stderr);
  }
  assertEquals(calls.length, 10);
});

Deno.test("the README names every example", async () => {
  const names: string[] = [];
  const examples = new URL("../examples", import.meta.url);
  for await (const { name } of Deno.readDir(examples)) names.push(name);
  const told = firstCells(section(await read("README.md"), "In a program"))
    .flatMap((cell) =>
      Array.from(cell.matchAll(/`([^`]+)`/g), ([, name]) => name)
    );
  assertEquals(told.toSorted(), names.toSorted());
});

Deno.test("the README stays short", async () => {
  assertEquals((await read("README.md")).length < 9500, true);
});
