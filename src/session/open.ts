/** Opening the medium in a drive, or an image, and what is judged at that. */

import { Deck } from "./session.ts";
import { isCode, XorrisoError } from "../errors.ts";
import {
  checkSession,
  checkState,
  checkVersion,
  checkVolume,
  stateError,
} from "./target.ts";
import type { XorrisoOptions } from "../options.ts";
import { requireWrite } from "../disk/permissions.ts";
import {
  type Medium,
  parseMedium,
  parseToc,
  type RecordedSession,
} from "../dialogue/answers.ts";
import { type Base, closeInterrupted, findBases } from "./recover.ts";

/**
 * What is loaded: opens the medium that a deck has, judges it, and goes on from
 * a sound session where a later one is not.
 */
export class Loader {
  /** The process, and the drive or image that it works on. */
  readonly deck: Deck;
  #medium: Medium | undefined;
  #version = "";
  /** Whether the last session on the medium was left open by a dead program. */
  #interrupted = false;
  /** Why what is on the medium cannot be used, if it cannot. */
  #foreign: XorrisoError | undefined;
  /** Number of the session whose tree is loaded, 0 if it is a new one. */
  #loaded = 0;

  /** Whether xorriso has confirmed a change that is not written yet. */
  isStaged = false;

  private constructor(deck: Deck) {
    this.deck = deck;
  }

