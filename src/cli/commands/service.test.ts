import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HoldfastError } from "../../base/errors.ts";
import type { ServeOptions } from "../service-library.ts";
import { run } from "../testing/run.ts";

process.env["TZ"] = "Europe/Berlin";

const callsOf = (ran: Awaited<ReturnType<typeof run>>) => ran.world.fakeService.calls;

describe("serve", () => {
  test("says where it serves and under which key, writes requests beside it, and ends when it is told to", async () => {
    const { status, stdout, stderr } = await run(["serve", "--listen", "[::]:7433", "--metrics", "9433"]);
    assert.equal(status, 0);
    assert.equal(
      stdout,
      `Serving /backup at https://[::]:7433\nKey of the server: ${"5e".repeat(32)}\nCounts at http://127.0.0.1:9433/metrics\n`,
    );
    assert.deepEqual(JSON.parse(stderr), {
      time: "2026-11-20T13:03:22.000Z",
      event: "request",
      client: "hal",
      method: "GET",
      path: "/v1/repository",
      status: 200,
    });
  });

  test("asks for what its options say, and closes the repository", async () => {
    const files = { "/home/anna/a.pem": "certificate", "/etc/b.pem": "key" };
    const words = ["serve", "--listen", "0.0.0.0:0", "--state", "state", "--certificate", "a.pem", "--key", "/etc/b.pem", "-q"];
    const ran = await run(words, { files });
    const [[, given] = []] = callsOf(ran) as [string, ServeOptions][];
    const { repository: _repository, log: _log, ...options } = given ?? assert.fail();
    assert.deepEqual(options, {
      state: "/home/anna/state",
      listen: { host: "0.0.0.0", port: 0 },
      metrics: undefined,
      identity: { certificate: "certificate", privateKey: "key" },
    });
    assert.equal(ran.stderr, "");
    assert.deepEqual(
      ran.calls.map(([name]) => name),
      ["open", "close"],
    );
  });

  test("refuses addresses that are none, and half an identity", async () => {
    for (const words of [
      [],
      ["--listen", "7433"],
      ["--listen", "a:b"],
      ["--listen", "a:70000"],
      ["--listen", "a:1", "--key", "x"],
    ]) {
      assert.equal((await run(["serve", ...words])).status, 2, words.join(" "));
    }
    const missing = await run(["serve", "--listen", "a:1", "--key", "x", "--certificate", "y"]);
    assert.deepEqual([missing.status, missing.stderr.split("\n")[0]], [1, "holdfast: Cannot read y: no /home/anna/y"]);
  });

  test("tells incidents although it is quiet", async () => {
    const serve = ({ log }: ServeOptions) => {
      log({ event: "request", status: 500 });
      log({ event: "failure", incident: "00ff", problem: "it broke", stack: undefined });
      return Promise.reject(new HoldfastError("LISTEN_FAILED", { message: "Cannot listen" }));
    };
    const { status, stderr } = await run(["serve", "--listen", "a:1", "--quiet"], { service: { serve } });
    assert.deepEqual(
      [status, stderr],
      [1, '{"event":"failure","incident":"00ff","problem":"it broke"}\nholdfast: Cannot listen\n'],
    );
  });
});

