import { assert, assertEquals } from "@std/assert";
import { parseToc } from "../../src/dialogue/answers.ts";
import {
  content,
  fileBlocks,
  type Image,
  memoryBlocks,
  readImage,
  readTree,
} from "../../src/iso/mod.ts";
import { headOf } from "../../src/iso/head.ts";
import { readSession } from "../../src/iso/sessions.ts";
import { BLOCK } from "../../src/medium.ts";
import { Burner, burnerTest } from "../burner/burner.ts";
import {
  assertRejectsCode,
  makeFolder,
  noise,
  readAll,
  runXorriso,
  writeSession,
} from "../support/helpers.ts";
import { makeSessions, pathsOf, upTo } from "./sessions.ts";

/** Reads the sessions of an image in memory, and the paths of the newest. */
async function examine(
  bytes: Uint8Array,
): Promise<{ image: Image; paths: string[] }> {
  const blocks = memoryBlocks(bytes);
  const image = await readImage(blocks);
  return { image, paths: await pathsOf(blocks, image.newest) };
}

Deno.test("readImage() finds the sessions that xorriso tells, with their times", async () => {
  for (const settings of [[], ["-boot_image", "any", "partition_offset=16"]]) {
    await assertTold(["-volid", "VOL ü"], settings);
  }
});

/** Makes sessions, and compares them with what xorriso tells. */
async function assertTold(...settings: readonly string[][]): Promise<void> {
  await using folder = await makeFolder();
  const begun = Math.floor(Date.now() / 1000) * 1000;
  const lines = settings.filter(({ length }) => length > 0);
  const path = await makeSessions(folder, 3, ...lines);
  const toc = await runXorriso([["-indev", `stdio:${path}`], ["-toc"]]);
  await using blocks = await fileBlocks(path);
  const image = await readImage(blocks);
  assertEquals(
    image.sessions.map(({ number, lba, size, volumeId }) => {
      return { number, lba, size: size * BLOCK, volumeId };
    }),
    parseToc(toc).sessions,
  );
  for (const { date, lba, number } of image.sessions) {
    const time = date?.getTime() ?? NaN;
    assert(time >= begun && time <= Date.now());
    assertEquals(
      await pathsOf(blocks, await readSession(blocks, lba, number)),
      upTo(number),
    );
  }
  assertEquals([image.head, image.newest], ["sound", image.sessions[2]]);
}

Deno.test("readImage() finds whole sessions where the head is torn at any block", async () => {
  for (const settings of [[], [["-joliet", "on"]]]) {
    await using folder = await makeFolder();
    const path = await makeSessions(folder, 3, ...settings);
    const before = await Deno.readFile(path);
    await writeSession(path, { "/4": "four" }, ...settings);
    const after = await Deno.readFile(path);
    for (let first = 0; first < 32; first++) {
      for (let end = first + 1; end <= 32; end++) {
        const torn = after.slice();
        torn.set(before.subarray(first * BLOCK, end * BLOCK), first * BLOCK);
        const { image, paths } = await examine(torn);
        const isOld = paths.length === 3;
        assertEquals(paths, upTo(isOld ? 3 : 4));
        // What is told as sound is just what was there before or is there now.
        const head = torn.subarray(16 * BLOCK, 20 * BLOCK);
        const whole = isOld ? before : after;
        const isWhole = head.every((byte, i) => byte === whole[16 * BLOCK + i]);
        assertEquals(
          image.head,
          isWhole ? "sound" : "torn",
          `${first} to ${end}`,
        );
        assertEquals(
          image.sessions.map(({ number }) => number).at(-1),
          paths.length,
        );
      }
    }
  }
});

Deno.test("readImage() finds the sessions where the head is gone", async () => {
  await using folder = await makeFolder();
  const bytes = await Deno.readFile(await makeSessions(folder, 2));
  bytes.fill(0, 0, 32 * BLOCK);
  const { image, paths } = await examine(bytes);
  assertEquals([image.head, image.sessions.length, paths], [
    "missing",
    2,
    upTo(2),
  ]);
});

