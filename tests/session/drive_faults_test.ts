/** What a backend does when a drive or medium fails at its work. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { XorrisoErrorCode } from "../../mod.ts";
import {
  Burner,
  burnerTest,
  burnerTests,
  type MediumType,
} from "../burner/burner.ts";
import { outcomes, store, textOf, textsOf } from "../support/backends.ts";
import {
  onMedia,
  openDrive,
  sideBySide,
  storedTexts,
  written,
} from "../support/drives.ts";
import {
  assertRejectsCode,
  exists,
  makeFolder,
  noise,
  readAll,
  within,
} from "../support/helpers.ts";

const together = burnerTests("a drive that fails");

/** Bytes that are burned for some time. */
const LARGE = noise(6 << 20);

/** Media that differ in how they are written. */
const KINDS: readonly MediumType[] = [
  "cd-r",
  "dvd-r",
  "dvd+r",
  "bd-r",
  "bd-re",
];

/** Where a fault strikes: at the first block of a session, or behind it. */
const FAULTS: readonly [
  name: string,
  fault: (nwa: number) => string[],
  code: XorrisoErrorCode,
][] = [
  ["first block", (nwa) => [`write_error=${nwa}`], "WRITE_ERROR"],
  ["middle", (nwa) => [`write_error=${nwa + 800}`], "WRITE_ERROR"],
  ["hardware", (nwa) => [`hardware_error=${nwa + 800}`], "WRITE_ERROR"],
  ["write protection", () => ["write_protect=1"], "MEDIUM_NOT_WRITABLE"],
  ["tray", (nwa) => [`eject_at=${nwa + 800}`], "NO_MEDIUM"],
  ["bus", (nwa) => [`lost_at=${nwa + 800}`], "DRIVE_LOST"],
  ["gone", (nwa) => [`lost_at=${nwa + 800}`, "lost_errno=19"], "DRIVE_LOST"],
  ["close", () => ["close_error=1"], "WRITE_ERROR"],
  ["sync", () => ["sync_error=1"], "WRITE_ERROR"],
];

/** The first block of the session that is burned next, after a small one. */
async function nextBlock(burner: Burner, type: MediumType): Promise<number> {
  return type === "bd-re" ? 64 : (await burner.show()).nwa;
}

burnerTest(
  "put() rejects when a burn fails, and the next one goes on from what was there",
  async () => {
    const cases: Record<string, () => Promise<void>> = {};
    for (const type of KINDS) {
      for (const [name, fault, code] of FAULTS) {
        // Where there is no track, none can fail to close.
        if (name === "close" && type === "bd-re") continue;
        cases[`${type}: ${name}`] = async () => {
          await using burner = await Burner.start(type);
          await burner.burnByHand({ "/old": "old" });
          await using backend = await openDrive(burner, { recover: true });
          await burner.fault(...fault(await nextBlock(burner, type)));
          await assertRejectsCode(backend.put(LARGE, "large"), code);
          await burner.clearFault();
          assertEquals(await textOf(backend, "old"), "old");
          await store(backend, { new: "new" });
          assertEquals(await textOf(backend, "new"), "new");
          await backend.close();
          await using reader = await openDrive(burner, { readOnly: true });
          const names = (await reader.list()).map(({ name }) => name).sort();
          // All was written before the drive said that it could not. A BD-R
          // may show it, whole, or not when its session is closed in the end.
          const isThere = name === "close" && type === "bd-r"
            ? names.includes("large")
            : name === "sync" && type !== "bd-re";
          assertEquals(names, [...isThere ? ["large"] : [], "new", "old"]);
          assertEquals(
            await reader.verify(),
            names.map((name) => ({
              name,
              state: "verified" as const,
              error: undefined,
            })),
          );
        };
      }
    }
    await sideBySide(cases);
  },
);

burnerTest(
  "put() rejects where xorriso hangs, for its source is slow and the drive gone",
  async () => {
    await onMedia(["dvd+r", "cd-r", "bd-re"], async (burner, type) => {
      await burner.burnByHand({ "/old": "old" });
      await using backend = await openDrive(burner, { recover: true });
      const lost = await nextBlock(burner, type) + 800;
      await burner.fault(`lost_at=${lost}`, "source_delay_us=4000");
      const large = within(60_000, backend.put(LARGE, "large"));
      const { messages } = await assertRejectsCode(large, "DRIVE_LOST");
      assertStringIncludes(messages.join("\n"), "Lost connection to drive");
      await burner.clearFault();
      assertEquals(await textsOf(backend), { old: "old" });
      await store(backend, { new: "new" });
      assertEquals(await textsOf(backend), { old: "old", new: "new" });
    });
  },
);

