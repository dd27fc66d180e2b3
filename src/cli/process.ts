/** The program as a process: its streams, its terminal and its signals. */
import { EXIT } from "./exit.ts";
import { main } from "./main.ts";
import type { Io } from "./run.ts";

/** Signals that stop the program in an orderly way, and its exit code then: 128 and the signal's number. */
const SIGNALS = [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const;

/** Standard input, read only as fast as it is taken, and no longer than until an abort. */
function openStdin(signal: AbortSignal): ReadableStream<Uint8Array> {
  const strategy = { highWaterMark: 0 };
  const pass = new TransformStream<Uint8Array, Uint8Array>({}, strategy);
  return Deno.stdin.readable.pipeThrough(pass, { signal });
}

/** Writes all the bytes to standard output. */
async function writeStdout(bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) {
    rest = rest.subarray(await Deno.stdout.write(rest));
  }
}

/** Writes text to standard error; that nobody reads it, or the terminal is closed, is no reason to stop. */
function writeStderr(text: string): void {
  let rest: Uint8Array = new TextEncoder().encode(text);
  try {
    while (rest.length > 0) {
      rest = rest.subarray(Deno.stderr.writeSync(rest));
    }
  } catch {
    // There is nowhere to tell it.
  }
}

/** Columns of a terminal, or what most have if it does not tell. */
function countColumns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/**
 * Whether SIGHUP means nothing: whoever calls `nohup` wants the program to go on when the terminal is closed.
 *
 * `nohup` leaves no terminal behind at the outputs. Where there is none, the system tells, if Deno may ask it
 * (`--allow-all`); else going on is what loses nothing. A listener is needed in any case: half a second after
 * its start Deno takes the signal for an end, also where it is ignored (2.9.6).
 */
function ignoresHangup(): boolean {
  if (Deno.stdout.isTerminal() || Deno.stderr.isTerminal()) return false;
  const path = "/proc/self/status";
  const { state } = Deno.permissions.querySync({ name: "read", path });
  if (state !== "granted") return true;
  try {
    const status = Deno.readTextFileSync(path);
    // The lowest bit is that of signal 1.
    const [, digit = "1"] = status.match(/^SigIgn:.*([0-9a-f])$/m) ?? [];
    return parseInt(digit, 16) % 2 === 1;
  } catch {
    // It takes more than is told, or there is no such file.
    return true;
  }
}

/** Runs the command line of this process, with its streams and signals. */
export async function runProcess(): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  let interrupted: number | undefined;
  const isDetached = ignoresHangup();
  const listeners = SIGNALS.map(([name, code]) => {
    const listener = () => {
      if (name === "SIGHUP" && isDetached) return;
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
    stdout: {
      isTerminal: Deno.stdout.isTerminal(),
      columns: countColumns,
      write: writeStdout,
    },
    stderr: {
      isTerminal: Deno.stderr.isTerminal(),
      columns: countColumns,
      write: writeStderr,
    },
    signal,
    now: () => performance.now(),
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
