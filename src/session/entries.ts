/** What xorriso tells of the tree that it holds: nodes and their checksums. */

import {
  FileListing,
  parseLongLine,
  parseMd5Line,
} from "../dialogue/answers.ts";
import { isCode, XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import type { Node, NodeType } from "./nodes.ts";
import type { Session } from "./session.ts";

/**
 * Every node from a path on, by type: files, folders, others.
 *
 * @param depth How far below the path to go; all the way if not given.
 * @throws {XorrisoError} ENTRY_NOT_FOUND if nothing is there.
 */
export async function find(
  session: Session,
  path: string,
  depth?: number,
): Promise<Node[]> {
  const lists: Record<NodeType, Node[]> = {
    file: [],
    directory: [],
    other: [],
  };
  await walk(session, path, (node) => lists[node.type].push(node), depth);
  return [...lists.file, ...lists.directory, ...lists.other];
}

/**
 * Tells of every node from a path on, as soon as xorriso does: written files,
 * then all else. Later ones may add to the extents of the last.
 *
 * @param depth How far below the path to go; all the way if not given.
 * @throws {XorrisoError} ENTRY_NOT_FOUND if nothing is there.
 */
export async function walk(
  session: Session,
  path: string,
  take: (node: Node) => void,
  depth?: number,
): Promise<void> {
  const listing = new FileListing();
  const tree = depth === undefined
    ? ["-find", path]
    : ["-find", path, "-maxdepth", `${depth}`];
  const options = {
    doing: session.doing("list"),
    path,
    pipelined: true,
  };
  await Promise.all([
    session.run([...tree, "-type", "f", "-exec", "report_lba"], {
      ...options,
      onResult: (line) => {
        const entry = listing.add(line);
        if (entry) take(entry);
      },
    }),
    // Files that are staged have no place on the medium yet, and no other
    // command tells their size.
    session.run(
      [
        ...[...tree, "-not", "-type", "f", "-or", "-pending_data"],
        ...["-exec", "lsdl"],
      ],
      {
        ...options,
        onResult: (line) => {
          const found = parseLongLine(line);
          if (found) take({ ...found, extents: [] });
        },
      },
    ),
  ]);
}

/**
 * The node at a path itself.
 *
 * @throws {XorrisoError} ENTRY_NOT_FOUND if nothing is there.
 */
export async function lookUp(session: Session, path: string): Promise<Node> {
  const node = (await find(session, path, 0)).find((node) =>
    node.path === path
  );
  if (node !== undefined) return node;
  throw new XorrisoError(
    "ENTRY_NOT_FOUND",
    `Cannot find ${show(path)} on "${session.device}"`,
    { path },
  );
}

/** What a path is; undefined if nothing is there. */
export async function typeOf(
  session: Session,
  path: string,
): Promise<NodeType | undefined> {
  try {
    return (await lookUp(session, path)).type;
  } catch (error) {
    if (isCode(error, "ENTRY_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** Tells of the recorded MD5 of every file below a path. */
export async function eachMd5(
  session: Session,
  path: string,
  take: (path: string, md5: string) => void,
  depth?: number,
): Promise<void> {
  const limit = depth === undefined ? [] : ["-maxdepth", `${depth}`];
  await session.run(
    ["-find", path, ...limit, "-type", "f", "-exec", "get_md5"],
    {
      doing: session.doing("look for checksums on"),
      path,
      pipelined: true,
      onResult: (line) => {
        const sum = parseMd5Line(line);
        if (sum !== undefined) take(sum.path, sum.md5);
      },
    },
  );
}

/** The recorded MD5 of a file, in hexadecimal digits; undefined if none is. */
export async function readMd5(
  session: Session,
  path: string,
): Promise<string | undefined> {
  let sum: string | undefined;
  await eachMd5(session, path, (_, md5) => sum = md5, 0);
  return sum;
}

/** The recorded MD5 of every file below a path, by path. */
export async function readMd5s(
  session: Session,
  path: string,
): Promise<Map<string, string>> {
  const sums = new Map<string, string>();
  await eachMd5(session, path, (path, md5) => sums.set(path, md5));
  return sums;
}
