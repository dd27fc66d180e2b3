import { assertEquals, assertExists } from "@std/assert";
import {
  commandLine,
  type Packet,
  parsePacket,
} from "../../src/dialogue/protocol.ts";
import {
  FileListing,
  parseLoadedLba,
  parseLongLine,
  parseMd5Line,
  parseMedium,
  parseSpace,
  parseToc,
  parseWrittenLba,
} from "../../src/dialogue/answers.ts";
import { BLOCK, type Entry, type Medium } from "../../src/medium.ts";
import { parseProgress } from "../../src/dialogue/progress.ts";
import { readPackets } from "../support/packets.ts";

/** The entries of a listing's lines. */
function listed(lines: readonly string[]): Entry[] {
  const listing = new FileListing();
  return lines.flatMap((line) => {
    const found = listing.add(line);
    if (found === undefined) return [];
    const { type, ...entry } = found;
    assertEquals(type, "file");
    return [entry];
  });
}

/** The lines of a text, without indentation. */
function lines(text: string): string[] {
  return text.trim().split("\n").map((line) => line.trim());
}

Deno.test("FileListing.add() collects files, several extents, hard links and empty files", () => {
  const entries = listed(lines(`
      Report layout: xt , Startlba ,   Blocks , Filesize , ISO image path
      File data lba:  0 ,       67 ,        1 ,        3 , '/w/a\\n\\t\\001\\303\\251\\377  \\\\x'"'"'y'
      File data lba:  0 ,       68 ,  2097151 , 5368709120 , '/w/big'
      File data lba:  1 ,  2097219 ,   524289 , 5368709120 , '/w/big'
      File data lba:  0 ,       66 ,        0 ,        0 , '/w/empty'
      File data lba:  0 ,       67 ,        1 ,        3 , '/w/hard'
      File data lba:  0 ,  2621508 ,        3 ,     5000 , '/w/ , '
    `));
  assertEquals(entries, [
    {
      path: "/w/a\n\t\x01é\udcff  \\x'y",
      size: 3,
      extents: [{ lba: 67, blocks: 1 }],
    },
    {
      path: "/w/big",
      size: 5368709120,
      extents: [{ lba: 68, blocks: 2097151 }, { lba: 2097219, blocks: 524289 }],
    },
    { path: "/w/empty", size: 0, extents: [{ lba: 66, blocks: 0 }] },
    { path: "/w/hard", size: 3, extents: [{ lba: 67, blocks: 1 }] },
    { path: "/w/ , ", size: 5000, extents: [{ lba: 2621508, blocks: 3 }] },
  ]);
});

Deno.test("FileListing.add() joins extents of one file only", () => {
  const entries = listed(lines(`
      File data lba:  0 ,       57 ,        1 ,        3 , '/a'
      File data lba:  0 ,       57 ,        1 ,        3 , '/a'
      File data lba:  1 ,       58 ,        1 ,     4000 , '/b'
      File data lba:  2 ,       59 ,        1 ,     4000 , '/b'
    `));
  assertEquals(
    entries.map(({ path, extents }) => [path, extents.length]),
    [["/a", 1], ["/a", 1], ["/b", 2]],
  );
});

Deno.test("FileListing.add() skips lines of other kinds", () => {
  const entries = listed([
    "",
    "'/a'",
    "File data lba:  0 ,       57 ,        1 ,        3 , /unquoted",
    "File data lba:  0 ,       57 ,        1 ,        3 , '/cut",
    "File data lba:  0 ,       57 ,        1 , '/a'",
    "x File data lba:  0 ,       57 ,        1 ,        3 , '/a'",
  ]);
  assertEquals(entries, []);
});

