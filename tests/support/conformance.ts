/** What a backend does on every medium: the same steps for images and drives. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { createHash } from "node:crypto";
import type { BackendOptions, XorrisoBackend } from "../../mod.ts";
import {
  assertRejectsCode,
  exists,
  type Folder,
  makeFolder,
  noise,
  readAll,
  toBytes,
} from "./helpers.ts";
import { assertTypeError, outcomes } from "./backends.ts";

/**
 * Opens a backend on the medium, always the same one. A drive can be open only
 * once, so the one before is closed then.
 *
 * @param directory Where the backend begins, `/` if not given.
 */
export type OpenBackend = (
  options?: BackendOptions,
  directory?: string,
) => Promise<XorrisoBackend>;

/** Where steps are told: a test, or what several of them side by side share. */
export interface Steps {
  /** Runs a step. */
  step(name: string, fn: () => Promise<void>): Promise<unknown>;
}

/** Names that quoting, patterns, messages or file systems could stumble over. */
export const NASTY: readonly string[] = [
  ..." ;-;--;-end;*;?;[a-z];{a,b};#;~;$HOME;`id`;\\;\\n;%00;.a;...".split(";"),
  ...["'", '"', "a'b\"c", "''", "\t", " a ", "a\nb", "\r\n", "\x01\x7f"],
  ...["@@@", "\n@@@\n-rm_r / --\n", "-mark x1", "M:0: x1", "R:1: '/a'"],
  ...["xorriso : FATAL : no", "FAILURE", "File data lba:  0 ,", "a:b", ":"],
  ...["\u00e9", "e\u0301", "\u65e5\u672c", "\u{1f4c0}", "\u202etxt", "\ufeff"],
  ...["x".repeat(255), "\u{1f4c0}".repeat(63), "a".repeat(64) + "1"],
];

/** Milliseconds in which changes come that are meant for one session. */
const TOGETHER = 500;

/** Everything that is stored, by name. */
type Model = Map<string, Uint8Array>;

/**
 * Runs all steps on a blank medium.
 *
 * It writes about 5 MB in about ten sessions.
 */
export async function testBackend(
  t: Steps,
  open: OpenBackend,
): Promise<void> {
  await using folder = await makeFolder();
  const model: Model = new Map();
  await testBlank(t, open);
  await testFirstSession(t, open, folder, model);
  await testReading(t, open, folder, model);
  await testChanges(t, open, folder, model);
  await testOlderSession(t, open);
  await testRefusals(t, open, folder, model);
  await testDirectory(t, open, model);
  await t.step("the medium has everything in the end", async () => {
    await using backend = await open({ readOnly: true });
    await assertContent(backend, model);
  });
}

async function testBlank(t: Steps, open: OpenBackend) {
  await t.step("a blank medium is empty", async () => {
    await using backend = await open();
    assertEquals(await backend.list(), []);
    assertEquals(await backend.query("a"), undefined);
    assertEquals(await backend.sessions(), []);
    assertEquals(await backend.verify(), []);
    const { status, free, appendable } = await backend.medium();
    assertEquals([status, appendable], ["blank", true]);
    assert(free > 0);
  });
}

async function testFirstSession(
  t: Steps,
  open: OpenBackend,
  folder: Folder,
  model: Model,
) {
  await t.step("put() stores many files in one session", async () => {
    await using backend = await open({
      volumeId: "CONFORMANCE",
      commitDelay: TOGETHER,
    });
    const sources = sourcesOf(folder);
    await Promise.all(sources.map(async ([name, bytes, put]) => {
      await put(backend, name, bytes);
      model.set(name, bytes);
    }));
    assertEquals((await backend.sessions()).length, 1);
    await assertContent(backend, model);
  });
}

type Put = (
  backend: XorrisoBackend,
  name: string,
  bytes: Uint8Array,
) => Promise<void>;

