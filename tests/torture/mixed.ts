/** Every public call of a session and of a backend, beside every other. */

import { delay } from "@std/async/delay";
import { Xorriso, XorrisoBackend } from "../../mod.ts";
import {
  Burner,
  burnerUnavailable,
  type MediumType,
} from "../burner/burner.ts";
import { codeOf, listImage, md5 } from "../support/helpers.ts";
import { compare, readContents } from "./promised.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

/** Where a medium lies, and how it is opened. */
interface Place {
  readonly device: string;
  readonly burner?: Burner;
  readonly options: { readonly xorrisoPath?: string; readonly create?: true };
  /** Whether it can be made empty. */
  readonly erasable: boolean;
  /** Whether it can be closed for good. */
  readonly closable: boolean;
}

/** One round: a medium, the numbers that are drawn, and where failures go. */
interface Round {
  readonly torture: Torture;
  readonly random: Random;
  readonly number: number;
  readonly place: Place;
  readonly folder: string;
}

/** Calls between two looks at everything. */
const WAVE = 25;

const FOLDERS = ["", "sub/", "sub/deep/"];

function pickName(random: Random): string {
  return `${random.pick(FOLDERS)}file-${random.below(8)}`;
}

/** One change that was asked for. */
interface Change {
  readonly name: string;
  /** The MD5 that the name is to have; undefined if it is to go. */
  readonly md5?: string;
  /** The name whose content it is to have, and which is to go. */
  readonly from?: string;
  done: boolean;
}

/** Calls on a backend; what has resolved is promised. */
class BackendMix {
  readonly #round: Round;
  readonly #backend: XorrisoBackend;
  /** All changes, in call order: those of one name are done in that. */
  readonly #changes: Change[] = [];
  /** The MD5 of all that was ever to be stored. */
  readonly #sums = new Set<string>();
  readonly #calls: Promise<void>[] = [];
  #rollbacks = 0;
  #lists = 0;

  constructor(round: Round, backend: XorrisoBackend) {
    this.#round = round;
    this.#backend = backend;
  }

