import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Dialogue, type DialogueOptions } from "../../src/dialogue/dialogue.ts";
import type { Answer, ExchangeOptions } from "../../src/dialogue/exchange.ts";
import { XorrisoError } from "../../src/errors.ts";
import { commandLine } from "../../src/dialogue/protocol.ts";
import type { Progress } from "../../src/options.ts";
import { Clock } from "../support/clock.ts";
import {
  assertCode,
  assertRejectsCode,
  type Folder,
  isAlive,
  makeFolder,
  makeScript,
  rejection,
  until,
} from "../support/helpers.ts";

/** Longer than anything here takes: a step that waits for it hangs. */
const LONG = 60_000;

/** A dialogue that ends with the test. */
interface Session extends AsyncDisposable {
  readonly dialogue: Dialogue;
  /** Process id of the program. */
  readonly pid: number;
  send(line: string, options?: Partial<ExchangeOptions>): Promise<Answer>;
}

async function start(
  command: string,
  options: Partial<DialogueOptions> = {},
): Promise<Session> {
  let pid = 0;
  const dialogue = await Dialogue.start(command, [], {
    timeout: LONG,
    grace: LONG,
    mayKill: true,
    ...options,
    onMessage: (line) => {
      if (line.startsWith("pid ")) pid = Number(line.slice(4));
      else options.onMessage?.(line);
    },
  });
  return {
    dialogue,
    pid,
    send: (line, options = {}) =>
      dialogue.exchange(line, { doing: "Cannot do it", ...options }),
    [Symbol.asyncDispose]: () => dialogue.end(),
  };
}

/**
 * A program that looks like xorriso: it answers marks, and does to some lines
 * what a real one cannot be made to do.
 *
 * @param cases Branches of a shell's `case` on the line.
 */
function makeFake(folder: Folder, cases: string): Promise<string> {
  return makeScript(
    folder,
    "fake-xorriso",
    `printf 'banner of the library\\n\\nREADY\\n' >&2
     printf 'I:1: pid %s\\nM:0: 0\\nM:0: READY\\n' $$
     mark() { set -- $1; echo "$2" >&2; echo "M:0: $2"; }
     while IFS= read -r line; do
       case $line in
       '-mark '*) mark "$line" ;;
       -rollback_end) exit 0 ;;
       '-print '*) printf 'R:1: %s\\n' "\${line#-print }" ;;
       ${cases}
       esac
     done`,
  );
}

/** Starts such a program in a folder that is removed with it. */
async function startFake(
  cases: string,
  options: Partial<DialogueOptions> = {},
): Promise<Session> {
  const folder = await makeFolder();
  try {
    const session = await start(await makeFake(folder, cases), options);
    return {
      ...session,
      async [Symbol.asyncDispose]() {
        await session.dialogue.end();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

/** Has errors reported to the whole program while a test runs. */
function catchReports(): Disposable & { readonly errors: unknown[] } {
  const errors: unknown[] = [];
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    errors.push(event.error);
  };
  globalThis.addEventListener("error", onError);
  return {
    errors,
    [Symbol.dispose]: () => globalThis.removeEventListener("error", onError),
  };
}

Deno.test("Dialogue.exchange() gives each call its own answer, in order", async () => {
  await using session = await start("xorriso");
  const settled: number[] = [];
  await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    const { results, messages } = await session.send(
      commandLine(["-print", `line ${i}`]),
      { pipelined: i % 3 !== 0 },
    );
    settled.push(i);
    assertEquals([results, messages], [[`line ${i}`], []]);
  }));
  assertEquals(settled, Array.from(settled, (_, i) => i));
});

Deno.test("Dialogue.exchange() takes more at once than the pipes do", async () => {
  await using session = await start("xorriso");
  const text = "x".repeat(7000);
  const answers = await Promise.all(
    Array.from(
      { length: 200 },
      (_, i) =>
        session.send(commandLine(["-print", `${i} ${text}`]), {
          pipelined: true,
        }),
    ),
  );
  answers.forEach(({ results }, i) => assertEquals(results, [`${i} ${text}`]));
});

