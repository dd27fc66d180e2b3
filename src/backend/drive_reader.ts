/** Reading a medium in a drive: sessions from its table of contents, names from its blocks. */

import { BLOCK, blocksOf, type RecordedSession } from "../medium.ts";
import { isCode } from "../errors.ts";
import type { Blocks } from "../iso/mod.ts";
import { driveBlocks } from "../iso/drive_blocks.ts";
import { readSession } from "../iso/sessions.ts";
import { copyBlocks, readSessions } from "../session/medium.ts";
import type { Session } from "../session/session.ts";
import {
  findSession,
  readSnapshot,
  Snapshot,
  type SnapshotOptions,
} from "./snapshot.ts";

/** Blocks that every session has at least; they hold its descriptors. */
const LEAST = 32;

/** Reads the medium that a session has open. */
export class DriveReader {
  readonly #session: Session;
  /** Number of blocks up to the end of the last session. */
  #end = 0;

  /** Nothing is read yet. */
  constructor(session: Session) {
    this.#session = session;
  }

  /** Opens the blocks, up to the end of the last session unless told otherwise. */
  #open(end = this.#end): Blocks {
    const session = this.#session;
    return driveBlocks({
      name: session.device,
      blocks: end,
      tempDir: session.options.tempDir,
      copy: (range, target) => copyBlocks(session, range, target),
    });
  }

  /** Reads the session that is wanted, else the newest; or with `since`, what has changed. */
  async read(options: SnapshotOptions): Promise<Snapshot> {
    const { directory, wanted, since } = options;
    if (since !== undefined) return await this.#readNext(since, options);
    const sessions = await this.sessions();
    const { loaded, foreign, device } = this.#session;
    if (foreign !== undefined || sessions.length === 0) {
      return new Snapshot(directory);
    }
    const dated = wanted instanceof Date ? await this.dated() : sessions;
    // With `recover`, xorriso may have loaded an older session, or none.
    const shown = wanted === undefined && loaded === 0
      ? undefined
      : findSession(dated, wanted ?? loaded, device);
    if (shown === undefined) return new Snapshot(directory, { sessions });
    await using blocks = this.#open();
    const session = await readSession(blocks, shown.lba, shown.number);
    const open = () => this.#open();
    return await readSnapshot(blocks, session, options, { sessions, open });
  }

  /** Reads a session that this program has written, without asking the drive for it. */
  async #readNext(
    { known, lba }: NonNullable<SnapshotOptions["since"]>,
    options: SnapshotOptions,
  ): Promise<Snapshot> {
    const number = known.sessions.length + 1;
    await using head = this.#open(Math.max(this.#end, lba + LEAST));
    const session = await readSession(head, lba, number);
    const { size, volumeId } = session;
    this.#end = Math.max(this.#end, lba + size);
    const added = { number, lba, size: size * BLOCK, volumeId };
    const sessions = [...known.sessions, added];
    await using blocks = this.#open();
    const open = () => this.#open();
    return await readSnapshot(blocks, session, options, { sessions, open });
  }

  /** The sessions in the drive's table of contents. */
  async sessions(): Promise<RecordedSession[]> {
    const sessions = await readSessions(this.#session);
    this.#end = sessions.reduce(
      (end, { lba, size }) => Math.max(end, lba + blocksOf(size)),
      0,
    );
    return sessions;
  }

  /** The same, with the dates in their descriptors if these can be read. */
  async dated(): Promise<RecordedSession[]> {
    const dated: RecordedSession[] = [];
    const sessions = await this.sessions();
    await using blocks = this.#open();
    for (const session of sessions) {
      try {
        const { lba, number } = session;
        const { date } = await readSession(blocks, lba, number);
        dated.push({ ...session, ...(date && { date }) });
      } catch (error) {
        if (!isCode(error, "READ_ERROR") && !isCode(error, "NOT_ISO")) {
          throw error;
        }
        dated.push(session);
      }
    }
    return dated;
  }
}
