import { assertEquals } from "@std/assert";
import { execute, makeFolder } from "../support/helpers.ts";
import { succeed } from "../support/program.ts";
import { absent, unless } from "../support/needs.ts";

/** Runs a script in a shell, behind the completions for it. */
async function complete(shell: string, script: string): Promise<string[]> {
  await using home = await makeFolder();
  const completions = await succeed("completions", shell);
  const { stdout, stderr } = await execute(
    shell,
    ["-c", `${completions}\n${script}`],
    { env: { HOME: home.path } },
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

Deno.test(
  unless(
    await absent("fish"),
    "completions fish offers commands and the flags of each",
  ),
  async () => {
    // From version 4 on fish offers words, too, that have the letters somewhere.
    const inFish = async (line: string) =>
      (await complete("fish", `complete -C '${line}'`))
        .map((row) => row.split("\t")[0] ?? "")
        .filter((word) => word.startsWith(line.split(" ").at(-1) ?? ""));
    assertEquals(await inFish("xorriso-backend li"), ["list"]);
    assertEquals(await inFish("xorriso-backend put x --cr"), ["--create"]);
    assertEquals(await inFish("xorriso-backend list x --cr"), []);
    assertEquals(await inFish("xorriso-backend blank x --mode fa"), ["fast"]);
  },
);

Deno.test(
  unless(
    await absent("zsh"),
    "completions zsh offers commands, the flags of each, and their values",
  ),
  async () => {
    await using folder = await makeFolder();
    const script = await succeed("completions", "zsh");
    const file = await folder.file("completions", script);
    // Completions need a line editor, and that a terminal.
    const { code, stdout, stderr } = await execute(
      "timeout",
      ["60", "zsh", "-fc", TYPING, "zsh", file],
      { env: { HOME: folder.path, TERM: "dumb" } },
    );
    assertEquals([code, stdout], [0, "ok\n"], stderr);
  },
);

/** Types into an interactive zsh, and waits for what it makes of that: it takes no end otherwise. */
const TYPING = `
zmodload zsh/zpty
expect() {
  local shown="" part
  until [[ $shown == *"$1"* ]]; do
    zpty -r z part && shown+=$part || sleep 0.05
  done
}
zpty -b z "zsh -fi"
zpty -w z "autoload -U compinit; compinit -uD; source $1; print REA''DY"
expect READY
for typed shown in li list "put u --vol" "put u --volume-id=" "blank u --mode fa" "blank u --mode fast" "help ex" "help exit"; do
  zpty -w -n z $'\\x15'"xorriso-backend $typed"$'\\t'
  expect "xorriso-backend $shown"
done
zpty -d z
print ok
`;
