/**
 * The virtual burner for tests: a drive with a medium that only xorriso sees.
 *
 * ```ts ignore
 * await using burner = await Burner.start("bd-r");
 * const backend = await XorrisoBackend.open(`xorriso://${burner.device}`, {
 *   xorrisoPath: burner.xorrisoPath,
 * });
 * ```
 *
 * What it is and what it cannot do is told in README.md beside this file.
 */

import { assertEquals } from "@std/assert";
import {
  execute,
  exists,
  type Folder,
  makeFolder,
  makeScript,
  runProgram,
  startsIn,
  until,
} from "../support/helpers.ts";
import { buildBurner, burnerUnavailable } from "./build.ts";
import { parseLog, type ScsiCommand } from "./log.ts";
import { unless } from "../support/needs.ts";

export { burnerUnavailable } from "./build.ts";
export type { ScsiCommand } from "./log.ts";

/** What can lie in the drive; `-virgin` is a medium never formatted. */
export type MediumType =
  | "none"
  | "cd-rom"
  | "cd-r"
  | "cd-rw"
  | "dvd-rom"
  | "dvd-r"
  | "dvd-rw"
  | "dvd-rw-ro"
  | "dvd-ram"
  | "dvd+rw"
  | "dvd+rw-virgin"
  | "dvd+r"
  | "bd-rom"
  | "bd-r"
  | "bd-re"
  | "bd-re-virgin";

/** Media that grow track by track: an interrupted burn leaves its mark. */
export const SEQUENTIAL: readonly MediumType[] = [
  "cd-r",
  "cd-rw",
  "dvd-r",
  "dvd-rw",
  "dvd+r",
  "bd-r",
];

/** Media that are written in place. */
export const OVERWRITABLE: readonly MediumType[] = [
  "dvd-rw-ro",
  "dvd-ram",
  "dvd+rw",
  "dvd+rw-virgin",
  "bd-re",
  "bd-re-virgin",
];

/** How a drive and its medium differ from the usual. */
export interface BurnerOptions extends BlankOptions {
  /** Path of the drive; xorriso finds `/dev/sr0` to `/dev/sr31` by itself. */
  readonly device?: string;
}

/** How a medium differs from the usual of its type. */
export interface BlankOptions {
  /** Capacity in blocks of 2048 bytes. */
  readonly blocks?: number;
}

/** A written part of a medium, in blocks of 2048 bytes. */
export interface Track {
  /** Number of its session, from 1. */
  readonly session: number;
  /** Its first block. */
  readonly start: number;
  /** Its length. */
  readonly size: number;
}

/** The drive and its medium as the drive sees them. */
export interface DriveState {
  /** Whether the tray is open. */
  readonly trayOpen: boolean;
  /** MMC profile: 0x41 for a BD-R. */
  readonly profile: number;
  /** Blocks in all. */
  readonly capacity: number;
  /** Whether a medium that can be overwritten was formatted. */
  readonly formatted: boolean;
  /** Whether the medium is closed for good. */
  readonly closed: boolean;
  /** Number of closed sessions. */
  readonly sessions: number;
  /** Closed tracks. */
  readonly tracks: readonly Track[];
  /** Whether a track was begun and not closed. */
  readonly openTrack: boolean;
  /** Next writable block. */
  readonly nwa: number;
}

/** What a plain run of xorriso ended with. */
export interface Run {
  /** Exit code. */
  readonly code: number;
  /** All it printed. */
  readonly text: string;
}

/** A virtual drive. */
export class Burner implements AsyncDisposable {
  /** Path of the drive, for xorriso only: nothing is there. */
  readonly device: string;
  /** A program that is xorriso with this drive. */
  readonly xorrisoPath: string;
  readonly #folder: Folder;
  readonly #fbctl: string;
  readonly #medium: string;

  private constructor(folder: Folder, parts: {
    device: string;
    xorrisoPath: string;
    fbctl: string;
    medium: string;
  }) {
    this.#folder = folder;
    this.device = parts.device;
    this.xorrisoPath = parts.xorrisoPath;
    this.#fbctl = parts.fbctl;
    this.#medium = parts.medium;
  }

