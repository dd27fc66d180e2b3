/** What a commit has written is looked at: here xorriso does other things than it is told. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Change } from "../../mod.ts";
import type { XorrisoErrorCode } from "../../src/errors.ts";
import { openImage, store, textsOf } from "../support/backends.ts";
import {
  assertCode,
  assertRejectsCode,
  makeFolder,
  makeScript,
  toBytes,
} from "../support/helpers.ts";

/** What is there before. */
const BEFORE = {
  ...{ "dir/x": "x", "dir/y": "y", kept: "kept", old: "before" },
  ...{ small: "small", large: "larger" },
};

/** A lie, and what it makes of a change. */
interface Lie {
  /** The change that is asked for. */
  readonly change: Change;
  /** What xorriso is told, as `sed` finds it. */
  readonly told: string;
  /** What it does. */
  readonly done: string;
  readonly code?: XorrisoErrorCode;
  /** What the error says. */
  readonly why: string;
}

const HARMLESS = '-chmod "0644" "/kept" --';

/** @param source A file of the bytes "source". */
function liesAbout(source: string): Readonly<Record<string, Lie>> {
  const file = { kind: "file", name: "new", source } as const;
  return {
    "a name that stays": {
      change: { kind: "remove", name: "old" },
      ...{ told: '-rm "/old" --', done: HARMLESS },
      why: "it is still there after the commit",
    },
    "more names that go": {
      change: { kind: "remove", name: "dir/x" },
      ...{ told: '-rm "/dir/x" --', done: '-rm "/dir/x" "/dir/y" --' },
      why: 'more than was asked for has gone from "/dir"',
    },
    "a folder that is not made": {
      change: { kind: "folder", name: "new" },
      ...{ told: '-mkdir "/new" --', done: HARMLESS },
      why: "the medium shows nothing instead of a directory",
    },
    "another kind of name": {
      change: file,
      ...{ told: '-map "[^"]*" "/new"', done: '-mkdir "/new" --' },
      why: "the medium shows directory instead of a file",
    },
    "a link to elsewhere": {
      change: { kind: "link", name: "new", text: "kept" },
      ...{ told: '-lns "kept" "/new"', done: '-lns "gone" "/new"' },
      why: "the medium shows another link",
    },
    "more bytes": {
      change: file,
      ...{ told: '-map "[^"]*" "/new"', done: `-map "${source}.more" "/new"` },
      why: "the medium shows 11 bytes instead of its 6 bytes",
    },
    "other bytes": {
      change: { ...file, source: toBytes("source") },
      ...{ told: '-map "[^"]*" "/new"', done: `-map "${source}.other" "/new"` },
      code: "CHECKSUM_MISMATCH",
      why: "the checksum recorded for it is not that of its source",
    },
    "bytes of before": {
      change: { ...file, name: "old" },
      ...{ told: '-map "[^"]*" "/old"', done: HARMLESS },
      why: "its content is not in the session that was written",
    },
    "another file moved": {
      change: { kind: "move", name: "new", from: "small" },
      ...{ told: '-mv "/small" "/new"', done: '-mv "/large" "/new"' },
      why: "the medium shows 6 bytes of it",
    },
    "another mode": {
      change: { ...file, attributes: { mode: 0o600 } },
      ...{ told: '-chmod "0600"', done: '-chmod "0640"' },
      why: "the medium shows the mode 416, not 384",
    },
    "another owner": {
      change: { ...file, attributes: { uid: 7 } },
      ...{ told: '-chown "7"', done: '-chown "8"' },
      why: "the medium shows the uid 8, not 7",
    },
    "another time": {
      change: { ...file, attributes: { mtime: new Date(1e12) } },
      ...{ told: '"=1000000000"', done: '"=1000000001"' },
      why: "the medium shows the time 2001-09-09T01:46:41.000Z",
    },
  };
}

Deno.test("XorrisoBackend.apply() takes back what xorriso has done otherwise, and keeps the rest", async (t) => {
  await using sources = await makeFolder();
  const source = await sources.file("source", "source");
  await sources.file("source.more", "source more");
  await sources.file("source.other", "SOURCE");
  for (const [name, lie] of Object.entries(liesAbout(source))) {
    await t.step(name, async () => {
      await using folder = await makeFolder();
      const xorrisoPath = await makeScript(
        folder,
        "lying-xorriso",
        `sed -u 's|^\\(.*\\)${lie.told}|\\1${lie.done}|' | xorriso "$@"`,
      );
      {
        await using backend = await openImage(folder);
        await store(backend, BEFORE);
      }
      await using backend = await openImage(folder, { xorrisoPath });
      const good: Change = { kind: "file", name: "good", source };
      const [told, other] = await backend.apply([lie.change, good]);
      const { code = "WRITE_ERROR", why } = lie;
      const { message } = assertCode(told?.error, code);
      assertStringIncludes(message, why);
      assertEquals(other?.error, undefined);
      assertEquals(await textsOf(backend), { ...BEFORE, good: "source" });
    });
  }
});

Deno.test("XorrisoBackend.put() compares what was read where its folder was another for a while", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("sources/file", "right");
  await folder.file("others/file", "WRONG");
  const xorrisoPath = await makeScript(
    folder,
    "xorriso-beside",
    `cd '${folder.path}'
     while IFS= read -r line; do
       case $line in
         -map*) mv sources away; mv others sources ;;
         -toc) [ "$last" != -commit ] || { mv sources others; mv away sources; } ;;
       esac
       case $line in -mark*) ;; *) last=$line ;; esac
       printf '%s\\n' "$line"
     done | xorriso "$@"`,
  );
  await using backend = await openImage(folder, { xorrisoPath });
  const { message } = await assertRejectsCode(
    backend.put(source, "a"),
    "CHECKSUM_MISMATCH",
  );
  assertStringIncludes(message, "a");
  assertEquals(await Deno.readTextFile(source), "right");
  assertEquals(await backend.list(), []);
});
