/** What a store keeps of a medium, through the deaths of its sessions. */
import { assertEquals } from "@std/assert";
import { Store } from "../../src/backend/store.ts";
import { makeFolder, makeImage } from "../support/helpers.ts";

Deno.test("Store.known is nothing that was forgotten while it was read", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "one" });
  // What lies behind is told while the names are read.
  await Deno.writeFile(image, new Uint8Array(100).fill(1), { append: true });
  let forgotten = false;
  let forget = () => {};
  const store = await Store.open(image, "/", {
    onMessage: (line) => {
      if (line.includes("nothing can be stored")) forget();
    },
  });
  try {
    await store.end();
    forget = () => {
      store.forget();
      forgotten = true;
    };
    await store.session();
    assertEquals([forgotten, store.known === undefined], [true, true]);
  } finally {
    await store.close();
  }
});

Deno.test("Store.close() leaves no file open that a session was just being opened for", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "one" });
  const store = await Store.open(image, "/", {});
  await store.end();
  const opening = store.session();
  await store.close();
  // Left open files fail the test by themselves.
  await (await opening).closed;
});
