/** Several programs at once on one image, and others that mind no lock. */

import { delay } from "@std/async/delay";
import { XorrisoBackend } from "../../mod.ts";
import { codeOf, md5, outcome, writeSession } from "../support/helpers.ts";
import { Writer } from "./children.ts";
import { checkImage, type Promised } from "./promised.ts";
import type { Topic, Torture } from "./torture.ts";

const LANES = 4;

/** Tries to store a file until it is let in; returns the codes on the way. */
async function insist(
  url: string,
  name: string,
  bytes: Uint8Array,
): Promise<string[]> {
  const codes: string[] = [];
  for (let attempt = 0; attempt < 400; attempt++) {
    try {
      await using backend = await XorrisoBackend.open(url, { create: true });
      await backend.put(bytes, name);
      return codes;
    } catch (error) {
      const code = codeOf(error);
      codes.push(code);
      if (code !== "DRIVE_BUSY" && code !== "MEDIUM_CHANGED") throw error;
      await delay(50);
    }
  }
  throw new Error(`${name} was never let in: ${new Set(codes)}`);
}

/** Two writers on one image: the lock lets one in, and nothing is lost. */
export const writers: Topic = {
  name: "writers",
  unit: "contests",
  rounds: { full: 100, short: 6 },
  run: async (torture) => {
    await torture.eachRound(LANES, async (round, random) => {
      const image = `${torture.folder}/${round}.iso`;
      const url = `xorriso://${image}`;
      const promised: Promised = new Map();
      const put = async (name: string) => {
        const bytes = random.bytes(random.below(300_000));
        const codes = await insist(url, name, bytes);
        torture.count("stored");
        for (const code of codes) torture.count(`times ${code}`);
        promised.set(name, md5(bytes));
      };
      // A program of its own, and two backends in this one.
      const other = new Writer(url, `${torture.seed}/${round}`, 2, {
        ...{ prefix: "w", temp: torture.folder },
      });
      await Promise.all([put("a"), put("b")]);
      const { doubts, codes } = await other.settle(promised);
      for (const code of codes) torture.count(`other program: ${code}`);
      await checkImage(torture, `round ${round}`, url, promised, doubts, round);
      if (round % 3 === 0) await intrude(torture, round, url, image, promised);
      await Deno.remove(image);
    });
  },
};

/** Plain xorriso minds no lock: that it has written must be noticed. */
async function intrude(
  torture: Torture,
  round: number,
  url: string,
  image: string,
  promised: Promised,
): Promise<void> {
  const where = `round ${round}, plain xorriso`;
  const bytes = new TextEncoder().encode("by the backend");
  {
    await using backend = await XorrisoBackend.open(url);
    await backend.list();
    await writeSession(image, { "/intruder": "by another program" });
    promised.set(
      "intruder",
      md5(new TextEncoder().encode("by another program")),
    );
    // The first change goes on from what others have done, a later one cannot.
    const first = await outcome(backend.put(bytes, "first"));
    if (first === "ok") promised.set("first", md5(bytes));
    await writeSession(image, { "/intruder": "again" });
    promised.set("intruder", md5(new TextEncoder().encode("again")));
    const told = await outcome(backend.put(bytes, "mine"));
    torture.count("intrusions");
    torture.check(
      told === (first === "ok" ? "MEDIUM_CHANGED" : "ok"),
      where,
      () => `puts ended with ${first} and ${told}`,
    );
    await backend.put(bytes, "mine");
    promised.set("mine", md5(bytes));
  }
  await checkImage(torture, where, url, promised, [], round);
}
