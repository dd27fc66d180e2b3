/** Help, made from the table of commands. */
import { encodeName } from "../names.ts";
import { type Command, findCommand } from "./arguments.ts";
import { PROGRAM } from "./program.ts";
import type { Run } from "./run.ts";
import { alignColumns, describeFlags, wrap } from "./terminal.ts";

/** How Deno is told to run the program, with `FLAGS` in place of its flags. */
const INVOCATION = "deno run FLAGS jsr:@xorriso/backend/cli";

/** `help [COMMAND]`, also for a further page of help. */
export async function help(run: Run): Promise<void> {
  const [name] = run.operands;
  const topic = PROGRAM.topics.find((each) => each.name === name);
  await run.write(encodeName(
    name === undefined
      ? formatHelp()
      : topic === undefined
      ? formatCommandHelp(findCommand(PROGRAM, name))
      : layOut(`${topic.name}: ${topic.summary}`, [["", topic.lines]]),
  ));
}

/** Writes the help of the whole program, which fits a screen. */
export function formatHelp(): string {
  const { name, summary, commands, footer } = PROGRAM;
  const rows = commands.map(({ name, operands, summary }) => [
    `${name} ${operands}`,
    summary,
  ]);
  return layOut(`${name}: ${summary}`, [
    ["", alignColumns(rows)],
    ["", footer],
  ]);
}

/** Writes the help of one command, with the flags that Deno needs for it. */
export function formatCommandHelp(command: Command): string {
  const { name, alias, operands, summary, permissions } = command;
  const title = `${PROGRAM.name} ${name} ${operands}`.trimEnd();
  const also = alias === undefined ? "" : ` (also: ${alias})`;
  return layOut(`${title}\n  ${summary}${also}`, [
    ["Flags", describeFlags(command.flags)],
    [`FLAGS of "${INVOCATION} ${name}"`, alignColumns(permissions)],
    ["Notes", command.details.flatMap(wrap)],
  ]);
}

/** Lays out a title and parts with or without a heading; those without lines are left out. */
function layOut(
  title: string,
  parts: readonly (readonly [string, readonly string[]])[],
): string {
  const blocks = parts.filter(([, lines]) => lines.length > 0).map(
    ([heading, lines]) =>
      [
        ...heading === "" ? [] : [`${heading}:`],
        ...lines.map((line) => `  ${line}`.trimEnd()),
      ].join("\n"),
  );
  return [title, ...blocks].join("\n\n") + "\n";
}
