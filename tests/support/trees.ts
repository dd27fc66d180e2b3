/** Whole trees on disk for tests: made of every kind, or at random, and told in every detail. */

import { createHash } from "node:crypto";
import { lutimesSync } from "node:fs";
import type { Random } from "../torture/random.ts";
import { noise } from "./helpers.ts";

/** What `tellTree` has of one name. */
export interface Told {
  readonly type: "file" | "directory" | "link" | "other";
  /** Permission bits in octal digits; not of a link. */
  readonly mode?: string;
  /** Owner and group. */
  readonly owner: string;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Bytes and MD5 of a file. */
  readonly content?: string;
  /** Where a link leads to. */
  readonly link?: string;
  /** The first name of the same inode, of a file that has several. */
  readonly twin?: string | undefined;
}

/** Everything below a folder, times to the second. */
export function tellTree(folder: string): Map<string, Told> {
  const told = new Map<string, Told>();
  const twins = new Map<string, string>();
  const look = (path: string, name: string) => {
    const info = Deno.lstatSync(path);
    const { dev, ino, nlink, size, mtime, uid, gid } = info;
    const key = `${dev}:${ino}`;
    if (info.isFile && (nlink ?? 1) > 1 && !twins.has(key)) {
      twins.set(key, name);
    }
    told.set(name, {
      type: info.isFile
        ? "file"
        : info.isDirectory
        ? "directory"
        : info.isSymlink
        ? "link"
        : "other",
      ...(!info.isSymlink && {
        mode: ((info.mode ?? 0) & 0o7777).toString(8),
      }),
      owner: `${uid}:${gid}`,
      mtime: Math.floor((mtime?.getTime() ?? 0) / 1000),
      ...(info.isFile && { content: `${size} ${md5Of(path)}` }),
      ...(info.isSymlink && { link: Deno.readLinkSync(path) }),
      // Names of nothing at all have nothing in common on a medium.
      ...(size > 0 && twins.has(key) && { twin: twins.get(key) }),
    });
    if (!info.isDirectory) return;
    const names = Array.from(Deno.readDirSync(path), (e) => e.name);
    for (const each of names.sort()) {
      look(`${path}/${each}`, name === "" ? each : `${name}/${each}`);
    }
  };
  look(folder, "");
  return told;
}

function md5Of(path: string): string {
  const hash = createHash("md5");
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(1 << 16);
  for (;;) {
    const count = file.readSync(buffer);
    if (count === null) return hash.digest("hex");
    hash.update(buffer.subarray(0, count));
  }
}

/** Sets the time of a name itself, and the mode of what is no link. */
function finish(path: string, mtime: number, mode?: number): void {
  if (mode !== undefined) Deno.chmodSync(path, mode);
  const time = new Date(mtime * 1000);
  if (mode !== undefined) Deno.utimeSync(path, time, time);
  else lutimesSync(path, time, time);
}

/** A time that no test comes near to, and that is before any session. */
const OLD = 1_600_000_000;

/**
 * Makes a tree with every kind of thing that can be stored, in a folder that
 * is there.
 */
export function makeEveryKind(root: string): void {
  const file = (
    name: string,
    content: Uint8Array | string,
    mode = 0o644,
    mtime = OLD,
  ) => {
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    Deno.writeFileSync(`${root}/${name}`, bytes);
    finish(`${root}/${name}`, mtime, mode);
  };
  const link = (name: string, text: string) => {
    Deno.symlinkSync(text, `${root}/${name}`);
    finish(`${root}/${name}`, OLD + 7);
  };
  for (
    const name of [
      ...["sizes", "modes", "times", "links", "empty", "empty/deeper", "names"],
      ...["readonly", ".hidden", "twins", "sparse"],
    ]
  ) Deno.mkdirSync(`${root}/${name}`);
  for (const size of [0, 1, 2047, 2048, 2049, 65535, 65536, 300_001]) {
    file(`sizes/${size}`, noise(size, size + 1));
  }
  for (
    const mode of [0o600, 0o400, 0o755, 0o777, 0o4755, 0o2755, 0o1644, 0o000]
  ) file(`modes/${mode.toString(8)}`, "x", mode);
  for (
    const [name, time] of Object.entries({
      ...{ epoch: 0, second: 1.9, before: -86_400.5, half: OLD + 0.5 },
      ...{ y2038: 2 ** 31, y2099: Date.UTC(2099, 11, 31) / 1000 },
    })
  ) file(`times/${name}`, name, 0o644, time);
  link("links/file", "../sizes/1");
  link("links/absolute", "/etc/hostname");
  link("links/dangling", "no/such/file");
  link("links/folder", "../empty");
  link("links/up", "..");
  link("links/itself", "itself");
  link("links/blank and 'quote'\\", 'x "y"\n\\z');
  link("links/long", "y/".repeat(500) + "z");
  file(".hidden/.dot", "dot");
  file("readonly/x", "read only", 0o444);
  file("twins/a", "one inode");
  Deno.linkSync(`${root}/twins/a`, `${root}/twins/b`);
  Deno.linkSync(`${root}/twins/a`, `${root}/empty/c`);
  file("sparse/hole", "");
  Deno.truncateSync(`${root}/sparse/hole`, 3_000_000);
  finish(`${root}/sparse/hole`, OLD);
  for (const [index, name] of NAMES.entries()) {
    file(`names/${name}`, `content of ${index}`);
  }
  for (const name of ["case", "CASE", "Case"]) {
    file(`names/${name}`, name);
  }
  setFolders(root);
}

