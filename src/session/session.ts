/** One xorriso process with one drive or image, and the state of both. */

import { delay } from "@std/async/delay";
import { notify, unlessAborted } from "../async.ts";
import { Dialogue } from "../dialogue/dialogue.ts";
import type { Answer, ExchangeOptions } from "../dialogue/exchange.ts";
import { withoutBytes } from "../dialogue/progress.ts";
import { commandLine } from "../dialogue/protocol.ts";
import { isCode, XorrisoError } from "../errors.ts";
import type { Medium } from "../medium.ts";
import type { XorrisoOptions } from "../options.ts";
import { DriveLog } from "./drive_log.ts";
import {
  acquire,
  release,
  requireOpenForWriting,
  type Target,
} from "./target.ts";

/** Milliseconds without a line after which xorriso counts as hung. */
const TIMEOUT = 600_000;

/** Milliseconds to wait for a drive that is becoming ready. */
const READY_TIMEOUT = 60_000;

/** Milliseconds between reports that a drive is waited for. */
const TICK = 500;

/** Milliseconds until xorriso that waits for a drive is killed. */
const UNREADY_GRACE = 1000;

/** Milliseconds that the end of an idle process may take. */
const GRACE = 10_000;

/**
 * One xorriso process with one drive or image: sends it lines, and holds the
 * state of both. What is done with it is in the files beside this one, by topic.
 */
export class Session implements AsyncDisposable {
  /** The drive or image. */
  readonly target: Target;
  /** How it was opened. */
  readonly options: XorrisoOptions;
  /** The log of SCSI commands; empty with an image. */
  readonly log: DriveLog;
  /** Resolves when the process is gone and the image is unlocked. */
  readonly closed: Promise<void>;
  /** Version of the xorriso program. */
  version = "";
  /** The medium as it was when it was opened, or written last. */
  medium: Medium | undefined;
  /** Number of the recorded session whose tree is loaded; 0 with a new tree. */
  loaded = 0;
  /** Whether no medium is open, since it was ejected or could not be loaded. */
  isUnloaded = false;
  /** Whether the last burn was interrupted, and has left a session open. */
  isInterrupted = false;
  /** Whether the medium has a boot record. */
  isBootable = false;
  /** Why the content of the medium cannot be used, though it can be erased. */
  foreign: XorrisoError | undefined;
  /** Why an image cannot be written: a commit would overwrite what lies behind its newest session. */
  refusal: XorrisoError | undefined;
  /** Files on disk that are staged. */
  readonly sources = new Set<string>();
  /** Whether xorriso has confirmed a change that is not committed yet. */
  isStaged = false;
  /** Settles when the links that xorriso has damaged are staged anew; unset before that begins. */
  mended: Promise<void> | undefined;
  /** Settles when the image has rested; unset unless a call waits for that. */
  resting: Promise<boolean> | undefined;
  readonly #dialogue: Dialogue;
  /** Settles with the last work that has a turn or waits for one. */
  #last: Promise<unknown> = Promise.resolve();
  /** Aborted when the session is disposed of. */
  readonly #disposal = new AbortController();

  private constructor(
    dialogue: Dialogue,
    target: Target,
    options: XorrisoOptions,
    log: DriveLog,
  ) {
    this.#dialogue = dialogue;
    this.target = target;
    this.options = options;
    this.log = log;
    log.onLate = () => this.#giveUp();
    this.closed = dialogue.closed.then((gone) => release(target.image, gone));
    // Nobody has to wait for the end.
    this.closed.catch(() => {});
  }

  /** Locks an image file and starts xorriso; opens nothing yet. */
  static async start(
    device: string,
    options: XorrisoOptions,
  ): Promise<Session> {
    const target = await acquire(device, options);
    const { xorrisoPath = "xorriso", xorrisoArgs = [] } = options;
    const { timeout = TIMEOUT, readyTimeout = READY_TIMEOUT } = options;
    const { onMessage, onProgress, signal } = options;
    const log = new DriveLog(readyTimeout);
    try {
      const dialogue = await Dialogue.start(xorrisoPath, xorrisoArgs, {
        timeout,
        grace: GRACE,
        mayKill: target.image !== undefined,
        device: target.address,
        onLog: (line) => log.take(line),
        onMessage,
        onProgress,
        signal,
      });
      return new Session(dialogue, target, options, log);
    } catch (error) {
      await release(target.image, true);
      throw error;
    }
  }

