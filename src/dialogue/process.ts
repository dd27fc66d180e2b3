/** One running program: the only file that starts one. */

import type { ChildProcessWithoutNullStreams } from "node:child_process";
import type { Readable } from "node:stream";
import { TextLineStream } from "@std/streams/text-line-stream";
import { running } from "../async.ts";
import { systemError, systemName } from "../errors.ts";

/** Where the output of a {@linkcode Child} goes, line by line. */
export interface ChildOutput {
  /** Takes the next line of standard output. */
  stdout(line: string): void;
  /** Takes the next line of standard error. */
  stderr(line: string): void;
}

/** How a child process came to its end. */
export interface ChildStatus {
  /** The exit code; null if a signal ended it. */
  readonly code: number | null;
  /** The signal that ended it; null if none did. */
  readonly signal: string | null;
}

/** How to start a program. */
export interface SpawnOptions {
  /**
   * Number of an open file that the program gets, too, as its file 3. A lock
   * on it lives as long as the program does, whatever becomes of this one.
   */
  readonly inherit?: number | undefined;
}

const NOBODY: ChildOutput = { stdout: () => {}, stderr: () => {} };

/**
 * What `spawn()` of node:child_process calls (Deno 2.9), without types. That
 * itself reads NODE_V8_COVERAGE, for which a script would need `--allow-env`.
 */
interface Spawning {
  spawn(options: {
    readonly file: string;
    /** With the program's name in front. */
    readonly args: readonly string[];
    readonly envPairs: readonly string[];
    readonly stdio: readonly ("pipe" | number)[];
    readonly detached: boolean;
  }): void;
}

/**
 * A running program with both its outputs always drained.
 *
 * The child gets an environment of its own: nothing of the caller's reaches
 * it, so no `LD_*` variable can make Deno refuse a scoped `--allow-run`, and
 * names are handled in UTF-8. It is detached, so that neither Ctrl-C in the
 * terminal nor an uncaught exception here tears a burn; the end of its input
 * tells it that this program is gone.
 */
export class Child {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #left = Promise.withResolvers<undefined>();
  #output: ChildOutput;

  /**
   * Settles when both outputs are at their end, whoever holds them, and the
   * process is reaped; with undefined when it was left to itself.
   */
  readonly ended: Promise<ChildStatus | undefined>;

