/** A stranger who exchanges a folder for a link to another one. */

/** Puts a link to another folder in the place of one. */
export function exchange(folder: string, other: string): void {
  Deno.renameSync(folder, `${folder}.aside`);
  Deno.symlinkSync(other, folder);
}

/** Puts the folder back in its place. */
export function giveBack(folder: string): void {
  Deno.removeSync(folder);
  Deno.renameSync(`${folder}.aside`, folder);
}
