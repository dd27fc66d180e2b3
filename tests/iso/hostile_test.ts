import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { XorrisoError } from "../../src/errors.ts";
import {
  content,
  memoryBlocks,
  readImage,
  readTree,
  type ReadTreeOptions,
  type Tree,
} from "../../src/iso/mod.ts";
import { BLOCK } from "../../src/medium.ts";
import { assertCode, assertRejectsCode, readAll } from "../support/helpers.ts";
import {
  both,
  directory,
  entry,
  file,
  type ForgedRecord,
  Forgery,
  join,
  mode,
  more,
  name,
} from "./forge.ts";

/** Reads the tree of an image in memory. */
async function treeOf(
  bytes: Uint8Array,
  options?: ReadTreeOptions,
): Promise<Tree> {
  const blocks = memoryBlocks(bytes);
  return await readTree(blocks, (await readImage(blocks)).newest, options);
}

/** An image whose root has these records. */
function imageOf(...records: readonly ForgedRecord[]): Uint8Array {
  const forgery = new Forgery();
  forgery.put(forgery.reserve(), new TextEncoder().encode("hello hostile\n"));
  forgery.list(20, records);
  return forgery.bytes();
}

/** The error of reading a tree that is damaged; it tells the block. */
async function damageOf(bytes: Uint8Array, lba: number): Promise<void> {
  const error = await assertRejectsCode(treeOf(bytes), "IMAGE_DAMAGED");
  assertStringIncludes(error.message, `at block ${lba}:`);
}

Deno.test("readTree() leaves out and tells names that cannot be", async () => {
  const names = [
    ".",
    "..",
    "/",
    "a/b",
    "../../x",
    "/etc/passwd",
    "a\0b",
    "\0",
    "",
  ];
  const tree = await treeOf(imageOf(
    ...names.map((each) => file(each, 21, 14)),
    directory("..", 21),
    { lba: 21, size: 14, use: join(mode(0o100644), name("x", 2)) },
    { lba: 21, size: 14, use: join(mode(0o100644), name("x", 4)) },
    { lba: 21, size: 14, use: join(mode(0o40644), name("no folder")) },
    file("good", 21, 14),
    file("good", 21, 13),
  ));
  assertEquals(Array.from(tree.walk(), ({ path, size }) => [path, size]), [[
    "/good",
    14,
  ]]);
  assertEquals(tree.problems.length, names.length + 5);
  for (const { path, lba, reason } of tree.problems) {
    assertEquals([path, lba], ["/", 20]);
    assert(reason.length > 10);
  }
});

Deno.test("readTree() keeps names that are merely strange", async () => {
  const names = [
    ...[
      "...",
      " ",
      "\n",
      "\x1b[31m",
      "*",
      "--",
      "\\n\\0",
      'M:0: x1"',
      "a\u202egnp.exe",
    ],
    ...["'\"'\"\n-end\n", "é", "e\u0301", "x".repeat(150)],
  ];
  const tree = await treeOf(
    imageOf(...names.map((each) => file(each, 21, 14))),
  );
  assertEquals(Array.from(tree.walk(), (each) => each.name), names);
  assertEquals(tree.problems, []);
});

Deno.test("readTree() gives bytes that are not UTF-8 as lone surrogates", async () => {
  const bytes = Uint8Array.of(0x6e, 0x61, 0xef, 0x76, 0x65);
  const tree = await treeOf(imageOf(file(bytes, 21, 14)));
  assertEquals(tree.get("/na\udcefve")?.size, 14);
});

Deno.test("readTree() leaves out what is deeper than a path can be", async () => {
  for (const [depth, text] of [[30, "x".repeat(150)], [3000, "d"]] as const) {
    const forgery = new Forgery();
    const lbas = [
      20,
      ...Array.from({ length: depth }, () => forgery.reserve()),
    ];
    lbas.forEach((lba, i) =>
      forgery.list(lba, [
        lbas[i + 1] === undefined
          ? file("bottom", 21, 14)
          : directory(text, lbas[i + 1] ?? 0),
      ])
    );
    const tree = await treeOf(forgery.bytes());
    const paths = Array.from(tree.walk(), ({ path }) => path);
    assertEquals(paths.length, Math.floor(4095 / (text.length + 1)));
    assertEquals(tree.problems.map(({ path }) => path), [paths.at(-1)]);
  }
});

