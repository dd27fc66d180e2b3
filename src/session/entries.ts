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
  const nodes: Record<NodeType, Node[]> = {
    file: [],
    directory: [],
    other: [],
  };
  const listing = new FileListing();
  const tree = findWords(path, depth);
  const options = { doing: session.doing("list"), path, pipelined: true };
  await Promise.all([
    session.run([...tree, "-type", "f", "-exec", "report_lba"], {
      ...options,
      onResult: (line) => {
        const entry = listing.add(line);
        if (entry) nodes.file.push(entry);
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
          if (found === undefined) return;
          const { path, type, size } = found;
          nodes[type].push({ path, type, size, extents: [] });
        },
      },
    ),
  ]);
  return [...nodes.file, ...nodes.directory, ...nodes.other];
}

function findWords(path: string, depth: number | undefined): string[] {
  return [
    "-find",
    path,
    ...depth === undefined ? [] : ["-maxdepth", `${depth}`],
  ];
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

/**
 * The recorded MD5, in hexadecimal digits, of every file from a path on.
 *
 * @param depth How far below the path to go; all the way if not given.
 * @throws {XorrisoError} ENTRY_NOT_FOUND if nothing is there.
 */
export async function readMd5s(
  session: Session,
  path: string,
  depth?: number,
): Promise<Map<string, string>> {
  const sums = new Map<string, string>();
  await session.run(
    [...findWords(path, depth), "-type", "f", "-exec", "get_md5"],
    {
      doing: session.doing("look for checksums on"),
      path,
      pipelined: true,
      onResult: (line) => {
        const sum = parseMd5Line(line);
        if (sum !== undefined) sums.set(sum.path, sum.md5);
      },
    },
  );
  return sums;
}

/** The recorded MD5 of a file; undefined if none is. */
export async function readMd5(
  session: Session,
  path: string,
): Promise<string | undefined> {
  return (await readMd5s(session, path, 0)).get(path);
}
