/** Waiting for a drive, and noticing that its medium is another one. */

import { assert, assertEquals } from "@std/assert";
import { Burner, burnerTests, type MediumType } from "../burner/burner.ts";
import { store, textOf, textsOf } from "../support/backends.ts";
import {
  onMedia,
  openDrive,
  sideBySide,
  storedTexts,
  written,
} from "../support/drives.ts";
import {
  assertRejectsCode,
  rejection,
  until,
  within,
} from "../support/helpers.ts";

/** Resolves when the drive has been asked again and again whether it is ready. */
async function asked(burner: Burner): Promise<void> {
  await until(
    async () =>
      (await burner.log()).filter(({ name }) => name === "TEST UNIT READY")
        .length > 5,
    "it has been asked whether it is ready",
  );
}

const together = burnerTests(
  "a drive that is not ready, or has another medium",
);

together(
  "open() waits for a drive that is becoming ready, and tells so",
  async () => {
    await using burner = await Burner.start("bd-r");
    await burner.burnByHand({ "/a": "hello" });
    await burner.fault("becoming_ready=1000000");
    let reports = 0;
    const opening = openDrive(burner, {
      onProgress: ({ phase }) => reports += phase === "waiting" ? 1 : 0,
    });
    await until(() => reports >= 3, "it is told");
    await burner.clearFault();
    await using backend = await opening;
    assertEquals(await textsOf(backend), { a: "hello" });
  },
);

together("open() gives a drive up that never becomes ready", async () => {
  const open = (burner: Burner) =>
    within(60_000, openDrive(burner, { readyTimeout: 2000 }));
  const cases: Record<string, () => Promise<void>> = {};
  for (const fault of ["becoming_ready=1000", "not_ready=1"]) {
    cases[fault] = async () => {
      await using burner = await Burner.start("bd-r");
      await burner.fault(fault);
      const error = await assertRejectsCode(open(burner), "NOT_READY");
      assert(error.retryable);
      await burner.clearFault();
      await using backend = await open(burner);
      assertEquals(await backend.list(), []);
    };
  }
  cases.abort = async () => {
    await using burner = await Burner.start("bd-r");
    await burner.fault("becoming_ready=1000");
    const reason = new Error("enough");
    const controller = new AbortController();
    const { signal } = controller;
    const opening = rejection(openDrive(burner, { signal }));
    await asked(burner);
    controller.abort(reason);
    assertEquals(await within(60_000, opening), reason);
  };
  await sideBySide(cases);
});

together(
  "open() waits for a drive that is getting ready, however slow",
  async () => {
    await using burner = await Burner.start("dvd+rw");
    await burner.fault("not_ready=1");
    const opening = openDrive(burner, { readyTimeout: 30_000 });
    await asked(burner);
    await burner.clearFault();
    await using backend = await within(60_000, opening);
    assertEquals(await backend.list(), []);
  },
);

together("open() finds no session on a blank medium", async () => {
  await onMedia(["bd-r", "dvd+rw"], async (burner) => {
    const opening = openDrive(burner, { session: 1 });
    await assertRejectsCode(opening, "SESSION_NOT_FOUND");
  });
});

together("load() waits for the medium to become ready, too", async () => {
  await using burner = await Burner.start("dvd+rw");
  await using backend = await openDrive(burner, { readyTimeout: 2000 });
  await backend.eject();
  await burner.fault("becoming_ready=1000");
  await assertRejectsCode(within(60_000, backend.load()), "NOT_READY");
});

/** Media before and after an exchange: written ones, or blank. */
const EXCHANGES: readonly [MediumType, boolean, MediumType, boolean][] = [
  ["bd-r", true, "bd-r", true],
  ["bd-r", true, "bd-r", false],
  ["bd-r", false, "bd-r", true],
  ["bd-r", false, "bd-r", false],
  ["cd-r", true, "cd-r", true],
  ["cd-r", true, "cd-r", false],
  ["cd-r", false, "cd-r", true],
  ["cd-r", false, "cd-r", false],
  ["dvd-r", true, "dvd-r", true],
  ["dvd+rw", true, "dvd+rw", true],
  ["dvd+rw", true, "dvd+rw", false],
  ["dvd+rw", false, "dvd+rw", true],
  ["dvd+rw", false, "dvd+rw", false],
  ["bd-re", true, "bd-re", true],
  ["bd-r", true, "dvd+rw", true],
  ["dvd+rw", true, "cd-r", true],
];

together(
  "a medium that was exchanged while open is not written, and not read for another",
  async () => {
    const cases = EXCHANGES.map(([type, isWritten, other, isOtherWritten]) => {
      const of = (written: boolean) => written ? "written" : "blank";
      const name = `${of(isWritten)} ${type} to ${of(isOtherWritten)} ${other}`;
      return [name, async () => {
        await using burner = await Burner.start(type);
        await using shelf = await Burner.start(other, { device: "/dev/sr1" });
        const mine = isWritten ? { old: "mine" } : {};
        const others = isOtherWritten ? { old: "other" } : {};
        if (isWritten) await burner.burnByHand({ "/old": "mine" });
        if (isOtherWritten) await shelf.burnByHand({ "/old": "other" });
        await using backend = await openDrive(burner);
        assertEquals(await textsOf(backend), mine);
        await burner.clearLog();
        await burner.swap(shelf);
        const before = await burner.show();
        await assertRejectsCode(
          store(backend, { new: "new" }),
          "MEDIUM_CHANGED",
        );
        assertEquals(await written(burner), []);
        assertEquals(await burner.show(), before);
        // Opened again, it is what it is.
        assertEquals(await textsOf(backend), others);
        await burner.swap(shelf);
        if (!isWritten) return;
        await assertRejectsCode(
          textOf(backend, "old"),
          isOtherWritten ? "MEDIUM_CHANGED" : "ENTRY_NOT_FOUND",
        );
        if (!isOtherWritten) return;
        assertEquals(await textsOf(backend), mine);
        await store(backend, { new: "new" });
        assertEquals(await textsOf(backend), { ...mine, new: "new" });
      }];
    });
    await sideBySide(Object.fromEntries(cases));
  },
);

together(
  "a medium that was taken out and put in again is opened anew",
  async () => {
    await using burner = await Burner.start("bd-r");
    await burner.burnByHand({ "/old": "old" });
    await using backend = await openDrive(burner);
    await backend.list();
    await burner.fault("no_load=1");
    await burner.eject();
    await assertRejectsCode(store(backend, { a: "a" }), "NO_MEDIUM");
    await assertRejectsCode(backend.list(), "NO_MEDIUM");
    await burner.clearFault();
    await burner.insert();
    await store(backend, { a: "a" });
    await burner.eject();
    await burner.insert();
    await assertRejectsCode(store(backend, { b: "b" }), "MEDIUM_CHANGED");
    await store(backend, { b: "b" });
    await backend.close();
    assertEquals(await storedTexts(burner), { old: "old", a: "a", b: "b" });
  },
);

together("erasing is refused where the medium was exchanged", async () => {
  await using burner = await Burner.start("dvd+rw");
  await using shelf = await Burner.start("dvd+rw", { device: "/dev/sr1" });
  await shelf.burnByHand({ "/precious": "precious" });
  await using backend = await openDrive(burner);
  await backend.list();
  await burner.swap(shelf);
  const erasing = backend.blank({ force: true, mode: "all" });
  await assertRejectsCode(erasing, "MEDIUM_CHANGED");
  assertEquals(await storedTexts(burner), { precious: "precious" });
});
