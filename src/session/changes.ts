/** What alters the tree that xorriso holds: files, folders, links, attributes. */

import { commandLine, commandLines } from "../dialogue/protocol.ts";
import { show } from "../names.ts";
import type { CommitOptions } from "../options.ts";
import type { Committed, Recorder, Undone } from "./commit.ts";

/** What a path of the medium has besides its content. */
export interface Attributes {
  /** Permission bits, from 0 to 0o7777. */
  readonly mode?: number | undefined;
  /** Number of the owner. */
  readonly uid?: number | undefined;
  /** Number of the group. */
  readonly gid?: number | undefined;
  /** Time of the last change; it is kept to the second. */
  readonly mtime?: Date | undefined;
}

/**
 * What only work that has its turn may do, for a caller that knows the tree: no
 * question is asked before.
 *
 * Staging is pipelined: what is called in one turn of the event loop is sent
 * together, and done in call order. Paths are absolute and have been checked.
 */
export class Changes {
  readonly #recorder: Recorder;

  /** For the work that a session gives its turn. */
  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /**
   * Stages a file on disk, with its mode, owner and times, in place of a file
   * or link of that path; missing folders above it are made.
   */
  async stage(source: string, path: string): Promise<void> {
    await this.#stage(commandLine(["-map", source, path]), {
      doing: this.#doing("store", path),
      path: source,
      echoes: [`'${path}'='${source}'`],
    });
  }

  /** Stages the removal of a file or link, or of a folder with all below it. */
  async remove(
    path: string,
    { recursive = false }: { readonly recursive?: boolean } = {},
  ): Promise<void> {
    await this.#stage(commandLine([recursive ? "-rm_r" : "-rm", path, "--"]), {
      doing: this.#doing("delete", path),
      path,
      echoes: [`'${path}'`],
    });
  }

  /** Stages the removal of a folder, which fails where it is not empty. */
  async removeFolder(path: string): Promise<void> {
    await this.#stage(commandLine(["-rmdir", path, "--"]), {
      doing: this.#doing("delete", path),
      path,
      echoes: [`'${path}'`],
    });
  }

  /** Stages a folder, and those above it, where they are not there yet. */
  async makeFolder(path: string): Promise<void> {
    await this.#stage(commandLine(["-mkdir", path, "--"]), {
      doing: this.#doing("make", path),
      path,
      echoes: [`'${path}'`],
    });
  }

  /**
   * Stages a symbolic link, where nothing is yet; missing folders above it are
   * made.
   *
   * @param text What it leads to, as it is; not empty.
   */
  async link(text: string, path: string): Promise<void> {
    await this.#stage(commandLine(["-lns", text, path]), {
      doing: this.#doing("store", path),
      path,
    });
  }

  /**
   * Stages another path for a file, a link, or a folder with all below it;
   * missing folders above it are made. A file or link of that path is replaced;
   * a folder must not be there, since xorriso would move it into that.
   */
  async move(from: string, to: string): Promise<void> {
    await this.#stage(commandLine(["-mv", from, to, "--"]), {
      doing: this.#doing("rename", from),
      path: from,
      echoes: [`'${from}' to '${to}'`],
    });
  }

  /** Stages attributes of one path, or the same of many. */
  async setAttributes(
    paths: string | readonly string[],
    { mode, uid, gid, mtime }: Attributes,
  ): Promise<void> {
    const all = typeof paths === "string" ? [paths] : paths;
    const heads = [
      ...(uid === undefined ? [] : [["-chown", `${uid}`]]),
      ...(gid === undefined ? [] : [["-chgrp", `${gid}`]]),
      ...(mode === undefined ? [] : [["-chmod", `0${mode.toString(8)}`]]),
      ...(mtime === undefined ? [] : [["-alter_date", "m", timeWord(mtime)]]),
    ];
    const [path] = all;
    if (path === undefined) return;
    const what = all.length === 1
      ? show(path)
      : `${show(path)} and ${all.length - 1} more`;
    const doing = this.#recorder.doing(`set the attributes of ${what} on`);
    await Promise.all(
      heads.flatMap((head) => commandLines(head, all))
        .map((line) => this.#stage(line, { doing, path })),
    );
  }

  /** Discards what is staged. */
  async rollback(): Promise<void> {
    await this.#recorder.rollback();
  }

  /**
   * Commits what is staged.
   *
   * @param sources Paths of the files on disk that are staged.
   */
  async commit(
    options: CommitOptions,
    sources: Iterable<string>,
  ): Promise<Committed> {
    return await this.#recorder.commit(options, sources);
  }

  /** Goes back to the tree before the last commit. */
  async undo(): Promise<Undone> {
    return await this.#recorder.undo();
  }

  /** Throws if the medium was not opened for writing. */
  async requireWritable(): Promise<void> {
    await this.#recorder.requireWritable();
  }

  /** Ends the process. */
  async end(): Promise<void> {
    await this.#recorder.end();
  }

  async #stage(
    line: string,
    options: {
      readonly doing: string;
      readonly path: string;
      readonly echoes?: readonly string[];
    },
  ): Promise<void> {
    await this.#recorder.stage(line, { ...options, pipelined: true });
  }

  #doing(what: string, path: string): string {
    return `Cannot ${what} ${show(path)} on "${this.#recorder.device}"`;
  }
}

/** A time as xorriso reads it: its seconds since 1970 cannot be negative. */
function timeWord(time: Date): string {
  const seconds = Math.floor(time.getTime() / 1000);
  if (seconds >= 0) return `=${seconds}`;
  const [year = "", month, day, hour, minute, second] = new Date(seconds * 1000)
    .toISOString().split(/[-T:.]/);
  return `${month}${day}${hour}${minute}${year}.${second}`;
}
