import { assertEquals, assertRejects } from "@std/assert";
import { type CallPlace, Order } from "../../src/backend/order.ts";

/** Whether a place is reached, once all that is ready has run. */
async function isReached(place: CallPlace): Promise<boolean> {
  let reached = false;
  place.reached().then(() => reached = true);
  // A macrotask: all microtasks have run before it.
  await new Promise((resolve) => setTimeout(resolve));
  return reached;
}

Deno.test("Order.take() lets a call about one name wait for the earlier one", async () => {
  const order = new Order();
  const [first, second, third] = [
    order.take({ name: "a" }),
    order.take({ name: "a" }),
    order.take({ name: "a" }),
  ];
  assertEquals(await isReached(first), true);
  assertEquals(await isReached(second), false);
  first.leave();
  assertEquals(await isReached(second), true);
  assertEquals(await isReached(third), false);
  second.leave();
  assertEquals(await isReached(third), true);
});

Deno.test("Order.take() lets names above and below wait for each other", async () => {
  const order = new Order();
  const above = order.take({ name: "a/b" });
  const below = order.take({ name: "a/b/c/d" });
  const top = order.take({ name: "a" });
  assertEquals(await isReached(below), false);
  above.leave();
  assertEquals(await isReached(below), true);
  assertEquals(await isReached(top), false);
  below.leave();
  assertEquals(await isReached(top), true);
});

Deno.test("Order.take() keeps a later name in order behind two that do not depend", async () => {
  const order = new Order();
  const children = [order.take({ name: "a/x" }), order.take({ name: "a/y" })];
  const parent = order.take({ name: "a" });
  for (const child of children) {
    assertEquals(await isReached(child), true);
    assertEquals(await isReached(parent), false);
    child.leave();
  }
  assertEquals(await isReached(parent), true);
});

Deno.test("Order.take() lets other names go at their own pace", async () => {
  const order = new Order();
  order.take({ name: "a/b" });
  for (const name of ["a/bc", "a/c", "b", "ab", "a/d/b"]) {
    assertEquals(await isReached(order.take({ name: name })), true, name);
  }
});

Deno.test("Order.take() after all are done need not wait", async () => {
  const order = new Order();
  order.take({ name: "a" }).leave();
  order.take({ name: "a/b" }).leave();
  assertEquals(await isReached(order.take({ name: "a" })), true);
});

Deno.test("Order.all has the places that are taken, in order", () => {
  const order = new Order();
  const [a, b, c] = [
    order.take({ name: "a" }),
    order.take({ name: "b" }),
    order.take({ name: "a" }),
  ];
  a.leave();
  assertEquals(order.all, [b, c]);
});

Deno.test("Order.takeAll() goes on after calls of which one is none", async () => {
  const order = new Order();
  const wrong = JSON.parse('[{ "name": "a" }, null]');
  await assertRejects(() => order.takeAll(wrong), TypeError);
  assertEquals(order.all, []);
  await order.takeAll([{ name: "a" }]);
  assertEquals(order.all.length, 1);
});

for (const [waiting, verb] of [[255, "waits for"], [256, "leaves"]] as const) {
  Deno.test(`Order.done() ${verb} what comes after ${waiting} calls that a stream holds up`, async () => {
    const order = new Order();
    const stream = order.take({ name: "s" });
    const controller = new AbortController();
    stream.arriving = { name: "s", latest: -Infinity, controller };
    const names = [...Array(waiting).fill("s"), "other"];
    const places = await order.takeAll(names.map((name) => ({ name })));
    let isDone = false;
    const done = order.done(1000, () => true).then(() => isDone = true);
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(isDone, waiting === 256);
    for (const [, place] of places) place.leave();
    await done;
  });
}