together(
  "open() tells what is wrong with a drive or its medium",
  async () => {
    const cases: [string, MediumType, string[], XorrisoErrorCode][] = [
      ["absent", "bd-r", ["absent=1"], "NO_DRIVE"],
      ["forbidden", "bd-r", ["eacces=1"], "PERMISSION_DENIED"],
      ["read-only", "bd-r", ["erofs=1"], "MEDIUM_NOT_WRITABLE"],
      ["busy", "bd-r", ["ebusy=1"], "DRIVE_BUSY"],
      ["empty", "none", [], "NO_MEDIUM"],
      ["not ready", "bd-r", ["not_ready=1"], "NOT_READY"],
      ["unreadable", "bd-r", ["bad_medium=1"], "READ_ERROR"],
      ["reserved", "bd-r", ["reservation=1"], "NOT_READY"],
    ];
    await sideBySide(Object.fromEntries(
      cases.map(([name, type, faults, code]) => [name, async () => {
        await using burner = await Burner.start(type);
        await burner.fault(...faults);
        const open = openDrive(burner, { readyTimeout: 1000 });
        await assertRejectsCode(within(60_000, open), code);
        if (type === "none") return;
        // The same drive is fine when the fault is.
        await burner.clearFault();
        await using backend = await openDrive(burner);
        assertEquals(await backend.list(), []);
      }]),
    ));
  },
);

together(
  "open() pulls the tray in, and tells where that cannot be",
  async () => {
    await using burner = await Burner.start("dvd+rw");
    await burner.burnByHand({ "/a": "hello" });
    await burner.eject();
    await burner.fault("no_load=1");
    await assertRejectsCode(openDrive(burner), "NO_MEDIUM");
    await burner.clearFault();
    assertEquals(await storedTexts(burner), { a: "hello" });
  },
);

together("open() refuses media with something else on them", async () => {
  await using folder = await makeFolder();
  const foreign = await folder.file("foreign", noise(2 << 20));
  await using burner = await Burner.start("none");
  for (const audio of [false, true]) {
    await burner.load("cd-rom", foreign, audio);
    await assertRejectsCode(openDrive(burner), "NOT_ISO");
  }
});

together("open() reads a closed medium, and writing is refused", async () => {
  await using folder = await makeFolder();
  await using burner = await Burner.start("dvd+rw");
  await burner.burnByHand({ "/a": "hello" }, { volumeId: "MINE" });
  const image = await folder.file("image", await burner.read(0, 400));
  for (const type of ["cd-rom", "dvd-rom", "bd-rom"] as const) {
    await burner.load(type, image);
    await using backend = await openDrive(burner);
    assertEquals(await textsOf(backend), { a: "hello" });
    const { status, appendable, free, volumeId } = await backend.medium();
    assertEquals([status, appendable, free, volumeId], [
      "closed",
      false,
      0,
      "MINE",
    ]);
    assertEquals(await backend.room(), 0);
    assertEquals(
      await outcomes([
        store(backend, { b: "b" }),
        backend.delete("a"),
        backend.finish(),
        backend.blank({ force: true }),
        backend.format({ force: true }),
      ]),
      [
        ...Array(3).fill("MEDIUM_NOT_WRITABLE"),
        ...Array(2).fill("BLANK_FAILED"),
      ],
    );
    assertEquals(await textsOf(backend), { a: "hello" });
  }
});

together(
  "a drive that fails before the burn rejects the call, and all goes on after it",
  async () => {
    const faults: [string, XorrisoErrorCode][] = [
      ["not_ready=1", "NOT_READY"],
      ["no_load=1", "NO_MEDIUM"],
    ];
    const cases: Record<string, () => Promise<void>> = {};
    for (const [fault, code] of faults) {
      for (const type of ["bd-r", "cd-r", "dvd+rw"] as const) {
        cases[`${type}: ${fault}`] = async () => {
          await using burner = await Burner.start(type);
          await burner.burnByHand({ "/old": "old" });
          await using backend = await openDrive(burner, { readyTimeout: 5000 });
          await backend.list();
          await burner.fault(fault);
          if (code === "NO_MEDIUM") await burner.eject();
          await burner.clearLog();
          const storing = store(backend, { new: "new" });
          await assertRejectsCode(within(60_000, storing), code);
          assertEquals(await written(burner), []);
          await burner.clearFault();
          await store(backend, { new: "new" });
          assertEquals(await textsOf(backend), { old: "old", new: "new" });
        };
      }
    }
    await sideBySide(cases);
  },
);

