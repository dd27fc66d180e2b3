/** What the tests of the backend on image files have in common. */

import { AssertionError } from "@std/assert";
import { type BackendOptions, XorrisoBackend } from "../../mod.ts";
import {
  age,
  exists,
  type Folder,
  makeScript,
  outcome,
  readAll,
  rejection,
  startsIn,
  toBytes,
  type Traced,
  until,
} from "./helpers.ts";

/** All that comes together is one batch, however busy the machine is. */
export const ONE_BATCH = { commitDelay: 100, commitMax: 1e6 };

/** The location of the image `test.iso` in a folder. */
export function urlOf({ path }: Folder, directory = ""): string {
  return `xorriso://${path}/test.iso${directory && `:${directory}`}`;
}

/**
 * Opens a backend on the image `test.iso` in a folder, which is made if it is
 * not there.
 */
export async function openImage(
  folder: Folder,
  options: BackendOptions = {},
  directory = "",
): Promise<XorrisoBackend> {
  await age(`${folder.path}/test.iso`);
  return await XorrisoBackend.open(urlOf(folder, directory), {
    create: !options.readOnly && options.session === undefined,
    ...options,
  });
}

/** Stores texts by name, in one session. */
export async function store(
  backend: XorrisoBackend,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const puts = Object.entries(files).map(([name, text]) =>
    backend.put(toBytes(text), name)
  );
  await Promise.all(puts);
}

/** The text of a stored file. */
export async function textOf(
  backend: XorrisoBackend,
  name: string,
): Promise<string> {
  const bytes = await readAll(await backend.readable(name));
  return new TextDecoder().decode(bytes);
}

/** The texts of all files, by name. */
export async function textsOf(
  backend: XorrisoBackend,
): Promise<Record<string, string>> {
  const names = (await backend.list()).map(({ name }) => name).sort();
  const texts: Record<string, string> = {};
  for (const name of names) texts[name] = await textOf(backend, name);
  return texts;
}

/** The texts of all files, as somebody finds them who opens the image anew. */
export async function storedTexts(
  folder: Folder,
  directory = "",
): Promise<Record<string, string>> {
  await using backend = await openImage(folder, { readOnly: true }, directory);
  return await textsOf(backend);
}

/** What becomes of each of some promises. */
export async function outcomes(
  promises: readonly Promise<unknown>[],
): Promise<string[]> {
  return await Promise.all(promises.map(outcome));
}

/** Whether a promise is still pending after all that is ready has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const settled = () => void (pending = false);
  promise.then(settled, settled);
  await new Promise((resolve) => setTimeout(resolve));
  return pending;
}

/** Asks for something again and again until a promise is settled. */
export async function beside(
  promise: Promise<unknown>,
  ask: () => Promise<unknown>,
): Promise<void> {
  let pending = true;
  const ended = promise.finally(() => pending = false);
  ended.catch(() => {}); // told below
  while (pending) await ask();
  await ended;
}

/** xorriso behind a script that looks at each line before it passes it on. */
export interface Hooked extends Traced, AsyncDisposable {
  /** All lines that went to xorriso so far, without marks. */
  lines(): Promise<string[]>;
  /** Resolves when xorriso is held before its next line that is hooked. */
  held(): Promise<void>;
  /** Lets it go on. */
  release(): Promise<void>;
  /** Ends the process that runs now, by a signal. */
  kill(signal: Deno.Signal): Promise<void>;
}

/** The line of an image file's session that comes when it has been written. */
export const AFTER_COMMIT = "-commit -toc";

/** Shell commands that stop xorriso until the test lets it go on. */
export const HOLD = "hold";

/**
 * Makes a program that runs shell commands before certain lines reach xorriso.
 *
 * @param before The beginning of the lines: `-commit`.
 * @param commands What to run before the first, the second, ... such line of
 * all processes together. `$$` is the process id of xorriso.
 * @param start Shell commands to run at each start.
 */
export async function hookXorriso(
  folder: Folder,
  before: string,
  commands: readonly string[],
  start = "",
): Promise<Hooked> {
  const dir = `${folder.path}/hooks`;
  await Deno.mkdir(dir);
  for (const name of ["lines", "pids"]) {
    await Deno.writeTextFile(`${dir}/${name}`, "");
  }
  await Deno.writeTextFile(`${dir}/count`, "0\n");
  const cases = commands.map((command, index) => `${index + 1}) ${command};;`);
  const path = await makeScript(
    folder,
    "hooked-xorriso",
    `
LC_ALL=C
dir='${dir}'
hold() {
  : >"$dir/held"
  # A test that was killed lets go of nothing.
  until [ -e "$dir/go" ] || ! kill -0 $PPID; do sleep 0.005; done
  rm -f "$dir/held" "$dir/go"
}
pass() {
  while IFS= read -r line; do
    case $line in
      -mark*) ;;
      *) printf '%s\\n' "$line" >>"$dir/lines" ;;
    esac
    case ${before === AFTER_COMMIT ? '"$last $line"' : "$line"} in
      '${before}'*)
        read -r count <"$dir/count"
        count=$((count + 1))
        echo $count >"$dir/count"
        case $count in
          ${cases.join("\n          ")}
        esac ;;
    esac
    case $line in -mark*) ;; *) last=$line ;; esac
    printf '%s\\n' "$line"
  done
}
${start}
echo $$ >>"$dir/pids"
mkfifo "$dir/$$"
exec 4<&0
(exec <&4 4<&- 3<&- >"$dir/$$" 2>"$dir/errors"; pass) &
exec env LC_ALL=C.UTF-8 xorriso "$@" <"$dir/$$" 4<&-`,
  );
  const starts = startsIn(`${dir}/pids`);
  const release = async () => {
    await Deno.writeTextFile(`${dir}/go`, "");
    await until(async () => !await exists(`${dir}/go`), "the hook lets go");
  };
  return {
    path,
    ...starts,
    lines: async () =>
      (await Deno.readTextFile(`${dir}/lines`)).split("\n")
        .filter((line) => line !== ""),
    held: () => until(() => exists(`${dir}/held`), "xorriso is held"),
    release,
    kill: async (signal) => Deno.kill(await starts.newest(), signal),
    [Symbol.asyncDispose]: async () => {
      // A test that failed may have left it waiting.
      if (await exists(`${dir}/held`)) await release();
    },
  };
}

/** Makes sure that a promise rejects with a TypeError. */
export async function assertTypeError(
  promise: Promise<unknown>,
): Promise<TypeError> {
  const error = await rejection(promise);
  if (error instanceof TypeError) return error;
  throw new AssertionError(`TypeError expected, not ${error}`);
}
