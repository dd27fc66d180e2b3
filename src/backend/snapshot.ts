/** A medium as one of its sessions shows it: names, contents, checksums. */

import { BLOCK, type RecordedSession } from "../medium.ts";
import { XorrisoError } from "../errors.ts";
import { foreignBehind, readBehind } from "../iso/behind.ts";
import {
  type Blocks,
  type Checksums,
  type Entry,
  type FileBlocks,
  type Image,
  readChecksums,
  readImage,
  readTree,
  sealed,
  type Session,
  type Tree,
} from "../iso/mod.ts";
import { readSession } from "../iso/sessions.ts";
import { rereadTree } from "../iso/read_tree.ts";
import type { ChecksumTable } from "../iso/entry.ts";
import { requireDirectories } from "../iso/tags.ts";
import { checkName, show } from "../names.ts";
import { Index } from "./index.ts";

/** What a medium showed at one time; what is written later does not change it. */
export class Snapshot {
  readonly #open: (() => Blocks) | undefined;
  readonly #tables = new Map<ChecksumTable, Promise<Checksums>>();

  /** All its names; undefined if it is blank. */
  readonly tree: Tree | undefined;
  /** The names below the directory. */
  readonly index: Index;
  /** The sessions that the medium had, the oldest first. */
  readonly sessions: readonly RecordedSession[];
  /** What the image file held, if it is one. */
  readonly image: Image | undefined;
  /** What lies behind the newest session that is not ours. */
  readonly behind: string | undefined;

  /**
   * What has been read.
   *
   * @param directory Absolute path of the directory that names begin at.
   * @param parts Nothing if it is blank; `open` opens its blocks.
   */
  constructor(
    directory: string,
    parts: Partial<Pick<Snapshot, "tree" | "sessions" | "image" | "behind">> & {
      readonly open?: () => Blocks;
    } = {},
  ) {
    this.#open = parts.open;
    this.tree = parts.tree;
    this.index = new Index(directory, parts.tree);
    this.sessions = parts.sessions ?? [];
    this.image = parts.image;
    this.behind = parts.behind;
  }

