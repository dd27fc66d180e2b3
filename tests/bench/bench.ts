/** What all benchmarks have in common: sides in turn, statistics, the table. */

/** One way to do a piece of work. */
export interface Side {
  /** What does it: `cp`. */
  readonly name: string;
  /** Does it once, with all that goes before and after; milliseconds. */
  readonly run: () => Promise<number>;
  /** Rounds in which it takes part, where it is slow. @default {all} */
  readonly rounds?: number;
  /** At most so many times its time may the module take. */
  readonly ratio?: number;
  /** At most so many milliseconds more may the module take. */
  readonly over?: number;
}

/** A piece of work, done by the module and by others. */
export interface Contest {
  /** What is done: `put 100 x 4 KiB`. */
  readonly work: string;
  /** Does it with the module, once; milliseconds. */
  readonly ours: () => Promise<number>;
  /** Who else does it. */
  readonly others: readonly Side[];
  /** Rounds, where not those of the run. */
  readonly rounds?: number;
}

/** Something measured that is compared with nothing but a limit. */
export interface Figure {
  /** What it is. */
  readonly work: string;
  /** How much. */
  readonly value: number;
  /** Of what. */
  readonly unit: string;
  /** It should be at most this. */
  readonly limit?: number;
}

/** Times of one side in milliseconds. */
export interface Times {
  /** Who took them. */
  readonly name: string;
  /** How many there are. */
  readonly rounds: number;
  /** The shortest. */
  readonly min: number;
  /** The one in the middle. */
  readonly median: number;
}

/** What came out of a comparison with one other side. */
export interface Outcome extends Place {
  /** What was done. */
  readonly work: string;
  /** The module's times. */
  readonly ours: Times;
  /** The other side's times. */
  readonly other: Times;
  /** Quotient of the medians. */
  readonly ratio: number;
  /** Quotient of the shortest times. */
  readonly minRatio: number;
  /** Milliseconds between the medians. */
  readonly over: number;
  /** What the target says. */
  readonly target: Pick<Side, "ratio" | "over">;
}

/** Where something was measured. */
export interface Place {
  /** The group it belongs to. */
  readonly group: string;
  /** The kind of file system: `tmpfs` or `disk`. */
  readonly place: string;
}

/** All that came out of a run. */
export interface Results {
  /** Comparisons. */
  readonly outcomes: Outcome[];
  /** Figures. */
  readonly figures: (Figure & Place)[];
}

/** What a group of benchmarks works with. */
export interface Scene extends Place {
  /** A folder on the file system, for this group alone. */
  readonly folder: string;
  /** Runs a contest. */
  contest(contest: Contest): Promise<void>;
  /** Notes a figure. */
  figure(figure: Figure): void;
}

/** Some benchmarks that belong together. */
export interface Group {
  /** Its name on the command line. */
  readonly name: string;
  /** Whether to run it on a tmpfs alone: no file system matters to it. */
  readonly once?: boolean;
  /** Runs them. */
  readonly run: (scene: Scene) => Promise<void>;
}

/** Milliseconds that something takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** Milliseconds after which a contest begins no further round. */
const LIMIT = 60_000;

/** Runs the sides of a contest in turn, so that all see the same weather. */
export async function compete(
  { work, ours, others, rounds }: Contest,
  defaultRounds: number,
  place: Place,
): Promise<Outcome[]> {
  const sides: Side[] = [{ name: "module", run: ours }, ...others];
  const times = sides.map((): number[] => []);
  const deadline = performance.now() + LIMIT;
  for (let round = 0; round < (rounds ?? defaultRounds); round++) {
    if (round > 0 && performance.now() > deadline) break;
    for (const [index, side] of sides.entries()) {
      if (round >= (side.rounds ?? Infinity)) continue;
      times[index]?.push(await side.run());
    }
  }
  const [first, ...rest] = sides.map(({ name }, index) =>
    statistics(name, times[index] ?? [])
  );
  if (first === undefined) return [];
  return rest.map((other, index): Outcome => {
    const { ratio, over } = others[index] ?? {};
    return {
      ...{ ...place, work, ours: first, other },
      ratio: first.median / other.median,
      minRatio: first.min / other.min,
      over: first.median - other.median,
      target: {
        ...(ratio !== undefined && { ratio }),
        ...(over !== undefined && { over }),
      },
    };
  });
}

function statistics(name: string, times: readonly number[]): Times {
  return {
    ...{ name, rounds: times.length },
    min: times.length === 0 ? NaN : Math.min(...times),
    median: median(times),
  };
}

