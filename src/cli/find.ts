/** The names of a command line, looked up on the medium: what matches nothing is a failure. */
import type { XorrisoBackend } from "../backend/backend.ts";
import type { ListedEntry, ListOptions } from "../backend/options.ts";
import { parseLocation } from "../backend/url.ts";
import { XorrisoError } from "../errors.ts";
import { parents } from "../names.ts";
import { selectEntries } from "../tree/select.ts";
import { suggest } from "./arguments.ts";
import type { Run } from "./run.ts";

/** More names than these are not searched for one that is spelled alike. */
const MANY = 10_000;

/**
 * Finds the entries that the operands behind the URL mean; without any these are all.
 *
 * Names, folders and globs that match nothing are told as failures, and so is a URL whose directory is not
 * there.
 */
export async function findEntries(
  run: Run,
  backend: XorrisoBackend,
  options: ListOptions = {},
): Promise<ListedEntry[]> {
  const [url = "", ...names] = run.operands;
  const entries = await backend.list({ ...options, all: true });
  const { directory } = parseLocation(url);
  if (entries.length === 0 && directory !== "/") {
    throw notFound(`the directory "${directory}"`, directory, []);
  }
  if (names.length === 0) return entries;
  const { found, missing } = selectEntries(entries, names);
  for (const name of missing) run.fail(notFound(`"${name}"`, name, entries));
  return found;
}

/** The error of a name that is not on the medium. */
function notFound(
  what: string,
  path: string,
  entries: readonly ListedEntry[],
): XorrisoError {
  const known = new Set<string>();
  for (const { name } of entries.slice(0, MANY)) {
    known.add(name);
    for (const folder of parents(name)) known.add(folder);
  }
  return new XorrisoError(
    "ENTRY_NOT_FOUND",
    `Cannot find ${what} on the medium${suggest(path, known)}`,
    { path },
  );
}
