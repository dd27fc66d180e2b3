/**
 * Keeps the files of git-annex on a disc or in an image: an external special remote. Install it into
 * Deno's folder of programs, which must be in PATH, and give a repository such a remote:
 *
 *     deno install --global --config deno.json --name git-annex-remote-xorriso \
 *       --allow-run=xorriso --allow-read --allow-write \
 *       examples/clients/git-annex-remote-xorriso.ts
 *     git annex initremote disc type=external externaltype=xorriso encryption=none \
 *       url=xorriso:///dev/sr0:/annex
 *     git annex copy --jobs=4 --to disc
 *
 * The medium gets a volume id made from the remote's UUID; a medium that has a volume is taken with
 * `volid=ITS_ID`. Any other is refused, so that a file on the disc that is not in the drive is
 * never taken for lost. With `exporttree=yes` the remote is for `git annex export`. Other programs can
 * have the medium between two requests. Do without `chunk=`: each chunk would be a session of its own.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- git-annex reads standard output

import {
  XorrisoBackend,
  XorrisoError,
  type XorrisoErrorCode,
} from "@xorriso/backend";
import { createHash } from "node:crypto";

const config = { url: "", volid: "", exporttree: "" };
/** Who waits for an answer of git-annex, by job. */
const questions = new Map<string, (value: string) => void>();
/** The exported name that the next request is about, by job. */
const exported = new Map<string, string>();
let medium: Promise<XorrisoBackend> | undefined;

/** A line to git-annex; its job is told where several run at once. */
function say(job: string, text: string): void {
  console.log((job && `J ${job} `) + text.replaceAll("\n", " "));
}

function ask(job: string, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  questions.set(job, resolve);
  say(job, text);
  return promise;
}

/** Opens the medium when it is first needed, and again where that has failed. */
function open(create = false): Promise<XorrisoBackend> {
  medium ??= XorrisoBackend.open(config.url, {
    create,
    [create ? "assertVolumeId" : "requireVolumeId"]: config.volid,
    // Keys are for git-annex alone, and names for Windows a third of a session.
    joliet: config.exporttree === "yes",
    idleClose: 300,
    lockTimeout: 60_000,
  }).catch((error) => {
    medium = undefined;
    throw error;
  });
  return medium;
}

/** Reads what the user has configured; makes a medium for a new remote. */
async function prepare(job: string, isNew: boolean): Promise<void> {
  config.url = await ask(job, "GETCONFIG url");
  config.volid = await ask(job, "GETCONFIG volid");
  config.exporttree = await ask(job, "GETCONFIG exporttree");
  if (!isNew) return;
  if (config.url === "") throw new Error("url=xorriso://DEVICE is missing");
  if (config.volid !== "") return void await open();
  const uuid = await ask(job, "GETUUID");
  config.volid = uuid.replaceAll("-", "").toUpperCase();
  const backend = await open(true);
  await backend.put(new TextEncoder().encode(`${uuid}\n`), "annex-uuid");
  say(job, `SETCONFIG volid ${config.volid}`);
}

/**
 * All keys lie in one folder, since each folder costs 4 KiB in every session. Of names over 104 bytes,
 * xorriso 1.5.4 cannot write many into one.
 */
function nameOf(key: string): string {
  const name = key.replaceAll(/[%/]/g, encodeURIComponent);
  if (new TextEncoder().encode(name).length <= 104) return name;
  return `long-${createHash("sha256").update(key).digest("hex")}`;
}

/** Does what a request asks for; gives an answer that is more than its success. */
async function answer(
  job: string,
  verb: string,
  words: readonly string[],
  name: string,
): Promise<string | void> {
  switch (verb) {
    case "EXTENSIONS":
      return "EXTENSIONS ASYNC";
    case "LISTCONFIGS":
      say(job, "CONFIG url xorriso://DEVICE[:/DIRECTORY] of the medium");
      say(job, "CONFIG volid volume id of a medium that has one already");
      return "CONFIGEND";
    case "INITREMOTE":
    case "PREPARE":
      return await prepare(job, verb === "INITREMOTE");
    case "EXPORTSUPPORTED":
      return "EXPORTSUPPORTED-SUCCESS";
    case "GETAVAILABILITY":
      return "AVAILABILITY LOCAL";
    case "GETINFO":
      for (const [field, value] of Object.entries(config)) {
        say(job, `INFOFIELD ${field}`);
        say(job, `INFOVALUE ${value}`);
      }
      return "INFOEND";
    case "TRANSFER": {
      const path = words.slice(2).join(" ");
      if (words[0] === "STORE") return await (await open()).put(path, name);
      return await (await open()).get(name, path, {
        mode: false,
        mtime: false,
        onProgress: ({ done }) => say(job, `PROGRESS ${done}`),
      });
    }
    case "CHECKPRESENT": {
      const entry = await (await open()).query(name);
      return entry?.type === "file" ? undefined : `${verb}-FAILURE ${words[0]}`;
    }
    case "REMOVE":
      return await (await open()).delete(name).catch((error) => {
        if (!isCode(error, "ENTRY_NOT_FOUND")) throw error;
      });
    case "RENAMEEXPORT":
      return await (await open()).rename(name, words.slice(1).join(" "));
    default:
      return "UNSUPPORTED-REQUEST";
  }
}

function isCode(error: unknown, code: XorrisoErrorCode): boolean {
  return error instanceof XorrisoError && error.code === code;
}

async function hear(line: string): Promise<void> {
  const [, job = "", text = ""] = line.match(/^(?:J (\S+) )?(.*)$/s) ?? [];
  const [word = "", ...words] = text.split(" ");
  if (word === "VALUE") return questions.get(job)?.(words.join(" "));
  if (word === "EXPORT") return void exported.set(job, words.join(" "));
  const verb = word.replace(/^(TRANSFER|CHECKPRESENT|REMOVE)EXPORT$/, "$1");
  const about = words.slice(0, verb === "TRANSFER" ? 2 : 1).join(" ");
  const key = words[verb === "TRANSFER" ? 1 : 0] ?? "";
  const name = /.EXPORT$/.test(word) ? exported.get(job) ?? "" : nameOf(key);
  const request = () => answer(job, verb, words, name);
  try {
    const said = await request().catch((error) => {
      // xorriso 1.5.4 has crashed in one of some ten thousand sessions.
      if (!isCode(error, "SESSION_LOST")) throw error;
      return request();
    });
    say(job, said ?? `${verb}-SUCCESS ${about}`.trimEnd());
  } catch (error) {
    // What could not be looked up is unknown, never missing.
    const result = verb === "CHECKPRESENT" ? "UNKNOWN" : "FAILURE";
    const why = verb === "RENAMEEXPORT" ? "" : ` ${error}`;
    say(job, `${verb}-${result} ${about}${why}`);
  }
}

say("", "VERSION 2");
let rest = "";
// Names that are no text end it: they are not bent.
const decoder = new TextDecoderStream("utf-8", { fatal: true });
for await (const text of Deno.stdin.readable.pipeThrough(decoder)) {
  const lines = (rest + text).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) hear(line);
}
await (await medium)?.close();
