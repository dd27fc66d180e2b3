/**
 * Work in a process of its own, whose memory nothing else has touched.
 *
 *     deno run -A --v8-flags=--expose-gc tests/bench/child.ts WORK IMAGE [PATH]
 *
 * @module
 */
// deno-lint-ignore-file no-console -- its result goes to standard output

import { fromFileUrl } from "@std/path";
import { XorrisoBackend } from "@xorriso/backend";

/** What some work took. */
export interface Cost {
  /** Milliseconds. */
  readonly ms: number;
  /** Bytes of heap that are in use afterwards and were not before. */
  readonly heap: number;
  /** Bytes of resident memory added, at the worst moment. */
  readonly peak: number;
  /** Bytes of resident memory added that are kept. */
  readonly resident: number;
  /** Share of a core that this process used, xorriso's left out. */
  readonly core: number;
}

/** Work that can be asked for. */
export type Work = "list" | "get" | "put" | "commit";

/** Does some work in a process of its own. */
export async function measure(
  work: Work,
  image: string,
  path = "",
): Promise<Cost> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--quiet", "--v8-flags=--expose-gc"],
      ...[fromFileUrl(import.meta.url), work, image, path],
    ],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot measure ${work}`);
  const cost: Cost = JSON.parse(new TextDecoder().decode(stdout));
  return cost;
}

type Measure = (work: () => Promise<unknown>) => Promise<Cost>;

const WORKS: Readonly<
  Record<Work, (image: string, path: string, cost: Measure) => Promise<Cost>>
> = {
  async list(image, _, cost) {
    await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
      readOnly: true,
    });
    return await cost(() => backend.list());
  },
  async get(image, path, cost) {
    await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
      readOnly: true,
    });
    const [entry] = await backend.list();
    return await cost(() => backend.get(entry?.name ?? "", path));
  },
  async put(image, path, cost) {
    const files: [string, string][] = [];
    for await (const { name } of Deno.readDir(path)) {
      for await (const file of Deno.readDir(`${path}/${name}`)) {
        const below = `${name}/${file.name}`;
        files.push([`${path}/${below}`, below]);
      }
    }
    await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
      create: true,
    });
    return await cost(() =>
      Promise.all(files.map(([source, name]) => backend.put(source, name)))
    );
  },
  async commit(image, path, cost) {
    await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
      create: true,
      autoCommit: false,
    });
    await backend.put(path, "file");
    return await cost(() => backend.commit());
  },
};

/** Makes room; there is no other way to see what is really in use. */
function collect(): void {
  const gc: unknown = Reflect.get(globalThis, "gc");
  if (typeof gc === "function") gc();
}

/** The most memory that was ever resident, in bytes. */
async function highest(): Promise<number> {
  const status = await Deno.readTextFile("/proc/self/status");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

async function cost(work: () => Promise<unknown>): Promise<Cost> {
  collect();
  const before = Deno.memoryUsage();
  const used = processorTime();
  const begin = performance.now();
  await work();
  const ms = performance.now() - begin;
  const core = (processorTime() - used) / ms;
  const peak = await highest() - before.rss;
  collect();
  const after = Deno.memoryUsage();
  return {
    ...{ ms, core, peak },
    heap: after.heapUsed - before.heapUsed,
    resident: after.rss - before.rss,
  };
}

/** Milliseconds that this process has kept cores busy. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

if (import.meta.main) {
  const [work = "", image = "", path = ""] = Deno.args;
  const found = Object.entries(WORKS).find(([name]) => name === work)?.[1];
  if (found === undefined) throw new Error(`Not a work: ${work}`);
  console.log(JSON.stringify(await found(image, path, cost)));
}
