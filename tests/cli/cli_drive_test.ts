/** The commands of the program that are for drives. */
import { makeFolder, noise, type Outcome } from "../support/helpers.ts";
import { assertDocumented, parseLines, run } from "../support/program.ts";

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Burner, burnerTests } from "../burner/burner.ts";
import { sideBySide, tear, urlOf, written } from "../support/drives.ts";

const together = burnerTests("the program on a drive");

/** Runs the program on a virtual drive. */
function onDrive(
  burner: Burner,
  command: string,
  ...words: string[]
): Promise<Outcome> {
  const path = ["--xorriso-path", burner.xorrisoPath];
  return run([command, urlOf(burner), ...words, ...path]);
}

together("put, list, get, verify and delete work on a drive", async () => {
  await using folder = await makeFolder();
  await using burner = await Burner.start("bd-r");
  await folder.file("photos/a", "hello");
  await folder.file("photos/b/c", noise(100_000));
  const succeed = async (command: string, ...words: string[]) => {
    const { code, stdout, stderr } = await onDrive(burner, command, ...words);
    assertEquals(code, 0, stderr);
    return stdout;
  };
  await succeed("put", `${folder.path}/photos`, "--volume-id", "PHOTOS");
  assertEquals(await succeed("list"), "photos/a\nphotos/b/c\n");
  assertEquals(await succeed("get", "photos/a", "--to", "-"), "hello");
  await succeed("get", "--to", `${folder.path}/restored`);
  assertEquals(
    await Deno.readFile(`${folder.path}/restored/photos/b/c`),
    noise(100_000),
  );
  await succeed("verify");
  await succeed("delete", "photos/a");
  assertEquals(await succeed("list"), "photos/b/c\n");
  assertEquals(
    await succeed("list", "--session", "1"),
    "photos/a\nphotos/b/c\n",
  );
});

together(
  "info tells what fits and how many sessions there are, before one writes",
  async () => {
    await using burner = await Burner.start("dvd+r", { blocks: 10_000 });
    const info = async () => {
      const { code, stdout } = await onDrive(burner, "info", "--json");
      assertEquals(code, 0);
      return JSON.parse(stdout);
    };
    const blank = await info();
    assertEquals([blank.status, blank.sessions], ["blank", []]);
    assert(blank.room > 0 && blank.room < blank.free);
    await burner.burnByHand({ "/a": "hello" });
    const next = await info();
    assertEquals([next.status, next.sessions.length], ["appendable", 1]);
    // The gap that the drive leaves between sessions, too.
    assert(next.room < blank.room - 2048 * 2048);
    const { stdout } = await onDrive(burner, "info");
    assertMatch(stdout, /^Room +\d.* for files$/m);
    assertMatch(stdout, /^\|1*·+\| {2}\d+ %$/m);
    assertMatch(stdout, /^Sessions +1$/m);
  },
);

