/**
 * The table of messages: each text that xorriso and its libraries are known to print, and what it
 * says about the cause of a failure.
 */

import type { XorrisoErrorCode } from "../errors.ts";

/** From harmless to fatal; what xorriso calls a problem starts at SORRY. */
export const SEVERITIES = [
  "DEBUG",
  "UPDATE",
  "NOTE",
  "HINT",
  "WARNING",
  "SORRY",
  "MISHAP",
  "FAILURE",
  "FATAL",
  "ABORT",
] as const;

export type Severity = typeof SEVERITIES[number];

/** One message; several lines of input if a file name in it has line ends. */
export interface Message {
  readonly line: string;
  /** The line behind origin and severity. */
  readonly text: string;
  /** Undefined if the line is plain information. */
  readonly severity: Severity | undefined;
}

/**
 * What a message says about the root cause.
 * - cause: it is one, the first of these wins;
 * - doubt: a cause, unless another message tells of damage or of the drive;
 * - hint: no problem by its severity, but the cause if the next problem follows from it;
 * - verdict: follows from a cause, and tells the code where no rule knows that cause;
 * - follow: follows from a cause, and tells the code only where nothing else does;
 * - summary: tells that there was a problem, not which.
 */
export type Role =
  | "cause"
  | "doubt"
  | "hint"
  | "verdict"
  | "follow"
  | "summary";

/** Tells the code from the text and from the messages around it. */
type Decide = (text: string, around: Surroundings) => XorrisoErrorCode;

interface Surroundings {
  readonly messages: readonly Message[];
  /** Of the message that the text is from. */
  readonly index: number;
}

export interface Rule {
  readonly role: Role;
  /** The lowest severity with which the text tells of a problem. */
  readonly from: Severity;
  readonly code: XorrisoErrorCode | Decide;
  /** How the text starts: literally, or a pattern that begins with `^`. */
  readonly texts: readonly (string | RegExp)[];
}

type Texts = readonly (string | RegExp)[];

function rule(role: Role, from: Severity) {
  return (code: XorrisoErrorCode | Decide, ...texts: Texts): Rule => ({
    role,
    from,
    code,
    texts,
  });
}

const cause = rule("cause", "SORRY");
const warning = rule("cause", "WARNING");
const doubt = rule("doubt", "WARNING");
const hint = rule("hint", "NOTE");
const verdict = rule("verdict", "SORRY");
const follow = rule("follow", "SORRY");
const summary = rule("summary", "NOTE");

/**
 * What the operating system says at the end of a message. It may be left over from an earlier call,
 * so it is only asked by rules whose text says that this very call failed.
 */
const SYSTEM_ERRORS: ReadonlyMap<string, XorrisoErrorCode> = new Map([
  ["Permission denied", "PERMISSION_DENIED"],
  ["Operation not permitted", "PERMISSION_DENIED"],
  ["Read-only file system", "MEDIUM_NOT_WRITABLE"],
  ["No space left on device", "MEDIUM_FULL"],
  ["File too large", "MEDIUM_FULL"],
  ["Disk quota exceeded", "MEDIUM_FULL"],
  ["Device or resource busy", "DRIVE_BUSY"],
  ["Text file busy", "DRIVE_BUSY"],
  ["No medium found", "NO_MEDIUM"],
  ["No such file or directory", "NO_DRIVE"],
  ["No such device", "NO_DRIVE"],
  ["No such device or address", "NO_DRIVE"],
  ["Not a directory", "NO_DRIVE"],
  ["Is a directory", "NO_DRIVE"],
  ["Too many levels of symbolic links", "NO_DRIVE"],
  ["Stale file handle", "DRIVE_LOST"],
  ["Transport endpoint is not connected", "DRIVE_LOST"],
]);

