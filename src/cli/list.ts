/** The commands `list` and `verify`, which look at what is on the medium. */
import { findEntries } from "./find.ts";
import type { Run } from "./run.ts";
import { formatBytes, plural } from "./terminal.ts";

/** `list URL [NAME...]` */
export async function list(run: Run): Promise<void> {
  const md5 = run.has("md5");
  const isLong = run.has("long");
  await using backend = await run.open({ readOnly: true });
  const entries = (await findEntries(run, backend, { md5 }))
    .filter(({ type }) => type === "file");
  await run.print(
    entries.map(({ name, size, md5: sum }) => ({
      name,
      size,
      ...md5 ? { md5: sum ?? null } : {},
    })),
    ({ name, size, md5: sum }) => [
      ...isLong ? [run.size(size)] : [],
      ...md5 ? [sum ?? "-"] : [],
      run.name(name),
    ],
    isLong ? [0] : [],
  );
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  run.note(`${plural(entries.length, "file")}, ${formatBytes(bytes)}`);
}

/** `verify URL [NAME...]` */
export async function verify(run: Run): Promise<void> {
  await using backend = await run.open({ readOnly: true });
  const entries = (await findEntries(run, backend))
    .filter(({ type }) => type === "file");
  const results = await backend.verify(entries.map(({ name }) => name), {
    signal: run.signal,
    onProgress: (progress) => run.progress(progress),
  });
  for (const { error } of results) {
    if (error !== undefined) run.fail(error);
  }
  await run.print(
    results.map(({ name, error }) => ({ name, ok: error === undefined })),
    ({ name, ok }) => [`${run.name(name)}: ${ok ? "OK" : "FAILED"}`],
  );
  const failed = results.filter(({ error }) => error !== undefined).length;
  await run.sumUp(
    [`Verified ${plural(results.length, "file")}`, `${failed} failed`],
    { verified: results.length, failed },
  );
}
