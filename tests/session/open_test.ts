import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { XorrisoError } from "../../src/errors.ts";
import type { XorrisoOptions } from "../../src/options.ts";
import { Xorriso } from "../../src/session/xorriso.ts";
import { BLOCK } from "../../src/medium.ts";
import {
  age,
  assertRejectsCode,
  exists,
  fingerprint,
  type Folder,
  hash,
  isAlive,
  listImage,
  makeFifo,
  makeFolder,
  makeImage,
  makeScript,
  noise,
  patch,
  readImage,
  rejection,
  runDeno,
  runProgram,
  signalTo,
  traceXorriso,
  until,
  writeSession,
} from "../support/helpers.ts";
import { isRoot, unless, withoutRights } from "../support/needs.ts";

/** The ways to open an image. */
const WAYS: readonly XorrisoOptions[] = [
  {},
  { create: true },
  { readOnly: true },
  { session: 1 },
];

/** Opens what cannot be opened, in each way, and wants it left as it was. */
async function assertRefused(
  path: string,
  codes: string,
  ways: readonly XorrisoOptions[] = WAYS,
): Promise<void> {
  // What may be written to just now is waited for.
  await age(path);
  const before = await fingerprint(path);
  for (const way of ways) {
    const what = `${path} ${JSON.stringify(way)}`;
    const code = await Xorriso.open(path, way).then(
      (session) => session.end().then(() => "opened"),
      codeOf,
    );
    assert(codes.split(" ").includes(code), `${what}: ${code}`);
    assertEquals(await fingerprint(path), before, what);
  }
}

function codeOf(error: unknown): string {
  return error instanceof XorrisoError ? error.code : String(error);
}

/** Writes what a session promises into a new image, and looks whether it is there. */
async function assertUsable(
  path: string,
  folder: Folder,
  options: XorrisoOptions = { create: true },
): Promise<void> {
  const source = await folder.file("source", "content");
  {
    await using session = await Xorriso.open(path, options);
    await session.cp([source], "/a");
    await session.commit();
  }
  assertEquals(await listImage(path), ["/a"]);
}

Deno.test("Xorriso.open() refuses what is neither image nor drive", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await Deno.mkdir(`${path}/folder`);
  await Deno.symlink(`${path}/none`, `${path}/dangling`);
  await makeFifo(`${path}/fifo`);
  const paths = [
    ...["folder", "dangling", "fifo", "none/x.iso"].map((n) => `${path}/${n}`),
    ...["/dev/null", "/dev/zero", "/dev/tty", "/dev/none", "/dev/shm"],
  ];
  for (const device of paths) {
    for (const way of WAYS) {
      const error = await assertRejectsCode(
        Xorriso.open(device, way),
        "NO_DRIVE",
      );
      assertStringIncludes(error.message, device);
      assertEquals(error.path, device);
    }
  }
  assertEquals(await exists(`${path}/none`), false);
});

Deno.test("Xorriso.open() makes a new image only if asked", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  for (const way of [{}, { readOnly: true, create: true }, { session: 1 }]) {
    await assertRejectsCode(Xorriso.open(path, way), "NO_DRIVE");
    assertEquals(await exists(path), false);
  }
});

Deno.test("Xorriso.open() takes no path that cannot be one", async () => {
  for (const path of ["", "a\0b"]) {
    await assertRejects(() => Xorriso.open(path), TypeError);
  }
});

Deno.test("Xorriso.open() leaves files with other content alone", async () => {
  await using folder = await makeFolder();
  const tar = `${folder.path}/tar`;
  await new Deno.Command("tar", {
    args: ["-cf", tar, "-C", folder.path, await folder.file("x", noise(90_000))]
      .map((word) => word.replace(`${folder.path}/x`, "x")),
  }).output();
  const zeroHead = new Uint8Array(200_000);
  zeroHead.set(noise(100_000), 100_000);
  const files = [
    tar,
    await folder.file("text", "All work and no play.\n".repeat(10_000)),
    await folder.file("short", "x"),
    await folder.file("noise", noise(300_000)),
    await folder.file("zeros", new Uint8Array(300_000)),
    await folder.file("zero-head", zeroHead),
    await folder.file("zero-block", new Uint8Array(BLOCK)),
  ];
  for (const file of files) await assertRefused(file, "NOT_ISO");
});

