import { assertEquals, assertThrows } from "@std/assert";
import { deviceCandidates, parseLocation } from "../../src/backend/url.ts";

Deno.test("parseLocation() reads the documented forms", async (t) => {
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
  ];
  for (const [url, device, directory] of forms) {
    await t.step(url, () => {
      assertEquals(parseLocation(url), { device, directory });
    });
  }
});

Deno.test("parseLocation() splits at the first literal :/", () => {
  assertEquals(parseLocation("xorriso:///a.iso:/b:/c"), {
    device: "/a.iso",
    directory: "/b:/c",
  });
});

Deno.test("parseLocation() keeps a colon of the device that is written %3A", () => {
  assertEquals(parseLocation("xorriso:///a%3A/b.iso:/c"), {
    device: "/a:/b.iso",
    directory: "/c",
  });
});

Deno.test("parseLocation() keeps a colon that no slash follows", () => {
  assertEquals(parseLocation("xorriso:///a:b.iso:"), {
    device: "/a:b.iso:",
    directory: "/",
  });
});

Deno.test("parseLocation() decodes both parts", () => {
  assertEquals(parseLocation("xorriso:///a%20b%C3%A9.iso:/%E4%BD%A0/%25"), {
    device: "/a bé.iso",
    directory: "/你/%",
  });
});

Deno.test("parseLocation() takes #, ?, @, blanks and other alphabets as ordinary", () => {
  assertEquals(parseLocation("xorriso:///me@home/a b#1?.iso:/x #y?z/über"), {
    device: "/me@home/a b#1?.iso",
    directory: "/x #y?z/über",
  });
});

Deno.test("parseLocation() drops empty parts of the directory", () => {
  for (const directory of ["/a/b", "//a//b", "/a/b/", "/a%2Fb", "///a/b//"]) {
    assertEquals(
      parseLocation("xorriso:///x.iso:" + directory).directory,
      "/a/b",
    );
  }
});

Deno.test("parseLocation() takes no directory as the root", () => {
  for (const end of ["", ":/", "://"]) {
    assertEquals(parseLocation("xorriso:///x.iso" + end), {
      device: "/x.iso",
      directory: "/",
    });
  }
});

Deno.test("parseLocation() leaves the device as written", () => {
  assertEquals(
    parseLocation("xorriso:///a/../b//./x.iso").device,
    "/a/../b//./x.iso",
  );
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
