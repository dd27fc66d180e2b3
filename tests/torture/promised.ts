/** What was promised to be on a medium, and whether it is. */

import { md5 } from "../support/helpers.ts";
import { XorrisoBackend, XorrisoError } from "../../mod.ts";
import type { Torture } from "./torture.ts";

/** MD5 of content by name; what is missing here must not be on the medium. */
export type Promised = Map<string, string>;

/** How a change ended that may have been done or not. */
export interface Doubt {
  /** Its name. */
  readonly name: string;
  /** The MD5 that it was to have; undefined if it was to be deleted. */
  readonly md5: string | undefined;
}

/** Reads everything on a medium: MD5 of content by name. */
export async function readContents(
  backend: XorrisoBackend,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { name, size } of await backend.list()) {
    const bytes = await new Response(await backend.readable(name)).bytes();
    if (bytes.length !== size) {
      throw new Error(`${name} has ${bytes.length} bytes, not ${size}`);
    }
    found.set(name, md5(bytes));
  }
  return found;
}

/**
 * Compares what is on a medium with what was promised.
 *
 * @param doubts Changes that may have been done, whole, or not at all; those
 * that were done are noted as promised.
 */
export function compare(
  torture: Torture,
  where: string,
  found: ReadonlyMap<string, string>,
  promised: Promised,
  doubts: readonly Doubt[] = [],
  round?: number,
): void {
  for (const { name, md5 } of doubts) {
    if (found.get(name) !== md5) continue;
    if (md5 === undefined) promised.delete(name);
    else promised.set(name, md5);
  }
  for (const [name, sum] of promised) {
    if (found.get(name) === sum) continue;
    const what = found.has(name) ? "has another content" : "is lost";
    torture.fail(where, `${JSON.stringify(name)} ${what}`, round);
  }
  for (const name of found.keys()) {
    if (promised.has(name)) continue;
    torture.fail(where, `${JSON.stringify(name)} was never promised`, round);
  }
}

/** Opens an image for reading and compares all of it. */
export async function checkImage(
  torture: Torture,
  where: string,
  url: string,
  promised: Promised,
  doubts: readonly Doubt[] = [],
  round?: number,
): Promise<void> {
  await using backend = await XorrisoBackend.open(url, { readOnly: true });
  compare(
    torture,
    where,
    await readContents(backend),
    promised,
    doubts,
    round,
  );
}

/** An error with all that it tells. */
export function explain(error: unknown): string {
  if (!(error instanceof XorrisoError)) return String(error);
  return [`${error.code}: ${error.message}`, ...error.messages].join("\n    ");
}
