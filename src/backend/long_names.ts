/**
 * Long names that xorriso 1.5.4 cannot write, found before anything is written.
 *
 * With recorded checksums a name of more than 104 bytes does not fit into its
 * directory record: the rest goes to blocks behind the folder. Where the part of an
 * entry ends in the last 27 bytes of a block, 1.5.4 counts one block too many,
 * and writes a session that cannot be used. This concerns each folder alone.
 */

import { byteLength, show } from "../names.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { TempFolder } from "../disk/temp.ts";
import type { XorrisoOptions } from "../options.ts";
import { exclusive } from "../session/changes.ts";
import { commit } from "../session/commit.ts";
import { openSession } from "../session/open.ts";
import type { BackendEntry } from "./index.ts";

/** An entry of a folder; its name is relative to this. */
export interface FolderEntry extends Pick<BackendEntry, "name" | "type"> {
  /** Where a link leads to. */
  readonly link?: string | undefined;
}

/** The one version that has the fault (1.5.2, 1.5.6 and 1.5.8 were tried). */
const FAULTY = "1.5.4";

/** Bytes of a name that fits into its record. */
const FITS = 104;

/** Bytes of a longer name that are in its record. */
const STAY = 72;

/** Bytes behind a folder up to which no entry ends in the last 27 bytes of a block. */
const SAFE = 2020;

/** Bytes behind the root for its own entries of SUSP. */
const ROOT = 342;

/** Whether a name does not fit into its record, so that its folder is to be checked. */
export function isLong(name: string): boolean {
  return name.length * 3 > FITS && byteLength(name) > FITS;
}

/** Bytes that an entry takes behind its folder, at most. */
function bytesBehind({ name, link }: FolderEntry): number {
  const bytes = byteLength(name) +
    (link === undefined ? 0 : byteLength(link) + PART * partsOf(link));
  return bytes <= FITS ? 0 : bytes - STAY;
}

/** Bytes of each part of a link's text besides its own. */
const PART = 2;

function partsOf(link: string): number {
  return link.split("/").length + 2;
}

/** Whether every xorriso can write a folder with these entries. */
export function isSafe(path: string, entries: Iterable<FolderEntry>): boolean {
  let sum = path === "/" ? ROOT : 0;
  for (const entry of entries) sum += bytesBehind(entry);
  return sum <= SAFE;
}

/**
 * Finds folders whose names xorriso cannot write. Those that may be affected are
 * written to a temporary image first, with empty files, where they fail in the
 * same way.
 *
 * @param folders All entries that each folder will have, by its path.
 * @returns The error of each such folder, by its path.
 */
export async function refusedFolders(
  version: string,
  folders: ReadonlyMap<string, readonly FolderEntry[]>,
  options: Omit<XorrisoOptions, "session"> = {},
): Promise<Map<string, unknown>> {
  const refused = new Map<string, unknown>();
  if (version !== FAULTY) return refused;
  for (const [path, entries] of folders) {
    if (isSafe(path, entries)) continue;
    try {
      await rehearse(path, entries, options);
    } catch (error) {
      const isFault = isCode(error, "NAME_TOO_LONG");
      refused.set(path, isFault ? tooManyLong(path, error) : error);
    }
  }
  return refused;
}

function tooManyLong(path: string, cause: unknown): XorrisoError {
  return new XorrisoError(
    "NAME_TOO_LONG",
    `Cannot store the long names in ${show(path)}: xorriso ${FAULTY} has a ` +
      `fault with so many names of more than ${FITS} bytes in one folder; use ` +
      `xorriso 1.5.6 or newer, or put them into several folders`,
    { path, cause },
  );
}

/** Writes a folder of such entries, empty all of them. */
async function rehearse(
  path: string,
  entries: readonly FolderEntry[],
  { xorrisoPath, xorrisoArgs, joliet, tempDir, signal, timeout }:
    XorrisoOptions,
): Promise<void> {
  await using temp = await TempFolder.make(tempDir);
  const empty = temp.next();
  await Deno.writeFile(empty, new Uint8Array());
  await using session = await openSession(`${temp.path}/rehearsal.iso`, {
    create: true,
    ...(xorrisoPath !== undefined && { xorrisoPath }),
    ...(xorrisoArgs !== undefined && { xorrisoArgs }),
    ...(joliet !== undefined && { joliet }),
    ...(timeout !== undefined && { timeout }),
    ...(signal !== undefined && { signal }),
  });
  const folder = path === "/" ? "" : "/folder";
  await exclusive(session, async (changes) => {
    await Promise.all(entries.map(({ name, type, link }) => {
      const at = `${folder}/${name}`;
      if (type === "directory") return changes.makeFolder(at);
      if (link !== undefined) return changes.link(link, at);
      return changes.stage(empty, at);
    }));
    await commit(changes, signal ? { signal } : {});
  });
}
