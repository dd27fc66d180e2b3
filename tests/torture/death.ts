/** Death at any moment: of xorriso, of its input, of the whole program. */

import { delay } from "@std/async/delay";
import { XorrisoBackend } from "../../mod.ts";
import { REST } from "../../src/session/settle.ts";
import {
  age,
  codeOf,
  makeScript,
  md5,
  traceXorriso,
} from "../support/helpers.ts";
import { killAfter, Writer } from "./children.ts";
import {
  checkImage,
  compare,
  type Doubt,
  type Promised,
  readContents,
} from "./promised.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

/** Images that are worked on at the same time, since much is waiting. */
const LANES = 6;

/** Rounds after which an image is begun anew. */
const LIFE = 20;

/** An image that lives through several deaths. */
class Victim {
  readonly path: string;
  readonly url: string;
  readonly image: string;
  readonly promised: Promised = new Map();
  /** Number of the newest change of a name that has ended. */
  readonly latest = new Map<string, number>();
  calls = 0;
  rounds = 0;

  /** @param path The folder of the image. */
  constructor(path: string) {
    this.path = path;
    this.image = `${path}/test.iso`;
    this.url = `xorriso://${this.image}`;
  }

  static async make(parent: string): Promise<Victim> {
    const folder = await Deno.makeTempDir({ dir: parent });
    await Deno.mkdir(`${folder}/temp`);
    return new Victim(folder);
  }

  /** Makes sure that nothing is left but the image. */
  async checkRemains(torture: Torture, round: number): Promise<void> {
    for await (const { name } of Deno.readDir(`${this.path}/temp`)) {
      torture.fail(`round ${round}`, `${name} is left in tempDir`, round);
    }
    for await (const { name } of Deno.readDir(this.path)) {
      if (/^(test\.iso|temp|pids|traced-xorriso|short|hooks)$/.test(name)) {
        continue;
      }
      torture.fail(`round ${round}`, `${name} is left`, round);
    }
  }
}

/** Codes with which calls may end when xorriso was killed or lost its input. */
const LOST = new Set(["SESSION_LOST"]);

/** Calls that were made just before a death, and how they ended. */
interface Calls {
  readonly doubts: Doubt[];
  readonly done: Promise<void>[];
}

/** Makes changes and reads at once; notes what was promised. */
function callAll(
  torture: Torture,
  backend: XorrisoBackend,
  victim: Victim,
  random: Random,
  round: number,
  before: Set<string>,
): Calls {
  const { latest, promised } = victim;
  const doubts: Doubt[] = [];
  const done: Promise<void>[] = [];
  const note = (what: string, promise: Promise<unknown>, doubt?: Doubt) => {
    const call = ++victim.calls;
    // Of two changes of one name in a batch, the last one stands.
    const isLast = () => {
      if (doubt === undefined || (latest.get(doubt.name) ?? 0) > call) {
        return false;
      }
      latest.set(doubt.name, call);
      return true;
    };
    done.push(promise.then(
      () => {
        torture.count("calls that resolved");
        if (doubt === undefined || !isLast()) return;
        if (doubt.md5 === undefined) promised.delete(doubt.name);
        else promised.set(doubt.name, doubt.md5);
      },
      (error) => {
        if (doubt !== undefined && isLast()) doubts.push(doubt);
        torture.count("calls that rejected");
        const twice = what.startsWith("delete") && before.has(what) &&
          codeOf(error) === "ENTRY_NOT_FOUND";
        torture.check(
          LOST.has(codeOf(error)) || twice,
          `round ${round}`,
          () => `${what} rejected with ${codeOf(error)}: ${error}`,
        );
      },
    ));
  };
  const names = random.shuffle(Array.from({ length: 12 }, (_, i) => `f${i}`));
  for (const name of names.slice(0, random.between(1, 6))) {
    if (random.oneIn(6) && promised.has(name)) {
      note(`delete ${name}`, backend.delete(name), { name, md5: undefined });
      before.add(`delete ${name}`);
      continue;
    }
    const bytes = random.bytes(random.below(random.pick([50, 3e5, 6e6])));
    note(`put ${name}`, backend.put(bytes, name), { name, md5: md5(bytes) });
  }
  note("medium", backend.medium());
  note("sessions", backend.sessions());
  return { doubts, done };
}

