import { assertEquals, assertThrows } from "@std/assert";
import {
  formatCommandHelp,
  formatHelp,
  parseArguments,
  type Program,
  UsageError,
} from "../../src/cli/arguments.ts";

const PROGRAM: Program<void> = {
  name: "tool",
  summary: "does things",
  invocation: "deno run FLAGS tool.ts",
  commands: [
    {
      name: "put",
      summary: "Put things",
      operands: "URL PATH...",
      count: [2, Infinity],
      flags: [{ name: "as", value: "NAME", summary: "Its name" }],
      permissions: [["Always", "--allow-run=tool"]],
      details: ["More of it."],
      run: () => Promise.resolve(),
    },
    {
      name: "list",
      summary: "List things",
      operands: "URL",
      count: [1, 1],
      flags: [{ name: "long", letter: "l", summary: "More of each" }],
      permissions: [],
      details: [],
      run: () => Promise.resolve(),
    },
  ],
  flags: [
    { name: "json", summary: "As JSON" },
    { name: "args", value: "WORDS", summary: "More words" },
    { name: "help", letter: "h", summary: "Help" },
    { name: "version", letter: "V", summary: "Version" },
  ],
  sections: [["Exit codes", ["0  done"]]],
};

/** What the parser makes of a command line. */
function parse(...words: string[]) {
  const { command, operands, flags } = parseArguments(PROGRAM, words);
  return { command: command?.name, operands, flags: Object.fromEntries(flags) };
}

Deno.test("parseArguments() takes flags before, between and after operands", () => {
  const expected = {
    command: "put",
    operands: ["url", "a"],
    flags: { json: "", as: "b" },
  };
  assertEquals(parse("--json", "put", "url", "a", "--as", "b"), expected);
  assertEquals(parse("put", "--as=b", "url", "--json", "a"), expected);
});

Deno.test("parseArguments() takes any word as the value of a flag", () => {
  for (const value of ["", "-speed 4", "--", "--json", "a=b", "a\nb", "true"]) {
    const expected = {
      command: "list",
      operands: ["url"],
      flags: { args: value },
    };
    assertEquals(parse("list", "url", "--args", value), expected);
    assertEquals(parse("list", "url", `--args=${value}`), expected);
  }
});

Deno.test("parseArguments() takes the words true and false behind a switch for operands", () => {
  assertEquals(parse("put", "url", "--json", "true", "false").operands, [
    "url",
    "true",
    "false",
  ]);
});

Deno.test("parseArguments() takes all behind -- and a lone - for operands", () => {
  assertEquals(parse("put", "url", "-", "--", "--as", "--", "-").operands, [
    "url",
    "-",
    "--as",
    "--",
    "-",
  ]);
});

Deno.test("parseArguments() lets the last of several values count", () => {
  assertEquals(parse("put", "url", "a", "--as", "b", "--as", "c").flags, {
    as: "c",
  });
});

Deno.test("parseArguments() takes letters for flags, and help without operands", () => {
  assertEquals(parse("list", "-l", "url").flags, { long: "" });
  assertEquals(parse("put", "-h").flags, { help: "" });
  assertEquals(parse("-V"), {
    command: undefined,
    operands: [],
    flags: { version: "" },
  });
});

Deno.test("parseArguments() refuses what means nothing", async (t) => {
  const cases: readonly [readonly string[], string, string | undefined][] = [
    [[], "No command given", undefined],
    [["--json"], "No command given", undefined],
    [["putt", "url"], 'Unknown command "putt"', undefined],
    [["", "url"], 'Unknown command ""', undefined],
    [["put", "url", "a", "--ass=b"], 'Unknown flag "--ass"', "put"],
    [["put", "url", "a", "-x"], 'Unknown flag "-x"', "put"],
    [["put", "url", "a", "--__proto__"], 'Unknown flag "--__proto__"', "put"],
    [["list", "url", "--as", "b"], 'The flag "--as" is not for "list"', "list"],
    [["put", "url", "a", "--as"], 'The flag "--as" needs a value', "put"],
    [["list", "--json=no", "u"], 'The flag "--json" takes no value', "list"],
    [["put", "url"], 'Too few arguments: "put" needs URL PATH...', "put"],
    [["list", "u", "v"], 'Too many arguments: "list" takes URL', "list"],
  ];
  for (const [words, message, command] of cases) {
    await t.step(words.join(" ") || "nothing", () => {
      const error = assertThrows(
        () => parseArguments(PROGRAM, words),
        UsageError,
      );
      assertEquals([error.message, error.command], [message, command]);
    });
  }
});

Deno.test("formatHelp() tells the commands, and formatCommandHelp() their flags", () => {
  const [put] = PROGRAM.commands;
  if (put === undefined) throw new Error("No command");
  assertEquals(
    formatHelp(PROGRAM),
    `tool: does things

Usage:
  tool COMMAND URL [ARGUMENTS] [FLAGS]
  deno run FLAGS tool.ts

Commands:
  put URL PATH...  Put things
  list URL         List things

  "tool COMMAND --help" has the flags of a command, and those that Deno needs for it.

Flags of every command:
      --json        As JSON
      --args WORDS  More words
  -h, --help        Help
  -V, --version     Version

Exit codes:
  0  done
`,
  );
  assertEquals(
    formatCommandHelp(PROGRAM, put),
    `tool put: Put things

Usage:
  tool put URL PATH... [FLAGS]
  deno run FLAGS tool.ts put URL PATH...

Flags:
      --as NAME     Its name
      --json        As JSON
      --args WORDS  More words
  -h, --help        Help
  -V, --version     Version

FLAGS that Deno needs:
  Always:
    --allow-run=tool

Notes:
  More of it.
`,
  );
});
