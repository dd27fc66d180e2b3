/** The exchange of lines with one xorriso process: a FIFO with marks. */

import { delay } from "../async.ts";
import { findProblem, parseShortage, type Problem } from "./messages.ts";
import { withoutEchoes, withWholeLines } from "./repeated.ts";
import { advice, XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import { Child, type ChildStatus } from "./process.ts";
import { isNoise, type Packet, PacketDecoder } from "./protocol.ts";
import { isCutOff, parseProgress, type Progress } from "./answers.ts";
import { Watch } from "./silence.ts";

/** What xorriso answered in one exchange. */
export interface Answer {
  /** Result lines, in order, as xorriso wrote them. */
  readonly results: readonly string[];
  /** Message lines, in order, without progress reports. */
  readonly messages: readonly string[];
  /** What went wrong, where the exchange was sent as `tolerant`. */
  readonly problem?: XorrisoError | undefined;
}

/** How one line is to be sent and its answer to be taken. */
export interface ExchangeOptions {
  /** What fails if this fails, for the error: `Cannot list "/2026"`. */
  readonly doing: string;
  /** The path that the exchange is about, for the error. */
  readonly path?: string;
  /**
   * Whether the line may be sent before the answers to the lines before it are
   * there; for lines that do not depend on each other. @default {false}
   */
  readonly pipelined?: boolean;
  /** Whether a problem is part of the answer, not thrown. @default {false} */
  readonly tolerant?: boolean;
  /**
   * Whether the medium is written. On a drive xorriso must not be killed then,
   * for a write-once medium may be lost by it. @default {false}
   */
  readonly writes?: boolean;
  /** Names that xorriso repeats when it confirms a change: `'/a'='/home/a'`. */
  readonly echoes?: readonly string[];
  /** Takes result lines one by one; they are then not collected. */
  readonly onResult?: (line: string) => void;
  /** Takes progress reports, besides the dialogue's own listener. */
  readonly onProgress?: (progress: Progress) => void;
  /**
   * Called when nothing has moved for some seconds, to look what it may be that
   * xorriso waits for: resolves with the fate of the exchange if it waits in
   * vain. Does not reject.
   */
  readonly onStill?: () => Promise<XorrisoError | undefined>;
  /** Drops the line if it is not sent yet, else ends the dialogue. */
  readonly signal?: AbortSignal;
}

/** What a dialogue needs to know of its surroundings. */
export interface DialogueOptions {
  /** Milliseconds without a byte from xorriso after which it counts as hung. */
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

interface Exchange extends PromiseWithResolvers<Answer> {
  readonly line: string;
  readonly mark: string;
  readonly options: ExchangeOptions;
  readonly results: string[];
  readonly messages: string[];
  /** What came on standard error: outside of packets it is always trouble. */
  readonly raw: string[];
  /** Why it fails, where that is not why the dialogue ends. */
  fate: Pick<XorrisoError, "code" | "message" | "path"> | undefined;
  unlisten(): void;
}

/** What tells whether an exchange went well. */
interface Judged extends Pick<Exchange, "options" | "raw"> {
  readonly messages: readonly string[];
}

/** Characters in flight; bounds what is written ahead of the answers. */
const FLIGHT_LIMIT = 64 * 1024;

/** Lines of standard error that are kept to explain a death. */
const STDERR_LIMIT = 100;

/** Milliseconds in which some of what is in a pipe is read. */
const QUIET = 5;

const STILL = 5000;

/** Milliseconds until xorriso is killed, or left, that waits in vain. */
const STUCK_GRACE = 1000;

const START_MARK = "READY";

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

/**
 * The fixed arguments. Nothing untrusted is among them.
 *
 * `-no_rc` counts only as the very first argument; startup files may hold any
 * command (xorriso(1), "Files"). Dialog mode `single_line` never waits for the
 * rest of a line, and `-abort_on NEVER` keeps the process alive so that each
 * exchange is judged by its own messages.
 */
const FIXED_ARGS: readonly string[] = [
  ...["-no_rc", "-abort_on", "NEVER", "-return_with", "SORRY", "32"],
  ...["-report_about", "UPDATE", "-pkt_output", "on"],
  ...["-use_readline", "off", "-page", "0", "80", "-reassure", "off"],
  ...["-iso_rr_pattern", "off", "-disk_pattern", "off"],
  ...["-backslash_codes", "in_double_quotes:encode_output"],
  ...["-pacifier", "interval=0.5", "-md5", "on", "-osirrox", "on:sort_lba_on"],
  ...["-close_filter_list", "-launch_frontend", "--"],
];

/** One xorriso process in dialog mode, spoken to line by line. */
export class Dialogue {
  readonly #options: DialogueOptions;
  readonly #child: Child;
  readonly #decoder = new PacketDecoder();
  readonly #errorDecoder = new TextDecoder();
  readonly #waiting: Exchange[] = [];
  readonly #flight: Exchange[] = [];
  readonly #stderr: string[] = [];
  #stderrRest = "";
  #stderrBytes = 0;
  #started = false;
  #flightSize = 0;
  #sendScheduled = false;
  #marks = 0;
  #lastPacket = "";
  readonly #watch: Watch;
  /** What xorriso was at when it was told to end. */
  #stopped: Exchange | undefined;
  readonly #left = Promise.withResolvers<undefined>();
  #ending: Promise<void> | undefined;
  /** Why the dialogue ends, once it does so before its time. */
  #reason: XorrisoError | undefined;

  /** Resolves when the process is gone and every exchange is settled. */
  readonly closed: Promise<void>;

  private constructor(
    command: string,
    args: readonly string[],
    options: DialogueOptions,
  ) {
    this.#options = options;
    this.#watch = new Watch({
      timeout: options.timeout,
      still: options.still ?? STILL,
      onStill: () => void this.#onStill(),
      onSilent: (silent) => this.#onSilent(silent),
    });
    this.#child = Child.spawn(command, args, {
      stdout: (chunk) => this.#receive(this.#decoder.push(chunk)),
      stderr: (chunk) => this.#receiveError(chunk),
    });
    this.closed = Promise.race([this.#child.ended, this.#left.promise])
      .then((status) => this.#settle(status));
  }

  /** Whether the process has ended, or is about to, against the plan. */
  get lost(): boolean {
    return this.#reason !== undefined;
  }

  /**
   * Starts xorriso and waits until it is ready for the first line.
   *
   * @param command The executable.
   * @param args Arguments after the fixed ones, before any drive is opened.
   */
  static async start(
    command: string,
    args: readonly string[],
    options: DialogueOptions,
  ): Promise<Dialogue> {
    options.signal?.throwIfAborted();
    const dialogue = new Dialogue(command, [
      ...FIXED_ARGS,
      ...args,
      ...["-dialog", "single_line", "-mark", START_MARK],
    ], options);
    const start = dialogue.#newExchange("", START_MARK, {
      doing: `Cannot start "${command}"`,
      ...(options.signal && { signal: options.signal }),
    });
    dialogue.#launch(start);
    try {
      await start.promise;
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
    const exchange = this.#newExchange(line, `x${++this.#marks}`, options);
    this.#waiting.push(exchange);
    this.#scheduleSend();
    return exchange.promise;
  }

  /**
   * Throws if no line can be sent any more.
   *
   * @param doing What fails by that: `Cannot list "/2026"`.
   */
  requireOpen(doing: string): void {
    if (this.#reason !== undefined) throw this.#reason;
    if (this.#ending !== undefined) throw closedError(doing);
  }

  /**
   * Ends the process: what is not committed is discarded, what is in flight is
   * waited for.
   */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /**
   * Waits until all is read that was on standard error before the last answer:
   * that comes by a pipe of its own.
   */
  async quiet(): Promise<void> {
    let last = -1;
    // A pipe holds so little that a few turns are enough.
    for (let turn = 0; turn < 4 && last !== this.#stderrBytes; turn++) {
      last = this.#stderrBytes;
      await delay(QUIET);
    }
  }

  async #end(): Promise<void> {
    if (this.#reason === undefined) {
      // A true barrier: a line in flight, a commit above all, is finished.
      await Promise.allSettled(
        [...this.#flight, ...this.#waiting].map(({ promise }) => promise),
      );
      await this.#child.write("-rollback_end\n");
      await this.#child.end(this.#options.grace);
    }
    await this.closed;
  }

  #newExchange(
    line: string,
    mark: string,
    options: ExchangeOptions,
  ): Exchange {
    const onAbort = () => this.#abort(exchange);
    const exchange: Exchange = {
      ...Promise.withResolvers<Answer>(),
      ...{ line, mark, options, results: [], messages: [], raw: [] },
      fate: undefined,
      unlisten: () => options.signal?.removeEventListener("abort", onAbort),
    };
    options.signal?.addEventListener("abort", onAbort, { once: true });
    return exchange;
  }

  #abort(exchange: Exchange): void {
    const reason = exchange.options.signal?.reason;
    const index = this.#waiting.indexOf(exchange);
    if (index >= 0) {
      this.#waiting.splice(index, 1);
      exchange.reject(reason);
      return;
    }
    // xorriso is busy with it and cannot be asked to stop but by a signal.
    this.closed.then(() => exchange.reject(reason));
    this.#stop(
      new XorrisoError(
        "SESSION_LOST",
        `${exchange.options.doing}: the session ended because a call was ` +
          `aborted while xorriso worked on it`,
      ),
      { except: exchange },
    );
  }

  /**
   * Ends the process at once, with all that is under way.
   *
   * @param reason What the calls reject with.
   * @param grace Milliseconds until SIGKILL, where that does no harm.
   */
  abandon(reason: XorrisoError, grace: number): void {
    this.#stop(reason, { grace });
  }

  /** Ends an exchange that is out of step, with the process. */
  #stop(
    reason: XorrisoError,
    { except, grace = this.#options.grace }: {
      readonly except?: Exchange;
      readonly grace?: number;
    } = {},
  ): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#stopped = this.#flight[0];
    if (except !== undefined) {
      // It is settled by its own signal, once the process is gone.
      const index = this.#flight.indexOf(except);
      if (index >= 0) this.#flight.splice(index, 1);
    }
    // Whoever is not killed may wait in vain.
    this.#watch.stop();
    if (!this.#mayKill) this.#watch.start();
    // `closed` tells the outcome; it cannot reject.
    this.#child.terminate(grace, this.#mayKill);
  }

  #scheduleSend(): void {
    if (this.#sendScheduled) return;
    this.#sendScheduled = true;
    // All that is asked for in this turn goes out in one write.
    queueMicrotask(() => {
      this.#sendScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#reason !== undefined) return;
    let text = "";
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || !this.#maySend(next)) break;
      this.#waiting.shift();
      this.#launch(next);
      text += `${next.line}\n-mark ${next.mark}\n`;
    }
    if (text !== "") this.#child.write(text);
  }

  #maySend(next: Exchange): boolean {
    const last = this.#flight.at(-1);
    if (last === undefined) return true;
    return next.options.pipelined === true &&
      last.options.pipelined === true &&
      this.#flightSize + next.line.length < FLIGHT_LIMIT;
  }

  #launch(exchange: Exchange): void {
    this.#flight.push(exchange);
    this.#flightSize += exchange.line.length;
    this.#watch.start();
  }

  /** What xorriso is at. */
  get #current(): Exchange | undefined {
    return this.#stopped ?? this.#flight[0];
  }

  /** Whether SIGKILL does no harm, since nothing is written to a drive. */
  get #mayKill(): boolean {
    const current = this.#current;
    return this.#options.mayKill || current?.options.writes !== true ||
      isCutOff(current.messages);
  }

  /** Gives up a process that is silent. */
  #onSilent(silent: number): void {
    // It could not even end.
    if (this.#reason !== undefined) return this.#leave();
    this.#stop(
      new XorrisoError(
        "TIMEOUT",
        `${this.#doing()}: xorriso has been silent for ` +
          `${Math.round(silent / 1000)} s`,
        { messages: this.#current?.messages ?? [] },
      ),
    );
  }

  /** Ends xorriso if it waits in vain. */
  async #onStill(): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const fate = isCutOff(current.messages)
      ? judge(current)
      : await current.options.onStill?.();
    if (fate === undefined || this.#current !== current) return;
    current.fate = fate;
    this.#stop(
      new XorrisoError(
        "SESSION_LOST",
        `The session ended because xorriso waited in vain: ${fate.message}`,
        { cause: fate, messages: fate.messages },
      ),
      { grace: STUCK_GRACE },
    );
    // It ends in an orderly way as soon as it has not to wait any more.
    if (await this.#child.endsWithin(STUCK_GRACE)) return;
    if (this.#mayKill) this.#child.kill("SIGKILL");
    else this.#leave();
  }

  /** Leaves a process to itself that may not be killed. */
  #leave(): void {
    this.#child.leave();
    this.#left.resolve(undefined);
  }

  #doing(): string {
    return this.#flight[0]?.options.doing ?? "Cannot go on";
  }

  #receive(packets: readonly Packet[]): void {
    // While its writer hangs, on a FIFO for one, xorriso goes on repeating the
    // same progress report.
    const { text: last } = packets.at(-1) ?? {};
    const repeats = last === this.#lastPacket &&
      parseProgress(last) !== undefined;
    if (!repeats) this.#watch.moved();
    this.#lastPacket = last ?? this.#lastPacket;
    for (const { channel, text } of packets) {
      if (channel === "R") this.#receiveResult(text);
      else if (channel === "M") this.#receiveMark(text);
      else if (channel === "I") this.#receiveMessage(text);
      else this.#stop(this.#nonsense(text));
    }
  }

  #nonsense(text: string): XorrisoError {
    return new XorrisoError(
      "PROTOCOL",
      `${this.#doing()}: the program wrote something that is no packet of ` +
        `xorriso: ${JSON.stringify(text.slice(0, 200))}`,
      { messages: [text] },
    );
  }

  #receiveResult(text: string): void {
    const current = this.#flight[0];
    if (current === undefined) return;
    if (current.options.onResult) current.options.onResult(text);
    else current.results.push(text);
  }

  #receiveMessage(text: string): void {
    if (isNoise(text)) return;
    const progress = parseProgress(text);
    if (progress !== undefined) {
      notify(this.#flight[0]?.options.onProgress, progress);
      notify(this.#options.onProgress, progress);
      return;
    }
    this.#current?.messages.push(text);
    notify(this.#options.onMessage, text);
  }

  #receiveMark(mark: string): void {
    const current = this.#flight[0];
    // xorriso repeats the last mark at each prompt: only a new one counts.
    if (current === undefined || mark !== current.mark) return;
    this.#flight.shift();
    this.#flightSize -= current.line.length;
    if (this.#flight.length === 0) this.#watch.stop();
    this.#started = true;
    current.unlisten();
    const { options } = current;
    const { device = "" } = this.#options;
    const results = withWholeLines(current.results, device);
    const messages = withWholeLines(current.messages, device);
    const problem = judge({ options, messages, raw: current.raw });
    if (problem !== undefined && !options.tolerant) current.reject(problem);
    else current.resolve({ results, messages, problem });
    this.#scheduleSend();
  }

  #receiveError(chunk: Uint8Array): void {
    this.#watch.moved();
    this.#stderrBytes += chunk.length;
    const text = this.#stderrRest +
      this.#errorDecoder.decode(chunk, { stream: true });
    const lines = text.split(/[\r\n]/);
    this.#stderrRest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.trim() === "" || this.#options.onLog?.(line)) continue;
      this.#stderr.push(line);
      if (this.#stderr.length > STDERR_LIMIT) this.#stderr.shift();
      // Before the first mark come the banner and words of the loader.
      if (this.#started) this.#flight[0]?.raw.push(line);
      notify(this.#options.onMessage, line);
    }
  }

  /** Settles all that is left; without a status, xorriso was left, too. */
  #settle(status: ChildStatus | undefined): void {
    this.#receive(this.#decoder.end());
    this.#watch.stop();
    this.#stopped = undefined;
    const flight = this.#flight.splice(0);
    const waiting = this.#waiting.splice(0);
    const how = status?.signal ?? `exit code ${status?.code}`;
    const reason = this.#reason ?? new XorrisoError(
      "SESSION_LOST",
      `The xorriso process is gone (${how})`,
      { messages: [...flight[0]?.messages ?? [], ...this.#stderr] },
    );
    const [first] = flight;
    const isLimit = this.#reason === undefined && this.#hasHitLimit(status);
    if (isLimit && first?.options.writes) first.fate = TOO_LARGE;
    if (this.#ending === undefined) this.#reason = reason;
    const { messages } = reason;
    for (const { options, reject, unlisten, fate } of [...flight, ...waiting]) {
      const { code, message, path = options.path } = fate ?? reason;
      unlisten();
      const text = message.startsWith(options.doing)
        ? message
        : `${options.doing}: ${lowerFirst(message)}`;
      reject(
        new XorrisoError(code, text, {
          messages,
          cause: reason,
          path,
        }),
      );
    }
  }

  /** Whether the process has ended because a file may not grow further. */
  #hasHitLimit(status: ChildStatus | undefined): boolean {
    return status?.signal === "SIGXFSZ" ||
      this.#stderr.some((line) => TOLD_OF_LIMIT.test(line));
  }
}

function judge(
  { messages, raw, options }: Judged,
): XorrisoError | undefined {
  const told = withoutEchoes(messages, options.echoes ?? []);
  const problem = findProblem(told) ?? findProblem(raw);
  if (problem !== undefined) {
    return problemError(problem, messages, options);
  }
  if (raw.length === 0) return undefined;
  return new XorrisoError(
    "UNKNOWN",
    `${options.doing}: xorriso says ${JSON.stringify(raw[0])}`,
    { messages: raw },
  );
}

function problemError(
  { code, line, lines }: Problem,
  messages: readonly string[],
  { doing, path }: ExchangeOptions,
): XorrisoError {
  const shortage = code === "MEDIUM_FULL" ? parseShortage(messages) : {};
  const text = WORDS[code] ?? line.replace(/^\w+ *: [A-Z]+ : +/, "");
  return new XorrisoError(code, `${doing}: ${text}${advice(code)}`, {
    messages: lines,
    ...(path !== undefined && { path }),
    ...shortage,
  });
}

/** What is so, where xorriso's own words would mislead. */
const WORDS: Readonly<Partial<Record<XorrisoErrorCode, string>>> = {
  NAME_TOO_LONG: "a folder has more names of over 104 bytes than this " +
    "xorriso can write",
};

function closedError(doing: string): XorrisoError {
  return new XorrisoError("CLOSED", `${doing}: the session is closed`);
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}

/**
 * Calls a listener of the user's. What it throws must not stop the reader, nor
 * be swallowed: it is reported to the program, as that of an event listener.
 */
export function notify<T>(
  listener: ((value: T) => void) | undefined,
  value: T,
): void {
  if (listener === undefined) return;
  try {
    listener(value);
  } catch (error) {
    reportError(error);
  }
}
