/** What reports of a burn tell of its size. */

import { assertEquals } from "@std/assert";
import type { Progress } from "../../src/options.ts";
import { Burning } from "../../src/dialogue/burning.ts";

/** A report with a total of a share that is rounded to 0.1 percent, as xorriso tells it. */
function report(done: number, size: number): Progress {
  const share = Math.round(done / size * 1000) / 1000;
  const total = share > 0 ? Math.round(done / share) : undefined;
  return { phase: "writing", done, total, rate: undefined };
}

Deno.test("Burning.withTotal() guesses a size that does not go up and down", () => {
  const size = 3_221_225_472;
  for (const step of [1_000_003, 5_000_011, 33_333_333]) {
    const burning = new Burning();
    const totals: number[] = [];
    for (let done = step; done < size; done += step) {
      const { total } = burning.withTotal(report(done, size));
      if (total !== undefined) totals.push(total);
    }
    const rising = totals.toSorted((a, b) => a - b);
    const isFalling = (totals[0] ?? 0) > size;
    assertEquals(totals, isFalling ? rising.reverse() : rising);
    const last = totals.at(-1) ?? 0;
    assertEquals(Math.abs(last - size) / size < 0.001, true);
  }
});

Deno.test("Burning.withTotal() tells a size that is known", () => {
  const burning = new Burning(1000);
  assertEquals(burning.withTotal(report(300, 990)).total, 1000);
  assertEquals(burning.withTotal(report(1100, 1100)).total, 1100);
  assertEquals(new Burning().withTotal(report(0, 990)).total, undefined);
});
