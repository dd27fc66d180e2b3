/** Space, speed, order and progress of burns, and reading beside them. */

import { assert, assertEquals } from "@std/assert";
import { type Progress, Xorriso } from "../../mod.ts";
import {
  Burner,
  burnerTest,
  burnerTests,
  type MediumType,
  type ScsiCommand,
} from "../burner/burner.ts";
import { beside, store, textOf, textsOf } from "../support/backends.ts";
import {
  burning,
  openDrive,
  sideBySide,
  storedTexts,
  written,
} from "../support/drives.ts";
import {
  assertRejectsCode,
  makeFolder,
  makeSparse,
  noise,
  readAll,
} from "../support/helpers.ts";

const together = burnerTests("burns, and reading beside them");

/** Bytes by which a file is noticeably larger than what fits. */
const MARGIN = 512 * 1024;

together("put() beside room() loses nothing", async () => {
  const cases = (["bd-r", "dvd+rw"] as const).map((type) => [type, async () => {
    await using burner = await Burner.start(type);
    const texts: Record<string, string> = { a: "1", b: "2" };
    {
      await using backend = await openDrive(burner);
      for (const [name, text] of Object.entries(texts)) {
        await beside(store(backend, { [name]: text }), () => backend.room());
      }
    }
    assertEquals(await storedTexts(burner), texts);
  }]);
  await sideBySide(Object.fromEntries(cases));
});

together(
  "room() is what fits, and more is refused before anything is burned",
  async () => {
    const sizes: [MediumType, number][] = [
      ["cd-r", 15_001],
      ["dvd-r", 34_007],
      ["dvd+r", 5003],
      ["dvd-rw", 34_000],
      ["bd-r", 4001],
      ["bd-r", 4032],
      ["dvd+rw", 4000],
      ["dvd-ram", 4015],
      ["bd-re", 4033],
    ];
    const cases = sizes.map((
      [type, blocks],
    ) => [`${type} ${blocks}`, async () => {
      await using folder = await makeFolder();
      await using burner = await Burner.start(type, { blocks });
      await using backend = await openDrive(burner, { commitDelay: 500 });
      for (const round of ["blank", "appendable"]) {
        await burner.clearLog();
        const room = await backend.room();
        const { free, status } = await backend.medium();
        assertEquals(status, round);
        assert(room > 0 && room < free, `${room} of ${free}`);
        const path = `${folder.path}/${round}`;
        await makeSparse(path, room + MARGIN);
        const error = await assertRejectsCode(
          backend.put(path, round),
          "MEDIUM_FULL",
        );
        assert(error.needed !== undefined && error.needed > room);
        assertEquals(error.free, free);
        // Each would fit, both do not.
        const halves = ["one", "two"].map((name) => `${folder.path}/${name}`);
        for (const half of halves) {
          await makeSparse(half, Math.floor(room * 0.6));
        }
        const both = await Promise.allSettled(
          halves.map((half) => backend.put(half, half.slice(1))),
        );
        assertEquals(both.map(({ status }) => status), [
          "rejected",
          "rejected",
        ]);
        assertEquals(await written(burner), []);
        assertEquals(await backend.room(), room);
        if (round === "blank") {
          await store(backend, { old: "old" });
          continue;
        }
        await makeSparse(path, room);
        await backend.put(path, "exact");
        assertEquals((await backend.query("exact"))?.size, room);
        assertEquals(await textOf(backend, "old"), "old");
      }
    }]);
    await sideBySide(Object.fromEntries(cases));
  },
);

/** Speeds that the drive was told, in 1000 bytes a second. */
function speedsOf(log: readonly ScsiCommand[]): number[] {
  return [
    ...new Set(log.flatMap(({ speed }) => speed === undefined ? [] : speed)),
  ];
}

together(
  "writeSpeed reaches the drive, and is the lowest if not given",
  async () => {
    const speeds: [MediumType, number, number][] = [
      ["cd-r", 1764, 7056],
      ["dvd-r", 5540, 22160],
      ["bd-re", 8990, 26970],
    ];
    const cases: Record<string, () => Promise<void>> = {};
    for (const [type, min, max] of speeds) {
      for (const writeSpeed of [undefined, "min", "max"] as const) {
        cases[`${type} ${writeSpeed}`] = async () => {
          await using burner = await Burner.start(type);
          await using backend = await openDrive(
            burner,
            writeSpeed === undefined ? {} : { writeSpeed },
          );
          await burner.clearLog();
          await store(backend, { a: "a" });
          const expected = writeSpeed === "max" ? max : min;
          assertEquals(speedsOf(await burner.log()), [expected]);
        };
      }
    }
    await sideBySide(cases);
  },
);

