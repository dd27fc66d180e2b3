/** The commands that show what is on the medium: `list`, `diff`, `verify`. */
import type { BackendOptions, ListedEntry } from "../backend/options.ts";
import { compareTree } from "../tree/compare.ts";
import { compareEntries } from "../tree/difference.ts";
import type { CompareTreeOptions, TreeChange } from "../tree/options.ts";
import { folderOf } from "../names.ts";
import { UsageError } from "./exit.ts";
import { findEntries, requireDirectory, sortByName } from "./find.ts";
import { filters, storedAs } from "./put.ts";
import { open, parseSession } from "./open.ts";
import { defined, type Run } from "./run.ts";
import {
  formatCount,
  formatCounts,
  formatDate,
  formatMode,
} from "./terminal.ts";

/** `list URL [NAME...]` */
export async function list(run: Run): Promise<void> {
  const md5 = run.has("md5");
  const isLong = run.has("long");
  await using backend = await open(run, { readOnly: true });
  const entries = await findEntries(run, backend, { md5 });
  const full = new Set(entries.map(({ name }) => folderOf(name)));
  // What is in a folder tells of it, if nothing of its own is shown.
  const shown = isLong || run.has("json")
    ? entries
    : entries.filter(({ name }) => !full.has(name));
  await run.print(
    shown.map((entry) => describe(entry, md5)),
    ({ name, type, size, mtime, mode, link, md5: sum }) => [
      ...isLong
        ? [
          formatMode(type, mode),
          type === "file" ? run.size(size) : "-",
          formatDate(new Date(mtime)),
        ]
        : [],
      ...md5 ? [sum ?? "-"] : [],
      run.name(name) + (type === "directory" ? "/" : "") +
      (isLong && link !== undefined ? ` -> ${run.name(link)}` : ""),
    ],
    isLong ? [1] : [],
  );
  if (entries.length === 0 && run.exit !== 0) return;
  const count = (wanted: string) =>
    entries.filter(({ type }) => type === wanted).length;
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  run.note([
    formatCount(count("file"), "file"),
    run.size(bytes),
    ...formatCounts({
      folder: count("directory"),
      link: count("link"),
      "special file": count("other"),
    }),
  ].join(", "));
}

/** An entry as `--json` tells it. */
function describe(
  { name, type, size, mtime, mode, uid, gid, link, md5: sum }: ListedEntry,
  md5: boolean,
) {
  return {
    ...{ name, type, size, mtime: mtime.toISOString(), mode, uid, gid, link },
    md5: md5 && type === "file" ? sum ?? null : undefined,
  };
}

/** `diff URL PATH`, or `diff URL --from SESSION` */
export async function diff(run: Run): Promise<void> {
  const path = run.operands[1];
  const from = run.value("from");
  if ((path === undefined) === (from === undefined)) {
    throw new UsageError('Compare with a PATH, or with a session by "--from"');
  }
  const changes = path === undefined
    ? await compareSessions(run, from ?? "")
    : await compareFolder(run, path);
  await run.print(
    sortByName(changes),
    ({ kind, name, type, attributes }) => [
      kind,
      run.name(name) + (type === "directory" ? "/" : "") +
      (attributes.length > 0 ? `  (${attributes.join(", ")})` : ""),
    ],
  );
  const count = (wanted: TreeChange["kind"]) =>
    changes.filter(({ kind }) => kind === wanted).length;
  const counts = formatCounts({
    added: count("added"),
    removed: count("removed"),
    "of another type": count("type"),
    "with other content": count("content"),
    "with other attributes": count("attributes"),
  });
  run.note(counts.join(", ") || "No differences");
}

/** What a `put` of a folder would change. */
async function compareFolder(run: Run, path: string): Promise<TreeChange[]> {
  await using backend = await open(run, { readOnly: true });
  await requireDirectory(run, backend, { mayMiss: true });
  return await compareTree(
    backend,
    path,
    defined<CompareTreeOptions>({
      as: storedAs(run),
      ...filters(run),
      checksums: run.has("checksum"),
      signal: run.signal,
    }),
  );
}

/** What has changed since a session; one is closed before the other is opened, as a drive takes no two. */
async function compareSessions(run: Run, from: string): Promise<TreeChange[]> {
  const list = async (options: BackendOptions, mayMiss: boolean) => {
    await using backend = await open(run, { readOnly: true, ...options });
    await requireDirectory(run, backend, { mayMiss });
    return await backend.list({ all: true, md5: true });
  };
  const session = parseSession(from);
  const older = await list(defined<BackendOptions>({ session }), true);
  return compareEntries(older, await list({}, older.length > 0));
}

/** `verify URL [NAME...]` */
export async function verify(run: Run): Promise<void> {
  await using backend = await open(run, { readOnly: true });
  const entries = await findEntries(run, backend);
  const files = entries.filter(({ type }) => type === "file");
  const results = await backend.verify(
    files.map(({ name }) => name),
    run.watched,
  );
  const counts = { verified: 0, failed: 0, unverifiable: 0 };
  for (const { name, state, error } of results) {
    counts[state]++;
    if (error !== undefined) run.fail(error);
    else if (state === "unverifiable") {
      const message =
        `Cannot verify "${name}": no checksum was recorded for it`;
      run.leaveOut({ name, reason: state, error: new Error(message) });
    } else run.tellEntry({ kind: state, name });
  }
  const { verified, failed } = counts;
  await run.sumUp(
    `Verified ${formatCount(verified, "file")}`,
    { failed },
    { verified },
  );
}