  private constructor(
    process: ChildProcessWithoutNullStreams,
    output: ChildOutput,
  ) {
    this.#process = process;
    this.#output = output;
    // A child that no longer reads is ending; `ended` tells how.
    process.stdin.on("error", () => {});
    this.ended = Promise.race([this.#end(), this.#left.promise]);
  }

  /**
   * Starts a program. `Deno.Command` can hand on no further file.
   *
   * Throws `Deno.errors.NotCapable` without run permission and
   * `Deno.errors.NotFound` if there is no such program, each with what to do.
   */
  static async spawn(
    command: string,
    args: readonly string[],
    output: ChildOutput,
    { inherit }: SpawnOptions = {},
  ): Promise<Child> {
    const { ChildProcess } = await import("node:child_process");
    const process = new ChildProcess() as ChildProcessWithoutNullStreams;
    const { promise: started, resolve, reject } = Promise.withResolvers<void>();
    process.once("spawn", resolve).once("error", reject);
    try {
      (process as unknown as Spawning).spawn({
        file: command,
        args: [command, ...args],
        envPairs: ["LC_ALL=C.UTF-8", "TZ=UTC"],
        stdio: ["pipe", "pipe", "pipe", ...(inherit ? [inherit] : [])],
        detached: true,
      });
      await started;
      return new Child(process, output);
    } catch (error) {
      throw spawnError(command, error);
    }
  }

  async #end(): Promise<ChildStatus> {
    const { stdout, stderr } = this.#process;
    const { promise: exited, resolve } = Promise.withResolvers<ChildStatus>();
    this.#process.once("exit", (code, signal) => {
      resolve({ code, signal });
    });
    await Promise.all([
      readLines(stdout, (line) => this.#output.stdout(line)),
      readLines(stderr, (line) => this.#output.stderr(line), { allowCR: true }),
    ]);
    const status = await exited;
    this.closeInput();
    return status;
  }

  /** Writes text; resolves when the pipe has taken it, or the child is gone. */
  async write(text: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#process.stdin.write(text, () => resolve());
    await promise;
  }

  /**
   * Has the system asked anew for what the child has written: under load Deno
   * 2.9 now and then, in one of 2,000 children, does not see that there is something.
   */
  readAgain(): void {
    for (const output of [this.#process.stdout, this.#process.stderr]) {
      output.pause();
      output.resume();
    }
  }

  /** Ends the child's input; to do so again does nothing. */
  closeInput(): void {
    this.#process.stdin.end();
  }

  /**
   * Sends a signal to the program and all that it has started: a script around
   * xorriso does not hand it on. Deno lets a scoped `--allow-run` signal the
   * program alone.
   */
  kill(signal: "SIGTERM" | "SIGKILL"): void {
    const { state, partial } = Deno.permissions.querySync({ name: "run" });
    try {
      if (state === "granted" && !partial) {
        // It leads a group of processes, since it is detached.
        Deno.kill(-(this.#process.pid ?? NaN), signal);
      } else {
        this.#process.kill(signal);
      }
    } catch {
      // It has ended by itself meanwhile.
    }
  }

  /**
   * Ends an idle child by ever stronger means: the end of its input, SIGTERM,
   * SIGKILL.
   *
   * @param grace Milliseconds that each step may take.
   */
  async end(grace: number): Promise<void> {
    // Not awaited: a child that does not read keeps the pipe full.
    this.closeInput();
    if (!await this.endsWithin(grace)) await this.terminate(grace, true);
  }

  /**
   * Ends a busy child by SIGTERM, and by SIGKILL if that does not help and
   * does no harm. Does not wait for its end.
   *
   * @param grace Milliseconds between the two.
   * @param mayKill Whether SIGKILL does no harm. xorriso that is writing to a
   * drive is to be waited for instead.
   */
  async terminate(grace: number, mayKill: boolean): Promise<void> {
    this.kill("SIGTERM");
    // For what the signal does not reach, as xorriso behind a script.
    this.closeInput();
    if (mayKill && !await this.endsWithin(grace)) this.kill("SIGKILL");
  }

  /**
   * Leaves a process to itself that does not end: nobody listens to it any
   * more, and this program can end without it.
   */
  leave(): void {
    this.#output = NOBODY;
    this.#process.unref();
    const { stdin, stdout, stderr } = this.#process;
    // They stay open, and are sockets here, whatever the types say.
    for (const pipe of [stdin, stdout, stderr] as unknown[]) {
      (pipe as { unref(): void }).unref();
    }
    this.closeInput();
    this.#left.resolve(undefined);
  }

  /**
   * Tells whether it ends in time.
   *
   * @param grace Milliseconds.
   */
  async endsWithin(grace: number): Promise<boolean> {
    const late = new AbortController();
    const timely = await Promise.race([
      this.ended.then(() => true),
      running(grace, late.signal).then(() => false, () => true),
    ]);
    late.abort();
    return timely;
  }
}

async function readLines(
  output: Readable,
  take: (line: string) => void,
  { allowCR = false } = {},
): Promise<void> {
  // Not by its iterator, which rejects where a pipe ends before its time.
  const bytes = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      output.on("data", (chunk) => controller.enqueue(chunk));
      output.on("error", () => {}); // it is closed then, too
      output.once("close", () => controller.close());
    },
  });
  const lines = bytes
    .pipeThrough(new TextDecoderStream("utf-8", { ignoreBOM: true }))
    .pipeThrough<string>(new TextLineStream({ allowCR }));
  for await (const line of lines) take(line);
}

function spawnError(command: string, cause: unknown): unknown {
  if (cause instanceof Deno.errors.NotCapable) {
    return new Deno.errors.NotCapable(
      `Cannot start "${command}": run again with --allow-run=${command}`,
      { cause },
    );
  }
  if (systemName(cause) === "ENOENT") {
    return new Deno.errors.NotFound(
      `Cannot find the program "${command}": install xorriso ` +
        `(Debian, Ubuntu: apt-get install xorriso; macOS: brew install ` +
        `xorriso), or name it by xorrisoPath or XORRISO_PATH`,
      { cause },
    );
  }
  return systemError(cause, {
    doing: `Cannot start "${command}"`,
    path: command,
    code: "PERMISSION_DENIED",
    reasons: { EACCES: "it is no program that may be executed" },
  });
}
