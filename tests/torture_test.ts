/** The short form of `deno task torture`: the same, with small numbers. */

import { AssertionError } from "@std/assert";
import { TOPICS } from "./torture/topics.ts";
import { Torture } from "./torture/torture.ts";

for (const topic of TOPICS) {
  Deno.test(`torture: ${topic.name}`, async () => {
    const seed = String(crypto.getRandomValues(new Uint32Array(1))[0]);
    const { failures } = await Torture.run(topic, { seed, short: true });
    if (failures.length > 0) throw new AssertionError(failures.join("\n"));
  });
}
