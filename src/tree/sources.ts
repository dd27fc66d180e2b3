/** The files and folders on disk that a call stores or compares, and what is in them. */

import { basename } from "@std/path/posix/basename";
import { fromFileUrl } from "@std/path/posix/from-file-url";
import { stat } from "../disk/files.ts";
import { absolutePath, resolveForRead } from "../disk/permissions.ts";
import { unreadableBy } from "../disk/sources.ts";
import { systemError } from "../errors.ts";
import { checkName, show } from "../names.ts";
import { Filter, parsePatterns } from "./filter.ts";
import type { XorrisoBackend } from "../backend/backend.ts";
import type {
  PutTreeOptions,
  TreeFilterOptions,
  TreeSource,
} from "./options.ts";
import { type Found, walk, type Walked } from "./walk.ts";

/** A file or folder to be stored. */
export interface ResolvedSource {
  /** Absolute path without links. */
  readonly path: string;
  /** Its name on the medium. */
  readonly name: string;
}

/** What was found in sources. */
export interface WalkedSources extends Walked {
  /** The sources. */
  readonly sources: readonly ResolvedSource[];
}

/** Walks through all sources. */
export async function walkSources(
  backend: XorrisoBackend,
  source: string | URL | readonly TreeSource[],
  options: TreeFilterOptions & Pick<PutTreeOptions, "as" | "signal">,
): Promise<WalkedSources> {
  const resolving = resolveSources(source, options.as);
  const [filter, sources] = await Promise.all([openFilter(options), resolving]);
  const image = await Deno.stat(backend.device).catch(() => undefined);
  const all: Walked = { found: [], left: [], excluded: [] };
  const names = new Set<string>();
  for (const { path, name } of sources) {
    const walking = { ...options, filter, image };
    const { found, left, excluded } = await walk(path, name, walking);
    for (const each of found) {
      if (!names.has(each.name)) names.add(each.name);
      else if (each.type !== "directory") throw twice(each);
      // One by one: a call takes fewer arguments (some 120,000) than a folder may have files.
      all.found.push(each);
    }
    for (const each of left) all.left.push(each);
    for (const each of excluded) all.excluded.push(each);
  }
  return { ...all, sources };
}

/** Finds the paths and names of sources. */
async function resolveSources(
  source: string | URL | readonly TreeSource[],
  as: string | undefined,
): Promise<ResolvedSource[]> {
  const list = typeof source === "string" || source instanceof URL
    ? [{ path: source, as }]
    : source;
  const all = list.map(({ path, as }) => ({
    path,
    as,
    file: absolutePath(path),
  }));
  const sources: ResolvedSource[] = [];
  for (const { path: given, as, file } of all) {
    const path = await resolveForRead(file, "the source").catch((cause) => {
      throw unreadableBy(cause, String(given));
    });
    const name = as ?? defaultName(given, path);
    if (name !== "") checkName("/", name, true);
    if (name === "" && !(await stat(path)).isDirectory) {
      throw new TypeError(`Cannot store "${path}" as "": a file needs a name`);
    }
    sources.push({ path, name });
  }
  return sources;
}

/** The last part of a path; of its real path where it is `.`, `..` or `/`. */
function defaultName(given: string | URL, real: string): string {
  const path = typeof given === "string" ? given : fromFileUrl(given);
  const last = basename(path);
  return ["", ".", "..", "/"].includes(last)
    ? basename(real).replace("/", "")
    : last;
}

/**
 * The filter of options.
 *
 * @throws {XorrisoError} SOURCE_UNREADABLE when the file with patterns cannot be read.
 */
async function openFilter(
  { exclude = [], excludeFrom }: TreeFilterOptions,
): Promise<Filter> {
  if (excludeFrom === undefined) return new Filter(exclude);
  try {
    const path = await resolveForRead(excludeFrom, "the patterns");
    const text = await Deno.readTextFile(path);
    return new Filter([...parsePatterns(text), ...exclude]);
  } catch (cause) {
    throw systemError(cause, {
      doing: `Cannot read the patterns in "${excludeFrom}"`,
      path: String(excludeFrom),
      code: "SOURCE_UNREADABLE",
      reasons: { ENOENT: "there is no such file" },
    });
  }
}

function twice({ name, path }: Found): TypeError {
  return new TypeError(
    `Cannot store "${path}" as ${show(name)}: another source has that name`,
  );
}

/** Whether a name is that of a source, or below it. */
export function isBelowAny(
  name: string,
  sources: readonly ResolvedSource[],
): boolean {
  return sources.some((source) =>
    source.name === "" || name === source.name ||
    name.startsWith(`${source.name}/`)
  );
}