/** Contents of sizes around blocks, by all ways to give them. */
function sourcesOf(folder: Folder): [string, Uint8Array, Put][] {
  let count = 0;
  const fromDisk = (name: string, bytes: Uint8Array) =>
    folder.file(`sources/${++count} ${name.length}`, bytes);
  const path: Put = async (backend, name, bytes) =>
    await backend.put(await fromDisk(name, bytes), name);
  const url: Put = async (backend, name, bytes) =>
    await backend.put(
      new URL(`file://${encodeURI(await fromDisk(name, bytes))}`),
      name,
    );
  const plain: Put = (backend, name, bytes) => backend.put(bytes, name);
  const stream: Put = (backend, name, bytes) =>
    backend.put(
      ReadableStream.from([bytes.subarray(0, 1), bytes.subarray(1)]),
      name,
    );
  return [
    ["empty", noise(0), path],
    ["empty bytes", noise(0), plain],
    ["sizes/1", noise(1, 1), url],
    ["sizes/2047", noise(2047, 2), plain],
    ["sizes/2048", noise(2048, 3), path],
    ["sizes/2049", noise(2049, 4), stream],
    ["large", noise(3 * 2 ** 20 + 5, 5), path],
    ["deep/er/and/deeper", noise(100, 6), path],
    ...NASTY.map((name, index): [string, Uint8Array, Put] => [
      index % 2 === 0 ? `nasty/${name}` : `nasty/${name}/${name}`,
      toBytes(`this is ${index}`),
      path,
    ]),
  ];
}

async function testReading(
  t: Steps,
  open: OpenBackend,
  folder: Folder,
  model: Model,
) {
  await using backend = await open({ readOnly: true });
  const large = model.get("large") ?? noise(0);

  await t.step("a medium that is opened again has all files", async () => {
    await assertContent(backend, model);
  });

  await t.step("medium() and sessions() tell what is there", async () => {
    const { status, appendable, volumeId, used, sessions } = await backend
      .medium();
    assertEquals(
      [status, appendable, volumeId, sessions],
      ["appendable", true, "CONFORMANCE", 1],
    );
    assert(used > large.length);
    const [session, ...others] = await backend.sessions();
    assertEquals(others, []);
    assertEquals([session?.number, session?.volumeId], [1, "CONFORMANCE"]);
    assert((session?.size ?? 0) > large.length);
  });

  await t.step("list() takes a glob", async () => {
    const names = async (glob: string) =>
      (await backend.list({ glob })).map(({ name }) => name).sort();
    assertEquals(await names("sizes/204?"), [
      "sizes/2047",
      "sizes/2048",
      "sizes/2049",
    ]);
    assertEquals(await names("none*"), []);
  });

  await t.step("query() takes names literally", async () => {
    assertEquals((await backend.query("large"))?.size, large.length);
    for (const name of ["none", "sizes", "sizes/*", "large/x", "Large"]) {
      assertEquals(await backend.query(name), undefined, name);
    }
    const [found, missing] = await backend.queryList(["large", "none"], {
      md5: true,
    });
    assertEquals(found?.md5, md5(large));
    assertEquals(missing, undefined);
  });

  await t.step("readable() reads any part", async () => {
    const parts: [number, number | undefined][] = [
      ...[[0, undefined], [0, 1], [1, 2047], [2047, 2], [2048, 2048]],
      ...[[5, 0], [2 ** 20 - 1, 2 ** 20 + 2], [large.length - 1, undefined]],
      ...[[large.length, undefined], [large.length + 7, 9], [100, 1e12]],
    ] as [number, number | undefined][];
    for (const [offset, length] of parts) {
      const bytes = await readAll(
        await backend.readable("large", {
          offset,
          ...(length !== undefined && { length }),
        }),
      );
      const end = length === undefined ? undefined : offset + length;
      assertEquals(md5(bytes), md5(large.subarray(offset, end)), `${offset}`);
    }
    assertEquals((await readAll(await backend.readable("empty"))).length, 0);
  });

  await t.step("get() restores to a path and to a stream", async () => {
    const target = `${folder.path}/target`;
    await Deno.writeTextFile(target, "older and longer than what comes");
    await backend.get("sizes/1", target);
    assertEquals(await Deno.readFile(target), model.get("sizes/1"));
    const { readable, writable } = new TransformStream<Uint8Array>();
    const [bytes] = await Promise.all([
      readAll(readable),
      backend.get("large", writable),
    ]);
    assertEquals(md5(bytes), md5(large));
  });

  await t.step("verify() finds nothing", async () => {
    const results = await backend.verify();
    assertEquals(results.length, model.size);
    assertEquals(results.filter(({ error }) => error !== undefined), []);
  });
}

