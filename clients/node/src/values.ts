/** Exact values: what may be sent as a fact, and what comes back. A JavaScript number that is not a whole one is never sent: it is not exact. */
import type { Record as WireRecord, Value as WireValue } from "./generated/policybook/v1/values.js";
import { NullValue } from "./generated/policybook/v1/values.js";

// LIMIT: the service takes 8; this is only to stop at what has no end.
const MAX_DEPTH = 20;
// LIMIT: the service takes exponents up to 38; beyond that plain digits help nobody.
const MAX_PLAIN_EXPONENT = 38;
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?$/;
const RATIO = /^[+-]?\d+\/0*[1-9]\d*$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const TIME = /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$/;
const LENGTH = /^-?P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d{1,9})?S)?)?$/;

/** A number as decimal text, `12`, `-0.25`, or a ratio that no decimal states, `1/3`. */
export class Exact {
  // Classes of the same shape are one to TypeScript; a brand keeps a day from passing for a number.
  declare private readonly brand: "Exact";

  constructor(readonly text: string) {
    if (!fits(text, DECIMAL) && !fits(text, RATIO)) throw new TypeError(`${quoted(text)} is no exact number such as \`1200.50\` or \`1/3\``);
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** An amount in major units (yuan, not fen); without a currency it is in that of the book. In a trace it may be a ratio: `10000/3`. */
export class Money {
  declare private readonly brand: "Money";
  readonly amount: string;
  readonly currency: string;

  constructor(amount: string | bigint | number | Exact, currency = "") {
    this.amount = decimalText(amount, "an amount");
    this.currency = wellFormed(currency, "a currency");
  }

  toString(): string {
    return `${this.amount} ${this.currency}`.trimEnd();
  }
}

/** A calendar day: `2026-03-25`. */
export class PlainDate {
  declare private readonly brand: "PlainDate";

  constructor(readonly text: string) {
    const ms = fits(text, DAY) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
    if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(text)) throw new TypeError(`${quoted(text)} is no day such as \`2026-03-25\``);
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** A length of time, ISO 8601: `PT24H`, `P3D`, `P1M`. */
export class Duration {
  declare private readonly brand: "Duration";

  constructor(readonly text: string) {
    if (!fits(text, LENGTH)) throw new TypeError(`${quoted(text)} is no length of time such as \`PT24H\`, \`P3D\` or \`P1M\``);
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** A time of day: `16:00`. */
export class TimeOfDay {
  declare private readonly brand: "TimeOfDay";

  constructor(readonly text: string) {
    if (!fits(text, TIME)) throw new TypeError(`${quoted(text)} is no time of day such as \`16:00\``);
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** An instant, to the microsecond; a `Date` holds milliseconds. */
export class Instant {
  declare private readonly brand: "Instant";

  constructor(
    readonly seconds: bigint,
    readonly nanos: number,
  ) {
    if (typeof seconds !== "bigint" || seconds < FIRST_SECOND || seconds > LAST_SECOND || !Number.isInteger(nanos) || nanos < 0 || nanos > 999_999_999) {
      throw new TypeError("an instant is whole seconds since 1970 (a bigint, in the years 1 to 9999) and 0 to 999999999 nanoseconds");
    }
  }

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

  toJSON(): string {
    return this.toString();
  }
}

/** What may be sent. A `Date` is an instant; a plain object is a record, and stands only in a list. */
export type Fact =
  | null | boolean | string | bigint | number | Exact | Money | PlainDate | Duration | TimeOfDay | Instant | Date
  | readonly Fact[]
  | { readonly [name: string]: Fact };

/** Facts by the names of inputs. */
export interface Facts {
  readonly [name: string]: Fact;
}

/** What comes back. Numbers are `Exact`: their text is exact, and what one makes of it (BigInt, a decimal library) is one's own choice. */
export type Value =
  | null | boolean | string | Exact | Money | PlainDate | Duration | TimeOfDay | Instant
  | readonly Value[]
  | { readonly [name: string]: Value };

/** Values by name, sorted by it. */
export interface Values {
  readonly [name: string]: Value;
}

function fits(text: unknown, pattern: RegExp): boolean {
  return typeof text === "string" && pattern.test(text);
}

function quoted(text: unknown): string {
  return typeof text === "string" ? `\`${text.slice(0, 60)}\`` : `a ${typeof text}`;
}

function wellFormed(text: unknown, what: string): string {
  if (typeof text !== "string") throw new TypeError(`${what} is text, not a ${typeof text}`);
  if (/\p{Surrogate}/u.test(text)) throw new TypeError(`${what} has half a character, which cannot be written as UTF-8`);
  return text;
}

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
export function toWire(fact: Fact, place: string, depth = 0): WireValue {
  switch (typeof fact) {
    case "boolean":
      return { kind: { $case: "flag", value: fact } };
    case "string":
      return { kind: { $case: "text", value: wellFormed(fact, `\`${place}\``) } };
    case "number":
    case "bigint":
      return { kind: { $case: "decimal", value: decimalText(fact, `\`${place}\``) } };
    case "undefined":
      throw new TypeError(`\`${place}\` is undefined: leave it out, or give null when it is known to be nothing`);
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
  if (depth >= MAX_DEPTH) throw new TypeError(`\`${place.slice(0, 60)}\`: lists and records may be nested ${String(MAX_DEPTH)} deep at most`);
  if (isList(fact)) return { kind: { $case: "list", value: { values: fact.map((v, i) => toWire(v, `${place}[${String(i)}]`, depth + 1)) } } };
  return { kind: { $case: "record", value: { fields: factsToWire(fact, place, depth + 1) } } };
}

function isList(fact: Fact): fact is readonly Fact[] {
  return Array.isArray(fact);
}

function isPlain(given: unknown): boolean {
  if (typeof given !== "object" || given === null) return false;
  const kind: unknown = Object.getPrototypeOf(given);
  // Objects of another realm have an Object.prototype of their own.
  return kind === null || Object.getPrototypeOf(kind) === null;
}

export function factsToWire(facts: Facts, place: string, depth = 0): { [name: string]: WireValue } {
  if (!isPlain(facts)) throw new TypeError(`\`${place}\`: named values are a plain object, such as \`{ amount: new Money(5) }\``);
  return Object.fromEntries(Object.entries(facts).map(([name, fact]) => [wellFormed(name, `a name in \`${place}\``), toWire(fact, `${place}.${name}`, depth)]));
}

/** Read a value. Throws for what is none, and for a kind that a newer service may send. */
export function fromWire(value: WireValue): Value {
  const kind = value.kind;
  switch (kind?.$case) {
    case undefined:
      throw new TypeError("a value of a kind that this client does not know; a newer one may");
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

export function valuesFromWire(fields: WireRecord["fields"]): Values {
  // A map on the wire has no order.
  const names = Object.keys(fields).sort();
  return Object.fromEntries(names.map((name) => [name, fromWire(fields[name] ?? { kind: undefined })]));
}

/** Write a value for a person: `1200.50 CNY`, `2026-03-25`, `PT24H`, `[a, b]`, `null`. */
export function textOf(value: Value): string {
  if (value === null || typeof value !== "object") return String(value);
  if (value instanceof Exact) return plainDigits(value.text);
  if (value instanceof Money) return `${plainDigits(value.amount)} ${value.currency}`.trimEnd();
  if (value instanceof TimeOfDay) return value.text.replace(/^(\d\d:\d\d):00$/, "$1");
  if (value instanceof Instant) return value.toString().replace(/(:00)?\.000000Z$/, "Z").replace("Z", "+00:00");
  if (value instanceof PlainDate || value instanceof Duration) return value.text;
  if (Array.isArray(value)) return `[${value.map(textOf).join(", ")}]`;
  return `{${Object.entries(value).map(([name, inner]) => `${name}: ${textOf(inner)}`).join(", ")}}`;
}

function plainDigits(text: string): string {
  const found = /^([+-]?)(\d*)\.?(\d*)[eE]([+-]?\d+)$/.exec(text);
  if (!found) return text;
  const [, sign = "", whole = "", rest = "", exponent = "0"] = found;
  const places = rest.length - Number(exponent);
  if (Math.abs(places) > MAX_PLAIN_EXPONENT) return text;
  const digits = (whole + rest + "0".repeat(Math.max(0, -places))).padStart(places + 1, "0");
  const point = digits.length - Math.max(places, 0);
  const before = digits.slice(0, point).replace(/^0+(?=\d)/, "");
  return `${sign}${before}${point < digits.length ? `.${digits.slice(point)}` : ""}`;
}
