import { assert, assertEquals } from "@std/assert";
import {
  AFTER_COMMIT,
  type Hooked,
  hookXorriso,
  ONE_BATCH,
  openImage,
  outcomes,
  store,
  storedTexts,
  textsOf,
} from "../support/backends.ts";
import { slowReads } from "../burner/burner.ts";
import {
  codeOf,
  exists,
  type Folder,
  grows,
  hash,
  makeFolder,
  rejection,
} from "../support/helpers.ts";
import { absent, unless } from "../support/needs.ts";

/** What can happen to the file `$f`, in a folder of its own. */
const MOTIONS: Readonly<Record<string, string>> = {
  "other content of the same size": `printf 'OTHER' >"$f"`,
  "shrunk": `truncate -s 3 "$f"`,
  "emptied": `: >"$f"`,
  "grown": `printf 'and more' >>"$f"`,
  "vanished": `rm "$f"`,
  "vanished with its folder": `rm -r "$(dirname "$f")"`,
  "moved away": `mv "$f" "$f.moved"`,
  // To root a permission makes no difference, so its time changes, too: what
  // Deno tells of a change of mode alone is rounded to seconds.
  "permission lost": `touch "$f"; chmod 000 "$f"`,
  "replaced by its like": `cp -p "$f" "$f.like" && mv "$f.like" "$f"`,
  "turned into a directory": `rm "$f"; mkdir "$f"; echo x >"$f/x"`,
  "turned into a link": `mv "$f" "$f.moved"; ln -s "$f.moved" "$f"`,
  "turned into a device": `rm "$f"; mknod "$f" c 1 5 || ln -s /dev/zero "$f"`,
  "turned into a FIFO": `rm "$f"; mkfifo "$f"`,
};

/** The folder's file that is going to move, and a shell command about it. */
async function makeSource(
  folder: Folder,
  motion: string,
  content: string | Uint8Array = "moves",
): Promise<{ path: string; command: string }> {
  const path = await folder.file("sources/it moves", content);
  return { path, command: `f='${path}'; ${MOTIONS[motion]}` };
}

async function runShell(command: string): Promise<void> {
  await new Deno.Command("sh", { args: ["-c", command] }).output();
}

/** Makes sure that a change was rejected for what has become of its source. */
function assertMoved(outcome: string | undefined): void {
  const codes = ["SOURCE_CHANGED", "SOURCE_UNREADABLE"];
  assert(codes.includes(String(outcome)), `not ${outcome}`);
}

/** Runs a test for several motions at once, each with a folder of its own. */
async function forEach(
  motions: readonly string[],
  test: (motion: string, folder: Folder) => Promise<void>,
): Promise<void> {
  const results = await Promise.allSettled(motions.map(async (motion) => {
    await using folder = await makeFolder();
    await test(motion, folder);
  }));
  const failed = results.flatMap((result, index) =>
    result.status === "rejected" ? [`${motions[index]}: ${result.reason}`] : []
  );
  assertEquals(failed, []);
}

const ALL = Object.keys(MOTIONS);

/**
 * Stores a moving source over an older version, with a sound file beside it,
 * and makes sure of what is there then.
 */
async function storeMoving(
  folder: Folder,
  hooked: Hooked,
  motion: string,
  source: string,
): Promise<void> {
  const sound = await folder.file("sound", "sound");
  await using backend = await openImage(folder, {
    xorrisoPath: hooked.path,
    autoCommit: false,
  });
  await store(backend, { old: "old", deleted: "deleted" });
  await backend.commit();
  await backend.put(source, "old");
  await backend.put(source, "new");
  await backend.put(sound, "sound");
  await backend.delete("deleted");
  assertMoved(codeOf(await rejection(backend.commit())));
  const expected = { old: "old", sound: "sound" };
  assertEquals(await textsOf(backend), expected);
  // The session goes on.
  await backend.put(sound, "after");
  await backend.commit();
  await backend.close();
  assertEquals(
    await storedTexts(folder),
    { after: "sound", ...expected },
    motion,
  );
}

Deno.test("XorrisoBackend.put() rejects a source that moves before it is staged", async () => {
  await forEach(ALL, async (motion, folder) => {
    const { path, command } = await makeSource(folder, motion);
    // The first line is that of the older versions.
    await using hooked = await hookXorriso(folder, "-map", ["", command]);
    await storeMoving(folder, hooked, motion, path);
  });
});

