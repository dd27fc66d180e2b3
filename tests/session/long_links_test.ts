/** Symbolic links whose text xorriso 1.5.8 does not load as it is. */

import { assertEquals } from "@std/assert";
import { fileBlocks, readImage, readTree } from "../../src/iso/mod.ts";
import { Xorriso } from "../../src/session/xorriso.ts";
import { openImage } from "../support/backends.ts";
import { age, makeFolder, toBytes } from "../support/helpers.ts";

Deno.test("apply() keeps long links as they are through later sessions", async () => {
  await using folder = await makeFolder();
  const text = "y/".repeat(300) + "z";
  const mtime = new Date("2020-01-02T03:04:05Z");
  const attributes = { uid: 0, gid: 0, mtime };
  {
    await using backend = await openImage(folder);
    await backend.apply([
      { kind: "link", name: "d/l", text, attributes },
      { kind: "link", name: "d/gone", text },
      { kind: "link", name: "d/other", text },
    ]);
  }
  {
    await using backend = await openImage(folder);
    await backend.apply([
      { kind: "remove", name: "d/gone" },
      { kind: "link", name: "d/other", text: "short" },
    ]);
    await backend.put(toBytes("a"), "a");
  }
  await age(`${folder.path}/test.iso`);
  await using backend = await openImage(folder, { readOnly: true });
  const links = await backend.list({ all: true, prefix: "d/" });
  assertEquals(links.map(({ name, link }) => [name, link]), [
    ...[["d/l", text], ["d/other", "short"]],
  ]);
  assertEquals(links[0]?.mtime, mtime);
});

type Links = Readonly<Record<string, unknown>>;

/** Text and second of the last change of each link in the newest session. */
async function linksIn(image: string): Promise<Links> {
  await using blocks = await fileBlocks(image);
  const { newest } = await readImage(blocks);
  const links = [...(await readTree(blocks, newest)).walk()]
    .filter(({ type }) => type === "link");
  return Object.fromEntries(
    links.map(({ path, target, mtime }) => [path, [target, +mtime]]),
  );
}

Deno.test("Xorriso.commit() keeps long links as they are, moved ones, too", async (t) => {
  await using folder = await makeFolder();
  const image = `${folder.path}/a.iso`;
  const long = "y/".repeat(300) + "z";
  const other = `${"x".repeat(120)}/`.repeat(7) + "é";
  await using session = await Xorriso.open(image, { create: true });
  await session.command(["-lns", long, "/d/long"]);
  await session.command(["-lns", other, "/other"]);
  await session.command(["-lns", "short", "/short"]);
  await session.command(["-alter_date", "m", "=1000000000", "/d/long", "--"]);
  await session.command(["-alter_date", "m", "=1000000000", "/other", "--"]);
  await session.command(["-alter_date", "m", "=1000000000", "/short", "--"]);
  await session.commit();
  const old: Links = {
    "/d/long": [long, 1e12],
    "/other": [other, 1e12],
    "/short": ["short", 1e12],
  };
  assertEquals(await linksIn(image), old);
  const { "/d/long": first, ...rest } = old;
  const moved: Links = { "/e/long": first, ...rest };
  const steps: [string, () => Promise<unknown>, Links][] = [
    ["a change", async () => {
      await session.map(await folder.file("a", "a"), "/a");
      await session.commit();
    }, old],
    ["a forced commit", () => session.commit({ force: true }), old],
    ["a command", async () => {
      await session.command(["-mkdir", "/made", "--"]);
      await session.commit();
    }, old],
    ["a folder renamed", async () => {
      await session.rename("/d", "/e");
      await session.commit();
    }, moved],
    ["an older tree", async () => {
      await session.revert(1);
      await session.commit({ force: true });
    }, old],
    ["a rollback", async () => {
      await session.rm(["/d"], { recursive: true });
      await session.rollback();
      await session.rm(["/short"]);
      await session.commit();
    }, { "/d/long": first, "/other": old["/other"] }],
  ];
  for (const [name, work, links] of steps) {
    await t.step(name, async () => {
      await work();
      assertEquals(await linksIn(image), links);
    });
  }
  const { length } = await session.sessions();
  await session.commit();
  assertEquals((await session.sessions()).length, length);
});
