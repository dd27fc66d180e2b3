/** One run of the program: what it was asked, and how it prints, fails and sums up. */
import { abortable } from "@std/async/abortable";
import type { Place } from "../backend/options.ts";
import { parseLocation } from "../backend/url.ts";
import type { Progress } from "../options.ts";
import { encodeName } from "../names.ts";
import { systemError, XorrisoError } from "../errors.ts";
import type { LeftOut, TreeEvent } from "../tree/options.ts";
import { EXIT, messageOf, OutputClosed, verdictOf } from "./exit.ts";
import { ProgressLine, type Screen } from "./progress.ts";
import {
  alignColumns,
  escapeName,
  escapeText,
  formatBytes,
  formatCounts,
  formatDuration,
  formatJson,
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
  /** A clock in milliseconds. */
  readonly now: () => number;
}

/** Where data goes: standard output, or its stand-in in a test. */
export interface Output {
  /** Whether a person may be looking, so that names must be escaped. */
  readonly isTerminal: boolean;
  /** Columns that a line may have. */
  columns(): number;
  /** Writes all the bytes; rejects with `Deno.errors.BrokenPipe` when nobody reads on. */
  write(bytes: Uint8Array): Promise<void>;
}

/** The values of the flags that are set, by name; a switch has the value `"true"`. */
export type Flags = ReadonlyMap<string, readonly string[]>;

/** What has become of a name. */
interface Told extends Partial<Omit<TreeEvent, "kind" | "error">> {
  readonly kind: string;
  readonly name: string;
}

/** One run of a command. */
export class Run {
  /** The operands behind the command. */
  readonly operands: readonly string[];
  /** Aborted when the user interrupts the program. */
  readonly signal: AbortSignal;
  readonly #flags: Flags;
  readonly #io: Io;
  readonly #progress: ProgressLine;
  readonly #start: number;
  #exit: number = EXIT.done;
  #left = 0;
  readonly #entries: Told[] = [];

  /** Does nothing yet. */
  constructor(operands: readonly string[], flags: Flags, io: Io) {
    this.operands = operands;
    this.signal = io.signal;
    this.#flags = flags;
    this.#io = io;
    this.#progress = new ProgressLine(io.stderr, io.now);
    this.#start = io.now();
  }

  /** The exit code so far: the highest of all failures, else whether something was left out. */
  get exit(): number {
    return this.#exit === EXIT.done && this.#left > 0
      ? EXIT.incomplete
      : this.#exit;
  }

  /** Whether there was a failure; that something was left out is none. */
  get hasFailed(): boolean {
    return this.#exit !== EXIT.done;
  }

  /** Columns that a line of output may have. */
  get columns(): number {
    return this.#io.stdout.columns();
  }

  /** What the first operand, the URL, means. */
  get location(): Required<Place> {
    return parseLocation(this.operands[0] ?? "");
  }

  /** The operands behind the URL: names on the medium. */
  get names(): readonly string[] {
    return this.operands.slice(1);
  }

