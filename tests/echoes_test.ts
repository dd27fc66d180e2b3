import { assertEquals } from "@std/assert";
import { Xorriso } from "../mod.ts";
import { withoutEchoes } from "../src/echoes.ts";
import { makeFolder } from "./helpers.ts";

const NAME = "/a'\nlibburn : FATAL : b";

Deno.test("withoutEchoes() leaves out what only repeats a name", () => {
  const messages = [
    "one",
    "Added to ISO image: file '/a'",
    "libburn : FATAL : b'='/c'",
    "two",
  ];
  assertEquals(withoutEchoes(messages, [`'${NAME}'='/c'`]), ["one", "two"]);
});

Deno.test("withoutEchoes() leaves out no line that is not all of an echo", () => {
  const messages = [
    "Added to ISO image: file '/a'",
    "libburn : FATAL : bad'='/c'",
    "libburn : FATAL : b",
  ];
  for (const echo of [`'${NAME}'='/c'`, `'${NAME}'`, "'/a'"]) {
    assertEquals(withoutEchoes(messages, [echo]), messages);
  }
});

Deno.test("withoutEchoes() knows names by their codes, without noise in them", () => {
  const echo =
    "'/\u00e9\"\n\n===\nxorriso : UPDATE : 1 files added in 1 seconds" +
    "\nxorriso : FAILURE : \\'";
  const messages = [
    "Removed from ISO image: directory '/\\303\\251\"",
    "xorriso : FAILURE : \\\\'\\n",
  ];
  assertEquals(withoutEchoes(messages, [echo]), []);
});

Deno.test("withoutEchoes() knows empty lines, be they encoded or dropped", () => {
  const messages = [
    "Added to ISO image: file '/a'",
    "libburn : FATAL : b'='/a'\\n\\nlibburn : FATAL : b'",
  ];
  const name = "/a'\n\nlibburn : FATAL : b";
  assertEquals(withoutEchoes(messages, [`'${name}'='${name}'`]), []);
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