Deno.test("Dialogue.exchange() writes pipelined lines ahead, within a bound", async () => {
  // Tells how much was there to read before anything was answered.
  await using session = await startFake(
    `-count) count=0; lines=
       while IFS= read -r line; do
         case $line in
         -last*) break ;;
         -mark*) marks="$marks|$line" ;;
         *) count=$((count + 1)) ;;
         esac
       done
       IFS='|'; for each in $marks; do unset IFS; mark "$each"; done; unset IFS
       printf 'R:1: %s\\n' $count ;;`,
  );
  const lines = ["-count", ...Array(50).fill("-x"), "-last"];
  const answers = await Promise.all(
    lines.map((line) => session.send(line, { pipelined: true })),
  );
  assertEquals(answers.at(-1)?.results, ["50"]);
});

/** Tells whether another line is there before the answer to this one. */
const PEEK = `-peek) IFS= read -r own
  if timeout 0.2 sh -c 'IFS= read -r line'; then echo 'R:1: more'
  else echo 'R:1: alone'; fi
  mark "$own" ;;`;

Deno.test("Dialogue.exchange() writes nothing ahead that depends on answers", async () => {
  for (const [first, second] of [[true, false], [false, true]] as const) {
    await using session = await startFake(PEEK);
    const [answer] = await Promise.all([
      session.send("-peek", { pipelined: first }),
      session.send("-print x", { pipelined: second }),
    ]);
    assertEquals(answer.results, ["alone"]);
  }
});

Deno.test("Dialogue.exchange() does not write ahead without limit", async () => {
  await using session = await startFake(PEEK);
  const [answer] = await Promise.all([
    session.send("-peek", { pipelined: true }),
    session.send(`-print ${"x".repeat(65_536)}`, { pipelined: true }),
  ]);
  assertEquals(answer.results, ["alone"]);
});

Deno.test("Dialogue.exchange() takes no mark but its own for the end", async () => {
  await using session = await startFake(
    `-old) printf 'R:1: a\\nM:0: x0\\nM:0: READY\\nM:0: x99\\nR:1: b\\n' ;;`,
  );
  assertEquals((await session.send("-print 1")).results, ["1"]);
  assertEquals((await session.send("-old")).results, ["a", "b"]);
  assertEquals((await session.send("-print 2")).results, ["2"]);
});

Deno.test("Dialogue.exchange() is independent of how the bytes are cut", async () => {
  await using session = await startFake(
    `-cut) for byte in R : 1 : ' ' a '\\n' I : 1 : ' ' b; do
         printf "$byte"; sleep 0.002
       done; echo ;;`,
  );
  const { results, messages } = await session.send("-cut");
  assertEquals([results, messages], [["a"], ["b"]]);
});

Deno.test("Dialogue.exchange() gives result lines to a taker one by one", async () => {
  await using session = await startFake("");
  const lines: string[] = [];
  const { results } = await session.send("-print a", {
    onResult: (line) => lines.push(line),
  });
  assertEquals([results, lines], [[], ["a"]]);
});

const LIE = `-lie)
  echo "I:1: xorriso : FAILURE : Cannot find path '/x' in loaded ISO image"
  echo "I:1: Writing to 'stdio:/x' completed successfully."
  echo "I:1: xorriso : NOTE : Tolerated problem event of severity 'FAILURE'"
  ;;`;

Deno.test("Dialogue.exchange() does not believe a text that claims success", async () => {
  await using session = await startFake(LIE);
  const error = await assertRejectsCode(
    session.send("-lie", { path: "/x" }),
    "ENTRY_NOT_FOUND",
  );
  assertEquals(error.path, "/x");
  assertEquals(error.messages, [
    "xorriso : FAILURE : Cannot find path '/x' in loaded ISO image",
  ]);
  assertStringIncludes(error.message, "Cannot do it: Cannot find path '/x'");
  // It is the failure of one exchange: the session goes on.
  assertEquals((await session.send("-print on")).results, ["on"]);
});

Deno.test("Dialogue.exchange() hands a problem to a tolerant caller", async () => {
  await using session = await startFake(LIE);
  const { problem, messages } = await session.send("-lie", { tolerant: true });
  assertCode(problem, "ENTRY_NOT_FOUND");
  assertEquals(messages.length, 3);
});

Deno.test("Dialogue.exchange() counts what comes on standard error", async () => {
  await using session = await startFake(
    "-raw) echo 'libsomething: out of luck' >&2 ;;",
  );
  // It comes through another pipe: what is read first must not matter.
  for (let i = 0; i < 100; i++) {
    const error = await assertRejectsCode(session.send("-raw"), "UNKNOWN");
    assertEquals(error.messages, ["libsomething: out of luck"]);
    assertEquals((await session.send("-print on")).results, ["on"]);
  }
});

