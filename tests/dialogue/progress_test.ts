import { assertEquals } from "@std/assert";
import { parseProgress, TotalGuess } from "../../src/dialogue/progress.ts";
import type { Progress } from "../../src/options.ts";

Deno.test("parseProgress() reads bytes, share and speed of writing", () => {
  const read = (text: string) => parseProgress(`xorriso : UPDATE : ${text}`);
  assertEquals(
    read("Writing:      19763s    0.5%   fifo   0%  buf  50%   35.2xD "),
    {
      phase: "writing",
      done: 19763 * 2048,
      total: 19763 * 2048 * 200,
      rate: 48_752_000,
    },
  );
  const first = read("Writing:        176s  100.0%   fifo   0%  buf   0%");
  assertEquals(first, {
    phase: "writing",
    done: 176 * 2048,
    total: 176 * 2048,
    rate: undefined,
  });
  assertEquals(
    read("Writing:          0s    0.0%   fifo  10%  buf   0%    0.0xB "),
    { phase: "writing", done: 0, total: undefined, rate: 0 },
  );
  // Of unknown size.
  assertEquals(read("Writing:         32s   fifo   0%  buf   0%   31.3xC "), {
    phase: "writing",
    done: 32 * 2048,
    total: undefined,
    rate: 5_521_320,
  });
});

Deno.test("parseProgress() reads bytes and speed of reading", () => {
  const cases: readonly (readonly [
    string,
    string,
    number,
    number | undefined,
    number | undefined,
  ])[] = [
    [
      "      0 files restored (1777.5m) in 9 seconds , 137.1xD",
      "restoring",
      1777.5 * 2 ** 20,
      undefined,
      189_883_500,
    ],
    [
      "      1 files restored ( 195.3k) in 1 seconds",
      "restoring",
      199_987,
      undefined,
      undefined,
    ],
    [
      "      1 files restored (  1000b) in 1 seconds = 0.0xD",
      "restoring",
      1000,
      undefined,
      0,
    ],
    [
      "      1 files restored (   2.5g) in 60 seconds = 1.0xB",
      "restoring",
      2.5 * 2 ** 30,
      undefined,
      4_495_625,
    ],
    [
      "   4455 blocks read in 1 seconds = 6.6xD",
      "reading",
      4455 * 2048,
      undefined,
      9_141_000,
    ],
    [
      "2616352 blocks read in 17.4 seconds , 364.2xD",
      "reading",
      2616352 * 2048,
      undefined,
      504_417_000,
    ],
    [
      "4608 of 9216 blocks read in 1 s = 6.8xD",
      "reading",
      4608 * 2048,
      9216 * 2048,
      9_418_000,
    ],
    [
      " 286.1m content bytes read in 3 seconds , 70.0xD",
      "checking",
      Math.round(286.1 * 2 ** 20),
      undefined,
      96_950_000,
    ],
  ];
  for (const [text, phase, done, total, rate] of cases) {
    const progress: unknown = parseProgress(`xorriso : UPDATE : ${text}`);
    assertEquals(progress, { phase, done, total, rate }, text);
  }
});

Deno.test("parseProgress() names work that counts no bytes", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["      2 nodes read in 1 seconds", "reading"],
    ["      1 files added in 0.1 seconds", "staging"],
    ["Closing track/session. Working since 4 seconds", "closing"],
    ["Thank you for being patient. Working since 0 seconds.", "waiting"],
    ["Blanking  ( 1.0% done in 3 seconds )", "blanking"],
    ["Formatting  ( 1.0% done in 1 seconds )", "formatting"],
    ["Formatting. Working since 2 seconds", "formatting"],
  ];
  for (const [text, phase] of cases) {
    const progress: unknown = parseProgress(`xorriso : UPDATE : ${text}`);
    const expected = { phase, done: 0, total: undefined, rate: undefined };
    assertEquals(progress, expected);
  }
});

Deno.test("parseProgress() gives undefined for any other line", () => {
  for (
    const line of [
      "",
      "Writing:      19763s    0.5%",
      "xorriso : NOTE : Writing:      19763s    0.5%",
      "xorriso : UPDATE : Found matching MD5 tree tag: start=32 size=24",
      "Writing to 'stdio:/a.iso' completed successfully.",
    ]
  ) assertEquals(parseProgress(line), undefined, line);
});

/** A report with a total of a share that is rounded to 0.1 percent, as xorriso tells it. */
function report(done: number, size: number): Progress {
  const share = Math.round(done / size * 1000) / 1000;
  const total = share > 0 ? Math.round(done / share) : undefined;
  return { phase: "writing", done, total, rate: undefined };
}

Deno.test("TotalGuess.addTo() guesses a size that does not go up and down", () => {
  const size = 3_221_225_472;
  for (const step of [1_000_003, 5_000_011, 33_333_333]) {
    const guess = new TotalGuess();
    const totals: number[] = [];
    for (let done = step; done < size; done += step) {
      const { total } = guess.addTo(report(done, size));
      if (total !== undefined) totals.push(total);
    }
    const rising = totals.toSorted((a, b) => a - b);
    const isFalling = (totals[0] ?? 0) > size;
    assertEquals(totals, isFalling ? rising.reverse() : rising);
    const last = totals.at(-1) ?? 0;
    assertEquals(Math.abs(last - size) / size < 0.001, true);
  }
});

Deno.test("TotalGuess.addTo() tells a size that is known", () => {
  const guess = new TotalGuess(1000);
  assertEquals(guess.addTo(report(300, 990)).total, 1000);
  assertEquals(guess.addTo(report(1100, 1100)).total, 1100);
  assertEquals(new TotalGuess().addTo(report(0, 990)).total, undefined);
});
