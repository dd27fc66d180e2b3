/** What is known of the medium: its kind and state, its sessions, its blocks. */

import { parseMedium, parseRegions, parseToc } from "../dialogue/answers.ts";
import { type Blocks, fileBlocks } from "../iso/blocks.ts";
import { driveBlocks } from "../iso/drive_blocks.ts";
import type { BlockRange, Medium, RecordedSession } from "../medium.ts";
import type { Session } from "./session.ts";

/** What medium it is. */
export async function readMedium(session: Session): Promise<Medium> {
  const doing = session.doing("look at");
  const answers = await Promise.all([
    session.run("-toc", { doing, pipelined: true }),
    // Only what was opened for writing has space to tell.
    ...(session.target.writable
      ? [session.run("-tell_media_space", { doing, pipelined: true })]
      : []),
  ]);
  const lines = answers.flatMap(({ results }) => results);
  const medium = parseMedium(lines);
  if (medium === undefined) throw session.nonsense(doing);
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
 * The blocks of the medium: of an image file as they are in it, of a drive as xorriso copies them.
 *
 * @param end The block behind the last that is wanted; xorriso would look for the end of the
 * medium at its beginning.
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
 * @returns What could not be read.
 */
export async function copyBlocks(
  session: Session,
  { lba, blocks }: BlockRange,
  target: string,
  signal?: AbortSignal,
): Promise<BlockRange[]> {
  const doing = session.doing("read blocks of");
  const { results, messages, problem } = await session.run([
    // Where a run cannot be read, block by block it can be but for some.
    ...["-check_media", "use=indev", "what=disc", "retry=on"],
    `min_lba=${lba}`,
    ...[`max_lba=${lba + blocks - 1}`, `data_to=${target}`, "--"],
    // That a block cannot be read is told by a problem, too.
  ], { doing, tolerant: true, signal });
  await session.requireSame(doing);
  // Where the drive itself fails, xorriso takes zeros for good blocks.
  if (messages.some(isFailure)) throw problem ?? session.nonsense(doing);
  const regions = parseRegions(results);
  if (regions.length === 0) throw session.nonsense(doing, messages);
  return regions.filter(({ quality }) => quality.startsWith("-"));
}

/** Whether a message tells of something else than blocks that are unreadable. */
function isFailure(message: string): boolean {
  return / : (?:SORRY|MISHAP|FAILURE|FATAL|ABORT) : /.test(message) &&
    !UNREADABLE.test(message);
}

/** What libburn tells of blocks of a drive, and of an image. */
const UNREADABLE =
  / : SORRY : (?:SCSI error on read|Read start address|Cannot read desired)/;