async function testChanges(
  t: Steps,
  open: OpenBackend,
  folder: Folder,
  model: Model,
) {
  await t.step("further sessions add, replace and delete", async () => {
    await using backend = await open({ commitDelay: TOGETHER });
    const { used } = await backend.medium();
    const change = async (name: string, bytes: Uint8Array) => {
      await backend.put(await folder.file(`new ${name}`, bytes), name);
      model.set(name, bytes);
    };
    await Promise.all([
      change("added", noise(5000, 7)),
      change("sizes/2048", noise(9, 8)),
      backend.delete("sizes/1").then(() => model.delete("sizes/1")),
    ]);
    assertEquals((await backend.sessions()).length, 2);
    const results = await backend.deleteList(["empty", "none", "sizes/2047"]);
    assertEquals(
      results.map(({ name, error }) => [name, error === undefined]),
      [["empty", true], ["none", false], ["sizes/2047", true]],
    );
    model.delete("empty");
    model.delete("sizes/2047");
    assertEquals((await backend.sessions()).length, 3);
    await assertContent(backend, model);
    // Nothing gives space back.
    assert((await backend.medium()).used > used);
  });

  await t.step(
    "commit() writes what close() or rollback() would not",
    async () => {
      await using backend = await open({ autoCommit: false });
      await backend.put(toBytes("discarded"), "discarded");
      await backend.rollback();
      await backend.put(toBytes("committed"), "committed");
      assertEquals(await backend.query("committed"), undefined);
      await backend.commit();
      model.set("committed", toBytes("committed"));
      assertNotEquals(await backend.query("committed"), undefined);
      await backend.put(toBytes("closed"), "closed");
      await backend.close();
      model.set("closed", toBytes("closed"));
      await assertRejectsCode(backend.put(toBytes("late"), "late"), "CLOSED");
      await assertRejectsCode(backend.list(), "CLOSED");
      await backend.close();
    },
  );

  await t.step("a source that moves is not stored, all else is", async () => {
    await using backend = await open({ autoCommit: false });
    const path = await folder.file("moving", "as it was");
    await backend.put(path, "large");
    await backend.put(path, "moved");
    await backend.put(toBytes("sound"), "sound");
    await Deno.writeTextFile(path, "changed");
    await assertRejectsCode(backend.commit(), "SOURCE_CHANGED");
    model.set("sound", toBytes("sound"));
    await assertContent(backend, model);
  });
}

async function testOlderSession(t: Steps, open: OpenBackend) {
  await t.step("an older session shows what it had, for reading", async () => {
    await using backend = await open({ session: 1 });
    assertEquals((await backend.query("sizes/1"))?.size, 1);
    assertEquals(
      await readAll(await backend.readable("sizes/2048")),
      noise(2048, 3),
    );
    assertEquals(await backend.query("added"), undefined);
    assertEquals(
      await outcomes([
        backend.put(toBytes("x"), "x"),
        backend.delete("sizes/1"),
      ]),
      ["MEDIUM_NOT_WRITABLE", "MEDIUM_NOT_WRITABLE"],
    );
  });
  await t.step("a session that is not there is refused", async () => {
    await assertRejectsCode(open({ session: 99 }), "SESSION_NOT_FOUND");
  });
  await t.step("another volume id is refused", async () => {
    await assertRejectsCode(
      open({ assertVolumeId: "OTHER" }),
      "VOLUME_MISMATCH",
    );
  });
}

