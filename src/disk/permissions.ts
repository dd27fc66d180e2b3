/**
 * Checks of the Deno permissions that a path or command needs.
 *
 * xorriso is not sandboxed: it may do whatever the user may. So the module asks for each path what
 * the script itself may do. Permissions are only queried, never requested: nothing here prompts, and
 * the state `prompt` counts as no.
 */
import { basename } from "@std/path/posix/basename";
import { dirname } from "@std/path/posix/dirname";
import { fromFileUrl } from "@std/path/posix/from-file-url";
import { resolve } from "@std/path/posix/resolve";
import { join } from "../names.ts";
import { readDir, realPath, stat } from "./files.ts";

/**
 * Makes a path absolute at the moment of a call, so that it means the same file wherever the program
 * goes before it is used. Nothing is folded: `a/..` is not here where `a` is a link.
 *
 * @param path A path, or a `file:` URL; an empty one stays so.
 * @throws {TypeError} When it is neither.
 */
export function absolutePath(path: string | URL): string {
  if (path instanceof URL) return fromFileUrl(path);
  if (typeof path !== "string") {
    throw new TypeError(
      `Cannot use ${String(path)} as a path: it must be text, or a file: URL`,
    );
  }
  return path === "" || path.startsWith("/") ? path : join(Deno.cwd(), path);
}

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
  if (await isFolderGranted("read", path)) return;
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
  if (await isFolderGranted("write", path)) return;
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
  const given = absolutePath(path);
  await requireRead(given, what);
  if (isUnderDev(given)) return absolute(given);
  const real = await realPath(given);
  await requireRead(real, what);
  return real;
}

/**
 * Resolves the links of a path where something is to be made or replaced, as
 * far as it exists and the script may look: a file below a granted link would
 * be made wherever the link points to.
 *
 * @param path The path; what is not there yet is taken as it stands.
 * @param what How the message names it: `the image`.
 * @returns The absolute path, without links where they could be looked at.
 * @throws {Deno.errors.NotCapable} When the script may not read and write the
 * path or what it leads to.
 */
export async function resolveForWrite(
  path: string,
  what: string,
): Promise<string> {
  await requireRead(path, what);
  await requireWrite(path, what);
  const real = await resolveAbove(absolute(path));
  await requireRead(real, what);
  await requireWrite(real, what);
  return real;
}

/** Resolves the links in the part of an absolute path that exists and may be looked at. */
async function resolveAbove(path: string): Promise<string> {
  let missing = "";
  for (let found: string = path; !isUnderDev(found); found = dirname(found)) {
    if (!await isGranted("read", found)) break;
    try {
      return resolve(await Deno.realPath(found), missing);
    } catch (error) {
      // What else is wrong, whoever makes or opens the file is told, too.
      if (!(error instanceof Deno.errors.NotFound) || found === "/") break;
    }
    missing = missing === ""
      ? basename(found)
      : `${basename(found)}/${missing}`;
  }
  return path;
}

/** Makes a path absolute and folds `.` and `..` as text, like Deno's queries do. */
function absolute(path: string): string {
  return resolve(path);
}

/**
 * Whether everything in the folder of a path is granted, so that the path need
 * not be asked for by itself: Deno 2.9 keeps each question that it was ever
 * asked, half a kilobyte of memory for each path.
 */
