/** Symbolic and hard links that are made on disk, where a stranger may exchange a folder meanwhile. */

import { type DiskAttributes, loadLinkAttributes } from "./attributes.ts";
import { type Identity, tolerate } from "./files.ts";
import { identify, StraightPaths } from "./straight.ts";
import { alreadyThere, partPath } from "./targets.ts";

/**
 * Makes a symbolic link.
 *
 * @param text What it points to.
 * @param path Absolute path, in a folder without links above it.
 * @param replace Whether it takes the place of what is there.
 * @throws {XorrisoError} TARGET_EXISTS when something is there that is not to be replaced, or
 * TARGET_UNWRITABLE when a folder was exchanged; what else the system says is thrown as it is.
 */
export async function makeSymlink(
  text: string,
  path: string,
  replace: boolean,
  attributes: DiskAttributes,
): Promise<void> {
  const setAttributes = await loadLinkAttributes();
  makeLink(path, replace, (part) => {
    Deno.symlinkSync(text, part);
    const identity = identify(part);
    setAttributes(part, attributes);
    return identity;
  });
}

/**
 * Gives a file another name.
 *
 * @param from The file, in a folder without links above it.
 * @param path As with {@linkcode makeSymlink}.
 * @param replace The same.
 * @throws {XorrisoError} The same.
 */
export function makeHardLink(
  from: string,
  path: string,
  replace: boolean,
): void {
  makeLink(path, replace, (part) => {
    new StraightPaths().require(from);
    const identity = identify(from);
    Deno.linkSync(from, part);
    new StraightPaths().requireSame(from, identity);
    return identity;
  });
}

/** Makes a link under its name, or beside what has the name, whose place it then takes. */
function makeLink(
  path: string,
  replace: boolean,
  make: (path: string) => Identity,
): void {
  new StraightPaths().require(path);
  const part = replace ? partPath(path) : path;
  try {
    const identity = make(part);
    if (replace) Deno.renameSync(part, path);
    new StraightPaths().requireSame(path, identity);
  } catch (error) {
    if (replace) tolerate(() => Deno.removeSync(part));
    throw error instanceof Deno.errors.AlreadyExists
      ? alreadyThere(path)
      : error;
  }
}
