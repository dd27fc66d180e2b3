/** All topics of the torture. */

import { behind } from "./behind.ts";
import { beside } from "./beside.ts";
import { bounds } from "./bounds.ts";
import { cli } from "./cli.ts";
import { concurrency } from "./concurrency.ts";
import { death } from "./death.ts";
import { full } from "./full.ts";
import { mixed } from "./mixed.ts";
import { moving } from "./moving.ts";
import { names } from "./names.ts";
import { orphans } from "./orphans.ts";
import { randomTrees } from "./random_trees.ts";
import { rotten } from "./rotten.ts";
import { stopped } from "./stopped.ts";
import { swaps } from "./swaps.ts";
import type { Topic } from "./torture.ts";
import { tree } from "./tree.ts";
import { writers } from "./writers.ts";

/** In the order in which they are run. */
export const TOPICS: readonly Topic[] = [
  ...[death, orphans, concurrency, mixed, names, rotten, moving, swaps],
  ...[stopped, behind, full, tree, randomTrees, writers, beside, bounds, cli],
];
