/** The example programs do what they say, with the flags that they tell. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Burner } from "./burner/burner.ts";
import { openDrive } from "./support/drives.ts";
import {
  age,
  execute,
  exists,
  type Folder,
  makeFolder,
  makeSparse,
  noise,
  type Outcome,
  runShell,
  until,
} from "./support/helpers.ts";
import { readTree } from "./support/program.ts";

const EXAMPLES = new URL("../examples/", import.meta.url);
const CONFIG = fromFileUrl(import.meta.resolve("../deno.json"));

/** Runs an example in a process of its own. */
async function run(
  name: string,
  flags: readonly string[],
  ...args: readonly string[]
): Promise<Outcome> {
  const path = fromFileUrl(new URL(`${name}.ts`, EXAMPLES));
  return await execute(
    Deno.execPath(),
    ["run", "--quiet", "--no-prompt", ...flags, path, ...args],
    { env: { NO_COLOR: "1", TMPDIR: "/tmp" } },
  );
}

const RUN = "--allow-run=xorriso";

/** One night's backup of the folder "files". */
async function backUp({ path }: Folder): Promise<Outcome> {
  const image = `${path}/backup.iso`;
  await age(image);
  return await run(
    "nightly",
    // Files that were changed just now are copied first.
    [RUN, `--allow-read=${path},/tmp`, `--allow-write=${image},/tmp`],
    `${path}/files`,
    `xorriso://${image}:/files`,
  );
}

/** What is restored as of a date, or as it is now. */
async function restore(
  { path }: Folder,
  ...date: readonly string[]
): Promise<Record<string, string>> {
  const target = `${path}/restored`;
  const { code, stderr } = await run(
    "restore",
    [RUN, "--allow-read", "--allow-write"],
    ...[`xorriso://${path}/backup.iso:/files`, target, "", ...date],
  );
  assertEquals([code, stderr], [0, ""]);
  const tree = await readTree(target);
  await Deno.remove(target, { recursive: true });
  return tree;
}

const NAMES = [
  ...["demo", "discs", "nightly", "peek", "read_image", "restore"],
  ...["second_copy", "stream"],
];

Deno.test("every example tells its usage when it is run without arguments", async () => {
  for (const name of NAMES) {
    const { code, stdout, stderr } = await run(name, []);
    assertEquals([code, stdout], [2, ""]);
    assertStringIncludes(stderr, `Usage: examples/${name}.ts `);
  }
});

Deno.test("nightly.ts writes one session a night with what has changed, and restore.ts gets each back", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await folder.file("files/same", "same");
  await folder.file("files/sub/changes", "one");
  await folder.file("files/goes", "goes");
  await Deno.symlink("same", `${path}/files/link`);
  const nights: Record<string, string>[] = [
    { "same": "same", "link": "same", "sub/changes": "one", "goes": "goes" },
    { "same": "same", "link": "same", "sub/changes": "two", "new": "" },
  ];

  const first = await backUp(folder);
  assertStringIncludes(
    first.stdout,
    "Session 1: 3 files (11 bytes) stored, 0 names removed\n",
  );
  const date = new Date();
  // Sessions have their times to the second.
  await until(
    () => Promise.resolve(Date.now() > date.getTime() + 1000),
    "later",
  );
  await folder.file("files/sub/changes", "two");
  await folder.file("files/new");
  await Deno.remove(`${path}/files/goes`);
  const second = await backUp(folder);
  assertStringIncludes(
    second.stdout,
    "Session 2: 2 files (3 bytes) stored, 1 names removed\n",
  );
  const third = await backUp(folder);
  assertEquals(third.stdout, "Nothing has changed since session 2\n");

  assertEquals(await restore(folder), nights[1]);
  assertEquals(await restore(folder, date.toISOString()), nights[0]);
});

Deno.test("restore.ts takes a day for its end, and refuses what it does not find in a sentence", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await folder.file("files/a", "a");
  await backUp(folder);
  const now = new Date();
  const two = (value: number) => String(value).padStart(2, "0");
  const today = [now.getFullYear(), now.getMonth() + 1, now.getDate()]
    .map(two).join("-");
  assertEquals(await restore(folder, today), { a: "a" });
  for (
    const [name, date, code, message] of [
      ["", "yesterday", 2, 'Cannot use the date "yesterday"'],
      ["none", today, 1, 'Cannot restore "none"'],
      ["", "1999-12-31", 1, "session"],
    ] as const
  ) {
    const refused = await run(
      "restore",
      [RUN, "--allow-read", "--allow-write"],
      ...[`xorriso://${path}/backup.iso:/files`, `${path}/to`, name, date],
    );
    assertEquals(refused.code, code);
    assertStringIncludes(refused.stderr, message);
    assertEquals(refused.stderr.trimEnd().split("\n").length, 1);
  }
});

