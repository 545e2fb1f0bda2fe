/** What a client and a call were set to, checked. Callers without TypeScript are told as well. */
import { BlockList, isIPv6 } from "node:net";
import { Metadata, credentials as Credentials } from "@grpc/grpc-js";
import type { ChannelCredentials, ChannelOptions } from "@grpc/grpc-js";
import type { TraceLevel } from "./decision.js";
import { Instant, PlainDate } from "./values.js";

/**
 * When a call that failed is made again: when the service is unavailable, or overloaded and says when to ask again; never when it has answered, and never past the
 * time allowed, which covers all attempts together. A decision changes nothing, so asking twice is harmless; with a request id it is one decision and one record.
 */
export interface RetryPolicy {
  /** The first one included; 5. */
  readonly maxAttempts: number;
  /** Wait before the second attempt, shortened at random by up to half; 100. */
  readonly initialBackoffMs: number;
  /** Longest wait of our own; a longer one that the service asks for is kept; 2,000. */
  readonly maxBackoffMs: number;
  /** Of the wait, from one attempt to the next; 3. */
  readonly multiplier: number;
}

/** A bearer token, or what gives the present one: it is asked before every attempt, so it should keep what it has and renew it in time. */
export type Token = string | (() => string | Promise<string>);

export interface ClientOptions {
  /** TLS by the given certificate authority (PEM), or the system's where it is left out; with `cert` and `key` mutual. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  /** Credentials of grpc-js, instead of `tls`. */
  readonly credentials?: ChannelCredentials;
  /** No TLS. Without it and without TLS only addresses of this machine are asked in the open. */
  readonly insecure?: boolean;
  /** Says who calls; it is sent over TLS, or to this machine. */
  readonly token?: Token;
  /** For all attempts of a call together, and in a stream for each answer; 5,000. */
  readonly timeoutMs?: number;
  /** What differs from the defaults; `null`: no call is made again. */
  readonly retry?: Partial<RetryPolicy> | null;
  /** How often a connection is probed during a call; `null`: never; 300,000. */
  readonly keepaliveMs?: number | null;
  /** Largest message sent or received; 64 MiB. */
  readonly maxMessageBytes?: number;
  /** Of titles and sentences, unless the call says otherwise; `en`. */
  readonly language?: "en" | "zh";
  /** How much of the reasoning comes back, unless the call says otherwise; `matched`. */
  readonly trace?: TraceLevel;
  /** Sent with every call, for proxies and logs. */
  readonly metadata?: { readonly [name: string]: string | Buffer };
  /** Further options of the channel; they win over those above. */
  readonly channelOptions?: ChannelOptions;
}

