/** Sources that do not stay as they are while they are stored. */

import { delay } from "@std/async/delay";
import { XorrisoBackend } from "../../mod.ts";
import { age, codeOf, execute, exists, md5 } from "../support/helpers.ts";
import { compare, explain, readContents } from "./promised.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

const LANES = 3;

/** Codes with which a put of a source that moved may end. */
const MOVED = new Set(["SOURCE_CHANGED", "SOURCE_UNREADABLE"]);

/** A file on disk, and each content that it has had as a whole. */
class Source {
  readonly path: string;
  readonly states: Set<string>;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  constructor(path: string, bytes: Uint8Array<ArrayBuffer>) {
    this.path = path;
    this.#bytes = bytes;
    this.states = new Set([md5(bytes)]);
  }

  static async make(path: string, random: Random): Promise<Source> {
    const size = random.pick([1, 100, 5000, 300_000, 3_000_000]);
    const bytes = random.bytes(size);
    await Deno.writeFile(path, bytes);
    // Most sources were not written just now.
    if (!random.oneIn(4)) await age(path);
    return new Source(path, bytes);
  }

  /** Does something to it; returns what. */
  async move(random: Random): Promise<string> {
    const { path } = this;
    const bytes = this.#bytes;
    const aside = `${path}-aside`;
    const kind = random.pick([
      ...["change", "change early", "shrink", "empty", "grow", "remove"],
      ...["replace", "link", "fifo", "device", "directory", "permission"],
      ...["back", "time"],
    ]);
    const file = () => Deno.open(path, { write: true });
    switch (kind) {
      case "change":
      case "change early": {
        const at = kind === "change" ? bytes.length - 1 : 0;
        const other = bytes.slice();
        other[at] = (other[at] ?? 0) ^ 1;
        this.states.add(md5(other));
        using target = await file();
        await target.seek(at, Deno.SeekMode.Start);
        await target.write(other.subarray(at, at + 1));
        break;
      }
      case "shrink":
      case "empty": {
        const size = kind === "shrink" ? bytes.length >> 1 : 0;
        this.states.add(md5(bytes.subarray(0, size)));
        await Deno.truncate(path, size);
        break;
      }
      case "grow": {
        const more = random.bytes(10);
        const all = new Uint8Array([...bytes.subarray(-1), ...more]);
        const whole = new Uint8Array(bytes.length + 10);
        whole.set(bytes);
        whole.set(all.subarray(1), bytes.length);
        this.states.add(md5(whole));
        await Deno.writeFile(path, more, { append: true });
        break;
      }
      case "remove":
        await Deno.remove(path);
        break;
      case "replace": {
        const other = random.bytes(bytes.length);
        this.states.add(md5(other));
        await Deno.writeFile(aside, other);
        await Deno.rename(aside, path);
        break;
      }
      case "link": {
        const other = random.bytes(bytes.length);
        this.states.add(md5(other));
        await Deno.writeFile(`${path}-target`, other);
        await Deno.symlink(`${path}-target`, aside);
        await Deno.rename(aside, path);
        break;
      }
      case "fifo":
        await command("mkfifo", aside);
        await Deno.rename(aside, path);
        break;
      case "device":
        // Only root may make one.
        if (!await command("mknod", aside, "c", "1", "3")) break;
        await Deno.rename(aside, path);
        break;
      case "directory":
        await Deno.remove(path);
        await Deno.mkdir(path);
        break;
      case "permission":
        await Deno.chmod(path, 0);
        break;
      case "back": {
        // Aside and back again: the same file.
        await Deno.rename(path, aside);
        await delay(random.below(20));
        await Deno.rename(aside, path);
        break;
      }
      case "time":
        await Deno.utime(path, new Date(), new Date());
        break;
    }
    return kind;
  }
}

async function command(name: string, ...args: string[]): Promise<boolean> {
  return (await execute(name, args)).code === 0;
}

async function runRound(
  torture: Torture,
  image: string,
  promised: Map<string, string>,
  random: Random,
  round: number,
): Promise<void> {
  const folder = `${image}-sources`;
  await Deno.mkdir(folder);
  const url = `xorriso://${image}`;
  const where = `round ${round}`;
  if (promised.size > 0) await age(image);
  await using backend = await XorrisoBackend.open(url, {
    create: true,
    // xorriso waits for the writer of what has become a FIFO.
    timeout: torture.short ? 5000 : 20_000,
  });
  if (random.oneIn(2)) await backend.list();
  const count = random.between(2, 8);
  const names = random.shuffle(Array.from({ length: 10 }, (_, i) => `f${i}`))
    .slice(0, count);
  const told: string[] = [];
  let stuck = false;
  await Promise.all(names.map(async (name, i) => {
    const source = await Source.make(`${folder}/${name}`, random);
    const verify = random.oneIn(4);
    const put = backend.put(source.path, name, { verify });
    let reason: unknown;
    const outcome = put.then(() => "ok", (error) => {
      reason = error;
      return codeOf(error);
    });
    let moved = "nothing";
    // About half of them stay as they are.
    if (i % 2 === 0) {
      await delay(random.below(random.pick([5, 200])));
      moved = await source.move(random);
      torture.count(moved);
      stuck ||= moved === "fifo";
    }
    const code = await outcome;
    told.push(`${name} ${moved} ${code}`);
    if (code === "ok") {
      const entry = await backend.query(name, { md5: true });
      const content = await backend.readable(name);
      const sum = md5(await new Response(content).bytes());
      torture.check(
        source.states.has(sum) && sum === entry?.md5,
        where,
        () =>
          `${name} was stored with a content that its source never had ` +
          `(${moved})`,
      );
      promised.set(name, sum);
    } else {
      torture.count(code);
      torture.check(
        (MOVED.has(code) || verify && code === "CHECKSUM_MISMATCH") &&
            moved !== "nothing" || stuck && code === "TIMEOUT",
        where,
        () => `${name} rejected after ${moved}: ${explain(reason)}`,
      );
    }
  }));
  compare(
    torture,
    `${where} (${told.join(", ")})`,
    await readContents(backend),
    promised,
    [],
    round,
  );
  await Deno.remove(folder, { recursive: true });
}

/** Sources that change, shrink, grow, vanish, or become something else. */
export const moving: Topic = {
  name: "moving",
  unit: "batches",
  rounds: { full: 600, short: 24 },
  run: async (torture) => {
    const promised = Array.from({ length: LANES }, () => new Map());
    await torture.eachRound(LANES, async (round, random, lane) => {
      const image = `${torture.folder}/${lane}.iso`;
      const own: Map<string, string> = promised[lane] ?? new Map();
      await runRound(torture, image, own, random, round);
      if (round % 40 < LANES) {
        // A new image in which nothing was stored went when it was closed.
        if (own.size > 0 || await exists(image)) await Deno.remove(image);
        own.clear();
      }
    });
  },
};
