import { assertEquals } from "@std/assert";
import type { Progress } from "../../src/dialogue/answers.ts";
import {
  escapeName,
  escapeText,
  formatBytes,
  formatDuration,
  formatJson,
  formatProgress,
  ProgressLine,
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

Deno.test("formatBytes() never shows four digits before the point", () => {
  const cases = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [1024 ** 2 - 1, "1.0 MiB"],
    [25 * 1024 ** 3, "25.0 GiB"],
    [5000 * 1024 ** 4, "5000.0 TiB"],
  ] as const;
  for (const [bytes, expected] of cases) {
    assertEquals(formatBytes(bytes), expected);
  }
});

Deno.test("formatDuration() carries rounded seconds over", () => {
  const cases = [
    [0, "0:00"],
    [6.6, "0:07"],
    [59.6, "1:00"],
    [3599.9, "1:00:00"],
    [3723, "1:02:03"],
  ] as const;
  for (const [seconds, expected] of cases) {
    assertEquals(formatDuration(seconds), expected);
  }
});

Deno.test("formatProgress() shows bytes, rate and time left as far as they are known", () => {
  const MiB = 1024 ** 2;
  const all: Progress = {
    phase: "writing",
    done: 25 * MiB,
    total: 100 * MiB,
    rate: 5 * MiB,
  };
  assertEquals(
    formatProgress(all, 80),
    "Writing  25 %  25.0 MiB of 100.0 MiB  5.0 MiB/s  0:15 left",
  );
  assertEquals(
    formatProgress({ ...all, rate: undefined }, 80),
    "Writing  25 %  25.0 MiB of 100.0 MiB",
  );
  assertEquals(
    formatProgress({ ...all, total: undefined }, 80),
    "Writing  25.0 MiB  5.0 MiB/s",
  );
  assertEquals(
    formatProgress(
      { phase: "closing", done: 0, total: undefined, rate: 0 },
      80,
    ),
    "Closing the session",
  );
  assertEquals(formatProgress(all, 12), "Writing  25");
  assertEquals(formatProgress(all, 0), "");
});

/** A screen that keeps what is written, and a clock that is set by hand. */
function makeScreen(isTerminal: boolean) {
  const written: string[] = [];
  const clock = { now: 0 };
  const screen = {
    isTerminal,
    columns: () => 80,
    write: (text: string) => void written.push(text),
  };
  return { written, clock, line: new ProgressLine(screen, () => clock.now) };
}

function writing(done: number): Progress {
  return { phase: "writing", done, total: 1000, rate: undefined };
}

Deno.test("ProgressLine.update() draws over itself, not more often than the eye sees", () => {
  const { written, clock, line } = makeScreen(true);
  line.update(writing(0));
  clock.now = 50;
  line.update(writing(10));
  clock.now = 2000;
  line.update(writing(500));
  line.update({ ...writing(0), phase: "closing" });
  assertEquals(written, [
    "\rWriting  0 %  0 B of 1000 B\x1b[K",
    "\rWriting  50 %  500 B of 1000 B  250 B/s  0:02 left\x1b[K",
    "\rClosing the session  0 %  0 B of 1000 B\x1b[K",
  ]);
});

Deno.test("ProgressLine.print() erases the progress first, and only once", () => {
  const { written, line } = makeScreen(true);
  line.update(writing(0));
  line.print("a");
  line.print("b");
  line.clear();
  assertEquals(written.slice(1), ["\r\x1b[K", "a\n", "b\n"]);
});

Deno.test("ProgressLine.update() draws nothing where no terminal is", () => {
  const { written, line } = makeScreen(false);
  line.update(writing(0));
  line.clear();
  line.print("a");
  assertEquals(written, ["a\n"]);
});
