/** Ctrl-C and broken pipes of the command line, at any moment. */

import { delay } from "@std/async/delay";
import { XorrisoBackend } from "../../mod.ts";
import { age, execute, exists, md5 } from "../support/helpers.ts";
import { denoArgs, programPath } from "./children.ts";
import {
  compare,
  type Doubt,
  type Promised,
  readContents,
} from "./promised.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

const LANES = 2;

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** The program with its arguments as words of a shell. */
function commandOf(...words: string[]): string {
  const all = denoArgs(programPath("../../src/cli.ts"), ...words);
  return [Deno.execPath(), ...all].map(quote).join(" ");
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs shell commands on a terminal of their own, and interrupts them. */
async function onTerminal(
  folder: string,
  command: string,
  interrupts: readonly number[],
): Promise<Ended> {
  const log = `${folder}/log`;
  // What the terminal is set to, before and after; the exit code between.
  const settings = "(trap '' INT; stty -g)";
  const script = `${settings}; ${command}; echo "exit $?"; ${settings}`;
  await Deno.writeTextFile(`${folder}/script.sh`, `trap : INT\n${script}\n`);
  const child = new Deno.Command("script", {
    args: ["-q", "-e", "-c", `bash ${quote(`${folder}/script.sh`)}`, log],
    // What a second interrupt leaves there goes with the folder.
    env: { TMPDIR: folder },
    stdin: "piped",
    stdout: "null",
    stderr: "null",
    // Where it fails, it ends all of its process group (util-linux 2.38).
    detached: true,
  }).spawn();
  const writer = child.stdin.getWriter();
  for (const moment of interrupts) {
    await delay(moment);
    // What a user types: the terminal makes a signal of it.
    await writer.write(Uint8Array.of(3)).catch(() => {});
  }
  await child.status;
  await writer.close().catch(() => {});
  const output = await Deno.readTextFile(log);
  const code = Number(/exit (\d+)/.exec(output)?.[1] ?? -1);
  return { code, output };
}

/** Whether the terminal is as it was, with the cursor at the begin of a line. */
function isRestored(output: string): boolean {
  const settings = output.match(/[0-9a-f]+(:[0-9a-f]+){10,}/g) ?? [];
  // An interrupt may have hit what asks for the settings.
  return (settings.length < 2 || settings[0] === settings[1]) &&
    !output.includes("\x1b[?25l");
}

/** How long the program takes that is not interrupted, in milliseconds. */
async function measure(torture: Torture): Promise<number> {
  const folder = `${torture.folder}/measure`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeFile(`${folder}/f`, new Uint8Array(10_000_000));
  const url = `xorriso://${folder}/a.iso`;
  const start = performance.now();
  const put = commandOf("put", url, `${folder}/f`, "--create");
  await onTerminal(folder, put, []);
  await Deno.remove(folder, { recursive: true });
  return performance.now() - start;
}

async function interrupt(
  torture: Torture,
  random: Random,
  round: number,
  span: number,
): Promise<void> {
  const where = `round ${round}, Ctrl-C`;
  const folder = `${torture.folder}/int-${round}`;
  await Deno.mkdir(`${folder}/in`, { recursive: true });
  const image = `${folder}/a.iso`;
  const url = `xorriso://${image}`;
  const promised: Promised = new Map();
  if (!random.oneIn(3)) {
    await using backend = await XorrisoBackend.open(url, { create: true });
    const bytes = random.bytes(400_000);
    await backend.put(bytes, "in/f0");
    promised.set("in/f0", md5(bytes));
  }
  if (promised.size > 0) await age(image);
  const doubts: Doubt[] = [];
  for (let i = 0; i < 5; i++) {
    const bytes = random.bytes(random.below(4_000_000));
    await Deno.writeFile(`${folder}/in/f${i}`, bytes);
    doubts.push({ name: `in/f${i}`, md5: md5(bytes) });
  }
  const put = commandOf("put", url, `${folder}/in`, "--create");
  const interrupts = [random.below(span)];
  if (random.oneIn(2)) interrupts.push(random.below(random.pick([20, 200])));
  const { code, output } = await onTerminal(folder, put, interrupts);
  if (code < 0) {
    // It came before the shell could set anything up.
    torture.count("interrupts of nothing");
    return await Deno.remove(folder, { recursive: true });
  }
  torture.count(`put ended with ${code}`);
  torture.check(
    code === 130 || code === 0,
    where,
    () => `exit code ${code}: ${JSON.stringify(output.slice(-500))}`,
  );
  torture.check(
    isRestored(output),
    where,
    () => `the terminal is not restored: ${JSON.stringify(output)}`,
  );
  // All of one commit, or nothing; a new image may not have been made at all.
  if (await exists(image)) {
    // After a second interrupt the commit may have come to no end. Nobody waits here for the minute
    // after which that is held to be sure.
    await age(image);
    await using backend = await XorrisoBackend.open(url, {
      create: true,
      recover: true,
    });
    const found = await readContents(backend);
    const stored = doubts.filter(({ name, md5 }) => found.get(name) === md5);
    torture.check(
      stored.length === 0 || stored.length === doubts.length,
      where,
      () => `${stored.length} of ${doubts.length} are stored`,
    );
    if (code === 0) {
      torture.check(stored.length > 0, where, () => "0, but nothing stored");
    }
    compare(torture, where, found, promised, doubts, round);
    await backend.put(new Uint8Array(3), "after");
  } else {
    torture.check(
      promised.size === 0 && code !== 0,
      where,
      () => "the image is gone",
    );
  }
  await Deno.remove(folder, { recursive: true });
}

/** Readers that go away early. */
async function breakPipe(
  torture: Torture,
  random: Random,
  round: number,
): Promise<void> {
  const where = `round ${round}, pipe`;
  const folder = `${torture.folder}/pipe-${round}`;
  await Deno.mkdir(folder);
  const image = `${folder}/a.iso`;
  const url = `xorriso://${image}`;
  const bytes = random.bytes(3_000_000);
  {
    await using backend = await XorrisoBackend.open(url, { create: true });
    await Promise.all([
      backend.put(bytes, "large"),
      ...Array.from(
        { length: 300 },
        (_, i) => backend.put(new Uint8Array(i), `${"n".repeat(80)}${i}`),
      ),
    ]);
  }
  await age(image);
  const words = random.pick([
    ["list", url],
    ["list", url, "--long"],
    ["list", url, "--json"],
    ["get", url, "large", "--to", "-"],
    ["verify", url],
    ["info", url],
  ]);
  const before = md5(await Deno.readFile(image));
  const taker = random.pick([
    "true",
    "head -c 1",
    "head -n 1",
    "head -c 99999",
  ]);
  const script = `${commandOf(...words)} | ${taker} >/dev/null; ` +
    `echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr: errors } = await execute("bash", ["-c", script], {
    env: { TMPDIR: torture.folder },
  });
  const code = stdout.trim();
  torture.count(`${words[0]} into a closed pipe: ${code}`);
  torture.check(
    code === "0" && !/error|at /i.test(errors.replace(/, 0 failed/, "")),
    where,
    () => `${words[0]} | ${taker} ends with ${code}: ${errors}`,
  );
  torture.check(
    md5(await Deno.readFile(image)) === before,
    where,
    () => "the image has changed",
  );
  await Deno.remove(folder, { recursive: true });
}

/** Interrupts of the command line. */
export const cli: Topic = {
  name: "cli",
  unit: "runs",
  rounds: { full: 200, short: 8 },
  run: async (torture) => {
    const span = await measure(torture);
    await torture.eachRound(LANES, async (round, random) => {
      if (round % 4 === 3) await breakPipe(torture, random, round);
      else await interrupt(torture, random, round, span);
    });
  },
};