Deno.test("Dialogue.exchange() waits for what is still to come on standard error", async () => {
  await using session = await startFake(
    `-late) IFS= read -r own; set -- $own; echo "M:0: $2"; sleep 0.1
       echo 'libsomething: too late' >&2; echo "$2" >&2 ;;`,
  );
  const error = await assertRejectsCode(session.send("-late"), "UNKNOWN");
  assertEquals(error.messages, ["libsomething: too late"]);
});

Deno.test("Dialogue.exchange() knows whose each line of standard error is", async () => {
  // Standard output is far ahead.
  await using session = await startFake(
    `-first) IFS= read -r a; IFS= read -r line; IFS= read -r b
       set -- $a; a=$2; set -- $b; b=$2
       printf 'M:0: %s\\nR:1: x\\nM:0: %s\\n' $a $b; sleep 0.05
       printf '%s\\nof the second\\n%s\\n' $a $b >&2 ;;`,
  );
  const [first, second, third] = await Promise.all(
    ["-first", "-second", "-print x"].map((line) =>
      session.send(line, { pipelined: true, tolerant: true })
    ),
  );
  assertEquals([first?.problem, third?.problem], [undefined, undefined]);
  assertEquals(second?.problem?.messages, ["of the second"]);
  assertEquals(second?.results, ["x"]);
});

Deno.test("Dialogue.start() refuses a program that keeps its standard error to itself", async () => {
  await using folder = await makeFolder();
  const program = await makeScript(folder, "quiet", 'xorriso "$@" 2>/dev/null');
  const error = await assertRejectsCode(
    start(program, { still: 50 }),
    "PROTOCOL",
  );
  assertStringIncludes(error.message, "standard error");
});

Deno.test("Dialogue.exchange() knows messages on standard error, too", async () => {
  await using session = await startFake(
    "-raw) echo 'libburn : FATAL : Lost connection to drive' >&2 ;;",
  );
  await assertRejectsCode(session.send("-raw"), "DRIVE_LOST");
});

Deno.test("Dialogue.exchange() tells long names that cannot be written from damage", async () => {
  await using session = await startFake(
    `-long) echo 'I:1: libisofs: FATAL : Image is most likely damaged. Calculated/written tree end address mismatch.' ;;`,
  );
  const error = await assertRejectsCode(session.send("-long"), "NAME_TOO_LONG");
  assertEquals(
    error.message,
    "Cannot do it: a folder has more names of over 104 bytes than this " +
      "xorriso can write; store fewer long names in one folder, or use " +
      "xorriso 1.5.6 or newer",
  );
});

Deno.test("Dialogue.exchange() reports what does not fit in bytes", async () => {
  await using session = await startFake(
    `-big) echo 'I:1: xorriso : FAILURE : Image size 4096s exceeds free space on media 1152s' ;;`,
  );
  const error = await assertRejectsCode(session.send("-big"), "MEDIUM_FULL");
  assertEquals([error.needed, error.free], [4096 * 2048, 1152 * 2048]);
});

Deno.test("Dialogue goes on when listeners throw", async () => {
  using reports = catchReports();
  const fail = () => {
    throw new Error("of the listener");
  };
  await using session = await startFake(
    `-work) echo 'I:1: xorriso : UPDATE : Writing:      19763s    0.5%   fifo   0%  buf  50%   35.2xD'
       echo 'I:1: a message' ;;`,
    { onMessage: fail, onProgress: fail },
  );
  const { messages } = await session.send("-work", { onProgress: fail });
  assertEquals(messages, ["a message"]);
  assertEquals((await session.send("-print on")).results, ["on"]);
  // Nothing is swallowed: the banner, two for the report, one message.
  assertEquals(reports.errors.length, 4);
});

Deno.test("Dialogue gives progress to both listeners, and only there", async () => {
  const seen: Progress[] = [];
  const messages: string[] = [];
  await using session = await startFake(
    `-work) echo 'I:1: xorriso : UPDATE : Writing:      19763s    0.5%   fifo   0%  buf  50%   35.2xD' ;;`,
    {
      onProgress: (progress) => seen.push(progress),
      onMessage: (line) => messages.push(line),
    },
  );
  const answer = await session.send("-work", {
    onProgress: (progress) => seen.push(progress),
  });
  assertEquals(answer.messages, []);
  assertEquals(messages, ["banner of the library"]);
  assertEquals(seen.map(({ done }) => done), [19763 * 2048, 19763 * 2048]);
});

