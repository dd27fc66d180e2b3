/** Stopping a burn: in an orderly way, whoever asks for it. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Xorriso } from "../../src/session/xorriso.ts";
import { Burner, burnerTests, type MediumType } from "../burner/burner.ts";
import { store, textsOf } from "../support/backends.ts";
import {
  burning,
  openDrive,
  sideBySide,
  storedTexts,
  urlOf,
} from "../support/drives.ts";
import {
  assertCode,
  isAlive,
  makeFolder,
  noise,
  rejection,
  signalTo,
  within,
} from "../support/helpers.ts";

const together = burnerTests("stopping a burn");

const TYPES: readonly MediumType[] = [
  "cd-r",
  "dvd-r",
  "dvd+r",
  "bd-r",
  "dvd+rw",
  "bd-re",
];

/**
 * What an aborted burn leaves. SIGTERM lets libburn close what it has begun
 * where the medium can be closed so; SIGKILL would leave the track open.
 */
async function assertOrderly(burner: Burner, type: MediumType) {
  const { sessions, openTrack } = await burner.show();
  if (type === "cd-r" || type === "dvd-r") {
    assertEquals([sessions, openTrack], [2, false]);
  }
  const pid = (await burner.pids()).at(-1);
  assert(pid !== undefined && !isAlive(pid));
}

/** The old files are there, and the next backup works. */
async function assertUsable(burner: Burner) {
  const recover = { recover: true };
  assertEquals(await storedTexts(burner, { session: 1 }), { old: "old" });
  assertEquals(await storedTexts(burner, recover), { old: "old" });
  await using backend = await openDrive(burner, recover);
  await store(backend, { new: "new" });
  await backend.close();
  assertEquals(await storedTexts(burner), { old: "old", new: "new" });
}

together(
  "a signal stops a burn in an orderly way, and loses nothing older",
  async () => {
    const cases = TYPES.map((type) => [type, async () => {
      await using burner = await Burner.start(type);
      await burner.burnByHand({ "/old": "old" });
      {
        await using backend = await openDrive(burner, { autoCommit: false });
        await backend.put(noise(6 << 20), "large");
        await burner.fault("write_delay_us=20000");
        const controller = new AbortController();
        const { signal } = controller;
        const committing = rejection(backend.commit({ signal }));
        await burning(burner, committing);
        const reason = new Error("enough");
        controller.abort(reason);
        assertEquals(await within(60_000, committing), reason);
        await burner.clearFault();
        await assertOrderly(burner, type);
      }
      await assertUsable(burner);
    }]);
    await sideBySide(Object.fromEntries(cases));
  },
);

together(
  "a session of Xorriso that is disposed of stops its burn in an orderly way",
  async () => {
    const types: MediumType[] = ["cd-r", "bd-r", "dvd+rw"];
    const cases = types.map((type) => [type, async () => {
      await using folder = await makeFolder();
      await using burner = await Burner.start(type);
      await burner.burnByHand({ "/old": "old" });
      const session = await Xorriso.open(burner.device, {
        xorrisoPath: burner.xorrisoPath,
      });
      await session.map(await folder.file("large", noise(6 << 20)), "/large");
      await burner.fault("write_delay_us=20000");
      const committed = rejection(session.commit());
      await burning(burner, committed);
      await within(60_000, session[Symbol.asyncDispose]());
      assertCode(await committed, "ABORTED");
      await burner.clearFault();
      await assertOrderly(burner, type);
      await assertUsable(burner);
    }]);
    await sideBySide(Object.fromEntries(cases));
  },
);

together("a signal stops a burn that is about to begin, too", async () => {
  await using burner = await Burner.start("bd-r");
  await burner.burnByHand({ "/old": "old" });
  await using backend = await openDrive(burner, { autoCommit: false });
  await backend.put(noise(100), "new");
  const signal = AbortSignal.timeout(300);
  const error = await within(60_000, rejection(backend.commit({ signal })));
  assertEquals(error, signal.reason);
  // What was burned completely by then is there.
  assertEquals((await textsOf(backend)).old, "old");
});

together(
  "Ctrl-C stops the program while it burns, with exit code 130",
  async () => {
    const cli = fromFileUrl(import.meta.resolve("../../src/cli.ts"));
    const types: MediumType[] = ["cd-r", "bd-r", "dvd+rw"];
    const cases = types.map((type) => [type, async () => {
      await using folder = await makeFolder();
      await using burner = await Burner.start(type);
      await burner.burnByHand({ "/old": "old" });
      const large = await folder.file("large", noise(6 << 20));
      await burner.fault("write_delay_us=20000");
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-q", "--no-prompt", `--allow-run=${burner.xorrisoPath}`],
          `--allow-read=/dev/sr0,/tmp,${large}`,
          ...["--allow-write=/dev/sr0,/tmp", cli, "put", urlOf(burner), large],
          ...["--xorriso-path", burner.xorrisoPath],
        ],
        ...{ stdin: "null", stdout: "piped", stderr: "piped" },
      }).spawn();
      const output = child.output();
      await burning(burner, output);
      signalTo(child, "SIGINT");
      const { code, stderr } = await within(60_000, output);
      assertEquals(
        [code, new TextDecoder().decode(stderr)],
        [130, "xorriso-backend: Interrupted\n"],
      );
      await burner.clearFault();
      await assertOrderly(burner, type);
      await assertUsable(burner);
    }]);
    await sideBySide(Object.fromEntries(cases));
  },
);
