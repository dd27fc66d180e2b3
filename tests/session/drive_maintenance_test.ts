/** Blanking, formatting, closing for good, and the tray. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Burner, burnerTests, type MediumType } from "../burner/burner.ts";
import { outcomes, store, textsOf } from "../support/backends.ts";
import {
  onMedia,
  openDrive,
  sideBySide,
  storedTexts,
  written,
} from "../support/drives.ts";
import { assertRejectsCode } from "../support/helpers.ts";

const together = burnerTests("the care of media");

/** What each medium is called, and what can be done to it once it is written. */
const MEDIA: readonly [
  type: MediumType,
  profile: RegExp,
  blank: boolean,
  format: boolean,
  finish: boolean,
][] = [
  ["cd-r", /^CD-R$/, false, false, true],
  ["cd-rw", /^CD-RW$/, true, false, true],
  ["dvd-r", /^DVD-R sequential/, false, false, true],
  ["dvd-rw", /^DVD-RW sequential/, true, true, true],
  ["dvd-rw-ro", /^DVD-RW restricted/, true, true, false],
  ["dvd-ram", /^DVD-RAM$/, true, true, false],
  ["dvd+r", /^DVD\+R$/, false, false, true],
  ["dvd+rw", /^DVD\+RW$/, true, true, false],
  ["bd-r", /^BD-R sequential/, false, false, true],
  ["bd-re", /^BD-RE$/, true, true, false],
];

together(
  "blank() and format() erase what they can, and nothing without force",
  async () => {
    const cases: Record<string, () => Promise<void>> = {};
    for (const [type, profile, ...can] of MEDIA) {
      for (const [index, what] of (["blank", "format"] as const).entries()) {
        cases[`${what} ${type}`] = async () => {
          await using burner = await Burner.start(type);
          await burner.burnByHand({ "/old": "old" });
          await using backend = await openDrive(burner);
          const before = await backend.medium();
          assertMatch(before.profile, profile);
          assertEquals([before.status, before.sessions], ["appendable", 1]);
          await burner.clearLog();
          const erase = (force: boolean) =>
            what === "blank"
              ? backend.blank({ force })
              : backend.format({ force, mode: "full" });
          const refused = can[index] ? "MEDIUM_NOT_WRITABLE" : "BLANK_FAILED";
          await assertRejectsCode(erase(false), refused);
          if (!can[index]) {
            await assertRejectsCode(erase(true), "BLANK_FAILED");
            assertEquals(await textsOf(backend), { old: "old" });
          }
          const sent = await burner.log();
          assertEquals(
            sent.filter(({ name }) => /BLANK|FORMAT|WRITE/.test(name)),
            [],
          );
          if (!can[index]) return;
          await erase(true);
          assertEquals(await backend.list(), []);
          const { status, sessions, used } = await backend.medium();
          assertEquals([status, sessions, used], ["blank", 0, 0]);
          await store(backend, { new: "new" });
          await backend.close();
          assertEquals(await storedTexts(burner), { new: "new" });
        };
      }
    }
    await sideBySide(cases);
  },
);

together(
  "blank() and format() take a mode, and a new medium as it is",
  async () => {
    await sideBySide({
      "modes of blank": async () => {
        await using burner = await Burner.start("cd-rw");
        await using backend = await openDrive(burner);
        for (const mode of ["as_needed", "fast", "all"] as const) {
          await backend.blank({ mode });
          await store(backend, { old: "old" });
          await backend.blank({ mode, force: true });
          assertEquals((await backend.medium()).status, "blank", mode);
        }
        const blanked = (await burner.log()).filter(({ name }) =>
          name === "BLANK"
        );
        assertEquals(blanked.map(({ cdb }) => (cdb[1] ?? 0) & 7), [1, 1, 0]);
      },
      "a BD-R with spare blocks": async () => {
        await using burner = await Burner.start("bd-r");
        await using backend = await openDrive(burner);
        await backend.format();
        await store(backend, { a: "a" });
        await assertRejectsCode(
          backend.format({ force: true }),
          "BLANK_FAILED",
        );
        assertEquals(await textsOf(backend), { a: "a" });
      },
      "a new BD-RE": async () => {
        await using burner = await Burner.start("bd-re-virgin");
        await using backend = await openDrive(burner);
        await backend.format();
        assert((await burner.show()).formatted);
        await store(backend, { a: "a" });
      },
      "a formatted medium that needs none": async () => {
        await using burner = await Burner.start("dvd+rw");
        await using backend = await openDrive(burner);
        await store(backend, { a: "a" });
        await assertRejectsCode(
          backend.format({ force: true }),
          "BLANK_FAILED",
        );
        assertEquals(await textsOf(backend), { a: "a" });
      },
      "a DVD-RW that becomes sequential again": async () => {
        await using burner = await Burner.start("dvd-rw");
        await using backend = await openDrive(burner);
        await backend.format({ mode: "full" });
        assertMatch((await backend.medium()).profile, /restricted overwrite/);
      },
    });
  },
);

