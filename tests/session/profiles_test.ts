import { assertEquals, assertThrows } from "@std/assert";
import {
  checkErase,
  checkFinish,
  footprint,
  largestSession,
} from "../../src/session/profiles.ts";
import type { Medium, MediumStatus } from "../../src/medium.ts";
import { BLOCK } from "../../src/medium.ts";
import { assertCode } from "../support/helpers.ts";

function medium(
  profile: string,
  status: MediumStatus = "appendable",
  blocks = 1000,
): Medium {
  return {
    ...{ drive: "/dev/sr0", profile, status, volumeId: "ID", used: 0 },
    ...{ free: blocks * BLOCK, appendable: true, sessions: 1 },
  };
}

/** What a function throws. */
function thrown(fn: () => void): unknown {
  return assertThrows(fn);
}

Deno.test("footprint() rounds as the medium does", () => {
  const cases: [string, MediumStatus, number, number][] = [
    ["CD-R", "appendable", 1, 300],
    ["CD-RW", "blank", 301, 301],
    ["DVD-R sequential recording", "blank", 17, 32],
    ["DVD+R", "appendable", 16, 16],
    ["BD-R sequential recording", "appendable", 33, 64],
    ["DVD+RW", "appendable", 33, 33],
    ["DVD+RW", "blank", 65, 33],
    ["BD-RE", "blank", 64, 32],
    ["DVD-RW restricted overwrite", "appendable", 7, 7],
    ["DVD-RW sequential recording", "appendable", 7, 16],
    ["BD-R sequential recording", "blank", 0, 0],
  ];
  for (const [profile, status, blocks, expected] of cases) {
    const bytes = footprint(medium(profile, status), blocks * BLOCK);
    assertEquals(bytes, expected * BLOCK, `${profile} ${status} ${blocks}`);
  }
});

Deno.test("largestSession() is the largest one that fits", () => {
  for (const status of ["blank", "appendable"] as const) {
    for (const free of [999, 1000, 1024, 1025]) {
      for (
        const profile of [
          ...["CD-R", "DVD+R", "DVD-R sequential recording", "DVD+RW"],
          ...["BD-R sequential recording", "BD-RE", "DVD-RAM"],
        ]
      ) {
        const it = medium(profile, status, free);
        const size = largestSession(it);
        const note = `${profile} ${status} ${free}`;
        assertEquals(footprint(it, size) <= it.free, true, note);
        assertEquals(footprint(it, size + BLOCK) > it.free, true, note);
      }
    }
  }
});

Deno.test("checkErase() refuses what cannot be erased, and data without force", () => {
  const codeOf = (
    what: "blank" | "format",
    profile: string,
    status: MediumStatus,
    force: boolean,
  ) => {
    try {
      checkErase(medium(profile, status), what, force);
      return "ok";
    } catch (error) {
      return error instanceof Error && "code" in error ? error.code : error;
    }
  };
  const seq = "BD-R sequential recording";
  assertEquals(codeOf("blank", seq, "appendable", true), "BLANK_FAILED");
  assertEquals(codeOf("format", seq, "appendable", true), "BLANK_FAILED");
  assertEquals(codeOf("format", seq, "blank", false), "ok");
  assertEquals(codeOf("format", "BD-RE", "appendable", true), "ok");
  assertEquals(
    codeOf("format", "BD-RE", "appendable", false),
    "MEDIUM_NOT_WRITABLE",
  );
  assertEquals(codeOf("blank", "CD-R", "blank", true), "BLANK_FAILED");
  assertEquals(codeOf("blank", "CD-RW", "closed", true), "ok");
  assertEquals(codeOf("format", "CD-RW", "blank", true), "BLANK_FAILED");
});

Deno.test("checkFinish() refuses what stays writable, is blank, or closed", () => {
  const refuse = (profile: string, status: MediumStatus) =>
    assertCode(
      thrown(() => checkFinish(medium(profile, status))),
      "MEDIUM_NOT_WRITABLE",
    );
  refuse("DVD+RW", "appendable");
  refuse("BD-RE", "appendable");
  refuse("stdio file, overwriteable", "appendable");
  refuse("BD-R sequential recording", "blank");
  refuse("DVD-R sequential recording", "closed");
  checkFinish(medium("DVD-RW sequential recording"));
  checkFinish(medium("BD-R sequential recording"));
});