Deno.test("Xorriso.open() notices where an image was cut off", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, {
    "/a": noise(20_000),
    "/b": noise(5000, 2),
  });
  await writeSession(image, { "/c": noise(9000, 3) });
  const bytes = await Deno.readFile(image);
  const size = new DataView(bytes.buffer).getUint32(16 * BLOCK + 80, true);
  const boundaries = [
    ...[BLOCK, 16 * BLOCK, 16 * BLOCK + 6, 17 * BLOCK, 18 * BLOCK, 20 * BLOCK],
    ...[32 * BLOCK, 48 * BLOCK, 49 * BLOCK, 52 * BLOCK, 60 * BLOCK, 64 * BLOCK],
    ...[80 * BLOCK, 96 * BLOCK, (size - 20) * BLOCK, (size - 1) * BLOCK],
  ];
  for (const boundary of boundaries) {
    const cut = await folder.file(`${boundary}`, bytes.subarray(0, boundary));
    // Before the volume descriptor nothing tells that it was an image.
    const code = boundary <= 16 * BLOCK + 6
      ? "NOT_ISO IMAGE_DAMAGED"
      : "IMAGE_DAMAGED";
    await assertRefused(cut, code, [{ readOnly: true }, { create: true }]);
  }
  const whole = await folder.file("cut.iso", bytes.subarray(0, size * BLOCK));
  await using session = await Xorriso.open(whole);
  assertEquals(await session.ls(), ["a", "b", "c"]);
});

Deno.test("Xorriso.open() notices a damaged descriptor or tree", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "a", "/dir/b": "b" });
  const bytes = await Deno.readFile(image);
  const rootAt = new DataView(bytes.buffer).getUint32(16 * BLOCK + 158, true);
  const places = [
    // Type, identifier, version, size, root directory, and a date.
    ...[0, 1, 5, 6, 80, 158, 813].map((at) => 16 * BLOCK + at),
    ...[0, 1].map((at) => 17 * BLOCK + at),
    ...[2, 34, 150].map((at) => rootAt * BLOCK + at),
  ];
  for (const place of places) {
    const copy = await folder.file("copy.iso", bytes);
    await patch(copy, place, new Uint8Array([0xff ^ (bytes[place] ?? 0)]));
    await assertRefused(copy, "IMAGE_DAMAGED", [{}, { create: true }, {
      readOnly: true,
    }]);
  }
});

Deno.test("Xorriso.open() begins again where a first session was interrupted", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": noise(100_000) });
  await patch(image, 0, new Uint8Array(32 * BLOCK));
  await Deno.truncate(image, 60 * BLOCK);
  await assertRefused(image, "IMAGE_DAMAGED", [{ readOnly: true }, {
    readOnly: true,
    create: true,
    recover: true,
  }]);
  await assertRefused(image, "DRIVE_BUSY", [{}, { create: true }]);
  await assertUsable(image, folder, { recover: true });
});

Deno.test("Xorriso.open() completes a first session that lacks its head alone", async () => {
  await using folder = await makeFolder();
  const content = noise(100_000);
  for (const joliet of ["on", "off"]) {
    const image = await makeImage(folder, { "/a": content }, [
      "-joliet",
      joliet,
    ]);
    await patch(image, 0, new Uint8Array(32 * BLOCK));
    await assertRefused(image, "IMAGE_DAMAGED", [{ readOnly: true }]);
    await assertRefused(image, "DRIVE_BUSY", [{}, { create: true }]);
    {
      await using session = await Xorriso.open(image, { recover: true });
      assertEquals((await session.sessions()).map(({ lba }) => lba), [32]);
    }
    // Somebody else finds it, too.
    assertEquals(await readImage(image, "/a"), content);
    {
      await using session = await Xorriso.open(image, { create: true });
      await session.map(await folder.file("source", "content"), "/b");
      await session.commit();
      assertEquals((await session.sessions()).length, 2);
    }
    assertEquals(await listImage(image), ["/a", "/b"]);
    assertEquals(await readImage(image, "/a"), content);
    // With a second session there is more to lose.
    await patch(image, 0, new Uint8Array(32 * BLOCK));
    await assertRefused(image, "IMAGE_DAMAGED");
    await Deno.remove(image);
  }
});

