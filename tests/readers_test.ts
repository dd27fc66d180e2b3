/**
 * What else reads the images of this module: programs of Debian, each with what it is known to get
 * wrong. README.md beside this file has the table.
 */

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { XorrisoBackend } from "../mod.ts";
import {
  execute,
  type Folder,
  isInstalled,
  makeFolder,
  makeSparse,
  runXorriso,
  toBytes,
} from "./support/helpers.ts";
import { absent, cannotMount, mountImage, unless } from "./support/needs.ts";

/** Digests of files by their names. */
type Files = ReadonlyMap<string, string>;

/** Bytes of a name from which on bsdtar gives an image up once it has a second session. */
const LONG = 106;

/** What must be set to try files over 4 GiB, too. */
const LARGE = "READERS_LARGE";

/** A kind of names; each gets a number of its own. */
type Kind = (number: number) => string;

const PLAIN: readonly Kind[] = [
  (n) => `plain-${n}.txt`,
  (n) => `ends in blank ${n} `,
  (n) => `.hidden${n}`,
  (n) => `-dash${n}`,
  (n) => `UPPER${n}`,
  (n) => `upper${n}`,
  (n) => `dots...${n}`,
  (n) => `a/b/c/d/e/f/g/h/i/j/deep${n}`,
  (n) => `Grüße 文件 ${n}`,
  (n) => `${"x".repeat(60)}${n}`,
];

/** Names of which Joliet stores others. */
const BEYOND_JOLIET: readonly Kind[] = [
  (n) => `😀${n}`,
  (n) => `it's "${n}"; a*b?[c]{d}:|<e>`,
  (n) => `back\\slash${n}`,
  (n) => `new\nline${n}`,
  (n) => `tab\tand \x1b[31mescape${n}`,
  (n) => "ä".repeat(50) + n,
  (n) => `xorriso : FAILURE : ${n}`,
];

const LONG_NAMES: readonly Kind[] = [
  (n) => `${"y".repeat(LONG)}${n}`,
  (n) => `${"z".repeat(200)}${n}`,
  (n) => `${"ü".repeat(120)}${n}`,
];

const SHORT = [...PLAIN, ...BEYOND_JOLIET];
const ALL = [...SHORT, ...LONG_NAMES];

function digest(bytes: Uint8Array | string): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** An image of four sessions, in which names were replaced and deleted, and what is in the newest. */
async function storeAll(
  folder: Folder,
  kinds: readonly Kind[],
  count = 300,
): Promise<{ image: string; files: Files }> {
  const image = `${folder.path}/ours.iso`;
  await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
    create: true,
    autoCommit: false,
  });
  const files = new Map<string, string>();
  const store = async (names: readonly string[], session: number) => {
    await Promise.all(names.map((name, index) => {
      // Of none to three blocks.
      const text = index === 0
        ? ""
        : `${name} as of session ${session}`.padEnd(index * 43 % 5000);
      files.set(name, digest(text));
      return backend.put(toBytes(text), name);
    }));
    await backend.commit();
  };
  const all = Array.from(
    { length: count },
    (_, n) => `${n % 9}/${kinds[n % kinds.length]?.(n)}`,
  );
  await store(all, 1);
  await store(all.filter((_, index) => index % 3 === 0), 2);
  const gone = all.filter((_, index) => index % 5 === 0);
  await Promise.all(gone.map((name) => backend.delete(name)));
  await backend.commit();
  for (const name of gone) files.delete(name);
  await store(["new", "0/new"], 4);
  assertEquals((await backend.sessions()).length, 4);
  return { image, files };
}

/** Runs a program; its standard output. */
async function run(
  program: string,
  args: readonly string[],
): Promise<Uint8Array> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    env: { LC_ALL: "C.UTF-8" },
    stdin: "null",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

/** All files below a folder. */
async function readTree(
  folder: string,
  below = "",
  files = new Map<string, string>(),
): Promise<Files> {
  for await (const { name, isDirectory } of Deno.readDir(folder + below)) {
    const path = `${below}/${name}`;
    if (isDirectory) await readTree(folder, path, files);
    else files.set(path.slice(1), digest(await Deno.readFile(folder + path)));
  }
  return files;
}

function sorted(
  files: Iterable<readonly [string, string]>,
): [string, string][] {
  return Array.from(files, ([name, md5]): [string, string] => [name, md5])
    .sort(([a], [b]) => a < b ? -1 : 1);
}

/** 7-Zip's name: Debian 12 has the first one, from Debian 13 on its package has the other. */
const SEVEN_ZIP = await isInstalled("7zz") ? "7zz" : "7z";

/** Why the Python of the system has no pycdlib; undefined if it has. */
async function noPycdlib(): Promise<string | undefined> {
  const { code } = await execute("sh", [
    ...["-c", '/usr/bin/python3 -c "import pycdlib"'],
  ]);
  return code === 0 ? undefined : "no pycdlib";
}

/** A test of one reader; where that is not to be had, the name tells so. */
function readerTest(
  name: string,
  missing: string | undefined,
  fn: (folder: Folder) => Promise<void>,
): void {
  Deno.test(unless(missing, name), async () => {
    await using folder = await makeFolder();
    await fn(folder);
  });
}

