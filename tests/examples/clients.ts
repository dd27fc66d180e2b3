/** What the tests with real clients have in common: a home, with adapters installed as told. */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  type Folder,
  makeFolder,
  type Outcome,
  runProgram,
  signalTo,
} from "../support/helpers.ts";
import { absent, unless } from "../support/needs.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** A server that runs; in the end it is killed. */
export interface Server extends AsyncDisposable {
  /** The address that it has printed. */
  readonly address: string;
  /** Ends it; its exit code. */
  readonly end: (signal: Deno.Signal) => Promise<number>;
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
    const { denoDir } = JSON.parse(
      await runProgram(Deno.execPath(), ["info", "--json"]),
    );
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
    await this.succeed(["sh", "-c", await commandOf(name)], { cwd: ROOT });
  }

  /**
   * Starts a server by the command in its first comment, with this home's folder of temporary files
   * for /tmp.
   *
   * @param edit Changes the command.
   */
  async serve(
    name: string,
    edit = (command: string) => command,
  ): Promise<Server> {
    const command = (await commandOf(name))
      .replaceAll(/\/tmp\b/g, `${this.path}/tmp`);
    const child = this.start(["sh", "-c", `exec ${edit(command)}`], {
      cwd: ROOT,
      stderr: "inherit",
    });
    const reader = child.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    const { value = "" } = await reader.read();
    const end = async (signal: Deno.Signal) => {
      signalTo(child, signal);
      await reader.cancel();
      return (await child.status).code;
    };
    return {
      address: value.trimEnd(),
      end,
      [Symbol.asyncDispose]: async () => void await end("SIGKILL"),
    };
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

/** The first command that an adapter's first comment tells. */
async function commandOf(name: string): Promise<string> {
  const file = await Deno.readTextFile(`${ROOT}/examples/clients/${name}`);
  const [, command] = file.match(/^ \* {5}(deno (?:.*\\\n)*.*)$/m) ?? [];
  if (command === undefined) throw new Error(`${name} tells no command`);
  return command.replaceAll(/^ \*/gm, "");
}

/** A test that is skipped, by name, where its program is not installed. */
export async function testWith(program: string): Promise<
  (name: string, fn: () => Promise<void>) => void
> {
  const missing = await absent(program);
  return (name, fn) => Deno.test(unless(missing, `${program}: ${name}`), fn);
}