Deno.test("readTree() enters no directory twice", async (t) => {
  const cases: Record<
    string,
    (forgery: Forgery, a: number, b: number) => number
  > = {
    "the root in itself": (forgery) => {
      forgery.list(20, [directory("d", 20)]);
      return 20;
    },
    "the root below itself": (forgery, a) => {
      forgery.list(20, [directory("d", a)]);
      forgery.list(a, [directory("up", 20)]);
      return 20;
    },
    "two in each other": (forgery, a, b) => {
      forgery.list(20, [directory("d", a)]);
      forgery.list(a, [directory("e", b)]);
      forgery.list(b, [directory("d", a)]);
      return a;
    },
    "one in two places": (forgery, a) => {
      forgery.list(20, [directory("d", a), directory("e", a)]);
      forgery.list(a, []);
      return a;
    },
    "a relocated one in itself": (forgery, a) => {
      forgery.list(20, [{
        lba: 0,
        size: 0,
        use: join(mode(0o40755), name("d"), entry("CL", ...both(a))),
      }]);
      forgery.list(a, [{
        lba: 0,
        size: 0,
        use: join(mode(0o40755), name("d"), entry("CL", ...both(a))),
      }]);
      return a;
    },
    "a graph of 10 to the power of 20": (forgery, a) => {
      const levels = [
        20,
        a,
        ...Array.from({ length: 20 }, () => forgery.reserve()),
      ];
      levels.forEach((lba, i) =>
        forgery.list(
          lba,
          Array.from({ length: 10 }, (_, k) =>
            directory(`d${k}`, levels[i + 1] ?? 0)),
        )
      );
      return a;
    },
  };
  for (const [what, make] of Object.entries(cases)) {
    await t.step(what, async () => {
      const forgery = new Forgery();
      const lba = make(forgery, forgery.reserve(), forgery.reserve());
      await damageOf(forgery.bytes(), lba);
    });
  }
});

Deno.test("readTree() follows no address beyond the end", async (t) => {
  for (
    const [what, lba, size] of [
      ["far", 0x7fffff00, BLOCK],
      ["farthest", 0xffffffff, 0xffffffff],
      ["too long", 21, 0xfffff800],
    ] as const
  ) {
    await t.step(
      `of a directory: ${what}`,
      () => damageOf(imageOf(directory("d", lba, size)), lba),
    );
    await t.step(`of the root: ${what}`, async () => {
      const forgery = new Forgery();
      forgery.list(20, []);
      await assertRejectsCode(
        treeOf(forgery.bytes({ root: lba, rootSize: size })),
        "IMAGE_DAMAGED",
      );
    });
    await t.step(`of a file: ${what}`, async () => {
      const bytes = imageOf(file("f", lba, size), file("good", 21, 14));
      const tree = await treeOf(bytes);
      const read = async (path: string) => {
        const found = tree.get(path);
        assert(found !== undefined);
        return await readAll(
          content(memoryBlocks(bytes), found as NonNullable<typeof found>),
        );
      };
      assertCode(await read("/f").catch((error) => error), "IMAGE_DAMAGED");
      assertEquals((await read("/good")).length, 14);
    });
  }
  await t.step(
    "of a continuation",
    () =>
      damageOf(
        imageOf({
          lba: 21,
          size: 1,
          use: join(mode(0o100644), more(0x7fffffff, 0, 2000)),
        }),
        20,
      ),
  );
  await t.step(
    "of a relocated directory",
    () =>
      damageOf(
        imageOf({ lba: 21, size: 1, use: entry("CL", ...both(0x7fffffff)) }),
        0x7fffffff,
      ),
  );
});

Deno.test("readTree() is not held up by continuations", async (t) => {
  await t.step("that go round", async () => {
    const forgery = new Forgery();
    const area = forgery.reserve();
    forgery.put(area, join(more(area, 0, 40), name("z")));
    forgery.list(20, [{
      lba: 21,
      size: 0,
      use: join(mode(0o100644), more(area, 0, 40)),
    }]);
    const tree = await treeOf(forgery.bytes());
    assertEquals(tree.size + tree.problems.length, 1);
  });
  await t.step("that all records share", async () => {
    const forgery = new Forgery();
    const area = forgery.reserve(8);
    forgery.put(
      area,
      join(...Array.from({ length: 60 }, () => name("x".repeat(240), 1))),
    );
    forgery.list(20, []);
    const records = Array.from({ length: 10_000 }, () => ({
      ...{ lba: 21, size: 0 },
      use: join(mode(0o100644), more(area, 0, 15_000)),
    }));
    const many = forgery.reserve(1000);
    forgery.list(many, records, true);
    await assertRejectsCode(
      treeOf(forgery.bytes({ root: many, rootSize: 999 * BLOCK })),
      "IMAGE_DAMAGED",
    );
  });
});

