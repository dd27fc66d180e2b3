/** Asking xorriso about the medium: its kind and status, its sessions, its blocks. */

import { parseMedium, parseRegions, parseToc } from "../dialogue/answers.ts";
import { type Blocks, fileBlocks } from "../iso/blocks.ts";
import { driveBlocks } from "../iso/drive_blocks.ts";
import type { Extent, Medium, RecordedSession } from "../medium.ts";
import type { Session } from "./session.ts";

/** The medium, with its free space. */
export async function readMedium(session: Session): Promise<Medium> {
  const doing = session.doing("look at");
  const answers = await Promise.all([
    session.run("-toc", { doing, pipelined: true }),
    // xorriso knows the space only of what was opened for writing.
    ...(session.target.writable
      ? [session.run("-tell_media_space", { doing, pipelined: true })]
      : []),
  ]);
  const lines = answers.flatMap(({ results }) => results);
  const medium = parseMedium(lines);
  if (medium === undefined) throw session.unexpected(doing);
  return { ...medium, volumeId: session.medium?.volumeId };
}

/** The sessions on the medium, oldest first. */
export async function readSessions(
  session: Session,
): Promise<RecordedSession[]> {
  const doing = session.doing("look at");
  const { results } = await session.run("-toc", { doing });
  return parseToc(results).sessions;
}

/** Whether xorriso holds changes that are not written yet. */
export async function hasChanges(session: Session): Promise<boolean> {
  const doing = session.doing("look for changes of");
  const { results } = await session.run("-changes_pending show_status", doing);
  return results.some((line) => line.endsWith(" yes"));
}

/**
 * The blocks of the medium: straight from an image file; from a drive as xorriso copies them.
 *
 * @param end The block behind the last one that is to be read.
 */
export async function openBlocks(
  session: Session,
  end: number,
): Promise<Blocks> {
  const { image } = session.target;
  if (image !== undefined) return await fileBlocks(image.path, image.identity);
  return driveBlocks({
    name: session.device,
    blocks: end,
    tempDir: session.options.tempDir,
    copy: (range, target) => copyBlocks(session, range, target),
  });
}

/**
 * Copies blocks of the medium to a new file on disk, where block A is at byte
 * A x 2048.
 *
 * @returns The blocks that could not be read.
 */
export async function copyBlocks(
  session: Session,
  { lba, blocks }: Extent,
  target: string,
  signal?: AbortSignal,
): Promise<Extent[]> {
  const doing = session.doing("read blocks of");
  const { results, messages, problem } = await session.run([
    // If a run of blocks cannot be read, each of them is tried alone.
    ...["-check_media", "use=indev", "what=disc", "retry=on"],
    `min_lba=${lba}`,
    ...[`max_lba=${lba + blocks - 1}`, `data_to=${target}`, "--"],
    // xorriso reports an unreadable block as a problem.
  ], { doing, tolerant: true, signal });
  await session.requireSame(doing);
  // If the drive itself fails, xorriso calls blocks of zeros good.
  if (messages.some(isFailure)) throw problem ?? session.unexpected(doing);
  const regions = parseRegions(results);
  if (regions.length === 0) throw session.unexpected(doing, messages);
  return regions.filter(({ quality }) => quality.startsWith("-"));
}

/** Whether a message reports a problem other than unreadable blocks. */
function isFailure(message: string): boolean {
  return / : (?:SORRY|MISHAP|FAILURE|FATAL|ABORT) : /.test(message) &&
    !UNREADABLE.test(message);
}

/** What libburn says of unreadable blocks of a drive, and of an image. */
const UNREADABLE =
  / : SORRY : (?:SCSI error on read|Read start address|Cannot read desired)/;
