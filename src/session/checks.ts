/** Checks at opening: options, version of xorriso, volume id. */

import { XorrisoError } from "../errors.ts";
import type { Medium } from "../medium.ts";
import { checkVolumeId } from "../names.ts";
import { parseWriteSpeed, type XorrisoOptions } from "../options.ts";
import type { Target } from "./target.ts";

/** Refuses options with impossible values. */
export function checkOptions(options: XorrisoOptions): void {
  const { volumeId, assertVolumeId, requireVolumeId, session, writeSpeed } =
    options;
  for (const id of [volumeId, assertVolumeId, requireVolumeId]) {
    if (id !== undefined) checkVolumeId(id);
  }
  if (session !== undefined) checkSession(session);
  if (writeSpeed !== undefined) parseWriteSpeed(writeSpeed);
  for (const name of ["timeout", "readyTimeout", "lockTimeout"] as const) {
    const value = options[name];
    if (value === undefined || value >= 0) continue;
    throw new RangeError(`Cannot use the ${name} ${value}: it must be >= 0`);
  }
}

/** Refuses what cannot be the number of a session. */
export function checkSession(session: number): void {
  if (Number.isSafeInteger(session) && session > 0) return;
  throw new RangeError(
    `Cannot use the session ${session}: sessions are numbered from 1 on`,
  );
}

/** The oldest version whose behaviour this module is built on. */
const OLDEST = [1, 5, 2];

/** Reads the version of xorriso; refuses one that is too old. */
export function checkVersion(results: readonly string[]): string {
  const [, version] =
    /^xorriso version +: +(\d+(?:\.\d+)*)/m.exec(results.join("\n")) ?? [];
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

/**
 * Makes sure that the medium has the volume id that the caller asserts; one
 * without any volume passes only where a first session may be written to it.
 */
export function checkVolume(
  medium: Medium,
  { assertVolumeId, requireVolumeId, volumeId }: XorrisoOptions,
  { device: path, writable }: Pick<Target, "device" | "writable">,
): void {
  const isNew = medium.status === "blank" || medium.volumeId === undefined;
  // The first session gives a new medium this volume id.
  const begun = writable ? volumeId ?? assertVolumeId : undefined;
  const checks = [
    [assertVolumeId, isNew ? begun : medium.volumeId],
    [requireVolumeId, isNew ? undefined : medium.volumeId],
  ];
  for (const [wanted, actual] of checks) {
    if (wanted === undefined) continue;
    if (actual !== undefined && trimEnd(actual) === trimEnd(wanted)) continue;
    const what = actual === undefined
      ? "it has none yet"
      : `it is "${trimEnd(actual)}"`;
    throw new XorrisoError(
      "VOLUME_MISMATCH",
      `Cannot use the medium in "${path}": its volume id is not "${wanted}", ` +
        `${what}; insert the right one`,
      { path },
    );
  }
}

function trimEnd(volumeId: string): string {
  return volumeId.replace(/ +$/, "");
}
