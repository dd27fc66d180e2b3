/**
 * What Deno's flags allow: each row of the README's table needs exactly its flags, nothing ever asks,
 * and no path that the script may not use gets to xorriso.
 *
 * Every script here runs in a process of its own, under a terminal and without `--no-prompt`.
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertObjectMatch,
  assertStringIncludes,
} from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  execute,
  exists,
  type Folder,
  listImage,
  makeFolder,
  makeImage,
  makeScript,
  makeSparse,
  signalTo,
} from "./support/helpers.ts";
import { absent, unless } from "./support/needs.ts";

const CONFIG = fromFileUrl(import.meta.resolve("../deno.json"));
const CLI = fromFileUrl(import.meta.resolve("../src/cli.ts"));
const MODULE = new URL("../mod.ts", import.meta.url).href;
const ISO = new URL("../src/iso/mod.ts", import.meta.url).href;

/** Milliseconds that any script here may take. */
const TIMEOUT = 60_000;

/** What each script has before its own lines. */
const PREAMBLE = `
import { devices, getTree, putTree, Xorriso, XorrisoBackend } from ${
  JSON.stringify(MODULE)
};
import { fileBlocks } from ${JSON.stringify(ISO)};
const bytes = (text: string) => new TextEncoder().encode(text);
const failure = (error: any) =>
  ({ name: error.name, code: error.code, message: error.message });
/** What becomes of a call. */
const attempt = (call: () => Promise<unknown>) =>
  call().then(() => "done", failure);
`;

interface Failure {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
}

interface Ended {
  readonly code: number;
  /** All that was on the terminal. */
  readonly output: string;
  readonly prompted: boolean;
}

/** Why there is no terminal for a program: that `script` is the one of util-linux, as Debian and Ubuntu have. */
async function noTerminal(): Promise<string | undefined> {
  const missing = await absent("script");
  if (missing !== undefined) return missing;
  const { stdout } = await execute("script", ["--version"]);
  return stdout.includes("util-linux") ? undefined : "no script of util-linux";
}

const NO_TERMINAL = await noTerminal();

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Runs Deno under a terminal; stops it by Ctrl-C if it asks. */
async function runDeno(
  args: readonly string[],
  { cwd, env = {} }: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  const command = [Deno.execPath(), "run", "--quiet", ...args];
  const child = new Deno.Command("script", {
    args: [
      "-q",
      "-e",
      "-c",
      `exec ${command.map(quote).join(" ")}`,
      "/dev/null",
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
    env: { SHELL: "/bin/sh", NO_COLOR: "1", ...env },
    ...(cwd !== undefined && { cwd }),
  }).spawn();
  const timer = setTimeout(() => signalTo(child, "SIGTERM"), TIMEOUT);
  // It stays open: at its end a question would count as answered.
  const answers = child.stdin.getWriter();
  let output = "";
  let prompted = false;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    if (prompted || !output.includes("Allow? [y/n")) continue;
    prompted = true;
    await answers.write(new TextEncoder().encode("\x03"));
  }
  const { code } = await child.status;
  clearTimeout(timer);
  await answers.close().catch(() => {});
  return { code, output, prompted };
}

/**
 * Runs the body of an async function as a script, with `root` for a folder.
 *
 * @returns What it returns, or why it failed.
 */
async function runScript(
  folder: Folder,
  flags: readonly string[],
  body: string,
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<unknown> {
  const path = await Deno.makeTempFile({ dir: folder.path, suffix: ".ts" });
  const root = JSON.stringify(folder.path);
  await Deno.writeTextFile(
    path,
    `${PREAMBLE}
const root = ${root};
async function main(): Promise<unknown> {
${body}
}
const result = await main().catch(failure);
console.log("RESULT " + JSON.stringify(result ?? "done"));
`,
  );
  const { output, prompted } = await runDeno(
    ["--config", CONFIG, ...flags, path],
    options,
  );
  await Deno.remove(path);
  assert(!prompted, `It asked:\n${output}`);
  const [, result] = output.match(/^RESULT (.*?)\r?$/m) ?? [];
  if (result === undefined) throw new Error(`It did not end:\n${output}`);
  return JSON.parse(result);
}

/** Makes sure that a call was refused for want of a permission. */
function assertNotCapable(
  result: unknown,
  advice: string,
  what = "The call",
): void {
  assert(result !== "done", `${what} was allowed, without ${advice}`);
  const { name, message } = result as Failure;
  assertEquals(name, "NotCapable", `${what}: ${message}`);
  assertStringIncludes(`${message} `, `run again with ${advice}`, what);
}

/** Everything below a folder: files with content, links with target. */
async function snapshot(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory, isFile } of Deno.readDir(path)) {
    const each = `${path}/${name}`;
    if (isDirectory) found.push(`${each}/`, ...await snapshot(each));
    else if (!isFile) found.push(`${each} -> ${await Deno.readLink(each)}`);
    else {
      const content = new Uint8Array(await Deno.readFile(each));
      const digest = await crypto.subtle.digest("SHA-256", content);
      found.push(`${each} ${new Uint8Array(digest).toHex()}`);
    }
  }
  return found.sort();
}

