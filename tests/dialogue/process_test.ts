import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertObjectMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Child } from "../../src/dialogue/process.ts";
import {
  assertCode,
  exists,
  type Folder,
  isAlive,
  makeFolder,
  makeScript,
} from "../support/helpers.ts";

/** Longer than anything here takes: a step that waits for it hangs. */
const LONG = 60_000;

/** What a child has written so far. */
interface Output {
  out: string;
  err: string;
  /** Resolves when standard output has this text. */
  has(text: string): Promise<void>;
}

function spawn(
  command: string,
  args: readonly string[] = [],
): { child: Child; output: Output } {
  let look = () => {};
  const output: Output = {
    out: "",
    err: "",
    has(text) {
      const { promise, resolve } = Promise.withResolvers<void>();
      look = () => {
        if (output.out.includes(text)) resolve();
      };
      look();
      return promise;
    },
  };
  const decoder = new TextDecoder();
  const child = Child.spawn(command, args, {
    stdout: (chunk) => {
      output.out += decoder.decode(chunk);
      look();
    },
    stderr: (chunk) => void (output.err += decoder.decode(chunk)),
  });
  return { child, output };
}

function sh(script: string): { child: Child; output: Output } {
  return spawn("sh", ["-c", script]);
}

/** A shell that stops neither at the end of its input nor at SIGTERM. */
async function spawnStubborn(folder: Folder) {
  const started = sh(
    `trap 'echo term' TERM; echo ready
     until test -e '${folder.path}/go'; do sleep 0.01; done; exit 7`,
  );
  await started.output.has("ready");
  return started;
}

Deno.test("Child.spawn() gives the child no environment of ours", async () => {
  const { child, output } = spawn("env");
  await child.ended;
  assertEquals(output.out.trim().split("\n").sort(), [
    "LC_ALL=C.UTF-8",
    "TZ=UTC",
  ]);
});

Deno.test("Child.spawn() detaches the child from the terminal's signals", async () => {
  // Its number, name, state, parent, process group and session; not every
  // machine has `ps`.
  const { child, output } = sh("cat /proc/$$/stat");
  await child.ended;
  const [pid, _name, _state, _parent, group, session] = output.out.split(" ");
  assertEquals([group, session], [pid, pid]);
});

Deno.test("Child.write() and both outputs get along without a deadlock", async () => {
  const { child, output } = sh("cat; cat /dev/zero | head -c 1000000 >&2");
  const text = "x".repeat(1_000_000);
  await child.write(text);
  await child.closeInput();
  assertEquals((await child.ended).code, 0);
  assertEquals([output.out.length, output.err.length], [1_000_000, 1_000_000]);
});

Deno.test("Child.ended waits for all output and for the process", async () => {
  // The grandchild holds the outputs open longer than the child lives.
  const { child, output } = sh("(sleep 0.1; echo late) & echo $$");
  const { code } = await child.ended;
  assertEquals(code, 0);
  const [pid, late] = output.out.split("\n");
  assertEquals(late, "late");
  assertEquals(isAlive(Number(pid)), false);
});

Deno.test("Child.ended tells the signal that ended the child", async () => {
  const { child } = sh("kill -KILL $$");
  assertObjectMatch(await child.ended, { code: 137, signal: "SIGKILL" });
});

Deno.test("Child takes everything quietly when the child is gone", async () => {
  const { child } = sh("exit 3");
  assertEquals((await child.ended).code, 3);
  await child.write("x");
  await child.closeInput();
  child.kill("SIGTERM");
  assertEquals((await child.end(LONG)).code, 3);
  assertEquals((await child.terminate(LONG, true)).code, 3);
});

Deno.test("Child.end() is content with a child that ends with its input", async () => {
  const { child, output } = sh("trap 'echo term' TERM; cat; exit 5");
  await child.write("last words");
  assertObjectMatch(await child.end(LONG), { code: 5, signal: null });
  assertEquals(output.out, "last words");
});

Deno.test("Child.end() sends SIGTERM to a child that goes on", async () => {
  const { child, output } = sh("echo ready; exec sleep 60");
  await output.has("ready");
  assertEquals((await child.end(10)).signal, "SIGTERM");
});

Deno.test("Child.end() comes to an end when the child does not read", async () => {
  const { child, output } = sh("echo ready; exec sleep 60");
  await output.has("ready");
  const written = child.write("x".repeat(1_000_000));
  assertEquals((await child.end(10)).signal, "SIGTERM");
  await written;
});

Deno.test("Child.end() kills a child that will not end, if it may", async () => {
  await using folder = await makeFolder();
  const { child, output } = await spawnStubborn(folder);
  assertEquals((await child.end(300)).signal, "SIGKILL");
  assertStringIncludes(output.out, "term");
});

Deno.test("Child.terminate() never kills a child that it must not", async () => {
  await using folder = await makeFolder();
  const { child, output } = await spawnStubborn(folder);
  const ended = child.terminate(10, false);
  await output.has("term");
  await folder.file("go");
  assertObjectMatch(await ended, { code: 7, signal: null });
});

Deno.test("Child.terminate() does not wait for the end of the input", async () => {
  const { child, output } = sh(
    "trap 'echo term; exit 4' TERM; echo ready; cat",
  );
  await output.has("ready");
  const ended = child.terminate(LONG, false);
  // The shell runs its trap when `cat` is done.
  await child.closeInput();
  assertEquals((await ended).code, 4);
  assertStringIncludes(output.out, "term");
});

Deno.test("Child.spawn() tells how to install a program that is missing", () => {
  const error: Error = assertThrows(
    () => spawn("no-such-xorriso"),
    Deno.errors.NotFound,
    '"no-such-xorriso": install xorriso',
  );
  assertInstanceOf(error.cause, Deno.errors.NotFound);
});

Deno.test({
  name: "Child.spawn() names the flag when run permission is missing",
  permissions: { run: ["xorriso"] },
  fn() {
    assertThrows(
      () => spawn("sh"),
      Deno.errors.NotCapable,
      "--allow-run=sh",
    );
  },
});

Deno.test("Child.spawn() refuses what may not be executed", async () => {
  await using folder = await makeFolder();
  for (const path of [await folder.file("text", "text"), folder.path]) {
    const error: unknown = assertThrows(() => spawn(path));
    assertEquals(assertCode(error, "PERMISSION_DENIED").path, path);
  }
});

Deno.test("Child.spawn() passes every argument as it is", async () => {
  await using folder = await makeFolder();
  const program = await makeScript(folder, "-a 'b\"", `printf '%s|' "$@"`);
  const args = ["", " ", "'", '"', "\\", "\n", "*", "$HOME", "--", "é"];
  const { child, output } = spawn(program, args);
  await child.ended;
  assertEquals(output.out, args.map((arg) => `${arg}|`).join(""));
  assert(await exists(program));
});
