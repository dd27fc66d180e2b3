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
  until,
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
  let notice = () => {};
  const output: Output = {
    out: "",
    err: "",
    async has(text) {
      const { promise, resolve } = Promise.withResolvers<void>();
      notice = () => {
        if (output.out.includes(text)) resolve();
      };
      notice();
      await Promise.race([promise, child.ended]);
      assertStringIncludes(output.out, text);
    },
  };
  const child = Child.spawn(command, args, {
    stdout: (line) => {
      output.out += `${line}\n`;
      notice();
    },
    stderr: (line) => void (output.err += `${line}\n`),
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
  assertEquals((await child.ended)?.code, 0);
  assertEquals([output.out.length, output.err.length], [1_000_001, 1_000_001]);
});

Deno.test("Child.ended waits for all output and for the process", async () => {
  // The grandchild holds the outputs open longer than the child lives.
  const { child, output } = sh("(sleep 0.1; echo late) & echo $$");
  assertEquals((await child.ended)?.code, 0);
  const [pid, late] = output.out.split("\n");
  assertEquals(late, "late");
  assertEquals(isAlive(Number(pid)), false);
});

Deno.test("Child.ended tells the signal that ended the child", async () => {
  const { child } = sh("kill -KILL $$");
  assertObjectMatch(await child.ended ?? {}, { code: 137, signal: "SIGKILL" });
});

Deno.test("Child takes everything quietly when the child is gone", async () => {
  const { child } = sh("exit 3");
  assertEquals((await child.ended)?.code, 3);
  await child.write("x");
  await child.closeInput();
  child.kill("SIGTERM");
  await child.end(LONG);
  await child.terminate(LONG, true);
});

Deno.test("Child.end() is content with a child that ends with its input", async () => {
  const { child, output } = sh("trap 'echo term' TERM; cat; exit 5");
  await child.write("last words");
  await child.end(LONG);
  assertObjectMatch(await child.ended ?? {}, { code: 5, signal: null });
  assertEquals(output.out, "last words\n");
});

Deno.test("Child.end() sends SIGTERM to a child that goes on", async () => {
  const { child, output } = sh("echo ready; exec sleep 60");
  await output.has("ready");
  await child.end(10);
  assertEquals((await child.ended)?.signal, "SIGTERM");
});

Deno.test("Child.end() comes to an end when the child does not read", async () => {
  const { child, output } = sh("echo ready; exec sleep 60");
  await output.has("ready");
  const written = child.write("x".repeat(1_000_000));
  await child.end(10);
  assertEquals((await child.ended)?.signal, "SIGTERM");
  await written;
});

Deno.test("Child.end() kills a child that will not end, if it may", async () => {
  await using folder = await makeFolder();
  const { child, output } = await spawnStubborn(folder);
  await child.end(300);
  assertEquals((await child.ended)?.signal, "SIGKILL");
  assertStringIncludes(output.out, "term");
});

Deno.test("Child.end() and terminate() end a child that has been stopped", async () => {
  for (const end of ["end", "terminate"] as const) {
    const { child, output } = sh("echo $$; cat");
    await output.has("\n");
    Deno.kill(Number(output.out), "SIGSTOP");
    await child[end](LONG, true);
    assertEquals((await child.ended)?.signal, end === "end" ? null : "SIGTERM");
  }
});

Deno.test("Child.terminate() never kills a child that it must not", async () => {
  await using folder = await makeFolder();
  const { child, output } = await spawnStubborn(folder);
  await child.terminate(10, false);
  await output.has("term");
  await folder.file("go");
  assertObjectMatch(await child.ended ?? {}, { code: 7, signal: null });
});

Deno.test("Child.terminate() reaches what a script has started", async () => {
  const { child, output } = sh("echo ready; sleep 60; true");
  await output.has("ready");
  await child.terminate(LONG, false);
  assertEquals((await child.ended)?.signal, "SIGTERM");
});

Deno.test({
  name: "Child.terminate() ends the input of what it may not signal",
  permissions: { run: ["sh"] },
  async fn() {
    const { child, output } = sh("echo ready; cat; true");
    await output.has("ready");
    await child.terminate(LONG, false);
    assertEquals((await child.ended)?.signal, "SIGTERM");
  },
});

Deno.test(
  "Child.leave() listens no more to what does not end",
  // It is not waited for.
  { sanitizeOps: false, sanitizeResources: false },
  async () => {
    await using folder = await makeFolder();
    const said = `${folder.path}/said`;
    const { child, output } = sh(
      `trap '' TERM PIPE; echo $$; read _; echo x; : >'${said}'; sleep 60`,
    );
    await output.has("\n");
    child.leave();
    assertEquals(await child.ended, undefined);
    await until(() => exists(said), "it has said more");
    const pid = Number(output.out);
    assertEquals(isAlive(pid), true);
    Deno.kill(-pid, "SIGKILL");
    assertEquals(output.out, `${pid}\n`);
  },
);

Deno.test("Child hands on whole lines, however they come", async () => {
  const { child, output } = sh(
    `for byte in 'R' ':' ' a\\015' '\\nb' '\\015c' '\\n' '\\n\\357\\273\\277' 'd'; do
       printf "$byte"; printf "$byte" >&2; sleep 0.002
     done`,
  );
  await child.ended;
  // On standard error, progress ends with CR alone.
  assertEquals(output.out, "R: a\nb\rc\n\n\ufeffd\n");
  assertEquals(output.err, "R: a\nb\nc\n\n\ufeffd\n");
});

Deno.test("Child loses no line by bytes that are not UTF-8", async () => {
  const { child, output } = sh("printf 'a\\346\\227\\nb\\377'");
  await child.ended;
  assertEquals(output.out, "a\ufffd\nb\ufffd\n");
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
  assertEquals(output.out, args.map((arg) => `${arg}|`).join("") + "\n");
  assert(await exists(program));
});
