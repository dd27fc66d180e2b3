import { assertEquals, assertThrows } from "@std/assert";
import {
  flag,
  parseArguments,
  type Program,
  suggest,
  UsageError,
} from "../../src/cli/arguments.ts";

/** What a command of the table has that the parser does not look at. */
const REST = {
  summary: "",
  load: () => Promise.reject(new Error("Not to be run")),
  permissions: [],
  details: [],
};

const PROGRAM: Program = {
  name: "tool",
  summary: "does things",
  commands: [
    {
      ...REST,
      name: "put",
      operands: "URL PATH...",
      flags: [flag("--as NAME", "Its name")],
    },
    {
      ...REST,
      name: "list",
      alias: "ls",
      operands: "URL",
      flags: [
        flag("-l, --long", "More of each"),
        flag("--by name|size", "Order"),
        flag("-s, --skip NAME", "All but it"),
      ],
    },
  ],
  flags: [
    flag("--json", "As JSON"),
    flag("--args WORDS", "More words"),
    flag("-h, --help", "Help"),
    flag("-V, --version", "Version"),
  ],
  topics: [],
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
    flags: { json: ["true"], as: ["b"] },
  };
  assertEquals(parse("--json", "put", "url", "a", "--as", "b"), expected);
  assertEquals(parse("put", "--as=b", "url", "--json", "a"), expected);
});

Deno.test("parseArguments() takes any word as the value of a flag", () => {
  for (const value of ["", "-speed 4", "--", "--json", "a=b", "a\nb", "true"]) {
    const expected = {
      command: "list",
      operands: ["url"],
      flags: { args: [value] },
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

Deno.test("parseArguments() keeps all values of a flag, in their order", () => {
  assertEquals(parse("put", "url", "a", "--as", "b", "--as", "c").flags, {
    as: ["b", "c"],
  });
});

Deno.test("parseArguments() takes letters for flags, and help without operands", () => {
  assertEquals(parse("list", "-l", "url").flags, { long: ["true"] });
  assertEquals(parse("put", "-h").flags, { help: ["true"] });
  assertEquals(parse("-V"), {
    command: undefined,
    operands: [],
    flags: { version: ["true"] },
  });
});

Deno.test("parseArguments() takes letters that share a dash, the last one with a value", () => {
  for (const words of [["-lls", "-x"], ["-ls-x"], ["-l", "-s", "-x"]]) {
    const { operands, flags } = parse("ls", ...words, "url");
    assertEquals([operands, flags.skip], [["url"], ["-x"]]);
    assertEquals(flags.long?.every((value) => value === "true"), true);
  }
});

Deno.test("suggest() names the word that is alike, and none if none is", () => {
  const words = ["put", "list", "verify", "delete"];
  assertEquals(suggest("lsit", words), ': did you mean "list"?');
  assertEquals(suggest("verfy", words), ': did you mean "verify"?');
  for (const word of ["", "x", "burn", "purge"]) {
    assertEquals(suggest(word, words), "");
  }
});

Deno.test("parseArguments() refuses what means nothing", async (t) => {
  const cases: readonly [readonly string[], string][] = [
    [[], "No command given"],
    [["--json"], "No command given"],
    [["putt", "url"], 'Unknown command "putt": did you mean "put"?'],
    [["", "url"], 'Unknown command ""'],
    [
      ["put", "u", "a", "--ass=b"],
      'Unknown flag "--ass": did you mean "--as"?',
    ],
    [["put", "url", "a", "-x"], 'Unknown flag "-x"'],
    [["put", "url", "a", "--__proto__"], 'Unknown flag "--__proto__"'],
    [["list", "url", "--as", "b"], 'The flag "--as" is not for "list"'],
    [["put", "url", "a", "--as"], 'The flag "--as" needs a value'],
    [["list", "url", "-ls"], 'The flag "-s" needs a value'],
    [["list", "url", "-lx"], 'Unknown flag "-x"'],
    [["list", "--json=no", "u"], 'The flag "--json" takes no value'],
    [
      ["list", "u", "--by", "age"],
      'Cannot use "age" for "--by": it must be one of "name", "size"',
    ],
    [["put", "url"], 'Too few arguments: "put" needs URL PATH...'],
    [["ls", "u", "v"], 'Too many arguments: "list" takes URL'],
  ];
  for (const [words, message] of cases) {
    await t.step(words.join(" ") || "nothing", () => {
      const error = assertThrows(
        () => parseArguments(PROGRAM, words),
        UsageError,
      );
      assertEquals(error.message, message);
    });
  }
});
