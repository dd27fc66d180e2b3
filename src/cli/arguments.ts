/**
 * The command line as text: one table of commands in, parsed arguments and help out.
 *
 * `@std/cli/parse-args` is not used: after a switch it takes a following `true` or `false` for its value, so a
 * file of that name would be lost, and it takes no value that begins with `-`, as those of `--xorriso-args` do.
 */

/** A flag of the command line. */
export interface Flag {
  /** Name without dashes. */
  readonly name: string;
  /** One letter that means the same. */
  readonly letter?: string;
  /** What help calls the value; a flag without it is a switch. */
  readonly value?: string;
  /** What it does, in a few words. */
  readonly summary: string;
}

/** A command of the command line; everything that help and the parser have to know. */
export interface Command<Context> {
  /** What it is called by. */
  readonly name: string;
  /** What it does, in one line. */
  readonly summary: string;
  /** The operands as help shows them. */
  readonly operands: string;
  /** Fewest and most operands that it takes. */
  readonly count: readonly [number, number];
  /** Its flags, besides those that all commands have. */
  readonly flags: readonly Flag[];
  /** What more there is to know, one line each. */
  readonly details: readonly string[];
  /** Deno's flags that it needs, each with the case that it is for. */
  readonly permissions: readonly (readonly [string, string])[];
  /** Runs it. */
  readonly run: (context: Context) => Promise<void>;
}

/** A table of commands, and what is true of all of them. */
export interface Program<Context> {
  /** What the program is called by. */
  readonly name: string;
  /** What it is, in one line. */
  readonly summary: string;
  /** How Deno is told to run it, with `FLAGS` in place of its flags. */
  readonly invocation: string;
  /** The commands, in the order of help. */
  readonly commands: readonly Command<Context>[];
  /** Flags that every command has. */
  readonly flags: readonly Flag[];
  /** Parts of the overall help, below commands and flags. */
  readonly sections: readonly (readonly [string, readonly string[]])[];
}

/** A command line that has been read. */
export interface Arguments<Context> {
  /** The command; only with `--help` and `--version` there need be none. */
  readonly command: Command<Context> | undefined;
  /** The operands behind the command. */
  readonly operands: readonly string[];
  /** Flags that are set, by name; a switch has the value `""`. */
  readonly flags: ReadonlyMap<string, string>;
}

/** A command line that means nothing. */
export class UsageError extends Error {
  /** Name of the command that it was meant for, if that was clear. */
  readonly command: string | undefined;

  /**
   * Makes an error.
   *
   * @param message What is wrong with the command line.
   * @param command Name of the command, if it is clear.
   */
  constructor(message: string, command?: string) {
    super(message);
    this.name = "UsageError";
    this.command = command;
  }
}

/**
 * Reads a command line: flags may stand anywhere before `--`, `-` is an operand, a value follows its flag as
 * the next word or after `=`, and of a flag given twice the last value counts.
 *
 * @throws {UsageError} When the command or a flag is unknown, or operands or values are missing or too many.
 */
export function parseArguments<Context>(
  program: Program<Context>,
  words: readonly string[],
): Arguments<Context> {
  const operands: string[] = [];
  const given = new Map<string, { flag: Flag; value: string }>();
  const all = [
    ...program.flags,
    ...program.commands.flatMap((command) => command.flags),
  ];
  const fail = (message: string) => {
    const command = program.commands.find(({ name }) => name === operands[0]);
    return new UsageError(message, command?.name);
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "--") {
      operands.push(...words.slice(i + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      operands.push(word);
      continue;
    }
    const [, name = "", inline] = word.match(/^([^=]*)(?:=(.*))?$/s) ?? [];
    const flag = all.find((each) => isNamed(each, name));
    if (flag === undefined) {
      throw fail(`Unknown flag "${name}"`);
    }
    if (flag.value === undefined && inline !== undefined) {
      throw fail(`The flag "${name}" takes no value`);
    }
    const value = flag.value === undefined ? "" : inline ?? words[++i];
    if (value === undefined) {
      throw fail(`The flag "${name}" needs a value`);
    }
    given.set(flag.name, { flag, value });
  }
  const flags = new Map(
    [...given].map(([name, { value }]) => [name, value]),
  );
  const [name, ...rest] = operands;
  const command = program.commands.find((each) => each.name === name);
  if (name !== undefined && command === undefined) {
    throw fail(`Unknown command "${name}"`);
  }
  if (flags.has("help") || flags.has("version")) {
    return { command, operands: rest, flags };
  }
  if (command === undefined) throw fail("No command given");
  for (const { flag } of given.values()) {
    const isKnown = [...program.flags, ...command.flags].some((each) =>
      each.name === flag.name
    );
    if (!isKnown) {
      throw fail(`The flag "--${flag.name}" is not for "${command.name}"`);
    }
  }
  const [fewest, most] = command.count;
  if (rest.length < fewest || rest.length > most) {
    throw fail(
      rest.length < fewest
        ? `Too few arguments: "${command.name}" needs ${command.operands}`
        : `Too many arguments: "${command.name}" takes ${
          command.operands || "none"
        }`,
    );
  }
  return { command, operands: rest, flags };
}

/** Whether a word of the command line, without a value, is this flag. */
function isNamed(flag: Flag, word: string): boolean {
  return word === `--${flag.name}` ||
    flag.letter !== undefined && word === `-${flag.letter}`;
}

/** Writes the help of the whole program. */
export function formatHelp<Context>(program: Program<Context>): string {
  return format(`${program.name}: ${program.summary}`, [
    ["Usage", [
      `${program.name} COMMAND URL [ARGUMENTS] [FLAGS]`,
      program.invocation,
    ]],
    ["Commands", [
      ...columns(program.commands.map((command) => [
        `${command.name} ${command.operands}`,
        command.summary,
      ])),
      "",
      `"${program.name} COMMAND --help" has the flags of a command, and those that Deno needs for it.`,
    ]],
    ["Flags of every command", describe(program.flags)],
    ...program.sections,
  ]);
}

/** Writes the help of one command, with the flags that Deno needs for it. */
export function formatCommandHelp<Context>(
  program: Program<Context>,
  command: Command<Context>,
): string {
  const call = [command.name, command.operands].join(" ").trim();
  return format(`${program.name} ${command.name}: ${command.summary}`, [
    ["Usage", [
      `${program.name} ${call} [FLAGS]`,
      `${program.invocation} ${call}`,
    ]],
    ["Flags", [
      ...describe([...command.flags, ...program.flags]),
    ]],
    [
      "FLAGS that Deno needs",
      command.permissions.flatMap((
        [when, flags],
      ) => [`${when}:`, `  ${flags}`]),
    ],
    ["Notes", command.details],
  ]);
}

/** Lays out flags in two columns. */
function describe(flags: readonly Flag[]): string[] {
  return columns(flags.map(({ name, letter, value, summary }) => [
    (letter === undefined ? "    " : `-${letter}, `) + `--${name}` +
    (value === undefined ? "" : ` ${value}`),
    summary,
  ]));
}

/** Lays out rows of two cells, the second ones below each other. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `${first.padEnd(width)}  ${second}`);
}

/** Lays out a title and named sections; those without lines are left out. */
function format(
  title: string,
  sections: readonly (readonly [string, readonly string[]])[],
): string {
  const blocks = sections
    .filter(([, lines]) => lines.length > 0)
    .map(([name, lines]) =>
      [`${name}:`, ...lines.map((line) => `  ${line}`.trimEnd())].join("\n")
    );
  return [title, ...blocks].join("\n\n") + "\n";
}
