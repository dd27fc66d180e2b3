/** The optical drives of the machine. */

import { Dialogue } from "./dialogue.ts";
import { XorrisoError } from "./errors.ts";
import {
  requireArgs,
  requireRead,
  requireRun,
  requireWrite,
} from "./permissions.ts";
import { unquote } from "./protocol.ts";
import type { Medium } from "./report.ts";
import type { XorrisoOptions } from "./options.ts";
import { Xorriso } from "./xorriso.ts";

/** One optical drive. */
export interface Device {
  /** Path of its device file. */
  readonly device: string;
  /** Who made it. */
  readonly vendor: string;
  /** What they call it. */
  readonly product: string;
  /** The medium in it, if there is one that can be looked at. */
  readonly medium: Medium | undefined;
  /** Why there is no medium: NO_MEDIUM above all. */
  readonly error: unknown;
}

/** How to look for drives. */
export type DevicesOptions = Pick<
  XorrisoOptions,
  "xorrisoPath" | "xorrisoArgs" | "readyTimeout" | "signal" | "timeout"
>;

/**
 * Lists the optical drives that this user may read and write, with their media.
 *
 * A drive that another program has open is not seen. Looking at a medium takes
 * a second or two for each drive, and closes its tray.
 *
 * @param options How to start xorriso, and how long to wait for a drive.
 * @returns One device for each drive; empty where there is none.
 * @throws {Deno.errors.NotCapable} Without `--allow-run=xorriso`,
 * `--allow-read=/dev` and `--allow-write=/dev`.
 * @throws {Deno.errors.NotFound} When xorriso is not installed.
 *
 * @example What is there
 * ```ts ignore
 * import { devices } from "@xorriso/backend";
 *
 * for (const { device, medium } of await devices()) {
 *   console.log(device, medium?.profile ?? "no medium");
 * }
 * ```
 */
export async function devices(options: DevicesOptions = {}): Promise<Device[]> {
  const { xorrisoPath = "xorriso", xorrisoArgs = [], signal } = options;
  await requireRun(xorrisoPath);
  await requireArgs(xorrisoArgs);
  await requireRead("/dev", "the drives");
  await requireWrite("/dev", "the drives");
  const found: Device[] = [];
  for (const line of await scan(options)) {
    const [, quoted = "", vendor = "", product = ""] = DEVICE.exec(line) ?? [];
    const device = unquote(quoted);
    if (device === undefined) continue;
    const names = { vendor: vendor.trim(), product: product.trim() };
    found.push({ device, ...names, ...await look(device, options) });
    signal?.throwIfAborted();
  }
  return found;
}

/** `0  -dev '/dev/sr0' rwrw-- :  'PIONEER ' 'BD-RW   BDR-209D'` */
const DEVICE = /^\d+ +-dev ('.*') +[rwx-]{6} +: +'(.*)' '(.*)' *$/;

const TIMEOUT = 60_000;

async function scan(options: DevicesOptions): Promise<readonly string[]> {
  const { xorrisoPath = "xorriso", xorrisoArgs = [] } = options;
  const { signal, timeout = TIMEOUT } = options;
  const dialogue = await Dialogue.start(xorrisoPath, xorrisoArgs, {
    ...{ timeout, grace: 10_000, mayKill: true },
    signal,
  });
  try {
    const { results, problem } = await dialogue.exchange("-devices", {
      doing: "Cannot look for drives",
      tolerant: true,
      ...(signal && { signal }),
    });
    // Busy drives are told as problems, too; the others are listed all the same.
    const known = /No drives found|busy device|Failed to open device/;
    const other = problem?.messages.find((line) => !known.test(line));
    if (problem !== undefined && other !== undefined) throw problem;
    return results;
  } finally {
    await dialogue.end();
  }
}

async function look(
  device: string,
  options: DevicesOptions,
): Promise<Pick<Device, "medium" | "error">> {
  try {
    await using session = await Xorriso.open(device, {
      ...options,
      readOnly: true,
    });
    return { medium: await session.medium(), error: undefined };
  } catch (error) {
    if (!(error instanceof XorrisoError)) throw error;
    return { medium: undefined, error };
  }
}
