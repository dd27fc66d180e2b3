/** `xorriso://` locations: a text in, the device and the directory on its medium out. */
import { normalize } from "@std/path/posix/normalize";

/** What a `xorriso://` location names. */
export interface Location {
  /** Path of the drive or image file, as written: absolute, or relative to the working directory. */
  readonly device: string;
  /** Absolute path of the directory on the medium: `/` or `/a/b`. */
  readonly directory: string;
}

const SCHEME = "xorriso://";

/**
 * Reads a location of the form `xorriso://DEVICE[:/DIRECTORY]`.
 *
 * This is not left to `new URL()`: it throws on blanks, eats the colon after the device, folds `..`,
 * and cuts at `#` and `?`, all of which are ordinary in paths.
 *
 * @param url The location; a `%3A` in the device keeps a colon that is followed by a slash.
 * @returns The device and the directory, percent-decoded.
 * @throws {TypeError} When the text is not such a location or a part of it cannot be a path.
 */
export function parseLocation(url: string): Location {
  if (!url.startsWith(SCHEME)) {
    throw new TypeError(
      `Cannot read the location "${url}": it must have the form xorriso://DEVICE[:/DIRECTORY]`,
    );
  }
  const rest = url.slice(SCHEME.length);
  const cut = rest.indexOf(":/");
  const device = decode(cut < 0 ? rest : rest.slice(0, cut), url);
  const directory = cut < 0 ? "" : decode(rest.slice(cut + 1), url);
  if (device === "") {
    throw new TypeError(
      `Cannot read the location "${url}": it names no device`,
    );
  }
  const parts = directory.split("/").filter((part) => part !== "");
  if (parts.includes(".") || parts.includes("..")) {
    throw new TypeError(
      `Cannot read the location "${url}": "." and ".." cannot be parts of its directory`,
    );
  }
  return { device, directory: "/" + parts.join("/") };
}

/**
 * Lists the paths that a device of a location can stand for, the preferred one first.
 *
 * The original documents `xorriso://dev/sr0`, whose two slashes make a relative path of what can
 * only be meant as `/dev/sr0`: with a relative `dev/...` the absolute one is the second choice. Only
 * the caller can tell which of them exists.
 */
export function deviceCandidates(device: string): string[] {
  const absolute = normalize("/" + device);
  return device.startsWith("dev/") && /^\/dev\/./.test(absolute)
    ? [device, absolute]
    : [device];
}

/** Decodes the escapes of one part; what no path can hold is a TypeError. */
function decode(part: string, url: string): string {
  let text: string;
  try {
    text = decodeURIComponent(part);
  } catch (cause) {
    throw new TypeError(
      `Cannot read the location "${url}": a "%" must begin an escape of UTF-8, and is itself written "%25"`,
      { cause },
    );
  }
  if (text.includes("\0") || !text.isWellFormed()) {
    throw new TypeError(
      `Cannot read the location "${url.toWellFormed()}": paths cannot hold NUL or lone surrogates`,
    );
  }
  return text;
}
