/** Pieces of a file's content, and what is wrong where there can be none. */

import { XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import type { FileContent } from "./entry.ts";

/** Content, piece by piece. */
export type Chunks = AsyncGenerator<Uint8Array<ArrayBuffer>, void>;

/** Some bytes of a file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** IMAGE_DAMAGED for a file whose content cannot be right. */
export function damagedContent(
  { path }: FileContent,
  why: string,
  cause?: unknown,
): XorrisoError {
  return new XorrisoError(
    "IMAGE_DAMAGED",
    `Cannot read ${show(path)}: ${why}`,
    { path, ...(cause !== undefined && { cause }) },
  );
}
