import { assertEquals } from "@std/assert";
import { execute, makeFolder, runShell } from "../support/helpers.ts";
import { unless } from "../support/needs.ts";

/** How to run Deno as a user who is not root, and owns what the user `nobody` does. */
const AS_NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups " +
  `env -u DENO_COVERAGE_DIR DENO_DIR=/nonexistent ${Deno.execPath()}`;

const { code } = await execute("sh", ["-c", `${AS_NOBODY} --version`]);
const NOT_NOBODY = code === 0 ? undefined : "Deno runs for this user alone";

Deno.test(
  unless(
    NOT_NOBODY,
    "probeAttributes() finds that only root gives files to others",
  ),
  async () => {
    // Others may not be let into the folder that TMPDIR names.
    await using folder = await makeFolder("/tmp");
    const source = new URL("../../src/disk/attributes.ts", import.meta.url);
    await folder.file("attributes.ts", await Deno.readTextFile(source));
    await folder.file(
      "probe.ts",
      `import { probeAttributes } from "./attributes.ts";
      const { isRoot, mode, owner, slack } = await probeAttributes("own");
      console.log(isRoot, mode, owner instanceof Error, slack);`,
    );
    const told = await runShell(
      `cd "$1" && chmod 755 . && mkdir own && chown 65534:65534 own
      ${AS_NOBODY} run -A --quiet --no-check probe.ts`,
      folder.path,
    );
    assertEquals(told, "false undefined true 0\n");
  },
);
