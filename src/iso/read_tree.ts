/** Reading the tree of a session from the records of its directories (ECMA-119, 6.8 and 9.1). */

import { BinaryHeap } from "@std/data-structures/binary-heap";
import { join, parents, show } from "../names.ts";
import type { Blocks } from "./blocks.ts";
import { CHUNK } from "../disk/files.ts";
import { BLOCK, blocksOf } from "../medium.ts";
import { parseTable } from "./checksums.ts";
import { type ChecksumTable, Entry } from "./entry.ts";
import {
  type DirectoryRecord,
  fieldsOf,
  FLAGS,
  isSelfOrParent,
  nameOf,
  type Naming,
  NO_SECTIONS,
  recordAt,
  recordType,
} from "./record.ts";
import { type Continuation, RockRidge } from "./rock_ridge.ts";
import { Runs } from "./runs.ts";
import type { Session } from "./sessions.ts";
import { Tree, type TreeProblem } from "./tree.ts";
import { damaged, type Section, sectionAt, sectionProblem } from "./volume.ts";

/** How to read a tree. */
export interface ReadTreeOptions {
  /** Gives up. */
  readonly signal?: AbortSignal | undefined;
  /** Names that a tree may have; more are IMAGE_DAMAGED. @default {5_000_000} */
  readonly maxEntries?: number;
}

/** More names take more than the 4 GiB of memory that a program has by default. */
const MAX_ENTRIES = 5_000_000;

/** Bytes that a path may have: what Linux and xorriso take. */
const MAX_PATH = 4095;

/** Problems that are listed. */
const MAX_PROBLEMS = 1000;

/**
 * Reads the tree of a session.
 *
 * @param blocks Where it is.
 * @param session The session.
 * @param options How to read.
 * @returns The tree.
 * @throws {XorrisoError} IMAGE_DAMAGED when its directories cannot be right, or as `Blocks.read`.
 *
 * @example The newest tree of an image
 * ```ts
 * import { fileBlocks, readImage, readTree } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * const tree = await readTree(blocks, (await readImage(blocks)).newest);
 * console.log(tree.size);
 * ```
 */
export async function readTree(
  blocks: Blocks,
  session: Session,
  options: ReadTreeOptions = {},
): Promise<Tree> {
  return await new TreeReader(blocks, session, options).read();
}

/**
 * Reads the tree of a session that differs from the known tree of an older one only at some paths: the
 * directories above these are read, the rest is shared with the known tree.
 */
export async function rereadTree(
  known: Tree,
  blocks: Blocks,
  session: Session,
  changed: Iterable<string>,
  options: ReadTreeOptions = {},
): Promise<Tree> {
  const since = { known, changed: new Set(changed) };
  return await new TreeReader(blocks, session, options, since).read();
}

/** A directory that is still to be read. */
interface UnreadDirectory {
  readonly path: string;
  /** Bytes of the path. */
  readonly bytes: number;
  readonly section: Section;
  readonly children: Map<string, Entry>;
  /** Whether all below it is to be read, too. */
  readonly whole: boolean;
}

/** A known tree, and the paths where something may have changed since. */
interface Since {
  readonly known: Tree;
  readonly changed: ReadonlySet<string>;
}

