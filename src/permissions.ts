/**
 * Checks of the Deno permissions that a path or command needs.
 *
 * xorriso is not sandboxed: it may do whatever the user may. So the module asks for each path what
 * the script itself may do. Permissions are only queried, never requested: nothing here prompts, and
 * the state `prompt` counts as no.
 */
import { dirname } from "@std/path/posix/dirname";
import { fromFileUrl } from "@std/path/posix/from-file-url";
import { resolve } from "@std/path/posix/resolve";

/** Tells whether a path, normalised as text alone, lies below `/dev/`. */
export function isUnderDev(path: string): boolean {
  return absolute(path).startsWith("/dev/");
}

/**
 * Makes sure that the script may run a command.
 *
 * @throws {Deno.errors.NotCapable} When it may not; the message has the flag to add.
 */
export async function requireRun(command: string): Promise<void> {
  await requireGranted("start xorriso", command, { name: "run", command });
}

/**
 * Makes sure that the script may read a path, which is not touched.
 *
 * @param path The path as it will be used.
 * @param what How the message names it: `the image`.
 * @throws {Deno.errors.NotCapable} When it may not; the message has the flag to add.
 */
export async function requireRead(path: string, what: string): Promise<void> {
  await requireGranted(`read ${what}`, path, { name: "read", path });
}

/**
 * Makes sure that the script may write to a path, which is not touched.
 *
 * @param path The path as it will be used.
 * @param what How the message names it: `the image`.
 * @throws {Deno.errors.NotCapable} When it may not; the message has the flag to add.
 */
export async function requireWrite(path: string, what: string): Promise<void> {
  await requireGranted(`write ${what}`, path, { name: "write", path });
}

/**
 * Resolves the links of a path that the script may read, so that xorriso gets the path that was
 * checked: a query is about the text, and a granted link can point anywhere.
 *
 * Below `/dev/` Deno touches nothing without `--allow-all`, so there the path is only normalised as
 * text, like the query does it.
 *
 * @param path The path, or a `file:` URL.
 * @param what How the message names it: `the image`.
 * @returns The absolute path without links.
 * @throws {Deno.errors.NotCapable} When the script may not read the path or what it points to.
 * @throws {Deno.errors.NotFound} When nothing is there.
 */
export async function resolveForRead(
  path: string | URL,
  what: string,
): Promise<string> {
  const given: string = typeof path === "string" ? path : fromFileUrl(path);
  await requireRead(given, what);
  if (isUnderDev(given)) return absolute(given);
  const real = await Deno.realPath(given);
  await requireRead(real, what);
  return real;
}

/** Makes a path absolute and folds `.` and `..` as text, like Deno's queries do. */
function absolute(path: string): string {
  return resolve(path);
}

async function requireGranted(
  action: string,
  value: string,
  descriptor:
    | Deno.RunPermissionDescriptor
    | Deno.ReadPermissionDescriptor
    | Deno.WritePermissionDescriptor,
): Promise<void> {
  if (value === "" || value.includes("\0")) {
    throw new TypeError(
      `Cannot ${action}: its path must not be empty or hold NUL`,
    );
  }
  const { state } = await Deno.permissions.query(descriptor);
  if (state === "granted") return;
  const flag = `--allow-${descriptor.name}${flagValue(descriptor.name, value)}`;
  const denied = state === "denied" ? ` and no --deny-${descriptor.name}` : "";
  throw new Deno.errors.NotCapable(
    `Cannot ${action}: ${descriptor.name} permission for "${value}" is "${state}", run again with ${flag}${denied}`,
  );
}

/**
 * The value that grants a path or command.
 *
 * Flags cannot escape a comma (Deno 2.9.6), so the nearest folder without one stands in.
 */
function flagValue(name: "run" | "read" | "write", value: string): string {
  if (!value.includes(",")) return `=${shellQuote(value)}`;
  if (name === "run") return "";
  let folder = value;
  do folder = dirname(folder); while (folder.includes(","));
  return `=${shellQuote(folder)}`;
}

/** Quotes a word for a POSIX shell if it needs it. */
function shellQuote(word: string): string {
  return /^[\w@%+=:./-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}
