import { assertEquals, assertThrows } from "@std/assert";
import { deviceCandidates, parseLocation } from "../../src/backend/url.ts";

Deno.test("parseLocation() reads a device and a directory", async (t) => {
  const forms: readonly (readonly [string, string, string])[] = [
    ["xorriso:///dev/sr0", "/dev/sr0", "/"],
    ["xorriso:///var/image.iso", "/var/image.iso", "/"],
    ["xorriso:///var/image.iso:/2026", "/var/image.iso", "/2026"],
    ["xorriso://dev/sr0:/dir", "dev/sr0", "/dir"],
    ["xorriso://path/to/image.iso", "path/to/image.iso", "/"],
    [
      "xorriso:///dev/disk/by-path/pci-0000:00:1f.2-ata-1:/backup",
      "/dev/disk/by-path/pci-0000:00:1f.2-ata-1",
      "/backup",
    ],
    // The first literal `:/` ends the device; `%3A` keeps a colon in it.
    ["xorriso:///a.iso:/b:/c", "/a.iso", "/b:/c"],
    ["xorriso:///a%3A/b.iso:/c", "/a:/b.iso", "/c"],
    ["xorriso:///a:b.iso:", "/a:b.iso:", "/"],
    ["xorriso:///a%20b%C3%A9.iso:/%E4%BD%A0/%25", "/a bé.iso", "/你/%"],
    [
      "xorriso:///me@home/a b#1?.iso:/x #y?z/über",
      "/me@home/a b#1?.iso",
      "/x #y?z/über",
    ],
    ["xorriso:///a/../b//./x.iso", "/a/../b//./x.iso", "/"],
    // A directory has no empty parts.
    ["xorriso:///x.iso:/", "/x.iso", "/"],
    ["xorriso:///x.iso://", "/x.iso", "/"],
    ["xorriso:///x.iso://a//b", "/x.iso", "/a/b"],
    ["xorriso:///x.iso:/a%2Fb", "/x.iso", "/a/b"],
    ["xorriso:///x.iso:///a/b//", "/x.iso", "/a/b"],
  ];
  for (const [url, device, directory] of forms) {
    await t.step(url, () => {
      assertEquals(parseLocation(url), { device, directory });
    });
  }
});

Deno.test("parseLocation() throws TypeError on what is no location", async (t) => {
  const bad: readonly (readonly [string, string])[] = [
    ["", "form"],
    ["/var/image.iso", "form"],
    ["xorriso:/var/image.iso", "form"],
    ["xorriso:var/image.iso", "form"],
    ["file:///var/image.iso", "form"],
    [" xorriso:///x.iso", "form"],
    ["xorriso://", "no device"],
    ["xorriso://:/dir", "no device"],
    ["xorriso:///x%.iso", "escape"],
    ["xorriso:///x%4", "escape"],
    ["xorriso:///x%zz.iso", "escape"],
    ["xorriso:///x.iso:/%", "escape"],
    ["xorriso:///x%FF.iso", "escape"],
    ["xorriso:///x.iso:/%C3", "escape"],
    ["xorriso:///x.iso:/%ED%A0%80", "escape"],
    ["xorriso:///x%00.iso", "NUL"],
    ["xorriso:///x.iso:/a%00", "NUL"],
    ["xorriso:///x\0.iso", "NUL"],
    ["xorriso:///x\udcff.iso", "surrogates"],
    ["xorriso:///x.iso:/.", '".."'],
    ["xorriso:///x.iso:/..", '".."'],
    ["xorriso:///x.iso:/a/../b", '".."'],
    ["xorriso:///x.iso:/a/./b", '".."'],
    ["xorriso:///x.iso:/a/%2E%2e", '".."'],
    ["xorriso:///x.iso:/a%2F..%2Fb", '".."'],
  ];
  for (const [url, part] of bad) {
    await t.step(JSON.stringify(url), () => {
      assertThrows(() => parseLocation(url), TypeError, part);
    });
  }
});

Deno.test("deviceCandidates() lets a relative dev/... stand for /dev/... as well", () => {
  assertEquals(deviceCandidates("dev/sr0"), ["dev/sr0", "/dev/sr0"]);
  assertEquals(deviceCandidates("dev/disk/../sr0"), [
    "dev/disk/../sr0",
    "/dev/sr0",
  ]);
});

Deno.test("deviceCandidates() leaves every other device alone", () => {
  for (
    const device of [
      "/dev/sr0",
      "./dev/sr0",
      "device/x.iso",
      "x.iso",
      "dev",
      "dev/",
      "dev/../etc/x.iso",
    ]
  ) {
    assertEquals(deviceCandidates(device), [device]);
  }
});
