/** The command line as text: words in, parsed arguments out. */
import { parseArgs } from "@std/cli/parse-args";
import { levenshteinDistance } from "@std/text/levenshtein-distance";
import { UsageError } from "./exit.ts";
import { type Command, type Flag, PROGRAM, wordsFor } from "./program.ts";
import type { Flags } from "./run.ts";

/** A command line that has been read. */
export interface Arguments {
  /** The command; only with `--help` and `--version` there need be none. */
  readonly command: Command | undefined;
  /** The operands behind the command. */
  readonly operands: readonly string[];
  /** The values of the flags that are set. */
  readonly flags: Flags;
}

const { commands, flags: COMMON } = PROGRAM;

/** The flags of all commands. */
const ALL_FLAGS = [...COMMON, ...commands.flatMap(({ flags = [] }) => flags)];

/** Their names. */
const NAMES = ALL_FLAGS.map(({ name }) => name);

/**
 * Finds a command by its name or its shorter name.
 *
 * @throws {UsageError} When there is none; it names the one that is spelled almost like it.
 */
export function findCommand(word: string): Command {
  const found = commands.find((each) => wordsFor(each).includes(word));
  if (found !== undefined) return found;
  const alike = suggest(word, commands.flatMap(wordsFor));
  throw new UsageError(`Unknown command "${word}"${alike}`);
}

/**
 * Reads a command line: flags may stand anywhere before `--`, `-` is an operand, a value follows its flag as
 * the next word or after `=`, and letters may share a dash.
 *
 * @throws {UsageError} When the command or a flag is unknown, or operands or values are missing or too many.
 */
export function parseArguments(words: readonly string[]): Arguments {
  const { _, "--": rest = [], ...given } = parseArgs([...spellOut(words)], {
    string: ["_", ...NAMES],
    collect: NAMES,
    "--": true,
  });
  const [name, ...operands] = [..._.map(String), ...rest];
  const flags = new Map<string, string[]>();
  for (
    const [name, values = []] of Object.entries<string[] | undefined>(given)
  ) {
    if (values.length > 0) flags.set(name, values);
  }
  const command = name === undefined ? undefined : findCommand(name);
  if (!flags.has("help") && !flags.has("version")) {
    if (command === undefined) throw new UsageError("No command given");
    checkFlags(command, flags);
    checkCount(command, operands.length);
  }
  return { command, operands, flags };
}

/**
 * Spells each flag as `--name=value`, and a switch as `--name=true`: of these the parser guesses nothing. By
 * itself it takes the operand `true` for the value of a switch, but no value that is empty or begins with a dash.
 *
 * @throws {UsageError} When a flag is unknown, or has no value where it needs one, or one where it takes none.
 */
function* spellOut(words: readonly string[]): Generator<string> {
  const left = words.values();
  for (const word of left) {
    if (word === "--") return yield* [word, ...left];
    const [, long, inline] = word.match(/^(--.[^=]*)(?:=(.*))?$/s) ?? [];
    const letters = word.startsWith("-") ? word.slice(1) : "";
    const spelled = long === undefined
      ? Array.from(letters, (letter) => `-${letter}`)
      : [long];
    if (spelled.length === 0) yield word;
    for (const each of spelled) {
      const flag = findFlag(each);
      const isSwitch = flag.value === undefined;
      if (isSwitch && inline !== undefined) {
        throw new UsageError(`The flag "${each}" takes no value`);
      }
      const value = isSwitch ? "true" : inline ?? left.next().value;
      if (value === undefined) {
        throw new UsageError(`The flag "${each}" needs a value`);
      }
      yield `--${flag.name}=${value}`;
    }
  }
}

/** Finds a flag of any command by how it is spelled: `--long`, `-l`. */
function findFlag(spelled: string): Flag {
  const found = ALL_FLAGS.find(({ name, letter }) =>
    spelled === `--${name}` || spelled === `-${letter}`
  );
  if (found !== undefined) return found;
  const names = NAMES.map((name) => `--${name}`);
  const alike = spelled.startsWith("--") ? suggest(spelled, names) : "";
  throw new UsageError(`Unknown flag "${spelled}"${alike}`);
}

/** Makes sure that flags belong to a command and have values that they may have. */
function checkFlags(
  { name: command, flags = [] }: Command,
  given: Flags,
): void {
  const known: readonly Flag[] = [...COMMON, ...flags];
  for (const [name, values] of given) {
    const flag = known.find((each) => each.name === name);
    if (flag === undefined) {
      throw new UsageError(`The flag "--${name}" is not for "${command}"`);
    }
    const { choices = values } = flag;
    const wrong = values.find((value) => !choices.includes(value));
    if (wrong !== undefined) {
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
  // Two letters that changed places are two steps; beyond half of a word all words are alike. A word that
  // begins so is less alike than one that is a step away.
  let limit = Math.min(3, Math.floor(word.length / 2)) + 1;
  let best: string | undefined;
  for (const each of known) {
    const distance = each.startsWith(word)
      ? 1.5
      : levenshteinDistance(word, each);
    if (distance >= limit) continue;
    best = each;
    limit = distance;
  }
  return best === undefined ? "" : `: did you mean "${best}"?`;
}
