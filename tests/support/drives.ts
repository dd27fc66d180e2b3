/** What the tests of drives have in common. */

import { AssertionError } from "@std/assert";
import { type BackendOptions, XorrisoBackend } from "../../mod.ts";
import {
  Burner,
  type BurnerOptions,
  type MediumType,
} from "../burner/burner.ts";
import type { Steps } from "./conformance.ts";
import { textsOf } from "./backends.ts";
import { noise, rejection, until, within } from "./helpers.ts";

/** Milliseconds that one case may take, with all others beside it. */
const PATIENCE = 600_000;

/** The location of a virtual drive. */
export function urlOf(burner: Burner, directory = ""): string {
  return `xorriso://${burner.device}${directory && `:${directory}`}`;
}

/** Opens a backend on a virtual drive. */
export async function openDrive(
  burner: Burner,
  options: BackendOptions = {},
  directory = "",
): Promise<XorrisoBackend> {
  return await XorrisoBackend.open(urlOf(burner, directory), {
    xorrisoPath: burner.xorrisoPath,
    commitDelay: 20,
    ...options,
  });
}

/** The texts of all files, as somebody finds them who opens the drive anew. */
export async function storedTexts(
  burner: Burner,
  options: BackendOptions = {},
): Promise<Record<string, string>> {
  await using backend = await openDrive(burner, { readOnly: true, ...options });
  return await textsOf(backend);
}

/** Begins a burn that takes a while, and ends xorriso in the middle of it. */
export async function tear(
  burner: Burner,
  signal: Deno.Signal,
): Promise<void> {
  await using backend = await openDrive(burner);
  await burner.fault("write_delay_us=20000");
  // Far more than is written before it is seen to burn, on a busy machine, too.
  const torn = rejection(backend.put(noise(24 << 20), "torn"));
  await burning(burner, torn);
  await burner.kill(signal);
  await torn;
  await burner.clearFault();
}

/**
 * Waits until a burn that has just been asked for is in its middle.
 *
 * @param work What it ends with.
 */
export async function burning(
  burner: Burner,
  work: Promise<unknown>,
): Promise<void> {
  const before = (await burner.log()).length;
  await until(
    async () =>
      (await burner.log()).slice(before).filter(({ name }) => name === "WRITE")
        .length > 20,
    "it burns",
    work,
  );
}

/** The first blocks of all that was written since the log was cleared. */
export async function written(burner: Burner): Promise<number[]> {
  return (await burner.log()).filter(({ name }) => name === "WRITE")
    .map(({ lba = -1 }) => lba);
}

/**
 * Runs cases side by side, for burning is mostly waiting; each is bounded in
 * time.
 *
 * @param cases What to run, by a name that errors tell.
 */
export async function sideBySide(
  cases: Readonly<Record<string, (t: Steps) => Promise<void>>>,
): Promise<void> {
  const failures: unknown[] = [];
  await Promise.all(
    Object.entries(cases).map(async ([name, run]) => {
      let at = "";
      const steps: Steps = {
        step: async (step, fn) => {
          at = step;
          await fn();
          at = "";
        },
      };
      try {
        await within(PATIENCE, run(steps));
      } catch (cause) {
        const where = at === "" ? name : `${name}, ${at}`;
        failures.push(
          new AssertionError(`${where}: ${describe(cause)}`, { cause }),
        );
      }
    }),
  );
  if (failures.length > 1) {
    throw new AggregateError(failures, failures.map(describe).join("\n"));
  }
  if (failures.length === 1) throw failures[0];
}

/** The same case on several types of media, each in a drive of its own. */
export async function onMedia(
  types: readonly MediumType[],
  run: (burner: Burner, type: MediumType, t: Steps) => Promise<void>,
  options: BurnerOptions = {},
): Promise<void> {
  const cases = types.map((type) => [type, async (t: Steps) => {
    await using burner = await Burner.start(type, options);
    await run(burner, type, t);
  }]);
  await sideBySide(Object.fromEntries(cases));
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
