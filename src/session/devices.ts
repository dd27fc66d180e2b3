/** The optical drives of the machine. */

import { Dialogue } from "../dialogue/dialogue.ts";
import type { Answer } from "../dialogue/exchange.ts";
import { unquote } from "../dialogue/protocol.ts";
import {
  requireArgs,
  requireRead,
  requireRun,
  requireWrite,
} from "../disk/permissions.ts";
import { XorrisoError } from "../errors.ts";
import type { Medium } from "../medium.ts";
import type { XorrisoOptions } from "../options.ts";
import { readMedium } from "./medium.ts";
import { openSession } from "./open.ts";

/** One optical drive. */
export interface Device {
  /** Path of its device file. */
  readonly device: string;
  /** Who made it; empty where the drive could not be asked. */
  readonly vendor: string;
  /** What they call it; empty where the drive could not be asked. */
  readonly product: string;
  /** The medium in it, if there is one that can be looked at. */
  readonly medium: Medium | undefined;
  /**
   * Why no medium could be looked at: NO_MEDIUM above all; PERMISSION_DENIED or
   * DRIVE_BUSY where the drive itself could not be opened.
   */
  readonly error: unknown;
}

/** How to look for drives. */
export type DevicesOptions = Pick<
  XorrisoOptions,
  "xorrisoPath" | "xorrisoArgs" | "readyTimeout" | "signal" | "timeout"
>;

/**
 * Lists the optical drives that xorriso finds, with their media.
 *
 * Those that this user may not read and write, or that another program has
 * open, are listed with that as the error. Looking at a medium takes a second
 * or two for each drive, and closes its tray; a drive in use costs six.
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
  const { results, messages } = await scan(options);
  const found = messages.flatMap(refused);
  for (const line of results) {
    const [, quoted = "", vendor = "", product = ""] = DEVICE.exec(line) ?? [];
    const device = unquote(quoted);
    if (device === undefined) continue;
    const names = { vendor: vendor.trim(), product: product.trim() };
    found.push({ device, ...names, ...await tryMedium(device, options) });
    signal?.throwIfAborted();
  }
  return found.sort((a, b) => a.device < b.device ? -1 : 1);
}

/** `0  -dev '/dev/sr0' rwrw-- :  'PIONEER ' 'BD-RW   BDR-209D'` */
const DEVICE = /^\d+ +-dev ('.*') +[rwx-]{6} +: +'(.*)' '(.*)' *$/;

/** `libburn : NOTE : Failed to open device '/dev/sr0' : Permission denied` */
const REFUSED =
  /^libburn : \w+ : (Failed to open|Cannot open busy) device '(.*)' : /;

/** The drive, if any, of which a message says that it could not be opened. */
function refused(line: string): Device[] {
  const [, how, device] = REFUSED.exec(line) ?? [];
  if (device === undefined) return [];
  const isBusy = how === "Cannot open busy";
  const error = new XorrisoError(
    isBusy ? "DRIVE_BUSY" : "PERMISSION_DENIED",
    isBusy
      ? `Cannot look at "${device}": another program uses it, or it is mounted`
      : `Cannot look at "${device}": this user may not read and write it; ` +
        `join the group that may, often "cdrom"`,
    { path: device, messages: [line] },
  );
  return [{ device, vendor: "", product: "", medium: undefined, error }];
}

const TIMEOUT = 60_000;

async function scan(options: DevicesOptions): Promise<Answer> {
  const { xorrisoPath = "xorriso", xorrisoArgs = [] } = options;
  const { signal, timeout = TIMEOUT } = options;
  const dialogue = await Dialogue.start(xorrisoPath, xorrisoArgs, {
    timeout,
    grace: 10_000,
    mayKill: true,
    signal,
  });
  try {
    const answer = await dialogue.exchange("-devices", {
      doing: "Cannot look for drives",
      tolerant: true,
      signal,
    });
    const { problem } = answer;
    // xorriso reports drives that cannot be opened as a problem, too.
    const other = problem?.messages.find((line) =>
      !REFUSED.test(line) && !line.endsWith(" : No drives found")
    );
    if (problem !== undefined && other !== undefined) throw problem;
    return answer;
  } finally {
    await dialogue.end();
  }
}

/** The medium in a drive, or why it cannot be read. */
async function tryMedium(
  device: string,
  options: DevicesOptions,
): Promise<Pick<Device, "medium" | "error">> {
  try {
    await using session = await openSession(device, {
      ...options,
      readOnly: true,
    });
    return { medium: await readMedium(session), error: undefined };
  } catch (error) {
    if (!(error instanceof XorrisoError)) throw error;
    return { medium: undefined, error };
  }
}
