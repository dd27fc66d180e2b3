/** The command line as text: one table of commands in, parsed arguments out. */
import { parseArgs } from "node:util";
import { levenshteinDistance } from "@std/text/levenshtein-distance";
import type { Run } from "./run.ts";

/** A flag of the command line. */
export interface Flag {
  /** Name without dashes. */
  readonly name: string;
  /** One letter that means the same. */
  readonly letter: string | undefined;
  /** What help calls the value; a flag without it is a switch. */
  readonly value: string | undefined;
  /** The values that it may have, where these are few. */
  readonly choices: readonly string[] | undefined;
  /** What it does, in a few words. */
  readonly summary: string;
}

/** A command of the command line; all that parser, help and completions have to know. */
export interface Command {
  /** What it is called by. */
  readonly name: string;
  /** A shorter name. */
  readonly alias?: string;
  /** Loads what runs it; only when it is called, so that help and usage errors are at once. */
  readonly load: () => Promise<(run: Run) => Promise<void>>;
  /** What it does, in one line. */
  readonly summary: string;
  /** The operands as help shows them: `URL [NAME...]`. */
  readonly operands: string;
  /** Its flags, besides those that all commands have. */
  readonly flags: readonly Flag[];
  /** Deno's flags that it needs, each with the case that it is for. */
  readonly permissions: readonly (readonly [string, string])[];
  /** What more there is to know, in paragraphs. */
  readonly details: readonly string[];
}

/** A page of help that is not about a command. */
export interface Topic {
  /** What `help` is given for it. */
  readonly name: string;
  /** What it is about, in one line. */
  readonly summary: string;
  /** Terms with what they mean. */
  readonly terms: readonly (readonly [string, string])[];
  /** What more there is to know, in paragraphs. */
  readonly details: readonly string[];
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
 * Makes a flag of how help spells it: `-n, --dry-run`, `--to PATH`; a value in small letters names all that it
 * may be: `--speed min|max`.
 */
export function flag(spelling: string, summary: string): Flag {
  const [, letter, name = "", value] =
    spelling.match(/^(?:-(.), )?--(\S+)(?: (.+))?$/) ?? [];
  const choices = value === value?.toLowerCase()
    ? value?.split("|")
    : undefined;
  return { name, letter, value, choices, summary };
}

/**
 * Finds a command by its name or its shorter name.
 *
 * @throws {UsageError} When there is none; it names the one that is spelled almost like it.
 */
export function findCommand({ commands }: Program, word: string): Command {
  const found = commands.find(({ name, alias }) =>
    word === name || word === alias
  );
  if (found !== undefined) return found;
  const names = commands.flatMap(({ name, alias = name }) => [name, alias]);
  throw new UsageError(`Unknown command "${word}"${suggest(word, names)}`);
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
  const known = [
    ...program.flags,
    ...program.commands.flatMap(({ flags }) => flags),
  ];
  const { tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(known.map(({ name, letter, value }) => [name, {
      type: value === undefined ? "boolean" as const : "string" as const,
      ...(letter !== undefined && { short: letter }),
    }])),
    // It knows no suggestions, and takes no value that begins with a dash.
    strict: false,
    tokens: true,
  });
  const [name, ...operands] = tokens.flatMap((token) =>
    token.kind === "positional" ? [token.value] : []
  );
  const flags = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const value = valueOf(known, token);
    flags.set(token.name, [...flags.get(token.name) ?? [], value]);
  }
  const command = name === undefined ? undefined : findCommand(program, name);
  if (flags.has("help") || flags.has("version")) {
    return { command, operands, flags };
  }
  if (command === undefined) throw new UsageError("No command given");
  checkFlags(flags, [...program.flags, ...command.flags], command.name);
  checkCount(command, operands.length);
  return { command, operands, flags };
}

/** The value that a flag is given. */
function valueOf(
  known: readonly Flag[],
  { name, rawName, value, inlineValue }: {
    readonly name: string;
    readonly rawName: string;
    readonly value: string | undefined;
    readonly inlineValue: boolean | undefined;
  },
): string {
  const flag = known.find((each) => each.name === name);
  if (flag === undefined) {
    const names = known.map(({ name }) => `--${name}`);
    const alike = rawName.startsWith("--") ? suggest(rawName, names) : "";
    throw new UsageError(`Unknown flag "${rawName}"${alike}`);
  }
  if (flag.value === undefined) {
    if (!inlineValue) return "true";
    throw new UsageError(`The flag "${rawName}" takes no value`);
  }
  if (value !== undefined) return value;
  throw new UsageError(`The flag "${rawName}" needs a value`);
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
      throw new UsageError(`The flag "--${name}" is not for "${command}"`);
    }
    const { choices } = flag;
    const wrong = values.find((value) => !choices?.includes(value));
    if (choices !== undefined && wrong !== undefined) {
      const list = choices.map((choice) => `"${choice}"`).join(", ");
      throw new UsageError(
        `Cannot use "${wrong}" for "--${name}": it must be one of ${list}`,
      );
    }
  }
}

/** Makes sure that there are as many operands as the command takes. */
function checkCount({ name, operands }: Command, count: number): void {
  const each = operands.split(" ").filter((operand) => operand !== "");
  if (count < each.filter((operand) => !operand.startsWith("[")).length) {
    throw new UsageError(`Too few arguments: "${name}" needs ${operands}`);
  }
  if (count > each.length && !operands.includes("...")) {
    throw new UsageError(
      `Too many arguments: "${name}" takes ${operands || "none"}`,
    );
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
