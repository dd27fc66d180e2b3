/** Files that are stored from a copy: they are being written, or their size is not what reading gives. */

import { CHUNK, lstat } from "../disk/files.ts";
import { MAX_SIZE, openRegular, unreadableBy } from "../disk/sources.ts";
import type { CopiedFile } from "./options.ts";
import type { Found } from "./walk.ts";

/** Milliseconds without a change after which a file is stored from its own place. */
const SETTLED = 2000;

/** Milliseconds until a file has not changed for long enough; also 0 if it is gone. */
export async function timeToSettle({ path }: Found): Promise<number> {
  try {
    const age = Date.now() - ((await lstat(path)).mtime?.getTime() ?? 0);
    return Math.abs(age) < SETTLED ? SETTLED - age : 0;
  } catch {
    return 0;
  }
}

/**
 * Whether reading a file gives another length than the file system tells, as in
 * `/proc` and `/sys`; also false if it cannot be stored at all, which is reported
 * when it is tried.
 */
export async function isLying({ path, size, isOdd }: Found): Promise<boolean> {
  // Only the length of a file without blocks may be wrong.
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

/** A copy of a file, from which it is stored as it was at that moment. */
export class Copy {
  readonly #found: Found;
  #reason: CopiedFile["reason"];
  #bytes = 0;
  /** Time of modification when the copy was begun, in milliseconds since 1970. */
  #begun = 0;

  constructor(found: Found, reason: CopiedFile["reason"]) {
    this.#found = found;
    this.#reason = reason;
  }

  /** Why it is copied; `recent` becomes `changing` if it changes while it is read. */
  get reason(): CopiedFile["reason"] {
    return this.#reason;
  }

  /** Bytes that were read. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The content, which is read with the stream. */
  content(signal?: AbortSignal): ReadableStream<Uint8Array> {
    return ReadableStream.from(this.#read(signal));
  }

  /**
   * Whether the file was modified since the copy was begun, but within the second
   * that is recorded as its time: then nothing would show later that the copy is older.
   */
  async isOutdated(): Promise<boolean> {
    const { path, mtime } = this.#found;
    // So soon the time proves nothing, and the next call compares checksums.
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
