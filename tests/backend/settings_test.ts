import { assertEquals, assertThrows } from "@std/assert";
import { parseWriteSpeed } from "../../src/options.ts";
import {
  type Environment,
  readSettings,
  splitArgs,
} from "../../src/backend/settings.ts";

const env = (values: Record<string, string>): Environment => ({
  get: (name) => values[name],
});

const ALL = {
  XORRISO_PATH: "/opt/xorriso",
  XORRISO_WRITE_SPEED: "max",
  XORRISO_ASSERT_VOLID: "BACKUP 1",
  XORRISO_ARGS: "-scsi_log on",
};

Deno.test("readSettings() takes all four variables", () => {
  assertEquals(readSettings({}, env(ALL)), {
    xorrisoPath: "/opt/xorriso",
    writeSpeed: "max",
    assertVolumeId: "BACKUP 1",
    xorrisoArgs: ["-scsi_log", "on"],
  });
});

Deno.test("readSettings() sets nothing when neither options nor variables do", () => {
  assertEquals(readSettings({}, env({})), {});
});

Deno.test("readSettings() takes an empty variable as not set", () => {
  const empty = Object.fromEntries(Object.keys(ALL).map((name) => [name, ""]));
  assertEquals(readSettings({}, env(empty)), {});
});

Deno.test("readSettings() lets options win, so that their variables are not read", () => {
  const options = {
    xorrisoPath: "xorriso",
    writeSpeed: "min",
    assertVolumeId: "",
    xorrisoArgs: ["-x"],
  } as const;
  const environment: Environment = {
    get: (name) => {
      throw new Error(`${name} was read`);
    },
  };
  assertEquals(readSettings(options, environment), options);
});

Deno.test("readSettings() throws TypeError on a bad write speed of either origin", () => {
  assertThrows(
    () => readSettings({}, env({ XORRISO_WRITE_SPEED: "fast" })),
    TypeError,
    '"fast"',
  );
  const untyped: Record<string, "min"> = JSON.parse('{"writeSpeed":"8x"}');
  assertThrows(() => readSettings(untyped, env({})), TypeError, '"8x"');
});

Deno.test("readSettings() throws TypeError on arguments that cannot be split", () => {
  assertThrows(
    () => readSettings({}, env({ XORRISO_ARGS: "-x 'y" })),
    TypeError,
    "not closed",
  );
});

const NAME = "XORRISO_PATH";

Deno.test({
  name: "readSettings() reads the process environment where it may",
  permissions: { env: [NAME] },
  fn() {
    const before = Deno.env.get(NAME);
    try {
      Deno.env.set(NAME, "/from/env");
      assertEquals(readSettings().xorrisoPath, "/from/env");
    } finally {
      if (before === undefined) Deno.env.delete(NAME);
      else Deno.env.set(NAME, before);
    }
  },
});

Deno.test({
  name:
    "readSettings() reads no variable and asks nobody without env permission",
  permissions: "none",
  fn() {
    assertEquals(readSettings({ writeSpeed: "max" }), { writeSpeed: "max" });
  },
});

Deno.test("parseWriteSpeed() takes min and max alone", () => {
  assertEquals(parseWriteSpeed("min"), "min");
  assertEquals(parseWriteSpeed("max"), "max");
  for (const speed of ["", "MIN", " max", "8", "any", "none"]) {
    assertThrows(() => parseWriteSpeed(speed), TypeError, '"min" or "max"');
  }
});

Deno.test("splitArgs() splits like a shell", async (t) => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["", []],
    ["  \t\n ", []],
    ["a", ["a"]],
    ["  a\tb\n c  ", ["a", "b", "c"]],
    ["'a b' \"c d\"", ["a b", "c d"]],
    ["''", [""]],
    ["a '' \"\"", ["a", "", ""]],
    ["a'b c'\"d e\"f", ["ab cd ef"]],
    ["'a\\b'", ["a\\b"]],
    ["'a\"b' \"c'd\"", ['a"b', "c'd"]],
    ["a\\ b \\'c\\\" \\\\", ["a b", "'c\"", "\\"]],
    ['"a\\"b\\\\c\\$d\\`e"', ['a"b\\c$d`e']],
    ['"a\\nb"', ["a\\nb"]],
    ["a\\\nb", ["ab"]],
    ["a \\\n b", ["a", "b"]],
    ['"a\\\nb"', ["ab"]],
    ["'a\nb'", ["a\nb"]],
    ["# $HOME * ~ `x` a;b", ["#", "$HOME", "*", "~", "`x`", "a;b"]],
    ["über 你好 😀", ["über", "你好", "😀"]],
    ["\u00a0a", ["\u00a0a"]],
  ];
  for (const [text, words] of cases) {
    await t.step(JSON.stringify(text), () => {
      assertEquals(splitArgs(text), words);
    });
  }
});

Deno.test("splitArgs() throws TypeError on what is not balanced", () => {
  assertThrows(() => splitArgs("a 'b"), TypeError, "quote ' is not closed");
  assertThrows(() => splitArgs('a "b'), TypeError, 'quote " is not closed');
  assertThrows(() => splitArgs('"a\\"'), TypeError, 'quote " is not closed');
  assertThrows(() => splitArgs("a \\"), TypeError, "last backslash");
  assertThrows(() => splitArgs("a\0b"), TypeError, "NUL");
});
