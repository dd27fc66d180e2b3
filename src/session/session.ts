/** One xorriso process with one drive or image, and all that is known of it. */

import { delay } from "@std/async/delay";
import { notify, unlessAborted } from "../async.ts";
import { Dialogue } from "../dialogue/dialogue.ts";
import type { Answer, ExchangeOptions } from "../dialogue/exchange.ts";
import { commandLine } from "../dialogue/protocol.ts";
import { requireWrite } from "../disk/permissions.ts";
import { isCode, XorrisoError } from "../errors.ts";
import type { Medium } from "../medium.ts";
import type { XorrisoOptions } from "../options.ts";
import { DriveLog } from "./drive.ts";
import { acquire, release, type Target } from "./target.ts";

const TIMEOUT = 600_000;

/** Milliseconds to wait for a drive that is becoming ready. */
const READY_TIMEOUT = 60_000;

/** Milliseconds between reports that a drive is waited for. */
const TICK = 500;

/** Milliseconds to end xorriso in while it waits for a drive. */
const UNREADY_GRACE = 1000;

/** Milliseconds that the end of an idle process may take. */
const GRACE = 10_000;

/**
 * One xorriso process with one drive or image: sends it lines, and has all that
 * is known of it in one place. What is done with it is in the files beside this
 * one, by topic.
 */
