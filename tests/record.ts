/**
 * Records what xorriso really prints, for the tests of the classifier.
 *
 *     deno task record                            # all cases
 *     deno task record NAME...                    # these
 *     deno task record --xorriso PATH [NAME...]   # with a xorriso of another version
 *
 * Of another version than {@link USUAL} only those are kept that say something that the usual one does
 * not say in that case; the version is in their names then.
 *
 * Each case runs xorriso in a folder of its own below tests/recordings/, which stands as /backup in
 * what is kept and is removed afterwards. Kept are image/NAME.packets (stdout) or, for a run
 * without packets, image/NAME.stderr, and beside it NAME.txt, which tells where it comes from.
 * Numbers such as free space differ from run to run; what the lines say does not.
 */

import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl } from "@std/path";

const RECORDINGS = fromFileUrl(import.meta.resolve("./recordings/"));

/** The version whose recordings have plain names: Debian 12's. */
const USUAL = "1.5.4";

/** Path of the working folder in what is kept. */
const BACKUP = "/backup";

/** Lets the dialog do nothing that depends on the user's machine. */
const FIXED = [
  "-no_rc",
  ...["-abort_on", "NEVER", "-return_with", "SORRY", "32"],
  ...["-use_readline", "off", "-reassure", "off", "-md5", "on"],
  ...["-iso_rr_pattern", "off", "-disk_pattern", "off"],
  ...["-report_about", "UPDATE"],
];

const PACKETS = [
  ...FIXED,
  ...["-pkt_output", "on"],
  ...["-backslash_codes", "in_double_quotes:encode_output"],
  ...["-osirrox", "on", "-dialog", "single_line", "-mark", "0"],
];

/** As on a terminal: messages to stderr, names as they are. */
const PLAIN = [
  ...FIXED,
  ...["-backslash_codes", "in_double_quotes"],
  ...["-osirrox", "on", "-dialog", "single_line"],
];

const ENVIRONMENT = { LC_ALL: "C.UTF-8", TZ: "UTC" };

/** Something done to the folder between two lines, told in the words before it. */
type Action = readonly [about: string, run: (folder: string) => Promise<void>];

interface Case {
  readonly about: string;
  /** Done before xorriso starts. */
  readonly prepare?: (folder: string) => Promise<void>;
  /** Lines for the dialog, each sent when the one before is done; and what is done between them. */
  readonly dialog?: readonly (string | Action)[];
  /** Done again and again while the line before it runs. */
  readonly during?: (folder: string) => void;
  readonly argv?: readonly string[];
}

const LOST = "libburn : FATAL : Lost connection to drive";
/** The same as words of the dialog: in a name, after a line end; and after a quote that ends early. */
const HOSTILE = `"/b/x\\012${LOST}"`;
const HOSTILE_QUOTE = `"/b/\u{1f4be}\\042\\012${LOST}\\012\\042y"`;
const LONG = "n".repeat(180);

