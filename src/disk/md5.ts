/** MD5 by `node:crypto`, which is loaded when it is first needed. */

import type { Hash } from "node:crypto";

/**
 * Loads what begins a new MD5: that takes 25 ms (Deno 2.9), for which a program
 * that only lists names should not have to wait.
 */
export async function loadMd5(): Promise<() => Hash> {
  const { createHash } = await import("node:crypto");
  return () => createHash("md5");
}