describe("client", () => {
  test("add shows the line to copy once, and with --quiet nothing but the token", async () => {
    const ran = await run(["client", "add", "laptop", "--expires", "2d", "--state", "/srv/state"]);
    assert.deepEqual(callsOf(ran), [
      ["inviteClient", { state: "/srv/state", name: "laptop", role: "append", spanMs: 2 * 24 * 3_600_000 }],
    ]);
    const token = `hfe1-${"0f".repeat(20)}-${"5e".repeat(32)}`;
    assert.equal(
      ran.stdout,
      `Invited "laptop" with the role append. On that machine, until 2026-11-22 14:03:22:\n\n  holdfast agent enrol https://THIS-SERVER:PORT ${token}\n\nThe token works once and is not shown again.\n`,
    );
    assert.equal((await run(["client", "add", "laptop", "--quiet"])).stdout, `${token}\n`);
    assert.equal((await run(["client", "add", "laptop", "--role", "admin"])).status, 2);
    assert.equal((await run(["client", "add"])).status, 2);
  });

  test("list shows clients, revoked ones and invitations", async () => {
    assert.equal(
      (await run(["client", "list"])).stdout,
      `NAME  ROLE     STATE          TIME                 KEY
old   append   revoked        2026-11-20 15:03:22  c5c5c5c5c5c5c5c5
hal   append   enrolled       2026-11-20 14:03:22  c5c5c5c5c5c5c5c5
eva   restore  invited until  2026-11-20 15:03:22
`,
    );
    const nobody = { clients: () => Promise.resolve({ clients: [], invitations: [] }) };
    const { stdout, stderr } = await run(["client", "list"], { service: nobody });
    assert.deepEqual([stdout, stderr], ["", "There are no clients yet: `holdfast client add NAME` invites one.\n"]);
  });

  test("revoke says what it revoked", async () => {
    assert.equal((await run(["client", "revoke", "hal"])).stdout, 'Revoked the client "hal".\n');
    const revokeClient = () => Promise.resolve("invitation" as const);
    const { stdout } = await run(["client", "revoke", "eva"], { service: { revokeClient } });
    assert.equal(stdout, 'Withdrew the invitation of "eva".\n');
  });
});

describe("agent", () => {
  test("enrol takes the token as a word or from standard input", async () => {
    const ran = await run(["agent", "enrol", "https://backup.example:7433", "hfe1-a-b"]);
    assert.equal(
      ran.stdout,
      `This user is now the client "hal" of https://backup.example:7433, with the role append.\nIts repository is https://backup.example:7433/\n`,
    );
    const piped = await run(["agent", "enrol", "https://backup.example:7433", "-"], { stdin: "hfe1-a-b\n" });
    const given = [ran, piped].flatMap((each) => callsOf(each).map(([, options]) => options as { readonly token: string }));
    assert.deepEqual(
      given.map(({ token }) => token),
      ["hfe1-a-b", "hfe1-a-b\n"],
    );
  });

  test("status shows what each server answers, and fails when one does not as it should", async () => {
    const refused = await run(["agent", "status"]);
    assert.deepEqual(
      [refused.status, refused.stdout],
      [
        1,
        `SERVER                       CLIENT  ROLE    ANSWER
https://backup.example:7433  hal     append  The client "hal" was revoked
`,
      ],
    );
    const standing = () => Promise.resolve({ client: "hal", role: "restore", repository: "00" } as const);
    const welcome = await run(["agent", "status"], { service: { standing } });
    assert.equal(welcome.status, 0);
    assert.match(welcome.stdout, /hal {5}restore {2}welcome/);
    const none = await run(["agent", "status"], { service: { enrolments: () => Promise.resolve([]) } });
    assert.deepEqual([none.status, none.stdout], [0, ""]);
  });
});

describe("audit verify", () => {
  test("says that the chain is whole, or which lines are not as they were written", async () => {
    const whole = await run(["audit", "verify", "--contains", `3:${"ab".repeat(32)}`]);
    assert.deepEqual(callsOf(whole), [["verifyAudit", { state: undefined, contains: { sequence: 3, hash: "ab".repeat(32) } }]]);
    assert.deepEqual(
      [whole.status, whole.stdout],
      [0, `Checked 17 records: the chain is whole.\nThe last record is 17:${"ab".repeat(32)}\n`],
    );
    const verifyAudit = () => {
      const problems = [{ line: 3, problem: "does not follow the record before it" }];
      return Promise.resolve({ records: 4, head: undefined, problems, problemCount: 3, recoveries: 1, tornBytes: 5 });
    };
    const broken = await run(["audit", "verify"], { service: { verifyAudit } });
    assert.deepEqual(
      [broken.status, broken.stdout],
      [
        1,
        `line 3: does not follow the record before it
and 2 more problems
Checked 4 records: 3 problems.
1 time a crash left something that is no record; it is accounted for.
5 bytes at the end are no record yet: a crash left them, or one is being written.
`,
      ],
    );
    assert.equal((await run(["audit", "verify", "--contains", "3"])).status, 2);
  });
});
