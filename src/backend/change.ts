/** One change on its way to the medium: what was asked for, and what of it. */

import { notify, onAbort } from "../async.ts";
import { XorrisoError } from "../errors.ts";
import { checkLink, checkName, show } from "../names.ts";
import type { Progress } from "../options.ts";
import { md5Of, openSource, type Source } from "../disk/sources.ts";
import { absolutePath } from "../disk/permissions.ts";
import { requireAttached, spool } from "../disk/spool.ts";
import type { TempFolder } from "../disk/temp.ts";
import type { Attributes } from "../session/changes.ts";
import type { Change } from "./options.ts";
import type { CallPlace } from "./order.ts";
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
    signal: AbortSignal,
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

/** Who has asked for changes, and may take them back. */
export class Caller implements Disposable {
  readonly #controller = new AbortController();
  readonly #forget: () => void;

  /** Whether some of them are part of a plan. */
  isPlanned = false;

  /**
   * @param signal What takes them back.
   * @param onGivenUp Called then.
   */
  constructor(
    signal: AbortSignal | undefined,
    onGivenUp: (caller: Caller, reason: unknown) => void,
  ) {
    this.#forget = onAbort(signal, (reason) => {
      this.giveUp(reason);
      onGivenUp(this, reason);
    });
  }

  /** Given when they are taken back. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Takes back what is not part of a batch yet. */
  giveUp(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Listens no more. */
  [Symbol.dispose](): void {
    this.#forget();
  }
}

/** A change that is part of a plan or of a batch. */
export interface Pending extends Request {
  /** Who asked for it. */
  readonly caller: Caller;
  /** What is to be stored, with `file`. */
  readonly prepared: Prepared | undefined;
  /** Tells the caller what has become of it; an argument is why it failed. */
  readonly tell: (...error: unknown[]) => void;
}

/** Tells the caller of a change what became of it; `error` is what failed. */
export async function conclude(
  change: Pending,
  ...error: unknown[]
): Promise<void> {
  await dispose(change.prepared);
  change.tell(...error);
}

/** Removes what was made to prepare a change. */
export async function dispose(prepared: Prepared | undefined): Promise<void> {
  try {
    await prepared?.dispose?.();
  } catch {
    // It is gone already, or goes with its folder in the end.
  }
}

/**
 * Makes ready what is to be stored, until a signal is given, and tells by the
 * place of the call how it goes on.
 */
export async function prepareFor(
  place: CallPlace,
  { name, size, prepare, onProgress, isSlow }: Request,
  signal: AbortSignal,
): Promise<Prepared | undefined> {
  const controller = new AbortController();
  const forget = onAbort(signal, (reason) => controller.abort(reason));
  const arriving = { name, latest: performance.now(), controller };
  if (isSlow) place.arriving = arriving;
  let done = 0;
  try {
    return await prepare?.(controller.signal, (count) => {
      arriving.latest = performance.now();
      done += count;
      if (!isSlow) return;
      const progress = { total: size, rate: undefined };
      notify(onProgress, { phase: "reading", done, ...progress });
    });
  } finally {
    forget();
    place.arriving = undefined;
  }
}

/** The error for a change that was rolled back. */
export function rolledBack(change?: PlannedChange): XorrisoError {
  const path = change?.name;
  const doing = path === undefined
    ? "change the medium"
    : `${change?.kind === "remove" ? "delete" : "store"} ${show(path)}`;
  return new XorrisoError("ABORTED", `Cannot ${doing}: it was rolled back`, {
    path,
  });
}

/**
 * Makes a request of a change.
 *
 * @throws {TypeError} When a name cannot be one.
 */
