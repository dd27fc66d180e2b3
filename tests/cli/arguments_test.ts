import { assertEquals, assertThrows } from "@std/assert";
import { parseArguments, suggest } from "../../src/cli/arguments.ts";
import { UsageError } from "../../src/cli/exit.ts";

/** What the parser makes of a command line. */
function parse(...words: string[]) {
  const { command, operands, flags } = parseArguments(words);
  return [command?.name, operands, Object.fromEntries(flags)];
}

Deno.test("parseArguments() takes flags before, between and after operands", () => {
  const expected = ["put", ["url", "a"], { json: ["true"], as: ["b"] }];
  assertEquals(parse("--json", "put", "url", "a", "--as", "b"), expected);
  assertEquals(parse("put", "--as=b", "url", "--json", "a"), expected);
});

Deno.test("parseArguments() takes any word as the value of a flag", () => {
  for (const value of ["", "-speed 4", "--", "--json", "a=b", "a\nb", "true"]) {
    const expected = ["list", ["url"], { "xorriso-args": [value] }];
    assertEquals(parse("list", "url", "--xorriso-args", value), expected);
    assertEquals(parse("list", "url", `--xorriso-args=${value}`), expected);
  }
});

Deno.test("parseArguments() takes for operands what stands behind a switch, a lone -, and all behind --", () => {
  for (
    const [words, operands] of [
      [["--json", "true", "false"], ["true", "false"]],
      [["-", "--", "--as", "--", "-"], ["-", "--as", "--", "-"]],
    ] as const
  ) {
    assertEquals(parse("put", "url", ...words)[1], ["url", ...operands]);
  }
});

Deno.test("parseArguments() keeps all values of a flag, in their order", () => {
  assertEquals(parse("put", "url", "a", "--as", "b", "--as", "c")[2], {
    as: ["b", "c"],
  });
});

Deno.test("parseArguments() takes letters for flags, and help without operands", () => {
  const isSet = ["true"];
  assertEquals(parse("ls", "-l", "url")[2], { long: isSet });
  assertEquals(parse("ls", "url", "-lq")[2], { long: isSet, quiet: isSet });
  assertEquals(parse("put", "-h")[2], { help: isSet });
  assertEquals(parse("-V"), [undefined, [], { version: isSet }]);
});

Deno.test("suggest() names the word that is alike, and none if none is", () => {
  const words = ["put", "list", "verify", "delete"];
  assertEquals(suggest("lsit", words), ': did you mean "list"?');
  assertEquals(suggest("verfy", words), ': did you mean "verify"?');
  for (const word of ["", "x", "burn", "purge"]) {
    assertEquals(suggest(word, words), "");
  }
});

Deno.test("parseArguments() refuses what means nothing", () => {
  for (
    const [line, message] of [
      ["--json", "No command given"],
      ["putt url", 'Unknown command "putt": did you mean "put"?'],
      ["put u a --ass=b", 'Unknown flag "--ass": did you mean "--as"?'],
      ["put url a -x", 'Unknown flag "-x"'],
      ["put url a --__proto__", 'Unknown flag "--__proto__"'],
      ["put url a --toString=b", 'Unknown flag "--toString"'],
      ["list url --as b", 'The flag "--as" is not for "list"'],
      ["put url a --as", 'The flag "--as" needs a value'],
      ["list url -lx", 'Unknown flag "-x"'],
      ["list --json=no u", 'The flag "--json" takes no value'],
      [
        "blank u --mode full",
        'Cannot use "full" for "--mode": it must be one of "as_needed", "fast", "all"',
      ],
      ["put url", 'Too few arguments: "put" needs URL PATH...'],
      ["list", 'Too few arguments: "list" needs URL [NAME...]'],
      ["info u v", 'Too many arguments: "info" takes URL'],
      ["devices u", 'Too many arguments: "devices" takes none'],
    ] as const
  ) {
    const parsing = () => parseArguments(line.split(" "));
    assertEquals(assertThrows(parsing, UsageError).message, message);
  }
});
