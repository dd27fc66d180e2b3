/** What must not stay on disk when the program ends by `Deno.exit()` or by an uncaught error. */

import { tolerate } from "./files.ts";

const cleanings = new Set<() => void>();

/**
 * Has something cleaned up if the program ends before its time.
 *
 * @param clean Does it by synchronous calls, for others come to nothing then.
 * @returns To be disposed of when there is nothing to clean up any more.
 */
export function cleanAtExit(clean: () => void): Disposable {
  cleanings.add(clean);
  // Behind all listeners that are there by now: what they handle ends nothing.
  for (const type of ["unload", "error", "unhandledrejection"]) {
    removeEventListener(type, onEnd);
    addEventListener(type, onEnd);
  }
  return { [Symbol.dispose]: () => void cleanings.delete(clean) };
}

function onEnd(event: Event): void {
  if (event.defaultPrevented) return;
  for (const clean of cleanings) tolerate(clean);
}
