import { assertEquals } from "@std/assert";
import {
  bigEndian,
  dateOf,
  holds,
  isZero,
  latin1,
  longDate,
  shortDate,
  u16,
  u32,
} from "../src/bytes.ts";
import { toBytes } from "./support/helpers.ts";

Deno.test("u16(), u32() and bigEndian() read numbers, zeros behind the end", () => {
  const bytes = Uint8Array.of(0, 1, 2, 0xfe, 0xff);
  assertEquals([u16(bytes, 1), u16(bytes, 4)], [0x0201, 0xff]);
  // The highest bit is no sign.
  assertEquals([u32(bytes, 1), u32(bytes, 3)], [0xfffe0201, 0xfffe]);
  assertEquals(bigEndian(bytes, 1, 5), 0x0102feff);
  assertEquals(bigEndian(bytes, 3, 3), 0);
});

Deno.test("holds() and isZero() compare bytes", () => {
  const bytes = toBytes("\0CD001");
  assertEquals(holds(bytes, 1, "CD001"), true);
  assertEquals(holds(bytes, 2, "D0011"), false);
  assertEquals([isZero(bytes), isZero(bytes.subarray(0, 1))], [false, true]);
});

Deno.test("latin1() gives a character for each byte", () => {
  assertEquals(latin1(Uint8Array.of(0x41, 0xe9, 0, 0xff)), "Aé\0ÿ");
});

Deno.test("shortDate() counts years from 1900, and quarters of an hour from GMT", () => {
  const date = (...bytes: number[]) =>
    dateOf(shortDate(Uint8Array.from(bytes), 0))?.toISOString();
  assertEquals(date(126, 2, 3, 4, 5, 6, 0), "2026-02-03T04:05:06.000Z");
  // East of Greenwich it is later, west of it earlier.
  assertEquals(date(126, 2, 3, 4, 5, 6, 8), "2026-02-03T02:05:06.000Z");
  assertEquals(date(126, 2, 3, 4, 5, 6, 256 - 48), "2026-02-03T16:05:06.000Z");
  assertEquals(date(0, 1, 1, 0, 0, 0, 0), "1900-01-01T00:00:00.000Z");
  assertEquals(date(126, 0, 0, 0, 0, 0, 0), undefined);
});

Deno.test("longDate() takes all years of four digits, and nothing but digits", () => {
  const date = (digits: string, quarters = 0) => {
    const bytes = Uint8Array.of(...toBytes(digits), quarters);
    return dateOf(longDate(bytes, 0))?.toISOString();
  };
  assertEquals(date("2026020304050678"), "2026-02-03T04:05:06.780Z");
  assertEquals(date("2026020304050600", 4), "2026-02-03T03:05:06.000Z");
  assertEquals(date("0050020304050600"), "0050-02-03T04:05:06.000Z");
  assertEquals(date("9999123123595999"), "9999-12-31T23:59:59.990Z");
  for (const none of ["0".repeat(16), " ".repeat(16), "202602030405067x"]) {
    assertEquals(date(none), undefined, none);
  }
});
