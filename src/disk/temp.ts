/** Private folders for temporary files, which do not outlive their program for long. */

import { systemError } from "../errors.ts";
import { readDir, readFull, tolerate, writeAll } from "./files.ts";
import { cleanAtExit } from "./leftovers.ts";
import { requireRead, requireWrite } from "./permissions.ts";

/** The file in each folder that its program keeps locked as long as it lives. */
const OWNER = "owner";

/** The content of that file once it is locked. */
const NOTICE =
  "Temporary files of @xorriso/backend: who gets the lock of this file may remove them.\n";

/** The file that exists while a commit may read the others. */
const BUSY = "busy";

/** Most milliseconds of a commit that goes on after its program was killed. */
const LONGEST_COMMIT = 12 * 3600 * 1000;

/** Folders in which the remains of killed programs have been removed. */
const swept = new Set<string>();

/** All folders of this program. */
const folders = new Set<TempFolder>();

/** A private folder for temporary files, removed with all that is in it. */
export class TempFolder implements AsyncDisposable {
  readonly #owner: Deno.FsFile | undefined;
  readonly #cleaning: Disposable;
  #files = 0;
  #commits = 0;

  private constructor(readonly path: string, owner: Deno.FsFile | undefined) {
    this.#owner = owner;
    this.#cleaning = cleanAtExit(() => {
      if (this.#commits > 0) return;
      Deno.removeSync(path, { recursive: true });
    });
    folders.add(this);
  }

  /**
   * Makes one, readable by this user alone; the first one below `parent` also
   * removes those that killed programs have left there.
   *
   * @param parent Where; by default what TMPDIR says, if it may be read, or
   * `/tmp`.
   */
  static async make(parent: string = defaultFolder()): Promise<TempFolder> {
    await requireRead(parent, "the folder for temporary files");
    await requireWrite(parent, "the folder for temporary files");
    const dir = await spoolFile(() => Deno.realPath(parent));
    await requireRead(dir, "the folder for temporary files");
    await requireWrite(dir, "the folder for temporary files");
    const path = await spoolFile(() =>
      Deno.makeTempDir({ dir, prefix: "xorriso-" })
    );
    const folder = new TempFolder(path, await spoolFile(() => claim(path)));
    if (!swept.has(dir)) {
      swept.add(dir);
      await sweep(dir, path);
    }
    return folder;
  }

  /** A new path in it. */
  next(): string {
    return `${this.path}/${++this.#files}`;
  }

  /** Keeps the files until disposed of, even if this program is killed. */
  keep(): Disposable {
    const busy = `${this.path}/${BUSY}`;
    // Where the folder is gone, a commit tells it by its sources.
    if (this.#commits++ === 0) {
      tolerate(() => Deno.writeTextFileSync(busy, ""));
    }
    return {
      [Symbol.dispose]: () => {
        if (--this.#commits === 0) tolerate(() => Deno.removeSync(busy));
      },
    };
  }

  /** Removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    folders.delete(this);
    this.#cleaning[Symbol.dispose]();
    try {
      await Deno.remove(this.path, { recursive: true });
    } catch (error) {
      // Others clean up folders for temporary files, too.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    } finally {
      this.#owner?.close();
    }
  }
}

/**
 * Keeps all temporary files during a commit, which goes on if this program is killed: files that are
 * gone would be stored as zeros.
 */
export function keepTempFiles(): Disposable {
  const stack = new DisposableStack();
  for (const folder of folders) stack.use(folder.keep());
  return stack;
}

/** Marks a folder as one whose program lives; undefined where the file system has no locks. */
async function claim(folder: string): Promise<Deno.FsFile | undefined> {
  const path = `${folder}/${OWNER}`;
  const file = await Deno.open(path, { write: true, createNew: true });
  if (await file.tryLock(true).catch(() => false)) {
    await writeAll(file, new TextEncoder().encode(NOTICE));
    return file;
  }
  file.close();
  return undefined;
}

/**
 * Removes folders whose programs are gone, and with these their locks, even of
 * another container. Folders of other users stay: a user could put a link in the
 * place of one.
 *
 * @param own The folder of this program.
 */
async function sweep(parent: string, own: string): Promise<void> {
  const { uid } = await Deno.lstat(own);
  for (const { name, isDirectory } of await readDir(parent)) {
    const path = `${parent}/${name}`;
    if (!isDirectory || !name.startsWith("xorriso-") || path === own) continue;
    // One that cannot be read, or is gone meanwhile, belongs to another program.
    await removeForsaken(path, uid).catch(() => {});
  }
}

async function removeForsaken(
  folder: string,
  uid: number | null,
): Promise<void> {
  const info = await Deno.lstat(folder);
  if (info.uid !== uid) return;
  const owner = `${folder}/${OWNER}`;
  using file = await Deno.open(owner, { read: true, write: true });
  const text = new Uint8Array(NOTICE.length);
  await readFull(file, text);
  if (new TextDecoder().decode(text) !== NOTICE) return;
  const names = (await readDir(folder)).map(({ name }) => name);
  const age = Date.now() - (info.mtime?.getTime() ?? 0);
  if (names.includes(BUSY) && age < LONGEST_COMMIT) return;
  const isOurs = /^(\d+|owner|busy)$/;
  if (!names.every((name) => isOurs.test(name))) return;
  if (!await file.tryLock(true)) return;
  await Deno.remove(folder, { recursive: true });
}

/** The parent of temporary folders where none is given. */
function defaultFolder(): string {
  const { state } = Deno.permissions.querySync({
    name: "env",
    variable: "TMPDIR",
  });
  return state === "granted" && Deno.env.get("TMPDIR") || "/tmp";
}

/** Works on temporary files: a failure of the system is not one of the stream. */
export async function spoolFile<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw systemError(cause, {
      doing: "Cannot keep the content until it is stored",
      code: "TARGET_UNWRITABLE",
      advice: "choose another folder by tempDir",
    });
  }
}
