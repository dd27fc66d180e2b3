/** One run of the program: what it was asked, how it opens the medium, prints and fails. */
import { type Arguments, UsageError } from "./arguments.ts";
import type { BackendOptions, XorrisoBackend } from "../backend/backend.ts";
import { abortable } from "../async.ts";
import type { Device } from "../session/devices.ts";
import { XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import { parseLocation } from "../backend/url.ts";
import { encodeName } from "../names.ts";
import type { Progress } from "../dialogue/answers.ts";
import {
  parseWriteSpeed,
  readSettings,
  splitArgs,
} from "../backend/settings.ts";
import {
  escapeName,
  escapeText,
  formatJson,
  ProgressLine,
  type Screen,
} from "./terminal.ts";

/** What the program has of the world outside. */
export interface Io {
  /** Opens standard input; called at most once, and only by what reads it. */
  readonly stdin: () => ReadableStream<Uint8Array>;
  /** Standard output, for data alone. */
  readonly stdout: Output;
  /** Standard error, for everything else. */
  readonly stderr: Screen;
  /** Aborted when the user interrupts the program. */
  readonly signal: AbortSignal;
}

/** Where data goes: standard output, or its stand-in in a test. */
export interface Output {
  /** Whether a person may be looking, so that names must be escaped. */
  readonly isTerminal: boolean;
  /** Writes all the bytes; rejects with `Deno.errors.BrokenPipe` when nobody reads on. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Exit codes, as the help has them. */
export const EXIT = {
  done: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  medium: 4,
  permission: 5,
  checksum: 6,
  interrupted: 130,
} as const;

/** The exit code of each error code. */
export const EXIT_CODES: Readonly<Record<XorrisoErrorCode, number>> = {
  NO_DRIVE: EXIT.medium,
  DRIVE_BUSY: EXIT.medium,
  DRIVE_LOST: EXIT.medium,
  NOT_READY: EXIT.medium,
  PERMISSION_DENIED: EXIT.permission,
  NO_MEDIUM: EXIT.medium,
  NOT_ISO: EXIT.medium,
  IMAGE_DAMAGED: EXIT.medium,
  MEDIUM_NOT_WRITABLE: EXIT.medium,
  MEDIUM_FULL: EXIT.medium,
  MEDIUM_CHANGED: EXIT.medium,
  VOLUME_MISMATCH: EXIT.medium,
  SESSION_NOT_FOUND: EXIT.notFound,
  READ_ERROR: EXIT.medium,
  WRITE_ERROR: EXIT.medium,
  BLANK_FAILED: EXIT.medium,
  ENTRY_NOT_FOUND: EXIT.notFound,
  ENTRY_EXISTS: EXIT.failure,
  NAME_TOO_LONG: EXIT.failure,
  SOURCE_UNREADABLE: EXIT.failure,
  SOURCE_CHANGED: EXIT.failure,
  TARGET_EXISTS: EXIT.failure,
  TARGET_UNWRITABLE: EXIT.failure,
  TOO_MANY_FILES: EXIT.failure,
  CHECKSUM_MISMATCH: EXIT.checksum,
  INVALID_COMMAND: EXIT.failure,
  ABORTED: EXIT.failure,
  SESSION_LOST: EXIT.failure,
  TIMEOUT: EXIT.failure,
  PROTOCOL: EXIT.failure,
  CLOSED: EXIT.failure,
  UNKNOWN: EXIT.failure,
};

/** Exit code and code word of any error. */
function judge(error: unknown): { exit: number; code: string } {
  if (error instanceof XorrisoError) {
    return { exit: EXIT_CODES[error.code], code: error.code };
  }
  if (error instanceof Deno.errors.NotCapable) {
    return { exit: EXIT.permission, code: "NOT_CAPABLE" };
  }
  // Files that are not there are a XorrisoError; what is left is the executable.
  if (error instanceof Deno.errors.NotFound) {
    return { exit: EXIT.permission, code: "NO_XORRISO" };
  }
  const isUsage = error instanceof UsageError || error instanceof TypeError ||
    error instanceof RangeError;
  return isUsage
    ? { exit: EXIT.usage, code: "USAGE" }
    : { exit: EXIT.failure, code: "UNKNOWN" };
}

/** Nobody reads standard output any more: no failure of this program, but there is no more to do. */
export class OutputClosed extends Error {}

/** Bytes of text that are gathered before they are written. */
const BUFFER = 65536;

/** One run of a command. */
export class Job {
  /** The operands behind the command. */
  readonly operands: readonly string[];
  /** Aborted when the user interrupts the program. */
  readonly signal: AbortSignal;
  /** Opens standard input. */
  readonly stdin: () => ReadableStream<Uint8Array>;
  readonly #flags: ReadonlyMap<string, string>;
  readonly #stdout: Output;
  readonly #progress: ProgressLine;
  #exit: number = EXIT.done;

  /**
   * Does nothing yet.
   *
   * @param args The command line.
   * @param io The world outside.
   */
  constructor(args: Pick<Arguments<Job>, "operands" | "flags">, io: Io) {
    this.operands = args.operands;
    this.signal = io.signal;
    this.stdin = io.stdin;
    this.#flags = args.flags;
    this.#stdout = io.stdout;
    this.#progress = new ProgressLine(io.stderr);
  }

  /** The exit code so far: the highest of all failures. */
  get exit(): number {
    return this.#exit;
  }

  /** Whether a switch is set. */
  has(flag: string): boolean {
    return this.#flags.has(flag);
  }

  /** The value of a flag, `undefined` if it is not set. */
  value(flag: string): string | undefined {
    return this.#flags.get(flag);
  }

  /**
   * Opens the medium of the first operand; staging and commit are left to the command.
   *
   * The module behind it is loaded only here, so that help and usage errors are at once.
   */
  async open(options: BackendOptions = {}): Promise<XorrisoBackend> {
    const url = this.operands[0] ?? "";
    parseLocation(url);
    const speed = this.value("write-speed");
    const volumeId = this.value("assert-volid");
    const session = this.value("session");
    const all: BackendOptions = {
      ...options,
      ...(speed === undefined ? {} : { writeSpeed: parseWriteSpeed(speed) }),
      ...(volumeId === undefined ? {} : { assertVolumeId: volumeId }),
      ...this.#program(),
      ...(session === undefined ? {} : { session: parseSession(session) }),
      ...(this.has("recover") ? { recover: true } : {}),
      autoCommit: false,
      signal: this.signal,
      onProgress: (progress) => this.progress(progress),
    };
    const { XorrisoBackend } = await import("../backend/backend.ts");
    this.signal.throwIfAborted();
    return await XorrisoBackend.open(url, all);
  }

  /** Lists the optical drives. */
  async devices(): Promise<Device[]> {
    const options = this.#program();
    const { devices } = await import("../session/devices.ts");
    this.signal.throwIfAborted();
    return await devices({
      ...readSettings(options),
      ...options,
      signal: this.signal,
    });
  }

  /** Which xorriso to start, and how. */
  #program(): Pick<BackendOptions, "xorrisoPath" | "xorrisoArgs"> {
    const path = this.value("xorriso-path");
    const args = this.value("xorriso-args");
    return {
      ...(path === undefined ? {} : { xorrisoPath: path }),
      ...(args === undefined ? {} : { xorrisoArgs: splitArgs(args) }),
    };
  }

  /** Shows progress, if somebody looks and has not asked for silence. */
  progress(progress: Progress): void {
    if (!this.has("quiet") && !this.has("json")) {
      this.#progress.update(progress);
    }
  }

  /** Erases the progress. */
  clearProgress(): void {
    this.#progress.clear();
  }

  /** How a name is printed: as it is into a pipe, escaped for a terminal. */
  name(name: string): string {
    return this.#stdout.isTerminal ? escapeName(name) : name;
  }

  /**
   * Prints objects on standard output.
   *
   * @param values What to print.
   * @param format Makes the line for people of one; `--json` takes the object itself.
   */
  async print<T>(
    values: Iterable<T>,
    format: (value: T) => string,
  ): Promise<void> {
    const line = this.has("json") ? formatJson : format;
    let text = "";
    for (const value of values) {
      text += line(value) + "\n";
      if (text.length < BUFFER) continue;
      await this.write(encodeName(text));
      text = "";
    }
    if (text !== "") await this.write(encodeName(text));
  }

  /** Prints objects on standard output if that is asked for by `--json`. */
  async printJson(values: Iterable<unknown>): Promise<void> {
    if (this.has("json")) await this.print(values, String);
  }

  /**
   * Writes bytes to standard output.
   *
   * @throws {OutputClosed} When nobody reads on.
   */
  async write(bytes: Uint8Array): Promise<void> {
    // Elsewhere the two do not meet.
    if (this.#stdout.isTerminal) this.#progress.clear();
    try {
      // A reader that stalls may never let it end.
      await abortable(this.#stdout.write(bytes), this.signal);
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed();
      throw error;
    }
  }

  /** Tells what is no failure; `value` is what `--json` has of it. */
  note(text: string, value?: unknown): void {
    if (this.has("quiet")) return;
    if (!this.has("json")) this.#progress.print(escapeText(text));
    else if (value !== undefined) this.#progress.print(formatJson(value));
  }

  /**
   * Tells a failure, and remembers its exit code.
   *
   * @param error What was thrown.
   */
  fail(error: unknown): void {
    const { exit, code } = judge(error);
    this.#exit = Math.max(this.#exit, exit);
    this.#tell(code, error instanceof Error ? error.message : String(error));
  }

  /** Tells that the user has interrupted the program. */
  interrupt(): void {
    this.#exit = EXIT.interrupted;
    this.#tell("INTERRUPTED", "Interrupted");
  }

  #tell(code: string, message: string): void {
    this.#progress.print(
      this.has("json")
        ? formatJson({ error: { code, message } })
        : `xorriso-backend: ${escapeText(message)}`,
    );
  }
}

/** Reads the value of `--session`. */
function parseSession(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new UsageError(
    `Cannot use the session "${text}": it must be a number from 1`,
  );
}
