/** The commands that show drives and media: `info` and `devices`. */
import type { XorrisoBackend } from "../backend/backend.ts";
import { BLOCK, type Medium, type RecordedSession } from "../medium.ts";
import { XorrisoError } from "../errors.ts";
import { listDevices, open } from "./open.ts";
import { requireDirectory } from "./find.ts";
import type { Run } from "./run.ts";
import { alignColumns, formatBytes, formatDate } from "./terminal.ts";

/** `info URL` */
export async function showInfo(run: Run): Promise<void> {
  await using backend = await openForInfo(run);
  await requireDirectory(run, backend);
  const medium = await backend.medium();
  const sessions = await backend.sessions();
  // Only what was opened for writing can tell what a session takes.
  const room = backend.writable ? await backend.room() : undefined;
  const { drive, profile, status, used, appendable } = medium;
  // An image may grow as long as its disk has room: what that has left is no part of it.
  const isImage = profile.startsWith("stdio");
  const free = isImage ? undefined : medium.free;
  const volumeId = medium.volumeId ?? null;
  const behind = medium.behind ?? null;
  const state = behind === null ? status : "closed";
  const lines = alignColumns([
    [isImage ? "Image" : "Drive", run.name(drive)],
    ["Medium", `${isImage ? "image file" : profile}, ${state}`],
    ["Volume id", volumeId === null ? "none" : run.name(volumeId)],
    ["Used", run.size(used)],
    ...free === undefined ? [] : [["Free", run.size(free)]],
    ["Room", room === undefined ? "unknown" : `${run.size(room)} for files`],
    ["Sessions", String(sessions.length)],
    ...behind === null ? [] : [["Closed", behind]],
  ]);
  const bar = drawBar(sessions, free, run.columns - 1);
  const rows = sessions.map(({ number, date, size, volumeId }) => [
    ...["", String(number), date === undefined ? "-" : formatDate(date)],
    ...[run.size(size), run.name(volumeId)],
  ]);
  const table = rows.length === 0
    ? []
    : ["", bar, "", ...alignColumns(rows, [1, 3])];
  await run.print(
    [{
      ...{ drive, profile, status, volumeId, used, free: free ?? null },
      ...{ room: room ?? null, appendable, behind, sessions },
    }],
    () => [[...lines, ...table].join("\n")],
  );
}

/**
 * Draws which session takes what of a medium, and how much is free: `|111112223······|  60 %`.
 *
 * @param sessions Oldest first; each is drawn as the last digit of its number.
 * @param free Bytes behind the last session; `undefined` where this says nothing of how full it is.
 * @param columns Width of the whole.
 */
export function drawBar(
  sessions: readonly Pick<RecordedSession, "number" | "lba" | "size">[],
  free: number | undefined,
  columns: number,
): string {
  const end = sessions.reduce(
    (end, { lba, size }) => Math.max(end, lba * BLOCK + size),
    0,
  );
  const capacity = end + (free ?? 0);
  const share = free === undefined
    ? ""
    : `  ${Math.round(end / capacity * 100)} %`;
  const width = Math.max(10, columns - share.length - 2);
  const cells = Array.from({ length: width }, (_, i) => {
    const middle = (i + 0.5) / width * capacity;
    if (middle > end) return "·";
    // What lies between two sessions belongs to the older one.
    const { number = 0 } = sessions.findLast(({ lba }) =>
      lba * BLOCK <= middle
    ) ?? sessions[0] ?? {};
    return String(number % 10);
  });
  return `|${cells.join("")}|${share}`;
}

/** Opens a medium for writing, to see what fits; for reading where that cannot be. */
async function openForInfo(run: Run): Promise<XorrisoBackend> {
  try {
    return await open(run);
  } catch (error) {
    const isReadable = error instanceof XorrisoError
      ? ONLY_READABLE.has(error.code)
      // Reading takes fewer permissions, and of an image no xorriso.
      : error instanceof Deno.errors.NotCapable ||
        error instanceof Deno.errors.NotFound;
    if (!isReadable) throw error;
    return await open(run, { readOnly: true });
  }
}

/** What does not keep a medium from being read. */
const ONLY_READABLE: ReadonlySet<string> = new Set([
  "DRIVE_BUSY",
  "MEDIUM_NOT_WRITABLE",
  "PERMISSION_DENIED",
]);

/** A medium as `--json` tells it. */
export function describeMedium(
  { profile, status, volumeId, free }: Omit<Medium, "drive">,
) {
  return { profile, status, volumeId: volumeId ?? null, free };
}

/** A medium in a line. */
export function summarizeMedium(
  { profile, status, free }: Pick<Medium, "profile" | "status" | "free">,
): string {
  return `${profile}, ${status}, ${formatBytes(free)} free`;
}

/** `devices` */
export async function showDevices(run: Run): Promise<void> {
  const found = await listDevices(run);
  await run.print(
    found.map(({ device, vendor, product, medium, error }) => ({
      ...{ device, vendor, product },
      medium: medium === undefined ? null : describeMedium(medium),
      error: error instanceof XorrisoError ? error.code : null,
    })),
    ({ device, vendor, product, medium, error }) => [
      run.name(device),
      run.name(`${vendor} ${product}`.trim()) || "unknown",
      medium === null ? error ?? "" : summarizeMedium(medium),
    ],
  );
  for (const { error } of found) {
    if (!(error instanceof XorrisoError)) continue;
    if (error.code !== "NO_MEDIUM") run.note(error.message);
  }
  if (found.length === 0) run.note("No optical drive was found");
}
