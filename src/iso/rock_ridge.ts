/**
 * Rock Ridge: the entries in the system use field of a directory record (SUSP 1.12, 5; RRIP 1.12, 4),
 * with the extended attributes of libisofs (AAIP).
 */

import { bigEndian, longDate, shortDate, u32 } from "../bytes.ts";

/** Signatures of system use entries, as numbers. */
const [AA, AL, CE, CL, NM, PN, PX, RE, SL, SP, ST, TF, Z2, ZF] =
  "AA AL CE CL NM PN PX RE SL SP ST TF Z2 ZF".split(" ")
    .map((name) => name.charCodeAt(0) << 8 | name.charCodeAt(1));

/** Continuation areas that a record may have, and bytes of one: attributes may be long. */
const MAX_AREAS = 64;
const MAX_AREA = 1 << 16;

/** Bytes that are kept of a name or of the text of a link: Linux and xorriso take fewer. */
const MAX_TEXT = 5000;

/** A continuation area, where a system use field goes on (CE; SUSP 1.12, 5.1). */
export interface Continuation {
  /** Its block. */
  readonly lba: number;
  /** Where in the block. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/** How content is compressed (ZF). */
export interface Compression {
  /** `pz` for zisofs, `PZ` for its second version, which takes large files. */
  readonly algorithm: string;
  /** Bytes of the header. */
  readonly header: number;
  /** Bytes of content in each compressed block. */
  readonly block: number;
}

/** What the system use entries of one record say. */
export class RockRidge {
  /** Whether there is an entry SP, by which the root says that SUSP is used. */
  isUsed = false;
  /** Bytes before the entries in all other records, by SP. */
  skip = 0;
  /** The bytes of the name; undefined if there is none. */
  name: Uint8Array | undefined;
  /** Whether a flag says that the name is `.` or `..`. */
  isDots = false;
  mode: number | undefined;
  links = 1;
  uid = 0;
  gid = 0;
  inode: number | undefined;
  /** Milliseconds since 1970. */
  mtime = NaN;
  /** Bytes of a symbolic link's text. */
  target: number[] | undefined;
  device: { readonly major: number; readonly minor: number } | undefined;
  /** Where a relocated directory is. */
  child: number | undefined;
  /** Whether this is a relocated directory, which is shown elsewhere. */
  isRelocated = false;
  compression: Compression | undefined;
  /** Bytes when decompressed. */
  inflated = 0;
  /** Value of the attribute `isofs.cx`: which of the recorded MD5s is that of the content. */
  checksumIndex: number | undefined;
  /** Value of `isofs.ca`: where these are. */
  checksums: Uint8Array | undefined;

  /** Whether the last component of a link goes on in the next one. */
  #isLinkOpen = false;
  /** The last letter of the attribute whose value comes next; 0 for attributes that are not needed. */
  #attribute: number | undefined;
  /** The bytes so far of a component of an attribute that goes on in the next entry. */
  #begun: number[] | undefined;

  /**
   * Parses the system use field from `start` to `end`.
   *
   * @param peek Gives the bytes of a continuation area; undefined if they have not been read.
   * @returns The area that is to be read: then the record is to be parsed again, from the beginning.
   */
  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    peek: (area: Continuation) => Uint8Array | undefined,
  ): Continuation | undefined {
    let next = this.#parseEntries(bytes, start, end);
    for (let areas = 0; next !== undefined && areas < MAX_AREAS; areas++) {
      const area = peek(next);
      if (area === undefined) return next;
      next = this.#parseEntries(area, 0, area.length);
    }
    return undefined;
  }

