/**
 * Draws the picture of the README from a real run: a backup, a second one, a listing, a restore.
 *
 * ```sh
 * deno task picture
 * ```
 */
import { unicodeWidth } from "@std/cli/unicode-width";
import { fromFileUrl } from "@std/path";
import { execute } from "./support/helpers.ts";

const CLI = fromFileUrl(import.meta.resolve("../src/cli.ts"));
const PICTURE = new URL("../.github/picture.svg", import.meta.url);

/** Sizes in pixels. */
const LINE = 20;
const LETTER = 8.4;
const MARGIN = 20;

const COMMAND = "xorriso-backend";
const URL_OF_IMAGE = "xorriso://backup.iso";

/** What a session of work on a terminal shows. */
async function record(folder: string): Promise<string[]> {
  const lines: string[] = [];
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await execute(
      Deno.execPath(),
      ["run", "--quiet", "--no-check", "--allow-all", CLI, ...words],
      { cwd: folder, env: { TZ: "UTC" } },
    );
    const output = stdout + stderr;
    if (code !== 0) throw new Error(`"${words.join(" ")}" failed: ${output}`);
    const calls = [`$ ${COMMAND} ${words.join(" ")}`];
    lines.push(...calls, ...output.trimEnd().split("\n"), "");
  };
  await make(`${folder}/photos/2026/lake.jpg`, 1_400_000, "2026-07-14T18:22Z");
  await make(
    `${folder}/photos/2026/富士山.jpg`,
    2_300_000,
    "2026-08-02T05:10Z",
  );
  await make(`${folder}/photos/notes.txt`, 900, "2026-08-03T20:00Z");
  await run("put", URL_OF_IMAGE, "photos", "--create");
  await make(`${folder}/photos/2026/snow.jpg`, 1_100_000, "2026-11-20T09:31Z");
  await run("put", URL_OF_IMAGE, "photos");
  await run("list", URL_OF_IMAGE, "--long");
  await run("get", URL_OF_IMAGE, "photos/2026", "--to", "restored");
  return lines.slice(0, -1);
}

/** Makes a file that was last changed at some time. */
async function make(path: string, size: number, time: string): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf("/"));
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeFile(path, new Uint8Array(size));
  for (const each of [path, folder]) {
    await Deno.utime(each, new Date(time), new Date(time));
  }
}

/** Draws lines of text as a terminal would show them. */
function draw(lines: readonly string[]): string {
  const columns = Math.max(...lines.map((line): number => unicodeWidth(line)));
  const width = Math.ceil(columns * LETTER + 2 * MARGIN);
  const height = lines.length * LINE + 2 * MARGIN - 4;
  const texts = lines.map((line, i) => {
    const y = MARGIN + 14 + i * LINE;
    const color = line.startsWith("$ ") ? "#7ee787" : "#e6edf3";
    return `<text x="${MARGIN}" y="${y}" fill="${color}">${
      escape(line)
    }</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">
<title>A backup, a listing with dates, and a restore on the command line</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${texts.join("\n")}
</svg>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

const folder = await Deno.makeTempDir();
try {
  await Deno.writeTextFile(PICTURE, draw(await record(folder)));
} finally {
  await Deno.remove(folder, { recursive: true });
}
