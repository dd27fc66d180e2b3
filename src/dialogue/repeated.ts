/**
 * Messages in which xorriso repeats text that a stranger may have chosen: names
 * that the module has sent, the path of the image, a volume id. With a quote and
 * a newline in it, such text makes lines that look like further messages.
 */

import { byteLength, MAX_VOLUME_ID } from "../names.ts";
import { parseProgress } from "./progress.ts";
import { isNoise, octalCodes, unescape } from "./protocol.ts";

const CHANGE =
  /^(?:(?:Added to|Removed from) ISO image: [a-z ]+ |Created directory in ISO image: |Renamed in ISO image: )(?=')/;

const DRIVE = /^Drive current: -[a-z]+ (?=')/;

/** A session in the answer to `-toc`, up to its volume id, which has no quotes. */
const SESSION = /^(?:ISO|Other) session *: *\d+ , *\d+ , *\d+s , /;

const VOLUME = /^Volume id +: '/;

/** Lines that hold the drive or a volume id. */
const HOLDS_TEXT = /^(?:Drive current|ISO session|Other session|Volume id) *:/;

/**
 * Leaves out the messages by which xorriso confirms a change.
 *
 * @param messages xorriso's messages, without packet prefixes and noise.
 * @param repeats What was sent, as the messages have it:
 * `'/new.tar'='/home/me/a.tar'`, `'/old.tar'`.
 */
export function withoutRepeats(
  messages: readonly string[],
  repeats: readonly string[],
): readonly string[] {
  const hostile = new Repeats(repeats.filter((text) => text.includes("\n")));
  if (hostile.size === 0) return messages;
  const rest: string[] = [];
  for (let index = 0; index < messages.length;) {
    const count = hostile.length(messages, index, CHANGE);
    if (count === 0) rest.push(messages[index] ?? "");
    index += Math.max(count, 1);
  }
  return rest;
}

/**
 * Joins the lines of each message that holds the open drive or a volume id, with
 * backslash codes for newlines, and for quotes in the drive.
 *
 * No other message is taken for a part of these: the drive is known, and the
 * message behind a volume id is longer than a volume id may be.
 *
 * @param lines xorriso's results or messages, without packet prefixes.
 * @param device The drive as it was an operand of `-dev`.
 */
export function withWholeLines(
  lines: readonly string[],
  device: string,
): readonly string[] {
  if (!lines.some((line) => HOLDS_TEXT.test(line))) return lines;
  const drive = new Repeats([`'${device}'`]);
  const whole: string[] = [];
  for (let index = 0; index < lines.length;) {
    const line = lines[index] ?? "";
    const [start] = DRIVE.exec(line) ?? [];
    const count = drive.length(lines, index, DRIVE);
    const volume = volumeLength(lines, index);
    if (start !== undefined && count > 0) {
      whole.push(`${start}'${device.replace(/['"\\\p{Cc}]/gu, octalCodes)}'`);
    } else {
      whole.push(lines.slice(index, index + volume).join("\\n"));
    }
    index += Math.max(count, volume);
  }
  return whole;
}

/** Texts that are looked for among lines, at whose newlines they are split. */
class Repeats {
  readonly #texts: ReadonlySet<string>;
  readonly #mostLines: number;

  constructor(texts: readonly string[]) {
    this.#texts = new Set(texts.map(withoutNoise));
    this.#mostLines = Math.max(
      0,
      ...texts.map((text) => text.split("\n").length),
    );
  }

  get size(): number {
    return this.#texts.size;
  }

  /** Number of lines of the text that begins at an index; 0 if none does. */
  length(lines: readonly string[], index: number, start: RegExp): number {
    const [prefix] = start.exec(lines[index] ?? "") ?? [];
    if (prefix === undefined) return 0;
    let text = "";
    for (let count = 1; count <= this.#mostLines; count++) {
      const line = lines[index + count - 1];
      if (line === undefined) return 0;
      text += count === 1 ? line.slice(prefix.length) : `\n${line}`;
      if (this.#texts.has(withoutNoise(unescape(text)))) return count;
    }
    return 0;
  }
}

/** Number of lines of the message at an index, whose volume id may have newlines. */
function volumeLength(lines: readonly string[], index: number): number {
  const line = lines[index] ?? "";
  const [session] = SESSION.exec(line) ?? [];
  const [volume] = VOLUME.exec(line) ?? [];
  const start = session ?? volume;
  if (start === undefined) return 1;
  const end = volume === undefined ? "" : "'";
  let length = 1;
  for (let count = 1; index + count <= lines.length; count++) {
    const text = lines.slice(index, index + count).join("\n");
    const volumeId = unescape(text.slice(start.length));
    if (byteLength(volumeId) > MAX_VOLUME_ID + end.length) break;
    if (text.endsWith(end)) length = count;
  }
  return length;
}

/** A text without those of its lines that are taken for noise or progress reports. */
function withoutNoise(text: string): string {
  return text.split(/\r?\n/).filter((line, index) =>
    index === 0 || !isNoise(line) && parseProgress(line) === undefined
  ).join("\n");
}
