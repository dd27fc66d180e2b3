/**
 * The language of xorriso's dialog mode as pure text: how it is started, words
 * and lines to send, packets and quoted words to read.
 *
 * The facts here were obtained by running xorriso 1.5.4 with `-pkt_output on`,
 * `-dialog single_line` and `-backslash_codes in_double_quotes:encode_output`.
 */

import { decodeName, encodeName } from "../names.ts";

/**
 * Bytes a line may have, after quoting and without its newline.
 *
 * xorriso reads lines into a buffer of 8 KiB and runs what does not fit as a
 * command of its own.
 */
export const MAX_LINE = 8000;

/**
 * The word that ends a list of operands. xorriso knows it even inside quotes.
 */
const LIST_END = "--";

/**
 * What cannot stand for itself between double quotes: control characters, `"`,
 * `\`, lone surrogates.
 */
const NOT_PLAIN = /[\p{Cc}\p{Cs}"\\]/gu;

const COMMAND = /^-[a-z0-9_]+$/;

const encoder = new TextEncoder();

/** The mark of being ready for the first line. */
export const START_MARK = "READY";

/**
 * What the module relies on. `-abort_on NEVER` keeps the process alive, so that
 * each exchange is judged by its own messages.
 */
export const SETTINGS: readonly string[] = [
  ...["-abort_on", "NEVER", "-return_with", "SORRY", "32"],
  ...["-report_about", "UPDATE", "-pkt_output", "on"],
  ...["-use_readline", "off", "-page", "0", "80", "-reassure", "off"],
  ...["-iso_rr_pattern", "off", "-disk_pattern", "off", "-overwrite", "on"],
  ...["-backslash_codes", "in_double_quotes:encode_output"],
  ...["-pacifier", "interval=0.5", "-md5", "on", "-osirrox", "on:sort_lba_on"],
];

/**
 * All arguments of the program: nothing untrusted is among them.
 *
 * `-no_rc` counts only as the very first one; startup files may hold any
 * command (xorriso(1), "Files"). Dialog mode `single_line` never waits for the
 * rest of a line.
 */
export const ARGUMENTS: readonly string[] = [
  "-no_rc",
  ...SETTINGS,
  ...["-close_filter_list", "-launch_frontend", "--"],
  // A boot record would go without a word that counts as a problem.
  ...["-boot_image", "any", "keep"],
  ...["-dialog", "single_line", ...markWords(START_MARK)],
];

/**
 * Has a mark appear on both outputs: as a packet of standard output, and as a
 * line of standard error, which xorriso uses while packets are off. So it is
 * known when all has come that belongs to a line, by either pipe.
 */
export function markWords(mark: string): string[] {
  return [
    ...["-mark", mark],
    ...["-pkt_output", "off", "-print_info", mark, "-pkt_output", "on"],
  ];
}

/** Quotes one word so that xorriso reads back exactly its bytes. */
export function quote(word: string): string {
  return `"${word.replace(NOT_PLAIN, escapeCharacter)}"`;
}

function escapeCharacter(character: string): string {
  if (character === "\0") {
    throw new TypeError(
      "Cannot pass a NUL character to xorriso: remove it from the word",
    );
  }
  let escaped = "";
  for (const byte of encodeName(character)) {
    escaped += `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return escaped;
}

/** Makes one input line, without newline, of a command and its words. */
export function commandLine(words: readonly string[]): string {
  const [command = "", ...rest] = words;
  if (!COMMAND.test(command)) {
    throw new TypeError(
      `Cannot use ${
        JSON.stringify(command)
      } as a command of xorriso: write it as "-name"`,
    );
  }
  const end = rest.indexOf(LIST_END);
  if (end !== -1 && end !== rest.length - 1) {
    // Whatever follows the end of a list would be run as the next command.
    throw new TypeError(
      `Cannot pass words after "--" to "${command}": send one command a line`,
    );
  }
  const line = [command, ...rest.map(quote)].join(" ");
  if (byteLength(line) > MAX_LINE) throw tooLong(command, byteLength(line));
  return line;
}

/**
 * Makes one input line of commands and their words, whatever they are: each
 * word counts for what it would as an argument of the program.
 */
export function wordsLine(words: readonly string[]): string {
  const line = words.map(quote).join(" ");
  if (byteLength(line) > MAX_LINE) {
    throw tooLong(words[0] ?? "", byteLength(line));
  }
  return line;
}

/**
 * Spreads operands over as few lines `head operands --` as {@linkcode MAX_LINE}
 * allows.
 */
export function commandLines(
  head: readonly string[],
  operands: readonly string[],
): string[] {
  const start = commandLine(head);
  const startBytes = byteLength(start) + 1 + LIST_END.length;
  const lines: string[] = [];
  let line = start;
  let bytes = startBytes;
  for (const operand of operands) {
    if (operand === LIST_END) {
      throw new TypeError(
        'Cannot use "--" as an operand: it ends the list, write a path that ' +
          'begins with "/"',
      );
    }
    const word = ` ${quote(operand)}`;
    const wordBytes = byteLength(word);
    if (startBytes + wordBytes > MAX_LINE) {
      throw tooLong(head[0] ?? "", startBytes + wordBytes);
    }
    if (bytes + wordBytes > MAX_LINE) {
      lines.push(`${line} ${LIST_END}`);
      line = start;
      bytes = startBytes;
    }
    line += word;
    bytes += wordBytes;
  }
  if (bytes > startBytes) lines.push(`${line} ${LIST_END}`);
  return lines;
}

/** Puts lines of complete commands together, in as few as may be sent. */
export function joinLines(commands: readonly string[]): string[] {
  const lines: string[] = [];
  let bytes = MAX_LINE;
  for (const command of commands) {
    const more = 1 + byteLength(command);
    if (bytes + more > MAX_LINE) {
      lines.push(command);
      bytes = more - 1;
      continue;
    }
    lines[lines.length - 1] += ` ${command}`;
    bytes += more;
  }
  return lines;
}

function byteLength(text: string): number {
  return encoder.encode(text).length;
}

function tooLong(command: string, bytes: number): RangeError {
  return new RangeError(
    `Cannot send "${command}" in one line: it has ${bytes} bytes, at most ` +
      `${MAX_LINE} are safe`,
  );
}

/**
 * Reads a word of `'...'` and `"..."` parts with backslash codes, undefined if
 * it is no such word.
 */
export function unquote(word: string): string | undefined {
  // Nearly all words are one plain part, so these come first and without a
  // copy.
  if (
    word.length > 1 && word.startsWith("'") &&
    word.indexOf("'", 1) === word.length - 1
  ) {
    return unescape(word.slice(1, -1));
  }
  if (!/^(?:'[^']*'|"[^"]*")+$/.test(word)) return undefined;
  return unescape(
    word.replace(/'([^']*)'|"([^"]*)"/g, (_, a = "", b = "") => a + b),
  );
}

const BACKSLASH = 0x5c;

/**
 * The bytes of the backslash codes that are no octal numbers, by the letter.
 */
const CODES: ReadonlyMap<string, number> = new Map([
  ["\\", 0x5c],
  ["a", 0x07],
  ["b", 0x08],
  ["e", 0x1b],
  ["f", 0x0c],
  ["n", 0x0a],
  ["r", 0x0d],
  ["t", 0x09],
  ["v", 0x0b],
]);

/** Used again for each word: a new one would cost more than the decoding. */
const scratch = new Uint8Array(0x4000);

/**
 * Replaces backslash codes by what they stand for; anything that is no such
 * code stays.
 */
export function unescape(text: string): string {
  if (!text.includes("\\")) return text;
  // xorriso writes pure ASCII; anything else goes through as its bytes.
  const from = /\P{ASCII}/u.test(text) ? toByteString(text) : text;
  const to = from.length > scratch.length
    ? new Uint8Array(from.length)
    : scratch;
  let length = 0;
  for (let at = 0; at < from.length;) {
    const unit = from.charCodeAt(at);
    if (unit !== BACKSLASH) {
      to[length++] = unit;
      at++;
      continue;
    }
    const octal = octalAt(from, at + 1);
    const byte = octal ?? CODES.get(from.charAt(at + 1));
    to[length++] = byte ?? unit;
    at += byte === undefined ? 1 : octal === undefined ? 2 : 4;
  }
  return decodeName(to.subarray(0, length));
}

/** One character, U+0000 to U+00FF, for each byte of a name. */
function toByteString(name: string): string {
  return Array.from(encodeName(name), (byte) => String.fromCharCode(byte))
    .join("");
}

/**
 * The value of three octal digits, undefined if there are none or they make no
 * byte.
 */
function octalAt(text: string, at: number): number | undefined {
  let value = 0;
  for (let i = at; i < at + 3; i++) {
    // NaN behind the end, which is no digit either.
    const digit = text.charCodeAt(i) - 0x30;
    if (!(digit >= 0 && digit <= 7)) return undefined;
    value = value * 8 + digit;
  }
  return value <= 0xff ? value : undefined;
}

/** One line of xorriso's output. */
export interface Packet {
  /** Result, message, mark, or a line that is no packet. */
  readonly channel: "R" | "I" | "M" | "?";
  /** The line without prefix and newline. */
  readonly text: string;
}

/**
 * Whether a line is mere decoration of the dialog: a rule, the prompt, or
 * empty.
 */
export function isNoise(text: string): boolean {
  return text === "" || text === "enter option and arguments :" ||
    /^(?:=+|-+)$/.test(text);
}

const CHANNELS: Readonly<Record<string, "R" | "I" | "M">> = {
  "R:0: ": "R",
  "R:1: ": "R",
  "I:0: ": "I",
  "I:1: ": "I",
  "M:0: ": "M",
  "M:1: ": "M",
};

/** Reads one line of xorriso's standard output. */
export function parsePacket(line: string): Packet {
  const prefix = line.slice(0, 5);
  const channel = CHANNELS[prefix];
  if (channel === undefined) return { channel: "?", text: line };
  // A line with an odd number of quotes gets its own newline encoded, too:
  // messages, and results that show a volume id or a device.
  const encodedNewline = prefix[2] === "0" && channel !== "M" &&
    line.endsWith("\\n");
  return {
    channel,
    text: encodedNewline ? line.slice(5, -2) : line.slice(5),
  };
}
