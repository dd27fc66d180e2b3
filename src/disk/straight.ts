/**
 * Whether what was made on disk lies where its path says.
 *
 * The paths of targets have no links when they are checked, but a stranger may exchange a folder
 * above one for a link meanwhile, to where the script may not write. Deno cannot hold a folder and
 * make files in it, so its path is looked at before something is made, and after.
 */

import { dirname } from "@std/path/posix/dirname";
import { XorrisoError } from "../errors.ts";
import { type Identity, isSame } from "./files.ts";
import { isUnderDev } from "./permissions.ts";

/** Looks at paths that are made together: each folder is looked at once. */
export class StraightPaths {
  readonly #folders = new Set<string>();

  /**
   * Makes sure that there is no link among the folders above an absolute path.
   *
   * @throws {XorrisoError} TARGET_UNWRITABLE.
   */
  require(path: string): void {
    const folder = dirname(path);
    if (this.#folders.has(folder)) return;
    // Links below /dev are taken as they are.
    if (!isUnderDev(path) && hasLink(folder)) throw exchanged(path);
    this.#folders.add(folder);
  }

  /**
   * Makes sure that an absolute path leads without any links to what was made there.
   *
   * @throws {XorrisoError} TARGET_UNWRITABLE.
   */
  requireSame(path: string, identity: Identity): void {
    this.require(path);
    if (!isSame(identify(path), identity)) throw exchanged(path);
  }
}

/**
 * Does something to what is at a path by its path, and makes sure before and after that it does not
 * lead to something else.
 *
 * @throws {XorrisoError} TARGET_UNWRITABLE.
 */
export function whileSame(
  path: string,
  identity: Identity,
  work: () => void,
): void {
  new StraightPaths().requireSame(path, identity);
  work();
  new StraightPaths().requireSame(path, identity);
}

/**
 * Tells which file is at a path, where one has just been made or found.
 *
 * @throws {XorrisoError} TARGET_UNWRITABLE when it is not there any more.
 */
export function identify(path: string): Identity {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    throw error instanceof Deno.errors.NotFound ? exchanged(path) : error;
  }
}

/** Whether there is a link among the folders of an absolute path. */
function hasLink(path: string): boolean {
  // Where case does not count, the same folder may be spelled otherwise.
  if (path === "/" || Deno.realPathSync(path) === path) return false;
  return Deno.lstatSync(path).isSymlink || hasLink(dirname(path));
}

function exchanged(path: string): XorrisoError {
  return new XorrisoError(
    "TARGET_UNWRITABLE",
    `Cannot write "${path}": it or a folder above it was exchanged ` +
      `meanwhile, so that it may lie elsewhere`,
    { path },
  );
}
