/** Names on a medium: which can be stored, how paths are put together, and bytes that are not UTF-8. */

/** Bytes of one part of a new name at most: xorriso cuts off what is longer. */
const MAX_PART = 255;

/** Bytes of a whole path at most: the limit of xorriso is 4095. */
const MAX_PATH = 4000;

/** Bytes of a volume id at most (ECMA-119, 8.4.6). */
export const MAX_VOLUME_ID = 32;

/**
 * Checks a path on the medium that is to be read or removed; returns it without empty parts.
 *
 * @throws {TypeError} If it is not absolute or has parts that cannot be names.
 */
export function checkPath(path: string): string {
  if (typeof path !== "string" || !path.startsWith("/")) {
    throw new TypeError(
      `Cannot use the path ${
        show(String(path))
      }: a path on the medium begins with "/"`,
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
 * Checks a path on the medium that is to be stored, as {@linkcode checkPath}.
 *
 * @throws {TypeError} Also if a part is too long or no valid Unicode.
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
 * Checks a relative name, which has no empty parts; returns its absolute path.
 *
 * @param directory Absolute path of the directory that the name is below, `/` or `/a/b`.
 * @param isNew Whether it is to be stored.
 * @throws {TypeError} If it cannot be a name.
 */
export function checkName(
  directory: string,
  name: string,
  isNew: boolean,
): string {
  if (typeof name !== "string") {
    throw new TypeError(
      `Cannot use ${String(name)} as a name: it must be text`,
    );
  }
  if (name.split("/").includes("")) {
    throw new TypeError(
      `Cannot use the name ${show(name)}: it must be relative, without ` +
        `empty parts`,
    );
  }
  const path = join(directory, name);
  return isNew ? checkNewPath(path) : checkPath(path);
}

/** Bytes that the text of a link has at most on Linux (symlink(7)); of more, xorriso 1.5.4 dies. */
const MAX_LINK = 4095;

/** Checks what a link is to lead to; a TypeError if it cannot be. */
export function checkLink(text: string): void {
  const isText = typeof text === "string" && text !== "" &&
    text.isWellFormed() && !text.includes("\0");
  // Of a longer part xorriso stores the beginning.
  const fits = isText && !isLonger(text, MAX_LINK) &&
    text.split("/").every((part) => !isLonger(part, MAX_PART));
  if (fits) return;
  const start = String(text).slice(0, 40);
  throw new TypeError(
    `Cannot store a link to ${show(start)}: its text must have 1 to ` +
      `${MAX_LINK} bytes without NUL, and each part of it at most ${MAX_PART}`,
  );
}

/** Checks a volume id; a TypeError if it is longer than 32 bytes or cannot be written. */
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

/** The name of a path relative to a directory; undefined if it is not below it. */
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

/** Whether a name has more bytes. */
function isLonger(text: string, bytes: number): boolean {
  // No UTF-16 unit takes more than three bytes, so most names need not be encoded.
  if (text.length * 3 <= bytes && text.isWellFormed()) return false;
  return byteLength(text) > bytes;
}

/** Number of bytes of a name. */
export function byteLength(text: string): number {
  return encodeName(text).length;
}

/** A name for a message: quoted, with control characters escaped, which a terminal may obey. */
export function show(name: string): string {
  return JSON.stringify(name);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Decodes the bytes of a file name as UTF-8. A byte that is no part of UTF-8
 * becomes the lone surrogate U+DC00 plus its value, so that no two names become
 * the same.
 */
export function decodeName(bytes: Uint8Array): string {
  const text = decoder.decode(bytes);
  // Faster than a decoder that throws: to catch an error takes longer than all the rest.
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

/** Length of the UTF-8 sequence at a place (The Unicode Standard, table 3-7); 0 if there is none. */
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

/** Bytes and backslashes as {@linkcode spellName} spells them. */
const SPELT = /\\x(5c|[89a-f][0-9a-f])/gi;

/**
 * Spells a name so that it can be typed and shown: a byte that is not UTF-8 as `\xHH`, and a backslash
 * that would begin such a spelling as `\x5c`. All other names stay as they are.
 */
export function spellName(name: string): string {
  return name.replace(SPELT, "\\x5cx$1").replace(
    /[\udc80-\udcff]/gu,
    (byte) => `\\x${(byte.charCodeAt(0) - 0xdc00).toString(16)}`,
  );
}

/** The name that {@linkcode spellName} has spelled. */
export function unspellName(text: string): string {
  const name = text.replace(SPELT, (_, digits) => {
    const byte = parseInt(digits, 16);
    return String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);
  });
  // Bytes that were spelled one by one may be UTF-8 together.
  return name === text ? name : decodeName(encodeName(name));
}