Deno.test("Dialogue.exchange() drops a queued line when it is aborted", async () => {
  await using session = await startFake(
    `-slow) IFS= read -r own; sleep 0.1; mark "$own" ;;
     -never) exit 1 ;;`,
  );
  const controller = new AbortController();
  const slow = session.send("-slow");
  const queued = session.send("-never", { signal: controller.signal });
  const next = session.send("-print next");
  const reason = new Error("no more");
  const rejected = rejection(queued);
  // Sent is what was asked for in this turn; only then the queue stands.
  await Promise.resolve();
  controller.abort(reason);
  assertEquals(await rejected, reason);
  await slow;
  assertEquals((await next).results, ["next"]);
});

Deno.test("Dialogue.exchange() sends nothing for a signal that is aborted already", async () => {
  await using session = await startFake("-log) exit 1 ;;");
  const reason = new Error("before");
  const signal = AbortSignal.abort(reason);
  assertEquals(await rejection(session.send("-log", { signal })), reason);
  assertEquals((await session.send("-print on")).results, ["on"]);
});

Deno.test("Dialogue.exchange() leaves a signal alone when it is answered", async () => {
  await using session = await startFake("");
  const controller = new AbortController();
  await session.send("-print x", { signal: controller.signal });
  controller.abort();
  assertEquals((await session.send("-print on")).results, ["on"]);
});

Deno.test("Dialogue.exchange() ends the process when a line in flight is aborted", async () => {
  const controller = new AbortController();
  await using session = await startFake(
    `-hang) trap 'sleep 0.1; exit 1' TERM; echo 'I:1: hanging'
       while :; do sleep 0.01; done ;;`,
    {
      onMessage: (line) => {
        if (line === "hanging") controller.abort(reason);
      },
    },
  );
  const reason = new Error("enough");
  const order: string[] = [];
  const hanging = rejection(
    session.send("-hang", { pipelined: true, signal: controller.signal }),
  ).then((error) => {
    order.push(isAlive(session.pid) ? "too early" : "gone");
    return error;
  });
  const others = [true, false].map((pipelined) =>
    rejection(session.send("-print x", { pipelined, path: "/y" }))
  );
  assertEquals(await hanging, reason);
  for (const other of others) {
    const error = assertCode(await other, "SESSION_LOST");
    assertEquals(error.path, "/y");
    assertStringIncludes(error.message, "aborted");
  }
  assertEquals(order, ["gone"]);
  assertEquals(session.dialogue.lost, true);
  await assertRejectsCode(session.send("-print x"), "SESSION_LOST");
});

Deno.test("Dialogue ends a program that is silent for too long", async () => {
  await using session = await startFake(
    `-hang) echo 'I:1: last words'; while :; do sleep 0.01; done ;;`,
    { timeout: 500 },
  );
  const outcomes = await Promise.all([
    rejection(session.send("-hang")),
    rejection(session.send("-print x")),
  ]);
  const [error] = outcomes.map((outcome) => assertCode(outcome, "TIMEOUT"));
  assertEquals(error?.messages, ["last words"]);
  assertEquals(isAlive(session.pid), false);
  await assertRejectsCode(session.send("-print x"), "TIMEOUT");
});

Deno.test("Dialogue waits as long as something comes", async () => {
  await using session = await startFake(
    `-work) for i in 1 2 3 4 5 6; do sleep 0.2; echo 'R:1: x'; done ;;`,
    { timeout: 1000 },
  );
  assertEquals((await session.send("-work")).results.length, 6);
});

Deno.test("Dialogue does not mind silence while nothing is asked", async () => {
  using clock = new Clock();
  await using session = await startFake("", { timeout: 500 });
  await session.send("-print a");
  clock.tick(10_000);
  assertEquals((await session.send("-print b")).results, ["b"]);
});

Deno.test("Dialogue takes an empty line of a process that dies for no offence", async () => {
  await using session = await startFake("-die) echo; exit 3 ;;");
  await assertRejectsCode(session.send("-die"), "SESSION_LOST");
});

