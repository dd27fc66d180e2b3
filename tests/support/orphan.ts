/** xorriso whose program was killed in the middle of a commit. */

import { delay } from "@std/async/delay";
import { slowReads } from "../burner/burner.ts";
import {
  type Folder,
  grows,
  makeSparse,
  runDeno,
  runShell,
  traceXorriso,
  until,
} from "./helpers.ts";

/** Bytes of `/large`, all of them zero. */
export const ORPHANED = 20 << 20;

/**
 * Kills a program that stores `/large`, and stops its xorriso before.
 *
 * @param folder Where its files are made.
 * @param moment Milliseconds to wait when the image has grown.
 * @returns The process that its xorriso is.
 */
export async function makeOrphan(
  folder: Pick<Folder, "path">,
  image: string,
  moment = 0,
): Promise<number> {
  const { path } = folder;
  const module = new URL("../../src/session/xorriso.ts", import.meta.url).href;
  // The middle of what takes 1.5 s is not missed, however busy the machine is.
  const slow = await slowReads(path, 100);
  const { path: xorrisoPath, newest } = await traceXorriso(folder, slow);
  const large = await makeSparse(`${path}/large`, ORPHANED);
  const ended = runDeno(
    `import { Xorriso } from ${JSON.stringify(module)};
     await Deno.writeTextFile(${
      JSON.stringify(`${path}/program`)
    }, String(Deno.pid));
     const session = await Xorriso.open(${JSON.stringify(image)}, {
       create: true,
       xorrisoPath: ${JSON.stringify(xorrisoPath)},
     });
     await session.cp([${JSON.stringify(large)}], "/large");
     await session.commit();
     await new Promise(() => setTimeout(() => {}, 2 ** 31 - 1));`,
  );
  await grows(image, ended);
  await delay(moment);
  const pid = await newest();
  Deno.kill(pid, "SIGSTOP");
  await until(() => isStopped(pid), "all its threads are stopped");
  Deno.kill(Number(await Deno.readTextFile(`${path}/program`)), "SIGKILL");
  await ended;
  return pid;
}

/** Whether no thread of a process runs: what it was just writing is written. */
async function isStopped(pid: number): Promise<boolean> {
  // Deno itself may read there with all permissions only.
  const threads = await runShell('cat /proc/"$1"/task/*/stat', String(pid));
  return threads.trim().split("\n").every((line) => / \(.*\) T /.test(line));
}
