import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Blocks,
  content,
  memoryBlocks,
  readChecksums,
  readTree,
  type Session,
} from "../../src/iso/mod.ts";
import type { Extent } from "../../src/medium.ts";
import { driveBlocks } from "../../src/iso/drive_blocks.ts";
import { readSession } from "../../src/iso/sessions.ts";
import { openBlocks, readSessions } from "../../src/session/medium.ts";
import { openSession } from "../../src/session/open.ts";
import { BLOCK } from "../../src/medium.ts";
import {
  type Burner,
  burnerTest,
  OVERWRITABLE,
  SEQUENTIAL,
} from "../burner/burner.ts";
import { onMedia } from "../support/drives.ts";
import {
  assertRejectsCode,
  type Folder,
  makeFolder,
  noise,
  readAll,
  rejection,
} from "../support/helpers.ts";

/** A medium that is a file, with bad blocks. */
interface Medium {
  readonly bytes: Uint8Array;
  /** What has been copied of it, in order. */
  readonly copied: Extent[];
  readonly blocks: Blocks;
}

function makeMedium(
  { path: tempDir }: Folder,
  size: number,
  bad: readonly Extent[] = [],
): Medium {
  const bytes = noise(size * BLOCK);
  const copied: Extent[] = [];
  const blocks = driveBlocks({
    ...{ name: "/dev/sr9", blocks: size, tempDir },
    async copy(range, target) {
      copied.push(range);
      using file = await Deno.open(target, { write: true, createNew: true });
      await file.seek(range.lba * BLOCK, Deno.SeekMode.Start);
      const end = (range.lba + range.blocks) * BLOCK;
      await file.write(bytes.subarray(range.lba * BLOCK, end));
      return bad.filter(({ lba }) =>
        lba >= range.lba && lba < range.lba + range.blocks
      );
    },
  });
  return { bytes, copied, blocks };
}

Deno.test("driveBlocks() copies what is wanted along, and nothing twice", async () => {
  await using folder = await makeFolder();
  const { bytes, blocks, copied } = makeMedium(folder, 1000);
  await using medium = blocks;
  const read = async (position: number, length: number, ahead = 0) => {
    const buffer = new Uint8Array(length);
    await medium.read(buffer, position, { ahead });
    assertEquals(buffer, bytes.slice(position, position + length));
  };
  await read(10 * BLOCK + 7, 100);
  await read(40 * BLOCK, 5 * BLOCK);
  assertEquals(copied, [{ lba: 10, blocks: 64 }]);
  // As far as it will be read, but not beyond the end.
  await read(200 * BLOCK, BLOCK, 300 * BLOCK);
  await read(499 * BLOCK, 2 * BLOCK);
  await read(990 * BLOCK, 10 * BLOCK, 99 * BLOCK);
  assertEquals(copied.slice(1), [{ lba: 200, blocks: 301 }, {
    lba: 990,
    blocks: 10,
  }]);
  await assertRejectsCode(read(999 * BLOCK, 2 * BLOCK), "IMAGE_DAMAGED");
  assertEquals(copied.length, 3);
});

Deno.test("driveBlocks() fails with READ_ERROR where blocks are bad, and only there", async () => {
  await using folder = await makeFolder();
  const { blocks } = makeMedium(folder, 100, [{ lba: 20, blocks: 2 }]);
  await using medium = blocks;
  const read = (lba: number, count: number) =>
    medium.read(new Uint8Array(count * BLOCK), lba * BLOCK);
  await read(10, 10);
  await read(22, 10);
  for (const [lba, count] of [[19, 2], [21, 1], [20, 2]] as const) {
    const error = await assertRejectsCode(read(lba, count), "READ_ERROR");
    assertStringIncludes(error.message, 'blocks 20 to 21 of "/dev/sr9"');
  }
});

Deno.test("driveBlocks() serves readings side by side, and leaves no file", async () => {
  await using folder = await makeFolder();
  const { bytes, blocks } = makeMedium(folder, 5000);
  const places = Array.from({ length: 60 }, (_, i) => i * 79 % 60 * 80 * BLOCK);
  await Promise.all(places.map(async (position) => {
    const buffer = new Uint8Array(3 * BLOCK);
    await blocks.read(buffer, position);
    assertEquals(buffer, bytes.slice(position, position + buffer.length));
  }));
  await blocks[Symbol.asyncDispose]();
  await blocks[Symbol.asyncDispose]();
  assertEquals(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("driveBlocks() hears a signal at once, and goes on for the others", async () => {
  await using folder = await makeFolder();
  const { promise, resolve } = Promise.withResolvers<void>();
  await using blocks = driveBlocks({
    ...{ name: "/dev/sr9", blocks: 100, tempDir: folder.path },
    async copy(_, target) {
      await promise;
      await Deno.writeFile(target, new Uint8Array(100 * BLOCK));
      return [];
    },
  });
  const controller = new AbortController();
  const { signal } = controller;
  const given = blocks.read(new Uint8Array(BLOCK), 0, { signal });
  const other = blocks.read(new Uint8Array(BLOCK), BLOCK);
  controller.abort("enough");
  assertEquals(await rejection(given), "enough");
  resolve();
  await other;
});

Deno.test("driveBlocks() tries again what could not be copied", async () => {
  await using folder = await makeFolder();
  let attempts = 0;
  await using blocks = driveBlocks({
    ...{ name: "/dev/sr9", blocks: 100, tempDir: folder.path },
    async copy(_, target) {
      if (++attempts === 1) throw new Error("It is busy");
      await Deno.writeFile(target, new Uint8Array(100 * BLOCK));
      return [];
    },
  });
  const read = () => blocks.read(new Uint8Array(BLOCK), 0);
  assertEquals((await rejection(read()) as Error).message, "It is busy");
  await read();
});

/** All that is to be read of a session: paths, contents, whether they have their checksums. */
async function readWhole(
  blocks: Blocks,
  session: Session,
): Promise<Record<string, Uint8Array>> {
  const tree = await readTree(blocks, session);
  const checksums = await readChecksums(blocks, tree.walk());
  const files: Record<string, Uint8Array> = {};
  for (const entry of tree.walk()) {
    const md5 = checksums(entry);
    assert(md5 !== undefined);
    files[entry.path] = await readAll(content(blocks, entry, { md5 }));
  }
  return files;
}

burnerTest(
  "all sessions are read through a drive as they are on its medium",
  async () => {
    await onMedia([...SEQUENTIAL, ...OVERWRITABLE], async (burner: Burner) => {
      const files: Record<string, Uint8Array> = {};
      for (let i = 1; i <= 2; i++) {
        files[`/${i}`] = noise(150_000 * i, i);
        await burner.burnByHand({ [`/${i}`]: files[`/${i}`] ?? "" });
      }
      await using session = await openSession(burner.device, {
        xorrisoPath: burner.xorrisoPath,
        readOnly: true,
      });
      const known = await readSessions(session);
      const last = known.at(-1) ?? { lba: 0, size: 0 };
      const end = last.lba + last.size / BLOCK;
      await using blocks = await openBlocks(session, end);
      const raw = memoryBlocks(await burner.read(0, end));
      for (const { lba, number } of known) {
        const read = await readSession(blocks, lba, number);
        assertEquals(read, await readSession(raw, lba, number));
        const found = await readWhole(blocks, read);
        assertEquals(found, await readWhole(raw, read));
        if (number === known.length) assertEquals(found, files);
      }
    });
  },
);
