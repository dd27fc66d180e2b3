/** One line to xorriso and its answer: how it is sent, what is received, whether it has succeeded. */

import { notify, onAbort } from "../async.ts";
import { advice, XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import type { Progress } from "../options.ts";
import { findProblem, parseShortage, type Problem } from "./messages.ts";
import { TotalGuess } from "./progress.ts";
import { withoutRepeats, withWholeLines } from "./repeated.ts";

/** What xorriso answered in one exchange. */
export interface Answer {
  /** Result lines, in order, as xorriso wrote them. */
  readonly results: readonly string[];
  /** Message lines, in order, without progress reports. */
  readonly messages: readonly string[];
  /** The problem, where the exchange was sent as `tolerant`. */
  readonly problem?: XorrisoError | undefined;
}

/** How one line is sent and its answer received. */
export interface ExchangeOptions {
  /** What fails if this fails, for the error: `Cannot list "/2026"`. */
  readonly doing: string;
  /** The path that the exchange is about, for the error. */
  readonly path?: string | undefined;
  /**
   * Whether the line may be sent before the lines before it are answered; for
   * lines that do not depend on each other. @default {false}
   */
  readonly pipelined?: boolean;
  /** Whether a problem is part of the answer, not thrown. @default {false} */
  readonly tolerant?: boolean;
  /**
   * Whether it writes to the medium. xorriso must not be killed while it writes
   * to a drive: a write-once medium may be lost by that. @default {false}
   */
  readonly writes?: boolean;
  /** Bytes that it writes, where that is known: the total of its progress reports. */
  readonly size?: number | undefined;
  /** Names that xorriso repeats when it confirms a change: `'/a'='/home/a'`. */
  readonly repeats?: readonly string[] | undefined;
  /** Takes result lines one by one; they are then not collected. */
  readonly onResult?: (line: string) => void;
  /** Takes progress reports, before the listener of the dialogue does. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Called when xorriso has made no progress for some seconds: resolves with
   * the error of the exchange if xorriso waits for something in vain. Does not
   * reject.
   */
  readonly onStill?: () => Promise<XorrisoError | undefined>;
  /** Aborts it: a line that is not sent yet is dropped, any other ends the dialogue. */
  readonly signal?: AbortSignal | undefined;
}

/** An exchange that is waiting or under way. */
export class Exchange {
  /** The line, without newline. */
  readonly line: string;
  /** Appears on both of xorriso's outputs when it is over. */
  readonly mark: string;
  /** How it is sent and its answer received. */
  readonly options: ExchangeOptions;
  /** Message lines so far. */
  readonly messages: string[] = [];
  /** What it fails with, where that is not the reason for which the dialogue ends. */
  fate: Pick<XorrisoError, "code" | "message" | "path"> | undefined;
  readonly #total: TotalGuess;
  readonly #results: string[] = [];
  /** Lines of standard error: outside of packets they are always trouble. */
  readonly #errors: string[] = [];
  readonly #settled = Promise.withResolvers<Answer>();
  readonly #forgetSignal: () => void;

  /** Calls `aborted` when its signal is given before it is settled. */
  constructor(
    line: string,
    mark: string,
    options: ExchangeOptions,
    aborted: (exchange: Exchange) => void,
  ) {
    this.line = line;
    this.mark = mark;
    this.options = options;
    this.#total = new TotalGuess(options.size);
    this.#forgetSignal = onAbort(options.signal, () => aborted(this));
  }

  /** Settles with the answer. */
  get answer(): Promise<Answer> {
    return this.#settled.promise;
  }

  /** Takes a result line. */
  addResult(line: string): void {
    if (this.options.onResult) this.options.onResult(line);
    else this.#results.push(line);
  }

  /** Hands on a progress report, and returns it with the total. */
  addProgress(progress: Progress): Progress {
    const report = this.#total.addTo(progress);
    notify(this.options.onProgress, report);
    return report;
  }

  /** Takes a line of standard error. */
  addError(line: string): void {
    this.#errors.push(line);
  }

  /**
   * Whether libburn has closed the drive because its bus has failed: nothing is
   * written to it any more. libburn's main thread and its writer then both end
   * the same thread of libisofs; if that is reading a slow source, one of them
   * waits for ever (1.5.4).
   */
  get isCutOff(): boolean {
    return this.messages.includes("libburn : FATAL : Lost connection to drive");
  }

  /** The problem that its messages tell so far. */
  problem(
    messages: readonly string[] = this.messages,
  ): XorrisoError | undefined {
    const { doing, repeats = [] } = this.options;
    const problem = findProblem(withoutRepeats(messages, repeats)) ??
      findProblem(this.#errors);
    if (problem !== undefined) {
      return problemError(problem, messages, this.options);
    }
    const [first] = this.#errors;
    if (first === undefined) return undefined;
    return new XorrisoError(
      "UNKNOWN",
      `${doing}: xorriso says ${JSON.stringify(first)}`,
      { messages: this.#errors },
    );
  }

  /**
   * Settles it: all that belongs to it has been received.
   *
   * @param device The open drive as it was an operand of `-dev`.
   */
  finish(device: string): void {
    this.#forgetSignal();
    const results = withWholeLines(this.#results, device);
    const messages = withWholeLines(this.messages, device);
    const problem = this.problem(messages);
    if (problem !== undefined && !this.options.tolerant) {
      this.#settled.reject(problem);
    } else {
      this.#settled.resolve({ results, messages, problem });
    }
  }

  /** Rejects it with the reason of its signal. */
  abort(): void {
    this.#settled.reject(this.options.signal?.reason);
  }

  /** Rejects it: with the reason of its signal, its own fate, or the reason of the dialogue. */
  fail(reason: XorrisoError): void {
    this.#forgetSignal();
    const { doing, signal } = this.options;
    if (signal?.aborted) return this.abort();
    const { code, message, path = this.options.path } = this.fate ?? reason;
    const text = message.startsWith(doing)
      ? message
      : `${doing}: ${lowerFirst(message)}`;
    const { messages } = reason;
    this.#settled.reject(
      new XorrisoError(code, text, { messages, cause: reason, path }),
    );
  }
}

/** Words in place of those of xorriso, where these mislead. */
const WORDS: Readonly<Partial<Record<XorrisoErrorCode, string>>> = {
  NAME_TOO_LONG: "a folder has more names of over 104 bytes than this " +
    "xorriso can write",
};

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

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
