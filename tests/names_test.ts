import { assertEquals, assertThrows } from "@std/assert";
import {
  baseName,
  checkName,
  checkNewPath,
  checkPath,
  checkVolumeId,
  join,
  parents,
  relative,
  show,
  spellName,
  unspellName,
} from "../src/names.ts";

Deno.test("checkPath() keeps any bytes and drops empty parts", () => {
  const pairs: readonly (readonly [string, string])[] = [
    ["/", "/"],
    ["//", "/"],
    ["/a", "/a"],
    ["/a/", "/a"],
    ["//a///b//", "/a/b"],
    ["/...", "/..."],
    ["/.a/b.", "/.a/b."],
    ["/ ", "/ "],
    ["/--", "/--"],
    ["/a\n'\"\\*?[]#", "/a\n'\"\\*?[]#"],
    ["/caf\udce9", "/caf\udce9"],
    [`/${"x".repeat(255)}`, `/${"x".repeat(255)}`],
  ];
  for (const [path, clean] of pairs) assertEquals(checkPath(path), clean);
});

Deno.test("checkPath() refuses what can be no path on a medium", () => {
  const bad = ["", "a", "a/b", "/.", "/..", "/a/../b", "/a/./b", "/a\0b"];
  for (const path of bad) assertThrows(() => checkPath(path), TypeError);
  assertThrows(() => checkPath("/a/../b"), TypeError, '"/a/../b"');
});

Deno.test("checkPath() refuses a path that xorriso would cut", () => {
  const path = "/0123456".repeat(500);
  assertEquals(checkPath(path), path);
  assertThrows(() => checkPath(`${path}7`), TypeError, "4000 bytes");
  // Bytes count, not characters.
  assertThrows(() => checkPath("/é23456".repeat(501)), TypeError, "4000 bytes");
});

Deno.test("checkPath() refuses a surrogate that stands for no byte", () => {
  assertThrows(() => checkPath("/\ud800"), TypeError, "surrogate");
  assertThrows(() => checkPath("/\udc7f"), TypeError, "surrogate");
});

Deno.test("checkNewPath() takes parts of up to 255 bytes", () => {
  const longest = "é".repeat(127);
  const path = `/${longest}/${"x".repeat(255)}`;
  assertEquals(checkNewPath(path), path);
  for (const part of [`${longest}xx`, "x".repeat(256)]) {
    assertThrows(() => checkNewPath(`/a/${part}/b`), TypeError, "256 bytes");
  }
});

Deno.test("checkNewPath() refuses lone surrogates, which checkPath() reads", () => {
  assertEquals(checkPath("/\udce9"), "/\udce9");
  assertThrows(() => checkNewPath("/\udce9"), TypeError, "lone surrogate");
});

Deno.test("checkName() puts a relative name below a directory", () => {
  assertEquals(checkName("/", "a", true), "/a");
  assertEquals(checkName("/x/y", "a/b", true), "/x/y/a/b");
  assertEquals(checkName("/x", "\udce9", false), "/x/\udce9");
  assertEquals(checkName("/x", "-a *", false), "/x/-a *");
});

Deno.test("checkName() refuses names that do not stand for themselves", () => {
  for (const name of ["", "/a", "a/", "a//b", ".", "..", "a/..", "\0", "/"]) {
    for (const isNew of [true, false]) {
      assertThrows(() => checkName("/x", name, isNew), TypeError);
    }
  }
  assertThrows(() => checkName("/x", "\udce9", true), TypeError);
  assertThrows(() => checkName("/x", "y".repeat(256), true), TypeError);
  assertEquals(checkName("/x", "y".repeat(256), false).length, 259);
});

Deno.test("checkVolumeId() takes 32 bytes of anything but NUL", () => {
  const good = ["", "ISOIMAGE", "é".repeat(16), "x".repeat(32), "A?B\n'\"\\"];
  for (const id of good) assertEquals(checkVolumeId(id), id);
  for (const id of ["x".repeat(33), `${"é".repeat(16)}x`, "\0", "\udce9"]) {
    assertThrows(() => checkVolumeId(id), TypeError, "volume id");
  }
});

Deno.test("join() and relative() are inverse", () => {
  for (const directory of ["/", "/a", "/a/b"]) {
    const path = join(directory, "c/d");
    assertEquals(relative(directory, path), "c/d");
  }
  assertEquals(relative("/a", "/ab"), undefined);
  assertEquals(relative("/a", "/a"), undefined);
  assertEquals(relative("/a", "/b/a/c"), undefined);
});

Deno.test("parents() gives the directories above, the root first", () => {
  assertEquals([...parents("/a/b/c")], ["/", "/a", "/a/b"]);
  assertEquals([...parents("/a")], ["/"]);
});

Deno.test("baseName() gives the last part", () => {
  assertEquals(baseName("/a/b c"), "b c");
  assertEquals(baseName("a"), "a");
});

Deno.test("show() leaves nothing that a terminal obeys", () => {
  assertEquals(show('a"\n\x1b[2J\udce9'), '"a\\"\\n\\u001b[2J\\udce9"');
});

Deno.test("spellName() spells what is not UTF-8, and unspellName() gives it back", () => {
  const pairs: readonly (readonly [string, string])[] = [
    ["plain é 😀", "plain é 😀"],
    ["caf\udce9", "caf\\xe9"],
    ["caf\\xe9", "caf\\x5cxe9"],
    ["\\x5c", "\\x5cx5c"],
    ["\\\udcff", "\\\\xff"],
    ["a\\b\\x41\\", "a\\b\\x41\\"],
  ];
  for (const [name, text] of pairs) {
    assertEquals(spellName(name), text);
    assertEquals(unspellName(text), name);
  }
  // Whoever spells the bytes of UTF-8 means the character.
  assertEquals(unspellName("caf\\xC3\\xA9"), "café");
});
