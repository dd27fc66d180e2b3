import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  advice,
  reasonOf,
  systemError,
  type SystemFailure,
  systemName,
  XorrisoError,
  type XorrisoErrorCode,
} from "../src/errors.ts";
import { assertCode, makeFolder, runDeno } from "./support/helpers.ts";

Deno.test("XorrisoError is an Error with its own name, code and message", () => {
  const error = new XorrisoError("NO_MEDIUM", "Cannot open the drive");
  assert(error instanceof Error);
  assertEquals(error.name, "XorrisoError");
  assertEquals(error.code, "NO_MEDIUM");
  assertEquals(String(error), "XorrisoError: Cannot open the drive");
});

Deno.test("XorrisoError has nothing but code and message when that is all it gets", () => {
  const error = new XorrisoError("CLOSED", "The session is closed");
  assertEquals(error.messages, []);
  assertEquals(error.path, undefined);
  assertEquals(error.needed, undefined);
  assertEquals(error.free, undefined);
  assertEquals("cause" in error, false);
});

Deno.test("XorrisoError keeps what it is given", () => {
  const cause = new Deno.errors.NotFound("no such file");
  const messages = ["xorriso : FAILURE : Image size 2s exceeds free space"];
  const error = new XorrisoError("MEDIUM_FULL", "Cannot store it", {
    messages,
    path: "/a",
    needed: 4096,
    free: 0,
    cause,
  });
  assertEquals(error.messages, messages);
  assertEquals(error.path, "/a");
  assertEquals(error.needed, 4096);
  assertEquals(error.free, 0);
  assertEquals(error.cause, cause);
});

Deno.test("XorrisoError keeps a cause that is undefined", () => {
  const error = new XorrisoError("UNKNOWN", "It failed", { cause: undefined });
  assertEquals("cause" in error, true);
});

Deno.test("XorrisoError.retryable is true only for what passes by itself", () => {
  const retryable = (code: XorrisoErrorCode) =>
    new XorrisoError(code, "It failed").retryable;
  assertEquals(retryable("DRIVE_BUSY"), true);
  assertEquals(retryable("NOT_READY"), true);
  for (
    const code of [
      "NO_DRIVE",
      "DRIVE_LOST",
      "NO_MEDIUM",
      "MEDIUM_FULL",
      "WRITE_ERROR",
      "TIMEOUT",
      "SESSION_LOST",
      "UNKNOWN",
    ] as const
  ) {
    assertEquals(retryable(code), false, code);
  }
});

Deno.test("advice() ends a message, or adds nothing", () => {
  assertEquals(advice("UNKNOWN"), "");
  for (const code of ["DRIVE_BUSY", "NO_MEDIUM", "MEDIUM_FULL"] as const) {
    const [, text = ""] = /^; ([a-z].*[^.])$/.exec(advice(code)) ?? [];
    assert(text.length > 0, code);
  }
});

Deno.test("systemError() gives a failure of the system its code, words and cause", () => {
  const cause = new Deno.errors.NotFound(
    "No such file or directory (os error 2): stat '/a'",
  );
  Object.assign(cause, { code: "ENOENT" });
  const failure: SystemFailure = {
    doing: 'Cannot read "/a"',
    path: "/a",
    code: "READ_ERROR",
    advice: "look for it",
  };
  const error = assertCode(systemError(cause, failure), "READ_ERROR");
  assertEquals(
    error.message,
    'Cannot read "/a": No such file or directory; look for it',
  );
  assertEquals(error.path, "/a");
  assertEquals(error.cause, cause);
  const other = systemError(cause, {
    ...failure,
    codes: { ENOENT: "MEDIUM_CHANGED" },
    reasons: { ENOENT: "it is gone" },
  });
  const { message } = assertCode(other, "MEDIUM_CHANGED");
  assertEquals(message, 'Cannot read "/a": it is gone; look for it');
});

Deno.test("reasonOf() gives the words of Deno's calls and of node:fs alike", () => {
  for (
    const said of [
      "Permission denied (os error 13)",
      "Permission denied (os error 13): open '/a, b'",
      "EACCES: permission denied, open '/a, b'",
      "EACCES: permission denied, link '/a' -> '/b'",
      "EACCES: permission denied, read",
      "Permission denied",
    ]
  ) assertEquals(reasonOf(new Error(said)), "Permission denied");
});

Deno.test("systemError() leaves what is no failure of the system", () => {
  const failure = { doing: "Cannot read it", code: "READ_ERROR" } as const;
  for (
    const cause of [
      new XorrisoError("CLOSED", "It is closed (os error 5)"),
      new Deno.errors.NotCapable("Requires read access"),
      new TypeError("A path must be a string"),
      new DOMException("Stop", "AbortError"),
      "a reason",
      undefined,
    ]
  ) assertEquals(systemError(cause, failure), cause);
});

Deno.test("XorrisoBackend tells too many open files as such, whatever was to be opened", async () => {
  await using folder = await makeFolder();
  // Their checksums are made side by side.
  for (const name of "abcd") await folder.file(`tree/${name}`, name);
  const { stdout, stderr } = await runDeno(
    `import { compareTree, putTree, XorrisoBackend } from "@xorriso/backend";
     const open = (name) =>
       XorrisoBackend.open("xorriso://${folder.path}/" + name, { create: true });
     const backend = await open("a.iso");
     const tree = "${folder.path}/tree";
     await putTree(backend, tree);
     const files = [];
     const tell = async (left, call) => {
       try {
         for (;;) files.push(Deno.openSync("/dev/null"));
       } catch {
         for (const file of files.splice(0, left)) file.close();
       }
       const code = await call().catch(({ code }) => code);
       for (const file of files.splice(0)) file.close();
       console.log(code);
     };
     await tell(3, () => open("b.iso"));
     await tell(1, () => compareTree(backend, tree, { checksums: true }));
     await tell(0, async () => (await putTree(backend, tree)).left[0]?.error.code);
     await backend.close();`,
    ["sh", "-c", `ulimit -n 64; exec "$@"`, "sh"],
  );
  assertEquals([stdout, stderr], ["TOO_MANY_FILES\n".repeat(3), ""]);
});

Deno.test("systemError() tells too many open files as such, which may pass", async () => {
  const { stdout } = await runDeno(
    `import { systemError } from ${
      JSON.stringify(new URL("../src/errors.ts", import.meta.url))
    };
     const open = [];
     try {
       for (;;) open.push(Deno.openSync("/dev/null"));
     } catch (cause) {
       const failure = { doing: "Cannot open it", code: "READ_ERROR" };
       const { code, message, retryable } = systemError(cause, failure);
       console.log(code, retryable, message);
     }`,
    ["sh", "-c", `ulimit -n 64; exec "$@"`, "sh"],
  );
  assertMatch(stdout, /^TOO_MANY_FILES true Cannot open it: .*ulimit -n\)\n$/);
});

Deno.test("systemName() knows names and numbers", () => {
  const quota = new Error("Disk quota exceeded (os error 122): write");
  assertEquals(systemName(quota), "EDQUOT");
  assertEquals(systemName(new Error("Too odd (os error 99)")), "E99");
  assertEquals(systemName(new Error("no error of the system")), undefined);
});