together(
  "a block that cannot be read fails the file that has it, and no other",
  async () => {
    await onMedia(["cd-r", "dvd+rw", "bd-r"], async (burner) => {
      await using folder = await makeFolder();
      await burner.burnByHand({
        "/a": "hello",
        "/large": LARGE,
        "/z": "world",
      });
      await using backend = await openDrive(burner);
      const entry = await backend.query("large");
      const lba = (entry?.extents[0]?.lba ?? 0) + 1000;
      await burner.fault(`read_error=${lba}`);
      const target = `${folder.path}/large`;
      await assertRejectsCode(backend.get("large", target), "READ_ERROR");
      assertEquals(await exists(target), false);
      await assertRejectsCode(
        backend.readable("large").then(readAll),
        "READ_ERROR",
      );
      const results = await backend.verify();
      assertEquals(
        results.map(({ name, error }) => [name, error === undefined]),
        [["a", true], ["large", false], ["z", true]],
      );
      const restored = await backend.getList(["a", "large", "z"], folder.path);
      assertEquals(
        restored.map(({ name, error }) => [name, error === undefined]),
        [["a", true], ["large", false], ["z", true]],
      );
      assertEquals(await textOf(backend, "a"), "hello");
      // What lies beside the bad block can be had.
      const part = await readAll(
        await backend.readable("large", { offset: 1, length: 999 * 2048 - 1 }),
      );
      assertEquals(part, LARGE.subarray(1, 999 * 2048));
      await burner.clearFault();
      await backend.get("large", target);
      assertEquals(await Deno.readFile(target), LARGE);
      await store(backend, { new: "new" });
      assertEquals(await textOf(backend, "new"), "new");
    });
  },
);

together(
  "a drive that fails while it reads rejects the call, and all goes on after it",
  async () => {
    const cases: Record<string, () => Promise<void>> = {};
    for (const type of ["bd-r", "cd-r", "dvd+rw"] as const) {
      cases[`${type}: tray`] = async () => {
        await using burner = await Burner.start(type);
        await burner.burnByHand({ "/old": "old" });
        await using backend = await openDrive(burner);
        await backend.list();
        await burner.fault("no_load=1");
        await burner.eject();
        await assertRejectsCode(textOf(backend, "old"), "NO_MEDIUM");
        await assertRejectsCode(textOf(backend, "old"), "NO_MEDIUM");
        await burner.clearFault();
        await burner.insert();
        assertEquals(await textOf(backend, "old"), "old");
        await store(backend, { new: "new" });
      };
      cases[`${type}: bad medium`] = async () => {
        await using burner = await Burner.start(type);
        await burner.burnByHand({ "/old": "old" });
        await using backend = await openDrive(burner);
        await backend.list();
        // Not `bad_medium`: libburn tries that again for a minute.
        await burner.fault("read_error=0", "read_error_count=1000000");
        await assertRejectsCode(textOf(backend, "old"), "READ_ERROR");
        await burner.clearFault();
        assertEquals(await textOf(backend, "old"), "old");
      };
    }
    await sideBySide(cases);
  },
);

together(
  "a drive that another computer has reserved rejects the call",
  async () => {
    await onMedia(["bd-r", "cd-r", "dvd+rw"], async (burner, type) => {
      await burner.burnByHand({ "/old": "old" });
      await using backend = await openDrive(burner);
      await backend.list();
      await burner.fault("reservation=1");
      // xorriso takes that for a success of each command as long as it can.
      const code = type === "dvd+rw" ? "WRITE_ERROR" : "MEDIUM_NOT_WRITABLE";
      await assertRejectsCode(store(backend, { new: "new" }), code);
      await burner.clearFault();
      await store(backend, { new: "new" });
      assertEquals(await textsOf(backend), { old: "old", new: "new" });
    });
  },
);
