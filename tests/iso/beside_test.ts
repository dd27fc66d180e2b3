import { assert, assertEquals } from "@std/assert";
import {
  content,
  fileBlocks,
  readImage,
  readTree,
  sealed,
} from "../../src/iso/mod.ts";
import { makeFolder, readAll, runXorriso } from "../support/helpers.ts";

/** Readings, at least; they go on as long as the writer does. */
const READINGS = 100;

/** Sessions that are written meanwhile. */
const SESSIONS = 25;

/** Files that each session replaces. */
const FILES = 12;

Deno.test("beside a writer each reading shows one session, whole", async () => {
  await using folder = await makeFolder();
  const image = `${folder.path}/test.iso`;
  // Session N has files of N bytes, and as many more names as there are sessions.
  const commands = async (number: number) => {
    const source = await folder.file(`${number}`, "x".repeat(number));
    const files = Array.from(
      { length: FILES },
      (_, i) => ["-map", source, `/d${i % 3}/f${i}`],
    );
    return [...files, ["-map", source, `/n${number}`], ["-commit"]];
  };
  await runXorriso([["-dev", `stdio:${image}`], ...await commands(1)]);
  const all = [];
  for (let number = 2; number <= SESSIONS; number++) {
    all.push(...await commands(number));
  }
  let written = false;
  const writing = runXorriso([["-dev", `stdio:${image}`], ...all])
    .finally(() => written = true);
  const seen = new Set<number>();
  for (let reading = 0; reading < READINGS || !written; reading++) {
    await using blocks = await fileBlocks(image);
    const found = await readImage(blocks);
    const { newest } = found;
    const steady = await sealed(blocks, found, newest);
    const tree = await readTree(steady, newest);
    const { number } = newest;
    seen.add(number);
    assertEquals(found.head, "sound");
    assertEquals(tree.size, 3 + FILES + number);
    for (let i = 0; i < FILES; i++) {
      const entry = tree.get(`/d${i % 3}/f${i}`);
      assertEquals(entry?.size, number);
      const bytes = entry && await readAll(content(steady, entry));
      assertEquals(bytes, new TextEncoder().encode("x".repeat(number)));
    }
  }
  await writing;
  assert(seen.size > 5, `${seen.size} sessions were seen`);
});
