import { assertEquals } from "@std/assert";
import { selectEntries } from "../../src/tree/select.ts";

const ENTRIES = [
  "a.txt",
  "b.tar",
  "deep",
  "deep/c.tar",
  "deep/er/*",
  "deep/er/d",
]
  .map((name) => ({ name, type: name === "deep" ? "directory" : "file" }));

function select(...names: string[]) {
  const { found, missing } = selectEntries(ENTRIES, names);
  return { found: found.map(({ name }) => name), missing };
}

Deno.test("selectEntries() finds a name, or all below a folder", () => {
  assertEquals(select("b.tar", "./a.txt").found, ["a.txt", "b.tar"]);
  const below = ["deep", "deep/c.tar", "deep/er/*", "deep/er/d"];
  for (const name of ["deep", "deep/", "/deep//.", "./deep"]) {
    assertEquals(select(name), { found: below, missing: [] });
  }
  assertEquals(select("deep/er").found, ["deep/er/*", "deep/er/d"]);
});

Deno.test("selectEntries() takes a pattern for the name that it is, if there is one", () => {
  assertEquals(select("deep/er/*").found, ["deep/er/*"]);
  assertEquals(select("*.tar").found, ["b.tar"]);
  assertEquals(select("**/*.tar").found, ["b.tar", "deep/c.tar"]);
  assertEquals(select("d*/{er,x}").found, ["deep/er/*", "deep/er/d"]);
});

Deno.test("selectEntries() tells the names that nothing is found for, and finds nothing twice", () => {
  assertEquals(select("a.txt", "dee", "*.txt", "a.txt/x", "*.png"), {
    found: ["a.txt"],
    missing: ["dee", "a.txt/x", "*.png"],
  });
});

Deno.test("selectEntries() takes a dot or nothing for everything, of an empty medium, too", () => {
  for (const name of [".", "", "/", "./"]) {
    assertEquals(select(name).found.length, ENTRIES.length);
    assertEquals(selectEntries([], [name]), { found: [], missing: [] });
  }
});
