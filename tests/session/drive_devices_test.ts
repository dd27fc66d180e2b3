import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Device, devices } from "../../mod.ts";
import { Burner, burnerTests } from "../burner/burner.ts";
import { openDrive } from "../support/drives.ts";
import { assertCode } from "../support/helpers.ts";

const together = burnerTests("the list of drives");

function find({ xorrisoPath }: Burner): Promise<Device[]> {
  return devices({ xorrisoPath, readyTimeout: 2000 });
}

together("devices() lists drives with their media", async () => {
  await using one = await Burner.start("bd-r");
  await using two = await Burner.start("none", { device: "/dev/sr3" });
  await one.burnByHand({ "/a": "a" }, { volumeId: "MINE" });
  await one.attach(two);
  const [first, second, ...others] = await find(one);
  assertEquals(others, []);
  assertEquals(
    [first?.device, first?.vendor, first?.product, first?.error],
    ["/dev/sr0", "FAKE", "BURNER", undefined],
  );
  assertMatch(first?.medium?.profile ?? "", /^BD-R/);
  assertEquals(first?.medium?.volumeId, "MINE");
  assertEquals([second?.device, second?.medium], ["/dev/sr3", undefined]);
  assertCode(second?.error, "NO_MEDIUM");
});

together("devices() is empty where there is no drive", async () => {
  await using burner = await Burner.start("bd-r");
  await burner.fault("absent=1");
  assertEquals(await find(burner), []);
});

together("devices() tells which drives may not be opened", async () => {
  await using one = await Burner.start("bd-r");
  await using two = await Burner.start("dvd+rw", { device: "/dev/sr1" });
  await one.attach(two);
  await one.fault("eacces=1");
  const [first, second] = await find(one);
  assertEquals([first?.device, first?.medium], ["/dev/sr0", undefined]);
  assertCode(first?.error, "PERMISSION_DENIED");
  assertEquals([second?.device, second?.medium?.status], ["/dev/sr1", "blank"]);
});

together(
  "devices() tells which drives are in use, and leaves them alone",
  async () => {
    await using burner = await Burner.start("bd-r");
    await using backend = await openDrive(burner);
    const [first, ...others] = await find(burner);
    assertEquals([first?.device, others], ["/dev/sr0", []]);
    assert(assertCode(first?.error, "DRIVE_BUSY").retryable);
    assertEquals(await backend.list(), []);
  },
);