together(
  "blank, format and finish change a medium, and ask for --force where there is data",
  async () => {
    await sideBySide({
      blank: async () => {
        await using burner = await Burner.start("cd-rw");
        await burner.burnByHand({ "/old": "old" });
        const refused = await onDrive(burner, "blank");
        assertEquals(refused.code, 4);
        assertMatch(refused.stderr, /holds data in 1 session.*--force/);
        assertEquals((await onDrive(burner, "list")).stdout, "old\n");
        const words = ["--force", "--mode", "fast", "--json"];
        const { code, stdout } = await onDrive(burner, "blank", ...words);
        assertEquals(code, 0);
        assertMatch(stdout, /"profile":"CD-RW","status":"blank"/);
        await assertDocumented({ Medium: stdout });
        assertEquals((await onDrive(burner, "list")).stdout, "");
      },
      format: async () => {
        await using burner = await Burner.start("bd-re");
        await burner.burnByHand({ "/old": "old" });
        assertEquals((await onDrive(burner, "format")).code, 4);
        const words = ["--force", "--mode", "full"];
        const { code, stderr } = await onDrive(burner, "format", ...words);
        assertEquals(code, 0);
        assertMatch(stderr, /BD-RE, blank, [\d.]+ GiB free/);
      },
      "a medium that cannot be erased": async () => {
        await using burner = await Burner.start("bd-r");
        await burner.burnByHand({ "/old": "old" });
        for (const command of ["blank", "format"]) {
          const { code, stderr } = await onDrive(burner, command, "--force");
          assertEquals(code, 4);
          assertMatch(stderr, /BD-R sequential recording cannot be/);
        }
      },
      finish: async () => {
        await using burner = await Burner.start("dvd-r");
        assertEquals((await onDrive(burner, "finish")).code, 4);
        await burner.burnByHand({ "/old": "old" });
        const { code, stderr } = await onDrive(burner, "finish");
        assertEquals(code, 0);
        assertMatch(stderr, /closed, 0 B free/);
        assert((await burner.show()).closed);
        assertEquals((await onDrive(burner, "finish")).code, 4);
        assertEquals((await onDrive(burner, "list")).stdout, "old\n");
      },
    });
  },
);

together(
  "blank takes what cannot be read, and nothing is stored on that before",
  async () => {
    await using folder = await makeFolder();
    await sideBySide({
      "a torn first session": async () => {
        await using burner = await Burner.start("cd-rw");
        await tear(burner, "SIGTERM");
        const source = await folder.file("a", "a");
        assertEquals((await onDrive(burner, "put", source)).code, 4);
        assertEquals((await onDrive(burner, "blank")).code, 4);
        assertEquals((await onDrive(burner, "blank", "--force")).code, 0);
        assertEquals((await onDrive(burner, "put", source)).code, 0);
        assertEquals((await onDrive(burner, "list")).stdout, "a\n");
      },
      "something else": async () => {
        await using burner = await Burner.start("dvd-rw");
        await burner.burnByHand({ "/old": "old" });
        await burner.fault("read_error=0", "read_error_count=64");
        await burner.clearLog();
        const source = await folder.file("b", "b");
        assertEquals((await onDrive(burner, "put", source)).code, 4);
        assertEquals(await written(burner), []);
        await burner.clearFault();
        assertEquals((await onDrive(burner, "blank", "--force")).code, 0);
        assertEquals((await onDrive(burner, "put", source)).code, 0);
      },
    });
  },
);

together("eject and load move the tray, with whatever is in it", async () => {
  await using folder = await makeFolder();
  const foreign = await folder.file("foreign", noise(2 << 20));
  await using burner = await Burner.start("dvd+rw");
  assertEquals(await onDrive(burner, "eject"), {
    code: 0,
    stdout: "",
    stderr: "Ejected\n",
  });
  assert((await burner.show()).trayOpen);
  const { code, stderr } = await onDrive(burner, "load");
  assertEquals(code, 0);
  assertMatch(stderr, /^DVD\+RW, blank, /);
  assertEquals((await burner.show()).trayOpen, false);
  await burner.load("cd-rom", foreign);
  assertEquals((await onDrive(burner, "load")).code, 4);
  assertEquals((await onDrive(burner, "eject")).code, 0);
  assert((await burner.show()).trayOpen);
  await using empty = await Burner.start("none");
  assertEquals((await onDrive(empty, "eject")).code, 0);
  assert((await empty.show()).trayOpen);
  assertEquals((await onDrive(empty, "load")).code, 4);
});

