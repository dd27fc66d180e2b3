/** What a drive says by its log of SCSI commands: that it is not ready, or that the medium was exchanged. */

/** Sense data, as key and additional code (MMC), that tell something about the drive or its medium. */
const SENSES = {
  /** There is no medium, or the tray is open. */
  absent: "2/3A",
  /** It is becoming ready, or is not ready. */
  unready: "2/04",
  /** A block could not be read. */
  unreadable: "3/11",
  /** The medium may have been exchanged. */
  exchanged: "6/28",
} as const;

/** Milliseconds after which a drive that is still not ready has said so again. */
const FRESH = 2000;

/**
 * The log of SCSI commands (`-scsi_log on`), which alone shows that a medium was
 * exchanged: libburn silently repeats a command to which the drive answers so
 * (MMC-6, unit attention 28h), and xorriso would write the tree of the old
 * medium over the new one.
 */
export class DriveLog {
  /** Answers, by key and code, since the last `reset()`. */
  readonly #senses = new Set<string>();
  readonly #patience: number;
  /** When the drive was first, and last, not ready (ms). */
  #unready = { since: 0, last: -Infinity };

  /** Called when the drive is not ready in time, since xorriso would wait silently for minutes. */
  onLate: () => void = () => {};

  /** @param patience Milliseconds that a drive may need to become ready. */
  constructor(patience: number) {
    this.#patience = patience;
  }

  /** Whether the drive has answered so since the last `reset()`. */
  has(what: keyof typeof SENSES): boolean {
    return this.#senses.has(SENSES[what]);
  }

  /** Takes one line of standard error; returns whether it belongs to the log. */
  take(line: string): boolean {
    const [, key, code] = /^\+\+\+ key=(\S) +asc=(\S\S)h/.exec(line) ?? [];
    if (key !== undefined) {
      this.#senses.add(`${key}/${code}`);
      if (`${key}/${code}` === SENSES.unready) this.#watch(performance.now());
    }
    return LOG_LINE.test(line);
  }

  /** Forgets the answers so far. */
  reset(): void {
    this.#senses.clear();
  }

  #watch(now: number): void {
    const { since, last } = this.#unready;
    const begin = now - last < FRESH ? since : now;
    this.#unready = { since: begin, last: now };
    if (now - begin > this.#patience) this.onLate();
  }
}

/** A line of the log: name of a command, its bytes, reply, sense data, or duration. */
const LOG_LINE =
  /^(?:[A-Z][A-Z0-9 /_()+-]*|(?:[0-9a-f]{2} ?)+|From drive: \d+b|To drive: \d+b|\+\+\+ .*| +\d+ us .*|\.\.\..*)$/;
