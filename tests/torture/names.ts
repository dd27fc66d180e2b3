/** Hostile names: stored, listed, restored, deleted; as paths of all kinds. */

import { Xorriso, XorrisoBackend } from "../../mod.ts";
import { decodeName } from "../../src/names.ts";
import {
  age,
  codeOf,
  md5,
  outcome,
  patch,
  runXorriso,
} from "../support/helpers.ts";
import { denoArgs, programPath } from "./children.ts";
import { byteLength, FORBIDDEN, hostileNames, hostilePart } from "./hostile.ts";
import type { Random } from "./random.ts";
import type { Topic, Torture } from "./torture.ts";

/** Names in one image. */
const BATCH = 500;

/** The URL of an image, whatever its path is. */
function urlOf(path: string, directory = ""): string {
  const encode = (part: string) =>
    part.replaceAll("%", "%25").replaceAll(":", "%3A");
  return `xorriso://${encode(path)}` +
    (directory === "" ? "" : `:${directory.replaceAll("%", "%25")}`);
}

/** The content of a name. */
function contentOf(name: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`content of ${name}`);
}

function same(a: Iterable<string>, b: Iterable<string>): boolean {
  return [...a].sort().join("\0") === [...b].sort().join("\0");
}

/** Tells what is missing and what is too much. */
function difference(found: Iterable<string>, wanted: Iterable<string>): string {
  const a = new Set(found);
  const b = new Set(wanted);
  return `missing ${JSON.stringify([...b.difference(a)].slice(0, 5))}, ` +
    `too much ${JSON.stringify([...a.difference(b)].slice(0, 5))}`;
}

/** Stores names by the backend, and looks at them in every way. */
async function tryBackend(
  torture: Torture,
  random: Random,
  round: number,
  count: number,
): Promise<void> {
  const where = `round ${round}`;
  const folder = `${torture.folder}/api-${round}`;
  await Deno.mkdir(folder);
  // The image, too, and the directory in it have hostile names.
  const image = `${folder}/${hostilePart(random)}`;
  const directory = `/${hostilePart(random)}`;
  const url = urlOf(image, directory);
  const names = hostileNames(random, count);
  const open = (options = {}) =>
    XorrisoBackend.open(url, { create: true, ...options });
  {
    await using backend = await open();
    await Promise.all(
      Array.from(names, (name) => backend.put(contentOf(name), name)),
    );
    for (const name of FORBIDDEN) {
      const told = await outcome(backend.put(contentOf("x"), name));
      torture.check(
        told === "TypeError",
        where,
        () => `put ${JSON.stringify(name.slice(0, 50))}: ${told}`,
      );
    }
  }
  {
    await using backend = await open({ readOnly: true });
    const entries = await backend.list({ md5: true });
    const found = entries.map(({ name }) => name);
    torture.check(
      same(found, names),
      where,
      () => `list: ${difference(found, names)}`,
    );
    for (const { name, md5: sum } of entries) {
      if (sum === md5(contentOf(name))) continue;
      torture.fail(where, `${JSON.stringify(name)} has MD5 ${sum}`, round);
    }
    const all = [...names];
    for (const [i, entry] of (await backend.queryList(all)).entries()) {
      const name = all[i] ?? "";
      if (entry?.size === contentOf(name).length) continue;
      torture.fail(where, `query ${JSON.stringify(name)}: ${entry}`, round);
    }
    // Restored all at once, and one by one through streams.
    const target = `${folder}/target`;
    for (const { name, error } of await backend.getList(all, target)) {
      if (error === undefined) {
        const text = md5(await Deno.readFile(`${target}/${name}`));
        if (text === md5(contentOf(name))) continue;
      }
      torture.fail(where, `restore ${JSON.stringify(name)}: ${error}`, round);
    }
    for (const name of random.shuffle(all).slice(0, 50)) {
      const content = await backend.readable(name);
      const bytes = await new Response(content).bytes();
      if (md5(bytes) === md5(contentOf(name))) continue;
      torture.fail(where, `read ${JSON.stringify(name)}`, round);
    }
    // What was restored serves as source, with its hostile path.
    await Deno.rename(target, `${folder}/sources`);
  }
  const kept = [...names].filter((_, i) => i % 2 === 0);
  const gone = [...names].filter((_, i) => i % 2 === 1);
  await age(image);
  {
    await using backend = await open();
    for (const { name, error } of await backend.deleteList(gone)) {
      if (error === undefined) continue;
      torture.fail(where, `delete ${JSON.stringify(name)}: ${error}`, round);
    }
  }
  await age(image);
  {
    await using backend = await open();
    const found = (await backend.list()).map(({ name }) => name);
    torture.check(
      same(found, kept),
      where,
      () => `after deleting: ${difference(found, kept)}`,
    );
    await Promise.all(
      gone.map((name) => backend.put(`${folder}/sources/${name}`, name)),
    );
    for (const { name, error } of await backend.verify(gone)) {
      if (error === undefined) continue;
      torture.fail(where, `put from disk ${JSON.stringify(name)}: ${error}`);
    }
    const [one = ""] = gone;
    const bytes = await new Response(await backend.readable(one)).bytes();
    torture.check(
      md5(bytes) === md5(contentOf(one)),
      where,
      () => `content of ${JSON.stringify(one)}`,
    );
  }
  await trySession(torture, random, round, image, `${directory}/`);
  await Deno.remove(folder, { recursive: true });
}

