/** The one error class of this module, and the union of its codes. */

/**
 * What went wrong, as one stable word.
 *
 * A code is part of the API: it does not change with the wording of xorriso's messages.
 *
 * | code | when |
 * |---|---|
 * | NO_DRIVE | the device or image does not exist, or is neither |
 * | DRIVE_BUSY | it is mounted, or another program has it open, or may still write to it |
 * | DRIVE_LOST | the drive has stopped answering |
 * | NOT_READY | the drive is not ready yet |
 * | PERMISSION_DENIED | the operating system refuses the device, image or folder |
 * | NO_MEDIUM | there is no medium, or the tray is open |
 * | NOT_ISO | the medium or file holds something else |
 * | IMAGE_DAMAGED | volume descriptor, tree or chain of sessions cannot be trusted |
 * | MEDIUM_NOT_WRITABLE | it is closed, write-protected, or was opened for reading |
 * | MEDIUM_FULL | it does not fit; `needed` and `free` are in bytes |
 * | MEDIUM_CHANGED | medium or image was exchanged, or another program has written to it |
 * | VOLUME_MISMATCH | it has another volume id than asserted |
 * | SESSION_NOT_FOUND | there is no such session on it |
 * | READ_ERROR | the medium failed at a block while reading |
 * | WRITE_ERROR | the medium failed while writing |
 * | BLANK_FAILED | it could not, or cannot, be blanked or formatted |
 * | ENTRY_NOT_FOUND | there is no such file on the medium |
 * | ENTRY_EXISTS | the name is taken: with `overwrite: false`, by a directory, or by a file above it |
 * | NAME_TOO_LONG | a name, or many of over 104 bytes in one folder, that xorriso cannot store |
 * | SOURCE_UNREADABLE | a file to be stored is not there, no regular file, or cannot be read |
 * | SOURCE_CHANGED | a file to be stored has changed meanwhile; it was not stored |
 * | TARGET_EXISTS | there is a file already where one is to be restored |
 * | TARGET_UNWRITABLE | a file cannot be restored there; or the disk is full |
 * | TOO_MANY_FILES | the program or the machine has too many files open; retryable |
 * | CHECKSUM_MISMATCH | content differs from its recorded checksum; or `verify` found none recorded |
 * | INVALID_COMMAND | xorriso does not know a command or value |
 * | ABORTED | xorriso was stopped, or the change was rolled back |
 * | SESSION_LOST | the xorriso process has died |
 * | TIMEOUT | xorriso has been silent for too long |
 * | PROTOCOL | the program does not talk like xorriso 1.5.2 or later |
 * | CLOSED | the session or backend was closed before the call |
 * | UNKNOWN | a problem that no rule knows; its line is in `messages` |
 */
export type XorrisoErrorCode =
  | "NO_DRIVE"
  | "DRIVE_BUSY"
  | "DRIVE_LOST"
  | "NOT_READY"
  | "PERMISSION_DENIED"
  | "NO_MEDIUM"
  | "NOT_ISO"
  | "IMAGE_DAMAGED"
  | "MEDIUM_NOT_WRITABLE"
  | "MEDIUM_FULL"
  | "MEDIUM_CHANGED"
  | "VOLUME_MISMATCH"
  | "SESSION_NOT_FOUND"
  | "READ_ERROR"
  | "WRITE_ERROR"
  | "BLANK_FAILED"
  | "ENTRY_NOT_FOUND"
  | "ENTRY_EXISTS"
  | "NAME_TOO_LONG"
  | "SOURCE_UNREADABLE"
  | "SOURCE_CHANGED"
  | "TARGET_EXISTS"
  | "TARGET_UNWRITABLE"
  | "TOO_MANY_FILES"
  | "CHECKSUM_MISMATCH"
  | "INVALID_COMMAND"
  | "ABORTED"
  | "SESSION_LOST"
  | "TIMEOUT"
  | "PROTOCOL"
  | "CLOSED"
  | "UNKNOWN";

/** What a {@linkcode XorrisoError} carries besides its code and message. */
export type XorrisoErrorOptions =
  & ErrorOptions
  & Partial<Pick<XorrisoError, "messages" | "path" | "needed" | "free">>;

/** Conditions that pass by themselves. */
const RETRYABLE: ReadonlySet<XorrisoErrorCode> = new Set<XorrisoErrorCode>([
  "DRIVE_BUSY",
  "NOT_READY",
  "TOO_MANY_FILES",
]);

/**
 * A failure of the drive, the medium, the session or a file in it.
 *
 * Bad arguments are `TypeError` or `RangeError`, missing Deno permissions are
 * `Deno.errors.NotCapable`, a missing xorriso is `Deno.errors.NotFound`, and an abort rethrows the
 * signal's reason: none of these is a `XorrisoError`.
 *
 * @example Decide by the code
 * ```ts
 * import { XorrisoBackend, XorrisoError } from "@xorriso/backend";
 *
 * try {
 *   await XorrisoBackend.open("xorriso:///nowhere/photos.iso");
 * } catch (error) {
 *   if (!(error instanceof XorrisoError) || error.code !== "NO_DRIVE") throw error;
 * }
 * ```
 */
