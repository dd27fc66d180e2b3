/** Files copied to targets on disk, or read and compared with their checksums. */

import { delay } from "@std/async/delay";
import { loadMd5 } from "../disk/md5.ts";
import {
  meter,
  PartFile,
  type Placing,
  requireReplaceable,
} from "../disk/targets.ts";
import type { Progress } from "../options.ts";
import type { Blocks } from "./blocks.ts";
import { BLOCK } from "../medium.ts";
import { CHUNK, content, contentChunks, requireMd5 } from "./content.ts";
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
export interface CheckJob {
  /** The file. */
  readonly entry: FileContent;
  /** The MD5 that it must have as it is stored, in hexadecimal digits. */
  readonly md5?: string | undefined;
}

/** A file that is to be restored. */
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
 * @returns The jobs that failed, each with its error: TARGET_UNWRITABLE, TARGET_EXISTS,
 * CHECKSUM_MISMATCH, `Deno.errors.NotCapable`, or as `content()` fails.
 */
export async function copyMany(
  blocks: Blocks,
  jobs: readonly CopyJob[],
  options: CopyOptions = {},
): Promise<Map<CopyJob, unknown>> {
  const { sync = true, signal } = options;
  const newMd5 = await loadMd5();
  using written = new WrittenFiles(sync);
  const failed = await doMany(blocks, jobs, options, {
    phase: "restoring",
    async small(job, bytes) {
      const { entry } = job;
      await requireReplaceable(job.target, blocks.file);
      if (job.md5 !== undefined) {
        const found = newMd5().update(bytes).digest("hex");
        requireMd5(found, job.md5, entry.path);
      }
      const part = PartFile.create(job.target, bytes);
      await written.add(job, part);
    },
    async large({ entry, target, md5, ...placing }, { hasher, report }) {
      await requireReplaceable(target, blocks.file);
      using part = PartFile.create(target);
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
      part.place(placing);
    },
  });
  await written.place();
  return new Map([...written.failures, ...failed]);
}

/** How many files are synced at once: their writes share turns of the disk. */
const SYNCS = 64;

/** How many files may wait to be synced; each is open. */
const WAITING = 256;

/** Small files that are complete but for the disk, and get their names together. */
class WrittenFiles implements Disposable {
  readonly failures = new Map<CopyJob, unknown>();
  readonly #sync: boolean;
  #waiting: { readonly job: CopyJob; readonly part: PartFile }[] = [];

  constructor(sync: boolean) {
    this.#sync = sync;
  }

  /** Takes a file; without `sync` it gets its name at once. */
  async add(job: CopyJob, part: PartFile): Promise<void> {
    this.#waiting.push({ job, part });
    if (!this.#sync || this.#waiting.length >= WAITING) await this.place();
  }

  /** Syncs the files, and gives them their names. */
  async place(): Promise<void> {
    const left = this.#waiting.values();
    const lanes = this.#sync ? SYNCS : 0;
    await Promise.all(Array.from({ length: lanes }, async () => {
      for (const { job, part } of left) {
        await part.sync().catch((error) => this.failures.set(job, error));
      }
    }));
    for (const { job, part } of this.#waiting) {
      try {
        if (!this.failures.has(job)) part.place(job);
      } catch (error) {
        this.failures.set(job, error);
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
 * Reads many files and compares each with its MD5, in the order and the pieces of
 * {@linkcode copyMany}.
 *
 * @param blocks Where they are.
 * @returns The jobs that failed, each with its error: CHECKSUM_MISMATCH, or as `content()` fails.
 */
export async function checkMany<Job extends CheckJob>(
  blocks: Blocks,
  jobs: readonly Job[],
  options: CopyOptions = {},
): Promise<Map<Job, unknown>> {
  const newMd5 = await loadMd5();
  return await doMany(blocks, jobs, options, {
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
interface Work<Job extends CheckJob> {
  readonly phase: Progress["phase"];
  /** Deals with a small file, given its content. */
  readonly small: (job: Job, bytes: Uint8Array) => Promise<void>;
  /** Reads a large file, and deals with it. */
  readonly large: (job: Job, means: Means) => Promise<void>;
}

/** Does something to many files in the order of their extents; returns what failed. */
async function doMany<Job extends CheckJob>(
  blocks: Blocks,
  jobs: readonly Job[],
  { onProgress, signal }: CopyOptions,
  { phase, small, large }: Work<Job>,
): Promise<Map<Job, unknown>> {
  signal?.throwIfAborted();
  const failures = new Map<Job, unknown>();
  const total = jobs.reduce((sum, { entry }) => sum + entry.size, 0);
  const report = meter(total, onProgress, phase);
  const batches = [...batchesOf(jobs)];
  using hasher = Hasher.forBytes(blocks, bytesToHash(batches), signal);
  const attempt = async (job: Job, work: () => Promise<void>) => {
    try {
      signal?.throwIfAborted();
      await work();
    } catch (error) {
      failures.set(job, error);
    }
  };
  const underWay = new Set<Promise<void>>();
  const buffer = new Uint8Array(CHUNK);
  for (const batch of batches) {
    if (signal?.aborted) break;
    const bytesOf = await readBatch(blocks, batch, buffer, signal);
    let begun = performance.now();
    for (const job of batch.jobs) {
      if (bytesOf === undefined) {
        const task = attempt(job, () => large(job, { hasher, report }))
          .finally(() => underWay.delete(task));
        underWay.add(task);
        if (underWay.size >= (hasher ? CORES : 1)) await Promise.race(underWay);
        continue;
      }
      if (performance.now() - begun > SLICE) {
        await delay(0);
        begun = performance.now();
      }
      await attempt(job, async () => {
        await small(job, bytesOf(job.entry));
        report(job.entry.size);
      });
    }
  }
  await Promise.all(underWay);
  signal?.throwIfAborted();
  return failures;
}

function bytesToHash(batches: readonly Batch<CheckJob>[]): number {
  return batches.filter(({ range }) => range === undefined)
    .flatMap(({ jobs }) => jobs)
    .reduce((sum, { entry, md5 }) => md5 ? sum + storedSize(entry) : sum, 0);
}

/** Jobs to be done from one reading. */
interface Batch<Job> {
  readonly jobs: readonly Job[];
  /** Where all their content is; undefined for one large file. */
  readonly range?: { readonly position: number; readonly length: number };
}

/** Orders jobs as their content lies on the medium, and puts close small files together. */
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

/** Where the content of a file begins; the address of an empty file means nothing. */
function place({ size, sections }: FileContent): number {
  return size === 0 ? 0 : (sections[0]?.lba ?? 0) * BLOCK;
}

function isSmall({ size, sections, compression }: FileContent): boolean {
  return size <= Math.min(SMALL, sections[0]?.size ?? 0) &&
    compression === undefined;
}

/** Reads what a batch needs; undefined where its files are to be read one by one. */
async function readBatch(
  blocks: Blocks,
  { range }: Batch<unknown>,
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
    const at = entry.size === 0 ? 0 : place(entry) - range.position;
    return buffer.subarray(at, at + entry.size);
  };
}
