/** One medium behind a session that is opened again when it was lost. */

import { isCode, XorrisoError } from "../errors.ts";
import { parents } from "../names.ts";
import { type Node, type NodeType, Tree } from "./tree.ts";
import type { XorrisoOptions } from "../options.ts";
import { driver, Xorriso } from "../session/xorriso.ts";

/** Keeps a session open, and the newest tree of its medium in memory. */
export class Store {
  readonly #device: string;
  readonly #options: XorrisoOptions;
  #session: Promise<Xorriso> | undefined;
  #tree: Promise<Tree> | undefined;
  #known: Tree | undefined;
  #closed = false;

  /** Absolute path of the directory on the medium that the tree begins at. */
  readonly directory: string;

  /** Nothing is opened yet. */
  constructor(device: string, directory: string, options: XorrisoOptions) {
    this.#device = device;
    this.directory = directory;
    this.#options = options;
  }

  /** Opens the session for the first time. */
  open(signal?: AbortSignal): Promise<Xorriso> {
    this.#session ??= this.#open(signal);
    return this.#session;
  }

  /** The session; a new one if there is none or it has ended. */
  session(): Promise<Xorriso> {
    return this.open();
  }

  /**
   * Waits for what the xorriso of a program that was killed still writes, and
   * has the medium opened again if it was changed by that.
   */
  async rest(signal?: AbortSignal): Promise<void> {
    const session = await this.session();
    if (!await driver(session).rest(signal)) await session.end();
  }

  /** The newest tree, read when it is first needed. */
  tree(): Promise<Tree> {
    return this.#tree ?? this.#read();
  }

  /** The same at once, if it has been read. */
  get knownTree(): Tree | undefined {
    return this.#known;
  }

  /** Has the tree read again when it is next needed. */
  forget(): void {
    this.#tree = this.#known = undefined;
  }

  /** Shows readers a newer tree, unless the session has ended meanwhile. */
  replaceTree(tree: Tree): void {
    if (this.#tree === undefined) return;
    this.#tree = Promise.resolve(tree);
    this.#known = tree;
  }

  async #read(): Promise<Tree> {
    const reading = this.readTree();
    this.#tree = reading;
    try {
      const tree = await reading;
      if (this.#tree === reading) this.#known = tree;
      return tree;
    } catch (error) {
      if (this.#tree === reading) this.forget();
      throw error;
    }
  }

  /** Ends the session; the next call opens a new one. */
  async end(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    await session?.end();
  }

  /** Ends the session for good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.end();
  }

  async #open(signal?: AbortSignal): Promise<Xorriso> {
    try {
      if (this.#closed) throw closedError(this.#device);
      const session = await Xorriso.open(this.#device, {
        ...this.#options,
        ...(signal && { signal }),
      });
      session.closed.finally(() => {
        this.#session = undefined;
        this.forget();
      }).catch(() => {
        // Told to whoever waits for the end.
      });
      return session;
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }

  /** Reads the newest tree, besides the one that readers see. */
  async readTree(): Promise<Tree> {
    const session = await this.session();
    const { directory } = this;
    const above = new Map<string, NodeType>();
    const tree = new Tree(directory, above);
    await orNone(
      driver(session).walk(directory, (node) => {
        if (node.path === directory) above.set(directory, node.type);
        else tree.set(node);
      }),
    );
    for (const path of directory === "/" ? [] : parents(directory)) {
      const node = await orNone<Node>(driver(session).lookUp(path));
      if (node === undefined) break;
      above.set(path, node.type);
    }
    return tree;
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
