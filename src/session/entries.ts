/** Listing the tree that xorriso holds: nodes and their checksums. */

import { globToRegExp } from "@std/path/posix/glob-to-regexp";
import {
  FileListing,
  parseLongLine,
  parseMd5Line,
} from "../dialogue/answers.ts";
import { isCode, XorrisoError } from "../errors.ts";
import type { Node, NodeType } from "../medium.ts";
import { baseName, show } from "../names.ts";
import type { Session } from "./session.ts";

/**
 * Every node from a path on, by type: files, folders, others.
 *
 * @param depth Levels below the path; all of them if not given.
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
  const tree = ["-find", path, ...depthWords(depth)];
  const options = { doing: session.doing("list"), path, pipelined: true };
  await Promise.all([
    session.run([...tree, "-type", "f", "-exec", "report_lba"], {
      ...options,
      onResult: (line) => {
        const node = listing.add(line);
        if (node) nodes.file.push(node);
      },
    }),
    // Staged files have no address yet; only this command tells their size.
    session.run(
      [...tree, "-not", "-type", "f", "-or", "-pending_data", "-exec", "lsdl"],
      {
        ...options,
        onResult: (line) => {
          const found = parseLongLine(line);
          if (found) nodes[found.node.type].push(found.node);
        },
      },
    ),
  ]);
  return [...nodes.file, ...nodes.directory, ...nodes.other];
}

function depthWords(depth: number | undefined): string[] {
  return depth === undefined ? [] : ["-maxdepth", `${depth}`];
}

/**
 * The node at a path, or those in it if it is a folder; if there is none, those
 * that match a glob in its last part.
 */
export async function findMatches(
  session: Session,
  path: string,
): Promise<Node[]> {
  const name = baseName(path);
  try {
    const nodes = await find(session, path, 1);
    const self = nodes.filter((node) => node.path === path);
    return self[0]?.type === "directory"
      ? nodes.filter((node) => node.path !== path)
      : self;
  } catch (error) {
    if (!isCode(error, "ENTRY_NOT_FOUND") || !/[*?[{]/.test(name)) throw error;
  }
  const glob: RegExp = globToRegExp(name, { globstar: false });
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  return (await find(session, folder, 1)).filter((node) =>
    node.path !== folder && glob.test(baseName(node.path))
  );
}

/**
 * The node at a path.
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

/** The type of the node at a path; undefined if nothing is there. */
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
 * @param depth Levels below the path; all of them if not given.
 * @throws {XorrisoError} ENTRY_NOT_FOUND if nothing is there.
 */
export async function readMd5s(
  session: Session,
  path: string,
  depth?: number,
): Promise<Map<string, string>> {
  const sums = new Map<string, string>();
  await session.run(
    ["-find", path, ...depthWords(depth), "-type", "f", "-exec", "get_md5"],
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
