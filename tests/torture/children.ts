/** Programs of their own: processes that run this module. */

import { delay } from "@std/async/delay";
import { fromFileUrl } from "@std/path";
import type { Random } from "./random.ts";
import type { Doubt, Promised } from "./promised.ts";

/** Where a program of this folder lies. */
export function programPath(name: string): string {
  return fromFileUrl(new URL(name, import.meta.url));
}

/** The arguments with which Deno runs a program of this project. */
export function denoArgs(
  program: string,
  ...args: readonly string[]
): string[] {
  const config = fromFileUrl(import.meta.resolve("../../deno.json"));
  return [
    ...["run", "-q", "--no-prompt", "--no-check", "-A", "-c", config],
    ...[program, ...args],
  ];
}

/** What a writer has told of itself. */
export interface Told {
  /** Changes that were begun, and are neither done nor failed. */
  readonly doubts: Doubt[];
  /** Codes of what failed. */
  readonly codes: string[];
}

/** A program that stores files: `writer.ts`. */
export class Writer {
  readonly #process: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #opened = Promise.withResolvers<void>();
  readonly #read: Promise<void>;

  /** Starts it. */
  constructor(
    url: string,
    seed: string,
    batches: number,
    { prefix, temp }: { readonly prefix: string; readonly temp: string },
  ) {
    this.#process = new Deno.Command(Deno.execPath(), {
      args: denoArgs(
        programPath("writer.ts"),
        ...[url, seed, String(batches), prefix],
      ),
      // What it keeps there until it is killed stays there.
      env: { TMPDIR: temp },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#read = this.#readLines();
  }

  /** Resolves when it has opened the image, or ended. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Kills it without any warning, if it still runs; resolves when it is dead. */
  async kill(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
  }

  /** Waits for its end, and takes what it was promised. */
  async settle(promised: Promised): Promise<Told> {
    await this.#read;
    await this.#process.status;
    const begun = new Map<string, string[]>();
    const codes: string[] = [];
    const doubts: Doubt[] = [];
    for (const line of this.#lines) {
      const [what, name = "", word = ""] = line.split(" ");
      const sums = begun.get(name) ?? [];
      if (what === "begun") begun.set(name, [...sums, word]);
      if (what === "failed") codes.push(word);
      if (what !== "done" && what !== "failed") continue;
      // Those of one name end in the order in which they began.
      const [md5, ...rest] = sums;
      begun.set(name, rest);
      if (md5 === undefined) continue;
      if (what === "done") promised.set(name, md5);
      else doubts.push({ name, md5 });
    }
    for (const [name, sums] of begun) {
      for (const md5 of sums) doubts.push({ name, md5 });
    }
    return { doubts, codes };
  }

  async #readLines(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true }))
        .split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      if (this.#lines.length > 0) this.#opened.resolve();
    }
    this.#opened.resolve();
  }
}

/** Starts a program, and kills it after a random while. */
export async function killAfter(
  writer: Writer,
  random: Random,
  longest: number,
): Promise<void> {
  await writer.opened;
  await delay(random.below(longest));
  await writer.kill();
}
