/** ISO 9660 images that nobody would make: written byte by byte, so that they can lie. */

import { BLOCK } from "../../src/medium.ts";

/** What a directory record says. */
export interface ForgedRecord {
  /** Its name of ISO 9660. */
  readonly id?: string;
  /** The first block and the number of bytes of what it is for. */
  readonly lba: number;
  readonly size: number;
  /** Flags: 2 for a directory, 0x80 where the file goes on. */
  readonly flags?: number;
  /** Its system use field. */
  readonly use?: Uint8Array;
}

/** A number in both byte orders. */
export function both(value: number): number[] {
  const bytes = [0, 8, 16, 24].map((shift) =>
    Math.floor(value / 2 ** shift) % 256
  );
  return [...bytes, ...bytes.toReversed()];
}

/** A system use entry. */
export function entry(
  signature: string,
  ...data: (number | Uint8Array)[]
): Uint8Array {
  const bytes = data.flatMap((part) =>
    typeof part === "number" ? [part] : [...part]
  );
  const [a = 0, b = 0] = [...signature].map((letter) => letter.charCodeAt(0));
  return Uint8Array.from([a, b, bytes.length + 4, 1, ...bytes]);
}

/** A name of Rock Ridge. */
export function name(text: string | Uint8Array, flags = 0): Uint8Array {
  const bytes = typeof text === "string"
    ? new TextEncoder().encode(text)
    : text;
  return entry("NM", flags, bytes);
}

/** A mode of Rock Ridge. */
export function mode(value: number): Uint8Array {
  return entry("PX", ...both(value), ...both(1), ...both(0), ...both(0));
}

/** Where the system use field goes on. */
export function more(lba: number, offset: number, length: number): Uint8Array {
  return entry("CE", ...both(lba), ...both(offset), ...both(length));
}

/** Puts bytes together. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A file with a name of Rock Ridge. */
export function file(
  text: string | Uint8Array,
  lba: number,
  size: number,
): ForgedRecord {
  return { lba, size, use: join(mode(0o100644), name(text)) };
}

/** A directory with a name of Rock Ridge. */
export function directory(
  text: string,
  lba: number,
  size = BLOCK,
): ForgedRecord {
  return { lba, size, flags: 2, use: join(mode(0o40755), name(text)) };
}

/** An image that is being forged; its root is block 20. */
export class Forgery {
  readonly #blocks = new Map<number, Uint8Array>();
  #next = 21;

  /** Reserves blocks; the first of them. */
  reserve(count = 1): number {
    const lba = this.#next;
    this.#next += count;
    return lba;
  }

  /** Puts bytes into blocks. */
  put(lba: number, bytes: Uint8Array): void {
    for (let at = 0; at < Math.max(bytes.length, 1); at += BLOCK) {
      const block = new Uint8Array(BLOCK);
      block.set(bytes.subarray(at, at + BLOCK));
      this.#blocks.set(lba + at / BLOCK, block);
    }
  }

  /** Puts the records of a directory, those for itself and its parent before them. */
  list(
    lba: number,
    records: readonly ForgedRecord[],
    isRoot = lba === 20,
  ): void {
    const self = isRoot
      ? join(entry("SP", 0xbe, 0xef, 0), mode(0o40755))
      : mode(0o40755);
    const all = [
      { id: "\0", lba, size: BLOCK, flags: 2, use: self },
      { id: "\x01", lba: 20, size: BLOCK, flags: 2, use: mode(0o40755) },
      ...records,
    ].map((each, index) => record({ id: `F${index};1`, ...each }));
    const bytes: number[] = [];
    for (const each of all) {
      const left = BLOCK - bytes.length % BLOCK;
      if (each.length > left) bytes.push(...new Uint8Array(left));
      bytes.push(...each);
    }
    this.put(lba, Uint8Array.from(bytes));
  }

  /** All bytes of the image. */
  bytes(
    { root = 20, rootSize = BLOCK }: { root?: number; rootSize?: number } = {},
  ): Uint8Array {
    const end = Math.max(
      this.#next,
      ...[...this.#blocks.keys()].map((lba) => lba + 1),
    );
    const primary = new Uint8Array(BLOCK);
    primary.set([1, ...new TextEncoder().encode("CD001"), 1]);
    primary.fill(0x20, 8, 72);
    primary.set(both(end), 80);
    primary.set([0, 8, 8, 0], 128);
    primary.set(record({ id: "\0", lba: root, size: rootSize, flags: 2 }), 156);
    this.put(16, primary);
    this.put(
      17,
      Uint8Array.from([255, ...new TextEncoder().encode("CD001"), 1]),
    );
    const bytes = new Uint8Array(end * BLOCK);
    for (const [lba, block] of this.#blocks) bytes.set(block, lba * BLOCK);
    return bytes;
  }
}

function record(
  { id = "", lba, size, flags = 0, use = new Uint8Array() }: ForgedRecord,
): number[] {
  const bytes = [
    ...[
      0,
      0,
      ...both(lba),
      ...both(size),
      126,
      1,
      1,
      0,
      0,
      0,
      0,
      flags,
      0,
      0,
      1,
      0,
      0,
      1,
    ],
    ...[id.length, ...new TextEncoder().encode(id)],
  ];
  if (bytes.length % 2 === 1) bytes.push(0);
  bytes.push(...use);
  if (bytes.length % 2 === 1) bytes.push(0);
  bytes[0] = bytes.length;
  return bytes;
}
