/** One path of the tree that xorriso holds, staged changes included. */

import type { Extent } from "../dialogue/answers.ts";

/** What a path of the medium's tree is. */
export type NodeType = "file" | "directory" | "other";

/** One path of the medium's tree. */
export interface Node {
  /** Absolute path on the medium. */
  readonly path: string;
  /** Regular file, directory, or something else (link, device, FIFO). */
  readonly type: NodeType;
  /** Bytes of a file; 0 for all else. */
  readonly size: number;
  /** Where the content of a file lies; empty for all else and while pending. */
  readonly extents: readonly Extent[];
}