Deno.test("parseLongLine() reads paths of all types", () => {
  const cases: [string, unknown[] | undefined][] = [
    [
      "-rw-r--r--    1 0        0            4096 Nov 23 07:45 '/new'",
      ["/new", "file", 4096],
    ],
    [
      "drwxr-xr-x    1 0        0               0 Nov 23  2021 '/'",
      ["/", "directory", 0],
    ],
    [
      `drwxr-xr-x    1 0        0               0 Nov 23 07:45 '/it'"'"'s\\040\\\\'`,
      ["/it's \\", "directory", 0],
    ],
    [
      `lrwxrwxrwx    1 0        0               0 Nov 23 07:45 '/l'"'"'"i n -> k' -> 'tar get'"'"' -> x'`,
      [`/l'"i n -> k`, "other", 0, "tar get' -> x"],
    ],
    [
      "crw-r--r--    1 0        0        300,1000000 Nov 23 07:45 '/chr'",
      ["/chr", "other", 0],
    ],
    [
      "brw-r--r--    1 0        0            8,17 Nov 23 07:45 '/dev'",
      ["/dev", "other", 0],
    ],
    [
      "prw-r--r--    1 0        0               0 Nov 23 07:45 '/ff'",
      ["/ff", "other", 0],
    ],
    ["Valid ISO nodes found: 1", undefined],
    ["'/a'", undefined],
    ["", undefined],
  ];
  for (const [line, wanted] of cases) {
    const { node, target } = parseLongLine(line) ?? {};
    const told = node && [node.path, node.type, node.size];
    assertEquals(target === undefined ? told : [...told ?? [], target], wanted);
  }
});

Deno.test("parseMd5Line() reads sums and escaped paths", () => {
  assertEquals(
    parseMd5Line(
      "900150983cd24fb0d6963f7d28e17f72  /w/a\\012\\011\\001\\303\\251\\377\\040\\040\\134x\\047y",
    ),
    {
      path: "/w/a\n\t\x01é\udcff  \\x'y",
      md5: "900150983cd24fb0d6963f7d28e17f72",
    },
  );
  for (
    const line of [
      "900150983cd24fb0d6963f7d28e17f72 /a",
      "900150983cd24fb0d6963f7d28e17f7  /a",
      "900150983cd24fb0d6963f7d28e17f72  a",
      "'/a'",
      "",
    ]
  ) assertEquals(parseMd5Line(line), undefined);
});

/** `-toc` and `-tell_media_space` of an image file. */
const IMAGE = lines(`
  Drive current: -dev 'stdio:/backup/cl.iso'
  Drive access : exclusive:unrestricted
  Drive type   : vendor 'YOYODYNE' product 'WARP DRIVE' revision 'FX01'
  Media current: stdio file, overwriteable
  Media status : is written , is appendable
  Media blocks : 288 readable , 39217558 writable , 39217846 overall
  ISO offers   : Rock_Ridge Joliet
  ISO loaded   : Rock_Ridge
  TOC layout   : Idx ,  sbsector ,       Size , Volume Id
  ISO session  :   1 ,        32 ,       121s , MY VOL
  ISO session  :   2 ,       160 ,       121s , a\\303\\251\\377\\001 , x'y"\\\\
  Media summary: 2 sessions, 242 data blocks,  484k data, 74.8g free
  Media nwa    : 288s
  Media space  : 39217550s
  After commit : 39213462s
`);

Deno.test("parseToc() reads sessions, the next writable address, and how much can be read", () => {
  assertEquals(parseToc(IMAGE), {
    sessions: [
      { number: 1, lba: 32, size: 121 * 2048, volumeId: "MY VOL" },
      {
        number: 2,
        lba: 160,
        size: 121 * 2048,
        volumeId: "aé\udcff\x01 , x'y\"\\",
      },
    ],
    nwa: 288,
  });
});

Deno.test("parseToc() counts no session with something else", () => {
  const toc = lines(`
    Media status : is written , is closed
    TOC layout   : Idx ,  sbsector ,       Size , Volume Id
    Other session:   1 ,         0 ,      1954s ,
    Media summary: 1 session, 0 data blocks,     0 data,     0 free
  `);
  assertEquals(parseToc(toc), { sessions: [], nwa: undefined });
});

