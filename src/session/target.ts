/** The target of a session: a drive, or an image file that is locked. */

import { resolve } from "@std/path/posix/resolve";
import { ImageFile } from "../disk/image.ts";
import {
  absolutePath,
  isDrivePath,
  isGranted,
  requireWrite,
  resolveForRead,
} from "../disk/permissions.ts";
import { XorrisoError } from "../errors.ts";
import type { XorrisoOptions } from "../options.ts";

/** The target of a session. */
export interface Target {
  /** As the user names it. */
  readonly device: string;
  /** Its absolute path without links. */
  readonly path: string;
  /** The operand of `-dev`. */
  readonly address: string;
  /** The image file, if it is one; locked, if it is writable. */
  readonly image: ImageFile | undefined;
  readonly writable: boolean;
}

/** Milliseconds in which the xorriso of a program that was just killed sees the end of its input. */
const LOCK_TIMEOUT = 2000;

/** A device that was found. */
export interface Located {
  /** As it was named; of an image absolute, since the program may change its folder. */
  readonly name: string;
  /** The path without links, as far as it is there. */
  readonly path: string;
  readonly isDrive: boolean;
  /** Whether sessions can be written to it. */
  readonly writable: boolean;
}

/** Makes the paths in options absolute: they are used again whenever xorriso is started anew. */
export function withAbsolutePaths<
  Options extends Pick<XorrisoOptions, "xorrisoPath" | "tempDir">,
>(options: Options): Options {
  const { xorrisoPath, tempDir } = options;
  return {
    ...options,
    ...(tempDir !== undefined && { tempDir: absolutePath(tempDir) }),
    // Another one is looked for in PATH.
    ...(xorrisoPath?.includes("/") &&
      { xorrisoPath: absolutePath(xorrisoPath) }),
  };
}

/** Finds out what a device is. */
export async function locate(
  device: string,
  { readOnly = false, create = false, session }: {
    readonly readOnly?: boolean;
    readonly create?: boolean;
    readonly session?: unknown;
  },
): Promise<Located> {
  const found = await resolveForRead(device, "the drive or image")
    .catch((error: unknown) => {
      // Opening it fails by all other problems.
      if (error instanceof Deno.errors.NotCapable) throw error;
      return undefined;
    });
  const path = found ?? device;
  const isDrive = await isDrivePath(path);
  const isNew = create && found === undefined;
  // An image that is there is opened for reading if write permission is missing.
  const writable = !readOnly && session === undefined &&
    (isDrive || isNew || await isGranted("write", path));
  return { name: isDrive ? device : resolve(device), path, isDrive, writable };
}

/** Finds out what a device is, and locks it if it is an image file. */
export async function acquire(
  device: string,
  options: XorrisoOptions,
): Promise<Target> {
  if (device === "" || device.includes("\0")) {
    throw new TypeError("Cannot open a device without a name, or with NUL");
  }
  const { path, isDrive, writable } = await locate(device, options);
  if (isDrive) {
    await requireWrite(path, "the drive");
    return { device, path, address: path, image: undefined, writable };
  }
  const { create = false, lock, lockTimeout = LOCK_TIMEOUT, signal } = options;
  const locking = { lock, lockTimeout, signal };
  const image = await ImageFile.open(device, { writable, create, ...locking });
  const address = `stdio:${image.path}`;
  return { device, path: image.path, address, image, writable };
}

/**
 * Makes sure that a device was opened for writing, and may be written by now.
 *
 * @throws {XorrisoError} MEDIUM_NOT_WRITABLE where it was opened for reading.
 * @throws {Deno.errors.NotCapable} When write permission is missing.
 */
export async function requireOpenForWriting(
  { device, path, isDrive, writable }:
    & Pick<Target, "device" | "path" | "writable">
    & Pick<Located, "isDrive">,
  { readOnly = false, session }: {
    readonly readOnly?: boolean;
    readonly session?: unknown;
  },
): Promise<void> {
  const isReader = readOnly || session !== undefined;
  if (!isReader) await requireWrite(path, isDrive ? "the drive" : "the image");
  if (writable) return;
  const why = isReader
    ? "it was opened for reading alone"
    : "write permission was granted only after it had been opened; open it " +
      "again";
  throw new XorrisoError(
    "MEDIUM_NOT_WRITABLE",
    `Cannot change "${device}": ${why}`,
    { path: device },
  );
}

/**
 * Unlocks and closes an image file.
 *
 * @param gone Whether xorriso has ended.
 */
export async function release(
  image: ImageFile | undefined,
  gone: boolean,
): Promise<void> {
  // xorriso that was left to itself may still write.
  if (!gone) return image?.abandon();
  await image?.restore();
  await image?.[Symbol.asyncDispose]();
}
