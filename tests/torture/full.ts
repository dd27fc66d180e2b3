/** No room: where content is kept, where it is stored, where it is restored. */

import { delay } from "@std/async/delay";
import { XorrisoBackend, XorrisoError } from "../../mod.ts";
import { age, codeOf, execute, makeScript, md5 } from "../support/helpers.ts";
import { checkImage, explain, type Promised } from "./promised.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

const MIB = 1 << 20;

/** Bytes of the small file system. */
const SIZE = 8 * MIB;

/** A small file system in memory, where the user may mount one. */
async function mount(path: string): Promise<boolean> {
  await Deno.mkdir(path, { recursive: true });
  return await run("mount", "-t", "tmpfs", "-o", `size=${SIZE}`, "tmpfs", path);
}

async function run(command: string, ...args: string[]): Promise<boolean> {
  try {
    return (await execute(command, args)).code === 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Puts files until one is refused, some while something else takes the room. */
async function fillByCommits(
  torture: Torture,
  small: string,
  random: Random,
  round: number,
): Promise<void> {
  const image = `${small}/full.iso`;
  const url = `xorriso://${image}`;
  const where = `round ${round}, commit`;
  const promised: Promised = new Map();
  {
    await using backend = await XorrisoBackend.open(url, {
      create: true,
      tempDir: torture.folder,
    });
    for (let i = 0; i < (torture.short ? 16 : 40); i++) {
      const bytes = random.bytes(random.between(1, 2 * MIB));
      const filler = `${small}/filler`;
      const filling = random.oneIn(3)
        ? delay(random.below(100)).then(() =>
          // Takes what is left, while xorriso writes.
          Deno.writeFile(filler, new Uint8Array(SIZE))
        ).catch(() => {})
        : undefined;
      try {
        await backend.put(bytes, `f${i}`);
        promised.set(`f${i}`, md5(bytes));
        torture.count("stored");
      } catch (error) {
        torture.count(`storing: ${codeOf(error)}`);
        torture.check(
          codeOf(error) === "MEDIUM_FULL" || codeOf(error) === "WRITE_ERROR",
          where,
          () => explain(error),
        );
        if (error instanceof XorrisoError && error.code === "MEDIUM_FULL") {
          torture.check(
            error.needed !== undefined && error.free !== undefined,
            where,
            () => `MEDIUM_FULL without numbers: ${error.message}`,
          );
        }
      }
      await filling;
      await Deno.remove(filler).catch(() => {});
    }
    // Small things still work, as far as there is room for the tree.
    await backend.list();
  }
  await checkImage(torture, where, url, promised);
  await Deno.remove(image);
}

/** Spools into a full file system. */
async function fillBySpooling(
  torture: Torture,
  small: string,
  random: Random,
  round: number,
): Promise<void> {
  const image = `${torture.folder}/spool-${round}.iso`;
  const url = `xorriso://${image}`;
  const where = `round ${round}, spool`;
  const promised: Promised = new Map();
  {
    await using backend = await XorrisoBackend.open(url, {
      create: true,
      tempDir: small,
    });
    await Promise.all(Array.from({ length: 8 }, async (_, i) => {
      const bytes = random.bytes(random.between(1, 4 * MIB));
      try {
        await backend.put(bytes, `f${i}`);
        promised.set(`f${i}`, md5(bytes));
        torture.count("stored");
      } catch (error) {
        torture.count(`spooling: ${codeOf(error)}`);
        const told = codeOf(error);
        torture.check(
          told === "TARGET_UNWRITABLE",
          where,
          () => explain(error),
        );
      }
    }));
    await backend.put(new Uint8Array(10), "small");
    promised.set("small", md5(new Uint8Array(10)));
  }
  await checkImage(torture, where, url, promised);
  await noneLeft(torture, where, small, []);
  await Deno.remove(image);
}

async function noneLeft(
  torture: Torture,
  where: string,
  folder: string,
  allowed: readonly string[],
): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    torture.check(
      allowed.includes(name),
      where,
      () => `${name} is left behind`,
    );
  }
}

