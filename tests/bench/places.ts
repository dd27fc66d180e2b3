/** Where benchmarks run: a tmpfs and a disk. */

import { remove, run } from "./programs.ts";

/** A folder to work in. */
export interface Workplace {
  /** Kind of file system. */
  readonly name: string;
  /** Absolute path. */
  readonly folder: string;
}

/** All places; they go with all that is in them. */
export interface Places extends AsyncDisposable {
  /** The tmpfs first. */
  readonly list: readonly Workplace[];
}

/**
 * Makes a tmpfs of its own where this user may mount one, else a folder in
 * `/dev/shm`; and a folder on disk.
 */
export async function openPlaces(disk = "/var/tmp"): Promise<Places> {
  const folder = await Deno.makeTempDir({ dir: disk, prefix: "bench-" });
  const onDisk = `${folder}/disk`;
  const mounted = `${folder}/tmpfs`;
  await Deno.mkdir(onDisk);
  await Deno.mkdir(mounted);
  const isMounted = await run(
    ...["mount", "-t", "tmpfs", "-o", "size=80%", "tmpfs", mounted] as const,
  ).then(() => true, () => false);
  const inMemory = isMounted
    ? mounted
    : await Deno.makeTempDir({ dir: "/dev/shm", prefix: "bench-" });
  return {
    list: [
      { name: "tmpfs", folder: inMemory },
      { name: "disk", folder: onDisk },
    ],
    async [Symbol.asyncDispose]() {
      // Also while something in it is still open.
      if (isMounted) await run("umount", "--lazy", mounted);
      else await remove(inMemory);
      await remove(folder);
    },
  };
}

/** What the figures depend on. */
export async function machine(): Promise<string> {
  const cpu = /model name\s*: (.*)/.exec(
    await Deno.readTextFile("/proc/cpuinfo"),
  )?.[1];
  const { stdout } = await new Deno.Command("xorriso", {
    args: ["-version"],
    stderr: "null",
  }).output();
  const version = /xorriso version\s*:\s*(\S+)/.exec(
    new TextDecoder().decode(stdout),
  )?.[1];
  const memory = (Deno.systemMemoryInfo().total / 2 ** 30).toFixed(0);
  return `${cpu} with ${navigator.hardwareConcurrency} cores and ${memory} GiB, ` +
    `Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}, xorriso ${version}`;
}
