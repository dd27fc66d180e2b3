/** MD5 by `node:crypto`, which is loaded when it is first needed. */

import type { Hash } from "node:crypto";

/** Begins a new MD5. */
export type NewMd5 = () => Hash;

/**
 * Loads what computes MD5.
 *
 * `node:crypto` takes 25 ms to load (Deno 2.9), which a program that only
 * looks for a name should not have to wait for.
 */
export async function loadMd5(): Promise<NewMd5> {
  const { createHash } = await import("node:crypto");
  return () => createHash("md5");
}