together(
  "commands refuse a directory that is a file, or that cannot be meant, on a drive, too",
  async () => {
    await using folder = await makeFolder();
    await using burner = await Burner.start("dvd+rw");
    await burner.burnByHand({ "/photos/a": "a" });
    const path = ["--xorriso-path", burner.xorrisoPath];
    const source = await folder.file("b", "b");
    for (const words of [["diff", source], ["put", source], ["info"]]) {
      const [command = "", ...rest] = words;
      const url = urlOf(burner, "/photos/a");
      const { code, stderr } = await run([command, url, ...rest, ...path]);
      assertEquals(code, 3);
      assertMatch(stderr, /it is a file/);
    }
    for (const command of ["blank", "format", "finish", "eject", "load"]) {
      const url = urlOf(burner, "/photos");
      const { code, stderr } = await run([command, url, ...path]);
      assertEquals(code, 2);
      assertMatch(stderr, /the whole medium: leave out ":\/photos"/);
    }
    assertEquals((await onDrive(burner, "list")).stdout, "photos/a\n");
  },
);

together("eject, load, format and finish are for drives alone", async () => {
  await using folder = await makeFolder();
  const url = `xorriso://${folder.path}/a.iso`;
  const source = await folder.file("a", "a");
  assertEquals((await run(["put", url, source, "--create"])).code, 0);
  for (const command of ["eject", "load", "format", "finish"]) {
    assertEquals((await run([command, url])).code, 4, command);
  }
  assertEquals((await run(["list", url])).stdout, "a\n");
});

together("--recover goes on after an interrupted burn", async () => {
  await using folder = await makeFolder();
  await using burner = await Burner.start("bd-r");
  await burner.burnByHand({ "/old": "old" });
  await tear(burner, "SIGKILL");
  const source = await folder.file("new", "new");
  const { code, stderr } = await onDrive(burner, "put", source);
  assertEquals(code, 4);
  assertMatch(stderr, /recover/);
  assertEquals((await onDrive(burner, "put", source, "--recover")).code, 0);
  assertEquals((await onDrive(burner, "list")).stdout, "new\nold\n");
});

together(
  "devices shows drives and their media, and says so where there is none",
  async () => {
    await using one = await Burner.start("bd-r");
    await using two = await Burner.start("none", { device: "/dev/sr1" });
    await one.attach(two);
    const devices = (...words: string[]) =>
      run(["devices", "--xorriso-path", one.xorrisoPath, ...words]);
    const { code, stdout } = await devices();
    assertEquals(code, 0);
    assertMatch(
      stdout,
      /^\/dev\/sr0 {2}FAKE BURNER {2}BD-R sequential.*, blank/,
    );
    assertMatch(stdout, /^\/dev\/sr1 {2}FAKE BURNER {2}NO_MEDIUM$/m);
    const json = (await devices("--json")).stdout;
    await assertDocumented({ Device: json });
    const [first, second] = parseLines(json) as {
      medium: { status: string } | null;
      error: string | null;
    }[];
    assertEquals([first?.medium?.status, first?.error], ["blank", null]);
    assertEquals([second?.medium, second?.error], [null, "NO_MEDIUM"]);
    await one.fault("eacces=1");
    await two.fault("absent=1");
    const refused = await devices();
    assertMatch(
      refused.stdout,
      /^\/dev\/sr0 {2}unknown {2}PERMISSION_DENIED\n$/,
    );
    assertMatch(refused.stderr, /may not read and write it.*cdrom/);
    await one.fault("absent=1");
    assertEquals(await devices(), {
      code: 0,
      stdout: "",
      stderr: "No optical drive was found\n",
    });
  },
);

together(
  "list waits for a drive that is in use as long as --wait says",
  async () => {
    await using burner = await Burner.start("bd-r");
    await burner.burnByHand({ "/a": "a" });
    await burner.fault("ebusy=1");
    const begun = performance.now();
    assertEquals((await onDrive(burner, "list", "--wait", "1")).code, 4);
    assert(performance.now() - begun >= 1000);
    const waiting = onDrive(burner, "list", "--wait", "60");
    await burner.clearFault();
    const { code, stdout, stderr } = await waiting;
    assertEquals([code, stdout], [0, "a\n"], stderr);
  },
);
