/** One line to xorriso and its answer: what is asked, what came, whether it went well. */

import { notify, onAbort } from "../async.ts";
import { advice, XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import type { Progress } from "../options.ts";
import { Burning } from "./burning.ts";
import { findProblem, parseShortage, type Problem } from "./messages.ts";
import { withoutRepeats, withWholeLines } from "./repeated.ts";

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
  readonly path?: string | undefined;
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
  /** Bytes that are written, where that is known: what progress reports count up to. */
  readonly size?: number | undefined;
  /** Names that xorriso repeats when it confirms a change: `'/a'='/home/a'`. */
  readonly repeats?: readonly string[] | undefined;
  /** Takes result lines one by one; they are then not collected. */
  readonly onResult?: (line: string) => void;
  /** Takes progress reports, besides the dialogue's own listener. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Called when nothing has moved for some seconds, to find out what it may be
   * that xorriso waits for: resolves with the fate of the exchange if it waits
   * in vain. Does not reject.
   */
  readonly onStill?: () => Promise<XorrisoError | undefined>;
  /** Drops the line if it is not sent yet, else ends the dialogue. */
  readonly signal?: AbortSignal | undefined;
}

/** An exchange that is waiting or under way. */
export class Exchange {
  /** The line, without newline. */
  readonly line: string;
  /** What tells its end, on both of xorriso's outputs. */
  readonly mark: string;
  /** How it is sent and its answer taken. */
  readonly options: ExchangeOptions;
  /** What xorriso has told so far. */
  readonly messages: string[] = [];
  /** Why it fails, where that is not why the dialogue ends. */
  fate: Pick<XorrisoError, "code" | "message" | "path"> | undefined;
  readonly #burning: Burning;
  readonly #results: string[] = [];
  /** What came on standard error: outside of packets it is always trouble. */
  readonly #errors: string[] = [];
  readonly #settled = Promise.withResolvers<Answer>();
  readonly #forgetSignal: () => void;

  /** `aborted` is called when its signal is given before it is settled. */
  constructor(
    line: string,
    mark: string,
    options: ExchangeOptions,
    aborted: (exchange: Exchange) => void,
  ) {
    this.line = line;
    this.mark = mark;
    this.options = options;
    this.#burning = new Burning(options.size);
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

  /** Takes a progress report; adds what it counts up to. */
  addProgress(progress: Progress): Progress {
    const told = this.#burning.withTotal(progress);
    notify(this.options.onProgress, told);
    return told;
  }

  /** Takes a line of standard error. */
  addError(line: string): void {
    this.#errors.push(line);
  }

  /**
   * Whether libburn has closed the drive, since its bus has failed: nothing is
   * written to it any more. libburn's main thread and its writer then end the
   * same thread of libisofs; if that is at reading a slow source, one of them
   * waits for ever (1.5.4).
   */
  get isCutOff(): boolean {
    return this.messages.includes("libburn : FATAL : Lost connection to drive");
  }

  /** What has gone wrong so far. */
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
   * Settles it by what came, which is complete.
   *
   * @param device The open drive as xorriso was told it.
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

  /** Settles it by its signal, which was given. */
  abort(): void {
    this.#settled.reject(this.options.signal?.reason);
  }

  /** Settles it without an answer: by its signal, its own fate, or the reason. */
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

/** What is so, where xorriso's own words would mislead. */
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
