/**
 * Stores a folder as one compressed archive, `tar | gzip` without a file in between, and gets it
 * back: so links, times and permissions are kept, too. `tar` is the system's, gzip the platform's.
 * As it stands, this packs this project's own sources, and unpacks them again into /tmp/unpacked:
 *
 *     deno run --allow-run=xorriso,tar --allow-env=TMPDIR --allow-read=/tmp --allow-write=/tmp \
 *       examples/stream.ts src xorriso:///tmp/archive.iso src.tar.gz /tmp/unpacked
 *
 * A stream is kept in a file in /tmp, or where TMPDIR says, until xorriso has taken it. Deno does not
 * watch over what tar reads and writes.
 *
 * Other archivers need no program of their own, since the command line takes and gives streams:
 *
 *     dar -c - -z6 -R src | xorriso-backend put xorriso:///tmp/archive.iso - --as src.dar
 *     xorriso-backend get xorriso:///tmp/archive.iso src.dar --to - |
 *       dar -x - --sequential-read -R /tmp/unpacked
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { XorrisoBackend } from "@xorriso/backend";

/** Runs tar; fails if it does. */
function tar(...args: string[]): {
  child: Deno.ChildProcess;
  ended: Promise<void>;
} {
  const child = new Deno.Command("tar", {
    args,
    stdin: args[0] === "-x" ? "piped" : "null",
    stdout: args[0] === "-c" ? "piped" : "null",
    stderr: "inherit",
    clearEnv: true,
  }).spawn();
  const ended = child.status.then(({ code }) => {
    if (code !== 0) throw new Error(`tar has failed with exit code ${code}`);
  });
  // Whoever waits for it is told; it also fails when nobody reads on.
  ended.catch(() => {});
  return { child, ended };
}

/** The archive of a folder; it fails at its end if tar does. */
function pack(folder: string): ReadableStream<Uint8Array> {
  const { child, ended } = tar("-c", "-C", folder, ".");
  return child.stdout
    .pipeThrough(new TransformStream({ flush: () => ended }))
    .pipeThrough(new CompressionStream("gzip"));
}

async function unpack(
  archive: ReadableStream<Uint8Array<ArrayBuffer>>,
  folder: string,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const { child, ended } = tar("-x", "-C", folder);
  await Promise.all([
    archive.pipeThrough(new DecompressionStream("gzip")).pipeTo(child.stdin),
    ended,
  ]);
}

const [folder, url, name, target] = Deno.args;
if (folder === undefined || url === undefined || name === undefined) {
  console.error("Usage: examples/stream.ts FOLDER URL NAME [TARGET]");
  Deno.exit(2);
}

await using backend = await XorrisoBackend.open(url, { create: true });
await backend.put(pack(folder), name);
const entry = await backend.query(name, { md5: true });
console.log(`Stored ${folder} as ${name}: ${entry?.size} bytes, ${entry?.md5}`);

if (target !== undefined) {
  await unpack(await backend.readable(name), target);
  console.log(`Unpacked it into ${target}`);
}
