import { assertEquals } from "@std/assert";
import { type Turn, Turns } from "../../src/backend/order.ts";

/** Whether a turn has come, once all that is ready has run. */
async function hasCome(turn: Turn): Promise<boolean> {
  let come = false;
  turn.come.then(() => come = true);
  // A macrotask: all microtasks have run before it.
  await new Promise((resolve) => setTimeout(resolve));
  return come;
}

Deno.test("Turns.take() lets a call about one name wait for the earlier one", async () => {
  const turns = new Turns();
  const [first, second, third] = [
    turns.take("a"),
    turns.take("a"),
    turns.take("a"),
  ];
  assertEquals(await hasCome(first), true);
  assertEquals(await hasCome(second), false);
  first.done();
  assertEquals(await hasCome(second), true);
  assertEquals(await hasCome(third), false);
  second.done();
  assertEquals(await hasCome(third), true);
});

Deno.test("Turns.take() lets names above and below wait for each other", async () => {
  const turns = new Turns();
  const above = turns.take("a/b");
  const below = turns.take("a/b/c/d");
  const top = turns.take("a");
  assertEquals(await hasCome(below), false);
  above.done();
  assertEquals(await hasCome(below), true);
  assertEquals(await hasCome(top), false);
  below.done();
  assertEquals(await hasCome(top), true);
});

Deno.test("Turns.take() keeps a later name in order behind two that do not depend", async () => {
  const turns = new Turns();
  const children = [turns.take("a/x"), turns.take("a/y")];
  const parent = turns.take("a");
  for (const child of children) {
    assertEquals(await hasCome(child), true);
    assertEquals(await hasCome(parent), false);
    child.done();
  }
  assertEquals(await hasCome(parent), true);
});

Deno.test("Turns.take() lets other names go at their own pace", async () => {
  const turns = new Turns();
  turns.take("a/b");
  for (const name of ["a/bc", "a/c", "b", "ab", "a/d/b"]) {
    assertEquals(await hasCome(turns.take(name)), true, name);
  }
});

Deno.test("Turns.take() after all are done need not wait", async () => {
  const turns = new Turns();
  turns.take("a").done();
  turns.take("a/b").done();
  assertEquals(await hasCome(turns.take("a")), true);
});

Deno.test("Turns.all() waits for every turn taken so far, not for later ones", async () => {
  const turns = new Turns();
  const early = [turns.take("a"), turns.take("b")];
  const all = { come: turns.all(), done: () => {} };
  turns.take("c");
  early[0]?.done();
  assertEquals(await hasCome(all), false);
  early[1]?.done();
  assertEquals(await hasCome(all), true);
});
