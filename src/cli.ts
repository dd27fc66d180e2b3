/**
 * The command line of the module: backups on optical media and in ISO 9660 images without a script.
 *
 * ```sh
 * deno run --allow-run=xorriso --allow-read=photos.iso,photos --allow-write=photos.iso \
 *   jsr:@xorriso/backend/cli put xorriso://photos.iso photos --create
 * deno run --allow-run=xorriso --allow-read=photos.iso \
 *   jsr:@xorriso/backend/cli list xorriso://photos.iso --long
 * ```
 *
 * Commands: `put`, `get`, `list`, `query`, `delete`, `info`, `verify`, `blank`,
 * `format`, `finish`, `eject`, `load`, `devices`. `--help` behind any of them has its
 * flags, and the Deno permissions that it needs; nothing ever asks for one. Ctrl-C stops in an orderly
 * way: what was not committed is discarded, and the medium stays as it was.
 *
 * @example Run it from a script
 * ```ts
 * const { code } = await new Deno.Command(Deno.execPath(), {
 *   args: ["run", import.meta.resolve("@xorriso/backend/cli"), "--version"],
 * }).output();
 * if (code !== 0) throw new Error("Cannot run xorriso-backend");
 * ```
 *
 * @module
 */
import { EXIT, type Io } from "./cli/job.ts";
import { main } from "./cli/main.ts";

/** Exit codes of the signals that stop the program in an orderly way: 128 and the signal's number. */
const SIGNALS = [["SIGINT", 130], ["SIGTERM", 143]] as const;

/** Bytes that one read of standard input may bring: what a pipe holds. */
const PIECE = 65536;

/** Standard input, read only as fast as it is taken, and no longer than until an abort. */
function openStdin(signal: AbortSignal): ReadableStream<Uint8Array> {
  let buffer = new Uint8Array(0);
  return new ReadableStream<Uint8Array>({
    start(controller) {
      signal.addEventListener("abort", () => controller.error(signal.reason));
    },
    async pull(controller) {
      // Short reads share a buffer, each with a part of its own.
      if (buffer.length < PIECE) buffer = new Uint8Array(16 * PIECE);
      const length = await Deno.stdin.read(buffer);
      if (signal.aborted) return;
      if (length === null) return controller.close();
      controller.enqueue(buffer.subarray(0, length));
      buffer = buffer.subarray(length);
    },
  }, { highWaterMark: 0 });
}

/** Writes all the bytes to standard output. */
async function writeStdout(bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) {
    rest = rest.subarray(await Deno.stdout.write(rest));
  }
}

/** Writes text to standard error; that nobody reads it is no reason to stop. */
function writeStderr(text: string): void {
  let rest: Uint8Array = new TextEncoder().encode(text);
  try {
    while (rest.length > 0) {
      rest = rest.subarray(Deno.stderr.writeSync(rest));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Columns of the terminal, or what most have if it does not tell. */
function countColumns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/** Runs the command line of this process, with its streams and signals. */
async function run(): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  let interrupted: number | undefined;
  const listeners = SIGNALS.map(([name, code]) => {
    const listener = () => {
      // Whoever asks twice does not want to wait. xorriso notices the end of its input.
      if (interrupted !== undefined) Deno.exit(code);
      interrupted = code;
      controller.abort();
    };
    Deno.addSignalListener(name, listener);
    return { name, listener };
  });
  const io: Io = {
    stdin: () => openStdin(signal),
    stdout: { isTerminal: Deno.stdout.isTerminal(), write: writeStdout },
    stderr: {
      isTerminal: Deno.stderr.isTerminal(),
      columns: countColumns,
      write: writeStderr,
    },
    signal,
  };
  try {
    const code = await main(Deno.args, io);
    Deno.exitCode = code === EXIT.interrupted ? interrupted ?? code : code;
    // All is closed, but a read or write of a stalled pipe would keep the process alive.
    if (signal.aborted) Deno.exit();
  } finally {
    for (const { name, listener } of listeners) {
      Deno.removeSignalListener(name, listener);
    }
  }
}

if (import.meta.main) await run();
