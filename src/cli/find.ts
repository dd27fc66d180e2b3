/** The names of a command line, looked up on the medium: what matches nothing is a failure. */
import type { XorrisoBackend } from "../backend/backend.ts";
import type { ListedEntry, ListOptions } from "../backend/options.ts";
import { XorrisoError } from "../errors.ts";
import { parents, unspellName } from "../names.ts";
import { normalizeName, selectEntries } from "../tree/select.ts";
import { suggest } from "./arguments.ts";
import { open } from "./open.ts";
import type { Run } from "./run.ts";
import { escapeName } from "./terminal.ts";

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
  await requireDirectory(run, backend);
  const entries = sortByName(await backend.list({ ...options, all: true }));
  const names = namesMeant(run, entries);
  if (names.length === 0) return entries;
  const { found, missing } = selectEntries(entries, names);
  const known = missing.length > 0 ? namesOf(entries) : [];
  for (const name of missing) {
    run.fail(notFound(`"${name}"`, name, known));
  }
  return found;
}

/**
 * The names that the operands behind the URL mean: as they are, which a script relies on; else as a terminal
 * shows them, or with bytes that are not UTF-8 as `\xHH`.
 */
export function namesMeant(
  { names }: Run,
  entries: readonly ListedEntry[],
): string[] {
  const typed = names.map(normalizeName);
  if (!typed.some((name) => name.includes("\\"))) return typed;
  const own = new Set(entries.map(({ name }) => name));
  const shown = new Map(entries.map(({ name }) => [escapeName(name), name]));
  return typed.map((name) =>
    own.has(name) ? name : shown.get(name) ?? unspellName(name)
  );
}

/**
 * Makes sure that the URL names a directory.
 *
 * @param options Whether it may be missing, as where a `put` would make it.
 * @throws {XorrisoError} ENTRY_NOT_FOUND when it is not there, or something else.
 */
export async function requireDirectory(
  run: Run,
  backend: XorrisoBackend,
  { mayMiss = false }: { readonly mayMiss?: boolean } = {},
): Promise<void> {
  const { device, directory } = run.location;
  if (directory === "/") return;
  const own = await backend.query("");
  if (own?.type === "directory") return;
  if (own !== undefined) {
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot use "${directory}" as a directory: it is a ${own.type}; ` +
        "name it behind the URL",
      { path: directory },
    );
  }
  if (mayMiss) return;
  // A drive cannot be opened twice.
  await backend.close();
  await using root = await open(run, { readOnly: true }, { device });
  const known = namesOf(await root.list({ all: true }));
  throw notFound(
    `the directory "${directory}"`,
    directory,
    known.map((name) => `/${name}`),
  );
}

/** Names of entries and of the folders above them. */
function namesOf(entries: readonly ListedEntry[]): string[] {
  const known = new Set(
    entries.slice(0, MANY).flatMap(({ name }) => [name, ...parents(name)]),
  );
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

/** Sorts what has names as people expect it: a folder, then all that is in it. */
export function sortByName<T extends { readonly name: string }>(
  named: readonly T[],
): T[] {
  return named.map((each) => ({ each, key: sortKey(each.name) }))
    .sort((a, b) => a.key < b.key ? -1 : 1).map(({ each }) => each);
}

/** Each part of a name without case, its numbers by their value; then as it is, for those that are alike. */
function sortKey(name: string): string {
  return name.split("/").map((part) => {
    const alike = part.normalize("NFD").toLowerCase()
      .replace(/\d+/g, (digits) => digits.padStart(16, "0"));
    return `${alike}\x01${part}`;
  }).join("\0");
}