Deno.test("parseToc() reads a blank medium, and one without volume id", () => {
  assertEquals(
    parseToc(["Media summary: 0 sessions, 0 data blocks, 0 data, 703m free"]),
    { sessions: [], nwa: undefined },
  );
  assertEquals(parseToc(["ISO session  :   1 ,         0 ,       121s ,   "]), {
    sessions: [{ number: 1, lba: 0, size: 121 * 2048, volumeId: "" }],
    nwa: undefined,
  });
});

Deno.test("parseSpace() reads bytes, negative ones too", () => {
  assertEquals(parseSpace(IMAGE), {
    free: 39217550 * 2048,
    afterCommit: 39213462 * 2048,
  });
  assertEquals(
    parseSpace(["Media space  : 1152s", "After commit : -2944s"]),
    { free: 1152 * 2048, afterCommit: -2944 * 2048 },
  );
  assertEquals(parseSpace(["Media space  : 1152s"]), undefined);
});

Deno.test("parseMedium() takes the most exact figure for the free space", () => {
  const medium: Medium = {
    drive: "/backup/cl.iso",
    profile: "stdio file, overwriteable",
    status: "appendable",
    volumeId: undefined,
    used: 242 * 2048,
    free: 39217550 * 2048,
    appendable: true,
    sessions: 2,
  };
  assertEquals(parseMedium(IMAGE), medium);
  const toc = IMAGE.slice(0, -2);
  assertEquals(parseMedium(toc), { ...medium, free: 39217558 * 2048 });
  const opening = [...toc.filter((line) => !line.startsWith("Media blocks"))];
  assertEquals(parseMedium(opening), {
    ...medium,
    free: Math.round(74.8 * 2 ** 30),
  });
});

