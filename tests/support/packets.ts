/**
 * A plain xorriso process, without any of the session's care, for the tests of
 * the parsers.
 */

import { TextLineStream } from "@std/streams/text-line-stream";
import { type Packet, parsePacket } from "../../src/dialogue/protocol.ts";

/** Sends lines to a xorriso process and returns its packets. */
export async function readPackets(lines: readonly string[]): Promise<Packet[]> {
  await using child = new Deno.Command("xorriso", {
    args: [
      ...["-no_rc", "-abort_on", "NEVER", "-return_with", "ABORT", "32"],
      ...["-report_about", "NOTE", "-pkt_output", "on", "-use_readline", "off"],
      ...["-iso_rr_pattern", "off", "-disk_pattern", "off"],
      ...["-backslash_codes", "in_double_quotes:encode_output", "-md5", "on"],
      ...["-dialog", "single_line"],
    ],
    clearEnv: true,
    env: { LC_ALL: "C.UTF-8", TZ: "UTC" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const packets: Packet[] = [];
  const reading = (async () => {
    const lines = child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough<string>(new TextLineStream());
    for await (const line of lines) packets.push(parsePacket(line));
  })();
  const writer = child.stdin.getWriter();
  await writer.write(
    new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")),
  );
  await writer.close();
  await reading;
  await child.status;
  return packets;
}
