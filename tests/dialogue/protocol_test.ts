import { assertEquals, assertThrows } from "@std/assert";
import {
  commandLine,
  commandLines,
  isNoise,
  MAX_LINE,
  type Packet,
  parsePacket,
  quote,
  unescape,
  unquote,
} from "../../src/dialogue/protocol.ts";
import { decodeName, encodeName } from "../../src/names.ts";
import { Random } from "../torture/random.ts";
import { readPackets } from "../support/packets.ts";

const encoder = new TextEncoder();

/**
 * Runs a check many times; a failure tells the seed that it can be repeated
 * with.
 */
function repeat(
  times: number,
  check: (random: Random) => void,
  seed: string = crypto.randomUUID(),
): void {
  const random = new Random(seed);
  for (let i = 0; i < times; i++) {
    try {
      check(random);
    } catch (error) {
      throw new Error(`Round ${i} with seed ${seed} failed`, { cause: error });
    }
  }
}

/** Pieces that broke a wrapper of xorriso before, or look as if they could. */
const NASTY = [
  ...["'", '"', "\\", "\\n", "\\134", "\n", "\r", "\t"],
  ...["\x01", "\x7f", "\u0085", " ", "--", "-end", "-rm_r", "*"],
  ...["?", "[a]", "#", "@@@", " , ", " -> ", "R:1: ", "\ufeff"],
  ...["\ufffd", "é", "日本", "😀", "\udc80", "\udcff"],
];

/** A file name of up to 100 bytes: any bytes, or a mixture of nasty pieces. */
function randomName(random: Random): string {
  if (random.below(2) === 0) {
    const bytes = Uint8Array.from(
      { length: 1 + random.below(100) },
      () => 1 + random.below(255),
    );
    return decodeName(bytes).replaceAll("/", "_");
  }
  let name = "";
  for (let count = 1 + random.below(12); count > 0; count--) {
    name += random.below(3) === 0
      ? String.fromCodePoint(0x61 + random.below(26))
      : NASTY[random.below(NASTY.length)];
  }
  return name;
}

/**
 * A name as its bytes see it: lone surrogates that make a character together
 * become one.
 */
function normalize(name: string): string {
  return decodeName(encodeName(name));
}

/**
 * What xorriso reads from a word in double quotes (`-backslash_codes
 * in_double_quotes`).
 */
function readByXorriso(word: string): Uint8Array {
  assertEquals(/^"[^"]*"$/.test(word), true, `not one quoted word: ${word}`);
  const bytes = encoder.encode(word.slice(1, -1));
  const read: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte !== 0x5c) {
      read.push(byte);
      continue;
    }
    const digits = String.fromCharCode(...bytes.subarray(at + 1, at + 4));
    assertEquals(/^[0-3][0-7]{2}$/.test(digits), true, `code \\${digits}`);
    read.push(parseInt(digits, 8));
    at += 3;
  }
  return Uint8Array.from(read);
}

/** A name as xorriso shows it (`-backslash_codes encode_output`). */
function showByXorriso(name: string): string {
  const letters: Readonly<Record<number, string>> = {
    7: "\\a",
    8: "\\b",
    9: "\\t",
    10: "\\n",
    11: "\\v",
    12: "\\f",
    13: "\\r",
    27: "\\e",
    92: "\\\\",
  };
  const shown = Array.from(
    encodeName(name),
    (byte) =>
      letters[byte] ??
        (byte < 0x20 || byte >= 0x7f
          ? `\\${byte.toString(8).padStart(3, "0")}`
          : String.fromCharCode(byte)),
  );
  return `'${shown.join("").replaceAll("'", `'"'"'`)}'`;
}

Deno.test("quote() leaves plain text as it is, between quotes", () => {
  assertEquals(quote("a b*?[c]#'é日😀"), `"a b*?[c]#'é日😀"`);
  assertEquals(quote(""), '""');
});

Deno.test("quote() writes control characters, quotes, backslashes and odd bytes as octal codes", () => {
  assertEquals(quote('a\n\t\x7f"\\'), '"a\\012\\011\\177\\042\\134"');
  assertEquals(quote("\u0085\udc80\udcff"), '"\\302\\205\\200\\377"');
});

Deno.test("quote() refuses NUL and surrogates that stand for no byte", () => {
  for (const word of ["a\0b", "\ud800", "\udc7f", "\udd00", "\ude00a"]) {
    assertThrows(() => quote(word), TypeError);
  }
});

