/** The names of a command line, looked up on the medium: what matches nothing is a failure. */
import type { XorrisoBackend } from "../backend/backend.ts";
import type { ListedEntry, ListOptions } from "../backend/options.ts";
import { parseLocation } from "../backend/url.ts";
import { isDrivePath } from "../disk/permissions.ts";
import { XorrisoError } from "../errors.ts";
import { parents } from "../names.ts";
import { selectEntries } from "../tree/select.ts";
import { suggest } from "./arguments.ts";
import { open } from "./open.ts";
import type { Run } from "./run.ts";

/** More names than these are not searched for one that is spelled alike. */
const MANY = 10_000;

/**
 * Finds the entries that the operands behind the URL mean; without any these are all.
 *
 * Names, folders and globs that match nothing are told as failures.
 *
 * @throws {XorrisoError} ENTRY_NOT_FOUND when the directory of the URL is not there.
 */
export async function findEntries(
  run: Run,
  backend: XorrisoBackend,
  options: ListOptions = {},
): Promise<ListedEntry[]> {
  const { names } = run;
  const entries = await backend.list({ ...options, all: true });
  if (entries.length === 0) await requireDirectory(run);
  if (names.length === 0) return entries;
  const { found, missing } = selectEntries(entries, names);
  const known = missing.length > 0 ? namesOf(entries) : [];
  for (const name of missing) {
    run.fail(notFound(`"${name}"`, name, known));
  }
  return found;
}

/**
 * Tells a directory in which nothing is from one that is not there, and from a file.
 *
 * @param options Whether it may be missing, as where a `put` would make it.
 * @throws {XorrisoError} ENTRY_NOT_FOUND when the URL names no directory.
 */
export async function requireDirectory(
  run: Run,
  { mayMiss = false }: { readonly mayMiss?: boolean } = {},
): Promise<void> {
  const { device, directory } = parseLocation(run.operands[0] ?? "");
  if (directory === "/") return;
  const what = `the directory "${directory}"`;
  // A drive cannot be opened again meanwhile: there an empty one counts as none.
  if (await isDrivePath(device)) {
    if (mayMiss) return;
    throw notFound(what, directory, []);
  }
  await using root = await open(run, { readOnly: true }, { device });
  const entries = await root.list({ all: true });
  const name = directory.slice(1);
  const own = entries.find((entry) => entry.name === name);
  if (own?.type === "directory" || own === undefined && mayMiss) return;
  if (own !== undefined) {
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot use "${directory}" as a directory: it is a ${own.type}; ` +
        "name it behind the URL",
      { path: directory },
    );
  }
  throw notFound(what, directory, namesOf(entries).map((each) => `/${each}`));
}

/** Names of entries and of the folders above them. */
function namesOf(entries: readonly ListedEntry[]): string[] {
  const known = new Set<string>();
  for (const { name } of entries.slice(0, MANY)) {
    known.add(name);
    for (const folder of parents(name)) known.add(folder);
  }
  known.delete("/");
  return [...known];
}

/** The error of a name that is not on the medium. */
function notFound(
  what: string,
  name: string,
  known: Iterable<string>,
): XorrisoError {
  return new XorrisoError(
    "ENTRY_NOT_FOUND",
    `Cannot find ${what} on the medium${suggest(name, known)}`,
    { path: name },
  );
}
