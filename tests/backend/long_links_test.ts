import { assertEquals } from "@std/assert";
import { isLongLink } from "../../src/backend/long_links.ts";
import { openImage } from "../support/backends.ts";
import { age, makeFolder, toBytes } from "../support/helpers.ts";

Deno.test("isLongLink() counts the bytes of all parts", () => {
  assertEquals(
    ["x", "x".repeat(248), "x".repeat(249), "x/".repeat(83), "é".repeat(125)]
      .map(isLongLink),
    [false, false, true, true, true],
  );
});

Deno.test("apply() keeps long links as they are through later sessions", async () => {
  await using folder = await makeFolder();
  const text = "y/".repeat(300) + "z";
  const mtime = new Date("2020-01-02T03:04:05Z");
  const attributes = { uid: 0, gid: 0, mtime };
  {
    await using backend = await openImage(folder);
    await backend.apply([
      { kind: "link", name: "d/l", text, attributes },
      { kind: "link", name: "d/gone", text },
      { kind: "link", name: "d/other", text },
    ]);
  }
  {
    await using backend = await openImage(folder);
    await backend.apply([
      { kind: "remove", name: "d/gone" },
      { kind: "link", name: "d/other", text: "short" },
    ]);
    await backend.put(toBytes("a"), "a");
  }
  await age(`${folder.path}/test.iso`);
  await using backend = await openImage(folder, { readOnly: true });
  const links = await backend.list({ all: true, prefix: "d/" });
  assertEquals(links.map(({ name, link }) => [name, link]), [
    ...[["d/l", text], ["d/other", "short"]],
  ]);
  assertEquals(links[0]?.mtime, mtime);
});
