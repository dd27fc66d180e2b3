/** The program `xorriso-backend`: its table of commands, which parser, help and completions are made from. */

/** A flag of the command line. */
export interface Flag {
  readonly name: string;
  /** A letter that means the same. */
  readonly letter: string | undefined;
  /** What help calls the value; a flag without it is a switch. */
  readonly value: string | undefined;
  /** The values that it may have, where these are few. */
  readonly choices: readonly string[] | undefined;
  readonly summary: string;
  /** As help spells it; those without a letter stand below the names of those with one. */
  readonly spelled: string;
}

/** A command of the command line; all that parser, help and completions have to know. */
export interface Command extends Description {
  readonly name: CommandName;
}

/** What a command is called. */
export type CommandName = keyof typeof COMMANDS;

/** A command without its name. */
interface Description {
  /** A shorter name. */
  readonly alias?: string;
  readonly summary: string;
  /** As help shows them: `URL [NAME...]`. */
  readonly operands: string;
  /** Its flags, besides those that all commands have. */
  readonly flags?: readonly Flag[];
  /** Deno's flags that it needs, each with the case that it is for. */
  readonly permissions?: Terms;
  /** What more there is to know, in one paragraph or several. */
  readonly details?: string | readonly string[];
}

/** The words that a command can be called by. */
export function wordsFor({ name, alias }: Command): string[] {
  return alias === undefined ? [name] : [name, alias];
}

/** A page of help that is not about a command. */
export interface Topic {
  readonly name: string;
  readonly summary: string;
  readonly terms: Terms;
  readonly details: string;
}

/** Words with what they mean. */
export type Terms = readonly (readonly [string, string])[];

/**
 * Makes a flag of how help spells it: `-n, --dry-run`, `--to PATH`; a value in small letters names all that it
 * may be: `--speed min|max`.
 */
function flag(spelling: string, summary: string): Flag {
  const [, letter, name = "", value] =
    spelling.match(/^(?:-(.), )?--(\S+)(?: (.+))?$/) ?? [];
  const isList = value === value?.toLowerCase();
  const choices = isList ? value?.split("|") : undefined;
  const spelled = letter === undefined ? `    ${spelling}` : spelling;
  return { name, letter, value, choices, summary, spelled };
}

const AS = flag("--as NAME", 'Its name on the medium; "." is that of the URL');

const EXCLUDE = flag(
  "--exclude GLOB",
  'Leave out what matches; "!GLOB" takes back',
);

/** What of a folder on disk takes part, and how. */
const FILTERS = [
  EXCLUDE,
  flag("--exclude-from FILE", "The same for the globs of a file, one a line"),
  flag("--follow", "Store what symbolic links point to"),
];

const DRY_RUN = flag("-n, --dry-run", "Only tell what would be done");

const BYTES = flag("--bytes", "Show sizes in bytes");

const RECOVER = flag(
  "--recover",
  "Go on from what an interrupted commit has left",
);

/** Which session is read. */
const READ = [
  flag(
    "--session N|DATE",
    "Read session N, or the newest of a date, as it was",
  ),
  RECOVER,
];

const FORCE = flag(
  "--force",
  "Even if there is data on the medium, which is lost",
);

const GLOBS =
  'GLOBs match below the folder: "*.tmp" is in it, "**/*.tmp" at any depth.';

const A_NAME =
  'A NAME is a file, a folder with all below it, or a glob, quoted for the shell: "*.tar", "2026/**"; as it is, or as a terminal shows it: \\xHH is a byte that is not UTF-8. Exit 3 if nothing is found for one.';

const A_DRIVE = [
  "A drive",
  "--allow-run=xorriso --allow-read=/dev/sr0 --allow-write=/dev/sr0",
] as const;

/** What the commands need that only read the medium. */
const READING = [["An image", "--allow-read=IMAGE"], A_DRIVE] as const;

/** What the commands need that change the medium. */
const CHANGING = [
  ["An image", "--allow-run=xorriso --allow-read=IMAGE --allow-write=IMAGE"],
  A_DRIVE,
] as const;

