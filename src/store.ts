/** One medium behind a session that is opened again when it was lost. */

import { XorrisoError } from "./errors.ts";
import { parents } from "./names.ts";
import { type Node, type NodeType, Tree } from "./tree.ts";
import { driver, Xorriso, type XorrisoOptions } from "./xorriso.ts";

/** Keeps a session open, and the newest tree of its medium in memory. */
export class Store {
  readonly #device: string;
  readonly #options: XorrisoOptions;
  #session: Promise<Xorriso> | undefined;
  #tree: Promise<Tree> | undefined;

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

  /** The newest tree, read when it is first needed. */
  tree(): Promise<Tree> {
    this.#tree ??= this.#readTree().catch((error: unknown) => {
      this.#tree = undefined;
      throw error;
    });
    return this.#tree;
  }

  /** Has the tree read again when it is next needed. */
  forget(): void {
    this.#tree = undefined;
  }

  /** Ends the session; the next call opens a new one. */
  async end(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    await session?.end();
  }

  async #open(signal?: AbortSignal): Promise<Xorriso> {
    try {
      const session = await Xorriso.open(this.#device, {
        ...this.#options,
        ...(signal && { signal }),
      });
      session.closed.finally(() => {
        this.#session = undefined;
        this.#tree = undefined;
      }).catch(() => {
        // Told to whoever waits for the end.
      });
      return session;
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }

  async #readTree(): Promise<Tree> {
    const session = await this.session();
    const { directory } = this;
    const nodes = await orNone(session.find(directory)) ?? [];
    const above = new Map<string, NodeType>();
    if (directory !== "/") {
      for (const path of [...parents(directory), directory]) {
        const node = nodes.find((node) => node.path === path) ??
          await orNone<Node>(driver(session).lookUp(path));
        if (node === undefined) break;
        above.set(path, node.type);
      }
    }
    const tree = new Tree(directory, above);
    for (const node of nodes) tree.set(node);
    return tree;
  }
}

/** Undefined where there is no such entry. */
export async function orNone<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof XorrisoError && error.code === "ENTRY_NOT_FOUND") {
      return undefined;
    }
    throw error;
  }
}