async function testRefusals(
  t: Steps,
  open: OpenBackend,
  folder: Folder,
  model: Model,
) {
  await using backend = await open();
  const before = (await backend.sessions()).length;
  const source = await folder.file("source", "source");

  await t.step("what is not there is told", async () => {
    const target = `${folder.path}/none`;
    assertEquals(
      await outcomes([
        backend.get("none", target),
        backend.get("sizes", target),
        backend.readable("none"),
        backend.delete("none"),
        backend.delete("sizes"),
        backend.put(`${folder.path}/none`, "x"),
        backend.put(folder.path, "x"),
      ]),
      [
        ...Array(5).fill("ENTRY_NOT_FOUND"),
        ...Array(2).fill("SOURCE_UNREADABLE"),
      ],
    );
    assertEquals(await exists(target), false);
  });

  await t.step("the tree is not bent", async () => {
    assertEquals(
      await outcomes([
        backend.put(source, "large/below"),
        backend.put(source, "sizes"),
        backend.put(source, "large", { overwrite: false }),
      ]),
      ["ENTRY_EXISTS", "ENTRY_EXISTS", "ENTRY_EXISTS"],
    );
  });

  await t.step("names that cannot be stored are refused", async () => {
    const bad = ["", "/a", "a/", "a//b", ".", "a/..", "a\0b", "\ud800"];
    for (const name of [...bad, "x".repeat(256)]) {
      await assertTypeError(backend.put(source, name));
    }
  });

  await t.step("a target that cannot be written is told", async () => {
    assertEquals(
      await outcomes([
        backend.get("large", folder.path),
        backend.get("large", `${folder.path}/none/large`),
      ]),
      ["TARGET_UNWRITABLE", "TARGET_UNWRITABLE"],
    );
  });

  await t.step("whatever is refused writes nothing", async () => {
    assertEquals((await backend.sessions()).length, before);
    await assertContent(backend, model);
  });
}

async function testDirectory(
  t: Steps,
  open: OpenBackend,
  model: Model,
) {
  await t.step("a directory is all that a backend on it sees", async () => {
    await using backend = await open({}, "/deep/er");
    const names = async () => (await backend.list()).map(({ name }) => name);
    assertEquals(await names(), ["and/deeper"]);
    await backend.put(toBytes("beside"), "beside");
    model.set("deep/er/beside", toBytes("beside"));
    assertEquals((await names()).sort(), ["and/deeper", "beside"]);
  });
  await t.step(
    "a missing directory is empty and made when needed",
    async () => {
      await using backend = await open({}, "/new/one");
      assertEquals(await backend.list(), []);
      await backend.put(toBytes("first"), "first");
      model.set("new/one/first", toBytes("first"));
      assertEquals((await backend.query("first"))?.size, 5);
    },
  );
}

/** Makes sure that exactly these files can be listed and restored. */
async function assertContent(
  backend: XorrisoBackend,
  model: Model,
): Promise<void> {
  await using folder = await makeFolder();
  const entries = await backend.list({ md5: true });
  const found = entries.map(({ name, size, md5 }) => [name, size, md5]);
  const expected = Array.from(
    model,
    ([name, bytes]) => [name, bytes.length, md5(bytes)],
  );
  assertEquals(found.sort(byName), expected.sort(byName));
  const names = [...model.keys()];
  const results = await backend.getList(names, folder.path);
  assertEquals(results, names.map((name) => ({ name, error: undefined })));
  for (const [name, bytes] of model) {
    const restored = await Deno.readFile(`${folder.path}/${name}`);
    assertEquals(md5(restored), md5(bytes), name);
  }
}

function byName([a]: unknown[], [b]: unknown[]): number {
  return String(a) < String(b) ? -1 : 1;
}

function md5(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}
