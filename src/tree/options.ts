/** Options and results of storing, restoring and comparing whole trees. */

import type { EntryType } from "../backend/index.ts";
import type { GetOptions, PutOptions } from "../backend/options.ts";
import type { Progress } from "../options.ts";

/** A file or folder to be stored, and under which name. */
export interface TreeSource {
  /** A path or a `file:` URL. */
  readonly path: string | URL;
  /**
   * Its name on the medium, relative to the backend's directory; "" for the
   * directory itself. @default {the last part of the path}
   */
  readonly as?: string | undefined;
}

/** Which names of a folder on disk are stored or compared. */
export interface TreeFilterOptions {
  /**
   * Globs on the path relative to the folder: what matches is left out, with
   * all below it. The last pattern that matches wins; one that begins with `!`
   * takes back, one that ends with `/` is for folders alone. @default {[]}
   */
  readonly exclude?: readonly string[];
  /** File with such patterns, one a line; those of `exclude` follow them. */
  readonly excludeFrom?: string | URL;
  /** Leave out folders with a valid `CACHEDIR.TAG`. @default {false} */
  readonly cacheTags?: boolean;
  /** Store a folder where another file system is mounted as an empty one. @default {false} */
  readonly oneFileSystem?: boolean;
  /**
   * Store symbolic links, or what they point to, or nothing for them.
   * @default {"store"}
   */
  readonly links?: "store" | "follow" | "skip";
}

/** How to store or restore a tree. */
export interface TreeOptions {
  /** Change nothing, only tell what would be done. @default {false} */
  readonly dryRun?: boolean;
  /** Gives up: nothing is stored then; files that have been restored stay, and are complete. */
  readonly signal?: AbortSignal;
  /** Takes progress reports. */
  readonly onProgress?: (progress: Progress) => void;
  /** Called for each name when it is known what becomes of it. */
  readonly onEntry?: (event: TreeEvent) => void;
}

/** How to store a tree. */
export interface PutTreeOptions
  extends TreeFilterOptions, TreeOptions, Pick<PutOptions, "verify"> {
  /**
   * Its name on the medium; "" stores what is in the folder in the backend's
   * directory itself. @default {the last part of the path}
   */
  readonly as?: string;
  /**
   * Remove names from the medium that are no longer in the folder, but not
   * those that were left out. A file that has moved is moved on the medium. An
   * empty folder of which anything would be removed is SOURCE_UNREADABLE: what
   * belongs there may not be mounted. @default {false}
   */
  readonly mirror?: boolean;
  /**
   * What shows that a file has not changed: by `time` its size and time of
   * modification, and its checksum where that time is too recent to prove
   * anything; by `checksum` this alone; `store` stores all again.
   * @default {"time"}
   */
  readonly unchanged?: "time" | "checksum" | "store";
}

/** What has become of one name. */
export interface TreeEvent {
  /** What was, or with a dry run would be, done. */
  readonly kind:
    | "stored"
    | "restored"
    | "unchanged"
    | "attributes"
    | "moved"
    | "removed"
    | "left";
  /** Why it was stored: see {@linkcode TreeChange}. */
  readonly change?: "added" | "type" | "content";
  /** Its name on the medium, relative to the backend's directory. */
  readonly name: string;
  /** Bytes of a file whose content was written. */
  readonly size?: number;
  /** What the name was before it was moved. */
  readonly from?: string;
  /** Why it was left. */
  readonly error?: Error;
}

/**
 * Why something was not stored or restored.
 *
 * | reason | when |
 * |---|---|
 * | special | it is no file, folder or link |
 * | image | it is the image that is written to |
 * | unreadable | it cannot be read |
 * | name | the medium, or this disk, cannot have its name |
 * | changed | it kept changing |
 * | exists | something else has its name |
 * | links | it is a link that cannot be followed or made |
 * | attributes | it was restored, but some of its attributes could not be set |
 * | failed | it could not be written |
 */
export type LeftReason =
  | "special"
  | "image"
  | "unreadable"
  | "name"
  | "changed"
  | "exists"
  | "links"
  | "attributes"
  | "failed";

/** Something that was not stored or restored. */
export interface LeftOut {
  /** Its name on the medium, relative to the backend's directory. */
  readonly name: string;
  /** Its path on disk. */
  readonly path?: string;
  /** Why, in one word. */
  readonly reason: LeftReason;
  /** Why, in words. */
  readonly error: Error;
}

/** A file that was stored from a copy, as it was at some moment. */
export interface CopiedFile {
  /** Its name on the medium, relative to the backend's directory. */
  readonly name: string;
  /**
   * Why: it was written within the last 2 s (`recent`), it was seen to change
   * (`changing`), or it is longer or shorter than the file system tells (`length`).
   */
  readonly reason: "recent" | "changing" | "length";
}

/** What a call has done; with `dryRun`, what it would have. */
export interface TreeResult {
  /** Files whose content was written. */
  readonly files: number;
  /** Bytes of their contents. */
  readonly bytes: number;
  /** Folders made. */
  readonly folders: number;
  /** Symbolic links made. */
  readonly links: number;
  /** Names that were there already, and the same; folders only count when a tree is stored. */
  readonly unchanged: number;
  /** What was not stored or restored. */
  readonly left: readonly LeftOut[];
}

/** What a call has stored; with `dryRun`, what it would have. */
export interface PutTreeResult extends TreeResult {
  /** Names of which only times, modes or owners were written. */
  readonly attributes: number;
  /** Files that were moved on the medium. */
  readonly moved: number;
  /** Names that were removed. */
  readonly removed: number;
  /** Names that were left out as the options say, folders with all below them. */
  readonly excluded: number;
  /** Files that were stored from a copy. */
  readonly copied: readonly CopiedFile[];
  /** Bytes that the content takes on the medium, in whole blocks. */
  readonly needed: number;
  /** With `dryRun`: bytes of content that fit on the medium. */
  readonly free?: number;
}

/** How to restore a tree. */
export interface GetTreeOptions
  extends TreeOptions, Pick<GetOptions, "setId" | "verify" | "sync"> {
  /**
   * Directory whose name the names on disk do not begin with.
   * @default {the one directory that is restored}, or ""
   */
  readonly base?: string;
  /** Globs on the names below `base`, as with {@linkcode TreeFilterOptions}. @default {[]} */
  readonly exclude?: readonly string[];
  /**
   * Which files and links that are there already are replaced. Those that
   * differ and are not are in `left`. @default {"never"}
   */
  readonly overwrite?: "never" | "differing" | "always";
  /** Restore owners and groups. @default {true} for root */
  readonly owner?: boolean;
}

/** How to compare a folder with what is stored of it. */
export interface CompareTreeOptions
  extends TreeFilterOptions, Pick<PutTreeOptions, "as"> {
  /** Compare all files by their checksums. @default {false} */
  readonly checksums?: boolean;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/** An attribute of a file, folder or link. */
export type Attribute = "mode" | "owner" | "mtime";

/** A difference between two trees. */
export interface TreeChange {
  /**
   * `added` and `removed`: there is no such name in the older or newer tree;
   * `type`, `content`: it is, or holds, something else; `attributes`: nothing
   * but these differ.
   */
  readonly kind: "added" | "removed" | "type" | "content" | "attributes";
  /** Name relative to the backend's directory. */
  readonly name: string;
  /** What it is in the newer tree, or was before it was removed. */
  readonly type: EntryType;
  /** Attributes that differ. */
  readonly attributes: readonly Attribute[];
}
