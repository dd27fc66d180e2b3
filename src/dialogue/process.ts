/** One child process: the only file that runs a program. */

import { XorrisoError } from "../errors.ts";

/** Where the output of a {@linkcode Child} goes, piece by piece. */
export interface ChildOutput {
  /** Takes the next bytes of standard output; they do not last. */
  stdout(chunk: Uint8Array): void;
  /** Takes the next bytes of standard error; they do not last. */
  stderr(chunk: Uint8Array): void;
}

/** Bytes that a pipe holds (pipe(7)). */
const BUFFER = 64 * 1024;

/** How a child process came to its end. */
export interface ChildStatus {
  /** The exit code; 128 and the signal's number if a signal ended it. */
  readonly code: number;
  /** The signal that ended it, if one did. */
  readonly signal: Deno.Signal | null;
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
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #encoder = new TextEncoder();
  #inputClosed = false;
  #isLeft = false;

  /** Settles when both outputs are at their end and the process is reaped. */
  readonly ended: Promise<ChildStatus>;

  private constructor(process: Deno.ChildProcess, output: ChildOutput) {
    this.#process = process;
    this.#writer = process.stdin.getWriter();
    // A child that died makes `closed` reject; `ended` tells it better.
    this.#writer.closed.catch(() => {});
    this.ended = Promise.all([
      drain(process.stdout, (chunk) => {
        if (!this.#isLeft) output.stdout(chunk);
      }),
      drain(process.stderr, (chunk) => {
        if (!this.#isLeft) output.stderr(chunk);
      }),
    ]).then(() => process.status).then(async (status) => {
      await this.closeInput();
      return status;
    });
  }

  /**
   * Starts a program.
   *
   * Throws `Deno.errors.NotCapable` without run permission and
   * `Deno.errors.NotFound` if there is no such program, each with what to do.
   */
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

  /** Writes text; resolves when the pipe has taken it, or the child is gone. */
  async write(text: string): Promise<void> {
    try {
      await this.#writer.write(this.#encoder.encode(text));
    } catch {
      // The child no longer reads: it is ending, and `ended` tells how.
    }
  }

  /** Ends the child's input. */
  async closeInput(): Promise<void> {
    if (this.#inputClosed) return;
    this.#inputClosed = true;
    try {
      await this.#writer.close();
    } catch {
      // Closed by the child's own end.
    }
  }

  /** Sends a signal, if the child still lives. */
  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
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
  async end(grace: number): Promise<ChildStatus> {
    // Not awaited: a child that does not read keeps the pipe full.
    this.closeInput();
    if (await this.endsWithin(grace)) return await this.ended;
    return await this.terminate(grace, true);
  }

  /**
   * Ends a busy child by SIGTERM, and by SIGKILL if that does not help and
   * does no harm.
   *
   * @param grace Milliseconds between the two.
   * @param mayKill Whether SIGKILL does no harm. xorriso that is writing to a
   * drive is waited for instead.
   */
  async terminate(grace: number, mayKill: boolean): Promise<ChildStatus> {
    this.kill("SIGTERM");
    if (mayKill && !await this.endsWithin(grace)) this.kill("SIGKILL");
    return await this.ended;
  }

  /**
   * Leaves a process to itself that does not end: nobody listens to it any
   * more, and this program can end without it.
   */
  leave(): void {
    this.#isLeft = true;
    this.#process.unref();
    this.closeInput();
  }

  /**
   * Tells whether it ends in time.
   *
   * @param grace Milliseconds.
   */
  async endsWithin(grace: number): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), grace);
    try {
      return await Promise.race([this.ended.then(() => true), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Reads all, always into the same buffer: a listing has megabytes. */
async function drain(
  stream: ReadableStream<Uint8Array>,
  sink: (chunk: Uint8Array) => void,
): Promise<void> {
  const reader = stream.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(BUFFER);
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done) return;
    sink(value);
    buffer = value.buffer;
  }
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
  return cause;
}