  /** Makes a drive with a medium in it: a blank one, where it can be blank. */
  static async start(
    type: MediumType,
    { device = "/dev/sr0", ...blank }: BurnerOptions = {},
  ): Promise<Burner> {
    const { fbctl } = await buildBurner();
    const folder = await makeFolder();
    const { path } = folder;
    const library = await linkLibrary(path);
    const medium = `${path}/medium`;
    await folder.file("drives", `${device}=${medium}`);
    await folder.file("pids");
    // Not through the environment: Deno refuses LD_PRELOAD for a child, and the
    // module clears the environment of its own.
    const xorrisoPath = await makeScript(
      folder,
      "xorriso",
      `echo $$ >>'${path}/pids'
FB_DRIVES=$(cat '${path}/drives') FB_LOG='${path}/log' LD_PRELOAD='${library}'
export FB_DRIVES FB_LOG LD_PRELOAD
exec '${await findXorriso()}' "$@"`,
    );
    const burner = new Burner(folder, { device, xorrisoPath, fbctl, medium });
    await burner.replace(type, blank);
    return burner;
  }

  /** Puts another new medium in, while the drive may be in use. */
  async replace(type: MediumType, { blocks }: BlankOptions = {}) {
    await this.#control(
      "new",
      type,
      ...blocks === undefined ? [] : [String(blocks)],
    );
  }

  /** Puts a closed medium in that holds what is in a file. */
  async load(type: MediumType, file: string, audio = false): Promise<void> {
    await this.#control("load", type, file, ...audio ? ["audio"] : []);
  }

  /** Exchanges the media of two drives, also while these are in use. */
  async swap(other: Burner): Promise<void> {
    await this.#control("swap", other.#medium);
  }

  /** Opens the tray, be it locked or not. */
  async eject(): Promise<void> {
    await this.#control("eject");
  }

  /** Closes the tray; the drive tells that the medium may have changed. */
  async insert(): Promise<void> {
    await this.#control("insert");
  }

  /** Makes the drive fail, from its next command on: `write_error=640`. */
  async fault(...faults: string[]): Promise<void> {
    // Renamed, as the drive may read it at any moment.
    const file = await this.#folder.file("fault", faults.join("\n"));
    await Deno.rename(file, `${this.#medium}/fault`);
  }

  /** Makes the drive work again. */
  async clearFault(): Promise<void> {
    await this.fault();
  }

  /** Lets the programs of this drive see another one, too. */
  async attach(other: Burner): Promise<void> {
    await Deno.writeTextFile(
      `${this.#folder.path}/drives`,
      `,${other.device}=${other.#medium}`,
      { append: true },
    );
  }

  /** The state of drive and medium. */
  async show(): Promise<DriveState> {
    return parseState(await Deno.readTextFile(`${this.#medium}/state`));
  }

  /** Waits until drive and medium are in a certain state. */
  async until(
    condition: (state: DriveState) => boolean,
    what: string,
  ): Promise<void> {
    await until(async () => condition(await this.show()), what);
  }

  /** The commands that the drive got so far. */
  async log(): Promise<ScsiCommand[]> {
    const file = `${this.#folder.path}/log`;
    return await exists(file) ? parseLog(await Deno.readTextFile(file)) : [];
  }

  /** Forgets the commands so far. */
  async clearLog(): Promise<void> {
    await this.#folder.file("log");
  }

  /** Process ids of all starts of `xorrisoPath` so far. */
  pids(): Promise<number[]> {
    return startsIn(`${this.#folder.path}/pids`).pids();
  }

  /** The one that was started last. */
  newest(): Promise<number> {
    return startsIn(`${this.#folder.path}/pids`).newest();
  }

  /** Sends a signal to it. */
  async kill(signal: Deno.Signal): Promise<void> {
    Deno.kill(await this.newest(), signal);
  }

  /** Reads blocks of 2048 bytes of the medium, past the drive. */
  async read(lba: number, blocks = 1): Promise<Uint8Array> {
    using file = await Deno.open(`${this.#medium}/data`);
    await file.seek(lba * 2048, Deno.SeekMode.Start);
    const bytes = new Uint8Array(blocks * 2048);
    for (let at = 0; at < bytes.length;) {
      const count = await file.read(bytes.subarray(at));
      if (count === null) break;
      at += count;
    }
    return bytes;
  }

  /** Runs xorriso on the drive, without this module. */
  async run(...words: string[]): Promise<Run> {
    const { code, stdout, stderr } = await execute(
      this.xorrisoPath,
      ["-no_rc", "-abort_on", "NEVER", "-md5", "on", ...words],
      { clearEnv: true, env: { LC_ALL: "C.UTF-8" } },
    );
    return { code, text: stdout + stderr };
  }

  /** Writes a session with these files, by path, without this module. */
  async burnByHand(
    files: Readonly<Record<string, string | Uint8Array>>,
    { volumeId }: { readonly volumeId?: string } = {},
  ): Promise<void> {
    await using sources = await makeFolder();
    const words = ["-dev", this.device];
    if (volumeId !== undefined) words.push("-volid", volumeId);
    for (const [path, content] of Object.entries(files)) {
      words.push("-map", await sources.file(`${words.length}`, content), path);
    }
    const { code, text } = await this.run(...words, "-commit", "-end");
    assertEquals(code, 0, text);
  }

  /** Removes drive and medium. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  async #control(verb: string, ...words: string[]): Promise<void> {
    await runProgram(this.#fbctl, [verb, this.#medium, ...words]);
  }
}

/**
 * Shell commands after which xorriso reads files slowly, without any drive: who waits for the middle
 * of that does not miss it. None where there is no C compiler.
 *
 * @param folder Where it may put something.
 * @param delay Microseconds for each block of 2048 bytes.
 */
