/** What the tests with real clients have in common: a home, with adapters installed as told. */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { type Folder, isInstalled, makeFolder } from "../support/helpers.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** How a program ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A user's home with settings, programs and temporary files of its own. */
export class Home implements AsyncDisposable {
  /** Absolute path; `bin` in it comes first in PATH. */
  readonly path: string;
  readonly #env: Record<string, string>;
  readonly #folder: Folder;

  private constructor(folder: Folder, denoDir: string) {
    const { path } = folder;
    this.path = path;
    this.#folder = folder;
    this.#env = {
      HOME: path,
      XDG_CONFIG_HOME: `${path}/.config`,
      XDG_CACHE_HOME: `${path}/.cache`,
      TMPDIR: `${path}/tmp`,
      PATH: `${path}/bin:${Deno.env.get("PATH")}`,
      DENO_DIR: denoDir,
      DENO_INSTALL_ROOT: path,
      NO_COLOR: "1",
    };
  }

  /** Makes an empty one. */
  static async make(): Promise<Home> {
    const folder = await makeFolder();
    for (const name of ["bin", "tmp"]) {
      await Deno.mkdir(`${folder.path}/${name}`);
    }
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json"],
    }).output();
    const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
    return new Home(folder, denoDir);
  }

  /** Starts a program. */
  start(
    [program = "", ...args]: readonly string[],
    options: Omit<Deno.CommandOptions, "args"> = {},
  ): Deno.ChildProcess {
    return new Deno.Command(program, {
      args,
      cwd: this.path,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...options,
      env: { ...this.#env, ...options.env },
    }).spawn();
  }

  /** Runs a program to its end. */
  async run(
    words: readonly string[],
    options: Omit<Deno.CommandOptions, "args"> = {},
  ): Promise<Outcome> {
    const { code, stdout, stderr } = await this.start(words, options).output();
    const decoder = new TextDecoder();
    return {
      code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
    };
  }

  /** Runs a program that must succeed; its standard output. */
  async succeed(
    words: readonly string[],
    options: Omit<Deno.CommandOptions, "args"> = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await this.run(words, options);
    assertEquals(code, 0, `${words.join(" ")}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Installs an adapter by the command in its first comment. */
  async install(name: string): Promise<void> {
    const file = await Deno.readTextFile(`${ROOT}/examples/clients/${name}`);
    const [, command] = file.match(/^ \* {5}(deno install (?:.*\\\n)*.*)$/m) ??
      [];
    if (command === undefined) throw new Error(`${name} tells no command`);
    const script = command.replaceAll(/^ \*/gm, "");
    await this.succeed(["sh", "-c", script], { cwd: ROOT });
  }

  /** What is left of temporary files. */
  async leftovers(): Promise<string[]> {
    return await Array.fromAsync(
      Deno.readDir(`${this.path}/tmp`),
      ({ name }) => name,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** A test that is skipped, by name, where its program is not installed. */
export async function testWith(program: string): Promise<
  (name: string, fn: () => Promise<void>) => void
> {
  const ignore = !await isInstalled(program);
  return (name, fn) => Deno.test({ name: `${program}: ${name}`, ignore, fn });
}