Deno.test("parseMedium() reads each kind of medium", async (t) => {
  /**
   * Profile, status, blocks (`Media blocks` and `Media summary`), and what is
   * expected.
   */
  const cases: readonly (readonly [string, Partial<Medium>])[] = [
    [
      `Drive current: -dev '/dev/sr0'
       Media current: BD-R sequential recording
       Media status : is blank
       Media summary: 0 sessions, 0 data blocks, 0 data, 23.3g free`,
      {
        profile: "BD-R sequential recording",
        status: "blank",
        appendable: true,
        used: 0,
        free: Math.round(23.3 * 2 ** 30),
        sessions: 0,
        volumeId: undefined,
      },
    ],
    [
      `Drive current: -dev '/dev/sr0'
       Media current: BD-R sequential recording
       Media status : is written , is appendable
       Media summary: 1 session, 1664 data blocks, 3328k data, 23.3g free
       Volume id    : 'B 1'`,
      {
        status: "appendable",
        appendable: true,
        used: 1664 * 2048,
        sessions: 1,
        volumeId: "B 1",
      },
    ],
    [
      `Drive current: -indev '/dev/sr0'
       Media current: CD-R
       Media product: 97m26s65f/79m59s72f , CMC Magnetics Corporation
       Media status : is written , is closed
       Media blocks : 13352 readable , 0 writable , 13352 overall
       ISO session  :   1 ,         0 ,      1500s , B 1
       ISO session  :   2 ,     13050 ,        28s , B 1
       Media summary: 2 sessions, 1952 data blocks, 3904k data,     0 free`,
      {
        profile: "CD-R",
        status: "closed",
        appendable: false,
        used: 1952 * 2048,
        free: 0,
        sessions: 2,
      },
    ],
    [
      `Drive current: -dev '/dev/sr0'
       Media current: DVD-RW restricted overwrite
       Media status : is blank
       Media blocks : 0 readable , 2298496 writable , 2298496 overall
       Media summary: 0 sessions, 0 data blocks, 0 data, 4489m free
       Media space  : 2298464s
       After commit : 2298464s`,
      { status: "blank", free: 2298464 * 2048 },
    ],
    [
      `Drive current: -dev '/dev/sr0'
       Media current: DVD+RW
       Media status : is written , is appendable
       Media blocks : 1536 readable , 2293568 writable , 2295104 overall
       ISO session  :   1 ,        32 ,      1492s , B 1
       Media summary: 1 session, 1492 data blocks, 2984k data, 4480m free`,
      { profile: "DVD+RW", free: 2293568 * 2048, used: 1492 * 2048 },
    ],
    [
      `Drive current: -outdev '/dev/sr0'
       Media current: BD-ROM
       Media status : is written , is closed
       Media blocks : 1 readable , 0 writable , 1 overall`,
      { profile: "BD-ROM", status: "closed", used: 0, free: 0, sessions: 0 },
    ],
    [
      `Drive current: -outdev '/dev/sr0'
       Media current: is not recognizable
       Media status : is not present
       Media space  : 0s
       After commit : 0s`,
      { status: "absent", appendable: false, free: 0, sessions: 0 },
    ],
    [
      `Drive current: -dev '/dev/sr0'
       Media current: is not recognizable
       Media status : is not recognizable

       Volume id    : 'ISOIMAGE'`,
      { status: "absent", free: 0 },
    ],
    [
      `Drive current: -dev '/dev/sr0'
       Media current: BD-R sequential recording
       Media status : is unsuitable , is POW formatted
       Media summary: unsuitable Pseudo Overwrite formatted BD-R`,
      { status: "closed", appendable: false, free: 0 },
    ],
    [
      `Drive current: -indev '/dev/sr0'
       Media current: CD-R
       Media status : is written , is closed
       Media summary: 1 session, 0 data blocks,     0 data,     0 free
       Non-data blks: 1954
       Volume id    : 'ISOIMAGE'`,
      { status: "closed", used: 0, sessions: 1 },
    ],
    [
      `Drive current: -dev 'stdio:/tmp/q'u"o/v \\303\\251.iso'
       Media current: stdio file, overwriteable
       Media status : is written , is appendable
       Media summary: 1 session, 28 data blocks, 56.0k data,   2000b free
       Volume id    : 'a\\303\\251\\377\\n , x'y"\\\\  '`,
      {
        drive: `/tmp/q'u"o/v é.iso`,
        volumeId: "aé\udcff\n , x'y\"\\",
        free: 2000,
      },
    ],
  ];
  for (const [text, expected] of cases) {
    const said = lines(text);
    await t.step(said.slice(1, 3).join(", "), () => {
      const medium = parseMedium(said);
      assertExists(medium);
      assertEquals({ ...medium, ...expected }, medium);
    });
  }
});

Deno.test("parseMedium() is not misled by a volume id that looks like another line", () => {
  // -toc shows a newline in a volume id as it is.
  const forged = lines(`
    Drive current: -dev '/dev/sr0'
    Media current: BD-R sequential recording
    Media status : is written , is appendable
    Media blocks : 1664 readable , 12217728 writable , 12219392 overall
    ISO session  :   1 ,         0 ,      1500s , a
    Drive current: -dev '/dev/sr1'
    ISO session  :   2 ,         0 ,      1500s , a
    Media status : is blank
    ISO session  :   3 ,         0 ,      1500s , a
    Media nwa    : 7s
    Media summary: 3 sessions, 1664 data blocks, 3328k data, 23.3g free
    Media nwa    : 1664s
  `);
  const medium = parseMedium(forged);
  assertEquals(medium?.drive, "/dev/sr0");
  assertEquals(medium?.status, "appendable");
  assertEquals(parseToc(forged).nwa, 1664);
});

Deno.test("parseMedium() gives undefined where no medium is described", () => {
  assertEquals(parseMedium([]), undefined);
  for (const line of IMAGE.filter((l) => /current|status/.test(l))) {
    assertEquals(parseMedium(IMAGE.filter((l) => l !== line)), undefined, line);
  }
});

