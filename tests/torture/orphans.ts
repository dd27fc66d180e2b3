/** Writers that come while the xorriso of a killed program is stopped, goes on, or dies. */

import { delay } from "@std/async/delay";
import { XorrisoBackend } from "../../mod.ts";
import { REST } from "../../src/session/settle.ts";
import { codeOf, isAlive, md5, until } from "../support/helpers.ts";
import { makeOrphan, ORPHANED } from "../support/orphan.ts";
import { checkImage, type Promised } from "./promised.ts";
import type { Topic } from "./torture.ts";

/** Milliseconds after which the stopped xorriso goes on, at most. */
const LATEST = 4000;

/** What may be told while another program's commit may be under way. */
const TOLD = new Set(["DRIVE_BUSY", "MEDIUM_CHANGED"]);

/** What was promised before and after is there, whatever the orphan has done. */
export const orphans: Topic = {
  name: "orphans",
  unit: "orphans",
  rounds: { full: 100, short: 3 },
  run: async (torture) => {
    // Shorter than they are stopped: they are found by what they have open.
    const { unfinished } = REST;
    REST.unfinished = 1500;
    const large = md5(new Uint8Array(ORPHANED));
    await torture.eachRound(3, async (number, random) => {
      const path = await Deno.makeTempDir({ dir: torture.folder });
      const image = `${path}/test.iso`;
      const url = `xorriso://${image}`;
      const promised: Promised = new Map();
      const bytes = random.bytes(3e6);
      const put = async (name: string) => {
        const options = { create: true, recover: true };
        await using backend = await XorrisoBackend.open(url, options);
        await backend.put(bytes, name);
        promised.set(name, md5(bytes));
      };
      const isFirst = random.oneIn(4);
      if (!isFirst) await put("old");
      const pid = await makeOrphan({ path }, image, random.below(1000));
      const ending = delay(random.below(LATEST)).then(() =>
        Deno.kill(pid, random.oneIn(3) ? "SIGKILL" : "SIGCONT")
      );
      for (let attempt = 0; !promised.has("next"); attempt++) {
        if (attempt > 0) await delay(100);
        await put("next").catch((error) => {
          if (!TOLD.has(codeOf(error))) throw error;
          torture.count(`next writers told ${codeOf(error)}`);
        });
      }
      await ending;
      await until(() => !isAlive(pid), "the orphan is gone");
      const doubts = [{ name: "large", md5: large }];
      await checkImage(torture, "orphan", url, promised, doubts, number);
      torture.count(
        promised.has("large") ? "orphans that came to their end" : "taken back",
      );
      await Deno.remove(path, { recursive: true });
    });
    REST.unfinished = unfinished;
  },
};
