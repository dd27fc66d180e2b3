import { writeTarget } from "../../src/disk/targets.ts";
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { CHUNK } from "../../src/iso/content.ts";
import type { Progress } from "../../src/options.ts";
import {
  assertRejectsCode,
  makeFolder,
  noise,
  rejection,
  toBytes,
} from "../support/helpers.ts";

async function assertContent(path: string, wanted: Uint8Array): Promise<void> {
  assert(Buffer.from(await Deno.readFile(path)).equals(wanted), path);
}

/** All names in a folder. */
async function names(folder: string): Promise<string[]> {
  const found = await Array.fromAsync(Deno.readDir(folder));
  return found.map(({ name }) => name).sort();
}

const LARGE = 2.5 * CHUNK + 1;

Deno.test("writeTarget() writes a stream", async () => {
  await using folder = await makeFolder();
  const target = await folder.file("x", "old");
  const reports: Progress[] = [];
  await writeTarget(
    target,
    () => ReadableStream.from([toBytes("a"), noise(LARGE), toBytes("z")]),
    { total: LARGE + 2, onProgress: (progress) => reports.push(progress) },
  );
  await assertContent(
    target,
    Buffer.concat([toBytes("a"), noise(LARGE), toBytes("z")]),
  );
  assertEquals(reports.map(({ done }) => done), [1, LARGE + 1, LARGE + 2]);
  assertEquals(await names(folder.path), ["x"]);
});

Deno.test("writeTarget() leaves the target as it was when the stream fails", async () => {
  await using folder = await makeFolder();
  const target = await folder.file("x", "old");
  const failing = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(toBytes("new")),
    pull: (controller) => controller.error("broken"),
  }, { highWaterMark: 0 });
  assertEquals(await rejection(writeTarget(target, () => failing)), "broken");
  assertEquals(await Deno.readTextFile(target), "old");
  assertEquals(await names(folder.path), ["x"]);
});

Deno.test("writeTarget() cancels the stream when it cannot write", async () => {
  await using folder = await makeFolder();
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(toBytes("new")),
    cancel: () => {
      cancelled = true;
    },
  });
  const { prototype } = Deno.FsFile;
  const { write } = prototype;
  prototype.write = () =>
    Promise.reject(new Error("No space left on device (os error 28)"));
  try {
    const error = await assertRejectsCode(
      writeTarget(`${folder.path}/x`, () => endless),
      "TARGET_UNWRITABLE",
    );
    assert(error.message.endsWith(": No space left on device"), error.message);
  } finally {
    Object.assign(prototype, { write });
  }
  assert(cancelled);
  assertEquals(await names(folder.path), []);
});

Deno.test("writeTarget() begins no stream for a target it cannot write", async () => {
  await using folder = await makeFolder();
  const open = () => {
    throw new Error("It was begun");
  };
  for (const target of [folder.path, `${folder.path}/none/x`]) {
    await assertRejectsCode(writeTarget(target, open), "TARGET_UNWRITABLE");
  }
});
