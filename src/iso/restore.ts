/** Files copied to targets on disk, or read and compared with their checksums. */

import { nextTurn, notify } from "../async.ts";
import { CHUNK } from "../disk/files.ts";
import { loadMd5 } from "../disk/md5.ts";
import {
  PartFile,
  requireReplaceable,
  type TargetFile,
} from "../disk/targets.ts";
import type { Progress } from "../options.ts";
import type { Blocks } from "./blocks.ts";
import { BLOCK } from "../medium.ts";
import { content, contentChunks, requireMd5 } from "./content.ts";
import { type FileContent, storedSize } from "./entry.ts";
import { CORES, Hasher } from "./hashing.ts";

/** How to copy files out of an image or from a drive. */
export interface CopyOptions {
  /** Whether bytes are on the disk before a target has its name. @default {true} */
  readonly sync?: boolean | undefined;
  /** Takes the bytes done. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Stops with its reason, between two chunks. */
  readonly signal?: AbortSignal | undefined;
}

/** A file that is to be read and checked. */
export interface FileCheck {
  /** The file. */
  readonly entry: FileContent;
  /** The MD5 that it must have as it is stored, in hexadecimal digits. */
  readonly md5?: string | undefined;
}

/** A file that is to be restored. */
export interface FileCopy extends FileCheck, TargetFile {}

/**
 * Bytes up to which a file is written by synchronous calls: through the thread pool the calls take
 * longer than their work (10,000 files of 4 KiB: 0.8 s instead of 0.2 s).
 */
const SMALL = 256 << 10;

/** Bytes between two small files that are rather read than skipped. */
const GAP = 64 << 10;

/** Bytes that a drive reads along with small files: most likely the next ones. */
const AHEAD = 8 << 20;

/** Milliseconds of synchronous work after which the event loop runs. */
const SLICE = 20;

/**
 * Copies many files to targets on disk, as fast as they can be created.
 *
 * They are read in the order of their extents, and small files that lie close together at once.
 *
 * @param blocks Where they are.
 * @returns The files that failed, each with its error: TARGET_UNWRITABLE, TARGET_EXISTS,
 * CHECKSUM_MISMATCH, `Deno.errors.NotCapable`, or as `content()` fails.
 */
export async function copyMany(
  blocks: Blocks,
  files: readonly FileCopy[],
  options: CopyOptions = {},
): Promise<Map<FileCopy, unknown>> {
  const { sync = true, signal } = options;
  const newMd5 = await loadMd5();
  using written = new WrittenFiles(sync);
  const failed = await doMany(blocks, files, options, {
    phase: "restoring",
    async small(file, bytes) {
      // What is not to be replaced gives way to nothing, anyway.
      if (!file.isFree && file.replace !== false) {
        requireReplaceable(file.target, blocks.file);
      }
      if (file.md5 !== undefined) {
        const found = newMd5().update(bytes).digest("hex");
        requireMd5(found, file.md5, file.entry.path);
      }
      await written.add(file, PartFile.create(file, bytes));
    },
    async large(file, { hasher, report }) {
      const { entry, md5 } = file;
      requireReplaceable(file.target, blocks.file);
      using part = PartFile.create(file);
      const hashing = md5 === undefined ? undefined : hasher?.md5(entry);
      hashing?.catch(() => {}); // told when it is waited for
      const checking = hasher ? {} : { md5 };
      for await (
        const chunk of content(blocks, entry, { signal, ...checking })
      ) {
        const { length } = chunk;
        await part.write(chunk);
        report(length);
      }
      if (md5 !== undefined && hashing) {
        requireMd5(await hashing, md5, entry.path);
      }
      if (sync) await part.sync();
      part.place();
    },
  });
  await written.place();
  return new Map([...written.failures, ...failed]);
}

/** How many files are synced at once: their writes share turns of the disk. */
const SYNCS = 64;

/**
 * Milliseconds that it takes at most to sync a file where no disk is behind the file system, as on
 * tmpfs. There a synchronous call takes 1 us; through the thread pool it takes 20.
 */
const NO_DISK = 0.05;

