/**
 * A reader of ISO 9660 images and media, with Rock Ridge and Joliet names, from their blocks alone.
 *
 * @example List an image
 * ```ts ignore
 * import { fileBlocks, readImage, readTree } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("/backups/photos.iso");
 * const { newest } = await readImage(blocks);
 * for (const { path, size, mtime } of (await readTree(blocks, newest)).walk()) {
 *   console.log(path, size, mtime);
 * }
 * ```
 *
 * @module
 */

export { type Behind, readBehind } from "./behind.ts";
export {
  type Blocks,
  type BlocksReadOptions,
  FileBlocks,
  fileBlocks,
  memoryBlocks,
} from "./blocks.ts";
export type { Identity } from "../disk/files.ts";
export { Checksums, readChecksums } from "./checksums.ts";
export { content, type ContentOptions } from "./content.ts";
export {
  type BlockRange,
  driveBlocks,
  type DriveBlocksOptions,
} from "./drive_blocks.ts";
export { sealed } from "./sealed.ts";
export {
  type ChecksumTable,
  type Device,
  Entry,
  type EntryFields,
  type EntryType,
  type Extent,
  type FileContent,
  type RareFields,
  type Section,
} from "./entry.ts";
export { readTree, type ReadTreeOptions, rereadTree } from "./read_tree.ts";
export type { Compression } from "./rock_ridge.ts";
export {
  type HeadState,
  type Image,
  readImage,
  readSession,
  type Session,
} from "./sessions.ts";
export { checkSession } from "./tags.ts";
export { Tree, type TreeParts, type TreeProblem } from "./tree.ts";
export { type Naming, readVolume, type Region, type Volume } from "./volume.ts";
