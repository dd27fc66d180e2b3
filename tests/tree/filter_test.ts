import { assert, assertEquals, assertThrows } from "@std/assert";
import { Filter, parsePatterns } from "../../src/tree/filter.ts";

/** What is left of some names; those of folders end with a slash. */
function kept(patterns: readonly string[], names: readonly string[]): string[] {
  const filter = new Filter(patterns);
  return names.filter((name) =>
    !filter.excludes(name.replace(/\/$/, ""), name.endsWith("/"))
  );
}

Deno.test("Filter leaves out what a glob matches, with all below it", () => {
  assertEquals(
    kept(["cache", "*.tmp", "**/*.bak"], [
      ...["a", "cache/", "cache/x", "cache/x/y", "cached", "d/cache"],
      ...["x.tmp", "d/x.tmp", "x.bak", "d/e/x.bak", ".hidden.tmp"],
    ]),
    ["a", "cached", "d/cache", "d/x.tmp"],
  );
});

Deno.test("Filter lets the last pattern that matches win", () => {
  const names = ["logs/", "logs/a", "logs/keep", "logs/keep/b"];
  assertEquals(kept(["logs", "!logs/keep"], names), [
    ...["logs/keep", "logs/keep/b"],
  ]);
  assertEquals(kept(["!logs/keep", "logs"], names), []);
  assertEquals(kept(["logs/*", "!logs/keep", "logs/keep/b"], names), [
    ...["logs/", "logs/keep"],
  ]);
});

Deno.test("Filter takes a pattern that ends with a slash for folders alone", () => {
  assertEquals(kept(["**/out/"], ["out", "d/out/", "d/out/x"]), ["out"]);
});

Deno.test("Filter knows classes, alternatives and names with a line break", () => {
  assertEquals(
    kept(["*.{jpg,png}", "[0-9]*", "a*z"], [
      ...["x.jpg", "x.png", "x.gif", "7up", "up7", "a\nz", "a\\z"],
    ]),
    ["x.gif", "up7"],
  );
});

Deno.test("Filter takes patterns that begin with the folder itself", () => {
  assertEquals(kept(["/a", "./b"], ["a", "b", "d/a", "d/b"]), ["d/a", "d/b"]);
});

Deno.test("Filter refuses a pattern that names nothing", () => {
  for (const pattern of ["", "!", "/", "./"]) {
    assertThrows(() => new Filter([pattern]), TypeError, "names nothing");
  }
});

Deno.test("Filter.takesBack tells whether folders that are left out matter", () => {
  assert(new Filter(["a", "!b"]).takesBack);
  assert(!new Filter(["a", "\\!b"]).takesBack);
});

Deno.test("parsePatterns() leaves out comments and blank lines", () => {
  assertEquals(parsePatterns("# all\n*.tmp\r\n\n  \n!a b\n\\#c\n"), [
    ...["*.tmp", "!a b", "\\#c"],
  ]);
});