  /** Parses entries that lie together; returns the area where they go on. */
  #parseEntries(
    bytes: Uint8Array,
    start: number,
    end: number,
  ): Continuation | undefined {
    let next: Continuation | undefined;
    for (let at = start; at + 4 <= end;) {
      const length = bytes[at + 2] ?? 0;
      if (length < 4 || at + length > end) break;
      const signature = (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0);
      if (signature === ST) break;
      if (signature === CE && length >= 28) {
        next = {
          lba: u32(bytes, at + 4),
          offset: u32(bytes, at + 12),
          length: Math.min(u32(bytes, at + 20), MAX_AREA),
        };
      } else this.#parseEntry(signature, bytes, at, at + length);
      at += length;
    }
    return next;
  }

  #parseEntry(
    signature: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): void {
    switch (signature) {
      case NM:
        return this.#parseName(bytes, at, end);
      case PX:
        return this.#parseAttributes(bytes, at, end);
      case TF:
        return this.#parseTimes(bytes, at, end);
      case AL:
        return this.#parseExtended(bytes, at, end);
      case AA:
        // Version 2 is used by Apple for something else.
        if (bytes[at + 3] === 1) this.#parseExtended(bytes, at, end);
        return;
      case SL:
        return this.#parseLink(bytes, at, end);
      case SP:
        if (bytes[at + 4] === 0xbe && bytes[at + 5] === 0xef) {
          this.skip = bytes[at + 6] ?? 0;
          this.isUsed = true;
        }
        return;
      case CL:
        this.child = u32(bytes, at + 4);
        return;
      case RE:
        this.isRelocated = true;
        return;
      case PN:
        this.device = {
          major: u32(bytes, at + 4),
          minor: u32(bytes, at + 12),
        };
        return;
      case ZF:
      case Z2:
        return this.#parseCompression(bytes, at);
    }
  }

  /** NM (RRIP 1.12, 4.1.4). */
  #parseName(bytes: Uint8Array, at: number, end: number): void {
    if (((bytes[at + 4] ?? 0) & 6) !== 0) this.isDots = true;
    const part = bytes.subarray(at + 5, end);
    const before = this.name;
    if (before === undefined) {
      this.name = part;
    } else if (before.length < MAX_TEXT) {
      this.name = new Uint8Array(before.length + part.length);
      this.name.set(before);
      this.name.set(part, before.length);
    }
  }

  /** PX (RRIP 1.12, 4.1.1); the inode is new in 1.12. */
  #parseAttributes(bytes: Uint8Array, at: number, end: number): void {
    if (end - at < 36) return;
    this.mode = u32(bytes, at + 4);
    this.links = u32(bytes, at + 12);
    this.uid = u32(bytes, at + 20);
    this.gid = u32(bytes, at + 28);
    if (end - at >= 44) this.inode = u32(bytes, at + 36);
  }

  /** TF (RRIP 1.12, 4.1.6): the times that the flags name, of creation first, then of modification. */
  #parseTimes(bytes: Uint8Array, at: number, end: number): void {
    const flags = bytes[at + 4] ?? 0;
    if ((flags & 2) === 0) return;
    const isLong = (flags & 0x80) !== 0;
    const length = isLong ? 17 : 7;
    const from = at + 5 + ((flags & 1) === 0 ? 0 : length);
    if (from + length > end) return;
    this.mtime = isLong ? longDate(bytes, from) : shortDate(bytes, from);
  }

  /** SL (RRIP 1.12, 4.1.3): components, each with flags and a length. */
  #parseLink(bytes: Uint8Array, at: number, end: number): void {
    const text = this.target ??= [];
    for (let part = at + 5; part + 2 <= end;) {
      const flags = bytes[part] ?? 0;
      const stop = Math.min(part + 2 + (bytes[part + 1] ?? 0), end);
      const isRoot = (flags & 8) !== 0;
      const needsSlash = !this.#isLinkOpen && text.length > 0 &&
        text.at(-1) !== 0x2f;
      if (needsSlash) text.push(0x2f);
      if (isRoot) text.push(0x2f);
      else if ((flags & 2) !== 0) text.push(0x2e);
      else if ((flags & 4) !== 0) text.push(0x2e, 0x2e);
      else if (text.length < MAX_TEXT) {
        text.push(...bytes.subarray(part + 2, stop));
      }
      this.#isLinkOpen = (flags & 1) !== 0;
      part = stop;
    }
  }

  /** ZF, as zisofs defines it. */
  #parseCompression(bytes: Uint8Array, at: number): void {
    const algorithm = String.fromCharCode(
      bytes[at + 4] ?? 0,
      bytes[at + 5] ?? 0,
    );
    if (algorithm !== "pz" && algorithm !== "PZ") return;
    this.compression = {
      algorithm,
      header: (bytes[at + 6] ?? 0) * 4,
      block: 2 ** (bytes[at + 7] ?? 0),
    };
    this.inflated = u32(bytes, at + 8);
    if (algorithm === "PZ") this.inflated += u32(bytes, at + 12) * 2 ** 32;
    // No medium holds more.
    this.inflated = Math.min(this.inflated, Number.MAX_SAFE_INTEGER);
  }

  /**
   * AL (AAIP): components, in turn the name and the value of an attribute; one may go on in the next
   * entry. Nearly every record has one, so those that are whole are not copied.
   */
  #parseExtended(bytes: Uint8Array, at: number, end: number): void {
    for (let part = at + 5; part + 2 <= end;) {
      const from = part + 2;
      const to = Math.min(from + (bytes[part + 1] ?? 0), end);
      const goesOn = ((bytes[part] ?? 0) & 1) !== 0;
      part = to;
      if (!goesOn && this.#begun === undefined) {
        this.#keepComponent(bytes, from, to);
        continue;
      }
      const begun = this.#begun ??= [];
      begun.push(...bytes.subarray(from, to));
      if (goesOn) continue;
      this.#begun = undefined;
      this.#keepComponent(Uint8Array.from(begun), 0, begun.length);
    }
  }

  /** Keeps two attributes of libisofs, in whose names the byte 4 stands for "isofs.". */
  #keepComponent(bytes: Uint8Array, from: number, to: number): void {
    const attribute = this.#attribute;
    if (attribute === undefined) {
      const isKnown = to - from === 3 && bytes[from] === 4 &&
        bytes[from + 1] === 0x63;
      this.#attribute = isKnown ? bytes[from + 2] : 0;
      return;
    }
    this.#attribute = undefined;
    if (attribute === 0x78) this.checksumIndex = bigEndian(bytes, from, to);
    if (attribute === 0x61) this.checksums = bytes.slice(from, to);
  }
}
