import { assert, assertEquals } from "@std/assert";
import { formatProgress, ProgressLine } from "../../src/cli/progress.ts";
import type { Progress } from "../../src/options.ts";

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
    "Writing  25 %  15s left  5 MiB/s  25 MiB of 100 MiB",
  );
  assertEquals(
    formatProgress({ ...all, rate: undefined }, 80),
    "Writing  25 %  25 MiB of 100 MiB",
  );
  assertEquals(
    formatProgress({ ...all, total: undefined }, 80),
    "Writing  5 MiB/s  25 MiB",
  );
  assertEquals(
    formatProgress(
      { phase: "closing", done: 0, total: undefined, rate: 0 },
      80,
    ),
    "Closing the session",
  );
  for (let columns = 0; columns < 60; columns++) {
    assert(formatProgress(all, columns).length < Math.max(1, columns));
  }
  assertEquals(
    formatProgress(all, 40),
    "Writing  25 %  15s left  5 MiB/s",
  );
  assertEquals(formatProgress(all, 20), "Writing  25 %");
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
    "\rWriting  0 %\x1b[K",
    "\rWriting  50 %  2s left  250 B/s  500 B of 1,000 B\x1b[K",
    "\rClosing the session  0 %\x1b[K",
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
