import { assertEquals, assertThrows } from "@std/assert";
import {
  compete,
  mergeRows,
  outcomeRow,
  replaceTables,
  rowsOf,
  table,
  time,
} from "./bench/bench.ts";

Deno.test("compete() runs all sides in turn and compares their times", async () => {
  const order: string[] = [];
  const side = (name: string, times: readonly number[]) => () => {
    order.push(name);
    return Promise.resolve(
      times[order.filter((each) => each === name).length - 1] ?? NaN,
    );
  };
  const outcomes = await compete(
    {
      work: "work",
      ours: side("module", [10, 30, 20]),
      others: [
        { name: "cp", ratio: 1.5, run: side("cp", [10, 10, 40]) },
        { name: "slow", rounds: 1, run: side("slow", [100]) },
      ],
    },
    3,
    { group: "group", place: "disk" },
  );
  assertEquals(
    order,
    ["module", "cp", "slow", "module", "cp", "module", "cp"],
  );
  assertEquals(outcomes.map(outcomeRow), [
    [
      ...["work", "disk", "20.0 ms (10.0 ms)", "cp", "10.0 ms (10.0 ms)"],
      ...["3", "2.00 (1.00)", "1.5 MISSED"],
    ],
    [
      ...["work", "disk", "20.0 ms (10.0 ms)", "slow", "100 ms (100 ms)"],
      ...["3/1", "0.20 (0.10)", ""],
    ],
  ]);
});

Deno.test("table() is Markdown with columns that line up", () => {
  assertEquals(
    table(["a", "b"], [["1", "long"], ["two", ""]]),
    "| a   | b    |\n| --- | ---- |\n| 1   | long |\n| two |      |",
  );
});

Deno.test("time() tells milliseconds so that they can be read", () => {
  assertEquals([0.002, 1.25, 250, 1500, -20].map(time), [
    "2.0 µs",
    "1.3 ms",
    "250 ms",
    "1.50 s",
    "-20.0 ms",
  ]);
});

Deno.test("mergeRows() puts newer rows in the place of those about the same", () => {
  const rows = [["a", "1", "x"], ["b", "2", "x"]];
  const text = `text\n\n${table(["of", "n", "on"], rows)}\n\nmore\n`;
  assertEquals(rowsOf(text, ["of", "n", "on"]), rows);
  assertEquals(rowsOf(text, ["no", "such", "table"]), []);
  assertEquals(
    mergeRows(rows, [["b", "3", "x"], ["b", "4", "y"]], [0, 2]),
    [["a", "1", "x"], ["b", "3", "x"], ["b", "4", "y"]],
  );
});

Deno.test("replaceTables() replaces what stands between its marks", () => {
  const text = (tables: string) =>
    `a\n<!-- bench -->\n\n${tables}\n\n<!-- end of bench -->\nb\n`;
  assertEquals(replaceTables(text("old"), "new"), text("new"));
  assertThrows(() => replaceTables("a", "new"), Error, "There is no");
});