Deno.test("Dialogue settles every call when the process dies", async () => {
  await using session = await startFake(
    `-die) echo 'I:1: xorriso : NOTE : dying'; echo 'cold' >&2; exit 3 ;;`,
  );
  const outcomes = await Promise.all(
    ["-die", "-print a", "-print b"].map((line) =>
      rejection(session.send(line, { pipelined: line !== "-print b" }))
    ),
  );
  for (const outcome of outcomes) {
    const error = assertCode(outcome, "SESSION_LOST");
    assertStringIncludes(error.message, "Cannot do it: ");
    assertStringIncludes(error.message, "exit code 3");
    assertEquals(error.messages.includes("xorriso : NOTE : dying"), true);
    assertEquals(error.messages.includes("cold"), true);
  }
  await session.dialogue.closed;
  await assertRejectsCode(session.send("-print x"), "SESSION_LOST");
});

Deno.test("Dialogue tells the signal that killed the process", async () => {
  await using session = await startFake("-die) kill -KILL $$ ;;");
  const error = await assertRejectsCode(session.send("-die"), "SESSION_LOST");
  assertStringIncludes(error.message, "SIGKILL");
});

Deno.test("Dialogue tells that the medium is full when a write hit a limit", async () => {
  const deaths = [
    "echo 'UNIX-SIGNAL:  SIGXFSZ  errno= 27' >&2; exit 1",
    "kill -XFSZ $$",
  ];
  for (const death of deaths) {
    for (const writes of [true, false]) {
      await using session = await startFake(`-die) ${death} ;;`);
      const [dying, queued] = await Promise.all([
        rejection(session.send("-die", { writes })),
        rejection(session.send("-print a")),
      ]);
      assertCode(dying, writes ? "MEDIUM_FULL" : "SESSION_LOST");
      assertCode(queued, "SESSION_LOST");
      await assertRejectsCode(session.send("-print b"), "SESSION_LOST");
    }
  }
});

Deno.test("Dialogue notices a death while nothing is asked", async () => {
  await using session = await startFake("");
  Deno.kill(session.pid, "SIGKILL");
  await session.dialogue.closed;
  assertEquals(session.dialogue.lost, true);
  await assertRejectsCode(session.send("-print x"), "SESSION_LOST");
});

Deno.test("Dialogue ends a program that talks nonsense", async () => {
  const cases = ["echo 'hello'", "echo 'R:2: x'", "printf 'x'; exit 1"];
  for (const nonsense of cases) {
    await using session = await startFake(
      `-talk) ${nonsense}; while :; do sleep 0.01; done ;;`,
    );
    const outcomes = await Promise.all([
      rejection(session.send("-talk")),
      rejection(session.send("-print x")),
    ]);
    for (const outcome of outcomes) assertCode(outcome, "PROTOCOL");
    assertEquals(isAlive(session.pid), false);
  }
});

/** A shell command that tells how many blocks have been written. */
function update(blocks: string, rate = ""): string {
  return `printf 'I:1: xorriso : UPDATE : Writing: %ss   12.0%%${rate}\\n' ${blocks}`;
}

/** Says again and again that nothing has moved, now and then with a rate. */
const STUCK = `while ${update("23")}; ${
  update("23", "    0.0xD ")
}; do sleep 0.01; done`;

Deno.test("Dialogue ends a program that tells of no progress for too long", async () => {
  await using session = await startFake(
    `-hang) ${STUCK} ;;
     -work) for i in 1 2 3 4 5 6 7 8; do ${update("$i")}; sleep 0.1; done ;;`,
    { timeout: 500 },
  );
  await session.send("-work");
  await assertRejectsCode(session.send("-hang"), "TIMEOUT");
  assertEquals(isAlive(session.pid), false);
});

const VAIN = new XorrisoError("SOURCE_CHANGED", "It waits in vain", {
  path: "/source",
});

Deno.test("Dialogue asks why nothing moves, and goes on if that helps", async () => {
  await using folder = await makeFolder();
  const go = `${folder.path}/go`;
  await using quick = await startFake("");
  const { results } = await quick.send("-print quick", {
    onStill: () => Promise.reject(new Error("nothing is still")),
  });
  assertEquals(results, ["quick"]);
  await using session = await startFake(
    `-hang) until [ -e '${go}' ]; do ${update("23")}; sleep 0.01; done ;;`,
    { still: 50 },
  );
  await session.send("-hang", {
    onStill: async () => {
      await folder.file("go");
      return undefined;
    },
  });
});

