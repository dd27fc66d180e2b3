/** curl stores and reads files by `examples/clients/http_store.ts`. */

import {
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { dirname } from "@std/path";
import { XorrisoBackend } from "../../mod.ts";
import { Burner } from "../burner/burner.ts";
import { storedTexts } from "../support/drives.ts";
import { noise, type Outcome, until } from "../support/helpers.ts";
import { FORBIDDEN, hostileNames } from "../torture/hostile.ts";
import { Random } from "../torture/random.ts";
import { Home, testWith } from "./clients.ts";

const test = await testWith("curl");

/** Speaks to the server on its socket; the status comes behind the body. */
async function curl(
  home: Home,
  name: string,
  ...words: string[]
): Promise<Outcome> {
  const socket = ["--unix-socket", `${home.path}/tmp/store.sock`];
  const options = ["--silent", "--path-as-is", "--write-out", "%{http_code}"];
  const url = `http://x/${name.split("/").map(encodeURIComponent).join("/")}`;
  return await home.run(["curl", ...options, ...socket, ...words, url]);
}

async function stored(home: Home): Promise<string[]> {
  await using backend = await XorrisoBackend.open(
    `xorriso://${home.path}/tmp/store.iso`,
    { readOnly: true },
  );
  return (await backend.list()).map(({ name }) => name).sort();
}

test("files are stored, listed, read in parts, renamed and deleted", async () => {
  await using home = await Home.make();
  await using server = await home.serve("http_store.ts");
  const socket = `${home.path}/tmp/store.sock`;
  assertEquals(server.address, socket);
  assertEquals(((await Deno.stat(socket)).mode ?? 0) & 0o777, 0o600);
  await Deno.writeTextFile(`${home.path}/file`, "0123456789");
  const put = (name: string, ...words: string[]) =>
    curl(home, name, "--upload-file", `${home.path}/file`, ...words);
  const said = async (name: string, ...words: string[]) =>
    (await curl(home, name, ...words)).stdout;

  assertEquals((await put("d/a")).stdout, "201");
  assertEquals((await put("d/e/b")).stdout, "201");
  assertEquals((await put("c")).stdout, "201");
  const again = await put("c", "--header", "If-None-Match: *");
  assertStringIncludes(again.stdout, "409");
  const list = JSON.parse((await said("d/")).replace(/200$/, ""));
  assertEquals(
    list.map(({ name, size }: Record<string, unknown>) => [name, size]),
    [["a", 10], ["e/b", 10]],
  );
  assertEquals(
    await said("d/", "--header", "Accept: text/plain"),
    "a\ne/b\n200",
  );
  assertEquals(await said("d/a"), "0123456789200");
  assertEquals(await said("d/a", "--range", "2-4"), "234206");
  assertEquals(await said("d/a", "--range", "8-"), "89206");
  assertEquals(await said("d/a", "--range", "8-100"), "89206");
  assertEquals(await said("d/a", "--range", "-3"), "789206");
  assertEquals(await said("d/a", "--range", "10-"), "416");
  assertStringIncludes(await said("d/a", "--head"), "content-length: 10");
  const move = ["--request", "MOVE", "--header"];
  assertEquals(await said("d/a", ...move, "Destination: /%C3%BC/a"), "204");
  assertStringIncludes(
    await said(
      "c",
      ...move,
      "Destination: /%C3%BC/a",
      "--header",
      "Overwrite: F",
    ),
    "409",
  );
  assertStringIncludes(await said("c", ...move, "Destination: /ü"), "400");
  assertStringIncludes(await said("c", "--request", "MOVE"), "400");
  assertEquals(await said("d/e/b", "--request", "DELETE"), "204");
  assertStringIncludes(await said("d/e/b", "--request", "DELETE"), "404");
  assertStringIncludes(await said("none"), "404");
  assertStringIncludes(await said("c", "--request", "PATCH"), "405");

  assertEquals(await server.end("SIGTERM"), 0);
  assertEquals(await home.leftovers(), ["store.iso"]);
  assertEquals(await stored(home), ["c", "ü/a"]);
});

test("names meant to do harm are stored as they are, and those out of the directory refused", async () => {
  await using home = await Home.make();
  const edit = (command: string) => command.replace(".iso", ".iso:/inner");
  await using _server = await home.serve("http_store.ts", edit);
  const names = [...hostileNames(new Random("http"), 60)];
  await Promise.all(names.map(async (name, index) => {
    const { stdout } = await curl(
      home,
      name,
      "--data-binary",
      `${index}`,
      "--request",
      "PUT",
    );
    assertEquals(stdout, "201", name);
  }));
  for (const [index, name] of names.entries()) {
    assertEquals((await curl(home, name)).stdout, `${index}200`, name);
  }
  const forbidden = ["../a", "a/../../b", "x".repeat(256), ...FORBIDDEN].filter(
    (name) => name.isWellFormed() && !/^(x{101}|é{51})$/.test(name),
  );
  for (const name of forbidden) {
    const { stdout } = await curl(
      home,
      name,
      "--data-binary",
      "x",
      "--request",
      "PUT",
    );
    assertEquals(stdout.slice(-3), "400", name);
  }
  assertEquals(await stored(home), names.map((name) => `inner/${name}`).sort());
});

test("a body that is too large or breaks off is not stored", async () => {
  await using home = await Home.make();
  await using server = await home.serve(
    "http_store.ts",
    (command) => `${command} --limit=1000000`,
  );
  const file = `${home.path}/file`;
  await Deno.writeFile(file, noise(1_000_001));
  const socket = `${home.path}/tmp/store.sock`;
  const { stdout } = await curl(home, "large", "--upload-file", file);
  assertEquals(stdout.slice(-3), "413");
  const chunked = await home.run([
    "sh",
    "-c",
    `curl -sS --unix-socket '${home.path}/tmp/store.sock' -w '%{http_code}' -T - http://x/chunked <'${file}'`,
  ]);
  assertEquals(chunked.stdout.slice(-3), "413");
  await Deno.truncate(file, 900_000);
  for (const header of ["Expect:", "Transfer-Encoding: chunked"]) {
    const words = ["--header", header, "--limit-rate", "100K"];
    const url = "http://x/torn";
    const child = home.start(
      ["curl", "--unix-socket", socket, "--upload-file", file, ...words, url],
    );
    // What has come is kept there.
    await until(
      async () => (await home.leftovers()).length > 2,
      "it is being read",
    );
    child.kill("SIGKILL");
    await child.output();
  }
  assertEquals(
    (await curl(home, "whole", "--upload-file", import.meta.filename ?? ""))
      .stdout,
    "201",
  );
  assertEquals(await server.end("SIGTERM"), 0);
  assertEquals(await stored(home), ["whole"]);
  assertEquals(await home.leftovers(), ["store.iso"]);
});

test("a socket that a killed server has left is replaced, another file is not", async () => {
  await using home = await Home.make();
  await using first = await home.serve("http_store.ts");
  await first.end("SIGKILL");
  await using second = await home.serve("http_store.ts");
  assertEquals((await curl(home, "")).stdout, "[]200");
  assertEquals(await second.end("SIGTERM"), 0);
  const socket = `${home.path}/tmp/store.sock`;
  await Deno.writeTextFile(socket, "kept");
  await using third = await home.serve("http_store.ts");
  assertEquals(third.address, "");
  assertEquals(await Deno.readTextFile(socket), "kept");
});

test("on loopback a token is needed", async () => {
  await using home = await Home.make();
  await using server = await home.serve(
    "http_store.ts",
    (command) =>
      command.replace(/--socket=\S+/, "--port=0")
        .replace(/--allow-net=\S+/, "--allow-net=127.0.0.1"),
  );
  const { address } = server;
  const status = async (url: string, ...words: string[]) =>
    await home.succeed([
      "curl",
      "-s",
      "-o",
      "body",
      "-w",
      "%{http_code}",
      url,
      ...words,
    ]);
  assertEquals(await status(address), "200");
  assertNotEquals(address.replace(/x:.*@/, ""), address);
  for (const user of ["", "x@", "x:wrong@"]) {
    const url = address.replace(/x:.*@/, user);
    assertEquals(await status(url), "401");
    assertEquals(
      await status(`${url}a`, "--upload-file", `${home.path}/body`),
      "401",
    );
  }
  assertEquals(await server.end("SIGINT"), 0);
  assertEquals(await home.leftovers(), []);
});

test("a disc in a drive is kept open", async () => {
  await using burner = await Burner.start("dvd+rw");
  await using home = await Home.make();
  const { device, xorrisoPath } = burner;
  const edit = (command: string) =>
    `env PATH="${dirname(xorrisoPath)}:$PATH" ` +
    command.replace(/xorriso:\S+/, `xorriso://${device}`)
      .replaceAll(/--allow-(read|write)=/g, `$&${device},`);
  await Deno.writeTextFile(`${home.path}/file`, "0123456789");
  {
    await using server = await home.serve("http_store.ts", edit);
    const put = ["--upload-file", `${home.path}/file`];
    const told = await Promise.all(
      ["a", "d/b", "c"].map((name) => curl(home, name, ...put)),
    );
    assertEquals(told.map(({ stdout }) => stdout), ["201", "201", "201"]);
    const { stdout } = await curl(home, "c", "--request", "DELETE");
    assertEquals(stdout, "204");
    assertEquals(await server.end("SIGTERM"), 0);
  }
  assertEquals(await storedTexts(burner), {
    a: "0123456789",
    "d/b": "0123456789",
  });
  assertEquals((await burner.show()).openTrack, false);
});