Deno.test("Xorriso.open() begins again whenever a first commit is cut off", async () => {
  await using folder = await makeFolder();
  const source = await folder.file("source", noise(1 << 20));
  // Two signals at a time from the beginning of the commit to its end.
  await Promise.all(Array.from({ length: 8 }, async (_, index) => {
    const path = `${folder.path}/${index}.iso`;
    const child = new Deno.Command("xorriso", {
      args: [
        ...["-no_rc", "-md5", "on", "-joliet", "on", "-padding", "0"],
        ...["-dev", `stdio:${path}`, "-map", source, "/old", "-commit"],
      ],
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).spawn();
    let hasEnded = false;
    const ended = child.status.then(() => hasEnded = true);
    const size = index % 2 === 0 ? 0 : 1 << 20;
    // The commit may be over before anybody looks.
    await until(
      async () =>
        hasEnded ||
        await Deno.stat(path).then((it) => it.size > size, () => false),
      "it writes",
    );
    signalTo(child, index < 4 ? "SIGTERM" : "SIGKILL");
    await ended;
    await age(path);
    {
      const way = { create: true, recover: true };
      await using session = await Xorriso.open(path, way);
      await session.map(source, "/new");
      await session.commit();
    }
    const found = await listImage(path);
    assertEquals(found.filter((name) => name !== "/old"), ["/new"]);
    for (const name of found) {
      assertEquals(await readImage(path, name), await Deno.readFile(source));
    }
  }));
});

Deno.test("Xorriso.open() takes an empty file for a blank medium", async () => {
  await using folder = await makeFolder();
  const path = await folder.file("empty.iso");
  await age(path);
  for (const way of [{}, { readOnly: true }]) {
    await using session = await Xorriso.open(path, way);
    assertEquals((await session.medium()).status, "blank");
    assertEquals(await session.sessions(), []);
    assertEquals(await session.ls(), []);
  }
  assertEquals((await Deno.stat(path)).size, 0);
  await assertUsable(path, folder);
});

Deno.test("Xorriso.open() takes an image of another program's making", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/plain.iso`;
  const source = await folder.file("SOURCE.TXT", "content");
  await runProgram("xorriso", [
    ...["-no_rc", "-as", "mkisofs", "-quiet", "-r", "-o", path, source],
  ]);
  await age(path);
  const warnings: string[] = [];
  {
    await using session = await Xorriso.open(path, {
      onMessage: (line) =>
        void (/ : WARNING : /.test(line) && warnings.push(line)),
    });
    assertEquals(await session.ls(), ["SOURCE.TXT"]);
    assertEquals(warnings, []);
    for (const name of ["/a", "/b"]) {
      await session.map(source, name);
      await session.commit();
    }
    assertEquals((await session.sessions()).length, 1);
  }
  // There is no list of sessions, of which the first one would be.
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0] ?? "", "cannot be gone back to");
  assertEquals(await listImage(path), ["/SOURCE.TXT", "/a", "/b"]);
});

Deno.test("Xorriso.open() removes a new image that was not written", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  const source = await folder.file("source", "x");
  {
    await using session = await Xorriso.open(path, { create: true });
    await session.cp([source], "/a");
    assert(await exists(path));
  }
  assertEquals(await exists(path), false);
});

Deno.test("Xorriso.open() leaves nothing behind when it fails", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  const talker = await makeScript(folder, "talker", "echo hello; exec cat");
  const text = await folder.file("text");
  const cases: readonly (readonly [XorrisoOptions, string])[] = [
    [{ xorrisoPath: "true" }, "SESSION_LOST"],
    [{ xorrisoPath: talker }, "PROTOCOL"],
    [{ xorrisoPath: text }, "PERMISSION_DENIED"],
    [{ assertVolumeId: "A", volumeId: "B" }, "VOLUME_MISMATCH"],
    [{ xorrisoArgs: ["-nonsense"] }, "INVALID_COMMAND"],
    [{ xorrisoArgs: ["-pkt_output", "off"] }, "PROTOCOL"],
  ];
  for (const [options, code] of cases) {
    const error = await rejection(
      Xorriso.open(path, { create: true, ...options }),
    );
    assertEquals(codeOf(error), code);
    assertEquals(await exists(path), false);
  }
  const xorrisoArgs = ["-rockridge", "off"];
  await assertRejects(
    () => Xorriso.open(path, { create: true, xorrisoArgs }),
    TypeError,
    "rockridge",
  );
  await assertRejects(
    () => Xorriso.open(path, { create: true, xorrisoPath: "no-such-xorriso" }),
    Deno.errors.NotFound,
    "install xorriso",
  );
  assertEquals(await exists(path), false);
  // No lock is left either.
  const image = await folder.file("other.iso", "text");
  await assertRejectsCode(Xorriso.open(image), "NOT_ISO");
  await runProgram("flock", ["--nonblock", image, "true"]);
});

Deno.test("Xorriso.open() can be aborted, and leaves nothing behind", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  const reason = new Error("never mind");
  const traced = await traceXorriso(folder, "sleep 0.1");
  const controller = new AbortController();
  const opening = rejection(
    Xorriso.open(path, {
      create: true,
      xorrisoPath: traced.path,
      signal: controller.signal,
    }),
  );
  await until(async () => (await traced.pids()).length > 0, "it has begun");
  controller.abort(reason);
  assertEquals(await opening, reason);
  const pid = await traced.newest();
  assertEquals([isAlive(pid), await exists(path)], [false, false]);
  assertEquals(
    await rejection(Xorriso.open(path, { signal: AbortSignal.abort(reason) })),
    reason,
  );
});

Deno.test("Xorriso.open() refuses values that cannot be", async () => {
  const options: readonly (readonly [
    XorrisoOptions,
    typeof RangeError | typeof TypeError,
  ])[] = [
    [{ session: 0 }, RangeError],
    [{ session: 1.5 }, RangeError],
    [{ session: -1 }, RangeError],
    [{ timeout: -1 }, RangeError],
    [{ timeout: NaN }, RangeError],
    [{ readyTimeout: -1 }, RangeError],
    [{ volumeId: "x".repeat(33) }, TypeError],
    [{ assertVolumeId: "\0" }, TypeError],
    [{ writeSpeed: "fast" as "max" }, TypeError],
  ];
  for (const [option, kind] of options) {
    await assertRejects(() => Xorriso.open("/nowhere.iso", option), kind);
  }
});

Deno.test("Xorriso.open() wants a xorriso that it knows", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  const answer = (version: string) =>
    makeScript(
      folder,
      "old-xorriso",
      `echo READY >&2; echo 'M:0: READY'
       while IFS= read -r line; do
         case $line in
         -version) echo '${version}' ;;
         '-mark '*) set -- $line; echo "$2" >&2; echo "M:0: $2" ;;
         -rollback_end) exit ;;
         esac
       done`,
    );
  const versions = [
    ["R:1: xorriso version   :  1.5.1", "1.5.1"],
    ["R:1: xorriso version   :  1.4.99", "1.4.99"],
    ["R:1: xorriso version   :  1.5", "1.5"],
    ["R:1: hello", "unknown version"],
  ] as const;
  for (const [line, told] of versions) {
    const xorrisoPath = await answer(line);
    const error = await assertRejectsCode(
      Xorriso.open(path, { create: true, xorrisoPath }),
      "PROTOCOL",
    );
    assertStringIncludes(error.message, told);
    assertStringIncludes(error.message, "1.5.2");
    assertEquals(await exists(path), false);
  }
  for (const line of ["1.5.2", "1.5.8.pl02", "1.5.10", "1.6", "2.0.0"]) {
    const xorrisoPath = await answer(`R:1: xorriso version   :  ${line}`);
    // It then fails at the next thing, which that program does not know.
    const error = await assertRejectsCode(
      Xorriso.open(path, { create: true, xorrisoPath }),
      "PROTOCOL",
    );
    assertStringIncludes(error.message, "Cannot open");
  }
});

Deno.test("Xorriso.open() believes xorriso only what the file itself shows", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const empty = await folder.file("empty.iso");
  await age(empty);
  const cases = [
    [image, "s/Media status : .*/Media status : is blank/", "IMAGE_DAMAGED"],
    [empty, "s/Media status : .*/Media status : is written/", "NOT_ISO"],
    [image, "s/Drive current: -dev/Drive current: -outdev/", "PROTOCOL"],
    [image, "/Media status/d", "PROTOCOL"],
  ] as const;
  for (const [path, script, code] of cases) {
    const before = await fingerprint(path);
    const xorrisoPath = await makeScript(
      folder,
      "altered-xorriso",
      `xorriso "$@" | sed -u '${script}'`,
    );
    await assertRejectsCode(Xorriso.open(path, { xorrisoPath }), code);
    assertEquals(await fingerprint(path), before);
  }
});

Deno.test("Xorriso.open() lets one writer in, and any number of readers", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  {
    await using _writer = await Xorriso.open(image);
    const error = await assertRejectsCode(Xorriso.open(image), "DRIVE_BUSY");
    assert(error.retryable);
    await using _first = await Xorriso.open(image, { readOnly: true });
    await using _second = await Xorriso.open(image, { session: 1 });
  }
  await using _next = await Xorriso.open(image);
});

Deno.test("Xorriso.open() shows an older session, for reading alone", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "1" });
  await writeSession(image, { "/b": "2" });
  const before = await fingerprint(image);
  {
    await using session = await Xorriso.open(image, { session: 1 });
    assertEquals(await session.ls(), ["a"]);
    assertEquals(session.writable, false);
    const source = await folder.file("source");
    for (
      const change of [
        () => session.cp([source], "/c"),
        () => session.rm(["/a"]),
        () => session.commit(),
        () => session.revert(1),
      ]
    ) await assertRejectsCode(change(), "MEDIUM_NOT_WRITABLE");
  }
  // xorriso takes two seconds to end after this.
  await assertRejectsCode(
    Xorriso.open(image, { session: 3 }),
    "SESSION_NOT_FOUND",
  );
  assertEquals(await fingerprint(image), before);
  await assertRejectsCode(
    Xorriso.open(await folder.file("empty.iso"), { session: 1 }),
    "SESSION_NOT_FOUND",
  );
});

Deno.test("Xorriso.open() changes nothing when it is for reading alone", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const before = await fingerprint(image);
  {
    await using session = await Xorriso.open(image, { readOnly: true });
    assertEquals([session.writable, await session.ls()], [false, ["old"]]);
    await assertRejectsCode(session.rm(["/old"]), "MEDIUM_NOT_WRITABLE");
    await assertRejectsCode(
      session.commit({ force: true }),
      "MEDIUM_NOT_WRITABLE",
    );
  }
  assertEquals(await fingerprint(image), before);
});

Deno.test("Xorriso.open() asserts the volume id itself, letter by letter", async () => {
  await using folder = await makeFolder();
  const open = async (
    image: string,
    assertVolumeId: string,
    ...more: XorrisoOptions[]
  ) => {
    const options = Object.assign({ assertVolumeId }, ...more);
    const session = await Xorriso.open(image, options);
    await session.end();
  };
  const ids = ["A?B", 'it\'s "x" \\ #[*]', " Größe 7"];
  for (const id of ids) {
    const image = await makeImage(folder, {}, ["-volid", id], [
      "-changes_pending",
      "yes",
    ]);
    const before = await fingerprint(image);
    await open(image, id);
    await open(image, `${id}  `);
    for (const other of ["AXB", "", id.slice(1), `${id}x`]) {
      const error = await assertRejectsCode(
        open(image, other, { readOnly: true }),
        "VOLUME_MISMATCH",
      );
      assertStringIncludes(error.message, `not "${other}"`);
    }
    assertEquals(await fingerprint(image), before);
    await Deno.remove(image);
  }
  const axb = await makeImage(folder, { "/a": "" }, ["-volid", "AXB"]);
  for (const pattern of ["A?B", "A*", "*", "A[X]B", "axb"]) {
    await assertRejectsCode(open(axb, pattern), "VOLUME_MISMATCH");
  }
});

Deno.test("Xorriso.open() takes a medium without a volume for none that was asked for", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder, { "/a": "" }, ["-volid", "BK"]);
  const blank = await folder.file("blank.iso");
  const missing = `${folder.path}/new.iso`;
  const cases: [string, XorrisoOptions, string][] = [
    [image, { requireVolumeId: "BK" }, "opened"],
    [image, { requireVolumeId: "BK", readOnly: true }, "opened"],
    [image, { requireVolumeId: "KB" }, "VOLUME_MISMATCH"],
    [blank, { requireVolumeId: "BK" }, "VOLUME_MISMATCH"],
    [missing, { requireVolumeId: "BK", create: true }, "VOLUME_MISMATCH"],
    // Nothing can begin there by reading.
    [blank, { assertVolumeId: "BK", readOnly: true }, "VOLUME_MISMATCH"],
    [blank, { assertVolumeId: "BK" }, "opened"],
  ];
  for (const [path, options, expected] of cases) {
    const outcome = await Xorriso.open(path, options).then(
      (session) => session.end().then(() => "opened"),
      codeOf,
    );
    assertEquals(outcome, expected, JSON.stringify([path, options]));
  }
  assertEquals(await exists(missing), false);
});

Deno.test("Xorriso.open() gives a blank medium the asserted volume id", async () => {
  await using folder = await makeFolder();
  const cases: readonly (readonly [XorrisoOptions, string])[] = [
    [{}, "ISOIMAGE"],
    [{ assertVolumeId: "A?B 'x'" }, "A?B 'x'"],
    [{ volumeId: "NIGHT_1", assertVolumeId: "NIGHT_1" }, "NIGHT_1"],
    [{ volumeId: 'Größe "7"' }, 'Größe "7"'],
  ];
  for (const [i, [options, volumeId]] of cases.entries()) {
    const image = `${folder.path}/${i}.iso`;
    {
      await using session = await Xorriso.open(image, {
        create: true,
        ...options,
      });
      await session.commit({ force: true });
      assertEquals((await session.medium()).volumeId, volumeId);
      assertEquals((await session.sessions()).map((s) => s.volumeId), [
        volumeId,
      ]);
    }
    await using session = await Xorriso.open(image, {
      readOnly: true,
      assertVolumeId: volumeId,
    });
    assertEquals((await session.medium()).volumeId, volumeId);
  }
});

Deno.test("Xorriso.open() takes any name for an image", async () => {
  await using folder = await makeFolder();
  const names = [
    ...["a b", "it's", 'say "x"', "new\nline", "#x", "back\\slash", "-dev"],
    ...["--", "*", "?", "[a]", "a:b", "stdio:x", "100%", "é", "tab\t", "$HOME"],
    ...["'; -end", '"\n-end\n-print', "x.iso:", "emoji 💿", "\\042"],
  ];
  for (const name of names) {
    const path = `${folder.path}/${name}`;
    {
      await using session = await Xorriso.open(path, { create: true });
      assertEquals((await session.medium()).drive, path);
      assert(await exists(path));
    }
    assertEquals(await exists(path), false);
  }
  const all = names.filter((name) => name.length < 10).join("");
  await assertUsable(`${folder.path}/${all}`, folder);
});

Deno.test("Xorriso.open() takes no path with a quote and a newline for messages", async () => {
  await using folder = await makeFolder();
  const forged = [
    "libburn : FATAL : x",
    "",
    "Media current: CD-R",
    "Media status : is blank",
    "ISO session  :   9 ,        32 ,        99s , FORGED",
    "Media summary: 9 sessions, 9 data blocks, 9 data, 9 free",
    "Media space  : 1s",
    "===",
    "x.iso",
  ];
  const names = [
    `a'\n${forged.join("\n")}`,
    `a"'\n${forged.join("'\n")}'`,
    `a '\\n'\nlibburn : FATAL : \\n "\n'`,
    "' 'x",
    " '",
  ];
  for (const name of names) {
    const path = `${folder.path}/${name}`;
    const source = await folder.file("source", "content");
    for (const mode of [{ create: true }, {}, { readOnly: true }]) {
      if (mode.create !== true) await age(path);
      await using session = await Xorriso.open(path, mode);
      if (mode.readOnly !== true) {
        await session.map(source, "/a");
        await session.commit();
      }
      const { drive, profile, sessions, appendable } = await session.medium();
      const expected = mode.create === true ? 1 : 2;
      assertEquals(
        { drive, profile, sessions, appendable },
        {
          drive: path,
          profile: "stdio file, overwriteable",
          sessions: expected,
          appendable: true,
        },
      );
      assertEquals(
        (await session.sessions()).map(({ volumeId }) => volumeId),
        Array(expected).fill("ISOIMAGE"),
      );
      assertEquals(await session.ls(), ["a"]);
    }
  }
});

