/** What happens on a small disk that runs full; each runs in a program of its own. */

import { XorrisoBackend, XorrisoError } from "../../mod.ts";
import { hookXorriso, ONE_BATCH, outcomes, textsOf } from "./backends.ts";
import { type Folder, makeFolder, toBytes } from "./helpers.ts";

/** Bytes of the disk. */
export const DISK = 8 << 20;

/** What was seen, in words and numbers. */
export type Findings = Readonly<Record<string, unknown>>;

/** Opens the image on the disk. */
async function open(
  disk: string,
  options: Parameters<typeof XorrisoBackend.open>[1] = {},
): Promise<XorrisoBackend> {
  return await XorrisoBackend.open(`xorriso://${disk}/test.iso`, {
    create: true,
    ...ONE_BATCH,
    ...options,
  });
}

/** Names on the disk. */
function namesOn(disk: string): string[] {
  return Array.from(Deno.readDirSync(disk), ({ name }) => name).sort();
}

async function sizesOf(
  promise: Promise<unknown>,
): Promise<{ code: string; needed: boolean; free: boolean } | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    if (!(error instanceof XorrisoError)) throw error;
    const { code, needed = 0, free = NaN } = error;
    return {
      code,
      needed: needed > DISK / 4,
      free: free >= 0 && free < needed,
    };
  }
}

/** One file is larger than all that is free. */
export async function oneTooLarge(disk: string): Promise<Findings> {
  await using folder = await makeFolder();
  const large = await folder.file("large", new Uint8Array(DISK));
  const small = await folder.file("small", "small");
  await using backend = await open(disk);
  const [problem, ...others] = await Promise.all([
    sizesOf(backend.put(large, "large")),
    ...["a", "b"].map((name) => backend.put(small, name)),
  ]);
  return {
    problem,
    others: others.length,
    texts: await textsOf(backend),
    sessions: (await backend.sessions()).length,
  };
}

/** Another program takes the space that one file would need. */
export async function oneTooLargeLater(disk: string): Promise<Findings> {
  await using folder = await makeFolder();
  const large = await folder.file("large", new Uint8Array(DISK / 2));
  await using backend = await open(disk, { autoCommit: false });
  await backend.put(toBytes("a"), "a");
  await backend.put(large, "large");
  await backend.put(toBytes("b"), "b");
  await Deno.writeFile(`${disk}/filler`, new Uint8Array(DISK * 0.6));
  return {
    problem: await sizesOf(backend.commit()),
    texts: await textsOf(backend),
  };
}

/** Each file fits, but not all together. */
export async function sumTooLarge(disk: string): Promise<Findings> {
  await using folder = await makeFolder();
  const half = await folder.file("half", new Uint8Array(DISK * 0.6));
  const other = await folder.file("other", new Uint8Array(DISK * 0.6));
  const small = await folder.file("small", "small");
  await using backend = await open(disk);
  await backend.put(small, "old");
  const { size } = await Deno.stat(`${disk}/test.iso`);
  const problems = await Promise.all([
    sizesOf(backend.put(half, "half")),
    sizesOf(backend.put(small, "old")),
    sizesOf(backend.put(other, "other")),
    sizesOf(backend.delete("old")),
  ]);
  const grown = (await Deno.stat(`${disk}/test.iso`)).size - size;
  const after = await outcomes([backend.put(small, "new")]);
  return { problems, grown, after, texts: await textsOf(backend) };
}

/** Another program takes the rest of the disk just before the commit. */
export async function fullWhileCommitting(disk: string): Promise<Findings> {
  await using folder = await makeFolder();
  const source = await folder.file("source", new Uint8Array(DISK / 2));
  const fill = `head -c ${DISK} /dev/zero >'${disk}/filler'`;
  await using hooked = await hookXorriso(folder, "-commit", ["", fill]);
  await using backend = await open(disk, { xorrisoPath: hooked.path });
  await backend.put(toBytes("old"), "a");
  const { size } = await Deno.stat(`${disk}/test.iso`);
  const problems = await Promise.all([
    sizesOf(backend.put(source, "a")),
    sizesOf(backend.put(source, "b")),
  ]);
  const grown = (await Deno.stat(`${disk}/test.iso`)).size - size;
  const texts = await textsOf(backend);
  await Deno.remove(`${disk}/filler`);
  const after = await outcomes([backend.put(toBytes("new"), "b")]);
  return { problems, grown, texts, after, names: namesOn(disk) };
}

/** The first commit of a new image finds the disk full. */
export async function fullFromTheStart(disk: string): Promise<Findings> {
  await using folder = await makeFolder();
  const fill = `head -c ${DISK} /dev/zero >'${disk}/filler'`;
  await using hooked = await hookXorriso(folder, "-commit", [fill]);
  const problem = await (async () => {
    await using backend = await open(disk, { xorrisoPath: hooked.path });
    return await outcomes([backend.put(toBytes("a"), "a")]);
  })();
  return { problem, names: namesOn(disk) };
}

/** The folder for temporary files is on the disk. */
export async function fullWhileSpooling(disk: string): Promise<Findings> {
  await using folder = await makeFolder();
  await using backend = await XorrisoBackend.open(
    `xorriso://${folder.path}/test.iso`,
    { ...ONE_BATCH, create: true, tempDir: disk },
  );
  const stream = ReadableStream.from((function* () {
    for (let i = 0; i < DISK; i += 1 << 16) yield new Uint8Array(1 << 16);
  })());
  const results = await outcomes([
    backend.put(toBytes("small"), "small"),
    backend.put(stream, "stream"),
    backend.put(await onDisk(folder), "file"),
  ]);
  const texts = await textsOf(backend);
  await backend.put(toBytes("after"), "after");
  await backend.close();
  return { results, texts, names: namesOn(disk) };
}

function onDisk(folder: Folder): Promise<string> {
  return folder.file("file", "from disk");
}

/** Files are restored to the disk. */
export async function fullWhileRestoring(disk: string): Promise<Findings> {
  await using folder = await makeFolder();
  const large = await folder.file("large", new Uint8Array(DISK + 1));
  await using backend = await XorrisoBackend.open(
    `xorriso://${folder.path}/test.iso`,
    { ...ONE_BATCH, create: true },
  );
  await Promise.all([
    backend.put(large, "large"),
    backend.put(large, "z/large"),
    backend.put(toBytes("a"), "a"),
    backend.put(toBytes("b"), "z/b"),
  ]);
  await Deno.writeTextFile(`${disk}/large`, "older");
  const single = await outcomes([backend.get("large", `${disk}/large`)]);
  const older = await Deno.readTextFile(`${disk}/large`);
  const names = ["large", "z/large", "a", "z/b"];
  const results = await backend.getList(names, disk);
  const list = await outcomes(
    results.map(({ error }) =>
      error === undefined ? Promise.resolve() : Promise.reject(error)
    ),
  );
  return {
    single,
    older,
    list,
    names: [...namesOn(disk), ...namesOn(`${disk}/z`)],
  };
}
