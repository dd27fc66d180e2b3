/** Exchanges lines with one xorriso process: in order, each line followed by a mark of its own. */

import { notify } from "../async.ts";
import { XorrisoError } from "../errors.ts";
import type { Progress } from "../options.ts";
import { type Answer, Exchange, type ExchangeOptions } from "./exchange.ts";
import { Child } from "./process.ts";
import { parseProgress, withoutRate } from "./progress.ts";
import {
  ARGUMENTS,
  isNoise,
  markWords,
  parsePacket,
  requireBearable,
  SETTINGS,
  START_MARK,
  wordsLine,
} from "./protocol.ts";
import { Silence } from "./silence.ts";

/** What a dialogue needs to know of its surroundings. */
export interface DialogueOptions {
  /** Milliseconds without a line from xorriso after which it counts as hung. */
  readonly timeout: number;
  /** Milliseconds without progress until `onStill` of the exchange is called. @default {5000} */
  readonly still?: number;
  /** Milliseconds that each step of ending the process may take. */
  readonly grace: number;
  /** Whether SIGKILL does no harm even while xorriso writes. */
  readonly mayKill: boolean;
  /** The drive or image that is going to be opened, as an operand of `-dev`. */
  readonly device?: string | undefined;
  /** Takes each message line. */
  readonly onMessage?: ((line: string) => void) | undefined;
  /** Takes each progress report. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Takes a line of standard error; returns whether it belongs to a log, and tells no trouble. */
  readonly onLog?: ((line: string) => boolean) | undefined;
  /** Aborts starting. */
  readonly signal?: AbortSignal | undefined;
}

type State =
  | { readonly is: "open" }
  /** It is ending, or has ended, by `end()`. */
  | { readonly is: "ending"; readonly done: Promise<void> }
  /** It is ending, or has ended, in any other way. */
  | {
    readonly is: "lost";
    readonly reason: XorrisoError;
    /** The exchange that xorriso was working on. */
    readonly at: Exchange | undefined;
  };

/** Most characters in flight: sent, and not answered yet. */
const FLIGHT_LIMIT = 64 * 1024;

/** Lines of standard error that are kept to explain the end of the process. */
const STDERR_LIMIT = 100;

const STILL = 5000;

/** Milliseconds until xorriso that waits in vain is killed, or left to itself. */
const STUCK_GRACE = 1000;

/** Graces without output after which a process that does not end is left to itself. */
const STEPS = 3;

/**
 * What libburn writes before it ends the process by this signal. Any of its
 * threads may get the signal; in the others the write itself fails.
 */
const SIGXFSZ_LINE = /^UNIX-SIGNAL: +SIGXFSZ\b/;

const TOO_LARGE = {
  code: "MEDIUM_FULL",
  message: "The image has grown to the limit that is set for the size of " +
    "files (ulimit -f); store less, or raise it",
  path: undefined,
} as const;

/** One xorriso process in dialog mode, spoken to line by line. */
export class Dialogue {
  readonly #options: DialogueOptions;
  readonly #child: Child;
  readonly #silence: Silence;
  readonly #waiting = new Set<Exchange>();
  /** Sent exchanges whose mark has not appeared on standard output. */
  readonly #flight = new Set<Exchange>();
  /** Sent exchanges whose mark has not appeared on standard error. */
  readonly #errorFlight = new Set<Exchange>();
  readonly #errors: string[] = [];
  /** Makes marks unlike any other output. */
  readonly #series = crypto.randomUUID().slice(0, 8);
  #marks = 0;
  #sendScheduled = false;
  #lastReport: string | undefined;
  #state: State = { is: "open" };

  /**
   * Resolves when every exchange is settled: with true when the process is
   * gone, with false when it did not end and was left to itself.
   */
  readonly closed: Promise<boolean>;