Deno.test("Xorriso.open() still knows what is wrong with an image of such a name", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  const path = `${folder.path}/a'\nlibburn : FATAL : x.iso`;
  await Deno.rename(image, path);
  await Deno.truncate(path, 40 * BLOCK);
  await assertRefused(path, "IMAGE_DAMAGED");
});

Deno.test("Xorriso.open() takes no volume id of others for messages", async () => {
  await using folder = await makeFolder();
  const ids = [
    "'\nlibburn : FATAL : x",
    "A\nISO session:9 ,9 , 9s , X",
    "\nMedia nwa    : 9s",
    "\nMedia space: 9s",
    "\nAfter commit : 9s",
    "A\nOther session:",
    "\"\n'\n\\n'\nlibburn : FATAL : x",
    "' 'x",
  ];
  const image = `${folder.path}/test.iso`;
  const fresh = ["-changes_pending", "yes"];
  for (const [index, id] of ids.entries()) {
    await writeSession(image, {}, ["-volid", id], fresh);
    const before = await hash(image);
    for (const mode of [{}, { readOnly: true }, { assertVolumeId: id }]) {
      await using session = await Xorriso.open(image, mode);
      const { volumeId, sessions, free } = await session.medium();
      assertEquals([volumeId, sessions], [id, index + 1]);
      assert(free > 1 << 20, `${free} bytes are free`);
      assertEquals(
        (await session.sessions()).map(({ volumeId }) => volumeId),
        ids.slice(0, index + 1),
      );
    }
    assertEquals(await hash(image), before);
  }
  await using session = await Xorriso.open(image);
  await session.map(await folder.file("source", "content"), "/a");
  await session.commit();
  assertEquals((await session.sessions()).length, ids.length + 1);
});