Deno.test("Dialogue ends a program that waits in vain", async () => {
  await using session = await startFake(
    `-hang) trap '' TERM; ${STUCK} ;;`,
    { still: 50 },
  );
  const [hanging, queued] = await Promise.all([
    rejection(session.send("-hang", {
      writes: true,
      path: "/image",
      onStill: () => Promise.resolve(VAIN),
    })),
    rejection(session.send("-print x")),
  ]);
  const error = assertCode(hanging, "SOURCE_CHANGED");
  assertStringIncludes(error.message, "Cannot do it: it waits in vain");
  assertEquals(error.path, "/source");
  assertCode(queued, "SESSION_LOST");
  assertEquals(isAlive(session.pid), false);
  await assertRejectsCode(session.send("-print x"), "SESSION_LOST");
});

/** A program at a drive, which does not end while it waits. */
async function startDrive(options: Partial<DialogueOptions>): Promise<Session> {
  return await startFake(`-hang) trap '' TERM; ${STUCK} ;;`, {
    mayKill: false,
    still: 50,
    ...options,
  });
}

/** Makes sure that a program was left alone, and ends it. */
async function assertLeft({ pid, send }: Session): Promise<void> {
  assertEquals(isAlive(pid), true);
  await assertRejectsCode(send("-print x"), "SESSION_LOST");
  Deno.kill(pid, "SIGKILL");
}

/** Tells that the drive is gone, and hangs. */
const CUT_OFF =
  `trap '' TERM; printf 'I:1: libburn : FATAL : Lost connection to drive\\n'
  ${STUCK}`;

Deno.test("Dialogue kills a program that waits in vain once its drive is gone", async () => {
  await using session = await startFake(`-hang) ${CUT_OFF} ;;`, {
    mayKill: false,
    still: 50,
  });
  const error = await rejection(session.send("-hang", { writes: true }));
  const { messages } = assertCode(error, "DRIVE_LOST");
  assertEquals(messages, ["libburn : FATAL : Lost connection to drive"]);
  assertEquals(isAlive(session.pid), false);
});

Deno.test("Dialogue kills an aborted program whose drive goes before it ends", async () => {
  await using folder = await makeFolder();
  const gone = `${folder.path}/gone`;
  const controller = new AbortController();
  const aborted = Promise.withResolvers<void>();
  await using session = await startFake(
    `-hang) trap "touch '${gone}'" TERM
       until [ -e '${gone}' ]; do ${update("23")}; sleep 0.01; done
       ${CUT_OFF} ;;`,
    { mayKill: false, still: 50, onProgress: () => aborted.resolve() },
  );
  const hanging = rejection(
    session.send("-hang", { writes: true, signal: controller.signal }),
  );
  await aborted.promise;
  controller.abort("enough");
  assertEquals(await hanging, "enough");
  assertEquals(isAlive(session.pid), false);
});

// A process that is left is not waited for.
const LEFT = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "Dialogue leaves a program alone that waits in vain at a drive",
  LEFT,
  async () => {
    await using session = await startDrive({});
    const onStill = () => Promise.resolve(VAIN);
    const hanging = session.send("-hang", { writes: true, onStill });
    await assertRejectsCode(hanging, "SOURCE_CHANGED");
    await assertLeft(session);
  },
);

Deno.test(
  "Dialogue leaves an aborted program alone that waits in vain",
  LEFT,
  async () => {
    const controller = new AbortController();
    await using session = await startDrive({
      onProgress: () => controller.abort("enough"),
    });
    const hanging = session.send("-hang", {
      ...{ writes: true, signal: controller.signal },
      onStill: () => Promise.resolve(VAIN),
    });
    assertEquals(await rejection(hanging), "enough");
    await assertLeft(session);
  },
);

Deno.test(
  "Dialogue leaves a silent program alone that does not end",
  LEFT,
  async () => {
    await using session = await startDrive({ timeout: 500 });
    const hanging = session.send("-hang", { writes: true });
    await assertRejectsCode(hanging, "TIMEOUT");
    assertEquals(isAlive(session.pid), true);
    Deno.kill(session.pid, "SIGKILL");
  },
);

