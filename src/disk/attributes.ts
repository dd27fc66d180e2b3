/** Times, modes and owners of what is restored on disk. */

/** What is to be set; what is not given stays as it is. */
export interface DiskAttributes {
  /** Permission bits. */
  readonly mode?: number;
  /** Number of the owner; only root may give files away. */
  readonly uid?: number;
  /** Number of the group. */
  readonly gid?: number;
  /** Time of the last modification. */
  readonly mtime?: Date;
}

/** Sets attributes of a file or folder, by synchronous calls. */
export function setAttributesSync(
  path: string,
  { mode, uid, gid, mtime }: DiskAttributes,
): void {
  // To change the owner takes set-uid bits away.
  if (uid !== undefined || gid !== undefined) {
    Deno.chownSync(path, uid ?? null, gid ?? null);
  }
  if (mode !== undefined) Deno.chmodSync(path, mode);
  if (mtime !== undefined) Deno.utimeSync(path, mtime, mtime);
}

/** Loads what sets attributes of a symbolic link itself, which has no mode, by synchronous calls. */
export async function loadLinkAttributes(): Promise<
  (path: string, attributes: DiskAttributes) => void
> {
  // Deno 2.9 has no calls of its own for this.
  const { lchownSync, lutimesSync } = await import("node:fs");
  return (path, { uid, gid, mtime }) => {
    if (uid !== undefined && gid !== undefined) lchownSync(path, uid, gid);
    if (mtime !== undefined) lutimesSync(path, mtime, mtime);
  };
}

/** Which attributes can be set on files in a folder. */
export interface Abilities {
  /** Whether this is root, who may give files to others. */
  readonly isRoot: boolean;
  /** What is wrong with setting a mode; undefined if nothing is. */
  readonly mode: unknown;
  /** The same with an owner and group. */
  readonly owner: unknown;
  /** Seconds by which a time may be wrong: 1 on FAT. */
  readonly slack: number;
}

/** Tries out on a file of its own which attributes can be set in a folder. */
export async function probeAttributes(folder: string): Promise<Abilities> {
  const path = await Deno.makeTempFile({ dir: folder, prefix: ".xorriso-" });
  try {
    const { uid } = await Deno.lstat(path);
    const isRoot = uid === 0;
    const mode = await tryOut(path, { mode: 0o640 });
    // Anybody may give a file to himself.
    const other = (uid ?? 0) + 1;
    const owner = await tryOut(path, { uid: other, gid: other });
    // An odd second, which FAT does not know.
    const slack = await tryOut(path, { mtime: new Date(1e12 + 1000) }) ? 1 : 0;
    return { isRoot, mode, owner, slack };
  } finally {
    await Deno.remove(path);
  }
}

/** What is wrong with setting an attribute: some file systems do not even say so. */
async function tryOut(
  path: string,
  attributes: DiskAttributes,
): Promise<unknown> {
  try {
    setAttributesSync(path, attributes);
  } catch (error) {
    return error;
  }
  const { mode = 0, mtime, uid } = attributes;
  const info = await Deno.lstat(path);
  const isSet = (mode & ~(info.mode ?? 0)) === 0 &&
    (uid === undefined || uid === info.uid) &&
    (mtime === undefined || mtime.getTime() === info.mtime?.getTime());
  return isSet ? undefined : new Error("the file system does not keep it");
}
