/** What all topics of the torture have in common: rounds, figures, failures. */

import { within } from "../support/helpers.ts";
import { Random } from "./random.ts";

/** One way to torture the module. */
export interface Topic {
  /** Its name on the command line. */
  readonly name: string;
  /** What a round is, for the report. */
  readonly unit: string;
  /** Rounds by default, of the command and in the test run. */
  readonly rounds: { readonly full: number; readonly short: number };
  /** Runs all rounds. */
  readonly run: (torture: Torture) => Promise<void>;
}

/** How much to do. */
export interface Plan {
  /** All that is random follows from it. */
  readonly seed: string;
  /** Rounds of each topic; by default its own number. */
  readonly rounds?: number | undefined;
  /** The first round, to repeat one. @default {0} */
  readonly from?: number | undefined;
  /** Milliseconds, as of `performance.now()`, after which no round begins. */
  readonly deadline?: number | undefined;
  /** Whether to do what the test run does. @default {false} */
  readonly short?: boolean;
  /** Takes what is to be told at once. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** What has become of a topic. */
export interface Report {
  /** The topic's name. */
  readonly topic: string;
  /** Rounds done. */
  readonly rounds: number;
  /** What a round is. */
  readonly unit: string;
  /** Seconds it took. */
  readonly seconds: number;
  /** Figures by what they count. */
  readonly figures: ReadonlyMap<string, number>;
  /** All failures, each with how to see it again. */
  readonly failures: readonly string[];
}

/** Failures after which a topic is given up. */
const ENOUGH = 50;

/** Milliseconds after which a round counts as hung. */
const PATIENCE = 120_000;

/** One topic on its way. */
export class Torture {
  readonly #topic: Topic;
  readonly #plan: Plan;
  readonly #figures = new Map<string, number>();
  readonly #failures: string[] = [];
  #done = 0;

  /** A new folder on disk, removed in the end. */
  readonly folder: string;

  private constructor(topic: Topic, plan: Plan, folder: string) {
    this.#topic = topic;
    this.#plan = plan;
    this.folder = folder;
  }

  /** Runs a topic. */
  static async run(topic: Topic, plan: Plan): Promise<Report> {
    const folder = await Deno.realPath(
      await Deno.makeTempDir({ prefix: `torture-${topic.name}-` }),
    );
    const torture = new Torture(topic, plan, folder);
    const begun = performance.now();
    try {
      await topic.run(torture);
    } catch (error) {
      torture.fail("in between", error);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    return {
      topic: topic.name,
      rounds: torture.#done,
      unit: topic.unit,
      seconds: (performance.now() - begun) / 1000,
      figures: torture.#figures,
      failures: torture.#failures,
    };
  }

  /** Whether this is the short form. */
  get short(): boolean {
    return this.#plan.short ?? false;
  }

  /** The seed of it all. */
  get seed(): string {
    return this.#plan.seed;
  }

  /** Rounds to be done. */
  get rounds(): number {
    const { full, short } = this.#topic.rounds;
    return this.#plan.rounds ?? (this.short ? short : full);
  }

  /** Whether no round may begin any more. */
  get over(): boolean {
    const { deadline = Infinity } = this.#plan;
    return performance.now() > deadline || this.#failures.length >= ENOUGH;
  }

  /** Random numbers for something that is no round. */
  random(purpose: string): Random {
    return new Random(`${this.seed}/${this.#topic.name}/${purpose}`);
  }

  /**
   * Runs rounds, some side by side; one that throws is a failure.
   *
   * @param lanes How many at once; each has its own number.
   */
  async eachRound(
    lanes: number,
    work: (round: number, random: Random, lane: number) => Promise<void>,
  ): Promise<void> {
    const from = this.#plan.from ?? 0;
    const rounds = (function* (count) {
      for (let i = 0; i < count; i++) yield from + i;
    })(this.rounds);
    await Promise.all(Array.from({ length: lanes }, async (_, lane) => {
      for (const round of rounds) {
        if (this.over) return;
        try {
          await within(
            PATIENCE,
            work(round, this.random(`${round}`), lane),
          );
        } catch (error) {
          this.fail(`round ${round}`, error, round);
        }
        this.did(1);
      }
    }));
  }

  /** Counts rounds as done. */
  did(rounds: number): void {
    this.#done += rounds;
    const told = Math.max(1, Math.floor(this.rounds / 10));
    const { onLine, short } = this.#plan;
    const before = Math.floor((this.#done - rounds) / told);
    if (short || Math.floor(this.#done / told) === before) return;
    onLine?.(`${this.#topic.name}: ${this.#done} of ${this.rounds}`);
  }

  /** Counts something for the report. */
  count(what: string, number = 1): void {
    this.#figures.set(what, (this.#figures.get(what) ?? 0) + number);
  }

  /** Keeps the largest of some numbers for the report. */
  most(what: string, number: number): void {
    const known = this.#figures.get(what) ?? -Infinity;
    this.#figures.set(what, Math.max(known, number));
  }

  /** Notes that a promise was broken. */
  fail(where: string, what: unknown, round?: number): void {
    const { name } = this.#topic;
    const again = `deno task torture --seed ${this.seed}` +
      (round === undefined ? "" : ` --from ${round} --rounds 1`) + ` ${name}`;
    const text = what instanceof Error
      ? `${what.stack ?? what}${messagesOf(what)}`
      : String(what);
    const failure = `${name}, ${where}: ${text}\n  again: ${again}`;
    this.#failures.push(failure);
    this.#plan.onLine?.(`FAILED: ${failure}`);
  }

  /** Notes a failure unless a condition holds. */
  check(condition: boolean, where: string, what: () => string): void {
    if (!condition) this.fail(where, what());
  }
}

function messagesOf(error: Error): string {
  const lines = "messages" in error && Array.isArray(error.messages)
    ? error.messages
    : [];
  return lines.map((line) => `\n    ${line}`).join("");
}

/** A report as a line of a table. */
export function summarize(report: Report): string {
  const { topic, rounds, unit, seconds, figures, failures } = report;
  const counted = [...figures].map(([what, number]) => `${number} ${what}`);
  return [
    `${topic}: ${rounds} ${unit} in ${seconds.toFixed(0)} s`,
    ...counted,
    `${failures.length} failures`,
  ].join(", ");
}
