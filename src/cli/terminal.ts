/** Text for people: names that cannot fool a terminal, sizes, times, dates and columns. */
import { unicodeWidth } from "@std/cli/unicode-width";
import { format as formatSize } from "@std/fmt/bytes";
import { format as formatTime } from "@std/fmt/duration";

/**
 * What must not reach a terminal as it is: controls (ESC, C1), what cannot be seen or turns the direction
 * of writing (Unicode's Cf, with its bidi controls), line separators, and bytes that are not UTF-8.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Makes a text safe to print, by `\n`, `\xNN` for a byte and `\u{N}` for a character.
 *
 * For a message, in which a backslash is most often just that.
 */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escapeCharacter);
}

/** Makes a name safe to print and its escapes plain: a backslash of its own is doubled. */
export function escapeName(name: string): string {
  return escapeText(name.replaceAll("\\", "\\\\"));
}

/** The escape of one unsafe character. */
function escapeCharacter(character: string): string {
  const named = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
  if (named !== undefined) return named;
  const code = character.codePointAt(0) ?? 0;
  // A byte that is not UTF-8 is kept in a name as this lone surrogate.
  const byte = code >= 0xDC80 && code <= 0xDCFF ? code - 0xDC00 : code;
  return byte < 0x80 || byte !== code
    ? "\\x" + byte.toString(16).padStart(2, "0")
    : `\\u{${code.toString(16)}}`;
}

/** Writes a value as one line of JSON that is safe to print, too: unsafe characters as `\uNNNN`. */
export function formatJson(value: unknown): string {
  return JSON.stringify(value).replace(
    UNSAFE,
    (character) =>
      character.split("").map((unit) =>
        "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0")
      ).join(""),
  );
}

/** Writes a number of bytes for people: `512 B`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const options = { binary: true, maximumFractionDigits: 1, locale: "en" };
  // The prefix of 1024 is a capital letter, other than that of 1000.
  return formatSize(bytes, options).replace("ki", "Ki");
}

/** Writes a number of seconds for people: `0s`, `7s`, `1h 2m 3s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds) * 1000;
  return formatTime(whole, { ignoreZero: true }) || "0s";
}

/** Writes a date for people, in local time: `2026-11-26 18:30`. */
export function formatDate(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return `${day.map(two).join("-")} ${two(date.getHours())}:${
    two(date.getMinutes())
  }`;
}

/** Things that are counted; other words for what is counted have no plural. */
const THINGS: readonly string[] = ["file", "folder", "link", "special file"];

/** Writes how many there are of something: `1 file`, `3 files`, `3 unchanged`. */
export function formatCount(number: number, thing: string): string {
  const ending = number !== 1 && THINGS.includes(thing) ? "s" : "";
  return `${number} ${thing}${ending}`;
}

/** What counts are called that have another name in `--json`. */
const CALLED: Readonly<Record<string, string>> = {
  folders: "folder",
  links: "link",
  attributes: "with other attributes",
  copied: "stored from a copy",
};

/** The same for several things, and for `bytes`, without those that there are none of. */
export function formatCounts(
  counts: Readonly<Record<string, number>>,
): string[] {
  return Object.entries(counts).filter(([, number]) => number > 0)
    .map(([thing, number]) =>
      thing === "bytes"
        ? formatBytes(number)
        : formatCount(number, CALLED[thing] ?? thing)
    );
}

/** Letters for what an entry is, as `ls` has them. */
const TYPES: Readonly<Record<string, string>> = {
  directory: "d",
  link: "l",
  file: "-",
};

/** Writes type and mode like `ls`: `-rw-r--r--`, `drwxr-xr-t`. */
export function formatMode(type: string, mode: number): string {
  const letters = [6, 3, 0].map((shift, i) => {
    const bits = mode >> shift & 7;
    const isSpecial = (mode >> 9 & 4 >> i) !== 0;
    const special = i === 2 ? "t" : "s";
    const execute = isSpecial
      ? bits & 1 ? special : special.toUpperCase()
      : bits & 1
      ? "x"
      : "-";
    return (bits & 4 ? "r" : "-") + (bits & 2 ? "w" : "-") + execute;
  });
  return (TYPES[type] ?? "?") + letters.join("");
}

/**
 * Lays out rows in columns, also where characters are two wide; the last cell of a row is as long as it is.
 *
 * @param rows The cells.
 * @param right Numbers of the columns that stand at their right edge, from 0.
 */
export function alignColumns(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (let i = 0; i < row.length - 1; i++) {
      widths[i] = Math.max(widths[i] ?? 0, unicodeWidth(row[i] ?? ""));
    }
  }
  return rows.map((row) =>
    row.map((cell, i) => {
      if (i === row.length - 1) return cell;
      const blank = " ".repeat((widths[i] ?? 0) - unicodeWidth(cell));
      return right.includes(i) ? blank + cell : cell + blank;
    }).join("  ").trimEnd()
  );
}

/** Breaks a text into lines at its blanks. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length > width && line !== "") lines.push(line);
    line = longer.length > width ? word : longer;
  }
  return [...lines, line];
}