const CASES: Readonly<Record<string, Case>> = {
  "session-not-found": {
    about: "a session number and a volume id that do not exist",
    prepare: image,
    dialog: [
      "-load session 99",
      "-indev stdio:base.iso",
      "-load volid nope",
      "-indev stdio:base.iso",
    ],
  },
  "load-no-session-there": {
    about: "an address at which no session begins",
    prepare: image,
    dialog: ["-load sbsector 999", "-indev stdio:base.iso"],
  },
  "assert-volid-foreign": {
    about: "volume id asserted of a file that is no image",
    prepare: foreign,
    dialog: ["-assert_volid ISOIMAGE FATAL", "-dev stdio:foreign.txt"],
  },
  "no-drive-at-all": {
    about: "device files that are no drive, without stdio:",
    dialog: ["-dev /dev/null", "-dev /dev/tty", "-dev /dev/nosuch"],
  },
  "device-full": {
    about: "write(2) says that the device is full",
    prepare: source,
    dialog: ["-dev stdio:/dev/full", "-map src/f1 /f1", "-commit"],
  },
  "commit-without-outdev": {
    about: "commit of a session that was opened for reading",
    prepare: image,
    dialog: ["-indev stdio:base.iso", "-map src/f1 /new", "-commit"],
  },
  "commit-onto-other-content": {
    about: "commit onto an image that was not loaded",
    prepare: image,
    dialog: ["-outdev stdio:base.iso", "-map src/f1 /new", "-commit"],
  },
  "entry-exists": {
    about: "names in the way of other names",
    prepare: image,
    dialog: [
      "-dev stdio:base.iso",
      "-map src/f1 /b",
      "-mkdir /b/f1 --",
      "-mkdir /b --",
      "-rm /b --",
      "-rmdir /b --",
      "-lns target /b/f1",
      "-overwrite off",
      "-map src/f1 /b/f1",
      "-mv /b/f1 /b/f2 --",
      "-cpr src/f1 src/f2 /b/f1 --",
    ],
  },
  "extract-refused": {
    about: "files that cannot be restored where they should",
    prepare: image,
    dialog: [
      "-indev stdio:base.iso",
      "-extract /b/f1 /proc/nope/x",
      "-extract_cut /b/f1 0 100 /proc/nope/x",
      "-concat append nosuch/x /b/f1 --",
      "-overwrite off",
      "-extract /b/f1 src/f1",
      "-cpx /b/f1 src/f1",
      "-osirrox off",
      "-extract /b/f1 out",
    ],
  },
  "extract-checksum-mismatch": {
    about: "one byte of a file's data flipped in the image",
    prepare: async (folder) => {
      await image(folder);
      await flip(folder, "base.iso", (bytes) => indexOf(bytes, CONTENT), 1);
    },
    dialog: ["-indev stdio:base.iso", "-extract /b/f1 out"],
  },
  "image-cut-behind-tree": {
    about: "image without checksums, cut where its files begin",
    prepare: async (folder) => {
      await image(folder, "off");
      await Deno.truncate(`${folder}/base.iso`, 150_000);
    },
    dialog: [
      "-dev stdio:base.iso",
      "-extract /b/f1 out",
      "-extract_cut /b/f1 0 1000 out2",
      "-check_media use=indev what=tracks --",
    ],
  },
  "damaged-root-directory": {
    about: "root directory overwritten in an image without checksums",
    prepare: async (folder) => {
      await image(folder, "off");
      await flip(folder, "base.iso", rootDirectory, 60);
    },
    dialog: ["-dev stdio:base.iso"],
  },
  "source-too-large": {
    about: "a file beyond the limit of 100 extents, and one at it",
    prepare: async (folder) => {
      await Deno.writeFile(`${folder}/big`, new Uint8Array());
      await Deno.truncate(`${folder}/big`, 429_496_524_801);
      await Deno.writeFile(`${folder}/most`, new Uint8Array());
      await Deno.truncate(`${folder}/most`, 429_496_524_800);
    },
    dialog: [
      "-dev stdio:new.iso",
      "-map big /big",
      "-map most /most",
    ],
  },
  "checksum-mismatch-of-tree": {
    about: "root directory overwritten in an image with checksums",
    prepare: async (folder) => {
      await image(folder);
      await flip(folder, "base.iso", rootDirectory, 60);
    },
    dialog: ["-dev stdio:base.iso"],
  },
  "checksum-mismatch-of-descriptor": {
    about: "volume id overwritten in an image with checksums",
    prepare: async (folder) => {
      await image(folder);
      await flip(folder, "base.iso", () => DESCRIPTOR + 40, 8);
    },
    dialog: ["-dev stdio:base.iso"],
  },
  "many-long-names": {
    about: "more long names in a directory than libisofs 1.5.4 calculates well",
    prepare: async (folder) => {
      await Deno.mkdir(`${folder}/many`);
      for (let number = 100; number < 500; number++) {
        await Deno.writeTextFile(`${folder}/many/${number}${LONG}`, "x");
      }
    },
    dialog: ["-dev stdio:long.iso", "-map many /many", "-commit"],
  },
  "source-changes-while-written": {
    about: "source written to during the commit, with a check for that",
    prepare: async (folder) => {
      await Deno.mkdir(`${folder}/src`);
      await Deno.writeFile(`${folder}/src/big`, new Uint8Array(80_000_000));
    },
    dialog: [
      "-md5 stability_check_on",
      "-dev stdio:new.iso",
      "-map src/big /big",
      "-commit",
    ],
    during: overwrite("src/big"),
  },
  "cut-out-unsuitable": {
    about: "parts of sources that are not there",
    prepare: image,
    dialog: [
      "-dev stdio:base.iso",
      "-cut_out src/nope 0 10 /c",
      "-cut_out src 0 10 /c",
      "-cut_out src/f1 999999999 10 /c",
    ],
  },
  "refused-commands": {
    about: "commands that are incomplete or not possible now",
    prepare: image,
    dialog: [
      '-print "abc',
      "-dev stdio:base.iso",
      "-map src/f1 /new",
      "-format full",
      "-eject all",
      "-find / -exec nosuch --",
      "-speed 99999999",
    ],
  },
  "malformed-acl": {
    about: "a failure that has no code of its own",
    prepare: image,
    dialog: ["-dev stdio:base.iso", "-setfacl_r bogus / --"],
  },
  "hostile-names-missing": {
    about: "names with a whole message in them, none of which exists",
    prepare: image,
    dialog: [
      "-dev stdio:base.iso",
      `-rm ${HOSTILE} --`,
      `-lsl ${HOSTILE} --`,
      `-map ${HOSTILE} /n`,
      `-extract ${HOSTILE} out`,
      `-extract "/xorriso : FAILURE : -nosuch: FATAL" out`,
    ],
  },
  "hostile-names-stored": {
    about: "names with a whole message in them, all stored well",
    prepare: image,
    dialog: storeHostile(),
  },
  "hostile-names-stored-plain": {
    about: "the same without encoding of the output",
    prepare: image,
    argv: PLAIN,
    dialog: storeHostile(),
  },
  "hostile-source-vanishes": {
    about: "source with a whole message in its name, removed before the commit",
    prepare: async (folder) => {
      await image(folder);
      await Deno.writeTextFile(`${folder}/src/v"\n${LOST}\n"y`, "x");
    },
    dialog: [
      "-dev stdio:base.iso",
      `-map "src/v\\042\\012${LOST}\\012\\042y" /v`,
      [
        "source removed",
        (folder) => Deno.remove(`${folder}/src/v"\n${LOST}\n"y`),
      ],
      "-commit",
    ],
  },
  "plain-abort": {
    about: "failure in the arguments, which ends the run",
    argv: ["-no_rc", "-indev", "stdio:nosuch/x.iso", "-find"],
  },
  "plain-one-failed": {
    about: "a failed and a good command, messages on stderr",
    prepare: image,
    argv: PLAIN,
    dialog: [
      "-dev stdio:base.iso",
      "-joliet on",
      "-rm /nosuch --",
      `-map src/f1 ${HOSTILE_QUOTE}`,
      "-commit",
    ],
  },
};