  /** The drive or image as the user named it. */
  get device(): string {
    return this.target.device;
  }

  /** Whether the medium lies in a file. */
  get isImage(): boolean {
    return this.target.image !== undefined;
  }

  /** Whether the process has ended, or is about to, but not by `end()`. */
  get lost(): boolean {
    return this.#dialogue.lost;
  }

  /**
   * Does work after all that was given before, and before all that is given
   * later. For `exclusive()`, which tells more.
   *
   * @param signal Aborts waiting; does not stop the work.
   */
  async inTurn<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return await this.#afterOthers(() => {
      if (!this.#disposal.signal.aborted) return work();
      throw new XorrisoError(
        "CLOSED",
        `${this.doing("go on with")}: the session is closed`,
      );
    }, signal);
  }

  async #afterOthers<T>(
    work: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const before = this.#last;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#last = before.then(() => done);
    try {
      await unlessAborted(before, signal);
      return await work();
    } finally {
      resolve();
    }
  }

  /**
   * Makes sure that the medium may be written: nothing else decides that.
   *
   * @param erasing Whether its content may be unusable.
   */
  async requireWritable(
    { erasing = false }: { readonly erasing?: boolean } = {},
  ): Promise<void> {
    const { image, device: path } = this.target;
    const isDrive = image === undefined;
    const doing = this.doing("change");
    this.requireOpen(doing);
    await requireOpenForWriting({ ...this.target, isDrive }, this.options);
    image?.requireWritable();
    if (erasing) return;
    if (this.foreign !== undefined) {
      const { code, messages } = this.foreign;
      throw new XorrisoError(
        code,
        `${doing}: what is on the medium cannot be used; blank it first`,
        { path, messages, cause: this.foreign },
      );
    }
    if (this.refusal !== undefined) throw this.refusal;
    // makeWritable() closes it.
    if (!this.isInterrupted || this.options.recover) return;
    throw new XorrisoError(
      "IMAGE_DAMAGED",
      `${doing}: the burn of its last session was interrupted; open it with ` +
        `recover to close that and go on`,
      { path },
    );
  }

  /** Notes that nothing is staged any more. */
  forgetStaged(): void {
    this.sources.clear();
    this.isStaged = false;
    this.mended = undefined;
  }

  /**
   * Ends the process, even if work has a turn; what is not committed is discarded.
   */
  async end(): Promise<void> {
    await this.#dialogue.end();
    await this.closed;
    // Those who waited for it may have given up.
    await this.resting?.catch(() => {});
  }

  /** Ends the process after all work that was given before. */
  async close(): Promise<void> {
    await this.#afterOthers(async () => {
      if (this.isStaged && !this.lost) {
        notify(
          this.options.onMessage,
          "xorriso-backend : WARNING : What is staged is discarded; call " +
            "commit() before the end",
        );
      }
      await this.end();
    });
  }

  /** Ends the process; a commit or other long work is stopped in an orderly way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposal.abort(
      new XorrisoError(
        "ABORTED",
        `${this.doing("go on with")}: the session was disposed of`,
      ),
    );
    await this.close();
  }

  /** The signal for long work: aborted with the caller's, or when the session is disposed of. */
  stopOn(signal: AbortSignal | undefined): AbortSignal {
    const disposed = this.#disposal.signal;
    return signal ? AbortSignal.any([signal, disposed]) : disposed;
  }

  /** Begins the message of an error: `Cannot WHAT "/dev/sr0"`. */
  doing(what: string): string {
    return `Cannot ${what} "${this.target.device}"`;
  }

  /** The error for an answer that lacks what every xorriso prints. */
  unexpected(doing: string, messages: readonly string[] = []): XorrisoError {
    return new XorrisoError(
      "PROTOCOL",
      `${doing}: xorriso did not tell what was expected; its output may have ` +
        `been changed by further arguments`,
      { messages },
    );
  }

  /** Sends one line; if the process ends by that, rejects after its end. */
  async run(
    words: string | readonly string[],
    options: ExchangeOptions | string,
  ): Promise<Answer> {
    const line = typeof words === "string" ? words : commandLine(words);
    const exchange = typeof options === "string" ? { doing: options } : options;
    if (this.isUnloaded && !/^-(dev|indev|scsi_log) /.test(line)) {
      throw new XorrisoError(
        "NO_MEDIUM",
        `${exchange.doing}: no medium is open; insert one and load it`,
      );
    }
    try {
      return await this.#dialogue.exchange(line, exchange);
    } catch (error) {
      if (this.#dialogue.lost) await this.closed;
      throw error;
    }
  }

  /** Sends one line that writes to the medium. */
  async burn(line: string, options: ExchangeOptions): Promise<Answer> {
    const doing = this.doing("set up");
    // The log would have some lines for each block that is written.
    if (!this.isImage) await this.run("-scsi_log off", doing);
    try {
      return await this.run(line, { ...options, writes: true });
    } finally {
      if (!this.isImage && !this.lost) {
        await this.run("-scsi_log on", doing);
        this.log.reset();
      }
    }
  }

  /** Gives up the drive, so that the next `-load` counts for the next opening. */
  async releaseDrive(): Promise<void> {
    await this.run(["-dev", ""], this.doing("let go of"));
  }

  /**
   * Throws if no line can be sent any more.
   *
   * @param doing The beginning of the message: `Cannot change "/dev/sr0"`.
   */
  requireOpen(doing: string): void {
    this.#dialogue.requireOpen(doing);
  }

  /** Waits for work on the image; if it fails because xorriso has ended, rejects with that. */
  async whileOpen<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.requireOpen(this.doing("commit to"));
      throw error;
    }
  }

  /**
   * Makes sure that the medium is the one that was opened.
   *
   * An exchange shows in the log, at the first command after it. The session is
   * ended then: xorriso would take the old tree for that of the new medium.
   *
   * @param doing The beginning of the message: `Cannot commit to "/dev/sr0"`.
   */
  async requireSame(doing: string): Promise<void> {
    const isExchanged = this.log.has("exchanged");
    if (!isExchanged && !this.log.has("absent")) return;
    await this.end();
    throw new XorrisoError(
      isExchanged ? "MEDIUM_CHANGED" : "NO_MEDIUM",
      `${doing}: the medium was ` +
        (isExchanged
          ? "exchanged while it was open; open it again"
          : "taken out; insert one, and open it again"),
      { path: this.device },
    );
  }

  /** Repeats work until the drive is ready, and reports that it waits. */
  async whenReady<T>(
    work: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (this.isImage) return await work();
    const { onProgress, readyTimeout = READY_TIMEOUT } = this.options;
    const deadline = performance.now() + readyTimeout;
    const timer = setInterval(
      () => notify(onProgress, withoutBytes("waiting")),
      TICK,
    );
    try {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          const isLate = performance.now() > deadline;
          if (!isCode(error, "NOT_READY") || this.lost || isLate) throw error;
        }
        await delay(TICK, signal ? { signal } : {});
      }
    } finally {
      clearInterval(timer);
    }
  }

  /**
   * Ends xorriso because its drive does not become ready. SIGTERM alone would
   * take minutes; nothing is being written, so it may be killed.
   */
  #giveUp(): void {
    const { device } = this.target;
    this.#dialogue.stop(
      new XorrisoError(
        "NOT_READY",
        `The drive "${device}" has not become ready in time; wait, or raise ` +
          `readyTimeout`,
        { path: device },
      ),
      UNREADY_GRACE,
    );
  }
}
