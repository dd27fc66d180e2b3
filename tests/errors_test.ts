import { assert, assertEquals } from "@std/assert";
import { advice, XorrisoError, type XorrisoErrorCode } from "../src/errors.ts";

Deno.test("XorrisoError is an Error with its own name, code and message", () => {
  const error = new XorrisoError("NO_MEDIUM", "Cannot open the drive");
  assert(error instanceof Error);
  assertEquals(error.name, "XorrisoError");
  assertEquals(error.code, "NO_MEDIUM");
  assertEquals(String(error), "XorrisoError: Cannot open the drive");
});

Deno.test("XorrisoError has nothing but code and message when that is all it gets", () => {
  const error = new XorrisoError("CLOSED", "The session is closed");
  assertEquals(error.messages, []);
  assertEquals(error.path, undefined);
  assertEquals(error.needed, undefined);
  assertEquals(error.free, undefined);
  assertEquals("cause" in error, false);
});

Deno.test("XorrisoError keeps what it is given", () => {
  const cause = new Deno.errors.NotFound("no such file");
  const messages = ["xorriso : FAILURE : Image size 2s exceeds free space"];
  const error = new XorrisoError("MEDIUM_FULL", "Cannot store it", {
    messages,
    path: "/a",
    needed: 4096,
    free: 0,
    cause,
  });
  assertEquals(error.messages, messages);
  assertEquals(error.path, "/a");
  assertEquals(error.needed, 4096);
  assertEquals(error.free, 0);
  assertEquals(error.cause, cause);
});

Deno.test("XorrisoError keeps a cause that is undefined", () => {
  const error = new XorrisoError("UNKNOWN", "It failed", { cause: undefined });
  assertEquals("cause" in error, true);
});

Deno.test("XorrisoError.retryable is true only for what passes by itself", () => {
  const retryable = (code: XorrisoErrorCode) =>
    new XorrisoError(code, "It failed").retryable;
  assertEquals(retryable("DRIVE_BUSY"), true);
  assertEquals(retryable("NOT_READY"), true);
  for (
    const code of [
      "NO_DRIVE",
      "DRIVE_LOST",
      "NO_MEDIUM",
      "MEDIUM_FULL",
      "WRITE_ERROR",
      "TIMEOUT",
      "SESSION_LOST",
      "UNKNOWN",
    ] as const
  ) {
    assertEquals(retryable(code), false, code);
  }
});

Deno.test("advice() ends a message, or adds nothing", () => {
  assertEquals(advice("UNKNOWN"), "");
  for (const code of ["DRIVE_BUSY", "NO_MEDIUM", "MEDIUM_FULL"] as const) {
    const [, text = ""] = /^; ([a-z].*[^.])$/.exec(advice(code)) ?? [];
    assert(text.length > 0, code);
  }
});
