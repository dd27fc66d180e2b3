/** The program `xorriso-backend`: its table of commands, and what is common to them. */
import {
  type Command,
  type Flag,
  formatCommandHelp,
  formatHelp,
  parseArguments,
  type Program,
  UsageError,
} from "./arguments.ts";
import * as commands from "./commands.ts";
import config from "../../deno.json" with { type: "json" };
import { EXIT, type Io, Job, OutputClosed } from "./job.ts";
import { encodeName } from "../names.ts";

const SESSION: Flag = {
  name: "session",
  value: "N",
  summary: "Read session N as it was, not the newest",
};

/** What every command on a drive needs. */
const A_DRIVE = [
  "A drive",
  "--allow-run=xorriso --allow-read=/dev/sr0 --allow-write=/dev/sr0",
] as const;

const RECOVER: Flag = {
  name: "recover",
  summary: "Go on from the last sound session, if a burn was interrupted",
};

const FORCE: Flag = {
  name: "force",
  summary: "Even if there is data on the medium, which is lost",
};

const COMMANDS: readonly Command<Job>[] = [
  {
    name: "put",
    summary: "Store files and folders, all in one new session",
    operands: "URL PATH...",
    count: [2, Infinity],
    flags: [
      {
        name: "as",
        value: "NAME",
        summary: "Store a single PATH under this name; may have slashes",
      },
      { name: "create", summary: "Make a new image if there is none" },
      {
        name: "volume-id",
        value: "ID",
        summary: "Volume id of a new image or blank medium",
      },
      { name: "verify", summary: "Read back what was stored and compare" },
      RECOVER,
    ],
    permissions: [
      [
        "An image file",
        "--allow-run=xorriso --allow-read=IMAGE,PATHS --allow-write=IMAGE",
      ],
      [
        "A drive",
        "--allow-run=xorriso --allow-read=/dev/sr0,PATHS --allow-write=/dev/sr0",
      ],
      [
        'PATH is "-"',
        "the same, with /tmp in --allow-read and --allow-write instead of PATHS",
      ],
    ],
    details: [
      "A file replaces one of the same name. A folder is stored with all regular files below",
      "it, under its own name; links, devices and FIFOs in it are left out and named on stderr.",
      'PATH "-" is standard input; it needs --as, and is first written to a file in /tmp, or in',
      "the folder that TMPDIR names with --allow-env=TMPDIR.",
      "Nothing is stored if a PATH cannot be; what fails inside a folder is left out, exit 1.",
    ],
    run: commands.put,
  },
  {
    name: "get",
    summary: "Restore a file, or everything below a folder",
    operands: "URL NAME [TARGET]",
    count: [2, 3],
    flags: [SESSION, RECOVER],
    permissions: [
      [
        "From an image file",
        "--allow-run=xorriso --allow-read=IMAGE,DIR --allow-write=DIR",
      ],
      [
        "From a drive",
        "--allow-run=xorriso --allow-read=/dev/sr0,DIR,/tmp --allow-write=/dev/sr0,DIR,/tmp",
      ],
      ['TARGET is "-"', "the same without DIR"],
    ],
    details: [
      "DIR is the folder that TARGET is in, or TARGET itself if NAME is a folder.",
      'TARGET "-" is standard output. Without TARGET it is the last part of NAME.',
      'NAME "." is everything. A folder TARGET is made if it is not there.',
      "A file appears under its name only when it is complete and its checksum is right.",
    ],
    run: commands.get,
  },
  {
    name: "list",
    summary: "Show names, one a line",
    operands: "URL [GLOB]",
    count: [1, 2],
    flags: [
      { name: "long", letter: "l", summary: "Show size and MD5, too" },
      SESSION,
      RECOVER,
    ],
    permissions: reading(),
    details: [
      'GLOB is matched with whole names: "*.tar", "2026/**". Quote it for the shell.',
    ],
    run: commands.list,
  },
  {
    name: "query",
    summary: "Show size and MD5 of files, exit 3 if one is missing",
    operands: "URL NAME...",
    count: [2, Infinity],
    flags: [SESSION, RECOVER],
    permissions: reading(),
    details: [],
    run: commands.query,
  },
  {
    name: "delete",
    summary: "Remove files from the newest session",
    operands: "URL NAME...",
    count: [2, Infinity],
    flags: [RECOVER],
    permissions: [
      [
        "An image file",
        "--allow-run=xorriso --allow-read=IMAGE --allow-write=IMAGE",
      ],
      [
        "A drive",
        "--allow-run=xorriso --allow-read=/dev/sr0 --allow-write=/dev/sr0",
      ],
    ],
    details: [
      "This gives no space back, and older sessions keep the files: see --session.",
    ],
    run: commands.remove,
  },
  {
    name: "info",
    summary: "Show drive, medium, volume id, space and sessions",
    operands: "URL",
    count: [1, 1],
    flags: [SESSION, RECOVER],
    permissions: reading(),
    details: [
      "Room is what files may take that are stored next, all in one session. It is unknown for an",
      "image that Deno may not write (--allow-write=IMAGE), and where --session is given.",
    ],
    run: commands.info,
  },
  {
    name: "verify",
    summary: "Read files, or all, and compare with their checksums",
    operands: "URL [NAME...]",
    count: [1, Infinity],
    flags: [SESSION, RECOVER],
    permissions: reading(),
    details: ["Exit 6 if a checksum is wrong."],
    run: commands.verify,
  },
  {
    name: "blank",
    summary: "Erase a medium that can be written again",
    operands: "URL",
    count: [1, 1],
    flags: [
      { name: "mode", value: "MODE", summary: '"as_needed", "fast" or "all"' },
      FORCE,
    ],
    permissions: changing(),
    details: [
      "CD-RW, DVD-RW, DVD+RW, DVD-RAM and BD-RE can be erased; an image is made empty.",
    ],
    run: commands.blank,
  },
  {
    name: "format",
    summary: "Format a medium, which loses its data",
    operands: "URL",
    count: [1, 1],
    flags: [
      { name: "mode", value: "MODE", summary: '"as_needed", "fast" or "full"' },
      FORCE,
    ],
    permissions: [A_DRIVE],
    details: [
      "DVD-RW, DVD+RW, DVD-RAM and BD-RE can be formatted, and a blank BD-R.",
      "New media are formatted by themselves when they are written first.",
    ],
    run: commands.format,
  },
  {
    name: "finish",
    summary: "Close a medium for good: nothing can be stored any more",
    operands: "URL",
    count: [1, 1],
    flags: [RECOVER],
    permissions: [A_DRIVE],
    details: [
      "This cannot be undone. A last session is written, with the directory tree.",
      "Media that are written in place cannot be closed: DVD+RW, DVD-RAM, BD-RE.",
    ],
    run: commands.finish,
  },
  {
    name: "eject",
    summary: "Open the tray",
    operands: "URL",
    count: [1, 1],
    flags: [],
    permissions: [A_DRIVE],
    details: [],
    run: commands.eject,
  },
  {
    name: "load",
    summary: "Close the tray, and show what is in it",
    operands: "URL",
    count: [1, 1],
    flags: [],
    permissions: [A_DRIVE],
    details: [],
    run: commands.load,
  },
  {
    name: "devices",
    summary: "Show the optical drives and their media",
    operands: "",
    count: [0, 0],
    flags: [],
    permissions: [[
      "Always",
      "--allow-run=xorriso --allow-read=/dev --allow-write=/dev",
    ]],
    details: ["Drives with an open tray are closed by that."],
    run: commands.devices,
  },
];

