/** What alters the tree that xorriso holds: files, folders, links, attributes. */

import { commandLine, commandLines, joinLines } from "../dialogue/protocol.ts";
import { show } from "../names.ts";
import { damagedLinks } from "./long_links.ts";
import type { Session } from "./session.ts";

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
 * Does work that alters what xorriso holds, while nobody else does: the only
 * way to staging, commit, rollback, and all that is done to the medium.
 *
 * @param work What to do; it must not ask for another turn.
 * @param signal Gives up waiting for the turn; does not stop the work.
 */
export async function exclusive<T>(
  session: Session,
  work: (changes: Changes) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return await session.inTurn(() => work(new Changes(session)), signal);
}

/**
 * What work has while it has its turn, which shows that it has it.
 *
 * It stages for a caller that knows the tree: no question is asked before.
 * Staging is pipelined: what is called in one turn of the event loop is sent
 * together, and done in call order. Paths are absolute and have been checked.
 */
export class Changes {
  /** The session whose turn it is. */
  readonly session: Session;
  readonly #isMending: boolean;

  /** For `exclusive()`. */
  constructor(session: Session, isMending = false) {
    this.session = session;
    this.#isMending = isMending;
  }

  /**
   * Stages anew what xorriso has damaged when it loaded its tree; comes before
   * all else that is staged.
   */
  async mend(): Promise<void> {
    if (this.#isMending) return;
    await (this.session.mended ??= this.#mend());
  }

  async #mend(): Promise<void> {
    const first = new Changes(this.session, true);
    const links = await damagedLinks(this.session);
    await Promise.all(
      links.flatMap(({ path, target = "", uid, gid, mtime }) => [
        first.remove(path),
        first.link(target, path),
        first.setAttributes(path, { uid, gid, mtime }),
      ]),
    );
  }

  /**
   * Stages a file on disk, with its mode, owner and times, in place of a file
   * or link of that path; missing folders above it are made.
   */
  async stage(source: string, path: string): Promise<void> {
    await this.#stage(commandLine(["-map", source, path]), {
      doing: this.#doing("store", path),
      path: source,
      repeats: [`'${path}'='${source}'`],
    });
    this.session.sources.add(source);
  }

  /** The same for many files; where one fails, it is not told which. */
  async stageAll(
    files: readonly { readonly source: string; readonly path: string }[],
  ): Promise<void> {
    const [{ source: path } = { source: "" }] = files;
    const doing = this.#doing("store", files.map(({ path }) => path));
    const repeats = files.map(({ source, path }) => `'${path}'='${source}'`);
    const lines = joinLines(
      files.map(({ source, path }) => commandLine(["-map", source, path])),
    );
    await Promise.all(
      lines.map((line) => this.#stage(line, { doing, path, repeats })),
    );
    for (const { source } of files) this.session.sources.add(source);
  }

  /**
   * Stages the removal of files and links, or of folders with all below them.
   */
  async remove(
    paths: string | readonly string[],
    { recursive = false }: { readonly recursive?: boolean } = {},
  ): Promise<void> {
    const all = typeof paths === "string" ? [paths] : paths;
    const doing = this.#doing("delete", all);
    const lines = commandLines([recursive ? "-rm_r" : "-rm"], all);
    const [path = ""] = all;
    const repeats = all.map((path) => `'${path}'`);
    await Promise.all(
      lines.map((line) => this.#stage(line, { doing, path, repeats })),
    );
  }

  /** Stages the removal of a folder, which fails where it is not empty. */
  async removeFolder(path: string): Promise<void> {
    await this.#stage(commandLine(["-rmdir", path, "--"]), {
      doing: this.#doing("delete", path),
      path,
      repeats: [`'${path}'`],
    });
  }

  /** Stages a folder, and those above it, where they are not there yet. */
  async makeFolder(path: string): Promise<void> {
    await this.#stage(commandLine(["-mkdir", path, "--"]), {
      doing: this.#doing("make", path),
      path,
      repeats: [`'${path}'`],
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
      repeats: [`'${from}' to '${to}'`],
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
    const doing = this.#doing("set the attributes of", all);
    const [path = ""] = all;
    await Promise.all(
      heads.flatMap((head) => commandLines(head, all))
        .map((line) => this.#stage(line, { doing, path })),
    );
  }

  async #stage(
    line: string,
    options: {
      readonly doing: string;
      readonly path: string;
      readonly repeats?: readonly string[];
    },
  ): Promise<void> {
    await this.mend();
    await this.session.run(line, { ...options, pipelined: true });
    this.session.isStaged = true;
  }

  /** Begins the message of an error: `Cannot store "/a" on "/dev/sr0"`. */
  #doing(what: string, paths: string | readonly string[]): string {
    const [first = "", ...others] = typeof paths === "string" ? [paths] : paths;
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    return this.session.doing(`${what} ${show(first)}${more} on`);
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
