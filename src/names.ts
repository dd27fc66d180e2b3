/** Names on a medium: which may be stored, and how paths are put together. */

import { encodeName } from "./dialogue/protocol.ts";

/**
 * Bytes that one part of a new name may have.
 *
 * Rock Ridge allows 255, but libisofs 1.5.4 miscounts the room that longer
 * names take in a large directory and then writes a session that cannot be
 * used; with recorded checksums the first failure was seen at 106 bytes.
 */
const MAX_PART = 100;

/** Bytes that a whole path may have: xorriso's own limit is 4095. */
const MAX_PATH = 4000;

/** Bytes that a volume id may have (ECMA-119, 8.4.8). */
const MAX_VOLUME_ID = 32;

/**
 * Checks a path on the medium that is to be read or removed.
 *
 * @returns The path without trailing slashes.
 * @throws {TypeError} If it is not absolute or has parts that cannot be names.
 */
export function checkPath(path: string): string {
  if (!path.startsWith("/")) {
    throw new TypeError(
      `Cannot use the path ${show(path)}: a path on the medium begins with "/"`,
    );
  }
  const parts = path.split("/").filter((part) => part !== "");
  for (const part of parts) checkPart(part, path);
  const clean = "/" + parts.join("/");
  if (isLonger(clean, MAX_PATH)) {
    throw new TypeError(
      `Cannot use the path ${show(path.slice(0, 40) + "...")}: it is longer ` +
        `than ${MAX_PATH} bytes`,
    );
  }
  return clean;
}

/**
 * Checks a path on the medium that is to be stored.
 *
 * @returns The path without trailing slashes.
 * @throws {TypeError} As {@linkcode checkPath}, and if a part is too long or
 * no valid Unicode.
 */
export function checkNewPath(path: string): string {
  if (!path.isWellFormed()) {
    throw new TypeError(
      `Cannot store the name ${show(path)}: it has a lone surrogate, which ` +
        `has no form in UTF-8`,
    );
  }
  const clean = checkPath(path);
  for (const part of clean.split("/")) {
    if (!isLonger(part, MAX_PART)) continue;
    throw new TypeError(
      `Cannot store the name ${show(part)}: it has ${
        byteLength(part)
      } bytes, ` +
        `at most ${MAX_PART} are safe on the medium`,
    );
  }
  return clean;
}

/**
 * Checks a relative name and puts it below a directory.
 *
 * Empty parts are refused here: a name stands for itself alone.
 *
 * @param directory Absolute path on the medium, `/` or `/a/b`.
 * @param isNew Whether it is to be stored.
 * @returns The absolute path on the medium.
 * @throws {TypeError} If it cannot be a name.
 */
export function checkName(
  directory: string,
  name: string,
  isNew: boolean,
): string {
  if (name.split("/").includes("")) {
    throw new TypeError(
      `Cannot use the name ${show(name)}: it must be relative, without ` +
        `empty parts`,
    );
  }
  const path = join(directory, name);
  return isNew ? checkNewPath(path) : checkPath(path);
}

/**
 * Checks a volume id.
 *
 * @throws {TypeError} If it is longer than 32 bytes or cannot be written.
 */
export function checkVolumeId(volumeId: string): string {
  if (volumeId.isWellFormed() && !volumeId.includes("\0")) {
    if (byteLength(volumeId) <= MAX_VOLUME_ID) return volumeId;
  }
  throw new TypeError(
    `Cannot use the volume id ${show(volumeId)}: it must be text of at most ` +
      `${MAX_VOLUME_ID} bytes without NUL`,
  );
}

/** Puts a relative name below a directory of the medium. */
export function join(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** The name below a directory; undefined if the path is not below it. */
export function relative(directory: string, path: string): string | undefined {
  const prefix = directory === "/" ? "/" : `${directory}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
}

/** The directories above a path, the root first: `/a/b` has `/` and `/a`. */
export function* parents(path: string): Generator<string> {
  yield "/";
  for (let i = path.indexOf("/", 1); i > 0; i = path.indexOf("/", i + 1)) {
    yield path.slice(0, i);
  }
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function checkPart(part: string, path: string): void {
  if (part === "." || part === ".." || part.includes("\0")) {
    throw new TypeError(
      `Cannot use the name ${show(path)}: no part may be "." or "..", or ` +
        `hold NUL`,
    );
  }
}

/**
 * Whether a name has more bytes. No UTF-16 unit takes more than three, so most
 * need not be encoded to know.
 *
 * @throws {TypeError} If it has a lone surrogate that stands for no byte.
 */
function isLonger(text: string, bytes: number): boolean {
  if (text.length * 3 <= bytes && text.isWellFormed()) return false;
  return byteLength(text) > bytes;
}

function byteLength(text: string): number {
  return encodeName(text).length;
}

/** A name in a message: quoted, with what a terminal may obey escaped. */
export function show(name: string): string {
  return JSON.stringify(name);
}