readerTest("xorriso alone reads everything", undefined, async (folder) => {
  const { image, files } = await storeAll(folder, ALL);
  const target = `${folder.path}/target`;
  await runXorriso([["-indev", `stdio:${image}`], ["-extract", "/", target]]);
  assertEquals(sorted(await readTree(target)), sorted(files));
});

readerTest(
  "bsdtar reads everything, but gives an image with long names up",
  await absent("bsdtar"),
  async (folder) => {
    {
      const { image, files } = await storeAll(folder, SHORT);
      const target = `${folder.path}/target`;
      await Deno.mkdir(target);
      // By itself it takes Joliet's names.
      const args = ["-xf", image, "-C", target, "--options", "!joliet"];
      await run("bsdtar", args);
      assertEquals(sorted(await readTree(target)), sorted(files));
    }
    await using other = await makeFolder();
    const { image } = await storeAll(other, LONG_NAMES, 20);
    const { code } = await execute("bsdtar", ["-tf", image]);
    assert(code !== 0, "bsdtar reads long names now: say so in README.md");
  },
);

readerTest(
  "7-Zip reads everything, by Joliet's names",
  await absent(SEVEN_ZIP),
  async (folder) => {
    const { image, files } = await storeAll(folder, SHORT);
    const target = `${folder.path}/target`;
    await run(SEVEN_ZIP, ["x", "-y", `-o${target}`, image]);
    const found = await readTree(target);
    // Names that Joliet cannot have are others there.
    const isPlain = (name: string) =>
      PLAIN.some((kind) => {
        const number = Number(/\d+(?=\D*$)/.exec(name)?.[0]);
        return name.endsWith(`/${kind(number)}`);
      });
    for (const [name, md5] of files) {
      if (isPlain(name)) assertEquals(found.get(name), md5, name);
    }
    assertEquals([...found.values()].sort(), [...files.values()].sort());
  },
);

readerTest(
  "isoinfo reads everything",
  await absent("isoinfo"),
  async (folder) => {
    const { image, files } = await storeAll(folder, ALL);
    const text = new TextDecoder().decode(
      await run("isoinfo", ["-i", image, "-R", "-f"]),
    );
    for (const [index, [name, md5]] of sorted(files).entries()) {
      assert(text.includes(`/${name}\n`), name);
      if (index % 20 !== 0) continue;
      const args = ["-i", image, "-R", "-x", `/${name}`];
      assertEquals(digest(await run("isoinfo", args)), md5, name);
    }
  },
);

readerTest(
  "pycdlib reads everything",
  await noPycdlib(),
  async (folder) => {
    const { image, files } = await storeAll(folder, ALL);
    const script = `
import hashlib, io, json, pycdlib, sys
iso = pycdlib.PyCdlib()
iso.open(sys.argv[1])
files = []
for folder, _, names in iso.walk(rr_path='/'):
    for name in names:
        path = folder.rstrip('/') + '/' + name
        out = io.BytesIO()
        iso.get_file_from_iso_fp(out, rr_path=path)
        files.append([path[1:], hashlib.md5(out.getvalue()).hexdigest()])
print(json.dumps(files))`;
    const out = await run("/usr/bin/python3", ["-c", script, image]);
    const found = JSON.parse(new TextDecoder().decode(out));
    assertEquals(sorted(found), sorted(files));
  },
);

readerTest(
  "the kernel reads everything",
  await cannotMount(),
  async (folder) => {
    const { image, files } = await storeAll(folder, ALL);
    const target = `${folder.path}/mnt`;
    await using _mounted = await mountImage(image, target);
    assertEquals(sorted(await readTree(target)), sorted(files));
  },
);

readerTest(
  "a file over 4 GiB is whole for xorriso, 7-Zip and bsdtar",
  Deno.env.get(LARGE) === undefined
    ? `takes 30 s and 5 GB of disk: set ${LARGE}`
    : await absent(SEVEN_ZIP) ?? await absent("bsdtar"),
  async (folder) => {
    const image = `${folder.path}/ours.iso`;
    const size = 2 ** 32 + 7;
    const large = await makeSparse(`${folder.path}/large`, 2 ** 32);
    await Deno.writeTextFile(large, "the end", { append: true });
    {
      await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
        create: true,
      });
      await backend.put(large, "large");
    }
    const lines = await runXorriso([
      ["-indev", `stdio:${image}`],
      ["-lsl", "/large"],
    ]);
    assert(lines.join().includes(String(size)), lines.join());
    for (
      const [program, args] of [
        [SEVEN_ZIP, ["x", "-so", image, "large"]],
        ["bsdtar", ["-xOf", image, "large"]],
      ] as const
    ) {
      const child = new Deno.Command(program, {
        args: [...args],
        stdout: "piped",
        stderr: "null",
      }).spawn();
      let length = 0;
      let end = "";
      for await (const chunk of child.stdout) {
        length += chunk.length;
        end = new TextDecoder().decode(chunk.subarray(-7));
      }
      assertEquals([(await child.status).code, length], [0, size], program);
      assert("the end".endsWith(end), `${program}: ${end}`);
    }
  },
);
