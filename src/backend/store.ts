/** One medium behind a session that is opened again when it was lost. */

import { LONGEST } from "../async.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { parents } from "../names.ts";
import type { XorrisoOptions } from "../options.ts";
import { lookUp, walk } from "../session/entries.ts";
import type { NodeType } from "../session/nodes.ts";
import { openSession } from "../session/open.ts";
import type { Session } from "../session/session.ts";
import { Index } from "./index.ts";

/** Keeps a session open, and the newest names of its medium in memory. */
export class Store {
  #session: Promise<Session> | undefined;
  #index: Promise<Index> | undefined;
  /** What `#index` has resolved to. */
  #known: Index | undefined;
  /** The end of the session before. */
  #ending: Promise<void> | undefined;
  #closed = false;
  readonly #idleClose: number;
  /** Calls and streams under way. */
  #users = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** How the medium is opened. */
  readonly options: XorrisoOptions;
  /** The absolute path, once it has been opened. */
  #path: string | undefined;

  /** Path of the drive or image file, as it was given. */
  readonly device: string;
  /** Absolute path of the directory on the medium that the index begins at. */
  readonly directory: string;

  /**
   * Nothing is opened yet.
   *
   * @param idleClose Milliseconds without use after which the session ends.
   */
  constructor(
    device: string,
    directory: string,
    options: XorrisoOptions,
    idleClose = Infinity,
  ) {
    this.device = device;
    this.directory = directory;
    this.options = options;
    this.#idleClose = idleClose;
  }

  /** Opens the session for the first time. */
  open(signal?: AbortSignal): Promise<Session> {
    if (this.#session !== undefined) return this.#session;
    const opening = this.#open(signal);
    this.#session = opening;
    const forget = () => {
      if (this.#session !== opening) return;
      this.#session = undefined;
      this.forget();
    };
    // What makes it fail, or end, is told to whoever waits for that.
    opening.then(({ closed }) => closed).then(forget, forget);
    return opening;
  }

  /** The session; a new one if there is none or it has ended. */
  session(): Promise<Session> {
    return this.open();
  }

  /** The session, if changes can be written by it. */
  async writableSession(): Promise<Session> {
    const session = await this.session();
    await session.requireWritable();
    return session;
  }

  /**
   * Waits for what the xorriso of a program that was killed still writes, and
   * has the medium opened again if it was changed by that.
   */
  async rest(signal?: AbortSignal): Promise<void> {
    const session = await this.session();
    if (!await session.rest(signal)) await session.close();
  }

  /** The newest names, read when they are first needed. */
  index(): Promise<Index> {
    return this.#index ?? this.#read();
  }

  /** The same at once, if they have been read. */
  get knownIndex(): Index | undefined {
    return this.#known;
  }

  /** Has the names read again when they are next needed. */
  forget(): void {
    this.#index = this.#known = undefined;
  }

  /** Shows readers newer names, unless the session has ended meanwhile. */
  replaceIndex(index: Index): void {
    if (this.#index === undefined) return;
    this.#index = Promise.resolve(index);
    this.#known = index;
  }

  async #read(): Promise<Index> {
    const reading = this.readIndex();
    this.#index = reading;
    try {
      const index = await reading;
      if (this.#index === reading) this.#known = index;
      return index;
    } catch (error) {
      if (this.#index === reading) this.forget();
      throw error;
    }
  }

  /** Keeps the session until it is disposed of. */
  use(): Disposable {
    this.#users++;
    clearTimeout(this.#idle);
    return { [Symbol.dispose]: () => this.#leave() };
  }

  #leave(): void {
    if (--this.#users > 0 || this.#closed || this.#idleClose > LONGEST) return;
    // What goes wrong at the end is told by the next call.
    this.#idle = setTimeout(
      () => void this.end().catch(() => {}),
      this.#idleClose,
    );
    Deno.unrefTimer(this.#idle);
  }

  /** Ends the session; the next call opens a new one. */
  async end(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.forget();
    this.#ending = this.#ending?.catch(() => {});
    if (session !== undefined) {
      this.#ending = session.then((session) => session.close(), () => {});
    }
    await this.#ending;
  }

  /** Ends the session for good. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    await this.end();
  }

  async #open(signal?: AbortSignal): Promise<Session> {
    if (this.#closed) throw closedError(this.device);
    await this.#ending?.catch(() => {});
    const session = await openSession(this.#path ?? this.device, {
      ...this.options,
      ...(signal && { signal }),
    });
    this.#path = session.target.path;
    return session;
  }

  /** Reads the newest names, besides those that readers see. */
  async readIndex(): Promise<Index> {
    const session = await this.session();
    const { directory } = this;
    const above = new Map<string, NodeType>();
    const index = new Index(directory, above);
    await orNone(
      walk(session, directory, (node) => {
        if (node.path === directory) above.set(directory, node.type);
        else index.set(node);
      }),
    );
    for (const path of directory === "/" ? [] : parents(directory)) {
      const node = await orNone(lookUp(session, path));
      if (node === undefined) break;
      above.set(path, node.type);
    }
    return index;
  }
}

function closedError(device: string): XorrisoError {
  return new XorrisoError(
    "CLOSED",
    `Cannot use "${device}": the backend is closed; open it again`,
  );
}

/** Undefined where there is no such entry. */
export async function orNone<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isCode(error, "ENTRY_NOT_FOUND")) return undefined;
    throw error;
  }
}
