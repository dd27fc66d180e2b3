/** The lower half of a session: what is written to the medium. */

import { abortable } from "@std/async/abortable";
import type { Answer, ExchangeOptions } from "../dialogue/exchange.ts";
import type { Deck } from "./session.ts";
import {
  type BlankMode,
  checkErase,
  checkFinish,
  footprint,
  type FormatMode,
  isOverwritable,
  largestSession,
} from "./drive.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { Fifos } from "../disk/fifos.ts";
import type { ImageFile } from "../disk/image.ts";
import { keepTempFiles } from "../disk/temp.ts";
import { Loader } from "./open.ts";
import { checkVolume } from "./target.ts";
import type { CommitOptions, XorrisoOptions } from "../options.ts";
import {
  BLOCK,
  type BlockRange,
  type Medium,
  parseLoadedLba,
  parseMedium,
  parseRegions,
  parseSpace,
  parseWritten,
  type RecordedSession,
} from "../dialogue/answers.ts";

/**
 * How far a commit could be taken back: the medium is as before (`done`), the
 * older tree is the base of the next commit (`pending`), or there is no older
 * one (`impossible`).
 */
export type Undone = "done" | "pending" | "impossible";

/** What a commit has written. */
export interface Committed {
  /** First block of the new session; undefined if nothing was to be written. */
  readonly lba: number | undefined;
  /** A problem with a source, in spite of which it was written. */
  readonly problem: XorrisoError | undefined;
}

/** Bytes that the names of a few more files may add to the directory trees. */
const ROOM_FOR_NAMES = 16 * BLOCK;

/**
 * One xorriso process with one drive or image open: commits and judges what was
 * written, and takes care of the medium.
 */
export class Recorder {
  readonly #loader: Loader;
  readonly #deck: Deck;
  /** The session that was loaded before the last commit. */
  #previous = 0;
  /** Settled when all work is that has its turn or waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(loader: Loader) {
    this.#loader = loader;
    this.#deck = loader.deck;
  }

  /** Starts xorriso and opens a drive or an image file. */
  static async open(
    device: string,
    options: XorrisoOptions,
  ): Promise<Recorder> {
    return new Recorder(await Loader.open(device, options));
  }

  /** Resolves when the process is gone and the image is unlocked. */
  get closed(): Promise<void> {
    return this.#deck.closed;
  }

  /** Version of the xorriso program. */
  get version(): string {
    return this.#loader.version;
  }

  /** The drive or image as the user named it. */
  get device(): string {
    return this.#deck.target.device;
  }

  /** The image file, if it is one. */
  get image(): ImageFile | undefined {
    return this.#deck.target.image;
  }

  /** Whether the medium lies in a file. */
  get isImage(): boolean {
    return this.#deck.isImage;
  }

  /** Whether sessions can be written to the medium as it was opened. */
  get writable(): boolean {
    return this.#deck.target.writable;
  }

  /** Begins the message of an error: `Cannot WHAT "/dev/sr0"`. */
  doing(what: string): string {
    return this.#deck.doing(what);
  }

  /** One exchange; where it is the last one, the end is waited for. */
  async run(
    words: string | readonly string[],
    options: ExchangeOptions | string,
  ): Promise<Answer> {
    return await this.#deck.run(words, options);
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
  async exclusive<T>(
    work: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const before = this.#last;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#last = before.then(() => done);
    try {
      await (signal ? abortable(before, signal) : before);
      return await work();
    } finally {
      resolve();
    }
  }

  /** Sends a line that changes the tree, which is a turn's alone. */
  async stage(line: string, options: ExchangeOptions): Promise<Answer> {
    const answer = await this.run(line, options);
    this.#loader.isStaged = true;
    return answer;
  }

  /**
   * Ends the process, whoever has a turn; what was not committed is discarded.
   */
  async end(): Promise<void> {
    await this.#deck.end();
  }

  /** Makes sure that the medium is the one that was opened. */
  async requireSame(doing: string): Promise<void> {
    await this.#deck.requireSame(doing);
  }

  /** Whether `requireWritable()` alters something, so that it needs a turn. */
  get mustClose(): boolean {
    return this.#loader.mustClose;
  }

  /** Makes sure that a session can be written to what is on the medium. */
  async requireWritable(): Promise<void> {
    await this.#loader.requireWritable();
  }

  /** Discards what is staged. */
  async rollback(): Promise<void> {
    await this.#loader.rollback();
  }

  /** Takes the tree of an older session as the base of the next commit. */
  async revert(session: number): Promise<void> {
    await this.#loader.revert(session);
  }

  /** The sessions on the medium, oldest first. */
  async sessions(): Promise<RecordedSession[]> {
    return await this.#loader.sessions();
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
    if (medium === undefined) throw this.#deck.nonsense(doing);
    return { ...medium, volumeId: this.#loader.medium?.volumeId };
  }

  /**
   * Bytes of content that still fit in one session. It takes a turn, since
   * xorriso tells it only of changes that are pending.
   */
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
      if (space === undefined) throw this.#deck.nonsense(doing, messages);
      const taken = space.free - space.afterCommit + ROOM_FOR_NAMES;
      return Math.max(0, largestSession(medium) - taken);
    } finally {
      if (!staged) await this.run("-changes_pending no", doing);
    }
  }

