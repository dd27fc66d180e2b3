/** Images with bits flipped and ends cut off: right bytes, or a code. */

import { XorrisoBackend, XorrisoError } from "../../mod.ts";
import { BLOCK } from "../../src/medium.ts";
import { age, codeOf, md5, patch } from "../support/helpers.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

const LANES = 3;

/** MD5s by name. */
type Contents = ReadonlyMap<string, string>;

/** An image, what it holds, and where. */
interface Sound {
  readonly bytes: Uint8Array;
  readonly contents: Contents;
  /** The same as of each session, from the newest. */
  readonly states: readonly Contents[];
  /** Byte ranges of the files' content. */
  readonly data: readonly { from: number; to: number; name: string }[];
  /** Whether its trees have checksums. */
  readonly tagged: boolean;
}

/** Makes an image of three sessions. */
async function makeSound(torture: Torture, tagged: boolean): Promise<Sound> {
  const random = torture.random("image");
  const contents = new Map<string, string>();
  const states: Contents[] = [];
  const image = `${torture.folder}/sound-${tagged}.iso`;
  const url = `xorriso://${image}`;
  const sizes = [0, 1, 2047, 2048, 2049, 30_000, 70_000];
  {
    const options = tagged ? {} : { xorrisoArgs: ["-md5", "off"] };
    await using backend = await XorrisoBackend.open(url, {
      create: true,
      ...options,
    });
    for (let session = 0; session < 3; session++) {
      await Promise.all(sizes.map((size, i) => {
        const bytes = random.bytes(size);
        // One of each later session replaces one of an earlier session.
        const name = i === 3 ? "same" : `d${i % 3}/s${session}-${size}`;
        contents.set(name, md5(bytes));
        return backend.put(bytes, name);
      }));
      states.unshift(new Map(contents));
    }
  }
  await using backend = await XorrisoBackend.open(url, { readOnly: true });
  const data = (await backend.list()).flatMap(({ name, size, extents }) =>
    size === 0 ? [] : extents.map(({ lba }) => ({
      name,
      from: lba * BLOCK,
      to: lba * BLOCK + size,
    }))
  );
  const bytes = await Deno.readFile(image);
  return { bytes, contents, states, data, tagged };
}

/** What reading an image has shown. */
interface Seen {
  /** Code of what opening or listing failed with. */
  code?: string;
  /** Names whose content could not be had, each with a code. */
  readonly failed: Map<string, string>;
  /** Number of names that are listed. */
  size: number;
  /** Names that `verify` complains of. */
  readonly unsound: Set<string>;
  /** Wrong bytes that were given as right ones, and wrong names. */
  readonly wrong: string[];
}

/** Opens, lists, reads, restores and verifies all of an image. */
async function look(
  torture: Torture,
  image: string,
  sound: Sound,
): Promise<Seen> {
  const seen: Seen = {
    size: 0,
    failed: new Map(),
    unsound: new Set(),
    wrong: [],
  };
  // An older session may be shown in place of the newest, but not in silence.
  let isOlder = false;
  try {
    await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
      readOnly: true,
      timeout: 30_000,
      onMessage: (line) => isOlder ||= line.includes("newest whole session"),
    });
    const names = (await backend.list()).map(({ name }) => name);
    const shown = new Set(names);
    seen.size = shown.size;
    const contents = isOlder
      ? sound.states.find((each) =>
        each.size === shown.size && shown.isSubsetOf(each)
      ) ?? sound.contents
      : sound.contents;
    if (isOlder) torture.count("older sessions shown");
    for (const name of contents.keys()) {
      if (!names.includes(name)) seen.wrong.push(`${name} is not listed`);
    }
    for (const name of names) {
      if (!contents.has(name)) seen.wrong.push(`${name} is listed`);
    }
    const take = (name: string, how: string, bytes: Uint8Array) => {
      if (md5(bytes) === contents.get(name)) return;
      seen.wrong.push(`${how} gives wrong bytes of ${name}`);
    };
    const folder = `${image}-restored`;
    for (const { name, error } of await backend.getList(names, folder)) {
      if (error === undefined) {
        take(name, "getList", await Deno.readFile(`${folder}/${name}`));
      } else seen.failed.set(name, codeOf(error));
    }
    await Deno.remove(folder, { recursive: true });
    for (const name of names) {
      try {
        const content = await backend.readable(name);
        take(name, "readable", await new Response(content).bytes());
      } catch (error) {
        seen.failed.set(name, codeOf(error));
      }
    }
    for (const { name, error } of await backend.verify()) {
      if (error !== undefined) seen.unsound.add(name);
    }
  } catch (error) {
    if (!(error instanceof XorrisoError)) throw error;
    seen.code = error.code;
    torture.count(`times ${error.code}`);
  }
  return seen;
}

