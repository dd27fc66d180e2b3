import { assertEquals } from "@std/assert";
import {
  alignColumns,
  escapeName,
  escapeText,
  formatBytes,
  formatCount,
  formatCounts,
  formatDate,
  formatDuration,
  formatJson,
  formatMode,
  wrap,
} from "../../src/cli/terminal.ts";

Deno.test("escapeName() leaves ordinary names of any alphabet as they are", () => {
  for (
    const name of ["a.tar", "zwölf Öfen", "日本語", "'\"*?[]$", "👍", "e\u0301"]
  ) {
    assertEquals(escapeName(name), name);
  }
});

Deno.test("escapeName() shows what a terminal would obey or hide", () => {
  const cases = [
    ["a\nb\r\tc", "a\\nb\\r\\tc"],
    ["\x1b]0;title\x07", "\\x1b]0;title\\x07"],
    ["\x7f", "\\x7f"],
    ["\x9b2J", "\\u{9b}2J"],
    ["photo\u202Egpj.exe", "photo\\u{202e}gpj.exe"],
    ["\u2066a\u2069", "\\u{2066}a\\u{2069}"],
    ["a\u2028b", "a\\u{2028}b"],
    ["a\u200Bb\uFEFF", "a\\u{200b}b\\u{feff}"],
    ["\u{E0041}", "\\u{e0041}"],
    ["caf\uDCE9", "caf\\xe9"],
    ["\uD800", "\\u{d800}"],
  ] as const;
  for (const [name, expected] of cases) {
    assertEquals(escapeName(name), expected);
  }
});

Deno.test("escapeName() keeps different names different", () => {
  assertEquals(escapeName("a\\nb"), "a\\\\nb");
  assertEquals(escapeName("\\xe9"), "\\\\xe9");
});

Deno.test("escapeText() leaves backslashes alone", () => {
  assertEquals(escapeText("C:\\new\n"), "C:\\new\\n");
});

Deno.test("formatJson() escapes what a terminal would obey, and stays the same value", () => {
  const value = {
    name: "a\x1b\x7f\x9b\u202E\u2028\u{E0041}\uDCE9é\\n",
    size: 1,
  };
  const text = formatJson(value);
  assertEquals(
    text,
    '{"name":"a\\u001b\\u007f\\u009b\\u202e\\u2028\\udb40\\udc41\\udce9é\\\\n","size":1}',
  );
  assertEquals(JSON.parse(text), value);
});

Deno.test("formatBytes() has one digit behind the point, where there is one", () => {
  const cases = [
    [0, "0 B"],
    [1023, "1,023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [25 * 1024 ** 3, "25 GiB"],
    [5000 * 1024 ** 4, "4.9 PiB"],
  ] as const;
  for (const [bytes, expected] of cases) {
    assertEquals(formatBytes(bytes), expected);
  }
});

Deno.test("formatDuration() carries rounded seconds over", () => {
  const cases = [
    [0, "0s"],
    [6.6, "7s"],
    [59.6, "1m"],
    [3599.9, "1h"],
    [3723, "1h 2m 3s"],
  ] as const;
  for (const [seconds, expected] of cases) {
    assertEquals(formatDuration(seconds), expected);
  }
});

Deno.test("formatDate() has the local time to the minute", () => {
  assertEquals(formatDate(new Date(2026, 0, 2, 3, 4, 59)), "2026-01-02 03:04");
});

Deno.test("alignColumns() lines up wide characters, and those of no width", () => {
  assertEquals(
    alignColumns([
      ["日本", "1", "a"],
      ["e\u0301", "20", "b"],
      ["👍x", "300", ""],
    ], [1]),
    ["日本    1  a", "e\u0301      20  b", "👍x   300"],
  );
  assertEquals(alignColumns([]), []);
});

Deno.test("formatMode() writes types and modes like ls", () => {
  const cases = [
    ["file", 0o644, "-rw-r--r--"],
    ["directory", 0o1777, "drwxrwxrwt"],
    ["link", 0o777, "lrwxrwxrwx"],
    ["file", 0o4755, "-rwsr-xr-x"],
    ["file", 0o6640, "-rwSr-S---"],
    ["file", 0o1000, "---------T"],
    ["other", 0, "?---------"],
  ] as const;
  for (const [type, mode, expected] of cases) {
    assertEquals(formatMode(type, mode), expected);
  }
});

Deno.test("formatCounts() counts what there is", () => {
  assertEquals(
    formatCounts({ file: 1, folder: 2, link: 0, unchanged: 3 }),
    ["1 file", "2 folders", "3 unchanged"],
  );
  assertEquals(formatCount(0, "file"), "0 files");
});

Deno.test("wrap() breaks at blanks, and leaves longer words whole", () => {
  assertEquals(wrap("a bc def", 4), ["a bc", "def"]);
  assertEquals(wrap("abcdefg hi", 4), ["abcdefg", "hi"]);
});
