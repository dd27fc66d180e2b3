/** Folders on disk that files are restored into. */
import { systemError, XorrisoError } from "../errors.ts";
import { join, show } from "../names.ts";
import { lstatIfThere } from "./files.ts";
import { resolveForWrite } from "./permissions.ts";
import type { TargetFile } from "./targets.ts";

/** Whether a name on a medium can be that of a file or folder on disk, and stays where it is put. */
function isFileName(part: string): boolean {
  return part !== "" && part !== "." && part !== ".." &&
    part.isWellFormed() && !/[\0/]/.test(part);
}

/**
 * Makes sure that a name on a medium can be a path below a folder on disk.
 *
 * @param path The name as it would be on disk.
 * @param name The whole name.
 * @throws {XorrisoError} TARGET_UNWRITABLE.
 */
export function requireFileNames(path: string, name: string): void {
  if (path.split("/").every(isFileName)) return;
  throw new XorrisoError(
    "TARGET_UNWRITABLE",
    `Cannot restore ${
      show(name)
    }: it cannot be a file name, use the module to read it`,
    { path: name },
  );
}

/**
 * Makes a folder to restore into, if it is not there.
 *
 * @param path Where; it may be a link to a folder.
 * @returns Its path without links, and whether it was made.
 * @throws {Deno.errors.NotCapable} When the script may not read and write there.
 * @throws {XorrisoError} TARGET_UNWRITABLE when the folder cannot be made.
 */
export async function makeTarget(
  path: string,
): Promise<{ readonly path: string; readonly isNew: boolean }> {
  const root = await resolveForWrite(path, "the target folder");
  let isNew = false;
  try {
    isNew = await lstatIfThere(root) === undefined;
    await Deno.mkdir(root, { recursive: true });
  } catch (cause) {
    throw noFolder(cause, path);
  }
  // Where the folders above could not be looked at, only now their links show.
  return { path: await resolveForWrite(root, "the target folder"), isNew };
}

/** A folder that files are restored into, and never out of. */
export class TargetFolder {
  readonly #root: string;
  /** The folders that are there, and whether they were made for this. */
  readonly #folders = new Map<string, boolean>();

  private constructor(root: string, isNew: boolean) {
    this.#root = root;
    this.#folders.set(root, isNew);
  }

  /**
   * Makes the folder if it is not there.
   *
   * @param path Where; it may be a link to a folder.
   * @throws {Deno.errors.NotCapable} When the script may not read and write there.
   * @throws {XorrisoError} TARGET_UNWRITABLE when the folder cannot be made.
   */
  static async open(path: string): Promise<TargetFolder> {
    const { path: root, isNew } = await makeTarget(path);
    return new TargetFolder(root, isNew);
  }

  /**
   * Makes the folders above a file, and tells its path, and whether nothing can be there.
   *
   * A link among them is refused, since the file would end up where it points to.
   *
   * @param name The file's path below this folder.
   * @throws {XorrisoError} TARGET_UNWRITABLE when there can be no such file.
   */
  async prepare(name: string): Promise<TargetFile> {
    requireFileNames(name, name);
    const parts = name.split("/");
    const last = parts.pop() ?? "";
    let folder = this.#root;
    for (const part of parts) {
      folder = join(folder, part);
      if (this.#folders.has(folder)) continue;
      this.#folders.set(folder, await makeFolder(folder));
    }
    return { target: join(folder, last), isFree: this.#folders.get(folder) };
  }
}

/** Makes one folder; tells whether it was not there. */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await Deno.mkdir(path);
    return true;
  } catch (cause) {
    if (
      cause instanceof Deno.errors.AlreadyExists &&
      (await Deno.lstat(path)).isDirectory
    ) return false;
    throw noFolder(cause, path);
  }
}

/** What the operating system has against a folder. */
function noFolder(cause: unknown, path: string): unknown {
  return systemError(cause, {
    doing: `Cannot make the folder "${path}"`,
    path,
    code: "TARGET_UNWRITABLE",
    reasons: { EEXIST: "there is a file or a link of that name" },
  });
}
