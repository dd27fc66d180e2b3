/** git-annex keeps files on a medium by `examples/clients/git-annex-remote-xorriso.ts`. */

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { dirname } from "@std/path";
import { TextLineStream } from "@std/streams/text-line-stream";
import { XorrisoBackend } from "../../mod.ts";
import { Burner } from "../burner/burner.ts";
import { noise, runXorriso } from "../support/helpers.ts";
import { Home, testWith } from "./clients.ts";

const test = await testWith("git-annex");

const CONFIG = ["type=external", "externaltype=xorriso", "encryption=none"];

/** A repository of git-annex whose remote `disc` is a medium. */
class Repository {
  readonly home: Home;
  readonly image: string;
  readonly #env: Record<string, string>;

  private constructor(home: Home, path: string) {
    this.home = home;
    this.image = `${home.path}/disc.iso`;
    this.#env = { PATH: `${path}:${home.path}/bin:${Deno.env.get("PATH")}` };
  }

  /** @param path Folder whose programs come first. */
  static async make(
    home: Home,
    path = `${home.path}/bin`,
  ): Promise<Repository> {
    const made = new Repository(home, path);
    await home.install("git-annex-remote-xorriso.ts");
    await Deno.writeTextFile(
      `${home.path}/.gitconfig`,
      "[user]\nname = A\nemail = a@example.org\n[init]\ndefaultBranch = main\n",
    );
    await Deno.mkdir(`${home.path}/repo`);
    await made.run("git", "init", "--quiet");
    await made.annex("init", "--quiet");
    return made;
  }

  async addRemote(
    url = `xorriso://${this.image}`,
    ...more: string[]
  ): Promise<void> {
    await this.annex("initremote", "disc", ...CONFIG, `url=${url}`, ...more);
  }

  /** Adds files with noise, by their bytes. */
  async add(files: Readonly<Record<string, number>>): Promise<void> {
    for (const [name, size] of Object.entries(files)) {
      const path = `${this.home.path}/repo/${name}`;
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeFile(path, noise(size, size));
    }
    await this.annex("add", "--quiet", ".");
    await this.run("git", "commit", "--quiet", "-m", "files");
  }

  get #options(): { cwd: string; env: Record<string, string> } {
    return { cwd: `${this.home.path}/repo`, env: this.#env };
  }

