/** How the files of `src/` stand to each other: folders import downward only, and nothing in circles. */

import { assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join, relative } from "@std/path";

const ROOT = fromFileUrl(new URL("../src", import.meta.url));

/** From the top to the bottom; the files beside the folders are below all of these. */
const FLOORS = [
  "cli",
  "tree",
  "backend",
  "session",
  "iso",
  "disk",
  "dialogue",
];

/** What a module imports or hands on, by paths relative to `src/`. */
interface Source {
  readonly text: string;
  readonly imports: readonly string[];
}

async function readSources(
  folder = ROOT,
  found = new Map<string, Source>(),
): Promise<Map<string, Source>> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) {
      await readSources(path, found);
    } else if (name.endsWith(".ts")) {
      const text = await Deno.readTextFile(path);
      // In comments are examples, which import as users do.
      const code = text.replaceAll(/\/\*.*?\*\//gs, "");
      const imports = [
        ...code.matchAll(/(?:\bfrom |\bimport[ (])"(\.[^"]+\.ts)"/g),
      ]
        .map(([, specifier = ""]) =>
          relative(ROOT, join(dirname(path), specifier))
        );
      found.set(relative(ROOT, path), { text, imports });
    }
  }
  return found;
}

/** The floor that a file is on, from 0 at the top. */
function floorOf(path: string): number {
  if (path === "cli.ts") return 0;
  const [folder = ""] = path.split("/");
  const floor = FLOORS.indexOf(folder);
  if (floor < 0 && path.includes("/")) {
    throw new Error(`"${path}" is in a folder without a floor`);
  }
  return floor < 0 ? FLOORS.length : floor;
}

Deno.test("src/ imports go downward only", async () => {
  const upward = [];
  for (const [path, { imports }] of await readSources()) {
    for (const other of imports) {
      if (floorOf(other) < floorOf(path)) upward.push(`${path} -> ${other}`);
    }
  }
  assertEquals(upward, []);
});

Deno.test("src/ imports nothing in circles", async () => {
  const sources = await readSources();
  const done = new Set<string>();
  const circles: string[] = [];
  const follow = (path: string, way: readonly string[]) => {
    if (way.includes(path)) {
      circles.push([...way.slice(way.indexOf(path)), path].join(" -> "));
    } else if (!done.has(path)) {
      const further = [...way, path];
      for (const other of sources.get(path)?.imports ?? []) {
        follow(other, further);
      }
      done.add(path);
    }
  };
  for (const path of sources.keys()) follow(path, []);
  assertEquals(circles, []);
});

Deno.test("src/ files begin with what is in them", async () => {
  const silent = [];
  for (const [path, { text }] of await readSources()) {
    if (!text.startsWith("/**")) silent.push(path);
  }
  assertEquals(silent, []);
});

/** Names that an entry point of its own gives to users, and so may have twice. */
const PUBLIC_TWINS = ["Entry", "EntryType", "Session"];

Deno.test("src/ gives no name to two things", async () => {
  const declared =
    /^(?:export )?(?:async )?(?:function\*?|class|interface|type) +(\w+)/gm;
  const owners = new Map<string, string>();
  const twins: string[] = [];
  for (const [path, { text }] of await readSources()) {
    const code = text.replaceAll(/\/\*.*?\*\//gs, "");
    for (const [, name = ""] of code.matchAll(declared)) {
      const owner = owners.get(name) ?? path;
      owners.set(name, owner);
      if (owner === path || PUBLIC_TWINS.includes(name)) continue;
      twins.push(`${name}: ${owner}, ${path}`);
    }
  }
  assertEquals(twins, []);
});
