/** The program `xorriso-backend`: its table of commands, which parser, help and completions are made from. */
import type { Command, Flag, Program } from "./arguments.ts";
import { describeFlags, wrap } from "./terminal.ts";

type Permissions = Command["permissions"];

const SESSION: Flag = {
  name: "session",
  value: "N|DATE",
  summary: "Read session N, or the newest of a date, as it was",
};

const BYTES: Flag = { name: "bytes", summary: "Show sizes in bytes" };

const RECOVER: Flag = {
  name: "recover",
  summary: "Go on from the last sound session of a bad burn",
};

const FORCE: Flag = {
  name: "force",
  summary: "Even if there is data on the medium, which is lost",
};

const GLOBS =
  'GLOBs match below the folder: "*.tmp" is in it, "**/*.tmp" at any depth.';

const A_NAME =
  'A NAME is a file, a folder with all below it, or a glob, quoted for the shell: "*.tar", "2026/**"; \\xHH is a byte that is not UTF-8. Exit 3 if nothing is found for one.';

/** What commands on a drive need. */
const A_DRIVE = [
  "A drive",
  "--allow-run=xorriso --allow-read=/dev/sr0 --allow-write=/dev/sr0",
] as const;

/** What the commands need that only read the medium. */
const READING: Permissions = [
  ["An image", "--allow-read=IMAGE"],
  A_DRIVE,
];

/** What the commands need that change the medium. */
const CHANGING: Permissions = [
  ["An image", "--allow-run=xorriso --allow-read=IMAGE --allow-write=IMAGE"],
  A_DRIVE,
];

/** Which names of a folder take part. */
const FILTERS: readonly Flag[] = [
  {
    name: "exclude",
    value: "GLOB",
    summary: 'Leave out what matches; "!GLOB" takes back',
  },
  {
    name: "exclude-from",
    value: "FILE",
    summary: "The same for the globs of a file, one a line",
  },
  { name: "follow", summary: "Store what symbolic links point to" },
];

const DRY_RUN: Flag = {
  name: "dry-run",
  letter: "n",
  summary: "Only tell what would be done",
};

const AS: Flag = {
  name: "as",
  value: "NAME",
  summary: 'Its name on the medium; "." is that of the URL',
};

const OVERWRITE: Flag = {
  name: "overwrite",
  summary: "Replace what is there and differs",
};

