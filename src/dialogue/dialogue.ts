/** The exchange of lines with one xorriso process: first come, first served, each line with a mark. */

import { notify } from "../async.ts";
import { XorrisoError } from "../errors.ts";
import type { Progress } from "../options.ts";
import { type Answer, Exchange, type ExchangeOptions } from "./exchange.ts";
import { Child, type ChildStatus } from "./process.ts";
import { parseProgress, withoutRate } from "./progress.ts";
import {
  ARGUMENTS,
  isNoise,
  markWords,
  parsePacket,
  SETTINGS,
  START_MARK,
  wordsLine,
} from "./protocol.ts";
import { Silence } from "./silence.ts";

/** What a dialogue needs to know of its surroundings. */
export interface DialogueOptions {
  /** Milliseconds without a line from xorriso after which it counts as hung. */
  readonly timeout: number;
  /** Milliseconds without progress until it is asked why. @default {5000} */
  readonly still?: number;
  /** Milliseconds that each step of ending the process may take. */
  readonly grace: number;
  /** Whether SIGKILL does no harm even while xorriso writes. */
  readonly mayKill: boolean;
  /** The drive or image that is going to be opened, as xorriso is told it. */
  readonly device?: string | undefined;
  /** Takes each message line. */
  readonly onMessage?: ((line: string) => void) | undefined;
  /** Takes each progress report. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Takes a line of standard error; true if it is a log and no trouble. */
  readonly onLog?: ((line: string) => boolean) | undefined;
  /** Gives up starting. */
  readonly signal?: AbortSignal | undefined;
}

/** What has become of a dialogue. */
type State =
  | { readonly is: "open" }
  /** It is ending, or has ended, as it was asked to. */
  | { readonly is: "ending"; readonly done: Promise<void> }
  /** It is ending, or has ended, before its time. */
  | {
    readonly is: "lost";
    readonly reason: XorrisoError;
    /** What xorriso was at. */
    readonly at: Exchange | undefined;
  };

/** Characters in flight; bounds what is written ahead of the answers. */
const FLIGHT_LIMIT = 64 * 1024;

/** Lines of standard error that are kept to explain a death. */
const STDERR_LIMIT = 100;

const STILL = 5000;

/** Milliseconds until xorriso is killed, or left, that waits in vain. */
const STUCK_GRACE = 1000;

/** Graces without a word until a process is left that neither ends nor dies. */
const STEPS = 3;

/**
 * What libburn tells before it ends the process by this signal. Which of its
 * threads gets it is a matter of luck; in the others the write itself fails.
 */
