/** Many calls at once on one backend, against a model held in memory. */

import { delay } from "@std/async/delay";
import { XorrisoBackend } from "../../mod.ts";
import { codeOf, listImage, md5 } from "../support/helpers.ts";
import { compare, readContents } from "./promised.ts";
import type { Topic, Torture } from "./torture.ts";
import type { Random } from "./random.ts";

/** Calls between two looks at everything. */
const WAVE = 50;

/** One version of a name: a content, or none. */
interface Version {
  readonly md5: string | undefined;
  state: "called" | "done" | "failed";
}

/** All that happened to one name. */
class History {
  readonly versions: Version[] = [{ md5: undefined, state: "done" }];

  /** What the name will be when all calls so far are done. */
  get next(): string | undefined {
    return this.versions.findLast(({ state }) => state !== "failed")?.md5;
  }

  /** Where the versions begin that a reader may see from now on. */
  get settled(): number {
    return this.versions.findLastIndex(({ state }) => state === "done");
  }

  add(md5: string | undefined): Version {
    const version: Version = { md5, state: "called" };
    this.versions.push(version);
    return version;
  }
}

/** A backend under many calls, and what must come out. */
class Crowd {
  readonly #torture: Torture;
  readonly #backend: XorrisoBackend;
  readonly #random: Random;
  readonly #sources: readonly { readonly path: string; md5: string }[];
  readonly #histories = new Map<string, History>();
  readonly #calls: Promise<void>[] = [];

  constructor(
    torture: Torture,
    backend: XorrisoBackend,
    random: Random,
    sources: readonly { readonly path: string; md5: string }[],
  ) {
    this.#torture = torture;
    this.#backend = backend;
    this.#random = random;
    this.#sources = sources;
  }

  /** Makes one call, and does not wait for it. */
  call(round: number): void {
    const random = this.#random;
    const folder = random.pick(["", "sub/", "sub/deep/"]);
    const name = `${folder}file-${random.below(40)}`;
    const kind = random.pick([
      ...["put", "put", "put", "get", "query", "delete"],
      ...["target", "list", "queryList"],
    ]);
    this.#torture.count(`${kind} calls`);
    this.#calls.push(
      this.#make(kind, name, round).catch((error) =>
        this.#torture.fail(`${kind} ${name}, round ${round}`, error)
      ),
    );
  }

  /** Waits for all calls so far. */
  async settle(): Promise<Map<string, string>> {
    await Promise.all(this.#calls.splice(0));
    const promised = new Map<string, string>();
    for (const [name, history] of this.#histories) {
      const { next } = history;
      if (next !== undefined) promised.set(name, next);
    }
    return promised;
  }

  #history(name: string): History {
    const known = this.#histories.get(name);
    if (known !== undefined) return known;
    const history = new History();
    this.#histories.set(name, history);
    return history;
  }

  async #make(kind: string, name: string, round: number): Promise<void> {
    if (kind === "put") return await this.#put(name);
    if (kind === "delete") return await this.#delete(name);
    const history = this.#history(name);
    const from = history.settled;
    const seen = await this.#read(kind, name, round);
    // What was called before the answer may be seen, nothing older than the
    // newest that was done before the question.
    const allowed = history.versions.slice(from)
      .filter(({ state }) => state !== "failed").map(({ md5 }) => md5);
    if (seen === "there") {
      if (allowed.some((md5) => md5 !== undefined)) return;
    } else if (allowed.includes(seen)) return;
    throw new Error(`saw ${seen}, but only ${allowed} may be seen`);
  }

  async #put(name: string): Promise<void> {
    const random = this.#random;
    const history = this.#history(name);
    const overwrite = !random.oneIn(5);
    const may = overwrite || history.next === undefined;
    const source = random.pick(this.#sources);
    const bytes = random.bytes(random.below(9000));
    const kind = random.pick(["path", "bytes", "stream"]);
    const sum = kind === "path" ? source.md5 : md5(bytes);
    const version = may ? history.add(sum) : undefined;
    const promise = this.#backend.put(
      kind === "path"
        ? source.path
        : kind === "bytes"
        ? bytes
        : slow(bytes, random.below(20)),
      name,
      { overwrite, verify: random.oneIn(4) },
    );
    await settled(promise, version, "ENTRY_EXISTS");
  }

  async #delete(name: string): Promise<void> {
    const history = this.#history(name);
    const may = history.next !== undefined;
    const version = may ? history.add(undefined) : undefined;
    const promise = this.#backend.delete(name);
    await settled(promise, version, "ENTRY_NOT_FOUND");
  }

  /** The MD5 that a reader sees; undefined if nothing is there. */
  async #read(
    kind: string,
    name: string,
    round: number,
  ): Promise<string | undefined> {
    const backend = this.#backend;
    if (kind === "list" || kind === "queryList") {
      const entries = kind === "list"
        ? await backend.list()
        : await backend.queryList([name]);
      const there = entries.some((each) => each?.name === name);
      return there ? "there" : undefined;
    }
    try {
      if (kind === "query") {
        return (await backend.query(name, { md5: true }))?.md5;
      }
      if (kind === "get") {
        const content = await backend.readable(name);
        return md5(await new Response(content).bytes());
      }
      const target = `${this.#torture.folder}/target-${round}`;
      await backend.get(name, target);
      const bytes = await Deno.readFile(target);
      await Deno.remove(target);
      return md5(bytes);
    } catch (error) {
      if (codeOf(error) === "ENTRY_NOT_FOUND") return undefined;
      throw error;
    }
  }
}

