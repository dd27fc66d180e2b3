import { assert, assertEquals } from "@std/assert";
import { Watch } from "../../src/dialogue/silence.ts";
import { Clock } from "../support/clock.ts";

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

Deno.test("Watch tells when nothing moves, ever more rarely", () => {
  using clock = new Clock();
  const { watch, told } = makeWatch(20, 300);
  watch.start();
  clock.tick(600);
  // After 20, 40, 80, 160 and 300 ms.
  assertEquals(told, ["still", "still", "still", "still", "silent"]);
});

Deno.test("Watch tells nothing while something moves", () => {
  using clock = new Clock();
  const { watch, told } = makeWatch(60, 80);
  watch.start();
  for (let i = 0; i < 20; i++) {
    clock.tick(50);
    watch.moved();
  }
  watch.stop();
  assertEquals(told, []);
});

Deno.test("Watch tells nothing when it has been stopped", () => {
  using clock = new Clock();
  const { watch, told } = makeWatch(10, 20);
  watch.start();
  watch.stop();
  clock.tick(50);
  assertEquals(told, []);
});
