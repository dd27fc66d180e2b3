/** The commands that are about a drive and its medium as such: `blank`, `format`, `finish`, `eject`, `load`. */
import type { XorrisoBackend } from "../backend/backend.ts";
import type { BackendOptions } from "../backend/options.ts";
import { isDrivePath } from "../disk/permissions.ts";
import { XorrisoError } from "../errors.ts";
import type { BlankMode, FormatMode } from "../options.ts";
import { UsageError } from "./exit.ts";
import { open } from "./open.ts";
import type { Run } from "./run.ts";
import { describeMedium, summarizeMedium } from "./info.ts";

/** `blank URL` */
export async function blank(run: Run): Promise<void> {
  await using backend = await openWhole(run, { foreign: true });
  await backend.blank(erasing<BlankMode>(run));
  await tellMedium(run, backend);
}

/** `format URL` */
export async function format(run: Run): Promise<void> {
  await using backend = await openWhole(run, { foreign: true });
  await backend.format(erasing<FormatMode>(run));
  await tellMedium(run, backend);
}

/** How a medium is erased; the table of commands knows which modes there are. */
function erasing<Mode extends string>(run: Run) {
  const mode = run.value("mode") as Mode | undefined;
  const { signal } = run;
  return { ...mode && { mode }, force: run.has("force"), signal };
}

/** `finish URL` */
export async function finish(run: Run): Promise<void> {
  await using backend = await openWhole(run);
  await backend.finish({ signal: run.signal });
  await tellMedium(run, backend);
}

/** `eject URL` */
export async function eject(run: Run): Promise<void> {
  await using backend = await openWhole(run, { foreign: true });
  await backend.eject();
  run.note("Ejected");
}

/** `load URL` */
export async function load(run: Run): Promise<void> {
  const { device } = run.location;
  if (!await isDrivePath(device)) {
    throw new XorrisoError(
      "NO_DRIVE",
      `Cannot load "${device}": it is an image file, no drive`,
      { path: device },
    );
  }
  // Opening pulls the tray in.
  await using backend = await openWhole(run, { readOnly: true });
  await tellMedium(run, backend);
}

/** Opens a medium of which no part can be meant. */
async function openWhole(
  run: Run,
  options: BackendOptions = {},
): Promise<XorrisoBackend> {
  const { directory } = run.location;
  if (directory === "/") return await open(run, options);
  throw new UsageError(
    `This is done to the whole medium: leave out ":${directory}"`,
  );
}

/** Tells what is in the drive now. */
async function tellMedium(run: Run, backend: XorrisoBackend): Promise<void> {
  const { drive, ...medium } = await backend.medium();
  await run.printJson([{ drive, ...describeMedium(medium) }]);
  run.note(summarizeMedium(medium));
}
