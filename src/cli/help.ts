/** Help, made from the table of commands. */
import { encodeName } from "../names.ts";
import {
  type Command,
  findCommand,
  type Flag,
  type Program,
} from "./arguments.ts";
import type { Run } from "./run.ts";
import { alignColumns } from "./terminal.ts";

/** How Deno is told to run the program, with `FLAGS` in place of its flags. */
const INVOCATION = "deno run FLAGS jsr:@xorriso/backend/cli";

/** `help [COMMAND]`, also for a further page of help. */
export async function help(run: Run, program: Program<Run>): Promise<void> {
  const [name] = run.operands;
  const topic = program.topics.find((each) => each.name === name);
  await run.write(encodeName(
    name === undefined
      ? formatHelp(program)
      : topic === undefined
      ? formatCommandHelp(program, findCommand(program, name))
      : layOut(`${topic.name}: ${topic.summary}`, [["", topic.lines]]),
  ));
}

/** Writes the help of the whole program, which fits a screen. */
export function formatHelp<Context>(program: Program<Context>): string {
  const { name, summary, commands, footer } = program;
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
export function formatCommandHelp<Context>(
  program: Program<Context>,
  command: Command<Context>,
): string {
  const { name, alias, operands, summary, permissions } = command;
  const title = alias === undefined ? name : `${name}, ${alias}`;
  return layOut(`${title}: ${summary}`, [
    ["Usage", [`${program.name} ${name} ${operands}`.trimEnd()]],
    ["Flags", describe(command.flags)],
    [`FLAGS of "${INVOCATION} ${name}"`, alignColumns(permissions)],
    ["Notes", command.details.flatMap(wrap)],
  ]);
}

/** Lays out flags in two columns. */
export function describe(flags: readonly Flag[]): string[] {
  return alignColumns(flags.map(({ name, letter, value, summary }) => [
    (letter === undefined ? "    " : `-${letter}, `) + `--${name}` +
    (value === undefined ? "" : ` ${value}`),
    summary,
  ]));
}

/** Columns of the narrowest screen that help is made for, less those that indent it. */
const WIDTH = 76;

/** Breaks a text into lines. */
export function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (longer.length > WIDTH) lines.push(line);
    line = longer.length > WIDTH ? word : longer;
  }
  return [...lines, line];
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
