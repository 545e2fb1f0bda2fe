/** What the tests speak to: the real service in a process of its own, and a server that says what a test tells it to, for what the service cannot be made to say. */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Metadata, Server, ServerCredentials, status as Code } from "@grpc/grpc-js";
import type { ServerDuplexStream, ServerUnaryCall } from "@grpc/grpc-js";
import { Any } from "../src/generated/google/protobuf/any.js";
import { ErrorInfo, RetryInfo } from "../src/generated/google/rpc/error_details.js";
import { Status } from "../src/generated/google/rpc/status.js";
import { DecideResponse, DecisionServiceService } from "../src/generated/policybook/v1/decision_service.js";
import type { DecideRequest, StreamDecideRequest, StreamDecideResponse } from "../src/generated/policybook/v1/decision_service.js";
import { Money } from "../src/index.js";
import type { Fact } from "../src/index.js";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../../../..");
export const books = join(root, "tests/contract/books");
const python = process.env.POLICYBOOK_PYTHON ?? join(root, ".venv/bin/python");
const environment = { ...process.env, POLICYBOOK_PYTHON: undefined, PYTHONPATH: [join(root, "tests"), process.env.PYTHONPATH ?? ""].filter(Boolean).join(delimiter) };

export function folder(): string {
  return mkdtempSync(join(tmpdir(), "policybook-node-"));
}

/** Run a Python script that has the service's packages and those of its tests. */
export function runPython(script: string, ...rest: string[]): string {
  return execFileSync(python, ["-c", script, ...rest], { encoding: "utf8", env: environment });
}

/** The service, as its users run it. */
export class Service {
  private constructor(
    readonly address: string,
    private readonly process: ChildProcess,
  ) {}

  static async started(...settings: string[]): Promise<Service> {
    const one = ["-m", "policybook", "serve", books, "--workers", "1", "--reload-s", "0", "--log-level", "warning"];
    const process = spawn(python, [...one, ...settings], { stdio: ["ignore", "pipe", "inherit"], env: environment });
    for await (const line of createInterface(process.stdout)) {
      const found = /listening on (\S+),/.exec(line)?.[1];
      if (found) return new Service(found, process);
    }
    throw new Error("the service did not start");
  }

  get port(): string {
    return this.address.replace(/.*:/, "");
  }

  /** Returns its exit code. */
  async end(): Promise<unknown> {
    if (this.process.exitCode !== null) return this.process.exitCode;
    this.process.kill("SIGTERM");
    const [code] = (await once(this.process, "exit")) as unknown[];
    return code;
  }
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Wait until something holds; a machine that has much to do takes its time. */
export async function until(holds: () => boolean): Promise<void> {
  for (let n = 0; !holds(); n++) {
    if (n > 500) throw new Error(`does not come to hold: ${String(holds)}`);
    await sleep(20);
  }
}

/** Facts that `shop.order` decides. */
export function order(amount: string, more: { readonly [name: string]: Fact } = {}): { readonly [name: string]: Fact } {
  return { amount: new Money(amount), customer: "new", ...more };
}

export type Stream = ServerDuplexStream<StreamDecideRequest, StreamDecideResponse>;

/** A real gRPC server that says what a test tells it to, and keeps what it was asked. */
export class Spoken {
  address = "";
  readonly asked: { readonly request: DecideRequest; readonly metadata: Metadata; readonly leftMs: number; readonly at: number }[] = [];
  readonly #server = new Server();

  constructor(decide: (request: DecideRequest, number: number) => DecideResponse | Refusal | undefined, stream: (call: Stream) => void = () => undefined) {
    this.#server.addService(DecisionServiceService, {
      decide: (call: ServerUnaryCall<DecideRequest, DecideResponse>, done: (error: Refusal | null, answer?: DecideResponse) => void) => {
        this.asked.push({ request: call.request, metadata: call.metadata, leftMs: Number(call.getDeadline()) - Date.now(), at: performance.now() });
        const answer = decide(call.request, this.asked.length);
        if (answer && "decision" in answer) done(null, answer);
        else if (answer) done(answer);
      },
      streamDecide: (call: Stream) => {
        call.on("error", () => undefined);
        stream(call);
      },
    });
  }

  async start(): Promise<this> {
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
        if (error) reject(error);
        else resolve(bound);
      });
    });
    this.address = `127.0.0.1:${String(port)}`;
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

export interface Refusal {
  readonly code: Code;
  readonly details: string;
  readonly metadata?: Metadata;
}

export function refusal(code: Code, message: string, reason = "", retryMs?: number): Refusal {
  const packed = (typeUrl: string, value: Uint8Array): Any => ({ typeUrl: `type.googleapis.com/${typeUrl}`, value: Buffer.from(value) });
  const details: Any[] = [];
  if (reason) details.push(packed("google.rpc.ErrorInfo", ErrorInfo.encode({ reason, domain: "policybook.dev", metadata: {} }).finish()));
  if (retryMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.floor(retryMs / 1000)), nanos: (retryMs % 1000) * 1_000_000 };
    details.push(packed("google.rpc.RetryInfo", RetryInfo.encode({ retryDelay }).finish()));
  }
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(Status.encode({ code, message, details }).finish()));
  return { code, details: message, metadata };
}

export function decided(request: DecideRequest | undefined): DecideResponse {
  return DecideResponse.fromPartial({ decision: request?.decision ?? "", requestId: request?.requestId ?? "", asOfDate: "2026-03-01", outcome: 1 });
}

export function answered(request: StreamDecideRequest): StreamDecideResponse {
  return { result: { result: { $case: "response", value: decided(request.request) } } };
}
