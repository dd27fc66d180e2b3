import { assertEquals, assertStringIncludes } from "@std/assert";
import { DISK, type Findings } from "./support/full_disk.ts";
import { makeFolder, runDeno } from "./support/helpers.ts";
import { noSmallDisk, onSmallDisk, unless } from "./support/needs.ts";

const NO_DISK = await noSmallDisk();

/** Runs a function of `full_disk.ts` where a small disk is mounted. */
async function run(name: string): Promise<Findings> {
  await using folder = await makeFolder();
  const disk = `${folder.path}/disk`;
  await Deno.mkdir(disk);
  const module = new URL("support/full_disk.ts", import.meta.url).href;
  const { stdout, stderr } = await runDeno(
    `import { ${name} } from ${JSON.stringify(module)};
     console.log(JSON.stringify(await ${name}(${JSON.stringify(disk)})));`,
    await onSmallDisk(DISK, disk),
  );
  assertEquals(stderr, "");
  assertStringIncludes(stdout, "{");
  return JSON.parse(stdout);
}

const FULL = { code: "MEDIUM_FULL", needed: true, free: true };

Deno.test(
  unless(
    NO_DISK,
    "XorrisoBackend.put() rejects alone what is larger than all free space",
  ),
  async () => {
    assertEquals(await run("oneTooLarge"), {
      problem: FULL,
      others: 2,
      texts: { a: "small", b: "small" },
      sessions: 1,
    });
  },
);

Deno.test(
  unless(NO_DISK, "XorrisoBackend.commit() rejects alone what no longer fits"),
  async () => {
    assertEquals(await run("oneTooLargeLater"), {
      problem: FULL,
      texts: { a: "a", b: "b" },
    });
  },
);

Deno.test(
  unless(
    NO_DISK,
    "XorrisoBackend.put() rejects a whole batch when its sum is too large",
  ),
  async () => {
    assertEquals(await run("sumTooLarge"), {
      problems: [FULL, FULL, FULL, FULL],
      grown: 0,
      after: ["ok"],
      texts: { new: "small", old: "small" },
    });
  },
);

Deno.test(
  unless(
    NO_DISK,
    "XorrisoBackend.put() loses nothing when the disk runs full meanwhile",
  ),
  async () => {
    assertEquals(await run("fullWhileCommitting"), {
      problems: [FULL, FULL],
      grown: 0,
      texts: { a: "old" },
      after: ["ok"],
      names: ["test.iso"],
    });
  },
);

Deno.test(
  unless(
    NO_DISK,
    "XorrisoBackend.put() leaves no image that it could not begin",
  ),
  async () => {
    assertEquals(await run("fullFromTheStart"), {
      problem: ["MEDIUM_FULL"],
      names: ["filler"],
    });
  },
);

Deno.test(
  unless(
    NO_DISK,
    "XorrisoBackend.put() of a stream rejects alone when it cannot be kept",
  ),
  async () => {
    assertEquals(await run("fullWhileSpooling"), {
      results: ["ok", "TARGET_UNWRITABLE", "ok"],
      texts: { file: "from disk", small: "small" },
      names: [],
    });
  },
);

Deno.test(
  unless(
    NO_DISK,
    "XorrisoBackend.get() leaves nothing of a file that the disk cannot take",
  ),
  async () => {
    assertEquals(await run("fullWhileRestoring"), {
      single: ["TARGET_UNWRITABLE"],
      older: "older",
      list: ["TARGET_UNWRITABLE", "TARGET_UNWRITABLE", "ok", "ok"],
      names: ["a", "large", "z", "b"],
    });
  },
);