/** A folder with an image, something to store in it, and room. */
async function makeWorld(): Promise<Folder> {
  const folder = await makeFolder();
  for (const name of ["temp", "target", "image"]) {
    await Deno.mkdir(`${folder.path}/${name}`);
  }
  await folder.file("sources/s", "source");
  await folder.file("patterns", "*.bak");
  await makeImage(
    { ...folder, path: `${folder.path}/image` },
    { "/a": "content", "/f/b": "more" },
  );
  return folder;
}

const open = (options: string) =>
  `await using backend = await XorrisoBackend.open(
    \`xorriso://\${root}/image/test.iso\`, ${options});`;

const read = open("{ readOnly: true }");

/** The rows of the table in the README, with scripts that need all their flags. */
const ROWS: readonly {
  readonly to: string;
  readonly flags: readonly string[];
  /** Whether xorriso is needed. @default {true} */
  readonly runs?: boolean;
  readonly scripts: Readonly<Record<string, string>>;
}[] = [
  {
    to: "list, query, read an image",
    flags: ["--allow-read=IMAGE"],
    runs: false,
    scripts: {
      list: `${read} return (await backend.list({ md5: true })).length`,
      query: `${open("{}")} return (await backend.query("a"))?.size`,
      readable: `${read}
        return (await new Response(await backend.readable("a")).text()).length`,
      verify: `${read} return (await backend.verify()).length`,
      info: `${read} await backend.room();
        return [await backend.sessions(), await backend.medium()].length`,
      blocks: `
        await using blocks = await fileBlocks(\`\${root}/image/test.iso\`);
        return blocks.byteLength`,
    },
  },
  {
    to: "look at an image by a session",
    flags: ["--allow-read=IMAGE"],
    scripts: {
      session: `await using session = await Xorriso.open(
          \`\${root}/image/test.iso\`, { session: 1 });
        return [await session.ls(), await session.sessions(), await session.medium()].length`,
    },
  },
  {
    to: "store files in it",
    flags: ["--allow-read=IMAGE", "--allow-read=SOURCE", "--allow-write=IMAGE"],
    scripts: {
      put: `${open("{}")} await backend.put(\`\${root}/sources/s\`, "s");
        return (await backend.query("s"))?.size`,
      verified: `${open("{}")}
        const url = new URL(\`file://\${root}/sources/s\`);
        await backend.put(url, "s", { verify: true }); return "stored"`,
      session:
        `await using session = await Xorriso.open(\`\${root}/image/test.iso\`);
        await session.cp([\`\${root}/sources/s\`], "/new/");
        await session.commit(); return "stored"`,
    },
  },
  {
    to: "store a folder in it",
    flags: [
      "--allow-read=IMAGE",
      "--allow-read=FOLDER",
      "--allow-read=PATTERNS",
      "--allow-write=IMAGE",
    ],
    scripts: {
      tree: `${open("{}")}
        const { files } = await putTree(backend, \`\${root}/sources\`, {
          excludeFrom: \`\${root}/patterns\`,
        });
        return files`,
    },
  },
  {
    to: "create it",
    flags: ["--allow-read=NEW", "--allow-read=SOURCE", "--allow-write=NEW"],
    scripts: {
      create: `await using backend = await XorrisoBackend.open(
          \`xorriso://\${root}/image/new.iso\`, { create: true });
        await backend.put(\`\${root}/sources/s\`, "s");
        return (await backend.query("s"))?.size`,
    },
  },
  {
    to: "delete from it",
    flags: ["--allow-read=IMAGE", "--allow-write=IMAGE"],
    scripts: {
      delete: `${open("{}")} await backend.delete("a"); return "deleted"`,
      session:
        `await using session = await Xorriso.open(\`\${root}/image/test.iso\`);
        await session.rm(["/a"]); await session.commit(); return "deleted"`,
    },
  },
  {
    to: "store bytes or a stream",
    flags: [
      "--allow-read=IMAGE",
      "--allow-write=IMAGE",
      "--allow-read=TEMP",
      "--allow-write=TEMP",
    ],
    scripts: {
      bytes: `${open("{ tempDir: `${root}/temp` }")}
        await backend.put(bytes("hello"), "s"); return "stored"`,
      stream: `${open("{ tempDir: `${root}/temp` }")}
        await backend.put(new Blob(["hello"]).stream(), "s", { verify: true });
        return "stored"`,
    },
  },
  {
    to: "restore to disk",
    flags: ["--allow-read=IMAGE", "--allow-read=DIR", "--allow-write=DIR"],
    runs: false,
    scripts: {
      get: `${read} await backend.get("a", \`\${root}/target/a\`);
        return Deno.readTextFileSync(\`\${root}/target/a\`)`,
      getList: `${read}
        const results = await backend.getList(["f/b"], \`\${root}/target\`);
        if (results[0]?.error) throw results[0].error;
        return Deno.readTextFileSync(\`\${root}/target/f/b\`)`,
    },
  },
  {
    to: "restore to disk by a session",
    flags: ["--allow-read=IMAGE", "--allow-read=DIR", "--allow-write=DIR"],
    scripts: {
      extract:
        `await using session = await Xorriso.open(\`\${root}/image/test.iso\`);
        await session.extract(["/f/b"], \`\${root}/target\`);
        return Deno.readTextFileSync(\`\${root}/target/b\`)`,
    },
  },
  {
    to: "list the drives",
    flags: ["--allow-read=/dev", "--allow-write=/dev"],
    scripts: { devices: `return (await devices()).length` },
  },
];