/** How many files may wait to be synced and to get their names together; each is open. */
const WAITING = 256;

/** How many wait where nothing is synced: fewer, since a call that is stopped gives up those that wait. */
const UNSYNCED = 32;

/** Small files that are complete but for the disk, and get their names together. */
class WrittenFiles implements Disposable {
  readonly failures = new Map<FileCopy, unknown>();
  readonly #sync: boolean;
  readonly #waiting = new Map<PartFile, FileCopy>();

  constructor(sync: boolean) {
    this.#sync = sync;
  }

  /** Takes a file. */
  async add(file: FileCopy, part: PartFile): Promise<void> {
    this.#waiting.set(part, file);
    const most = this.#sync ? WAITING : UNSYNCED;
    if (this.#waiting.size >= most) await this.place();
  }

  /** Syncs the files, and gives them their names. */
  async place(): Promise<void> {
    if (this.#sync) await this.#syncAll();
    const failures = PartFile.place([...this.#waiting.keys()]);
    for (const [part, error] of failures) this.#fail(part, error);
    this[Symbol.dispose]();
  }

  async #syncAll(): Promise<void> {
    const left = this.#waiting.keys();
    for (const part of left) {
      const begun = performance.now();
      try {
        part.syncNow();
      } catch (error) {
        this.#fail(part, error);
      }
      if (performance.now() - begun > NO_DISK) break;
    }
    await Promise.all(Array.from({ length: SYNCS }, async () => {
      for (const part of left) {
        await part.sync().catch((error) => this.#fail(part, error));
      }
    }));
  }

  /** Notes why a file does not get its name, and gives its room back. */
  #fail(part: PartFile, error: unknown): void {
    const file = this.#waiting.get(part);
    if (file) this.failures.set(file, error);
    this.#waiting.delete(part);
    part[Symbol.dispose]();
  }

  /** Removes those that have not got their names. */
  [Symbol.dispose](): void {
    for (const part of this.#waiting.keys()) part[Symbol.dispose]();
    this.#waiting.clear();
  }
}

/**
 * Reads many files and compares each with its MD5, in the order and the pieces of
 * {@linkcode copyMany}.
 *
 * @param blocks Where they are.
 * @returns The files that failed, each with its error: CHECKSUM_MISMATCH, or as `content()` fails.
 */
export async function checkMany<Wanted extends FileCheck>(
  blocks: Blocks,
  files: readonly Wanted[],
  options: CopyOptions = {},
): Promise<Map<Wanted, unknown>> {
  const newMd5 = await loadMd5();
  return await doMany(blocks, files, options, {
    phase: "checking",
    small({ entry, md5 }, bytes) {
      const found = newMd5().update(bytes).digest("hex");
      if (md5 !== undefined) requireMd5(found, md5, entry.path);
      return Promise.resolve();
    },
    async large({ entry, md5 }, { hasher, report }) {
      if (hasher) {
        const found = await hasher.md5(entry, report);
        if (md5 !== undefined) requireMd5(found, md5, entry.path);
        return;
      }
      const reading = { md5, stored: true, signal: options.signal };
      for await (const chunk of contentChunks(blocks, entry, reading)) {
        report(chunk.length);
      }
    },
  });
}

/** What there is to do a large file with. */
interface Means {
  /** What hashes files beside, where that pays. */
  readonly hasher: Hasher | undefined;
  /** Takes the bytes done. */
  readonly report: (bytes: number) => void;
}

/** What is to be done to each file. */
interface Work<Wanted extends FileCheck> {
  readonly phase: Progress["phase"];
  /** Deals with a small file, given its content. */
  readonly small: (file: Wanted, bytes: Uint8Array) => Promise<void>;
  /** Reads a large file, and deals with it. */
  readonly large: (file: Wanted, means: Means) => Promise<void>;
}

/** Does something to many files in the order of their extents; returns what failed. */
async function doMany<Wanted extends FileCheck>(
  blocks: Blocks,
  files: readonly Wanted[],
  { onProgress, signal }: CopyOptions,
  { phase, small, large }: Work<Wanted>,
): Promise<Map<Wanted, unknown>> {
  signal?.throwIfAborted();
  const failures = new Map<Wanted, unknown>();
  const total = files.reduce((sum, { entry }) => sum + entry.size, 0);
  let done = 0;
  const report = (bytes: number) => {
    done += bytes;
    notify(onProgress, { phase, done, total, rate: undefined });
  };
  const portions = [...portionsOf(files)];
  using hasher = Hasher.forBytes(blocks, bytesToHash(portions), signal);
  const attempt = async (file: Wanted, work: () => Promise<void>) => {
    try {
      signal?.throwIfAborted();
      await work();
    } catch (error) {
      failures.set(file, error);
    }
  };
  const underWay = new Set<Promise<void>>();
  const buffer = new Uint8Array(CHUNK);
  for (const portion of portions) {
    if (signal?.aborted) break;
    const bytesOf = await readPortion(blocks, portion, buffer, signal);
    let begun = performance.now();
    for (const file of portion.files) {
      if (bytesOf === undefined) {
        const task = attempt(file, () => large(file, { hasher, report }))
          .finally(() => underWay.delete(task));
        underWay.add(task);
        if (underWay.size >= (hasher ? CORES : 1)) await Promise.race(underWay);
        continue;
      }
      if (performance.now() - begun > SLICE) {
        await nextTurn();
        begun = performance.now();
      }
      await attempt(file, async () => {
        await small(file, bytesOf(file.entry));
        report(file.entry.size);
      });
    }
  }
  await Promise.all(underWay);
  signal?.throwIfAborted();
  return failures;
}

/** How many bytes of large files are to be hashed. */
function bytesToHash(portions: readonly Portion<FileCheck>[]): number {
  return portions.filter(({ range }) => range === undefined)
    .flatMap(({ files }) => files)
    .reduce((sum, { entry, md5 }) => md5 ? sum + storedSize(entry) : sum, 0);
}

/** Files to be done from one reading. */
interface Portion<Wanted> {
  readonly files: readonly Wanted[];
  /** Where all their content is; undefined for one large file. */
  readonly range?: { readonly position: number; readonly length: number };
}

/** Orders files as their content lies on the medium, and puts close small files together. */
function* portionsOf<Wanted extends FileCheck>(
  files: readonly Wanted[],
): Generator<Portion<Wanted>> {
  let together: Wanted[] = [];
  let start = 0;
  let end = -Infinity;
  const flush = function* (): Generator<Portion<Wanted>> {
    const range = { position: start, length: end - start };
    if (together.length > 0) yield { files: together, range };
    together = [];
  };
  for (
    const file of files.toSorted((a, b) =>
      positionOf(a.entry) - positionOf(b.entry)
    )
  ) {
    const at = positionOf(file.entry);
    const stop = at + file.entry.size;
    const small = isSmall(file.entry);
    if (!small || at > end + GAP || stop > start + CHUNK) {
      yield* flush();
      start = end = at;
    }
    if (small) together.push(file);
    else yield { files: [file] };
    end = Math.max(end, stop);
  }
  yield* flush();
}

/** Where the content of a file begins; the address of an empty file means nothing. */
function positionOf({ size, sections }: FileContent): number {
  return size === 0 ? 0 : (sections[0]?.lba ?? 0) * BLOCK;
}

function isSmall({ size, sections, compression }: FileContent): boolean {
  return size <= Math.min(SMALL, sections[0]?.size ?? 0) &&
    compression === undefined;
}

/** Reads what a portion needs; undefined where its files are to be read one by one. */
async function readPortion(
  blocks: Blocks,
  { range }: Portion<unknown>,
  buffer: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<((entry: FileContent) => Uint8Array) | undefined> {
  if (range === undefined) return undefined;
  try {
    const bytes = buffer.subarray(0, range.length);
    await blocks.read(bytes, range.position, { signal, ahead: AHEAD });
  } catch {
    return undefined; // so that only the files that cannot be read fail
  }
  return (entry) => {
    const at = entry.size === 0 ? 0 : positionOf(entry) - range.position;
    return buffer.subarray(at, at + entry.size);
  };
}