  /**
   * Opens the blocks that contents are read from. What has been read of a drive
   * by one call is not taken for what the medium has by another.
   */
  open(): Blocks {
    if (this.#open !== undefined) return this.#open();
    throw new XorrisoError("NO_MEDIUM", "Cannot read from a blank medium");
  }

  /** Finds a regular file; ENTRY_NOT_FOUND if there is none of that name. */
  file(name: string): Entry {
    const entry = this.index.entry(name);
    // What cannot be a name is a TypeError, not missing.
    const path = checkName(this.index.directory, name, false);
    if (entry?.type === "file") return entry;
    const why = entry === undefined ? "" : ": it is no regular file";
    throw new XorrisoError(
      "ENTRY_NOT_FOUND",
      `Cannot find the file ${show(path)} on the medium${why}`,
      { path },
    );
  }

  /**
   * The recorded checksums of files; undefined where there are none. A table
   * of them, which each session has one of, is read when it is first needed.
   */
  async checksums(
    entries: Iterable<Entry>,
  ): Promise<(entry: Entry) => string | undefined> {
    const tables = new Map<ChecksumTable | undefined, Checksums>();
    for (const entry of entries) {
      const { checksums: table, checksumIndex } = entry;
      if (table === undefined || checksumIndex === undefined) continue;
      if (tables.has(table)) continue;
      tables.set(table, await this.#read(table, entry));
    }
    return (entry) => tables.get(entry.checksums)?.(entry);
  }

  #read(table: ChecksumTable, entry: Entry): Promise<Checksums> {
    const known = this.#tables.get(table);
    if (known !== undefined) return known;
    const reading = this.#readTable(entry);
    this.#tables.set(table, reading);
    reading.catch(() => this.#tables.delete(table));
    return reading;
  }

  async #readTable(entry: Entry): Promise<Checksums> {
    await using blocks = this.open();
    return await readChecksums(blocks, [entry]);
  }
}

/** How to read a snapshot. */
export interface SnapshotOptions {
  /** Absolute path of the directory that names begin at. */
  readonly directory: string;
  /** The session to show: its number, or the newest not after a time. */
  readonly wanted?: number | Date | undefined;
  /** What was written since an older snapshot, so that only that is read. */
  readonly since?: {
    /** The older snapshot of the same medium. */
    readonly known: Snapshot;
    /** First block of the session that was written. */
    readonly lba: number;
    /** Absolute paths on the medium where something may have changed. */
    readonly paths: Iterable<string>;
  } | undefined;
  /** Takes what is odd about the medium. */
  readonly onMessage?: ((line: string) => void) | undefined;
  /** Gives up. */
  readonly signal?: AbortSignal | undefined;
}

/** Reads an image file, which is not empty. */
export async function readImageSnapshot(
  blocks: FileBlocks,
  options: SnapshotOptions,
): Promise<Snapshot> {
  const { since, signal, onMessage } = options;
  const image = since && await appended(blocks, since) ||
    await readImage(blocks, { signal });
  const behind = since === undefined
    ? foreignBehind(
      await readBehind(blocks, image, { signal }),
      blocks.byteLength,
    )
    : undefined;
  if (behind !== undefined) {
    onMessage?.(
      `xorriso-backend : WARNING : nothing can be stored in "${blocks.name}": ` +
        behind,
    );
  }
  // That an older session is shown is told in any case; of a copy of a disc it is not so.
  if (image.head !== "sound" && image.head !== "behind") {
    onMessage?.(
      `xorriso-backend : WARNING : the beginning of "${blocks.name}" is ` +
        `${image.head}; its newest whole session is shown`,
    );
  }
  const { sessions, newest } = image;
  const session = findSession(sessions, options.wanted, blocks.name) ?? newest;
  const steady = await sealed(blocks, image, session, { signal });
  const open = () => steady;
  const parts = { open, image, behind, sessions: sessions.map(recorded) };
  return await readSnapshot(steady, session, options, parts);
}

/** An image with one session more; undefined where all of it must be read. */
async function appended(
  blocks: FileBlocks,
  { known: { image }, lba }: NonNullable<SnapshotOptions["since"]>,
): Promise<Image | undefined> {
  if (image?.head !== "sound" || image.newest.volume.lba === 0) {
    return undefined;
  }
  if (lba <= image.newest.lba) return undefined;
  await blocks.stat();
  const newest = await readSession(blocks, lba, image.sessions.length + 1);
  return { ...image, newest, sessions: [...image.sessions, newest] };
}

/**
 * Reads the names of a session.
 *
 * @param parts What else is known of the medium.
 */
export async function readSnapshot(
  blocks: Blocks,
  session: Session,
  options: SnapshotOptions,
  parts: ConstructorParameters<typeof Snapshot>[1],
): Promise<Snapshot> {
  const { directory, since, signal, onMessage } = options;
  const known = since?.known.tree;
  let tree: Tree;
  if (known === undefined || since === undefined) {
    // One bit may make another name of a name, and nothing else tells.
    await requireDirectories(blocks, session.volume, { signal });
    tree = await readTree(blocks, session, { signal });
  } else {
    tree = await rereadTree(known, blocks, session, since.paths, { signal });
  }
  for (const { path, reason } of tree.problems) {
    onMessage?.(
      `xorriso-backend : WARNING : a name in ${show(path)} is left out: ` +
        reason,
    );
  }
  return new Snapshot(directory, { ...parts, tree });
}

/** A session of an image, as it is told to others. */
function recorded(
  { number, lba, size, volumeId, date }: Session,
): RecordedSession {
  return {
    ...{ number, lba, size: size * BLOCK, volumeId },
    ...(date && { date }),
  };
}

/**
 * Finds the session that is wanted; undefined if none is asked for.
 *
 * @throws {XorrisoError} SESSION_NOT_FOUND when there is none.
 */
export function findSession<
  S extends { number: number; date?: Date | undefined },
>(
  sessions: readonly S[],
  wanted: number | Date | undefined,
  name: string,
): S | undefined {
  if (wanted === undefined) return undefined;
  const found = wanted instanceof Date
    ? sessions.findLast(({ date }) => date !== undefined && date <= wanted)
    : sessions.find(({ number }) => number === wanted);
  if (found !== undefined) return found;
  const what = wanted instanceof Date
    ? `a session from ${wanted.toISOString()} or before`
    : `the session ${wanted}`;
  throw new XorrisoError(
    "SESSION_NOT_FOUND",
    `Cannot find ${what} in "${name}": it has ${sessions.length}`,
    { path: name },
  );
}