function expand(flag: string, root: string): string {
  return flag.replace("IMAGE", `${root}/image/test.iso`)
    .replace("NEW", `${root}/image/new.iso`)
    .replace("SOURCE", `${root}/sources/s`)
    .replace("FOLDER", `${root}/sources`)
    .replace("PATTERNS", `${root}/patterns`)
    .replace("TEMP", `${root}/temp`)
    .replace("DIR", `${root}/target`);
}

for (const { to, flags, runs = true, scripts } of ROWS) {
  Deno.test(
    unless(NO_TERMINAL, `the flags to ${to} suffice, and none can be left out`),
    async (t) => {
      for (const [name, body] of Object.entries(scripts)) {
        await using world = await makeWorld();
        const all = [...runs ? ["--allow-run=xorriso"] : [], ...flags].map(
          (flag) => expand(flag, world.path),
        );
        const before = await snapshot(world.path);
        for (const missing of all) {
          await t.step(`${name} without ${missing}`, async () => {
            const fewer = all.filter((flag) => flag !== missing);
            const result = await runScript(world, fewer, body);
            // What it names is the very flag that is missing.
            assertNotCapable(
              result,
              missing === "--allow-run=xorriso" ? `${missing};` : `${missing} `,
            );
            assertEquals(await snapshot(world.path), before);
          });
        }
        await t.step(`${name} with all`, async () => {
          const result = await runScript(world, all, body);
          assert(
            typeof result !== "object",
            `It failed: ${JSON.stringify(result)}`,
          );
        });
      }
    },
  );
}

