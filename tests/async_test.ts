import { assertEquals, assertRejects } from "@std/assert";
import { breathe, eachOf } from "../src/async.ts";

/** Counts turns of the event loop. */
function countTurns(): { readonly turns: () => number } & Disposable {
  let turns = 0;
  const next = () => {
    turns++;
    timer = setImmediate(next);
  };
  let timer = setImmediate(next);
  return {
    turns: () => turns,
    [Symbol.dispose]: () => clearImmediate(timer),
  };
}

Deno.test("breathe() lets others come in between thousands of calls", async () => {
  using counter = countTurns();
  const order: number[] = [];
  await Promise.all(Array.from({ length: 10_000 }, async (_, i) => {
    await breathe();
    order.push(i);
  }));
  assertEquals(counter.turns() > 30, true, `${counter.turns()} turns`);
  assertEquals(order, order.toSorted((a, b) => a - b));
});

Deno.test("breathe() lets a few calls go on at once", async () => {
  using counter = countTurns();
  // Of so many one may be the one that waits.
  for (let i = 0; i < 100; i++) await breathe();
  assertEquals(counter.turns() <= 2, true, `${counter.turns()} turns`);
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
