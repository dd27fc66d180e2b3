/** The commands that show drives and media: `info` and `devices`. */
import type { XorrisoBackend } from "../backend/backend.ts";
import { XorrisoError } from "../errors.ts";
import type { Run } from "./run.ts";
import { alignColumns, formatBytes } from "./terminal.ts";

/** `info URL` */
export async function info(run: Run): Promise<void> {
  await using backend = await openToLook(run);
  const medium = await backend.medium();
  const sessions = await backend.sessions();
  // Only what was opened for writing can tell what a session takes.
  const room = backend.writable ? await backend.room() : undefined;
  const { drive, profile, status, volumeId, used, free } = medium;
  const bytes = (value: number) => `${formatBytes(value)} (${value} bytes)`;
  const lines = [
    ["Drive", run.name(drive)],
    ["Medium", `${profile}, ${status}`],
    ["Volume id", volumeId === undefined ? "none" : run.name(volumeId)],
    ["Used", bytes(used)],
    ["Free", bytes(free)],
    ["Room", room === undefined ? "unknown" : `${bytes(room)} for files`],
    ["Sessions", String(sessions.length)],
    ...sessions.map(({ number, lba, size, volumeId }) => [
      `  ${number}`,
      `at block ${lba}, ${formatBytes(size)}, ${run.name(volumeId)}`,
    ]),
  ];
  await run.print(
    [{
      drive,
      profile,
      status,
      volumeId: volumeId ?? null,
      used,
      free,
      room: room ?? null,
      appendable: medium.appendable,
      sessions: sessions.map(({ number, lba, size, volumeId }) => ({
        number,
        lba,
        size,
        volumeId,
      })),
    }],
    () => [alignColumns(lines).join("\n")],
  );
}

/** Opens a medium for writing, to see what fits; for reading where that cannot be. */
async function openToLook(run: Run): Promise<XorrisoBackend> {
  try {
    return await run.open();
  } catch (error) {
    if (!(error instanceof XorrisoError) || !ONLY_READABLE.has(error.code)) {
      throw error;
    }
    return await run.open({ readOnly: true });
  }
}

/** What does not keep a medium from being read. */
const ONLY_READABLE: ReadonlySet<string> = new Set([
  "DRIVE_BUSY",
  "MEDIUM_NOT_WRITABLE",
  "PERMISSION_DENIED",
]);

/** `devices` */
export async function devices(run: Run): Promise<void> {
  const found = await run.devices();
  await run.print(
    found.map(({ device, vendor, product, medium, error }) => ({
      device,
      vendor,
      product,
      medium: medium === undefined ? null : {
        profile: medium.profile,
        status: medium.status,
        volumeId: medium.volumeId ?? null,
        free: medium.free,
      },
      error: error instanceof XorrisoError ? error.code : null,
    })),
    ({ device, vendor, product, medium, error }) => [
      run.name(device),
      run.name(`${vendor} ${product}`.trim()) || "unknown",
      medium === null
        ? error ?? ""
        : `${medium.profile}, ${medium.status}, ${
          formatBytes(medium.free)
        } free`,
    ],
  );
  for (const { error } of found) {
    if (!(error instanceof XorrisoError)) continue;
    if (error.code !== "NO_MEDIUM") run.note(error.message);
  }
  if (found.length === 0) run.note("No optical drive was found");
}