Deno.test(
  unless(
    NO_TERMINAL,
    "getTree() leaves links where Deno lets it make none, and names the flags",
  ),
  async () => {
    await using world = await makeWorld();
    const { path } = world;
    await Deno.symlink("s", `${path}/sources/l`);
    const body = `await using backend = await XorrisoBackend.open(
        \`xorriso://\${root}/image/links.iso\`, { create: true });
      await putTree(backend, root + "/sources");
      const { files, links, left } =
        await getTree(backend, "sources", root + "/target", { overwrite: "always" });
      return [files, links, ...left.map(({ reason, error }) => reason + ": " + error.message)];`;
    const flags = [
      "--allow-run=xorriso",
      `--allow-read=${path}`,
      `--allow-write=${path}`,
    ];
    const [files, links, left] = await runScript(
      world,
      flags,
      body,
    ) as unknown[];
    assertEquals([files, links], [1, 0]);
    assertMatch(
      `${left}`,
      /^links: Cannot restore the link "sources\/l": .* --allow-read and --allow-write .*without a path$/,
    );
    const all = ["--allow-run=xorriso", "--allow-read", "--allow-write"];
    assertEquals(await runScript(world, all, body), [1, 1]);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "bytes go to the folder that TMPDIR names, where it may be read",
  ),
  async () => {
    await using world = await makeWorld();
    const { path } = world;
    const env = { TMPDIR: `${path}/temp` };
    const body = `${open("{}")}
      await backend.put(bytes("hello"), "s"); return "stored"`;
    const flags = [
      "--allow-run=xorriso",
      `--allow-read=${path}/image,${path}/temp`,
      `--allow-write=${path}/image,${path}/temp`,
    ];
    assertNotCapable(
      await runScript(world, flags, body, { env }),
      "--allow-read=/tmp ",
    );
    flags.push("--allow-env=TMPDIR");
    assertEquals(await runScript(world, flags, body, { env }), "stored");
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "variables are read where they may be, and else not at all",
  ),
  async (t) => {
    await using world = await makeWorld();
    const flags = [
      "--allow-run=xorriso",
      `--allow-read=${world.path}/image`,
      `--allow-write=${world.path}/image`,
    ];
    const body = `${open("{}")} return "opened"`;
    const cases: readonly (readonly [string, string, Partial<Failure>])[] = [
      ["XORRISO_PATH", "/nowhere/xorriso", { name: "NotCapable" }],
      ["XORRISO_WRITE_SPEED", "warp", { name: "TypeError" }],
      ["XORRISO_ASSERT_VOLID", "OTHER", { code: "VOLUME_MISMATCH" }],
      ["XORRISO_ARGS", "'", { name: "TypeError" }],
    ];
    const env = Object.fromEntries(cases);
    await t.step("none", async () => {
      assertEquals(await runScript(world, flags, body, { env }), "opened");
    });
    for (const [name, value, expected] of cases) {
      await t.step(name, async () => {
        const more = [...flags, `--allow-env=${name}`];
        const options = { env: { [name]: value } };
        const result = await runScript(world, more, body, options);
        assertObjectMatch(result as Failure, expected);
        const others = cases.map(([each]) => each).filter((each) =>
          each !== name
        );
        assertEquals(
          await runScript(
            world,
            [...flags, `--allow-env=${others}`],
            body,
            options,
          ),
          "opened",
        );
      });
    }
  },
);

Deno.test(
  unless(NO_TERMINAL, "the command line asks for nothing, whatever is missing"),
  async (t) => {
    await using world = await makeWorld();
    const { path: root } = world;
    const url = `xorriso://${root}/image/test.iso`;
    const fresh = `xorriso://${root}/image/new.iso`;
    const source = `${root}/sources/s`;
    const commands: readonly (readonly string[])[] = [
      ["list", url],
      ["info", url],
      ["verify", url],
      ["delete", url, "a"],
      ["put", url, source],
      ["put", url, `${root}/sources`],
      ["put", fresh, source, "--create"],
      ["get", url, "a", "--to", "-"],
      ["get", url, "a", "--to", `${root}/target/a`],
      ["get", url, "f", "--to", `${root}/target`],
      ["get", url, "--to", `${root}/target/new/deep`],
      ["get", url, "a"],
      ["info", "xorriso:///dev/sr0"],
      ["put", "xorriso://dev/sr0", source],
    ];
    const grants = [
      [],
      ["--allow-run=xorriso"],
      ["--allow-run=xorriso", `--allow-read=${source}`],
      ["--allow-run=xorriso", `--allow-read=${root}/image`],
    ];
    // These are allowed by the last of the grants.
    const reading = ["list", "info", "verify", "-"];
    const before = await snapshot(root);
    for (const words of commands) {
      await t.step(words.join(" "), async () => {
        for (const grant of grants) {
          const { code, output, prompted } = await runDeno(
            ["--config", CONFIG, ...grant, CLI, ...words],
          );
          assert(!prompted, output);
          const enough = grant === grants.at(-1) &&
            words.includes(url) &&
            words.some((word) => reading.includes(word));
          assertEquals(code, enough ? 0 : 5, output);
          if (!enough) assertStringIncludes(output, "run again with --allow-");
          assertEquals(await snapshot(root), before);
        }
      });
    }
  },
);

Deno.test(unless(NO_TERMINAL, "a question would be noticed here"), async () => {
  await using world = await makeWorld();
  const path = await world.file("ask.ts", 'Deno.readTextFileSync("/x")');
  assertEquals((await runDeno([path])).prompted, true);
});

