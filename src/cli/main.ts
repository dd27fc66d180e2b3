/** Runs one command line of the program `xorriso-backend`. */
import config from "../../deno.json" with { type: "json" };
import { encodeName } from "../names.ts";
import { parseArguments } from "./arguments.ts";
import { EXIT, OutputClosed } from "./exit.ts";
import { formatCommandHelp, formatHelp, help } from "./help.ts";
import { move, remove } from "./change.ts";
import { completions } from "./completions.ts";
import { blank, eject, finish, format, load } from "./drive.ts";
import { get } from "./get.ts";
import { devices, info } from "./info.ts";
import { list, verify } from "./list.ts";
import { put } from "./put.ts";
import { PROGRAM } from "./program.ts";
import { type Io, Run } from "./run.ts";

/** What the commands of the table do. */
export const COMMANDS: Readonly<Record<string, (run: Run) => Promise<void>>> = {
  ...{ put, get, list, verify, delete: remove, move, info, devices },
  ...{ blank, format, finish, eject, load, help, completions },
};

/**
 * Runs one command line.
 *
 * @param words The command line without the program's name.
 * @param io The world outside.
 * @returns The exit code.
 */
export async function main(words: readonly string[], io: Io): Promise<number> {
  // Until the command line has been read, all that counts of it is how errors are told.
  const flags = new Map(words.includes("--json") ? [["json", ["true"]]] : []);
  let run = new Run({ operands: [], flags }, io);
  try {
    const args = parseArguments(PROGRAM, words);
    run = new Run(args, io);
    const { command } = args;
    if (run.has("help")) {
      await run.write(encodeName(
        command === undefined ? formatHelp() : formatCommandHelp(command),
      ));
    } else if (run.has("version") || command === undefined) {
      await run.write(encodeName(`${PROGRAM.name} ${config.version}\n`));
    } else {
      await COMMANDS[command.name]?.(run);
    }
  } catch (error) {
    if (io.signal.aborted) run.interrupt();
    else if (!(error instanceof OutputClosed)) run.fail(error);
    if (run.exit === EXIT.usage) {
      const name = words.find(isCommand) ?? "";
      run.note(`Try "${`${PROGRAM.name} help ${name}`.trimEnd()}"`);
    }
  } finally {
    run.clearProgress();
  }
  return run.exit;
}

function isCommand(word: string): boolean {
  return PROGRAM.commands.some(({ name }) => name === word);
}