export function requestOf(
  change: Change & Pick<Request, "signal" | "onProgress" | "size">,
  { directory, temp }: {
    /** Absolute path of the directory that names are relative to. */
    readonly directory: string;
    /** The folder for content that is in no file. */
    readonly temp: () => Promise<TempFolder>;
  },
): Request {
  const { kind, name } = change;
  if (!KINDS.has(kind)) {
    throw new TypeError(`Cannot make a change of the kind ${show(`${kind}`)}`);
  }
  checkName(directory, name, kind !== "remove" && kind !== "attributes");
  if (kind === "remove") return change;
  if (kind === "move") {
    checkName(directory, change.from, false);
    return change;
  }
  if (kind === "link") checkLink(change.text);
  const attributes = recordedAttributes(change.attributes);
  if (kind !== "file") return { ...change, attributes };
  const { source: given, verify = false, ...rest } = { ...change, attributes };
  const source = given instanceof Uint8Array ? viewOf(given) : given;
  if (typeof source === "string" || source instanceof URL) {
    const path = absolutePath(source);
    return {
      ...rest,
      prepare: (signal, onBytes) =>
        prepareFile(path, verify, (count) => {
          signal.throwIfAborted();
          onBytes(count);
        }),
      isSlow: verify,
    };
  }
  const isStream = source instanceof ReadableStream;
  const size = source instanceof Uint8Array
    ? source.byteLength
    : source instanceof Blob
    ? source.size
    : change.size;
  return {
    ...{ ...rest, size, asksFirst: true, isSlow: isStream },
    discard: (reason) => {
      if (isStream && !source.locked) source.cancel(reason).catch(() => {});
    },
    prepare: async (signal, onBytes) => {
      const path = (await temp()).next();
      const { md5, ...kept } = await spool(source, path, signal, onBytes);
      return {
        ...{ source: kept, md5, isVerified: verify },
        dispose: () => Deno.remove(path),
      };
    },
  };
}

const KINDS: ReadonlySet<string> = new Set(
  [
    "file",
    "folder",
    "link",
    "attributes",
    "move",
    "remove",
  ] satisfies Change["kind"][],
);

/**
 * The attributes to record; undefined if there are none.
 *
 * @throws {RangeError} When one cannot be recorded.
 */
function recordedAttributes(
  attributes: Attributes = {},
): Attributes | undefined {
  const { mode, uid, gid, mtime } = attributes;
  const limits = [["mode", mode, 0o7777], ["uid", uid, MAX_ID], [
    "gid",
    gid,
    MAX_ID,
  ]] as const;
  for (const [what, value, most] of limits) {
    if (value === undefined) continue;
    if (Number.isInteger(value) && value >= 0 && value <= most) continue;
    throw new RangeError(
      `Cannot record the ${what} ${value}: it must be a whole number from 0 to ${most}`,
    );
  }
  if (mtime !== undefined) {
    const year = mtime instanceof Date ? mtime.getUTCFullYear() : NaN;
    // Seven bytes, of which one is for the year (Rock Ridge, TF).
    if (!(year >= 1900 && year <= 2155)) {
      throw new RangeError(
        `Cannot record the time ${mtime}: it must be a Date from 1900 to 2155`,
      );
    }
  }
  const isAny = [mode, uid, gid, mtime].some((value) => value !== undefined);
  return isAny ? attributes : undefined;
}

/** The largest number of a user or group. */
const MAX_ID = 2 ** 32 - 1;

/** The change with a path that means the same file wherever the program goes. */
export function withAbsoluteSource(change: Change): Change {
  return change.kind === "file" && typeof change.source === "string"
    ? { ...change, source: absolutePath(change.source) }
    : change;
}

/** The bytes as they are now: later on, of a buffer that was transferred nothing is left. */
function viewOf(bytes: Uint8Array): Uint8Array {
  requireAttached(bytes);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Makes ready a file on disk; with `verify`, its MD5 is to be compared. */
async function prepareFile(
  file: string,
  verify: boolean,
  onBytes: (count: number) => void,
): Promise<Prepared> {
  const source = await openSource(file);
  if (!verify) return { source };
  const md5 = await md5Of(source, onBytes);
  return { source, md5, isVerified: true };
}