/** Names of all sorts; those of 255 bytes are few, for xorriso 1.5.4. */
const NAMES: readonly string[] = [
  ...["a b", " ", "  x  ", "new\nline", "tab\t", "\r", "\x01\x7f", "-rm", "--"],
  ...["'", '"', "\\", "\\012", "*", "?", "[a]", "#", "=", ";", "$HOME", "~"],
  ...["%41", "\ufffd", "naïve".normalize("NFC"), "naïve".normalize("NFD")],
  ...["n".repeat(255), "й".repeat(127), "漢".repeat(85), "😀".repeat(63)],
];

/** Gives all folders their modes and times, deepest first. */
function setFolders(root: string): void {
  const folders: string[] = [];
  const look = (path: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(path)) {
      if (isDirectory) look(`${path}/${name}`);
    }
    folders.push(path);
  };
  look(root);
  for (const [index, path] of folders.entries()) {
    const mode = path.endsWith("/readonly") ? 0o555 : 0o700 + index % 64;
    finish(path, OLD + 100 + index, mode);
  }
}

/** What random names are made of. */
const PARTS = [
  ...["a", "b", "cc", "Ä", "漢", "😀", " ", ".", "-", "'", '"', "\\", "\n"],
];

/** Makes a random tree of a few dozen names, in a folder that is there. */
export function makeRandom(root: string, random: Random): void {
  const folders = [root];
  const files: string[] = [];
  for (let count = random.between(5, 30); count > 0; count--) {
    const name = Array.from(
      { length: random.between(1, 6) },
      () => random.pick(PARTS),
    )
      .join("");
    const path = `${random.pick(folders)}/${name}`;
    if (/\/\.{1,2}$/.test(path) || isThere(path)) continue;
    const mtime = random.pick([OLD, 0, 2 ** 31]) + random.below(1000);
    const kind = random.below(10);
    if (kind < 3) {
      Deno.mkdirSync(path);
      folders.push(path);
    } else if (kind < 5) {
      Deno.symlinkSync(random.pick(["x", "../x", "/", ".", "a\nb"]), path);
      finish(path, mtime);
    } else if (kind < 6 && files.length > 0) {
      Deno.linkSync(random.pick(files), path);
    } else {
      const size = random.pick([0, 1, 2048, random.below(5000)]);
      Deno.writeFileSync(path, noise(size, random.between(1, 1e6)));
      finish(path, mtime, random.pick([0o644, 0o600, 0o755, 0o4711]));
      files.push(path);
    }
  }
  setFolders(root);
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * What differs between two trees, a line for each, in the manner of
 * `rsync --itemize-changes`.
 */
export function differences(
  found: ReadonlyMap<string, Told>,
  wanted: ReadonlyMap<string, Told>,
): string[] {
  const names = new Set([...found.keys(), ...wanted.keys()]);
  return [...names].sort().flatMap((name) => {
    const a = found.get(name);
    const b = wanted.get(name);
    if (a === undefined) return [`missing ${JSON.stringify(name)}`];
    if (b === undefined) return [`too much ${JSON.stringify(name)}`];
    return KEYS.filter((key) => a[key] !== b[key]).map((key) =>
      `${key} ${JSON.stringify(name)}: ${a[key]} instead of ${b[key]}`
    );
  });
}

const KEYS = [
  ...["type", "mode", "owner", "mtime", "content", "link", "twin"] as const,
];
