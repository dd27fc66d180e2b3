import { burnerTest, OVERWRITABLE, SEQUENTIAL } from "../burner/burner.ts";
import { testBackend } from "../support/conformance.ts";
import { onMedia, openDrive } from "../support/drives.ts";

burnerTest("XorrisoBackend stores and restores on every medium", async () => {
  await onMedia([...SEQUENTIAL, ...OVERWRITABLE], async (burner, _type, t) => {
    await testBackend(
      t,
      (options, directory) => openDrive(burner, options, directory),
    );
  });
});
