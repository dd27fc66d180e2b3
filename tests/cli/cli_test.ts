import { createHash } from "node:crypto";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  execute,
  exists,
  grows,
  killIfAlive,
  makeFolder,
  makeScript,
  makeSparse,
  type Outcome,
  runProgram,
  runShell,
  signalTo,
  startsIn,
  traceXorriso,
  until,
} from "../support/helpers.ts";
import { noSmallDisk, onSmallDisk, unless } from "../support/needs.ts";
import { putImage, readTree, run, succeed } from "../support/program.ts";

const CLI = fromFileUrl(import.meta.resolve("../../src/cli.ts"));

/** Flags that are enough for everything here but nothing else. */
const ENOUGH = ["--allow-run=xorriso", "--allow-read", "--allow-write"];

/** Starts the program as a process of its own; all its streams are pipes. */
function spawn(
  words: readonly string[],
  flags: readonly string[] = ENOUGH,
  cwd?: string,
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", ...flags, CLI, ...words],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    ...(cwd === undefined ? {} : { cwd }),
  }).spawn();
}

/** Runs the program as a process of its own, without input. */
async function runAlone(
  words: readonly string[],
  flags: readonly string[] = ENOUGH,
  cwd?: string,
): Promise<Outcome> {
  return await execute(
    Deno.execPath(),
    ["run", "--no-prompt", "--quiet", ...flags, CLI, ...words],
    cwd === undefined ? {} : { cwd },
  );
}

/** Bytes of memory that the program may take at most while content runs through it. */
const LIMIT = 200 << 20;

/** Most bytes of memory that a process has taken so far. */
async function peakOf({ pid }: Deno.ChildProcess): Promise<number> {
  // Deno itself reads nothing below /proc without all permissions.
  const { stdout } = await new Deno.Command("cat", {
    args: [`/proc/${pid}/status`],
  }).output();
  const found = new TextDecoder().decode(stdout).match(/VmHWM:\s+(\d+) kB/);
  return Number(found?.[1]) * 1024;
}

/** Interrupts the program until it ends, and returns its exit code. */
async function interruptUntilEnd(child: Deno.ChildProcess): Promise<number> {
  let isRunning = true;
  const ended = child.output().finally(() => isRunning = false);
  await until(() => {
    signalTo(child, "SIGINT");
    return !isRunning;
  }, "it ends");
  return (await ended).code;
}

Deno.test("the program runs with the flags that its help tells, and not with one less", async (t) => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a", "f/b": "b" });
  const source = `${folder.path}/sources/a`;
  const dir = `${folder.path}/target`;
  await Deno.mkdir(dir);
  const cases: readonly (readonly string[])[] = [
    ["put", url, source, "--all"],
    ["get", url, "a", "--to", `${dir}/a`],
    ["get", url, "f", "--to", dir],
    ["list", url],
    ["delete", url, "f/b"],
    ["info", url],
    ["verify", url],
  ];
  for (const words of cases) {
    const help = await succeed("help", words[0] ?? "");
    const line = help.match(/^ {2}An image +(--allow.*)$/m)?.[1] ?? "";
    const flags = line
      .replaceAll("IMAGE", `${folder.path}/a.iso`)
      .replaceAll("PATHS", source)
      .replaceAll("DIR", dir)
      .split(" ");
    await t.step(words.join(" "), async () => {
      for (const missing of flags) {
        const fewer = flags.filter((flag) => flag !== missing);
        const { code, stdout, stderr } = await runAlone(words, fewer);
        assertEquals([code, stdout], [5, ""]);
        const [name = ""] = missing.split("=");
        assertMatch(stderr, new RegExp(`run again with ${name}=`));
      }
      assertEquals((await runAlone(words, flags)).code, 0);
    });
  }
});

Deno.test("commands that read an image need neither xorriso nor a permission but --allow-read", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a", b: "b" });
  const image = `${folder.path}/a.iso`;
  const source = `${folder.path}/sources/f`;
  const calls: readonly (readonly string[])[] = [
    ["list", url, "-l", "--md5"],
    ["verify", url],
    ["info", url],
    ["diff", url, source],
    ["get", url, "f/a", "--to", "-"],
    ["get", url, "--to", `${folder.path}/to`],
  ];
  for (const words of calls) {
    const path = words.find((word) => word.startsWith(`${folder.path}/`));
    await runProgram(
      Deno.execPath(),
      [
        ...["run", "--no-prompt", "--quiet"],
        `--allow-read=${[image, ...path === undefined ? [] : [path]]}`,
        ...words[0] === "get" && path ? [`--allow-write=${path}`] : [],
        ...[CLI, ...words],
      ],
      { env: { PATH: "" } },
    );
  }
});

