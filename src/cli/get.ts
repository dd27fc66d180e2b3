/** The command `get`: from the medium to disk or standard output. */
import type { XorrisoBackend } from "../backend/backend.ts";
import type { ListedEntry } from "../backend/options.ts";
import { isGranted } from "../disk/permissions.ts";
import { baseName } from "../names.ts";
import { UsageError } from "./arguments.ts";
import { findEntries } from "./find.ts";
import type { Run } from "./run.ts";
import { formatBytes, plural } from "./terminal.ts";

/** `get URL [NAME...]` */
export async function get(run: Run): Promise<void> {
  const names = run.operands.slice(1);
  const to = run.value("to");
  await using backend = await run.open({ readOnly: true });
  const entries = (await findEntries(run, backend))
    .filter(({ type }) => type === "file");
  const name = names.length === 1 ? trimSlashes(names[0] ?? "") : "";
  const entry = entries.find((each) => each.name === name);
  if (run.exit !== 0) return;
  if (to === "-") {
    if (entry === undefined) {
      throw new UsageError("Standard output takes a single file: name one");
    }
    return await getToOutput(run, backend, entry);
  }
  if (entry !== undefined && to !== undefined && !await isFolder(to)) {
    await backend.get(name, to, restoring(run));
    return await tell(run, [{ name, size: entry.size, target: to }]);
  }
  // A folder that is named alone is PATH itself, so that a second run goes to the same place.
  const base = entry !== undefined
    ? name.slice(0, Math.max(0, name.lastIndexOf("/")))
    : entries.every((each) => each.name.startsWith(`${name}/`))
    ? name
    : "";
  const folder = to ?? (entry === undefined && baseName(base) || ".");
  const results = await backend.getList(
    entries.map(({ name }) => name),
    folder,
    { base, ...restoring(run) },
  );
  for (const { error } of results) {
    if (error !== undefined) run.fail(error);
  }
  await tell(
    run,
    entries.filter((_, i) => results[i]?.error === undefined)
      .map(({ name, size }) => ({
        name,
        size,
        target: `${folder}/${name.slice(base === "" ? 0 : base.length + 1)}`,
      })),
  );
}

/** Streams one file to standard output. */
async function getToOutput(
  run: Run,
  backend: XorrisoBackend,
  { name, size }: ListedEntry,
): Promise<void> {
  const { signal } = run;
  let done = 0;
  for await (const chunk of await backend.readable(name, { signal })) {
    await run.write(chunk);
    done += chunk.length;
    run.progress({ phase: "restoring", done, total: size, rate: undefined });
  }
}

/** How files are restored. */
function restoring(run: Run) {
  return {
    signal: run.signal,
    onProgress: (progress: Parameters<Run["progress"]>[0]) =>
      run.progress(progress),
  };
}

/** Tells what has been restored. */
async function tell(
  run: Run,
  files: readonly { name: string; size: number; target: string }[],
): Promise<void> {
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  await run.printJson(files);
  await run.sumUp(
    [`Restored ${plural(files.length, "file")}`, formatBytes(bytes)],
    { restored: files.length, bytes },
  );
}

function trimSlashes(name: string): string {
  return name.split("/").filter((part) => part !== "" && part !== ".")
    .join("/");
}

/** Whether a path means a folder: by its name, or since there is one. */
async function isFolder(path: string): Promise<boolean> {
  if (path.endsWith("/")) return true;
  // What may not be looked at is told when it is written.
  if (!await isGranted("read", path)) return false;
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
