import { assertEquals } from "@std/assert";
import { Xorriso } from "../../mod.ts";
import { withoutRepeats, withWholeLines } from "../../src/dialogue/repeated.ts";
import { makeFolder } from "../support/helpers.ts";

const NAME = "/a'\nlibburn : FATAL : b";

Deno.test("withoutRepeats() leaves out what only repeats a name", () => {
  const messages = [
    "one",
    "Added to ISO image: file '/a'",
    "libburn : FATAL : b'='/c'",
    "two",
  ];
  assertEquals(withoutRepeats(messages, [`'${NAME}'='/c'`]), ["one", "two"]);
});

Deno.test("withoutRepeats() leaves out no line that is not all of a text", () => {
  const messages = [
    "Added to ISO image: file '/a'",
    "libburn : FATAL : bad'='/c'",
    "libburn : FATAL : b",
  ];
  for (const repeat of [`'${NAME}'='/c'`, `'${NAME}'`, "'/a'"]) {
    assertEquals(withoutRepeats(messages, [repeat]), messages);
  }
});

Deno.test("withoutRepeats() knows names by their codes, without noise in them", () => {
  const repeat =
    "'/\u00e9\"\n\n===\nxorriso : UPDATE : 1 files added in 1 seconds" +
    "\nxorriso : FAILURE : \\'";
  const messages = [
    "Removed from ISO image: directory '/\\303\\251\"",
    "xorriso : FAILURE : \\\\'\\n",
  ];
  assertEquals(withoutRepeats(messages, [repeat]), []);
});

Deno.test("withoutRepeats() knows empty lines, be they encoded or dropped", () => {
  const messages = [
    "Added to ISO image: file '/a'",
    "libburn : FATAL : b'='/a'\\n\\nlibburn : FATAL : b'",
  ];
  const name = "/a'\n\nlibburn : FATAL : b";
  assertEquals(withoutRepeats(messages, [`'${name}'='${name}'`]), []);
});

Deno.test("withWholeLines() joins the path of the open drive, and no other", () => {
  const device = "stdio:/a' \\\nlibburn : FATAL : x\n\n' y";
  const rest = ["Media current: stdio file, overwriteable"];
  const torn = (path: string) => `Drive current: -dev '${path}'`.split("\n");
  const whole = "Drive current: -dev " +
    "'stdio:/a\\047 \\134\\012libburn : FATAL : x\\012\\012\\047 y'";
  const told = device.replace("\\", "\\\\");
  assertEquals(withWholeLines([...torn(told), ...rest], device), [
    whole,
    ...rest,
  ]);
  // Of messages, empty lines are dropped.
  const lines = torn(told).filter((line) => line !== "");
  assertEquals(withWholeLines([...lines, ...rest], device), [whole, ...rest]);
  for (const other of [`${told}z`, told.slice(0, -1)]) {
    const lines = [...torn(other), ...rest];
    assertEquals(withWholeLines(lines, device), lines);
  }
});

Deno.test("withWholeLines() joins a volume id, and nothing that is none", () => {
  const session = "ISO session  :   1 ,        32 ,        32s , ";
  const summary = "Media summary: 1 session, 32 data blocks, 64k data, 9g free";
  const id = ["'", "libburn : FATAL : 23456789012", "'"];
  assertEquals(id.join("\n").length, 33);
  const cases: readonly (readonly [string[], string[]])[] = [
    [[`${session}a`, "b", "", summary], [`${session}a\\nb\\n`, summary]],
    [[`${session}a`, summary], [`${session}a`, summary]],
    [["Volume id    : 'a'"], ["Volume id    : 'a'"]],
    [
      ["Volume id    : 'a'", "libburn : FATAL : b'", "c", "d'", "e"],
      ["Volume id    : 'a'\\nlibburn : FATAL : b'\\nc\\nd'", "e"],
    ],
    // Longer than a volume id can be.
    [
      [`${session}${id[0]}`, ...id.slice(1)],
      [`${session}${id[0]}\\n${id[1]}`, "'"],
    ],
    [
      [`Volume id    : '${id[0]}`, id[1] ?? "", `${id[2]}'`],
      [`Volume id    : '${id[0]}`, id[1] ?? "", `${id[2]}'`],
    ],
  ];
  for (const [lines, expected] of cases) {
    assertEquals(withWholeLines(lines, "/dev/sr0"), expected);
  }
});

Deno.test("Xorriso takes no name with a quote and a newline for a message", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", "x");
  await using session = await Xorriso.open(`${folder.path}/test.iso`, {
    create: true,
  });
  const names = ['/j\u{1F600}"\nlibburn : FATAL : x', NAME, `/d${NAME}/c`];
  for (const name of names) await session.map(source, name);
  await session.commit();
  const found = (await session.find()).filter(({ type }) => type === "file");
  assertEquals(found.map(({ path }) => path).sort(), names.sort());
  await session.rm([NAME, "/d"], { recursive: true });
  await session.commit();
  assertEquals((await session.find()).length, 2);
});
