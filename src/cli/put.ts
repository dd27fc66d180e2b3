/** The command `put`: files, folders and standard input to the medium. */
import type { XorrisoBackend } from "../backend/backend.ts";
import type { BackendOptions } from "../backend/options.ts";
import type { Medium } from "../medium.ts";
import { XorrisoError } from "../errors.ts";
import type {
  CopiedFile,
  PutTreeOptions,
  PutTreeResult,
  TreeSource,
} from "../tree/options.ts";
import { putTree } from "../tree/put.ts";
import { UsageError } from "./exit.ts";
import { requireDirectory } from "./find.ts";
import { newestSession, open } from "./open.ts";
import { defined, type Run } from "./run.ts";
import { formatBytes, formatCount, formatCounts } from "./terminal.ts";

/** `put URL PATH...` */
export async function put(run: Run): Promise<void> {
  const paths = run.operands.slice(1);
  const as = storedAs(run);
  if (as !== undefined && paths.length > 1) {
    throw new UsageError('The flag "--as" is for a single path');
  }
  const isInput = paths.includes("-");
  if (isInput && as === undefined) {
    throw new UsageError('Standard input needs a name: add "--as"');
  }
  if (isInput && run.has("dry-run")) {
    throw new UsageError('The flag "--dry-run" is not for standard input');
  }
  await using backend = await open(
    run,
    defined<BackendOptions>({
      create: run.has("create"),
      volumeId: run.value("volume-id"),
    }),
  );
  await requireDirectory(run, backend, { mayMiss: true });
  requireNew(run, await backend.medium());
  if (isInput) await putInput(run, backend, as ?? "");
  else {
    await putPaths(
      run,
      backend,
      paths.map((path) => defined<TreeSource>({ path, as })),
    );
  }
}

/** Makes sure that a volume id is not given to what has another one. */
function requireNew(run: Run, { volumeId }: Medium): void {
  const wanted = run.value("volume-id");
  if (wanted === undefined || volumeId === undefined) return;
  if (volumeId.trimEnd() === wanted.trimEnd()) return;
  throw new UsageError(
    `The flag "--volume-id" is for what is new: this is "${volumeId}" already`,
  );
}

/** What `--as` says; a dot is the directory of the URL itself. */
export function storedAs(run: Run): string | undefined {
  const as = run.value("as");
  return as === "." ? "" : as;
}

/** What the flags say that put and diff have in common. */
export function filters(run: Run) {
  return {
    exclude: run.values("exclude"),
    excludeFrom: run.value("exclude-from"),
    links: run.has("follow") ? "follow" as const : "store" as const,
  };
}

/** Stores files and folders. */
async function putPaths(
  run: Run,
  backend: XorrisoBackend,
  sources: readonly TreeSource[],
): Promise<void> {
  const result = await putTree(
    backend,
    sources,
    defined<PutTreeOptions>({
      ...filters(run),
      mirror: run.has("mirror"),
      unchanged: run.has("all") ? "store" : "time",
      verify: run.has("verify"),
      ...run.treeOptions,
    }),
  );
  for (const each of result.left) run.leaveOut(each);
  for (const { name } of result.copied.filter(isMoving)) {
    run.tellEntry({ kind: "copied", name });
  }
  const { needed, free } = result;
  if (free !== undefined && needed > free) {
    const told = `needs ${formatBytes(needed)}, and there are ` +
      formatBytes(free);
    run.fail(
      new XorrisoError(
        "MEDIUM_FULL",
        `This would not fit: it ${told}`,
        { needed, free },
      ),
    );
  }
  await sumUpStored(run, backend, result);
}

/** Stores standard input. */
async function putInput(
  run: Run,
  backend: XorrisoBackend,
  name: string,
): Promise<void> {
  const isNew = await backend.query(name) === undefined;
  await backend.put(run.stdin(), name, {
    verify: run.has("verify"),
    ...run.watched,
  });
  await backend.commit({ signal: run.signal });
  const { size = 0 } = await backend.query(name) ?? {};
  run.tellEntry({ kind: isNew ? "added" : "content", name, size });
  await sumUpStored(run, backend, { files: 1, bytes: size });
}

/** Tells in the last line what has been stored. */
async function sumUpStored(
  run: Run,
  backend: XorrisoBackend,
  result: Partial<PutTreeResult>,
): Promise<void> {
  const { files = 0, bytes = 0, folders = 0, links = 0 } = result;
  const { unchanged = 0, attributes = 0, moved = 0, removed = 0 } = result;
  const { copied = [], needed, free } = result;
  const dryRun = run.has("dry-run");
  const isNothing =
    files + folders + links + attributes + moved + removed === 0;
  // What has stopped everything is told by then.
  if (isNothing && unchanged === 0 && run.hasFailed) return;
  const session = dryRun || isNothing
    ? undefined
    : await newestSession(backend);
  const verb = dryRun ? "Would store" : "Stored";
  await run.sumUp([
    isNothing ? "Nothing to store" : `${verb} ${formatCount(files, "file")}`,
    ...files > 0 ? [formatBytes(bytes)] : [],
    ...formatCounts({
      ...{ folder: folders, link: links, "with other attributes": attributes },
      ...{ moved, removed, unchanged },
      "stored from a copy": copied.filter(isMoving).length,
    }),
  ], {
    ...{ files, bytes, folders, links, attributes, moved, removed, unchanged },
    ...{ copied, session },
    ...dryRun && { needed, free },
  });
}

/** Whether a copy was taken of what moves, not only to be sure. */
function isMoving({ reason }: CopiedFile): boolean {
  return reason !== "recent";
}
