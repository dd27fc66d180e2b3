/** Runs one command line of the program `xorriso-backend`. */
import config from "../../deno.json" with { type: "json" };
import { encodeName } from "../names.ts";
import { parseArguments } from "./arguments.ts";
import { EXIT, OutputClosed } from "./exit.ts";
import { formatCommandHelp, formatHelp, help } from "./help.ts";
import { PROGRAM } from "./program.ts";
import { type Io, Run } from "./run.ts";

/** What runs a command. */
type Runner = (run: Run) => Promise<void>;

/** Loads what runs each command of the table only when it is called, so that help and usage errors are at once. */
export const COMMANDS: Readonly<Record<string, () => Promise<Runner>>> = {
  put: async () => (await import("./put.ts")).put,
  get: async () => (await import("./get.ts")).get,
  list: async () => (await import("./list.ts")).list,
  diff: async () => (await import("./list.ts")).diff,
  verify: async () => (await import("./list.ts")).verify,
  delete: async () => (await import("./change.ts")).remove,
  move: async () => (await import("./change.ts")).move,
  info: async () => (await import("./info.ts")).info,
  devices: async () => (await import("./info.ts")).devices,
  blank: async () => (await import("./drive.ts")).blank,
  format: async () => (await import("./drive.ts")).format,
  finish: async () => (await import("./drive.ts")).finish,
  eject: async () => (await import("./drive.ts")).eject,
  load: async () => (await import("./drive.ts")).load,
  completions: async () => (await import("./completions.ts")).completions,
  help: () => Promise.resolve(help),
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
  const tellStop = () => {
    if (io.stderr.isTerminal) run.note("Stopping...");
  };
  io.signal.addEventListener("abort", tellStop);
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
      const runner = await COMMANDS[command.name]?.();
      io.signal.throwIfAborted();
      await runner?.(run);
    }
  } catch (error) {
    if (io.signal.aborted) run.interrupt();
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
