/** Images with something of others in front of the files, and behind them. */

import { Xorriso, XorrisoBackend } from "../../mod.ts";
import { codeOf, hash, md5, writeSession } from "../support/helpers.ts";
import { checkImage } from "./promised.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

/** Bytes before the volume descriptors, which belong to nobody (ECMA-119, 6.2.1). */
const SYSTEM_AREA = 32_768;

/** Tries to change an image; tells how that ends. */
async function change(
  url: string,
  image: string,
  random: Random,
): Promise<string> {
  const options = { recover: random.oneIn(2), create: random.oneIn(2) };
  try {
    if (random.oneIn(3)) {
      await using session = await Xorriso.open(image, options);
      await session.rm(["/old"]);
      await session.commit({ force: true });
    } else {
      await using backend = await XorrisoBackend.open(url, options);
      if (random.oneIn(2)) await backend.delete("old");
      else await backend.put(random.bytes(random.below(1e6)), "old");
    }
    return "ok";
  } catch (error) {
    return codeOf(error);
  }
}

async function bytesOf(path: string, begin: number, end?: number) {
  return md5((await Deno.readFile(path)).subarray(begin, end));
}

async function doRound(
  torture: Torture,
  number: number,
  random: Random,
): Promise<void> {
  const image = `${torture.folder}/${number}.iso`;
  const url = `xorriso://${image}`;
  const old = random.bytes(random.below(300_000));
  const isBehind = random.oneIn(2);
  const isInFront = !isBehind || random.oneIn(2);
  // A checksum of its own would tell that somebody has changed its beginning.
  const md5s = isInFront && random.oneIn(2) ? "off" : "on";
  for (let session = random.between(1, 3); session > 0; session--) {
    await writeSession(image, { "/old": old }, ["-md5", md5s]);
  }
  using file = await Deno.open(image, { write: true });
  if (isInFront) await file.write(random.bytes(SYSTEM_AREA));
  const { size } = await file.stat();
  if (isBehind) {
    // Some blocks of nothing may come before.
    await file.truncate(size + random.below(3) * 100_000);
    await file.seek(0, Deno.SeekMode.End);
    await file.write(random.bytes(random.between(1, 500_000)));
  }
  const before = await hash(image);
  const inFront = await bytesOf(image, 0, SYSTEM_AREA);
  const where = `round ${number}`;
  let isAsBefore = true;
  for (let call = 0; call < 3; call++) {
    const result = await change(url, image, random);
    torture.count(`${isBehind ? "behind" : "in front"}: ${result}`);
    if (result === "ok") isAsBefore = false;
    torture.check(
      !(isBehind && result === "ok"),
      where,
      () => "something was stored in spite of what is behind",
    );
    torture.check(
      !isAsBefore || await hash(image) === before,
      where,
      () => `the image was altered by a call that ended with ${result}`,
    );
    torture.check(
      await bytesOf(image, 0, SYSTEM_AREA) === inFront,
      where,
      () => `what is in front was altered (${result})`,
    );
  }
  if (isAsBefore) {
    const promised = new Map([["old", md5(old)]]);
    await checkImage(torture, where, url, promised, [], number);
  }
  await Deno.remove(image);
}

/** What is not the module's stays as it is, to the byte. */
export const behind: Topic = {
  name: "behind",
  unit: "images",
  rounds: { full: 200, short: 4 },
  run: (torture) =>
    torture.eachRound(
      2,
      (number, random) => doRound(torture, number, random),
    ),
};
