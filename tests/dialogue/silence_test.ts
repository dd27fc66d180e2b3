import { assert, assertEquals } from "@std/assert";
import { Silence } from "../../src/dialogue/silence.ts";
import { Clock } from "../support/clock.ts";

/** One that notes what it tells. */
function makeSilence(still: number, timeout: number) {
  const told: string[] = [];
  const silence = new Silence({
    ...{ still, timeout },
    onStill: () => void told.push("still"),
    onSilent: (silent) => {
      assert(silent >= timeout);
      told.push("silent");
    },
  });
  return { silence, told };
}

Deno.test("Silence tells when nothing moves, ever more rarely", () => {
  using clock = new Clock();
  const { silence, told } = makeSilence(20, 300);
  silence.start();
  clock.tick(600);
  // After 20, 40, 80, 160 and 320 ms in whole steps of 20 ms.
  assertEquals(told, ["still", "still", "still", "still", "silent"]);
});

Deno.test("Silence tells nothing while something moves", () => {
  using clock = new Clock();
  const { silence, told } = makeSilence(60, 80);
  silence.start();
  for (let i = 0; i < 20; i++) {
    clock.tick(50);
    silence.moved();
  }
  silence.stop();
  assertEquals(told, []);
});

Deno.test("Silence tells nothing when it has been stopped", () => {
  using clock = new Clock();
  const { silence, told } = makeSilence(10, 20);
  silence.start();
  silence.stop();
  clock.tick(50);
  assertEquals(told, []);
});

Deno.test("Silence counts no time in which the program was stopped", () => {
  using clock = new Clock();
  const { silence, told } = makeSilence(1000, 3000);
  silence.start();
  for (let i = 0; i < 100; i++) {
    // The timer runs late, and then there is time to read what has come.
    const { passed } = clock;
    performance.now = () => passed + 1_000_000;
    clock.tick(1000);
    clock.tick(999);
    silence.moved();
  }
  assertEquals(told.includes("silent"), false);
  silence.stop();
});
