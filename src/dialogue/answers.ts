/** xorriso's listings and tables as values; takes lines without packet prefixes. */

import {
  BLOCK,
  type Extent,
  type Medium,
  type MediumStatus,
  type Node,
  type RecordedSession,
} from "../medium.ts";
import { unescape, unquote } from "./protocol.ts";

/**
 * `File data lba:  0 ,       57 ,        1 ,        3 , '/a'`: number of the
 * extent, address, blocks, size of the file.
 */
const FILE_DATA =
  /^File data lba: +(\d+) , +(\d+) , +(\d+) , +(\d+) , (['"].*)$/;

/** Makes entries of the lines of `-exec report_lba`. */
export class FileListing {
  #last: Node & { readonly extents: Extent[] } | undefined;
  /** The quoted path of the last entry. */
  #word = "";

  /**
   * Takes one line; lines of other kinds are skipped.
   *
   * @returns The entry that begins with this line. Later lines may add to its
   * extents.
   */
  add(line: string): Node | undefined {
    const match = FILE_DATA.exec(line);
    if (match === null) return undefined;
    const [, number = "", lba = "", blocks = "", size = "", word = ""] = match;
    const extent = { lba: Number(lba), blocks: Number(blocks) };
    if (number !== "0" && word === this.#word) {
      this.#last?.extents.push(extent);
      return undefined;
    }
    const path = unquote(word);
    if (path === undefined) return undefined;
    this.#word = word;
    this.#last = {
      path: detach(path),
      type: "file",
      size: Number(size),
      extents: [extent],
    };
    return this.#last;
  }
}

/**
 * Copies a text that is kept for long.
 *
 * In V8 a piece of a string refers to the whole: each path would hold the 64
 * KiB that it was read in. Joining copies.
 */
function detach(text: string): string {
  return text === "" ? text : [text.slice(0, 1), text.slice(1)].join("");
}

/**
 * Mode, links, owner, group, size or numbers of a device, date, name, and
 * target of a link: as `ls -l` has them.
 */
const LONG_LINE =
  /^(.)\S{9,} +\d+ +\S+ +\S+ +([\d,]+) \w{3} [ \d]{2} [ \d:]{5} ((?:'[^']*'|"[^"]*")+)(?: -> (.*))?$/;

/** Reads a line of `-exec lsdl`: what it is, and what a link leads to. */
export function parseLongLine(
  line: string,
): { node: Node; target: string | undefined } | undefined {
  const [, mode, size, word = "", text] = LONG_LINE.exec(line) ?? [];
  const path = unquote(word);
  if (path === undefined) return undefined;
  const type = mode === "-" ? "file" : mode === "d" ? "directory" : "other";
  const bytes = type === "file" ? Number(size) : 0;
  return {
    node: { path: detach(path), type, size: bytes, extents: [] },
    target: text && unquote(text),
  };
}

/**
 * Reads a line of `-exec get_md5`: 32 hexadecimal digits and a path that is
 * escaped, not quoted.
 */
export function parseMd5Line(
  line: string,
): { path: string; md5: string } | undefined {
  const [, md5 = "", path = ""] = /^([0-9a-f]{32}) {2}(\/.*)$/.exec(line) ?? [];
  if (md5 === "") return undefined;
  return { path: detach(unescape(path)), md5: detach(md5) };
}

/** What `-toc` tells about the sessions. */
export interface Toc {
  /** The sessions with an ISO 9660 image, oldest first. */
  readonly sessions: RecordedSession[];
  /** Address of the next block that can be written; undefined if none can. */
  readonly nwa: number | undefined;
}

/** Reads the answer to `-toc`. */
export function parseToc(lines: readonly string[]): Toc {
  const sessions: RecordedSession[] = [];
  for (const line of lines) {
    const match = /^ISO session *: *(\d+) , *(\d+) , *(\d+)s , (.*)$/s.exec(
      line,
    );
    if (match === null) continue;
    const [, number = "", lba = "", blocks = "", volumeId = ""] = match;
    sessions.push({
      number: Number(number),
      lba: Number(lba),
      size: Number(blocks) * BLOCK,
      volumeId: trimVolumeId(unescape(volumeId)),
    });
  }
  return { sessions, nwa: lastNumber(lines, /^Media nwa *: (\d+)s$/) };
}

/** Volume ids are padded with blanks (ECMA-119, 8.4.6). */
function trimVolumeId(volumeId: string): string {
  return detach(volumeId.replace(/ +$/, ""));
}

/** Blocks that could be read equally well. */
export interface Region extends Extent {
  /** `+ good`, `- unreadable`, `0 untested`, and others that begin so. */
  readonly quality: string;
}

/** Reads the answer to `-check_media`. */
export function parseRegions(lines: readonly string[]): Region[] {
  return lines.flatMap((line) => {
    const [, lba, blocks, quality = ""] =
      /^Media region *: *(\d+) , *(\d+) , (.*)$/.exec(line) ?? [];
    if (lba === undefined) return [];
    return [{ lba: Number(lba), blocks: Number(blocks), quality }];
  });
}

/** Space on the medium. */
export interface Space {
  /** Bytes that can be written now. */
  readonly free: number;
  /**
   * Bytes that are left when the pending changes are written; negative if they
   * do not fit.
   */
  readonly afterCommit: number;
}

/** Reads the answer to `-tell_media_space`. */
export function parseSpace(lines: readonly string[]): Space | undefined {
  const free = lastNumber(lines, /^Media space *: (-?\d+)s$/);
  const after = lastNumber(lines, /^After commit *: (-?\d+)s$/);
  if (free === undefined || after === undefined) return undefined;
  return { free: free * BLOCK, afterCommit: after * BLOCK };
}

/**
 * Reads what xorriso says about a medium: on opening it, after a commit, or as
 * answer to `-toc`. If the answer to `-tell_media_space` is among the lines,
 * `free` is exact.
 */
export function parseMedium(lines: readonly string[]): Medium | undefined {
  // Others chose the device and the volume id. xorriso puts quotes around them
  // and leaves those inside as they are.
  const drive = parseQuoted(lines, "Drive current: -");
  const profile = firstMatch(lines, /^Media current: (.*)$/)?.[1];
  const state = firstMatch(lines, /^Media status *: (.*)$/)?.[1];
  if (drive === undefined || profile === undefined || state === undefined) {
    return undefined;
  }
  const status = parseStatus(state);
  const summary = firstMatch(
    lines,
    /^Media summary: (\d+) sessions?, (\d+) data blocks, .* data(?:, +(\S+) free)?$/,
  );
  const blocks = firstMatch(
    lines,
    /^Media blocks *: \d+ readable , (\d+) [^,]+ , \d+ overall$/,
  );
  const volumeId = parseQuoted(lines, "Volume id");
  const free = parseSpace(lines)?.free ??
    (blocks ? Number(blocks[1]) * BLOCK : parseSize(summary?.[3] ?? ""));
  return {
    drive: detach(drive.replace(/^stdio:/, "")),
    profile: detach(profile),
    status,
    volumeId: volumeId === undefined ? undefined : trimVolumeId(volumeId),
    used: Number(summary?.[2] ?? 0) * BLOCK,
    free: free ?? 0,
    appendable: status === "blank" || status === "appendable",
    sessions: Number(summary?.[1] ?? 0),
  };
}

/**
 * The quoted word at the end of the first line that begins so; it is over two
 * lines if it has a quote and then a newline.
 */
function parseQuoted(
  lines: readonly string[],
  start: string,
): string | undefined {
  const at = lines.findIndex((line) => line.startsWith(start));
  if (at === -1) return undefined;
  const text = lines.slice(at).join("\n");
  const [, word] = /^[^']*'([^]*?)'$/m.exec(text) ?? [];
  return word === undefined ? undefined : unescape(word);
}

/**
 * Media that the drive cannot make out count as absent, those that it cannot
 * write as closed.
 */
function parseStatus(state: string): MediumStatus {
  if (/^is not (?:present|recognizable)/.test(state)) return "absent";
  if (state === "is blank") return "blank";
  return state.includes("is appendable") ? "appendable" : "closed";
}

/**
 * Reads a size that is rounded to a unit, as `684k` or `74.9g`; undefined if it
 * is none.
 */
export function parseSize(text: string): number | undefined {
  const [, value = "", unit = ""] = /^([\d.]+)([bkmgt]?)$/.exec(text) ?? [];
  if (value === "") return undefined;
  return Math.round(Number(value) * 1024 ** Math.max(0, "bkmgt".indexOf(unit)));
}

/** The first block of what a commit has written; undefined if nothing was. */
export function parseWrittenLba(
  messages: readonly string[],
): number | undefined {
  return lastNumber(messages, /^Written to medium : \d+ sectors at LBA (\d+)$/);
}

/** The address of the tree that was loaded last; undefined if none was. */
export function parseLoadedLba(
  messages: readonly string[],
): number | undefined {
  return lastNumber(
    messages,
    /^xorriso : NOTE : Loading ISO image tree from LBA (\d+)$/,
  );
}

function firstMatch(
  lines: readonly string[],
  pattern: RegExp,
): RegExpExecArray | undefined {
  for (const line of lines) {
    const match = pattern.exec(line);
    if (match !== null) return match;
  }
  return undefined;
}

function lastNumber(
  lines: readonly string[],
  pattern: RegExp,
): number | undefined {
  const match = firstMatch(lines.toReversed(), pattern);
  return match && Number(match[1]);
}