/** What a good commit on an image file says. */
const COMMIT = lines(`
  ISO image produced: 122 sectors
  Written to medium : 288 sectors at LBA 384
  Writing to 'stdio:/backup/a.iso' completed successfully.
  xorriso : NOTE : Re-assessing -outdev 'stdio:/backup/a.iso'
  xorriso : NOTE : Loading ISO image tree from LBA 0
`);

Deno.test("parseWrittenLba() reads where a commit has written", () => {
  assertEquals(parseWrittenLba(COMMIT), 384);
  const twice = [...COMMIT, "Written to medium : 32 sectors at LBA 672"];
  assertEquals(parseWrittenLba(twice), 672);
  assertEquals(parseWrittenLba(COMMIT.slice(2)), undefined);
});

Deno.test("parseLoadedLba() reads where the newest tree is", () => {
  assertEquals(parseLoadedLba(COMMIT), 0);
  assertEquals(
    parseLoadedLba([
      ...COMMIT,
      "xorriso : NOTE : Loading ISO image tree from LBA 13050",
    ]),
    13050,
  );
  assertEquals(parseLoadedLba(COMMIT.slice(0, 4)), undefined);
});

/** The lines of all recordings, by file. */
async function recordedLines(): Promise<Map<string, string[]>> {
  const recorded = new Map<string, string[]>();
  for (const kind of ["drive", "image"]) {
    const folder = new URL(`../recordings/${kind}/`, import.meta.url);
    for await (const { name } of Deno.readDir(folder)) {
      if (!/\.(stderr|packets)$/.test(name)) continue;
      const text = await Deno.readTextFile(new URL(name, folder));
      const lines = text.split("\n");
      recorded.set(
        `${kind}/${name}`,
        lines.map((line) => parsePacket(line).text),
      );
    }
  }
  return recorded;
}

Deno.test("answers.ts understands every such line in the recordings", async () => {
  let mediums = 0;
  let progress = 0;
  let files = 0;
  for (const [name, recorded] of await recordedLines()) {
    for (const [i, line] of recorded.entries()) {
      const where = `${name}, line ${i + 1}: ${line}`;
      if (line.startsWith("Drive current: ")) {
        mediums++;
        const medium = parseMedium(recorded.slice(i));
        assertExists(medium, where);
        assertEquals(medium?.drive.startsWith("stdio:"), false, where);
        const { appendable = false, free = -1 } = medium ?? {};
        assertEquals(free >= 0 && (appendable || free === 0), true, where);
      }
      if (line.startsWith("xorriso : UPDATE : ") && !/Found/.test(line)) {
        progress++;
        const { done, total = done } = parseProgress(line) ?? {};
        assertEquals(Number(done) >= 0 && Number(total) >= Number(done), true);
      }
      if (line.startsWith("File data lba:")) {
        files++;
        assertEquals(listed([line]).length, 1, where);
      }
    }
  }
  assertEquals([mediums > 50, progress > 100, files > 0], [true, true, true]);
});

/** The texts of the packets of one channel between two `-print` commands. */
function between(
  packets: readonly Packet[],
  channel: Packet["channel"],
  from: string,
  to: string,
): string[] {
  const texts = packets.map((packet) =>
    packet.channel === channel || [from, to].includes(packet.text)
      ? packet.text
      : ""
  );
  return texts.slice(texts.indexOf(from) + 1, texts.indexOf(to));
}

