import { assert, assertEquals } from "@std/assert";
import { delay } from "../../src/async.ts";
import { Watch } from "../../src/dialogue/silence.ts";

/** A watch that notes what it tells. */
function makeWatch(still: number, timeout: number) {
  const told: string[] = [];
  const watch = new Watch({
    ...{ still, timeout },
    onStill: () => void told.push("still"),
    onSilent: (silent) => {
      assert(silent >= timeout);
      told.push("silent");
    },
  });
  return { watch, told };
}

Deno.test("Watch tells when nothing moves, ever more rarely", async () => {
  const { watch, told } = makeWatch(20, 300);
  watch.start();
  await delay(600);
  const [last, ...looks] = told.toReversed();
  assertEquals(last, "silent");
  // After 20, 40, 80 and 160 ms, or later.
  assert(looks.length >= 1 && looks.length <= 4, `${looks.length}`);
  assert(looks.every((each) => each === "still"));
});

Deno.test("Watch tells nothing while something moves", async () => {
  const { watch, told } = makeWatch(500, 800);
  watch.start();
  for (let i = 0; i < 20; i++) {
    await delay(50);
    watch.moved();
  }
  watch.stop();
  assertEquals(told, []);
});

Deno.test("Watch tells nothing when it has been stopped", async () => {
  const { watch, told } = makeWatch(10, 20);
  watch.start();
  watch.stop();
  await delay(50);
  assertEquals(told, []);
});
