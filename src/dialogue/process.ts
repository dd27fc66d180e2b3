/** One running program: the only file that starts one. */

import { TextLineStream } from "@std/streams/text-line-stream";
import { running } from "../async.ts";
import { systemError, XorrisoError } from "../errors.ts";

/** Receives the output of a {@linkcode Child}. */
export interface ChildOutput {
  /** Takes the next line of standard output. */
  stdout(line: string): void;
  /** Takes the next line of standard error. */
  stderr(line: string): void;
}

const NOBODY: ChildOutput = { stdout: () => {}, stderr: () => {} };

/**
 * A running program with both its outputs always drained.
 *
 * Nothing of the caller's environment reaches it: an `LD_*` variable would make
 * Deno refuse a scoped `--allow-run`. It is detached, so that neither Ctrl-C in
 * the terminal nor an uncaught exception here tears a burn; the end of its input
 * tells it that this program is gone.
 */
export class Child {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #encoder = new TextEncoder();
  readonly #left = Promise.withResolvers<undefined>();
  #output: ChildOutput;

  /**
   * Resolves when both outputs have ended, which a child of the process may
   * keep open, and the process is reaped; with undefined when it was left to
   * itself.
   */
  readonly ended: Promise<Deno.CommandStatus | undefined>;

  private constructor(process: Deno.ChildProcess, output: ChildOutput) {
    this.#process = process;
    this.#output = output;
    this.#writer = process.stdin.getWriter();
    // Rejects when the child dies, as `ended` tells.
    this.#writer.closed.catch(() => {});
    this.ended = Promise.race([this.#end(), this.#left.promise]);
  }

  /** Starts a program. */
  static spawn(
    command: string,
    args: readonly string[],
    output: ChildOutput,
  ): Child {
    try {
      const process = new Deno.Command(command, {
        args: [...args],
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
        clearEnv: true,
        env: { LC_ALL: "C.UTF-8", TZ: "UTC" },
        detached: true,
      }).spawn();
      return new Child(process, output);
    } catch (error) {
      throw spawnError(command, error);
    }
  }

  async #end(): Promise<Deno.CommandStatus> {
    await Promise.all([
      readLines(this.#process.stdout, (line) => this.#output.stdout(line)),
      readLines(this.#process.stderr, (line) => this.#output.stderr(line), {
        allowCR: true,
      }),
    ]);
    const status = await this.#process.status;
    await this.closeInput();
    return status;
  }

  /** Writes text; resolves when the pipe has taken it, or the child is gone. */
  async write(text: string): Promise<void> {
    try {
      await this.#writer.write(this.#encoder.encode(text));
    } catch {
      // The child no longer reads: it is ending, and `ended` resolves.
    }
  }

  /** Ends the child's input; may be called again. */
  async closeInput(): Promise<void> {
    try {
      await this.#writer.close();
    } catch {
      // Closed already, or by the child's own end.
    }
  }

  /**
   * Sends a signal to the program and all that it has started, since a script
   * around xorriso does not hand it on. With a scoped `--allow-run` Deno permits
   * a signal to the program alone.
   */
  kill(signal: Deno.Signal): void {
    const { state, partial } = Deno.permissions.querySync({ name: "run" });
    try {
      if (state === "granted" && !partial) {
        // It leads a group of processes, since it is detached.
        Deno.kill(-this.#process.pid, signal);
      } else {
        this.#process.kill(signal);
      }
    } catch {
      // It has ended by itself meanwhile.
    }
  }

  /**
   * Ends an idle child by the end of its input, then SIGTERM, then SIGKILL.
   *
   * @param grace Milliseconds that each of them may take.
   */
  async end(grace: number): Promise<void> {
    // Not awaited: a child that does not read keeps the pipe full.
    this.closeInput();
    // A child that was stopped by a signal must go on to read that.
    this.kill("SIGCONT");
    if (!await this.endsWithin(grace)) await this.terminate(grace, true);
  }

  /**
   * Ends a busy child by SIGTERM, and then by SIGKILL; does not wait for its end.
   *
   * @param grace Milliseconds between the two.
   * @param mayKill Whether SIGKILL does no harm. xorriso that is writing to a
   * drive is waited for instead.
   */
  async terminate(grace: number, mayKill: boolean): Promise<void> {
    this.kill("SIGTERM");
    // A child that was stopped by a signal must go on to obey that.
    this.kill("SIGCONT");
    // The signal may not reach xorriso behind a script; the end of its input does.
    this.closeInput();
    if (mayKill && !await this.endsWithin(grace)) this.kill("SIGKILL");
  }

  /**
   * Leaves a process that does not end to itself: its output is ignored, and
   * this program can end before it.
   */
  leave(): void {
    this.#output = NOBODY;
    this.#process.unref();
    this.closeInput();
    this.#left.resolve(undefined);
  }

  /** Tells whether it ends within so many milliseconds. */
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
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (line: string) => void,
  { allowCR = false } = {},
): Promise<void> {
  const lines = stream
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
  if (cause instanceof Deno.errors.NotFound) {
    return new Deno.errors.NotFound(
      `Cannot find the program "${command}": install xorriso ` +
        `(Debian, Ubuntu: apt-get install xorriso; macOS: brew install ` +
        `xorriso), or name it by xorrisoPath or XORRISO_PATH`,
      { cause },
    );
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return new XorrisoError(
      "PERMISSION_DENIED",
      `Cannot start "${command}": it is no program that may be executed`,
      { path: command, cause },
    );
  }
  const doing = `Cannot start "${command}"`;
  return systemError(cause, { doing, path: command, code: "UNKNOWN" });
}
