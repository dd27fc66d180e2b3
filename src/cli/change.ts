/** The commands that change names on the medium: `delete` and `move`. */
import { folderOf, unspellName } from "../names.ts";
import { UsageError } from "./exit.ts";
import { findEntries } from "./find.ts";
import { newestSession, open } from "./open.ts";
import type { Run } from "./run.ts";
import { formatCount } from "./terminal.ts";

/** `delete URL NAME...` */
export async function remove(run: Run): Promise<void> {
  const recursive = run.has("recursive");
  await using backend = await open(run);
  const entries = await findEntries(run, backend);
  // Of a list that is wrong in one place nothing is removed.
  if (run.exit !== 0) return;
  const folders = new Set(
    entries.filter(({ type }) => type === "directory").map(({ name }) => name),
  );
  const [folder] = folders;
  if (folder !== undefined && !recursive) {
    throw new UsageError(
      `"${folder}" is a folder: add "--recursive" to remove what is below it`,
    );
  }
  // A folder takes with it what is below.
  const highest = entries.filter(({ name }) => !folders.has(folderOf(name)));
  const results = await backend.apply(
    highest.map(({ name }) => ({ kind: "remove", name, recursive })),
    run.watched,
  );
  const failed = results.filter(({ error }) => error !== undefined);
  for (const { error } of failed) run.fail(error);
  const kept = failed.map(({ name }) => name);
  const removed = entries.filter(({ name }) =>
    !kept.some((each) => name === each || name.startsWith(`${each}/`))
  );
  // What has stopped everything is told by then.
  if (removed.length === 0 && run.hasFailed) return;
  for (const { name } of removed) run.tellEntry({ kind: "removed", name });
  const files = removed.filter(({ name }) => !folders.has(name)).length;
  const session = removed.length > 0 ? await newestSession(backend) : undefined;
  await run.sumUp(
    `Removed ${formatCount(files, "file")}`,
    { folders: removed.length - files },
    { files, session },
  );
}

/** `move URL NAME NEW` */
export async function move(run: Run): Promise<void> {
  const [from = "", name = ""] = run.names.map(unspellName);
  const { signal } = run;
  await using backend = await open(run);
  await backend.rename(from, name, { overwrite: run.has("overwrite"), signal });
  await backend.commit({ signal });
  run.tellEntry({ kind: "moved", name, from });
  const session = await newestSession(backend);
  await run.sumUp(`Moved "${from}" to "${name}"`, {}, { moved: 1, session });
}
