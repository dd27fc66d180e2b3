/** What an interrupted commit has left in an image file, and what else lies where the next one would write. */

import type { ImageFile } from "../disk/image.ts";
import { isCode } from "../errors.ts";
import { foreignBehind, readBehind } from "../iso/behind.ts";
import { headOf } from "../iso/head.ts";
import { fileBlocks, readImage } from "../iso/mod.ts";
import { BLOCK } from "../medium.ts";

/** What a commit that was interrupted, or is still under way, has left in an image. */
export interface Remains {
  /** An incomplete first session, a head that does not fit the sessions, or a session behind the newest one. */
  readonly kind: "first" | "head" | "behind";
  /** The same in words. */
  readonly what: string;
  /** Removes or completes it; undefined where that is impossible. */
  readonly mend: (() => Promise<void>) | undefined;
}

/** What an image holds besides its sessions. */
export interface Findings {
  readonly remains?: Remains;
  /** In words, what another program has put behind the newest session. */
  readonly foreign?: string | undefined;
  /** Whether it has no list of sessions, nor gets one, as other programs make images. */
  readonly isUnlisted?: boolean;
}

/** Finds what an image holds besides its sessions. */
export async function findRemains(image: ImageFile): Promise<Findings> {
  const state = await image.inspect();
  const first = "its first session is not complete";
  if (state === "interrupted") {
    const mend = () => image.cut(0);
    return { remains: { kind: "first", what: first, mend } };
  }
  if (state === "blank" || state === "foreign") return {};
  await using blocks = await fileBlocks(image.path, image.identity);
  try {
    const found = await readImage(blocks);
    if (found.head !== "sound" && found.head !== "behind") {
      const head = await headOf(blocks, found);
      const isFirst = state === "headless";
      const what = isFirst
        ? first
        : found.head === "cut"
        ? "the file ends before its newest session does"
        : "its beginning does not fit its sessions";
      const mend = head && (async () => {
        await image.replaceHead(head);
        // The rest of a session that was cut off is removed, too; nothing else is.
        const { remains } = await findRemains(image);
        if (remains?.kind === "behind") await remains.mend?.();
      });
      const kind = isFirst ? "first" : "head";
      return { remains: { kind, what, mend } };
    }
    const behind = await readBehind(blocks, found);
    if (behind?.kind !== "unfinished") {
      const foreign = foreignBehind(behind, blocks.byteLength);
      return { foreign, isUnlisted: found.newest.lba === 0 };
    }
    const what =
      `a session that it does not show lies behind block ${behind.end}`;
    const mend = () => image.cut(behind.end * BLOCK);
    return { remains: { kind: "behind", what, mend } };
  } catch (error) {
    // What is no image, or cannot be read at all, fails later in the opening.
    if (isCode(error, "NOT_ISO") || isCode(error, "IMAGE_DAMAGED")) return {};
    throw error;
  }
}
