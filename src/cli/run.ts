/** One run of the program: what it was asked, and how it prints, fails and sums up. */
import { abortable } from "@std/async/abortable";
import type { Progress } from "../options.ts";
import { encodeName, unspellName } from "../names.ts";
import { XorrisoError } from "../errors.ts";
import type { LeftOut, TreeEvent } from "../tree/options.ts";
import type { Arguments } from "./arguments.ts";
import { EXIT, judge, messageOf, OutputClosed } from "./exit.ts";
import { ProgressLine, type Screen } from "./progress.ts";
import {
  alignColumns,
  escapeName,
  escapeText,
  formatBytes,
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
  /** Columns of the terminal; used only if it is one. */
  columns(): number;
  /** Writes all the bytes; rejects with `Deno.errors.BrokenPipe` when nobody reads on. */
  write(bytes: Uint8Array): Promise<void>;
}

/** What has become of a name. */
interface Named extends Partial<Omit<TreeEvent, "kind" | "error">> {
  readonly kind: string;
  readonly name: string;
}

/** Columns of what is no terminal. */
const COLUMNS = 80;

/** Bytes of text that are gathered before they are written. */
const BUFFER = 65536;

/** One run of a command. */
export class Run {
  /** The operands behind the command. */
  readonly operands: readonly string[];
  /** Aborted when the user interrupts the program. */
  readonly signal: AbortSignal;
  /** Opens standard input. */
  readonly stdin: () => ReadableStream<Uint8Array>;
  readonly #flags: Arguments["flags"];
  readonly #stdout: Output;
  readonly #progress: ProgressLine;
  readonly #now: () => number;
  readonly #start: number;
  #exit: number = EXIT.done;
  #left = 0;
  readonly #entries: Named[] = [];

  /**
   * Does nothing yet.
   *
   * @param args The command line.
   * @param io The world outside.
   */
  constructor(args: Pick<Arguments, "operands" | "flags">, io: Io) {
    this.operands = args.operands;
    this.signal = io.signal;
    this.stdin = io.stdin;
    this.#flags = args.flags;
    this.#stdout = io.stdout;
    this.#progress = new ProgressLine(io.stderr, io.now);
    this.#now = io.now;
    this.#start = io.now();
  }

  /** The exit code so far: the highest of all failures, else whether something was left out. */
  get exit(): number {
    if (this.#exit !== EXIT.done) return this.#exit;
    return this.#left > 0 ? EXIT.incomplete : EXIT.done;
  }

  /** Whether there was a failure; that something was left out is none. */
  get hasFailed(): boolean {
    return this.#exit !== EXIT.done;
  }

  /** Columns that a line of output may have. */
  get columns(): number {
    return this.#stdout.isTerminal ? this.#stdout.columns() : COLUMNS;
  }

  /** The names on the medium that stand behind the URL; `\xHH` is a byte that is not UTF-8. */
  get names(): readonly string[] {
    return this.operands.slice(1).map(unspellName);
  }

  /** Whether a flag is set. */
  has(flag: string): boolean {
    return this.#flags.has(flag);
  }

  /** The value of a flag, the last one of several; `undefined` if it is not set. */
  value(flag: string): string | undefined {
    return this.#flags.get(flag)?.at(-1);
  }

  /** All values of a flag that can be given more than once. */
  values(flag: string): readonly string[] {
    return this.#flags.get(flag) ?? [];
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
    let text = "";
    for (const line of lines) {
      text += line + "\n";
      if (text.length < BUFFER) continue;
      await this.write(encodeName(text));
      text = "";
    }
    if (text !== "") await this.write(encodeName(text));
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

  /** Tells people what is no failure. */
  note(text: string): void {
    if (this.has("quiet") || this.has("json")) return;
    this.#progress.print(escapeText(text));
  }

  /** Tells what is odd about a medium; this is no failure. */
  warn(message: string): void {
    if (this.has("json")) {
      this.#progress.print(formatJson({ warning: { message } }));
    } else this.note(`Warning: ${message}`);
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
    const message = messageOf(error);
    // Links alone may need more than anybody wants to allow.
    const isDenied = error instanceof Deno.errors.NotCapable &&
      reason !== "links";
    if (reason === "failed" || isDenied) this.fail(error);
    else if (this.has("json")) {
      this.#progress.print(
        formatJson({ left: { name, path, reason, message } }),
      );
    } else this.note(message);
  }

  /** Tells what has become of a name, if somebody wants to know it of each; `--json` leaves out what stayed. */
  tellEntry({ change, kind: done, name, size, from }: Named): void {
    const isVerbose = this.has("verbose");
    // What is left is told with its reason.
    if (done === "left" || done === "unchanged" && !isVerbose) return;
    // As `diff` has it.
    const kind = change ?? done;
    if (this.has("json")) {
      this.#entries.push(defined<Named>({ kind, name, size, from }));
    } else if (isVerbose || this.has("dry-run")) {
      this.note([
        `${kind.padEnd(10)}  ${name}`,
        ...size === undefined ? [] : [`(${formatBytes(size)})`],
        ...from === undefined ? [] : [`(was ${from})`],
      ].join("  "));
    }
  }

  /** What all calls that take long have in common. */
  get watched() {
    return {
      signal: this.signal,
      onProgress: (progress: Progress) => this.progress(progress),
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

  /**
   * Tells in a last line what has been done, what was left out, and how long it took if that was long.
   *
   * @param parts What has been done.
   * @param value The same for `--json`, on standard output behind what has become of each name.
   */
  async sumUp(
    parts: readonly string[],
    value: Record<string, unknown>,
  ): Promise<void> {
    const seconds = Math.round(this.#now() - this.#start) / 1000;
    const left = this.#left;
    await this.printJson([
      ...this.#entries,
      { summary: { ...value, left, seconds } },
    ]);
    this.note([
      ...parts,
      ...left > 0 ? [`${left} left out`] : [],
      ...seconds >= 1 ? [formatDuration(seconds)] : [],
    ].join(", "));
  }

  /**
   * Tells a failure, and remembers its exit code.
   *
   * @param error What was thrown.
   */
  fail(error: unknown): void {
    const { exit, code } = judge(error);
    this.#exit = Math.max(this.#exit, exit);
    const { path, needed, free }: Partial<XorrisoError> =
      error instanceof XorrisoError ? error : {};
    this.#tell({ code, message: messageOf(error), path, needed, free });
  }

  /** Tells that the user has interrupted the program. */
  interrupt(): void {
    this.#exit = EXIT.interrupted;
    this.#tell({ code: "INTERRUPTED", message: "Interrupted" });
  }

  #tell(error: { readonly message: string; readonly [key: string]: unknown }) {
    this.#progress.print(
      this.has("json")
        ? formatJson({ error })
        : `xorriso-backend: ${escapeText(error.message)}`,
    );
  }
}

/** Options without those that are undefined, which an optional property must not be. */
export function defined<T>(options: { [K in keyof T]?: T[K] | undefined }): T {
  const set = Object.entries(options).filter(([, value]) =>
    value !== undefined
  );
  return Object.fromEntries(set) as T;
}
