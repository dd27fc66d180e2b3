/** Sources that have become FIFOs: xorriso would wait for their writers for ever. */

import { eachOf } from "../async.ts";
import { systemName, XorrisoError } from "../errors.ts";
import { isGranted } from "./permissions.ts";

/** The sources of one commit, some of which may have become FIFOs. */
export class Fifos {
  readonly #sources: Iterable<string>;
  readonly #opened = new Set<string>();

  /** Takes the paths of the files that xorriso is to read. */
  constructor(sources: Iterable<string>) {
    this.#sources = sources;
  }

  /**
   * Ends the waiting of xorriso: it takes a FIFO for an empty file once a writer
   * has opened and closed it. That needs permission to write to it, though
   * nothing is written.
   *
   * @returns The error of the commit, if xorriso cannot go on.
   */
  async unblock(): Promise<XorrisoError | undefined> {
    const stuck: string[] = [];
    await eachOf(this.#sources, async (path) => {
      // xorriso does not wait for what is gone.
      const info = await Deno.stat(path).catch(() => undefined);
      if (!info?.isFifo && !info?.isCharDevice) return;
      const result = info.isFifo ? await openAndClose(path) : "refused";
      if (result === "opened") this.#opened.add(path);
      if (result === "refused") stuck.push(path);
    });
    return stuck.length > 0 ? becameFifo(stuck) : undefined;
  }

  /** The error for FIFOs that were unblocked, in whose place xorriso has stored nothing of use. */
  get problem(): XorrisoError | undefined {
    return this.#opened.size > 0 ? becameFifo([...this.#opened]) : undefined;
  }
}

/** Opens a FIFO for writing, where that is granted and somebody reads it. */
async function openAndClose(
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
    // Without a reader, xorriso is not waiting for this one.
    return systemName(error) === "ENXIO" ? "unread" : "refused";
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
