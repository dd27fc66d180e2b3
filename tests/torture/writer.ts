/**
 * A program that stores files until it is killed, and tells on standard output
 * what it was promised: `begun NAME MD5`, then `done NAME`, or `failed NAME
 * CODE`.
 *
 * Arguments: URL, seed, number of batches, prefix of the names.
 */
// deno-lint-ignore-file no-console -- tells its parent

import { XorrisoBackend } from "../../mod.ts";
import { codeOf, md5 } from "../support/helpers.ts";
import { Random } from "./random.ts";

const [url = "", seed = "", batches = "1", prefix = ""] = Deno.args;
const random = new Random(seed);

try {
  await using backend = await XorrisoBackend.open(url, { create: true });
  console.log("open - -");
  for (let batch = 0; batch < Number(batches); batch++) {
    await Promise.all(
      Array.from({ length: random.between(1, 5) }, async () => {
        const name = `${prefix}${random.below(12)}`;
        const bytes = random.bytes(random.below(random.pick([100, 3e5, 3e6])));
        console.log(`begun ${name} ${md5(bytes)}`);
        try {
          await backend.put(bytes, name);
          console.log(`done ${name} -`);
        } catch (error) {
          console.log(`failed ${name} ${codeOf(error)}`);
        }
      }),
    );
  }
} catch (error) {
  console.log(`failed - ${codeOf(error)}`);
}
