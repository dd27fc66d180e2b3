/** Finding, opening and making an image file, and the errors of that. */

import { systemError, systemName, XorrisoError } from "../errors.ts";
import {
  requireWrite,
  resolveForRead,
  resolveForWrite,
} from "./permissions.ts";

/** A file that has been opened. */
export interface Opened {
  /** Its absolute path, without links. */
  readonly path: string;
  readonly file: Deno.FsFile;
  /** Whether it was made now. */
  readonly created: boolean;
  /** Why it is open for reading alone, though it was to be written. */
  readonly refusal?: unknown;
}

/** The resolved path of an image that is there; undefined if nothing is. */
export async function findImage(given: string): Promise<string | undefined> {
  try {
    const path = await resolveForRead(given, "the image");
    const { isFile, isDirectory } = await Deno.stat(path);
    if (isFile) return path;
    const kind = isDirectory ? "a directory" : "no regular file";
    throw new XorrisoError(
      "NO_DRIVE",
      `Cannot open "${given}": it is ${kind}, neither a drive nor an image`,
      { path: given },
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw openError(error, given);
  }
}

/** Opens the file; undefined if it has just been removed. */
export async function openFile(
  path: string,
  writable: boolean,
): Promise<Opened | undefined> {
  try {
    const file = await Deno.open(path, { read: true, write: writable });
    return { path, file, created: false };
  } catch (error) {
    const name = systemName(error) ?? "";
    if (name === "ENOENT") return undefined;
    if (writable && ["EACCES", "EPERM", "EROFS"].includes(name)) {
      const opened = await openFile(path, false);
      return opened && { ...opened, refusal: openError(error, path) };
    }
    throw openError(error, path);
  }
}

/** Makes the file; undefined if another program was faster. */
export async function createFile(
  given: string,
): Promise<Opened | undefined> {
  const target = await resolveForWrite(given, "the image");
  let file: Deno.FsFile;
  try {
    file = await Deno.open(target, {
      read: true,
      write: true,
      createNew: true,
    });
  } catch (error) {
    if (systemName(error) !== "EEXIST") throw openError(error, given);
    const info = await Deno.lstat(target).catch(() => undefined);
    if (info?.isSymlink) throw danglingLink(given, error);
    return undefined;
  }
  try {
    // If the folder may not be read, its links show only now.
    const path = await resolveForRead(target, "the image");
    await requireWrite(path, "the image");
    return { path, file, created: true };
  } catch (error) {
    // With the lock: else another program may be using the file already.
    const isLocked = await file.tryLock(true).catch(() => false);
    if (isLocked) await Deno.remove(target).catch(() => {});
    file.close();
    throw error;
  }
}

export function missingImage(path: string, create: boolean): XorrisoError {
  const hint = create
    ? "a new image cannot be made by a session that only reads"
    : "check its address, or make it with create";
  return new XorrisoError(
    "NO_DRIVE",
    `Cannot open "${path}": it does not exist; ${hint}`,
    { path },
  );
}

function danglingLink(path: string, cause: unknown): XorrisoError {
  return new XorrisoError(
    "NO_DRIVE",
    `Cannot make "${path}": it is a link to something that is not there; ` +
      `remove it, or name the file that it is to lead to`,
    { path, cause },
  );
}

/** A failure of the operating system about the image, with its code. */
function openError(cause: unknown, path: string): unknown {
  return systemError(cause, {
    doing: `Cannot open "${path}"`,
    path,
    code: "NO_DRIVE",
    codes: {
      EACCES: "PERMISSION_DENIED",
      EPERM: "PERMISSION_DENIED",
      EROFS: "MEDIUM_NOT_WRITABLE",
      ENOSPC: "MEDIUM_FULL",
      EDQUOT: "MEDIUM_FULL",
      EIO: "READ_ERROR",
    },
  });
}
