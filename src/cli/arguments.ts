/** The command line as text: one table of commands in, parsed arguments out. */
import { parseArgs } from "@std/cli/parse-args";
import { levenshteinDistance } from "@std/text/levenshtein-distance";

/** A flag of the command line. */
export interface Flag {
  /** Name without dashes. */
  readonly name: string;
  /** One letter that means the same. */
  readonly letter?: string;
  /** What help calls the value; a flag without it is a switch. */
  readonly value?: string;
  /** The values that it may have, where these are few. */
  readonly choices?: readonly string[];
  /** What it does, in a few words. */
  readonly summary: string;
}

/** A command of the command line; all that help, completions and the parser have to know. */
export interface Command {
  /** What it is called by. */
  readonly name: string;
  /** A shorter name. */
  readonly alias?: string;
  /** What it does, in one line. */
  readonly summary: string;
  /** The operands as help shows them. */
  readonly operands: string;
  /** Fewest and most operands that it takes. */
  readonly count: readonly [number, number];
  /** Its flags, besides those that all commands have. */
  readonly flags: readonly Flag[];
  /** What more there is to know; help breaks the lines. */
  readonly details: readonly string[];
  /** Deno's flags that it needs, each with the case that it is for. */
  readonly permissions: readonly (readonly [string, string])[];
}

/** A page of help that is not about a command. */
export interface Topic {
  /** What `help` is given for it. */
  readonly name: string;
  /** What it is about, in one line. */
  readonly summary: string;
  /** The page. */
  readonly lines: readonly string[];
}

/** A table of commands, and what is true of all of them. */
export interface Program {
  /** What the program is called by. */
  readonly name: string;
  /** What it is, in one line. */
  readonly summary: string;
  /** The commands, in the order of help. */
  readonly commands: readonly Command[];
  /** Flags that every command has. */
  readonly flags: readonly Flag[];
  /** Further pages of help. */
  readonly topics: readonly Topic[];
  /** What stands below the commands in the help of all. */
  readonly footer: readonly string[];
}

/** A command line that has been read. */
export interface Arguments {
  /** The command; only with `--help` and `--version` there need be none. */
  readonly command: Command | undefined;
  /** The operands behind the command. */
  readonly operands: readonly string[];
  /** The values of the flags that are set, by name; a switch has the value `"true"`. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
}

/** A command line that means nothing. */
export class UsageError extends Error {}

/**
 * Finds a command by its name or its shorter name.
 *
 * @throws {UsageError} When there is none; it names the one that is spelled almost like it.
 */
export function findCommand(
  { commands }: Program,
  name: string,
): Command {
  const found = commands.find((each) =>
    name === each.name || name === each.alias
  );
  if (found !== undefined) return found;
  const names = commands.flatMap(({ name, alias = name }) => [name, alias]);
  throw new UsageError(`Unknown command "${name}"${suggest(name, names)}`);
}

/**
 * Reads a command line: flags may stand anywhere before `--`, `-` is an operand, a value follows its flag as
 * the next word or after `=`, and letters may share a dash.
 *
 * @throws {UsageError} When the command or a flag is unknown, or operands or values are missing or too many.
 */
export function parseArguments(
  program: Program,
  words: readonly string[],
): Arguments {
  const all = [
    ...program.flags,
    ...program.commands.flatMap(({ flags }) => flags),
  ];
  const parsed: Record<string, unknown> = parseArgs(spellOut(all, words), {
    string: ["_", ...namesOf(all.filter(({ value }) => value !== undefined))],
    boolean: namesOf(all.filter(({ value }) => value === undefined)),
    collect: namesOf(all),
  });
  const [name, ...operands] = parsed._ as string[];
  const flags = new Map(
    namesOf(all)
      .map((name) => [name, (parsed[name] as unknown[]).map(String)] as const)
      .filter(([, values]) => values.length > 0),
  );
  const command = name === undefined ? undefined : findCommand(program, name);
  if (flags.has("help") || flags.has("version")) {
    return { command, operands, flags };
  }
  if (command === undefined) throw new UsageError("No command given");
  checkFlags(flags, [...program.flags, ...command.flags], command.name);
  const [fewest, most] = command.count;
  if (operands.length < fewest || operands.length > most) {
    throw new UsageError(
      operands.length < fewest
        ? `Too few arguments: "${command.name}" needs ${command.operands}`
        : `Too many arguments: "${command.name}" takes ${
          command.operands || "none"
        }`,
    );
  }
  return { command, operands, flags };
}

/**
 * Spells each flag as `--name=value`, a switch as `--name=true`: `parseArgs` would take a file called `true`
 * for the value of a switch before it, and takes no value that begins with a dash.
 */
function spellOut(flags: readonly Flag[], words: readonly string[]): string[] {
  const spelled: string[] = [];
  const rest = [...words];
  for (let word; (word = rest.shift()) !== undefined;) {
    if (word === "--") return [...spelled, word, ...rest];
    if (word === "-" || !word.startsWith("-")) {
      spelled.push(word);
      continue;
    }
    const isLong = word.startsWith("--");
    const [, dashed = "", inline] = isLong
      ? word.match(/^(--[^=]*)(?:=(.*))?$/s) ?? []
      : word.match(/^(-.)(.+)?$/su) ?? [];
    const flag = flags.find(({ name, letter }) =>
      dashed === (isLong ? `--${name}` : `-${letter}`)
    );
    if (flag === undefined) {
      const known = flags.map(({ name }) => `--${name}`);
      throw new UsageError(
        `Unknown flag "${dashed}"${isLong ? suggest(dashed, known) : ""}`,
      );
    }
    let value = inline;
    if (flag.value !== undefined) {
      value ??= rest.shift();
      if (value === undefined) {
        throw new UsageError(`The flag "${dashed}" needs a value`);
      }
    } else {
      value = "true";
      if (inline !== undefined && isLong) {
        throw new UsageError(`The flag "${dashed}" takes no value`);
      }
      if (inline !== undefined) rest.unshift(`-${inline}`);
    }
    spelled.push(`--${flag.name}=${value}`);
  }
  return spelled;
}

/** Makes sure that flags belong to a command and have values that they may have. */
function checkFlags(
  given: ReadonlyMap<string, readonly string[]>,
  known: readonly Flag[],
  command: string,
): void {
  for (const [name, values] of given) {
    const flag = known.find((each) => each.name === name);
    if (flag === undefined) {
      throw new UsageError(
        `The flag "--${name}" is not for "${command}"`,
      );
    }
    const wrong = values.find((value) => !flag.choices?.includes(value));
    if (flag.choices !== undefined && wrong !== undefined) {
      const choices = flag.choices.map((choice) => `"${choice}"`).join(", ");
      throw new UsageError(
        `Cannot use "${wrong}" for "--${name}": it must be one of ${choices}`,
      );
    }
  }
}

/**
 * What to say behind a word that nothing is called by.
 *
 * @returns `: did you mean "list"?` if one of the known words is alike, else nothing.
 */
export function suggest(word: string, known: Iterable<string>): string {
  // Two letters that changed places are two steps; beyond half of a word all words are alike.
  let limit = Math.min(3, Math.floor(word.length / 2));
  let best: string | undefined;
  for (const each of known) {
    const distance = levenshteinDistance(word, each);
    if (distance > limit) continue;
    best = each;
    limit = distance - 1;
  }
  return best === undefined ? "" : `: did you mean "${best}"?`;
}

/** The names of flags. */
function namesOf(flags: readonly Flag[]): string[] {
  return flags.map(({ name }) => name);
}
