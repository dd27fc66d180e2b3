/** Runs one command line of the program `xorriso-backend`. */
import config from "../../deno.json" with { type: "json" };
import { encodeName } from "../names.ts";
import { parseArguments } from "./arguments.ts";
import { EXIT, Interrupted, OutputClosed } from "./exit.ts";
import { showHelp } from "./help.ts";
import { PROGRAM } from "./program.ts";
import { type Io, Run } from "./run.ts";

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
  let run = new Run([], flags, io);
  const tellStop = () => {
    if (io.stderr.isTerminal) run.note("Stopping...");
  };
  io.signal.addEventListener("abort", tellStop);
  try {
    const { command, operands, flags } = parseArguments(words);
    run = new Run(operands, flags, io);
    if (run.has("help")) await showHelp(run, command);
    else if (run.has("version") || command === undefined) {
      await run.write(encodeName(`${PROGRAM.name} ${config.version}\n`));
    } else {
      const runCommand = await command.load();
      io.signal.throwIfAborted();
      await runCommand(run);
    }
  } catch (error) {
    if (io.signal.aborted) run.fail(new Interrupted("Interrupted"));
    else if (!(error instanceof OutputClosed)) run.fail(error);
    if (run.exit === EXIT.usage) {
      const command = words.find(isCommand) ?? "";
      const name = command === "help" ? "" : command;
      run.note(`Try "${`${PROGRAM.name} help ${name}`.trimEnd()}"`);
    }
  } finally {
    io.signal.removeEventListener("abort", tellStop);
    run.clearProgress();
  }
  return run.exit;
}

function isCommand(word: string): boolean {
  return PROGRAM.commands.some(({ name, alias }) =>
    name === word || alias === word
  );
}
