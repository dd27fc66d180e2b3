import { assertEquals, assertStringIncludes } from "@std/assert";
import { DISK, type Findings } from "./support/full_disk.ts";
import { execute, makeFolder, runDeno } from "./support/helpers.ts";

/** Starts a program with mounts that only it and its children see, where that can be done. */
async function findUnshare(): Promise<string[] | undefined> {
  // In a chroot nobody gets a namespace of users, and root needs none.
  for (const flags of [[], ["--user", "--map-root-user"]]) {
    const words = ["unshare", "--mount", ...flags];
    const script = '"$@" mount -t tmpfs none /mnt';
    const { code } = await execute("sh", ["-c", script, "sh", ...words]);
    if (code === 0) return words;
  }
}

const UNSHARE = await findUnshare();

// Without such mounts, or on another system, there is no small disk.
const ignore = UNSHARE === undefined;

/** Runs a function of `full_disk.ts` where a small disk is mounted. */
async function run(name: string): Promise<Findings> {
  await using folder = await makeFolder();
  const disk = `${folder.path}/disk`;
  await Deno.mkdir(disk);
  const module = new URL("support/full_disk.ts", import.meta.url).href;
  const { stdout, stderr } = await runDeno(
    `import { ${name} } from ${JSON.stringify(module)};
     console.log(JSON.stringify(await ${name}(${JSON.stringify(disk)})));`,
    [
      ...[...UNSHARE ?? [], "sh", "-c"],
      'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"',
      ...["sh", `${DISK}`, disk],
    ],
  );
  assertEquals(stderr, "");
  assertStringIncludes(stdout, "{");
  return JSON.parse(stdout);
}

const FULL = { code: "MEDIUM_FULL", needed: true, free: true };

Deno.test({
  name: "XorrisoBackend.put() rejects alone what is larger than all free space",
  ignore,
  async fn() {
    assertEquals(await run("oneTooLarge"), {
      problem: FULL,
      others: 2,
      texts: { a: "small", b: "small" },
      sessions: 1,
    });
  },
});

Deno.test({
  name: "XorrisoBackend.commit() rejects alone what no longer fits",
  ignore,
  async fn() {
    assertEquals(await run("oneTooLargeLater"), {
      problem: FULL,
      texts: { a: "a", b: "b" },
    });
  },
});

Deno.test({
  name: "XorrisoBackend.put() rejects a whole batch when its sum is too large",
  ignore,
  async fn() {
    assertEquals(await run("sumTooLarge"), {
      problems: [FULL, FULL, FULL, FULL],
      grown: 0,
      after: ["ok"],
      texts: { new: "small", old: "small" },
    });
  },
});

Deno.test({
  name: "XorrisoBackend.put() loses nothing when the disk runs full meanwhile",
  ignore,
  async fn() {
    assertEquals(await run("fullWhileCommitting"), {
      problems: [FULL, FULL],
      grown: 0,
      texts: { a: "old" },
      after: ["ok"],
      names: ["test.iso"],
    });
  },
});

Deno.test({
  name: "XorrisoBackend.put() leaves no image that it could not begin",
  ignore,
  async fn() {
    assertEquals(await run("fullFromTheStart"), {
      problem: ["MEDIUM_FULL"],
      names: ["filler"],
    });
  },
});

Deno.test({
  name: "XorrisoBackend.put() of a stream rejects alone when it cannot be kept",
  ignore,
  async fn() {
    assertEquals(await run("fullWhileSpooling"), {
      results: ["ok", "TARGET_UNWRITABLE", "ok"],
      texts: { file: "from disk", small: "small" },
      names: [],
    });
  },
});

Deno.test({
  name:
    "XorrisoBackend.get() leaves nothing of a file that the disk cannot take",
  ignore,
  async fn() {
    assertEquals(await run("fullWhileRestoring"), {
      single: ["TARGET_UNWRITABLE"],
      older: "older",
      list: ["TARGET_UNWRITABLE", "TARGET_UNWRITABLE", "ok", "ok"],
      names: ["a", "large", "z", "b"],
    });
  },
});