async function isFolderGranted(
  name: "read" | "write",
  path: string,
): Promise<boolean> {
  if (path === "" || path.includes("\0")) return false;
  const { state, partial } = await Deno.permissions.query({
    name,
    path: dirname(absolute(path)),
  });
  return state === "granted" && !partial;
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
  // Deno drops a program that it does not find from the flag.
  const missing = descriptor.name === "run"
    ? `; if it was there, install "${value}"`
    : "";
  throw new Deno.errors.NotCapable(
    `Cannot ${action}: ${descriptor.name} permission for "${value}" is "${state}", run again with ${flag}${denied}${missing}`,
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

/** Tells whether a permission is there, for a path or for all of them, without asking for it. */
export async function isGranted(
  name: "read" | "write",
  path?: string,
): Promise<boolean> {
  const { state } = await Deno.permissions.query(
    path === undefined ? { name } : { name, path },
  );
  return state === "granted";
}

/**
 * Tells whether a path that the script may read is one for which xorriso, not
 * Deno, tells what it is: a device below `/dev/`.
 *
 * Only with `--allow-all` may Deno look there, and without it does not ask;
 * then a regular file, as in `/dev/shm`, is seen to be none.
 */
export async function isDrivePath(path: string): Promise<boolean> {
  if (!isUnderDev(path)) return false;
  try {
    return !(await stat(path)).isFile;
  } catch {
    return !absolute(path).startsWith("/dev/shm/");
  }
}

/**
 * Commands of xorriso that name no file on disk, and how many words each takes
 * (xorriso(1)). All others might. A wrong number would let words pass as
 * arguments that xorriso takes for commands.
 */
export const HARMLESS: ReadonlyMap<string, number> = new Map(
  [
    ...["toc", "tell_media_space", "print_size", "pvd_info", "version"],
    ...["list_speeds", "list_formats", "rollback"],
  ].map((name): [string, number] => [name, 0]).concat([
    ...["list_profiles", "list_extras"],
    ...["abort_on", "calm_drive", "changes_pending", "close", "compliance"],
    ...["disk_pattern", "dummy", "dvd_obs", "fs"],
    ...["iso_rr_pattern", "joliet", "md5", "modesty_on_drive", "padding"],
    ...["pacifier", "print", "read_speed", "report_about", "rr_reloc_dir"],
    ...["speed", "stdio_sync", "stream_recording", "volid"],
    ...["volset_id", "publisher", "application_id", "system_id", "write_type"],
  ].map((name): [string, number] => [name, 1])),
);

/**
 * Makes sure that words of the user's for xorriso reach no file that the
 * script itself may not.
 *
 * What a word means to xorriso depends on the command before it. Commands that
 * are known to name no file pass; with any other the script must be allowed to
 * read and write everything, because xorriso may.
 *
 * @throws {Deno.errors.NotCapable} When it is not.
 */
export async function requireArgs(words: readonly string[]): Promise<void> {
  for (let i = 0; i < words.length; i++) {
    const command = (words[i] ?? "").replace(/^-+/, "");
    const count = HARMLESS.get(command);
    if (count === undefined) return await requireAll(words[i] ?? "");
    i += count;
  }
}

async function requireAll(command: string): Promise<void> {
  for (const name of ["read", "write"] as const) {
    const { state, partial } = await Deno.permissions.query({ name });
    if (state === "granted" && !partial) continue;
    if (state === "granted" && name === "write" && await isProgramDenied("/")) {
      continue;
    }
    const exception = partial ? `, and no --deny-${name}` : "";
    throw new Deno.errors.NotCapable(
      `Cannot give "${command}" to xorriso, since it may name any file: ` +
        `${name} permission is "${partial ? "partial" : state}", run again ` +
        `with --allow-${name} without a path${exception}`,
    );
  }
}

/**
 * Whether all that is denied to be written below a folder are programs that may be run.
 *
 * Deno itself denies to write the programs of `--allow-run=xorriso`, so with that flag write
 * permission is never whole, and no query tells why (Deno 2.9). So what is denied is looked for: a
 * folder is `partial` where something below it is denied, and has to have something that explains it.
 * What is not there cannot be found: a `--deny-write` of a name that does not exist yet, beside such a
 * program or its folders, goes unnoticed.
 */
async function isProgramDenied(folder: string): Promise<boolean> {
  let found = false;
  for (const { name } of await readDir(folder).catch(() => [])) {
    const path = join(folder, name);
    const { state, partial } = await Deno.permissions.query({
      name: "write",
      path,
    });
    if (state === "granted" && !partial) continue;
    const isProgram = state === "granted"
      ? await isProgramDenied(path)
      : (await Deno.permissions.query({ name: "run", command: path })).state ===
        "granted";
    if (!isProgram) return false;
    found = true;
  }
  return found;
}
