import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { credentials } from "@grpc/grpc-js";
import { Decision, PermissionDeniedError, PolicybookClient, UnauthenticatedError, UnavailableError } from "../src/index.js";
import type { ClientOptions } from "../src/index.js";
import { Service, folder, order, runPython } from "./service.js";

// As tests/contract makes them: authorities, certificates, a file of callers with its tokens.
const MAKE = `
import json, sys
from pathlib import Path
from access import Authority, Callers, write
place = Path(sys.argv[1])
ours, others = Authority("ours"), Authority("others")
ours.serve(place)
write(place / "ca.crt", ours.pem)
write(place / "other.crt", others.pem)
for name, authority in (("billing", ours), ("stranger", others)):
    certificate, key = authority.issue(name + ".example.com")
    write(place / f"{name}.crt", certificate)
    write(place / f"{name}.key", key)
callers = Callers(place / "callers.yaml")
callers.add("erp", "decide")
callers.add("shop-only", "decide:shop", "read:shop")
callers.add("audit", "audit", "read")
callers.add("left", "decide", more="expires: 2020-12-31")
callers.put({"name": "billing", "certificate": "billing.example.com", "roles": ["decide"]})
print(json.dumps(callers.tokens))
`;

const place = folder();
let tokens: { readonly [name: string]: string };

function file(name: string): Buffer {
  return readFileSync(join(place, name));
}

async function with_<T>(service: Service, options: ClientOptions, work: (client: PolicybookClient) => Promise<T>): Promise<T> {
  const client = new PolicybookClient(`localhost:${service.port}`, { tls: { ca: file("ca.crt") }, ...options });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

const decide = (client: PolicybookClient): Promise<Decision> => client.decide("shop.order", order("60"));

before(() => {
  tokens = JSON.parse(runPython(MAKE, place)) as { [name: string]: string };
});

describe("a service with TLS and callers", () => {
  let service: Service;
  before(async () => {
    service = await Service.started(
      "--port", "0", "--log", join(place, "decisions.db"), "--callers", join(place, "callers.yaml"),
      "--tls-certificate", join(place, "tls.crt"), "--tls-key", join(place, "tls.key"),
    );
  });
  after(async () => { assert.equal(await service.end(), 0); });

  it("serves a token, in calls and in streams", async () => {
    for (const token of [tokens.erp ?? "", (): string => tokens.erp ?? "", async (): Promise<string> => Promise.resolve(tokens.erp ?? "")]) {
      await with_(service, { token }, async (client) => {
        assert.ok((await decide(client)).decided);
        for await (const answer of client.decideStream([{ decision: "shop.order", facts: order("1") }])) assert.ok(answer instanceof Decision);
        assert.equal(await client.health(), "serving");
      });
    }
  });

  it("takes the credentials of grpc-js", async () => {
    const made = new PolicybookClient(`localhost:${service.port}`, { credentials: credentials.createSsl(file("ca.crt")), token: tokens.erp ?? "" });
    assert.ok((await decide(made)).decided);
    made.close();
  });

  it("knows nobody without a token, or with one that is no good", async () => {
    await with_(service, {}, async (client) => {
      await assert.rejects(decide(client), (e: unknown) => e instanceof UnauthenticatedError && e.reason === "CREDENTIALS_MISSING" && e.attempts === 1);
      await assert.rejects(client.decideStream([{ decision: "shop.order" }]).next(), UnauthenticatedError);
    });
    for (const token of ["pb_nonsense", tokens.left ?? ""]) {
      await with_(service, { token }, async (client) => {
        await assert.rejects(decide(client), (e: unknown) => e instanceof UnauthenticatedError && e.reason === "CREDENTIALS_REFUSED" && !e.message.includes(token));
      });
    }
  });

  it("says which role is missing, and for which policy", async () => {
    await with_(service, { token: tokens.erp ?? "" }, async (client) => {
      await assert.rejects(client.logStatus(), (e: unknown) => e instanceof PermissionDeniedError && e.roles.join() === "admin,audit" && e.policy === "" && !e.isRetriable);
      await assert.rejects(client.policies().next(), PermissionDeniedError);
    });
    await with_(service, { token: tokens["shop-only"] ?? "" }, async (client) => {
      await assert.rejects(client.decide("kinds.echo", {}), (e: unknown) => e instanceof PermissionDeniedError && e.reason === "ROLE_REQUIRED" && e.roles.join() === "decide" && e.policy === "kinds");
      const results = await client.decideMany([{ decision: "kinds.echo" }, { decision: "shop.order", facts: order("1") }]);
      assert.deepEqual(results.map((r) => r.constructor), [PermissionDeniedError, Decision]);
      const seen = [];
      for await (const policy of client.policies()) seen.push(policy.name);
      assert.deepEqual(seen, ["shop"]);
    });
  });

  it("records the caller that was proved", async () => {
    const answer = await with_(service, { token: tokens.erp ?? "" }, decide);
    assert.equal((await with_(service, { token: tokens.audit ?? "" }, (client) => client.record(answer.id))).caller, "erp");
  });

  it("asks for a new token when the old one is no longer good", async () => {
    const path = join(place, "erp.token");
    writeFileSync(path, "pb_old");
    await with_(service, { token: () => readFileSync(path, "utf8").trim() }, async (client) => {
      await assert.rejects(decide(client), UnauthenticatedError);
      writeFileSync(path, `${tokens.erp ?? ""}\n`);
      assert.ok((await decide(client)).decided);
    });
  });

  it("is not believed under another authority, nor spoken to in the clear", async () => {
    const hasty = { timeoutMs: 3_000, retry: null, token: tokens.erp ?? "" };
    await with_(service, { ...hasty, tls: { ca: file("other.crt") } }, async (client) => {
      await assert.rejects(decide(client), (e: unknown) => e instanceof UnavailableError && /certificate|self-signed/i.test(e.message));
    });
    const open = new PolicybookClient(service.address, hasty);
    await assert.rejects(decide(open), UnavailableError);
    open.close();
  });
});

describe("a service with mutual TLS", () => {
  let service: Service;
  before(async () => {
    service = await Service.started(
      "--port", "0", "--callers", join(place, "callers.yaml"),
      "--tls-certificate", join(place, "tls.crt"), "--tls-key", join(place, "tls.key"), "--tls-client-ca", join(place, "ca.crt"),
    );
  });
  after(async () => { assert.equal(await service.end(), 0); });

  const pair = (name: string): ClientOptions => ({ tls: { ca: file("ca.crt"), cert: file(`${name}.crt`), key: file(`${name}.key`) } });

  it("serves who has a certificate of its authority, and what a token says beside it", async () => {
    assert.ok((await with_(service, pair("billing"), decide)).decided);
    assert.ok((await with_(service, { ...pair("billing"), token: tokens.erp ?? "" }, decide)).decided);
    await assert.rejects(with_(service, pair("billing"), (client) => client.policies().next()), PermissionDeniedError);
  });

  it("serves nobody else", async () => {
    const hasty = { timeoutMs: 3_000, retry: null, token: tokens.erp ?? "" };
    for (const options of [hasty, { ...hasty, ...pair("stranger") }]) {
      await assert.rejects(with_(service, options, decide), UnavailableError);
    }
  });
});
