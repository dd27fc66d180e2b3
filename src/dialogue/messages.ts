/**
 * xorriso's messages in, the code of their root cause out.
 *
 * xorriso reports a failure as several lines, each by the layer that noticed it: libburn tells that
 * the device is busy, then that it is no usable drive, then xorriso that the drive cannot be
 * acquired. What helps the caller is the first cause. So each text that is known to follow from
 * another is marked as such in one table, and never wins over a cause.
 *
 * Every text is matched from its start, behind origin and severity, and up to the first file name in
 * it: a name may contain anything, also the words of other messages.
 */
import type { XorrisoErrorCode } from "../errors.ts";

/** A problem in xorriso's messages. */
export interface Problem {
  /** What went wrong. */
  readonly code: XorrisoErrorCode;
  /** The line that tells the root cause. */
  readonly line: string;
  /** The severity of that line, as xorriso spells it; a NOTE can be the cause. */
  readonly severity: string;
  /** All lines that tell of problems, oldest first. */
  readonly lines: readonly string[];
}

/** Sizes in bytes of what does not fit. */
export interface Shortage {
  /** Bytes that the session needs. */
  readonly needed: number;
  /** Bytes that are free on the medium; missing where only the drive refused. */
  readonly free?: number;
}

/** From harmless to fatal; what xorriso calls a problem starts at SORRY. */
const SEVERITIES = [
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

type Severity = typeof SEVERITIES[number];

const GRAMMAR = new RegExp(
  `^(xorriso|libburn|libisofs|libisoburn|libjte) ?: (${
    SEVERITIES.join("|")
  }) : (.*)$`,
  "s",
);

/** One message; several lines of input if a file name in it has line ends. */
interface Message {
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
 * - hint: below a problem, but the cause if what follows from it comes next;
 * - verdict: follows from a cause, and tells the code where no rule knows that cause;
 * - follow: follows from a cause, and tells the code only where nothing else does;
 * - summary: tells that there was a problem, not which.
 */
type Role = "cause" | "doubt" | "hint" | "verdict" | "follow" | "summary";

/** Tells the code from the text and from the messages around it. */
type Decide = (text: string, around: Surroundings) => XorrisoErrorCode;

interface Surroundings {
  readonly messages: readonly Message[];
  /** Of the message that the text is from. */
  readonly index: number;
}

interface Rule {
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
type Operation = "read" | "write" | "blank" | "other";

interface Sense {
  readonly key?: number;
  readonly asc?: number;
  readonly ascq?: number;
  readonly operation?: Operation;
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

function operationOf(text: string): Operation {
  if (/\bread/i.test(text)) return "read";
  if (/blank|format/i.test(text)) return "blank";
  return /write|reserve|close|synchronize|opc/i.test(text) ? "write" : "other";
}

/** Media on which xorriso itself derives the status from the ISO 9660 head. */
const OVERWRITEABLE =
  /^Media current: (stdio file, overwriteable|DVD-RAM|DVD\+RW|DVD-RW restricted overwrite|BD-RE)/;

/**
 * No volume descriptor where the image should begin. The `Media ...` lines of the same opening come
 * behind and tell more:
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

/** Codes that explain why no volume descriptor was found. */
const DAMAGE: ReadonlySet<XorrisoErrorCode> = new Set<XorrisoErrorCode>([
  "DRIVE_LOST",
  "NOT_READY",
  "NO_MEDIUM",
  "READ_ERROR",
  "IMAGE_DAMAGED",
]);

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
    /^Failed to find (session|track|volid|auto|lba|sbsector) /,
    "-load : Given address does not point to an ISO 9660 session",
  ),
  cause(
    "IMAGE_DAMAGED",
    /^Read start address \d+s larger than number of readable blocks \d+/,
    "Checksum mismatch between checksum tag and data blocks",
    "Checksum mismatch in System Area, Volume Descriptors, or directory tree",
    "Image loading aborted due to MD5 mismatch of image tree data",
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

  // What xorriso was told.
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

const UNKNOWN: Rule = cause("UNKNOWN", "");

/**
 * Texts that come outside the grammar, most of them straight from a library to stderr, and the
 * severity they deserve.
 */
const RAW: readonly (readonly [RegExp, Severity])[] = [
  [/^UNIX-SIGNAL\b/, "ABORT"],
  [
    /^--- (Path string overflow|oversized directory entry|execution of) /,
    "FAILURE",
  ],
  [/^aborting : -abort_on /, "NOTE"],
];

/**
 * Finds the root cause in xorriso's messages.
 *
 * @param messages The messages of one exchange, without packet prefixes and line ends.
 * @returns The problem, or undefined where nothing went wrong.
 */
export function findProblem(messages: readonly string[]): Problem | undefined {
  return judge(readMessages(messages));
}

/**
 * Tells the code of the root cause in a piece of xorriso's stderr.
 *
 * The first cause wins over what follows from it. File names in the messages have no influence,
 * whatever they contain. A problem that no rule knows is `UNKNOWN`, never ignored; it is the answer
 * also if a known problem comes behind it, which may be its consequence.
 *
 * The texts are those of xorriso 1.5.4 under `LC_ALL=C.UTF-8`; its manual describes the severities
 * under "-abort_on".
 *
 * @param stderr What xorriso wrote to stderr, or the output of a run with `-pkt_output on`, of which
 * the lines of the I channel count, with or without their prefix. It may hold several commands, and
 * may begin or end anywhere.
 * @returns The code, or undefined where nothing went wrong.
 *
 * @example The cause counts, not what follows from it
 * ```ts
 * import { classify } from "@xorriso/backend";
 *
 * const code = classify(`
 * libburn : SORRY : Cannot open busy device '/dev/sr0' : Device or resource busy
 * libburn : FAILURE : Cannot access '/dev/sr0' as SG_IO CDROM drive
 * xorriso : FAILURE : Cannot acquire drive '/dev/sr0'
 * `);
 * if (code !== "DRIVE_BUSY") throw new Error(code);
 * ```
 */
export function classify(stderr: string): XorrisoErrorCode | undefined {
  return judge(exchanges(stderr).flatMap(readMessages))?.code;
}

/**
 * Reads how much does not fit, where xorriso tells.
 *
 * @param messages xorriso's messages, without packet prefixes.
 * @returns Sizes in bytes, or undefined without such a line.
 */
export function parseShortage(
  messages: readonly string[],
): Shortage | undefined {
  const texts = readMessages(messages).map(({ text }) => text);
  for (const text of texts) {
    const found = /^Image size (\d+)s exceeds free space on media (\d+)s/.exec(
      text,
    );
    if (found === null) continue;
    return { needed: Number(found[1]) * 2048, free: Number(found[2]) * 2048 };
  }
  for (const text of texts) {
    const found = /^Cannot reserve track of (\d+) bytes/.exec(text);
    if (found !== null) return { needed: Number(found[1]) };
  }
  return undefined;
}

interface Finding {
  readonly message: Message;
  readonly role: Role;
  readonly code: XorrisoErrorCode;
  /** No rule knows the text. */
  readonly unknown: boolean;
}

function judge(messages: readonly Message[]): Problem | undefined {
  const findings = withoutIdleHints(messages.flatMap(finding));
  const root = findRoot(findings);
  if (root === undefined) return undefined;
  const told = new Set(
    findings.filter(({ role }) => role !== "summary").map((it) => it.message),
  );
  return {
    code: root.code,
    line: root.message.line,
    severity: root.message.severity ?? "",
    lines: told.size === 0 ? [root.message.line] : problemLines(messages, told),
  };
}

function finding(
  message: Message,
  index: number,
  messages: readonly Message[],
): Finding[] {
  const { severity, text } = message;
  if (severity === undefined) return [];
  const rank = SEVERITIES.indexOf(severity);
  const known = RULES.find(({ from, texts }) =>
    rank >= SEVERITIES.indexOf(from) &&
    texts.some((start) =>
      typeof start === "string" ? text.startsWith(start) : start.test(text)
    )
  );
  if (known === undefined && rank < SEVERITIES.indexOf("SORRY")) return [];
  const { role, code } = known ?? UNKNOWN;
  return [{
    message,
    role: role === "hint" && severity !== "NOTE" ? "cause" : role,
    code: typeof code === "function" ? code(text, { messages, index }) : code,
    unknown: known === undefined,
  }];
}

/** A hint counts only if the next problem is one that follows from it. */
function withoutIdleHints(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ role }, index) =>
    role !== "hint" ||
    findings.slice(index + 1).find((later) => later.role !== "hint")?.role ===
      "follow"
  );
}

function findRoot(findings: readonly Finding[]): Finding | undefined {
  const causes = findings.filter(({ role }) =>
    role === "cause" || role === "doubt" || role === "hint"
  );
  const [first] = causes;
  if (first?.role === "doubt") {
    const damage = ({ role, code }: Finding) =>
      role === "cause" && DAMAGE.has(code);
    return causes.find(damage) ?? first;
  }
  if (first?.unknown) {
    const later = findings.slice(findings.indexOf(first));
    const said = later.find(({ role }) => role === "verdict");
    return { ...first, code: said?.code ?? first.code };
  }
  const follows = findings.filter(({ role }) => role !== "summary");
  return first ?? follows[0] ?? findings[0];
}

/** libisofs tells the reason of the line before in a NOTE of its own. */
const REASON = " > Caused by: ";

function problemLines(
  messages: readonly Message[],
  told: ReadonlySet<Message>,
): string[] {
  return messages.filter((message, index) => {
    const before = messages[index - 1];
    return told.has(message) ||
      before !== undefined && told.has(before) &&
        message.text.startsWith(REASON);
  }).map(({ line }) => line);
}

/** The lines of a text by exchange, so far as its form shows where one ends. */
function exchanges(text: string): string[][] {
  const lines = text.split(/\r\n|[\r\n]/);
  const packets = lines.some((line) => PACKET.test(line));
  const parts: string[][] = [[]];
  for (const line of lines) {
    const [, channel, payload = line] = PACKET.exec(line) ?? [];
    if (channel === "M" || !packets && line === PROMPT) parts.push([]);
    else if (channel !== "R") parts[parts.length - 1]?.push(payload);
  }
  return parts;
}

const PACKET = /^([RIM]):[01]: ?(.*)$/;
const PROMPT = "enter option and arguments :";

/** Puts lines together to messages. */
function readMessages(lines: readonly string[]): Message[] {
  const [start, end] = jolietWarnings(lines);
  const messages: Message[] = [];
  for (let index = 0; index < lines.length; index++) {
    if (index === start) index = end;
    if (lines[index] === "") continue;
    const more = continuation(lines, index);
    const line = lines.slice(index, index + 1 + more).join("\n");
    if (line !== "") messages.push(readMessage(line));
    index += more;
  }
  return messages;
}

/** With an odd number of quotes in it, xorriso encodes also the line end of a message. */
const ENCODED_END = /\\n$/;

function readMessage(encoded: string): Message {
  const line = encoded.replace(ENCODED_END, "");
  const [, , severity, text] = GRAMMAR.exec(line) ?? [];
  if (isSeverity(severity)) return { line, severity, text: text ?? "" };
  const plain = line.replace(/^xorriso : (?=aborting : )/, "");
  const [, raw] = RAW.find(([pattern]) => pattern.test(plain)) ?? [];
  return { line, severity: raw, text: plain };
}

function isSeverity(word: string | undefined): word is Severity {
  return SEVERITIES.some((severity) => severity === word);
}

/** A path has at most 4095 bytes, and there are at most two in a message. */
const MAX_MESSAGE = 10_000;

/**
 * How many lines the message at `index` has beyond its first one.
 *
 * A file name may contain line ends. xorriso encodes them if it was told so, else they come as they
 * are, and the next line may look like a message of its own. In its own quoting an open quote shows
 * that the name goes on. libisofs does not quote: its message is over where its known end comes.
 */
function continuation(lines: readonly string[], index: number): number {
  const first = lines[index] ?? "";
  const isOver = LIBISOFS_FILE.test(first)
    ? endsFile
    : QUOTING.test(first)
    ? closesQuotes
    : () => true;
  if (isOver(first)) return 0;
  let text = first;
  for (let more = 1; text.length <= MAX_MESSAGE; more++) {
    const next = lines[index + more];
    if (next === undefined) return 0;
    text += `\n${next}`;
    if (/[.']/.test(next) && isOver(text)) return more;
  }
  return 0;
}

const LIBISOFS_FILE = /^libisofs: MISHAP : (File|Size of file) "/;

function endsFile(text: string): boolean {
  return /( can't be opened\. Filling with 0s\.| has changed\. It will be .*)(\\n)?$/
    .test(text);
}

/** Lines that have file names between single quotes, in xorriso's own quoting but for libburn's. */
const QUOTING =
  /^(xorriso : (?!FAILURE : Incomplete quotation )|libburn : |[A-Z][a-z]+ (to|from|directory in) |Updating |Drive current: ).*'/;

/** An apostrophe inside a word opens no quote. */
function closesQuotes(text: string): boolean {
  const rest = text.replace(/(?<=^|[\s=(])(?:'[^']*'|"[^"]*")+/g, "");
  return !/(?<=^|[\s=(])'/.test(rest);
}

/**
 * The lines from the first to the last warning about names that do not fit into a Joliet tree, or
 * [-1, -1]. They tell of no problem, and have the names raw between double quotes, which xorriso
 * encodes only so far as the quotes in the names allow. libisofs prints them in one go while it
 * builds the tree, so nothing else is lost with them.
 */
function jolietWarnings(lines: readonly string[]): [number, number] {
  const start = lines.findIndex((line) => JOLIET_START.test(line));
  if (start < 0) return [-1, -1];
  const sum = lines.findLastIndex((line) => JOLIET_SUM.test(line));
  const end = lines.findLastIndex((line, index) =>
    JOLIET_END.test(line) && (sum < 0 || index < sum)
  );
  return end < start ? [-1, -1] : [start, end + 1];
}

const JOLIET_START =
  /^libisofs: WARNING : (Filename not suitable for Joliet character set UCS-2 : "|File ")/;
const JOLIET_END = /("|because its path length is larger than 240)(\\n)?$/;
const JOLIET_SUM =
  /^libisofs: WARNING : Sum of filenames not suitable for Joliet /;