Deno.test("XorrisoBackend.put() rejects a source that moves before it is read", async () => {
  await forEach(ALL, async (motion, folder) => {
    const { path, command } = await makeSource(folder, motion);
    await using hooked = await hookXorriso(folder, "-commit", ["", command]);
    await storeMoving(folder, hooked, motion, path);
  });
});

Deno.test("XorrisoBackend.put() rejects a source that moves after it was read", async () => {
  await forEach(ALL, async (motion, folder) => {
    const { path, command } = await makeSource(folder, motion);
    await using hooked = await hookXorriso(
      folder,
      AFTER_COMMIT,
      ["", command],
    );
    await storeMoving(folder, hooked, motion, path);
  });
});

Deno.test("XorrisoBackend.put() rejects a source that moves while it is read", async () => {
  const large = new Uint8Array(12e6).fill(65);
  const motions = ["shrunk", "emptied", "grown", "vanished"].concat([
    "other content of the same size",
    "replaced by its like",
    "turned into a FIFO",
  ]);
  await forEach(motions, async (motion, folder) => {
    const { path, command } = await makeSource(folder, motion, large);
    const sound = await folder.file("sound", "sound");
    const slow = await slowReads(folder.path, 200);
    await using hooked = await hookXorriso(folder, "-none", [], slow);
    await using backend = await openImage(folder, {
      xorrisoPath: hooked.path,
      autoCommit: false,
    });
    await store(backend, { old: "old" });
    await backend.commit();
    await backend.put(path, "old");
    await backend.put(sound, "sound");
    const commit = outcomes([backend.commit()]);
    await grows(`${folder.path}/test.iso`, commit);
    await hooked.kill("SIGSTOP");
    await runShell(command);
    await hooked.kill("SIGCONT");
    assertMoved((await commit)[0]);
    assertEquals(await textsOf(backend), { old: "old", sound: "sound" });
  });
});

Deno.test("XorrisoBackend.put() rejects a source that moves before commit()", async () => {
  await forEach(ALL, async (motion, folder) => {
    const { path, command } = await makeSource(folder, motion);
    await using backend = await openImage(folder, { autoCommit: false });
    await store(backend, { old: "old" });
    await backend.commit();
    await backend.put(path, "old");
    await runShell(command);
    assertMoved(codeOf(await rejection(backend.commit())));
    // It is noticed in time, so that no session is spent on it.
    assertEquals((await backend.sessions()).length, 1);
    assertEquals(await textsOf(backend), { old: "old" });
  });
});

Deno.test("XorrisoBackend.put() rejects a moving source of the first session", async () => {
  await forEach(ALL, async (motion, folder) => {
    const { path, command } = await makeSource(folder, motion);
    const sound = await folder.file("sound", "sound");
    await using hooked = await hookXorriso(folder, "-commit", [command]);
    await using backend = await openImage(folder, {
      ...ONE_BATCH,
      xorrisoPath: hooked.path,
      volumeId: "FIRST",
    });
    const [moved, ...others] = await outcomes([
      backend.put(path, "dir/moves"),
      backend.put(sound, "sound"),
      backend.put(sound, "dir/sound"),
    ]);
    assertMoved(moved);
    assertEquals(others, ["ok", "ok"]);
    const expected = { "dir/sound": "sound", sound: "sound" };
    assertEquals(await textsOf(backend), expected);
    assertEquals((await backend.sessions()).length, 1);
    assertEquals((await backend.medium()).volumeId, "FIRST");
    await backend.close();
    assertEquals(await storedTexts(folder), expected);
  });
});

Deno.test("XorrisoBackend.put() leaves an image as it was when nothing is sound", async () => {
  await forEach(ALL, async (motion, folder) => {
    const { path, command } = await makeSource(folder, motion);
    const image = `${folder.path}/test.iso`;
    await using hooked = await hookXorriso(folder, "-commit", ["", command]);
    await using backend = await openImage(folder, { xorrisoPath: hooked.path });
    await store(backend, { old: "old" });
    const before = await hash(image);
    const [outcome] = await outcomes([backend.put(path, "old")]);
    assertMoved(outcome);
    assertEquals(await hash(image), before);
    assertEquals(await textsOf(backend), { old: "old" });
  });
});

/** Programs that make images without a list of sessions. */
const OTHERS: readonly (readonly string[])[] = [
  ["xorriso", "-as", "mkisofs", "-quiet", "-R"],
  ["xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-no-pad"],
  ["xorriso", "-as", "mkisofs", "-quiet", "-R", "-partition_offset", "16"],
  ["genisoimage", "-quiet", "-R", "-J"],
  ["genisoimage", "-quiet", "-R", "-no-pad"],
];

