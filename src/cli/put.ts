/** The command `put`. */
import { eachOf } from "../async.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import { parseLocation } from "../backend/url.ts";
import { walkFolder } from "../disk/folders.ts";
import { resolveForRead } from "../disk/permissions.ts";
import { XorrisoError } from "../errors.ts";
import { join } from "../names.ts";
import { UsageError } from "./arguments.ts";
import type { Run } from "./run.ts";
import { formatBytes, plural } from "./terminal.ts";

/** Something to be stored. */
interface Source {
  /** A path on disk; `undefined` for standard input. */
  readonly path: string | undefined;
  /** Whether the user named it. What was found in a folder may fail without the rest. */
  readonly isNamed: boolean;
}

/** `put URL PATH...` */
export async function put(run: Run): Promise<void> {
  const sources = await collectSources(run);
  const volumeId = run.value("volume-id");
  await using backend = await run.open({
    create: run.has("create"),
    ...(volumeId === undefined ? {} : { volumeId }),
  });
  const verify = run.has("verify");
  const staged: string[] = [];
  await eachOf(sources, async ([name, { path, isNamed }]) => {
    run.signal.throwIfAborted();
    try {
      // Thousands of files on one signal would make each of its listeners slow to remove.
      await (path === undefined
        ? backend.put(watchStdin(run), name, { verify, signal: run.signal })
        : backend.put(path, name, { verify }));
      staged.push(name);
    } catch (error) {
      // What was found in a folder can have a name that no medium takes.
      const failure = error instanceof TypeError && !isNamed
        ? new XorrisoError("SOURCE_UNREADABLE", error.message, {
          path: path ?? name,
          cause: error,
        })
        : error;
      if (isNamed || !isOfOneFile(failure)) throw error;
      run.fail(failure);
    }
  });
  const lost = await commit(run, backend);
  const { directory } = parseLocation(run.operands[0] ?? "");
  const kept = staged.filter((name) =>
    !lost.has(sources.get(name)?.path) && !lost.has(join(directory, name))
  );
  const found = await backend.queryList(kept);
  const stored = found.filter((entry) => entry !== undefined);
  await run.printJson(stored.map(({ name, size }) => ({ name, size })));
  const bytes = stored.reduce((sum, { size }) => sum + size, 0);
  await run.sumUp(
    [`Stored ${plural(stored.length, "file")}`, formatBytes(bytes)],
    { stored: stored.length, bytes },
  );
}

/**
 * Commits. Files that have changed meanwhile keep no others back, but are failures, also if they were named.
 *
 * @returns What failed: paths on disk or on the medium.
 */
async function commit(
  run: Run,
  backend: XorrisoBackend,
): Promise<Set<string | undefined>> {
  const lost = new Set<string | undefined>();
  try {
    await backend.commit({ signal: run.signal });
  } catch (error) {
    if (!isOfOneFile(error)) throw error;
    const { cause } = error;
    const all: unknown[] = cause instanceof AggregateError
      ? cause.errors
      : [error];
    for (const each of all) {
      run.fail(each);
      if (isOfOneFile(each)) lost.add(each.path);
    }
  }
  return lost;
}

/** Finds out what is to be stored under which names, before anything is opened. */
async function collectSources(run: Run): Promise<Map<string, Source>> {
  const [url = "", ...paths] = run.operands;
  const as = run.value("as");
  if (as !== undefined && paths.length > 1) {
    throw new UsageError('The flag "--as" is for a single path');
  }
  const image = await findImage(url);
  const sources = new Map<string, Source>();
  const add = (name: string, source: Source) => {
    if (sources.has(name)) {
      throw new UsageError(
        `Cannot store two files as "${name}": store one by a call of its own with --as`,
      );
    }
    sources.set(name, source);
  };
  for (const path of paths) {
    if (path === "-") {
      if (as === undefined) {
        throw new UsageError('Standard input needs a name: add "--as"');
      }
      add(as, { path: undefined, isNamed: true });
      continue;
    }
    const real = await findSource(path);
    const name = as ?? lastPart(path) ?? lastPart(real) ?? "";
    if (!(await Deno.stat(real)).isDirectory) {
      add(name, { path, isNamed: true });
      continue;
    }
    for await (const found of walkFolder(real)) {
      run.signal.throwIfAborted();
      const type = found.path === image ? "image" : found.type;
      const leave = (reason: string, why: string) =>
        run.leaveOut({
          ...{ name, path: found.path, reason },
          error: new Error(`Left out "${found.path}": ${why}`),
        });
      if (type === "unreadable") {
        leave(type, whyNot(found.cause));
      } else if (type === "file") {
        const inside = found.path.slice(real === "/" ? 1 : real.length + 1);
        add(below(name, inside), { path: found.path, isNamed: false });
      } else {
        leave(type, LEFT_OUT[type]);
      }
    }
  }
  return sources;
}

/** Standard input, which tells how far it has been read. */
function watchStdin(run: Run): ReadableStream<Uint8Array> {
  let done = 0;
  return run.stdin().pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        done += chunk.length;
        run.progress({
          phase: "reading",
          done,
          total: undefined,
          rate: undefined,
        });
        controller.enqueue(chunk);
      },
    }),
  );
}

/** Why something in a folder is not stored. */
const LEFT_OUT = {
  link: "it is a link",
  special: "it is neither a file nor a folder",
  image: "it is the image that is written to",
};

/** The image's real path, so that a folder can be stored that the image is in. */
async function findImage(url: string): Promise<string | undefined> {
  const { device } = parseLocation(url);
  try {
    return await resolveForRead(device, "the image");
  } catch {
    // Whether it may be missing, and what else is wrong with it, is told when it is opened.
    return undefined;
  }
}

/** The real path of something that the user named. */
async function findSource(path: string): Promise<string> {
  try {
    return await resolveForRead(path, "the source");
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    throw unstorable(path, cause);
  }
}

/** What the operating system has against a source. */
function unstorable(path: string, cause: unknown): XorrisoError {
  return new XorrisoError(
    "SOURCE_UNREADABLE",
    `Cannot store "${path}": ${whyNot(cause)}`,
    { path, cause },
  );
}

function whyNot(cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) {
    return "there is no such file or folder";
  }
  return cause instanceof Error ? cause.message : String(cause);
}

/** Whether an error says nothing against the other files. */
function isOfOneFile(
  error: unknown,
): error is XorrisoError & { readonly path: string } {
  return error instanceof XorrisoError && error.path !== undefined &&
    FAILURES_OF_ONE_FILE.has(error.code);
}

const FAILURES_OF_ONE_FILE: ReadonlySet<string> = new Set([
  "SOURCE_UNREADABLE",
  "SOURCE_CHANGED",
  "ENTRY_EXISTS",
  "CHECKSUM_MISMATCH",
]);

/** The last part of a path, if it has one that is a name. */
function lastPart(path: string): string | undefined {
  const part = path.split("/").findLast((each) => each !== "");
  return part === "." || part === ".." ? undefined : part;
}

/** A relative path below a folder, which is `""` for a disk's root. */
function below(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
