/** The line that shows how far a command has come, drawn again and again on a terminal. */
import type { Progress } from "../options.ts";
import { formatBytes, formatDuration } from "./terminal.ts";

/** Where messages and progress go: standard error, or its stand-in in a test. */
export interface Screen {
  /** Whether a person may be looking, so that progress is shown. */
  readonly isTerminal: boolean;
  /** Columns of the terminal now, since a window can be resized; used only if it is one. */
  columns(): number;
  /** Writes text at once; it is short, and must not be overtaken. */
  write(text: string): void;
}

const PHASES: Readonly<Record<Progress["phase"], string>> = {
  reading: "Reading",
  staging: "Preparing",
  writing: "Writing",
  closing: "Closing the session",
  restoring: "Restoring",
  checking: "Checking",
  waiting: "Waiting for the drive",
  resting: "Waiting for an unfinished commit",
  blanking: "Blanking",
  formatting: "Formatting",
};

/**
 * Writes a progress report as one line: phase, share, time left, rate, bytes, as far as they are known.
 *
 * @param progress Bytes done, bytes in total, and bytes per second.
 * @param columns The line is shorter than this, since a full line would make the terminal scroll; parts that
 * do not fit are left out, as a number that is cut would be another number.
 */
export function formatProgress(progress: Progress, columns: number): string {
  const { phase, done, total = 0, rate = 0 } = progress;
  const share = Math.min(100, Math.floor(done / total * 100));
  const parts = [
    PHASES[phase],
    total > 0 && `${share} %`,
    rate > 0 && total > done && `${formatDuration((total - done) / rate)} left`,
    rate > 0 && `${formatBytes(Math.round(rate))}/s`,
    done > 0 &&
    formatBytes(done) + (total > 0 ? ` of ${formatBytes(total)}` : ""),
  ];
  let line = "";
  for (const part of parts) {
    if (part === false) continue;
    const longer = line === "" ? part : `${line}  ${part}`;
    if (longer.length < columns) line = longer;
  }
  return line;
}

/** Milliseconds between two drawings: often enough to look alive, too seldom to cost anything. */
const REDRAW = 100;

/**
 * One line on the screen that is drawn again and again.
 *
 * Every other text for the screen must go through {@linkcode ProgressLine.print}, or it would be appended to
 * the line.
 */
export class ProgressLine {
  readonly #screen: Screen;
  readonly #now: () => number;
  #phase: string | undefined;
  /** When and at how many bytes this phase was first seen. */
  #start = { time: 0, done: 0 };
  #drawn: number | undefined;

  /**
   * Draws nothing yet.
   *
   * @param screen Where to draw; nothing is drawn if it is no terminal.
   * @param now A clock in milliseconds.
   */
  constructor(screen: Screen, now: () => number = () => performance.now()) {
    this.#screen = screen;
    this.#now = now;
  }

  /** Draws a report, unless one of the same phase was drawn just now. */
  update(progress: Progress): void {
    if (!this.#screen.isTerminal) return;
    const time = this.#now();
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase;
      this.#start = { time, done: progress.done };
    } else if (this.#drawn !== undefined && time - this.#drawn < REDRAW) {
      return;
    }
    const text = formatProgress(
      { ...progress, rate: progress.rate ?? this.#average(progress, time) },
      this.#screen.columns(),
    );
    // Over the old line, then erase what is left of it.
    this.#screen.write(`\r${text}\x1b[K`);
    this.#drawn = time;
  }

  /** Writes a line of text where the progress was; the next report is drawn below it. */
  print(text: string): void {
    this.clear();
    this.#screen.write(text + "\n");
  }

  /** Erases the line. */
  clear(): void {
    if (this.#drawn === undefined) return;
    this.#screen.write("\r\x1b[K");
    this.#drawn = undefined;
  }

  /** Bytes per second since the phase began, `undefined` before this says anything. */
  #average(progress: Progress, time: number): number | undefined {
    const seconds = (time - this.#start.time) / 1000;
    return seconds < 0.5
      ? undefined
      : (progress.done - this.#start.done) / seconds;
  }
}