together(
  "blank() and format() that fail are told, and what is there stays",
  async () => {
    const types: MediumType[] = ["cd-rw", "dvd-rw"];
    await onMedia(types, async (burner) => {
      await burner.burnByHand({ "/old": "old" });
      await using backend = await openDrive(burner);
      await burner.fault("blank_error=1", "format_error=1");
      await assertRejectsCode(backend.blank({ force: true }), "BLANK_FAILED");
      await burner.clearFault();
      assertEquals(await textsOf(backend), { old: "old" });
      await store(backend, { new: "new" });
      assertEquals(await textsOf(backend), { old: "old", new: "new" });
    });
  },
);

together("finish() closes for good what can be closed", async () => {
  const cases = MEDIA.map(([type, , , , can]) => [type, async () => {
    await using burner = await Burner.start(type);
    await using backend = await openDrive(burner, { autoCommit: false });
    await assertRejectsCode(backend.finish(), "MEDIUM_NOT_WRITABLE");
    assertEquals(await written(burner), []);
    await backend.put(new TextEncoder().encode("a"), "a");
    if (!can) {
      await assertRejectsCode(backend.finish(), "MEDIUM_NOT_WRITABLE");
      await store(backend, { b: "b" });
      await backend.close();
      assertEquals(await storedTexts(burner), { a: "a", b: "b" });
      return;
    }
    // What is pending is stored before.
    await backend.finish();
    assert((await burner.show()).closed);
    const { status, appendable, free } = await backend.medium();
    assertEquals([status, appendable, free], ["closed", false, 0]);
    assertEquals(
      await outcomes([store(backend, { b: "b" }), backend.finish()]),
      ["MEDIUM_NOT_WRITABLE", "MEDIUM_NOT_WRITABLE"],
    );
    assertEquals(await textsOf(backend), { a: "a" });
    await backend.close();
    assertEquals(await storedTexts(burner), { a: "a" });
    if (!["cd-rw", "dvd-rw"].includes(type)) return;
    await using again = await openDrive(burner);
    await again.blank({ force: true });
    await store(again, { c: "c" });
    assertEquals(await textsOf(again), { c: "c" });
  }]);
  await sideBySide(Object.fromEntries(cases));
});

together("eject() and load() change the medium of a backend", async () => {
  await using burner = await Burner.start("bd-r");
  await using shelf = await Burner.start("dvd+rw", { device: "/dev/sr1" });
  await shelf.burnByHand({ "/other": "other" });
  await using backend = await openDrive(burner, { autoCommit: false });
  await backend.put(new TextEncoder().encode("a"), "a");
  await backend.eject();
  assert((await burner.show()).trayOpen);
  assertEquals(
    await outcomes([
      backend.list(),
      backend.medium(),
      backend.sessions(),
      backend.room(),
      backend.eject(),
      store(backend, { b: "b" }),
    ]),
    Array(6).fill("NO_MEDIUM"),
  );
  await burner.fault("no_load=1");
  await assertRejectsCode(backend.load(), "NO_MEDIUM");
  await assertRejectsCode(backend.list(), "NO_MEDIUM");
  await burner.clearFault();
  await burner.swap(shelf);
  assertMatch((await backend.load()).profile, /^DVD\+RW/);
  assertEquals(await textsOf(backend), { other: "other" });
  await burner.swap(shelf);
  // A medium that was exchanged by hand can be loaded, too.
  assertMatch((await backend.load()).profile, /^BD-R/);
  assertEquals(await textsOf(backend), { a: "a" });
});

together("load() refuses another medium than asserted", async () => {
  await using burner = await Burner.start("dvd+rw");
  await using shelf = await Burner.start("dvd+rw", { device: "/dev/sr1" });
  await burner.burnByHand({ "/a": "a" }, { volumeId: "RIGHT" });
  await shelf.burnByHand({ "/b": "b" }, { volumeId: "WRONG" });
  await using backend = await openDrive(burner, { assertVolumeId: "RIGHT" });
  await backend.eject();
  await burner.swap(shelf);
  await assertRejectsCode(backend.load(), "VOLUME_MISMATCH");
  await assertRejectsCode(store(backend, { c: "c" }), "NO_MEDIUM");
  await burner.swap(shelf);
  await backend.load();
  assertEquals(await textsOf(backend), { a: "a" });
});
