/** Images of several sessions, and what is in each of them. */

import { type Blocks, readTree, type Session } from "../../src/iso/mod.ts";
import { type Folder, noise, writeSession } from "../support/helpers.ts";

/** Writes sessions, each with one file more: `/1`, `/2`, and so on. */
export async function makeSessions(
  folder: Folder,
  count: number,
  ...settings: readonly (readonly string[])[]
): Promise<string> {
  const image = `${folder.path}/test.iso`;
  for (let i = 1; i <= count; i++) {
    await writeSession(image, { [`/${i}`]: noise(30_000, i) }, ...settings);
  }
  return image;
}

/** The paths of the files of a session. */
export async function pathsOf(
  blocks: Blocks,
  session: Session,
): Promise<string[]> {
  const tree = await readTree(blocks, session);
  return Array.from(tree.walk(), ({ path }) => path);
}

/** All paths from `/1` on. */
export function upTo(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `/${i + 1}`);
}
