/** Numbers, texts and dates among the bytes of ISO 9660 (ECMA-119, 7, 8.4.26.1 and 9.1.5). */

/** A 16-bit number, least significant byte first; 0 beyond the end of the bytes. */
export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | (bytes[at + 1] ?? 0) << 8;
}

/** A 32-bit number, least significant byte first, as both-byte orders begin (ECMA-119, 7.3.3). */
export function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | u16(bytes, at + 2) << 16) >>> 0;
}

/** The number from `start` to before `end`, most significant byte first. */
export function bigEndian(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 256 + (bytes[at] ?? 0);
  return value;
}

/** Whether an ASCII text begins at a place. */
export function holds(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (bytes[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** Whether all bytes are zero. */
export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/**
 * A date of 7 bytes in milliseconds since 1970; NaN if it is not set (ECMA-119, 9.1.5): years since 1900,
 * month to second, offset from GMT.
 */
export function shortDate(bytes: Uint8Array, at: number): number {
  const month = bytes[at + 1] ?? 0;
  if (month === 0) return NaN;
  const local = Date.UTC(
    1900 + (bytes[at] ?? 0),
    month - 1,
    bytes[at + 2] ?? 0,
    bytes[at + 3] ?? 0,
    bytes[at + 4] ?? 0,
    bytes[at + 5] ?? 0,
  );
  return local - offsetAt(bytes, at + 6);
}

/**
 * A date of 17 bytes in milliseconds since 1970; NaN if it is not set (ECMA-119, 8.4.26.1): 16 digits
 * from year to hundredths of a second, offset from GMT.
 */
export function longDate(bytes: Uint8Array, at: number): number {
  const digits = latin1(bytes.subarray(at, at + 16));
  if (!/^\d{16}$/.test(digits) || /^0+$/.test(digits)) return NaN;
  const part = (from: number, to: number) => Number(digits.slice(from, to));
  // Date.UTC takes the years up to 99 as those of the 20th century.
  const local = new Date(0);
  local.setUTCFullYear(part(0, 4), part(4, 6) - 1, part(6, 8));
  local.setUTCHours(part(8, 10), part(10, 12), part(12, 14), part(14, 16) * 10);
  return local.getTime() - offsetAt(bytes, at + 16);
}

/** An offset from GMT in milliseconds: a signed byte that counts quarters of an hour. */
function offsetAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24 >> 24) * 900_000;
}

/** The date of so many milliseconds since 1970; undefined if there is none, as of NaN. */
export function dateOf(milliseconds: number): Date | undefined {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Bytes as a text with one character for each, U+0000 to U+00FF. */
export function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
