/** Images as many programs make them, each with a tree that has something of everything. */

import { exists, isInstalled, noise, runXorriso } from "../support/helpers.ts";

/** One way to make an image. */
export interface Layout {
  /** The programs that it needs, besides xorriso. */
  readonly needs?: readonly string[];
  /** Whether it keeps names of 255 bytes, and dates before 1970 or far from now. */
  readonly tree?: TreeOptions;
  /** Makes `image` of the folder `tree`; `folder` is for whatever else it needs. */
  make(image: string, tree: string, folder: string): Promise<void>;
}

/** What a tree has. */
export interface TreeOptions {
  /** Names that ISO 9660 takes as they are. @default {false} */
  readonly plain?: boolean;
  /** Directories more than eight deep. @default {true} */
  readonly deep?: boolean;
  /** Bytes of the longest name. @default {255} */
  readonly longest?: number;
  /** Seconds from the Epoch on of the oldest and of the newest file. */
  readonly dates?: readonly [number, number];
  /** Text of the longest link. */
  readonly longLink?: string;
  /** Names beyond ASCII. @default {true} */
  readonly unicode?: boolean;
  /** Bytes of the largest file. @default {100_000} */
  readonly largest?: number;
}

/** 2150-01-01: seven bytes of a date reach to 2155. */
const NEWEST = Date.UTC(2150, 0, 1) / 1000;