Deno.test("quote() makes one word that xorriso reads as the same bytes", () => {
  repeat(3000, (random) => {
    const name = randomName(random);
    assertEquals(readByXorriso(quote(name)), encodeName(name));
    assertEquals(/\p{Cc}/u.test(quote(name)), false);
  });
});

Deno.test("commandLine() quotes every word but the command", () => {
  assertEquals(commandLine(["-toc"]), "-toc");
  assertEquals(
    commandLine(["-map", "/disk/a b", "/iso/-end"]),
    '-map "/disk/a b" "/iso/-end"',
  );
  assertEquals(
    commandLine(["-find", "/", "-exec", "report_lba", "--"]),
    '-find "/" "-exec" "report_lba" "--"',
  );
});

Deno.test("commandLine() takes nothing but a plain command as its first word", () => {
  for (
    const command of [
      "",
      "-",
      "toc",
      "#toc",
      "-TOC",
      "-toc ",
      " -toc",
      "-toc\n",
      "-toc\n-end",
      '-"toc"',
      "-to-c",
    ]
  ) {
    assertThrows(() => commandLine([command]), TypeError);
  }
  assertThrows(() => commandLine([]), TypeError);
});

Deno.test("commandLine() refuses words behind the end of a list, which would be the next command", () => {
  assertThrows(
    () => commandLine(["-rm", "/a", "--", "-end"]),
    TypeError,
    'Cannot pass words after "--" to "-rm"',
  );
});

Deno.test("commandLine() refuses lines that xorriso would split", () => {
  const longest = "x".repeat(MAX_LINE - '-print ""'.length);
  assertEquals(commandLine(["-print", longest]).length, MAX_LINE);
  assertThrows(() => commandLine(["-print", longest + "x"]), RangeError);
  // Counted are bytes, after quoting.
  assertThrows(() => commandLine(["-print", "é".repeat(4000)]), RangeError);
  assertThrows(() => commandLine(["-print", "\n".repeat(2000)]), RangeError);
});

Deno.test("commandLines() spreads operands over full lines, in order", () => {
  const operands = Array.from({ length: 1000 }, (_, i) => `/dir/é "${i}"`);
  const lines = commandLines(["-rm"], operands);
  const found = lines.flatMap((line) => {
    assertEquals(encoder.encode(line).length <= MAX_LINE, true);
    assertEquals(line.startsWith('-rm "'), true);
    assertEquals(line.endsWith('" --'), true);
    return [...line.matchAll(/"[^"]*"/g)].map(([word]) =>
      decodeName(readByXorriso(word))
    );
  });
  assertEquals(found, operands);
  // No line has room for the first operand of the next.
  lines.slice(1).forEach((line, i) => {
    const next = /"[^"]*"/.exec(line)?.[0] ?? "";
    const bytes = encoder.encode(`${lines[i]} ${next}`).length;
    assertEquals(bytes > MAX_LINE, true);
  });
});

Deno.test("commandLines() uses the last byte of a line, and no more", () => {
  const longest = "x".repeat(MAX_LINE - '-rm "" --'.length);
  assertEquals(commandLines(["-rm"], [longest, "a"]).map((l) => l.length), [
    MAX_LINE,
    '-rm "a" --'.length,
  ]);
  assertThrows(() => commandLines(["-rm"], [longest + "x"]), RangeError);
  const rest = longest.slice('"a" '.length);
  assertEquals(commandLines(["-rm"], ["a", rest]).map((l) => l.length), [
    MAX_LINE,
  ]);
  assertEquals(commandLines(["-rm"], ["a", rest + "x"]).length, 2);
});

Deno.test("commandLines() makes no line without operands", () => {
  assertEquals(commandLines(["-rm"], []), []);
});

Deno.test("commandLines() refuses an operand that would end the list", () => {
  assertThrows(() => commandLines(["-rm"], ["/a", "--", "-end"]), TypeError);
});

Deno.test("unquote() reads words as xorriso shows them", () => {
  assertEquals(unquote("'/a b'"), "/a b");
  assertEquals(unquote("''"), "");
  assertEquals(
    unquote(`'/w/a\\n\\t\\001\\303\\251\\377  \\\\x'"'"'y'`),
    "/w/a\n\t\x01é\udcff  \\x'y",
  );
  assertEquals(unquote(`'/w/it'"'"'s a "file"'`), `/w/it's a "file"`);
  assertEquals(unquote(`"x"'y'"z"`), "xyz");
});

