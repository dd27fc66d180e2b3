/**
 * Messages that repeat what others have chosen: names that the module itself
 * has sent, the path of the image, a volume id. With a quote and a newline in
 * it, each of them can make lines that look like messages of their own.
 */

import { byteLength, MAX_VOLUME_ID } from "../names.ts";
import { parseProgress } from "./progress.ts";
import { isNoise, octalCodes, unescape } from "./protocol.ts";

const CHANGE =
  /^(?:(?:Added to|Removed from) ISO image: [a-z ]+ |Created directory in ISO image: |Renamed in ISO image: )(?=')/;

const DRIVE = /^Drive current: -[a-z]+ (?=')/;

/** A session in the answer to `-toc`: its volume id has no quotes. */
const SESSION = /^(?:ISO|Other) session *: *\d+ , *\d+ , *\d+s , /;

const VOLUME = /^Volume id +: '/;

/** What is worth a closer look. */
const TOLD = /^(?:Drive current|ISO session|Other session|Volume id) *:/;

/**
 * Leaves out the messages by which xorriso confirms a change.
 *
 * @param messages xorriso's messages, without packet prefixes and noise.
 * @param repeats What was sent, as the messages have it behind the type of the
 * node: `'/new.tar'='/home/me/a.tar'`, `'/old.tar'`.
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
 * Makes one line again of each that tells the open drive or a volume id, with
 * codes for what would tear it or end it early.
 *
 * No real line is taken for a piece of one: the drive is known, and what
 * follows a volume id is longer than that may be.
 *
 * @param lines xorriso's results or messages, without packet prefixes.
 * @param device The drive as xorriso was told it.
 */
export function withWholeLines(
  lines: readonly string[],
  device: string,
): readonly string[] {
  if (!lines.some((line) => TOLD.test(line))) return lines;
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

/** Texts that xorriso repeats, found among lines. */
class Repeats {
  readonly #texts: ReadonlySet<string>;
  readonly #most: number;

  constructor(texts: readonly string[]) {
    this.#texts = new Set(texts.map(withoutNoise));
    this.#most = Math.max(0, ...texts.map((text) => text.split("\n").length));
  }

  get size(): number {
    return this.#texts.size;
  }

  /** How many lines one has that begins at an index; 0 if none does. */
  length(lines: readonly string[], index: number, start: RegExp): number {
    const [prefix] = start.exec(lines[index] ?? "") ?? [];
    if (prefix === undefined) return 0;
    let text = "";
    for (let count = 1; count <= this.#most; count++) {
      const line = lines[index + count - 1];
      if (line === undefined) return 0;
      text += count === 1 ? line.slice(prefix.length) : `\n${line}`;
      if (this.#texts.has(withoutNoise(unescape(text)))) return count;
    }
    return 0;
  }
}

/** How many lines belong to the one at an index, for its volume id. */
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

/** A text without the lines in it that are dropped if they come as such. */
function withoutNoise(text: string): string {
  return text.split(/\r?\n/).filter((line, index) =>
    index === 0 || !isNoise(line) && parseProgress(line) === undefined
  ).join("\n");
}