const COMMANDS = {
  put: {
    summary: "Store files and folders, in one new session",
    operands: "URL PATH...",
    flags: [
      AS,
      ...FILTERS,
      flag("--mirror", "Remove names that are gone from the folder"),
      flag("--all", "Store unchanged files again, too"),
      DRY_RUN,
      flag("--verify", "Read back what was stored and compare"),
      flag("--create", "Make a new image if there is none"),
      flag("--volume-id ID", "Volume id of a new image or blank medium"),
      RECOVER,
    ],
    permissions: [
      [
        "An image",
        "--allow-run=xorriso --allow-read=IMAGE,PATHS --allow-write=IMAGE",
      ],
      [
        "A drive",
        "--allow-run=xorriso --allow-read=/dev/sr0,PATHS --allow-write=/dev/sr0",
      ],
      ['PATH is "-"', "/tmp in --allow-read and --allow-write, too"],
    ],
    details: [
      "A folder is stored by its name; what has not changed is not written again. A PATH that is a link is followed; links below are stored. Nothing is stored if a PATH is missing. What cannot be stored is named, exit 7.",
      GLOBS,
      "-n and -v tell of names in the words of diff, and: moved, copied.",
      'PATH "-" is standard input; it needs --as. It, and a file that changes meanwhile, is first written to /tmp, or to TMPDIR by --allow-env=TMPDIR.',
    ],
  },
  get: {
    summary: "Restore files and folders, or all",
    operands: "URL [NAME...]",
    flags: [
      flag(
        "--to PATH",
        'The folder to restore into, or the file; "-" is stdout',
      ),
      flag("--overwrite", "Replace what is there and differs"),
      flag("--owner", "Restore owners, as root does by itself"),
      flag("--set-id", "Restore set-uid and set-gid bits, too"),
      EXCLUDE,
      DRY_RUN,
      ...READ,
    ],
    permissions: [
      ["An image", "--allow-read=IMAGE,DIR --allow-write=DIR"],
      [
        "A drive",
        "--allow-run=xorriso --allow-read=/dev/sr0,DIR,/tmp --allow-write=/dev/sr0,DIR,/tmp",
      ],
      ["Links", "--allow-read --allow-write, without a path"],
    ],
    details: [
      A_NAME,
      GLOBS,
      "DIR is the folder that is restored into, by default the current one. What is in a folder that is named alone appears in PATH itself, several NAMEs below it; a file is PATH, unless that is a folder.",
      "A file appears only when it is complete and its checksum is right. What is there and differs stays, and is named, exit 7.",
    ],
  },
  list: {
    alias: "ls",
    summary: "Show what is there",
    operands: "URL [NAME...]",
    flags: [
      flag("-l, --long", "Show modes, sizes and dates, too"),
      flag("--md5", "Show recorded checksums, too"),
      BYTES,
      ...READ,
    ],
    permissions: READING,
    details: ["Names are sorted, 2 before 10, A beside a.", A_NAME],
  },
  diff: {
    summary: "Show what a put would change, or a session has",
    operands: "URL [PATH]",
    flags: [
      AS,
      ...FILTERS,
      flag("--checksum", "Read all files to compare them"),
      flag(
        "--from N|DATE",
        "Show what has changed since session N, without PATH",
      ),
      ...READ,
    ],
    permissions: [
      ["An image", "--allow-read=IMAGE,PATH"],
      [
        "A drive",
        "--allow-run=xorriso --allow-read=/dev/sr0,PATH --allow-write=/dev/sr0",
      ],
    ],
    details: [
      "The words before the names: added, removed (only by --mirror), type (another kind of thing), content, attributes.",
      "Exit 0 also with differences. What cannot be stored is told by put --dry-run.",
      GLOBS,
    ],
  },
  verify: {
    summary: "Read files, or all, and compare with checksums",
    operands: "URL [NAME...]",
    flags: READ,
    permissions: READING,
    details: [
      A_NAME,
      "Exit 6 if a checksum is wrong, 7 if none is recorded for a file.",
    ],
  },
  delete: {
    alias: "rm",
    summary: "Remove names from the newest session",
    operands: "URL NAME...",
    flags: [
      flag("-r, --recursive", "Remove folders, with all that is below them"),
      RECOVER,
    ],
    permissions: CHANGING,
    details: [
      A_NAME,
      "This gives no space back, and older sessions keep the files: see --session.",
      "Nothing is removed if nothing is found for a NAME, or a folder without --recursive.",
    ],
  },
  move: {
    alias: "mv",
    summary: "Give a file or folder another name",
    operands: "URL NAME NEW",
    flags: [flag("--overwrite", "Replace a file of the new name"), RECOVER],
    permissions: CHANGING,
    details: "No content is written again.",
  },
  info: {
    summary: "Show the medium, its room and its sessions",
    operands: "URL",
    flags: [BYTES, ...READ],
    permissions: READING,
    details: [
      "The bar draws each session as the last digit of its number.",
      "Room is what files may take that are stored next, all in one session. It is unknown for an image that Deno may not write (--allow-write=IMAGE), and where --session is given.",
    ],
  },
  devices: {
    summary: "Show the optical drives and their media",
    operands: "",
    permissions: [
      ["Always", "--allow-run=xorriso --allow-read=/dev --allow-write=/dev"],
    ],
    details: "Drives with an open tray are closed by that.",
  },
  blank: {
    summary: "Erase a medium that can be written again",
    operands: "URL",
    flags: [flag("--mode as_needed|fast|all", "How much to erase"), FORCE],
    permissions: CHANGING,
    details:
      "CD-RW, DVD-RW, DVD+RW, DVD-RAM and BD-RE can be erased; an image is made empty.",
  },
  format: {
    summary: "Format a medium, which loses its data",
    operands: "URL",
    flags: [flag("--mode as_needed|fast|full", "How much to format"), FORCE],
    permissions: [A_DRIVE],
    details:
      "DVD-RW, DVD+RW, DVD-RAM and BD-RE can be formatted, and a blank BD-R. New media are formatted by themselves when they are written first.",
  },
  finish: {
    summary: "Close a medium: nothing more can be stored, ever",
    operands: "URL",
    flags: [RECOVER],
    permissions: [A_DRIVE],
    details:
      "This cannot be undone. A last session is written, with the directory tree. Media that are written in place cannot be closed: DVD+RW, DVD-RAM, BD-RE.",
  },
  eject: {
    summary: "Open the tray",
    operands: "URL",
    permissions: [A_DRIVE],
  },
  load: {
    summary: "Close the tray, and show what is in it",
    operands: "URL",
    permissions: [A_DRIVE],
  },
  help: {
    summary: "Show help for a command; also: flags, urls, exit",
    operands: "[COMMAND]",
  },
  completions: {
    summary: "Print completions for a shell",
    operands: "bash|zsh|fish",
    details:
      'In ~/.bashrc or, behind compinit, ~/.zshrc: "source <(xorriso-backend completions bash)", or zsh, which needs "setopt complete_aliases" for an alias. In fish: "xorriso-backend completions fish | source".',
  },
} satisfies Record<string, Description>;

