/** What misleads a backup that believes xorriso (hazards of optical media). */

import { assertEquals, assertMatch } from "@std/assert";
import { Xorriso } from "../../mod.ts";
import {
  Burner,
  burnerTests,
  OVERWRITABLE,
  SEQUENTIAL,
} from "../burner/burner.ts";
import { store, textsOf } from "../support/backends.ts";
import {
  onMedia,
  openDrive,
  sideBySide,
  storedTexts,
  tear,
  written,
} from "../support/drives.ts";
import {
  assertCode,
  assertRejectsCode,
  isAlive,
  rejection,
  until,
} from "../support/helpers.ts";

const together = burnerTests("what misleads a backup");

together(
  "the backup after SIGKILL in mid-burn is complete, or is refused",
  async () => {
    await onMedia(SEQUENTIAL, async (burner, type) => {
      await burner.burnByHand({ "/old": "old" }, { volumeId: "KEEP" });
      await tear(burner, "SIGKILL");
      assertEquals(await storedTexts(burner), { old: "old" });
      {
        await using backend = await openDrive(burner);
        // A BD-R tells that its last session is open.
        if (type === "bd-r") {
          await assertRejectsCode(
            store(backend, { new: "x" }),
            "IMAGE_DAMAGED",
          );
        } else {
          await store(backend, { new: "new" });
          assertEquals(await textsOf(backend), { old: "old", new: "new" });
        }
      }
      await using backend = await openDrive(burner, { recover: true });
      await store(backend, { new: "new", newer: "newer" });
      const all = { old: "old", new: "new", newer: "newer" };
      assertEquals(await textsOf(backend), all);
      await backend.close();
      assertEquals(await storedTexts(burner), all);
    });
  },
);

together(
  "the backup after SIGKILL in the first burn needs recover, and begins anew",
  async () => {
    await onMedia(SEQUENTIAL, async (burner) => {
      await tear(burner, "SIGKILL");
      const error = await rejection(
        openDrive(burner).then(async (backend) => {
          await using _ = backend;
          await store(backend, { new: "new" });
          assertEquals(await textsOf(backend), { new: "new" });
          throw new Error("right");
        }),
      );
      // It is told, or it does no harm.
      if (String(error) === "Error: right") return;
      assertCode(error, "IMAGE_DAMAGED");
      const recovering = { recover: true, volumeId: "NEW" };
      await using backend = await openDrive(burner, recovering);
      assertEquals(await backend.list(), []);
      await store(backend, { new: "new" });
      await store(backend, { newer: "newer" });
      assertEquals((await backend.medium()).volumeId, "NEW");
      await backend.close();
      assertEquals(await storedTexts(burner), { new: "new", newer: "newer" });
    });
  },
);

together(
  "a torn session that was closed is not taken for a sound one",
  async () => {
    // The drive gives it the length that was reserved for it.
    await onMedia(["dvd-r", "dvd+r", "bd-r"], async (burner) => {
      await tear(burner, "SIGKILL");
      const { text } = await burner.run(
        ...["-dev", burner.device, "-close_damaged", "force", "-end"],
      );
      assertMatch(text, /Giving up -/);
      await assertRejectsCode(openDrive(burner), "IMAGE_DAMAGED");
      const reading = openDrive(burner, { readOnly: true });
      await assertRejectsCode(reading, "IMAGE_DAMAGED");
      await using backend = await openDrive(burner, { recover: true });
      await store(backend, { new: "new" });
      assertEquals(await textsOf(backend), { new: "new" });
    });
  },
);

together(
  "an unreadable volume descriptor does not drop the old tree",
  async () => {
    await onMedia([...SEQUENTIAL, ...OVERWRITABLE], async (burner) => {
      await burner.burnByHand({ "/old": "old" });
      await burner.burnByHand({ "/older": "older" });
      const { tracks } = await burner.show();
      const head = tracks.at(-1)?.start ?? 0;
      const all = { old: "old", older: "older" };
      const tries = [head + 16, head].map((lba) => `read_error=${lba}`);
      for (const fault of tries) {
        await burner.fault(fault, "read_error_count=16");
        await burner.clearLog();
        for (const options of [{}, { readOnly: true }]) {
          const opening = openDrive(burner, options);
          const error = await rejection(
            opening.then(async (backend) => {
              await using _ = backend;
              assertEquals(await textsOf(backend), all);
              throw new Error("harmless");
            }),
          );
          if (String(error) !== "Error: harmless") {
            assertCode(error, "IMAGE_DAMAGED");
          }
        }
        assertEquals(await written(burner), []);
        await burner.clearFault();
      }
      assertEquals(await storedTexts(burner), all);
    });
  },
);

together(
  "a tree that cannot be read again is not written without its files",
  async () => {
    await onMedia(["cd-r", "bd-r", "dvd+rw"], async (burner) => {
      await burner.burnByHand({ "/old": "old" });
      {
        await using session = await Xorriso.open(burner.device, {
          xorrisoPath: burner.xorrisoPath,
        });
        await session.rm(["/old"]);
        await burner.fault("read_error=0", "read_error_count=64");
        await rejection(session.rollback());
        await burner.clearFault();
        await rejection(session.commit({ force: true }));
      }
      assertEquals(await storedTexts(burner), { old: "old" });
    });
  },
);

together(
  "another volume id than asserted is refused before anything is written",
  async () => {
    const wrong = { assertVolumeId: "RIGHT", volumeId: "WRONG" };
    const cases: Record<string, () => Promise<void>> = {};
    for (const type of ["cd-r", "bd-r", "dvd+rw"] as const) {
      cases[`blank ${type}`] = async () => {
        await using burner = await Burner.start(type);
        await assertRejectsCode(openDrive(burner, wrong), "VOLUME_MISMATCH");
        assertEquals(await written(burner), []);
        await using backend = await openDrive(burner, {
          assertVolumeId: "RIGHT",
        });
        await store(backend, { a: "a" });
        assertEquals((await backend.medium()).volumeId, "RIGHT");
      };
      cases[`written ${type}`] = async () => {
        await using burner = await Burner.start(type);
        await burner.burnByHand({ "/old": "old" }, { volumeId: "OTHER" });
        await burner.clearLog();
        await assertRejectsCode(openDrive(burner, wrong), "VOLUME_MISMATCH");
        assertEquals(await written(burner), []);
      };
    }
    await sideBySide(cases);
  },
);

together(
  "what was meant for a disc is not done to another that came while it was given back",
  async () => {
    await onMedia(["bd-r", "dvd+rw"], async (burner, type) => {
      await using backend = await openDrive(burner, {
        autoCommit: false,
        idleClose: 1,
      });
      await store(backend, { a: "a" });
      await backend.commit();
      await backend.delete("a");
      const pid = await burner.newest();
      await until(() => !isAlive(pid), "it is given back");
      await burner.replace(type);
      await burner.burnByHand({ "/a": "other" }, { volumeId: "OTHER" });
      await burner.clearLog();
      await assertRejectsCode(backend.commit(), "MEDIUM_CHANGED");
      assertEquals(await written(burner), []);
      await backend.close();
      assertEquals(await storedTexts(burner), { a: "other" });
    });
  },
);
