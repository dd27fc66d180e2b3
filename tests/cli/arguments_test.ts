import { assertEquals, assertThrows } from "@std/assert";
import { parseArguments, suggest } from "../../src/cli/arguments.ts";
import { UsageError } from "../../src/cli/exit.ts";
import { type Flag, PROGRAM } from "../../src/cli/program.ts";
import { Random } from "../torture/random.ts";

/** What the parser makes of a command line. */
function parse(...words: string[]): unknown[] {
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

/** Words that a parser could take for more than they are. */
const WORDS = [
  ...["true", "false", "1e3", "0x10", "-5", "", " ", "a\nb", "a=b", "=", "put"],
  ...["-", "--", "-q", "--json", "--as", "--no-json", "--a.b", "---", "-é"],
  ...["__proto__", "--__proto__", "constructor", "_", "--_=1", "toString"],
];

/** A random piece of a command line, with the operands and the flags with their values that it means. */
function makePiece(random: Random, known: readonly Flag[]): {
  readonly words: readonly string[];
  readonly operands?: readonly string[];
  readonly flags?: readonly (readonly [string, string])[];
} {
  const switches = known.filter(({ value }) => value === undefined);
  switch (random.below(4)) {
    case 0: {
      const flag = random.pick(switches);
      return { words: [`--${flag.name}`], flags: [[flag.name, "true"]] };
    }
    case 1: {
      const lettered = switches.filter(({ letter }) => letter !== undefined);
      const some = random.shuffle(lettered).slice(0, random.between(1, 3));
      return {
        words: [`-${some.map(({ letter }) => letter).join("")}`],
        flags: some.map(({ name }) => [name, "true"]),
      };
    }
    case 2: {
      const { name, choices = WORDS } = random.pick(
        known.filter((flag) => !switches.includes(flag)),
      );
      const value = random.pick(choices);
      return {
        words: random.oneIn(2) ? [`--${name}=${value}`] : [`--${name}`, value],
        flags: [[name, value]],
      };
    }
    default: {
      const plain = WORDS.filter((word) => !/^-./.test(word));
      const operands = [random.pick(plain)];
      return { words: operands, operands };
    }
  }
}

Deno.test("parseArguments() reads random command lines as they were made", () => {
  const random = new Random("command lines");
  for (let i = 0; i < 20_000; i++) {
    const { name, flags = [] } = random.pick(PROGRAM.commands);
    const known = [...PROGRAM.flags, ...flags];
    const pieces = Array.from(
      { length: random.below(8) },
      () => makePiece(random, known),
    );
    const rest = random.shuffle(WORDS).slice(0, random.below(4));
    // With help any number of operands will do.
    const words = ["--help", name, ...pieces.flatMap(({ words }) => words)];
    const operands = pieces.flatMap(({ operands = [] }) => operands);
    const values: Record<string, string[]> = { help: ["true"] };
    for (const [name, value] of pieces.flatMap(({ flags = [] }) => flags)) {
      (values[name] ??= []).push(value);
    }
    assertEquals(
      parse(...words, "--", ...rest),
      [name, [...operands, ...rest], values],
      words.join(" "),
    );
  }
});

Deno.test("parseArguments() takes more operands than a call has arguments", () => {
  const many = Array.from({ length: 300_000 }, String);
  assertEquals(parseArguments(["put", ...many]).operands, many);
  assertEquals(parseArguments(["put", "--", ...many]).operands, many);
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
  assertEquals(suggest("del", words), ': did you mean "delete"?');
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
      ["put url a -n5", 'Unknown flag "-5"'],
      ["put url a -n=1", 'Unknown flag "-="'],
      [
        "put url a --no-json",
        'Unknown flag "--no-json": did you mean "--json"?',
      ],
      [
        "put url a --no-json=x",
        'Unknown flag "--no-json": did you mean "--json"?',
      ],
      ["put url a --as.b=c", 'Unknown flag "--as.b": did you mean "--as"?'],
      ["put url a --_=b", 'Unknown flag "--_"'],
      ["put url a --__proto__", 'Unknown flag "--__proto__"'],
      ["put url a --toString=b", 'Unknown flag "--toString"'],
      ["list url --as b", 'The flag "--as" is not for "list"'],
      ["put url a --as", 'The flag "--as" needs a value'],
      ["list url -lx", 'Unknown flag "-x"'],
      ["list --json=no u", 'The flag "--json" takes no value'],
      ["list --json=true u", 'The flag "--json" takes no value'],
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
