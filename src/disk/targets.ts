/**
 * Files that are made or replaced on disk.
 *
 * A target appears under its name when it is complete and right: it is written beside it first, as a
 * part file, and then renamed. Whatever fails before leaves the target as it was, and no part file.
 */

import { dirname } from "@std/path/posix/dirname";
import { systemError, systemName, XorrisoError } from "../errors.ts";
import { join } from "../names.ts";
import { type DiskAttributes, setAttributesSync } from "./attributes.ts";
import { type Identity, isSame, tolerate, writeAll } from "./files.ts";
import { cleanAtExit } from "./leftovers.ts";
import { resolveForWrite } from "./permissions.ts";
import { StraightPaths } from "./straight.ts";

/** How a file that is complete gets its name. */
export interface Placing {
  /** What it has by then; the rest is as with any new file. */
  readonly attributes?: DiskAttributes | undefined;
  /** Whether what has the name gives way; else TARGET_EXISTS. @default {true} */
  readonly replace?: boolean | undefined;
}

/** A path for a file, and how it gets there. */
export interface TargetFile extends Placing {
  /** What {@linkcode resolveTarget} or `TargetFolder.prepare()` gave. */
  readonly target: string;
  /** Whether the folder has just been made, so that nothing has the name. @default {false} */
  readonly isFree?: boolean | undefined;
}

/** The file beside a target that takes its name when it is complete; else it goes. */
export class PartFile implements Disposable {
  readonly #target: string;
  readonly #placing: Placing;
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #identity: Identity;
  readonly #cleaning: Disposable;
  #state: "open" | "closed" | "placed" = "open";

  private constructor(
    { target, ...placing }: TargetFile,
    path: string,
    file: Deno.FsFile,
  ) {
    this.#target = target;
    this.#placing = placing;
    this.#path = path;
    this.#file = file;
    this.#identity = file.statSync();
    this.#cleaning = cleanAtExit(() => Deno.removeSync(path));
  }

  /**
   * Makes one.
   *
   * @param content All that is to be in it, written by synchronous calls.
   */
  static create(
    target: TargetFile,
    content: Uint8Array = new Uint8Array(),
  ): PartFile {
    const path = partPath(target.target);
    try {
      const file = Deno.openSync(path, { write: true, createNew: true });
      using stack = new DisposableStack();
      const part = stack.use(new PartFile(target, path, file));
      for (let done = 0; done < content.length;) {
        done += file.writeSync(content.subarray(done));
      }
      stack.move();
      return part;
    } catch (cause) {
      throw unwritableBy(cause, target.target);
    }
  }

