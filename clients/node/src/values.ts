/** Exact values: what may be sent as a fact, and what comes back. A JavaScript number that is not a whole one is never sent: it is not exact. */
import type { Record as WireRecord, Value as WireValue } from "./generated/policybook/v1/values.js";
import { NullValue } from "./generated/policybook/v1/values.js";

/** A number as decimal text, `12`, `-0.25`, or a ratio that no decimal states, `1/3`. */
export class Exact {
  constructor(readonly text: string) {
    if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$/.test(text) && !/^-?\d+\/\d+$/.test(text)) {
      throw new TypeError(`\`${text.slice(0, 60)}\` is no exact number such as \`1200.50\` or \`1/3\``);
    }
  }

  toString(): string {
    return this.text;
  }
}

/** An amount in major units (yuan, not fen); without a currency it is in that of the book. */
export class Money {
  readonly amount: string;

  constructor(
    amount: string | bigint | number | Exact,
    readonly currency = "",
  ) {
    this.amount = decimalText(amount, "an amount");
  }

  toString(): string {
    return `${this.amount} ${this.currency}`.trimEnd();
  }
}

/** A calendar day: `2026-03-25`. */
export class PlainDate {
  constructor(readonly text: string) {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) throw new TypeError(`\`${text.slice(0, 40)}\` is no day such as \`2026-03-25\``);
  }

  toString(): string {
    return this.text;
  }
}

/** A length of time, ISO 8601: `PT24H`, `P3D`, `P1M`. */
export class Duration {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

/** A time of day: `16:00`. */
export class TimeOfDay {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

/** An instant, to the microsecond; a `Date` holds milliseconds. */
export class Instant {
  constructor(
    readonly seconds: bigint,
    readonly nanos: number,
  ) {}

  static of(date: Date): Instant {
    const ms = date.getTime();
    if (!Number.isFinite(ms)) throw new TypeError("an invalid Date is no instant");
    const seconds = Math.floor(ms / 1000);
    return new Instant(BigInt(seconds), (ms - seconds * 1000) * 1_000_000);
  }

  toDate(): Date {
    return new Date(Number(this.seconds) * 1000 + Math.floor(this.nanos / 1_000_000));
  }

  toString(): string {
    const micros = String(Math.floor(this.nanos / 1000)).padStart(6, "0");
    return `${new Date(Number(this.seconds) * 1000).toISOString().slice(0, 19)}.${micros}Z`;
  }
}

/** What may be sent. A `Date` is an instant; a plain object is a record, and stands only in a list. */
export type Fact =
  | null | boolean | string | bigint | number | Exact | Money | PlainDate | Duration | TimeOfDay | Instant | Date
  | readonly Fact[]
  | { readonly [name: string]: Fact };

/** What comes back. Numbers are `Exact`: their text is exact, and what one makes of it (BigInt, a decimal library) is one's own choice. */
export type Value =
  | null | boolean | string | Exact | Money | PlainDate | Duration | TimeOfDay | Instant
  | readonly Value[]
  | { readonly [name: string]: Value };

function decimalText(value: string | bigint | number | Exact, what: string): string {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) {
      throw new TypeError(`${what} of ${String(value)} is not exact: give text, \`new Exact("2999.99")\`, or a bigint`);
    }
    return String(value);
  }
  if (typeof value === "bigint") return value.toString();
  return value instanceof Exact ? value.text : new Exact(value).text;
}

/** Write a fact; `place` names it in messages: `facts.amount`. Throws TypeError for what cannot be sent exactly. */
export function toWire(fact: Fact, place: string): WireValue {
  switch (typeof fact) {
    case "boolean":
      return { kind: { $case: "flag", value: fact } };
    case "string":
      return { kind: { $case: "text", value: fact } };
    case "number":
    case "bigint":
      return { kind: { $case: "decimal", value: decimalText(fact, `\`${place}\``) } };
    case "object":
      break;
    default:
      throw new TypeError(`\`${place}\`: a ${typeof fact} cannot be sent`);
  }
  if (fact === null) return { kind: { $case: "null", value: NullValue.NULL_VALUE_UNSPECIFIED } };
  if (fact instanceof Exact) return { kind: { $case: "decimal", value: fact.text } };
  if (fact instanceof Money) return { kind: { $case: "money", value: { amount: fact.amount, currency: fact.currency } } };
  if (fact instanceof PlainDate) return { kind: { $case: "date", value: fact.text } };
  if (fact instanceof Duration) return { kind: { $case: "duration", value: fact.text } };
  if (fact instanceof TimeOfDay) return { kind: { $case: "timeOfDay", value: fact.text } };
  if (fact instanceof Date) return toWire(Instant.of(fact), place);
  if (fact instanceof Instant) return { kind: { $case: "timestamp", value: { seconds: fact.seconds, nanos: fact.nanos } } };
  if (isList(fact)) return { kind: { $case: "list", value: { values: fact.map((v, i) => toWire(v, `${place}[${String(i)}]`)) } } };
  return { kind: { $case: "record", value: { fields: factsToWire(fact, place) } } };
}

function isList(fact: Fact): fact is readonly Fact[] {
  return Array.isArray(fact);
}

export function factsToWire(facts: { readonly [name: string]: Fact }, place: string): { [name: string]: WireValue } {
  return Object.fromEntries(Object.entries(facts).map(([name, fact]) => [name, toWire(fact, `${place}.${name}`)]));
}

/** Read a value. */
export function fromWire(value: WireValue): Value {
  const kind = value.kind;
  switch (kind?.$case) {
    case undefined:
    case "null":
      return null;
    case "decimal":
      return new Exact(kind.value);
    case "text":
    case "flag":
      return kind.value;
    case "money":
      return new Money(kind.value.amount, kind.value.currency);
    case "date":
      return new PlainDate(kind.value);
    case "timestamp":
      return new Instant(kind.value.seconds, kind.value.nanos);
    case "duration":
      return new Duration(kind.value);
    case "timeOfDay":
      return new TimeOfDay(kind.value);
    case "list":
      return kind.value.values.map(fromWire);
    case "record":
      return valuesFromWire(kind.value.fields);
  }
}

export function valuesFromWire(fields: WireRecord["fields"]): { readonly [name: string]: Value } {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, fromWire(value)]));
}
