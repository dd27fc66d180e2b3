import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  HARMLESS,
  isUnderDev,
  requireRead,
  requireRun,
  requireWrite,
  resolveForRead,
} from "../../src/disk/permissions.ts";
import { wordsLine } from "../../src/dialogue/protocol.ts";
import { execute } from "../support/helpers.ts";
import { readPackets } from "../support/packets.ts";

const { NotCapable, NotFound } = Deno.errors;

/** The message of the NotCapable that a check throws. */
async function refused(check: Promise<unknown>): Promise<string> {
  const error: Error = await assertRejects(() => check, NotCapable);
  return error.message;
}

/** A folder `real` with a file, links to both, and a link to a device. */
async function makeTree(): Promise<
  { root: string } & AsyncDisposable
> {
  const root = await Deno.realPath(
    await Deno.makeTempDir({ prefix: "permissions " }),
  );
  await Deno.mkdir(`${root}/real`);
  await Deno.writeTextFile(`${root}/real/file`, "data");
  await Deno.symlink(`${root}/real/file`, `${root}/link`);
  await Deno.symlink("/dev/null", `${root}/device`);
  return {
    root,
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

/** Runs a check in a process that has exactly the given flags, and no terminal to ask on. */
async function runWith(
  flags: readonly string[],
  code: string,
): Promise<string> {
  const module = new URL("../../src/disk/permissions.ts", import.meta.url).href;
  const script = `data:application/typescript,${
    encodeURIComponent(
      `import * as p from ${JSON.stringify(module)};
       try { console.log(await ${code} ?? "granted"); }
       catch (error) { console.log(error.name + ": " + error.message); }`,
    )
  }`;
  const config = fromFileUrl(import.meta.resolve("../../deno.json"));
  const { stdout, stderr } = await execute(Deno.execPath(), [
    ...["run", "-q", "--no-prompt", "-c", config, ...flags, script],
  ]);
  return (stdout + stderr).trim();
}

Deno.test("isUnderDev() folds the path as text", () => {
  for (
    const path of [
      "/dev/sr0",
      "//dev//sr0",
      "/dev/disk/by-id/x",
      "/home/../dev/sr0",
      "/dev/./../dev/x",
    ]
  ) {
    assertEquals(isUnderDev(path), true, path);
  }
  for (
    const path of [
      "/dev",
      "/dev/",
      "/dev/../home/x.iso",
      "/device/x",
      "dev/sr0",
      "/home/dev/sr0",
    ]
  ) {
    assertEquals(isUnderDev(path), false, path);
  }
});

Deno.test("isUnderDev() takes a relative path from the working directory", () => {
  assertEquals(isUnderDev("../".repeat(40) + "dev/sr0"), true);
});

Deno.test({
  name: "requireRun() names the flag when there is no permission",
  permissions: "none",
  async fn() {
    assertEquals(
      await refused(requireRun("xorriso")),
      'Cannot start xorriso: run permission for "xorriso" is "prompt", ' +
        'run again with --allow-run=xorriso; if it was there, install "xorriso"',
    );
  },
});

Deno.test({
  name: "requireRead() and requireWrite() name the path and the flag",
  permissions: "none",
  async fn() {
    assertEquals(
      await refused(requireRead("/var/x.iso", "the image")),
      'Cannot read the image: read permission for "/var/x.iso" is "prompt", ' +
        "run again with --allow-read=/var/x.iso",
    );
    assertEquals(
      await refused(requireWrite("x.iso", "the image")),
      'Cannot write the image: write permission for "x.iso" is "prompt", ' +
        "run again with --allow-write=x.iso",
    );
  },
});

Deno.test({
  name: "requireRead() quotes the flag's path for a shell",
  permissions: "none",
  async fn() {
    const quoted: readonly (readonly [string, string])[] = [
      ["/a b", "--allow-read='/a b'"],
      ["/it's", "--allow-read='/it'\\''s'"],
      ["/a$b", "--allow-read='/a$b'"],
      ["/a\nb", "--allow-read='/a\nb'"],
      ["/é", "--allow-read='/é'"],
    ];
    for (const [path, flag] of quoted) {
      const message = await refused(requireRead(path, "x"));
      assertEquals(message.slice(message.indexOf("--allow")), flag);
    }
  },
});

Deno.test({
  name: "requireRead() names the nearest folder without a comma",
  permissions: "none",
  async fn() {
    const folders: readonly (readonly [string, string])[] = [
      ["/a/b/c,d", "--allow-read=/a/b"],
      ["/a/b,c/d,e/f", "--allow-read=/a"],
      ["/a,b", "--allow-read=/"],
      ["a,b/c", "--allow-read=."],
    ];
    for (const [path, flag] of folders) {
      const message = await refused(requireRead(path, "x"));
      assertEquals(message.slice(message.indexOf("--allow")), flag);
    }
    const message = await refused(requireRun("/a,b"));
    assertStringIncludes(message, "run again with --allow-run;");
  },
});

Deno.test("requireRead() throws TypeError on what is no path", async () => {
  for (const path of ["", "a\0b"]) {
    await assertRejects(() => requireRead(path, "the image"), TypeError);
    await assertRejects(() => resolveForRead(path, "the image"), TypeError);
  }
});

Deno.test("the checks agree with the flags they name", async (t) => {
  await using tree = await makeTree();
  const file = `${tree.root}/real/file`;
  const read = (path: string) => `p.requireRead(${JSON.stringify(path)}, "x")`;

  await t.step("requireRead() passes with the flag that it names", async () => {
    assertStringIncludes(await runWith([], read(file)), "NotCapable");
    assertEquals(
      await runWith([`--allow-read=${file}`], read(file)),
      "granted",
    );
  });
  await t.step("requireWrite() does not take read for write", async () => {
    const check = `p.requireWrite(${JSON.stringify(file)}, "x")`;
    assertStringIncludes(
      await runWith([`--allow-read=${file}`], check),
      "--allow-write=",
    );
    assertEquals(await runWith([`--allow-write=${file}`], check), "granted");
  });
  await t.step("requireRun() passes with the flag that it names", async () => {
    const check = 'p.requireRun("xorriso")';
    assertEquals(await runWith(["--allow-run=xorriso"], check), "granted");
    assertStringIncludes(
      await runWith(["--allow-run=mkisofs"], check),
      "--allow-run=xorriso",
    );
  });
  await t.step(
    "requireRead() says that a deny flag stands against it",
    async () => {
      assertStringIncludes(
        await runWith(["--allow-read", `--deny-read=${file}`], read(file)),
        'is "denied", run again with --allow-read=',
      );
    },
  );
  await t.step(
    "resolveForRead() needs the link and what it points to",
    async () => {
      const link = `${tree.root}/link`;
      const resolve = `p.resolveForRead(${JSON.stringify(link)}, "the source")`;
      assertStringIncludes(
        await runWith([`--allow-read=${link}`], resolve),
        `Cannot read the source: read permission for "${file}"`,
      );
      assertStringIncludes(
        await runWith([`--allow-read=${file}`], resolve),
        `Cannot read the source: read permission for "${link}"`,
      );
      assertEquals(
        await runWith([`--allow-read=${link},${file}`], resolve),
        file,
      );
    },
  );
  await t.step(
    "resolveForRead() tells missing from not permitted",
    async () => {
      const resolve = `p.resolveForRead("${tree.root}/none", "the source")`;
      assertStringIncludes(
        await runWith([`--allow-read=${tree.root}/none`], resolve),
        "NotFound: ",
      );
      assertStringIncludes(await runWith([], resolve), "NotCapable: ");
    },
  );
  await t.step(
    "resolveForRead() needs the device a link points to",
    async () => {
      const link = `${tree.root}/device`;
      const resolve = `p.resolveForRead(${JSON.stringify(link)}, "the drive")`;
      assertStringIncludes(
        await runWith([`--allow-read=${link}`], resolve),
        "--allow-read=/dev/null",
      );
      assertEquals(
        await runWith([`--allow-read=${link},/dev/null`], resolve),
        "/dev/null",
      );
    },
  );
  await t.step("resolveForRead() touches nothing below /dev/", async () => {
    const resolve = 'p.resolveForRead("/dev/x/../no-such-drive", "the drive")';
    assertEquals(
      await runWith(["--allow-read=/dev/no-such-drive"], resolve),
      "/dev/no-such-drive",
    );
    assertStringIncludes(
      await runWith([], resolve),
      "--allow-read=/dev/x/../no-such-drive",
    );
  });
});

Deno.test("resolveForRead() takes a file URL and resolves links", async () => {
  await using tree = await makeTree();
  const url = new URL(`file://${tree.root.replaceAll(" ", "%20")}/link`);
  assertEquals(
    await resolveForRead(url, "the source"),
    `${tree.root}/real/file`,
  );
});

Deno.test("resolveForRead() throws TypeError on another URL", async () => {
  await assertRejects(
    () => resolveForRead(new URL("https://localhost/x"), "the source"),
    TypeError,
  );
});

Deno.test("resolveForRead() rejects with NotFound when nothing is there", async () => {
  await using tree = await makeTree();
  await assertRejects(
    () => resolveForRead(`${tree.root}/none`, "the source"),
    NotFound,
  );
});

Deno.test("resolveForWrite() refuses what a link leads out of the granted folder", async (t) => {
  await using tree = await makeTree();
  const { root } = tree;
  const granted = `${root}/granted`;
  await Deno.mkdir(granted);
  await Deno.symlink(`${root}/real`, `${granted}/folder`);
  await Deno.symlink(`${root}/none`, `${granted}/dangling`);
  const resolve = (path: string, flags: readonly string[] = []) =>
    runWith(
      [`--allow-read=${granted}`, `--allow-write=${granted}`, ...flags],
      `p.resolveForWrite(${JSON.stringify(path)}, "it")`,
    );
  for (
    const [path, expected] of [
      ["new", `${granted}/new`],
      ["new/deep/er", `${granted}/new/deep/er`],
      ["new/../folder/../other", `${granted}/other`],
      // Nothing follows it: a file is made anew, a folder not at all.
      ["dangling", `${granted}/dangling`],
    ] as const
  ) {
    await t.step(path, async () => {
      assertEquals(await resolve(`${granted}/${path}`), expected);
    });
  }
  for (
    const [path, target] of [
      ["folder", `${root}/real`],
      ["folder/file", `${root}/real/file`],
      ["folder/new", `${root}/real/new`],
      ["folder/new/deep", `${root}/real/new/deep`],
      ["x/../folder/./new", `${root}/real/new`],
    ] as const
  ) {
    await t.step(path, async () => {
      assertStringIncludes(
        await resolve(`${granted}/${path}`),
        `NotCapable: Cannot read it: read permission for "${target}"`,
      );
    });
  }
});

Deno.test("resolveForWrite() passes with read and write of what a link leads to", async () => {
  await using tree = await makeTree();
  const { root } = tree;
  await Deno.symlink(`${root}/real`, `${root}/folder`);
  assertEquals(
    await runWith(
      [`--allow-read=${root}`, `--allow-write=${root}/folder,${root}/real`],
      `p.resolveForWrite("${root}/folder/new", "it")`,
    ),
    `${root}/real/new`,
  );
  assertStringIncludes(
    await runWith(
      [`--allow-read=${root}`, `--allow-write=${root}/folder`],
      `p.resolveForWrite("${root}/folder/new", "it")`,
    ),
    `NotCapable: Cannot write it: write permission for "${root}/real/new"`,
  );
});

Deno.test("requireArgs() knows how many words each harmless command takes", async () => {
  // As the words of a session's options are sent.
  const lines = Array.from(HARMLESS, ([name, count]) =>
    wordsLine([
      `-${name}`,
      ...Array.from({ length: count }, () => "nonsense"),
      `-after_${name}`,
      ...["-abort_on", "NEVER", "-report_about", "ALL"],
    ]));
  const unknown = (await readPackets(lines)).map(({ text }) =>
    /Not a known command: +'(.*)'/.exec(text)?.[1]
  ).filter((word) => word !== undefined);
  assertEquals(
    unknown,
    Array.from(HARMLESS.keys(), (name) => `-after_${name}`),
  );
});

Deno.test("requireArgs() finds every command that may name a file", async () => {
  const call = (...words: string[]) =>
    runWith(
      ["--allow-read=/tmp", "--allow-write=/tmp"],
      `p.requireArgs(${JSON.stringify(words)})`,
    );
  assertEquals(await call("-volid", "-map", "-toc"), "granted");
  for (
    const words of [
      ["-map", "/etc/hostname", "/x"],
      ["-toc", "-extract", "/x", "/etc/x"],
      ["-list_profiles", "-volid", "-map"],
      ["-volid", "x", "map"],
      ["-toc", "x"],
      ["-toc", "--"],
      ["-toc", "#"],
      ["#"],
      ["-"],
      [""],
    ]
  ) {
    assertStringIncludes(await call(...words), "run again with --allow-read");
  }
});

Deno.test("requireArgs() takes no permission with exceptions for a full one", async () => {
  const check = 'p.requireArgs(["-map", "/etc/hostname", "/x"])';
  const all = ["--allow-read", "--allow-write"];
  assertEquals(await runWith(all, check), "granted");
  for (const name of ["read", "write"]) {
    assertStringIncludes(
      await runWith([...all, `--deny-${name}=/etc`], check),
      `run again with --allow-${name} without a path, and no --deny-${name}`,
    );
  }
});

Deno.test("requireArgs() passes with the flags that the README tells", async () => {
  const check = 'p.requireArgs(["-map", "/etc/hostname", "/x"])';
  // Deno denies to write what may be run: write permission is never whole then.
  const flags = ["--allow-run=xorriso", "--allow-read", "--allow-write"];
  assertEquals(
    await runWith(
      flags,
      `Deno.permissions.query({ name: "write" }).then(({ partial }) => partial)`,
    ),
    "true",
  );
  assertEquals(await runWith(flags, check), "granted");
  const refused =
    "run again with --allow-write without a path, and no --deny-write";
  for (const denied of ["/etc", "/usr/bin/env", "/etc/missing/x"]) {
    assertStringIncludes(
      await runWith([...flags, `--deny-write=${denied}`], check),
      refused,
    );
  }
});
