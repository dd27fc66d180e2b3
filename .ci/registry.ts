/**
 * The folder registry of @std for machines that cannot reach jsr.io, called by `.ci/setup`.
 *
 * `locate FOLDER` prints nothing if jsr.io answers, and else the URL of the folder registry for
 * JSR_URL. `build FROM TO` makes that registry from the files of the npm package `deno-std`.
 *
 * It imports nothing, as it runs before anything can be imported.
 */

/** The packages that this project imports; what these import comes with them. */
const WANTED = [
  "assert",
  "async",
  "bytes",
  "cli",
  "data-structures",
  "fmt",
  "path",
  "streams",
  "text",
];
/**
 * Stands in for `@std/cli/unicode-width`, whose table of widths the npm package leaves out: the same
 * by what the engine knows of characters.
 */
const UNICODE_WIDTH = `const NONE = /[\\p{Cc}\\p{Mn}\\p{Me}\\p{Cf}]/u;
const WIDE =
  /[\\p{sc=Han}\\p{sc=Hang}\\p{sc=Hira}\\p{sc=Kana}\\p{Emoji_Presentation}\\u3000-\\u303e\\uff01-\\uff60\\uffe0-\\uffe6]/u;
export function unicodeWidth(text) {
  let width = 0;
  for (const char of text) width += NONE.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}
`;
/** How long jsr.io may take to answer, in ms. */
const LIMIT = 5_000;
/** The same while it is known to swallow requests without an answer, so that setup stays quick. */
const LIMIT_WHILE_SILENT = 500;
/** How long it is held to be silent before it gets the full time again, in ms. */
const SILENT_FOR = 3_600_000;

/** Where a relative import leads: `../internal/os.js` in `path/basename.js` is `internal`, `os.js`. */
function target(file: string, specifier: string): string[] {
  const parts = file.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts;
}

/** The export key of a source file, or undefined where it is private: `to_text.js` is `./to-text`. */
function exportKey(path: string): string | undefined {
  if (path.split("/").some((part) => part.startsWith("_"))) return undefined;
  const name = path.replace(/(^|\/)mod\.js$/, "").replace(/\.js$/, "");
  return name === "" ? "." : `./${name.replaceAll("_", "-")}`;
}

/** Rewrites the imports that lead into other packages, and reports these packages. */
function rewrite(
  file: string,
  source: string,
  version: string,
): { source: string; packages: Set<string> } {
  const packages = new Set<string>();
  const imports =
    /^((?:import|export)\s+(?:[\w\s*,{}$]+?\sfrom\s+)?)"(\.[^"]+)"/gm;
  const rewritten = source.replace(imports, (all, head, specifier) => {
    const [name, ...path] = target(file, specifier);
    if (name === undefined || name === file.split("/")[0]) return all;
    const key = exportKey(path.join("/"));
    if (key === undefined) throw new Error(`"${file}" imports "${specifier}"`);
    packages.add(name);
    return `${head}"jsr:@std/${name}@${version}${key.slice(1)}"`;
  });
  return { source: rewritten, packages };
}

/** The declarations of a module whose types are unknown: each export is anything, and may be generic. */
function declarations(names: readonly string[]): string {
  const lines = names.map((name) =>
    name === "default"
      ? "declare const value: any;\nexport default value;"
      : `export declare const ${name}: any;\nexport type ${name}<_T = any> = any;`
  );
  return [...lines, "export {};", ""].join("\n");
}

/** All `.js` files below a folder, as paths relative to it. */
async function* sources(folder: string, below = ""): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(`${folder}/${below}`)) {
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory) yield* sources(folder, path);
    else if (path.endsWith(".js")) yield path;
  }
}

async function build(from: string, to: string): Promise<void> {
  const { version } = JSON.parse(
    await Deno.readTextFile(`${from}/package.json`),
  ) as { version: string };
  // A Set yields also what is added while it is walked.
  const wanted = new Set(WANTED);
  await Deno.writeTextFile(`${from}/cli/unicode_width.js`, UNICODE_WIDTH);
  for (const name of wanted) {
    const exports: Record<string, string> = {};
    const home = `${to}/@std/${name}`;
    const folder = name.replaceAll("-", "_");
    for await (const path of sources(`${from}/${folder}`)) {
      const file = `${from}/${folder}/${path}`;
      // Loading it is the exact way to know its exports. A few cannot be loaded: the npm package
      // leaves out a data file that they need.
      const loaded = await import(new URL(file, import.meta.url).href)
        .catch(() => undefined);
      if (loaded === undefined) continue;
      const { source, packages } = rewrite(
        `${folder}/${path}`,
        await Deno.readTextFile(file),
        version,
      );
      for (const other of packages) wanted.add(other);
      const types = path.replace(/\.js$/, ".d.ts");
      const hint = `/* @ts-self-types="./${types.split("/").at(-1)}" */\n`;
      const target = `${home}/${version}/${path}`.replace(/\/[^/]*$/, "");
      await Deno.mkdir(target, { recursive: true });
      await Deno.writeTextFile(`${home}/${version}/${path}`, hint + source);
      await Deno.writeTextFile(
        `${home}/${version}/${types}`,
        declarations(Object.keys(loaded)),
      );
      const key = exportKey(path);
      if (key !== undefined) exports[key] = `./${path}`;
    }
    const meta = {
      scope: "std",
      name,
      latest: version,
      versions: { [version]: {} },
    };
    await Deno.writeTextFile(`${home}/meta.json`, JSON.stringify(meta));
    await Deno.writeTextFile(
      `${home}/${version}_meta.json`,
      JSON.stringify({ exports, manifest: {} }),
    );
  }
}

/** Whether jsr.io answers, with what it should: a login page of a network is no answer. */
async function answers(limit: number): Promise<"yes" | "no" | "silent"> {
  try {
    const response = await fetch("https://jsr.io/@std/path/meta.json", {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(limit),
    });
    return (await response.json()).name === "path" ? "yes" : "no";
  } catch (error) {
    return error instanceof DOMException && error.name === "TimeoutError"
      ? "silent"
      : "no";
  }
}

async function locate(folder: string): Promise<string> {
  const note = `${folder}/../silent`;
  const noted: number = await Deno.stat(note)
    .then((info) => info.mtime?.getTime() ?? 0, () => 0);
  const isSilent = Date.now() - noted < SILENT_FOR;
  const answer = await answers(isSilent ? LIMIT_WHILE_SILENT : LIMIT);
  if (answer === "silent" && !isSilent) {
    await Deno.writeTextFile(note, "");
  }
  if (answer !== "silent" && noted > 0) {
    await Deno.remove(note).catch(() => {});
  }
  const url = new URL("file:///");
  url.pathname = `${folder}/`.replaceAll("%", "%25");
  return answer === "yes" ? "" : url.href;
}

const [command, first = "", second = ""] = Deno.args;
if (command === "locate") {
  const url = await locate(first);
  await Deno.stdout.write(new TextEncoder().encode(url));
} else {
  await build(first, second);
}
