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
import { BLOCK } from "../medium.ts";
import {
  findRule,
  type Message,
  type Role,
  SEVERITIES,
  type Severity,
} from "./rules.ts";

/** A problem in xorriso's messages. */
export interface Problem {
  /** What went wrong. */
  readonly code: XorrisoErrorCode;
  /** The line that tells the root cause; a NOTE can be it. */
  readonly line: string;
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

const GRAMMAR = new RegExp(
  `^(xorriso|libburn|libisofs|libisoburn|libjte) ?: (${
    SEVERITIES.join("|")
  }) : (.*)$`,
  "s",
);

/** Codes that explain why no volume descriptor was found. */
const DAMAGE: ReadonlySet<XorrisoErrorCode> = new Set<XorrisoErrorCode>([
  "DRIVE_LOST",
  "NOT_READY",
  "NO_MEDIUM",
  "READ_ERROR",
  "IMAGE_DAMAGED",
]);

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
  return findRootCause(readMessages(messages));
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
  return findRootCause(exchanges(stderr).flatMap(readMessages))?.code;
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
    return { needed: Number(found[1]) * BLOCK, free: Number(found[2]) * BLOCK };
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

function findRootCause(messages: readonly Message[]): Problem | undefined {
  const findings = withoutIdleHints(messages.flatMap(finding));
  const root = findRoot(findings);
  if (root === undefined) return undefined;
  const problems = new Set(
    findings.filter(({ role }) => role !== "summary").map((it) => it.message),
  );
  return {
    code: root.code,
    line: root.message.line,
    lines: problems.size === 0
      ? [root.message.line]
      : problemLines(messages, problems),
  };
}

function finding(
  message: Message,
  index: number,
  messages: readonly Message[],
): Finding[] {
  const { severity, text } = message;
  if (severity === undefined) return [];
  const known = findRule(severity, text);
  if (known === undefined) {
    return SEVERITIES.indexOf(severity) < SEVERITIES.indexOf("SORRY")
      ? []
      : [{ message, role: "cause", code: "UNKNOWN", unknown: true }];
  }
  const { role, code } = known;
  return [{
    message,
    role: role === "hint" && severity !== "NOTE" ? "cause" : role,
    code: typeof code === "function" ? code(text, { messages, index }) : code,
    unknown: false,
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
  problems: ReadonlySet<Message>,
): string[] {
  return messages.filter((message, index) => {
    const before = messages[index - 1];
    return problems.has(message) ||
      before !== undefined && problems.has(before) &&
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
 * A file name may contain line ends. With `-backslash_codes` xorriso encodes them; without, the next
 * line may look like a message of its own. Where xorriso quotes the name, an open quote shows that the
 * name goes on. libisofs does not quote: its message ends with a known text.
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
