/**
 * Reads images with bytes changed at random, many of them:
 *
 *     deno task fuzz [COUNT] [SEED]
 */

// deno-lint-ignore-file no-console -- a program for the terminal

import { fuzz } from "./fuzz.ts";
import { makeSeeds } from "./seeds.ts";

/** Mutations after which the count is told. */
const STEP = 10_000;

const [
  count = "500000",
  first = `${crypto.getRandomValues(new Uint32Array(1))[0]}`,
] = Deno.args;
const seeds = await makeSeeds();
console.log(
  `${count} mutations of ${seeds.length} images, from seed ${first} on`,
);
let sound = 0;
let slowest = 0;
for (let done = 0; done < Number(count); done += STEP) {
  const result = await fuzz(
    seeds,
    Math.min(STEP, Number(count) - done),
    Number(first) + done,
  );
  sound += result.sound;
  slowest = Math.max(slowest, result.slowest);
  console.log(
    `${done + result.runs}: ${sound} were sound, the slowest took ${
      slowest.toFixed(0)
    } ms`,
  );
}
