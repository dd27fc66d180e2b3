import { assert, assertEquals, assertMatch } from "@std/assert";
import { makeFolder, makeScript, rejection } from "../support/helpers.ts";
import { build, burnerUnavailable } from "./build.ts";
import { Burner, burnerTest, type MediumType } from "./burner.ts";
import { parseLog } from "./log.ts";

Deno.test("burnerUnavailable() tells that there is no compiler", () => {
  assertMatch(burnerUnavailable("/nowhere/cc") ?? "", /C compiler.*\/nowhere/);
});

Deno.test("build() tells what the compiler said", async () => {
  await using folder = await makeFolder();
  const compiler = await makeScript(folder, "cc", "echo bad luck >&2; exit 1");
  const error = await rejection(build(`${folder.path}/build`, compiler));
  assertMatch(String(error), /Cannot build the virtual burner.*bad luck/);
  // Nothing is left that the next one would take for done.
  assertEquals(await namesIn(`${folder.path}/build`), []);
});

burnerTest("build() can run twice at once", async () => {
  await using folder = await makeFolder();
  const [one, two] = await Promise.all([
    build(folder.path, "cc"),
    build(folder.path, "cc"),
  ]);
  assertEquals(one, two);
  assert((await Deno.stat(one.library)).isFile);
  assertEquals((await namesIn(folder.path)).length, 1);
});

Deno.test("parseLog() reads blocks, speed and sense", () => {
  const [write, cd, dvd] = parseLog(
    `2A 00 00 00 02 80 00 00 20 00  len=65536 xfer=0 st=2 sense=3/0C/00
BB 00 1E 78 06 E4 00 00 00 00 00 00  len=0 xfer=0 st=0
B6 00 00 00 00 00 00 00 00 00 1C 00  len=28 xfer=0 st=0 data=000000000000000000231280000081D8000003E800005690000003E8
`,
  );
  assertEquals(
    [write?.name, write?.lba, write?.blocks, write?.sense],
    ["WRITE", 640, 32, "3/0C/00"],
  );
  assertEquals([cd?.name, cd?.speed], ["SET CD SPEED", 1764]);
  assertEquals([dvd?.name, dvd?.speed], ["SET STREAMING", 22160]);
});

burnerTest("Burner.start() makes every type of medium", async () => {
  const types: [MediumType, RegExp][] = [
    ["none", /is not present/],
    ["cd-r", /CD-R\n.*is blank/],
    ["cd-rw", /CD-RW\n.*is blank/],
    ["dvd-r", /DVD-R sequential recording\n.*is blank/],
    ["dvd-rw", /DVD-RW sequential recording\n.*is blank/],
    ["dvd-rw-ro", /DVD-RW restricted overwrite\n.*is blank/],
    ["dvd-ram", /DVD-RAM\n.*is blank/],
    ["dvd+r", /DVD\+R\n.*is blank/],
    ["dvd+rw", /DVD\+RW\n.*is blank/],
    ["bd-r", /BD-R sequential recording\n.*is blank/],
    ["bd-re", /BD-RE\n.*is blank/],
  ];
  await Promise.all(types.map(async ([type, expected]) => {
    await using burner = await Burner.start(type);
    const { text } = await burner.run("-dev", burner.device, "-end");
    assertMatch(text, expected, type);
  }));
});

burnerTest("Burner writes, reads, and logs", async () => {
  await using burner = await Burner.start("bd-r", { blocks: 3200 });
  await burner.burnByHand({ "/a": "hello" }, { volumeId: "VOLUME" });
  const state = await burner.show();
  assertEquals([state.sessions, state.capacity, state.nwa], [1, 3200, 192]);
  assertEquals(state.tracks, [{ session: 1, start: 0, size: 192 }]);
  const log = await burner.log();
  assertEquals(log.find(({ name }) => name === "WRITE")?.lba, 0);
  const { code, text } = await burner.run(
    ...["-indev", burner.device, "-find", "/", "-type", "f"],
  );
  assertEquals(code, 0);
  assertMatch(text, /Volume id {4}: 'VOLUME'/);
  assertMatch(text, /^'\/a'$/m);
  // The volume descriptor (ECMA-119, 8.1).
  assertEquals(
    new TextDecoder().decode((await burner.read(16)).subarray(1, 6)),
    "CD001",
  );
});

burnerTest("fault() makes the drive fail until clearFault()", async () => {
  await using burner = await Burner.start("dvd+rw");
  const open = () => burner.run("-dev", burner.device, "-end");
  await burner.fault("eacces=1");
  assertMatch((await open()).text, /Permission denied/);
  await burner.fault("absent=1");
  assertMatch((await open()).text, /not found/);
  await burner.fault("write_error=64");
  const error = await rejection(burner.burnByHand({ "/a": "hello" }));
  assertMatch(String(error), /SCSI error on write\(64,/);
  await burner.clearFault();
  assertMatch((await open()).text, /is blank/);
});

burnerTest("swap() exchanges media, and a drive notices", async () => {
  await using one = await Burner.start("bd-re");
  await using two = await Burner.start("cd-r", { device: "/dev/sr1" });
  await one.burnByHand({ "/a": "hello" }, { volumeId: "MINE" });
  await two.swap(one);
  const { text } = await two.run("-indev", two.device, "-end");
  assertMatch(text, /BD-RE[^]*'MINE'/);
  assertEquals((await one.show()).profile, 0x09);
  await two.eject();
  assert((await two.show()).trayOpen);
});

burnerTest("attach() shows another drive to xorriso", async () => {
  await using one = await Burner.start("bd-r");
  await using two = await Burner.start("none", { device: "/dev/sr3" });
  assertEquals((await one.run("-devices")).text.match(/-dev '.*?'/g), [
    "-dev '/dev/sr0'",
  ]);
  await one.attach(two);
  assertEquals((await one.run("-devices")).text.match(/-dev '.*?'/g), [
    "-dev '/dev/sr0'",
    "-dev '/dev/sr3'",
  ]);
});

/** Names of what is in a folder. */
async function namesIn(path: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(path));
  return entries.map(({ name }) => name);
}
