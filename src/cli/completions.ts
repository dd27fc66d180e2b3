/** Completions of the command line for shells, made from the table of commands. */
import { encodeName } from "../names.ts";
import { UsageError } from "./exit.ts";
import { type Command, type Flag, PROGRAM, wordsFor } from "./program.ts";
import type { Run } from "./run.ts";

/** How the script for a shell is written. */
const SCRIPTS: Readonly<Record<string, () => string[]>> = {
  bash: forBash,
  zsh: forZsh,
  fish: forFish,
};

/** The shells that there are completions for. */
const SHELLS = Object.keys(SCRIPTS);

/** `completions SHELL` */
export async function completions(run: Run): Promise<void> {
  const [shell = ""] = run.operands;
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined) {
    throw new UsageError(
      `There are no completions for "${shell}", only for ${SHELLS.join(", ")}`,
    );
  }
  await run.write(encodeName(script().join("\n") + "\n"));
}

const { commands, topics, name } = PROGRAM;

/** What `help` is given. */
const PAGES = [...commands, ...topics].map(({ name }) => name).join(" ");

/** The flags of a command, those of all commands included. */
function flagsOf({ flags = [] }: Command): Flag[] {
  return [...flags, ...PROGRAM.flags];
}

/** Writes words as one word of any of the shells; help has no apostrophes. */
function inQuotes(...words: readonly string[]): string {
  return `'${words.join(" ")}'`;
}

function forBash(): string[] {
  return [
    "_xorriso_backend() {",
    '  local word=${COMP_WORDS[COMP_CWORD]} words=""',
    "  local before=${COMP_WORDS[COMP_CWORD - 1]}",
    '  case "$COMP_CWORD ${COMP_WORDS[1]} $before $word" in',
    `    1\\ *) words=${inQuotes(...commands.flatMap(wordsFor))} ;;`,
    `    2\\ help\\ *) words=${inQuotes(PAGES)} ;;`,
    `    2\\ completions\\ *) words=${inQuotes(...SHELLS)} ;;`,
    ...commands.flatMap((command) => {
      const flags = flagsOf(command);
      const match = (end: string) =>
        wordsFor(command).map((each) => `*\\ ${each}\\ ${end}`).join(" | ");
      return [
        ...flags.flatMap(({ name, choices }) =>
          choices ? [[`--${name}\\ *`, inQuotes(...choices)] as const] : []
        ),
        ["*\\ -*", inQuotes(...flags.map(({ name }) => `--${name}`))] as const,
      ].map(([end, words]) => `    ${match(end)}) words=${words} ;;`);
    }),
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    "}",
    // Without a word of ours these are names of files.
    `complete -o default -F _xorriso_backend ${name}`,
  ];
}

function forZsh(): string[] {
  const described = commands.flatMap((command) =>
    wordsFor(command).map((each) => inQuotes(`${each}:${command.summary}`))
  );
  return [
    `#compdef ${name}`,
    "_xorriso_backend() {",
    "  local -a commands flags",
    `  commands=(${described.join(" ")})`,
    "  if (( CURRENT == 2 )); then _describe command commands; return; fi",
    "  case $words[2] in",
    `    help) compadd ${PAGES}; return ;;`,
    `    completions) compadd ${SHELLS.join(" ")}; return ;;`,
    ...commands.map((command) => {
      const flags = flagsOf(command).flatMap(
        ({ name, letter, value, choices, summary }) => {
          const words = choices ? `(${choices.join(" ")})` : "_files";
          const argument = value === undefined ? "" : `:${value}:${words}`;
          const spelled = [
            `--${name}${value === undefined ? "" : "="}`,
            ...letter === undefined ? [] : [`-${letter}`],
          ];
          return spelled.map((each) =>
            inQuotes(`*${each}[${summary}]${argument}`)
          );
        },
      );
      return `    ${wordsFor(command).join("|")}) flags=(${
        flags.join(" ")
      }) ;;`;
    }),
    "  esac",
    "  shift words; (( CURRENT-- ))",
    `  _arguments -s $flags ${inQuotes("*:file:_files")}`,
    "}",
    `compdef _xorriso_backend ${name}`,
  ];
}

function forFish(): string[] {
  const complete = `complete -c ${name}`;
  const behind = (...names: readonly string[]) =>
    `${complete} -n ${inQuotes("__fish_seen_subcommand_from", ...names)}`;
  return [
    ...commands.flatMap((command) =>
      wordsFor(command).map((each) =>
        `${complete} -f -n __fish_use_subcommand -a ${each} -d ${
          inQuotes(command.summary)
        }`
      )
    ),
    `${behind("help")} -f -a ${inQuotes(PAGES)}`,
    `${behind("completions")} -f -a ${inQuotes(...SHELLS)}`,
    ...commands.flatMap((command) =>
      flagsOf(command).map(({ name, letter, value, choices, summary }) =>
        [
          behind(...wordsFor(command)),
          `-l ${name}`,
          ...letter === undefined ? [] : [`-s ${letter}`],
          ...value === undefined ? [] : ["-r"],
          ...choices ? [`-f -a ${inQuotes(...choices)}`] : [],
          `-d ${inQuotes(summary)}`,
        ].join(" ")
      )
    ),
  ];
}