const COMMANDS: readonly Command[] = [
  {
    name: "put",
    summary: "Store files and folders, in one new session",
    operands: "URL PATH...",
    count: [2, Infinity],
    flags: [
      AS,
      ...FILTERS,
      { name: "mirror", summary: "Remove names that are gone from the folder" },
      { name: "all", summary: "Store unchanged files again, too" },
      DRY_RUN,
      { name: "verify", summary: "Read back what was stored and compare" },
      { name: "create", summary: "Make a new image if there is none" },
      {
        name: "volume-id",
        value: "ID",
        summary: "Volume id of a new image or blank medium",
      },
      RECOVER,
    ],
    permissions: [
      [
        "An image",
        "--allow-run=xorriso --allow-read=IMAGE,PATHS --allow-write=IMAGE",
      ],
      ["A drive", "--allow-run=xorriso --allow-read=/dev/sr0,PATHS"],
      ["", "--allow-write=/dev/sr0"],
      ['PATH is "-"', "/tmp in --allow-read and --allow-write, too"],
    ],
    details: [
      "A folder is stored by its name; what has not changed is not written again.",
      "A PATH that is a link is followed; links below are stored.",
      GLOBS,
      'PATH "-" is standard input; it needs --as. It, and a file that changes meanwhile, is first written to /tmp, or to TMPDIR by --allow-env=TMPDIR.',
      "Nothing is stored if a PATH is missing. What cannot be stored is named, exit 7.",
    ],
  },
  {
    name: "get",
    summary: "Restore files and folders, or all",
    operands: "URL [NAME...]",
    count: [1, Infinity],
    flags: [
      {
        name: "to",
        value: "PATH",
        summary: 'The folder to restore into, or the file; "-" is stdout',
      },
      OVERWRITE,
      { name: "owner", summary: "Restore owners, as root does by itself" },
      { name: "set-id", summary: "Restore set-uid and set-gid bits, too" },
      {
        name: "exclude",
        value: "GLOB",
        summary: 'Leave out what matches; "!GLOB" takes back',
      },
      DRY_RUN,
      SESSION,
      RECOVER,
    ],
    permissions: [
      ["An image", "--allow-read=IMAGE,DIR --allow-write=DIR"],
      ["A drive", "--allow-run=xorriso --allow-read=/dev/sr0,DIR,/tmp"],
      ["", "--allow-write=/dev/sr0,DIR,/tmp"],
      ["Links", "--allow-read --allow-write, without a path"],
    ],
    details: [
      A_NAME,
      GLOBS,
      "DIR is the folder that is restored into, by default the current one. What is in a folder that is named alone appears in PATH itself, several NAMEs below it; a file is PATH, unless that is a folder.",
      "A file appears only when it is complete and its checksum is right. What is there and differs stays, and is named, exit 7.",
    ],
  },
  {
    name: "list",
    alias: "ls",
    summary: "Show what is there",
    operands: "URL [NAME...]",
    count: [1, Infinity],
    flags: [
      {
        name: "long",
        letter: "l",
        summary: "Show modes, sizes and dates, too",
      },
      { name: "md5", summary: "Show recorded checksums, too" },
      BYTES,
      SESSION,
      RECOVER,
    ],
    permissions: READING,
    details: [A_NAME],
  },
  {
    name: "diff",
    summary: "Show what a put would change, or a session has",
    operands: "URL [PATH]",
    count: [1, 2],
    flags: [
      AS,
      ...FILTERS,
      { name: "checksum", summary: "Read all files to compare them" },
      {
        name: "from",
        value: "N",
        summary: "Show what has changed since session N, without PATH",
      },
      SESSION,
      RECOVER,
    ],
    permissions: [
      ["An image", "--allow-read=IMAGE,PATH"],
      ["A drive", "--allow-run=xorriso --allow-read=/dev/sr0,PATH"],
      ["", "--allow-write=/dev/sr0"],
    ],
    details: [
      "The words before the names: added, removed, type (another kind of thing), content, attributes.",
      "Exit 0 also with differences. What cannot be stored is told by put --dry-run.",
      GLOBS,
    ],
  },
  {
    name: "verify",
    summary: "Read files, or all, and compare with checksums",
    operands: "URL [NAME...]",
    count: [1, Infinity],
    flags: [SESSION, RECOVER],
    permissions: READING,
    details: [
      A_NAME,
      "Exit 6 if a checksum is wrong, 7 if none is recorded for a file.",
    ],
  },
  {
    name: "delete",
    alias: "rm",
    summary: "Remove names from the newest session",
    operands: "URL NAME...",
    count: [2, Infinity],
    flags: [
      {
        name: "recursive",
        letter: "r",
        summary: "Remove folders, with all that is below them",
      },
      RECOVER,
    ],
    permissions: CHANGING,
    details: [
      A_NAME,
      "This gives no space back, and older sessions keep the files: see --session.",
      "Nothing is removed if nothing is found for a NAME, or a folder without --recursive.",
    ],
  },
  {
    name: "move",
    alias: "mv",
    summary: "Give a file or folder another name",
    operands: "URL NAME NEW",
    count: [3, 3],
    flags: [
      { name: "overwrite", summary: "Replace a file of the new name" },
      RECOVER,
    ],
    permissions: CHANGING,
    details: ["No content is written again."],
  },
  {
    name: "info",
    summary: "Show the medium, its room and its sessions",
    operands: "URL",
    count: [1, 1],
    flags: [BYTES, SESSION, RECOVER],
    permissions: READING,
    details: [
      "The bar draws each session as the last digit of its number.",
      "Room is what files may take that are stored next, all in one session. It is unknown for an image that Deno may not write (--allow-write=IMAGE), and where --session is given.",
    ],
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
  },
  {
    name: "blank",
    summary: "Erase a medium that can be written again",
    operands: "URL",
    count: [1, 1],
    flags: [
      {
        name: "mode",
        value: "MODE",
        choices: ["as_needed", "fast", "all"],
        summary: '"as_needed", "fast" or "all"',
      },
      FORCE,
    ],
    permissions: CHANGING,
    details: [
      "CD-RW, DVD-RW, DVD+RW, DVD-RAM and BD-RE can be erased; an image is made empty.",
    ],
  },
  {
    name: "format",
    summary: "Format a medium, which loses its data",
    operands: "URL",
    count: [1, 1],
    flags: [
      {
        name: "mode",
        value: "MODE",
        choices: ["as_needed", "fast", "full"],
        summary: '"as_needed", "fast" or "full"',
      },
      FORCE,
    ],
    permissions: [A_DRIVE],
    details: [
      "DVD-RW, DVD+RW, DVD-RAM and BD-RE can be formatted, and a blank BD-R.",
      "New media are formatted by themselves when they are written first.",
    ],
  },
  {
    name: "finish",
    summary: "Close a medium: nothing more can be stored, ever",
    operands: "URL",
    count: [1, 1],
    flags: [RECOVER],
    permissions: [A_DRIVE],
    details: [
      "This cannot be undone. A last session is written, with the directory tree.",
      "Media that are written in place cannot be closed: DVD+RW, DVD-RAM, BD-RE.",
    ],
  },
  {
    name: "eject",
    summary: "Open the tray",
    operands: "URL",
    count: [1, 1],
    flags: [],
    permissions: [A_DRIVE],
    details: [],
  },
  {
    name: "load",
    summary: "Close the tray, and show what is in it",
    operands: "URL",
    count: [1, 1],
    flags: [],
    permissions: [A_DRIVE],
    details: [],
  },
  {
    name: "help",
    summary: "Show help for a command; also: flags, urls, exit",
    operands: "[COMMAND]",
    count: [0, 1],
    flags: [],
    permissions: [],
    details: [],
  },
  {
    name: "completions",
    summary: "Print completions for a shell",
    operands: "bash|zsh|fish",
    count: [1, 1],
    flags: [],
    permissions: [],
    details: [],
  },
];

