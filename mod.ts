/**
 * Stores backup files on optical media (CD, DVD, Blu-ray) and in ISO 9660
 * images by driving one long-lived
 * [xorriso](https://www.gnu.org/software/xorriso/) process.
 *
 * {@linkcode XorrisoBackend} puts files under names on a medium and gets them
 * back; {@linkcode Xorriso} is the session underneath, a dialogue with one
 * xorriso process. ("Session" alone means that dialogue. A session on the
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
 * A resolved `put()` is on the medium: flushed, listed with its size, read from
 * a source that did not move meanwhile. No name can become a command. Deno's
 * flags hold for xorriso, too: no path goes to it that the script itself may
 * not read or write, and nothing ever prompts.
 *
 * ## Permissions
 *
 * | to | flags |
 * |---|---|
 * | list, query, read an image | `--allow-read=IMAGE` |
 * | store files in it | also `--allow-run=xorriso --allow-read=SOURCES --allow-write=IMAGE` |
 * | store bytes or a stream | also `--allow-read=TEMP --allow-write=TEMP` |
 * | restore to disk | also `--allow-read=DIR --allow-write=DIR` |
 * | use a drive | `--allow-read=/dev/sr0 --allow-write=/dev/sr0`, also TEMP |
 * | use XORRISO_* variables | `--allow-env=XORRISO_PATH,...` |
 *
 * ## Concurrency
 *
 * Calls may overlap at will. xorriso does one thing at a time: exchanges with
 * it are answered in order. Changes that come close together share one session
 * on the medium; those about one name take effect in call order. Files of an
 * image are read directly, also while xorriso commits.
 *
 * ## The end
 *
 * `close()` commits what is pending and ends the process. `await using`
 * discards what is not committed. If this program dies, xorriso notices that
 * its input has ended, and ends, too.
 *
 * ## Errors
 *
 * A failure of drive, medium, session or file is a {@linkcode XorrisoError}
 * with a `code` ({@linkcode XorrisoErrorCode}); {@linkcode classify} tells the
 * code of a piece of xorriso's own stderr. Bad arguments are `TypeError` or
 * `RangeError`, missing permissions `Deno.errors.NotCapable` with the flag to
 * add, a missing xorriso `Deno.errors.NotFound`; an abort rethrows the signal's
 * reason.
 *
 * @module
 */

export { classify } from "./src/dialogue/messages.ts";
export { XorrisoBackend } from "./src/backend/backend.ts";
export type {
  ApplyOptions,
  BackendOptions,
  Change,
  DeleteOptions,
  GetListOptions,
  GetOptions,
  ListedEntry,
  ListOptions,
  NameResult,
  Place,
  PutOptions,
  PutSource,
  QueryOptions,
  RenameOptions,
  VerifyResult,
} from "./src/backend/options.ts";
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
export type { Node, NodeType } from "./src/session/nodes.ts";
export type {
  Entry,
  Extent,
  Medium,
  MediumStatus,
  RecordedSession,
} from "./src/dialogue/answers.ts";
export type { Content } from "./src/disk/temp.ts";
export { putTree } from "./src/tree/put.ts";
export { getTree } from "./src/tree/get.ts";
export { compareTree } from "./src/tree/compare.ts";
export { compareEntries } from "./src/tree/difference.ts";
export type { Stored as TreeEntry } from "./src/tree/difference.ts";
export type {
  Attribute,
  CompareTreeOptions,
  GetTreeOptions,
  GetTreeResult,
  LeftOut,
  LeftReason,
  PutTreeOptions,
  PutTreeResult,
  TreeChange,
  TreeEvent,
  TreeFilterOptions,
  TreeSource,
} from "./src/tree/options.ts";
