/** Locations, `xorriso://DEVICE[:/DIRECTORY]`: their device, and the directory on its medium. */

import { normalize } from "@std/path/posix/normalize";
import { absolutePath, isGranted } from "../disk/permissions.ts";
import type { Place } from "./options.ts";

const SCHEME = "xorriso://";

/**
 * Reads a location of the form `xorriso://DEVICE[:/DIRECTORY]`.
 *
 * `new URL()` would refuse blanks, drop the colon behind the device, resolve `..`, and cut off what
 * follows `#` or `?`.
 *
 * @param url The location; a `%3A` in the device keeps a colon that is followed by a slash.
 * @returns The device, and the absolute path of the directory: `/` or `/a/b`.
 * @throws {TypeError} When the text is not such a location or a part of it cannot be a path.
 */
export function parseLocation(url: string): Required<Place> {
  if (!url.startsWith(SCHEME)) {
    const form = "it must have the form xorriso://DEVICE[:/DIRECTORY]";
    const example = url.includes(":") ? "" : `, like ${SCHEME}${url}`;
    throw new TypeError(
      `Cannot read the location "${url}": ${form}${example}`,
    );
  }
  const rest = url.slice(SCHEME.length);
  const cut = rest.indexOf(":/");
  const device = decode(cut < 0 ? rest : rest.slice(0, cut), url);
  const directory = cut < 0 ? "" : decode(rest.slice(cut + 1), url);
  return {
    device: checkDevice(device, url),
    directory: normal(directory, url),
  };
}

/**
 * Reads a location in any of its forms.
 *
 * @throws {TypeError} When it cannot be one.
 */
export function placeOf(place: string | URL | Place): Required<Place> {
  if (typeof place === "string") return parseLocation(place);
  if (!(place instanceof URL)) {
    const { device, directory = "/" } = place;
    return {
      device: checkText(checkDevice(device, device), device),
      directory: normal(directory),
    };
  }
  // Without a third slash, `URL` has taken the first part of the path for a host.
  if (place.host === "" && !/[?#]/.test(place.href)) {
    return parseLocation(place.href);
  }
  throw new TypeError(
    `Cannot read the location "${place}": as a URL object it must have the form xorriso:///DEVICE[:/DIRECTORY], others are given as text`,
  );
}

/** Finds the device that a location names; its path is absolute. */
export async function findDevice(device: string): Promise<string> {
  const [first = "", other] = deviceCandidates(device).map(absolutePath);
  if (other === undefined) return first;
  const isThere = await isGranted("read", first) &&
    await Deno.stat(first).catch(() => undefined);
  return isThere ? first : other;
}

/**
 * Lists the paths that a device of a location can stand for, the preferred one first.
 *
 * duplicity documents `xorriso://dev/sr0`, whose two slashes make a relative path of what can only be
 * meant as `/dev/sr0`: with a relative `dev/...` the absolute one is the second choice.
 */
export function deviceCandidates(device: string): string[] {
  const absolute = normalize("/" + device);
  return device.startsWith("dev/") && /^\/dev\/./.test(absolute)
    ? [device, absolute]
    : [device];
}

function checkDevice(device: string, url: string): string {
  if (device !== "") return device;
  throw new TypeError(
    `Cannot read the location "${url}": it names no device`,
  );
}

/** An absolute path of the directory, without empty parts. */
function normal(directory: string, url: string = directory): string {
  const parts = directory.split("/").filter((part) => part !== "");
  if (!parts.includes(".") && !parts.includes("..")) {
    return `/${checkText(parts.join("/"), url)}`;
  }
  throw new TypeError(
    `Cannot read the location "${url}": "." and ".." cannot be parts of its directory`,
  );
}

/** Decodes the escapes of one part; a TypeError if no path can hold it. */
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
  return checkText(text, url);
}

/** Makes sure that a text can be part of a path. */
function checkText(text: string, url: string): string {
  if (!text.includes("\0") && text.isWellFormed()) return text;
  throw new TypeError(
    `Cannot read the location "${url.toWellFormed()}": paths cannot hold NUL or lone surrogates`,
  );
}