Deno.test("the program needs no permission for help, version and usage errors", async () => {
  for (
    const [words, expected] of [
      [["help"], 0],
      [["put", "--help"], 0],
      [["--version"], 0],
      [["put", "--wrong"], 2],
    ] as const
  ) {
    assertEquals(await runAlone(words, []), await run(words));
    assertEquals((await run(words)).code, expected);
  }
});

Deno.test("get without --to restores into the current folder", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { "f/a": "a", "f/g/b": "b" });
  await Deno.mkdir(`${folder.path}/cwd`);
  for (const name of ["f/a", "f/g", "."]) {
    const { code, stderr } = await runAlone(
      ["get", url, name],
      ENOUGH,
      `${folder.path}/cwd`,
    );
    assertEquals([code, stderr.slice(0, 8)], [0, "Restored"]);
  }
  assertEquals(await readTree(`${folder.path}/cwd`), {
    "a": "a",
    "g/b": "b",
    "f/a": "a",
    "f/g/b": "b",
  });
});

Deno.test(
  unless(await noSmallDisk(), "commands name what is on a read-only disk"),
  async () => {
    await using folder = await makeFolder();
    const url = await putImage(folder.path, { a: "a" });
    const disk = `${folder.path}/disk`;
    await Deno.mkdir(disk);
    const [program = "", ...before] = await onSmallDisk(
      8 << 20,
      disk,
      `cp '${folder.path}/a.iso' "$2" && mount -o remount,bind,ro "$2"`,
    );
    for (
      const [words, code, message] of [
        [["get", url, "--to", disk], 1, `Cannot write "${disk}"`],
        [
          ["rm", `xorriso://${disk}/a.iso`, "a"],
          4,
          `Cannot open "${disk}/a.iso"`,
        ],
      ] as const
    ) {
      const outcome = await execute(program, [
        ...[...before, Deno.execPath(), "run", "--no-prompt", "--quiet"],
        ...[...ENOUGH, CLI, ...words],
      ]);
      const stderr = `xorriso-backend: ${message}: Read-only file system\n`;
      assertEquals(outcome, { code, stdout: "", stderr });
    }
  },
);

Deno.test("put takes relative paths, and behind -- such that look like flags", async () => {
  await using folder = await makeFolder();
  await Deno.mkdir(`${folder.path}/deep`);
  for (const name of ["--as", "-", "true", "deep/b"]) {
    await Deno.writeTextFile(`${folder.path}/${name}`, name);
  }
  const words = ["put", "--create", "--json", "xorriso://a.iso"];
  const { code } = await runAlone(
    [...words, "--", "true", "--as", "./-", "deep/../deep"],
    ENOUGH,
    folder.path,
  );
  assertEquals(code, 0);
  const url = `xorriso://${folder.path}/a.iso`;
  assertEquals(
    (await succeed("list", url)).split("\n").toSorted(),
    ["", "-", "--as", "deep/b", "true"],
  );
});

Deno.test("the program streams standard input and output, and keeps little of it in memory", async () => {
  await using folder = await makeFolder();
  const url = `xorriso://${folder.path}/a.iso`;
  const chunk = crypto.getRandomValues(new Uint8Array(65536));
  const chunks = 4096; // 256 MiB: more than the program may keep
  const sent = createHash("md5");
  const writing = spawn(["put", url, "-", "--as", "a", "--create"]);
  const writer = writing.stdin.getWriter();
  for (let i = 0; i < chunks; i++) {
    new DataView(chunk.buffer).setUint32(0, i);
    sent.update(chunk);
    await writer.write(chunk);
  }
  assert(await peakOf(writing) < LIMIT);
  await writer.close();
  assertEquals((await writing.output()).code, 0);
  const received = createHash("md5");
  const reading = spawn(["get", url, "a", "--to", "-"]);
  await reading.stdin.close();
  let left = chunks * chunk.length;
  for await (const bytes of reading.stdout) {
    // More is left than the pipe holds, so the program is still there.
    const wasMost = left > 1 << 20;
    left -= bytes.length;
    received.update(bytes);
    if (wasMost && left <= 1 << 20) assert(await peakOf(reading) < LIMIT);
  }
  const stderr = await new Response(reading.stderr).text();
  assertEquals([(await reading.status).code, stderr, left], [0, "", 0]);
  assertEquals(received.digest("hex"), sent.digest("hex"));
});

Deno.test("the program ends quietly when its reader does", async () => {
  await using folder = await makeFolder();
  const url = `xorriso://${folder.path}/a.iso`;
  await makeSparse(`${folder.path}/zeros`, 16 << 20);
  await succeed("put", url, `${folder.path}/zeros`, "--create");
  const child = spawn(["get", url, "zeros", "--to", "-"]);
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  await child.stdin.close();
  const stderr = await new Response(child.stderr).text();
  assertEquals([(await child.status).code, stderr], [0, ""]);
});