/** A folder that may be used, one that may not, and links from one to the other. */
async function makeLinks(): Promise<Folder> {
  const folder = await makeFolder();
  const { path } = folder;
  await folder.file("secret/key", "the secret");
  await folder.file("open/file", "for all..."); // as long as the secret
  await folder.file("open/sub/other", "for all, too");
  await makeImage({ ...folder, path: `${path}/open` }, {
    "/a": "content",
    "/link/a": "content",
  });
  await Deno.mkdir(`${path}/secret/sub`);
  await Deno.copyFile(`${path}/open/test.iso`, `${path}/secret/test.iso`);
  for (
    const [name, target] of [
      ["to-key", "../secret/key"],
      ["to-key-absolute", `${path}/secret/key`],
      ["to-link", "to-key"],
      ["link", "../secret"],
      ["sub/up", "../../secret"],
      ["image-link.iso", "../secret/test.iso"],
      ["dangling", "../secret/none"],
    ] as const
  ) {
    await Deno.symlink(target, `${path}/open/${name}`);
  }
  return folder;
}

/** Flags for the open folder alone. */
function openFlags({ path }: Folder): string[] {
  return [
    "--allow-run=xorriso",
    `--allow-read=${path}/open`,
    `--allow-write=${path}/open`,
  ];
}

/** Makes sure that an image has nothing of what may not be read. */
async function assertNoSecret({ path }: Folder): Promise<void> {
  for await (const { name } of Deno.readDir(`${path}/open`)) {
    if (!name.endsWith(".iso") || name.includes("link")) continue;
    const bytes = await Deno.readFile(`${path}/open/${name}`);
    const text = new TextDecoder("latin1").decode(bytes);
    assert(!text.includes("the secret"), `It is in ${name}`);
  }
}

/** Ways to name the file that may not be read. */
const SECRET_PATHS = [
  "/secret/key",
  "/open/../secret/key",
  "/open/sub/../../secret/key",
  "/open/to-key",
  "/open/to-key-absolute",
  "/open/to-link",
  "/open/link/key",
  "/open/link/sub/../key",
  "/open/sub/up/key",
  "/open/./sub//up/./key",
] as const;

