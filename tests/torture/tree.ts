/** Changes above, below and onto each other, in every order. */

import { XorrisoBackend } from "../../mod.ts";
import { age, codeOf, md5 } from "../support/helpers.ts";
import type { Topic, Torture } from "./torture.ts";

type Kind = "put" | "keep" | "delete";

/** One change: `keep` is a put that must not replace anything. */
interface Step {
  readonly kind: Kind;
  readonly name: string;
}

const NAMES = ["a", "a/b", "a/b/c"] as const;
const KINDS: readonly Kind[] = ["put", "keep", "delete"];
const STEPS: readonly Step[] = KINDS.flatMap((kind) =>
  NAMES.map((name) => ({ kind, name }))
);

/** What is on the medium before. */
const STARTS: readonly (readonly string[])[] = [[], ["a"], ["a/b"], ["a/b/c"]];

/** Steps of one batch; more are done in several. */
const LENGTH = 3;

/** MD5 by name of a file. Directories are there as long as a file is below them. */
type Model = Map<string, string>;

function above(name: string): string[] {
  const parts = name.split("/");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("/"));
}

/** Code of a step on a tree with earlier steps of the same batch, or `ok`. */
function expect(files: Model, { kind, name }: Step): string {
  if (kind === "delete") return files.has(name) ? "ok" : "ENTRY_NOT_FOUND";
  if (above(name).some((each) => files.has(each))) return "ENTRY_EXISTS";
  const isDirectory = [...files.keys()]
    .some((each) => above(each).includes(name));
  if (isDirectory) return "ENTRY_EXISTS";
  return kind === "keep" && files.has(name) ? "ENTRY_EXISTS" : "ok";
}

/** All sequences of so many steps. */
function sequences(length: number): Step[][] {
  if (length === 0) return [[]];
  return sequences(length - 1).flatMap((rest) =>
    STEPS.map((step) => [...rest, step])
  );
}

/** Every order of up to three changes on each of four trees. */
export const tree: Topic = {
  name: "tree",
  unit: "orders",
  rounds: { full: 4 * (9 + 81 + 729), short: 400 },
  run: async (torture) => {
    const all = [1, 2, LENGTH].flatMap((length) =>
      STARTS.flatMap((start) =>
        sequences(length).map((steps) => ({ start, steps }))
      )
    );
    const wanted = torture.random("orders").shuffle(all)
      .slice(0, torture.rounds);
    const image = `${torture.folder}/tree.iso`;
    // Each sequence in a directory of its own, many in one session.
    const size = Math.min(400, wanted.length);
    for (let from = 0; from < wanted.length && !torture.over; from += size) {
      const part = wanted.slice(from, from + size);
      for (const oneBatch of [true, false]) {
        await runPart(torture, image, part, from, oneBatch);
        await Deno.remove(image);
      }
      torture.did(part.length);
    }
  },
};

async function runPart(
  torture: Torture,
  image: string,
  part: readonly { start: readonly string[]; steps: readonly Step[] }[],
  from: number,
  oneBatch: boolean,
): Promise<void> {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const models = part.map((): Model => new Map());
  {
    await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
      create: true,
      commitDelay: 50,
    });
    await Promise.all(part.flatMap(({ start }, i) =>
      start.map((name) => {
        models[i]?.set(name, md5(bytes(`old ${name}`)));
        return backend.put(bytes(`old ${name}`), `${i}/${name}`);
      })
    ));
    const calls = part.map(() => [] as Promise<void>[]);
    for (let step = 0; step < LENGTH; step++) {
      for (const [i, { start, steps }] of part.entries()) {
        const next = steps[step];
        const model = models[i];
        if (next === undefined || model === undefined) continue;
        const { kind, name } = next;
        const text = `${step} ${name}`;
        const told = expect(model, next);
        if (told === "ok" && kind === "delete") model.delete(name);
        else if (told === "ok") model.set(name, md5(bytes(text)));
        const call = kind === "delete"
          ? backend.delete(`${i}/${name}`)
          : backend.put(bytes(text), `${i}/${name}`, {
            overwrite: kind === "put",
          });
        const where = `order ${from + i}, ${oneBatch ? "one" : "many"} batch`;
        calls[i]?.push(
          call.then(() => "ok", codeOf).then((outcome) => {
            torture.count(outcome);
            torture.check(
              outcome === told,
              where,
              () =>
                `${
                  JSON.stringify({ start, steps })
                }: step ${step} ended with ` +
                `${outcome}, not ${told}`,
            );
          }),
        );
      }
      if (!oneBatch) await Promise.all(calls.flat());
    }
    await Promise.all(calls.flat());
  }
  await age(image);
  await using backend = await XorrisoBackend.open(`xorriso://${image}`, {
    readOnly: true,
  });
  const found = part.map(() => new Map<string, string>());
  for (const { name, md5 } of await backend.list({ md5: true })) {
    const [index = "", ...rest] = name.split("/");
    found[Number(index)]?.set(rest.join("/"), md5 ?? "");
  }
  for (const [i, { start, steps }] of part.entries()) {
    const text = (map?: Map<string, string>) =>
      JSON.stringify([...map ?? []].sort());
    torture.check(
      text(found[i]) === text(models[i]),
      `order ${from + i}, ${oneBatch ? "one batch" : "many batches"}`,
      () =>
        `${JSON.stringify({ start, steps })}: ${text(found[i])} instead of ` +
        text(models[i]),
    );
  }
}
