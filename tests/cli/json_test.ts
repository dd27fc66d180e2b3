/** What `--json` prints is what the documentation says. */
import { assertEquals, assertRejects } from "@std/assert";
import { makeFifo, makeFolder, patch } from "../support/helpers.ts";
import {
  assertDocumented,
  corrupt,
  putImage,
  run,
} from "../support/program.ts";

Deno.test("each command prints the JSON that is documented", async () => {
  await using folder = await makeFolder();
  const text = "find these bytes in the image";
  const url = await putImage(folder.path, { "f/a": "a", "f/b": "b", c: text });
  const source = `${folder.path}/sources/f`;
  await Deno.writeTextFile(`${source}/a`, "changed");
  await Deno.remove(`${source}/b`);
  await Deno.symlink("a", `${source}/link`);
  await makeFifo(`${source}/fifo`);
  let errors = "";
  const json = async (...words: string[]) => {
    const { stdout, stderr } = await run([...words, "--json", "-v"]);
    errors += stderr;
    return stdout;
  };
  const to = `${folder.path}/to`;
  const named = [
    await json("put", url, source, "--mirror", "--dry-run"),
    await json("put", url, source, "--mirror"),
    await json("move", url, "f/a", "f/moved"),
    await json("delete", url, "f/moved"),
    await json("get", url, "f", "--to", to),
    await json("get", url, "c", "--to", `${to}/c`),
    await json("get", url, "c", "--to", `${to}/c`),
  ];
  await json("list", url, "nothing");
  await json("put", url, `${folder.path}/none`);
  await json("list", url, "--wrong");
  const listed = await json("list", url, "--md5");
  const changes = await json("diff", url, source) +
    await json("diff", url, "--from", "1");
  const info = await json("info", url) + await json("info", url, "--session=1");
  await corrupt(`${folder.path}/a.iso`, text);
  named.push(await json("verify", url));
  await using other = await makeFolder();
  const erased = await putImage(other.path, { a: "a" });
  const medium = await json("blank", erased, "--force");
  await patch(`${folder.path}/a.iso`, 16 * 2048, new Uint8Array(2048));
  await json("list", url);
  await assertDocumented({
    "Named | Summary": named.join(""),
    Listed: listed,
    Change: changes,
    Info: info,
    Medium: medium,
    "Failure | LeftOut | Warning": errors,
  });
  const kinds = named.join("").matchAll(/"kind":"(\w+)"/g);
  assertEquals(
    Array.from(new Set(Array.from(kinds, ([, kind = ""]) => kind))).sort(),
    ["added", "attributes", "content", "moved", "removed", "restored"],
  );
});

Deno.test("assertDocumented() refuses keys that are too many", async () => {
  const line = '{"kind":"moved","name":"","more":1}';
  await assertRejects(() => assertDocumented({ Named: line }));
});
