import { assertEquals, assertThrows } from "@std/assert";
import { XorrisoError } from "../../mod.ts";
import { EXIT, messageOf, verdictOf } from "../../src/cli/exit.ts";

Deno.test("messageOf() puts flags in place of options, but not in what is quoted", () => {
  const cases = [
    ["or make it with create", "or make it with --create"],
    ["wait for it by lockTimeout", "wait for it by --wait"],
    ["mend it, or open it with readOnly", "mend it, or open it with get"],
    ["add force to destroy it", "add --force to destroy it"],
    ['"with create" is no file', '"with create" is no file'],
    ['"a \\" with create" is none', '"a \\" with create" is none'],
    ["with constructor", "with constructor"],
  ] as const;
  for (const [message, expected] of cases) {
    assertEquals(messageOf(new Error(message)), expected);
  }
});

Deno.test("messageOf() has sizes for people", () => {
  const error = new XorrisoError(
    "MEDIUM_FULL",
    'Cannot store "4000000": the session needs 4000000 bytes, 1048576 are free',
    { needed: 4_000_000, free: 1_048_576 },
  );
  assertEquals(
    messageOf(error),
    'Cannot store "4000000": the session needs 3.8 MiB, 1 MiB are free',
  );
});

Deno.test("messageOf() has times as tables show them", () => {
  const date = new Date(2026, 10, 26, 18, 30);
  assertEquals(
    messageOf(new Error(`a session from ${date.toISOString()} or before`)),
    "a session from 2026-11-26 18:30 or before",
  );
});

Deno.test("verdictOf() takes what the engine cannot do for no fault of the command line", () => {
  assertEquals(verdictOf(new RangeError("Cannot use 0")).exit, EXIT.usage);
  const recurse = (): number => 1 + recurse();
  const error = assertThrows(recurse, RangeError);
  assertEquals(verdictOf(error), { exit: EXIT.failure, code: "UNKNOWN" });
});
