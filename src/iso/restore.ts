/** Files of an image copied to targets on disk, or read and compared with their checksums. */

import type { Entry } from "../dialogue/answers.ts";
import type { Progress } from "../options.ts";
import { BLOCK } from "../dialogue/answers.ts";
import type { Identity } from "../disk/files.ts";
import { loadMd5 } from "../disk/md5.ts";
import {
  meter,
  PartFile,
  type Placing,
  requireReplaceable,
  resolveTarget,
} from "../disk/targets.ts";
import {
  byteRanges,
  CHUNK,
  ImageReader,
  type Range,
  requireMd5,
  takeRange,
} from "./extents.ts";

/** How to copy out of an image. */
export interface CopyOptions {
  /** What the image must be, so that another file in its place is noticed. */
  readonly inode?: Identity;
  /** Whether bytes are on the disk before a target has its name. @default {true} */
  readonly sync?: boolean | undefined;
  /** Takes the bytes done. */
  readonly onProgress?: (progress: Progress) => void;
  /** Stops with its reason, between two chunks. */
  readonly signal?: AbortSignal;
}

/** A file in an image that is to be read and checked. */
export interface CheckJob {
  /** The file in the image. */
  readonly entry: Entry;
  /** The MD5 that the content must have, in hexadecimal digits. */
  readonly md5?: string | undefined;
}

/** A file in an image that is to be restored. */
export interface CopyJob extends CheckJob, Placing {
  /** Path on disk, in a folder that exists. */
  readonly target: string;
}

/**
 * Bytes up to which a file is written by synchronous calls: through the thread pool the calls take
 * longer than their work (10,000 files of 4 KiB: 0.8 s instead of 0.2 s).
 */
const SMALL = 256 << 10;

/** Bytes between two small files that are rather read than skipped. */
const GAP = 64 << 10;

/** Milliseconds of synchronous work after which the event loop runs. */
const SLICE = 20;

/**
 * Copies a file of an image to a target on disk.
 *
 * @param image Path of the image.
 * @param entry The file in it.
 * @param target Path on disk, in a folder that exists.
 * @throws {XorrisoError} TARGET_UNWRITABLE, CHECKSUM_MISMATCH, IMAGE_DAMAGED, READ_ERROR,
 * PERMISSION_DENIED, or MEDIUM_CHANGED.
 */
export async function copyExtents(
  image: string,
  entry: Entry,
  target: string,
  options: CopyOptions & Omit<CopyJob, "entry" | "target"> = {},
): Promise<void> {
  const { inode, signal, ...rest } = options;
  signal?.throwIfAborted();
  const path = await resolveTarget(target, inode);
  using source = await ImageReader.open(image, inode);
  const report = meter(entry.size, options.onProgress);
  await copyFile(source, { ...rest, entry, target: path }, report, options);
}

/**
 * Copies many files of an image to targets on disk, as fast as they can be created.
 *
 * They are read in the order of their extents, and small files that lie close together at once.
 *
 * @param image Path of the image.
 * @returns The jobs that failed, each with its error: the codes of {@linkcode copyExtents}, or
 * `Deno.errors.NotCapable`.
 * @throws {XorrisoError} When the image cannot be opened: MEDIUM_CHANGED, PERMISSION_DENIED, or
 * READ_ERROR.
 */
export async function copyMany(
  image: string,
  jobs: readonly CopyJob[],
  options: CopyOptions = {},
): Promise<Map<CopyJob, unknown>> {
  const { inode, sync = true } = options;
  const newMd5 = await loadMd5();
  const failures = new Map<CopyJob, unknown>();
  using written = new WrittenFiles(failures);
  const failed = await doMany(
    ...[image, jobs, options, "restoring"] as const,
    async (job, { source, content, report }) => {
      const { entry, target, md5 } = job;
      await requireReplaceable(target, inode);
      if (content === undefined) {
        return await copyFile(source, job, report, options);
      }
      if (md5 !== undefined) {
        const found = newMd5().update(content).digest("hex");
        requireMd5(found, md5, entry.path);
      }
      const part = PartFile.createSync(target, content);
      await written.add(job, part, sync);
      report(content.length);
    },
  );
  await written.place();
  for (const [job, error] of failed) failures.set(job, error);
  return failures;
}

