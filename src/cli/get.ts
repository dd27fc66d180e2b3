/** The command `get`: from the medium to disk or standard output. */
import type { XorrisoBackend } from "../backend/backend.ts";
import type { ListedEntry } from "../backend/options.ts";
import { isGranted } from "../disk/permissions.ts";
import { isCode } from "../errors.ts";
import { baseName, folderOf } from "../names.ts";
import { getTree } from "../tree/get.ts";
import type { GetTreeOptions } from "../tree/options.ts";
import { folderOfGlob } from "../tree/select.ts";
import { UsageError } from "./exit.ts";
import { findEntries, namesMeant } from "./find.ts";
import { open } from "./open.ts";
import { defined, type Run } from "./run.ts";
import { formatCount } from "./terminal.ts";

/** `get URL [NAME...]` */
export async function get(run: Run): Promise<void> {
  const to = run.value("to");
  await using backend = await open(run, { readOnly: true });
  const entries = await findEntries(run, backend);
  if (run.exit !== 0) return;
  const names = namesMeant(run, entries);
  const [name = ""] = names.length === 1 ? names : [];
  const named = entries.find((each) => each.name === name);
  const file = named?.type === "file" ? named : undefined;
  if (to === "-") {
    if (file === undefined) {
      throw new UsageError("Standard output takes a single file: name one");
    }
    await getToOutput(run, backend, file);
  } else if (file !== undefined && to !== undefined && !await isFolder(to)) {
    await getFile(run, backend, file, to);
  } else {
    // A folder that is named alone is PATH itself, so that a second run goes to the same place.
    const base = named === undefined
      ? folderOfGlob(name)
      : named.type === "directory"
      ? name
      : folderOf(name);
    const folder = to ?? (base === name && baseName(base) || ".");
    const { left, ...counts } = await getTree(
      backend,
      names.length === 0 ? "" : names,
      folder,
      defined<GetTreeOptions>({
        base,
        exclude: run.values("exclude"),
        overwrite: run.has("overwrite") ? "differing" : "never",
        owner: run.has("owner") || undefined,
        setId: run.has("set-id"),
        ...run.treeOptions,
      }),
    );
    for (const each of left) run.leaveOut(each);
    await sumUpRestored(run, counts);
  }
}

/** Streams one file to standard output. */
async function getToOutput(
  run: Run,
  backend: XorrisoBackend,
  { name, size }: ListedEntry,
): Promise<void> {
  const { signal, onProgress } = run.watched;
  let done = 0;
  for await (const chunk of await backend.readable(name, { signal })) {
    await run.write(chunk);
    done += chunk.length;
    onProgress({ phase: "restoring", done, total: size, rate: undefined });
  }
}

/** Restores one file under a name of its own. */
async function getFile(
  run: Run,
  backend: XorrisoBackend,
  { name, size }: ListedEntry,
  target: string,
): Promise<void> {
  try {
    if (!run.has("dry-run")) {
      await backend.get(name, target, {
        overwrite: run.has("overwrite") ? "always" : "never",
        ...run.watched,
      });
    }
  } catch (error) {
    if (!isCode(error, "TARGET_EXISTS")) throw error;
    run.leaveOut({ name, path: target, reason: "exists", error });
    return await sumUpRestored(run, { files: 0, bytes: 0 });
  }
  run.tellEntry({ kind: "restored", name, size });
  await sumUpRestored(run, { files: 1, bytes: size });
}

/** Tells in the last line what has been restored. */
async function sumUpRestored(
  run: Run,
  { files, ...counts }: Readonly<Record<string, number>> & {
    readonly files: number;
  },
): Promise<void> {
  const verb = run.has("dry-run") ? "Would restore" : "Restored";
  await run.sumUp(`${verb} ${formatCount(files, "file")}`, counts, { files });
}

/** Whether a path means a folder: by its name, or since there is one. */
async function isFolder(path: string): Promise<boolean> {
  if (path === "" || path.endsWith("/")) return true;
  if (!await isGranted("read", path)) return false;
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    // What keeps it from being seen is told when it is written.
    return false;
  }
}
