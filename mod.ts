/**
 * Stores backup files on optical media (CD, DVD, Blu-ray) and in ISO 9660
 * images by driving one long-lived
 * [xorriso](https://www.gnu.org/software/xorriso/) process.
 *
 * {@linkcode putTree} and {@linkcode getTree} store and restore whole folders,
 * as they were; {@linkcode XorrisoBackend} puts single files under names on a
 * medium and gets them back; {@linkcode Xorriso} is the session underneath, a
 * dialogue with one xorriso process. ("Session" alone means that dialogue. A session on the
 * medium, a region written in one sweep, is a {@linkcode RecordedSession}.)
 *
 * ```ts
 * import { XorrisoBackend } from "@xorriso/backend";
 *
 * const folder = await Deno.makeTempDir();
 * {
 *   await using backend = await XorrisoBackend.open(
 *     `xorriso://${folder}/photos.iso:/2026`,
 *     { create: true },
 *   );
 *   await backend.put(new TextEncoder().encode("hello"), "a.txt");
 *   for (const { name, size } of await backend.list()) console.log(name, size);
 *   await backend.get("a.txt", `${folder}/a.txt`);
 * }
 * await Deno.remove(folder, { recursive: true });
 * ```
 *
 * ## Promises
 *
 * A resolved change is on the medium and on the disk: xorriso has written it, and
 * the module has read the names, sizes, places and checksums of the new session
 * from the medium itself. Sources that moved meanwhile are not stored as if they
 * had not. No name can become a command. A restored file appears under its name
 * only when it is complete and its checksum is right. Deno's flags hold for
 * xorriso, too: no path goes to it that the script itself may not read or write,
 * and nothing ever prompts.
 *
 * ## Permissions
 *
 * | to | flags |
 * |---|---|
 * | list, query, get, verify an image | `--allow-read=IMAGE`; to restore, also `--allow-read=DIR --allow-write=DIR` |
 * | store files in it | `--allow-run=xorriso --allow-read=IMAGE,SOURCES --allow-write=IMAGE` |
 * | store bytes or a stream | also `--allow-read=TEMP --allow-write=TEMP` |
 * | use a drive | `--allow-run=xorriso --allow-read=/dev/sr0,TEMP --allow-write=/dev/sr0,TEMP` |
 * | list the drives | `--allow-run=xorriso --allow-read=/dev --allow-write=/dev` |
 * | restore symbolic links | `--allow-read --allow-write` |
 * | use XORRISO_* variables | `--allow-env=XORRISO_PATH,...` |
 *
 * TEMP is the option `tempDir`, or `/tmp`, or what TMPDIR says with
 * `--allow-env=TMPDIR`. Words for xorriso itself (`command()`, `xorrisoArgs`) that
 * could name a file need `--allow-read` and `--allow-write` without a path, since
 * xorriso is not sandboxed.
 *
 * ## Variables
 *
 * Where env permission is granted, XORRISO_PATH stands for the option
 * `xorrisoPath`, XORRISO_WRITE_SPEED for `writeSpeed` (`min` or `max`),
 * XORRISO_ASSERT_VOLID for `assertVolumeId`, and XORRISO_ARGS for `xorrisoArgs`,
 * split like by a shell. Options win.
 *
 * ## Concurrency
 *
 * Calls may overlap at will. Changes that come close together share one session on
 * the medium; those about one name take effect in call order. Reads see the last
 * commit and never wait for one that runs. Readers of an image take no lock;
 * writers exclude each other.
 *
 * ## The end
 *
 * `close()` commits what is pending and ends the process. `await using` discards
 * what is not committed. If this program dies, xorriso notices that its input has
 * ended, and ends, too.
 *
 * ## Drives
 *
 * Whatever works on an image works on a drive. A drive needs about 2 s to be
 * opened and 5 s or more for each session. No physical drive has been used in
 * testing; an emulated one has, with an unmodified xorriso, with each medium here.
 * Besides its content, and as long as there are few names, a session costs:
 *
 * | medium | written again | first session | each further one | gap that the drive adds |
 * |---|---|---|---|---|
 * | CD-R | no | 600 KiB | 604 KiB | 22.3 MiB, then 13.5 MiB each |
 * | CD-RW | after `blank()` | 600 KiB | 604 KiB | 22.3 MiB, then 13.5 MiB each |
 * | DVD-R | no | 384 KiB | 352 KiB | 56 MiB, then 12 MiB each |
 * | DVD-RW, sequential | after `blank()` | 384 KiB | 352 KiB | 56 MiB, then 12 MiB each |
 * | DVD+R | no | 384 KiB | 352 KiB | about 4 MiB each |
 * | BD-R | no | 384 KiB | 384 KiB | none |
 * | DVD+RW, DVD-RAM, BD-RE | at any time | 128 KiB | 64 KiB | none |
 * | DVD-RW, restricted (formatted) | at any time | 128 KiB | 64 KiB | none |
 * | image file | at any time | 128 KiB | 64 KiB | none |
 *
 * An aborted call, Ctrl-C or SIGTERM stops a burn in an orderly way: xorriso is
 * told to stop and waited for, and never killed while it writes to a drive. What
 * was stored before stays readable. On media that are written in place it costs
 * nothing; on the others the space that was written, and perhaps a dead session
 * that keeps the medium from being opened (IMAGE_DAMAGED). `recover: true` closes
 * that one, and goes on from the last sound session. It is not done by itself,
 * since it gives up what the dead session may have held.
 *
 * ## Errors
 *
 * A failure of drive, medium, session or file is a {@linkcode XorrisoError} with a
 * `code` ({@linkcode XorrisoErrorCode} tells when each occurs); {@linkcode classify}
 * tells the code of a piece of xorriso's own stderr. Bad arguments are `TypeError`
 * or `RangeError`, missing permissions `Deno.errors.NotCapable` with the flag to
 * add, a missing xorriso `Deno.errors.NotFound`; an abort rethrows the signal's
 * reason.
 *
 * @module
 */