  async run(waves: number): Promise<void> {
    const { torture, random, number, place } = this.#round;
    for (let wave = 0; wave < waves; wave++) {
      for (let i = 0; i < WAVE; i++) {
        this.#call(`wave ${wave}, call ${i}`);
        if (random.oneIn(4)) await delay(random.below(30));
      }
      await Promise.all(this.#calls.splice(0));
      if (wave > 0 && random.oneIn(2)) await this.#maintain(place);
      const found = await readContents(this.#backend);
      compare(torture, `wave ${wave}`, found, this.promised, [], number);
    }
    if (place.closable && this.promised.size > 0) await this.#close();
  }

  /** Closes the medium for good, with what is pending. */
  async #close(): Promise<void> {
    const { torture, random, number } = this.#round;
    const bytes = random.bytes(100);
    const last = this.#backend.put(bytes, "last");
    const stored = this.#change({ name: "last", md5: this.#sum(bytes) }, last);
    await Promise.all([stored, this.#backend.finish(), this.#backend.room()]);
    const refused = tolerate(["MEDIUM_NOT_WRITABLE"]);
    await this.#backend.put(bytes, "later").then(fail, refused);
    await this.#backend.finish().then(fail, refused);
    const found = await readContents(this.#backend);
    compare(torture, "closed", found, this.promised, [], number);
  }

  /** What must be on the medium when nothing is under way. */
  get promised(): Map<string, string> {
    const promised = new Map<string, string>();
    for (const { name, md5, from, done } of this.#changes) {
      if (!done) continue;
      const sum = from === undefined ? md5 : promised.get(from);
      if (from !== undefined) promised.delete(from);
      if (sum === undefined) promised.delete(name);
      else promised.set(name, sum);
    }
    return promised;
  }

  #call(where: string): void {
    const { torture, random, number } = this.#round;
    const kind = random.pick([
      ...["put", "put", "put", "put", "put", "delete", "delete"],
      ...["rename", "rename", "apply", "apply", "query", "getList"],
      ...["get", "list", "queryList", "verify", "room", "room", "medium"],
      ...["sessions", "commit", "rollback", "format", "finish"],
    ]);
    torture.count(`${kind} calls`);
    this.#calls.push(
      this.#make(kind).catch((error) =>
        torture.fail(`${kind}, ${where}`, error, number)
      ),
    );
  }

  async #make(kind: string): Promise<void> {
    const { random } = this.#round;
    const backend = this.#backend;
    const name = pickName(random);
    if (kind === "put") {
      const bytes = random.bytes(random.below(6000));
      const overwrite = !random.oneIn(4);
      const put = backend.put(bytes, name, { overwrite });
      const allowed = overwrite ? [] : ["ENTRY_EXISTS"];
      return await this.#change({ name, md5: this.#sum(bytes) }, put, allowed);
    }
    if (kind === "delete") {
      const deleted = backend.delete(name);
      return await this.#change({ name }, deleted, ["ENTRY_NOT_FOUND"]);
    }
    if (kind === "rename") {
      const to = pickName(random);
      const renamed = backend.rename(name, to);
      const allowed = ["ENTRY_NOT_FOUND", "ENTRY_EXISTS"];
      const change = { name: to, from: name };
      return await this.#change(change, renamed, [...allowed, "TypeError"]);
    }
    if (kind === "apply") return await this.#apply();
    if (kind === "getList") {
      const target = `${this.#round.folder}/list-${this.#lists++}`;
      const results = await backend.getList([name, pickName(random)], target);
      for (const { error } of results) {
        if (error !== undefined) tolerate(["ENTRY_NOT_FOUND"])(error);
      }
      return;
    }
    if (kind === "get") return await this.#get(name);
    if (kind === "verify") {
      for (const { name, error } of await backend.verify()) {
        if (error === undefined || codeOf(error) === "ENTRY_NOT_FOUND") {
          continue;
        }
        throw new Error(`${name} is not right`, { cause: error });
      }
      return;
    }
    if (kind === "rollback") {
      this.#rollbacks++;
      return await backend.rollback();
    }
    if (kind === "room") {
      if (await backend.room() <= 0) throw new Error("no room");
    } else if (kind === "commit") {
      // It tells what the calls themselves are told, too.
      await backend.commit().catch(tolerate(["ABORTED"]));
    } else if (kind === "format") {
      // A blank medium may be formatted; what is there needs force.
      const refused = ["BLANK_FAILED", "MEDIUM_NOT_WRITABLE"];
      await backend.format().catch(tolerate(["ABORTED", ...refused]));
    } else if (kind === "finish") {
      if (this.#round.place.closable) return;
      const refused = ["ABORTED", "MEDIUM_NOT_WRITABLE"];
      await backend.finish().then(fail, tolerate(refused));
    } else if (kind === "list") await backend.list({ md5: random.oneIn(2) });
    else if (kind === "queryList") await backend.queryList([name]);
    else if (kind === "query") await backend.query(name, { md5: true });
    else if (kind === "medium") await backend.medium();
    else await backend.sessions();
  }

  /** The MD5 of what is to be stored. */
  #sum(bytes: Uint8Array): string {
    const sum = md5(bytes);
    this.#sums.add(sum);
    return sum;
  }

  /** Several changes in one call. */
  async #apply(): Promise<void> {
    const { random } = this.#round;
    const names = new Set([1, 2, 3].map(() => pickName(random)));
    const changes = Array.from(names, (name) => {
      if (random.oneIn(3)) return { kind: "remove", name } as const;
      const source = random.bytes(random.below(6000));
      return { kind: "file", name, source } as const;
    });
    const asked = changes.map((change): Change => ({
      ...{ name: change.name, done: false },
      ...(change.kind === "file" && { md5: this.#sum(change.source) }),
    }));
    this.#changes.push(...asked);
    const results = await this.#backend.apply(changes);
    for (const [index, { error }] of results.entries()) {
      const change = asked[index];
      if (change !== undefined) change.done = error === undefined;
      if (error !== undefined) this.#tolerate(["ENTRY_NOT_FOUND"], error);
    }
  }

  #tolerate(codes: readonly string[], error: unknown): void {
    tolerate([...codes, ...this.#rollbacks > 0 ? ["ABORTED"] : []])(error);
  }

  async #change(
    what: Omit<Change, "done">,
    promise: Promise<void>,
    allowed: readonly string[] = [],
  ): Promise<void> {
    const change: Change = { ...what, done: false };
    this.#changes.push(change);
    try {
      await promise;
      change.done = true;
    } catch (error) {
      this.#tolerate(allowed, error);
    }
  }

  async #get(name: string): Promise<void> {
    try {
      const content = await this.#backend.readable(name);
      const sum = md5(await new Response(content).bytes());
      if (this.#sums.has(sum)) return;
    } catch (error) {
      return tolerate(["ENTRY_NOT_FOUND"])(error);
    }
    throw new Error(`${name} has a content that nobody has stored`);
  }

  /** Something that is done when nothing else is. */
  async #maintain({ burner, erasable }: Place): Promise<void> {
    const { torture, random } = this.#round;
    if (burner !== undefined && random.oneIn(2)) {
      torture.count("eject and load calls");
      await this.#backend.eject();
      await this.#backend.load();
    } else if (erasable) {
      torture.count("blank calls");
      await Promise.all([
        this.#backend.blank({ force: true }),
        this.#backend.room(),
        this.#backend.sessions(),
      ]);
      this.#changes.length = 0;
    }
  }
}

