import { testBackend } from "../support/conformance.ts";
import { openImage } from "../support/backends.ts";
import { makeFolder } from "../support/helpers.ts";

Deno.test("XorrisoBackend stores and restores on an image file", async (t) => {
  await using folder = await makeFolder();
  await testBackend(
    t,
    (options, directory) => openImage(folder, options, directory),
  );
});
