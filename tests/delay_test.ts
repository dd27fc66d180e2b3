import { assertEquals, assertRejects } from "@std/assert";
import { breathe, eachOf } from "../src/delay.ts";

Deno.test("breathe() lets timers come in between thousands of calls", async () => {
  let timers = 0;
  const timer = setInterval(() => void timers++);
  const order: number[] = [];
  try {
    await Promise.all(Array.from({ length: 10_000 }, async (_, i) => {
      await breathe();
      order.push(i);
    }));
  } finally {
    clearInterval(timer);
  }
  assertEquals(timers > 10, true, `${timers} timers`);
  assertEquals(order, order.toSorted((a, b) => a - b));
});

Deno.test("breathe() lets a few calls go on at once", async () => {
  let turns = 0;
  const timer = setInterval(() => void turns++);
  // Of so many one may be the one that waits.
  for (let i = 0; i < 100; i++) await breathe();
  clearInterval(timer);
  assertEquals(turns <= 2, true, `${turns} turns`);
});

Deno.test("eachOf() works on every item once, on some at a time, in their order", async () => {
  const begun: number[] = [];
  let working = 0;
  let most = 0;
  await eachOf(Array.from({ length: 2000 }, (_, i) => i), async (item) => {
    begun.push(item);
    most = Math.max(most, ++working);
    await Promise.resolve();
    working--;
  });
  assertEquals(begun, Array.from({ length: 2000 }, (_, i) => i));
  assertEquals([most > 1, most <= 256], [true, true], `${most} at a time`);
});

Deno.test("eachOf() fails with the first error", async () => {
  const failure = new RangeError("two");
  const error = await assertRejects(() =>
    eachOf([1, 2, 3], async (item) => {
      await Promise.resolve();
      if (item === 2) throw failure;
    })
  );
  assertEquals(error, failure);
  await eachOf([], () => Promise.reject(new Error("of nothing")));
});
