/**
 * Keeps a medium open and speaks HTTP, so that shell scripts need no process for each file:
 *
 *     deno run --allow-run=xorriso --allow-env=TMPDIR,TOKEN --allow-net=unix:/tmp/store.sock \
 *       --allow-read=/tmp --allow-write=/tmp \
 *       examples/clients/http_store.ts xorriso:///tmp/store.iso --socket=/tmp/store.sock
 *
 *     alias store='curl --fail-with-body --silent --show-error --unix-socket /tmp/store.sock'
 *     store --upload-file notes.txt http://x/2026/notes.txt
 *     store --range 0-99 http://x/2026/notes.txt
 *     store http://x/2026/                                      # a list as JSON
 *     store --header 'Accept: text/plain' http://x/2026/        # only the names
 *     store --request MOVE --header 'Destination: /old.txt' http://x/2026/notes.txt
 *     store --request DELETE http://x/old.txt
 *
 * With `--port=N` in place of `--socket` and `--allow-net=127.0.0.1` it listens on loopback; it prints
 * the address with the token that it wants: a random one, or what the variable TOKEN says.
 * `--limit=BYTES` bounds what is stored at once. What is answered with 2xx is on the medium; with
 * `If-None-Match: *`, or `Overwrite: F` on MOVE, nothing is replaced.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { parseArgs } from "@std/cli/parse-args";
import { XorrisoBackend } from "@xorriso/backend";
import { bodyOf, HttpError, nameOf, read, serve } from "./http.ts";

const { _: [url], socket, port, limit } = parseArgs(Deno.args, {
  string: ["socket", "port", "limit"],
  default: { limit: `${64 * 2 ** 30}` },
});
const isOne = (socket === undefined) !== (port === undefined);
if (url === undefined || !isOne || !(Number(limit) >= 0)) {
  console.error(
    "Usage: http_store.ts URL (--socket=PATH | --port=N) [--limit=BYTES]",
  );
  Deno.exit(2);
}
const backend = await XorrisoBackend.open(`${url}`, {
  create: true,
  lockTimeout: 60_000, // a server before this one may still be ending
});

async function list(prefix: string, accept: string | null): Promise<Response> {
  const files = (await backend.list({ prefix })).map(({ name, ...entry }) => ({
    name: name.slice(prefix.length),
    size: entry.size,
    mtime: entry.mtime,
  }));
  if (accept !== "text/plain") return Response.json(files);
  return new Response(files.map(({ name }) => `${name}\n`).join(""));
}

const place = socket === undefined ? { port: Number(port) } : { path: socket };
await serve(backend, place, async (request) => {
  const { method, headers } = request;
  const name = nameOf(request.url);
  switch (method) {
    case "GET":
    case "HEAD":
      if (name === "" || name.endsWith("/")) {
        return await list(name, headers.get("accept"));
      }
      return await read(backend, request, name);
    case "PUT": {
      const size = Number(headers.get("content-length"));
      const overwrite = headers.get("if-none-match") !== "*";
      await backend.put(bodyOf(request, Number(limit)), name, {
        size,
        overwrite,
      });
      return new Response(null, { status: 201 });
    }
    case "DELETE":
      await backend.delete(name);
      return new Response(null, { status: 204 });
    case "MOVE": {
      const overwrite = headers.get("overwrite") !== "F";
      await backend.rename(name, nameOf(headers.get("destination") ?? ""), {
        overwrite,
      });
      return new Response(null, { status: 204 });
    }
    default:
      throw new HttpError(405, `${method} is not known here`);
  }
});
