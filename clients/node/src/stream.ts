/** A stream of requests and answers: no faster than the answers are taken, and whatever ends it, the call and the source are given back. */
import type { ClientDuplexStream, MethodDefinition, ServiceError } from "@grpc/grpc-js";
import type { Connection } from "./connection.js";
import type { Decision } from "./decision.js";
import { errorOfCall, noAnswer, unreadable } from "./errors.js";
import type { PolicybookError } from "./errors.js";
import type { DecideRequest, StreamDecideRequest, StreamDecideResponse } from "./generated/policybook/v1/decision_service.js";
import { resultOf } from "./read.js";
import type { CallSettings } from "./settings.js";

/** Says when an answer is overdue: the time runs while the caller waits for one and a request is unanswered; not while the caller or the source is busy. */
class Clock {
  readonly #sentAt: number[] = [];
  #waitingSince: number | undefined;

  constructor(readonly timeoutMs: number) {}

  sent(): void {
    this.#sentAt.push(performance.now());
  }

  waiting(): void {
    this.#waitingSince = performance.now();
  }

  answered(): void {
    this.#waitingSince = undefined;
    this.#sentAt.shift();
  }

  /** In how many milliseconds an answer may be overdue at the earliest; 0 or less: it is. */
  leftMs(): number {
    const oldest = this.#sentAt[0];
    if (oldest === undefined || this.#waitingSince === undefined) return this.timeoutMs;
    return Math.max(oldest, this.#waitingSince) + this.timeoutMs - performance.now();
  }
}

/** The requests of a stream, as they are taken and sent. */
class Source<T> {
  taken = 0;
  /** Every request was sent. */
  isExhausted = false;
  /** What the source threw, or why one of its requests cannot be sent. */
  failure: { readonly error: unknown } | undefined;
  readonly #requests: AsyncIterator<T> | Iterator<T>;
  #isOpen = true;
  #isBusy = false;
  #isOver = false;

  constructor(
    requests: AsyncIterable<T> | Iterable<T>,
    private readonly build: (one: T, place: string) => DecideRequest,
    private readonly clock: Clock,
  ) {
    this.#requests = Symbol.asyncIterator in requests ? requests[Symbol.asyncIterator]() : requests[Symbol.iterator]();
  }

  /** Send all; `ended` comes when nothing more is wanted. Never throws. */
  async send(call: ClientDuplexStream<StreamDecideRequest, StreamDecideResponse>, ended: Promise<void>): Promise<void> {
    try {
      for (;;) {
        const one = await this.#next();
        if (this.#isOver) return;
        if (one === undefined) break;
        const request = this.build(one.value, `requests[${String(this.taken)}].`);
        this.taken++;
        this.clock.sent();
        if (!call.write({ request })) await Promise.race([new Promise((resolve) => { call.once("drain", resolve); }), ended]);
      }
      this.isExhausted = true;
    } catch (error) {
      this.failure = { error };
    }
    // What was sent before is answered still.
    call.end();
  }

  /** Take no more. */
  halt(): void {
    this.#isOver = true;
  }

  /** Let the source clean up; one that is being asked for a request just now does so once it has it. */
  async giveBack(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const returned = (async () => { await this.#requests.return?.(); })();
    if (this.#isBusy) returned.catch(() => undefined);
    else await returned;
  }

  async #next(): Promise<{ readonly value: T } | undefined> {
    this.#isBusy = true;
    try {
      const step = await this.#requests.next();
      if (!step.done) return { value: step.value };
      this.#isOpen = false;
      return undefined;
    } catch (error) {
      this.#isOpen = false;
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }
}

/** Refuse what cannot be iterated over, before anything is sent. */
export function checkIterable(requests: unknown): void {
  const isObject = typeof requests === "object" && requests !== null;
  if (!isObject || !(Symbol.asyncIterator in requests || Symbol.iterator in requests)) throw new TypeError("the requests of a stream are an iterable or an async iterable");
}

export async function* streamed<T>(
  connection: Connection,
  method: MethodDefinition<StreamDecideRequest, StreamDecideResponse>,
  requests: AsyncIterable<T> | Iterable<T>,
  build: (one: T, place: string) => DecideRequest,
  how: CallSettings,
): AsyncGenerator<Decision | PolicybookError, undefined> {
  const { signal } = how;
  const clock = new Clock(how.timeoutMs ?? connection.settings.timeoutMs);
  const call = await connection.stream(method, clock.timeoutMs, signal);
  let source: Source<T> | undefined;
  let finish = (): void => undefined;
  const ended = new Promise<void>((resolve) => { finish = resolve; });
  const halt = (): void => {
    source?.halt();
    finish();
  };
  // An error that nobody listens to would end the process.
  call.on("error", halt).on("status", halt);
  const forget = connection.endedBy(signal, () => { call.cancel(); });
  let isOverdue = false as boolean;
  const watch = (): void => {
    const left = clock.leftMs();
    isOverdue = left <= 0;
    if (isOverdue) call.cancel();
    else timer = setTimeout(watch, left).unref();
  };
  let timer = setTimeout(watch, clock.timeoutMs).unref();
  let answered = 0;
  let hasFailed = false;
  try {
    source = new Source(requests, build, clock);
    void source.send(call, ended);
    const answers = (call as AsyncIterable<StreamDecideResponse>)[Symbol.asyncIterator]();
    for (;;) {
      clock.waiting();
      const answer = await answers.next();
      connection.throwIfEnded(signal);
      if (answer.done) break;
      clock.answered();
      answered++;
      yield resultOf(answer.value.result);
      connection.throwIfEnded(signal);
    }
    if (source.failure) throw source.failure.error;
    if (answered !== source.taken) throw unreadable(`${String(answered)} answers to ${String(source.taken)} requests`);
    if (!source.isExhausted) throw unreadable("it ended before the requests did");
  } catch (error) {
    hasFailed = true;
    connection.throwIfEnded(signal);
    if (isOverdue) throw noAnswer(connection.settings.target, clock.timeoutMs, error);
    throw isServiceError(error) ? errorOfCall(error) : error;
  } finally {
    clearTimeout(timer);
    forget();
    halt();
    call.cancel();
    call.destroy();
    // As in any loop, what went wrong first is thrown.
    await source?.giveBack().catch((error: unknown) => {
      if (!hasFailed) throw error;
    });
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}
