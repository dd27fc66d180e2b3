import { assertEquals, assertMatch } from "@std/assert";
import {
  type FolderEntry,
  isLong,
  isSafe,
  refusedFolders,
} from "../../src/backend/long_names.ts";
import { assertCode, installedVersion } from "../support/helpers.ts";
import { noLongNameFault, unless } from "../support/needs.ts";

/** So many names of so many bytes. */
function names(count: number, bytes: number): FolderEntry[] {
  return Array.from({ length: count }, (_, i) => {
    return { name: `${i}`.padEnd(bytes, "x"), type: "file" };
  });
}

const version = await installedVersion();

Deno.test("isLong() counts bytes, not characters", () => {
  assertEquals(
    ["x".repeat(104), "x".repeat(105), "水".repeat(34), "水".repeat(35)]
      .map(isLong),
    [false, true, false, true],
  );
});

Deno.test("isSafe() holds up to 2020 bytes behind a folder, the root's own included", () => {
  // 202 bytes: 130 of them behind the folder.
  assertEquals(isSafe("/d", names(15, 202)), true);
  assertEquals(isSafe("/d", names(16, 202)), false);
  assertEquals(isSafe("/", names(12, 202)), true);
  assertEquals(isSafe("/", names(13, 202)), false);
  assertEquals(isSafe("/", names(10_000, 104)), true);
});

Deno.test("isSafe() counts what links lead to", () => {
  const links = names(20, 50).map((each) => {
    return { ...each, type: "link", link: "y".repeat(200) } as const;
  });
  assertEquals(isSafe("/d", links), false);
});

Deno.test("refusedFolders() asks for nothing where no xorriso has the fault", async () => {
  const folders = new Map([["/d", names(60, 200)]]);
  const options = { xorrisoPath: "/nowhere/xorriso" };
  for (const sound of ["1.5.2", "1.5.6", "1.5.8"]) {
    assertEquals(await refusedFolders(sound, folders, options), new Map());
  }
  const safe = new Map([["/d", names(15, 202)]]);
  assertEquals(await refusedFolders("1.5.4", safe, options), new Map());
});

Deno.test(
  unless(
    await noLongNameFault(),
    "refusedFolders() refuses what xorriso 1.5.4 cannot write, and that alone",
  ),
  async () => {
    // Tried: of 200 bytes 30 and 60 names fail, 20 and 40 do not.
    const folders = new Map(
      [20, 30, 40, 60].map((count) => [`/${count}`, names(count, 200)]),
    );
    const refused = await refusedFolders(version, folders);
    assertEquals([...refused.keys()], ["/30", "/60"]);
    const error = assertCode(refused.get("/30"), "NAME_TOO_LONG");
    assertMatch(error.message, /"\/30".*1\.5\.6/);
  },
);
