/** What the commands of the command line do. */
import { UsageError } from "./arguments.ts";
import type { ListedEntry, XorrisoBackend } from "../backend/backend.ts";
import { XorrisoError } from "../errors.ts";
import { isFileName, walkFolder } from "../disk/folders.ts";
import type { Job } from "./job.ts";
import { parseLocation } from "../backend/url.ts";
import { join } from "../names.ts";
import { resolveForRead } from "../disk/permissions.ts";
import { formatBytes } from "./terminal.ts";
import type { RestoreOptions } from "../options.ts";

/** Something to be stored. */
interface Source {
  /** A path on disk; `undefined` for standard input. */
  readonly path: string | undefined;
  /** Whether the user named it. What was found in a folder may fail without the rest. */
  readonly isNamed: boolean;
}

/** Files that are staged side by side, so that none waits for the answer about another. */
const STAGED_AT_ONCE = 32;

/** `put URL PATH...` */
export async function put(job: Job): Promise<void> {
  const sources = await collectSources(job);
  const volumeId = job.value("volume-id");
  await using backend = await job.open({
    create: job.has("create"),
    ...(volumeId === undefined ? {} : { volumeId }),
  });
  const verify = job.has("verify");
  const staged: string[] = [];
  await eachOf(sources, async ([name, { path, isNamed }]) => {
    job.signal.throwIfAborted();
    try {
      // Thousands of files on one signal would make each of its listeners slow to remove.
      await (path === undefined
        ? backend.put(watchStdin(job), name, { verify, signal: job.signal })
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
      job.fail(failure);
    }
  });
  const lost = await commit(job, backend);
  const { directory } = parseLocation(job.operands[0] ?? "");
  const kept = staged.filter((name) =>
    !lost.has(sources.get(name)?.path) && !lost.has(join(directory, name))
  );
  const found = await backend.queryList(kept);
  const stored = found.filter((entry) => entry !== undefined);
  await job.printJson(stored.map(({ name, size }) => ({ name, size })));
  job.note(`Stored ${summary(stored)}`);
}

/**
 * Commits. Files that have changed meanwhile keep no others back, but are failures, also if they were named.
 *
 * @returns What failed: paths on disk or on the medium.
 */
async function commit(
  job: Job,
  backend: XorrisoBackend,
): Promise<Set<string | undefined>> {
  const lost = new Set<string | undefined>();
  try {
    await backend.commit({ signal: job.signal });
  } catch (error) {
    if (!isOfOneFile(error)) throw error;
    const { cause } = error;
    const all: unknown[] = cause instanceof AggregateError
      ? cause.errors
      : [error];
    for (const each of all) {
      job.fail(each);
      if (isOfOneFile(each)) lost.add(each.path);
    }
  }
  return lost;
}

/** Finds out what is to be stored under which names, before anything is opened. */
async function collectSources(job: Job): Promise<Map<string, Source>> {
  const [url = "", ...paths] = job.operands;
  const as = job.value("as");
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
      job.signal.throwIfAborted();
      const type = found.path === image ? "image" : found.type;
      if (type === "unreadable") {
        job.fail(unstorable(found.path, found.cause));
      } else if (type === "file") {
        const inside = found.path.slice(real === "/" ? 1 : real.length + 1);
        add(below(name, inside), { path: found.path, isNamed: false });
      } else {
        job.note(`Left out "${found.path}": ${LEFT_OUT[type]}`, {
          skipped: { path: found.path, type },
        });
      }
    }
  }
  return sources;
}

