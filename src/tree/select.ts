/** Which entries of a medium somebody means who gives names, folders and globs. */
import { globToRegExp } from "@std/path/posix/glob-to-regexp";

/** What makes a name a glob. */
const WILD = /[*?[{]/;

/** What was found for a list of names. */
export interface Selection<T> {
  /** The entries that were meant, in their own order, each once. */
  readonly found: T[];
  /** The names that nothing was found for. */
  readonly missing: string[];
}

/**
 * Finds the entries that names mean: an entry of that very name, else everything below a folder of that name,
 * else, as a glob, everything that matches or lies below what matches.
 *
 * @param entries All entries, with names relative to one directory.
 * @param names What is looked for; slashes at their ends and `.` do not count, and `.` alone is everything.
 */
export function selectEntries<
  T extends { readonly name: string; readonly type?: string },
>(
  entries: readonly T[],
  names: readonly string[],
): Selection<T> {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const found = new Set<T>();
  const missing = names.filter((name) => {
    const wanted = normalizeName(name);
    const own = byName.get(wanted);
    if (own !== undefined) found.add(own);
    // Nothing is below a file: thousands of names are looked up, not searched for.
    if (own !== undefined && own.type !== "directory") return false;
    let matches = entries.filter((entry) => isBelow(entry.name, wanted));
    if (own === undefined && matches.length === 0 && WILD.test(wanted)) {
      const glob = globToRegExp(wanted);
      matches = entries.filter((entry) => isMatched(entry.name, glob));
    }
    for (const entry of matches) found.add(entry);
    return own === undefined && matches.length === 0 && wanted !== "";
  });
  return { found: entries.filter((entry) => found.has(entry)), missing };
}

/** The folder that all is below which a glob can match: the parts before the first one with a wildcard. */
export function folderOfGlob(glob: string): string {
  const parts = glob.split("/");
  const wild = parts.findIndex((part) => WILD.test(part));
  return parts.slice(0, wild).join("/");
}

/** A name without empty parts and `.`, so that it is one as entries have it. */
export function normalizeName(name: string): string {
  return name.split("/").filter((part) => part !== "" && part !== ".")
    .join("/");
}

function isBelow(name: string, folder: string): boolean {
  return folder === "" || name.startsWith(`${folder}/`);
}

/** Whether a glob matches a name or a folder above it. */
function isMatched(name: string, glob: RegExp): boolean {
  for (
    let end = name.indexOf("/");
    end >= 0;
    end = name.indexOf("/", end + 1)
  ) {
    if (glob.test(name.slice(0, end))) return true;
  }
  return glob.test(name);
}