for (
  const [signal, expected] of [
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const
) {
  Deno.test(`the program rolls back when ${signal} comes in the middle of a commit`, async () => {
    await using folder = await makeFolder();
    const url = await putImage(folder.path, { a: "a" });
    const image = `${folder.path}/a.iso`;
    const zeros = await makeSparse(`${folder.path}/zeros`);
    // Without a terminal only what has all permissions can tell whether SIGHUP is meant.
    const child = spawn(["put", url, zeros], ["--allow-all"]);
    await grows(image, child.status);
    signalTo(child, signal);
    const [{ code, stderr }] = await Promise.all([
      child.output(),
      child.stdin.close(),
    ]);
    assertEquals(
      [code, new TextDecoder().decode(stderr)],
      [expected, "xorriso-backend: Interrupted\n"],
    );
    assert((await Deno.stat(image)).size < 2 ** 30);
    assertEquals(await succeed("list", url), "a\n");
    await succeed("put", url, `${folder.path}/sources/a`, "--as", "b");
    assertEquals(await succeed("list", url), "a\nb\n");
    await succeed("verify", url);
  });
}

Deno.test("the program goes on after SIGHUP if it was started with nohup", async () => {
  await using folder = await makeFolder();
  for (
    const [name, flags] of [["a", ENOUGH], ["b", ["--allow-all"]]] as const
  ) {
    const url = `xorriso://${folder.path}/${name}.iso`;
    const child = new Deno.Command("nohup", {
      args: [
        ...[Deno.execPath(), "run", "--no-prompt", "--quiet", ...flags],
        ...[CLI, "put", url, "-", "--as", "a", "--create"],
      ],
      ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
    }).spawn();
    const writer = child.stdin.getWriter();
    // More than a pipe holds: it is being read.
    await writer.write(new Uint8Array(1 << 20));
    signalTo(child, "SIGHUP");
    await writer.close();
    const { code, stderr } = await child.output();
    assertEquals(code, 0);
    assertMatch(new TextDecoder().decode(stderr), /^Stored 1 file, 1 MiB/);
  }
});

Deno.test("the program does not wait for input that does not come when it is interrupted", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const before = await Deno.readFile(`${folder.path}/a.iso`);
  const child = spawn(["put", url, "-", "--as", "b"]);
  const writer = child.stdin.getWriter();
  await writer.write(new Uint8Array(1 << 20));
  signalTo(child, "SIGINT");
  const { code } = await child.output();
  await writer.abort().catch(() => {});
  assertEquals(code, 130);
  assertEquals(await Deno.readFile(`${folder.path}/a.iso`), before);
});

Deno.test("the program ends at once when it is interrupted again", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const pids = `${folder.path}/pids`;
  const hanging = await makeScript(
    folder,
    "xorriso",
    `trap '' TERM INT\necho $$ >'${pids}'\nexec sleep 60`,
  );
  const child = spawn(
    ["delete", url, "a", "--xorriso-path", hanging],
    ["--allow-run", "--allow-read", "--allow-write"],
  );
  const hangs = async () =>
    await exists(pids) && (await Deno.stat(pids)).size > 0;
  await until(hangs, "xorriso hangs");
  const code = await interruptUntilEnd(child);
  await child.stdin.close();
  assertEquals(code, 130);
  // An orderly end would have waited for 10 s, and killed it then.
  Deno.kill(await startsIn(pids).newest(), "SIGKILL");
});

Deno.test("the program leaves nothing behind when it is interrupted again", async () => {
  await using folder = await makeFolder();
  const { path } = folder;
  await Deno.mkdir(`${path}/tmp`);
  const xorriso = await traceXorriso(folder);
  const url = `xorriso://${path}/a.iso`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--quiet", "--allow-all", CLI, "put", url],
      ...["-", "--as", "a", "--create", "--xorriso-path", xorriso.path],
    ],
    env: { TMPDIR: `${path}/tmp` },
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new Uint8Array(1 << 20));
  await until(
    async () =>
      (await runShell("find $1 -type f -size +100k", `${path}/tmp`)) !== "",
    "standard input is kept in a file",
  );
  const pid = await xorriso.newest();
  // It is woken to end, while the next signal may end the program before it has.
  Deno.kill(pid, "SIGSTOP");
  const code = await interruptUntilEnd(child);
  killIfAlive(pid);
  await writer.abort().catch(() => {});
  assertEquals(code, 130);
  assertEquals(await readTree(`${path}/tmp`), {});
  assert(!await exists(`${path}/a.iso`));
});
