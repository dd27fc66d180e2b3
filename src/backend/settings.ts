/** Options from `XORRISO_*` variables, and checks of options. */

import { parseWriteSpeed } from "../options.ts";
import type { BackendOptions } from "./options.ts";

/** The options that environment variables can give. */
export type Settings = Pick<
  BackendOptions,
  "xorrisoPath" | "writeSpeed" | "assertVolumeId" | "xorrisoArgs"
>;

/** Where variables are looked up, as in `Deno.env`. */
export type Environment = Pick<Deno.Env, "get">;

/** The variables that the script may read. The permission is queried: `Deno.env.get` would ask for it. */
const GRANTED: Environment = {
  get(variable) {
    const { state } = Deno.permissions.querySync({ name: "env", variable });
    return state === "granted" ? Deno.env.get(variable) : undefined;
  },
};

/**
 * Completes options by variables. The variable of an option that is given is not
 * read; an empty one counts as not set.
 *
 * @throws {TypeError} When a write speed is not `min` or `max`, or
 * `XORRISO_ARGS` cannot be split.
 */
export function readSettings(
  options: Settings = {},
  environment: Environment = GRANTED,
): Settings {
  const variable = (name: string) => environment.get(name) || undefined;
  const xorrisoPath = options.xorrisoPath ?? variable("XORRISO_PATH");
  const writeSpeed = options.writeSpeed ?? variable("XORRISO_WRITE_SPEED");
  const assertVolumeId = options.assertVolumeId ??
    variable("XORRISO_ASSERT_VOLID");
  const xorrisoArgs = options.xorrisoArgs ??
    splitArgs(variable("XORRISO_ARGS") ?? "");
  return {
    ...(xorrisoPath !== undefined && { xorrisoPath }),
    ...(writeSpeed !== undefined &&
      { writeSpeed: parseWriteSpeed(writeSpeed) }),
    ...(assertVolumeId !== undefined && { assertVolumeId }),
    ...(xorrisoArgs.length > 0 && { xorrisoArgs }),
  };
}

/** What a backslash escapes inside double quotes (POSIX shell, 2.2.3). */
const ESCAPABLE = '$`"\\\n';

/**
 * Splits a text into words like a POSIX shell, without any expansion.
 *
 * @throws {TypeError} When a quote is not closed, or the text ends in a backslash or holds NUL.
 */
export function splitArgs(text: string): string[] {
  const fail = (problem: string) =>
    new TypeError(`Cannot split the arguments "${text}": ${problem}`);
  if (text.includes("\0")) throw fail("they hold NUL");
  const words: string[] = [];
  let word: string | undefined;
  let quote: "'" | '"' | undefined;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (char === quote) {
      quote = undefined;
    } else if (quote === "'") {
      word += char;
    } else if (char === "\\") {
      if (++i === text.length) throw fail("nothing follows the last backslash");
      const next = text.charAt(i);
      const kept = quote === '"' && !ESCAPABLE.includes(next) ? char : "";
      if (next !== "\n") word = (word ?? "") + kept + next;
    } else if (quote === undefined && (char === "'" || char === '"')) {
      quote = char;
      word ??= "";
    } else if (quote === undefined && " \t\n".includes(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote !== undefined) throw fail(`a quote ${quote} is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}

/** Checks options in milliseconds; a RangeError if one cannot be a time. */
export function checkTimes(
  times: Readonly<Record<string, number | undefined>>,
): void {
  for (const [name, value] of Object.entries(times)) {
    if (value === undefined || value >= 0) continue;
    throw new RangeError(
      `Cannot use the ${name} ${value}: it must be >= 0 milliseconds`,
    );
  }
}
