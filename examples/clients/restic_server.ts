/**
 * Keeps a restic repository on a medium: a server for restic's REST backend, on loopback.
 *
 *     deno run --allow-run=xorriso --allow-env=TMPDIR,TOKEN --allow-net=127.0.0.1 \
 *       --allow-read=/tmp --allow-write=/tmp \
 *       examples/clients/restic_server.ts xorriso:///tmp/restic.iso --port=8000
 *
 *     export RESTIC_REPOSITORY=rest:http://x:TOKEN@127.0.0.1:8000/  # as it has printed
 *     restic init && restic backup ~/photos && restic check --read-data
 *
 * The token is random, or what the variable TOKEN says. What restic is told to be stored is on the
 * medium: told earlier, a crash would leave an index of packs that are gone. Larger packs
 * (`restic --pack-size 64`) make fewer sessions. Locks are kept in memory, since each would cost two
 * sessions: all programs must use the same server. `forget` works, but `prune` frees no space.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a program for the terminal

import { parseArgs } from "@std/cli/parse-args";
import { XorrisoBackend } from "@xorriso/backend";
import { bodyOf, HttpError, nameOf, read, serve } from "./http.ts";

const { _: [url], port } = parseArgs(Deno.args, { string: ["port"] });
if (url === undefined || port === undefined) {
  console.error("Usage: restic_server.ts URL --port=N");
  Deno.exit(2);
}
const backend = await XorrisoBackend.open(`${url}`, {
  create: true,
  lockTimeout: 60_000, // a server before this one may still be ending
});
const locks = new Map<string, Uint8Array<ArrayBuffer>>();

async function list(folder: string): Promise<{ name: string; size: number }[]> {
  if (folder === "locks/") {
    return Array.from(locks, ([name, { length }]) => ({ name, size: length }));
  }
  const files = await backend.list({ prefix: folder });
  return files.map(({ name, size }) => ({
    name: name.slice(folder.length),
    size,
  }));
}

async function answerLock(request: Request, name: string): Promise<Response> {
  const lock = locks.get(name);
  switch (request.method) {
    case "POST":
      locks.set(name, await new Response(bodyOf(request, 1 << 16)).bytes());
      return new Response();
    case "DELETE":
      locks.delete(name); // of before the server was started, it may be unknown
      return new Response();
    default:
      return new Response(lock, { status: lock ? 200 : 404 });
  }
}

await serve(backend, { port: Number(port) }, async (request) => {
  const { method, headers } = request;
  const name = nameOf(request.url);
  if (name === "" && method === "POST") return new Response();
  if (!/^(config|(data|index|keys|locks|snapshots)\/[^/]*)$/.test(name)) {
    throw new HttpError(404, `Cannot serve "${name}"`);
  }
  if (name.endsWith("/")) {
    const files = await list(name);
    const v2 = "application/vnd.x.restic.rest.v2";
    if (headers.get("accept") !== v2) {
      return Response.json(files.map(({ name }) => name));
    }
    return Response.json(files, { headers: { "content-type": v2 } });
  }
  if (name.startsWith("locks/")) {
    return await answerLock(request, name.slice(6));
  }
  switch (method) {
    case "GET":
    case "HEAD":
      return await read(backend, request, name);
    case "POST": {
      const size = Number(headers.get("content-length"));
      await backend.put(bodyOf(request, Infinity), name, {
        size,
        overwrite: false,
      });
      return new Response();
    }
    case "DELETE":
      await backend.delete(name);
      return new Response();
    default:
      throw new HttpError(405, `${method} is not known here`);
  }
});
