/** One change on its way to the medium: what was asked for, and what of it. */

import { XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import type { Progress } from "../options.ts";
import { md5Of, openSource, type Source } from "../disk/sources.ts";
import { type Content, spool, type TempFolder } from "../disk/temp.ts";
import type { Attributes } from "../session/changes.ts";
import type { Change } from "./options.ts";
import type { PlannedChange } from "./plan.ts";

/** What is to be stored, ready to be staged. */
export interface Prepared {
  /** The file that xorriso reads. */
  readonly source: Source;
  /** The MD5 of its content, where it is known. */
  readonly md5?: string;
  /** Whether to read what was stored, and compare it with that. */
  readonly isVerified?: boolean;
  /** Removes a temporary file, once it has served. */
  readonly dispose?: () => Promise<void>;
}

/** A change as it is asked for. */
export interface Request extends PlannedChange {
  /** With `link`: what it points to. */
  readonly text?: string;
  /** What else is to be recorded. */
  readonly attributes?: Attributes | undefined;
  /**
   * With `file`: makes ready what is to be stored.
   *
   * @param signal Gives up.
   * @param onBytes Takes how many bytes more there are of it.
   */
  readonly prepare?: (
    signal: AbortSignal | undefined,
    onBytes: (count: number) => void,
  ) => Promise<Prepared>;
  /** Tells the giver of content that nobody will read it. */
  readonly discard?: (reason: unknown) => void;
  /** Whether preparing may take long, so that no batch waits for it. */
  readonly isSlow?: boolean;
  /** Whether to ask for place, room and permission before it is prepared. */
  readonly asksFirst?: boolean;
  /** Bytes of its content, as far as that is known before. */
  readonly size?: number | undefined;
  /** Takes the change back. */
  readonly signal?: AbortSignal | undefined;
  /** Takes reports of how far it is. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A change that is part of a plan or of a batch. */
export interface Pending extends Request {
  /** What is to be stored, with `file`. */
  readonly prepared: Prepared | undefined;
  /** What its caller is told. */
  readonly settled: PromiseWithResolvers<void>;
  /** Stops listening to its signal. */
  readonly release: () => void;
}

/** Tells the caller of a change what became of it; `error` is what failed. */
export async function settle(
  change: Pending,
  ...error: unknown[]
): Promise<void> {
  change.release();
  await dispose(change.prepared);
  if (error.length === 0) change.settled.resolve();
  else change.settled.reject(error[0]);
}

/** Removes what was made to prepare a change. */
export async function dispose(prepared: Prepared | undefined): Promise<void> {
  try {
    await prepared?.dispose?.();
  } catch {
    // It is gone already, or goes with its folder in the end.
  }
}

/** The error for a change that was rolled back. */
export function rolledBack({ kind, name }: PlannedChange): XorrisoError {
  const doing = kind === "remove" ? "delete" : "store";
  return new XorrisoError(
    "ABORTED",
    `Cannot ${doing} ${show(name)}: it was rolled back`,
    { path: name },
  );
}

/**
 * Makes a request of a change.
 *
 * @param temp The folder for content that is in no file.
 */
export function requestOf(
  change: Change,
  options: {
    readonly size?: number | undefined;
    readonly temp: () => Promise<TempFolder>;
  },
): Request {
  if (change.kind !== "file") return change;
  const { source, verify = false, ...rest } = change;
  if (typeof source === "string" || source instanceof URL) {
    const prepare = () => prepareFile(source, verify);
    return { ...rest, prepare, isSlow: verify };
  }
  const size = source instanceof Uint8Array
    ? source.byteLength
    : source instanceof Blob
    ? source.size
    : options.size;
  return {
    ...{ ...rest, size, asksFirst: true },
    isSlow: source instanceof ReadableStream,
    discard: (reason) => {
      if (!(source instanceof ReadableStream) || source.locked) return;
      source.cancel(reason).catch(() => {});
    },
    prepare: async (signal, onBytes) =>
      await prepareContent(
        source,
        await options.temp(),
        verify,
        signal,
        onBytes,
      ),
  };
}

/** Makes ready a file on disk; with `verify`, its MD5 is to be compared. */
async function prepareFile(
  file: string | URL,
  verify: boolean,
): Promise<Prepared> {
  const source = await openSource(file);
  if (!verify) return { source };
  return { source, md5: await md5Of(source), isVerified: true };
}

/** Makes ready content that is in no file, by keeping it in one. */
async function prepareContent(
  content: Content,
  temp: TempFolder,
  verify: boolean,
  signal: AbortSignal | undefined,
  onBytes: (count: number) => void,
): Promise<Prepared> {
  const path = temp.next();
  const { md5, ...source } = await spool(content, path, signal, onBytes);
  return {
    ...{ source, md5, isVerified: verify },
    dispose: () => Deno.remove(path),
  };
}
