import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { PROGRAM } from "../../src/cli/program.ts";
import { EXIT_CODES } from "../../src/cli/exit.ts";
import { makeFolder } from "../support/helpers.ts";
import { parseLines, putImage, run, succeed } from "../support/program.ts";

/** Lines of a screen that help may take. */
const SCREEN = 30;

Deno.test("main() shows help", async (t) => {
  const commands = [
    ...PROGRAM.commands.map(({ name }) => name),
    ...PROGRAM.topics.map(({ name }) => name),
  ];
  for (const words of [[], ...commands.map((name) => [name])]) {
    await t.step(words.join() || "without a command", async (t) => {
      const { code, stdout, stderr } = await run(["help", ...words]);
      assertEquals([code, stderr], [0, ""]);
      const lines = stdout.trimEnd().split("\n");
      assertEquals(lines.filter((line) => line.length > 79), []);
      assert(lines.length <= SCREEN, `${lines.length} lines`);
      await t.assertSnapshot(stdout, { serializer: (text) => text });
    });
  }
});

Deno.test("main() fits help to the terminal", async () => {
  const top = await run(["help"], { isTerminal: true });
  assert(top.stdout.split("\n").length <= 24);
  for (const words of [["help"], ["put", "--help"], ["help", "flags"]]) {
    const { stdout } = await run(words, { isTerminal: true, columns: 40 });
    // What has no blank cannot be broken.
    const wide = stdout.split("\n").filter((line) =>
      line.length > 39 && line.trim().includes(" ")
    );
    assertEquals(wide, []);
  }
});

Deno.test("main() shows the version of the package", async () => {
  assertEquals(await run(["--version"]), {
    code: 0,
    stdout: `xorriso-backend ${config.version}\n`,
    stderr: "",
  });
});

Deno.test("main() refuses a wrong command line with exit 2, before anything is opened", async (t) => {
  const url = "xorriso:///nowhere/a.iso";
  const cases = [
    [],
    ["list", url, "--wrong=1", "--json"],
    ["put", url, "a", "b", "--as", "c"],
    ["put", url, "-"],
    ["put", url, "-", "--as", "a", "-n"],
    ["list", "/nowhere/a.iso"],
    ["format", url, "--mode", "all"],
    ["list", url, "--session", "0"],
    ["list", url, "--write-speed", "fast"],
    ["list", url, "--xorriso-args", "'a"],
    ["list", url, "--unknown\x1b[2J"],
    ["lst", url],
    ["completions", "tcsh"],
    ["help", "lisst"],
  ];
  for (const words of cases) {
    await t.step(JSON.stringify(words), async (t) => {
      const outcome = await run(words);
      assertEquals([outcome.code, outcome.stdout], [2, ""]);
      await t.assertSnapshot(outcome.stderr, { serializer: (text) => text });
    });
  }
});

Deno.test("EXIT_CODES has a documented exit code for each error", async () => {
  const { stdout } = await run(["help", "exit"]);
  for (const code of Object.values(EXIT_CODES)) {
    assertMatch(stdout, new RegExp(`^  ${code}    \\w`, "m"));
  }
});

Deno.test("main() exits with 4 for what is no image, and leaves it alone", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/text`;
  await Deno.writeTextFile(path, "no image".repeat(100));
  for (const url of [`xorriso://${path}`, `xorriso://${folder.path}`]) {
    for (const words of [["list", url], ["delete", url, "a"]]) {
      const { code, stdout } = await run(words);
      assertEquals([code, stdout], [4, ""]);
    }
  }
  assertEquals((await run(["list", `xorriso://${path}.iso`])).code, 4);
  assertEquals(await Deno.readTextFile(path), "no image".repeat(100));
});

Deno.test("main() exits with 5 if xorriso is not there", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const outcome = await run([
    ...["rm", url, "a", "--json"],
    ...["--xorriso-path", `${folder.path}/xorriso`],
  ]);
  assertEquals([outcome.code, outcome.stdout], [5, ""]);
  assertMatch(outcome.stderr, /^{"error":{"code":"NO_XORRISO",/);
});

Deno.test("main() passes --xorriso-args on, with values that begin with a dash", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const outcome = await run([
    "rm",
    url,
    "a",
    "--xorriso-args",
    "-no_such_thing",
  ]);
  assertEquals([outcome.code, outcome.stdout], [1, ""]);
  assertMatch(outcome.stderr, /no_such_thing/);
  await succeed("rm", url, "a", "--xorriso-args", '-publisher "a b"');
});

