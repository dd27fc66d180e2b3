/** What is pure text, for `deno bench`. */

import { commandLine, parsePacket } from "../../src/dialogue/protocol.ts";
import { FileListing } from "../../src/dialogue/answers.ts";

const COUNT = 10_000;

const LINES = Array.from(
  { length: COUNT },
  (_, i) => `File data lba:  0 , ${1000 + i} , 1 , 2048 , '/d/file-${i}.dat'`,
);

const PACKETS = LINES.map((line) => `R:1: ${line}`);

Deno.bench(`parsePacket: ${COUNT} packets`, { group: "listing" }, () => {
  for (const line of PACKETS) parsePacket(line);
});

Deno.bench(`FileListing: ${COUNT} lines`, { group: "listing" }, () => {
  const listing = new FileListing();
  for (const line of LINES) listing.add(line);
});

Deno.bench(`commandLine: ${COUNT} lines`, { group: "staging" }, () => {
  for (let i = 0; i < COUNT; i++) {
    commandLine(["-map", `/home/me/it's/file-${i}.dat`, `/2026/file-${i}.dat`]);
  }
});