Deno.test(
  unless(
    NO_TERMINAL,
    "put() stores nothing that the script may not read, however it is named",
  ),
  async () => {
    await using folder = await makeLinks();
    const names = JSON.stringify(SECRET_PATHS);
    const result = await runScript(
      folder,
      openFlags(folder),
      `await using backend = await XorrisoBackend.open(
        \`xorriso://\${root}/open/test.iso\`);
      await using session = await Xorriso.open(\`\${root}/open/new.iso\`, { create: true });
      const results: Record<string, unknown> = {};
      const call = async (name: string, call: () => Promise<unknown>) => {
        results[name] = await attempt(call);
      };
      for (const name of ${names}) {
        const path = root + name;
        const url = new URL("file://" + path.replaceAll("..", "..%2f."));
        await call("path " + name, () => backend.put(path, "stolen"));
        await call("URL " + name, () => backend.put(new URL("file://" + path), "stolen"));
        await call("escaped URL " + name, () => backend.put(url, "stolen"));
        await call("verify " + name, () => backend.put(path, "stolen", { verify: true }));
        await call("relative " + name, () => backend.put("../open/.." + name, "stolen"));
        await call("map " + name, () => session.map(path, "/stolen"));
        await call("cp " + name, () => session.cp([path], "/stolen/"));
        await call("cp two " + name, () => session.cp([root + "/open/file", path], "/"));
      }
      await backend.put(root + "/open/file", "file");
      await session.commit({ force: true });
      return [results, (await backend.list()).map(({ name }) => name)];`,
      { cwd: `${folder.path}/open` },
    );
    const [results, listed] = result as [Record<string, unknown>, string[]];
    assertEquals(listed.sort(), ["a", "file", "link/a"]);
    for (const [name, outcome] of Object.entries(results)) {
      assertNotCapable(outcome, "--allow-read=", name);
    }
    assertEquals(Object.keys(results).length, SECRET_PATHS.length * 8);
    await assertNoSecret(folder);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "put() does not store what a link has taken the place of",
  ),
  async () => {
    await using folder = await makeLinks();
    const image = `${folder.path}/open/test.iso`;
    const before = await Deno.readFile(image);
    const result = await runScript(
      folder,
      openFlags(folder),
      `await using backend = await XorrisoBackend.open(
        \`xorriso://\${root}/open/test.iso\`, { autoCommit: false });
      await backend.put(root + "/open/file", "stolen");
      Deno.renameSync(root + "/open/to-key", root + "/open/file");
      return await attempt(() => backend.commit());`,
    );
    assertEquals((result as Failure).code, "SOURCE_CHANGED");
    assertEquals(await Deno.readFile(image), before);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "commit() writes nothing if a link has taken the place of a staged file",
  ),
  async () => {
    await using folder = await makeLinks();
    const result = await runScript(
      folder,
      openFlags(folder),
      `await using session = await Xorriso.open(\`\${root}/open/test.iso\`);
      await session.cp([root + "/open/file"], "/stolen");
      await session.cp([root + "/open/sub/other"], "/other");
      Deno.renameSync(root + "/open/to-key", root + "/open/file");
      const outcome = await attempt(() => session.commit());
      // What was staged is forgotten, and with it what is wrong with it.
      await session.cp([root + "/open/sub/other"], "/another");
      await session.commit();
      return [outcome, await session.ls(), (await session.sessions()).length];`,
    );
    const [outcome, names, sessions] = result as [Failure, string[], number];
    assertNotCapable(outcome, `--allow-read=${folder.path}/secret/key `);
    assertEquals(names.sort(), ["a", "another", "link"]);
    assertEquals(sessions, 2);
    await assertNoSecret(folder);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "the command line stores nothing that the script may not read",
  ),
  async (t) => {
    await using folder = await makeLinks();
    const { path } = folder;
    const url = `xorriso://${path}/open/test.iso`;
    const put = (...words: string[]) =>
      runDeno(
        ["--config", CONFIG, ...openFlags(folder), CLI, "put", url, ...words],
        { cwd: `${path}/open` },
      );
    for (const name of [...SECRET_PATHS, "/open/link", "/open/sub/up/"]) {
      await t.step(name, async () => {
        const { code, output, prompted } = await put(`../open/..${name}`);
        assertEquals([code, prompted], [5, false], output);
        assertStringIncludes(output, "run again with --allow-read=");
      });
    }
    await t.step("links in a folder", async () => {
      const { code, output } = await put(`${path}/open`, "--as", "all");
      assertEquals(code, 7, output);
      assertStringIncludes(output, "Stored 2 files");
    });
    await assertNoSecret(folder);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "nothing is written where a link leads out of the granted folder",
  ),
  async (t) => {
    await using folder = await makeLinks();
    const { path } = folder;
    const secret = `${path}/secret`;
    const before = await snapshot(secret);
    const targets = [
      "/secret/new",
      "/secret/key",
      "/open/../secret/new",
      "/open/link/new",
      "/open/link/key",
      "/open/sub/up/new",
      "/open/link/sub/new",
    ];
    const folders = [
      "/secret/sub",
      "/secret/new",
      "/open/link",
      "/open/link/sub",
      "/open/link/new",
      "/open/link/new/deep/er",
      "/open/sub/up",
    ];
    const result = await runScript(
      folder,
      openFlags(folder),
      `await using backend = await XorrisoBackend.open(
        \`xorriso://\${root}/open/test.iso\`, { readOnly: true });
      await using session = await Xorriso.open(
        \`\${root}/open/test.iso\`, { readOnly: true });
      const results: Record<string, unknown> = {};
      for (const target of ${JSON.stringify(targets)}) {
        const path = root + target;
        results["get " + target] = await attempt(() => backend.get("a", path));
        results["get relative " + target] =
          await attempt(() => backend.get("a", "../open/.." + target));
        results["restore " + target] = await attempt(() => session.restore("/a", path));
        results["create " + target] = await attempt(() =>
          XorrisoBackend.open("xorriso://" + path + ".iso", { create: true }));
        results["create " + target + " in a session"] = await attempt(() =>
          Xorriso.open(path + ".iso", { create: true }));
      }
      for (const target of ${JSON.stringify(folders)}) {
        const path = root + target;
        results["getList " + target] = await attempt(() => backend.getList(["a"], path));
        results["extract " + target] = await attempt(() => session.extract(["/a"], path));
        // Such a folder is not made.
        if (path.includes("new")) continue;
        results["tempDir " + target] = await attempt(async () => {
          await using other = await XorrisoBackend.open(
            "xorriso://" + root + "/open/other.iso", { create: true, tempDir: path });
          await other.put(bytes("x"), "x");
        });
      }
      return results;`,
      { cwd: `${path}/open` },
    );
    const results = Object.entries(result as Record<string, unknown>);
    assertEquals(results.length, targets.length * 5 + folders.length * 2 + 4);
    for (const [name, outcome] of results) {
      assertNotCapable(outcome, "--allow-", name);
    }
    for (
      const words of [
        ["get", "a", "--to", `${path}/open/link/new`],
        ["get", "--to", `${path}/open/link/new/deep`],
        ["get", "--to", `${path}/open/sub/up`],
      ]
    ) {
      await t.step(words.join(" "), async () => {
        const [command = "", ...rest] = words;
        const { code, output, prompted } = await runDeno(
          [
            ...["--config", CONFIG, ...openFlags(folder), CLI, command],
            ...[`xorriso://${path}/open/test.iso`, ...rest],
          ],
        );
        assertEquals([code, prompted], [5, false], output);
      });
    }
    assertEquals(await snapshot(secret), before);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "no link in a target folder is followed, and one in a target's place is replaced",
  ),
  async () => {
    await using folder = await makeLinks();
    const { path } = folder;
    const before = await snapshot(`${path}/secret`);
    const result = await runScript(
      folder,
      openFlags(folder),
      `await using backend = await XorrisoBackend.open(
        \`xorriso://\${root}/open/test.iso\`, { readOnly: true });
      const list = await backend.getList(["a", "link/a"], root + "/open");
      await backend.get("a", root + "/open/to-key");
      await backend.get("a", root + "/open/dangling");
      return list.map(({ error }) => error === undefined ? "done" : failure(error));`,
    );
    const [first, second] = result as [string, Failure];
    assertEquals([first, second.code], ["done", "TARGET_UNWRITABLE"]);
    for (const name of ["a", "to-key", "dangling"]) {
      const file = `${path}/open/${name}`;
      assertEquals((await Deno.lstat(file)).isFile, true);
      assertEquals(await Deno.readTextFile(file), "content");
    }
    assertEquals(await snapshot(`${path}/secret`), before);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "an image behind a link is neither read nor written without its own permission",
  ),
  async () => {
    await using folder = await makeLinks();
    const { path } = folder;
    const before = await snapshot(`${path}/secret`);
    const images = JSON.stringify([
      "/open/image-link.iso",
      "/open/link/test.iso",
      "/secret/test.iso",
      "/open/../secret/test.iso",
      "/dev/../" + path.slice(1) + "/secret/test.iso",
    ]);
    const result = await runScript(
      folder,
      openFlags(folder),
      `const results: unknown[] = [];
      for (const image of ${images}) {
        const path = image.startsWith("/dev/") ? image : root + image;
        for (const options of [{}, { readOnly: true }, { create: true }]) {
          results.push(await attempt(() => Xorriso.open(path, options)));
        }
        const url = "xorriso://" + encodeURIComponent(path);
        results.push(await attempt(() => XorrisoBackend.open(url)));
        results.push(await attempt(() => XorrisoBackend.open("xorriso://../open/.." + image)));
      }
      return results;`,
      { cwd: `${path}/open` },
    );
    assertEquals((result as unknown[]).length, 25);
    for (const outcome of result as unknown[]) {
      assertNotCapable(outcome, "--allow-read=");
    }
    // With read permission it can be read, but still not written.
    const other = await runScript(
      folder,
      [...openFlags(folder), `--allow-read=${path}/secret/test.iso`],
      `const results: unknown[] = [];
      for (const options of [{}, { create: true }]) {
        await using backend = await XorrisoBackend.open(
          \`xorriso://\${root}/open/image-link.iso\`, options);
        results.push((await backend.list()).length);
        results.push(await attempt(() => backend.put(root + "/open/file", "x")));
        results.push(await attempt(() => backend.delete("a")));
      }
      return results;`,
    );
    for (const [index, outcome] of (other as unknown[]).entries()) {
      if (index % 3 === 0) assertEquals(outcome, 2);
      else {
        assertNotCapable(outcome, `--allow-write=${path}/secret/test.iso `);
      }
    }
    assertEquals(await snapshot(`${path}/secret`), before);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "no new image is left behind a link whose folder may not be looked at",
  ),
  async () => {
    await using folder = await makeLinks();
    const image = `${folder.path}/open/link/new.iso`;
    const flags = [
      "--allow-run=xorriso",
      `--allow-read=${image}`,
      `--allow-write=${image}`,
    ];
    const body = `return await attempt(() => XorrisoBackend.open(
      \`xorriso://\${root}/open/link/new.iso\`, { create: true }))`;
    const real = `${folder.path}/secret/new.iso`;
    assertNotCapable(
      await runScript(folder, flags, body),
      `--allow-read=${real} `,
    );
    flags.push(`--allow-read=${real}`);
    assertNotCapable(
      await runScript(folder, flags, body),
      `--allow-write=${real} `,
    );
    assertEquals(await exists(real), false);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "words for xorriso cannot name files that the script may not use",
  ),
  async () => {
    await using folder = await makeLinks();
    const { path } = folder;
    const before = await snapshot(path);
    const calls: readonly (readonly string[])[] = [
      ["-map", `${path}/secret/key`, "/stolen"],
      ["-cpr", `${path}/secret/key`, "/stolen"],
      ["-toc", "-map", `${path}/secret/key`, "/stolen"],
      ["-volid", "x", "-add", `${path}/secret/key`, "--"],
      ["-list_profiles", "-volid", "-add", "-volid", `${path}/secret/key`],
      ["-list_extras", "-volid", "-add", "-volid", `${path}/secret/key`],
      ["-extract", "/a", `${path}/secret/new`],
      ["-osirrox", "on"],
      ["-indev", `stdio:${path}/secret/test.iso`],
      ["-outdev", `stdio:${path}/secret/test.iso`],
      ["-options_from_file", `${path}/secret/key`],
      ["-external_filter", "x", "+", "/bin/sh", "--"],
      ["-launch_frontend", "/bin/sh", "--"],
      ["-logfile", ".", `${path}/secret/new`],
      ["-check_media", `data_to=${path}/secret/new`],
      ["-as", "mkisofs", `${path}/secret/key`],
      ["-chdir", path],
      ["-not_list", `${path}/secret/key`],
    ];
    const env = { XORRISO_ARGS: "-indev 'stdio:/x'" };
    const result = await runScript(
      folder,
      [...openFlags(folder), "--allow-env=XORRISO_ARGS"],
      `const results: unknown[] = [];
      const url = \`xorriso://\${root}/open/test.iso\`;
      await using session = await Xorriso.open(root + "/open/test.iso");
      for (const words of ${JSON.stringify(calls)}) {
        results.push(await attempt(() => session.command(words)));
        results.push(await attempt(() =>
          Xorriso.open(root + "/open/new.iso", { create: true, xorrisoArgs: words })));
        results.push(await attempt(() =>
          XorrisoBackend.open(url, { xorrisoArgs: words })));
      }
      results.push(await attempt(() => XorrisoBackend.open(url)));
      return results;`,
      { env },
    );
    const results = result as unknown[];
    assertEquals(results.length, calls.length * 3 + 1);
    for (const [index, outcome] of results.entries()) {
      const words = calls[Math.floor(index / 3)] ?? ["XORRISO_ARGS"];
      assertNotCapable(outcome, "--allow-read ", words.join(" "));
    }
    assertEquals(await snapshot(path), before);
  },
);

