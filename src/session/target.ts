/** How a drive or an image file is opened, and what is judged at that. */

import { XorrisoError } from "../errors.ts";
import { ImageFile } from "../disk/image.ts";
import { checkVolumeId } from "../names.ts";
import {
  isDrivePath,
  isGranted,
  requireWrite,
  resolveForRead,
} from "../disk/permissions.ts";
import type { Medium } from "../dialogue/answers.ts";
import { parseWriteSpeed, type XorrisoOptions } from "../options.ts";

/** What a session is about. */
export interface Target {
  /** As the user names it. */
  readonly device: string;
  /** As xorriso is told it. */
  readonly address: string;
  /** The locked file, where it is one. */
  readonly image: ImageFile | undefined;
  readonly writable: boolean;
}

/** Finds out what a device is, and locks it if it is an image file. */
export async function acquire(
  device: string,
  options: XorrisoOptions,
): Promise<Target> {
  const { readOnly = false, create = false, session } = options;
  const wanted = !readOnly && session === undefined;
  if (device === "" || device.includes("\0")) {
    throw new TypeError("Cannot open a device without a name, or with NUL");
  }
  const path = await resolveForRead(device, "the drive or image")
    .catch((error: unknown) => {
      // Whatever else is wrong, the image's own opening tells it.
      if (error instanceof Deno.errors.NotCapable) throw error;
      return device;
    });
  if (await isDrivePath(path)) {
    await requireWrite(path, "the drive");
    return { device, address: path, image: undefined, writable: wanted };
  }
  const writable = wanted && (create || await isGranted("write", path));
  const { lock, lockTimeout, signal } = options;
  const locking = { lock, lockTimeout, signal };
  const image = await ImageFile.open(device, { writable, create, ...locking });
  return { device, address: `stdio:${image.path}`, image, writable };
}

/**
 * Lets go of an image file.
 *
 * @param gone Whether no process uses it any more.
 */
export async function release(
  image: ImageFile | undefined,
  gone: boolean,
): Promise<void> {
  // What has been left to itself may still write.
  if (gone) await image?.restore();
  await image?.[Symbol.asyncDispose]();
}

/** Refuses options with values that cannot be. */
export function checkOptions(options: XorrisoOptions): void {
  const { volumeId, assertVolumeId, session, writeSpeed } = options;
  if (volumeId !== undefined) checkVolumeId(volumeId);
  if (assertVolumeId !== undefined) checkVolumeId(assertVolumeId);
  if (session !== undefined) checkSession(session);
  if (writeSpeed !== undefined) parseWriteSpeed(writeSpeed);
  for (const name of ["timeout", "readyTimeout", "lockTimeout"] as const) {
    const value = options[name];
    if (value === undefined || value >= 0) continue;
    throw new RangeError(`Cannot use the ${name} ${value}: it must be >= 0`);
  }
}

/** Refuses what is no number of a session. */
export function checkSession(session: number): void {
  if (Number.isSafeInteger(session) && session > 0) return;
  throw new RangeError(
    `Cannot use the session ${session}: sessions are numbered from 1 on`,
  );
}

/** Judges what is on the medium against what the module saw itself. */
export function checkState(
  state: string,
  medium: Medium,
  device: string,
): void {
  const blank = medium.status === "blank";
  if (state === "iso" && blank) throw stateError("damaged", device);
  if (state === "blank" && !blank) throw stateError("foreign", device);
}

/** Why an image file in this state cannot be opened. */
export function stateError(state: string, device: string): XorrisoError {
  const doing = `Cannot open "${device}"`;
  switch (state) {
    case "interrupted":
      return new XorrisoError(
        "IMAGE_DAMAGED",
        `${doing}: the writing of its first session was interrupted, so it ` +
          `holds nothing yet; open it for writing with create to begin again`,
        { path: device },
      );
    case "headless":
      return new XorrisoError(
        "IMAGE_DAMAGED",
        `${doing}: the writing of its first session was interrupted at the ` +
          `very end; open it for writing with create to complete it`,
        { path: device },
      );
    case "damaged":
      return new XorrisoError(
        "IMAGE_DAMAGED",
        `${doing}: its volume descriptor is damaged; do not write to it`,
        { path: device },
      );
    default:
      return new XorrisoError(
        "NOT_ISO",
        `${doing}: it holds no ISO 9660 image; choose another file`,
        { path: device },
      );
  }
}

/** The oldest version whose behaviour this module is built on. */
const OLDEST = [1, 5, 2];

/** The version of xorriso, if it is one that can be driven. */
export function checkVersion(results: readonly string[]): string {
  const version = results.map((line) =>
    /^xorriso version +: +(\d+(?:\.\d+)*)/.exec(line)?.[1]
  ).find((found) => found !== undefined);
  const parts = version?.split(".").map(Number) ?? [];
  const at = OLDEST.findIndex((part, index) => parts[index] !== part);
  if (
    version === undefined || at >= 0 && (parts[at] ?? 0) < (OLDEST[at] ?? 0)
  ) {
    throw new XorrisoError(
      "PROTOCOL",
      `Cannot use xorriso ${version ?? "of unknown version"}: at least ` +
        `${OLDEST.join(".")} is needed; install a newer one`,
    );
  }
  return version;
}

/** Makes sure that the medium is the one that the caller means. */
export function checkVolume(
  medium: Medium,
  { assertVolumeId, volumeId }: XorrisoOptions,
  device: string,
): void {
  if (assertVolumeId === undefined) return;
  // What is about to get its first sound session gets its volume id, too.
  const actual = medium.status === "blank" || medium.volumeId === undefined
    ? volumeId ?? assertVolumeId
    : medium.volumeId;
  if (trimEnd(actual) === trimEnd(assertVolumeId)) return;
  throw new XorrisoError(
    "VOLUME_MISMATCH",
    `Cannot use the medium in "${device}": its volume id is ` +
      `"${trimEnd(actual)}", not "${assertVolumeId}"; insert the right one`,
    { path: device },
  );
}

function trimEnd(volumeId: string): string {
  return volumeId.replace(/ +$/, "");
}