  /** Starts xorriso and opens a drive or an image file. */
  static async open(device: string, options: XorrisoOptions): Promise<Loader> {
    const { session } = options;
    return await Loader.#open(
      device,
      options,
      session === undefined ? undefined : { by: "session", at: session },
    );
  }

  /** Opens it with a certain session loaded, or the newest. */
  static async #open(
    device: string,
    options: XorrisoOptions,
    base: Base | undefined,
  ): Promise<Loader> {
    const loader = new Loader(await Deck.start(device, options));
    try {
      await loader.#prepare(base);
      return loader;
    } catch (error) {
      const bases: Base[] = [];
      try {
        if (base === undefined && loader.#maySalvage(error)) {
          bases.push(...await findBases(loader.deck));
        }
      } finally {
        await loader.deck.end();
      }
      for (const other of bases) {
        try {
          return await Loader.#open(device, options, other);
        } catch (cause) {
          if (!isCode(cause, "IMAGE_DAMAGED")) throw cause;
        }
      }
      throw loader.#withWayOut(error);
    }
  }

  /** Version of the xorriso program. */
  get version(): string {
    return this.#version;
  }

  /** What medium was there when it was opened, or written last. */
  get medium(): Medium | undefined {
    return this.#medium;
  }

  /** Number of the session whose tree is loaded, 0 if it is a new one. */
  get loaded(): number {
    return this.#loaded;
  }

  /** Whether what is on the medium cannot be used, but be erased. */
  get isForeign(): boolean {
    return this.#foreign !== undefined;
  }

  /** Whether a session that was left open has to be closed before any other. */
  get mustClose(): boolean {
    return this.#interrupted && this.deck.options.recover === true;
  }

  /** Notes what xorriso has told of the medium that it has written. */
  took(messages: readonly string[]): void {
    this.#medium = parseMedium(messages) ?? this.#medium;
  }

  /** Notes that the session that was written last is loaded. */
  advance(): void {
    this.#loaded = this.#medium?.sessions ?? 0;
    this.isStaged = false;
  }

  /** Whether to begin from another session than the newest. */
  #maySalvage(error: unknown): boolean {
    const { recover = false } = this.deck.options;
    return recover && !this.deck.isImage && !this.deck.lost &&
      isCode(error, "IMAGE_DAMAGED");
  }

  /** Adds what to do where a burn on a drive was interrupted. */
  #withWayOut(error: unknown): unknown {
    const { recover = false } = this.deck.options;
    if (!isCode(error, "IMAGE_DAMAGED") || this.deck.isImage || recover) {
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
    const { options } = this.deck;
    const { joliet = true, signal } = options;
    const { device, image } = this.deck.target;
    const speed = options.writeSpeed ?? (image ? undefined : "min");
    const doing = "Cannot set up xorriso";
    const [version] = await Promise.all([
      this.deck.run("-version", { doing, pipelined: true }),
      ...[
        ["-joliet", joliet ? "on" : "off"],
        // Only for a bug of drivers that read CDs; the next session would
        // write over it (xorriso(1), -padding).
        ...(image ? [["-padding", "0"]] : [["-scsi_log", "on"]]),
        ...(speed === undefined ? [] : [["-speed", speed]]),
        ...(base === undefined ? [] : [["-load", base.by, `${base.at}`]]),
      ].map((words) => this.deck.run(words, { doing, pipelined: true })),
    ]);
    this.#version = checkVersion(version.results);
    const state = await this.#inspect();
    const medium = await this.deck.whenReady(
      () => this.openMedium({ ...(signal && { signal }), base }),
      signal,
    );
    checkState(state, medium, device);
    if (base?.by === "session" && medium.status === "blank") {
      throw new XorrisoError(
        "SESSION_NOT_FOUND",
        `Cannot load session ${base.at} of "${device}": the medium is blank`,
      );
    }
    checkVolume(medium, options, device);
  }

  /** Opens the medium, and closes a session that was left open, if wanted. */
  async openMedium(
    options: {
      readonly signal?: AbortSignal;
      readonly base?: Base | undefined;
    },
  ): Promise<Medium> {
    const medium = await this.load(options);
    const { recover = false } = this.deck.options;
    return this.#interrupted && recover && this.deck.target.writable
      ? await this.#closeInterrupted(options)
      : medium;
  }

  /** Closes the session that was left open, and begins from before it. */
  async #closeInterrupted(
    options: { readonly signal?: AbortSignal },
  ): Promise<Medium> {
    const base = await closeInterrupted(this.deck, this.#loaded);
    return await this.load({ ...options, base: await this.choose(base) });
  }

  /** Has xorriso load a certain session when it opens the drive next. */
  async choose(base: Base): Promise<Base> {
    const doing = this.deck.doing(`load session ${base.at} of`);
    await this.deck.run(["-load", base.by, `${base.at}`], doing);
    return base;
  }

  /** What the module itself sees in an image file, before xorriso does. */
  async #inspect(): Promise<string> {
    const { image, writable } = this.deck.target;
    if (image === undefined) return "drive";
    const state = await image.inspect();
    if (state === "blank" || state === "iso") return state;
    const { create = false } = this.deck.options;
    if (create && writable && ["interrupted", "headless"].includes(state)) {
      await requireWrite(image.path, "the image");
      if (state === "headless") {
        await image.complete();
        return "iso";
      }
      await image.clear();
      return "blank";
    }
    throw stateError(state, this.deck.target.device);
  }

  /** Opens the drive, or opens it again, and judges what xorriso found. */
  async load(
    { signal, base }: {
      readonly signal?: AbortSignal;
      readonly base?: Base | undefined;
    } = {},
  ): Promise<Medium> {
    const { address, device, image, writable } = this.deck.target;
    const doing = `Cannot open "${device}"`;
    const command = writable ? "-dev" : "-indev";
    const { messages, problem } = await this.deck.run([command, address], {
      ...{ doing, path: device, tolerant: true },
      ...(signal && { signal }),
    });
    this.#foreign = undefined;
    if (problem !== undefined && this.#isAcceptable(problem, messages)) {
      this.#foreign = problem;
    } else if (problem !== undefined && !isEmptyStart(problem, base)) {
      // That it holds something else is told by what is read of it.
      const damaged = image !== undefined || this.deck.log.has("unreadable");
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
      throw this.deck.nonsense(doing, messages);
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
    this.deck.log.reset();
    this.deck.unloaded = false;
    this.isStaged = false;
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
    return this.deck.options.foreign === true && !this.deck.isImage &&
      FOREIGN.has(code) && this.deck.target.writable &&
      parseMedium(messages) !== undefined;
  }

  /** Makes sure that a session can be written to what is on the medium. */
  async requireWritable(): Promise<void> {
    await this.requireOpened();
    const { device } = this.deck.target;
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
    const { recover = false } = this.deck.options;
    if (this.mustClose) await this.#closeInterrupted({});
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
  async requireOpened(): Promise<void> {
    const { image, writable, device } = this.deck.target;
    const { readOnly = false, session } = this.deck.options;
    this.deck.requireOpen(this.deck.doing("change"));
    if (readOnly || session !== undefined) {
      throw new XorrisoError(
        "MEDIUM_NOT_WRITABLE",
        `Cannot change "${device}": it was opened for reading alone`,
      );
    }
    if (image !== undefined) await requireWrite(image.path, "the image");
    image?.requireWritable();
    if (writable) return;
    throw new XorrisoError(
      "MEDIUM_NOT_WRITABLE",
      `Cannot change "${device}": write permission was granted only after it ` +
        `had been opened; open it again`,
    );
  }

  /** Discards what is staged. */
  async rollback(): Promise<void> {
    const doing = this.deck.doing("roll back");
    try {
      await this.deck.run("-rollback", { doing });
      this.isStaged = false;
    } catch (error) {
      // The tree was read again and could not be: the one in memory is empty,
      // and would be written.
      if (!this.deck.unloaded) await this.deck.end();
      throw error;
    }
  }

  /** Takes the tree of an older session as the base of the next commit. */
  async revert(session: number): Promise<void> {
    await this.requireWritable();
    checkSession(session);
    await this.rollback();
    try {
      await this.choose({ by: "session", at: session });
    } catch (error) {
      // xorriso has an empty tree now, and would write that.
      await this.recover();
      throw error;
    }
    this.#loaded = session;
  }

  /**
   * Brings the session back to the state of the medium.
   *
   * @param written Whether a session was written all the same. An image is made
   * what it was before, so that no call that failed has changed anything.
   */
  async recover(written = false): Promise<void> {
    const { image } = this.deck.target;
    try {
      // The verdict is out already; only whether xorriso can go on counts.
      const doing = this.deck.doing("roll back");
      await this.deck.run("-rollback", doing).catch(() => {});
      if (written) {
        await image?.remember();
        await image?.undo();
      } else await image?.restore();
      await this.#reload();
    } catch {
      await this.deck.end();
    }
  }

  /**
   * Opens the medium again, with the session that was loaded before where a
   * failed burn has left a newer one that cannot be.
   */
  async #reload(): Promise<void> {
    const sound = this.#loaded;
    try {
      await this.openMedium({});
    } catch (error) {
      if (!isCode(error, "IMAGE_DAMAGED") || this.deck.isImage || sound === 0) {
        throw error;
      }
      await this.deck.letGo();
      await this.openMedium({
        base: await this.choose({ by: "session", at: sound }),
      });
    }
  }

  /** The sessions on the medium, oldest first. */
  async sessions(): Promise<RecordedSession[]> {
    const { results } = await this.deck.run("-toc", {
      doing: this.deck.doing("look at"),
    });
    return parseToc(results).sessions;
  }
}

/** Problems of a medium that do not keep it from being blanked or ejected. */
const FOREIGN: ReadonlySet<string> = new Set([
  "IMAGE_DAMAGED",
  "NO_MEDIUM",
  "NOT_ISO",
  "READ_ERROR",
]);

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
