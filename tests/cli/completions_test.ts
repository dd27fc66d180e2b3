import { assertEquals } from "@std/assert";
import { execute, isInstalled } from "../support/helpers.ts";
import { succeed } from "../support/program.ts";

/** Runs a script in a shell, behind the completions for it. */
async function complete(shell: string, script: string): Promise<string[]> {
  const completions = await succeed("completions", shell);
  const { stdout, stderr } = await execute(
    shell,
    ["-c", `${completions}\n${script}`],
    { env: { HOME: "/nonexistent" } },
  );
  assertEquals(stderr, "");
  return stdout.split("\n").filter((line) => line !== "");
}

/** What bash offers for the last of some words. */
function inBash(...words: string[]): Promise<string[]> {
  const line = ["xorriso-backend", ...words].map((word) => `'${word}'`);
  return complete(
    "bash",
    `COMP_WORDS=(${line.join(" ")}); COMP_CWORD=${words.length}
    _xorriso_backend; printf '%s\\n' "\${COMPREPLY[@]}"`,
  );
}

Deno.test("completions bash offers commands, the flags of each, and pages of help", async () => {
  assertEquals(await inBash("li"), ["list"]);
  assertEquals(await inBash("r"), ["rm"]);
  assertEquals(await inBash("put", "xorriso://a.iso", "--cr"), ["--create"]);
  assertEquals(await inBash("ls", "--l"), ["--long"]);
  assertEquals(await inBash("list", "--cr"), []);
  assertEquals(await inBash("help", "ex"), ["exit"]);
  assertEquals(await inBash("completions", "z"), ["zsh"]);
  assertEquals(await inBash("blank", "url", "--mode", "fa"), ["fast"]);
  assertEquals(await inBash("format", "url", "--mode", "a"), ["as_needed"]);
  assertEquals(await inBash("put", "url", "name"), []);
});

Deno.test({
  name: "completions fish offers commands and the flags of each",
  ignore: !await isInstalled("fish"),
  fn: async () => {
    const inFish = async (line: string) =>
      (await complete("fish", `complete -C '${line}'`))
        .map((row) => row.split("\t")[0]);
    assertEquals(await inFish("xorriso-backend li"), ["list"]);
    assertEquals(await inFish("xorriso-backend put x --cr"), ["--create"]);
    assertEquals(await inFish("xorriso-backend list x --cr"), []);
    assertEquals(await inFish("xorriso-backend blank x --mode fa"), ["fast"]);
  },
});

Deno.test({
  name: "completions zsh is a script that zsh can read",
  ignore: !await isInstalled("zsh"),
  fn: async () => {
    const script = "compdef() { echo $@ }";
    const completions = await succeed("completions", "zsh");
    const { stdout, stderr } = await execute("zsh", [
      ...["-fc", `${script}\n${completions}`],
    ]);
    assertEquals(stderr, "");
    assertEquals(stdout, "_xorriso_backend xorriso-backend\n");
  },
});