for (const [program = "", ...args] of OTHERS) {
  Deno.test(
    unless(
      await absent(program),
      `XorrisoBackend.put() repairs an image that ${program} made, with ${
        args.slice(1).join(" ")
      }`,
    ),
    async () => {
      await using folder = await makeFolder();
      const image = `${folder.path}/test.iso`;
      const source = await folder.file("source", "moves");
      const sound = await folder.file("sound", "sound");
      await folder.file("in/dir/old", "old");
      await folder.file("in/kept", "kept");
      const { success } = await new Deno.Command(program, {
        args: [...args, "-o", image, `${folder.path}/in`],
        stderr: "null",
      }).output();
      assert(success);
      const before = await hash(image);
      const grow = `printf more >>'${source}'`;
      await using hooked = await hookXorriso(folder, "-commit", [grow, grow]);
      await using backend = await openImage(folder, {
        ...ONE_BATCH,
        xorrisoPath: hooked.path,
      });
      const alone = await outcomes([backend.put(source, "dir/old")]);
      assertEquals(alone, ["SOURCE_CHANGED"]);
      assertEquals(await hash(image), before);
      const results = await outcomes([
        backend.put(source, "dir/old"),
        backend.put(sound, "sound"),
      ]);
      assertEquals(results, ["SOURCE_CHANGED", "ok"]);
      const expected = { "dir/old": "old", kept: "kept", sound: "sound" };
      assertEquals(await textsOf(backend), expected);
      await backend.close();
      assertEquals(await storedTexts(folder), expected);
    },
  );
}

Deno.test("XorrisoBackend.put() leaves no new image when nothing is sound", async () => {
  await forEach(["vanished", "grown"], async (motion, folder) => {
    const { path, command } = await makeSource(folder, motion);
    await using hooked = await hookXorriso(folder, "-commit", [command]);
    {
      await using backend = await openImage(folder, {
        xorrisoPath: hooked.path,
      });
      const [outcome] = await outcomes([backend.put(path, "a")]);
      assertMoved(outcome);
      assertEquals(await backend.list(), []);
      assertEquals(await backend.sessions(), []);
    }
    assertEquals(await exists(`${folder.path}/test.iso`), false);
  });
});

Deno.test("XorrisoBackend.put() repairs again when more sources move meanwhile", async () => {
  await using folder = await makeFolder();
  const sources = [
    await folder.file("1", "1"),
    await folder.file("2", "2"),
    await folder.file("3", "3"),
    await folder.file("4", "4"),
  ];
  await using hooked = await hookXorriso(
    folder,
    "-commit",
    sources.map((path, index) => index === 3 ? "" : `rm '${path}'`),
  );
  await using backend = await openImage(folder, {
    ...ONE_BATCH,
    xorrisoPath: hooked.path,
  });
  const results = await outcomes(
    sources.map((path, index) => backend.put(path, `${index + 1}`)),
  );
  assertEquals(results, [...Array(3).fill("SOURCE_UNREADABLE"), "ok"]);
  assertEquals(await textsOf(backend), { 4: "4" });
  assertEquals((await backend.sessions()).length, 1);
});

Deno.test("XorrisoBackend.put() rejects all when the repair fails", async (t) => {
  // Of lines that stage, the first batch has one, the second two, and its repair one.
  const failures: [string, string, string[], string[]][] = [
    [
      "because xorriso dies in it",
      "-commit",
      ["", "rm $f", "kill -9 $$"],
      ["SOURCE_UNREADABLE", "SESSION_LOST"],
    ],
    [
      "because another program writes, too",
      "-map",
      ["", "rm $f", "touch $image"],
      ["SOURCE_UNREADABLE", "MEDIUM_CHANGED"],
    ],
  ];
  for (const [name, before, commands, expected] of failures) {
    await t.step(name, async () => {
      await using folder = await makeFolder();
      const source = await folder.file("source", "x");
      const sound = await folder.file("sound", "sound");
      const image = `${folder.path}/test.iso`;
      await using hooked = await hookXorriso(
        folder,
        before,
        commands,
        `f='${source}'; image='${image}'`,
      );
      await using backend = await openImage(folder, {
        ...ONE_BATCH,
        xorrisoPath: hooked.path,
      });
      await store(backend, { old: "old" });
      const results = await outcomes([
        backend.put(source, "old"),
        backend.put(sound, "sound"),
      ]);
      assertEquals(results, expected);
    });
  }
});
