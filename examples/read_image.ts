/**
 * Lists an image and extracts it into a new folder, by its blocks alone: neither xorriso nor any other
 * program is needed. As it stands, this reads what `nightly.ts` has stored:
 *
 *     deno run --allow-read=/tmp/backup.iso,/tmp/extracted --allow-write=/tmp/extracted \
 *       examples/read_image.ts /tmp/backup.iso /tmp/extracted
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import {
  content,
  type Entry,
  fileBlocks,
  readChecksums,
  readImage,
  readTree,
} from "@xorriso/backend/iso";

const [image, folder] = Deno.args;
if (image === undefined || folder === undefined) {
  console.error("Usage: examples/read_image.ts IMAGE FOLDER");
  Deno.exit(2);
}

await using blocks = await fileBlocks(image);
const { sessions, newest } = await readImage(blocks);
for (const { number, volumeId, date } of sessions) {
  console.log(`Session ${number} of ${volumeId}, ${date?.toISOString()}`);
}
const tree = await readTree(blocks, newest);
const checksums = await readChecksums(blocks, tree.walk());

// In a new folder nothing can be in the way, nor lead out of it.
await Deno.mkdir(folder);
const folders: Entry[] = [];
for (const entry of tree.walk()) {
  const { path, type, size, mtime, target = "" } = entry;
  console.log(mtime.toISOString(), String(size).padStart(12), path, target);
  if (type === "directory") {
    await Deno.mkdir(folder + path);
    folders.push(entry);
  } else if (type === "file") {
    // It fails at its end if it is not what was stored.
    const stream = content(blocks, entry, { md5: checksums(entry) });
    await Deno.writeFile(folder + path, stream, { createNew: true });
    await restoreAttributes(entry);
  } else {
    console.log(`Left out: ${path} is a ${type}`);
  }
}
// What is put into a folder changes its time, so those come last, the deepest first.
for (const entry of folders.reverse()) await restoreAttributes(entry);
for (const { path, reason } of tree.problems) {
  console.log(`Left out, in ${path}: ${reason}`);
}

async function restoreAttributes({ path, mode, mtime }: Entry): Promise<void> {
  await Deno.chmod(folder + path, mode & 0o777);
  await Deno.utime(folder + path, mtime, mtime);
}
