/**
 * A reader of ISO 9660 images for tests, written from the standards alone: ECMA-119, the Rock Ridge
 * and SUSP drafts, and the Joliet specification. It shares nothing with the module or with xorriso.
 */

const BLOCK = 2048;

/** A record of a directory. */
interface DirectoryRecord {
  readonly name: string;
  readonly lba: number;
  readonly size: number;
  readonly isDirectory: boolean;
  /** Whether the next record goes on with the same file. */
  readonly goesOn: boolean;
}

/** How names are stored in one of the trees. */
type Naming = "rock ridge" | "joliet";

/** Reads all files of the newest session. */
export class IsoReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** Takes a whole image. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** All regular files by path, each with its content. */
  files(naming: Naming): Map<string, Uint8Array> {
    const root = this.#findRoot(naming);
    const files = new Map<string, Uint8Array>();
    this.#collect("", root, naming, files);
    return files;
  }

  /** Looks through the volume descriptors (ECMA-119, 6.7.1 and 8). */
  #findRoot(naming: Naming): DirectoryRecord {
    for (let at = 16 * BLOCK;; at += BLOCK) {
      const type = this.#bytes[at];
      if (type === undefined || type === 255) break;
      if (this.#text(at + 1, 5) !== "CD001") break;
      const isJoliet = type === 2 && /^%\/[@CE]/.test(this.#text(at + 88, 3));
      if (naming === "joliet" ? isJoliet : type === 1) {
        return this.#record(at + 156, naming, 0);
      }
    }
    throw new Error(`The image has no tree with ${naming} names`);
  }

  #collect(
    path: string,
    directory: DirectoryRecord,
    naming: Naming,
    files: Map<string, Uint8Array>,
  ): void {
    let content: Uint8Array[] = [];
    for (const record of this.#records(directory, naming)) {
      const own = `${path}/${record.name}`;
      if (record.isDirectory) {
        this.#collect(own, record, naming, files);
        continue;
      }
      const { lba, size } = record;
      content.push(this.#bytes.slice(lba * BLOCK, lba * BLOCK + size));
      if (record.goesOn) continue;
      files.set(own, concat(content));
      content = [];
    }
  }

  /** The records of a directory but the first two, itself and its parent. */
  *#records(
    { lba, size }: DirectoryRecord,
    naming: Naming,
  ): Generator<DirectoryRecord> {
    const start = lba * BLOCK;
    let count = 0;
    for (let at = start; at < start + size;) {
      const length = this.#byte(at);
      if (length === 0) {
        // No record goes across the end of a block.
        at += BLOCK - (at % BLOCK);
        continue;
      }
      if (++count > 2) yield this.#record(at, naming, length);
      at += length;
    }
  }

  /** One record (ECMA-119, 9.1). */
  #record(at: number, naming: Naming, length: number): DirectoryRecord {
    const flags = this.#byte(at + 25);
    const nameLength = this.#byte(at + 32);
    const name = this.#bytes.subarray(at + 33, at + 33 + nameLength);
    // The system use field begins at an even offset.
    const use = 33 + nameLength + (nameLength % 2 === 0 ? 1 : 0);
    return {
      name: naming === "joliet"
        ? new TextDecoder("utf-16be").decode(name).replace(/;1$/, "")
        : new TextDecoder().decode(
          concat([...this.#nameParts(at + use, at + length)]),
        ),
      lba: this.#view.getUint32(at + 2, true),
      size: this.#view.getUint32(at + 10, true),
      isDirectory: (flags & 2) !== 0,
      goesOn: (flags & 0x80) !== 0,
    };
  }

  /** The parts of a name, in continuation areas, too (SUSP 5.1, RRIP 4.1.4). */
  *#nameParts(start: number, end: number): Generator<Uint8Array> {
    let area: { readonly at: number; readonly length: number } | undefined;
    for (let at = start; at + 4 <= end;) {
      const length = this.#byte(at + 2);
      const signature = this.#text(at, 2);
      if (length < 4 || signature === "ST") break;
      if (signature === "NM") yield this.#bytes.subarray(at + 5, at + length);
      if (signature === "CE") {
        area = {
          at: this.#view.getUint32(at + 4, true) * BLOCK +
            this.#view.getUint32(at + 12, true),
          length: this.#view.getUint32(at + 20, true),
        };
      }
      at += length;
    }
    if (area) yield* this.#nameParts(area.at, area.at + area.length);
  }

  #byte(at: number): number {
    return this.#view.getUint8(at);
  }

  #text(at: number, length: number): string {
    return new TextDecoder("latin1").decode(
      this.#bytes.subarray(at, at + length),
    );
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(
    parts.reduce((length, part) => length + part.length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