/** Flags that every command has. */
const FLAGS: readonly Flag[] = [
  {
    name: "json",
    summary: "Print a JSON object a line; errors, too, on stderr",
  },
  { name: "quiet", letter: "q", summary: "Say nothing but errors" },
  { name: "verbose", letter: "v", summary: "Tell of each file what was done" },
  {
    name: "wait",
    value: "SECONDS",
    summary: "Wait so long for an image or drive that is in use",
  },
  {
    name: "write-speed",
    value: "SPEED",
    choices: ["min", "max"],
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
    summary: "More arguments for xorriso, split like by a shell",
  },
  { name: "help", letter: "h", summary: "Show help, also for a command" },
  { name: "version", letter: "V", summary: "Show the version" },
];

/** The program. */
export const PROGRAM: Program = {
  name: "xorriso-backend",
  summary: "backups on optical media and in ISO 9660 images",
  commands: COMMANDS,
  flags: FLAGS,
  topics: [
    {
      name: "flags",
      summary: "flags that every command has",
      lines: [
        ...describeFlags(FLAGS),
        "",
        ...wrap(
          'Letters can share a dash (-lq), a value follows after a blank or "=", and what stands behind "--" is no flag. XORRISO_PATH, XORRISO_WRITE_SPEED, XORRISO_ASSERT_VOLID and XORRISO_ARGS stand for the flags of these names where Deno may read them (--allow-env=XORRISO_PATH,...).',
        ),
      ],
    },
    {
      name: "urls",
      summary: "how a medium is named",
      lines: [
        "xorriso:///path/to/image.iso        an image file",
        "xorriso://image.iso                 one in the current folder",
        "xorriso:///dev/sr0                  a drive",
        "xorriso:///dev/sr0:/backups/2026    a directory on its medium",
        "",
        'A "%" is written "%25"; names of files are relative to the directory.',
      ],
    },
    {
      name: "exit",
      summary: "exit codes",
      lines: [
        "0    done",
        "1    failure",
        "2    the command line is wrong",
        "3    a name, directory or session is not there",
        "4    the drive or medium",
        "5    a permission or xorriso is missing",
        "6    a checksum is wrong",
        "7    done, but something was left out, which is named",
        "129  the terminal was closed",
        "130  interrupted (143 by SIGTERM)",
        "",
        "Of several failures the highest code counts; 7 is no failure.",
      ],
    },
  ],
  footer: [
    "URL: xorriso:///path/to/image.iso, xorriso:///dev/sr0, ...:/DIRECTORY on it",
  ],
};