class TreeReader {
  readonly #blocks: Blocks;
  readonly #session: Session;
  readonly #since: Since | undefined;
  readonly #maxEntries: number;
  readonly #runs: Runs;
  /** First blocks of directories that have been read. */
  readonly #entered = new Set<number>();
  readonly #problems: TreeProblem[] = [];
  /** Paths of the directories above what may have changed. */
  readonly #above: ReadonlySet<string>;
  /** Directories to be read, in the order of their blocks. */
  readonly #queue: BinaryHeap<UnreadDirectory> = new BinaryHeap(
    (a: UnreadDirectory, b: UnreadDirectory) => a.section.lba - b.section.lba,
  );
  #checksums: ChecksumTable | undefined;
  #naming: Naming = "plain";
  /** Bytes before the entries of each system use field, by the SP entry of the root (SUSP 1.12, 5.3). */
  #skip = 0;
  /** Number of names so far. */
  #entries = 0;
  /** Bytes of directories and continuation areas so far. */
  #bytes = 0;
  /** Sections of the file that the next record goes on with. */
  #sections: Section[] = [];

  constructor(
    blocks: Blocks,
    session: Session,
    { signal, maxEntries = MAX_ENTRIES }: ReadTreeOptions,
    since?: Since,
  ) {
    this.#blocks = blocks;
    this.#session = session;
    this.#since = since;
    this.#maxEntries = maxEntries;
    this.#runs = new Runs(blocks, signal);
    this.#above = new Set(since?.changed.values().flatMap(parents));
  }

  async read(): Promise<Tree> {
    const root = await this.#readRoot();
    // Programs lay directories out by level or by depth: both are read in one sweep.
    for (let next = this.#queue.pop(); next; next = this.#queue.pop()) {
      await this.#readDirectory(next);
    }
    const [session, problems] = [this.#session, this.#problems];
    return new Tree({ root, session, problems });
  }

  /** Reads the root's record of itself, which tells whether there is Rock Ridge. */
  async #readRoot(): Promise<Entry> {
    const { root: plain, joliet } = this.#session.volume;
    const [self, rockRidge] = await this.#readSelf(plain.lba);
    const { isUsed, mode, skip, checksums } = rockRidge;
    this.#checksums = checksums && parseTable(checksums);
    let section = plain;
    if (isUsed && mode !== undefined) {
      this.#naming = "rock ridge";
      this.#skip = skip;
    } else if (joliet !== undefined) {
      this.#naming = "joliet";
      section = joliet;
    }
    const children = new Map<string, Entry>();
    const whole = this.#since?.changed.has("/") ?? true;
    this.#queue.push({ path: "/", bytes: 0, section, children, whole });
    const fields = fieldsOf(self, rockRidge, this.#naming, {
      type: "directory",
      name: "",
      folder: undefined,
      sections: NO_SECTIONS,
      checksums: this.#checksums,
    });
    return new Entry({ ...fields, sections: [section], children });
  }

  /** Reads the record with which the root directory begins, that of itself. */
  async #readSelf(lba: number): Promise<[DirectoryRecord, RockRidge]> {
    for (;;) {
      const bytes = await this.#runs.get(lba * BLOCK, BLOCK);
      const self = recordAt(this.#blocks, bytes, 0, lba);
      if (self === undefined) {
        throw damaged(this.#blocks, lba, "the root directory is not there");
      }
      const rockRidge = new RockRidge();
      const missing = this.#parse(self, rockRidge);
      if (missing === undefined) return [self, rockRidge];
      await this.#fetch(missing);
    }
  }

  async #readDirectory(directory: UnreadDirectory): Promise<void> {
    const { lba } = directory.section;
    const size = directory.section.size || await this.#sizeOf(lba);
    const problem = sectionProblem({ lba, size }, this.#blocks);
    if (problem !== undefined) {
      throw damaged(this.#blocks, lba, `the directory there ${problem}`);
    }
    if (this.#entered.has(lba)) {
      throw damaged(this.#blocks, lba, "the directory there is in two places");
    }
    this.#entered.add(lba);
    this.#count(size, lba);
    const end = (lba + blocksOf(size)) * BLOCK;
    for (let position = lba * BLOCK; position < end; position += CHUNK) {
      const length = Math.min(CHUNK, end - position);
      await this.#readRecords(directory, position, length);
    }
    this.#sections = [];
  }

  /** Reads the records of a part of a directory. */
  async #readRecords(
    directory: UnreadDirectory,
    position: number,
    length: number,
  ): Promise<void> {
    let bytes = await this.#runs.get(position, length);
    for (let at = 0; at < length;) {
      const lba = Math.floor((position + at) / BLOCK);
      const record = recordAt(this.#blocks, bytes, at, lba);
      if (record === undefined) {
        at += BLOCK - at % BLOCK;
        continue;
      }
      if (!isSelfOrParent(record)) {
        const rockRidge = new RockRidge();
        const missing = this.#parse(record, rockRidge);
        if (missing !== undefined) {
          await this.#fetch(missing);
          bytes = await this.#runs.get(position, length);
          continue;
        }
        this.#add(directory, record, rockRidge);
      }
      at += record.length;
    }
  }

  /** Size of a relocated directory, by its record of itself. */
  async #sizeOf(lba: number): Promise<number> {
    if (sectionProblem({ lba, size: BLOCK }, this.#blocks)) return BLOCK;
    return sectionAt(await this.#runs.get(lba * BLOCK, BLOCK), 0).size || BLOCK;
  }

  /** Bounds the bytes of all directories: more than the medium has must overlap, perhaps without end. */
  #count(bytes: number, lba: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= 2 * this.#blocks.byteLength) return;
    const why = "its directories hold more than the medium";
    throw damaged(this.#blocks, lba, why);
  }

  /** Reads a continuation area, so that it is kept when its record is parsed again. */
  async #fetch({ lba, offset, length }: Continuation): Promise<void> {
    await this.#runs.get(lba * BLOCK + offset, length);
  }

  /** Parses the system use field of a record; returns the continuation area that is to be read before. */
  #parse(
    { bytes, at, length, nameLength, lba }: DirectoryRecord,
    rockRidge: RockRidge,
  ): Continuation | undefined {
    // A padding byte makes its place even (ECMA-119, 9.1.12).
    const start = 33 + nameLength + (nameLength + 1) % 2 + this.#skip;
    return rockRidge.parse(bytes, at + start, at + length, (area) => {
      const position = area.lba * BLOCK + area.offset;
      if (position + area.length > this.#blocks.byteLength) {
        const why = `a record goes on at block ${area.lba}, beyond the end`;
        throw damaged(this.#blocks, lba, why);
      }
      this.#count(area.length, area.lba);
      return this.#runs.peek(position, area.length);
    });
  }

  /** Adds the entry of a record to its directory. */
  #add(
    directory: UnreadDirectory,
    record: DirectoryRecord,
    rockRidge: RockRidge,
  ): void {
    const { isRelocated, child, name: own } = rockRidge;
    if (isRelocated || (record.flags & FLAGS.associated) !== 0) return;
    // A file of 4 GiB or more has a record for each of its sections.
    const section = sectionAt(record.bytes, record.at);
    if (section.size > 0) this.#sections.push(section);
    if ((record.flags & FLAGS.multiExtent) !== 0) return;
    const sections = this.#sections.length > 0 ? this.#sections : NO_SECTIONS;
    if (sections.length > 0) this.#sections = [];
    const name = nameOf(record, rockRidge, this.#naming);
    const bytes = directory.bytes + 1 + (own?.length ?? 3 * name.length);
    const type = recordType(record, rockRidge);
    const problem = problemOf(name, bytes, directory);
    if (type === undefined || problem !== undefined) {
      const reason = problem ?? `${show(name)} is a directory without a place`;
      return this.#leaveOut(directory.path, record.lba, reason);
    }
    if (++this.#entries > this.#maxEntries) {
      const why = `there are more than ${this.#maxEntries} names`;
      throw damaged(this.#blocks, record.lba, why);
    }
    let fields = fieldsOf(record, rockRidge, this.#naming, {
      type,
      name,
      folder: directory.path,
      sections,
      checksums: this.#checksums,
    });
    if (type === "directory") {
      const place = child === undefined ? section : { lba: child, size: 0 };
      const children = this.#childrenOf({
        path: join(directory.path, name),
        bytes,
        section: place,
        children: new Map(),
        whole: directory.whole,
      });
      fields = { ...fields, sections: [place], children };
    }
    directory.children.set(name, new Entry(fields));
  }

  /** What a directory holds: of the known tree, or to be filled when it is read. */
  #childrenOf(directory: UnreadDirectory): Entry["children"] {
    const { path, section, children } = directory;
    const isAbove = this.#above.has(path);
    if (!directory.whole && !isAbove && !this.#since?.changed.has(path)) {
      const known = this.#since?.known.get(path);
      // Another size would show a change that nobody told.
      if (known?.children && known.sections[0]?.size === section.size) {
        return known.children;
      }
    }
    const whole = directory.whole || !isAbove ||
      this.#since?.changed.has(path) === true;
    this.#queue.push({ ...directory, whole });
    return children;
  }

  #leaveOut(path: string, lba: number, reason: string): void {
    const { length } = this.#problems;
    if (length < MAX_PROBLEMS) this.#problems.push({ path, lba, reason });
    if (length !== MAX_PROBLEMS) return;
    this.#problems.push({ path, lba, reason: "there are more of these" });
  }
}

/** Why there can be no such name in a directory. */
function problemOf(
  name: string,
  bytes: number,
  { children }: UnreadDirectory,
): string | undefined {
  if (["", ".", ".."].includes(name) || /[/\0]/.test(name)) {
    return `${show(name)} cannot be a name`;
  }
  if (bytes > MAX_PATH) return `its path has more than ${MAX_PATH} bytes`;
  return children.has(name) ? `${show(name)} is there twice` : undefined;
}