Deno.test("main() ends quietly when nobody reads its output", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const write = () => Promise.reject(new Deno.errors.BrokenPipe());
  for (
    const words of [["list", url], ["get", url, "a", "--to", "-"], ["help"]]
  ) {
    assertEquals(await run(words, { write }), {
      code: 0,
      stdout: "",
      stderr: "",
    });
  }
});

Deno.test("main() names standard input and output when these fail", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const fail = () =>
    Promise.reject(new Error("No space left on device (os error 28)"));
  for (const words of [["list", url], ["get", url, "a", "--to", "-"]]) {
    assertEquals(await run(words, { write: fail }), {
      code: 1,
      stdout: "",
      stderr:
        "xorriso-backend: Cannot write to standard output: No space left on device\n",
    });
  }
  const stdin = new ReadableStream<Uint8Array>({ pull: fail });
  assertEquals(await run(["put", url, "-", "--as", "b"], { stdin }), {
    code: 1,
    stdout: "",
    stderr:
      "xorriso-backend: Cannot read standard input: No space left on device\n",
  });
});

Deno.test("main() shows progress on a terminal alone, and erases it", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a".repeat(1 << 20) });
  const words = ["get", url, "a", "--to", "-"];
  const shown = await run(words, { isTerminal: true });
  assertMatch(shown.stderr, /\rRestoring +100 %/);
  assert(shown.stderr.endsWith("\r\x1b[K"));
  for (const [isTerminal, flag] of [[true, "-q"], [true, "--json"], [false]]) {
    const hidden = await run(
      [...words, ...(flag === undefined ? [] : [String(flag)])],
      { isTerminal: isTerminal === true },
    );
    assertEquals([hidden.code, hidden.stderr], [0, ""]);
  }
});

Deno.test("main() tells how long it took, to people in seconds where it was long", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  for (
    const [each, json, text] of [[0.4, 0, ""], [
      1234.5678,
      1.235,
      ", 1s",
    ]] as const
  ) {
    let time = 0;
    const now = () => time += each;
    const { stdout } = await run(["verify", url, "--json"], { now });
    const { summary } = parseLines(stdout).at(-1) as {
      summary: { seconds: number };
    };
    assertEquals(summary.seconds, json);
    const { stderr } = await run(["verify", url], { now });
    assertEquals(stderr, `Verified 1 file${text}\n`);
  }
});

Deno.test("main() tells on a terminal that it stops, unless it is to be quiet", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  for (const [isTerminal, ...flags] of [[true], [true, "-q"], [false]]) {
    const controller = new AbortController();
    const stdin = new ReadableStream<Uint8Array>({
      pull(stream) {
        controller.abort();
        stream.error(controller.signal.reason);
      },
    });
    const { code, stderr } = await run(
      ["put", url, "-", "--as", "b", ...flags.map(String)],
      { stdin, signal: controller.signal, isTerminal: isTerminal === true },
    );
    assertEquals(code, 130);
    const isTold = isTerminal === true && flags.length === 0;
    assertEquals(stderr.includes("Stopping...\n"), isTold);
  }
});

Deno.test("main() leaves the image as it was when it is interrupted while reading", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const before = await Deno.readFile(`${folder.path}/a.iso`);
  const controller = new AbortController();
  const stdin = new ReadableStream<Uint8Array>({
    pull(stream) {
      stream.enqueue(new Uint8Array(65536));
      controller.abort();
      stream.error(controller.signal.reason);
    },
  });
  const outcome = await run(["put", url, "-", "--as", "b"], {
    stdin,
    signal: controller.signal,
  });
  assertEquals(outcome, {
    code: 130,
    stdout: "",
    stderr: "xorriso-backend: Interrupted\n",
  });
  assertEquals(await Deno.readFile(`${folder.path}/a.iso`), before);
});

Deno.test("main() does not wait for a stalled reader when it is interrupted", async () => {
  await using folder = await makeFolder();
  const url = await putImage(folder.path, { a: "a" });
  const controller = new AbortController();
  const { code } = await run(["get", url, "a", "--to", "-"], {
    signal: controller.signal,
    write: () => {
      controller.abort();
      return new Promise(() => {});
    },
  });
  assertEquals(code, 130);
});