Deno.test("answers.ts reads what xorriso says about an image, and where its files are", async () => {
  const folder = await Deno.makeTempDir();
  const image = `${folder}/it's "new".iso`;
  const content = crypto.getRandomValues(new Uint8Array(5000));
  try {
    await Deno.writeFile(`${folder}/file`, content);
    await Deno.symlink("file", `${folder}/link`);
    const packets = await readPackets([
      commandLine(["-dev", `stdio:${image}`]),
      commandLine(["-volid", "It's\n1  "]),
      commandLine(["-map", `${folder}/file`, "/it's\n1"]),
      commandLine(["-map", `${folder}/link`, "/link"]),
      '-print "commit"',
      "-commit",
      '-print "files"',
      "-find / -type f -exec report_lba --",
      '-print "sums"',
      "-find / -exec get_md5 --",
      '-print "toc"',
      "-toc",
      '-print "space"',
      "-tell_media_space",
      '-print "end"',
      "-rollback_end",
    ]);
    const files = listed(between(packets, "R", "files", "sums"));
    assertEquals(files.map(({ path, size }) => [path, size]), [
      ["/it's\n1", 5000],
    ]);
    const [extent] = files[0]?.extents ?? [];
    const bytes = await Deno.readFile(image);
    const start = Number(extent?.lba) * BLOCK;
    assertEquals(extent?.blocks, 3);
    assertEquals(bytes.slice(start, start + 5000), content);

    const sums = between(packets, "R", "sums", "toc").map(parseMd5Line)
      .filter((sum) => sum !== undefined);
    assertEquals(sums.map(({ path }) => path), ["/it's\n1"]);

    const written = parseWrittenLba(between(packets, "I", "commit", "files"));
    const { sessions, nwa } = parseToc(between(packets, "R", "toc", "space"));
    assertEquals(sessions.map(({ number, lba }) => [number, lba]), [[1, 32]]);
    assertEquals(written, 32);
    assertEquals(Number(nwa) > 32 && Number(nwa) * BLOCK <= bytes.length, true);

    const opened = parseMedium(between(packets, "I", "commit", "files"));
    const space = parseSpace(between(packets, "R", "space", "end"));
    assertEquals({ ...opened, free: space?.free }, {
      drive: image,
      profile: "stdio file, overwriteable",
      status: "appendable",
      volumeId: "It's\n1",
      used: sessions[0]?.size,
      free: space?.afterCommit,
      appendable: true,
      sessions: 1,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("FileListing does not keep the output alive that its entries came in", async () => {
  // Few lines in much output: a path that is a piece of it would hold 32 MB.
  const code = `
    import { parsePacket } from ${source("protocol.ts")};
    import * as report from ${source("answers.ts")};
    const listing = new report.FileListing();
    const kept = [];
    const noise = "I:1: " + "=".repeat(65536) + "\\n";
    gc();
    const before = Deno.memoryUsage().heapUsed;
    for (let i = 0; i < 500; i++) {
      const path = "/a folder of some length/" + i;
      const text = "R:1: File data lba:  0 , 57 , 1 , 3 , '" + path + "'\\n" +
        "R:1: drwxr-xr-x    1 0        0               0 Nov 23 07:45 '" +
        path + "'\\nR:1: " + "0".repeat(32) + "  " + path + "\\n";
      const bytes = new TextEncoder().encode(text + noise);
      const lines = new TextDecoder().decode(bytes).split("\\n")
        .map((line) => parsePacket(line).text);
      kept.push(listing.add(lines[0]));
      kept.push(report.parseLongLine(lines[1])?.node.path, report.parseMd5Line(lines[2]));
    }
    gc();
    const after = Deno.memoryUsage().heapUsed;
    console.log(JSON.stringify([kept.length, after - before]));
  `;
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--v8-flags=--expose-gc", code],
    stderr: "inherit",
  }).output();
  assertEquals(success, true);
  const [count, bytes]: number[] = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  assertEquals(count, 1500);
  assertEquals(Number(bytes) < 4e6, true, `${bytes} bytes are held`);
});

/** The address of a source file as a literal in code. */
function source(name: string): string {
  return JSON.stringify(
    new URL(`../../src/dialogue/${name}`, import.meta.url).href,
  );
}

Deno.test("parseToc() reads a volume id with a carriage return", () => {
  const { sessions } = parseToc([
    "ISO session  :   1 ,        32 ,       9s , a\r",
  ]);
  assertEquals(sessions.map(({ volumeId }) => volumeId), ["a\r"]);
});
