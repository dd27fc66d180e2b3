/**
 * The command line of the module: backups on optical media and in ISO 9660 images without a script.
 *
 * ```sh
 * deno run --allow-run=xorriso --allow-read=photos.iso,photos --allow-write=photos.iso \
 *   jsr:@xorriso/backend/cli put xorriso://photos.iso photos --create
 * deno run --allow-run=xorriso --allow-read=photos.iso \
 *   jsr:@xorriso/backend/cli list xorriso://photos.iso --long
 * ```
 *
 * `help` shows the commands, `help COMMAND` its flags and the Deno permissions that it needs; nothing ever asks
 * for one. Ctrl-C stops in an orderly way: what was not committed is discarded, and the medium stays as it was.
 *
 * @example Run it from a script
 * ```ts
 * const { code } = await new Deno.Command(Deno.execPath(), {
 *   args: ["run", import.meta.resolve("@xorriso/backend/cli"), "--version"],
 * }).output();
 * if (code !== 0) throw new Error("Cannot run xorriso-backend");
 * ```
 *
 * @module
 */
import { runProcess } from "./cli/process.ts";

if (import.meta.main) await runProcess();