Deno.test("readTree() takes no directory record that cannot be", async () => {
  for (const [at, value] of [[0, 33], [32, 255]] as const) {
    const bytes = imageOf(file("f", 21, 14));
    const second = 20 * BLOCK + (bytes[20 * BLOCK] ?? 0);
    bytes[second + at] = value;
    await damageOf(bytes, 20);
  }
});

Deno.test("readTree() gives up when there are too many names", async () => {
  const bytes = imageOf(
    ...Array.from({ length: 11 }, (_, i) => file(`f${i}`, 21, 14)),
  );
  assertEquals((await treeOf(bytes, { maxEntries: 11 })).size, 11);
  await assertRejectsCode(treeOf(bytes, { maxEntries: 10 }), "IMAGE_DAMAGED");
});

Deno.test("content() gives no file that is larger than what holds it", async () => {
  const size = 0xfffff800;
  const forgery = new Forgery();
  const root = forgery.reserve(2);
  forgery.list(
    root,
    Array.from({ length: 25 }, (_, i) => ({
      ...file("big", 20, size),
      flags: i < 24 ? 0x80 : 0,
    })),
    true,
  );
  const bytes = forgery.bytes({ root, rootSize: 2 * BLOCK });
  const big = (await treeOf(bytes)).get("/big");
  assertEquals(big?.size, 25 * size);
  const reading = big && readAll(content(memoryBlocks(bytes), big));
  await assertRejectsCode(Promise.resolve(reading), "IMAGE_DAMAGED");
});

Deno.test("content() inflates no more than a file says that it has", async () => {
  const header = (magic: number[], ...rest: number[]) =>
    Uint8Array.from([...magic, ...rest, ...new Uint8Array(40)]);
  const first = [0x37, 0xe4, 0x53, 0x96, 0xc9, 0xdb, 0xd6, 0x07];
  const second = [0xef, 0x22, 0x55, 0xa1, 0xbc, 0x1b, 0x95, 0xa0];
  for (
    const [algorithm, size, bytes] of [
      ["pz", 0xfffffff0, header(first, 0xf0, 0xff, 0xff, 0xff, 4, 15, 0, 0)],
      ["pz", 100, header(first, 100, 0, 0, 0, 4, 63, 0, 0)],
      ["pz", 100, header(second, 0, 6, 1, 20, 0, 0, 0, 0, 0, 64, 0, 0)],
      ["PZ", 100, header([0, 0, 0, 0, 0, 0, 0, 0])],
    ] as const
  ) {
    const forgery = new Forgery();
    const lba = forgery.reserve();
    forgery.put(lba, bytes);
    const [a = 0, b = 0] = new TextEncoder().encode(algorithm);
    const zf = entry("ZF", a, b, 4, 15, ...both(size));
    forgery.list(20, [{
      lba,
      size: bytes.length,
      use: join(mode(0o100644), name("z"), zf),
    }]);
    const image = forgery.bytes();
    const found = (await treeOf(image)).get("/z");
    const reading = found && readAll(content(memoryBlocks(image), found));
    await assertRejectsCode(Promise.resolve(reading), "IMAGE_DAMAGED");
  }
});

Deno.test("readImage() takes nothing else for an image", async () => {
  for (
    const length of [0, 1, 16 * BLOCK, 17 * BLOCK - 1, 17 * BLOCK, 100 * BLOCK]
  ) {
    const blocks = memoryBlocks(new Uint8Array(length));
    const error = await readImage(blocks).catch((error) => error);
    assert(error instanceof XorrisoError);
    assertCode(error, "NOT_ISO");
  }
  const bytes = imageOf();
  bytes.set([0, 4, 4, 0], 16 * BLOCK + 128); // blocks of 1024 bytes
  await assertRejectsCode(readImage(memoryBlocks(bytes)), "IMAGE_DAMAGED");
});
