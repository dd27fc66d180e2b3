/** The way that the head of a drive goes, as the virtual burner logs it. */

import { XorrisoBackend } from "@xorriso/backend";
import { Burner, burnerUnavailable } from "../burner/burner.ts";
import type { ScsiCommand } from "../burner/log.ts";
import type { Scene } from "./bench.ts";
import { makeTree, remove } from "./programs.ts";

const FILES = 60;
const SESSIONS = 3;

/** Restoring a tree from a drive: in the order of its extents, and of its names. */
export async function drive(scene: Scene): Promise<void> {
  if (await burnerUnavailable() !== undefined) return;
  const { folder } = scene;
  const source = `${folder}/source`;
  const target = `${folder}/target`;
  const files = await makeTree(source, FILES, 100_000);
  await using burner = await Burner.start("bd-r");
  await using backend = await XorrisoBackend.open(
    `xorriso://${burner.device}`,
    {
      xorrisoPath: burner.xorrisoPath,
      autoCommit: false,
    },
  );
  // In each session names from everywhere, so that their order means nothing.
  for (let session = 0; session < SESSIONS; session++) {
    for (const [index, name] of files.entries()) {
      if (index % SESSIONS !== session) continue;
      await backend.put(`${source}/${name}`, scrambled(index));
    }
    await backend.commit();
  }
  const names = files.map((_, index) => scrambled(index)).sort();
  await backend.list();
  await Deno.mkdir(target);
  await burner.clearLog();
  for (const name of names) await backend.get(name, `${target}/${name}`);
  tell(scene, "one get for each, by name", way(await burner.log()));
  await remove(target);
  await burner.clearLog();
  await backend.getList(names, target);
  tell(scene, "getList", way(await burner.log()));
  await remove(source, target);
}

/** A name whose place among the others has nothing to do with its number. */
function scrambled(index: number): string {
  return `${(index * 37 % FILES).toString().padStart(3, "0")}.dat`;
}

interface Way {
  readonly reads: number;
  readonly back: number;
  readonly blocks: number;
}

/** How often, and how far, the head had to go somewhere else. */
function way(commands: readonly ScsiCommand[]): Way {
  let reads = 0;
  let back = 0;
  let blocks = 0;
  let at: number | undefined;
  for (const { name, lba, blocks: count = 0 } of commands) {
    if (name !== "READ" || lba === undefined) continue;
    reads++;
    if (at !== undefined) {
      if (lba < at) back++;
      blocks += Math.abs(lba - at);
    }
    at = lba + count;
  }
  return { reads, back, blocks };
}

function tell(scene: Scene, what: string, { reads, back, blocks }: Way): void {
  const work = `${FILES} files of ${SESSIONS} sessions, ${what}`;
  scene.figure({ work: `${work}: reads`, value: reads, unit: "commands" });
  scene.figure({
    work: `${work}: moves backwards`,
    value: back,
    unit: "moves",
  });
  scene.figure({
    work: `${work}: way of the head`,
    value: blocks,
    unit: "blocks",
  });
}
