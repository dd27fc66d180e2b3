/** Opens what the command line names, as its flags say. */
import { delay } from "@std/async/delay";
import { XorrisoBackend } from "../backend/backend.ts";
import type { BackendOptions, Place } from "../backend/options.ts";
import { readSettings, splitArgs } from "../backend/settings.ts";
import { isCode } from "../errors.ts";
import { parseWriteSpeed } from "../options.ts";
import { type Device, devices } from "../session/devices.ts";
import { UsageError } from "./exit.ts";
import { defined, type Run } from "./run.ts";

/** Milliseconds between two attempts to open a drive that is in use. */
const POLL = 500;

/** What the module tells of a medium; what is discarded in the end has been told by a failure. */
const WARNING = /^xorriso-backend : WARNING : ((?!.*discarded).*)$/s;

/** Opens the medium of the first operand, or another place; staging and commit are left to the command. */
export async function open(
  run: Run,
  options: BackendOptions = {},
  place: Place = run.location,
): Promise<XorrisoBackend> {
  const { signal } = run;
  const speed = run.value("write-speed");
  const wait = parseSeconds(run.value("wait"));
  const end = performance.now() + (wait ?? 0);
  const all = defined<BackendOptions>({
    ...program(run),
    writeSpeed: speed === undefined ? undefined : parseWriteSpeed(speed),
    assertVolumeId: run.value("assert-volid"),
    session: parseSession(run.value("session")),
    lockTimeout: wait,
    recover: run.has("recover") || undefined,
    autoCommit: false,
    ...run.watched,
    onMessage: (line) => {
      const [, warning] = line.match(WARNING) ?? [];
      if (warning !== undefined) run.warn(warning);
    },
    ...options,
  });
  for (;;) {
    try {
      return await XorrisoBackend.open(place, all);
    } catch (error) {
      // An image has been waited for by then; nothing tells when a drive is free.
      const isOver = performance.now() >= end;
      if (isOver || !isCode(error, "DRIVE_BUSY")) throw error;
      await delay(POLL, { signal });
    }
  }
}

/** The number of the newest session. */
export async function newestSession(
  backend: XorrisoBackend,
): Promise<number | undefined> {
  return (await backend.sessions()).at(-1)?.number;
}

/** Lists the optical drives. */
export async function listDevices(run: Run): Promise<Device[]> {
  const options = program(run);
  const settings = { ...readSettings(options), ...options };
  return await devices({ ...settings, signal: run.signal });
}

/** Which xorriso to start, and how. */
function program(
  run: Run,
): Pick<BackendOptions, "xorrisoPath" | "xorrisoArgs"> {
  const words = run.value("xorriso-args");
  return defined<BackendOptions>({
    xorrisoPath: run.value("xorriso-path"),
    xorrisoArgs: words === undefined ? undefined : splitArgs(words),
  });
}

/**
 * Reads a session: its number, or a date in local time, which a day stands for the end of; nothing is the
 * newest.
 */
export function parseSession(text = "latest"): number | Date | undefined {
  if (text === "latest") return undefined;
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  const day = /^\d{4}-\d\d-\d\d$/.test(text);
  const date = new Date(day ? `${text}T23:59:59.999` : text);
  if (/^\d{4}-/.test(text) && !Number.isNaN(date.getTime())) return date;
  throw new UsageError(
    `Cannot use the session "${text}": it must be a number from 1, a date like 2026-11-26 or "2026-11-26 18:30", or "latest"`,
  );
}

/** Reads the value of `--wait`, in milliseconds. */
function parseSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (/^\d/.test(text) && seconds < 1e6) return seconds * 1000;
  throw new UsageError(`Cannot wait "${text}": it must be a number of seconds`);
}