/** The number in the middle. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  const low = sorted[Math.floor(last / 2)] ?? NaN;
  const high = sorted[Math.ceil(last / 2)] ?? NaN;
  return (low + high) / 2;
}

/** The middle of the milliseconds that each of several works takes. */
export async function timedEach<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<number> {
  const times: number[] = [];
  for (const item of items) times.push(await timed(() => work(item)));
  return median(times);
}

/** Column titles of {@linkcode outcomeRow}. */
export const OUTCOME_TITLES: readonly string[] = [
  "work",
  "on",
  "module",
  "compared with",
  "takes",
  "rounds",
  "ratio",
  "target",
];

/** One line of the table: medians, in brackets minima. */
export function outcomeRow(outcome: Outcome): string[] {
  const { ours, other, ratio, minRatio, over, target } = outcome;
  return [
    outcome.work,
    outcome.place,
    both(ours),
    other.name,
    both(other),
    ours.rounds === other.rounds
      ? `${ours.rounds}`
      : `${ours.rounds}/${other.rounds}`,
    target.over === undefined
      ? `${ratio.toFixed(2)} (${minRatio.toFixed(2)})`
      : `${over < 0 ? "" : "+"}${time(over)} (${
        ours.min < other.min ? "" : "+"
      }${time(ours.min - other.min)})`,
    verdict(
      target.ratio === undefined ? "" : `${target.ratio}`,
      ratio <= (target.ratio ?? Infinity),
    ) || verdict(
      target.over === undefined ? "" : `+${time(target.over)}`,
      over <= (target.over ?? Infinity),
    ),
  ];
}

/** Column titles of {@linkcode figureRow}. */
export const FIGURE_TITLES: readonly string[] = [
  "figure",
  "on",
  "value",
  "target",
];

/** One line of the table of figures. */
export function figureRow(
  { work, place, value, unit, limit }: Figure & Place,
): string[] {
  const amount = (value: number) => `${Number(value.toPrecision(3))} ${unit}`;
  return [
    work,
    place,
    amount(value),
    limit === undefined
      ? ""
      : verdict(`at most ${amount(limit)}`, value <= limit),
  ];
}

/** A table in Markdown that can be read as it is. */
export function table(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0))
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((w, i) => (cells[i] ?? "").padEnd(w)).join(" | ")} |`;
  return [
    line(titles),
    line(widths.map((width) => "-".repeat(width))),
    ...rows.map(line),
  ].join("\n");
}

/** The rows of a table in a text, which {@linkcode table} has made. */
export function rowsOf(text: string, titles: readonly string[]): string[][] {
  const lines = text.split("\n").map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
  const head = lines.findIndex((cells) => cells.join() === titles.join());
  if (head < 0) return [];
  const rows = lines.slice(head + 2);
  const end = rows.findIndex(({ length }) => length === 0);
  return rows.slice(0, end < 0 ? undefined : end);
}

/**
 * Puts newer rows in the place of those about the same, or behind all.
 *
 * @param about Columns that tell what a row is about.
 */
export function mergeRows(
  rows: readonly string[][],
  newer: readonly string[][],
  about: readonly number[],
): string[][] {
  const keyOf = (row: string[]) => about.map((column) => row[column]).join("|");
  const merged = new Map(rows.map((row) => [keyOf(row), row]));
  for (const row of newer) merged.set(keyOf(row), row);
  return [...merged.values()];
}

/** What stands around the tables in the README. */
const MARKS = ["<!-- bench -->", "<!-- end of bench -->"] as const;

/** Puts new tables in the place of the old ones. */
export function replaceTables(text: string, tables: string): string {
  const [begin, end] = MARKS;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`There is no ${begin} ... ${end}`);
  return `${text.slice(0, from)}${begin}\n\n${tables}\n\n${text.slice(to)}`;
}

function verdict(target: string, met: boolean): string {
  return target === "" || met ? target : `${target} MISSED`;
}

function both({ median, min }: Times): string {
  return `${time(median)} (${time(min)})`;
}

/** Milliseconds in a form that can be read: `12 ms`, `1.20 s`. */
export function time(ms: number): string {
  const size = Math.abs(ms);
  if (size >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (size >= 100) return `${ms.toFixed(0)} ms`;
  return size >= 1 ? `${ms.toFixed(1)} ms` : `${(ms * 1000).toFixed(1)} µs`;
}