/** Whether a process has ended, be it that nobody has noticed yet. */
async function hasEnded(pid: number): Promise<boolean> {
  const { success, stdout } = await new Deno.Command("cat", {
    args: [`/proc/${pid}/stat`],
    stderr: "null",
  }).output();
  return !success || new TextDecoder().decode(stdout).includes(") Z ");
}

/** Starts a program behind a script, as one that logs or sets a priority. */
async function startBehind(
  how: string,
  cases: string,
  options: Partial<DialogueOptions> = {},
): Promise<Session> {
  const folder = await makeFolder();
  const fake = await makeFake(folder, cases);
  const script = await makeScript(
    folder,
    "script",
    `${how} '${fake}'; exit $?`,
  );
  const session = await start(script, options);
  return {
    ...session,
    async [Symbol.asyncDispose]() {
      await session.dialogue.end();
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("Dialogue ends a program behind a script at once", async () => {
  const controller = new AbortController();
  await using session = await startBehind(
    "nice",
    "-hang) echo 'I:1: hanging'; while :; do sleep 0.01; done ;;",
    {
      onMessage: (line) => line === "hanging" && controller.abort("enough"),
    },
  );
  const { signal } = controller;
  assertEquals(await rejection(session.send("-hang", { signal })), "enough");
  await until(() => hasEnded(session.pid), "the program has ended");
});

Deno.test("Dialogue waits for a program that no signal reaches, as long as it works", async () => {
  const controller = new AbortController();
  await using session = await startBehind(
    "setsid",
    `-work) for i in 1 2 3 4 5 6 7 8; do ${update("$i")}; sleep 0.1; done ;;`,
    { grace: 150, onProgress: () => controller.abort("enough") },
  );
  const { signal } = controller;
  const working = session.send("-work", { writes: true, signal });
  assertEquals(await rejection(working), "enough");
  // It has seen the end of its input when it was done.
  assertEquals(await session.dialogue.closed, true);
});

Deno.test(
  "Dialogue leaves a program alone that no signal reaches, once it is silent",
  LEFT,
  async () => {
    const controller = new AbortController();
    await using session = await startBehind(
      "setsid",
      "-hang) echo 'I:1: hanging'; while :; do sleep 0.01; done ;;",
      {
        grace: 50,
        onMessage: (line) => line === "hanging" && controller.abort("enough"),
      },
    );
    const { signal } = controller;
    assertEquals(await rejection(session.send("-hang", { signal })), "enough");
    assertEquals(await session.dialogue.closed, false);
    assertEquals(isAlive(session.pid), true);
    Deno.kill(session.pid, "SIGKILL");
  },
);

Deno.test("Dialogue.start() fails with a program that is not xorriso", async () => {
  const options = { timeout: LONG, grace: LONG, mayKill: true };
  const start = (command: string) =>
    rejection(Dialogue.start(command, [], options));
  assertCode(await start("true"), "SESSION_LOST");
  assertCode(await start("echo"), "PROTOCOL");
  await assertRejects(
    () => Dialogue.start("no-such-xorriso", [], options),
    Deno.errors.NotFound,
  );
});

Deno.test("Dialogue.start() gives up a program that never gets ready", async () => {
  await using folder = await makeFolder();
  const pids = `${folder.path}/pid`;
  const program = await makeScript(
    folder,
    "program",
    `echo $$ >'${pids}'; while :; do sleep 0.01; done`,
  );
  await assertRejectsCode(start(program, { timeout: 500 }), "TIMEOUT");
  assertEquals(isAlive(Number(await Deno.readTextFile(pids))), false);
});

Deno.test("Dialogue.start() can be aborted", async () => {
  await using folder = await makeFolder();
  const controller = new AbortController();
  const program = await makeScript(
    folder,
    "program",
    "echo ready >&2; while :; do sleep 0.01; done",
  );
  const reason = new Error("never mind");
  const starting = start(program, {
    signal: controller.signal,
    onMessage: () => controller.abort(reason),
  });
  assertEquals(await rejection(starting), reason);
  assertEquals(
    await rejection(start("no-such-xorriso", { signal: controller.signal })),
    reason,
  );
});

Deno.test("Dialogue.start() sends further commands, and sets behind them what it relies on", async () => {
  const options = { timeout: LONG, grace: LONG, mayKill: true };
  const words = ["-iso_rr_pattern", "on", "-volid", "it's\n--", "-md5", "off"];
  const dialogue = await Dialogue.start("xorriso", words, options);
  const told: string[] = [];
  for (const setting of ["-iso_rr_pattern", "-volid", "-md5"]) {
    const { results } = await dialogue.exchange(
      commandLine(["-status", setting]),
      { doing: "Cannot ask" },
    );
    told.push(...results);
  }
  await dialogue.end();
  assertEquals(told, [
    "-iso_rr_pattern off",
    "-volid 'it'\"'\"'s\\n--'",
    "-md5 on",
  ]);
});

Deno.test("Dialogue.start() fails with commands that xorriso does not know", async () => {
  const options = { timeout: LONG, grace: LONG, mayKill: true };
  const started = (words: readonly string[]) =>
    rejection(Dialogue.start("xorriso", words, options));
  const error = assertCode(await started(["-nosuch"]), "INVALID_COMMAND");
  assertStringIncludes(error.message, 'Cannot start "xorriso": Not a known');
  assertInstanceOf(await started(["-print", "x".repeat(8000)]), RangeError);
});

Deno.test("Dialogue.start() gives the program no argument that is not its own", async () => {
  await using folder = await makeFolder();
  const args = `${folder.path}/args`;
  const program = await makeScript(
    folder,
    "program",
    `echo "$@" >'${args}'; exec xorriso "$@"`,
  );
  const options = { timeout: LONG, grace: LONG, mayKill: true };
  const dialogue = await Dialogue.start(program, ["-volid", "MINE"], options);
  await dialogue.end();
  const given = await Deno.readTextFile(args);
  assert(given.startsWith("-no_rc -abort_on NEVER "), given);
  assert(!given.includes("MINE"), given);
});

Deno.test("Dialogue.end() waits for what is in flight and queued", async () => {
  const session = await startFake(
    `-slow) sleep 0.1; echo 'R:1: done' ;;`,
  );
  await using _ = session;
  const answers = Promise.all([
    session.send("-slow"),
    session.send("-print after"),
  ]);
  const ends = [session.dialogue.end(), session.dialogue.end()];
  const late = rejection(session.send("-print late"));
  assertEquals((await answers).map(({ results }) => results), [
    ["done"],
    ["after"],
  ]);
  await Promise.all(ends);
  assertCode(await late, "CLOSED");
  assertEquals(isAlive(session.pid), false);
  assertEquals(session.dialogue.lost, false);
  await assertRejectsCode(session.send("-print x"), "CLOSED");
});

Deno.test("Dialogue.end() has nothing to wait for when the process dies meanwhile", async () => {
  await using session = await startFake("-die) exit 3 ;;");
  const dying = rejection(session.send("-die"));
  await session.dialogue.end();
  assertCode(await dying, "SESSION_LOST");
  await assertRejectsCode(session.send("-print x"), "CLOSED");
  session.dialogue.stop(VAIN, LONG);
});

Deno.test("Dialogue.end() ends a program that does not want to", async () => {
  await using folder = await makeFolder();
  // Reads all that comes and takes no part in it.
  const program = await makeScript(
    folder,
    "program",
    `trap '' TERM; echo READY >&2; printf 'I:1: pid %s\\nM:0: READY\\n' $$
     while :; do sleep 0.01; done`,
  );
  const { dialogue, pid } = await start(program, { grace: 30 });
  await dialogue.end();
  assertEquals(isAlive(pid), false);
});

Deno.test("Dialogue.end() discards changes, as the real program does", async () => {
  await using folder = await makeFolder();
  const image = await folder.file("new.iso");
  const source = await folder.file("source", "content");
  {
    await using session = await start("xorriso");
    await session.send(commandLine(["-dev", `stdio:${image}`]));
    await session.send(commandLine(["-map", source, "/a"]));
  }
  assertEquals((await Deno.stat(image)).size, 0);
});

Deno.test("Dialogue.start() has xorriso run no startup file", async () => {
  await using folder = await makeFolder();
  const marker = `${folder.path}/marker`;
  await folder.file(".xorrisorc", `-mkdir /x\n-logfile . ${marker}\n`);
  const program = await makeScript(
    folder,
    "program",
    `HOME='${folder.path}'; export HOME; exec xorriso "$@"`,
  );
  await using session = await start(program);
  await session.send("-print x");
  const found = await Deno.stat(marker).then(() => true, () => false);
  assert(!found, "The startup file was obeyed");
});