  /** Names the volume of a first session. */
  async #nameVolume(): Promise<void> {
    const { volumeId, assertVolumeId } = this.#deck.options;
    const name = volumeId ?? assertVolumeId;
    if (name === undefined) return;
    await this.run(["-volid", name], this.doing("name"));
  }

  /**
   * Commits what is staged.
   *
   * @param sources Paths of the files that are staged.
   */
  async commit(
    options: CommitOptions,
    sources: Iterable<string> = [],
  ): Promise<Committed> {
    const { force = false, signal, onProgress } = options;
    await this.requireWritable();
    const { image } = this;
    if (image !== undefined) {
      await this.#deck.whileOpen(image.beforeCommit(signal));
    }
    if (force) await this.run("-changes_pending yes", this.doing("change"));
    if (image === undefined) await this.#requireFit();
    if (this.#loader.loaded === 0) await this.#nameVolume();
    this.#previous = this.#loader.loaded;
    const doing = this.doing("commit to");
    const fifos = new Fifos(sources);
    using _kept = keepTempFiles();
    let written = false;
    try {
      const { messages, problem: told } = await this.#deck.burn("-commit", {
        doing,
        tolerant: true,
        onStill: () => fifos.look(),
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
      });
      const problem = told ?? fifos.problem;
      const isSource = problem !== undefined && isSourceProblem(problem);
      written = parseWritten(messages) !== undefined;
      if (problem && !(written && (isSource || isDisplaced(messages)))) {
        throw problem;
      }
      const lba = await this.#checkCommit(
        messages,
        doing,
        isSource ? undefined : problem,
      );
      await image?.afterCommit(written);
      this.#loader.advance();
      return { lba, problem: isSource ? problem : undefined };
    } catch (error) {
      if (this.isImage && isBurnFailure(error)) await this.end();
      else await this.#loader.recover(written);
      throw error;
    } finally {
      this.#deck.burning.size = undefined;
    }
  }

  /**
   * Waits until no xorriso of a program that was killed writes to the image.
   *
   * @returns Whether the medium is as it was when it was opened.
   */
  async rest(signal?: AbortSignal): Promise<boolean> {
    const { image, writable } = this;
    if (image === undefined || !writable) return true;
    return await this.#deck.whileOpen(image.rest(signal));
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
    const medium = this.#loader.medium;
    if (medium?.appendable && space !== undefined) {
      const { free } = space;
      const needed = footprint(medium, free - space.afterCommit);
      this.#deck.burning.size = needed;
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
      { path: this.device, messages, cause: problem },
    );
  }

  /** Discards what is staged, or ends a session that cannot even do that. */
  async #discard(): Promise<void> {
    await this.rollback().catch(() => {});
  }

  /** Goes back to the tree before the last commit. */
  async undo(): Promise<Undone> {
    const { image } = this;
    if (image !== undefined) {
      await image.undo();
      await this.#loader.load();
      return "done";
    }
    if (this.#previous === 0) return "impossible";
    await this.revert(this.#previous);
    return "pending";
  }

  /**
   * Makes sure that what was written is what is loaded now, and that what was
   * staged was written.
   *
   * @param problem What xorriso said about a tree that it loaded instead.
   * @returns First block of what was written, if anything was.
   */
  async #checkCommit(
    messages: readonly string[],
    doing: string,
    problem: XorrisoError | undefined,
  ): Promise<number | undefined> {
    const written = parseWritten(messages);
    if (written === undefined) {
      if (!messages.some((line) => line.includes("-commit: No image"))) {
        throw this.#deck.nonsense(doing, messages);
      }
      if (!this.#loader.isStaged) return undefined;
      throw new XorrisoError(
        "WRITE_ERROR",
        `${doing}: xorriso has written nothing, since it has forgotten what ` +
          `was staged; stage it again`,
        { messages },
      );
    }
    this.#loader.took(messages);
    const loaded = parseLoadedLba(messages);
    if (loaded === written.lba) return written.lba;
    // On media that are written again in place, the newest header is mirrored
    // at block 0, and the list of sessions tells where it is from. Of an image
    // that another program made there is no such list: one session, at 0.
    const newest = loaded === 0 && problem === undefined
      ? (await this.sessions()).at(-1)?.lba
      : loaded;
    if (newest === written.lba) return written.lba;
    if (newest === 0 && isOverwritable(this.#loader.medium)) return written.lba;
    if (this.isImage || !await this.#rescue(written.lba)) {
      throw new XorrisoError(
        "WRITE_ERROR",
        `${doing}: the session written at block ${written.lba} is not the ` +
          `one that the medium shows, at block ${newest ?? "none"}; use ` +
          `another medium`,
        { messages, cause: problem },
      );
    }
    return written.lba;
  }

  /**
   * Makes a session the newest one that was written behind the remains of an
   * interrupted one, into the same track, so that the medium shows those.
   *
   * Another session with its tree is appended; no content is burned again.
   */
  async #rescue(lba: number): Promise<boolean> {
    const doing = this.doing("rescue the session on");
    await this.#deck.letGo();
    await this.#loader.load({
      base: await this.#loader.choose({ by: "sbsector", at: lba }),
    });
    await this.run("-changes_pending yes", doing);
    const { messages } = await this.#deck.burn("-commit", { doing });
    this.#loader.took(messages);
    const written = parseWritten(messages);
    return written !== undefined && parseLoadedLba(messages) === written.lba;
  }

  /**
   * Copies blocks of the medium to a new file on disk, where block A is at byte
   * A x 2048.
   *
   * @returns What could not be read.
   */
  async copyBlocks(
    { lba, blocks }: BlockRange,
    target: string,
    signal?: AbortSignal,
  ): Promise<BlockRange[]> {
    const doing = this.doing("read blocks of");
    const { results, messages } = await this.run([
      ...["-check_media", "use=indev", "what=disc", `min_lba=${lba}`],
      ...[`max_lba=${lba + blocks - 1}`, `data_to=${target}`, "--"],
      // That a block cannot be read is told by a problem, too.
    ], { doing, tolerant: true, ...(signal && { signal }) });
    await this.requireSame(doing);
    const regions = parseRegions(results);
    if (regions.length === 0) throw this.#deck.nonsense(doing, messages);
    return regions.filter(({ quality }) => quality.startsWith("-"));
  }

  /** Blanks or formats the medium. */
  async erase(
    what: "blank" | "format",
    mode: BlankMode | FormatMode,
    force: boolean,
    { signal, onProgress }: CommitOptions,
  ): Promise<void> {
    await this.#loader.requireOpened();
    const { image } = this;
    const medium = await this.medium();
    checkErase(medium, what, force);
    if (!this.#loader.isForeign) await this.rollback();
    if (image === undefined) {
      const doing = this.doing(`${what} the medium in`);
      await this.requireSame(doing);
      try {
        await this.#deck.burn(`-${what} ${mode}`, {
          doing,
          ...(signal && { signal }),
          ...(onProgress && { onProgress }),
        });
      } catch (error) {
        await this.#loader.recover();
        throw error;
      }
    } else {
      await image.beforeCommit(signal);
      await image.clear();
    }
    // Whether there was anything to do is told by the medium alone.
    const { status } = await this.#loader.load();
    if (status === "blank") return;
    throw new XorrisoError(
      "BLANK_FAILED",
      `Cannot ${what} the medium in "${medium.drive}": it is still ` +
        `${status}; try another mode`,
      { path: medium.drive },
    );
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
      const { problem } = await this.commit(
        { ...options, force: true },
        sources,
      );
      if (problem !== undefined) throw problem;
    } finally {
      if (!this.#deck.lost) await this.run("-close off", doing);
    }
  }

  /** Opens the tray. */
  async eject(): Promise<void> {
    this.#requireTray("eject");
    if (!this.#loader.isForeign) await this.rollback();
    await this.run("-eject all", this.doing("eject the medium in"));
    this.#deck.unloaded = true;
  }

  /** Closes the tray and opens the medium in it. */
  async load(
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Medium> {
    this.#requireTray("load");
    // What was staged for the medium before is not for this one.
    const doing = { doing: this.doing("roll back"), tolerant: true };
    if (!this.#deck.unloaded) await this.run("-rollback", doing);
    this.#deck.unloaded = true;
    const medium = await this.#deck.whenReady(
      () => this.#loader.openMedium({ ...(signal && { signal }) }),
      signal,
    );
    try {
      checkVolume(medium, this.#deck.options, this.device);
      return medium;
    } catch (error) {
      this.#deck.unloaded = true;
      throw error;
    }
  }

  /** Makes sure that there is a tray to open or close. */
  #requireTray(what: string): void {
    if (!this.isImage) return;
    throw new XorrisoError(
      "NO_DRIVE",
      `${this.doing(what)}: it is an image file, no drive`,
    );
  }
}

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

/** Whether another tree was loaded than was written. */
function isDisplaced(messages: readonly string[]): boolean {
  const loaded = parseLoadedLba(messages);
  return loaded !== undefined && loaded !== 0 &&
    loaded !== parseWritten(messages)?.lba;
}
