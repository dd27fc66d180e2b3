/**
 * The torture: does to the module what a bad world does, and counts what it
 * breaks.
 *
 *     deno task torture [--rounds N] [--minutes M] [--seed S] [--short] [TOPIC...]
 *
 * `--from N --rounds 1` repeats one round of a topic. Exit 1 if a promise was
 * broken.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { parseArgs } from "@std/cli/parse-args";
import { TOPICS } from "./topics.ts";
import { type Report, summarize, type Topic, Torture } from "./torture.ts";

const USAGE =
  "deno task torture [--rounds N] [--from N] [--minutes M] [--seed S] " +
  `[--short] [TOPIC...]\nTopics: ${TOPICS.map(({ name }) => name).join(", ")}`;

/** Bad arguments. */
class UsageError extends Error {}

function toNumber(word: string | undefined): number | undefined {
  const number = word === undefined ? undefined : Number(word);
  if (number === undefined || number >= 0) return number;
  throw new UsageError(`Not a number: ${word}`);
}

function toTopic(word: string): Topic {
  const topic = TOPICS.find(({ name }) => name === word);
  if (topic !== undefined) return topic;
  throw new UsageError(`Not a topic: ${word}`);
}

async function run(words: readonly string[]): Promise<number> {
  const args = parseArgs([...words], {
    string: ["seed", "rounds", "from", "minutes"],
    boolean: ["short"],
    unknown: (word: string, key?: string) => {
      if (key !== undefined) throw new UsageError(`Not a flag: ${word}`);
    },
  });
  const { short } = args;
  const seed = args.seed ??
    String(crypto.getRandomValues(new Uint32Array(1))[0]);
  const rounds = toNumber(args.rounds);
  const from = toNumber(args.from);
  const minutes = toNumber(args.minutes) ?? Infinity;
  const chosen = args._.map((word: string | number) => toTopic(String(word)));
  console.log(`seed ${seed}`);
  const deadline = performance.now() + minutes * 60_000;
  const reports: Report[] = [];
  for (const topic of chosen.length > 0 ? chosen : TOPICS) {
    const report = await Torture.run(topic, {
      ...{ seed, rounds, from, deadline, short },
      onLine: (line) => console.log(line),
    });
    console.log(summarize(report));
    reports.push(report);
  }
  const failed = reports.reduce((sum, each) => sum + each.failures.length, 0);
  console.log(`\nseed ${seed}, ${failed} failures`);
  for (const report of reports) console.log(`  ${summarize(report)}`);
  return failed === 0 ? 0 : 1;
}

try {
  Deno.exitCode = await run(Deno.args);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n${USAGE}`);
  Deno.exitCode = 2;
}