/** The lower API with hostile names, and volume ids. */
async function trySession(
  torture: Torture,
  random: Random,
  round: number,
  image: string,
  directory: string,
): Promise<void> {
  const where = `round ${round}, session`;
  const folder = `${torture.folder}/session-${round}`;
  await Deno.mkdir(folder);
  await age(image);
  {
    await using session = await Xorriso.open(image);
    const nodes = await session.find(directory.slice(0, -1));
    const files = random.shuffle(nodes.filter(({ type }) => type === "file"));
    for (const { path } of files.slice(0, 20)) {
      await session.extract([path], folder);
      const name = path.slice(path.lastIndexOf("/") + 1);
      const bytes = await Deno.readFile(`${folder}/${name}`);
      torture.check(
        md5(bytes) === md5(contentOf(path.slice(directory.length))),
        where,
        () => `extract ${JSON.stringify(path)}`,
      );
      const [node] = await session.lsl(path);
      torture.check(
        node?.path === path,
        where,
        () => `lsl ${JSON.stringify(path)}`,
      );
      await Deno.remove(`${folder}/${name}`);
    }
    const paths = files.slice(0, 5).map(({ path }) => path);
    await session.rm(paths);
    await session.commit();
    const left = (await session.find("/")).map(({ path }) => path);
    torture.check(
      paths.every((path) => !left.includes(path)) &&
        left.length >= nodes.length - paths.length,
      where,
      () => `rm ${JSON.stringify(paths)}`,
    );
  }
  for (let i = 0; i < 3; i++) {
    const volumeId = hostilePart(random);
    const iso = `${folder}/volume-${i}.iso`;
    const told = await outcome((async () => {
      {
        await using session = await Xorriso.open(iso, {
          create: true,
          volumeId,
        });
        await Deno.writeTextFile(`${folder}/x`, "x");
        await session.map(`${folder}/x`, "/x");
        await session.commit();
      }
      await using session = await Xorriso.open(iso, {
        assertVolumeId: volumeId,
      });
      const found = (await session.medium()).volumeId;
      torture.check(
        (found ?? "").trimEnd() === volumeId.trimEnd(),
        where,
        () => `volume id ${JSON.stringify(volumeId)}: ${found}`,
      );
      torture.count("volume ids");
    })());
    const allowed = byteLength(volumeId) <= 32;
    torture.check(
      told === (allowed ? "ok" : "TypeError"),
      where,
      () => `volume id ${JSON.stringify(volumeId)}: ${told}`,
    );
  }
  await Deno.remove(folder, { recursive: true });
}

/** Runs the command line in a process of its own. */
async function runCli(
  torture: Torture,
  env: Record<string, string>,
  ...words: readonly string[]
): Promise<{ code: number; stdout: Uint8Array; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: denoArgs(programPath("../../src/cli.ts"), ...words),
    cwd: torture.folder,
    env,
    stdin: "null",
  }).output();
  return { code, stdout, stderr: new TextDecoder().decode(stderr) };
}