export interface CallSettings {
  /** For all attempts together, and in a stream for each answer; left out: as the client was set. */
  readonly timeoutMs?: number;
  /** Ends the call; it then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface Settings {
  readonly target: string;
  readonly credentials: ChannelCredentials;
  readonly channelOptions: ChannelOptions;
  readonly token: Token | undefined;
  readonly metadata: Metadata;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy | null;
  readonly language: string;
  readonly trace: TraceLevel;
}

export const VERSION = "0.1.0";
// LIMIT: a timer of Node.js that is set to more ends at once.
const MAX_TIMER_MS = 2_147_483_647;
const DEFAULT_TIMEOUT_MS = 5_000;
// LIMIT: a gRPC server as it comes cuts off clients that ping more often than every five minutes.
const DEFAULT_KEEPALIVE_MS = 300_000;
// LIMIT: gRPC takes 4 MiB unless told otherwise; 10,000 decisions with their traces are some 20 MB.
const DEFAULT_MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const DEFAULT_RETRY: RetryPolicy = { maxAttempts: 5, initialBackoffMs: 100, maxBackoffMs: 2_000, multiplier: 3 };
const OPTIONS = [
  "tls", "credentials", "insecure", "token", "timeoutMs", "retry", "keepaliveMs", "maxMessageBytes", "language", "trace", "metadata", "channelOptions",
];

/** Check the arguments of a client. Throws TypeError for what cannot be, contradicts itself, or would send a token in the open. */
export function settingsOf(target: string, options: ClientOptions): Settings {
  if (!text(target, "the target")) throw new TypeError("the target is empty; give an address such as `localhost:50151`");
  known(options, OPTIONS, "a client");
  const { tls, credentials, insecure, token } = options;
  if (insecure !== undefined) flag(insecure, "`insecure`");
  if (tls && credentials) throw new TypeError("`tls` and `credentials` contradict each other");
  if (insecure && (tls ?? credentials)) throw new TypeError("`insecure` contradicts `tls` and `credentials`");
  const isLocal = isLoopback(target);
  const isOpen = credentials ? !credentials._isSecure() : (insecure ?? (isLocal && !tls));
  if (token !== undefined) {
    if (isOpen && !isLocal) throw new TypeError("a token is not sent without TLS to another machine");
    if (typeof token !== "function") authorization(token);
  }
  return {
    target,
    credentials: credentials ?? (isOpen ? Credentials.createInsecure() : secured(tls ?? {})),
    channelOptions: {
      "grpc.primary_user_agent": `policybook-client-node/${VERSION}`,
      ...messageSizes(options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES),
      // grpc-js waits a second before it connects again, longer than our first attempts.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 5_000,
      ...(options.keepaliveMs === null ? {} : { "grpc.keepalive_time_ms": milliseconds(options.keepaliveMs ?? DEFAULT_KEEPALIVE_MS, "`keepaliveMs`") }),
      // A proxy named in the environment cannot reach this machine's own loopback.
      ...(isLocal ? { "grpc.enable_http_proxy": 0 } : {}),
      ...options.channelOptions,
    },
    token,
    metadata: metadataOf(options.metadata ?? {}, token !== undefined),
    timeoutMs: milliseconds(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, "`timeoutMs`"),
    retry: options.retry === null ? null : retryOf(options.retry ?? {}),
    language: languageOf(options.language ?? "en"),
    trace: traceOf(options.trace ?? "matched"),
  };
}

/** Check the settings of a call; `more` are the names of its other options. */
export function checkCall(settings: CallSettings, call: string, more: readonly string[] = []): void {
  known(settings, ["timeoutMs", "signal", ...more], `\`${call}\``);
  if (settings.timeoutMs !== undefined) milliseconds(settings.timeoutMs, "`timeoutMs`");
  const signal: unknown = settings.signal;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("`signal` is an AbortSignal");
}

/** Refuse options that are none: one that is misspelt would be taken for one that is left out. */
export function known(options: object, names: readonly string[], of: string): void {
  const given: unknown = options;
  if (typeof given !== "object" || given === null) throw new TypeError(`the options of ${of} are an object`);
  const wrong = Object.keys(given).find((name) => !names.includes(name));
  if (wrong !== undefined) throw new TypeError(`\`${wrong}\` is no option of ${of}; there are: ${names.join(", ")}`);
}

export function milliseconds(given: unknown, what: string): number {
  if (typeof given === "number" && given > 0 && given <= MAX_TIMER_MS) return given;
  throw new TypeError(`${what}: milliseconds, more than 0 and at most ${String(MAX_TIMER_MS)} (a timer of Node.js takes no more), not ${shown(given)}`);
}

export function text(given: unknown, what: string): string {
  if (typeof given === "string") return given;
  throw new TypeError(`${what} is text, not ${shown(given)}`);
}

export function languageOf(given: unknown): string {
  if (given === "en" || given === "zh") return given;
  throw new TypeError(`\`language\` is \`en\` or \`zh\`, not ${shown(given)}`);
}

export function traceOf(given: unknown): TraceLevel {
  if (given === "none" || given === "matched" || given === "full") return given;
  throw new TypeError(`\`trace\` is \`none\`, \`matched\` or \`full\`, not ${shown(given)}`);
}

/** Give the instant of what must be one. */
export function instantOf(given: unknown, what: string): Instant {
  if (given instanceof Instant) return given;
  if (given instanceof Date) return Instant.of(given);
  throw new TypeError(`${what} is an Instant or a Date, not ${shown(given)}`);
}

export function dayOf(given: unknown, what: string): string {
  if (given instanceof PlainDate) return given.text;
  throw new TypeError(`${what} is a PlainDate, not ${shown(given)}`);
}

export function flag(given: unknown, what: string): boolean {
  if (typeof given === "boolean") return given;
  throw new TypeError(`${what} is true or false, not ${shown(given)}`);
}

/** Write the header of a token; what is wrong with it is said without it. */
export function authorization(token: unknown): string {
  if (typeof token !== "string") throw new TypeError(`a token is text, or a function that gives it, not a ${typeof token}`);
  if (!/^[!-~]+$/.test(token)) throw new TypeError("this token is empty, or has characters that no header takes, such as the end of a line");
  return `Bearer ${token}`;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** Tell whether a gRPC target can only be on this machine. */
export function isLoopback(target: string): boolean {
  if (target.startsWith("unix:")) return true;
  const addresses = target.replace(/^(?:dns|ipv4|ipv6):(?:\/\/[^/]*\/)?/, "").split(",");
  return addresses.every((address) => {
    const bracketed = /^\[([^\]]*)\](:\d+)?$/.exec(address)?.[1];
    // More than one colon without brackets is an IPv6 address that has no port.
    const host = bracketed ?? (address.split(":").length === 2 ? address.replace(/:.*$/, "") : address);
    return /^(.*\.)?localhost$/.test(host) || LOOPBACK.check(host, isIPv6(host) ? "ipv6" : "ipv4");
  });
}

function secured(tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer }): ChannelCredentials {
  known(tls, ["ca", "cert", "key"], "`tls`");
  for (const [name, given] of Object.entries(tls) as [string, unknown][]) {
    if (!Buffer.isBuffer(given)) throw new TypeError(`\`tls.${name}\` is the Buffer of a PEM file, such as \`readFileSync("ca.crt")\`, not ${shown(given)}`);
  }
  if (!tls.cert !== !tls.key) throw new TypeError("`tls.cert` and `tls.key` go together");
  return Credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}