/** Calls on a session: those that change something are done in call order. */
class SessionMix {
  readonly #round: Round;
  readonly #session: Xorriso;
  readonly #calls: Promise<void>[] = [];
  /** The tree of each session, the newest last. */
  readonly #trees: ReadonlyMap<string, string>[] = [];
  /** The MD5 of all that was ever to be stored. */
  readonly #sums = new Set<string>();
  /** What is staged on top of a tree. */
  #staged: Map<string, string> = new Map();
  #isDirty = false;
  #files = 0;

  constructor(round: Round, session: Xorriso) {
    this.#round = round;
    this.#session = session;
  }

  async run(waves: number): Promise<void> {
    const { random, place } = this.#round;
    const session = this.#session;
    for (let wave = 0; wave < waves; wave++) {
      for (let i = 0; i < WAVE; i++) {
        await this.#call(`wave ${wave}, call ${i}`);
        if (random.oneIn(4)) await delay(random.below(20));
      }
      this.#settle("rollback", `wave ${wave}`, session.rollback());
      this.#forget();
      await this.#check(`wave ${wave}`);
      if (random.oneIn(2)) await this.#maintain(place);
    }
    if (place.closable && this.#trees.length > 0) await this.#close();
  }

  /** Waits for all calls, and looks at everything. */
  async #check(where: string): Promise<void> {
    const { torture, number, place } = this.#round;
    const session = this.#session;
    await Promise.all(this.#calls.splice(0));
    const count = (await session.sessions()).length;
    if (count !== this.#trees.length) {
      const what = `${count} sessions, not ${this.#trees.length}`;
      torture.fail(where, what, number);
    }
    const found = await session.md5s();
    compare(torture, where, found, new Map(this.#tree), [], number);
    if (place.burner === undefined && count > 0) {
      const plain = (await listImage(place.device)).join();
      if (plain !== [...this.#tree.keys()].sort().join()) {
        torture.fail(where, `xorriso itself lists ${plain}`, number);
      }
    }
  }

  /** Closes the medium for good, with what is staged, beside other calls. */
  async #close(): Promise<void> {
    const where = "the end";
    const session = this.#session;
    const { path, md5 } = await this.#source(100);
    this.#settle("map", where, session.map(path, "/last"));
    this.#stage("/last", md5);
    this.#settle("finish", where, session.finish());
    this.#trees.push(new Map(this.#staged));
    this.#settle("room", where, session.room());
    this.#settle("map", where, session.map(path, "/later"));
    const late = session.commit();
    this.#settle("late commit", where, late, ["MEDIUM_NOT_WRITABLE"]);
    const again = session.finish();
    this.#settle("late finish", where, again, ["MEDIUM_NOT_WRITABLE"]);
    await this.#check(where);
  }

  /** What the newest session shows. */
  get #tree(): ReadonlyMap<string, string> {
    return this.#trees.at(-1) ?? new Map();
  }

  #forget(): void {
    this.#staged = new Map(this.#tree);
    this.#isDirty = false;
  }

  /** Waits for a call, which must come to one of these ends. */
  #settle(
    kind: string,
    where: string,
    promise: Promise<unknown>,
    expected: readonly string[] = ["ok"],
  ): void {
    const { torture, number } = this.#round;
    torture.count(`${kind} calls of a session`);
    this.#calls.push(
      promise.then(() => {
        if (!expected.includes("ok")) throw new Error(`not ${expected}`);
      }, tolerate(expected)).catch((error) =>
        torture.fail(`${kind}, ${where}`, error, number)
      ),
    );
  }

  async #call(where: string): Promise<void> {
    const { random } = this.#round;
    const session = this.#session;
    const path = `/${pickName(random)}`;
    const kind = random.pick([
      ...["map", "map", "map", "map", "cp", "rm", "rm", "commit", "commit"],
      ...["room", "room", "room", "medium", "sessions", "md5s", "find"],
      ...["command", "mkdir", "rollback", "revert", "restore", "rename"],
      ...["restore", "extract", "extract", "format", "finish"],
    ]);
    if (kind === "map") {
      const source = await this.#source(random.below(6000));
      this.#settle(kind, where, session.map(source.path, path));
      this.#stage(path, source.md5);
    } else if (kind === "cp") {
      const one = await this.#source(random.below(6000));
      const two = await this.#source(random.below(6000));
      this.#settle(kind, where, session.cp([one.path, two.path], "/sub"));
      this.#stage(`/sub/${one.name}`, one.md5);
      this.#stage(`/sub/${two.name}`, two.md5);
    } else if (kind === "rm") {
      const isThere = this.#staged.delete(path);
      if (isThere) this.#isDirty = true;
      const expected = isThere ? ["ok"] : ["ENTRY_NOT_FOUND"];
      this.#settle(kind, where, session.rm([path]), expected);
    } else if (kind === "rename") {
      const to = `/${pickName(random)}`;
      if (to === path) return;
      this.#settle(
        ...[kind, where, session.rename(path, to)] as const,
        this.#rename(path, to),
      );
    } else if (kind === "commit") {
      this.#settle(kind, where, session.commit());
      if (this.#isDirty) this.#trees.push(new Map(this.#staged));
      this.#isDirty = false;
    } else if (kind === "mkdir") {
      const path = `/made-${this.#files++}`;
      const command = session.command(["-mkdir", path, "--"]);
      this.#settle(kind, where, command);
      this.#isDirty = true;
    } else if (kind === "rollback") {
      this.#settle(kind, where, session.rollback());
      this.#forget();
    } else if (kind === "revert") {
      const number = random.below(this.#trees.length) + 1;
      const tree = this.#trees[number - 1];
      if (tree === undefined) return;
      this.#settle(kind, where, session.revert(number));
      this.#settle("forced commit", where, session.commit({ force: true }));
      this.#trees.push(tree);
      this.#forget();
    } else if (kind === "restore" || kind === "extract") {
      // It may come too early or too late.
      const restored = kind === "restore"
        ? this.#restore(path)
        : this.#extract([...new Set([path, `/${pickName(random)}`])]);
      this.#settle(kind, where, restored, ["ok", "ENTRY_NOT_FOUND"]);
    } else if (kind === "format") {
      // What is staged stays.
      if (this.#trees.length === 0) return;
      const refused = ["BLANK_FAILED", "MEDIUM_NOT_WRITABLE"];
      this.#settle(kind, where, session.format(), refused);
    } else if (kind === "finish") {
      if (this.#round.place.closable) return;
      this.#settle(kind, where, session.finish(), ["MEDIUM_NOT_WRITABLE"]);
    } else if (kind === "room") this.#settle(kind, where, session.room());
    else if (kind === "medium") this.#settle(kind, where, session.medium());
    else if (kind === "md5s") this.#settle(kind, where, session.md5s());
    else if (kind === "find") this.#settle(kind, where, session.find());
    else if (kind === "sessions") this.#settle(kind, where, session.sessions());
    else this.#settle(kind, where, session.command(["-print_size"]));
  }

  async #restore(path: string): Promise<void> {
    const target = `${this.#round.folder}/target-${this.#files++}`;
    await this.#session.restore(path, target);
    await this.#requireKnown(target, path);
  }

  async #extract(paths: readonly string[]): Promise<void> {
    const folder = `${this.#round.folder}/targets-${this.#files++}`;
    await Deno.mkdir(folder);
    // Names may be the same in different folders: the last one stays.
    await this.#session.extract(paths, folder);
    for (const path of paths) {
      const name = path.slice(path.lastIndexOf("/") + 1);
      await this.#requireKnown(`${folder}/${name}`, path);
    }
  }

  async #requireKnown(target: string, path: string): Promise<void> {
    if (this.#sums.has(md5(await Deno.readFile(target)))) return;
    throw new Error(`${path} has a content that nobody has stored`);
  }

  /** How it must end. */
  #rename(from: string, to: string): readonly string[] {
    const sum = this.#staged.get(from);
    if (sum === undefined) return ["ENTRY_NOT_FOUND"];
    if (this.#staged.has(to)) return ["ENTRY_EXISTS"];
    this.#staged.delete(from);
    this.#stage(to, sum);
    return ["ok"];
  }

  #stage(path: string, sum: string): void {
    this.#staged.set(path, sum);
    this.#isDirty = true;
  }

  async #source(length: number) {
    const { folder, random } = this.#round;
    const name = `source-${this.#files++}`;
    const bytes = random.bytes(length);
    const path = `${folder}/${name}`;
    await Deno.writeFile(path, bytes);
    const sum = md5(bytes);
    this.#sums.add(sum);
    return { name, path, md5: sum };
  }

  async #maintain({ burner, erasable }: Place): Promise<void> {
    const { torture, random } = this.#round;
    if (burner !== undefined && random.oneIn(2)) {
      torture.count("eject and load calls of a session");
      await this.#session.eject();
      await this.#session.load();
    } else if (erasable) {
      torture.count("blank calls of a session");
      const blanked = this.#session.blank({ force: true });
      await Promise.all([blanked, this.#session.room()]);
      this.#trees.length = 0;
    } else {
      torture.count("forced format calls of a session");
      const formatted = this.#session.format({ force: true });
      if (this.#trees.length === 0) await formatted;
      else await formatted.then(fail, tolerate(["BLANK_FAILED"]));
    }
    this.#forget();
  }
}

function fail(): never {
  throw new Error("It must fail");
}

/** Throws any error whose code is not among these. */
function tolerate(codes: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!codes.includes(codeOf(error))) throw error;
  };
}

