/** All groups of benchmarks. */

import type { Group } from "./bench.ts";
import { drive } from "./drive.ts";
import { get, small } from "./get.ts";
import { growth, idle } from "./growth.ts";
import { iso } from "./iso.ts";
import { kept, nights } from "./kept.ts";
import { list, memory, open } from "./list.ts";
import { put } from "./put.ts";
import { trees } from "./trees.ts";

/** In the order in which they run. */
export const GROUPS: readonly Group[] = [
  { name: "open", run: open },
  { name: "put", run: put },
  { name: "get", run: get },
  { name: "small", run: small },
  { name: "trees", run: trees },
  { name: "iso", run: iso },
  { name: "list", run: list, once: true },
  { name: "memory", run: memory, once: true },
  { name: "idle", run: idle, once: true },
  { name: "drive", run: drive, once: true },
  { name: "kept", run: kept, once: true },
  { name: "nights", run: nights, once: true },
  { name: "growth", run: growth, once: true },
];
