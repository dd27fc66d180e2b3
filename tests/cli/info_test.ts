import { assertEquals, assertMatch } from "@std/assert";
import { drawBar } from "../../src/cli/info.ts";
import { makeFolder } from "../support/helpers.ts";
import { putImage, run, succeed } from "../support/program.ts";

const MiB = 1 << 20;

/** Sessions of some sizes in MiB, one behind the other. */
function sessions(...sizes: number[]) {
  let lba = 0;
  return sizes.map((size, i) => {
    const session = { number: i + 1, lba, size: size * MiB };
    lba += size * MiB / 2048;
    return session;
  });
}

Deno.test("drawBar() draws each session in its share of the medium", () => {
  assertEquals(
    drawBar(sessions(10, 20, 10), 60 * MiB, 28),
    "|11222233············|  40 %",
  );
  assertEquals(drawBar(sessions(10, 20), undefined, 14), "|111122222222|");
  assertEquals(drawBar(sessions(50), 0, 20), "|11111111111|  100 %");
  assertEquals(drawBar([], 50 * MiB, 17), "|··········|  0 %");
});

Deno.test("drawBar() is as wide as it is told, with many sessions too", () => {
  const many = sessions(...Array.from({ length: 250 }, (_, i) => i % 7 + 1));
  for (const columns of [39, 79, 199]) {
    assertEquals(drawBar(many, 500 * MiB, columns).length, columns);
  }
});

Deno.test("drawBar() gives what lies between two sessions to the older one", () => {
  const [first, second] = sessions(10, 10);
  if (first === undefined || second === undefined) throw new Error("None");
  const apart = { ...second, lba: second.lba * 2 };
  assertEquals(drawBar([first, apart], undefined, 14), "|111111112222|");
});

Deno.test("info shows drive, medium, space and sessions", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const text = await succeed("info", url, "--bytes");
  const lines = text.split("\n");
  assertEquals(lines.slice(0, 6).map((line) => line.split("  ")[0]), [
    ...["Image", "Medium", "Volume id", "Used", "Room", "Sessions"],
  ]);
  assertEquals(lines[7], `|${"1".repeat(77)}|`);
  assertMatch(
    lines[9] ?? "",
    /^ {2}1 {2}\d{4}-\d\d-\d\d \d\d:\d\d {2}\d+ {2}ISOIMAGE$/,
  );
  const info = JSON.parse(await succeed("info", url, "--json"));
  assertEquals(Object.keys(info), [
    "drive",
    "profile",
    "status",
    "volumeId",
    "used",
    "free",
    "room",
    "appendable",
    "behind",
    "sessions",
  ]);
  assertEquals(Object.keys(info.sessions[0]), [
    "number",
    "lba",
    "size",
    "volumeId",
    "date",
  ]);
});

Deno.test("info tells what lies behind an image, where nothing can be stored", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const rest = new Uint8Array(300_000).fill(1);
  await Deno.writeFile(url.slice("xorriso://".length), rest, { append: true });
  const { code, stdout, stderr } = await run(["info", url]);
  assertEquals(code, 0);
  assertMatch(stdout, /^Closed +300000 bytes lie behind block \d+/m);
  assertMatch(stderr, /nothing can be stored in ".*": 300000 bytes lie behind/);
  const { appendable, behind, room } = JSON.parse(
    await succeed("info", url, "--json"),
  );
  assertMatch(behind, /^300000 bytes lie behind/);
  assertEquals([appendable, room], [false, 0]);
});
