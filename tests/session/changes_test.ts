import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Changes, exclusive } from "../../src/session/changes.ts";
import { commit } from "../../src/session/commit.ts";
import { readSessions } from "../../src/session/medium.ts";
import { openSession } from "../../src/session/open.ts";
import {
  assertRejectsCode,
  makeFolder,
  makeImage,
  runXorriso,
} from "../support/helpers.ts";

/** Commits what work stages on an image. */
async function change(
  image: string,
  work: (changes: Changes) => Promise<unknown>,
): Promise<void> {
  await using session = await openSession(image, {});
  await exclusive(session, async (changes) => {
    await work(changes);
    await commit(changes);
  });
}

/** Type and mode, owner, group, size, and the rest of each path. */
async function show(image: string): Promise<string[]> {
  const lines = await runXorriso([
    ["-indev", `stdio:${image}`],
    ["-find", "/", "-exec", "lsdl"],
  ]);
  return lines.map((line) => line.replace(/ +/g, " ")).sort();
}

Deno.test("Changes stages folders, links, moves and removals in call order", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, {
    "/old": "old",
    "/sub/a": "a",
    "/gone/deep/b": "b",
    "/empty/c": "c",
  });
  const source = await folder.file("source", "content");
  await change(image, (changes) =>
    Promise.all([
      changes.makeFolder("/new/deep"),
      changes.makeFolder("/sub"),
      changes.link("../what is\nthere %s", "/new/link"),
      changes.move("/old", "/new/old"),
      changes.move("/sub", "/new/sub"),
      changes.stage(source, "/new/sub/b"),
      changes.remove("/gone", { recursive: true }),
      changes.remove("/empty/c"),
      changes.removeFolder("/empty"),
    ]));
  const paths = (await show(image)).map((line) => line.replace(/^[^']*/, ""));
  assertEquals(paths.sort(), [
    "'/'",
    "'/new'",
    "'/new/deep'",
    "'/new/link' -> '../what is\\nthere %s'",
    "'/new/old'",
    "'/new/sub'",
    "'/new/sub/a'",
    "'/new/sub/b'",
  ]);
});

Deno.test("Changes.setAttributes() sets mode, owner and time of one path or many", async () => {
  await using folder = await makeFolder();
  const many = Array.from({ length: 300 }, (_, i) => `/many/name-${i}`);
  const image = await makeImage(
    folder,
    Object.fromEntries(["/a", "/d/b", ...many].map((path) => [path, "x"])),
  );
  await change(image, (changes) =>
    Promise.all([
      changes.link("text", "/link"),
      changes.setAttributes("/a", {
        ...{ mode: 0o4751, uid: 1000, gid: 4_000_000_000 },
        mtime: new Date("2001-09-09T12:00:00.9Z"),
      }),
      changes.setAttributes(many, { mode: 0o600, uid: 7 }),
      changes.setAttributes("/d", {
        ...{ mode: 0o1777, mtime: new Date("1969-12-24T12:00:00Z") },
      }),
      changes.setAttributes("/link", { mtime: new Date("2001-09-09T12:00Z") }),
      changes.setAttributes([], { mode: 0 }),
    ]));
  // Folders that xorriso makes are its user's.
  const { uid, gid } = await Deno.lstat(folder.path);
  const shown = await show(image);
  const of = (path: string) =>
    shown.find((line) => line.includes(`'${path}'`)) ?? "";
  assertEquals(of("/a"), "-rwsr-x--x 1 1000 4000000000 1 Sep 9 2001 '/a'");
  assertEquals(
    of("/d"),
    `drwxrwxrwt 1 ${uid} ${gid} 0 Dec 24 1969 '/d'`,
  );
  assertMatch(of("/link"), /^l.* Sep 9 2001 '\/link' -> 'text'$/);
  for (const path of many) {
    assert(of(path).startsWith(`-rw------- 1 7 ${gid} `));
  }
});

Deno.test("Changes rejects what xorriso cannot do", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "a", "/d/b": "b" });
  await using session = await openSession(image, {});
  await exclusive(session, async (changes) => {
    await assertRejectsCode(changes.makeFolder("/a"), "ENTRY_EXISTS");
    await assertRejectsCode(changes.link("x", "/a"), "ENTRY_EXISTS");
    await assertRejectsCode(changes.move("/no", "/x"), "ENTRY_NOT_FOUND");
    await assertRejectsCode(changes.removeFolder("/d"), "ENTRY_EXISTS");
    await assertRejectsCode(changes.remove("/no"), "ENTRY_NOT_FOUND");
    await assertRejectsCode(
      changes.setAttributes("/no", { mode: 0 }),
      "ENTRY_NOT_FOUND",
    );
  });
  await exclusive(session, (changes) => commit(changes));
  assertEquals((await readSessions(session)).length, 1);
});
