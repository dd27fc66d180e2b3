/** Commits that are taken back at any moment, in every way that there is. */

import { delay } from "@std/async/delay";
import { Xorriso, XorrisoBackend } from "../../mod.ts";
import { codeOf, hash, md5 } from "../support/helpers.ts";
import { checkImage, compare, readContents } from "./promised.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

/** Ways to take a commit back. */
const WAYS = [
  ...["signal", "rollback", "disposal", "blank"] as const,
  ...["session's signal", "session's disposal"] as const,
];

/** Milliseconds within which the latest moment lies: a commit of 64 MiB. */
const LATEST = 500;

/** Bytes of what is being stored. */
const SIZE = 64 << 20;

/** Stores a file, changes its mind, and tells whether it was stored. */
async function tryToStore(
  way: typeof WAYS[number],
  image: string,
  large: string,
  random: Random,
  torture: Torture,
): Promise<boolean> {
  const controller = new AbortController();
  const { signal } = controller;
  const moment = random.below(LATEST);
  const reason = new Error("thought again");
  const tolerate = (error: unknown) => {
    if (error !== reason && codeOf(error) !== "ABORTED") throw error;
    return false;
  };
  if (way === "session's signal" || way === "session's disposal") {
    await using session = await Xorriso.open(image);
    await session.map(large, "/large");
    const stored = session.commit({ signal }).then(() => true, tolerate);
    await delay(moment);
    if (way === "session's disposal") await session[Symbol.asyncDispose]();
    else controller.abort(reason);
    return await stored;
  }
  const backend = await XorrisoBackend.open(`xorriso://${image}`);
  const stored = backend.put(large, "large", { signal })
    .then(() => true, tolerate);
  await delay(moment);
  const begun = performance.now();
  if (way === "signal") controller.abort(reason);
  else if (way === "rollback") await backend.rollback();
  else if (way === "disposal") await backend[Symbol.asyncDispose]();
  else {
    // Something else that waits for it and is given up with it.
    const blanked = backend.blank({ signal, force: true })
      .then(() => true, tolerate);
    controller.abort(reason);
    if (await blanked) throw new Error("blanked in spite of the signal");
  }
  const isStored = await stored;
  torture.most("ms until it was told", Math.round(performance.now() - begun));
  await backend[Symbol.asyncDispose]();
  return isStored;
}

/** An image is what it was before, to the byte, or has the whole file. */
export const stopped: Topic = {
  name: "stopped",
  unit: "commits",
  rounds: { full: 200, short: 6 },
  run: async (torture) => {
    const large = `${torture.folder}/large`;
    await Deno.writeFile(large, torture.random("large").bytes(SIZE));
    const sum = md5(await Deno.readFile(large));
    const old = md5(new TextEncoder().encode("old"));
    await torture.eachRound(2, async (number, random) => {
      const image = `${torture.folder}/${number}.iso`;
      const url = `xorriso://${image}`;
      {
        await using first = await XorrisoBackend.open(url, { create: true });
        await first.put(new TextEncoder().encode("old"), "old");
      }
      const before = await hash(image);
      const way = WAYS[number % WAYS.length] ?? "signal";
      const isStored = await tryToStore(way, image, large, random, torture);
      torture.count(`${way}: ${isStored ? "too late" : "taken back"}`);
      if (!isStored && await hash(image) !== before) {
        torture.fail(`round ${number}`, `${way} has left something`, number);
      }
      const promised = new Map([["old", old]]);
      if (isStored) promised.set("large", sum);
      await checkImage(torture, way, url, promised, [], number);
      // What comes after is as if nothing had been.
      await using next = await XorrisoBackend.open(url);
      await next.put(new TextEncoder().encode("old"), "next");
      promised.set("next", old);
      const found = await readContents(next);
      compare(torture, `${way}, next`, found, promised, [], number);
      await Deno.remove(image);
    });
  },
};
