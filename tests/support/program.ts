/** What the tests of the command line have in common. */
import { assert, assertEquals } from "@std/assert";
import type { Io } from "../../src/cli/run.ts";
import { main } from "../../src/cli/main.ts";
import { parents } from "../../src/names.ts";
import { age, exists, type Outcome, runProgram } from "./helpers.ts";

/** The world of a run inside this process. */
export interface World {
  readonly stdin?: ReadableStream<Uint8Array>;
  /** Whether both outputs are terminals. */
  readonly isTerminal?: boolean;
  /** Columns that the terminals have. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
  /** A clock in milliseconds; else it stands still. */
  readonly now?: () => number;
  /** Takes standard output in place of `Outcome.stdout`. */
  readonly write?: (bytes: Uint8Array) => Promise<void>;
}

/** Runs the program inside this process. */
export async function run(
  words: readonly string[],
  world: World = {},
): Promise<Outcome> {
  const { stdin, isTerminal = false, columns = 80, signal, write } = world;
  const { now = () => 0 } = world;
  const written: Uint8Array[] = [];
  let stderr = "";
  const io: Io = {
    stdin: () => stdin ?? ReadableStream.from([]),
    stdout: {
      isTerminal,
      columns: () => columns,
      write: write ?? ((bytes) => {
        written.push(bytes.slice());
        return Promise.resolve();
      }),
    },
    stderr: {
      isTerminal,
      columns: () => columns,
      write: (text) => void (stderr += text),
    },
    signal: signal ?? new AbortController().signal,
    now,
  };
  const code = await main(words, io);
  const stdout = await new Blob(written as BlobPart[]).text();
  return { code, stdout, stderr };
}

/** Runs the program inside this process, and wants it to succeed. */
export async function succeed(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(words);
  const image = words[1]?.match(/^xorriso:\/\/(\/.*\.iso)/)?.[1];
  if (image !== undefined) await age(image);
  assertEquals([code, stderr], [0, stderr]);
  return stdout;
}

/** The JSON objects of a text, one a line. */
export function parseLines(text: string): unknown[] {
  return text.split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line)
  );
}

/**
 * Makes sure that output is what the documentation of the command line says, key by key.
 *
 * @param output Lines of JSON by the types that they may have.
 */
export async function assertDocumented(
  output: Readonly<Record<string, string>>,
): Promise<void> {
  const cli = new URL("../../src/cli.ts", import.meta.url);
  const doc = (await Deno.readTextFile(cli)).replace(/^ \* ?/gm, "");
  const [, schema = ""] = doc.match(/```ts\n(\/\/ put, [^]*?)```/) ?? [];
  const values = Object.entries(output).flatMap(([types, text]) =>
    text.trimEnd().split("\n").map((line) =>
      `export const _: ${types} = ${line};`
    )
  ).map((line, i) => line.replace("_", `_${i}`));
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, [schema, ...values].join("\n"));
    await runProgram(Deno.execPath(), [
      ...["check", "--quiet", "--no-config", path],
    ]);
  } finally {
    await Deno.remove(path);
  }
}

/** Files below a folder with their content, by path. */
export async function readTree(
  folder: string,
): Promise<Record<string, string>> {
  const tree: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory) {
      tree[name] = await Deno.readTextFile(`${folder}/${name}`);
      continue;
    }
    const below = await readTree(`${folder}/${name}`);
    for (const [path, text] of Object.entries(below)) {
      tree[`${name}/${path}`] = text;
    }
  }
  return tree;
}

/** When the files and folders of {@linkcode putImage} were last changed. */
export const PUT_DATE = new Date(2026, 0, 2, 3, 4);

/** A new image with files in it, made by the program; gives its URL. */
export async function putImage(
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const made = new Set<string>();
  for (const [name, text] of Object.entries(files)) {
    const path = `${folder}/sources/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, text);
    for (const parent of parents(`/${name}`)) {
      made.add(`${folder}/sources${parent}`);
    }
    made.add(path);
  }
  for (const path of made) {
    await Deno.utime(path, PUT_DATE, PUT_DATE);
    await Deno.chmod(path, (await Deno.stat(path)).isFile ? 0o644 : 0o755);
  }
  const url = `xorriso://${folder}/a.iso`;
  const paths = [...new Set(Object.keys(files).map((n) => n.split("/")[0]))];
  await succeed(
    "put",
    url,
    "--create",
    ...paths.map((path) => `${folder}/sources/${path}`),
  );
  return url;
}

/** Makes sure that a path is not there. */
export async function assertMissing(path: string): Promise<void> {
  assert(!await exists(path), `${path} is there`);
}

/** An image with a name that is not UTF-8, made by xorriso itself. */
export async function makeForeignImage(folder: string): Promise<string> {
  await Deno.writeTextFile(`${folder}/x`, "x");
  const child = new Deno.Command("xorriso", {
    args: [
      ...["-no_rc", "-backslash_codes", "in_double_quotes"],
      ...["-outdev", `${folder}/foreign.iso`, "-dialog", "single_line"],
    ],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
    clearEnv: true,
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(
    `-map '${folder}/x' /plain\n-map '${folder}/x' "/caf\\351"\n-commit_eject none\n-end\n`,
  ));
  await writer.close();
  await child.status;
  return `xorriso://${folder}/foreign.iso`;
}

/** Changes the first byte of a text where it lies in an image. */
export async function corrupt(image: string, text: string): Promise<void> {
  const bytes = await Deno.readFile(image);
  const at = new TextDecoder("latin1").decode(bytes).indexOf(text);
  assert(at > 0);
  using file = await Deno.open(image, { write: true });
  await file.seek(at, Deno.SeekMode.Start);
  await file.write(new TextEncoder().encode("X"));
}
