import { assertEquals, assertMatch } from "@std/assert";
import { openImage } from "../support/backends.ts";
import { onMedia, openDrive, written } from "../support/drives.ts";
import { codeOf, makeFolder, toBytes } from "../support/helpers.ts";
import type { XorrisoBackend } from "../../mod.ts";
import { noLongNameFault, unless } from "../support/needs.ts";

const NO_FAULT = await noLongNameFault();

/** So many names of 200 bytes. */
function long(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `d/${i}`.padEnd(202, "x"));
}

/** Stores names at once, each with itself as content. */
async function storeAll(
  backend: XorrisoBackend,
  names: readonly string[],
): Promise<unknown[]> {
  const results = await backend.apply(
    names.map((name) => ({ kind: "file", name, source: toBytes(name) })),
  );
  return results.map(({ error }) => error);
}

Deno.test("apply() stores names of up to 255 bytes", async () => {
  await using folder = await makeFolder();
  const names = [
    "x".repeat(255),
    `d/${"漢".repeat(85)}`,
    `d/${"é".repeat(127)}`,
  ];
  {
    await using backend = await openImage(folder);
    assertEquals(await storeAll(backend, names), [
      undefined,
      undefined,
      undefined,
    ]);
  }
  await using backend = await openImage(folder, { readOnly: true });
  const found = await backend.list();
  assertEquals(found.map(({ name }) => name).sort(), names.sort());
});

Deno.test(
  unless(
    NO_FAULT,
    "apply() stores the rest where xorriso 1.5.4 cannot write the long names of a folder",
  ),
  async () => {
    await using folder = await makeFolder();
    await using backend = await openImage(folder);
    // Tried: of 200 bytes 40 names can be written, and 60 cannot.
    const good = long(40);
    assertEquals(new Set(await storeAll(backend, good)), new Set([undefined]));
    const more = long(60).slice(40);
    const errors = await storeAll(backend, [...more, "d/short", "e/other"]);
    assertEquals(errors.slice(-2), [undefined, undefined]);
    for (const error of errors.slice(0, -2)) {
      assertMatch(String(error), /"\/d".*xorriso 1\.5\.6/);
      assertEquals(codeOf(error), "NAME_TOO_LONG");
    }
    assertEquals((await backend.list()).length, good.length + 2);
    assertEquals((await backend.sessions()).length, 2);
  },
);

Deno.test(
  unless(
    NO_FAULT,
    "apply() burns nothing for long names that xorriso 1.5.4 cannot write",
  ),
  () =>
    onMedia(["bd-r"], async (burner) => {
      await using backend = await openDrive(burner);
      const errors = await storeAll(backend, long(60));
      assertEquals(
        [...new Set(errors.map(codeOf))],
        ["NAME_TOO_LONG"],
      );
      assertEquals(await written(burner), []);
    }),
);
