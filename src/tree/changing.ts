/** Files that are being written, or whose size is not what reading gives: they are stored from a copy. */

import { CHUNK, lstat } from "../disk/files.ts";
import { MAX_SIZE, openRegular, unreadableBy } from "../disk/sources.ts";
import type { CopiedFile } from "./options.ts";
import type { Found } from "./walk.ts";

/** Milliseconds that a file must have been left alone to be stored from its place. */
const SETTLED = 2000;

/** Milliseconds until a file has been left alone for long enough; 0, too, if it is gone. */
export async function timeToSettle({ path }: Found): Promise<number> {
  try {
    const age = Date.now() - ((await lstat(path)).mtime?.getTime() ?? 0);
    return Math.abs(age) < SETTLED ? SETTLED - age : 0;
  } catch {
    return 0;
  }
}

/**
 * Whether reading a file gives another length than the file system tells, as
 * in `/proc` and `/sys`.
 *
 * @returns `false`, too, if it cannot be read, or is too large: who stores it is told.
 */
export async function isLying({ path, size, isOdd }: Found): Promise<boolean> {
  // What has blocks has content; that of a file without any is looked at.
  if (!isOdd || size > MAX_SIZE) return false;
  try {
    const { file } = await openRegular(path);
    await using _ = file;
    const buffer = new Uint8Array(2);
    const at = Math.max(0, size - 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    return bytesRead !== size - at;
  } catch {
    return false;
  }
}

/** A file as it is at this moment, by a copy of which it is stored. */
export class Copy {
  readonly #found: Found;
  #reason: CopiedFile["reason"];
  #bytes = 0;
  /** When it had been modified as its copy was begun, in milliseconds since 1970. */
  #begun = 0;

  /**
   * @param reason Why its own place will not do.
   */
  constructor(found: Found, reason: CopiedFile["reason"]) {
    this.#found = found;
    this.#reason = reason;
  }

  /** Why its own place will not do, as far as is known by now. */
  get reason(): CopiedFile["reason"] {
    return this.#reason;
  }

  /** Bytes that it turned out to have. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Its content as it is read, from the first reading on. */
  content(signal?: AbortSignal): ReadableStream<Uint8Array> {
    return ReadableStream.from(this.#read(signal));
  }

  /**
   * Whether it was modified since the copy was begun, but within the second
   * that is recorded as its time: nothing would show later that the copy lacks it.
   */
  async isOutdated(): Promise<boolean> {
    const { path, mtime } = this.#found;
    // Soon after, the time proves nothing yet, and checksums are compared.
    if (Date.now() < (mtime + 2) * 1000) return false;
    try {
      const info = await lstat(path);
      const now = info.mtime?.getTime() ?? 0;
      return info.size === this.#bytes && Math.floor(now / 1000) === mtime &&
        now !== this.#begun;
    } catch {
      return false;
    }
  }

  async *#read(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const { path, size, mtime } = this.#found;
    try {
      const { file, info } = await openRegular(path);
      await using _ = file;
      this.#begun = info.mtime.getTime();
      for (;;) {
        signal?.throwIfAborted();
        const buffer = new Uint8Array(CHUNK);
        const { bytesRead } = await file.read(buffer, 0, CHUNK, null);
        if (bytesRead === 0) break;
        this.#bytes += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
      const end = (await file.stat()).mtime.getTime();
      const isSame = this.#bytes === size && end === this.#begun &&
        Math.floor(end / 1000) === mtime;
      if (!isSame && this.#reason === "recent") this.#reason = "changing";
    } catch (cause) {
      throw unreadableBy(cause, path);
    }
  }
}
