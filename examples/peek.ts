/**
 * Finds a file by a pattern and reads 1 KiB out of its middle, without reading the rest. As it
 * stands, this looks into what `nightly.ts` has stored:
 *
 *     deno run --allow-read=/tmp/backup.iso examples/peek.ts \
 *       xorriso:///tmp/backup.iso 'src/session/x*.ts'
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { XorrisoBackend } from "@xorriso/backend";

const LENGTH = 1024;

const [url, glob] = Deno.args;
if (url === undefined || glob === undefined) {
  console.error("Usage: examples/peek.ts URL GLOB");
  Deno.exit(2);
}

await using backend = await XorrisoBackend.open(url, { readOnly: true });
const [found] = await backend.list({ glob });
if (found === undefined) {
  console.error(`No file matches ${glob}`);
  Deno.exitCode = 3;
} else {
  const { name, size } = found;
  const offset = Math.max(0, Math.floor((size - LENGTH) / 2));
  const content = await backend.readable(name, { offset, length: LENGTH });
  const bytes = await new Response(content).bytes();
  console.log(
    `${name}: bytes ${offset} to ${offset + bytes.length} of ${size}`,
  );
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, "0"));
    const text = new TextDecoder("latin1").decode(row);
    console.log(
      (offset + at).toString(16).padStart(8, "0"),
      hex.join(" ").padEnd(47),
      text.replaceAll(/[^ -~]/g, "."),
    );
  }
}