function bySystemError(otherwise: XorrisoErrorCode): Decide {
  return (text) => {
    const [, error = ""] = / : ([^:']+)$/.exec(text) ?? [];
    return SYSTEM_ERRORS.get(error) ?? otherwise;
  };
}

/** What a drive was asked to do when it answered with sense data. */
type DriveOperation = "read" | "write" | "blank" | "other";

interface Sense {
  readonly key?: number;
  readonly asc?: number;
  readonly ascq?: number;
  readonly operation?: DriveOperation;
  readonly code: XorrisoErrorCode;
}

/**
 * Sense data (sense key, additional sense code and its qualifier, as in MMC and SPC), the first
 * match counts: what the drive says about itself and its medium, then the operation that failed.
 */
const SENSES: readonly Sense[] = [
  { asc: 0x3a, code: "NO_MEDIUM" },
  { asc: 0x04, code: "NOT_READY" },
  { asc: 0x08, code: "DRIVE_LOST" }, // communication failure
  { asc: 0x27, code: "MEDIUM_NOT_WRITABLE" }, // write protected
  { key: 0x7, code: "MEDIUM_NOT_WRITABLE" }, // data protect
  { asc: 0x28, code: "MEDIUM_CHANGED" }, // medium may have changed
  { asc: 0x63, code: "MEDIUM_FULL" }, // end of user area
  { key: 0xd, code: "MEDIUM_FULL" }, // volume overflow
  // Out of range: beyond the end of the medium, or of what is readable.
  { asc: 0x21, ascq: 0x00, operation: "write", code: "MEDIUM_FULL" },
  { asc: 0x21, operation: "read", code: "IMAGE_DAMAGED" },
  { asc: 0x30, operation: "write", code: "MEDIUM_NOT_WRITABLE" }, // incompatible
  { asc: 0x64, operation: "read", code: "NOT_ISO" }, // audio track
  { operation: "blank", code: "BLANK_FAILED" },
  { operation: "read", code: "READ_ERROR" },
  { operation: "write", code: "WRITE_ERROR" },
  { key: 0x2, code: "NOT_READY" },
  { key: 0x3, code: "READ_ERROR" }, // medium error
  { key: 0x4, code: "DRIVE_LOST" }, // hardware error
  { key: 0xb, code: "DRIVE_LOST" }, // command aborted by the drive
];

/** `SCSI error on write(640,32): [3 0C 00] Medium error. Write error.` and its relatives. */
const SENSE_LINE =
  /^((?:Asynchronous )?SCSI error |Failed to (?:close|synchronize) )([^[]*)\[([0-9A-F]) ([0-9A-F]{2}) ([0-9A-F]{2})\]/;

function bySense(text: string): XorrisoErrorCode {
  const [, start = "", rest = "", ...numbers] = SENSE_LINE.exec(text) ?? [];
  const [key, asc, ascq] = numbers.map((digits) => Number.parseInt(digits, 16));
  const operation = operationOf(start + rest);
  return SENSES.find((sense) =>
    (sense.key ?? key) === key && (sense.asc ?? asc) === asc &&
    (sense.ascq ?? ascq) === ascq &&
    (sense.operation ?? operation) === operation
  )?.code ?? "UNKNOWN";
}

/** `Command: READ TRACK INFORMATION #66,[2 04 02] : 52 01 ...` behind a timeout. */
function byNextSense(
  _text: string,
  { messages, index }: Surroundings,
): XorrisoErrorCode {
  const next = messages[index + 1]?.text ?? "";
  const [, sense] = /^Command: .*,(\[. .. ..\]) : /.exec(next) ?? [];
  return sense === undefined
    ? "NOT_READY"
    : bySense(`SCSI error on command ${sense}`);
}

function operationOf(text: string): DriveOperation {
  if (/\bread/i.test(text)) return "read";
  if (/blank|format/i.test(text)) return "blank";
  return /write|reserve|close|synchronize|opc/i.test(text) ? "write" : "other";
}

/** Media on which xorriso itself derives the status from the ISO 9660 head. */
const OVERWRITEABLE =
  /^Media current: (stdio file, overwriteable|DVD-RAM|DVD\+RW|DVD-RW restricted overwrite|BD-RE)/;

/**
 * No volume descriptor where the image should begin. The `Media ...` lines of the same opening
 * follow, and tell more:
 * - the drive does not say what it holds, as with a reservation by another host;
 * - an overwriteable medium is appendable only if there is a valid head, so its image is cut;
 * - away from the start, on overwriteable media only by request, on others because the medium's own
 *   table has a session there.
 */
function withoutDescriptor(
  text: string,
  around: Surroundings,
): XorrisoErrorCode {
  const status = infoLine(around, "Media status : ");
  if (status.endsWith(": is not recognizable")) return "NOT_READY";
  const overwriteable = OVERWRITEABLE.test(infoLine(around, "Media current: "));
  if (!text.includes(" at LBA 0.")) {
    return overwriteable ? "SESSION_NOT_FOUND" : "IMAGE_DAMAGED";
  }
  return overwriteable && status.endsWith(", is appendable")
    ? "IMAGE_DAMAGED"
    : "NOT_ISO";
}

/** With -assert_volid the drive is given up at once, so that no `Media ...` lines follow. */
function withoutVolumeId(
  _text: string,
  { messages, index }: Surroundings,
): XorrisoErrorCode {
  const unsuitable = messages.findIndex(({ text }) =>
    text === "Disc status unsuitable for writing"
  );
  return unsuitable >= 0 && unsuitable < index ? "NOT_ISO" : "IMAGE_DAMAGED";
}

function withoutReadableMedium(
  _text: string,
  around: Surroundings,
): XorrisoErrorCode {
  const status = infoLine(around, "Media status : ");
  return status.endsWith(": is not recognizable") ? "NOT_READY" : "NO_MEDIUM";
}

/** The next line of information with this start. */
function infoLine({ messages, index }: Surroundings, start: string): string {
  return messages.find(({ severity, line }, place) =>
    place > index && severity === undefined && line.startsWith(start)
  )?.line ?? "";
}

/** A quoted file name as xorriso prints it. */
const NAME = `(?:'[^']*'|"[^"]*")+`;

/** The texts that xorriso and its libraries were seen to print, in this order of precedence. */
const RULES: readonly Rule[] = [
  // Stopped from outside. Signal handlers write this straight to stderr.
  rule("cause", "ABORT")("ABORTED", ""),

  // Getting at the drive.
  cause(
    "DRIVE_BUSY",
    "Cannot open busy device '",
    "Device busy. Failed to fcntl-lock '",
    "Could not grab drive - already in use",
    "Could not examine busy device '",
    "Application triggered abort on busy device '",
    "A drive operation is still going on",
  ),
  hint(bySystemError("UNKNOWN"), "Failed to open device '"),
  cause(
    bySystemError("UNKNOWN"),
    /^Failed to open device \(a pseudo-drive\)( for reading)? : /,
  ),
  cause(
    "NO_DRIVE",
    "File object '",
    "Neither stdio-path nor its directory exist",
    "Drive address '",
    "Does not identify itself as CD-ROM drive '",
  ),
  follow("NO_DRIVE", "Cannot access '", "Cannot acquire drive '"),
  follow("MEDIUM_NOT_WRITABLE", "No output drive acquired on attempt to write"),
  follow(
    "NO_DRIVE",
    "No ISO image present.",
    /^(-toc_of '\w+' : )?No (input |output )?drive acquired/,
  ),
  cause(
    "DRIVE_LOST",
    "Lost connection to drive",
    /^SCSI command [0-9A-F]+h yielded (host|driver) problem: /,
    "Failed to transfer command to drive",
    /^Timeout \(\d+ s\) with asynchronous SCSI command /,
  ),
  follow("DRIVE_LOST", "Drive is not grabbed on ", "Drive is already released"),
  cause(bySense, SENSE_LINE),
  cause(byNextSense, "Timeout exceed ("),
  follow("UNKNOWN", "CDB= ", "Command: "),

  // What is in the drive.
  cause(
    withoutReadableMedium,
    "Disc status not blank and unsuitable for reading",
  ),
  cause(
    "NO_MEDIUM",
    "No suitable media detected",
    "-check_media: No readable medium found",
  ),
  warning(
    "IMAGE_DAMAGED",
    /^ISO image size \d+s larger than readable size \d+s/,
    /^Chain of ISO session headers broken at #\d+, LBA \d+s/,
  ),
  doubt(withoutDescriptor, "No ISO 9660 image at LBA "),
  doubt(withoutVolumeId, "-assert_volid: Cannot determine Volume Id at LBA "),
  cause(
    "VOLUME_MISMATCH",
    "-assert_volid: Volume id does not match pattern: '",
  ),
  cause(
    "SESSION_NOT_FOUND",
    // Quoted from 1.5.8 on.
    /^Failed to find "?(session|track|volid|auto|lba|sbsector)"? /,
    "-load : Given address does not point to an ISO 9660 session",
  ),
  cause(
    "IMAGE_DAMAGED",
    /^Read start address \d+s larger than number of readable blocks \d+/,
    // What was checked is named from 1.5.8 on.
    /^((Session|Superblock|Relocated superblock|Directory tree) : )?Checksum mismatch between checksum tag and data blocks/,
    "Checksum mismatch in System Area, Volume Descriptors, or directory tree",
    /^Image loading aborted due to (MD5 mismatch of image (tree|meta) data|invalid MD5 checksum tag)/,
  ),
  // Of a tree that was about to be written, so nothing that was there is damaged: libisofs 1.5.4
  // miscounts folders with many names over 104 bytes.
  cause("NAME_TOO_LONG", "Image is most likely damaged."),
  cause("READ_ERROR", "Cannot read desired amount of data"),
  follow("READ_ERROR", "Read error occurred with IsoDataSource"),
  follow("READ_ERROR", "Cannot read all bytes from ISO file '"),
  follow("READ_ERROR", "Cannot obtain Table Of Content"),
  verdict("IMAGE_DAMAGED", "Cannot read ISO image tree"),

  // Writing.
  cause(
    "MEDIUM_FULL",
    /^Image size \d+s exceeds free space on media \d+s/,
    /^Cannot reserve track of \d+ bytes/,
  ),
  cause("MEDIUM_CHANGED", "Cannot determine next writeable address"),
  cause(
    "MEDIUM_NOT_WRITABLE",
    "Unsuitable target media state",
    "Pseudo-drive is a read-only file. Cannot write.",
    "Media not properly formatted. Cannot write.",
  ),
  cause(
    bySystemError("WRITE_ERROR"),
    /^Cannot write desired amount of .*\b(write|fsync)\(2\) returned -1\b/,
  ),
  cause(
    "WRITE_ERROR",
    "Cannot write desired amount of ",
    "Write start address not supported",
  ),
  verdict("WRITE_ERROR", "Could not write new set of volume descriptors"),
  follow(
    "MEDIUM_NOT_WRITABLE",
    "-indev differs from -outdev and -outdev media ",
    "Failed to prepare session write run",
  ),
  follow(
    "WRITE_ERROR",
    "Image write cancelled",
    "Premature end of input encountered.",
    "Burn run failed",
    "libburn indicates failure with writing.",
  ),
  cause(
    "BLANK_FAILED",
    "Media is not of erasable type",
    "Drive and media state unsuitable for blanking.",
    "BD-R not unformatted blank any more. Cannot format.",
    "Will not format media type ",
  ),
  verdict("BLANK_FAILED", "Blanking failed."),
  verdict("BLANK_FAILED", "libburn indicates failure with formatting."),

  // Names on the medium.
  cause(
    "ENTRY_NOT_FOUND",
    "Cannot find path '",
    "Cannot determine attributes of (ISO) source file '",
  ),
  warning("ENTRY_NOT_FOUND", "Not found in ISO image: '"),
  follow("ENTRY_NOT_FOUND", "Current -cd path does not yet exist"),
  cause(
    "ENTRY_EXISTS",
    new RegExp(`^While grafting ${NAME} : file object exists`),
    new RegExp(`^${NAME} in loaded ISO image is a directory`),
    "Directory not empty on attempt to delete: '",
    "Renaming: May not overwrite: '",
    /^-\w+: Address already existing:? '/,
    /^-\w+: more than one origin given, destination is a non-directory: '/,
  ),

  // Files to be stored. What vanishes after it was staged has changed.
  cause(
    "SOURCE_CHANGED",
    /^File ".*" can't be opened\. Filling with 0s\.$/s,
    /^Size of file ".*" has changed\. It will be (padded with 0's|truncated)$/s,
    "Content of file '",
  ),
  cause(
    "SOURCE_UNREADABLE",
    "Cannot determine attributes of source file '",
    "Access to file is not allowed: '",
    "File exceeds size limit of ",
    "Read error in file ",
    "-cut_out: ",
    "Missing on disk and in ISO: disk_path '",
  ),
  follow("SOURCE_UNREADABLE", "Grafting failed:", "Filling with 0"),

  // Files to be restored.
  cause(
    "CHECKSUM_MISMATCH",
    "MD5 of extracted data does not match recorded MD5 of file '",
  ),
  warning(
    "CHECKSUM_MISMATCH",
    "Event triggered by MD5 comparison mismatch",
    /^Found NON-MATCHING MD5 \w+ tag: /,
  ),
  cause(
    "TARGET_UNWRITABLE",
    "Cannot write all bytes to disk filesystem path '",
    "Cannot restore regular file to disk filesystem: '",
    "While restoring '",
    "Attempt to replace DISK directory '",
    "Cannot open path '",
    "-concat: Cannot open file handle to '",
    "Unsuitable -concat target: '",
  ),
  follow("TARGET_UNWRITABLE", "Restoring failed:"),

  // Commands and their words.
  cause(
    "INVALID_COMMAND",
    "Not a known command:",
    "Incomplete quotation in ",
    "--- Path string overflow ",
    /^-[a-z][a-z0-9_]*[ :]/,
  ),

  summary(
    "UNKNOWN",
    /^Tolerated problem event of severity '(SORRY|MISHAP|FAILURE|FATAL|ABORT)'$/,
    "aborting : -abort_on '",
  ),
];

/** What a message with this severity and text says; undefined where no rule knows it. */
export function findRule(severity: Severity, text: string): Rule | undefined {
  const rank = SEVERITIES.indexOf(severity);
  return RULES.find(({ from, texts }) =>
    rank >= SEVERITIES.indexOf(from) &&
    texts.some((start) =>
      typeof start === "string" ? text.startsWith(start) : start.test(text)
    )
  );
}
