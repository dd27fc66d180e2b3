/** Tests of what not every machine has: where it is missing they are skipped, and their names tell why. */

import {
  execute,
  installedVersion,
  isInstalled,
  runProgram,
} from "./helpers.ts";

/**
 * The name of a test or step that cannot run everywhere, and whether it is skipped.
 *
 * @param missing Why it cannot run here; undefined where it can.
 */
export function unless(
  missing: string | undefined,
  name: string,
): { readonly name: string; readonly ignore: boolean } {
  return missing === undefined
    ? { name, ignore: false }
    : { name: `${name} (skipped: ${missing})`, ignore: true };
}

/** Which of some programs are not installed, in words; undefined if all are. */
export async function absent(
  ...programs: readonly string[]
): Promise<string | undefined> {
  const missing: string[] = [];
  for (const each of programs) if (!await isInstalled(each)) missing.push(each);
  return missing.length === 0 ? undefined : `no ${missing.join(", no ")}`;
}

/** Why no xorriso with the fault of long names is here; undefined if one is. */
export async function noLongNameFault(): Promise<string | undefined> {
  const version = await installedVersion();
  return version === "1.5.4" ? undefined : `xorriso is ${version}, not 1.5.4`;
}

/** Whether this is root. */
export async function isRoot(): Promise<boolean> {
  return await runProgram("id", ["-u"]) === "0\n";
}

/** The words before a program for which the permissions of files count, be this root. */
export async function withoutRights(): Promise<string[]> {
  return await isRoot()
    ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    : [];
}

/** Why the kernel mounts no image here; undefined if it does. */
export async function cannotMount(): Promise<string | undefined> {
  if (!await isRoot()) return "only root may mount";
  const conditions = {
    "this kernel has no iso9660":
      "grep -qw iso9660 /proc/filesystems || modprobe iso9660",
    "there is no loop device": "losetup -f",
  };
  for (const [reason, condition] of Object.entries(conditions)) {
    if ((await execute("sh", ["-c", condition])).code !== 0) return reason;
  }
  return undefined;
}

/** Has the kernel show an image in a new folder until it is disposed of. */
export async function mountImage(
  image: string,
  point: string,
): Promise<AsyncDisposable> {
  await Deno.mkdir(point);
  await runProgram("mount", ["-t", "iso9660", "-o", "loop,ro", image, point]);
  return unmounting(point);
}

/** Takes a mount away in the end. */
export function unmounting(point: string): AsyncDisposable {
  return {
    // A program that another thread is just starting has all files open for a moment, those below
    // the mount, too: it would be busy.
    [Symbol.asyncDispose]: async () => {
      await runProgram("umount", ["--lazy", point]);
    },
  };
}

/** The words before a program that give it mounts of its own; undefined where nobody may have them. */
async function findUnshare(): Promise<readonly string[] | undefined> {
  // In a chroot nobody gets a namespace of users, and root needs none.
  for (const flags of [[], ["--user", "--map-root-user"]]) {
    const words = ["unshare", "--mount", ...flags];
    const script = '"$@" mount -t tmpfs none /mnt';
    const { code } = await execute("sh", ["-c", script, "sh", ...words]);
    if (code === 0) return words;
  }
}

/** Why no program gets a small disk of its own here; undefined if it does. */
export async function noSmallDisk(): Promise<string | undefined> {
  return await findUnshare() === undefined
    ? "no program may have mounts of its own"
    : undefined;
}

/**
 * The words before a program that give it a small disk, which goes with it.
 *
 * @param size Bytes of the disk.
 * @param disk A folder that is there.
 * @param prepare Shell commands to run on it before.
 */
export async function onSmallDisk(
  size: number,
  disk: string,
  prepare = "true",
): Promise<string[]> {
  return [
    ...[...await findUnshare() ?? [], "sh", "-c"],
    `mount -t tmpfs -o size="$1" none "$2" && ${prepare} && shift 2 && exec "$@"`,
    ...["sh", `${size}`, disk],
  ];
}