/** Standard input, which tells how far it has been read. */
function watchStdin(job: Job): ReadableStream<Uint8Array> {
  let done = 0;
  return job.stdin().pipeThrough(
    new TransformStream({
      transform(chunk, controller) {
        done += chunk.length;
        job.progress({
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
  const why = cause instanceof Deno.errors.NotFound
    ? "there is no such file or folder"
    : cause instanceof Error
    ? cause.message
    : String(cause);
  return new XorrisoError(
    "SOURCE_UNREADABLE",
    `Cannot store "${path}": ${why}`,
    { path, cause },
  );
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

/** `get URL NAME [TARGET]` */
export async function get(job: Job): Promise<void> {
  const [, given = "", target] = job.operands;
  const parts = given.split("/").filter((part) => part !== "" && part !== ".");
  const name = parts.join("/");
  await using backend = await job.open({ readOnly: true });
  const entry = parts.length === 0 ? undefined : await backend.query(name);
  if (entry === undefined) {
    await getFolder(job, backend, name, target);
  } else if (target === "-") {
    await getToOutput(job, backend, entry);
  } else {
    await getFile(job, backend, entry, target ?? parts.at(-1) ?? "");
  }
}

/** Restores one file. */
async function getFile(
  job: Job,
  backend: XorrisoBackend,
  { name, size }: ListedEntry,
  target: string,
): Promise<void> {
  requireFileName(job, target);
  await backend.get(name, target, restoring(job));
  await printRestored(job, [{ name, size, target }]);
}

/** Streams one file to standard output. */
async function getToOutput(
  job: Job,
  backend: XorrisoBackend,
  { name, size }: ListedEntry,
): Promise<void> {
  const { signal } = job;
  let done = 0;
  for await (const chunk of await backend.readable(name, { signal })) {
    await job.write(chunk);
    done += chunk.length;
    job.progress({ phase: "restoring", done, total: size, rate: undefined });
  }
}

/** Restores everything below a folder of the medium, which is `""` for all of it. */
async function getFolder(
  job: Job,
  backend: XorrisoBackend,
  name: string,
  target: string | undefined,
): Promise<void> {
  const prefix = name === "" ? "" : `${name}/`;
  const entries = (await backend.list()).filter((entry) =>
    entry.name.startsWith(prefix)
  );
  if (entries.length === 0 && name !== "") throw notFound(name);
  if (target === "-") {
    throw new UsageError(
      `"${
        name || "."
      }" is a folder: only a file can be written to standard output`,
    );
  }
  const folder = target ?? lastPart(name) ?? ".";
  requireFileName(job, folder);
  const results = await backend.getList(
    entries.map((entry) => entry.name),
    folder,
    { base: name, ...restoring(job) },
  );
  const restored = entries.filter((_, i) => results[i]?.error === undefined);
  for (const { error } of results) {
    if (error !== undefined) job.fail(error);
  }
  await printRestored(
    job,
    restored.map(({ name, size }) => ({
      name,
      size,
      target: `${folder}/${name.slice(prefix.length)}`,
    })),
  );
}

/** Makes sure that a name of the medium can be the target if no other is given. */
function requireFileName(job: Job, target: string): void {
  if (job.operands.length > 2 || target === "." || isFileName(target)) return;
  throw new UsageError(`"${target}" cannot be a file name: give TARGET`);
}

/** How files are restored. */
function restoring(job: Job): RestoreOptions {
  return {
    signal: job.signal,
    onProgress: (progress) => job.progress(progress),
  };
}

/** Tells what has been restored. */
async function printRestored(
  job: Job,
  files: readonly { name: string; size: number; target: string }[],
): Promise<void> {
  await job.printJson(files);
  job.note(`Restored ${summary(files)}`);
}

/** `list URL [GLOB]` */
export async function list(job: Job): Promise<void> {
  const glob = job.operands[1];
  await using backend = await job.open({ readOnly: true });
  const md5 = job.has("long");
  const entries = await backend.list({
    md5,
    ...(glob === undefined ? {} : { glob }),
  });
  await (md5 ? printLong(job, entries) : job.print(
    entries.map(({ name, size }) => ({ name, size })),
    ({ name }) => job.name(name),
  ));
}

/** `query URL NAME...` */
export async function query(job: Job): Promise<void> {
  const names = job.operands.slice(1);
  await using backend = await job.open({ readOnly: true });
  const entries = await backend.queryList(names, { md5: true });
  names.forEach((name, i) => {
    if (entries[i] === undefined) job.fail(notFound(name));
  });
  await printLong(job, entries.filter((entry) => entry !== undefined));
}

/** Prints size, MD5 and name of files. */
async function printLong(
  job: Job,
  entries: readonly ListedEntry[],
): Promise<void> {
  const largest = entries.reduce(
    (size, entry) => Math.max(size, entry.size),
    0,
  );
  const width = String(largest).length;
  await job.print(
    entries.map(({ name, size, md5 }) => ({ name, size, md5: md5 ?? null })),
    ({ name, size, md5 }) =>
      [
        String(size).padStart(width),
        (md5 ?? "-").padEnd(32),
        job.name(name),
      ].join("  "),
  );
}

/** `delete URL NAME...` */
export async function remove(job: Job): Promise<void> {
  const names = job.operands.slice(1);
  await using backend = await job.open();
  const results = await backend.deleteList(names);
  await backend.commit({ signal: job.signal });
  const deleted = results.filter(({ error }) => error === undefined);
  for (const { error } of results) {
    if (error !== undefined) job.fail(error);
  }
  await job.printJson(deleted.map(({ name }) => ({ name })));
  job.note(`Deleted ${plural(deleted.length, "file")}`);
}

/** `info URL` */
export async function info(job: Job): Promise<void> {
  await using backend = await openToLook(job);
  const medium = await backend.medium();
  const sessions = await backend.sessions();
  // Only what was opened for writing can tell what a session takes.
  const room = backend.writable ? await backend.room() : undefined;
  const { drive, profile, status, volumeId, used, free } = medium;
  const bytes = (value: number) => `${formatBytes(value)} (${value} bytes)`;
  const lines = [
    ["Drive", job.name(drive)],
    ["Medium", `${profile}, ${status}`],
    ["Volume id", volumeId === undefined ? "none" : job.name(volumeId)],
    ["Used", bytes(used)],
    ["Free", bytes(free)],
    ["Room", room === undefined ? "unknown" : `${bytes(room)} for files`],
    ["Sessions", String(sessions.length)],
    ...sessions.map(({ number, lba, size, volumeId }) => [
      `  ${number}`,
      `at block ${lba}, ${formatBytes(size)}, ${job.name(volumeId)}`,
    ]),
  ].map(([label = "", value]) => `${label.padEnd(10)}  ${value}`);
  await job.print(
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
    () => lines.join("\n"),
  );
}

/** Opens a medium for writing, to see what fits; for reading where that cannot be. */
async function openToLook(job: Job): Promise<XorrisoBackend> {
  try {
    return await job.open();
  } catch (error) {
    if (!(error instanceof XorrisoError) || !ONLY_READABLE.has(error.code)) {
      throw error;
    }
    return await job.open({ readOnly: true });
  }
}

/** What does not keep a medium from being read. */
const ONLY_READABLE: ReadonlySet<string> = new Set([
  "DRIVE_BUSY",
  "MEDIUM_NOT_WRITABLE",
  "PERMISSION_DENIED",
]);

/** `blank URL` */
export async function blank(job: Job): Promise<void> {
  const mode = parseMode(job, ["as_needed", "fast", "all"]);
  await using backend = await job.open({ foreign: true });
  await backend.blank({ ...mode, force: job.has("force"), signal: job.signal });
  await tellMedium(job, backend);
}

/** `format URL` */
export async function format(job: Job): Promise<void> {
  const mode = parseMode(job, ["as_needed", "fast", "full"]);
  await using backend = await job.open({ foreign: true });
  await backend.format({
    ...mode,
    ...{ force: job.has("force"), signal: job.signal },
  });
  await tellMedium(job, backend);
}

/** Reads the value of `--mode`. */
function parseMode<T extends string>(
  job: Job,
  modes: readonly T[],
): { readonly mode?: T } {
  const text = job.value("mode");
  if (text === undefined) return {};
  const mode = modes.find((each) => each === text);
  if (mode !== undefined) return { mode };
  throw new UsageError(
    `Unknown mode "${text}": it must be one of ${modes.join(", ")}`,
  );
}

/** `finish URL` */
export async function finish(job: Job): Promise<void> {
  await using backend = await job.open();
  await backend.finish({ signal: job.signal });
  await tellMedium(job, backend);
}

/** `eject URL` */
export async function eject(job: Job): Promise<void> {
  await using backend = await job.open({ foreign: true });
  await backend.eject();
  job.note("Ejected");
}

/** `load URL` */
export async function load(job: Job): Promise<void> {
  // Opening pulls the tray in.
  await using backend = await job.open({ readOnly: true });
  await tellMedium(job, backend);
}

/** Tells what is in the drive now. */
async function tellMedium(job: Job, backend: XorrisoBackend): Promise<void> {
  const { drive, profile, status, volumeId, free } = await backend.medium();
  await job.printJson([{
    drive,
    profile,
    status,
    volumeId: volumeId ?? null,
    free,
  }]);
  job.note(`${profile}, ${status}, ${formatBytes(free)} free`);
}

/** `devices` */
export async function devices(job: Job): Promise<void> {
  const found = await job.devices();
  await job.print(
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
    ({ device, vendor, product, medium, error }) =>
      [
        job.name(device),
        job.name(`${vendor} ${product}`.trim()) || "unknown",
        medium === null
          ? error
          : `${medium.profile}, ${medium.status}, ${
            formatBytes(medium.free)
          } free`,
      ].join("  "),
  );
  for (const { error } of found) {
    if (!(error instanceof XorrisoError)) continue;
    if (error.code !== "NO_MEDIUM") job.note(error.message);
  }
  if (found.length === 0) job.note("No optical drive was found");
}

/** `verify URL [NAME...]` */
export async function verify(job: Job): Promise<void> {
  const names = job.operands.slice(1);
  await using backend = await job.open({ readOnly: true });
  const results = await backend.verify(
    names.length === 0 ? undefined : names,
    {
      signal: job.signal,
      onProgress: (progress) => job.progress(progress),
    },
  );
  for (const { error } of results) {
    if (error !== undefined) job.fail(error);
  }
  await job.print(
    results.map(({ name, error }) => ({ name, ok: error === undefined })),
    ({ name, ok }) => `${job.name(name)}: ${ok ? "OK" : "FAILED"}`,
  );
  const bad = results.filter(({ error }) => error !== undefined).length;
  job.note(`Verified ${plural(results.length, "file")}, ${bad} failed`);
}

/** The error of a name that is not on the medium. */
function notFound(name: string): XorrisoError {
  return new XorrisoError(
    "ENTRY_NOT_FOUND",
    `Cannot find "${name}" on the medium`,
    { path: name },
  );
}

/** Calls a function for each item, a few at once. */
async function eachOf<T>(
  items: Iterable<T>,
  call: (item: T) => Promise<void>,
): Promise<void> {
  // The workers share one generator, so that each takes the next item, and none does after a failure.
  const shared = (function* () {
    yield* items;
  })();
  await Promise.all(Array.from({ length: STAGED_AT_ONCE }, async () => {
    for (const item of shared) await call(item);
  }));
}

/** The last part of a path, if it has one that is a name. */
function lastPart(path: string): string | undefined {
  const part = path.split("/").findLast((each) => each !== "");
  return part === "." || part === ".." ? undefined : part;
}

/** A relative path below a folder, which is `""` for a disk's root. */
function below(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/** Bytes of files together. */
function sizeOf(files: readonly { readonly size: number }[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** How many files, and how many bytes. */
function summary(files: readonly { readonly size: number }[]): string {
  return `${plural(files.length, "file")}, ${formatBytes(sizeOf(files))}`;
}

/** A number of things. */
function plural(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