Deno.test("nightly.ts goes on when a file cannot be stored, and fails in the end", async () => {
  await using folder = await makeFolder();
  await folder.file("files/good", "good");
  await runShell(`: >"$1/files/$(printf 'na\\357ve')"`, folder.path);
  const { code, stdout, stderr } = await backUp(folder);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "Session 1: 1 files (4 bytes) stored");
  assertMatch(
    stderr,
    /^Cannot store ".*na\ufffdve": .*\n1 names could not be stored\n$/,
  );
  assertEquals(await restore(folder), { good: "good" });
});

Deno.test("nightly.ts writes to no other volume", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await folder.file("files/a", "a");
  await Deno.mkdir(`${path}/other`);
  await new Deno.Command("xorriso", {
    args: ["-no_rc", "-outdev", `${path}/backup.iso`, "-volid", "OTHER"].concat(
      ["-map", `${path}/files`, "/"],
    ),
    stdout: "null",
    stderr: "null",
  }).output();
  const before = await Deno.readFile(`${path}/backup.iso`);
  const { code, stderr } = await backUp(folder);
  assertEquals(code, 1);
  assertMatch(stderr, /volume id is .*"NIGHTLY"/);
  assertEquals(await Deno.readFile(`${path}/backup.iso`), before);
});

Deno.test("peek.ts shows the middle of the file that it finds", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  const content = noise(100_000);
  await folder.file("files/sub/data.bin", content);
  await backUp(folder);
  const peek = (glob: string) =>
    run(
      "peek",
      [RUN, `--allow-read=${path}/backup.iso`],
      `xorriso://${path}/backup.iso`,
      glob,
    );
  const { code, stdout } = await peek("**/*.bin");
  assertEquals(code, 0);
  const [title, ...rows] = stdout.trimEnd().split("\n");
  assertEquals(title, "files/sub/data.bin: bytes 49488 to 50512 of 100000");
  const hex = rows.map((row) => row.slice(9, 56)).join(" ").replaceAll(" ", "");
  assertEquals(hex, content.subarray(49488, 50512).toHex());
  assertEquals((await peek("*.bin")).code, 3);
});

Deno.test("stream.ts keeps links and times, and stores nothing if tar fails", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await Deno.mkdir(`${path}/work`);
  await folder.file("files/a", "a");
  await folder.file("files/sub/b", noise(200_000));
  await Deno.symlink("sub/b", `${path}/files/link`);
  await Deno.utime(`${path}/files/a`, 1_000_000, 1_000_000);
  const store = (source: string, name: string, ...target: string[]) =>
    run(
      "stream",
      [
        `${RUN},tar`,
        ...["--allow-env=TMPDIR", `--allow-read=/tmp,${path}/work`],
        `--allow-write=/tmp,${path}/work`,
      ],
      ...[source, `xorriso://${path}/work/a.iso`, name, ...target],
    );
  const target = `${path}/work/target`;
  const { code, stdout, stderr } = await store(
    `${path}/files`,
    "f.tar.gz",
    target,
  );
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, `Unpacked it into ${target}`);
  assertEquals(await Deno.readTextFile(`${target}/a`), "a");
  assertEquals(await Deno.readLink(`${target}/link`), "sub/b");
  assertEquals(await Deno.readFile(`${target}/sub/b`), noise(200_000));
  const { mtime } = await Deno.stat(`${target}/a`);
  assertEquals(mtime?.getTime(), 1_000_000_000);

  await age(`${path}/work/a.iso`);
  const before = await Deno.readFile(`${path}/work/a.iso`);
  const failed = await store(`${path}/none`, "g.tar.gz");
  assertEquals(failed.code, 1);
  assertStringIncludes(failed.stderr, "tar has failed");
  assertEquals(await Deno.readFile(`${path}/work/a.iso`), before);
});

