/** One connection: calls with a deadline for all attempts together, made again where that is harmless, and ended by a signal or by `close`. */
import { Client, Metadata } from "@grpc/grpc-js";
import type { ClientDuplexStream, MethodDefinition, ServiceError } from "@grpc/grpc-js";
import { DeadlineExceededError, PolicybookError, closedError, errorOfCall, noAnswer } from "./errors.js";
import { readable } from "./read.js";
import { authorization } from "./settings.js";
import type { CallSettings, RetryPolicy, Settings } from "./settings.js";

/** The attempts of one call, under one deadline. */
class Attempts {
  readonly #end: number;
  #backoffMs: number;
  #made = 0;

  constructor(
    private readonly retry: RetryPolicy | null,
    readonly timeoutMs: number,
  ) {
    this.#end = performance.now() + timeoutMs;
    this.#backoffMs = retry?.initialBackoffMs ?? 0;
  }

  leftMs(): number {
    return Math.max(this.#end - performance.now(), 1);
  }

  /** Say how long to wait before the next attempt; undefined if there shall be none. */
  waitMs(error: PolicybookError): number | undefined {
    error.attempts = ++this.#made;
    if (!this.retry || this.#made >= this.retry.maxAttempts || !error.isRetriable) return undefined;
    const own = this.#backoffMs * (0.5 + Math.random() / 2);
    this.#backoffMs = Math.min(this.#backoffMs * this.retry.multiplier, this.retry.maxBackoffMs);
    const wait = Math.max(own, error.retryAfterMs ?? 0);
    // Better the true reason now than a deadline that is sure to pass.
    return performance.now() + wait < this.#end ? wait : undefined;
  }
}

export class Connection {
  readonly settings: Settings;
  readonly #client: Client;
  /** What ends each thing in progress. */
  readonly #open = new Set<() => void>();
  readonly #bySignal = new WeakMap<AbortSignal, Set<() => void>>();
  #isClosed = false;

  constructor(settings: Settings) {
    this.settings = settings;
    this.#client = new Client(settings.target, settings.credentials, settings.channelOptions);
  }

  close(): void {
    this.#isClosed = true;
    for (const end of [...this.#open]) end();
    this.#client.close();
  }

  /** Call, and again where the service was not there or says when to come again; never past the deadline. */
  async unary<Q, A, R>(method: MethodDefinition<Q, A>, request: Q, read: (answer: A) => R, how: CallSettings, defaultMs = this.settings.timeoutMs): Promise<R> {
    const attempts = new Attempts(this.settings.retry, how.timeoutMs ?? defaultMs);
    for (;;) {
      try {
        return readable(read, await this.#once(method, request, attempts, how.signal));
      } catch (error) {
        if (!(error instanceof PolicybookError)) throw error;
        const wait = attempts.waitMs(error);
        if (wait === undefined) {
          if (!(error instanceof DeadlineExceededError) || error.reason) throw error;
          throw Object.assign(noAnswer(this.settings.target, attempts.timeoutMs, error.cause), { attempts: error.attempts });
        }
        await this.pause(wait, how.signal);
      }
    }
  }

  /** Open a stream. */
  async stream<Q, A>(method: MethodDefinition<Q, A>, timeoutMs: number, signal: AbortSignal | undefined): Promise<ClientDuplexStream<Q, A>> {
    const metadata = await this.#metadata(timeoutMs, signal);
    return this.#client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, metadata, {});
  }

  /** Have something ended when the signal says so, or the client is closed; returns how to give that up. */
  endedBy(signal: AbortSignal | undefined, end: () => void): () => void {
    const ofSignal = signal && this.#endsOf(signal);
    this.#open.add(end);
    ofSignal?.add(end);
    return () => {
      this.#open.delete(end);
      ofSignal?.delete(end);
    };
  }

  /** Throw if a signal or the client's end says that nothing is to be done any more. */
  throwIfEnded(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#isClosed) throw closedError();
  }

  async pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#endable<undefined>(signal, (resolve) => {
      const timer = setTimeout(resolve, ms, undefined);
      return () => { clearTimeout(timer); };
    });
  }

  /** One listener a signal, however many calls it has: Node.js warns of more than ten. */
  #endsOf(signal: AbortSignal): Set<() => void> {
    const known = this.#bySignal.get(signal);
    if (known) return known;
    const ends = new Set<() => void>();
    signal.addEventListener("abort", () => { for (const end of [...ends]) end(); }, { once: true });
    this.#bySignal.set(signal, ends);
    return ends;
  }

  async #once<Q, A>(method: MethodDefinition<Q, A>, request: Q, attempts: Attempts, signal: AbortSignal | undefined): Promise<A> {
    const metadata = await this.#metadata(attempts.leftMs(), signal);
    return await this.#endable<A>(signal, (resolve, reject) => {
      const options = { deadline: Date.now() + attempts.leftMs() };
      const done = (error: ServiceError | null, answer?: A): void => {
        if (error) reject(errorOfCall(error));
        else resolve(answer as A);
      };
      const call = this.#client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, metadata, options, done);
      return () => { call.cancel(); };
    });
  }

  /** What goes with a call; a token that changes is asked for, within the time allowed. */
  async #metadata(leftMs: number, signal: AbortSignal | undefined): Promise<Metadata> {
    this.throwIfEnded(signal);
    const { token, target } = this.settings;
    const metadata = this.settings.metadata.clone();
    if (token === undefined) return metadata;
    const present =
      typeof token === "string"
        ? token
        : await this.#endable<string>(signal, (resolve, reject) => {
            const timer = setTimeout(() => { reject(noAnswer(`the token of ${target}`, leftMs)); }, leftMs);
            const given = new Promise<string>((give) => { give(token()); });
            given.then(resolve, reject).finally(() => { clearTimeout(timer); });
            return () => { clearTimeout(timer); };
          });
    metadata.set("authorization", authorization(present));
    return metadata;
  }

  /** Run what a signal or `close` may end at once; `start` returns how. */
  async #endable<T>(signal: AbortSignal | undefined, start: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void): Promise<T> {
    this.throwIfEnded(signal);
    return await new Promise<T>((resolve, reject) => {
      const settle = <V>(how: (value: V) => void) => (value: V): void => {
        forget();
        how(value);
      };
      let stop = (): void => undefined;
      const forget = this.endedBy(signal, () => {
        forget();
        stop();
        reject(signal?.aborted ? (signal.reason as Error) : closedError());
      });
      try {
        stop = start(settle(resolve), settle(reject));
      } catch (error) {
        settle(reject)(error);
      }
    });
  }
}