const TOLD_OF_LIMIT = /^UNIX-SIGNAL: +SIGXFSZ\b/;

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
  /** Sent, and not over on standard output; and the same of standard error. */
  readonly #flight = new Set<Exchange>();
  readonly #errorFlight = new Set<Exchange>();
  readonly #errors: string[] = [];
  /** So that nothing in the output of others is taken for a mark. */
  readonly #series = crypto.randomUUID().slice(0, 8);
  #marks = 0;
  #sendScheduled = false;
  #lastTold = "";
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

  /** Whether the process has ended, or is about to, against the plan. */
  get lost(): boolean {
    return this.#state.is === "lost";
  }

  /**
   * Starts xorriso and waits until it is ready for the first line.
   *
   * @param command The executable.
   * @param words Commands for xorriso, as they would be its arguments. They are
   * sent as a line: since 1.5.6 xorriso looks through arguments before it obeys
   * the first. What the module relies on is set again behind them.
   */
  static async start(
    command: string,
    words: readonly string[],
    options: DialogueOptions,
  ): Promise<Dialogue> {
    const { signal } = options;
    signal?.throwIfAborted();
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
   * Success is judged by the severities of the messages that came between this
   * line and its mark, never by a text that claims success.
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
   * @param doing What fails by that: `Cannot list "/2026"`.
   */
  requireOpen(doing: string): void {
    if (this.#state.is === "lost") throw this.#state.reason;
    if (this.#state.is === "ending") {
      throw new XorrisoError("CLOSED", `${doing}: the session is closed`);
    }
  }

  /**
   * Ends the process: what is not committed is discarded, what is in flight is
   * waited for.
   */
  async end(): Promise<void> {
    if (this.#state.is === "open") {
      this.#state = { is: "ending", done: this.#end() };
    }
    await (this.#state.is === "ending" ? this.#state.done : this.closed);
  }

  /**
   * Ends the process at once, with all that is under way.
   *
   * @param reason What the calls reject with.
   * @param grace Milliseconds until SIGKILL, where that does no harm.
   */
  stop(reason: XorrisoError, grace = this.#options.grace): void {
    if (this.lost) return;
    this.#state = { is: "lost", reason, at: first(this.#flight) };
    // `closed` tells the outcome.
    this.#child.terminate(grace, this.#mayKill);
    // What is not killed, or not reached, may go on for long.
    this.#awaitEnd(this.#mayKill ? STEPS * grace : this.#options.timeout);
  }

  async #end(): Promise<void> {
    // A line in flight, a commit above all, is finished.
    const answers = Array.from(this.#unsettled(), ({ answer }) => answer);
    await Promise.allSettled(answers);
    if (!this.lost) {
      // Not awaited, for it may not read any more.
      this.#child.write("-rollback_end\n");
      this.#child.end(this.#options.grace);
    }
    await this.#awaitEnd(STEPS * this.#options.grace);
  }

  /** Waits for the end of the process, no longer than it is silent for a time. */
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
    // xorriso can be asked to stop by a signal alone. The call is settled by
    // its own one, once the process is gone.
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

  /** Sends all that may be, in one write. */
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

  /** Whether a line may be sent now, with which so much would be in flight. */
  #maySend(next: Exchange, size: number): boolean {
    // All that is in flight together is alike.
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

  /** What xorriso is at. */
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
    // It could not even end.
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
    // It ends in an orderly way as soon as it has not to wait any more.
    if (await this.#child.endsWithin(STUCK_GRACE)) return;
    if (this.#mayKill) this.#child.kill("SIGKILL");
    else this.#child.leave();
  }

  /** Gives up a program that hands on its standard output alone. */
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
    const told = withoutRate(text);
    if (progress === undefined || told !== this.#lastTold) {
      this.#silence.moved();
    }
    this.#lastTold = told;
    if (progress !== undefined) {
      const told = first(this.#flight)?.addProgress(progress) ?? progress;
      notify(this.#options.onProgress, told);
    } else if (channel === "R") {
      first(this.#flight)?.addResult(text);
    } else if (channel === "M") {
      // xorriso repeats the last mark at each prompt: only a new one counts.
      this.#receiveMark(text, this.#flight);
    } else if (channel === "?") {
      // Its input has ended in the middle of a line, with packets still off:
      // it tells its mark once more, or an empty line, and ends.
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
    const told = line.endsWith(mark) ? line.slice(0, -mark.length) : line;
    if (told.trim() !== "" && this.#options.onLog?.(told) !== true) {
      this.#errors.push(told);
      if (this.#errors.length > STDERR_LIMIT) this.#errors.shift();
      // Before the first mark come the banner and words of the loader.
      if (mark !== START_MARK) first(this.#errorFlight)?.addError(told);
      notify(this.#options.onMessage, told);
    }
    if (told !== line) this.#receiveMark(mark, this.#errorFlight);
  }

  /** Takes a mark on one of the outputs; over is what has it on both. */
  #receiveMark(mark: string, flight: Set<Exchange>): void {
    const current = first(flight);
    // Once lost, all is settled when the process is gone.
    if (current?.mark !== mark || this.lost) return;
    flight.delete(current);
    if (this.#flight.has(current) || this.#errorFlight.has(current)) return;
    if (this.#flight.size + this.#errorFlight.size === 0) this.#silence.stop();
    current.finish(this.#options.device ?? "");
    // Not before all is read that has come with it.
    this.#scheduleSend(setImmediate);
  }

  /** Settles all that is left; without a status, xorriso was left, too. */
  #settle(status: ChildStatus | undefined): void {
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
  #hasHitLimit(status: ChildStatus | undefined): boolean {
    return status?.signal === "SIGXFSZ" ||
      this.#errors.some((line) => TOLD_OF_LIMIT.test(line));
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  return set.values().next().value;
}
