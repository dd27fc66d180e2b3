import { assertEquals } from "@std/assert";
import { DriveLog } from "../../src/session/drive_log.ts";
import { Clock } from "../support/clock.ts";

Deno.test("DriveLog.take() knows the lines of the log from trouble", () => {
  const log = new DriveLog(1000);
  const lines = [
    "TEST UNIT READY",
    "PREVENT/ALLOW MEDIA REMOVAL",
    "READ TOC/PMA/ATIP",
    "00 00 00 00 00 00 ",
    "From drive: 36b",
    "05 80 05 02 1f 00 00 00 46 41 4b 45 20 20 20 20",
    "+++ sense data = 70 00 06 00 00 00 00 0A 00 00 00 00 28 00 00 00 00 00",
    "+++ key=6  asc=28h  ascq=00h",
    "+++ Repeating command",
    "     1234 us     [ 5678 ]",
  ];
  for (const line of lines) assertEquals(log.take(line), true, line);
  assertEquals(log.take("xorriso: not found"), false);
  assertEquals(log.take("Segmentation fault"), false);
});

Deno.test("DriveLog.has() tells what the drive said since it was reset", () => {
  const log = new DriveLog(1000);
  assertEquals(log.has("exchanged"), false);
  log.take("+++ key=6  asc=28h  ascq=00h");
  log.take("+++ key=2  asc=3Ah  ascq=02h");
  assertEquals(
    [log.has("exchanged"), log.has("absent"), log.has("unreadable")],
    [true, true, false],
  );
  log.reset();
  assertEquals([log.has("exchanged"), log.has("absent")], [false, false]);
});

Deno.test("DriveLog.onLate() is called when a drive stays not ready for too long", () => {
  using clock = new Clock();
  const log = new DriveLog(20);
  let calls = 0;
  log.onLate = () => calls++;
  const line = "+++ key=2  asc=04h  ascq=01h";
  log.take(line);
  log.take(line);
  assertEquals(calls, 0);
  clock.tick(30);
  log.take(line);
  assertEquals(calls, 1);
});