Deno.test("unquote() gives undefined for what is no quoted word", () => {
  for (
    const text of ["", "'", "a", "'a", "a'", "'a'b", "'a' 'b'", "'a\"'b\""]
  ) {
    assertEquals(unquote(text), undefined, text);
  }
});

Deno.test("unquote() undoes what xorriso does to any name", () => {
  repeat(3000, (random) => {
    const name = normalize(randomName(random));
    assertEquals(unquote(showByXorriso(name)), name);
  });
});

Deno.test("unescape() replaces all backslash codes", () => {
  assertEquals(
    unescape("\\a\\b\\e\\f\\n\\r\\t\\v\\\\\\040"),
    "\x07\b\x1b\f\n\r\t\v\\ ",
  );
  assertEquals(unescape("/a\\012b\\040\\047\\040\\042"), "/a\nb ' \"");
  assertEquals(unescape("\\360\\237\\230\\200\\200"), "😀\udc80");
});

Deno.test("unescape() leaves what is no code", () => {
  for (const text of ["\\", "a\\", "\\x", "\\1", "\\12", "\\400", "\\018"]) {
    assertEquals(unescape(text), text);
  }
  assertEquals(unescape("é\udc80\\101"), "é\udc80A");
});

Deno.test("unescape() takes text of any length", () => {
  assertEquals(unescape("\\303\\251x".repeat(20_000)), "éx".repeat(20_000));
});

Deno.test("decodeName() keeps each byte that is no part of UTF-8", () => {
  const cases: readonly (readonly [readonly number[], string])[] = [
    [[], ""],
    [[0xef, 0xbb, 0xbf, 0x61], "\ufeffa"],
    [[0xef, 0xbf, 0xbd], "\ufffd"],
    [[0xef, 0xbf, 0xbd, 0xff], "\ufffd\udcff"],
    [[0xf0, 0x9f, 0x98, 0x80, 0x80], "😀\udc80"],
    [[0xf4, 0x8f, 0xbf, 0xbf, 0xff], "\u{10ffff}\udcff"],
    // Cut off, overlong, surrogates, beyond the last character.
    [[0xc3], "\udcc3"],
    [[0xe6, 0x97], "\udce6\udc97"],
    [[0xf0, 0x9f, 0x98, 0x61], "\udcf0\udc9f\udc98a"],
    [[0xc0, 0x80], "\udcc0\udc80"],
    [[0xe0, 0x9f, 0xbf], "\udce0\udc9f\udcbf"],
    [[0xf0, 0x8f, 0xbf, 0xbf], "\udcf0\udc8f\udcbf\udcbf"],
    [[0xed, 0xa0, 0x80], "\udced\udca0\udc80"],
    [[0xf4, 0x90, 0x80, 0x80], "\udcf4\udc90\udc80\udc80"],
    [[0xf5, 0x80, 0x80, 0x80], "\udcf5\udc80\udc80\udc80"],
  ];
  for (const [bytes, name] of cases) {
    assertEquals(decodeName(Uint8Array.from(bytes)), name);
    assertEquals(encodeName(name), Uint8Array.from(bytes));
  }
});

Deno.test("decodeName() agrees with TextDecoder about what is UTF-8", () => {
  // Few different bytes, so that long sequences come by chance.
  const bytes = [0x61, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf];
  bytes.push(0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff);
  repeat(20_000, (random) => {
    const some = Uint8Array.from(
      { length: random.below(6) },
      () => bytes[random.below(bytes.length)] ?? 0,
    );
    let expected: string | undefined;
    try {
      expected = new TextDecoder("utf-8", { fatal: true }).decode(some);
    } catch {
      // Not UTF-8.
    }
    const name = decodeName(some);
    assertEquals(name.isWellFormed(), expected !== undefined);
    if (expected !== undefined) assertEquals(name, expected);
    assertEquals(encodeName(name), some);
  });
});

Deno.test("encodeName() gives back the bytes of any name", () => {
  repeat(3000, (random) => {
    const bytes = Uint8Array.from(
      { length: random.below(300) },
      () => random.below(256),
    );
    assertEquals(encodeName(decodeName(bytes)), bytes);
  });
});