function messageSizes(bytes: unknown): ChannelOptions {
  if (!Number.isSafeInteger(bytes) || (bytes as number) < 1) throw new TypeError(`\`maxMessageBytes\` is a whole number of bytes, at least 1, not ${shown(bytes)}`);
  return { "grpc.max_receive_message_length": bytes as number, "grpc.max_send_message_length": bytes as number };
}

function metadataOf(given: { readonly [name: string]: string | Buffer }, hasToken: boolean): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(given)) {
    if (hasToken && name.toLowerCase() === "authorization") throw new TypeError("`token` and the metadata `authorization` contradict each other");
    try {
      metadata.set(name, value);
    } catch {
      // The value may be a secret.
      throw new TypeError(`the metadata \`${name}\` has a name or a value that gRPC does not take`);
    }
  }
  return metadata;
}

function retryOf(given: Partial<RetryPolicy>): RetryPolicy {
  known(given, Object.keys(DEFAULT_RETRY), "`retry`");
  const policy = { ...DEFAULT_RETRY, ...given };
  const { maxAttempts, multiplier } = policy;
  if (!Number.isSafeInteger(maxAttempts) || maxAttempts < 1) throw new TypeError(`\`retry.maxAttempts\` is a whole number, at least 1, not ${shown(maxAttempts)}`);
  if (!Number.isFinite(multiplier) || multiplier < 1) throw new TypeError(`\`retry.multiplier\` is at least 1, not ${shown(multiplier)}`);
  for (const name of ["initialBackoffMs", "maxBackoffMs"] as const) {
    if (policy[name] !== 0) milliseconds(policy[name], `\`retry.${name}\``);
  }
  return policy;
}

function shown(given: unknown): string {
  if (typeof given === "string") return `\`${given.slice(0, 60)}\``;
  return typeof given === "object" && given !== null ? "an object" : String(given);
}
