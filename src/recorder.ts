/** The lower half of a session: a drive or image that is open for recording. */

import { delay } from "./delay.ts";
import {
  type Answer,
  Dialogue,
  type ExchangeOptions,
  notify,
} from "./dialogue.ts";
import {
  type BlankMode,
  checkErase,
  checkFinish,
  DriveLog,
  footprint,
  type FormatMode,
  isOverwritable,
  largestSession,
} from "./drive.ts";
import { isCode, XorrisoError } from "./errors.ts";
import { Fifos } from "./fifos.ts";
import type { ImageFile } from "./image.ts";
import {
  acquire,
  checkSession,
  checkState,
  checkVersion,
  checkVolume,
  release,
  stateError,
  type Target,
} from "./opening.ts";
import type { CommitOptions, XorrisoOptions } from "./options.ts";
import { requireWrite } from "./permissions.ts";
import { commandLine } from "./protocol.ts";
import {
  BLOCK,
  type Medium,
  parseLoadedLba,
  parseMedium,
  parseSpace,
  parseToc,
  parseWritten,
  type Progress,
  type RecordedSession,
  type Toc,
} from "./report.ts";

/**
 * How far a commit could be taken back: the medium is as before (`done`), the
 * older tree is the base of the next commit (`pending`), or there is no older
 * one (`impossible`).
 */
export type Undone = "done" | "pending" | "impossible";

/** A session to begin from, in the terms of xorriso's `-load`. */
interface Base {
  readonly by: "session" | "sbsector";
  readonly at: number;
  /** Whether nothing is there, so that the next session begins a new tree. */
  readonly isEmpty?: boolean;
}

const TIMEOUT = 600_000;

/** Milliseconds to wait for a drive that is becoming ready. */
const READY_TIMEOUT = 60_000;

/** Bytes that the names of a few more files may add to the directory trees. */
const ROOM_FOR_NAMES = 16 * BLOCK;

/** Milliseconds between reports that a drive is waited for. */
const TICK = 500;

/** Milliseconds to end xorriso in while it waits for a drive. */
const UNREADY_GRACE = 1000;

/** Milliseconds that the end of an idle process may take. */
const GRACE = 10_000;

/**
 * One xorriso process with one drive or image open: opens it and judges what is
 * there, commits and judges what was written, takes care of the medium.
 */
