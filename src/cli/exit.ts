/** What an error means to who called the program: an exit code, a code word, a message in flags. */
import { XorrisoError, type XorrisoErrorCode } from "../errors.ts";
import { formatBytes, formatDate } from "./terminal.ts";

/** Exit codes, as the help has them. */
export const EXIT = {
  done: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  medium: 4,
  permission: 5,
  checksum: 6,
  incomplete: 7,
  interrupted: 130,
} as const;

/** The exit codes of error codes; all others are failures. */
export const EXIT_CODES: Readonly<Partial<Record<XorrisoErrorCode, number>>> = {
  SESSION_NOT_FOUND: EXIT.notFound,
  ENTRY_NOT_FOUND: EXIT.notFound,
  NO_DRIVE: EXIT.medium,
  DRIVE_BUSY: EXIT.medium,
  DRIVE_LOST: EXIT.medium,
  NOT_READY: EXIT.medium,
  NO_MEDIUM: EXIT.medium,
  NOT_ISO: EXIT.medium,
  IMAGE_DAMAGED: EXIT.medium,
  MEDIUM_NOT_WRITABLE: EXIT.medium,
  MEDIUM_FULL: EXIT.medium,
  MEDIUM_CHANGED: EXIT.medium,
  VOLUME_MISMATCH: EXIT.medium,
  READ_ERROR: EXIT.medium,
  WRITE_ERROR: EXIT.medium,
  BLANK_FAILED: EXIT.medium,
  PERMISSION_DENIED: EXIT.permission,
  CHECKSUM_MISMATCH: EXIT.checksum,
};

/** A command line that means nothing. */
export class UsageError extends Error {}

/** Nobody reads standard output any more: no failure of this program, but there is no more to do. */
export class OutputClosed extends Error {}

/** The user has interrupted the program. */
export class Interrupted extends Error {}

/** Exit code and code word of any error. */
export function verdictOf(error: unknown): { exit: number; code: string } {
  if (error instanceof XorrisoError) {
    return { exit: EXIT_CODES[error.code] ?? EXIT.failure, code: error.code };
  }
  if (error instanceof Interrupted) {
    return { exit: EXIT.interrupted, code: "INTERRUPTED" };
  }
  if (error instanceof Deno.errors.NotCapable) {
    return { exit: EXIT.permission, code: "NOT_CAPABLE" };
  }
  // Files that are not there are a XorrisoError; what is left is the executable.
  if (error instanceof Deno.errors.NotFound) {
    return { exit: EXIT.permission, code: "NO_XORRISO" };
  }
  const isUsage = error instanceof UsageError || error instanceof TypeError ||
    // What the engine itself cannot do is no fault of the command line: "Maximum call stack size exceeded".
    error instanceof RangeError &&
      !/^(Maximum|Invalid|Array)/.test(error.message);
  return isUsage
    ? { exit: EXIT.usage, code: "USAGE" }
    : { exit: EXIT.failure, code: "UNKNOWN" };
}

/** The flags that stand for options of the module which its messages name. */
const OPTION_FLAGS: Readonly<Record<string, string>> = {
  create: "--create",
  force: "--force",
  recover: "--recover",
  lockTimeout: "--wait",
  mirror: "--mirror",
  overwrite: "--overwrite",
  readOnly: "get",
  recursive: "--recursive",
  volumeId: "--volume-id",
  xorrisoPath: "--xorriso-path",
  tempDir: "TMPDIR",
};

/**
 * The message of an error in words of the command line: flags in place of options, sizes for people, local
 * times; what is quoted stays as it is.
 */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const sizes = error instanceof XorrisoError ? [error.needed, error.free] : [];
  return message.replace(
    /"(?:[^"\\]|\\.)*"|\b(with|by|add) (\w+)|\b\d{4}-\d\d-\d\dT\S+Z|\b(\d+)( bytes)?/g,
    (text, verb, option, number) => {
      if (text.endsWith("Z")) return formatDate(new Date(text));
      if (sizes.includes(Number(number))) return formatBytes(Number(number));
      const flag = Object.hasOwn(OPTION_FLAGS, option ?? "") &&
        OPTION_FLAGS[option];
      return flag ? `${verb} ${flag}` : text;
    },
  );
}
