import { assert, assertEquals } from "@std/assert";
import {
  classify,
  findProblem,
  parseShortage,
} from "../../src/dialogue/messages.ts";
import type { XorrisoErrorCode } from "../../src/errors.ts";
import { Random } from "../torture/random.ts";

const RECORDINGS = new URL("../recordings/", import.meta.url);

/** Codes that tell of the session itself: no text of xorriso's stands for them. */
const OF_THE_MODULE = [
  "SESSION_LOST",
  "TIMEOUT",
  "PROTOCOL",
  "CLOSED",
  "TARGET_EXISTS",
  "TOO_MANY_FILES",
];

interface Recording {
  readonly file: string;
  readonly text: string;
  /** What xorriso was sent, line by line. */
  readonly sent: readonly string[];
}

async function readRecordings(): Promise<Recording[]> {
  const found: Recording[] = [];
  for (const folder of ["drive/", "image/"]) {
    for await (const { name } of Deno.readDir(new URL(folder, RECORDINGS))) {
      const [, stem] = /^(.*)\.(?:packets|stderr)$/.exec(name) ?? [];
      if (stem === undefined) continue;
      const read = (file: string) =>
        Deno.readTextFile(
          new URL(folder + encodeURIComponent(file), RECORDINGS),
        );
      found.push({
        file: folder + name,
        text: await read(name),
        sent: sentLines(await read(`${stem}.txt`)),
      });
    }
  }
  return found.sort((a, b) => a.file < b.file ? -1 : 1);
}