  /**
   * Gives complete files their attributes, and then their targets' names: by synchronous
   * calls, which take less time than to have others do them.
   *
   * A stranger may exchange a folder above a target for a link to one where the script may not
   * write. So the folders are looked at before, that nothing is replaced there, and after, that
   * nothing lies there unnoticed: once for all files, since each look takes as long as a renaming.
   *
   * @returns The errors of those that did not get their names, or not for certain.
   */
  static place(parts: readonly PartFile[]): Map<PartFile, unknown> {
    const failures = new Map<PartFile, unknown>();
    const each = (work: (part: PartFile) => void) => {
      for (const part of parts) {
        if (failures.has(part)) continue;
        try {
          work(part);
        } catch (cause) {
          failures.set(part, unwritableBy(cause, part.#target));
        }
      }
    };
    const before = new StraightPaths();
    each((part) => {
      before.require(part.#target);
      part.#rename();
    });
    const after = new StraightPaths();
    each((part) => after.requireSame(part.#target, part.#identity));
    return failures;
  }

  /** Appends bytes. */
  async write(chunk: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#file, chunk);
    } catch (cause) {
      throw unwritableBy(cause, this.#target);
    }
  }

  /** Has the bytes on the disk: that it is full may be told by nothing before. */
  async sync(): Promise<void> {
    try {
      await this.#file.syncData();
    } catch (cause) {
      throw unwritableBy(cause, this.#target);
    }
  }

  /** The same by a synchronous call. */
  syncNow(): void {
    try {
      this.#file.syncDataSync();
    } catch (cause) {
      throw unwritableBy(cause, this.#target);
    }
  }

  /** As {@linkcode PartFile.place}, for this file alone. */
  place(): void {
    for (const error of PartFile.place([this]).values()) throw error;
  }

  #rename(): void {
    this.#close();
    const { attributes, replace = true } = this.#placing;
    if (attributes !== undefined) setAttributesSync(this.#path, attributes);
    if (replace) Deno.renameSync(this.#path, this.#target);
    else renameNew(this.#path, this.#target);
    this.#state = "placed";
    this.#cleaning[Symbol.dispose]();
  }

  /** Removes the file, unless it has become the target. */
  [Symbol.dispose](): void {
    // On a full disk its room is free at once, even if a process that another thread of this program
    // is forking at this moment has it open, too.
    if (this.#state === "open") tolerate(() => this.#file.truncateSync());
    this.#close();
    this.#cleaning[Symbol.dispose]();
    if (this.#state === "placed") return;
    // If its folder is gone, too, what led here tells more.
    tolerate(() => Deno.removeSync(this.#path));
  }

  #close(): void {
    if (this.#state !== "open") return;
    this.#file.close();
    this.#state = "closed";
  }
}

/**
 * Renames a file, if nothing has the new name.
 *
 * @throws {XorrisoError} TARGET_EXISTS if something has; TARGET_UNWRITABLE if it could not give way, either.
 */
function renameNew(path: string, target: string): void {
  try {
    Deno.linkSync(path, target);
  } catch (error) {
    const isTaken = error instanceof Deno.errors.AlreadyExists;
    // Where files have one name only, as on FAT, nothing better is to be had.
    if (!isTaken && !NO_LINKS.has(systemName(error) ?? "")) throw error;
    requireReplaceable(target);
    if (isTaken || isThere(target)) throw alreadyThere(target);
    return Deno.renameSync(path, target);
  }
  Deno.removeSync(path);
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What a file system says that gives files no second name. */
const NO_LINKS: ReadonlySet<string> = new Set([
  ...["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"],
]);

/** A name beside the target that is never too long and that nobody else uses. */
export function partPath(target: string): string {
  return `${dirname(target)}/.xorriso-${crypto.randomUUID()}.part`;
}

/**
 * Resolves the folder of a target, and makes sure that the script may write
 * there and that the target may be replaced.
 *
 * A link in its place is replaced, not followed.
 */
export async function resolveTarget(
  target: string,
  image?: Identity,
): Promise<string> {
  const name = target.slice(target.lastIndexOf("/") + 1);
  if (["", ".", ".."].includes(name)) {
    throw unwritable(target, "it is a folder");
  }
  const folder = await resolveForWrite(dirname(target), "the target's folder");
  const path = join(folder, name);
  requireReplaceable(path, image);
  return path;
}

/**
 * Makes sure that a target may be replaced: a rename would put a file in the place of a FIFO, a
 * device, and of the image that it comes from.
 */
export function requireReplaceable(target: string, image?: Identity): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(target);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return;
    throw unwritableBy(cause, target);
  }
  if (info.isDirectory) throw unwritable(target, "it is a folder");
  if (!info.isFile) throw unwritable(target, "it is no regular file");
  if (image && isSame(info, image)) {
    throw unwritable(target, "it is the image itself");
  }
}

/** The error where something is that is not to be replaced; a folder, or what is in the place of one, never is. */
export function alreadyThere(
  path: string,
  what: string = "something is there already",
  isReplaceable = true,
): XorrisoError {
  const remedy = isReplaceable
    ? "choose another folder, or replace it by overwrite"
    : "move it away, or choose another folder";
  return new XorrisoError(
    "TARGET_EXISTS",
    `Cannot write "${path}": ${what}; ${remedy}`,
    { path },
  );
}

/** What a failure to write a target is to the caller. */
export function unwritableBy(cause: unknown, target: string): unknown {
  return systemError(cause, {
    doing: `Cannot write "${target}"`,
    path: target,
    code: "TARGET_UNWRITABLE",
    reasons: { ENOENT: "its folder does not exist", EISDIR: "it is a folder" },
  });
}

function unwritable(path: string, reason: string): XorrisoError {
  return new XorrisoError(
    "TARGET_UNWRITABLE",
    `Cannot write "${path}": ${reason}`,
    { path },
  );
}