Deno.test("Xorriso.open() follows a link to the image", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  await Deno.symlink("test.iso", `${folder.path}/link`);
  await using session = await Xorriso.open(`${folder.path}/link`);
  assertEquals(await session.ls(), ["old"]);
  await assertRejectsCode(Xorriso.open(image), "DRIVE_BUSY");
});

Deno.test("Xorriso.open() tells the version and that it is an image", async () => {
  await using folder = await makeFolder();
  await using session = await Xorriso.open(await makeImage(folder));
  assertMatch(session.version, /^\d+\.\d+\.\d+$/);
  assertEquals([session.isImage, session.writable], [true, true]);
});

Deno.test({
  name: "Xorriso.open() hands xorriso no argument that could reach other files",
  permissions: { run: ["xorriso", "sh"], read: ["/tmp"], write: ["/tmp"] },
  async fn() {
    await using folder = await makeFolder();
    const path = `${folder.path}/new.iso`;
    const open = (...xorrisoArgs: string[]) =>
      Xorriso.open(path, { create: true, xorrisoArgs });
    {
      // The value of a harmless command, which is no command itself.
      await using session = await open("-volid", "-map", "-md5", "off");
      assertEquals((await session.command(["-toc"])).messages, []);
      const words = ["-map", "/etc/hostname", "/stolen"];
      const error: Error = await assertRejects(
        () => session.command(words),
        Deno.errors.NotCapable,
      );
      assertStringIncludes(error.message, "--allow-read");
      assertEquals(await session.ls(), []);
    }
    for (
      const args of [
        ["-map", "/etc/hostname", "/stolen"],
        ["-volid", "x", "-map", "/etc/hostname", "/stolen"],
        ["map", "/etc/hostname", "/stolen"],
        ["--map", "/etc/hostname", "/stolen"],
        ["-options_from_file", "/etc/passwd"],
        ["-logfile", ".", "/elsewhere/x"],
      ]
    ) {
      await assertRejects(() => open(...args), Deno.errors.NotCapable);
      assertEquals(await exists(path), false);
    }
  },
});

