/**
 * What the servers in this folder have in common: a medium that stays open is spoken to by HTTP, on a
 * Unix socket that is its owner's alone, or on loopback by whoever knows a token.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- for programs for the terminal

import { type XorrisoBackend, XorrisoError } from "@xorriso/backend";

/** Refuses a request. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The status that tells what went wrong. */
function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  // Names that cannot be.
  if (error instanceof TypeError || error instanceof URIError) return 400;
  switch (error instanceof XorrisoError ? error.code : "") {
    case "ENTRY_NOT_FOUND":
      return 404;
    case "ENTRY_EXISTS":
      return 409;
    case "DRIVE_BUSY":
    case "SESSION_LOST":
      return 503; // curl --retry comes again
    case "MEDIUM_FULL":
      return 507;
    default:
      return 500;
  }
}

/** The name in an address as it was sent: `URL` would follow its `..`. */
export function nameOf(address: string): string {
  // In a header the bytes of other letters are taken for Latin-1.
  if (!/^[!-~]+$/.test(address)) {
    throw new HttpError(400, "An address must be percent-encoded");
  }
  const [path = ""] = address.replace(/^[^/]+:\/\/[^/]*/, "").split(/[?#]/);
  return decodeURIComponent(path.replace(/^\//, ""));
}

/** The body of a request; it fails when there are more bytes than allowed. */
export function bodyOf(
  request: Request,
  limit: number,
): ReadableStream<Uint8Array> {
  const tooLarge = () =>
    new HttpError(413, `More than ${limit} bytes are refused`);
  if (Number(request.headers.get("content-length")) > limit) throw tooLarge();
  let bytes = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > limit) throw tooLarge();
      controller.enqueue(chunk);
    },
  });
  return request.body?.pipeThrough(count) ?? ReadableStream.from([]);
}

/** The bytes that a request asks for; undefined for all. */
function rangeOf(
  { headers }: Request,
  size: number,
): { offset: number; end: number } | undefined {
  const range = /^bytes=(?:(\d+)-(\d*)|-(\d+))$/.exec(
    headers.get("range") ?? "",
  );
  if (range === null) return undefined;
  const [, first, last = "", tail] = range;
  if (first === undefined) {
    return { offset: Math.max(0, size - Number(tail)), end: size };
  }
  const end = last === "" ? size : Math.min(size, Number(last) + 1);
  return { offset: Number(first), end };
}

/** Answers GET and HEAD of a file, or of a range of it. */
export async function read(
  backend: XorrisoBackend,
  request: Request,
  name: string,
): Promise<Response> {
  const entry = await backend.query(name);
  if (entry?.type !== "file") throw new HttpError(404, `Cannot find "${name}"`);
  const { size } = entry;
  const range = rangeOf(request, size);
  const { offset, end } = range ?? { offset: 0, end: size };
  const headers = new Headers({ "accept-ranges": "bytes" });
  if (range !== undefined) {
    const part = offset < end ? `${offset}-${end - 1}` : "*";
    headers.set("content-range", `bytes ${part}/${size}`);
    if (part === "*") return new Response(null, { status: 416, headers });
  }
  headers.set("content-length", `${end - offset}`);
  const body = request.method === "HEAD"
    ? null
    : await backend.readable(name, { offset, length: end - offset });
  return new Response(body, { status: range ? 206 : 200, headers });
}

/**
 * Answers requests until SIGINT or SIGTERM, then closes the backend. Prints the address to use.
 *
 * @param place A Unix socket, or a port of 127.0.0.1; 0 is any.
 */
export async function serve(
  backend: XorrisoBackend,
  place: { readonly path: string } | { readonly port: number },
  answer: (request: Request) => Promise<Response>,
): Promise<void> {
  const token = Deno.env.get("TOKEN") ??
    crypto.getRandomValues(new Uint8Array(16)).toHex();
  const needed = "path" in place ? undefined : `Basic ${btoa(`x:${token}`)}`;
  const handle = async (request: Request): Promise<Response> => {
    try {
      if (needed && request.headers.get("authorization") !== needed) {
        throw new HttpError(401, "The token is missing");
      }
      return await answer(request);
    } catch (error) {
      return new Response(`${error}\n`, { status: statusOf(error) });
    }
  };
  let server: Deno.HttpServer;
  if ("path" in place) {
    // A socket that is there is left over, since the medium is this program's.
    const found = await Deno.lstat(place.path).catch(() => undefined);
    if (found?.isSocket) await Deno.remove(place.path);
    const onListen = () => {
      Deno.chmodSync(place.path, 0o600);
      console.log(place.path);
    };
    server = Deno.serve({ ...place, onListen }, handle);
  } else {
    const onListen = ({ port }: { port: number }) =>
      console.log(`http://x:${token}@127.0.0.1:${port}/`);
    server = Deno.serve({ ...place, hostname: "127.0.0.1", onListen }, handle);
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => server.shutdown());
  }
  await server.finished;
  await backend.close();
}
