import { testBackend } from "./conformance.ts";
import { openImage } from "./backends.ts";
import { makeFolder } from "./helpers.ts";

Deno.test("XorrisoBackend stores and restores on an image file", async (t) => {
  await using folder = await makeFolder();
  await testBackend(
    t,
    (options, directory) => openImage(folder, options, directory),
  );
});