export class Recorder {
  readonly #dialogue: Dialogue;
  readonly #target: Target;
  readonly #options: XorrisoOptions;
  readonly #log: DriveLog;
  readonly #burning: Burning;
  #medium: Medium | undefined;
  #version = "";
  /** Whether no medium is open, since it was ejected or could not be loaded. */
  #unloaded = false;
  /** Whether the last session on the medium was left open by a dead program. */
  #interrupted = false;
  /** Why what is on the medium cannot be used, if it cannot. */
  #foreign: XorrisoError | undefined;
  /** Number of the session whose tree is loaded, 0 if it is a new one. */
  #loaded = 0;
  /** The session that was loaded before the last commit. */
  #previous = 0;

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
    this.#target = target;
    this.#options = options;
    this.#log = log;
    this.#burning = burning;
    this.closed = dialogue.closed.then(() => release(target.image));
    // Whoever waits for the end is told; nobody has to.
    this.closed.catch(() => {});
  }

  /** Starts xorriso and opens a drive or an image file. */
  static async open(
    device: string,
    options: XorrisoOptions,
  ): Promise<Recorder> {
    const { session } = options;
    return await Recorder.#open(
      device,
      options,
      session === undefined ? undefined : { by: "session", at: session },
    );
  }

  /** Version of the xorriso program. */
  get version(): string {
    return this.#version;
  }

  /** The drive or image as the user named it. */
  get device(): string {
    return this.#target.device;
  }

  /** The image file, if it is one. */
  get image(): ImageFile | undefined {
    return this.#target.image;
  }

  /** Whether the medium lies in a file. */
  get isImage(): boolean {
    return this.#target.image !== undefined;
  }

  /** Whether sessions can be written to the medium as it was opened. */
  get writable(): boolean {
    return this.#target.writable;
  }

  /** Ends the process; what was not committed is discarded. */
  async end(): Promise<void> {
    await this.#dialogue.end();
    await this.closed;
  }

  /** Opens it with a certain session loaded, or the newest. */
  static async #open(
    device: string,
    options: XorrisoOptions,
    base: Base | undefined,
  ): Promise<Recorder> {
    const target = await acquire(device, options);
    const log = new DriveLog(options.readyTimeout ?? READY_TIMEOUT);
    let dialogue: Dialogue;
    const burning = new Burning();
    try {
      dialogue = await Dialogue.start(
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
    } catch (error) {
      await release(target.image);
      throw error;
    }
    const session = new Recorder(dialogue, target, options, log, burning);
    log.onLate = () => session.#giveUp();
    try {
      await session.#prepare(base);
      return session;
    } catch (error) {
      const bases = await session.#otherBases(error, base);
      await session.end();
      for (const other of bases) {
        try {
          return await Recorder.#open(device, options, other);
        } catch (cause) {
          if (!isCode(cause, "IMAGE_DAMAGED")) throw cause;
        }
      }
      throw session.#withWayOut(error);
    }
  }

  /** Adds what to do where a burn on a drive was interrupted. */
  #withWayOut(error: unknown): unknown {
    const { recover = false } = this.#options;
    if (!isCode(error, "IMAGE_DAMAGED") || this.isImage || recover) {
      return error;
    }
    return new XorrisoError(
      error.code,
      `${error.message}; if a burn was interrupted, open it with recover to ` +
        `go on from the session before`,
      { path: error.path, messages: error.messages, cause: error },
    );
  }

  /** Opens the drive and judges what is there. */
  async #prepare(base: Base | undefined): Promise<void> {
    const { joliet = true, signal } = this.#options;
    const { device, image } = this.#target;
    const speed = this.#options.writeSpeed ?? (image ? undefined : "min");
    const doing = "Cannot set up xorriso";
    const [version] = await Promise.all([
      this.run("-version", { doing, pipelined: true }),
      ...[
        ["-joliet", joliet ? "on" : "off"],
        // Only for a bug of drivers that read CDs; the next session would
        // write over it (xorriso(1), -padding).
        ...(image ? [["-padding", "0"]] : [["-scsi_log", "on"]]),
        ...(speed === undefined ? [] : [["-speed", speed]]),
        ...(base === undefined ? [] : [["-load", base.by, `${base.at}`]]),
      ].map((words) =>
        this.run(commandLine(words), { doing, pipelined: true })
      ),
    ]);
    this.#version = checkVersion(version.results);
    const state = await this.#inspect();
    const medium = await this.#whenReady(
      (options) => this.#openMedium({ ...options, base }),
      { ...(signal && { signal }) },
    );
    checkState(state, medium, device);
    if (base?.by === "session" && medium.status === "blank") {
      throw new XorrisoError(
        "SESSION_NOT_FOUND",
        `Cannot load session ${base.at} of "${device}": the medium is blank`,
      );
    }
    checkVolume(medium, this.#options, device);
  }

  /** Waits for a drive that is becoming ready, and tells so meanwhile. */
  async #whenReady<T>(
    work: (options: { signal?: AbortSignal }) => Promise<T>,
    { signal }: { signal?: AbortSignal },
  ): Promise<T> {
    if (this.isImage) return await work(signal ? { signal } : {});
    const { onProgress, readyTimeout = READY_TIMEOUT } = this.#options;
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
          return await work(signal ? { signal } : {});
        } catch (error) {
          if (!isCode(error, "NOT_READY") || this.#dialogue.lost) throw error;
          if (performance.now() > deadline) throw error;
        }
        await delay(TICK, signal);
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
    const { device } = this.#target;
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

  /** What to begin from where the newest session on a drive is damaged. */
  async #otherBases(error: unknown, base: Base | undefined): Promise<Base[]> {
    const { recover = false } = this.#options;
    if (!recover || base !== undefined || this.isImage) return [];
    if (!isCode(error, "IMAGE_DAMAGED") || this.#dialogue.lost) return [];
    if (!this.writable) {
      // A drive that could not be opened for reading alone is given up.
      await this.run(["-outdev", this.#target.address], {
        doing: this.doing("look at"),
        tolerant: true,
      });
    }
    const toc = await this.#lookAround();
    const sessions = toc.sessions.map(({ number: at }): Base => ({
      by: "session",
      at,
    }));
    if (!this.writable) return sessions.reverse();
    // Where no session is sound, the next one begins with an empty tree.
    let { nwa } = toc;
    if (sessions.length === 0) {
      await this.#closeDamaged();
      nwa = await this.#endOfMedium();
    }
    return [
      ...sessions.reverse(),
      ...(nwa === undefined ? [] : [emptyAt(nwa)]),
    ];
  }

  /** What is on a medium that may not be in order. */
  async #lookAround(): Promise<Toc> {
    const doing = this.doing("look at");
    const { results } = await this.run("-toc", { doing, tolerant: true });
    return parseToc(results);
  }

  /**
   * Closes a session that a dead program has left open. xorriso gives up the
   * drive by that, so that what to load counts for the next opening.
   */
  async #closeDamaged(): Promise<void> {
    const doing = this.doing("close the interrupted session on");
    await this.#burn("-close_damaged force", { doing, tolerant: true });
  }

  /** The next writable block, behind all that was written. */
  async #endOfMedium(): Promise<number | undefined> {
    const { address } = this.#target;
    const doing = this.doing("look at");
    // What it holds is of no use, and may be told as a problem.
    await this.run(["-dev", address], { doing, tolerant: true });
    const { nwa } = await this.#lookAround();
    await this.#giveUpDrive();
    return nwa;
  }

  /** Opens the medium, and closes a session that was left open, if wanted. */
  async #openMedium(
    options: {
      readonly signal?: AbortSignal;
      readonly base?: Base | undefined;
    },
  ): Promise<Medium> {
    const medium = await this.#load(options);
    if (!this.#interrupted || !this.#options.recover || !this.writable) {
      return medium;
    }
    return await this.#closeInterrupted(options);
  }

  /**
   * Closes the session that a dead program has left open, which a BD-R needs
   * before it can be written, and begins from the one before it.
   */
  async #closeInterrupted(
    options: { readonly signal?: AbortSignal },
  ): Promise<Medium> {
    const { device: path } = this.#target;
    const sound = this.#loaded;
    await this.#closeDamaged();
    if (sound > 0) {
      const base = await this.#choose({ by: "session", at: sound });
      return await this.#load({ ...options, base });
    }
    const nwa = await this.#endOfMedium();
    if (nwa === undefined) {
      throw new XorrisoError(
        "MEDIUM_NOT_WRITABLE",
        `Cannot go on with the medium in "${path}": it has no writable block ` +
          `behind the interrupted session; use another medium`,
        { path },
      );
    }
    const base = await this.#choose(emptyAt(nwa));
    return await this.#load({ ...options, base });
  }

  /** Has xorriso load a certain session when it opens the drive next. */
  async #choose(base: Base): Promise<Base> {
    const doing = this.doing(`load session ${base.at} of`);
    await this.run(["-load", base.by, `${base.at}`], doing);
    return base;
  }

  /** Lets go of the drive, so that the next `-load` is for the next opening. */
  async #giveUpDrive(): Promise<void> {
    await this.run(["-dev", ""], this.doing("let go of"));
  }

  /** What the module itself sees in an image file, before xorriso does. */
  async #inspect(): Promise<string> {
    const { image, writable } = this.#target;
    if (image === undefined) return "drive";
    const state = await image.inspect();
    if (state === "blank" || state === "iso") return state;
    const { create = false } = this.#options;
    if (create && writable && ["interrupted", "headless"].includes(state)) {
      await requireWrite(image.path, "the image");
      if (state === "interrupted") await image.clear();
      else await image.complete();
      return state === "interrupted" ? "blank" : "iso";
    }
    throw stateError(state, this.#target.device);
  }

  /** Opens the drive, or opens it again, and judges what xorriso found. */
  async #load(
    { signal, base }: {
      readonly signal?: AbortSignal;
      readonly base?: Base | undefined;
    } = {},
  ): Promise<Medium> {
    const { address, device, image, writable } = this.#target;
    const doing = `Cannot open "${device}"`;
    const command = writable ? "-dev" : "-indev";
    const line = commandLine([command, address]);
    const { messages, problem } = await this.run(line, {
      ...{ doing, path: device, tolerant: true },
      ...(signal && { signal }),
    });
    if (image === undefined) await this.#dialogue.quiet();
    this.#foreign = undefined;
    if (problem !== undefined && this.#isAcceptable(problem, messages)) {
      this.#foreign = problem;
    } else if (problem !== undefined && !isEmptyStart(problem, base)) {
      // That it holds something else is told by what is read of it.
      const damaged = image !== undefined || this.#log.has("unreadable");
      throw damaged && isCode(problem, "NOT_ISO")
        ? new XorrisoError(
          "IMAGE_DAMAGED",
          `${doing}: its volume descriptor cannot be read`,
          { path: device, messages: problem.messages, cause: problem },
        )
        : problem;
    }
    const medium = parseMedium(messages);
    const opened = this.#foreign
      ? "Drive current: "
      : `Drive current: ${command} `;
    if (
      medium === undefined ||
      !messages.some((line) => line.startsWith(opened))
    ) {
      throw this.#nonsense(doing, messages);
    }
    if (messages.some((line) => BAD_CHECKSUMS.test(line))) {
      const damage = new XorrisoError(
        "IMAGE_DAMAGED",
        `${doing}: the list of checksums at the end of its last session is ` +
          `damaged, as after an interrupted burn`,
        { path: device, messages },
      );
      if (!this.#isAcceptable(damage, messages)) throw damage;
      this.#foreign = damage;
    }
    this.#log.reset();
    this.#unloaded = false;
    const isEmpty = base?.isEmpty ?? medium.status === "blank";
    this.#medium = isEmpty ? { ...medium, volumeId: undefined } : medium;
    this.#loaded = base?.by === "session"
      ? base.at
      : isEmpty
      ? 0
      : medium.sessions;
    this.#interrupted = messages.some((line) => OPEN_SESSION.test(line));
    return this.#medium;
  }

  /** Whether a drive may be opened in spite of a problem with its medium. */
  #isAcceptable(
    { code }: XorrisoError,
    messages: readonly string[],
  ): boolean {
    return this.#options.foreign === true && !this.isImage &&
      FOREIGN.has(code) && this.writable && parseMedium(messages) !== undefined;
  }

  async #nameVolume(): Promise<void> {
    const { volumeId, assertVolumeId } = this.#options;
    const name = volumeId ?? assertVolumeId;
    if (name === undefined) return;
    await this.run(commandLine(["-volid", name]), {
      doing: this.doing("name"),
    });
  }

  /**
   * Commits; what it returns is a problem with a source, in spite of which a
   * session was written.
   *
   * @param sources Paths of the files that are staged.
   */
  async commit(
    options: CommitOptions,
    sources: Iterable<string> = [],
  ): Promise<XorrisoError | undefined> {
    const { force = false, signal, onProgress } = options;
    await this.requireWritable();
    const { image } = this.#target;
    if (image !== undefined) await this.#whileOpen(image.beforeCommit(signal));
    if (force) await this.run("-changes_pending yes", this.doing("change"));
    if (image === undefined) await this.#requireFit();
    if (this.#loaded === 0) await this.#nameVolume();
    this.#previous = this.#loaded;
    const doing = this.doing("commit to");
    const fifos = new Fifos(sources);
    let written = false;
    try {
      const { messages, problem: told } = await this.#burn("-commit", {
        doing,
        tolerant: true,
        onStill: () => fifos.look(),
        ...(signal && { signal }),
        ...(onProgress && {
          onProgress: (progress) =>
            onProgress(this.#burning.withTotal(progress)),
        }),
      });
      const problem = told ?? fifos.problem;
      const isSource = problem !== undefined && isSourceProblem(problem);
      written = parseWritten(messages) !== undefined;
      if (problem && !(written && (isSource || isDisplaced(messages)))) {
        throw problem;
      }
      await this.#checkCommit(messages, doing, isSource ? undefined : problem);
      this.#loaded = this.#medium?.sessions ?? 0;
      await image?.remember();
      return isSource ? problem : undefined;
    } catch (error) {
      if (this.isImage && isBurnFailure(error)) await this.end();
      else await this.#recover(written);
      throw error;
    } finally {
      this.#burning.size = undefined;
    }
  }

  /**
   * Waits until no xorriso of a program that was killed writes to the image.
   *
   * @returns Whether the medium is as it was when it was opened.
   */
  async rest(signal?: AbortSignal): Promise<boolean> {
    const { image, writable } = this.#target;
    if (image === undefined || !writable) return true;
    return await this.#whileOpen(image.rest(signal));
  }

  /** Waits for work on the image, which is let go when xorriso dies. */
  async #whileOpen<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.#dialogue.requireOpen(this.doing("commit to"));
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
    const { device: path } = this.#target;
    await this.#dialogue.quiet();
    if (this.#log.has("exchanged")) {
      await this.end();
      throw new XorrisoError(
        "MEDIUM_CHANGED",
        `${doing}: the medium was exchanged while it was open; open it again`,
        { path },
      );
    }
    if (this.#log.has("absent")) {
      await this.end();
      throw new XorrisoError(
        "NO_MEDIUM",
        `${doing}: the medium was taken out; insert one, and open it again`,
        { path },
      );
    }
  }

  /**
   * Makes sure that what is staged fits on the medium, which still is the one
   * that was opened, before anything is burned; discards it otherwise.
   */
  async #requireFit(): Promise<void> {
    const doing = this.doing("commit to");
    // That it does not fit is told by a problem, too.
    const { results, messages, problem } = await this.run(
      "-tell_media_space",
      { doing, tolerant: true },
    );
    await this.requireSame(doing);
    const space = parseSpace(results);
    const medium = this.#medium;
    if (medium?.appendable && space !== undefined) {
      const { free } = space;
      const needed = footprint(medium, free - space.afterCommit);
      this.#burning.size = needed;
      if (needed <= free) return;
      await this.#discard();
      throw new XorrisoError(
        "MEDIUM_FULL",
        `${doing}: the session needs ${needed} bytes, ${free} are free; store ` +
          `less, or use another medium`,
        { needed, free },
      );
    }
    await this.#discard();
    const why = medium?.appendable ? "cannot be written now" : "is closed";
    // That no place to write at is found is not for an exchange here.
    const isVague = problem === undefined || isCode(problem, "MEDIUM_CHANGED");
    throw medium?.appendable && !isVague ? problem : new XorrisoError(
      "MEDIUM_NOT_WRITABLE",
      `${doing}: the medium ${why}; use another medium`,
      { path: this.#target.device, messages, cause: problem },
    );
  }

  /** Discards what is staged, or ends a session that cannot even do that. */
  async #discard(): Promise<void> {
    await this.rollback().catch(() => {});
  }

  /** One exchange that writes to the medium. */
  async #burn(line: string, options: ExchangeOptions): Promise<Answer> {
    const { image } = this.#target;
    const doing = this.doing("set up");
    // Each block that is written would be told.
    if (image === undefined) await this.run("-scsi_log off", doing);
    try {
      return await this.run(line, { ...options, writes: true });
    } finally {
      if (image === undefined && !this.#dialogue.lost) {
        await this.run("-scsi_log on", doing);
        this.#log.reset();
      }
    }
  }

  /** Goes back to the tree before the last commit. */
  async undo(): Promise<Undone> {
    const { image } = this.#target;
    if (image !== undefined) {
      await image.undo();
      await this.#load();
      return "done";
    }
    if (this.#previous === 0) return "impossible";
    await this.revert(this.#previous);
    return "pending";
  }

  /**
   * Makes sure that what was written is what is loaded now.
   *
   * @param problem What xorriso said about a tree that it loaded instead.
   */
  async #checkCommit(
    messages: readonly string[],
    doing: string,
    problem: XorrisoError | undefined,
  ): Promise<void> {
    const written = parseWritten(messages);
    if (written === undefined) {
      // Nothing was staged.
      if (messages.some((line) => line.includes("-commit: No image"))) return;
      throw this.#nonsense(doing, messages);
    }
    this.#medium = parseMedium(messages) ?? this.#medium;
    const loaded = parseLoadedLba(messages);
    if (loaded === written.lba) return;
    // On media that are written again in place, the newest header is mirrored
    // at block 0, and the list of sessions tells where it is from. Of an image
    // that another program made there is no such list: one session, at 0.
    const newest = loaded === 0 && problem === undefined
      ? (await this.sessions()).at(-1)?.lba
      : loaded;
    if (newest === written.lba) return;
    if (newest === 0 && isOverwritable(this.#medium)) return;
    if (this.isImage || !await this.#rescue(written.lba)) {
      throw new XorrisoError(
        "WRITE_ERROR",
        `${doing}: the session written at block ${written.lba} is not the ` +
          `one that the medium shows, at block ${newest ?? "none"}; use ` +
          `another medium`,
        { messages, cause: problem },
      );
    }
  }

  /**
   * Makes a session the newest one that was written behind the remains of an
   * interrupted one, into the same track, so that the medium shows those.
   *
   * Another session with its tree is appended; no content is burned again.
   */
  async #rescue(lba: number): Promise<boolean> {
    const doing = this.doing("rescue the session on");
    await this.#giveUpDrive();
    await this.#load({
      base: await this.#choose({ by: "sbsector", at: lba }),
    });
    await this.run("-changes_pending yes", doing);
    const { messages } = await this.#burn("-commit", { doing });
    this.#medium = parseMedium(messages) ?? this.#medium;
    const written = parseWritten(messages);
    return written !== undefined && parseLoadedLba(messages) === written.lba;
  }

  /**
   * Brings the session back to the state of the medium.
   *
   * @param written Whether a session was written all the same. An image is made
   * what it was before, so that no call that failed has changed anything.
   */
  async #recover(written = false): Promise<void> {
    const { image } = this.#target;
    try {
      // The verdict is out already; only whether xorriso can go on counts.
      await this.run("-rollback", this.doing("roll back")).catch(() => {});
      if (written) {
        await image?.remember();
        await image?.undo();
      } else await image?.restore();
      await this.#reload();
    } catch {
      await this.end();
    }
  }

  /**
   * Opens the medium again, with the session that was loaded before where a
   * failed burn has left a newer one that cannot be.
   */
  async #reload(): Promise<void> {
    const sound = this.#loaded;
    try {
      await this.#openMedium({});
    } catch (error) {
      if (!isCode(error, "IMAGE_DAMAGED") || this.isImage || sound === 0) {
        throw error;
      }
      await this.#giveUpDrive();
      await this.#openMedium({
        base: await this.#choose({ by: "session", at: sound }),
      });
    }
  }

  /** Blanks or formats the medium. */
  async erase(
    what: "blank" | "format",
    mode: BlankMode | FormatMode,
    force: boolean,
    { signal, onProgress }: CommitOptions,
  ): Promise<void> {
    await this.#requireOpened();
    const { image } = this.#target;
    const medium = await this.medium();
    checkErase(medium, what, force);
    if (this.#foreign === undefined) await this.rollback();
    if (image === undefined) {
      const doing = this.doing(`${what} the medium in`);
      await this.requireSame(doing);
      try {
        await this.#burn(`-${what} ${mode}`, {
          doing,
          ...(signal && { signal }),
          ...(onProgress && { onProgress }),
        });
      } catch (error) {
        await this.#recover();
        throw error;
      }
    } else {
      await image.beforeCommit(signal);
      await image.clear();
    }
    // Whether there was anything to do is told by the medium alone.
    const { status } = await this.#load();
    if (status === "blank") return;
    throw new XorrisoError(
      "BLANK_FAILED",
      `Cannot ${what} the medium in "${medium.drive}": it is still ` +
        `${status}; try another mode`,
      { path: medium.drive },
    );
  }

  #requireTray(what: string): void {
    if (!this.isImage) return;
    throw new XorrisoError(
      "NO_DRIVE",
      `Cannot ${what} "${this.#target.device}": it is an image file, no drive`,
    );
  }

  /** Makes sure that a session can be written to what is on the medium. */
  async requireWritable(): Promise<void> {
    await this.#requireOpened();
    const { device } = this.#target;
    if (this.#foreign !== undefined) {
      const { code, messages } = this.#foreign;
      throw new XorrisoError(
        code,
        `Cannot change "${device}": what is on the medium cannot be used; ` +
          `blank it first`,
        { path: device, messages, cause: this.#foreign },
      );
    }
    // Nothing is staged before this has been asked for.
    const { recover = false } = this.#options;
    if (this.#interrupted && recover) await this.#closeInterrupted({});
    if (this.#interrupted) {
      const advice = recover
        ? "the drive cannot close it; use another medium"
        : "open it with recover to close that and go on";
      throw new XorrisoError(
        "IMAGE_DAMAGED",
        `Cannot change "${device}": the burn of its last session was ` +
          `interrupted; ${advice}`,
        { path: device },
      );
    }
  }

  /** Makes sure that the medium was opened for writing. */
  async #requireOpened(): Promise<void> {
    const { image, writable, device } = this.#target;
    this.#dialogue.requireOpen(this.doing("change"));
    if (this.#options.readOnly || this.#options.session !== undefined) {
      throw new XorrisoError(
        "MEDIUM_NOT_WRITABLE",
        `Cannot change "${device}": it was opened for reading alone`,
      );
    }
    if (image !== undefined) await requireWrite(image.path, "the image");
    if (writable) return;
    throw new XorrisoError(
      "MEDIUM_NOT_WRITABLE",
      `Cannot change "${device}": write permission was granted only after it ` +
        `had been opened; open it again`,
    );
  }

  /** Begins the message of an error: `Cannot WHAT "/dev/sr0"`. */
  doing(what: string): string {
    return `Cannot ${what} "${this.#target.device}"`;
  }

  #nonsense(doing: string, messages: readonly string[] = []): XorrisoError {
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
    if (this.#unloaded && !/^-(dev|indev|scsi_log) /.test(line)) {
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

  /** Discards what is staged. */
  async rollback(): Promise<void> {
    const doing = this.doing("roll back");
    try {
      await this.run("-rollback", { doing });
    } catch (error) {
      // The tree was read again and could not be: the one in memory is empty,
      // and would be written.
      if (!this.#unloaded) await this.end();
      throw error;
    }
  }

  /** Takes the tree of an older session as the base of the next commit. */
  async revert(session: number): Promise<void> {
    await this.requireWritable();
    checkSession(session);
    await this.rollback();
    try {
      await this.#choose({ by: "session", at: session });
    } catch (error) {
      // xorriso has an empty tree now, and would write that.
      await this.#recover();
      throw error;
    }
    this.#loaded = session;
  }

  /** What medium it is. */
  async medium(): Promise<Medium> {
    const doing = this.doing("look at");
    const answers = await Promise.all([
      this.run("-toc", { doing, pipelined: true }),
      // Only what was opened for writing has space to tell.
      ...(this.writable
        ? [this.run("-tell_media_space", { doing, pipelined: true })]
        : []),
    ]);
    const medium = parseMedium(answers.flatMap(({ results }) => results));
    if (medium === undefined) throw this.#nonsense(doing);
    return { ...medium, volumeId: this.#medium?.volumeId };
  }

  /** Bytes of content that still fit in one session. */
  async room(): Promise<number> {
    const medium = await this.medium();
    if (!this.writable || !medium.appendable) return 0;
    const doing = this.doing("measure what is staged for");
    const { results } = await this.run("-changes_pending show_status", doing);
    const staged = results.some((line) => line.endsWith(" yes"));
    if (!staged) await this.run("-changes_pending yes", doing);
    try {
      // That there is no room at all is told by a problem, too.
      const { results, messages } = await this.run("-tell_media_space", {
        doing,
        tolerant: true,
      });
      const space = parseSpace(results);
      if (space === undefined) throw this.#nonsense(doing, messages);
      const taken = space.free - space.afterCommit + ROOM_FOR_NAMES;
      return Math.max(0, largestSession(medium) - taken);
    } finally {
      if (!staged) await this.run("-changes_pending no", doing);
    }
  }

  /** The sessions on the medium, oldest first. */
  async sessions(): Promise<RecordedSession[]> {
    const { results } = await this.run("-toc", {
      doing: this.doing("look at"),
    });
    return parseToc(results).sessions;
  }

  /** Closes the medium for good. */
  async finish(
    options: CommitOptions = {},
    sources: Iterable<string> = [],
  ): Promise<void> {
    await this.requireWritable();
    const doing = this.doing("close the medium in");
    checkFinish(await this.medium());
    await this.run("-close on", doing);
    try {
      const problem = await this.commit({ ...options, force: true }, sources);
      if (problem !== undefined) throw problem;
    } finally {
      if (!this.#dialogue.lost) await this.run("-close off", doing);
    }
  }

  /** Opens the tray. */
  async eject(): Promise<void> {
    this.#requireTray("eject");
    if (this.#foreign === undefined) await this.rollback();
    await this.run("-eject all", this.doing("eject the medium in"));
    this.#unloaded = true;
  }

  /** Closes the tray and opens the medium in it. */
  async load(
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Medium> {
    this.#requireTray("load");
    // What was staged for the medium before is not for this one.
    const doing = { doing: this.doing("roll back"), tolerant: true };
    if (!this.#unloaded) await this.run("-rollback", doing);
    this.#unloaded = true;
    const medium = await this.#whenReady(
      (each) => this.#openMedium(each),
      options,
    );
    try {
      checkVolume(medium, this.#options, this.#target.device);
      return medium;
    } catch (error) {
      this.#unloaded = true;
      throw error;
    }
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

/** Problems of a medium that do not keep it from being blanked or ejected. */
const FOREIGN: ReadonlySet<string> = new Set([
  "IMAGE_DAMAGED",
  "NO_MEDIUM",
  "NOT_ISO",
  "READ_ERROR",
]);

/** Whether the session was written, but with zeros for some source. */
function isSourceProblem({ code }: XorrisoError): boolean {
  return code === "SOURCE_UNREADABLE" || code === "SOURCE_CHANGED";
}

/**
 * Whether writing itself failed. libburn's writer then winds down in the
 * background for a while: commands that come meanwhile fail by its messages.
 */
function isBurnFailure(error: unknown): boolean {
  return error instanceof XorrisoError &&
    error.messages.some((line) =>
      line.endsWith(": libburn indicates failure with writing.")
    );
}

/** A new tree, to be written where nothing is. */
function emptyAt(at: number): Base {
  return { by: "sbsector", at, isEmpty: true };
}

/** Whether another tree was loaded than was written. */
function isDisplaced(messages: readonly string[]): boolean {
  const loaded = parseLoadedLba(messages);
  return loaded !== undefined && loaded !== 0 &&
    loaded !== parseWritten(messages)?.lba;
}

/**
 * What libisofs tells where the end of a session is not as its start says. The
 * tree may look sound then, although the content was never written.
 */
const BAD_CHECKSUMS = /MD5 checksum array appears damaged/;

/** What libburn tells of a BD-R whose last session was interrupted. */
const OPEN_SESSION = /Last session on media is still open/;

/** Whether a problem is just what is expected where no session is sound. */
function isEmptyStart(
  { messages }: XorrisoError,
  base: Base | undefined,
): boolean {
  return base?.isEmpty === true &&
    messages.every((line) => line.includes("No ISO 9660 image at LBA"));
}
