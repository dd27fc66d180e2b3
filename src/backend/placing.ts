/** How a file of a medium appears on disk: its attributes, and what gives way to it. */

import type { Placing } from "../disk/targets.ts";
import type { Entry } from "../iso/mod.ts";
import type { GetOptions } from "./options.ts";

/** Bits of a mode by which a program runs as another user or group. */
export const SET_ID = 0o6000;

/** How an entry appears on disk. */
export function placingOf(
  entry: Entry,
  { overwrite = "always", ...options }: GetOptions,
): Placing {
  const { mode = true, setId = false, mtime = true, owner = false } = options;
  const kept = setId ? 0o7777 : 0o7777 & ~SET_ID;
  return {
    replace: overwrite === "always",
    attributes: {
      ...(mode && { mode: entry.mode & kept }),
      ...(mtime && { mtime: entry.mtime }),
      ...(owner && { uid: entry.uid, gid: entry.gid }),
    },
  };
}