export class XorrisoError extends Error {
  /** What went wrong, as one stable word. */
  readonly code: XorrisoErrorCode;
  /** xorriso's own lines that tell the problem, oldest first; empty if xorriso was not asked. */
  readonly messages: readonly string[];
  /** The path on disk or on the medium that the error is about, if it is about one. */
  readonly path: string | undefined;
  /** Bytes that the change needs, with MEDIUM_FULL where it is known. */
  readonly needed: number | undefined;
  /** Bytes that are free on the medium, with MEDIUM_FULL where it is known. */
  readonly free: number | undefined;

  /**
   * Makes an error.
   *
   * @param code What went wrong.
   * @param message What failed, on what, and what to do about it.
   * @param options xorriso's lines, the path, and sizes in bytes.
   */
  constructor(
    code: XorrisoErrorCode,
    message: string,
    options: XorrisoErrorOptions = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : {});
    this.name = "XorrisoError";
    this.code = code;
    this.messages = options.messages ?? [];
    this.path = options.path;
    this.needed = options.needed;
    this.free = options.free;
  }

  /** Whether the condition passes by itself, so that the same call may succeed later. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

/** What to do about a condition. */
const ADVICE: Readonly<Partial<Record<XorrisoErrorCode, string>>> = {
  NO_DRIVE: "check the address of the drive or image",
  DRIVE_BUSY: "end the other program that uses it, or unmount it",
  DRIVE_LOST: "check the cable and the power of the drive",
  NOT_READY: "wait until the drive is ready",
  PERMISSION_DENIED: "ask the owner for permission",
  NO_MEDIUM: "insert a medium and close the tray",
  NOT_ISO: "use a blank medium or one with an ISO 9660 image",
  IMAGE_DAMAGED: "do not write to it; read what an older session still has",
  MEDIUM_NOT_WRITABLE: "use another medium",
  MEDIUM_FULL: "store less, or use another medium",
  MEDIUM_CHANGED: "open it again",
  NAME_TOO_LONG:
    "store fewer long names in one folder, or use xorriso 1.5.6 or newer",
  READ_ERROR: "clean the medium, or try another drive",
  WRITE_ERROR: "use another medium",
  BLANK_FAILED: "use another medium",
};

/** The end of a message, which says what to do: `; try this`, or nothing. */
export function advice(code: XorrisoErrorCode): string {
  const text = ADVICE[code];
  return text === undefined ? "" : `; ${text}`;
}

/** Whether something that was thrown is an error of this module with a code. */
export function isCode(
  error: unknown,
  code: XorrisoErrorCode,
): error is XorrisoError {
  return error instanceof XorrisoError && error.code === code;
}

/** How an error of the operating system becomes one of this module. */
export interface SystemFailure {
  /** What failed, on what: `Cannot read "/a"`. */
  readonly doing: string;
  /** The path that it is about. */
  readonly path?: string;
  /** The code, unless `codes` has one. */
  readonly code: XorrisoErrorCode;
  /** Codes by the names of errno(3): `ENOENT`. */
  readonly codes?: Readonly<Record<string, XorrisoErrorCode>>;
  /** Reasons in place of the system's own, by the same names. */
  readonly reasons?: Readonly<Record<string, string>>;
  /** What to do. */
  readonly advice?: string;
}

/** Reasons that have nothing to do with the path: the code is TOO_MANY_FILES. */
const COMMON_REASONS: Readonly<Record<string, string>> = {
  EMFILE:
    "this program has too many files open; close some, or raise the limit (ulimit -n)",
  ENFILE:
    "too many files are open on this machine; end a program, or try later",
};

/**
 * Makes an error of this module of one of the operating system. All others, such as missing permissions
 * and bad arguments, are returned as they are.
 */
export function systemError(cause: unknown, failure: SystemFailure): unknown {
  const name = systemName(cause);
  if (name === undefined) return cause;
  const { doing, path, code, codes = {}, reasons = {} } = failure;
  const common = COMMON_REASONS[name];
  const reason = common ?? reasons[name] ?? reasonOf(cause);
  return new XorrisoError(
    common !== undefined ? "TOO_MANY_FILES" : codes[name] ?? code,
    `${doing}: ${reason}` + (failure.advice ? `; ${failure.advice}` : ""),
    { path, cause },
  );
}

/** Names of errors for which Deno 2.9 has only their numbers (Linux). */
const UNNAMED: Readonly<Record<string, string>> = {
  23: "ENFILE",
  122: "EDQUOT",
};

/** The name of an error in errno(3), or `E` and its number; undefined for all other errors. */
export function systemName(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof XorrisoError) return;
  const named = "code" in error && /^E[A-Z0-9]+$/.exec(String(error.code))?.[0];
  const number = /\(os error (\d+)\)/.exec(error.message)?.[1];
  if (named || number === undefined) return named || undefined;
  return UNNAMED[number] ?? `E${number}`;
}

/** The reason that the operating system gives, without what Deno and node:fs, each in its way, add to it. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\).*$/s, "").replace(
    /^E[A-Z0-9]+: (.)(.*?), \w+( '.*)?$/s,
    (_, first, rest) => first.toUpperCase() + rest,
  );
}
