/** Messages that repeat a name which the module itself has sent. */

import { isNoise, unescape } from "./protocol.ts";
import { parseProgress } from "./report.ts";

const ECHO = /^(?:Added to|Removed from) ISO image: [a-z ]+ (?=')/;

/**
 * Leaves out the messages by which xorriso confirms a change, for they have
 * names without quoting: with a quote and a newline in it, a name can make
 * lines that look like messages of their own.
 *
 * @param messages xorriso's messages, without packet prefixes and noise.
 * @param echoes What was sent, as the messages have it behind the type of the
 * node: `'/new.tar'='/home/me/a.tar'`, `'/old.tar'`.
 */
export function withoutEchoes(
  messages: readonly string[],
  echoes: readonly string[],
): readonly string[] {
  const hostile = new Set(
    echoes.filter((echo) => echo.includes("\n")).map(withoutNoise),
  );
  if (hostile.size === 0) return messages;
  const rest: string[] = [];
  for (let index = 0; index < messages.length;) {
    const count = echoLength(messages, index, hostile);
    if (count === 0) rest.push(messages[index] ?? "");
    index += Math.max(count, 1);
  }
  return rest;
}

/** How many lines an echo has that begins at an index; 0 if none does. */
function echoLength(
  messages: readonly string[],
  index: number,
  echoes: ReadonlySet<string>,
): number {
  const [prefix] = ECHO.exec(messages[index] ?? "") ?? [];
  if (prefix === undefined) return 0;
  const most = Math.max(...[...echoes].map((echo) => echo.split("\n").length));
  let text = "";
  for (let count = 1; count <= most; count++) {
    const line = messages[index + count - 1];
    if (line === undefined) return 0;
    text += count === 1 ? line.slice(prefix.length) : `\n${line}`;
    if (echoes.has(withoutNoise(unescape(text)))) return count;
  }
  return 0;
}

/** A text without the lines in it that are dropped if they come as such. */
function withoutNoise(echo: string): string {
  return echo.split("\n").filter((line, index) =>
    index === 0 || !isNoise(line) && parseProgress(line) === undefined
  ).join("\n");
}
