import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/cli/exit.ts";
import { parseSession } from "../../src/cli/open.ts";

Deno.test("parseSession() takes a number, a date in local time, or the newest", () => {
  assertEquals(parseSession("12"), 12);
  assertEquals(parseSession("latest"), undefined);
  assertEquals(parseSession(undefined), undefined);
  assertEquals(
    parseSession("2026-11-26"),
    new Date(2026, 10, 26, 23, 59, 59, 999),
  );
  assertEquals(
    parseSession("2026-11-26 18:30"),
    new Date(2026, 10, 26, 18, 30),
  );
  assertEquals(
    parseSession("2026-11-26T18:30:00Z"),
    new Date(Date.UTC(2026, 10, 26, 18, 30)),
  );
});

Deno.test("parseSession() refuses what is neither", () => {
  for (const text of ["0", "-1", "1e1", "", "2026-13-01", "today"]) {
    assertThrows(() => parseSession(text), UsageError, "Cannot use");
  }
});