/** Flags that every command has. */
const COMMON_FLAGS: readonly Flag[] = [
  flag("--json", "Print a JSON object a line; errors, too, on stderr"),
  flag("-q, --quiet", "Say nothing but errors"),
  flag("-v, --verbose", "Tell of each file what was done"),
  flag("--wait SECONDS", "Wait so long for an image or drive that is in use"),
  flag("--write-speed min|max", 'Without it a drive is told "min"'),
  flag("--assert-volid ID", "Refuse a medium with another volume id"),
  flag(
    "--xorriso-path PATH",
    "The xorriso to run; Deno needs --allow-run=PATH",
  ),
  flag("--xorriso-args WORDS", "More arguments for xorriso, like in a shell"),
  flag("-h, --help", "Show help, also for a command"),
  flag("-V, --version", "Show the version"),
];

/** Pages of help that are not about a command. */
const TOPICS: readonly Topic[] = [
  {
    name: "flags",
    summary: "flags that every command has",
    terms: COMMON_FLAGS.map(({ spelled, summary }) => [spelled, summary]),
    details:
      'Letters can share a dash (-lq), a value follows after a blank or "=", and what stands behind "--" is no flag. XORRISO_PATH, XORRISO_WRITE_SPEED, XORRISO_ASSERT_VOLID and XORRISO_ARGS stand for the flags of these names where Deno may read them (--allow-env=XORRISO_PATH,...).',
  },
  {
    name: "urls",
    summary: "how a medium is named",
    terms: [
      ["xorriso:///path/to/image.iso", "an image file"],
      ["xorriso://image.iso", "one in the current folder"],
      ["xorriso:///dev/sr0", "a drive"],
      ["xorriso:///dev/sr0:/backups/2026", "a directory on its medium"],
    ],
    details:
      'A "%" is written "%25"; names of files are relative to the directory.',
  },
  {
    name: "exit",
    summary: "exit codes",
    terms: [
      ["0", "done"],
      ["1", "failure"],
      ["2", "the command line is wrong"],
      ["3", "a name, directory or session is not on the medium"],
      ["4", "the drive, image or medium cannot be used"],
      ["5", "a permission or xorriso is missing"],
      ["6", "a checksum is wrong"],
      ["7", "done, but something was left out, which is named"],
      ["129", "the terminal was closed"],
      ["130", "interrupted (143 by SIGTERM)"],
    ],
    details: "Of several failures the highest code counts; 7 is no failure.",
  },
];

/** The commands in the order of help, with their names. */
const NAMED: readonly Command[] = Object.entries(COMMANDS).map((
  [name, description],
) => ({ name: name as CommandName, ...description }));

/** The program. */
export const PROGRAM = {
  name: "xorriso-backend",
  summary: "backups on optical media and in ISO 9660 images",
  commands: NAMED,
  flags: COMMON_FLAGS,
  topics: TOPICS,
};
