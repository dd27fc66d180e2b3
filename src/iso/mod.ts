/**
 * A reader of ISO 9660: it lists and extracts images and media by their blocks alone, without xorriso or
 * any other program.
 *
 * It knows Rock Ridge and Joliet, files in several extents and compressed ones (zisofs), the
 * sessions of an image file and of copies of discs, and what libisofs leaves in them: checksums and
 * tags that tell whether a session is whole. An image is read beside any writer. Nothing in it is
 * trusted: what cannot be right is IMAGE_DAMAGED, with the block that tells it.
 *
 * 1. {@linkcode fileBlocks} or {@linkcode memoryBlocks} gives blocks,
 * 2. {@linkcode readImage} the sessions in them,
 * 3. {@linkcode readTree} the names of one, and {@linkcode content} what a file holds.
 *
 * @example List an image and read a file of it
 * ```ts
 * import { content, fileBlocks, readImage, readTree } from "@xorriso/backend/iso";
 *
 * await using blocks = await fileBlocks("examples/photos.iso");
 * const { newest } = await readImage(blocks);
 * const tree = await readTree(blocks, newest);
 * for (const { path, size, mtime } of tree.walk()) console.log(path, size, mtime);
 *
 * const notes = tree.get("/photos/notes.txt");
 * if (notes) console.log(await new Response(content(blocks, notes)).text());
 * ```
 *
 * @module
 */

export {
  type Blocks,
  type BlocksFile,
  type BlocksReadOptions,
  type FileBlocks,
  fileBlocks,
  memoryBlocks,
} from "./blocks.ts";
export type { Identity } from "../disk/files.ts";
export { type Checksums, readChecksums } from "./checksums.ts";
export { content, type ContentOptions } from "./content.ts";
export { sealed } from "./sealed.ts";
export type { Extent } from "../medium.ts";
export {
  type ChecksumTable,
  type DeviceNumbers as Device,
  Entry,
  type EntryFields,
  type EntryType,
  type FileContent,
  type RareFields,
} from "./entry.ts";
export { readTree, type ReadTreeOptions } from "./read_tree.ts";
export type { Compression } from "./rock_ridge.ts";
export {
  type HeadState,
  type Image,
  readImage,
  type Session,
} from "./sessions.ts";
export { Tree, type TreeParts, type TreeProblem } from "./tree.ts";
export type { Section, Volume } from "./volume.ts";