/** How many files are synced at once: their writes share turns of the disk. */
const SYNCS = 64;

/** How many files may wait to be synced; each is open. */
const WAITING = 256;

/** Small files that are complete but for the disk, and get their names together. */
class WrittenFiles implements Disposable {
  readonly #failures: Map<CopyJob, unknown>;
  #waiting: { readonly job: CopyJob; readonly part: PartFile }[] = [];

  constructor(failures: Map<CopyJob, unknown>) {
    this.#failures = failures;
  }

  /** Takes a file; without `sync` it gets its name at once. */
  async add(job: CopyJob, part: PartFile, sync: boolean): Promise<void> {
    this.#waiting.push({ job, part });
    if (!sync) this.#placeSync();
    else if (this.#waiting.length >= WAITING) await this.place();
  }

  /** Syncs the files, and gives them their names. */
  async place(): Promise<void> {
    const left = this.#waiting.values();
    await Promise.all(Array.from({ length: SYNCS }, async () => {
      for (const { job, part } of left) {
        await part.sync().catch((error) => this.#failures.set(job, error));
      }
    }));
    this.#placeSync();
  }

  #placeSync(): void {
    for (const { job, part } of this.#waiting) {
      try {
        if (!this.#failures.has(job)) part.place(job);
      } catch (error) {
        this.#failures.set(job, error);
      }
    }
    this[Symbol.dispose]();
  }

  /** Removes those that have not got their names. */
  [Symbol.dispose](): void {
    for (const { part } of this.#waiting) part[Symbol.dispose]();
    this.#waiting = [];
  }
}

/**
 * Reads many files of an image and compares each with its MD5, in the order and the pieces of
 * {@linkcode copyMany}.
 *
 * @param image Path of the image.
 * @returns The jobs that failed, each with its error: CHECKSUM_MISMATCH, IMAGE_DAMAGED or READ_ERROR.
 * @throws {XorrisoError} When the image cannot be opened: MEDIUM_CHANGED, PERMISSION_DENIED, or
 * READ_ERROR.
 */
export async function checkMany<Job extends CheckJob>(
  image: string,
  jobs: readonly Job[],
  options: CopyOptions = {},
): Promise<Map<Job, unknown>> {
  const newMd5 = await loadMd5();
  return await doMany(
    ...[image, jobs, options, "checking"] as const,
    async ({ entry, md5 }, { source, content, report }) => {
      const hash = newMd5();
      if (content === undefined) {
        await transfer(source, entry, (chunk) => {
          hash.update(chunk);
          report(chunk.length);
          return Promise.resolve();
        }, options.signal);
      } else {
        hash.update(content);
        report(content.length);
      }
      if (md5 !== undefined) requireMd5(hash.digest("hex"), md5, entry.path);
    },
  );
}

/** What there is to do one job with. */
interface Means {
  /** The image, for a large file. */
  readonly source: ImageReader;
  /** The content of a small file. */
  readonly content: Uint8Array | undefined;
  /** Takes the bytes done. */
  readonly report: (bytes: number) => void;
}

/** Does something to many files in the order of their extents; returns what failed. */
async function doMany<Job extends CheckJob>(
  image: string,
  jobs: readonly Job[],
  { inode, onProgress, signal }: CopyOptions,
  phase: Progress["phase"],
  work: (job: Job, means: Means) => Promise<void>,
): Promise<Map<Job, unknown>> {
  signal?.throwIfAborted();
  using source = await ImageReader.open(image, inode);
  const failures = new Map<Job, unknown>();
  const total = jobs.reduce((sum, { entry }) => sum + entry.size, 0);
  const report = meter(total, onProgress, phase);
  const buffer = new Uint8Array(CHUNK);
  for (const batch of batchesOf(jobs)) {
    const content = await readBatch(source, batch, buffer);
    let begun = performance.now();
    for (const job of batch.jobs) {
      if (performance.now() - begun > SLICE) {
        await turn();
        begun = performance.now();
      }
      signal?.throwIfAborted();
      try {
        await work(job, { source, content: content?.(job.entry), report });
      } catch (error) {
        signal?.throwIfAborted();
        failures.set(job, error);
      }
    }
  }
  return failures;
}

/** Copies one file. */
async function copyFile(
  source: ImageReader,
  { entry, target, md5, ...placing }: CopyJob,
  report: (bytes: number) => void,
  { sync = true, signal }: CopyOptions,
): Promise<void> {
  using part = await PartFile.create(target);
  const hash = md5 === undefined ? undefined : (await loadMd5())();
  await transfer(source, entry, async (chunk) => {
    const writing = part.write(chunk);
    hash?.update(chunk); // on this thread, while the others read and write
    await writing;
    report(chunk.length);
  }, signal);
  if (md5 !== undefined && hash) {
    requireMd5(hash.digest("hex"), md5, entry.path);
  }
  if (sync) await part.sync();
  part.place(placing);
}

/** Reads a file by two buffers: the next chunk is read while the last is dealt with. */
async function transfer(
  source: ImageReader,
  entry: Entry,
  sink: (chunk: Uint8Array) => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ranges = byteRanges(entry);
  const read = async (buffer: Uint8Array): Promise<Uint8Array | undefined> => {
    const range = takeRange(ranges, CHUNK);
    if (range === undefined) return undefined;
    const chunk = buffer.subarray(0, range.length);
    await source.fill(chunk, range.position);
    return chunk;
  };
  let back = new Uint8Array(Math.min(CHUNK, entry.size));
  let front = new Uint8Array(back.length);
  for (let chunk = await read(front); chunk !== undefined;) {
    signal?.throwIfAborted();
    const reading = read(back);
    chunk = await firstOfBoth(reading, sink(chunk));
    [front, back] = [back, front];
  }
}

/** Waits until both have ended, so that no handle is closed under the other when one fails. */
async function firstOfBoth<T>(
  first: Promise<T>,
  second: Promise<void>,
): Promise<T> {
  await Promise.allSettled([first, second]);
  await second;
  return await first;
}

/** Jobs to be done from one reading of the image. */
interface Batch<Job> {
  readonly jobs: readonly Job[];
  /** Where all their content is; undefined for one large file. */
  readonly range?: Range;
}

/** Orders jobs as their content lies in the image, and puts close small files together. */
function* batchesOf<Job extends CheckJob>(
  jobs: readonly Job[],
): Generator<Batch<Job>> {
  let batch: Job[] = [];
  let start = 0;
  let end = -Infinity;
  const flush = function* (): Generator<Batch<Job>> {
    const range = { position: start, length: end - start };
    if (batch.length > 0) yield { jobs: batch, range };
    batch = [];
  };
  for (const job of jobs.toSorted((a, b) => place(a.entry) - place(b.entry))) {
    const at = place(job.entry);
    const stop = at + job.entry.size;
    const small = isSmall(job.entry);
    if (!small || at > end + GAP || stop > start + CHUNK) {
      yield* flush();
      start = end = at;
    }
    if (small) batch.push(job);
    else yield { jobs: [job] };
    end = Math.max(end, stop);
  }
  yield* flush();
}

/** Where the content of a file begins in the image; the address of an empty file means nothing. */
function place({ size, extents }: Entry): number {
  return size === 0 ? 0 : (extents[0]?.lba ?? 0) * BLOCK;
}

function isSmall({ size, extents }: Entry): boolean {
  return size <= Math.min(SMALL, (extents[0]?.blocks ?? 0) * BLOCK);
}

/** Reads what a batch needs; undefined where its files are to be read one by one. */
async function readBatch(
  source: ImageReader,
  { range }: Batch<unknown>,
  buffer: Uint8Array,
): Promise<((entry: Entry) => Uint8Array) | undefined> {
  if (range === undefined) return undefined;
  try {
    await source.fill(buffer.subarray(0, range.length), range.position);
  } catch {
    return undefined; // so that only the files that cannot be read fail
  }
  return (entry) => {
    const at = entry.size === 0 ? 0 : place(entry) - range.position;
    return buffer.subarray(at, at + entry.size);
  };
}

/** Lets everything else that is ready run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