export class Session implements AsyncDisposable {
  /** The drive or image. */
  readonly target: Target;
  /** How it is opened. */
  readonly options: XorrisoOptions;
  /** What the drive says. */
  readonly log: DriveLog;
  /** Resolves when the process is gone and the image is unlocked. */
  readonly closed: Promise<void>;
  /** Version of the xorriso program. */
  version = "";
  /** What medium there was when it was opened, or written last. */
  medium: Medium | undefined;
  /** Number of the session whose tree is loaded, 0 if it is a new one. */
  loaded = 0;
  /** Whether no medium is open, since it was ejected or could not be loaded. */
  isUnloaded = false;
  /** Whether the last session on the medium was left open by a dead program. */
  isInterrupted = false;
  /** Whether the medium has a boot record. */
  isBootable = false;
  /** Why what is on the medium cannot be used, though it can be erased. */
  foreign: XorrisoError | undefined;
  /** Why what lies behind the newest session of an image keeps it from being written. */
  behind: XorrisoError | undefined;
  /** Files on disk that are staged. */
  readonly sources = new Set<string>();
  /** Whether xorriso has confirmed a change that is not written yet. */
  isStaged = false;
  /** Settled when what xorriso damages at loading is as it was; unset before. */
  mended: Promise<void> | undefined;
  /** Settles when the image has rested, while that is waited for. */
  resting: Promise<boolean> | undefined;
  readonly #dialogue: Dialogue;
  /** Settled when all work is that has its turn or waits for it. */
  #last: Promise<unknown> = Promise.resolve();
  /** Given when it is disposed of. */
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
    // Whoever waits for the end is told; nobody has to.
    this.closed.catch(() => {});
  }

  /** Locks an image file and starts xorriso; opens nothing yet. */
  static async start(
    device: string,
    options: XorrisoOptions,
  ): Promise<Session> {
    const target = await acquire(device, options);
    const log = new DriveLog(options.readyTimeout ?? READY_TIMEOUT);
    try {
      const dialogue = await Dialogue.start(
        options.xorrisoPath ?? "xorriso",
        options.xorrisoArgs ?? [],
        {
          timeout: options.timeout ?? TIMEOUT,
          grace: GRACE,
          mayKill: target.image !== undefined,
          device: target.address,
          onMessage: options.onMessage,
          onProgress: options.onProgress,
          onLog: (line) => log.take(line),
          signal: options.signal,
        },
      );
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

  /** Whether the process has ended, or is about to, against the plan. */
  get lost(): boolean {
    return this.#dialogue.lost;
  }

  /**
   * Does work that alters what xorriso holds, from its first staged line until
   * all of it is judged, while nobody else does.
   *
   * Everybody else's staged lines would be part of a commit, go with a
   * rollback, or be forgotten with `-changes_pending no`. Work that has its
   * turn must not ask for another one.
   *
   * @param signal Gives up waiting for the turn; does not stop the work.
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
   * Makes sure that the medium may be written; the one place that knows.
   *
   * @param erasing Whether what is on it is of no interest.
   */
  async requireWritable(
    { erasing = false }: { readonly erasing?: boolean } = {},
  ): Promise<void> {
    const { image, writable, device: path } = this.target;
    const { readOnly = false, session, recover = false } = this.options;
    const doing = this.doing("change");
    this.requireOpen(doing);
    if (readOnly || session !== undefined) {
      throw new XorrisoError(
        "MEDIUM_NOT_WRITABLE",
        `${doing}: it was opened for reading alone`,
      );
    }
    if (image !== undefined) await requireWrite(image.path, "the image");
    image?.requireWritable();
    if (!writable) {
      throw new XorrisoError(
        "MEDIUM_NOT_WRITABLE",
        `${doing}: write permission was granted only after it had been ` +
          `opened; open it again`,
      );
    }
    if (erasing) return;
    if (this.foreign !== undefined) {
      const { code, messages } = this.foreign;
      throw new XorrisoError(
        code,
        `${doing}: what is on the medium cannot be used; blank it first`,
        { path, messages, cause: this.foreign },
      );
    }
    if (this.behind !== undefined) throw this.behind;
    // Whoever has a turn closes it.
    if (!this.isInterrupted || recover) return;
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
   * Ends the process, whoever has a turn; what was not committed is discarded.
   */
  async end(): Promise<void> {
    await this.#dialogue.end();
    await this.closed;
    // Who has given up waiting for a rest has left it to itself.
    await this.resting?.catch(() => {});
  }

  /** Ends the process when all work is done that was called before. */
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

  /** Ends the process; whatever takes long is stopped in an orderly way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposal.abort(
      new XorrisoError(
        "ABORTED",
        `${this.doing("go on with")}: the session was disposed of`,
      ),
    );
    await this.close();
  }

  /** For what takes long: given with a signal, and when it is disposed of. */
  stopOn(signal: AbortSignal | undefined): AbortSignal {
    const disposed = this.#disposal.signal;
    return signal ? AbortSignal.any([signal, disposed]) : disposed;
  }

  /** Begins the message of an error: `Cannot WHAT "/dev/sr0"`. */
  doing(what: string): string {
    return `Cannot ${what} "${this.target.device}"`;
  }

  /** The error of an answer without what every xorriso tells. */
  nonsense(doing: string, messages: readonly string[] = []): XorrisoError {
    return new XorrisoError(
      "PROTOCOL",
      `${doing}: xorriso did not tell what was expected; its output may have ` +
        `been changed by further arguments`,
      { messages },
    );
  }

  /** One exchange; where it is the last one, the end is waited for. */
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

  /** One exchange that writes to the medium. */
  async burn(line: string, options: ExchangeOptions): Promise<Answer> {
    const doing = this.doing("set up");
    // Each block that is written would be told.
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

  /** Lets go of the drive, so that the next `-load` is for the next opening. */
  async releaseDrive(): Promise<void> {
    await this.run(["-dev", ""], this.doing("let go of"));
  }

  /**
   * Throws if no line can be sent any more.
   *
   * @param doing What fails by that: `Cannot change "/dev/sr0"`.
   */
  requireOpen(doing: string): void {
    this.#dialogue.requireOpen(doing);
  }

  /** Waits for work on the image, which is unlocked when xorriso dies. */
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
   * The drive tells it to the first command after an exchange, in its log. The
   * session is ended then: xorriso would take the old tree for that of the new
   * medium.
   *
   * @param doing What fails otherwise: `Cannot commit to "/dev/sr0"`.
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

  /** Waits for a drive that is becoming ready, and tells so meanwhile. */
  async whenReady<T>(
    work: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (this.isImage) return await work();
    const { onProgress, readyTimeout = READY_TIMEOUT } = this.options;
    const deadline = performance.now() + readyTimeout;
    const nothing = { done: 0, total: undefined, rate: undefined };
    const timer = setInterval(
      () => notify(onProgress, { phase: "waiting", ...nothing }),
      TICK,
    );
    try {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!isCode(error, "NOT_READY") || this.lost) throw error;
          if (performance.now() > deadline) throw error;
        }
        await delay(TICK, signal ? { signal } : {});
      }
    } finally {
      clearInterval(timer);
    }
  }

  /**
   * Gives up a drive that does not become ready. SIGTERM alone would not end
   * xorriso for minutes; nothing is being written, so it may be killed.
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
