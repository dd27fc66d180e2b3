/** Sources that have become FIFOs: xorriso waits for their writers for ever. */

import { eachOf } from "../async.ts";
import { XorrisoError } from "../errors.ts";
import { isGranted } from "./permissions.ts";

/** Looks after the sources of one commit. */
export class Fifos {
  readonly #sources: Iterable<string>;
  readonly #opened = new Set<string>();

  /**
   * Looks at nothing yet.
   *
   * @param sources Paths of the files that xorriso is to read.
   */
  constructor(sources: Iterable<string>) {
    this.#sources = sources;
  }

  /**
   * Looks for what xorriso may be waiting for, and lets it go on: it takes a
   * FIFO for a file that has become empty when a writer has come and gone. That
   * needs permission to write to it, though nothing is written.
   *
   * @returns What it waits for in vain, if it cannot go on.
   */
  async look(): Promise<XorrisoError | undefined> {
    const stuck: string[] = [];
    await eachOf(this.#sources, async (path) => {
      // What cannot be looked at can be opened even less.
      const info = await Deno.stat(path).catch(() => undefined);
      if (!info?.isFifo && !info?.isCharDevice) return;
      const come = info.isFifo ? await comeAndGo(path) : "refused";
      if (come === "opened") this.#opened.add(path);
      if (come === "refused") stuck.push(path);
    });
    return stuck.length > 0 ? becameFifo(stuck) : undefined;
  }

  /** What is wrong with the content that xorriso has stored, if anything is. */
  get problem(): XorrisoError | undefined {
    return this.#opened.size > 0 ? becameFifo([...this.#opened]) : undefined;
  }
}

/** Opens a FIFO for writing, where that is granted and somebody reads it. */
async function comeAndGo(
  path: string,
): Promise<"opened" | "unread" | "refused"> {
  const { constants, promises } = await import("node:fs");
  const { O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  try {
    const real = await Deno.realPath(path);
    if (!await isGranted("write", real)) return "refused";
    const file = await promises.open(real, O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
    await file.close();
    return "opened";
  } catch (error) {
    // Without a reader it is not what xorriso waits for now.
    const code = error instanceof Error && "code" in error && error.code;
    return code === "ENXIO" ? "unread" : "refused";
  }
}

function becameFifo(paths: readonly string[]): XorrisoError {
  const [path = ""] = paths;
  return new XorrisoError(
    "SOURCE_CHANGED",
    `Cannot store "${path}": it is no regular file any more, but one that ` +
      `waits for a writer; keep it as it is until it is stored`,
    { path, messages: paths.map((each) => `Waits for a writer: "${each}"`) },
  );
}
