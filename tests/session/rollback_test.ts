import { assertEquals } from "@std/assert";
import { exclusive } from "../../src/session/changes.ts";
import { commit } from "../../src/session/commit.ts";
import { find } from "../../src/session/entries.ts";
import { openSession } from "../../src/session/open.ts";
import { undo } from "../../src/session/rollback.ts";
import type { Session } from "../../src/session/session.ts";
import {
  exists,
  hash,
  listImage,
  makeFolder,
  makeImage,
} from "../support/helpers.ts";

async function paths(session: Session): Promise<string[]> {
  return (await find(session, "/")).map(({ path }) => path).sort();
}

Deno.test("undo() takes back the last commit", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const before = await hash(image);
  const source = await folder.file("source", "x");
  {
    await using session = await openSession(image, {});
    await exclusive(session, async (changes) => {
      await changes.stage(source, "/a");
      const { base } = await commit(changes);
      assertEquals(await paths(session), ["/", "/a", "/old"]);
      assertEquals(await undo(changes, base), "done");
      assertEquals(await hash(image), before);
      assertEquals(await paths(session), ["/", "/old"]);
      await changes.stage(source, "/b");
      await commit(changes);
    });
  }
  assertEquals(await listImage(image), ["/b", "/old"]);
});

Deno.test("undo() empties an image with one session", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/new.iso`;
  {
    await using session = await openSession(image, { create: true });
    await exclusive(session, async (changes) => {
      const { base } = await commit(changes, { force: true });
      assertEquals(await undo(changes, base), "done");
    });
    assertEquals(session.medium?.status, "blank");
  }
  assertEquals(await exists(image), false);
});

Deno.test("undo() takes back a commit that has stored zeros", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "precious" });
  const before = await hash(image);
  const source = await folder.file("source", "x");
  await using session = await openSession(image, {});
  await exclusive(session, async (changes) => {
    await changes.stage(source, "/a");
    await Deno.remove(source);
    const { base, problem } = await commit(changes);
    assertEquals(problem?.code, "SOURCE_CHANGED");
    assertEquals(await undo(changes, base), "done");
  });
  assertEquals(await hash(image), before);
});