  private constructor(command: string, options: DialogueOptions) {
    this.#options = options;
    this.#silence = new Silence({
      timeout: options.timeout,
      still: options.still ?? STILL,
      onStill: () => void this.#onStill(),
      onSilent: (silent) => this.#onSilent(silent),
    });
    this.#child = Child.spawn(command, ARGUMENTS, {
      stdout: (line) => this.#receive(line),
      stderr: (line) => this.#receiveError(line),
    });
    this.closed = this.#child.ended.then((status) => {
      this.#settle(status);
      return status !== undefined;
    });
  }

  /** Whether the process has ended, or is about to, but not by `end()`. */
  get lost(): boolean {
    return this.#state.is === "lost";
  }

  /**
   * Starts xorriso and waits until it is ready for the first line.
   *
   * @param command The executable.
   * @param words Commands for xorriso, as they would be its arguments. They are
   * sent as a line, since xorriso 1.5.6 inspects all arguments before it obeys
   * the first. What the module relies on is set again behind them.
   */
  static async start(
    command: string,
    words: readonly string[],
    options: DialogueOptions,
  ): Promise<Dialogue> {
    const { signal } = options;
    signal?.throwIfAborted();
    requireBearable(words);
    const dialogue = new Dialogue(command, options);
    const doing = `Cannot start "${command}"`;
    const exchange = { doing, signal };
    try {
      await dialogue.#launch(dialogue.#ask("", START_MARK, exchange));
      if (words.length > 0) {
        await dialogue.exchange(wordsLine(words), exchange);
        await dialogue.exchange(wordsLine(SETTINGS), exchange);
      }
    } catch (error) {
      await dialogue.end();
      throw error;
    }
    return dialogue;
  }

  /**
   * Sends one line and resolves with its answer.
   *
   * Success is judged by the severities of the messages between this line and
   * its mark, never by a text that claims success.
   *
   * @param line A line as `commandLine()` makes it.
   */
  exchange(line: string, options: ExchangeOptions): Promise<Answer> {
    try {
      options.signal?.throwIfAborted();
      this.requireOpen(options.doing);
    } catch (reason) {
      return Promise.reject(reason);
    }
    const mark = `${this.#series}-${++this.#marks}`;
    const exchange = this.#ask(line, mark, options);
    this.#waiting.add(exchange);
    this.#scheduleSend(queueMicrotask);
    return exchange.answer;
  }

  /**
   * Throws if no line can be sent any more.
   *
   * @param doing The beginning of the message: `Cannot list "/2026"`.
   */
  requireOpen(doing: string): void {
    if (this.#state.is === "lost") throw this.#state.reason;
    if (this.#state.is === "ending") {
      throw new XorrisoError("CLOSED", `${doing}: the session is closed`);
    }
  }

  /**
   * Ends the process when all exchanges are settled; what is not committed is
   * discarded.
   */
  async end(): Promise<void> {
    if (this.#state.is === "open") {
      this.#state = { is: "ending", done: this.#end() };
    }
    await (this.#state.is === "ending" ? this.#state.done : this.closed);
  }

  /**
   * Ends the process at once.
   *
   * @param reason What unfinished exchanges reject with.
   * @param grace Milliseconds until SIGKILL, where that does no harm.
   */
  stop(reason: XorrisoError, grace = this.#options.grace): void {
    if (this.lost) return;
    this.#state = { is: "lost", reason, at: first(this.#flight) };
    // `closed` tells the outcome.
    this.#child.terminate(grace, this.#mayKill);
    // A process that is not killed, or not reached, may go on for long.
    this.#awaitEnd(this.#mayKill ? STEPS * grace : this.#options.timeout);
  }

  async #end(): Promise<void> {
    const answers = Array.from(this.#unsettled(), ({ answer }) => answer);
    await Promise.allSettled(answers);
    if (!this.lost) {
      // Not awaited: the process may not read any more.
      this.#child.write("-rollback_end\n");
      this.#child.end(this.#options.grace);
    }
    await this.#awaitEnd(STEPS * this.#options.grace);
  }

  /** Waits for the end of the process while it is not silent for `timeout` ms. */
  async #awaitEnd(timeout: number): Promise<void> {
    this.#silence.start(timeout);
    await this.closed;
    this.#silence.stop();
  }

  #ask(line: string, mark: string, options: ExchangeOptions): Exchange {
    return new Exchange(line, mark, options, (it) => this.#abort(it));
  }

  #unsettled(): Set<Exchange> {
    return this.#errorFlight.union(this.#flight).union(this.#waiting);
  }

  #abort(exchange: Exchange): void {
    if (this.#waiting.delete(exchange)) return exchange.abort();
    if (this.lost) return;
    // xorriso stops its work by a signal to the process alone. The exchange
    // rejects with its own reason once the process is gone.
    this.stop(
      new XorrisoError(
        "SESSION_LOST",
        `${exchange.options.doing}: the session ended because a call was ` +
          `aborted while xorriso worked on it`,
      ),
    );
  }

  #scheduleSend(schedule: (send: () => void) => void): void {
    if (this.#sendScheduled || this.#waiting.size === 0) return;
    this.#sendScheduled = true;
    schedule(() => this.#send());
  }

  /** Sends all exchanges that may be sent now, in one write. */
  #send(): void {
    this.#sendScheduled = false;
    if (this.lost) return;
    let text = "";
    let size = 0;
    for (const { line } of this.#flight) size += line.length;
    for (const next of this.#waiting) {
      size += next.line.length;
      if (!this.#maySend(next, size)) break;
      this.#waiting.delete(next);
      this.#launch(next);
      text += `${next.line}\n${markWords(next.mark).join(" ")}\n`;
    }
    if (text !== "") this.#child.write(text);
  }

  /**
   * Whether an exchange may be sent now.
   *
   * @param size Characters that would be in flight then.
   */
  #maySend(next: Exchange, size: number): boolean {
    // If one exchange in flight is pipelined, all are.
    const current = first(this.#flight);
    if (current === undefined) return true;
    return next.options.pipelined === true &&
      current.options.pipelined === true && size < FLIGHT_LIMIT;
  }

  #launch(exchange: Exchange): Promise<Answer> {
    this.#flight.add(exchange);
    this.#errorFlight.add(exchange);
    this.#silence.start();
    return exchange.answer;
  }

  /** The exchange that xorriso is working on. */
  get #current(): Exchange | undefined {
    const at = this.#state.is === "lost" ? this.#state.at : undefined;
    return at ?? first(this.#flight);
  }

  /** Whether SIGKILL does no harm, since nothing is written to a drive. */
  get #mayKill(): boolean {
    const current = this.#current;
    return this.#options.mayKill || current?.options.writes !== true ||
      current.isCutOff;
  }

  /** Gives up a process that is silent. */
  #onSilent(silent: number): void {
    // It was to end already, and has not.
    if (this.#unsettled().size === 0 || this.lost) return this.#child.leave();
    this.stop(
      new XorrisoError(
        "TIMEOUT",
        `${this.#doing}: xorriso has been silent for ` +
          `${Math.round(silent / 1000)} s`,
        { messages: this.#current?.messages ?? [] },
      ),
    );
  }

  /** Ends xorriso if it waits in vain. */
  async #onStill(): Promise<void> {
    const current = this.#current;
    if (current === undefined) return this.#requireErrors();
    const fate = current.isCutOff
      ? current.problem()
      : await current.options.onStill?.();
    if (fate === undefined || this.#current !== current) return;
    current.fate = fate;
    this.stop(
      new XorrisoError(
        "SESSION_LOST",
        `The session ended because xorriso waited in vain: ${fate.message}`,
        { cause: fate, messages: fate.messages },
      ),
      STUCK_GRACE,
    );
    // It ends by itself as soon as it need not wait any more.
    if (await this.#child.endsWithin(STUCK_GRACE)) return;
    if (this.#mayKill) this.#child.kill("SIGKILL");
    else this.#child.leave();
  }

  /** Stops a program that does not pass on standard error. */
  #requireErrors(): void {
    if (this.#errorFlight.size === 0) return;
    this.stop(
      new XorrisoError(
        "PROTOCOL",
        `${this.#doing}: nothing comes from its standard error, by which ` +
          `xorriso tells some failures; if it is a script around xorriso, it ` +
          `must not redirect it`,
      ),
    );
  }

  get #doing(): string {
    return first(this.#errorFlight)?.options.doing ?? "Cannot go on";
  }

  #receive(line: string): void {
    const { channel, text } = parsePacket(line);
    const progress = channel === "I" ? parseProgress(text) : undefined;
    // While its writer hangs, on a FIFO for one, xorriso goes on repeating the
    // same progress report.
    const report = progress && withoutRate(text);
    if (report === undefined || report !== this.#lastReport) {
      this.#silence.moved();
    }
    this.#lastReport = report;
    if (progress !== undefined) {
      notify(
        this.#options.onProgress,
        first(this.#flight)?.addProgress(progress) ?? progress,
      );
    } else if (channel === "R") {
      first(this.#flight)?.addResult(text);
    } else if (channel === "M") {
      // xorriso repeats its last mark at each prompt.
      this.#receiveMark(text, this.#flight);
    } else if (channel === "?") {
      // Where its input has ended within a line, with packets still off,
      // xorriso prints its mark once more, or an empty line, and ends.
      if (text === "" || text.startsWith(this.#series)) return;
      this.stop(
        new XorrisoError(
          "PROTOCOL",
          `${this.#doing}: the program wrote something that is no packet of ` +
            `xorriso: ${JSON.stringify(text.slice(0, 200))}`,
          { messages: [text] },
        ),
      );
    } else if (!isNoise(text)) {
      this.#current?.messages.push(text);
      notify(this.#options.onMessage, text);
    }
  }

  #receiveError(line: string): void {
    this.#silence.moved();
    const mark = first(this.#errorFlight)?.mark ?? START_MARK;
    const text = line.endsWith(mark) ? line.slice(0, -mark.length) : line;
    if (text.trim() !== "" && this.#options.onLog?.(text) !== true) {
      this.#errors.push(text);
      if (this.#errors.length > STDERR_LIMIT) this.#errors.shift();
      // The banner, and messages of the dynamic linker, precede the first mark.
      if (mark !== START_MARK) first(this.#errorFlight)?.addError(text);
      notify(this.#options.onMessage, text);
    }
    if (text !== line) this.#receiveMark(mark, this.#errorFlight);
  }

  /** Takes a mark on one of the outputs; with the second one an exchange is over. */
  #receiveMark(mark: string, flight: Set<Exchange>): void {
    const current = first(flight);
    // Once the dialogue is lost, #settle() fails all exchanges.
    if (current?.mark !== mark || this.lost) return;
    flight.delete(current);
    if (this.#flight.has(current) || this.#errorFlight.has(current)) return;
    if (this.#flight.size + this.#errorFlight.size === 0) this.#silence.stop();
    current.finish(this.#options.device ?? "");
    // Only after the lines that were read together with this one.
    this.#scheduleSend(setImmediate);
  }

  /** Fails all exchanges that are left; `status` is undefined if xorriso was left to itself. */
  #settle(status: Deno.CommandStatus | undefined): void {
    this.#silence.stop();
    const unsettled = this.#unsettled();
    const current = first(this.#flight);
    const how = status?.signal ?? `exit code ${status?.code}`;
    const reason = this.#state.is === "lost"
      ? this.#state.reason
      : new XorrisoError(
        "SESSION_LOST",
        `The xorriso process is gone (${how})`,
        { messages: [...current?.messages ?? [], ...this.#errors] },
      );
    if (!this.lost && this.#hasHitLimit(status) && current?.options.writes) {
      current.fate = TOO_LARGE;
    }
    if (this.#state.is === "open") {
      this.#state = { is: "lost", reason, at: undefined };
    }
    for (const set of [this.#flight, this.#errorFlight, this.#waiting]) {
      set.clear();
    }
    for (const exchange of unsettled) exchange.fail(reason);
  }

  /** Whether the process has ended because a file may not grow further. */
  #hasHitLimit(status: Deno.CommandStatus | undefined): boolean {
    return status?.signal === "SIGXFSZ" ||
      this.#errors.some((line) => SIGXFSZ_LINE.test(line));
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  return set.values().next().value;
}
