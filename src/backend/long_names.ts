/**
 * Long names that xorriso 1.5.4 cannot write, found before anything is written.
 *
 * With recorded checksums a name of more than 104 bytes does not fit into its
 * record; what does not fit goes to blocks behind the folder. 1.5.4 counts one
 * block too many where an entry's part ends in the last 27 bytes of one, and
 * then writes a session that cannot be used. Each folder stands for itself.
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

/** Bytes of a name up to which nothing goes behind the folder. */
const FITS = 104;

/** Bytes of a longer name that stay in its record. */
const STAY = 72;

/** Bytes behind a folder up to which no entry can end where the fault is. */
const SAFE = 2020;

/** Bytes of it that the root takes, for the signatures of the extensions used. */
const ROOT = 342;

/** Whether a name alone can make its folder one that has to be looked at. */
export function isLong(name: string): boolean {
  return name.length * 3 > FITS && byteLength(name) > FITS;
}

/** Bytes that an entry takes behind its folder, or somewhat more. */
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

/** Whether every xorriso writes a folder with these entries. */
export function isSafe(path: string, entries: Iterable<FolderEntry>): boolean {
  let sum = path === "/" ? ROOT : 0;
  for (const entry of entries) sum += bytesBehind(entry);
  return sum <= SAFE;
}

/**
 * Finds folders whose names xorriso cannot write: those beyond the rule are
 * rehearsed, with empty files in a temporary image, where they fail in the
 * same way.
 *
 * @param version Version of the xorriso that is to write them.
 * @param folders All entries of each folder that gets a long name, as they
 * will be, by the path of the folder.
 * @param options How the medium is opened.
 * @returns The error for the long names of each such folder, by its path.
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