function storeHostile(): string[] {
  return [
    "-joliet on",
    "-dev stdio:base.iso",
    `-map src/f1 ${HOSTILE}`,
    `-map src/f1 ${HOSTILE_QUOTE}`,
    "-commit",
    `-rm ${HOSTILE} --`,
  ];
}

/** Bytes at which the files' data can be found in an image. */
const CONTENT = new TextEncoder().encode("content of f1");

/** Where the volume descriptor of an image is. */
const DESCRIPTOR = 16 * 2048;

async function source(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/src`);
  for (const name of ["f1", "f2"]) {
    const text = `content of ${name}\n`.repeat(15_000);
    await Deno.writeTextFile(`${folder}/src/${name}`, text);
  }
}

async function foreign(folder: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/foreign.txt`, "no image\n".repeat(9000));
}

async function image(folder: string, md5 = "on"): Promise<void> {
  await source(folder);
  const { success } = await new Deno.Command(program, {
    args: [
      ...["-no_rc", "-md5", md5, "-dev", "stdio:base.iso"],
      ...["-map", "src/f1", "/b/f1", "-map", "src/f2", "/b/f2", "-commit"],
    ],
    cwd: folder,
    clearEnv: true,
    env: ENVIRONMENT,
    stdout: "null",
    stderr: "null",
  }).output();
  if (!success) throw new Error("Cannot make the image to start from");
}