/** Restores into a full file system. */
async function fillByRestoring(
  torture: Torture,
  small: string,
  random: Random,
  round: number,
): Promise<void> {
  const image = `${torture.folder}/restore-${round}.iso`;
  const url = `xorriso://${image}`;
  const where = `round ${round}, restore`;
  await using backend = await XorrisoBackend.open(url, { create: true });
  const contents = new Map<string, string>();
  await Promise.all(Array.from({ length: 6 }, (_, i) => {
    const bytes = random.bytes(random.between(1, 3 * MIB));
    contents.set(`f${i}`, md5(bytes));
    return backend.put(bytes, `f${i}`);
  }));
  await Deno.writeTextFile(`${small}/f0`, "older");
  const names = [...contents.keys()];
  const restored = new Set<string>();
  if (random.oneIn(2)) {
    for (const { name, error } of await backend.getList(names, small)) {
      if (error === undefined) restored.add(name);
      else torture.count(`restoring: ${codeOf(error)}`);
    }
  } else {
    await Promise.all(names.map(async (name) => {
      try {
        await backend.get(name, `${small}/${name}`);
        restored.add(name);
      } catch (error) {
        torture.count(`restoring: ${codeOf(error)}`);
        torture.check(
          codeOf(error) === "TARGET_UNWRITABLE",
          where,
          () => explain(error),
        );
      }
    }));
  }
  for (const name of names) {
    const bytes = await Deno.readFile(`${small}/${name}`).catch(() =>
      undefined
    );
    const old = name === "f0" && !restored.has(name);
    const wanted = restored.has(name)
      ? contents.get(name)
      : old
      ? md5(new TextEncoder().encode("older"))
      : undefined;
    torture.check(
      (bytes && md5(bytes)) === wanted,
      where,
      () => `${name} is ${bytes?.length} bytes, restored ${restored.has(name)}`,
    );
  }
  await noneLeft(torture, where, small, names);
  for (const name of names) {
    await Deno.remove(`${small}/${name}`).catch(() => {});
  }
  await Deno.remove(image);
}

/** A limit to the size of a file, as a quota has it. */
async function hitLimit(
  torture: Torture,
  random: Random,
  round: number,
): Promise<void> {
  const folder = `${torture.folder}/limit-${round}`;
  await Deno.mkdir(folder);
  const image = `${folder}/limited.iso`;
  const url = `xorriso://${image}`;
  const where = `round ${round}, limit`;
  const promised: Promised = new Map();
  const program = await makeScript(
    { path: folder },
    "limited",
    `ulimit -f ${random.between(1000, 6000)}\nexec xorriso "$@"`,
  );
  {
    await using backend = await XorrisoBackend.open(url, {
      create: true,
      xorrisoPath: program,
    });
    for (let i = 0; i < 8; i++) {
      const bytes = random.bytes(random.between(1, 800_000));
      try {
        await backend.put(bytes, `f${i}`);
        promised.set(`f${i}`, md5(bytes));
        torture.count("stored");
      } catch (error) {
        torture.count(`limit: ${codeOf(error)}`);
        torture.check(
          codeOf(error) === "MEDIUM_FULL",
          where,
          () => explain(error),
        );
      }
    }
  }
  if (promised.size > 0) {
    await checkImage(torture, where, url, promised);
    await age(image);
    await using backend = await XorrisoBackend.open(url);
    await backend.put(new Uint8Array(5), "after");
  } else {
    await noneLeft(torture, where, folder, ["limited"]);
  }
  await Deno.remove(folder, { recursive: true });
}

/** Folder and image that may only be read. */
async function beReadOnly(
  torture: Torture,
  small: string,
  random: Random,
  round: number,
): Promise<void> {
  const image = `${small}/only.iso`;
  const where = `round ${round}, read-only`;
  const bytes = random.bytes(1000);
  const promised: Promised = new Map([["f", md5(bytes)]]);
  {
    await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
      create: true,
      tempDir: torture.folder,
    });
    await backend.put(bytes, "f");
  }
  if (!await run("mount", "-o", "remount,ro", small)) return;
  try {
    for (const name of ["only.iso", "new.iso"]) {
      const told = await (async () => {
        await using backend = await XorrisoBackend.open(
          `xorriso://${small}/${name}`,
          { create: true, tempDir: torture.folder },
        );
        await backend.put(bytes, "g");
      })().then(() => "ok", codeOf);
      torture.count(`read-only: ${told}`);
      torture.check(
        ["MEDIUM_NOT_WRITABLE", "PERMISSION_DENIED"].includes(told),
        where,
        () => `${name}: ${told}`,
      );
    }
    await checkImage(torture, where, `xorriso://${image}`, promised);
  } finally {
    await run("mount", "-o", "remount,rw", small);
  }
  await Deno.remove(image);
}

/** Full disks in every place. */
export const full: Topic = {
  name: "full",
  unit: "rounds",
  rounds: { full: 100, short: 5 },
  run: async (torture) => {
    const small = `${torture.folder}/small`;
    const mounted = await mount(small);
    if (!mounted) torture.count("rounds without a small file system");
    try {
      await torture.eachRound(1, async (round, random) => {
        const kind = mounted ? round % 5 : 4;
        if (kind === 0) await fillByCommits(torture, small, random, round);
        if (kind === 1) await fillBySpooling(torture, small, random, round);
        if (kind === 2) await fillByRestoring(torture, small, random, round);
        if (kind === 3) await beReadOnly(torture, small, random, round);
        if (kind === 4) await hitLimit(torture, random, round);
      });
    } finally {
      if (mounted) await run("umount", small);
    }
  },
};
