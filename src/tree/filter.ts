/** Which names of a tree are left out: glob patterns, of which the last that matches wins. */

import { globToRegExp } from "@std/path/posix/glob-to-regexp";

/** One pattern, compiled. */
interface Pattern {
  /** Whether it takes back what patterns before it have left out. */
  readonly takesBack: boolean;
  /** Whether it is about folders alone. */
  readonly isForFolders: boolean;
  /** The name itself. */
  readonly own: RegExp;
  /** What is below it. */
  readonly below: RegExp;
}

/** Tells which names are left out. */
export class Filter {
  readonly #rules: readonly Pattern[];

  /**
   * @param patterns Globs on the path relative to the folder, as of
   * {@linkcode parsePatterns}. What matches is left out with all below it; `!`
   * before a pattern takes back; `/` behind it makes it match folders alone.
   * @throws {TypeError} If a pattern is empty.
   */
  constructor(patterns: readonly string[]) {
    this.#rules = patterns.map(compile);
  }

  /** Whether something below a folder that is left out may be taken back. */
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

/** The patterns in the text of a file: one a line, `#` begins a comment. */
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
