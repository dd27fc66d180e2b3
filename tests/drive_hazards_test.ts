/** What misleads a backup that believes xorriso (hazards of optical media). */

import { assertEquals } from "@std/assert";
import { type Burner, burnerTest, SEQUENTIAL } from "./burner/burner.ts";
import { store, textsOf } from "./backends.ts";
import { onMedia, openDrive, storedTexts } from "./drives.ts";
import { assertRejectsCode, noise, rejection } from "./helpers.ts";

/** Begins a burn and ends xorriso in the middle of it. */
async function tear(burner: Burner, signal: Deno.Signal = "SIGKILL") {
  await using backend = await openDrive(burner);
  const { nwa } = await burner.show();
  await burner.fault("write_delay_us=20000");
  const torn = rejection(backend.put(noise(6 << 20), "torn"));
  await burner.until((state) => state.nwa > nwa + 500, "it burns");
  await burner.kill(signal);
  await torn;
  await burner.clearFault();
}

burnerTest(
  "the backup after SIGKILL in mid-burn is complete and readable, or is refused",
  async () => {
    await onMedia(SEQUENTIAL, async (burner, type) => {
      await burner.burnByHand({ "/old": "old" }, { volumeId: "KEEP" });
      await tear(burner);
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