/** Deno's flags of the commands that change the medium. */
function changing(): Command<Job>["permissions"] {
  return [
    [
      "An image file",
      "--allow-run=xorriso --allow-read=IMAGE --allow-write=IMAGE",
    ],
    A_DRIVE,
  ];
}

/** Deno's flags of the commands that only read the medium. */
function reading(): Command<Job>["permissions"] {
  return [
    ["An image file", "--allow-run=xorriso --allow-read=IMAGE"],
    A_DRIVE,
  ];
}

const PROGRAM: Program<Job> = {
  name: "xorriso-backend",
  summary: "backups on optical media and in ISO 9660 images",
  invocation: "deno run FLAGS jsr:@xorriso/backend/cli",
  commands: COMMANDS,
  flags: [
    {
      name: "json",
      summary: "Print one JSON object a line; errors, too, on stderr",
    },
    { name: "quiet", letter: "q", summary: "Say nothing but errors" },
    {
      name: "write-speed",
      value: "SPEED",
      summary: '"min" or "max"; without it a drive is told "min"',
    },
    {
      name: "assert-volid",
      value: "ID",
      summary: "Refuse a medium with another volume id",
    },
    {
      name: "xorriso-path",
      value: "PATH",
      summary: "The xorriso to run; Deno needs --allow-run=PATH",
    },
    {
      name: "xorriso-args",
      value: "WORDS",
      summary: "Further arguments for xorriso, split like by a shell",
    },
    { name: "help", letter: "h", summary: "Show help, also for a command" },
    { name: "version", letter: "V", summary: "Show the version" },
  ],
  sections: [
    ["URL", [
      "xorriso:///path/to/image.iso        an image file",
      "xorriso://image.iso                 one in the current folder",
      "xorriso:///dev/sr0                  a drive",
      "xorriso:///dev/sr0:/backups/2026    a directory on its medium",
      'A "%" is written "%25"; names of files are relative to the directory.',
    ]],
    ["Variables", [
      "XORRISO_PATH, XORRISO_WRITE_SPEED, XORRISO_ASSERT_VOLID and XORRISO_ARGS stand for the",
      "flags of these names where Deno allows to read them (--allow-env=XORRISO_PATH,...).",
    ]],
    ["Exit codes", [
      "0    done",
      "1    failure",
      "2    the command line is wrong",
      "3    a name or session is not there",
      "4    the drive or medium",
      "5    a permission or xorriso is missing",
      "6    a checksum is wrong",
      "130  interrupted (143 by SIGTERM)",
      "Of several failures the highest code counts.",
    ]],
  ],
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
  const flags = new Map(words.includes("--json") ? [["json", ""]] : []);
  let job = new Job({ operands: [], flags }, io);
  let command: Command<Job> | undefined;
  try {
    const args = parseArguments(PROGRAM, words);
    job = new Job(args, io);
    command = args.command;
    if (job.has("help")) {
      await job.write(encodeName(
        command === undefined
          ? formatHelp(PROGRAM)
          : formatCommandHelp(PROGRAM, command),
      ));
    } else if (job.has("version") || command === undefined) {
      await job.write(encodeName(`${PROGRAM.name} ${config.version}\n`));
    } else {
      await command.run(job);
    }
  } catch (error) {
    if (io.signal.aborted) job.interrupt();
    else if (!(error instanceof OutputClosed)) job.fail(error);
    if (job.exit === EXIT.usage) {
      const name = command?.name ??
        (error instanceof UsageError ? error.command : undefined);
      const call = name === undefined ? "" : ` ${name}`;
      job.note(`Try "${PROGRAM.name}${call} --help"`);
    }
  } finally {
    job.clearProgress();
  }
  return job.exit;
}
