/**
 * What Rock Ridge adds to a directory record: the entries of its system use field (SUSP 1.12, 5;
 * RRIP 1.12, 4) and libisofs's attributes (AAIP).
 */

import { bigEndian, longDate, shortDate, u32 } from "../bytes.ts";

/** Signatures of entries, as numbers. */
const [AA, AL, CE, CL, NM, PN, PX, RE, SL, SP, ST, TF, Z2, ZF] = [
  ...["AA", "AL", "CE", "CL", "NM", "PN", "PX"],
  ...["RE", "SL", "SP", "ST", "TF", "Z2", "ZF"],
].map((name) => name.charCodeAt(0) << 8 | name.charCodeAt(1));

/** Continuation areas that a record may have, and bytes of one: attributes may be long. */
const MAX_AREAS = 64;
const MAX_AREA = 1 << 16;

/** Bytes of a name or link text that are kept; neither Linux nor xorriso takes as many. */
const MAX_TEXT = 5000;

/** Where a system use field goes on (SUSP 1.12, 5.1). */
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
  /** `pz` is zlib, `PZ` its later form for large files. */
  readonly algorithm: string;
  /** Bytes of the header. */
  readonly header: number;
  /** Bytes of a compressed block's content. */
  readonly block: number;
}

/** What the entries of one record say. */
export class RockRidge {
  /** Whether system use fields are as SUSP wants them, told in that of the root (SP). */
  isUsed = false;
  /** Bytes that come first in all of them but that one. */
  skip = 0;
  /** The parts of the name, as they came; undefined where none is told. */
  name: Uint8Array | undefined;
  /** Whether the name is `.` or `..` by a flag. */
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
  /** Values of the attributes of libisofs. */
  checksumIndex: number | undefined;
  checksums: Uint8Array | undefined;

  #wasLinkPart = false;
  /** The last letter of the attribute whose value is to come; 0 where it is of no use. */
  #attribute: number | undefined;
  /** A component that goes on in the next entry. */
  #begun: number[] | undefined;

  /**
   * Takes the entries of a record.
   *
   * @param bytes Where they are.
   * @param start The first byte of the system use field.
   * @param end The byte behind it.
   * @param fetch Gives the bytes of a continuation area, or undefined while they are not there.
   * @returns The area that is missing: it is to be fetched, and the record to be taken again.
   */
  take(
    bytes: Uint8Array,
    start: number,
    end: number,
    fetch: (area: Continuation) => Uint8Array | undefined,
  ): Continuation | undefined {
    let next = this.#entries(bytes, start, end);
    for (let areas = 0; next !== undefined && areas < MAX_AREAS; areas++) {
      const area = fetch(next);
      if (area === undefined) return next;
      next = this.#entries(area, 0, area.length);
    }
    return undefined;
  }

  /** Takes entries that lie together; returns where they go on. */
  #entries(
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
      } else this.#entry(signature, bytes, at, at + length);
      at += length;
    }
    return next;
  }

  #entry(signature: number, bytes: Uint8Array, at: number, end: number): void {
    switch (signature) {
      case NM:
        return this.#takeName(bytes, at, end);
      case PX:
        return this.#takeAttributes(bytes, at, end);
      case TF:
        return this.#takeTimes(bytes, at, end);
      case AL:
        return this.#takeExtended(bytes, at, end);
      case AA:
        // Version 2 is Apple's.
        if (bytes[at + 3] === 1) this.#takeExtended(bytes, at, end);
        return;
      case SL:
        return this.#takeLink(bytes, at, end);
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
        return this.#takeCompression(bytes, at);
    }
  }

  /** RRIP 1.12, 4.1.4. */
  #takeName(bytes: Uint8Array, at: number, end: number): void {
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

  /** RRIP 1.12, 4.1.1; the inode is new in 1.12. */
  #takeAttributes(bytes: Uint8Array, at: number, end: number): void {
    if (end - at < 36) return;
    this.mode = u32(bytes, at + 4);
    this.links = u32(bytes, at + 12);
    this.uid = u32(bytes, at + 20);
    this.gid = u32(bytes, at + 28);
    if (end - at >= 44) this.inode = u32(bytes, at + 36);
  }

  /** RRIP 1.12, 4.1.6: the times that the flags tell, creation first, then modification. */
  #takeTimes(bytes: Uint8Array, at: number, end: number): void {
    const flags = bytes[at + 4] ?? 0;
    if ((flags & 2) === 0) return;
    const isLong = (flags & 0x80) !== 0;
    const length = isLong ? 17 : 7;
    const from = at + 5 + ((flags & 1) === 0 ? 0 : length);
    if (from + length > end) return;
    this.mtime = isLong ? longDate(bytes, from) : shortDate(bytes, from);
  }

  /** RRIP 1.12, 4.1.3.1. */
  #takeLink(bytes: Uint8Array, at: number, end: number): void {
    const text = this.target ??= [];
    for (let part = at + 5; part + 2 <= end;) {
      const flags = bytes[part] ?? 0;
      const stop = Math.min(part + 2 + (bytes[part + 1] ?? 0), end);
      const isRoot = (flags & 8) !== 0;
      const needsSlash = !this.#wasLinkPart && text.length > 0 &&
        text.at(-1) !== 0x2f;
      if (needsSlash) text.push(0x2f);
      if (isRoot) text.push(0x2f);
      else if ((flags & 2) !== 0) text.push(0x2e);
      else if ((flags & 4) !== 0) text.push(0x2e, 0x2e);
      else if (text.length < MAX_TEXT) {
        text.push(...bytes.subarray(part + 2, stop));
      }
      this.#wasLinkPart = (flags & 1) !== 0;
      part = stop;
    }
  }

  #takeCompression(bytes: Uint8Array, at: number): void {
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
    // What is beyond cannot be told as a number, nor be there.
    this.inflated = Math.min(this.inflated, Number.MAX_SAFE_INTEGER);
  }

  /**
   * Attributes come as components, in turn a name and a value, which may go on in the next entry
   * (AAIP). There is one in nearly every record, so what is whole is taken where it stands.
   */
  #takeExtended(bytes: Uint8Array, at: number, end: number): void {
    for (let part = at + 5; part + 2 <= end;) {
      const from = part + 2;
      const to = Math.min(from + (bytes[part + 1] ?? 0), end);
      const goesOn = ((bytes[part] ?? 0) & 1) !== 0;
      part = to;
      if (!goesOn && this.#begun === undefined) {
        this.#takeComponent(bytes, from, to);
        continue;
      }
      const begun = this.#begun ??= [];
      begun.push(...bytes.subarray(from, to));
      if (goesOn) continue;
      this.#begun = undefined;
      this.#takeComponent(Uint8Array.from(begun), 0, begun.length);
    }
  }

  /** Of libisofs's own attributes, whose names begin with the byte 4 for "isofs.", two are of use. */
  #takeComponent(bytes: Uint8Array, from: number, to: number): void {
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
