/** The command `put`: files, folders and standard input to the medium. */
import type { XorrisoBackend } from "../backend/backend.ts";
import type { BackendOptions } from "../backend/options.ts";
import type { Medium } from "../medium.ts";
import { systemError, XorrisoError } from "../errors.ts";
import type { PutTreeOptions, TreeSource } from "../tree/options.ts";
import { putTree } from "../tree/put.ts";
import { UsageError } from "./exit.ts";
import { requireDirectory } from "./find.ts";
import { newestSession, open } from "./open.ts";
import { defined, type Run } from "./run.ts";
import { formatBytes, formatCount } from "./terminal.ts";

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
  const { left, copied, needed, free } = result;
  for (const each of left) run.leaveOut(each);
  // The others were copied to be sure alone.
  const moving = copied.filter(({ reason }) => reason !== "recent");
  for (const { name } of moving) run.tellEntry({ kind: "copied", name });
  if (free !== undefined && needed > free) {
    run.fail(
      new XorrisoError(
        "MEDIUM_FULL",
        `This would not fit: it needs ${formatBytes(needed)}, and there are ` +
          formatBytes(free),
        { needed, free },
      ),
    );
  }
  const { files, bytes, folders, links } = result;
  const { attributes, moved, removed, unchanged, excluded } = result;
  const isNothing =
    files + folders + links + attributes + moved + removed === 0;
  // What has stopped everything is told by then.
  if (isNothing && unchanged === 0 && run.hasFailed) return;
  const dryRun = run.has("dry-run");
  const session = dryRun || isNothing
    ? undefined
    : await newestSession(backend);
  const verb = dryRun ? "Would store" : "Stored";
  await run.sumUp(
    isNothing ? "Nothing to store" : `${verb} ${formatCount(files, "file")}`,
    {
      ...{ bytes, folders, links, attributes, moved, removed, unchanged },
      ...{ excluded, copied: moving.length },
    },
    { files, copied, session, ...dryRun && { needed, free } },
  );
}

/** Stores standard input. */
async function putInput(
  run: Run,
  backend: XorrisoBackend,
  name: string,
): Promise<void> {
  const isNew = await backend.query(name) === undefined;
  try {
    await backend.put(run.stdin(), name, {
      verify: run.has("verify"),
      ...run.watched,
    });
  } catch (cause) {
    // All else is an error of the module already.
    const doing = "Cannot read standard input";
    throw systemError(cause, { doing, code: "SOURCE_UNREADABLE" });
  }
  await backend.commit({ signal: run.signal });
  const { size: bytes = 0 } = await backend.query(name) ?? {};
  run.tellEntry({ kind: isNew ? "added" : "content", name, size: bytes });
  const session = await newestSession(backend);
  await run.sumUp("Stored 1 file", { bytes }, { files: 1, session });
}
