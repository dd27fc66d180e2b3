import { assert } from "@std/assert";
import { fuzz } from "./fuzz.ts";
import { makeSeeds } from "./seeds.ts";

Deno.test("whatever is in an image, reading it ends in good order", async (t) => {
  const [seed = 1] = crypto.getRandomValues(new Uint32Array(1));
  const seeds = await makeSeeds();
  await t.step(
    `2000 mutations of ${seeds.length} images from seed ${seed} on`,
    async () => {
      const { sound } = await fuzz(seeds, 2000, seed);
      // Were none read to its end, nothing would be known of what comes late.
      assert(sound > 100);
    },
  );
});