/** Kills xorriso, or ends its input, while calls are on their way. */
async function killXorriso(
  torture: Torture,
  victim: Victim,
  random: Random,
  round: number,
  how: "kill" | "input",
): Promise<void> {
  const { path: folder, url, promised, image } = victim;
  const traced = await traceXorriso(victim);
  const program = how === "kill" ? traced.path : await makeScript(
    victim,
    "short",
    // Only the first one loses its input: the next call works by itself.
    `if mkdir '${folder}/hooks' 2>/dev/null; then\n` +
      `dd bs=1 count=${random.between(200, 3000)} 2>/dev/null | ` +
      `xorriso "$@"\n` +
      `else exec xorriso "$@"; fi`,
  );
  await Deno.remove(`${folder}/hooks`).catch(() => {});
  const lives = victim.rounds > 0;
  // Half of the time as if the image had not been touched for long.
  if (lives && random.oneIn(2)) await age(image);
  let doubts: Doubt[] = [];
  const again = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (how !== "input" || codeOf(error) !== "SESSION_LOST") throw error;
      return await work();
    }
  };
  {
    let opened: XorrisoBackend;
    const options = {
      create: true,
      xorrisoPath: program,
      tempDir: `${folder}/temp`,
    };
    try {
      opened = await XorrisoBackend.open(url, options);
    } catch (error) {
      // The input may end while the image is being opened.
      if (how !== "input" || codeOf(error) !== "SESSION_LOST") throw error;
      torture.count("ends while opening");
      opened = await XorrisoBackend.open(url, options);
    }
    await using backend = opened;
    if (random.oneIn(2)) await again(() => backend.list());
    const seen = new Set<string>();
    const calls = callAll(torture, backend, victim, random, round, seen);
    if (how === "kill") {
      // The first commit of a warm image waits for two seconds.
      const warm = lives ? random.pick([0, 2000]) : 0;
      const ended = new AbortController();
      await Promise.race([
        delay(warm + random.below(400), { signal: ended.signal }),
        all(calls),
      ]);
      ended.abort();
      Deno.kill(await traced.newest(), "SIGKILL");
      torture.count("SIGKILLs of xorriso");
    } else {
      torture.count("ends of its input");
    }
    const later = callAll(torture, backend, victim, random, round, seen);
    await all(calls);
    await all(later);
    doubts = [...calls.doubts, ...later.doubts];
    // The next call works by itself. The input may end only now.
    const bytes = random.bytes(1000);
    await again(() => backend.put(bytes, "after"));
    promised.set("after", md5(bytes));
    const found = await again(() => readContents(backend));
    compare(torture, `round ${round}, same backend`, found, promised, doubts);
  }
  await checkImage(torture, `round ${round}, opened anew`, url, promised);
}

async function all({ done }: Calls): Promise<void> {
  await Promise.all(done);
}

/** Kills a program; its xorriso lives on. The next writer starts at once. */
async function killProgram(
  torture: Torture,
  victim: Victim,
  random: Random,
  round: number,
): Promise<void> {
  const { url, promised, image } = victim;
  const where = `round ${round}`;
  const lives = victim.rounds > 0;
  const cold = lives && random.oneIn(2);
  if (cold) await age(image);
  const writer = new Writer(url, `${torture.seed}/${round}`, 3, {
    ...{ prefix: "w", temp: torture.folder },
  });
  await killAfter(writer, random, lives && !cold ? 3000 : 700);
  torture.count("SIGKILLs of the program");
  const next = random.bytes(2000);
  {
    // At once, while the other xorriso may be writing.
    await using backend = await XorrisoBackend.open(url, {
      ...{ create: true, recover: true },
      tempDir: `${victim.path}/temp`,
    });
    const begun = performance.now();
    for (let attempt = 1;; attempt++) {
      try {
        await backend.put(next, "next");
        promised.set("next", md5(next));
        break;
      } catch (error) {
        torture.count(`next writers told ${codeOf(error)}`);
        if (attempt < 2 && codeOf(error) === "MEDIUM_CHANGED") continue;
        torture.fail(where, error, round);
        break;
      }
    }
    torture.most("ms until the next put", performance.now() - begun | 0);
    const { doubts } = await writer.settle(promised);
    promised.set("next", md5(next));
    const found = await readContents(backend);
    compare(torture, `${where}, next writer`, found, promised, doubts, round);
  }
  await checkImage(torture, `${where}, opened anew`, url, promised);
}

/** Kills xorriso and programs at random moments of commits. */
export const death: Topic = {
  name: "death",
  unit: "deaths",
  rounds: { full: 600, short: 24 },
  run: async (torture) => {
    // No xorriso here is still for as long; all these minutes would be hours.
    REST.unfinished = 3000;
    const victims = new Map<number, Victim>();
    await torture.eachRound(LANES, async (round, random, lane) => {
      // One in four is the first commit of a new image.
      const known = victims.get(lane);
      const fresh = known === undefined || known.rounds >= LIFE ||
        random.oneIn(4);
      const victim = fresh ? await Victim.make(torture.folder) : known;
      if (fresh) torture.count("new images");
      victims.set(lane, victim);
      const kind = ["kill", "program", "kill", "program", "input"] as const;
      const how = kind[round % kind.length] ?? "kill";
      try {
        if (how === "program") {
          await killProgram(torture, victim, random, round);
        } else {
          await killXorriso(torture, victim, random, round, how);
        }
        await victim.checkRemains(torture, round);
      } catch (error) {
        victims.delete(lane);
        throw error;
      }
      victim.rounds++;
      if (fresh && known !== undefined) {
        await Deno.remove(known.path, { recursive: true });
      }
    });
  },
};
