/**
 * The benchmarks: the module beside what else does the same, in one run.
 *
 *     deno task bench [--json] [--rounds N] [--disk FOLDER] [--on tmpfs|disk]
 *         [--update] [GROUP...]
 *
 * `--update` puts the tables into tests/bench/README.md, too; of some groups, their rows alone.
 *
 * Each round runs all sides in turn, so that all see the same machine. A commit
 * needs a fresh image and goes in steps of 0.1 s, so this is a runner of its
 * own; what is pure is in `pure_bench.ts`, for `deno bench`.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { parseArgs } from "@std/cli/parse-args";
import {
  compete,
  FIGURE_TITLES,
  figureRow,
  mergeRows,
  OUTCOME_TITLES,
  outcomeRow,
  type Place,
  replaceTables,
  type Results,
  rowsOf,
  table,
} from "./bench.ts";
import { GROUPS } from "./groups.ts";
import { machine, openPlaces, type Workplace } from "./places.ts";

const USAGE =
  "deno task bench [--json] [--rounds N] [--disk FOLDER] [--on tmpfs|disk] " +
  `[--update] [GROUP...]\nGroups: ${GROUPS.map(({ name }) => name).join(", ")}`;

const README = new URL("README.md", import.meta.url);

/** Rounds of what does not say otherwise. */
const ROUNDS = 9;

interface Arguments {
  readonly json: boolean;
  readonly update: boolean;
  readonly rounds: number;
  readonly disk: string | undefined;
  readonly on: string | undefined;
  readonly groups: readonly string[];
}

function parse(words: readonly string[]): Arguments | undefined {
  const unknown: string[] = [];
  const { _: groups, json, update, rounds, disk, on } = parseArgs([...words], {
    boolean: ["json", "update"],
    string: ["rounds", "disk", "on"],
    default: { rounds: String(ROUNDS) },
    unknown: (word: string, flag?: string) => {
      const isKnown = flag === undefined &&
        GROUPS.some(({ name }) => name === word);
      if (!isKnown) unknown.push(word);
      return isKnown;
    },
  });
  return unknown.length === 0 && Number(rounds) >= 1
    ? {
      ...{ json, update, disk, on },
      ...{ rounds: Number(rounds), groups: groups.map(String) },
    }
    : undefined;
}

async function runGroups(
  { rounds, on, groups }: Arguments,
  places: readonly Workplace[],
  tell: (line: string) => void,
): Promise<Results> {
  const results: Results = { outcomes: [], figures: [] };
  for (const group of GROUPS) {
    if (groups.length > 0 && !groups.includes(group.name)) continue;
    for (const { name, folder } of group.once ? places.slice(0, 1) : places) {
      if (on !== undefined && on !== name && !group.once) continue;
      const place: Place = { group: group.name, place: name };
      tell(`== ${group.name} on ${name}`);
      await group.run({
        ...place,
        folder,
        contest: async (contest) => {
          const outcomes = await compete(contest, rounds, place);
          results.outcomes.push(...outcomes);
          for (const outcome of outcomes) tell(outcomeRow(outcome).join(" | "));
        },
        figure: (figure) => {
          results.figures.push({ ...figure, ...place });
          tell(figureRow({ ...figure, ...place }).join(" | "));
        },
      });
    }
  }
  return results;
}

/** The rows of both tables. */
interface Rows {
  readonly outcomes: string[][];
  readonly figures: string[][];
}

/** The tables, in Markdown. */
function show(about: string, { outcomes, figures }: Rows): string {
  const tables = [
    ...(outcomes.length > 0 ? [table(OUTCOME_TITLES, outcomes)] : []),
    ...(figures.length > 0 ? [table(FIGURE_TITLES, figures)] : []),
  ];
  return [`${about}; medians, in brackets minima:`, ...tables].join("\n\n");
}

/** The rows of a text, with newer ones in their places. */
function merge(text: string, { outcomes, figures }: Rows): Rows {
  return {
    outcomes: mergeRows(rowsOf(text, OUTCOME_TITLES), outcomes, [0, 1, 3]),
    figures: mergeRows(rowsOf(text, FIGURE_TITLES), figures, [0, 1]),
  };
}

async function main(words: readonly string[]): Promise<number> {
  const args = parse(words);
  if (args === undefined) {
    console.error(USAGE);
    return 2;
  }
  await using places = await openPlaces(args.disk);
  // Nothing may stay mounted.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, async () => {
      await places[Symbol.asyncDispose]();
      Deno.exit(130);
    });
  }
  const about = await machine();
  const results = await runGroups(
    args,
    places.list,
    (line) => console.error(line),
  );
  if (args.json) {
    console.log(JSON.stringify({ machine: about, ...results }, undefined, 2));
    return 0;
  }
  const rows = {
    outcomes: results.outcomes.map(outcomeRow),
    figures: results.figures.map(figureRow),
  };
  console.log(`\n${show(about, rows)}`);
  if (args.update) {
    const text = await Deno.readTextFile(README);
    const all = args.groups.length > 0 ? merge(text, rows) : rows;
    await Deno.writeTextFile(README, replaceTables(text, show(about, all)));
  }
  return 0;
}

Deno.exitCode = await main(Deno.args);