Deno.test(
  unless(
    NO_TERMINAL,
    "what is aborted behind a script around xorriso is not on the medium",
  ),
  async () => {
    await using folder = await makeFolder();
    const { path } = folder;
    // Without `exec` a signal reaches the script alone, unless any program may
    // be run; else xorriso goes on to its end, and that is taken back.
    const script = await makeScript(folder, "script", 'xorriso "$@"; exit $?');
    const large = await makeSparse(`${path}/large`, 300 << 20);
    for (const flag of ["--allow-run", `--allow-run=${script}`]) {
      const result = await runScript(
        folder,
        [flag, `--allow-read=${path}`, `--allow-write=${path}`],
        `const image = root + "/test.iso";
        const controller = new AbortController();
        await using backend = await XorrisoBackend.open("xorriso://" + image, {
          create: true,
          xorrisoPath: root + "/script",
          tempDir: root,
        });
        await backend.put(bytes("old"), "old");
        const { size } = await Deno.stat(image);
        const { signal } = controller;
        const aborted = backend.put(${JSON.stringify(large)}, "new", { signal })
          .then(() => "stored", (reason) => reason);
        while ((await Deno.stat(image)).size < size + 1e6) {
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        controller.abort("aborted");
        return await aborted;`,
      );
      assertEquals(result, "aborted", flag);
      assertEquals(await listImage(`${path}/test.iso`), ["/old"], flag);
    }
  },
);