/** Stores names by the command line, in an ugly world. */
async function tryCli(
  torture: Torture,
  random: Random,
  round: number,
  count: number,
  env: Record<string, string>,
): Promise<void> {
  const where = `round ${round}, command line`;
  const folder = `${torture.folder}/cli-${round}`;
  const names = hostileNames(random, count);
  for (const name of names) {
    const path = `${folder}/in/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(path, contentOf(name));
  }
  const image = `${folder}/${hostilePart(random)}`;
  const url = urlOf(image);
  const run = async (...words: string[]) => {
    const result = await runCli(torture, env, ...words);
    torture.check(
      result.code === 0,
      where,
      () => `${words[0]} exits with ${result.code}: ${result.stderr}`,
    );
    return result;
  };
  await run("put", url, `${folder}/in`, "--create", "--quiet");
  const wanted = Array.from(names, (name) => `in/${name}`);
  const listed = await run("list", url);
  const lines = new TextDecoder().decode(listed.stdout);
  torture.check(
    same(lines.split("\n"), [...wanted.flatMap((n) => n.split("\n")), ""]),
    where,
    () => "list prints something else",
  );
  const json = new TextDecoder()
    .decode((await run("list", url, "--json")).stdout).trim().split("\n")
    .map((line): { type: string; name: string } => JSON.parse(line))
    .filter(({ type }) => type === "file").map(({ name }) => name);
  torture.check(same(json, wanted), where, () => difference(json, wanted));
  await run("get", url, "in", "--to", `${folder}/out`, "--quiet");
  for (const name of names) {
    const path = `${folder}/out/${name}`;
    const bytes = await Deno.readFile(path).catch(() => new Uint8Array());
    torture.check(
      md5(bytes) === md5(contentOf(name)),
      where,
      () => `get ${JSON.stringify(name)}`,
    );
  }
  await age(image);
  // Deno takes a carriage return off the end of an argument.
  const gone = wanted.filter((name, i) => i % 2 === 1 && !name.endsWith("\r"));
  await run("delete", url, "--quiet", "--", ...gone);
  const left = new TextDecoder()
    .decode((await run("list", url, "--json")).stdout).trim().split("\n")
    .map((line): { type: string; name: string } => JSON.parse(line))
    .filter(({ type }) => type === "file").map(({ name }) => name);
  const kept = wanted.filter((name) => !gone.includes(name));
  torture.check(same(left, kept), where, () => difference(left, kept));
  await run("verify", url, "--quiet");
  await Deno.remove(folder, { recursive: true });
}

/** A startup file that would ruin everything if it were read. */
async function makeHome(torture: Torture): Promise<string> {
  const home = `${torture.folder}/home`;
  await Deno.mkdir(home, { recursive: true });
  await Deno.writeTextFile(`${home}/.xorrisorc`, "-end\n-print RUINED\n-end\n");
  return home;
}

/** Names that others could have written, none of which may do harm. */
const FOREIGN: readonly Uint8Array[] = [
  "..",
  ".",
  "",
  "a/b",
  "../../escaped",
  "/absolute",
  "../escaped",
  "-end",
  "x".repeat(90),
  "new\nline",
  "\x1b[2J",
  "\xff\xfe",
  "caf\xe9",
  "\xed\xa0\x80",
  "\xc0\xaf..",
  "nul\x00byte",
].map((text) => Uint8Array.from(text, (each) => each.charCodeAt(0)));

/** Opens an image with forged Rock Ridge names, and does everything with it. */
async function tryForeign(
  torture: Torture,
  round: number,
): Promise<void> {
  const where = `round ${round}, forged names`;
  const folder = `${torture.folder}/foreign-${round}`;
  await Deno.mkdir(`${folder}/deep/target`, { recursive: true });
  const image = `${folder}/forged.iso`;
  const forged = FOREIGN[(round >> 1) % FOREIGN.length] ?? new Uint8Array();
  const isFolder = round % 2 === 0;
  // As long as the name that is put in its place later.
  const dummy = "QQ".padEnd(Math.max(1, forged.length), "Z");
  await Deno.writeTextFile(`${folder}/x`, "x");
  const text = decodeName(forged);
  const path = isFolder ? `/top/${dummy}/inside` : `/top/${dummy}`;
  await runXorriso([
    ["-dev", `stdio:${image}`],
    ["-md5", "off"],
    ["-map", `${folder}/x`, path],
    ["-map", `${folder}/x`, "/top/plain"],
    ["-commit"],
  ]);
  const forgeries = await forge(image, dummy, forged);
  torture.check(forgeries > 0, where, () => "nothing was forged");
  torture.count("forged names");
  const told = await outcome((async () => {
    await using backend = await XorrisoBackend.open(urlOf(image), {
      readOnly: true,
    });
    const names = (await backend.list()).map(({ name }) => name);
    await backend.queryList(names).catch(() => {});
    for (const name of names) {
      const target = `${folder}/deep/target`;
      await backend.getList([name], target).catch(() => {});
      await backend.get(name, `${target}/one`).catch(() => {});
      await outcome(backend.readable(name).then((each) => each.cancel()));
    }
    await backend.verify();
    await backend.getList(names, `${folder}/deep/target`);
    torture.count(`names listed in forged images`, names.length);
    if (names.some((each) => each.startsWith(`top/${text}`))) {
      torture.count("forged names listed");
    }
  })());
  torture.count(`forged images: ${told}`);
  torture.check(
    /^(ok|[A-Z_]+)$/.test(told),
    where,
    () => `${JSON.stringify(text)}: ${told}`,
  );
  const cli = await runCli(torture, {}, "get", urlOf(image), "--to", "cli-out");
  torture.check(
    cli.code < 100,
    where,
    () => `get exits with ${cli.code}: ${cli.stderr}`,
  );
  await Deno.remove(`${torture.folder}/cli-out`, { recursive: true })
    .catch(() => {});
  const around: string[] = [];
  for await (const { name } of Deno.readDir(folder)) around.push(name);
  for await (const { name } of Deno.readDir(`${folder}/deep`)) {
    around.push(name);
  }
  torture.check(
    same(around, ["deep", "forged.iso", "target", "x"]),
    where,
    () => `something was written outside: ${around}`,
  );
  await Deno.remove(folder, { recursive: true });
}

/** Writes another name into all Rock Ridge `NM` entries of a name. */
async function forge(
  image: string,
  name: string,
  forged: Uint8Array,
): Promise<number> {
  const bytes = await Deno.readFile(image);
  const wanted = new TextEncoder().encode(name);
  let count = 0;
  for (let at = 0; at < bytes.length - 5 - wanted.length; at++) {
    // Signature, length, version, flags (IEEE P1282, 4.1.4).
    const isEntry = bytes[at] === 0x4e && bytes[at + 1] === 0x4d &&
      bytes[at + 2] === wanted.length + 5 && bytes[at + 3] === 1 &&
      wanted.every((each, i) => bytes[at + 5 + i] === each);
    if (!isEntry) continue;
    if (forged.length > 0) await patch(image, at + 5, forged);
    // An empty name: the flag of the current or the parent directory.
    else await patch(image, at + 2, Uint8Array.of(5));
    count++;
  }
  return count;
}

/** At least 10,000 hostile names. */
export const names: Topic = {
  name: "names",
  unit: "names",
  rounds: { full: 12_000, short: 300 },
  run: async (torture) => {
    const home = await makeHome(torture);
    const batch = torture.short ? 100 : BATCH;
    const total = torture.rounds;
    for (let done = 0, round = 0; done < total && !torture.over; round++) {
      const random = torture.random(`batch ${round}`);
      const count = Math.min(batch, total - done);
      try {
        if (round % 4 === 3) {
          const locale = round % 8 === 3 ? "C" : "C.UTF-8";
          const env = { HOME: home, LC_ALL: locale };
          await tryCli(torture, random, round, count, env);
          torture.count("names by the command line", count);
        } else {
          await tryBackend(torture, random, round, count);
          torture.count("names by the API", count);
        }
        // Each of them as a file and as a folder, a few in each batch.
        for (let i = 0; i < 4; i++) {
          await tryForeign(torture, round * 4 + i);
        }
      } catch (error) {
        torture.fail(`batch ${round} (${codeOf(error)})`, error);
      }
      done += count;
      torture.did(count);
    }
  },
};