async function flip(
  folder: string,
  name: string,
  where: (bytes: Uint8Array) => number,
  count: number,
): Promise<void> {
  const bytes = await Deno.readFile(`${folder}/${name}`);
  const start = where(bytes);
  bytes.subarray(start, start + count).forEach((byte, index, part) => {
    part[index] = byte ^ 0xff;
  });
  await Deno.writeFile(`${folder}/${name}`, bytes);
}

function rootDirectory(bytes: Uint8Array): number {
  return new DataView(bytes.buffer).getUint32(DESCRIPTOR + 158, true) * 2048;
}

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  return bytes.findIndex((_, start) =>
    part.every((byte, index) => bytes[start + index] === byte)
  );
}

/** Writes other numbers all over a file. */
function overwrite(name: string): (folder: string) => void {
  let count = 0;
  return (folder) => {
    using file = Deno.openSync(`${folder}/${name}`, { write: true });
    const bytes = new TextEncoder().encode(String(count++));
    for (let offset = 0; offset < 80_000_000; offset += 1_000_000) {
      file.seekSync(offset, Deno.SeekMode.Start);
      file.writeSync(bytes);
    }
  };
}

/** Bytes as characters of the same number, so that nothing is lost on the way back. */
function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function fromLatin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

interface Recorded {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: string;
  /** What was sent, and what was done in between. */
  readonly sent: readonly string[];
}

