/** One xorriso process with the drive or image that it works on. */

import { delay } from "@std/async/delay";
import { Dialogue, notify } from "../dialogue/dialogue.ts";
import type { Answer, ExchangeOptions } from "../dialogue/exchange.ts";
import { DriveLog } from "./drive.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { acquire, release, type Target } from "./target.ts";
import type { XorrisoOptions } from "../options.ts";
import { commandLine } from "../dialogue/protocol.ts";
import type { Progress } from "../options.ts";

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
 * One xorriso process, and the drive or image that it works on, whatever medium
 * there is: sends it lines, and listens to what the drive itself says.
 */
export class Deck {
  /** The drive or image. */
  readonly target: Target;
  /** How it is opened. */
  readonly options: XorrisoOptions;
  /** What the drive says. */
  readonly log: DriveLog;
  /** What is being burned. */
  readonly burning: Burning;
  /** Whether no medium is open, since it was ejected or could not be loaded. */
  unloaded = false;
  readonly #dialogue: Dialogue;

  /** Resolves when the process is gone and the image is unlocked. */
  readonly closed: Promise<void>;

  private constructor(
    dialogue: Dialogue,
    target: Target,
    options: XorrisoOptions,
    log: DriveLog,
    burning: Burning,
  ) {
    this.#dialogue = dialogue;
    this.target = target;
    this.options = options;
    this.log = log;
    this.burning = burning;
    log.onLate = () => this.#giveUp();
    this.closed = dialogue.closed.then((gone) => release(target.image, gone));
    // Whoever waits for the end is told; nobody has to.
    this.closed.catch(() => {});
  }

  /** Locks an image file and starts xorriso; opens nothing yet. */
  static async start(device: string, options: XorrisoOptions): Promise<Deck> {
    const target = await acquire(device, options);
    const log = new DriveLog(options.readyTimeout ?? READY_TIMEOUT);
    const burning = new Burning();
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
          onProgress: (progress) =>
            notify(options.onProgress, burning.withTotal(progress)),
          onLog: (line) => log.take(line),
          signal: options.signal,
        },
      );
      return new Deck(dialogue, target, options, log, burning);
    } catch (error) {
      await release(target.image, true);
      throw error;
    }
  }

  /** Whether the medium lies in a file. */
  get isImage(): boolean {
    return this.target.image !== undefined;
  }

  /** Whether the process has ended, or is about to, against the plan. */
  get lost(): boolean {
    return this.#dialogue.lost;
  }

  /** Ends the process; what was not committed is discarded. */
  async end(): Promise<void> {
    await this.#dialogue.end();
    await this.closed;
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
    if (this.unloaded && !/^-(dev|indev|scsi_log) /.test(line)) {
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
  async burn(
    line: string,
    { onProgress, ...options }: ExchangeOptions,
  ): Promise<Answer> {
    const doing = this.doing("set up");
    // Each block that is written would be told.
    if (!this.isImage) await this.run("-scsi_log off", doing);
    try {
      return await this.run(line, {
        ...options,
        writes: true,
        ...(onProgress && {
          onProgress: (progress) =>
            onProgress(this.burning.withTotal(progress)),
        }),
      });
    } finally {
      if (!this.isImage && !this.lost) {
        await this.run("-scsi_log on", doing);
        this.log.reset();
      }
    }
  }

  /** Lets go of the drive, so that the next `-load` is for the next opening. */
  async letGo(): Promise<void> {
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

  /** Waits for work on the image, which is let go when xorriso dies. */
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
    const { device: path } = this.target;
    if (this.log.has("exchanged")) {
      await this.end();
      throw new XorrisoError(
        "MEDIUM_CHANGED",
        `${doing}: the medium was exchanged while it was open; open it again`,
        { path },
      );
    }
    if (this.log.has("absent")) {
      await this.end();
      throw new XorrisoError(
        "NO_MEDIUM",
        `${doing}: the medium was taken out; insert one, and open it again`,
        { path },
      );
    }
  }

  /** Waits for a drive that is becoming ready, and tells so meanwhile. */
  async whenReady<T>(
    work: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (this.isImage) return await work();
    const { onProgress, readyTimeout = READY_TIMEOUT } = this.options;
    const deadline = performance.now() + readyTimeout;
    const timer = setInterval(() => {
      notify(onProgress, {
        phase: "waiting",
        done: 0,
        total: undefined,
        rate: undefined,
      });
    }, TICK);
    try {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (!isCode(error, "NOT_READY") || this.lost) throw error;
          if (performance.now() > deadline) throw error;
        }
        await delay(TICK, { ...(signal && { signal }) });
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
    this.#dialogue.abandon(
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

/** What is being burned. */
class Burning {
  /** Its bytes, where they are known. */
  size: number | undefined;

  /** Adds the size to a report, which xorriso tells by a rounded share. */
  withTotal(progress: Progress): Progress {
    if (progress.phase !== "writing" || this.size === undefined) {
      return progress;
    }
    return { ...progress, total: Math.max(this.size, progress.done) };
  }
}
