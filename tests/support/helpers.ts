/** What the tests on real image files have in common. */

import { assert, assertEquals, AssertionError } from "@std/assert";
import { delay } from "@std/async/delay";
import { fromFileUrl } from "@std/path";
import { createHash } from "node:crypto";
import { XorrisoError, type XorrisoErrorCode } from "../../src/errors.ts";
import { commandLine, unquote } from "../../src/dialogue/protocol.ts";

/** A temporary folder. */
export interface Folder extends AsyncDisposable {
  /** Absolute path without links. */
  readonly path: string;
  /** Writes a file in it, folders above included, and returns its path. */
  file(name: string, content?: string | Uint8Array): Promise<string>;
}

/** Makes a folder that is removed in the end with all that is in it. */
export async function makeFolder(dir?: string): Promise<Folder> {
  const path = await Deno.realPath(
    await Deno.makeTempDir({ prefix: "xorriso-test-", ...(dir && { dir }) }),
  );
  return {
    path,
    async file(name, content = "") {
      const file = `${path}/${name}`;
      await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), {
        recursive: true,
      });
      await Deno.writeFile(file, toBytes(content));
      return file;
    },
    [Symbol.asyncDispose]: () => removeAll(path),
  };
}

/** Removes a folder, also where it has others that this user may not write to. */
async function removeAll(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    await runProgram("chmod", ["-R", "u+rwX", path]);
    await Deno.remove(path, { recursive: true });
  }
}

/** The bytes of a text, or the bytes themselves. */
export function toBytes(content: string | Uint8Array): Uint8Array {
  return typeof content === "string"
    ? new TextEncoder().encode(content)
    : content;
}

/** Bytes that look random, the same for the same seed. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    // xorshift32 (Marsaglia)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

/** The MD5 of a content, in hexadecimal digits. */
export function md5(content: string | Uint8Array): string {
  return createHash("md5").update(content).digest("hex");
}