export { classify } from "./src/dialogue/messages.ts";
export { XorrisoBackend } from "./src/backend/backend.ts";
export type * from "./src/backend/options.ts";
export { XorrisoError } from "./src/errors.ts";
export type { XorrisoErrorCode, XorrisoErrorOptions } from "./src/errors.ts";
export { Xorriso } from "./src/session/xorriso.ts";
export type {
  BlankMode,
  BlankOptions,
  CommitOptions,
  FormatMode,
  FormatOptions,
  Progress,
  ReadableOptions,
  RestoreOptions,
  XorrisoOptions,
} from "./src/options.ts";
export { devices } from "./src/session/devices.ts";
export type { Device, DevicesOptions } from "./src/session/devices.ts";
export type { Answer } from "./src/dialogue/exchange.ts";
export type { BackendEntry, EntryType } from "./src/backend/index.ts";
export type { Attributes } from "./src/session/changes.ts";
export type {
  Entry,
  Extent,
  Medium,
  MediumStatus,
  Node,
  NodeType,
  RecordedSession,
} from "./src/medium.ts";
export type { Content } from "./src/disk/spool.ts";
export { putTree } from "./src/tree/put.ts";
export { getTree } from "./src/tree/get.ts";
export { compareTree } from "./src/tree/compare.ts";
export { compareEntries } from "./src/tree/difference.ts";
export type {
  Attribute,
  CompareTreeOptions,
  CopiedFile,
  GetTreeOptions,
  LeftOut,
  LeftReason,
  PutTreeOptions,
  PutTreeResult,
  TreeChange,
  TreeEvent,
  TreeFilterOptions,
  TreeOptions,
  TreeResult,
  TreeSource,
} from "./src/tree/options.ts";
