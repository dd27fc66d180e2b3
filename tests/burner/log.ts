/** Reads the log of SCSI commands that the virtual burner keeps. */

/** A command that a drive got. */
export interface ScsiCommand {
  /** Its name in the standards, where tests may want it; else its code. */
  readonly name: string;
  /** The bytes of the command. */
  readonly cdb: readonly number[];
  /** First block, of READ and WRITE. */
  readonly lba?: number;
  /** Number of blocks, of READ and WRITE. */
  readonly blocks?: number;
  /** Write speed in 1000 bytes a second, of SET CD SPEED and SET STREAMING. */
  readonly speed?: number;
  /** Key, code and qualifier of the error, as `3/0C/00`; undefined if good. */
  readonly sense?: string;
}

/** Names of commands (SPC-4, MMC-6). */
const NAMES = new Map([
  [0x00, "TEST UNIT READY"],
  [0x04, "FORMAT UNIT"],
  [0x1b, "START STOP UNIT"],
  [0x1e, "PREVENT ALLOW MEDIUM REMOVAL"],
  [0x28, "READ"],
  [0x2a, "WRITE"],
  [0x35, "SYNCHRONIZE CACHE"],
  [0x53, "RESERVE TRACK"],
  [0x5b, "CLOSE TRACK SESSION"],
  [0xa1, "BLANK"],
  [0xa8, "READ"],
  [0xaa, "WRITE"],
  [0xb6, "SET STREAMING"],
  [0xbb, "SET CD SPEED"],
]);

/** Parses the lines of the log. */
export function parseLog(text: string): ScsiCommand[] {
  return text.split("\n").filter((line) => line !== "").map(parseLine);
}

/** `2A 00 00 00 02 80 00 00 20 00  len=65536 xfer=0 st=2 sense=3/0C/00` */
function parseLine(line: string): ScsiCommand {
  const [hex = "", rest = ""] = line.split("  ");
  const cdb = hex.split(" ").map((byte) => parseInt(byte, 16));
  const [code = 0] = cdb;
  const name = NAMES.get(code) ?? hex.slice(0, 2);
  const sense = / sense=(\S+)/.exec(` ${rest}`)?.[1];
  const data = / data=(\S+)/.exec(` ${rest}`)?.[1] ?? "";
  const speed = speedOf(name, cdb, data);
  return {
    name,
    cdb,
    ...(name === "READ" || name === "WRITE") && {
      lba: number(cdb, 2, 4),
      blocks: code < 0xa0 ? number(cdb, 7, 2) : number(cdb, 6, 4),
    },
    ...speed !== undefined && { speed },
    ...sense !== undefined && { sense },
  };
}

/** The speed is in the command on CD, and in its parameters elsewhere. */
function speedOf(
  name: string,
  cdb: readonly number[],
  data: string,
): number | undefined {
  if (name === "SET CD SPEED") return number(cdb, 4, 2);
  if (name !== "SET STREAMING" || data.length < 56) return undefined;
  const bytes = data.match(/../g)?.map((byte) => parseInt(byte, 16)) ?? [];
  // Write size is for write time, which is in milliseconds: 1000 of them.
  return number(bytes, 20, 4) * 1000 / number(bytes, 24, 4);
}

/** A big-endian number. */
function number(
  bytes: readonly number[],
  offset: number,
  length: number,
): number {
  return bytes.slice(offset, offset + length)
    .reduce((value, byte) => value * 256 + byte, 0);
}