Deno.test("headOf() makes the beginning that xorriso has written", async () => {
  for (const settings of [[], [["-joliet", "on"]], [["-md5", "off"]]]) {
    await using folder = await makeFolder();
    const path = await makeSessions(folder, 2, ...settings);
    const bytes = await Deno.readFile(path);
    const wanted = bytes.slice(0, 32 * BLOCK);
    bytes.fill(0, 0, 32 * BLOCK);
    const blocks = memoryBlocks(bytes);
    const head = await headOf(blocks, await readImage(blocks));
    assert(head !== undefined);
    assertEquals(head, wanted.subarray(0, head?.length));
    bytes.set(head ?? []);
    await Deno.writeFile(path, bytes);
    // It goes on from there.
    await writeSession(path, { "/3": "three" }, ...settings);
    const { image, paths } = await examine(await Deno.readFile(path));
    assertEquals([image.head, paths], ["sound", upTo(3)]);
  }
});

Deno.test("headOf() leaves an image alone that has a second beginning", async () => {
  await using folder = await makeFolder();
  const settings = ["-boot_image", "any", "partition_offset=16"];
  const path = await makeSessions(folder, 1, settings);
  const blocks = memoryBlocks(await Deno.readFile(path));
  assertEquals(await headOf(blocks, await readImage(blocks)), undefined);
});

Deno.test("readImage() shows no session that the head has never shown", async () => {
  await using folder = await makeFolder();
  const path = await makeSessions(folder, 2);
  const before = await Deno.readFile(path);
  await writeSession(path, { "/3": "three" });
  const bytes = await Deno.readFile(path);
  bytes.set(before.subarray(0, 32 * BLOCK));
  const { image, paths } = await examine(bytes);
  assertEquals([image.head, image.sessions.length, paths], [
    "sound",
    2,
    upTo(2),
  ]);
});

Deno.test("readImage() lists what is left of an image that was cut off anywhere", async () => {
  await using folder = await makeFolder();
  const bytes = await Deno.readFile(await makeSessions(folder, 3));
  const { sessions } = await readImage(memoryBlocks(bytes));
  const [one, two, three] = sessions;
  assert(one && two && three);
  const files = [bytes, bytes, bytes].map((_, i) => noise(30_000, i + 1));
  const last = bytes.length / BLOCK;
  const first = (one?.lba ?? 0) + (one?.size ?? 0);
  for (let end = first; end <= last; end++) {
    const blocks = memoryBlocks(bytes.subarray(0, end * BLOCK));
    const image = await readImage(blocks);
    const tree = await readTree(blocks, image.newest);
    const count = tree.size;
    assert(end < (two?.lba ?? 0) + 30 || count >= 2 || end < (three?.lba ?? 0));
    assertEquals(image.sessions.length, count);
    assertEquals(image.head, count === 3 ? "sound" : "cut");
    for (const entry of tree.walk()) {
      const section = entry.sections[0];
      const isThere = (section?.lba ?? 0) * BLOCK + 30_000 <= end * BLOCK;
      const reading = readAll(content(blocks, entry));
      if (isThere) assertEquals(await reading, files[Number(entry.name) - 1]);
      else await assertRejectsCode(reading, "IMAGE_DAMAGED");
    }
  }
});

Deno.test("readImage() takes no blanked image, and no session from before for a new one", async () => {
  await using folder = await makeFolder();
  const path = await makeSessions(folder, 3);
  await runXorriso([["-dev", `stdio:${path}`], ["-blank", "as_needed"]]);
  await assertRejectsCode(
    readImage(memoryBlocks(await Deno.readFile(path))),
    "NOT_ISO",
  );
  await writeSession(path, { "/new": "new" });
  const { image, paths } = await examine(await Deno.readFile(path));
  assertEquals([image.sessions.length, image.head, paths], [1, "sound", [
    "/new",
  ]]);
});

for (const type of ["bd-r", "dvd-r", "dvd+r", "cd-r"] as const) {
  burnerTest(
    `readImage() shows the newest session of a copy of a ${type}`,
    async () => {
      await using burner = await Burner.start(type);
      for (let i = 1; i <= 3; i++) {
        await burner.burnByHand({ [`/${i}`]: noise(30_000, i) });
      }
      const { tracks, nwa } = await burner.show();
      const bytes = await burner.read(0, nwa > 0 ? nwa : 20_000);
      const { image, paths } = await examine(bytes);
      assertEquals(
        image.sessions.map(({ lba }) => lba),
        tracks.map(({ start }) => start),
      );
      assertEquals([image.head, paths], ["behind", upTo(3)]);
      // As xorriso, which has the drive's table of contents.
      const blocks = memoryBlocks(bytes);
      for (const { session, start } of tracks) {
        assertEquals(
          await pathsOf(blocks, await readSession(blocks, start, session)),
          upTo(session),
        );
      }
    },
  );
}