function sentLines(origin: string): string[] {
  const [, sent = ""] = origin.split(/^(?:# )?stdin(?: lines)?\b.*:\n/m);
  return sent.split("\n")
    .map((line) => line.replace(/^# \+[\d.]+ /, ""))
    .filter((line) => !/^(!|<|exit: |$)/.test(line));
}

interface Exchange {
  readonly about: string;
  readonly text: string;
}

/** What came for each line that was sent. */
function exchangesOf({ file, text, sent }: Recording): Exchange[] {
  const parts = file.endsWith(".packets") ? byMark(text) : byPrompt(text);
  const lines = file.endsWith(".packets")
    ? sent.filter((line) => !line.startsWith("-mark "))
    : sent;
  return parts.map((part, index) => ({
    about: index === 0 ? "(start)" : lines[index - 1] ?? "(end)",
    text: part,
  }));
}

/** An exchange ends where its mark comes for the first time. */
function byMark(text: string): string[] {
  const seen = new Set<string>();
  const parts = [""];
  for (const line of text.split(/(?<=\n)/)) {
    parts.push((parts.pop() ?? "") + line);
    if (!line.startsWith("M:") || seen.has(line)) continue;
    seen.add(line);
    parts.push("");
  }
  return parts;
}

/** A line is taken at the prompt. */
function byPrompt(text: string): string[] {
  return text.split(/(?<=^enter option and arguments :\n)/m);
}

/** The texts of messages, as a session gets them. */
function messagesOf(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [, channel, flag, payload = ""] = /^([RIM]):(.): (.*)$/.exec(line) ??
      [];
    if (channel === undefined) return [line];
    if (channel !== "I") return [];
    return [flag === "0" ? payload.replace(/\\n$/, "") : payload];
  });
}

function row(about: string, text: string): string {
  const problem = findProblem(messagesOf(text));
  if (problem === undefined) return `${about} -> none`;
  const line = JSON.stringify(problem.line).slice(1, -1);
  return `${about} -> ${problem.code}: ${line.slice(0, 160)}`;
}

const recordings = await readRecordings();

Deno.test("classify() and findProblem() on each recording", async (t) => {
  for (const recording of recordings) {
    await t.step(recording.file, async (t) => {
      const { file, text } = recording;
      assertEquals(classify(text), findProblem(messagesOf(text))?.code);
      const rows = exchangesOf(recording)
        .filter(({ about }) => !about.startsWith("-mark "))
        .map(({ about, text }) => {
          assertEquals(classify(text), findProblem(messagesOf(text))?.code);
          return `  ${row(about.slice(0, 80), text)}`;
        });
      const serializer = (lines: string[]) => lines.join("\n");
      await t.assertSnapshot([row(file, text), ...rows], { serializer });
    });
  }
});

Deno.test("classify() has a recording for each code that xorriso can cause", async () => {
  const errors = await Deno.readTextFile(
    new URL("../../src/errors.ts", import.meta.url),
  );
  const found = new Set(
    recordings.flatMap((recording) => [
      classify(recording.text),
      ...exchangesOf(recording).map(({ text }) => classify(text)),
    ]),
  );
  const caused = [...found].filter((code) => code !== undefined);
  const all = Array.from(
    errors.matchAll(/^ {2}\| "([A-Z_]+)"/gm),
    ([, code]) => code,
  );
  assertEquals([...caused, ...OF_THE_MODULE].sort(), all.sort());
});

function assertCodes(
  cases: readonly (readonly [string, XorrisoErrorCode | undefined])[],
): void {
  for (const [text, code] of cases) assertEquals(classify(text), code, text);
}

Deno.test("classify() finds nothing where nothing went wrong", () => {
  assertCodes([
    ["", undefined],
    ["\n\r\n\n", undefined],
    [
      "xorriso 1.5.4 : RockRidge filesystem manipulator, libburnia project.\n\n",
      undefined,
    ],
    ["enter option and arguments :\n======\n------\n", undefined],
    ["xorriso : UPDATE : Writing:        672s   40.7%\r", undefined],
    ["xorriso : NOTE : Re-assessing -outdev 'stdio:/a'\n", undefined],
    ["libburn : WARNING : Last session on media is still open.\n", undefined],
    ["xorriso : WARNING : -commit: No image modifications pending", undefined],
    [
      "xorriso : NOTE : -return_with SORRY 32 triggered by problem severity FATAL",
      undefined,
    ],
    ["R:1: libburn : FATAL : Lost connection to drive\n", undefined],
    ["M:0: libburn : FATAL : Lost connection to drive\n", undefined],
  ]);
});

Deno.test("classify() calls a problem that no rule knows UNKNOWN", () => {
  for (const severity of ["SORRY", "MISHAP", "FAILURE", "FATAL"]) {
    assertEquals(classify(`libjte : ${severity} : Never seen`), "UNKNOWN");
  }
  for (const severity of ["WARNING", "HINT", "NOTE", "UPDATE", "DEBUG"]) {
    assertEquals(classify(`libjte : ${severity} : Never seen`), undefined);
  }
  assertCodes([
    ["xorriso : FAILURE : ", "UNKNOWN"],
    ["xorriso : FAILURE : -", "UNKNOWN"],
    ["xorriso : NOTE : Tolerated problem event of severity 'SORRY'", "UNKNOWN"],
    ["xorriso : aborting : -abort_on 'FATAL' encountered 'FATAL'", "UNKNOWN"],
    ["--- oversized directory entry (number 1) :\n    /x", "UNKNOWN"],
  ]);
});

Deno.test("classify() knows the texts of newer versions", () => {
  const mismatch = "Checksum mismatch between checksum tag and data blocks";
  const aborted = "libisofs: FAILURE : Image loading aborted due to ";
  assertCodes([
    [
      'libisoburn: FAILURE : Failed to find "session" "9"',
      "SESSION_NOT_FOUND",
    ],
    ["libisoburn: FAILURE : Failed to find volid x", "SESSION_NOT_FOUND"],
    [`libisofs: FAILURE : ${mismatch}`, "IMAGE_DAMAGED"],
    [`libisofs: FAILURE : Session : ${mismatch}`, "IMAGE_DAMAGED"],
    [`libisofs: FAILURE : Superblock : ${mismatch}`, "IMAGE_DAMAGED"],
    [`libisofs: FAILURE : Relocated superblock : ${mismatch}`, "IMAGE_DAMAGED"],
    [`libisofs: FAILURE : Directory tree : ${mismatch}`, "IMAGE_DAMAGED"],
    [`${aborted}MD5 mismatch of image meta data`, "IMAGE_DAMAGED"],
    [`${aborted}invalid MD5 checksum tag`, "IMAGE_DAMAGED"],
  ]);
});

Deno.test("classify() lets an unknown first problem win, since what comes may follow from it", () => {
  const unknown = "libburn : FAILURE : Never seen\n";
  const missing = "xorriso : FAILURE : Cannot find path '/x' in loaded ISO " +
    "image\n";
  assertCodes([
    [unknown + missing, "UNKNOWN"],
    [missing + unknown, "ENTRY_NOT_FOUND"],
    [unknown + "xorriso : FAILURE : Cannot acquire drive '/x'", "UNKNOWN"],
    [unknown + "xorriso : FAILURE : Blanking failed.", "BLANK_FAILED"],
    [
      unknown + "xorriso : FAILURE : Cannot read ISO image tree",
      "IMAGE_DAMAGED",
    ],
  ]);
});

Deno.test("classify() takes what follows from a cause where the cause is not there", () => {
  assertCodes([
    ["xorriso : FAILURE : Cannot acquire drive '/dev/sr0'", "NO_DRIVE"],
    [
      "xorriso : FAILURE : libburn indicates failure with writing.",
      "WRITE_ERROR",
    ],
    [
      "xorriso : FAILURE : Failed to prepare session write run",
      "MEDIUM_NOT_WRITABLE",
    ],
    ["xorriso : SORRY : Restoring failed:  '/a' = '/b'", "TARGET_UNWRITABLE"],
    ["xorriso : FAILURE : Grafting failed:  '/a' = '/b'", "SOURCE_UNREADABLE"],
    ["libburn : SORRY : Drive is already released", "DRIVE_LOST"],
  ]);
});

Deno.test("classify() lets the cause win also if it comes behind what follows from it", () => {
  const line = "libburn : SORRY : Cannot write desired amount of 32768 bytes.";
  assertEquals(
    classify(`
libisofs: MISHAP : Image write cancelled
${line} write(2) returned -1. : File too large
xorriso : FAILURE : libburn indicates failure with writing.
`),
    "MEDIUM_FULL",
  );
});

const OPEN_DRIVE =
  `libburn : FAILURE : Cannot access '/dev/sr0' as SG_IO CDROM drive
xorriso : FAILURE : Cannot acquire drive '/dev/sr0'
`;

Deno.test("classify() takes a NOTE as the cause only of what follows from it", () => {
  const note = (error: string) =>
    `libburn : NOTE : Failed to open device '/dev/sr0' : ${error}\n`;
  const missing = "xorriso : SORRY : Cannot find path '/x' in loaded ISO image";
  assertCodes([
    [note("Permission denied") + OPEN_DRIVE, "PERMISSION_DENIED"],
    [note("Read-only file system") + OPEN_DRIVE, "MEDIUM_NOT_WRITABLE"],
    [note("No medium found") + OPEN_DRIVE, "NO_MEDIUM"],
    [note("No such device or address") + OPEN_DRIVE, "NO_DRIVE"],
    [note("Something new") + OPEN_DRIVE, "UNKNOWN"],
    [note("Permission denied"), undefined],
    [OPEN_DRIVE + note("Permission denied"), "NO_DRIVE"],
    [note("Permission denied") + missing, "ENTRY_NOT_FOUND"],
  ]);
  const problem = findProblem(
    (note("Permission denied") + OPEN_DRIVE).trimEnd().split("\n"),
  );
  assertEquals(problem?.lines.length, 3);
});

Deno.test("classify() asks the system's error only where the text says that the call failed", () => {
  const opening = "libburn : SORRY : Failed to open device (a pseudo-drive)";
  const writing =
    "libburn : SORRY : Cannot write desired amount of 32768 bytes.";
  assertCodes([
    [`${opening} : Permission denied`, "PERMISSION_DENIED"],
    [`${opening} : Operation not permitted`, "PERMISSION_DENIED"],
    [`${opening} for reading : Permission denied`, "PERMISSION_DENIED"],
    [`${opening} : Read-only file system`, "MEDIUM_NOT_WRITABLE"],
    [`${opening} : Text file busy`, "DRIVE_BUSY"],
    [`${opening} : constructor`, "UNKNOWN"],
    [
      `${writing} write(2) returned -1. : No space left on device`,
      "MEDIUM_FULL",
    ],
    [`${writing} write(2) returned -1. : File too large`, "MEDIUM_FULL"],
    [`${writing} write(2) returned -1. : Disk quota exceeded`, "MEDIUM_FULL"],
    [`${writing} write(2) returned -1. : Input/output error`, "WRITE_ERROR"],
    // A short write leaves the error of an earlier call.
    [`${writing} write(2) returned 16. : Permission denied`, "WRITE_ERROR"],
    [
      "libburn : SORRY : Cannot read desired amount of data : No such file or directory",
      "READ_ERROR",
    ],
    [
      "xorriso : FAILURE : Cannot determine attributes of (ISO) source file '/n' : Permission denied",
      "ENTRY_NOT_FOUND",
    ],
    [
      "xorriso : FAILURE : Cannot determine attributes of source file '/n' : No space left on device",
      "SOURCE_UNREADABLE",
    ],
    [
      "xorriso : FAILURE : Cannot restore regular file to disk filesystem: '/n' : No such device",
      "TARGET_UNWRITABLE",
    ],
    [
      "xorriso : FAILURE : Cannot write all bytes to disk filesystem path '/n' : No space left on device",
      "TARGET_UNWRITABLE",
    ],
  ]);
});

Deno.test("classify() reads what a drive says about a failed operation", () => {
  const cases: Partial<Record<XorrisoErrorCode, string[]>> = {
    READ_ERROR: [
      "SCSI error on read_10(300,1): [3 11 00] Medium error.",
      "SCSI error condition on command 23h READ FORMAT CAPACITIES: [3 02 00] M",
      "Asynchronous SCSI error on waiting after START UNIT (+ LOAD): [3 02 00] M",
    ],
    NO_MEDIUM: [
      "SCSI error on read_10(300,1): [2 3A 00] Drive not ready.",
      "SCSI error on write(640,32): [2 3A 02] Drive not ready.",
    ],
    NOT_READY: [
      "SCSI error on read_10(300,1): [2 04 01] Drive not ready.",
      "Asynchronous SCSI error on waiting after START UNIT (+ LOAD): [2 04 02] D",
    ],
    IMAGE_DAMAGED: [
      "SCSI error on read_10(300,1): [5 21 00] Illegal request.",
    ],
    NOT_ISO: [
      "SCSI error on read_10(16,1): [5 64 00] Illegal request.",
    ],
    MEDIUM_CHANGED: [
      "SCSI error on read_10(16,1): [6 28 00] Unit attention.",
    ],
    DRIVE_LOST: [
      "SCSI error on read_10(16,1): [4 08 01] Hardware error.",
      "SCSI command 2Ah yielded host problem: 0x1 SG_ERR_DID_NO_CONNECT",
      "Lost connection to drive",
    ],
    WRITE_ERROR: [
      "SCSI error on write(640,32): [3 0C 00] Medium error.",
      "SCSI error on write(640,32): [3 11 00] Medium error.",
      "SCSI error on write(640,32): [5 21 02] Illegal request.",
      "Failed to close session (2). SCSI error : [5 72 00] Illegal request.",
      "Failed to synchronize drive cache. SCSI error : [3 0C 00] Medium error.",
    ],
    MEDIUM_NOT_WRITABLE: [
      "SCSI error on write(640,32): [7 27 00] Data protected.",
    ],
    MEDIUM_FULL: [
      "SCSI error on write(640,32): [5 21 00] Illegal request.",
      "SCSI error on write(640,32): [5 63 00] Illegal request.",
      "SCSI error on write(640,32): [D 00 00] Volume overflow.",
      "SCSI error condition on command 53h RESERVE TRACK: [5 21 00] Illegal.",
    ],
    BLANK_FAILED: [
      "SCSI error condition on command A1h BLANK: [3 51 00] Medium error.",
      "SCSI error on format_unit(BD-RE): [3 31 01] Medium error.",
    ],
    UNKNOWN: [
      "Asynchronous SCSI error on waiting after START UNIT (+ LOAD): [5 24 00] I",
    ],
  };
  for (const [code, texts] of Object.entries(cases)) {
    for (const text of texts) {
      assertEquals(classify(`libburn : FAILURE : ${text}`), code, text);
    }
  }
});

const NO_IMAGE = "libisoburn: WARNING : No ISO 9660 image at LBA";

Deno.test("classify() tells other content from a damaged image", () => {
  const opening = (lba: number, medium: string, status: string) => `
${NO_IMAGE} ${lba}. Creating blank image.
Drive current: -dev '/x'
Media current: ${medium}
Media status : ${status}
`;
  const file = "stdio file, overwriteable";
  const readError =
    "libburn : SORRY : SCSI error on read_10(16,1): [3 11 00] Medium error.\n";
  const unsuitable = "libisoburn: FAILURE : Unsuitable target media state";
  assertCodes([
    [`${NO_IMAGE} 0. Creating blank image.`, "NOT_ISO"],
    [opening(0, file, "is written , is closed"), "NOT_ISO"],
    [opening(0, file, "is written , is closed") + unsuitable, "NOT_ISO"],
    [opening(0, file, "is written , is appendable"), "IMAGE_DAMAGED"],
    [opening(0, "DVD+RW", "is written , is appendable"), "IMAGE_DAMAGED"],
    [opening(0, "CD-R", "is written , is appendable"), "NOT_ISO"],
    [opening(0, "is not recognizable", "is not recognizable"), "NOT_READY"],
    [opening(999, file, "is written , is appendable"), "SESSION_NOT_FOUND"],
    [opening(999, "BD-R", "is written , is appendable"), "IMAGE_DAMAGED"],
    [readError + opening(0, "CD-R", "is written , is closed"), "READ_ERROR"],
    [opening(0, "CD-R", "is written , is closed") + readError, "READ_ERROR"],
  ]);
});

Deno.test("classify() tells an empty drive from one that does not say what it holds", () => {
  const line =
    "xorriso : FAILURE : Disc status not blank and unsuitable for reading\n";
  assertCodes([
    [line, "NO_MEDIUM"],
    [`${line}Media status : is not present`, "NO_MEDIUM"],
    [`${line}Media status : is not recognizable`, "NOT_READY"],
  ]);
});

Deno.test("classify() knows the texts that come outside the grammar", () => {
  assertCodes([
    ["UNIX-SIGNAL:  SIGTERM  errno= 13", "ABORTED"],
    ["UNIX-SIGNAL caught:  15  errno= 0", "ABORTED"],
    ["xorriso : ABORT : Trying to shut down busy drives", "ABORTED"],
    [
      "--- Path string overflow (4221 > 4095). Malicious input ?",
      "INVALID_COMMAND",
    ],
    ["--- SG_IO: host_status= 0x0", undefined],
    ["-----------------------------", undefined],
  ]);
});

Deno.test("classify() takes packets with and without prefix, and any line ends", () => {
  const lines = [
    "enter option and arguments :",
    "xorriso : UPDATE : Writing:         32s    2.0%",
    'libisofs: MISHAP : File "/a" can\'t be opened. Filling with 0s.\\n',
    "xorriso : NOTE : Tolerated problem event of severity 'MISHAP'",
  ];
  for (const end of ["\n", "\r\n", "\r"]) {
    assertEquals(classify(lines.join(end)), "SOURCE_CHANGED");
    const packets = lines.map((line) => `I:0: ${line}${end}`).join("");
    assertEquals(
      classify(`R:1: x${end}${packets}M:0: 1${end}`),
      "SOURCE_CHANGED",
    );
  }
});

/** Names that look like messages, or like parts of them. */
const HOSTILE = [
  "FAILURE",
  "xorriso : FATAL : Lost connection to drive",
  "\nlibburn : FATAL : Lost connection to drive",
  "a\nlibburn : FATAL : Lost connection to drive\nb",
  "a\rlibburn : FATAL : Lost connection to drive\r",
  "a' : No space left on device",
  "' : Read-only file system\nlibburn : FATAL : Lost connection to drive",
  "' in loaded ISO image is a directory",
  " ' \" = ('\nlibburn : FATAL : Burn run failed'",
  "it's \\n \\",
  "UNIX-SIGNAL:  SIGTERM  errno= 13",
  "x\nUNIX-SIGNAL:  SIGTERM  errno= 13",
  "x\nI:1: libburn : FATAL : Lost connection to drive",
  "x\n--- Path string overflow (4221 > 4095). Malicious input ?",
] as const;

/** A name as xorriso prints it: 'it'"'"'s'. */
function quoted(name: string, encode: boolean): string {
  const text = encode
    ? name.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll(
      "\r",
      "\\r",
    )
    : name;
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

Deno.test("classify() is not moved by names between quotes, whatever they hold", () => {
  for (const { file, text } of recordings) {
    if (file.includes("hostile")) continue;
    const packets = file.endsWith(".packets");
    for (const name of HOSTILE) {
      const changed = text.replaceAll(
        /'(?:\/|stdio:)[^'\n]*'/g,
        () => quoted(`/d/${name}`, packets),
      );
      assertEquals(classify(changed), classify(text), `${file} with ${name}`);
    }
  }
});

Deno.test("classify() finds the end of a name on a line with an apostrophe", () => {
  const name = "'/a\nlibburn : FATAL : Lost connection to drive'";
  assertEquals(classify(`xorriso : NOTE : Don't mind: ${name}`), undefined);
});

Deno.test("classify() is not moved by names that libisofs prints raw", () => {
  for (const name of [...HOSTILE, 'a"\nlibburn : FATAL : Lost 1\n"b']) {
    assertCodes([
      [
        `libisofs: MISHAP : File "${name}" can't be opened. Filling with 0s.`,
        "SOURCE_CHANGED",
      ],
      [
        `libisofs: FAILURE : Access to file is not allowed: '${name}'`,
        "SOURCE_UNREADABLE",
      ],
      [
        `libisofs: MISHAP : Content of file '${name}' changed while it was written into the image.`,
        "SOURCE_CHANGED",
      ],
    ]);
    const warning = `libisofs: WARNING : Filename not suitable for Joliet ` +
      `character set UCS-2 : "${name}"\n`;
    const other =
      `libisofs: WARNING : File "${name}" can't be added to Joliet ` +
      `tree, because its path length is larger than 240\n`;
    const sum =
      "libisofs: WARNING : Sum of filenames not suitable for Joliet " +
      "character set UCS-2: 2\n";
    const problem =
      "libburn : SORRY : Cannot write desired amount of 32768 bytes. write(2) returned -1. : File too large\n";
    for (const text of [warning, other, warning + other + warning + sum]) {
      assertEquals(classify(text), undefined, text);
      assertEquals(classify(text + problem), "MEDIUM_FULL", text);
      assertEquals(classify(problem + text), "MEDIUM_FULL", text);
    }
  }
});

Deno.test("classify() loses no problem between the Joliet warnings of two commits", () => {
  const warning = "libisofs: WARNING : Filename not suitable for Joliet " +
    'character set UCS-2 : "x"';
  const problem =
    "xorriso : FAILURE : Image size 9s exceeds free space on media 1s";
  const packets = [warning, problem].map((line) => `I:1: ${line}\n`).join("");
  assertCodes([
    [`${packets}M:0: 1\n${packets}M:0: 2\n`, "MEDIUM_FULL"],
    [
      [warning, problem, "enter option and arguments :", warning].join("\n"),
      "MEDIUM_FULL",
    ],
  ]);
});

Deno.test("classify() loses no problem behind an apostrophe or an open quote", () => {
  const problem = "libburn : FATAL : Lost connection to drive\n";
  for (
    const line of [
      "xorriso : NOTE : The user's wish",
      "xorriso : NOTE : An open 'quote",
      "xorriso : NOTE : Two ' quotes '' and '",
      "Added to ISO image: file '/a",
      "libburn : NOTE : Drive doesn't tell",
    ]
  ) {
    assertEquals(classify(`${line}\n${problem}`), "DRIVE_LOST", line);
    assertEquals(
      classify(`${line}\n${"no quote here\n".repeat(2000)}${problem}'`),
      "DRIVE_LOST",
      line,
    );
  }
});

const NOISE = [
  "",
  "==============================================================",
  "============================",
  "----",
  "enter option and arguments :",
  "xorriso : UPDATE : Thank you for being patient. Working since 0 seconds.",
  "xorriso : UPDATE : Writing:        672s   40.7%   fifo  40%\rx",
  "libburn : DEBUG : sg_grab ----------- opening",
  "xorriso : HINT : You might get FAILURE",
  "Drive type   : vendor 'FAILURE' product 'FATAL'",
  "1",
];

Deno.test("classify() is not moved by noise between the lines", () => {
  const random = new Random("noise");
  for (const { file, text } of recordings) {
    // There a name runs over several lines.
    if (file.includes("hostile")) continue;
    for (let round = 0; round < 5; round++) {
      const noisy = text.split("\n").flatMap((line) => {
        if (random.oneIn(2)) return [line];
        const noise = random.pick(NOISE);
        return [file.endsWith(".packets") ? `I:1: ${noise}` : noise, line];
      });
      assertEquals(
        classify(noisy.join("\n")),
        classify(text),
        `${file}, round ${round}`,
      );
    }
  }
});

Deno.test("classify() gives the same for a text as for its packets", () => {
  for (const { file, text } of recordings) {
    const other = file.endsWith(".packets")
      ? messagesOf(text).join("\n")
      : text.replaceAll(/^/gm, "I:1: ");
    assertEquals(classify(other), classify(text), file);
  }
});

Deno.test("classify() never throws, wherever a text is cut", () => {
  for (const { text } of recordings) {
    const step = text.length > 2000 ? 17 : 1;
    for (let end = 0; end <= text.length; end += step) {
      classify(text.slice(0, end));
      classify(text.slice(end));
    }
  }
});

Deno.test("findProblem() gives all lines that tell of problems, with the reason of libisofs", () => {
  const lines = [
    "xorriso : UPDATE :       1 files added in 1 seconds",
    'libisofs: MISHAP : File "/a" can\'t be opened. Filling with 0s.',
    "libisofs: NOTE :  > Caused by: The file does not exist in the filesystem",
    "Writing to 'stdio:/x' completed successfully.",
    "xorriso : SORRY : Never seen",
    "xorriso : NOTE : Tolerated problem event of severity 'MISHAP'",
  ];
  assertEquals(findProblem(lines), {
    code: "SOURCE_CHANGED",
    line: 'libisofs: MISHAP : File "/a" can\'t be opened. Filling with 0s.',
    lines: [1, 2, 4].map((at) => lines[at] ?? ""),
  });
  assertEquals(findProblem([]), undefined);
});

Deno.test("findProblem() is fast on many lines", () => {
  const lines = Array.from(
    { length: 100_000 },
    (_, index) => `xorriso : NOTE : Something about '/name ${index}`,
  );
  const start = performance.now();
  assertEquals(findProblem(lines), undefined);
  assert(performance.now() - start < 5000);
});

Deno.test("parseShortage() reads sizes in bytes", () => {
  assertEquals(
    parseShortage([
      "xorriso : FAILURE : Image size 1650s exceeds free space on media 1000s",
    ]),
    { needed: 1650 * 2048, free: 1000 * 2048 },
  );
  assertEquals(
    parseShortage([
      "libburn : FAILURE : SCSI error condition on command 53h RESERVE TRACK: [5 21 00] Illegal request.",
      "libburn : FATAL : Cannot reserve track of 3407872 bytes",
    ]),
    { needed: 3407872 },
  );
  assertEquals(
    parseShortage(["Added to ISO image: file '/Image size 1s exceeds'"]),
    undefined,
  );
});

Deno.test("findProblem() knows a source that shrank while it was read", () => {
  for (const end of ["padded with 0's", "truncated"]) {
    const line = 'libisofs: MISHAP : Size of file "/a" has changed. It will ' +
      `be ${end}`;
    assertEquals(findProblem([line])?.code, "SOURCE_CHANGED");
    // Its name may hold quotes and line ends.
    const lines = [
      'libisofs: MISHAP : Size of file "/a"',
      `libburn : FATAL : b" has changed. It will be ${end}`,
    ];
    assertEquals(findProblem(lines)?.code, "SOURCE_CHANGED");
  }
});