burnerTest(
  "a burn is reported at least once a second, with bytes and total",
  async () => {
    const types: MediumType[] = ["cd-r", "dvd-r", "bd-r", "dvd+rw"];
    const cases = types.map((type) => [type, async () => {
      await using burner = await Burner.start(type);
      const reports: Progress[] = [];
      const atCommit: Progress[] = [];
      await using backend = await openDrive(burner, {
        autoCommit: false,
        onProgress: (progress) => reports.push(progress),
      });
      const size = 12 << 20;
      await backend.put(noise(size), "large");
      const delay = type === "bd-r" || type === "cd-r" ? 25_000 : 12_000;
      await burner.fault(`write_delay_us=${delay}`);
      await burner.clearLog();
      reports.length = 0;
      await backend.commit({
        onProgress: (progress) => atCommit.push(progress),
      });
      const isWriting = ({ phase }: Progress) => phase === "writing";
      const writing = atCommit.filter(isWriting);
      assertEquals(reports.filter(isWriting), writing);
      assert(writing.length >= 3, `${writing.length}`);
      // In the drive's time, which a busy machine does not shorten: no report lacks more than it can
      // write in a second.
      const writes = (await burner.log()).filter(({ name }) =>
        name === "WRITE"
      );
      const most = Math.max(...writes.map(({ blocks = 0 }) => blocks));
      const second = 1e6 / delay * most * 2048;
      const steps = writing.map(({ done }, i) =>
        done - (writing[i - 1]?.done ?? 0)
      );
      assert(Math.max(...steps) <= 1.1 * second, `${steps} > ${second}`);
      for (const report of writing) {
        const { done, total = 0, rate } = report;
        assert(done <= total && total > size && total < size + 2 ** 20);
        // xorriso tells none at first, and on a busy machine none at all.
        assert(rate === undefined || rate >= 0);
      }
      const last = writing.at(-1);
      assert((last?.done ?? 0) > size * 0.8, JSON.stringify(last));
    }]);
    await sideBySide(Object.fromEntries(cases));
  },
);

together(
  "getList() reads in the order of the medium, in one sweep",
  async () => {
    await using folder = await makeFolder();
    await using burner = await Burner.start("bd-r");
    const names = Array.from(
      { length: 12 },
      (_, index) => `${index % 4}${index}`,
    );
    const files = names.map((name, index): [string, Uint8Array] => [
      `/${name}`,
      noise(300_000 + index, index + 1),
    ]);
    await burner.burnByHand(Object.fromEntries(files.slice(0, 6)));
    await burner.burnByHand(Object.fromEntries(files.slice(6)));
    await using backend = await openDrive(burner);
    const listed = await backend.list({ md5: true });
    const first = Math.min(...listed.map((each) => each.extents[0]?.lba ?? 0));
    await burner.clearLog();
    const results = await backend.getList(names, folder.path);
    assertEquals(results.map(({ error }) => error), names.map(() => undefined));
    const read = (await burner.log()).filter(({ name, lba = 0 }) =>
      name === "READ" && lba >= first
    ).map(({ lba = 0 }) => lba);
    assert(read.length >= names.length);
    assertEquals(read, read.toSorted((a, b) => a - b));
    for (const [name, bytes] of files) {
      assertEquals(await Deno.readFile(folder.path + name), bytes);
    }
  },
);

together(
  "readable() and get() work while the session is open and a burn is under way",
  async () => {
    await using folder = await makeFolder();
    await using burner = await Burner.start("dvd+r");
    const large = noise(5 << 20, 9);
    await burner.burnByHand({ "/old": "old", "/large": large });
    await using backend = await openDrive(burner);
    const parts = await Promise.all([
      readAll(await backend.readable("large")),
      readAll(await backend.readable("large", { offset: 4097, length: 5000 })),
      textOf(backend, "old"),
    ]);
    assertEquals(parts, [large, large.subarray(4097, 9097), "old"]);
    await burner.fault("write_delay_us=10000");
    const storing = backend.put(noise(4 << 20), "new");
    await burning(burner, storing);
    const target = `${folder.path}/large`;
    await Promise.all([
      storing,
      backend.get("large", target),
      readAll(await backend.readable("old", { verify: false })),
    ]);
    await burner.clearFault();
    assertEquals(await Deno.readFile(target), large);
    assertEquals(
      (await readAll(await backend.readable("new"))).length,
      4 << 20,
    );
  },
);

together("put() with verify reads back what a drive has stored", async () => {
  await using burner = await Burner.start("bd-re");
  await using backend = await openDrive(burner);
  await backend.put(noise(100_000), "good", { verify: true });
  const { extents } = await backend.query("good") ?? { extents: [] };
  const next = (extents[0]?.lba ?? 0) + (extents[0]?.blocks ?? 0);
  // In the middle of its 1536 blocks, far from what xorriso itself reads again.
  await burner.fault(`read_error=${next + 1000}`, "read_error_count=100");
  const bad = backend.put(noise(3 << 20), "bad", { verify: true });
  await assertRejectsCode(bad, "READ_ERROR");
  await burner.clearFault();
  assertEquals(await backend.query("bad"), undefined);
  assertEquals((await backend.verify()).map(({ name }) => name), ["good"]);
});

together(
  "a session of Xorriso does on a drive what a backend does",
  async () => {
    await using folder = await makeFolder();
    await using burner = await Burner.start("cd-r");
    const source = await folder.file("a", "a");
    await using session = await Xorriso.open(burner.device, {
      xorrisoPath: burner.xorrisoPath,
      volumeId: "MINE",
    });
    await session.cp([source], "/x/");
    await session.commit();
    await session.map(source, "/b");
    await session.rm(["/x/a"]);
    await session.commit();
    assertEquals(await session.ls("/"), ["b", "x"]);
    await session.revert(1);
    await session.commit({ force: true });
    assertEquals(await session.ls("/x"), ["a"]);
    assertEquals((await session.sessions()).length, 3);
    await session.end();
    await using backend = await openDrive(burner, { readOnly: true });
    assertEquals(await textsOf(backend), { "x/a": "a" });
    assertEquals((await backend.medium()).volumeId, "MINE");
  },
);
