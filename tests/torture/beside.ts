/** Readings beside a writer that stores as fast as it can: each shows one session, whole. */

import { assertEquals } from "@std/assert";
import { type Change, XorrisoBackend } from "../../mod.ts";
import { toBytes } from "../support/helpers.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

const LANES = 3;

/** Files that each session replaces. */
const FILES = 12;

const nameOf = (file: number) => `d${file % 3}/f${file}`;

/** What the files of a session hold. */
const contentOf = (session: number) => `${session} `.repeat(session);

/** Session N has files with its number N times, and one name more than the one before. */
function sessionOf(session: number): Change[] {
  const names = Array.from({ length: FILES }, (_, file) => nameOf(file));
  return [...names, `n${session}`].map((name) => {
    return { kind: "file", name, source: toBytes(contentOf(session)) };
  });
}

/** Reads a session from its list of names to its contents; returns its number. */
async function readOne(
  url: string,
  target: string,
  random: Random,
): Promise<number> {
  await using backend = await XorrisoBackend.open(url, { readOnly: true });
  const entries = await backend.list();
  const session = entries.length - FILES;
  const content = contentOf(session);
  assertEquals(
    new Map(entries.map(({ name, size }) => [name, size])),
    new Map([
      ...Array.from(
        { length: FILES },
        (_, file) => [nameOf(file), content.length] as const,
      ),
      ...Array.from(
        { length: session },
        (_, i) => [`n${i + 1}`, contentOf(i + 1).length] as const,
      ),
    ]),
  );
  const older = 1 + random.below(session);
  for (
    const [name, wanted] of [
      [nameOf(random.below(FILES)), content],
      [`n${older}`, contentOf(older)],
    ] as const
  ) {
    await backend.get(name, target, { overwrite: "always" });
    assertEquals(await Deno.readTextFile(target), wanted, name);
  }
  return session;
}

async function run(torture: Torture): Promise<void> {
  const url = `xorriso://${torture.folder}/beside.iso`;
  await using writer = await XorrisoBackend.open(url, { create: true });
  await writer.apply(sessionOf(1));
  let isOver = false;
  const writing = (async () => {
    let session = 1;
    while (!isOver) {
      const results = await writer.apply(sessionOf(++session));
      for (const { error } of results) if (error) throw error;
    }
    torture.count("sessions", session);
  })();
  writing.catch(() => isOver = true); // told below
  const seen = new Set<number>();
  await torture.eachRound(LANES, async (_, random, lane) => {
    seen.add(await readOne(url, `${torture.folder}/read${lane}`, random));
  });
  isOver = true;
  await writing;
  torture.count("sessions seen", seen.size);
  torture.check(
    seen.size > 1,
    "in the end",
    () => "one session alone was seen",
  );
}

/** Readers of an image, beside its writer. */
export const beside: Topic = {
  name: "beside",
  unit: "readings",
  rounds: { full: 500, short: 60 },
  run,
};
