/** What is at the place on disk where something is to be restored, and what comes there. */

import type { ListedEntry as Stored } from "../backend/options.ts";
import { lstat, readLink } from "../disk/files.ts";
import { unwritableBy } from "../disk/targets.ts";
import { XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import { secondsOf } from "./difference.ts";

/** Something to be restored, and where. */
export interface Destination {
  readonly entry: Stored;
  readonly path: string;
  /** What is there under its name: nothing, something to be replaced, or the same. */
  readonly there: "nothing" | "other" | "same";
}

/** A file that is another name of one that is restored. */
export interface Double {
  readonly target: Destination;
  readonly first: Destination;
}

/** Separates the first name of each file that is to be restored from its further ones. */
export function separateLinks(
  files: readonly Destination[],
): [Destination[], Double[]] {
  const firsts = new Map<string, Destination>();
  const contents: Destination[] = [];
  const doubles: Double[] = [];
  // What is there already can be linked to.
  const sorted = files.toSorted((a, b) =>
    Number(b.there === "same") - Number(a.there === "same")
  );
  for (const target of sorted) {
    const { size, mode, uid, gid, mtime, extents } = target.entry;
    // The names of one inode have all of it in common.
    const key = [extents[0]?.lba, size, mode, uid, gid, secondsOf(mtime)]
      .join();
    const first = size > 0 ? firsts.get(key) : undefined;
    if (target.there === "same") firsts.set(key, target);
    else if (first !== undefined) doubles.push({ target, first });
    else {
      firsts.set(key, target);
      contents.push(target);
    }
  }
  return [contents, doubles];
}

/** What is at a path; undefined if nothing is. */
export async function statAt(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await lstat(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return undefined;
    throw unwritableBy(cause, path);
  }
}

/** Whether what is there is what would be restored. */
export async function isAlready(
  path: string,
  info: Deno.FileInfo,
  { type, size, mtime, link }: Stored,
  slack: number,
): Promise<boolean> {
  if (type === "link") return info.isSymlink && await readLink(path) === link;
  // A file that was restored has its name only when it is complete.
  return info.isFile && info.size === size && info.mtime !== null &&
    Math.abs(secondsOf(info.mtime) - secondsOf(mtime)) <= slack;
}

/** Makes something under its name, or in the place of what has it. */
export async function placed(
  path: string,
  there: Destination["there"],
  make: (path: string) => Promise<void>,
): Promise<void> {
  if (there === "nothing") return await make(path);
  const folder = path.slice(0, path.lastIndexOf("/"));
  const part = `${folder}/.xorriso-${crypto.randomUUID()}.part`;
  try {
    await make(part);
    await Deno.rename(part, path);
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    throw error;
  }
}

/** Whether something had the name already. */
export function isExists(error: unknown): boolean {
  return error instanceof Deno.errors.AlreadyExists;
}

/** The error for the second of two names that one file system takes for one. */
export function collision(
  path: string,
  { name }: Stored,
  other: string,
): XorrisoError {
  return new XorrisoError(
    "TARGET_EXISTS",
    `Cannot restore ${show(name)} to "${path}": this file system takes its ` +
      `name for that of ${show(other)}; choose a folder on another one`,
    { path },
  );
}
