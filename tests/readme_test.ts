/** The README says what is true. */

import { assertEquals } from "@std/assert";
import { EXIT_CODES } from "../src/cli/exit.ts";
import { run, succeed } from "./support/program.ts";

const README = await Deno.readTextFile(
  new URL("../README.md", import.meta.url),
);

/** The text below a heading, up to the next one. */
function section(title: string): string {
  const [, text] = README.split(`\n## ${title}\n`);
  return text?.split("\n## ")[0] ?? "";
}

/** The cells of a table's rows. */
function rows(title: string): string[][] {
  return section(title).split("\n")
    .filter((line) => /^\| *[^ -]/.test(line))
    .slice(1)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

Deno.test("the README has every error code with its exit code", () => {
  assertEquals(
    Object.fromEntries(rows("Errors").map(([code, , exit]) => [code, exit])),
    Object.fromEntries(
      Object.entries(EXIT_CODES).map(([code, exit]) => [code, `${exit}`]),
    ),
  );
});

Deno.test("the README has every exit code of the program", async () => {
  const help = await succeed("help", "exit");
  const codes = help.matchAll(/^ {2}(\d+) /gm);
  const told = section("A tour of the command line")
    .match(/Exit codes: [^.]*\./)?.[0] ?? "";
  assertEquals(
    told.match(/\d+/g),
    Array.from(codes, ([, code]) => code ?? ""),
  );
});

Deno.test("the README calls the program as it wants to be called", async () => {
  const commands = section("A tour of the command line")
    .matchAll(/(?<=^|\| )xorriso-backend ([^#|\n]*)/gm);
  const calls = Array.from(commands, ([, words]) => words?.trim() ?? "");
  for (const words of calls) {
    // Without a permission it ends before it does anything; what it does not
    // understand would be exit code 2.
    const { code, stderr } = await run(
      words.split(/ +/).map((word) =>
        word.replace("xorriso://backup.iso", "xorriso:///none/of/these.iso")
          .replace("xorriso:///dev/sr0", "xorriso:///dev/none")
      ),
    );
    // Where there is no drive, that is no failure.
    const isDone = words === "devices" && code === 0;
    const isRight = isDone || code === 1 || code === 4;
    assertEquals([isRight, words], [true, words], stderr);
  }
  assertEquals(calls.length, 11);
});

Deno.test("the README has every option that opens a backend", async () => {
  const options: Set<string> = new Set();
  for (const file of ["options", "backend/options"]) {
    const text = await Deno.readTextFile(
      new URL(`../src/${file}.ts`, import.meta.url),
    );
    const [, body] = text.match(
      /interface (?:Xorriso|Backend)Options [^{]*\{\n(.*?)^\}/ms,
    ) ?? [];
    for (const [, name] of body?.matchAll(/^ {2}readonly (\w+)\?/gm) ?? []) {
      options.add(name ?? "");
    }
  }
  const told = rows("Options and environment variables").flatMap(([names]) =>
    Array.from(names?.matchAll(/\w+/g) ?? [], ([name]) => name)
  );
  assertEquals(told.toSorted(), [...options].sort());
});

Deno.test("the README names every example", async () => {
  const names: string[] = [];
  for await (
    const { name } of Deno.readDir(
      new URL("../examples", import.meta.url),
    )
  ) names.push(name);
  const told = rows("A tour of the backend").flatMap(([names = ""]) =>
    names.replaceAll("`", "").split(", ")
  );
  assertEquals(told.toSorted(), names.sort());
});