/** The SHA-256 of a file's content. */
export async function hash(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

/** All there is to see of a file: whether it was touched shows here. */
export async function fingerprint(path: string): Promise<string> {
  const { ino, mode, size, mtime } = await Deno.stat(path);
  return [ino, mode, size, mtime?.getTime(), await hash(path)].join();
}

/** The code of an error, or its name. */
export function codeOf(error: unknown): string {
  if (error instanceof XorrisoError) return error.code;
  return error instanceof Error ? error.name : String(error);
}

/** What becomes of a promise: `ok`, or the code or name of the error. */
export async function outcome(promise: Promise<unknown>): Promise<string> {
  return await promise.then(() => "ok", codeOf);
}

/** Makes sure that an error is a `XorrisoError` with this code. */
export function assertCode(
  error: unknown,
  code: XorrisoErrorCode,
): XorrisoError {
  if (!(error instanceof XorrisoError)) {
    throw new AssertionError(`${code} expected, not ${error}`);
  }
  assertEquals(error.code, code, `${error.message}\n${error.messages}`);
  return error;
}

/** What a promise rejects with; fails if it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => ({ rejected: false, reason: undefined }),
    (reason: unknown) => ({ rejected: true, reason }),
  );
  assert(outcome.rejected, "The promise should have been rejected");
  return outcome.reason;
}

/** Makes sure that a promise rejects with a `XorrisoError` with this code. */
export async function assertRejectsCode(
  promise: Promise<unknown>,
  code: XorrisoErrorCode,
): Promise<XorrisoError> {
  return assertCode(await rejection(promise), code);
}

/** Reads a stream to its end. */
export async function readAll(
  stream: ReadableStream<Uint8Array>,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

/** Runs plain xorriso, without this module, and returns its result lines. */
export async function runXorriso(
  lines: readonly (readonly string[])[],
): Promise<string[]> {
  const child = new Deno.Command("xorriso", {
    args: [
      ...["-no_rc", "-abort_on", "FAILURE", "-pkt_output", "on"],
      ...["-use_readline", "off", "-iso_rr_pattern", "off"],
      ...["-backslash_codes", "in_double_quotes:encode_output"],
      ...["-padding", "0", "-md5", "on", "-osirrox", "on"],
      ...["-dialog", "single_line"],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    clearEnv: true,
    env: { LC_ALL: "C.UTF-8" },
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  const input = [...lines, ["-rollback_end"]].map((line) =>
    `${commandLine(line)}\n`
  ).join("");
  // Where xorriso ends early, its output tells why.
  await writer.write(toBytes(input)).then(() => writer.close()).catch(() => {});
  const { code, stdout } = await output;
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, text);
  return text.split("\n").filter((line) => line.startsWith("R:1: "))
    .map((line) => line.slice(5));
}

/**
 * Makes a file look untouched for a while, if it is there: a first commit waits for two seconds for
 * an image that was changed just now.
 */
export async function age(path: string): Promise<void> {
  const then = new Date(Date.now() - 60_000);
  if (await exists(path)) await Deno.utime(path, then, then);
}

/**
 * Writes a session with these files, by path, using plain xorriso, and makes
 * the image look untouched for a while.
 */
export async function writeSession(
  image: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  ...settings: readonly (readonly string[])[]
): Promise<void> {
  await using folder = await makeFolder();
  const maps: string[][] = [];
  for (const [path, content] of Object.entries(files)) {
    maps.push(["-map", await folder.file(`${maps.length}`, content), path]);
  }
  await runXorriso([
    ["-dev", `stdio:${image}`],
    ...settings,
    ...maps,
    ["-commit"],
  ]);
  await age(image);
}

/** Makes an image of one session with plain xorriso, and returns its path. */
export async function makeImage(
  folder: Folder,
  files: Readonly<Record<string, string | Uint8Array>> = { "/old": "old" },
  ...settings: readonly (readonly string[])[]
): Promise<string> {
  const image = `${folder.path}/test.iso`;
  await writeSession(image, files, ...settings);
  return image;
}

/** Paths of all files of the newest session as plain xorriso tells them. */
export async function listImage(image: string): Promise<string[]> {
  const lines = await runXorriso([
    ["-indev", `stdio:${image}`],
    ["-find", "/", "-type", "f", "-exec", "echo"],
  ]);
  return lines.map((line) => unquote(line) ?? line).sort();
}

/** Content of a file of the newest session as plain xorriso restores it. */
export async function readImage(
  image: string,
  path: string,
): Promise<Uint8Array> {
  await using folder = await makeFolder();
  const target = `${folder.path}/content`;
  await runXorriso([
    ["-indev", `stdio:${image}`],
    ["-extract", path, target],
  ]);
  return await Deno.readFile(target);
}

/** Changes bytes of a file in place. */
export async function patch(
  path: string,
  offset: number,
  bytes: Uint8Array,
): Promise<void> {
  using file = await Deno.open(path, { write: true });
  await file.seek(offset, Deno.SeekMode.Start);
  assertEquals(await file.write(bytes), bytes.length);
}

/** What a run of a program leaves behind. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program without input to its end. */
export async function execute(
  program: string,
  args: readonly string[],
  options: Pick<Deno.CommandOptions, "clearEnv" | "cwd" | "env"> = {},
): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    ...options,
  }).output();
  const decoder = new TextDecoder();
  return {
    code,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

/** Runs a program that must succeed, and returns its standard output. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options?: Parameters<typeof execute>[2],
): Promise<string> {
  const { code, stdout, stderr } = await execute(program, args, options);
  assertEquals(code, 0, `${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Makes a FIFO, and returns its path. */
export async function makeFifo(path: string): Promise<string> {
  await runProgram("mkfifo", [path]);
  return path;
}

/** Writes an executable shell script into a folder and returns its path. */
export async function makeScript(
  folder: Pick<Folder, "path">,
  name: string,
  body: string,
): Promise<string> {
  const path = `${folder.path}/${name}`;
  // By another process: a program forked here at the same moment would have
  // the file open for writing a moment longer, and then it cannot be executed.
  const child = new Deno.Command("sh", {
    args: ["-c", 'cat >"$1" && chmod +x "$1"', "sh", path],
    stdin: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(toBytes(`#!/bin/sh\n${body}\n`));
  await writer.close();
  assertEquals((await child.status).code, 0);
  return path;
}

/** xorriso behind a script that notes each of its processes. */
export interface Traced {
  /** The program to start. */
  readonly path: string;
  /** Process ids of all starts so far. */
  pids(): Promise<number[]>;
  /** The last one of them; fails where nothing was started yet. */
  newest(): Promise<number>;
}

/** What has started so far, by a file of process ids. */
export function startsIn(file: string): Pick<Traced, "pids" | "newest"> {
  const pids = async () =>
    (await Deno.readTextFile(file)).split("\n").filter((line) => line !== "")
      .map(Number);
  return {
    pids,
    newest: async () => {
      const pid = (await pids()).at(-1);
      // A signal to 0 would go to this program itself, and to all that it has started.
      if (pid === undefined) throw new AssertionError("Nothing was started");
      return pid;
    },
  };
}

/**
 * Makes a program that notes its process id and becomes xorriso.
 *
 * @param before Shell commands to run before.
 */
export async function traceXorriso(
  folder: Pick<Folder, "path">,
  before = "",
): Promise<Traced> {
  const pids = `${folder.path}/pids`;
  await Deno.writeTextFile(pids, "");
  const path = await makeScript(
    folder,
    "traced-xorriso",
    `echo $$ >>'${pids}'\n${before}\nexec xorriso "$@"`,
  );
  return { path, ...startsIn(pids) };
}

/** Whether a process lives. */
export function isAlive(pid: number): boolean {
  try {
    // Does nothing to a process that is not stopped.
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Kills a process, unless it has ended by itself. */
export function killIfAlive(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a program can be started, wherever in PATH it is. */
export async function isInstalled(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Sends a signal to a child that may have ended by itself just now. */
export function signalTo(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // "Child process has already terminated"
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Milliseconds until something counts as never coming, on the busiest machine, too. */
const PATIENCE = 300_000;

/**
 * Waits until a condition holds, and fails if it takes far too long.
 *
 * @param what What is waited for, as errors tell it.
 * @param work What brings it about: once that has ended, it cannot come any more.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  work: Promise<unknown> = new Promise(() => {}),
): Promise<void> {
  let end: string | undefined;
  const tell = (result: unknown) => end = Deno.inspect(result);
  work.then(tell, tell);
  const begin = performance.now();
  for (;;) {
    const isOver = end !== undefined;
    if (await condition()) return;
    assert(!isOver, `Ended before ${what}: ${end}`);
    const passed = performance.now() - begin;
    assert(passed < PATIENCE, `Waited in vain until ${what}`);
    // What comes soon is seen at once; what does not is not slowed down by those who ask.
    await delay(Math.min(1 + passed / 20, 10));
  }
}

/** Fails if a promise is not settled in time: nothing may hang. */
export async function within<T>(
  milliseconds: number,
  promise: Promise<T>,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new AssertionError(`Not settled in ${milliseconds} ms`)),
    milliseconds,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Makes a file of zeros that takes no room on disk. A gigabyte takes a second to be written into an
 * image, so that who waits for the middle of that does not miss it.
 */
export async function makeSparse(
  path: string,
  size = 1 << 30,
): Promise<string> {
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, size);
  return path;
}

/**
 * Resolves when an image has grown by a megabyte, or has got one: xorriso is writing.
 *
 * @param work What it is written by.
 */
export async function grows(
  image: string,
  work?: Promise<unknown>,
): Promise<void> {
  const sizeOf = async () =>
    await exists(image) ? (await Deno.stat(image)).size : 0;
  const size = await sizeOf();
  const hasGrown = async () => await sizeOf() > size + (1 << 20);
  await until(hasGrown, `"${image}" grows`, work);
}

/** Whether something is there, be it a dangling link. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    const { NotADirectory, NotFound } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) {
      return false;
    }
    // Below /proc and in most of /dev Deno may look with all permissions only.
    throw error;
  }
}

/** Runs a program for Deno in a process of its own, with all permissions. */
export async function runDeno(
  code: string,
  /** What starts it, where that is not Deno itself. */
  wrapper: readonly string[] = [],
  /** Further flags: `--deny-write=/sources`. */
  flags: readonly string[] = [],
): Promise<Outcome> {
  const config = fromFileUrl(import.meta.resolve("../../deno.json"));
  const script = `data:application/typescript,${encodeURIComponent(code)}`;
  const [command = "", ...args] = [
    ...wrapper,
    ...[Deno.execPath(), "run", "-q", "--no-prompt", "--no-check", "-A"],
    ...[...flags, "-c", config, script],
  ];
  return await execute(command, args);
}

/** Runs a shell script; its arguments are `$1` and so on. */
export async function runShell(
  script: string,
  ...args: readonly string[]
): Promise<string> {
  return await runProgram("sh", ["-c", script, "sh", ...args]);
}

/** The version of the xorriso that is installed: `1.5.4`. */
export async function installedVersion(): Promise<string> {
  const [line = ""] = (await runXorriso([["-version"]]))
    .filter((line) => line.startsWith("xorriso version"));
  return /[\d.]+/.exec(line)?.[0] ?? "";
}
