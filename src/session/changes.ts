/** Staging changes of the tree that xorriso holds: files, folders, links, attributes. */

import type { ExchangeOptions } from "../dialogue/exchange.ts";
import { commandLine, commandLines, joinLines } from "../dialogue/protocol.ts";
import { show } from "../names.ts";
import { damagedLinks } from "./long_links.ts";
import type { Session } from "./session.ts";

/** Attributes of a path on the medium. */
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
 * Does work that alters what xorriso holds, or the medium, while no other work
 * does: from its first staged line until its commit is judged. Lines that others
 * staged meanwhile would be committed, rolled back, or forgotten with it.
 *
 * @param work What to do; it must not call `exclusive()` itself.
 * @param signal Aborts waiting for the work before; does not stop the work.
 */
export async function exclusive<T>(
  session: Session,
  work: (changes: Changes) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return await session.inTurn(() => work(new Changes(session)), signal);
}

/**
 * The right to alter what xorriso holds: only work in `exclusive()` has one.
 *
 * It stages whatever the tree is: the caller knows that. Staging is
 * pipelined: calls in one turn of the event loop are sent together, in order.
 * Paths are absolute and have been checked.
 */
export class Changes {
  /** The session that is altered. */
  readonly session: Session;
  readonly #isMending: boolean;

  /**
   * For `exclusive()` alone.
   *
   * @param isMending Whether it is the one by which `mend()` stages.
   */
  constructor(session: Session, isMending = false) {
    this.session = session;
    this.#isMending = isMending;
  }

  /**
   * Stages anew the links that xorriso has damaged when it loaded its tree, before
   * anything else is staged.
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
    await this.stageAll([{ source, path }]);
  }

  /** The same for many files; an error does not tell which one failed. */
  async stageAll(
    files: readonly { readonly source: string; readonly path: string }[],
  ): Promise<void> {
    const paths = files.map(({ path }) => path);
    const lines = files.map(({ source, path }) =>
      commandLine(["-map", source, path])
    );
    await this.#stage("store", paths, joinLines(lines), {
      path: files[0]?.source,
      repeats: files.map(({ source, path }) => `'${path}'='${source}'`),
    });
    for (const { source } of files) this.session.sources.add(source);
  }

  /**
   * Stages the removal of files and links, or of folders with all below them.
   */
  async remove(
    paths: string | readonly string[],
    { recursive = false }: { readonly recursive?: boolean } = {},
  ): Promise<void> {
    const all = [paths].flat();
    const lines = commandLines([recursive ? "-rm_r" : "-rm"], all);
    await this.#stage("delete", all, lines, { repeats: all.map(asRepeated) });
  }

  /** Stages the removal of a folder, which fails where it is not empty. */
  async removeFolder(path: string): Promise<void> {
    const lines = commandLines(["-rmdir"], [path]);
    await this.#stage("delete", [path], lines, { repeats: [asRepeated(path)] });
  }

  /** Stages a folder, and those above it, where they are not there yet. */
  async makeFolder(path: string): Promise<void> {
    const lines = commandLines(["-mkdir"], [path]);
    await this.#stage("make", [path], lines, { repeats: [asRepeated(path)] });
  }

  /**
   * Stages a symbolic link, where nothing is yet; missing folders above it are
   * made.
   *
   * @param text The text of the link, which is not empty.
   */
  async link(text: string, path: string): Promise<void> {
    await this.#stage("store", [path], [commandLine(["-lns", text, path])]);
  }

  /**
   * Stages another path for a file, a link, or a folder with all below it;
   * missing folders above it are made. A file or link of that path is replaced;
   * a folder must not be there, since xorriso would move it into that.
   */
  async move(from: string, to: string): Promise<void> {
    const line = commandLine(["-mv", from, to, "--"]);
    const repeats = [`${asRepeated(from)} to ${asRepeated(to)}`];
    await this.#stage("rename", [from], [line], { repeats });
  }

  /** Stages attributes of one path, or the same of many. */
  async setAttributes(
    paths: string | readonly string[],
    { mode, uid, gid, mtime }: Attributes,
  ): Promise<void> {
    const all = [paths].flat();
    const heads = [
      ...(uid === undefined ? [] : [["-chown", `${uid}`]]),
      ...(gid === undefined ? [] : [["-chgrp", `${gid}`]]),
      ...(mode === undefined ? [] : [["-chmod", `0${mode.toString(8)}`]]),
      ...(mtime === undefined ? [] : [["-alter_date", "m", timeWord(mtime)]]),
    ];
    const lines = heads.flatMap((head) => commandLines(head, all));
    await this.#stage("set the attributes of", all, lines);
  }

  /**
   * @param what What is done to the paths: `store`.
   * @param path The path of errors. @default {the first path}
   */
  async #stage(
    what: string,
    [first = "", ...others]: readonly string[],
    lines: readonly string[],
    { path = first, repeats }: Pick<ExchangeOptions, "path" | "repeats"> = {},
  ): Promise<void> {
    const { session } = this;
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    const doing = session.doing(`${what} ${show(first)}${more} on`);
    const options = { doing, path, repeats, pipelined: true };
    await this.mend();
    await Promise.all(lines.map(async (line) => {
      await session.run(line, options);
      session.isStaged = true;
    }));
  }
}

/** A path as xorriso repeats it when it confirms a change. */
function asRepeated(path: string): string {
  return `'${path}'`;
}

/** A time as xorriso reads it: its seconds since 1970 cannot be negative. */
function timeWord(time: Date): string {
  const seconds = Math.floor(time.getTime() / 1000);
  if (seconds >= 0) return `=${seconds}`;
  const [year = "", month, day, hour, minute, second] = new Date(seconds * 1000)
    .toISOString().split(/[-T:.]/);
  return `${month}${day}${hour}${minute}${year}.${second}`;
}
