/** Names on a medium: which may be stored, and how paths are put together. */

/** Bytes that one part of a new name may have: xorriso cuts longer ones. */
const MAX_PART = 255;

/** Bytes that a whole path may have: xorriso's own limit is 4095. */
const MAX_PATH = 4000;

/** Bytes that a volume id may have (ECMA-119, 8.4.6). */
export const MAX_VOLUME_ID = 32;

/**
 * Checks a path on the medium that is to be read or removed.
 *
 * @returns The path without trailing slashes.
 * @throws {TypeError} If it is not absolute or has parts that cannot be names.
 */
export function checkPath(path: string): string {
  if (!path.startsWith("/")) {
    throw new TypeError(
      `Cannot use the path ${show(path)}: a path on the medium begins with "/"`,
    );
  }
  const parts = path.split("/").filter((part) => part !== "");
  for (const part of parts) checkPart(part, path);
  const clean = "/" + parts.join("/");
  if (isLonger(clean, MAX_PATH)) {
    throw new TypeError(
      `Cannot use the path ${show(path.slice(0, 40) + "...")}: it is longer ` +
        `than ${MAX_PATH} bytes`,
    );
  }
  return clean;
}

/**
 * Checks a path on the medium that is to be stored.
 *
 * @returns The path without trailing slashes.
 * @throws {TypeError} As {@linkcode checkPath}, and if a part is too long or
 * no valid Unicode.
 */
export function checkNewPath(path: string): string {
  if (!path.isWellFormed()) {
    throw new TypeError(
      `Cannot store the name ${show(path)}: it has a lone surrogate, which ` +
        `has no form in UTF-8`,
    );
  }
  const clean = checkPath(path);
  for (const part of clean.split("/")) {
    if (!isLonger(part, MAX_PART)) continue;
    throw new TypeError(
      `Cannot store the name ${show(part)}: it has ${
        byteLength(part)
      } bytes, ` +
        `at most ${MAX_PART} can be stored`,
    );
  }
  return clean;
}

/**
 * Checks a relative name and puts it below a directory.
 *
 * Empty parts are refused here: a name stands for itself alone.
 *
 * @param directory Absolute path on the medium, `/` or `/a/b`.
 * @param isNew Whether it is to be stored.
 * @returns The absolute path on the medium.
 * @throws {TypeError} If it cannot be a name.
 */
export function checkName(
  directory: string,
  name: string,
  isNew: boolean,
): string {
  if (name.split("/").includes("")) {
    throw new TypeError(
      `Cannot use the name ${show(name)}: it must be relative, without ` +
        `empty parts`,
    );
  }
  const path = join(directory, name);
  return isNew ? checkNewPath(path) : checkPath(path);
}

/**
 * Checks a volume id.
 *
 * @throws {TypeError} If it is longer than 32 bytes or cannot be written.
 */
export function checkVolumeId(volumeId: string): string {
  if (volumeId.isWellFormed() && !volumeId.includes("\0")) {
    if (byteLength(volumeId) <= MAX_VOLUME_ID) return volumeId;
  }
  throw new TypeError(
    `Cannot use the volume id ${show(volumeId)}: it must be text of at most ` +
      `${MAX_VOLUME_ID} bytes without NUL`,
  );
}

/** Puts a relative name below a directory, on the medium or on disk. */
export function join(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** The name below a directory; undefined if the path is not below it. */
export function relative(directory: string, path: string): string | undefined {
  const prefix = directory === "/" ? "/" : `${directory}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
}

/** The directories above a path, the root first: `/a/b` has `/` and `/a`. */
export function* parents(path: string): Generator<string> {
  yield "/";
  for (let i = path.indexOf("/", 1); i > 0; i = path.indexOf("/", i + 1)) {
    yield path.slice(0, i);
  }
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The folder that a relative name is in; `""` for those at the top. */
export function folderOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf("/")));
}

function checkPart(part: string, path: string): void {
  if (part === "." || part === ".." || part.includes("\0")) {
    throw new TypeError(
      `Cannot use the name ${show(path)}: no part may be "." or "..", or ` +
        `hold NUL`,
    );
  }
}

/**
 * Whether a name has more bytes. No UTF-16 unit takes more than three, so most
 * need not be encoded to know.
 *
 * @throws {TypeError} If it has a lone surrogate that stands for no byte.
 */
function isLonger(text: string, bytes: number): boolean {
  if (text.length * 3 <= bytes && text.isWellFormed()) return false;
  return byteLength(text) > bytes;
}

/** Bytes of a name. */
export function byteLength(text: string): number {
  return encodeName(text).length;
}

/** A name in a message: quoted, with what a terminal may obey escaped. */
export function show(name: string): string {
  return JSON.stringify(name);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Decodes the bytes of a file name as UTF-8; a byte that is no part of UTF-8
 * becomes U+DC00 plus its value, a lone surrogate, so that no two names look
 * the same.
 */
export function decodeName(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  // Faster than a decoder that throws: errors cost more than all the rest.
  return text.includes("\ufffd") ? decodeBroken(bytes) : text;
}

function decodeBroken(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    const first = bytes[at] ?? 0;
    if (length === 0) {
      text += String.fromCharCode(0xdc00 + first);
      at++;
      continue;
    }
    let code = length === 1 ? first : first & (0x7f >> length);
    for (let i = at + 1; i < at + length; i++) {
      code = code << 6 | (bytes[i] ?? 0) & 0x3f;
    }
    text += String.fromCodePoint(code);
    at += length;
  }
  return text;
}

/**
 * Length of the UTF-8 sequence there (The Unicode Standard, table 3-7), 0 if
 * there is none.
 */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  // The second byte excludes overlong forms, surrogates and what is beyond
  // U+10FFFF.
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < low || second > high) return 0;
  for (let i = at + 2; i < at + length; i++) {
    if (((bytes[i] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** The bytes of a name as {@linkcode decodeName} makes it. */
export function encodeName(name: string): Uint8Array {
  if (name.isWellFormed()) return encoder.encode(name);
  // Three bytes are the most that one UTF-16 unit can take.
  const bytes = new Uint8Array(name.length * 3);
  let length = 0;
  for (const character of name) {
    if (character.isWellFormed()) {
      length += encoder.encodeInto(character, bytes.subarray(length)).written;
      continue;
    }
    const byte = character.charCodeAt(0) - 0xdc00;
    if (byte < 0x80 || byte > 0xff) {
      throw new TypeError(
        `Cannot encode the lone surrogate U+${
          character.charCodeAt(0).toString(16).toUpperCase()
        }: it stands for no byte`,
      );
    }
    bytes[length++] = byte;
  }
  return bytes.slice(0, length);
}

/** How {@linkcode spellName} spells a byte that is not UTF-8, and a backslash before what looks so. */
const SPELT = /\\x(5c|[89a-f][0-9a-f])/gi;

/**
 * Spells a name as text that can be typed and shown: `\xHH` is a byte that is not UTF-8, and `\x5c`
 * a backslash that would otherwise begin one of these. Most names are spelled as they are.
 */
export function spellName(name: string): string {
  return name.replace(SPELT, "\\x5cx$1").replace(
    /[\udc80-\udcff]/gu,
    (byte) => `\\x${(byte.charCodeAt(0) - 0xdc00).toString(16)}`,
  );
}

/** The name that a text of {@linkcode spellName} stands for. */
export function unspellName(text: string): string {
  const name = text.replace(SPELT, (_, digits) => {
    const byte = parseInt(digits, 16);
    return String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);
  });
  // Spelled bytes may be UTF-8 when they are put together.
  return name === text ? name : decodeName(encodeName(name));
}
