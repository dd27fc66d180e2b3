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

/** Sets attributes of a symbolic link itself, which has no mode. */
export async function setLinkAttributes(
  path: string,
  { uid, gid, mtime }: DiskAttributes,
): Promise<void> {
  // Deno 2.9 has no calls of its own for this.
  const { promises } = await import("node:fs");
  if (uid !== undefined && gid !== undefined) {
    await promises.lchown(path, uid, gid);
  }
  if (mtime !== undefined) await promises.lutimes(path, mtime, mtime);
}

/** Whether files can be given to others in a folder: whether this is root. */
export async function isOwnedByRoot(folder: string): Promise<boolean> {
  const path = await Deno.makeTempDir({ dir: folder, prefix: ".xorriso-" });
  try {
    return (await Deno.lstat(path)).uid === 0;
  } finally {
    await Deno.remove(path);
  }
}
