/** Content that is in no file yet, kept in a temporary file, from which xorriso can read it. */

import { unlessAborted } from "../async.ts";
import { XorrisoError } from "../errors.ts";
import { writeAll } from "./files.ts";
import { loadMd5 } from "./md5.ts";
import { type Source, sourceOf } from "./sources.ts";
import { spoolFile } from "./temp.ts";

/** Where content comes from that is in no file yet. */
export type Content = Uint8Array | ReadableStream<Uint8Array> | Blob;

/**
 * Writes content to a temporary file, from which xorriso can read it: a FIFO it
 * would store as a FIFO.
 *
 * @param signal Aborts it.
 * @param onBytes Takes the number of further bytes.
 * @returns The file as a source, and the MD5 of its content.
 * @throws {TypeError} When it is no content, or a stream that is locked, has been read to its end
 * before, or gives something else than bytes.
 */
export async function spool(
  content: Content,
  path: string,
  signal?: AbortSignal,
  onBytes: (count: number) => void = () => {},
): Promise<Source & { readonly md5: string }> {
  const { stream, wasRead } = openContent(content);
  const hash = (await loadMd5())();
  using file = await spoolFile(() =>
    Deno.open(path, { write: true, createNew: true })
  );
  try {
    const sink = new WritableStream<unknown>({
      async write(chunk) {
        if (!(chunk instanceof Uint8Array)) {
          throw new TypeError(
            `Cannot store the stream: a chunk of it is of the kind ` +
              `${kindOf(chunk)}, only a Uint8Array can be stored`,
          );
        }
        requireAttached(chunk);
        hash.update(chunk);
        await spoolFile(() => writeAll(file, chunk));
        onBytes(chunk.length);
      },
    });
    // pipeTo() would wait until a stuck stream is cancelled.
    await unlessAborted(
      stream.pipeTo(sink, signal ? { signal } : {}),
      signal,
    );
    const info = await spoolFile(() => file.stat());
    if (wasRead && info.size === 0) {
      throw new TypeError(
        "Cannot store the stream: it has been read to its end before; open it anew",
      );
    }
    return { ...sourceOf(path, path, info), md5: hash.digest("hex") };
  } catch (error) {
    // Frees its room even if a process that this program is forking has it open, too.
    await file.truncate().catch(() => {});
    await Deno.remove(path).catch(() => {});
    throw error ?? new XorrisoError(
      "SOURCE_UNREADABLE",
      "Cannot store the stream: it has failed, and does not tell why",
    );
  }
}

/** The stream of content that nobody else is reading. */
function openContent(
  content: Content,
): { stream: ReadableStream<unknown>; wasRead: boolean } {
  if (content instanceof Blob) {
    return { stream: content.stream(), wasRead: false };
  }
  if (content instanceof Uint8Array) {
    return { stream: ReadableStream.from([content]), wasRead: false };
  }
  if (!(content instanceof ReadableStream)) {
    throw new TypeError(
      `Cannot store a value of the kind ${kindOf(content)}: give a path, a ` +
        `URL, a Uint8Array, a Blob, or a stream of bytes`,
    );
  }
  if (content.locked) {
    throw new TypeError(
      "Cannot store the stream: it is locked, something else is reading it",
    );
  }
  return { stream: content, wasRead: isDisturbed(content) };
}

/**
 * Refuses bytes that are not there any more: those of a buffer that was transferred, or has shrunk,
 * would be stored as an empty file.
 */
export function requireAttached(bytes: Uint8Array): void {
  try {
    bytes.at(0);
  } catch (cause) {
    throw new TypeError(
      "Cannot store the bytes: their buffer was transferred, or has shrunk",
      { cause },
    );
  }
}

/** Whether a stream has been read from; only what takes it as a body says so (Fetch, 5.3). */
function isDisturbed(stream: ReadableStream<Uint8Array>): boolean {
  try {
    new Response(stream);
    return false;
  } catch {
    return true;
  }
}

/** What something is, in a word: `DataView`, `String`. */
function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