export async function slowReads(
  folder: string,
  delay: number,
): Promise<string> {
  if (burnerUnavailable() !== undefined) return "";
  const library = await linkLibrary(folder);
  return `export LD_PRELOAD='${library}' FB_FAULT=source_delay_us=${delay}`;
}

/** Has the library in a folder: LD_PRELOAD takes no blanks, as the path of this project may have. */
async function linkLibrary(folder: string): Promise<string> {
  const { library } = await buildBurner();
  const path = `${folder}/burner.so`;
  await Deno.symlink(library, path);
  return path;
}

/** Registers a test that needs the virtual burner. */
export function burnerTest(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): void {
  Deno.test(unless(burnerUnavailable(), name), fn);
}

/**
 * Makes a group of tests that run side by side, for a burn is mostly waiting.
 *
 * Each is a step of one test; what it leaves open is told by that.
 *
 * @returns Adds a test to the group.
 */
export function burnerTests(
  group: string,
): (name: string, fn: () => Promise<void>) => void {
  const steps: Deno.TestStepDefinition[] = [];
  burnerTest(group, async (t) => {
    await Promise.all(steps.map((step) => t.step(step)));
  });
  // Steps that overlap cannot be told apart by what they open.
  const together = {
    sanitizeExit: false,
    sanitizeOps: false,
    sanitizeResources: false,
  };
  return (name, fn) => steps.push({ name, fn, ...together });
}

/** The lines `key=value` of the file that keeps the state of a medium. */
function parseState(text: string): DriveState {
  const values = new Map<string, number[]>();
  for (const line of text.split("\n")) {
    const [key = "", value] = line.split("=");
    if (value !== undefined) values.set(key, value.split(",").map(Number));
  }
  const valueOf = (key: string) => values.get(key)?.[0] ?? 0;
  const tracks: Track[] = [];
  for (const [key, [session = 0, start = 0, size = 0]] of values) {
    if (/^track\d+$/.test(key)) tracks.push({ session, start, size });
  }
  return {
    trayOpen: valueOf("tray") !== 0,
    profile: valueOf("profile"),
    capacity: valueOf("capacity"),
    formatted: valueOf("fmt") !== 0,
    closed: valueOf("final") !== 0,
    sessions: valueOf("nsess"),
    tracks,
    openTrack: valueOf("open_trk") !== 0,
    nwa: valueOf("nwa"),
  };
}

/** The module starts its child without PATH. */
async function findXorriso(): Promise<string> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/xorriso`;
    // A folder that may not be read has none for this user.
    if (folder !== "" && await exists(path).catch(() => false)) return path;
  }
  throw new Error('Cannot find "xorriso" in PATH: install it');
}