Deno.test("read_image.ts extracts an image without any other program", async () => {
  await using folder = await makeFolder();
  const target = `${folder.path}/extracted`;
  const image = fromFileUrl(new URL("photos.iso", EXAMPLES));
  const { code, stderr, stdout } = await run(
    "read_image",
    [`--allow-read=${image},${target}`, `--allow-write=${target}`],
    image,
    target,
  );
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^Session 1 of PHOTOS, 2026-/);
  assertStringIncludes(stdout, "Left out: /photos/latest is a link");
  const { mtime, mode } = await Deno.stat(`${target}/photos/notes.txt`);
  assertEquals(mtime, new Date("2026-07-02T10:00:00Z"));
  assertEquals((mode ?? 0) & 0o777, 0o644);
  const tree = await readTree(target);
  assertEquals(Object.keys(tree).sort(), [
    "photos/beach.ppm",
    "photos/notes.txt",
  ]);
  assertEquals(tree["photos/notes.txt"], "Three days by the sea.\n");
});

Deno.test("second_copy.ts makes another image the same, and writes only what differs", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await folder.file("files/a", noise(10_000));
  await folder.file("files/sub/b", "b");
  await Deno.symlink("a", `${path}/files/link`);
  await backUp(folder);
  const copy = async () => {
    await age(`${path}/second.iso`);
    return await run(
      "second_copy",
      [RUN, `--allow-read=${path},/tmp`, `--allow-write=${path},/tmp`],
      ...[`xorriso://${path}/backup.iso`, `xorriso://${path}/second.iso`],
    );
  };
  const first = await copy();
  assertEquals([first.code, first.stderr], [0, ""]);
  assertStringIncludes(first.stdout, "2 of 2 files of the second copy");
  await Deno.remove(`${path}/files/sub`, { recursive: true });
  await backUp(folder);
  const second = await copy();
  assertEquals([second.code, second.stderr], [0, ""]);
  assertStringIncludes(second.stdout, "1 of 1 files of the second copy");
  const third = await copy();
  assertMatch(third.stdout, /^0 changes/);
});

Deno.test("discs.ts stores all files of a folder", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await folder.file("files/a", noise(10_000));
  await folder.file("files/sub/b", "b");
  const { code, stdout, stderr } = await run(
    "discs",
    [RUN, `--allow-read=${path},/tmp`, `--allow-write=${path},/tmp`],
    ...[`${path}/files`, `xorriso://${path}/discs.iso`],
  );
  assertEquals([code, stdout, stderr], [0, "Stored 2 files\n", ""]);
});

Deno.test("discs.ts asks for the next disc when one is full, and loses no file", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  // Two fill a disc.
  const names = ["a", "b", "sub/c"];
  for (const name of names) {
    await makeSparse(await folder.file(`files/${name}`), 7 << 20);
  }
  const blocks = 32 << 9;
  await using burner = await Burner.start("bd-r", { blocks });
  // Whoever is asked for a disc lays "empty" out, and takes it away when it is in.
  const script = await folder.file(
    "script.ts",
    `globalThis.prompt = () => {
        Deno.writeTextFileSync("${path}/empty", "");
        const isOut = () => [...Deno.readDirSync("${path}")].some(({ name }) => name === "empty");
        while (isOut()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        return "";
      };
      await import(${JSON.stringify(new URL("discs.ts", EXAMPLES).href)});`,
  );
  const running = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "-A", "-c", CONFIG, script],
      ...[`${path}/files`, `xorriso://${burner.device}`],
    ],
    env: { NO_COLOR: "1", XORRISO_PATH: burner.xorrisoPath },
    stdin: "null",
  }).output();
  await until(() => exists(`${path}/empty`), "a disc is asked for");
  const first = await storedNames(burner);
  await burner.replace("bd-r", { blocks });
  await Deno.remove(`${path}/empty`);
  const { code, stdout, stderr } = await running;
  const decoder = new TextDecoder();
  assertEquals([code, decoder.decode(stdout), decoder.decode(stderr)], [
    ...[0, "Stored 2 files\nStored 1 files\n", ""],
  ]);
  const second = await storedNames(burner);
  assertEquals([first.length, [...first, ...second].sort()], [2, names]);
});

/** Names of all files on the disc in a drive. */
async function storedNames(burner: Burner): Promise<string[]> {
  await using backend = await openDrive(burner, { readOnly: true });
  return (await backend.list()).map(({ name }) => name);
}
