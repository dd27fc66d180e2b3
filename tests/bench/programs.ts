/** The other sides: xorriso by hand, and other programs. */

import { writeAll } from "../../src/disk/files.ts";
import { noise } from "../support/helpers.ts";

/** Command line of xorriso with the settings of the module. */
export const SETTINGS: readonly string[] = [
  ...["-no_rc", "-md5", "on", "-joliet", "on", "-padding", "0"],
];

/** Runs a program to its end; what it prints is read and thrown away. */
export async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C.UTF-8" },
  }).output();
  if (success) return;
  throw new Error(
    `${program} ${args.slice(0, 20).join(" ")}: ${
      new TextDecoder().decode(stderr).slice(-2000)
    }`,
  );
}

/** Runs xorriso once, with the settings of the module. */
export async function xorriso(...args: string[]): Promise<void> {
  await run("xorriso", ...SETTINGS, ...args);
}

/** Runs restic, whose repository has a password that is no secret. */
export async function restic(
  repository: string,
  ...words: string[]
): Promise<void> {
  await run(
    "sh",
    ...["-c", 'RESTIC_PASSWORD=x exec restic -q --no-cache "$@"', "restic"],
    ...["-r", repository, ...words],
  );
}

/** The barest dialogue with one xorriso that can be: no answer is looked at. */
export class BareDialogue implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #errors: Promise<ArrayBuffer>;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  #marks = 0;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#writer = child.stdin.getWriter();
    this.#reader = child.stdout.getReader();
    this.#errors = new Response(child.stderr).arrayBuffer();
  }

  /** Starts it with a medium open. */
  static async open(image: string): Promise<BareDialogue> {
    const child = new Deno.Command("xorriso", {
      args: [
        ...[...SETTINGS, "-pkt_output", "on", "-abort_on", "NEVER"],
        ...["-backslash_codes", "encode_output"],
        ...["-dialog", "single_line", "-dev", `stdio:${image}`],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const dialogue = new BareDialogue(child);
    await dialogue.say("-version");
    return dialogue;
  }

  /** Sends lines and waits until all are done. */
  async say(...lines: string[]): Promise<void> {
    const mark = `m${++this.#marks}`;
    const text = [...lines, `-mark ${mark}`, ""].join("\n");
    await this.#writer.write(this.#encoder.encode(text));
    const end = new RegExp(`^M:.: ?${mark}$`, "m");
    for (let tail = ""; !end.test(tail);) {
      const { value } = await this.#reader.read();
      if (value === undefined) throw new Error(`xorriso is gone at ${text}`);
      tail = tail.slice(-80) + this.#decoder.decode(value, { stream: true });
    }
  }

  /** Ends it; nothing is committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.write(this.#encoder.encode("-rollback_end\n"));
    await this.#writer.close();
    while (!(await this.#reader.read()).done);
    await this.#errors;
    await this.#child.status;
  }
}

/** Writes a file of so many bytes that no file system keeps as a hole. */
export async function fill(path: string, size: number): Promise<void> {
  const chunk = noise(Math.min(size, 1 << 20));
  using file = await Deno.open(path, { write: true, create: true });
  for (let left = size; left > 0; left -= chunk.length) {
    await writeAll(file, chunk.subarray(0, Math.min(left, chunk.length)));
  }
}

/** Makes a folder of equal files, 1000 in each folder below it. */
export async function makeTree(
  folder: string,
  count: number,
  size: number,
): Promise<string[]> {
  const content = noise(size, count);
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    const below = `d${String(Math.floor(i / 1000)).padStart(3, "0")}`;
    if (i % 1000 === 0) {
      await Deno.mkdir(`${folder}/${below}`, { recursive: true });
    }
    const name = `${below}/file-${String(i).padStart(6, "0")}.dat`;
    names.push(name);
    // deno-lint-ignore no-sync-fn-in-async-fn -- far faster for small files
    Deno.writeFileSync(`${folder}/${name}`, content);
  }
  return names;
}

/** Removes files and folders, if they are there. */
export async function remove(...paths: string[]): Promise<void> {
  for (const path of paths) {
    await Deno.remove(path, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}