Deno.test("encodeName() refuses surrogates that stand for no byte", () => {
  for (const name of ["\ud800", "a\udc7f", "\udd00", "\udbff\ue000"]) {
    assertThrows(() => encodeName(name), TypeError);
  }
});

Deno.test("isNoise() knows the decoration of the dialog, and nothing else", () => {
  for (const text of ["", "====", "----", "enter option and arguments :"]) {
    assertEquals(isNoise(text), true, text);
  }
  for (const text of [" ", "=-", "== a", "-toc", "enter option", "-rm"]) {
    assertEquals(isNoise(text), false, text);
  }
});

Deno.test("parsePacket() tells results, messages and marks apart", () => {
  const cases: readonly (readonly [string, Packet["channel"], string])[] = [
    ["R:1: hello", "R", "hello"],
    ["I:1: ====", "I", "===="],
    ["I:1: ", "I", ""],
    ["R:0: half", "R", "half"],
    ["M:0: x1", "M", "x1"],
    ["R:1: R:1: I:1: ", "R", "R:1: I:1: "],
    ["I:1: \0M:0: x1", "I", "\0M:0: x1"],
    ["banner", "?", "banner"],
    ["", "?", ""],
    ["I:1:x", "?", "I:1:x"],
    ["X:1: y", "?", "X:1: y"],
    ["R:2: z", "?", "R:2: z"],
    ["\ufeffR:1: a", "?", "\ufeffR:1: a"],
  ];
  for (const [line, channel, text] of cases) {
    assertEquals(parsePacket(line), { channel, text });
  }
});

Deno.test("parsePacket() strips a newline that xorriso encoded by mistake", () => {
  const cases: readonly (readonly [string, string])[] = [
    [
      'I:0: libisofs: MISHAP : File "/x/van" can\'t be opened. Filling with 0s.\\n',
      'libisofs: MISHAP : File "/x/van" can\'t be opened. Filling with 0s.',
    ],
    [
      "R:0: ISO session  :   1 ,        32 ,        28s , it's\\n",
      "ISO session  :   1 ,        32 ,        28s , it's",
    ],
    ["I:1: ends with \\n", "ends with \\n"],
    ["M:0: \\n", "\\n"],
  ];
  for (const [line, text] of cases) assertEquals(parsePacket(line).text, text);
});

Deno.test("quote() and unquote() carry any name through xorriso", async () => {
  const names = new Set<string>();
  repeat(400, (random) => {
    const name = normalize(randomName(random));
    // Not representable, and too long for one of these names.
    if (name === "." || name === ".." || encodeName(name).length > 100) return;
    names.add(`/n/${name}`);
  });
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeFile(`${folder}/empty`, new Uint8Array());
    const packets = await readPackets([
      commandLine(["-dev", `stdio:${folder}/names.iso`]),
      ...Array.from(
        names,
        (name) => commandLine(["-map", `${folder}/empty`, name]),
      ),
      '-print "staged"',
      commandLine(["-find", "/n", "-type", "f", "-exec", "echo", "--"]),
      '-print "committed"',
      "-commit",
      commandLine(["-find", "/n", "-type", "f", "-exec", "get_md5", "--"]),
      '-print "removed"',
      ...commandLines(["-rm"], [...names].slice(10)),
      commandLine(["-find", "/n", "-type", "f", "-exec", "echo", "--"]),
      "-rollback_end",
    ]);
    const results = packets.filter(({ channel }) => channel === "R")
      .map(({ text }) => text);
    const staged = results.slice(
      results.indexOf("staged") + 1,
      results.indexOf("committed"),
    );
    const committed = results.slice(
      results.indexOf("committed") + 1,
      results.indexOf("removed"),
    );
    const left = results.slice(results.indexOf("removed") + 1);
    const sorted = [...names].sort();
    assertEquals(staged.map((line) => unquote(line) ?? line).sort(), sorted);
    assertEquals(
      committed.map((line) => unescape(line.slice(34))).sort(),
      sorted,
    );
    assertEquals(
      left.map((line) => unquote(line) ?? line).sort(),
      [...names].slice(0, 10).sort(),
    );
    assertEquals(packets.filter(({ channel }) => channel === "?"), []);
    // What xorriso prints is pure ASCII: no byte of a name got lost on the way.
    assertEquals(results.filter((line) => /\P{ASCII}/u.test(line)), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