async function run(
  { argv = PACKETS, dialog = [], during }: Case,
  folder: string,
): Promise<Recorded> {
  await using child = new Deno.Command(program, {
    args: [...argv],
    cwd: folder,
    clearEnv: true,
    env: ENVIRONMENT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = new Collector(child.stdout);
  const stderr = new Collector(child.stderr);
  const writer = child.stdin.getWriter();
  const encoder = new TextEncoder();
  const sent: string[] = [];
  const isDialog = argv.includes("-dialog");
  const [channel, form] = argv === PACKETS
    ? [stdout, (mark: number) => `M:0: ${mark}\n`]
    : [stderr, (mark: number) => `arguments :\n${mark}\n`];
  for (const [index, step] of dialog.entries()) {
    if (typeof step !== "string") {
      await step[1](folder);
      sent.push(`<${step[0]}>`);
      continue;
    }
    const lines = [step, `-mark ${index + 1}`];
    sent.push(...lines);
    await writer.write(encoder.encode(`${lines.join("\n")}\n`));
    const done = channel.until(form(index + 1));
    const commit = step === "-commit" && during !== undefined;
    await (commit ? repeat(() => during(folder), done) : done);
  }
  if (isDialog) {
    sent.push("-rollback_end");
    await writer.write(encoder.encode("-rollback_end\n"));
  }
  await writer.close();
  const { code, signal } = await child.status;
  return {
    stdout: await stdout.text(),
    stderr: await stderr.text(),
    exit: signal ?? String(code),
    sent,
  };
}

/** Does something until a promise settles, and lets others run in between. */
async function repeat(action: () => void, until: Promise<void>): Promise<void> {
  let going = true;
  const end = until.finally(() => going = false);
  while (going) {
    action();
    await new Promise((resolve) => setTimeout(resolve));
  }
  await end;
}

/** Reads a stream all the time and tells when a text has come. */
class Collector {
  #text = "";
  #arrived = Promise.withResolvers<void>();
  readonly #end: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#end = this.#read(stream);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream) {
      this.#text += latin1(chunk);
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    }
    this.#arrived.resolve();
  }

  async until(part: string): Promise<void> {
    while (!this.#text.includes(part)) {
      const length = this.#text.length;
      await this.#arrived.promise;
      if (this.#text.length === length) throw new Error(`No ${part} came`);
    }
  }

  async text(): Promise<string> {
    await this.#end;
    return this.#text;
  }
}

/** Records a case; tells whether it was worth keeping. */
async function record(
  name: string,
  wanted: Case,
  version: string,
): Promise<boolean> {
  const folder = await Deno.makeTempDir({ dir: RECORDINGS, prefix: "run-" });
  try {
    await wanted.prepare?.(folder);
    const recorded = await run(wanted, folder);
    const isUsual = version === USUAL;
    if (!isUsual && !await saysMore(name, wanted, recorded, folder)) {
      return false;
    }
    // `1.5.8.pl02` has its patch level in the text beside it alone.
    const kept = isUsual ? name : `${name}-${version.replace(/\.pl\d+$/, "")}`;
    await keep(kept, wanted, recorded, folder);
    return true;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Whether there are lines that the usual version does not print in this case. */
async function saysMore(
  name: string,
  { argv = PACKETS }: Case,
  { stdout, stderr }: Recorded,
  folder: string,
): Promise<boolean> {
  const end = argv === PACKETS ? "packets" : "stderr";
  const known = new Set(
    shapesOf(latin1(await Deno.readFile(`${RECORDINGS}image/${name}.${end}`))),
  );
  const text = (argv === PACKETS ? stdout : stderr)
    .replaceAll(folder, BACKUP);
  return shapesOf(text).some((shape) => !known.has(shape));
}

/** Lines that tell of events, without what differs from run to run. */
function shapesOf(text: string): string[] {
  return text.split("\n")
    .filter((line) => /: (?!UPDATE)[A-Z]+ : /.test(line))
    .map((line) => line.replaceAll(/[0-9]+/g, "0"));
}

/** The version that a xorriso tells. */
async function versionOf(path: string): Promise<string> {
  const { stdout } = await new Deno.Command(path, { args: ["-version"] })
    .output();
  const text = new TextDecoder().decode(stdout);
  const version = /^xorriso version +: +(\S+)/m.exec(text)?.[1];
  if (version === undefined) throw new Error(`"${path}" tells no version`);
  return version;
}

async function keep(
  name: string,
  { about, argv = PACKETS }: Case,
  { stdout, stderr, exit, sent }: Recorded,
  folder: string,
): Promise<void> {
  const write = (end: string, text: string) =>
    Deno.writeFile(
      `${RECORDINGS}image/${name}.${end}`,
      fromLatin1(text.replaceAll(folder, BACKUP)),
    );
  const [banner = "", ...said] = stderr.split("\n");
  if (argv === PACKETS) await write("packets", stdout);
  if (argv !== PACKETS || said.join("").trim() !== "") {
    await write("stderr", stderr);
  }
  const origin = [
    `${banner.split(" : ")[0]} (recorded by tests/record.ts)`,
    `note: ${about}`,
    `argv: ${JSON.stringify(["xorriso", ...argv])}`,
    `env: ${
      Object.entries(ENVIRONMENT).map((pair) => pair.join("=")).join(" ")
    }`,
    "stdin lines:",
    ...sent,
    `exit: ${exit}`,
  ];
  const text = latin1(new TextEncoder().encode(origin.join("\n") + "\n"));
  await write("txt", text);
}

/** The xorriso that is recorded. */
let program = "xorriso";

if (import.meta.main) {
  const { _: words, xorriso } = parseArgs(Deno.args, {
    string: ["_", "xorriso"],
    default: { xorriso: program },
  });
  program = xorriso;
  const version = await versionOf(program);
  for (
    const name of words.length > 0 ? words.map(String) : Object.keys(CASES)
  ) {
    const found = Object.hasOwn(CASES, name) ? CASES[name] : undefined;
    if (found === undefined) {
      const known = Object.keys(CASES).join(", ");
      throw new TypeError(`There is no case "${name}": choose from ${known}`);
    }
    const isKept = await record(name, found, version);
    // deno-lint-ignore no-console -- a program for the terminal
    console.log(isKept ? name : `${name}: nothing new in ${version}`);
  }
}
