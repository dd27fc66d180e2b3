import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Burner, burnerTest } from "../burner/burner.ts";
import { urlOf } from "../support/drives.ts";
import { execute, type Folder, makeFolder } from "../support/helpers.ts";

const CONFIG = fromFileUrl(import.meta.resolve("../../deno.json"));

const MODULE = new URL("../../mod.ts", import.meta.url).href;

/** Runs a program on a drive, in a process of its own with certain flags. */
async function runOn(
  folder: Folder,
  burner: Burner,
  body: string,
  flags: readonly string[],
): Promise<{ code: number; text: string }> {
  const program = await folder.file(
    `program${crypto.randomUUID()}.ts`,
    `import { devices, XorrisoBackend } from "${MODULE}";
const xorrisoPath = ${JSON.stringify(burner.xorrisoPath)};
const url = ${JSON.stringify(urlOf(burner))};
const temp = ${JSON.stringify(folder.path)};
${body}`,
  );
  const { code, stdout, stderr } = await execute(Deno.execPath(), [
    ...["run", "-q", "--no-prompt", "--no-check", "-c", CONFIG],
    ...[...flags, program],
  ]);
  return { code, text: stdout + stderr };
}

burnerTest(
  "a drive needs exactly the flags that are told, and none is asked for",
  async () => {
    await using folder = await makeFolder();
    await using burner = await Burner.start("dvd+rw");
    const source = await folder.file("sources/a", "hello");
    const temp = `${folder.path}/temp`;
    await Deno.mkdir(temp);
    const run = `--allow-run=${burner.xorrisoPath}`;
    const open = (options: string) =>
      `await using backend = await XorrisoBackend.open(url, {
  xorrisoPath, commitDelay: 10, ${options}
});`;
    const inTemp = `tempDir: ${JSON.stringify(temp)}`;
    const cases: [body: string, flags: string[], lists: string[][]][] = [
      [
        `${open(inTemp)} await backend.put(${JSON.stringify(source)}, "a");`,
        [run],
        [["read", "/dev/sr0", source, temp], ["write", "/dev/sr0", temp]],
      ],
      [
        `${open(`readOnly: true, ${inTemp}`)}
if ((await backend.list()).length !== 1) throw new Error("not there");
await backend.query("a", { md5: true });`,
        [run],
        [["read", "/dev/sr0", temp], ["write", "/dev/sr0", temp]],
      ],
      [
        `${open(inTemp)}
const content = await backend.readable("a");
if (await new Response(content).text() !== "hello") throw new Error("other");
await backend.put(new TextEncoder().encode("b"), "b");`,
        [run],
        [["read", "/dev/sr0", temp], ["write", "/dev/sr0", temp]],
      ],
      [
        `const [first] = await devices({ xorrisoPath });
if (first?.device !== "/dev/sr0") throw new Error(JSON.stringify(first));`,
        [run],
        [["read", "/dev"], ["write", "/dev"]],
      ],
    ];
    for (const [body, flags, lists] of cases) {
      const all = (without?: string) => [
        ...flags.filter((flag) => flag !== without),
        ...lists.flatMap(([name, ...paths]) => {
          const left = paths.filter((path) => `${name} ${path}` !== without);
          return left.length === 0 ? [] : `--allow-${name}=${left.join()}`;
        }),
      ];
      const good = await runOn(folder, burner, body, all());
      assertEquals(good, { code: 0, text: "" });
      const each = [
        ...flags,
        ...lists.flatMap(([name, ...paths]) =>
          paths.map((path) => `${name} ${path}`)
        ),
      ];
      // One after the other: some of them come as far as to open the drive.
      for (const without of each) {
        const { code, text } = await runOn(
          folder,
          burner,
          body,
          all(without),
        );
        assertEquals(code, 1, without);
        const [flag = "", path = ""] = without.split(" ");
        assertMatch(text, /NotCapable/, without);
        const missing = flag.startsWith("--")
          ? flag.replace(/=.*/, "=")
          : `--allow-${flag}=${path}`;
        assertMatch(text, new RegExp(missing), without);
      }
    }
  },
);