Deno.test("Xorriso.open() gives further arguments to xorriso", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/new.iso`;
  {
    await using session = await Xorriso.open(path, {
      create: true,
      xorrisoArgs: ["-volid", "FROM_ARGS", "-joliet", "on"],
    });
    await session.commit({ force: true });
  }
  await using session = await Xorriso.open(path, { readOnly: true });
  assertEquals((await session.medium()).volumeId, "FROM_ARGS");
});

/** Opens as a user for whom the permissions of files count. */
async function openUnprivileged(
  path: string,
  options: XorrisoOptions,
): Promise<string> {
  const module = new URL("../../src/session/xorriso.ts", import.meta.url).href;
  const { stdout, stderr } = await runDeno(
    `import { Xorriso } from ${JSON.stringify(module)};
     try {
       await using session = await Xorriso.open(
         ${JSON.stringify(path)}, ${JSON.stringify(options)});
       console.log("open");
       await session.commit({ force: true });
       console.log("committed");
     } catch (error) { console.log(error.code ?? error); }`,
    await withoutRights(),
  );
  assertEquals(stderr, "");
  return stdout.trim().replaceAll("\n", " ");
}

Deno.test("Xorriso.open() tells what the operating system refuses", async () => {
  await using folder = await makeFolder();
  const image = await makeImage(folder);
  await age(image);
  const before = await hash(image);
  await Deno.mkdir(`${folder.path}/closed`);
  await Deno.chmod(`${folder.path}/closed`, 0o500);
  await Deno.chmod(image, 0o000);
  assertEquals(await openUnprivileged(image, {}), "PERMISSION_DENIED");
  await Deno.chmod(image, 0o444);
  assertEquals(
    await openUnprivileged(image, {}),
    "open PERMISSION_DENIED",
  );
  await Deno.chmod(image, 0o644);
  assertEquals(await hash(image), before);
  const inClosed = `${folder.path}/closed/new.iso`;
  assertEquals(
    await openUnprivileged(inClosed, { create: true }),
    "PERMISSION_DENIED",
  );
  await Deno.chmod(`${folder.path}/closed`, 0o000);
  assertEquals(await openUnprivileged(inClosed, {}), "PERMISSION_DENIED");
  await Deno.chmod(`${folder.path}/closed`, 0o700);
  assertEquals(await exists(inClosed), false);
});

const NOT_ROOT = await isRoot() ? undefined : "only root can drop a right";

Deno.test(
  unless(
    NOT_ROOT,
    "Xorriso.open() does not trust a file that xorriso cannot read",
  ),
  async () => {
    await using folder = await makeFolder();
    const image = await makeImage(folder);
    const before = await fingerprint(image);
    // What Deno may read, xorriso may not: a folder with another view of it.
    const blind = await makeScript(
      folder,
      "blind-xorriso",
      `chmod 000 '${image}'
     exec setpriv --bounding-set=-dac_override,-dac_read_search xorriso "$@"`,
    );
    await assertRejectsCode(
      Xorriso.open(image, { xorrisoPath: blind }),
      "PERMISSION_DENIED",
    );
    await Deno.chmod(image, 0o644);
    assertEquals(await fingerprint(image), before);
  },
);