/** Looks at a damaged image, and at what the module says of it. */
async function examine(
  torture: Torture,
  where: string,
  round: number,
  image: string,
  sound: Sound,
  damaged?: string,
): Promise<void> {
  const seen = await look(torture, image, sound);
  if (!sound.tagged) {
    // Without checksums only so much can be told: no crash, no hang.
    if (seen.wrong.length > 0) torture.count("unnoticed without checksums");
    return;
  }
  for (const wrong of seen.wrong) torture.fail(where, wrong, round);
  if (seen.code !== undefined) return;
  for (const [name, code] of seen.failed) {
    torture.check(
      seen.unsound.has(name),
      where,
      () => `verify does not name ${name}, which fails with ${code}`,
    );
  }
  if (damaged !== undefined && sound.contents.size === seen.size) {
    torture.count("flips in data");
    torture.check(
      seen.unsound.has(damaged) && seen.failed.has(damaged),
      where,
      () => `verify names ${[...seen.unsound]}, not ${damaged}`,
    );
  } else if (seen.failed.size === 0) torture.count("times all was right");
}

/** Where a random flip does something: data, trees, or heads. */
function place(random: Random, { bytes, data }: Sound): number {
  if (random.oneIn(3)) {
    const { from, to } = random.pick(data);
    return random.between(from, to - 1);
  }
  const isData = (at: number) =>
    data.some(({ from, to }) => at >= from && at < to);
  for (;;) {
    const at = random.below(bytes.length);
    // Most of the rest is zeros, where little can go wrong.
    if (!isData(at) && (bytes[at] !== 0 || random.oneIn(10))) return at;
  }
}

/** Every block's end, a byte before and a byte after. */
function* cuts(length: number): Generator<number> {
  for (let at = 0; at <= length; at += BLOCK) {
    for (const cut of [at - 1, at, at + 1]) {
      // An empty file is a blank medium.
      if (cut > 0 && cut < length) yield cut;
    }
  }
}

/** At least 2,000 flips, and every truncation around block bounds. */
export const rotten: Topic = {
  name: "rotten",
  unit: "images",
  rounds: { full: 5000, short: 150 },
  run: async (torture) => {
    const tagged = await makeSound(torture, true);
    const untagged = await makeSound(torture, false);
    const all = torture.random("cuts").shuffle([...cuts(tagged.bytes.length)]);
    await torture.eachRound(LANES, async (round, random, lane) => {
      const image = `${torture.folder}/rotten-${lane}.iso`;
      const where = `round ${round}`;
      // Two flips, then a cut, until all cuts are done.
      const cut = round % 3 === 2 ? all[(round - 2) / 3] : undefined;
      const sound = round % 10 === 1 ? untagged : tagged;
      if (cut !== undefined) {
        await Deno.writeFile(image, tagged.bytes.subarray(0, cut));
        await age(image);
        torture.count("cuts");
        const text = `${where}, cut at ${cut}`;
        return await examine(torture, text, round, image, tagged);
      }
      const at = place(random, sound);
      const bit = random.below(8);
      await Deno.writeFile(image, sound.bytes);
      await patch(image, at, Uint8Array.of((sound.bytes[at] ?? 0) ^ 1 << bit));
      await age(image);
      torture.count("flips");
      const damaged = sound.data.find(({ from, to }) => at >= from && at < to);
      const text = `${where}, bit ${bit} of byte ${at} (block ` +
        `${Math.floor(at / BLOCK)})`;
      await examine(torture, text, round, image, sound, damaged?.name);
    });
  },
};
