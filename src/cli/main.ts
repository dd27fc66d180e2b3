/** Runs one command line of the program `xorriso-backend`. */
import config from "../../deno.json" with { type: "json" };
import { encodeName } from "../names.ts";
import { parseArguments } from "./arguments.ts";
import { EXIT, Interrupted, OutputClosed } from "./exit.ts";
import { showHelp } from "./help.ts";
import { type CommandName, PROGRAM, wordsFor } from "./program.ts";
import { type Io, Run } from "./run.ts";

/** Loads what runs each command; only when it is called, so that help and usage errors are at once. */
const LOAD: Readonly<
  Record<CommandName, () => Promise<(run: Run) => Promise<void>>>
> = {
  put: async () => (await import("./put.ts")).put,
  get: async () => (await import("./get.ts")).get,
  list: async () => (await import("./list.ts")).list,
  diff: async () => (await import("./list.ts")).diff,
  verify: async () => (await import("./list.ts")).verify,
  delete: async () => (await import("./change.ts")).remove,
  move: async () => (await import("./change.ts")).move,
  info: async () => (await import("./info.ts")).showInfo,
  devices: async () => (await import("./info.ts")).showDevices,
  blank: async () => (await import("./drive.ts")).blank,
  format: async () => (await import("./drive.ts")).format,
  finish: async () => (await import("./drive.ts")).finish,
  eject: async () => (await import("./drive.ts")).eject,
  load: async () => (await import("./drive.ts")).load,
  help: async () => (await import("./help.ts")).help,
  completions: async () => (await import("./completions.ts")).completions,
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
      const runCommand = await LOAD[command.name]();
      io.signal.throwIfAborted();
      await runCommand(run);
    }
  } catch (error) {
    if (io.signal.aborted) run.fail(new Interrupted("Interrupted"));
    else if (!(error instanceof OutputClosed)) run.fail(error);
    if (run.exit === EXIT.usage) {
      const known = PROGRAM.commands.flatMap(wordsFor);
      const command = words.find((word) => known.includes(word)) ?? "";
      const name = command === "help" ? "" : command;
      run.note(`Try "${`${PROGRAM.name} help ${name}`.trimEnd()}"`);
    }
  } finally {
    io.signal.removeEventListener("abort", tellStop);
    run.clearProgress();
  }
  return run.exit;
}
