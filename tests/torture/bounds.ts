/** Large numbers: memory stays flat, and the event loop runs on. */

import process from "node:process";
import { XorrisoBackend } from "../../mod.ts";
import { age, execute, runXorriso } from "../support/helpers.ts";
import { denoArgs, programPath } from "./children.ts";
import type { Topic, Torture } from "./torture.ts";

/**
 * Milliseconds that nothing may stop the event loop for. The test run is not
 * alone on its machine, and a processor that others use, too, is slower.
 */
const LONGEST = 100;

/** What a job was measured at. */
interface Measured {
  /** Milliseconds of work in the longest turn of the event loop. */
  readonly blocked: number;
  /** Bytes of memory at most. */
  readonly memory: number;
  /** Bytes of memory before. */
  readonly before: number;
  readonly seconds: number;
}

/** Measures the longest turn of the event loop, and the memory. */
async function measure(work: () => Promise<void>): Promise<Measured> {
  const cpu = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  const before = Deno.memoryUsage().rss;
  let blocked = 0;
  let memory = before;
  let last = performance.now();
  let lastCpu = cpu();
  const timer = setInterval(() => {
    const now = performance.now();
    const used = cpu();
    // On a busy machine a turn takes long without doing anything.
    blocked = Math.max(blocked, Math.min(now - last - 5, used - lastCpu));
    memory = Math.max(memory, Deno.memoryUsage().rss);
    last = now;
    lastCpu = used;
  }, 5);
  const begun = performance.now();
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  const seconds = (performance.now() - begun) / 1000;
  return { blocked, memory, before, seconds };
}

type Job = (folder: string, number: number) => Promise<void>;

/** Makes an image of many names with plain xorriso: one content for all. */
async function makeMany(image: string, number: number): Promise<void> {
  const folder = `${image}-source`;
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/x`, "x");
  const maps = Array.from({ length: number }, (_, i) => [
    "-map",
    `${folder}/x`,
    `/d${i % 200}/file-${i}`,
  ]);
  await runXorriso([["-dev", `stdio:${image}`], ...maps, ["-commit"]]);
  await age(image);
}

const JOBS: Readonly<Record<string, Job>> = {
  listing: async (folder, number) => {
    await using backend = await XorrisoBackend.open(
      `xorriso://${folder}/listing.iso`,
      { readOnly: true },
    );
    const { length } = await backend.list();
    if (length !== number) throw new Error(`${length} files are listed`);
    await backend.list({ md5: true });
    for (let i = 0; i < 1000; i++) await backend.query(`d1/file-${i}`);
  },
  puts: async (folder, number) => {
    await using backend = await XorrisoBackend.open(
      `xorriso://${folder}/puts.iso`,
      { create: true },
    );
    await Promise.all(
      Array.from(
        { length: number },
        (_, i) => backend.put(`${folder}/sources/${i}`, `d${i % 50}/${i}`),
      ),
    );
    const { length } = await backend.list();
    if (length !== number) throw new Error(`${length} files are stored`);
  },
  sparse: async (folder, gibibytes) => {
    const path = `${folder}/sparse`;
    await Deno.writeTextFile(path, "begin");
    await Deno.truncate(path, gibibytes * 2 ** 30);
    await age(path);
    await using backend = await XorrisoBackend.open(
      `xorriso://${folder}/sparse.iso`,
      { create: true },
    );
    await backend.put(path, "sparse");
    const entry = await backend.query("sparse");
    if (entry?.size !== gibibytes * 2 ** 30) {
      throw new Error(`the file has ${entry?.size} bytes`);
    }
    if (gibibytes > 4 && entry.extents.length < 2) {
      throw new Error("a large file has one extent");
    }
    await Deno.remove(path);
    await backend.get("sparse", path);
    if ((await Deno.stat(path)).size !== entry.size) {
      throw new Error("what was restored has another size");
    }
    const [one] = await backend.verify(["sparse"]);
    if (one?.error !== undefined) throw one.error;
  },
  sessions: async (folder, number) => {
    await using backend = await XorrisoBackend.open(
      `xorriso://${folder}/sessions.iso`,
      { create: true, commitDelay: 0 },
    );
    for (let i = 0; i < number; i++) {
      await backend.put(new Uint8Array([i]), `file-${i % 10}`);
    }
    const { length } = await backend.sessions();
    if (length !== number) throw new Error(`${length} sessions are listed`);
  },
};

/** How much of each, in the full form and in the short one. */
const NUMBERS: Readonly<Record<string, readonly [number, number]>> = {
  listing: [200_000, 20_000],
  puts: [10_000, 1000],
  sparse: [10, 0.25],
  sessions: [1000, 15],
};

async function prepare(job: string, folder: string, number: number) {
  if (job === "listing") await makeMany(`${folder}/listing.iso`, number);
  if (job !== "puts") return;
  await Deno.mkdir(`${folder}/sources`);
  for (let i = 0; i < number; i++) {
    await Deno.writeTextFile(`${folder}/sources/${i}`, `content ${i}`);
  }
}

/** Runs each job in a process of its own, which is measured. */
export const bounds: Topic = {
  name: "bounds",
  unit: "jobs",
  rounds: { full: 4, short: 4 },
  run: async (torture: Torture) => {
    for (const [job, numbers] of Object.entries(NUMBERS)) {
      if (torture.over) return;
      const number = numbers[torture.short ? 1 : 0];
      const folder = `${torture.folder}/${job}`;
      await Deno.mkdir(folder);
      await prepare(job, folder, number);
      const { stdout, stderr } = await execute(
        Deno.execPath(),
        denoArgs(programPath("bounds.ts"), job, folder, String(number)),
      );
      await Deno.remove(folder, { recursive: true });
      torture.did(1);
      if (!stdout.startsWith("{")) {
        torture.fail(job, stdout + stderr);
        continue;
      }
      const measured: Measured = JSON.parse(stdout);
      const grown = Math.ceil((measured.memory - measured.before) / 2 ** 20);
      torture.most(`${job} (${number}): s`, Math.round(measured.seconds));
      torture.most(`${job}: MiB of growth`, grown);
      torture.most(`${job}: ms blocked`, Math.ceil(measured.blocked));
      torture.check(
        measured.blocked <= LONGEST * (torture.short ? 3 : 1),
        job,
        () => `The event loop was blocked for ${measured.blocked} ms`,
      );
      // A busy machine collects its garbage late; the least content has 256 MiB.
      const allowed = job === "listing" || job === "puts" ? 400 : 200;
      torture.check(
        grown < allowed,
        job,
        () => `Memory has grown by ${grown} MiB`,
      );
    }
  },
};

if (import.meta.main) {
  const [job = "", folder = "", number = ""] = Deno.args;
  const measured = await measure(async () => {
    await JOBS[job]?.(folder, Number(number));
  });
  // deno-lint-ignore no-console -- tells its parent
  console.log(JSON.stringify(measured));
}
