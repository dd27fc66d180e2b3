/** The commands that change names on the medium: `delete`. */
import { findEntries } from "./find.ts";
import type { Run } from "./run.ts";
import { plural } from "./terminal.ts";

/** `delete URL NAME...` */
export async function remove(run: Run): Promise<void> {
  await using backend = await run.open();
  const entries = await findEntries(run, backend);
  // Of a list that is wrong in one place nothing is removed.
  if (run.exit !== 0) return;
  const results = await backend.deleteList(entries.map(({ name }) => name));
  await backend.commit({ signal: run.signal });
  for (const { error } of results) {
    if (error !== undefined) run.fail(error);
  }
  const deleted = results.filter(({ error }) => error === undefined);
  await run.printJson(deleted.map(({ name }) => ({ name })));
  await run.sumUp(`Deleted ${plural(deleted.length, "file")}`, {
    deleted: deleted.length,
  });
}
