/** Names that somebody thought of to do harm. */

import type { Random } from "./random.ts";

/** Pieces that a careless program would obey. */
const PIECES = [
  ...["'", '"', "\\", "`", "$(reboot)", "%s%n", "#", " ", "\t", "\n", "\r"],
  ...["--", "-", "-end", "-rm_r", "-rollback_end", "--help", "-", "@@@"],
  ...["*", "?", "[a]", "[!a]", "{a,b}", "**", "!", "~", "&", ";", "|", "<"],
  ...["\nM:0: 5", "\nM:0: x1\n", "R:1: hello", "\nI:1: x", "READY", "x1"],
  ...["\n-mark x2\n", "\n-commit\n", '"\n-print "x', "' -end '"],
  ...["xorriso : FAILURE : x", "\nlibburn : FATAL : y", "libisofs: MISHAP : z"],
  ...["xorriso : UPDATE : Writing: 1s 1% fifo 0% buf 50%", "SORRY", "ABORT"],
  ...["\\n", "\\042", "\\134", "\\x41", "\\u0041", "%2F", "%00", "&amp;"],
  ...["\u{1F600}", "e\u0301", "é", "ﬁ", "Å", "\u202E", "\u200F", "\u2066"],
  ...["\u200B", "\uFEFF", "日本語", "ÿ", "\u0080", "\u009B31m", "\x1b[2J"],
  ...["\x1b]0;x\x07", "\x7f", "\b\b", "...", ". ", " .", "..x", "CON", ".iso"],
  ...["TRANS.TBL", ";1", "rr_moved", "RR_MOVED", "\u{10FFFF}", "\uFFFF"],
  ...["' -> '", "' , '", "total 5", "File data lba:  0 , 57 , 1 , 5 , '/x'"],
];

const LIMIT = 100;

/** Bytes of a name in UTF-8. */
export function byteLength(name: string): number {
  return new TextEncoder().encode(name).length;
}

/** One part of a name: hostile, but allowed. */
export function hostilePart(random: Random): string {
  const most = random.pick([1, 2, 5, 20, 60, LIMIT, LIMIT]);
  let name = "";
  for (let i = 0; i < 200 && byteLength(name) < most; i++) {
    const more = name + piece(random);
    if (byteLength(more) > LIMIT) continue;
    name = more;
  }
  return name === "" || name === "." || name === ".." ? `${name}_` : name;
}

function piece(random: Random): string {
  switch (random.below(4)) {
    case 0:
      return random.pick(PIECES).replaceAll("/", "|");
    case 1:
      // Any byte but NUL and the slash.
      return byte(random.between(1, 127));
    case 2:
      return codePoint(random);
    default:
      return random.pick(["a", "b", "Z", "0", "_"]);
  }
}

function byte(code: number): string {
  return code === 0x2f ? "|" : String.fromCharCode(code);
}

function codePoint(random: Random): string {
  const last = random.pick([0xff, 0x7ff, 0xffff, 0x10ffff]);
  const code = random.between(0x80, last);
  return code >= 0xd800 && code <= 0xdfff ? "?" : String.fromCodePoint(code);
}

/** A relative name of one to four hostile parts. */
export function hostileName(random: Random): string {
  const parts = Array.from(
    { length: random.pick([1, 1, 1, 2, 2, 3, 4]) },
    () => hostilePart(random),
  );
  return parts.join("/");
}

/** Names none of which is above another one. */
export function hostileNames(random: Random, count: number): Set<string> {
  const names = new Set<string>();
  const folders = new Set<string>();
  while (names.size < count) {
    const name = hostileName(random);
    const above = foldersOf(name);
    if (folders.has(name) || above.some((each) => names.has(each))) continue;
    names.add(name);
    for (const folder of above) folders.add(folder);
  }
  return names;
}

/** The folders above a relative name. */
export function foldersOf(name: string): string[] {
  const parts = name.split("/");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("/"));
}

/** Names that must be refused, each for its own reason. */
export const FORBIDDEN: readonly string[] = [
  ...["", ".", "..", "/", "/a", "a/", "a//b", "./a", "a/.", "../a", "a/../b"],
  ...["a\0b", "\0", "x".repeat(256), "é".repeat(128), "\uD800", "a\uDFFFb"],
  ...["\uDC80", `${"x/".repeat(2100)}x`],
];
