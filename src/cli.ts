/**
 * The command line of the module: backups on optical media and in ISO 9660 images without a script.
 *
 * ```sh
 * deno run --allow-run=xorriso --allow-read=photos.iso,photos --allow-write=photos.iso \
 *   jsr:@xorriso/backend/cli put xorriso://photos.iso photos --create
 * deno run --allow-read=photos.iso \
 *   jsr:@xorriso/backend/cli list xorriso://photos.iso --long
 * ```
 *
 * `help` shows the commands, `help COMMAND` its flags and the Deno permissions that it needs; nothing ever asks
 * for one. Ctrl-C stops in an orderly way: what was not committed is discarded, and the medium stays as it was.
 *
 * With `--json` each line of standard output is one of these objects, and each of standard error a `Failure`, a
 * `LeftOut` or a `Warning`:
 *
 * ```ts
 * // put, get, verify, delete, move: one for each name, then a Summary
 * interface Named {
 *   kind:
 *     | "added" | "content" | "type" | "attributes" | "removed" // as of diff
 *     | "moved" | "copied" | "restored" | "verified"
 *     | "unchanged"; // with -v
 *   name: string;
 *   size?: number; // bytes
 *   from?: string; // the name before it was moved
 * }
 * interface Summary {
 *   summary: {
 *     files?: number; // with the bytes of their content
 *     bytes?: number;
 *     folders?: number;
 *     links?: number;
 *     attributes?: number; // names of which nothing else was changed
 *     moved?: number;
 *     removed?: number;
 *     unchanged?: number;
 *     excluded?: number;
 *     copied?: { // files that were stored from a copy
 *       name: string;
 *       reason: "recent" | "changing" | "length";
 *     }[];
 *     verified?: number;
 *     failed?: number;
 *     left: number; // out
 *     session?: number; // the one that was written
 *     needed?: number; // bytes, with --dry-run
 *     free?: number;
 *     seconds: number;
 *   };
 * }
 * interface Listed { // list
 *   name: string;
 *   type: "file" | "directory" | "link" | "other";
 *   size: number;
 *   mtime: string; // as Date.toISOString() has it
 *   mode: number; // permission bits
 *   uid: number;
 *   gid: number;
 *   link?: string; // where a link points to
 *   md5?: string | null; // of a file, with --md5
 * }
 * interface Change { // diff
 *   kind: "added" | "removed" | "type" | "content" | "attributes";
 *   name: string;
 *   type: Listed["type"];
 *   attributes: ("mode" | "owner" | "mtime")[];
 * }
 * interface Medium { // blank, format, finish, load
 *   drive: string;
 *   profile: string;
 *   status: "blank" | "appendable" | "closed" | "absent";
 *   volumeId: string | null;
 *   free: number; // bytes
 * }
 * interface Info extends Omit<Medium, "free"> { // info; bytes, null where unknown
 *   used: number;
 *   free: number | null;
 *   room: number | null;
 *   appendable: boolean;
 *   behind: string | null; // what lies behind an image's newest session, so that nothing can be stored
 *   sessions: {
 *     number: number;
 *     date?: string;
 *     lba: number;
 *     size: number;
 *     volumeId: string;
 *   }[];
 * }
 * interface Device { // devices
 *   device: string;
 *   vendor: string;
 *   product: string;
 *   medium: Omit<Medium, "drive"> | null;
 *   error: string | null; // the code of it
 * }
 * interface Failure {
 *   error: {
 *     code: string; // a XorrisoErrorCode, USAGE, NOT_CAPABLE, NO_XORRISO, INTERRUPTED
 *     message: string;
 *     path?: string;
 *     needed?: number; // bytes, with MEDIUM_FULL
 *     free?: number;
 *   };
 * }
 * interface LeftOut {
 *   left: { name: string; path?: string; reason: string; message: string };
 * }
 * interface Warning {
 *   warning: { message: string };
 * }
 * ```
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
