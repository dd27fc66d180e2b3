/** Which names of a tree are left out, by glob patterns. */

import { globToRegExp } from "@std/path/posix/glob-to-regexp";

/** One pattern, compiled. */
interface Pattern {
  /** Whether it takes back what patterns before it have left out. */
  readonly takesBack: boolean;
  /** Whether it matches folders alone. */
  readonly isForFolders: boolean;
  /** Matches the name itself. */
  readonly own: RegExp;
  /** Matches names below it. */
  readonly below: RegExp;
}

/** Leaves out names by patterns, of which the last that matches wins. */
export class Filter {
  readonly #rules: readonly Pattern[];

  /**
   * Compiles patterns, as of the option `exclude`.
   *
   * @throws {TypeError} If a pattern is empty.
   */
  constructor(patterns: readonly string[]) {
    this.#rules = patterns.map(compile);
  }

  /** Whether any pattern takes back, perhaps below a folder that is left out. */
  get takesBack(): boolean {
    return this.#rules.some(({ takesBack }) => takesBack);
  }

  /** Whether a name is left out. */
  excludes(name: string, isFolder: boolean): boolean {
    const rule = this.#rules.findLast((rule) =>
      (isFolder || !rule.isForFolders) && rule.own.test(name) ||
      rule.below.test(name)
    );
    return rule !== undefined && !rule.takesBack;
  }
}

/** The patterns in a file: one a line; `#` begins a comment. */
export function parsePatterns(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => !/^\s*(#|$)/.test(line));
}

function compile(pattern: string): Pattern {
  const takesBack = pattern.startsWith("!");
  const glob = pattern.slice(takesBack ? 1 : 0).replace(/^(\.?\/)+/, "");
  const path = glob.replace(/\/+$/, "");
  if (path === "") {
    throw new TypeError(
      `Cannot leave out "${pattern}": it names nothing; use "**" for all`,
    );
  }
  return {
    takesBack,
    isForFolders: glob !== path,
    own: globToRegExp(path),
    below: globToRegExp(`${path}/**`),
  };
}
