/** Builds the virtual burner from its C sources. */

import { fromFileUrl } from "@std/path";
import { createHash } from "node:crypto";
import { exists } from "../support/helpers.ts";

/** The two programs that the virtual burner consists of. */
export interface Built {
  /** To be preloaded by xorriso. */
  readonly library: string;
  /** Makes and changes media. */
  readonly fbctl: string;
}

/** Why the virtual burner cannot run here, or undefined if it can. */
export function burnerUnavailable(compiler = "cc"): string | undefined {
  if (Deno.build.os !== "linux") return "the virtual burner needs Linux";
  try {
    new Deno.Command(compiler, { args: ["--version"] }).outputSync();
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return `the virtual burner needs a C compiler: ${error.message}`;
  }
}

let built: Promise<Built> | undefined;

/** Builds the virtual burner, once for each state of its sources. */
export function buildBurner(): Promise<Built> {
  return built ??= build(
    fromFileUrl(new URL("build", import.meta.url)),
    Deno.env.get("CC") ?? "cc",
  );
}

const SOURCES = ["mmc.c", "mmc.h", "preload.c", "fbctl.c"];

const FLAGS = ["-O2", "-Wall", "-Wextra", "-Wno-sign-compare"];

/**
 * Builds into a folder below `cache`, unless that was done before.
 *
 * Several test files may do so at once: each builds aside and renames.
 *
 * @throws {Error} With what the compiler said, if it fails.
 */
export async function build(cache: string, compiler: string): Promise<Built> {
  const key = createHash("sha256").update(FLAGS.join());
  for (const name of SOURCES) {
    key.update(await Deno.readFile(new URL(name, import.meta.url)));
  }
  const folder = `${cache}/${key.digest("hex").slice(0, 16)}`;
  if (!await exists(folder)) {
    await Deno.mkdir(cache, { recursive: true });
    const temp = await Deno.makeTempDir({ dir: cache, prefix: "temp-" });
    try {
      await compile(compiler, [
        ...["-fPIC", "-shared", "-o", `${temp}/libburner.so`],
        ...["mmc.c", "preload.c", "-ldl", "-lpthread"],
      ]);
      await compile(compiler, ["-o", `${temp}/fbctl`, "mmc.c", "fbctl.c"]);
      await Deno.rename(temp, folder);
    } catch (error) {
      await Deno.remove(temp, { recursive: true });
      // Another one may have been faster.
      if (!await exists(folder)) throw error;
    }
  }
  return { library: `${folder}/libburner.so`, fbctl: `${folder}/fbctl` };
}

async function compile(compiler: string, args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(compiler, {
    args: [...FLAGS, ...args],
    cwd: new URL(".", import.meta.url),
    stdin: "null",
  }).output();
  if (code === 0) return;
  const text = new TextDecoder().decode(stderr);
  throw new Error(`Cannot build the virtual burner: ${compiler}: ${text}`);
}