/** A change that must be done, or must be refused. */
async function settled(
  promise: Promise<void>,
  version: Version | undefined,
  code: string,
): Promise<void> {
  try {
    await promise;
    if (version === undefined) throw new Error(`resolved instead of ${code}`);
    version.state = "done";
  } catch (error) {
    if (version !== undefined) version.state = "failed";
    if (version === undefined && codeOf(error) === code) return;
    throw error;
  }
}

/** A stream that takes its time. */
function slow(
  bytes: Uint8Array,
  milliseconds: number,
): ReadableStream<Uint8Array> {
  const half = bytes.length >> 1;
  return ReadableStream.from((async function* () {
    yield bytes.subarray(0, half);
    await delay(milliseconds);
    yield bytes.subarray(half);
  })());
}

/** 1,000 puts, gets, queries and deletes, mixed at random. */
export const concurrency: Topic = {
  name: "concurrency",
  unit: "calls",
  rounds: { full: 10_000, short: 400 },
  run: async (torture) => {
    const setup = torture.random("sources");
    const sources: { path: string; md5: string }[] = [];
    for (let i = 0; i < 8; i++) {
      const path = `${torture.folder}/source-${i}`;
      const bytes = setup.bytes(setup.below(100_000));
      await Deno.writeFile(path, bytes);
      sources.push({ path, md5: md5(bytes) });
    }
    let round = 0;
    for (let part = 0; round < torture.rounds && !torture.over; part++) {
      const image = `${torture.folder}/${part}.iso`;
      const url = `xorriso://${image}`;
      const random = torture.random(`part ${part}`);
      {
        await using backend = await XorrisoBackend.open(url, { create: true });
        const crowd = new Crowd(torture, backend, random, sources);
        const end = Math.min(torture.rounds, round + 1000);
        while (round < end && !torture.over) {
          for (let i = 0; i < WAVE && round < end; i++) {
            crowd.call(round++);
            torture.did(1);
            if (random.oneIn(8)) await delay(random.below(60));
          }
          const promised = await crowd.settle();
          const where = `part ${part}, before call ${round}`;
          compare(torture, where, await readContents(backend), promised);
          const plain = (await listImage(image)).map((path) => path.slice(1));
          const same =
            plain.sort().join() === [...promised.keys()].sort().join();
          torture.check(same, where, () => `xorriso itself lists ${plain}`);
          torture.count("looks at everything");
        }
        torture.count("sessions", (await backend.sessions()).length);
        for (const { name, error } of await backend.verify()) {
          if (error !== undefined) torture.fail(`verify ${name}`, error);
        }
      }
      await Deno.remove(image);
    }
  },
};