/** Rounds of which the last two are on a drive. */
const CYCLE = 8;

/** Calls of all kinds at once on an image or a drive. */
export const mixed: Topic = {
  name: "mixed",
  unit: "rounds",
  rounds: { full: 400, short: CYCLE },
  run: async (torture) => {
    await torture.eachRound(4, async (number, random) => {
      const folder = `${torture.folder}/${number}`;
      await Deno.mkdir(folder);
      const onDrive = number % CYCLE >= CYCLE - 2;
      if (onDrive && burnerUnavailable() !== undefined) {
        return torture.count("rounds without a drive");
      }
      const type: MediumType = random.pick(["bd-r", "dvd+rw"]);
      await using burner = onDrive ? await Burner.start(type) : undefined;
      const place: Place = burner === undefined
        ? {
          device: `${folder}/a.iso`,
          options: { create: true },
          erasable: true,
          closable: false,
        }
        : {
          device: burner.device,
          options: { xorrisoPath: burner.xorrisoPath },
          burner,
          erasable: type === "dvd+rw",
          closable: type === "bd-r",
        };
      const round = { torture, random, number, place, folder };
      const waves = onDrive ? 2 : 4;
      if (number % 2 === 0) await mixBackend(round, waves);
      else await mixSession(round, waves);
      await Deno.remove(folder, { recursive: true });
    });
  },
};

async function mixBackend(round: Round, waves: number): Promise<void> {
  const { torture, number, place: { device, options } } = round;
  const url = `xorriso://${device}`;
  const { promised } = await (async () => {
    await using backend = await XorrisoBackend.open(url, options);
    const mix = new BackendMix(round, backend);
    await mix.run(waves);
    return mix;
  })();
  const { create: _, ...reading } = options;
  await using backend = await XorrisoBackend.open(url, {
    ...reading,
    readOnly: true,
  }).catch((error) => {
    // An image that nothing was stored in is not there.
    if (promised.size > 0) throw error;
    return undefined;
  });
  if (backend === undefined) return;
  const found = await readContents(backend);
  compare(torture, "opened anew", found, promised, [], number);
}

async function mixSession(round: Round, waves: number): Promise<void> {
  const { device, options } = round.place;
  await using session = await Xorriso.open(device, options);
  await new SessionMix(round, session).run(waves);
}