  /** What all calls that take long have in common. */
  get watched() {
    return {
      signal: this.signal,
      onProgress: (progress: Progress) => {
        if (!this.#isSilent) this.#progress.update(progress);
      },
    };
  }

  /** What the calls about trees have in common. */
  get treeOptions() {
    return {
      ...this.watched,
      dryRun: this.has("dry-run"),
      onEntry: (event: TreeEvent) => this.tellEntry(event),
    };
  }

  /** Opens standard input. */
  stdin(): ReadableStream<Uint8Array> {
    return this.#io.stdin();
  }

  /** Whether a flag is set. */
  has(flag: string): boolean {
    return this.#flags.has(flag);
  }

  /** The value of a flag, the last one of several; `undefined` if it is not set. */
  value(flag: string): string | undefined {
    return this.values(flag).at(-1);
  }

  /** All values of a flag that can be given more than once. */
  values(flag: string): readonly string[] {
    return this.#flags.get(flag) ?? [];
  }

  /** How a name is printed: as it is into a pipe, escaped for a terminal. */
  name(name: string): string {
    return this.#io.stdout.isTerminal ? escapeName(name) : name;
  }

  /** How a size is printed: for people, or with `--bytes` as a plain number. */
  size(bytes: number): string {
    return this.has("bytes") ? String(bytes) : formatBytes(bytes);
  }

  /**
   * Prints objects on standard output, one a line.
   *
   * @param values What to print; `--json` takes the objects themselves.
   * @param toCells Makes the cells of a line for people, which are aligned.
   * @param right Numbers of the columns that stand at their right edge, from 0.
   */
  async print<T>(
    values: readonly T[],
    toCells: (value: T) => readonly string[],
    right?: readonly number[],
  ): Promise<void> {
    const lines = this.has("json")
      ? values.map(formatJson)
      : alignColumns(values.map(toCells), right);
    if (lines.length > 0) await this.write(encodeName(lines.join("\n") + "\n"));
  }

  /** Prints objects on standard output if that is asked for by `--json`. */
  async printJson(values: readonly unknown[]): Promise<void> {
    if (this.has("json")) await this.print(values, () => []);
  }

  /**
   * Writes bytes to standard output.
   *
   * @throws {OutputClosed} When nobody reads on.
   */
  async write(bytes: Uint8Array): Promise<void> {
    const { isTerminal } = this.#io.stdout;
    // Elsewhere the two do not meet.
    if (isTerminal) this.clearProgress();
    try {
      // A reader that stalls may never let it end.
      await abortable(this.#io.stdout.write(bytes), this.signal);
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosed();
      const doing = "Cannot write to standard output";
      throw systemError(error, { doing, code: "TARGET_UNWRITABLE" });
    }
  }

  /** Tells people what is no failure. */
  note(text: string): void {
    if (!this.#isSilent) this.#progress.print(escapeText(text));
  }

  /** Tells what is odd about a medium; this is no failure. */
  warn(message: string): void {
    this.#tell({ warning: { message } }, `Warning: ${message}`);
  }

  /**
   * Tells what was not stored or restored; this is no failure but makes the exit code 7.
   *
   * @param left Its name, the reason in one word, and in an error's words.
   */
  leaveOut(
    { name, path, reason, error }: Omit<LeftOut, "reason"> & {
      readonly reason: string;
    },
  ): void {
    this.#left++;
    // Links alone may need more than anybody wants to allow.
    const isDenied = error instanceof Deno.errors.NotCapable &&
      reason !== "links";
    if (reason === "failed" || isDenied) return this.fail(error);
    const message = messageOf(error);
    this.#tell({ left: { name, path, reason, message } }, message);
  }

  /** Tells what has become of a name, if somebody wants to know it of each; `--json` leaves out what stayed. */
  tellEntry({ change, kind: done, name, size, from }: Told): void {
    const isVerbose = this.has("verbose");
    // What is left is told with its reason.
    if (done === "left" || done === "unchanged" && !isVerbose) return;
    // As `diff` has it.
    const kind = change ?? done;
    if (this.has("json")) {
      this.#entries.push(defined<Told>({ kind, name, size, from }));
    } else if (isVerbose || this.has("dry-run")) {
      this.note([
        `${kind.padEnd(10)}  ${name}`,
        ...size === undefined ? [] : [`(${formatBytes(size)})`],
        ...from === undefined ? [] : [`(was ${from})`],
      ].join("  "));
    }
  }

  /**
   * Tells in a last line what has been done, what was left out, and how long it took if that was long.
   *
   * @param done What has been done.
   * @param counts How many of what; those that are not 0 follow in the line.
   * @param more The number of the new session, and what `--json` alone tells.
   */
  async sumUp(
    done: string,
    counts: Readonly<Record<string, number>>,
    more: { readonly session?: number | undefined; [key: string]: unknown },
  ): Promise<void> {
    const { session } = more;
    const seconds = Math.round(this.#io.now() - this.#start) / 1000;
    const left = this.#left;
    const summary = { ...counts, ...more, left, seconds };
    await this.printJson([...this.#entries, { summary }]);
    this.note([
      done,
      ...formatCounts(counts),
      ...session === undefined ? [] : [`session ${session}`],
      ...left > 0 ? [`${left} left out`] : [],
      ...seconds >= 1 ? [formatDuration(seconds)] : [],
    ].join(", "));
  }

  /** Tells a failure, and remembers its exit code. */
  fail(cause: unknown): void {
    const { exit, code } = verdictOf(cause);
    this.#exit = Math.max(this.#exit, exit);
    const { path, needed, free }: Partial<XorrisoError> =
      cause instanceof XorrisoError ? cause : {};
    const message = messageOf(cause);
    this.#progress.print(
      this.has("json")
        ? formatJson({ error: { code, message, path, needed, free } })
        : `xorriso-backend: ${escapeText(message)}`,
    );
  }

  /** Erases the progress. */
  clearProgress(): void {
    this.#progress.clear();
  }

  /** Whether nothing but errors is told to people. */
  get #isSilent(): boolean {
    return this.has("quiet") || this.has("json");
  }

  /** Tells programs or people what is no failure. */
  #tell(value: unknown, text: string): void {
    if (this.has("json")) this.#progress.print(formatJson(value));
    else this.note(text);
  }
}

/** Options without those that are undefined, which an optional property must not be. */
export function defined<T>(options: { [K in keyof T]?: T[K] | undefined }): T {
  const set = Object.entries(options).filter(([, value]) =>
    value !== undefined
  );
  return Object.fromEntries(set) as T;
}
