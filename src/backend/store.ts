/** One medium: read from its blocks, written through a session of xorriso. */

import { MAX_TIMEOUT } from "../async.ts";
import type { ImageFile } from "../disk/image.ts";
import { isCode, XorrisoError } from "../errors.ts";
import {
  type FileBlocks,
  fileBlocks,
  type Session as RecordedVolume,
} from "../iso/mod.ts";
import { readSession } from "../iso/sessions.ts";
import type { Medium, RecordedSession } from "../medium.ts";
import { exclusive } from "../session/changes.ts";
import { checkOptions, checkVolume } from "../session/checks.ts";
import { readRoom } from "../session/maintain.ts";
import { openBlocks, readMedium } from "../session/medium.ts";
import { openSession } from "../session/open.ts";
import type { Session } from "../session/session.ts";
import { settle } from "../session/settle.ts";
import {
  locate,
  type Located,
  requireOpenForWriting,
} from "../session/target.ts";
import { DriveReader } from "./drive_reader.ts";
import type { AutoCommitOptions, BackendOptions } from "./options.ts";
import {
  readImageSnapshot,
  Snapshot,
  type SnapshotOptions,
} from "./snapshot.ts";

/** How to open a medium. */
type StoreOptions = Omit<BackendOptions, keyof AutoCommitOptions>;

/**
 * Keeps what is known of a medium, and the session that writes to it.
 *
 * An image that is only read needs no session: no process is started, and no
 * lock is taken.
 */
export class Store {
  readonly #place: Located;
  #session: Promise<Session> | undefined;
  #blocks: Promise<FileBlocks> | undefined;
  #drive: DriveReader | undefined;
  #snapshot: Promise<Snapshot> | undefined;
  /** What `#snapshot` has resolved to. */
  #known: Snapshot | undefined;
  /** Settled when nothing but sessions is written. */
  #altering: Promise<unknown> = Promise.resolve();
  /** The end of the session before. */
  #ending: Promise<void> | undefined;
  /** The newest session of the medium when it was given back. */
  #left: RecordedVolume | undefined;
  /** The end of what was read from before. */
  #letGo: Promise<unknown> = Promise.resolve();
  #closed = false;
  /** Calls and streams under way. */
  #users = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** Path of the drive or image file, as it was given. */
  readonly device: string;
  /** Absolute path of the directory on the medium that names begin at. */
  readonly directory: string;
  /** How it was opened. */
  readonly options: StoreOptions;

  private constructor(
    place: Located,
    device: string,
    directory: string,
    options: StoreOptions,
  ) {
    this.#place = place;
    this.device = device;
    this.directory = directory;
    this.options = options;
  }

