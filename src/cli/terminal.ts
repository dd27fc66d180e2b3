/**
 * Text for people: names that cannot fool a terminal, sizes, times and the progress line.
 *
 * All of it is pure but {@linkcode ProgressLine}, which writes to the screen that it is given.
 */
import type { Progress } from "../dialogue/answers.ts";

/** Where messages and progress go: standard error, or its stand-in in a test. */
export interface Screen {
  /** Whether a person may be looking, so that progress is shown. */
  readonly isTerminal: boolean;
  /** Columns of the terminal now, since a window can be resized; used only if it is one. */
  columns(): number;
  /** Writes text at once; it is short, and must not be overtaken. */
  write(text: string): void;
}

/**
 * What must not reach a terminal as it is: controls (ESC, C1), what cannot be seen or turns the direction
 * of writing (Unicode's Cf, with its bidi controls), line separators, and bytes that are not UTF-8.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Makes a text safe to print, by `\n`, `\xNN` for a byte and `\u{N}` for a character.
 *
 * For a message, in which a backslash is most often just that.
 */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escapeCharacter);
}

/** Makes a name safe to print and its escapes plain: a backslash of its own is doubled. */
export function escapeName(name: string): string {
  return escapeText(name.replaceAll("\\", "\\\\"));
}

/** The escape of one unsafe character. */
function escapeCharacter(character: string): string {
  const named = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
  if (named !== undefined) return named;
  const code = character.codePointAt(0) ?? 0;
  // A byte that is not UTF-8 is kept in a name as this lone surrogate.
  const byte = code >= 0xDC80 && code <= 0xDCFF ? code - 0xDC00 : code;
  return byte < 0x80 || byte !== code
    ? "\\x" + byte.toString(16).padStart(2, "0")
    : `\\u{${code.toString(16)}}`;
}

/** Writes a value as one line of JSON that is safe to print, too: unsafe characters as `\uNNNN`. */
export function formatJson(value: unknown): string {
  return JSON.stringify(value).replace(
    UNSAFE,
    (character) =>
      character.split("").map((unit) =>
        "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0")
      ).join(""),
  );
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Writes a number of bytes for people: `512 B`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.95 would be rounded to 1024.0 of the smaller unit.
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Writes a number of seconds for people: `0:07`, `1:02:03`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const head = hours > 0 ? `${hours}:${two(minutes)}` : String(minutes);
  return `${head}:${two(whole % 60)}`;
}

const PHASES: Readonly<Record<Progress["phase"], string>> = {
  reading: "Reading",
  staging: "Preparing",
  writing: "Writing",
  closing: "Closing the session",
  restoring: "Restoring",
  checking: "Checking",
  waiting: "Waiting for the drive",
  blanking: "Blanking",
  formatting: "Formatting",
};

/**
 * Writes a progress report as one line: phase, share, bytes, rate and time left, as far as they are known.
 *
 * @param progress Bytes done, bytes in total, and bytes per second.
 * @param columns The line is cut to be shorter than this, since a full line would make the terminal scroll.
 */
export function formatProgress(progress: Progress, columns: number): string {
  const { done, total, rate } = progress;
  const parts = [PHASES[progress.phase]];
  if (total !== undefined && total > 0) {
    const share = Math.min(100, Math.floor(done / total * 100));
    parts.push(`${share} %`, `${formatBytes(done)} of ${formatBytes(total)}`);
  } else if (done > 0) {
    parts.push(formatBytes(done));
  }
  if (rate !== undefined && rate > 0) {
    parts.push(`${formatBytes(Math.round(rate))}/s`);
    if (total !== undefined && total > done) {
      parts.push(`${formatDuration((total - done) / rate)} left`);
    }
  }
  return parts.join("  ").slice(0, Math.max(0, columns - 1));
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
