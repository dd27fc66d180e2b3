/**
 * The language of xorriso's dialog mode as pure text: arguments of the program,
 * lines to send, packets and quoted words to read.
 */

import { byteLength, decodeName, encodeName } from "../names.ts";

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
 * Commands that cannot be undone behind the user's words: after the first nothing is understood any
 * more, by the second names are lost on the medium, by the third in what is listed.
 */
const REFUSED = /^-+(use_readline|rockridge|sh_style_result)$/;

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
  // Without it xorriso drops a boot record, and reports no problem.
  ...["-boot_image", "any", "keep"],
  ...["-dialog", "single_line", ...markWords(START_MARK)],
];

/**
 * The words by which xorriso prints a mark on both outputs: as a packet of
 * standard output, and as a line of standard error, which it uses while packets
 * are off. With both of them all output of a line has been received.
 */
export function markWords(mark: string): string[] {
  return [
    ...["-mark", mark],
    ...["-pkt_output", "off", "-print_info", mark, "-pkt_output", "on"],
  ];
}

/** Quotes one word so that xorriso reads back exactly its bytes. */
export function quote(word: string): string {
  if (word.includes("\0")) {
    throw new TypeError(
      "Cannot pass a NUL character to xorriso: remove it from the word",
    );
  }
  return `"${word.replace(NOT_PLAIN, octalCodes)}"`;
}

/** The backslash codes of a character. */
export function octalCodes(character: string): string {
  return Array.from(
    encodeName(character),
    (byte) => `\\${byte.toString(8).padStart(3, "0")}`,
  ).join("");
}

/**
 * Refuses words of the user's without whose default the module cannot do.
 *
 * @throws {TypeError} If one is such a command.
 */
export function requireBearable(words: readonly string[]): void {
  const word = words.find((word) => REFUSED.test(word));
  if (word === undefined) return;
  throw new TypeError(
    `Cannot give "${word}" to xorriso: the module relies on its default`,
  );
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
  return checkLine([command, ...rest.map(quote)].join(" "), command);
}

/**
 * Makes one input line of any commands and their words, which mean what they
 * would as arguments of the program.
 */
export function wordsLine(words: readonly string[]): string {
  return checkLine(words.map(quote).join(" "), words[0]);
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
  const room = MAX_LINE - byteLength(`${start}  ${LIST_END}`);
  const words = operands.map((operand) => {
    if (operand === LIST_END) {
      throw new TypeError(
        'Cannot use "--" as an operand: it ends the list, write a path that ' +
          'begins with "/"',
      );
    }
    const word = quote(operand);
    if (byteLength(word) <= room) return word;
    throw tooLong(head[0], `${start} ${word} ${LIST_END}`);
  });
  return pack(words, room).map((words) => `${start} ${words} ${LIST_END}`);
}

/** Puts lines of complete commands together, in as few as may be sent. */
export function joinLines(commands: readonly string[]): string[] {
  return pack(commands, MAX_LINE);
}

/** Puts texts together in lines of at most so many bytes, if none has more. */
function pack(texts: readonly string[], room: number): string[] {
  const lines: string[] = [];
  let left = 0;
  for (const text of texts) {
    const bytes = 1 + byteLength(text);
    if (bytes > left) {
      lines.push(text);
      left = room + 1;
    } else lines[lines.length - 1] += ` ${text}`;
    left -= bytes;
  }
  return lines;
}

/** A line, if xorriso can read it as one. */
function checkLine(line: string, command?: string): string {
  if (byteLength(line) <= MAX_LINE) return line;
  throw tooLong(command, line);
}

function tooLong(command = "", line: string): RangeError {
  return new RangeError(
    `Cannot send "${command}" in one line: it has ${byteLength(line)} bytes, ` +
      `at most ${MAX_LINE} are safe`,
  );
}

/**
 * Reads a word of `'...'` and `"..."` parts with backslash codes, undefined if
 * it is no such word.
 */
export function unquote(word: string): string | undefined {
  if (!/^(?:'[^']*'|"[^"]*")+$/.test(word)) return undefined;
  return unescape(word.replace(/'([^']*)'|"([^"]*)"/g, "$1$2"));
}

/** The backslash codes that are no octal numbers, by the letter. */
const CODES: Readonly<Record<string, string>> = {
  "\\": "\\",
  a: "\x07",
  b: "\b",
  e: "\x1b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/**
 * Replaces backslash codes by what they stand for; anything that is no such
 * code stays.
 */
export function unescape(text: string): string {
  if (!text.includes("\\")) return text;
  // One character, U+0000 to U+00FF, for each byte. xorriso writes pure ASCII.
  const bytes = /\P{ASCII}/u.test(text)
    ? Array.from(encodeName(text), (byte) => String.fromCharCode(byte)).join("")
    : text;
  const plain = bytes.replace(
    /\\([0-3][0-7]{2}|[\\abefnrtv])/g,
    (_, code) => CODES[code] ?? String.fromCharCode(parseInt(code, 8)),
  );
  return decodeName(Uint8Array.from(plain, (byte) => byte.charCodeAt(0)));
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

/** Reads one line of xorriso's standard output. */
export function parsePacket(line: string): Packet {
  const [prefix = "", channel, isOver] = /^([RIM]):([01]): /.exec(line) ?? [];
  if (channel !== "R" && channel !== "I" && channel !== "M") {
    return { channel: "?", text: line };
  }
  // A line with an odd number of quotes gets its own newline encoded, too:
  // messages, and results that show a volume id or a device.
  const isEncoded = isOver === "0" && channel !== "M" && line.endsWith("\\n");
  return {
    channel,
    text: line.slice(prefix.length, isEncoded ? -2 : undefined),
  };
}
