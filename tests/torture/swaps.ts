/** A stranger who exchanges a folder with a link while files are stored from it, or restored to it. */

import { delay } from "@std/async/delay";
import {
  exists,
  listImage,
  runDeno,
  toBytes,
  writeSession,
} from "../support/helpers.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

const KINDS = ["source", "target", "image"] as const;

/** What the script may read; what it may not is as long. */
const PUBLIC = "public ".repeat(3000);
const SECRET = "SECRET ".repeat(3000);

/** Calls of one program. */
const CALLS = 12;

/** Exchanges a folder with a link to another one, and back, until it is told to stop. */
async function swap(
  folder: string,
  other: string,
  random: Random,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await delay(random.below(200));
    await Deno.rename(folder, `${folder}.aside`);
    await Deno.symlink(other, folder);
    await delay(random.below(10));
    await Deno.remove(folder);
    await Deno.rename(`${folder}.aside`, folder);
  }
}

/** What the program does; it may neither read nor write `denied`. */
function program(kind: typeof KINDS[number], path: string): string {
  const image = kind === "image" ? "in/d/test.iso" : "test.iso";
  const call = {
    source: `await backend.put(path + "/in/d/file", "x" + i);
      return await new Response(await backend.readable("x" + i)).text();`,
    target: `await backend.get("old", path + "/in/d/x" + i);`,
    image: `await backend.put(path + "/file", "x" + i);`,
  }[kind];
  return `import { XorrisoBackend } from "@xorriso/backend";
    const path = ${JSON.stringify(path)};
    const call = async (i) => {
      await using backend = await XorrisoBackend.open(
        "xorriso://" + path + "/${image}", { recover: true });
      ${call}
    };
    for (let i = 0; i < ${CALLS}; i++) {
      const result = await call(i).catch((error) => error.code ?? error.name);
      console.log([i, result ?? "ok"].join(" "));
    }`;
}

async function doRound(
  torture: Torture,
  number: number,
  random: Random,
): Promise<void> {
  const kind = KINDS[number % KINDS.length] ?? "source";
  const path = await Deno.makeTempDir({ dir: torture.folder });
  const [folder, denied] = [`${path}/in/d`, `${path}/denied`];
  await Deno.mkdir(folder, { recursive: true });
  await Deno.mkdir(denied);
  for (const place of [folder, path]) {
    await Deno.writeTextFile(`${place}/file`, PUBLIC);
    await writeSession(`${place}/test.iso`, { "/old": toBytes(PUBLIC) });
  }
  await Deno.writeTextFile(`${denied}/file`, SECRET);
  await Deno.copyFile(`${path}/test.iso`, `${denied}/test.iso`);
  const controller = new AbortController();
  const swapping = swap(folder, denied, random, controller.signal);
  const flags = [`--deny-read=${denied}`, `--deny-write=${denied}`];
  const { stdout, stderr } = await runDeno(program(kind, path), [], flags);
  controller.abort();
  await swapping;
  const lines = stdout.split("\n").slice(0, -1);
  torture.check(lines.length === CALLS, kind, () => stdout + stderr);
  for (const line of lines) {
    const [call = "", ...words] = line.split(" ");
    const result = words.join(" ");
    const isRight = {
      source: () => result === PUBLIC,
      target: async () =>
        await exists(`${folder}/x${call}`) &&
        await Deno.readTextFile(`${folder}/x${call}`) === PUBLIC,
      image: async () =>
        (await listImage(`${folder}/test.iso`)).includes(`/x${call}`),
    }[kind];
    const isOver = kind === "source" ? result.length > 100 : result === "ok";
    torture.count(`${kind}: ${isOver ? "done" : result}`);
    if (!isOver || await isRight()) continue;
    torture.fail(kind, `call ${call} was done elsewhere`, number);
  }
  await Deno.remove(path, { recursive: true });
}

/** What is said to be stored or restored is what and where it should be. */
export const swaps: Topic = {
  name: "swaps",
  unit: "programs",
  rounds: { full: 60, short: 3 },
  run: (torture) =>
    torture.eachRound(
      2,
      (number, random) => doRound(torture, number, random),
    ),
};
