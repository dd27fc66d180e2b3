/** Types and the error that reading content and inflating it have in common. */

import { XorrisoError } from "../errors.ts";
import { show } from "../names.ts";
import type { FileContent } from "./entry.ts";

/** Content, in pieces. */
export type Chunks = AsyncGenerator<Uint8Array<ArrayBuffer>, void>;

/** Bytes of a file, from `start` to before `end`. */
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
