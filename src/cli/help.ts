/** Help, made from the table of commands, as wide as the screen. */
import { encodeName } from "../names.ts";
import { findCommand } from "./arguments.ts";
import { type Command, PROGRAM } from "./program.ts";
import type { Run } from "./run.ts";
import { wrap } from "./terminal.ts";

/** How Deno is told to run the program, with `FLAGS` in place of its flags. */
const INVOCATION = "deno run FLAGS jsr:@xorriso/backend/cli";

/** Columns of help on a wide screen: longer lines are hard to read. */
const WIDEST = 80;

/** Fewest columns for what stands beside terms; else it stands below them. */
const NARROWEST = 24;

/** Terms with what they mean, and paragraphs of text. */
type Part = readonly (readonly [string, string] | string)[];

/** `help [COMMAND]`, also for a further page of help. */
export async function help(run: Run): Promise<void> {
  const [name] = run.operands;
  const topic = PROGRAM.topics.find((each) => each.name === name);
  if (topic === undefined) {
    const command = name === undefined ? name : findCommand(name);
    return await showHelp(run, command);
  }
  const { summary, terms, details } = topic;
  await showParts(run, [[`${name}: ${summary}`, []], ["", terms], ["", [
    details,
  ]]]);
}

/** Shows the help of one command, with the flags that Deno needs for it, or that of the whole program. */
export async function showHelp(
  run: Run,
  command: Command | undefined,
): Promise<void> {
  if (command === undefined) {
    const terms = PROGRAM.commands.map(({ name, operands, summary }) =>
      [`${name} ${operands}`.trimEnd(), summary] as const
    );
    const urls =
      "URL: xorriso:///path/to/image.iso, xorriso:///dev/sr0, ...:/DIRECTORY on it";
    const title = `${PROGRAM.name}: ${PROGRAM.summary}`;
    return await showParts(run, [[title, []], ["", terms], ["", [urls]]]);
  }
  const { name, alias, operands, summary } = command;
  const { flags = [], permissions = [], details = [] } = command;
  const also = alias === undefined ? "" : ` (also: ${alias})`;
  await showParts(run, [
    [`${PROGRAM.name} ${name} ${operands}`.trimEnd(), [summary + also]],
    ["Flags:", flags.map(({ spelled, summary }) => [spelled, summary])],
    [`FLAGS of "${INVOCATION} ${name}":`, permissions],
    ["Notes:", [details].flat()],
  ]);
}

/** Shows a title, and parts with or without a heading; those that are empty are left out. */
async function showParts(
  run: Run,
  parts: readonly (readonly [string, Part])[],
): Promise<void> {
  const width = Math.min(run.columns, WIDEST) - 1;
  const blocks = parts.filter(([, part], i) => i === 0 || part.length > 0).map(
    ([heading, part]) =>
      [
        ...heading === "" ? [] : wrap(heading, width),
        ...layOut(part, width - 2).map((line) => `  ${line}`),
      ].join("\n"),
  );
  await run.write(encodeName(blocks.join("\n\n") + "\n"));
}

/** Lays out terms and what they mean side by side, or one below the other where there is no room for that. */
function layOut(part: Part, width: number): string[] {
  const terms = part.flatMap((each) =>
    typeof each === "string" ? [] : each[0].length
  );
  const beside = Math.max(0, ...terms) + 2;
  const isNarrow = width - beside < NARROWEST;
  return part.flatMap((each) => {
    if (typeof each === "string") return wrap(each, width);
    const [term, text] = each;
    const indent = isNarrow ? 6 : beside;
    const lines = wrap(text, width - indent);
    const rest = lines.map((line) => " ".repeat(indent) + line);
    return isNarrow
      ? [term, ...rest]
      : [term.padEnd(indent) + (lines[0] ?? ""), ...rest.slice(1)];
  });
}