/** Writes a tree to disk. */
export async function writeTree(
  root: string,
  {
    plain = false,
    deep = true,
    longest = 255,
    dates = [0, NEWEST],
    longLink = "ä/".repeat(200) + "x".repeat(250),
    unicode = true,
    largest = 100_000,
  }: TreeOptions = {},
): Promise<void> {
  const file = async (
    name: string,
    size: number,
    mode = 0o644,
    time = 1.6e9,
  ) => {
    const path = `${root}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(path, noise(size, size + name.length));
    await Deno.chmod(path, mode);
    await Deno.utime(path, time, time);
  };
  for (const [i, size] of [0, 1, 2047, 2048, 2049, largest].entries()) {
    await file(`SIZES/F${i}.BIN`, size);
  }
  await Deno.mkdir(`${root}/EMPTY`);
  for (let i = 0; i < 150; i++) await file(`MANY/N${i}.TXT`, i);
  await file("OLDEST", 3, 0o600, dates[0]);
  await file("NEWEST", 3, 0o4755, dates[1]);
  await file("A.B", 3, 0o1444);
  if (plain) return;
  await Deno.link(`${root}/A.B`, `${root}/hard link`);
  for (
    const [name, text] of [
      ["relative", "SIZES/F1.BIN"],
      ["absolute", "/etc/./../x//y"],
      ["dots", "../.././..."],
      ["slash", "SIZES/"],
      ["root", "/"],
      ["long", longLink],
    ] as const
  ) {
    await Deno.symlink(text, `${root}/links/${name}`).catch(async () => {
      await Deno.mkdir(`${root}/links`);
      await Deno.symlink(text, `${root}/links/${name}`);
    });
  }
  await file("lower case.text.more", 10, 0o755);
  if (unicode) await file("Grüße 文件 😀/é", 11);
  await file(" -'\"\\ \t\x1b*?[", 12);
  await file(`${"n".repeat(longest - 1)}1`, 13);
  await file(`${"n".repeat(longest - 1)}2`, 14);
  await file(".hidden", 15);
  await file("no.", 16);
  if (deep) await file("d/e/e/p/e/r/t/h/a/n/e/i/g/h/t/file", 17);
  await Deno.chmod(`${root}/EMPTY`, 0o1770);
  await Deno.utime(`${root}/EMPTY`, 1.5e9, 1.5e9);
}

/** Runs a program; throws with what it said if it fails. */
export async function run(
  program: string,
  args: readonly string[],
  cwd?: string,
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("timeout", {
    args: ["60", program, ...args],
    stdin: "null",
    env: { LC_ALL: "C.UTF-8" },
    ...(cwd !== undefined && { cwd }),
  }).output();
  const text = new TextDecoder();
  if (success) return text.decode(stdout);
  throw new Error(`${program} ${args.join(" ")}: ${text.decode(stderr)}`);
}

/** The programs that a layout needs and that are not there. */
export async function needsOf(
  { needs = [] }: Layout,
): Promise<string | undefined> {
  for (const need of needs) if (!await isThere(need)) return `no ${need}`;
  return undefined;
}

async function isThere(need: string): Promise<boolean> {
  if (need.startsWith("/")) return await exists(need);
  if (need !== "pycdlib") return await isInstalled(need);
  if (!await exists(PYTHON)) return false;
  return await run(PYTHON, ["-c", "import pycdlib"]).then(
    () => true,
    () => false,
  );
}

const asMkisofs =
  (...args: string[]): Layout["make"] => async (image, tree) => {
    await run("xorriso", [
      ...["-as", "mkisofs", "-quiet", ...args, "-o", image, tree],
    ]);
  };

const genisoimage =
  (...args: string[]): Layout["make"] => async (image, tree) => {
    await run("genisoimage", ["-quiet", ...args, "-o", image, tree]);
  };

const bsdtar = (options?: string): Layout["make"] => async (image, tree) => {
  const more = options === undefined ? [] : ["--options", options];
  await run("bsdtar", [
    "--format=iso9660",
    ...more,
    "-cf",
    image,
    "-C",
    tree,
    ".",
  ]);
};

const xorriso =
  (...commands: string[][]): Layout["make"] => async (image, tree) => {
    await runXorriso([
      ["-outdev", `stdio:${image}`],
      ...commands,
      ["-map", tree, "/"],
      ["-commit"],
    ]);
  };

/** pycdlib knows no folders: it is told each name, as a script in Python. */
const pycdlib =
  (options: string, naming: "rr" | "joliet" | "plain"): Layout["make"] =>
  async (image, tree, folder) => {
    const script = `${folder}/make.py`;
    await Deno.writeTextFile(script, PYCDLIB);
    await run(PYTHON, [script, image, tree, naming, options]);
  };

const PYCDLIB = `
import os, sys, json, pycdlib
image, tree, naming, options = sys.argv[1:]
iso = pycdlib.PyCdlib()
iso.new(**json.loads(options))
ids = {'': ''}
count = 0
for folder, folders, files in os.walk(tree):
    at = folder[len(tree):]
    for name in sorted(folders) + sorted(files):
        count += 1
        path, real = at + '/' + name, os.path.join(folder, name)
        is_folder = os.path.isdir(real) and not os.path.islink(real)
        plain = name if naming == 'plain' else ('D%06d' % count if is_folder else 'F%06d' % count)
        ids[path] = ids[at] + '/' + plain
        more = {'rr_name': name, 'file_mode': os.lstat(real).st_mode} if naming == 'rr' else {}
        if naming == 'joliet': more['joliet_path'] = path
        if is_folder: iso.add_directory(ids[path], **more)
        elif os.path.islink(real):
            if naming == 'rr': iso.add_symlink(ids[path] + '.;1', rr_symlink_name=name, rr_path=os.readlink(real))
        else: iso.add_file(real, ids[path] + ('' if '.' in plain else '.') + ';1', **more)
iso.write(image)
iso.close()
`;

/** Appends as growisofs does: the new session behind the old one, its descriptors at the beginning. */
const grow =
  (first: Layout["make"]): Layout["make"] => async (image, tree, folder) => {
    await first(image, tree, folder);
    const added = `${folder}/added`;
    await Deno.mkdir(`${added}/GROWN`, { recursive: true });
    await Deno.writeTextFile(`${added}/GROWN/NEW.TXT`, "new");
    const { size } = await Deno.stat(image);
    const start = Math.ceil(size / 2048 / 16) * 16;
    const session = `${folder}/session`;
    await run("genisoimage", [
      ...["-quiet", "-R", "-C", `0,${start}`, "-M", image],
      ...["-o", session, added],
    ]);
    const bytes = await Deno.readFile(session);
    using file = await Deno.open(image, { write: true });
    await file.seek(start * 2048, Deno.SeekMode.Start);
    await file.write(bytes);
    await file.seek(16 * 2048, Deno.SeekMode.Start);
    const head = bytes.subarray(16 * 2048, 32 * 2048);
    // The number of blocks counts from the beginning there.
    const view = new DataView(head.buffer, head.byteOffset);
    const blocks = view.getUint32(80, true) + start;
    view.setUint32(80, blocks, true);
    view.setUint32(84, blocks, false);
    await file.write(head);
  };

/** Until 2155, but programs that keep years in other ways end before. */
const MODEST: TreeOptions = {
  dates: [315_532_800, 2 ** 31 - 1],
  longLink: "ä/".repeat(20),
};

/** What bsdtar and pycdlib take, and genisoimage when it appends. */
const SHALLOW: TreeOptions = { longest: 100, deep: false };

/** What genisoimage takes over from an older session without loss: nothing that needs more room than a record. */
const GROWN: TreeOptions = {
  ...MODEST,
  longest: 30,
  deep: false,
  longLink: "ä",
};

const PLAIN: TreeOptions = { plain: true };

const JOLIET: TreeOptions = { longest: 64, deep: false };

/** The Python that the packages of the system are for. */
const PYTHON = "/usr/bin/python3";

/** All layouts by name. */
export const LAYOUTS: Readonly<Record<string, Layout>> = {
  "xorriso": { make: xorriso() },
  "xorriso, without checksums": { make: xorriso(["-md5", "off"]) },
  "xorriso, Joliet beside": { make: xorriso(["-joliet", "on"]) },
  "xorriso, Rock Ridge 1.12": { make: xorriso(["-compliance", "new_rr"]) },
  "xorriso, AAIP in Rock Ridge 1.12": {
    make: xorriso(["-compliance", "new_rr:aaip_susp_1_10_off"]),
  },
  "xorriso, hard links": {
    make: xorriso(["-hardlinks", "on"], ["-compliance", "new_rr"]),
  },
  "xorriso, for backup": { make: xorriso(["-for_backup"]) },
  "xorriso, rr_moved": {
    make: xorriso(["-compliance", "deep_paths_off:long_paths_off"]),
  },
  "xorriso, three sessions": {
    async make(image, tree) {
      for (const name of ["/one", "/two", "/one/two"]) {
        await runXorriso([
          ["-dev", `stdio:${image}`],
          ["-map", tree, name],
          ["-commit"],
        ]);
      }
    },
  },
  "xorriso, zisofs": {
    async make(image, tree) {
      await runXorriso([
        ["-outdev", `stdio:${image}`],
        ["-map", tree, "/"],
        ["-find", "/", "-type", "f", "-exec", "set_filter", "--zisofs", "--"],
        ["-commit"],
      ]);
    },
  },
  "xorriso, zisofs for large files": {
    async make(image, tree) {
      await runXorriso([
        ["-outdev", `stdio:${image}`],
        ["-zisofs", "version_2=on:block_size_v2=64k"],
        ["-map", tree, "/"],
        ["-find", "/", "-type", "f", "-exec", "set_filter", "--zisofs", "--"],
        ["-commit"],
      ]);
    },
  },
  "mkisofs of xorriso -R": { make: asMkisofs("-R") },
  "mkisofs of xorriso -r -J": { make: asMkisofs("-r", "-J") },
  "mkisofs of xorriso -J": { make: asMkisofs("--norock", "-J"), tree: JOLIET },
  "mkisofs of xorriso, level 1": {
    make: asMkisofs("--norock", "-iso-level", "1"),
    tree: PLAIN,
  },
  "mkisofs of xorriso, level 2": {
    make: asMkisofs("--norock", "-iso-level", "2"),
    tree: JOLIET,
  },
  "mkisofs of xorriso, level 3": {
    make: asMkisofs("--norock", "-iso-level", "3"),
    tree: JOLIET,
  },
  "mkisofs of xorriso, level 4": {
    make: asMkisofs("--norock", "-iso-level", "4"),
    tree: JOLIET,
  },
  "mkisofs of xorriso -U": { make: asMkisofs("--norock", "-U"), tree: JOLIET },
  "mkisofs of xorriso, partition offset 16": {
    make: asMkisofs("-R", "-J", "-partition_offset", "16"),
  },
  "mkisofs of xorriso, HFS+": { make: asMkisofs("-R", "-hfsplus") },
  "mkisofs of xorriso, isohybrid": {
    needs: ["/usr/lib/ISOLINUX/isohdpfx.bin"],
    async make(image, tree) {
      await Deno.copyFile(
        "/usr/lib/ISOLINUX/isolinux.bin",
        `${tree}/isolinux.bin`,
      );
      await asMkisofs(
        ...["-R", "-isohybrid-mbr", "/usr/lib/ISOLINUX/isohdpfx.bin"],
        ...["-c", "boot.cat", "-b", "isolinux.bin", "-no-emul-boot"],
        ...[
          "-boot-load-size",
          "4",
          "-boot-info-table",
          "-partition_offset",
          "16",
        ],
      )(image, tree, "");
    },
  },
  "mkisofs of xorriso, appended partition": {
    async make(image, tree, folder) {
      await Deno.writeFile(`${folder}/partition`, noise(3_000_000, 7));
      await asMkisofs(
        "-R",
        "-append_partition",
        "2",
        "0xef",
        `${folder}/partition`,
      )(
        ...[image, tree, folder] as const,
      );
    },
  },
  "genisoimage -R": {
    needs: ["genisoimage"],
    make: genisoimage("-R", "-D"),
    tree: MODEST,
  },
  "genisoimage -r -J": {
    needs: ["genisoimage"],
    make: genisoimage("-r", "-J", "-joliet-long", "-D"),
    tree: { ...MODEST, longest: 100 },
  },
  "genisoimage -R, rr_moved": {
    needs: ["genisoimage"],
    make: genisoimage("-R"),
    tree: MODEST,
  },
  "genisoimage -J": {
    needs: ["genisoimage"],
    make: genisoimage("-J"),
    tree: { ...MODEST, ...JOLIET },
  },
  "genisoimage, level 1": {
    needs: ["genisoimage"],
    make: genisoimage("-iso-level", "1"),
    tree: { ...MODEST, ...PLAIN },
  },
  "genisoimage, level 3, no versions": {
    needs: ["genisoimage"],
    make: genisoimage("-iso-level", "3", "-N"),
    tree: { ...MODEST, ...PLAIN },
  },
  "genisoimage, level 4": {
    needs: ["genisoimage"],
    make: genisoimage("-iso-level", "4"),
    tree: { ...MODEST, ...JOLIET, unicode: false },
  },
  "genisoimage, grown": {
    needs: ["genisoimage"],
    make: grow(genisoimage("-R", "-D")),
    tree: GROWN,
  },
  "xorriso, grown by genisoimage": {
    needs: ["genisoimage"],
    make: grow(xorriso()),
    tree: GROWN,
  },
  "genisoimage, appended by xorriso": {
    needs: ["genisoimage"],
    tree: MODEST,
    async make(image, tree, folder) {
      await genisoimage("-R", "-D")(image, tree, folder);
      await runXorriso([
        ["-dev", `stdio:${image}`],
        ["-map", `${tree}/MANY`, "/more"],
        ["-commit"],
      ]);
    },
  },
  "bsdtar": {
    needs: ["bsdtar"],
    make: bsdtar(),
    tree: { ...MODEST, ...SHALLOW },
  },
  "bsdtar, zisofs": {
    needs: ["bsdtar"],
    make: bsdtar("zisofs=direct"),
    // Of larger files that hardly shrink it writes blocks that nobody can inflate.
    tree: { ...MODEST, ...SHALLOW, largest: 32_000 },
  },
  "bsdtar, Joliet alone": {
    needs: ["bsdtar"],
    make: bsdtar("!rockridge"),
    tree: { ...MODEST, ...JOLIET },
  },
  "bsdtar, level 4": {
    needs: ["bsdtar"],
    make: bsdtar("!rockridge,!joliet,iso-level=4"),
    tree: { ...MODEST, ...JOLIET },
  },
  "pycdlib, Rock Ridge 1.09": {
    needs: ["pycdlib"],
    make: pycdlib('{"interchange_level": 3, "rock_ridge": "1.09"}', "rr"),
    tree: { ...MODEST, ...SHALLOW },
  },
  "pycdlib, Rock Ridge 1.12": {
    needs: ["pycdlib"],
    make: pycdlib('{"interchange_level": 3, "rock_ridge": "1.12"}', "rr"),
    tree: { ...MODEST, ...SHALLOW },
  },
  "pycdlib, Joliet": {
    needs: ["pycdlib"],
    make: pycdlib('{"interchange_level": 1, "joliet": 3}', "joliet"),
    tree: { ...MODEST, ...JOLIET },
  },
  "pycdlib, plain": {
    needs: ["pycdlib"],
    make: pycdlib('{"interchange_level": 1}', "plain"),
    tree: { ...MODEST, ...PLAIN },
  },
};