  /** Opens a medium. */
  static async open(
    device: string,
    directory: string,
    { signal, ...options }: StoreOptions,
  ): Promise<Store> {
    signal?.throwIfAborted();
    const { session, idleClose: _, ...rest } = options;
    checkOptions(typeof session === "number" ? { ...rest, session } : rest);
    if (session instanceof Date && isNaN(session.getTime())) {
      throw new RangeError("Cannot use the session: it is an invalid date");
    }
    const place = await locate(device, options);
    const store = new Store(place, device, directory, options);
    try {
      if (!store.#isRead) await store.session(signal);
      else {
        await store.#read(undefined, signal);
        checkVolume(await store.medium(), rest, { device, writable: false });
      }
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Whether it lies in a file. */
  get isImage(): boolean {
    return !this.#place.isDrive;
  }

  /** Whether sessions can be written to it as it was opened. */
  get writable(): boolean {
    return this.#place.writable;
  }

  /** Whether it is an image that is only read. */
  get #isRead(): boolean {
    return this.isImage && !this.writable;
  }

  /** The session; a new one if there is none or it has ended. */
  session(signal?: AbortSignal): Promise<Session> {
    if (this.#session !== undefined) return this.#session;
    const opening = this.#open(signal);
    this.#session = opening;
    const forget = () => {
      if (this.#session === opening) this.#drop();
    };
    // What makes it fail, or end, is told to whoever waits for that.
    opening.then(({ closed }) => closed).then(forget, forget);
    return opening;
  }

  /** The session, if changes can be written by it. */
  async writableSession(): Promise<Session> {
    // An image that is only read has no session, which would ask the same.
    if (this.#isRead) {
      const { device } = this;
      await requireOpenForWriting({ device, ...this.#place }, this.options);
    }
    const session = await this.session();
    await session.requireWritable();
    return session;
  }

  /**
   * Waits for what the xorriso of a program that was killed still writes, and
   * has the medium opened again if it was changed by that.
   */
  async rest(signal?: AbortSignal): Promise<void> {
    const opening = this.session();
    const session = await opening;
    if (await settle(session, signal)) return;
    await session.close();
    if (this.#session === opening) this.#drop();
  }

  /** What the medium shows, read when it is first needed. */
  async snapshot(): Promise<Snapshot> {
    // A session that is being opened reads it first.
    if (this.#snapshot === undefined) await this.#session?.catch(() => {});
    return await (this.#snapshot ?? this.#read());
  }

  /** The same at once, if it has been read. */
  get known(): Snapshot | undefined {
    return this.#known;
  }

  /** Has the medium read again when it is next needed. */
  forget(): void {
    this.#snapshot = this.#known = undefined;
  }

  /**
   * Does something to the medium itself, of which what is known then tells
   * nothing. Readers see what was before, or what is after it.
   */
  async alter<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.session();
    let read: Promise<Snapshot> | undefined;
    while (this.#snapshot !== read) {
      read = this.#snapshot;
      await read?.catch(() => {});
    }
    this.#left = undefined;
    const altering = work(session).finally(() => this.forget());
    this.#altering = altering.catch(() => {});
    return await altering;
  }

  /** Shows readers what has been written, unless the session has ended. */
  replace(snapshot: Snapshot): void {
    if (this.#snapshot === undefined) return;
    this.#snapshot = Promise.resolve(snapshot);
    this.#known = snapshot;
  }

  /**
   * Reads what has been written, besides what readers see.
   *
   * @param lba First block of the session that was written.
   * @param paths Absolute ones on the medium that may have changed.
   */
  async next(lba: number, paths: Iterable<string>): Promise<Snapshot> {
    const since = { lba, paths, known: await this.snapshot() };
    return await this.#readAll({ since });
  }

  async #read(
    wanted = this.options.session,
    signal?: AbortSignal,
  ): Promise<Snapshot> {
    return await this.#show(
      this.#altering.then(() => this.#readAll({ wanted, signal })),
    );
  }

  /** Shows readers what is being read, unless it is forgotten meanwhile. */
  async #show(reading: Promise<Snapshot>): Promise<Snapshot> {
    this.#snapshot = reading;
    try {
      const snapshot = await reading;
      if (this.#snapshot === reading) this.#known = snapshot;
      return snapshot;
    } catch (error) {
      if (this.#snapshot === reading) this.forget();
      throw error;
    }
  }

  async #readAll(
    options: Omit<SnapshotOptions, "directory">,
  ): Promise<Snapshot> {
    if (this.#closed) throw closedError(this.device);
    const session = this.#session;
    try {
      return await this.#readNow({ ...this.#reading(), ...options });
    } catch (error) {
      // What a session that has died was writing is taken back under a reader.
      const lost = await session?.catch(() => undefined);
      if (lost?.lost) lost.requireOpen(lost.doing("read"));
      throw error;
    }
  }

  async #readNow(options: SnapshotOptions): Promise<Snapshot> {
    if (!this.isImage) return await (await this.#driveReader()).read(options);
    const blocks = await this.#fileBlocks();
    const { size } = await blocks.stat();
    return size === 0
      ? new Snapshot(this.directory)
      : await readImageSnapshot(blocks, options);
  }

  #reading(): SnapshotOptions {
    const { onMessage } = this.options;
    return { directory: this.directory, onMessage };
  }

  /** The blocks of the image. */
  #fileBlocks(): Promise<FileBlocks> {
    if (this.#blocks !== undefined) return this.#blocks;
    const opening = this.#openBlocks();
    this.#blocks = opening;
    opening.catch(() => {
      if (this.#blocks === opening) this.#blocks = undefined;
    });
    return opening;
  }

  async #openBlocks(): Promise<FileBlocks> {
    const locked = await this.#session?.then(({ target }) => target.image);
    if (locked !== undefined) {
      return await fileBlocks(locked.path, locked.identity);
    }
    try {
      return await fileBlocks(this.#place.name);
    } catch (error) {
      if (!isCode(error, "NO_DRIVE") || this.#isRead) throw error;
      // One that was made, and is empty, goes with its session.
      const { target } = await this.session();
      return await fileBlocks(target.path, target.image?.identity);
    }
  }

  async #driveReader(): Promise<DriveReader> {
    const session = await this.session();
    return this.#drive ??= new DriveReader(session);
  }

  /** What medium it is, and how much is free. */
  async medium(): Promise<Medium> {
    if (!this.#isRead) {
      const medium = await readMedium(await this.session());
      const behind = this.isImage ? (await this.snapshot()).behind : undefined;
      return behind ? { ...medium, appendable: false, behind } : medium;
    }
    const { sessions, tree, behind } = await this.snapshot();
    return {
      drive: this.#place.name,
      profile: "stdio file, overwriteable",
      status: tree === undefined ? "blank" : "appendable",
      volumeId: tree?.session.volumeId,
      used: sessions.reduce((sum, { size }) => sum + size, 0),
      // Only who may write can tell.
      free: 0,
      appendable: behind === undefined,
      ...behind && { behind },
      sessions: sessions.length,
    };
  }

  /** Bytes of content that still fit; 0 where nothing can be written. */
  async room(): Promise<number> {
    if (this.#isRead) return 0;
    return await exclusive(await this.session(), readRoom);
  }

  /** The sessions on the medium, the oldest first, with their dates. */
  async sessions(): Promise<readonly RecordedSession[]> {
    if (this.isImage) return (await this.snapshot()).sessions;
    const reader = await this.#driveReader();
    // Not while the medium is blanked, say.
    return await exclusive(await this.session(), () => reader.dated());
  }

  /** Keeps the session until it is disposed of. */
  use(): Disposable {
    this.#users++;
    clearTimeout(this.#idle);
    return { [Symbol.dispose]: () => this.#leave() };
  }

  #leave(): void {
    const { idleClose = Infinity } = this.options;
    if (--this.#users > 0 || this.#closed || idleClose > MAX_TIMEOUT) return;
    if (this.#isRead) return;
    this.#idle = setTimeout(() => {
      this.#left = this.#known?.tree?.session ?? this.#left;
      // What goes wrong at the end is told by the next call.
      this.end().catch(() => {});
    }, idleClose);
    Deno.unrefTimer(this.#idle);
  }

  /** Ends the session; the next call opens a new one. */
  async end(): Promise<void> {
    const session = this.#session;
    this.#drop();
    this.#ending = this.#ending?.catch(() => {});
    if (session !== undefined) {
      this.#ending = session.then((session) => session.close(), () => {});
    }
    await this.#ending;
  }

  /** Forgets the session, and what was read of the medium while it was open. */
  #drop(): void {
    const blocks = this.#blocks;
    this.#session = this.#blocks = this.#drive = undefined;
    this.forget();
    // What cannot be opened has been told to whoever wanted it.
    this.#letGo = Promise.allSettled([
      this.#letGo,
      blocks?.then((blocks) => blocks[Symbol.asyncDispose]()),
    ]);
  }

  /** Ends the session for good. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    await this.end();
    await this.#letGo;
  }

  async #open(signal?: AbortSignal): Promise<Session> {
    if (this.#closed) throw closedError(this.device);
    await this.#ending?.catch(() => {});
    // The image stays the same file wherever the program goes.
    const device = this.#place.name;
    const { session, idleClose: _, ...options } = this.options;
    const opened = await openSession(device, {
      ...options,
      ...(typeof session === "number" && { session }),
      // Which one a time means is known only when the medium can be read.
      ...(session instanceof Date && { readOnly: true }),
      ...(signal && { signal }),
    }, (image) => this.#readFirst(image, signal));
    try {
      await this.#requireLeft(opened);
    } catch (error) {
      await opened.close();
      throw error;
    }
    return opened;
  }

  /** Makes sure that the medium still has what it had when it was given back. */
  async #requireLeft(session: Session): Promise<void> {
    const left = this.#left;
    if (left === undefined) return;
    const { lba, size, number, volumeId, date } = left;
    await using blocks = await openBlocks(session, lba + size);
    const found = await readSession(blocks, lba, number).catch((error) => {
      if (isCode(error, "NOT_ISO") || isCode(error, "READ_ERROR")) return;
      throw error;
    });
    // At block 0 there is the newest one, whoever has written it.
    const isOther = found?.volumeId !== volumeId ||
      lba !== 0 && found.date?.getTime() !== date?.getTime();
    if (!isOther) return;
    this.#left = undefined;
    throw new XorrisoError(
      "MEDIUM_CHANGED",
      `Cannot use "${this.device}": since it was given back, another medium ` +
        `has come in the place of the one that it held; open it again`,
      { path: this.device },
    );
  }

  /** Reads an image that xorriso is about to open, unless something has been read before. */
  async #readFirst(
    { path, identity }: ImageFile,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    if (this.#closed || this.#snapshot !== undefined) return false;
    const opening = this.#blocks ??= fileBlocks(path, identity);
    await this.#show(
      opening.then((blocks) =>
        readImageSnapshot(blocks, { ...this.#reading(), signal })
      ),
    );
    return true;
  }
}

/** The error of a call that comes after the end. */
export function closedError(device: string): XorrisoError {
  return new XorrisoError(
    "CLOSED",
    `Cannot use "${device}": the backend is closed; open it again`,
  );
}