  async run(...words: string[]): Promise<string> {
    return await this.home.succeed(words, this.#options);
  }

  async annex(...words: string[]): Promise<string> {
    return await this.run("git", "annex", ...words);
  }

  /** What a command of git-annex that fails says. */
  async fail(...words: string[]): Promise<string> {
    const command = ["git", "annex", ...words];
    const { code, stdout, stderr } = await this.home.run(
      command,
      this.#options,
    );
    assertNotEquals(code, 0, stdout);
    return stdout + stderr;
  }

  /** Names of the files that git-annex believes to be on the medium. */
  async onDisc(): Promise<string[]> {
    const names = await this.annex("find", "--in", "disc");
    return names.split("\n").filter((name) => name !== "").sort();
  }
}

test("testremote passes, and leaves no temporary file", async () => {
  await using home = await Home.make();
  const repository = await Repository.make(home);
  await repository.addRemote();
  const told = await repository.annex("testremote", "--fast", "disc");
  assertStringIncludes(told, " tests passed");
  assertEquals(await home.leftovers(), []);
});

test("files go to a medium by two processes at once, and come back", async () => {
  await using home = await Home.make();
  const repository = await Repository.make(home);
  await repository.addRemote();
  await repository.add(
    { "a": 1, "b c": 100_000, "sub/ä": 3_000_000, "[x]*?": 5, "100%25": 7 },
  );
  await Promise.all(
    [["a", "sub"], ["b c", "100%25", "[x]*?"]].map((names) =>
      repository.annex("copy", "--jobs=2", "--to", "disc", ...names)
    ),
  );
  assertEquals((await repository.onDisc()).length, 5);
  await repository.annex("drop", "--jobs=4", ".");
  await repository.annex("get", "--jobs=4", ".");
  await repository.annex("fsck", "--jobs=4", "--from", "disc", ".");
  await repository.annex("drop", "--from", "disc", "sub");
  assertEquals(await repository.onDisc(), ["100%25", "[x]*?", "a", "b c"]);
  await using backend = await XorrisoBackend.open(
    `xorriso://${repository.image}`,
    { readOnly: true },
  );
  const names = (await backend.list({ all: true })).map(({ name }) => name);
  assertEquals(names.length, 5);
  assert(names.every((name) => !name.includes("/")));
});

test("what another, blank, missing or broken medium holds is unknown, not gone", async () => {
  await using home = await Home.make();
  const repository = await Repository.make(home);
  const { image } = repository;
  await repository.addRemote();
  await repository.add({ a: 10, b: 20 });
  await repository.annex("copy", "--to", "disc", ".");
  await Deno.rename(image, `${image}.kept`);
  const media: Record<string, () => Promise<unknown>> = {
    missing: () => Promise.resolve(),
    blank: () => Deno.writeFile(image, new Uint8Array()),
    broken: () => Deno.writeFile(image, noise(100_000)),
    another: () =>
      runXorriso([["-outdev", `stdio:${image}`], ["-volid", "OTHER"], [
        "-map",
        `${home.path}/.gitconfig`,
        "/a",
      ], ["-commit"]]),
  };
  for (const [name, make] of Object.entries(media)) {
    await make();
    const before = await Deno.readFile(image).catch(() => undefined);
    const told = await repository.fail(
      "fsck",
      "--debug",
      "--fast",
      "--from",
      "disc",
    );
    assertStringIncludes(told, "CHECKPRESENT-UNKNOWN", name);
    await repository.fail("drop", "a");
    assertEquals(await repository.onDisc(), ["a", "b"], name);
    assertEquals(
      await Deno.readFile(image).catch(() => undefined),
      before,
      name,
    );
    if (before !== undefined) await Deno.remove(image);
  }

  await Deno.rename(`${image}.kept`, image);
  const [{ name = "" } = {}] = await withBackend(image, async (backend) => {
    const files = await backend.list({ glob: "*-s10-*" });
    await backend.deleteList(files.map(({ name }) => name));
    return files;
  });
  assertNotEquals(name, "");
  await repository.fail("fsck", "--fast", "--from", "disc");
  assertEquals(await repository.onDisc(), ["b"]);
});

async function withBackend<T>(
  image: string,
  work: (backend: XorrisoBackend) => Promise<T>,
): Promise<T> {
  await using backend = await XorrisoBackend.open(`xorriso://${image}`);
  return await work(backend);
}

test("an export follows the tree, and writes no content for a new name", async () => {
  await using home = await Home.make();
  const repository = await Repository.make(home);
  const { image } = repository;
  const url = `xorriso://${image}:/music`;
  await repository.addRemote(url, "exporttree=yes");
  await repository.add({ "a/one": 4_000_000, "two": 2000, "a/b/[3] %": 3000 });
  await repository.annex("export", "main", "--to", "disc");
  assertEquals(await listed(url), ["a/b/[3] %", "a/one", "two"]);

  const { size } = await Deno.stat(image);
  await repository.run("git", "mv", "a/one", "eins");
  await repository.run("git", "mv", "two", "a/zwei");
  await repository.run("git", "rm", "--quiet", "a/b/[3] %");
  await repository.run("git", "commit", "--quiet", "-m", "names");
  await repository.annex("export", "main", "--to", "disc");
  assertEquals(await listed(url), ["a/zwei", "eins"]);
  const growth = (await Deno.stat(image)).size - size;
  assert(growth < 1_000_000, `it has grown by ${growth} bytes`);
  await repository.annex("fsck", "--from", "disc");
});

/** Names of the exported files. */
async function listed(url: string): Promise<string[]> {
  await using backend = await XorrisoBackend.open(url, { readOnly: true });
  const files = await backend.list();
  return files.map(({ name }) => name).filter((name) => name !== "annex-uuid")
    .sort();
}

test("a program that knows no jobs is answered, too", async () => {
  await using home = await Home.make();
  await home.install("git-annex-remote-xorriso.ts");
  const child = home.start(["git-annex-remote-xorriso"], {
    stdin: "piped",
    stderr: "inherit",
  });
  const writer = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough<string>(new TextLineStream());
  const reader = lines.getReader();
  /** Waits for a line, then sends one. */
  const answer = async (expected: string, line: string) => {
    const told: string[] = [];
    while (told.at(-1) !== expected) {
      const { value, done } = await reader.read();
      assert(!done, `"${expected}" is not in ${told}`);
      told.push(value ?? "");
    }
    await writer.write(new TextEncoder().encode(`${line}\n`));
  };
  const file = `${home.path}/a file`;
  await Deno.writeTextFile(file, "text");
  await answer("VERSION 2", "INITREMOTE");
  await answer("GETCONFIG url", `VALUE xorriso://${home.path}/a.iso`);
  await answer("GETCONFIG volid", "VALUE ");
  await answer("GETCONFIG exporttree", "VALUE ");
  await answer("GETUUID", "VALUE 01234567-89ab-cdef-0123-456789abcdef");
  await answer("INITREMOTE-SUCCESS", `TRANSFER STORE k--%/1 ${file}`);
  await answer("TRANSFER-SUCCESS STORE k--%/1", "CHECKPRESENT k--%/1");
  await answer("CHECKPRESENT-SUCCESS k--%/1", "CHECKPRESENT k--%/2");
  await answer("CHECKPRESENT-FAILURE k--%/2", "REMOVE k--%/2");
  await answer("REMOVE-SUCCESS k--%/2", "NONSENSE");
  await answer("UNSUPPORTED-REQUEST", `TRANSFER RETRIEVE k--%/1 ${file} 2`);
  await answer("TRANSFER-SUCCESS RETRIEVE k--%/1", "GETINFO");
  assertEquals(await Deno.readTextFile(`${file} 2`), "text");
  await writer.close();
  while (!(await reader.read()).done);
  assertEquals((await child.status).code, 0);
});

test("a disc in a drive is a remote", async () => {
  for (const type of ["bd-r", "dvd+rw"] as const) {
    await using burner = await Burner.start(type);
    await using home = await Home.make();
    const repository = await Repository.make(home, dirname(burner.xorrisoPath));
    await repository.addRemote(`xorriso://${burner.device}`);
    await repository.add({ a: 10, b: 100_000 });
    await repository.annex("copy", "--jobs=2", "--to", "disc", ".");
    await repository.annex("drop", ".");
    await repository.annex("get", ".");
    await burner.replace(type);
    await repository.fail("fsck", "--fast", "--from", "disc");
    assertEquals(await repository.onDisc(), ["a", "b"], type);
  }
});
