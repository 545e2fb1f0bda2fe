/** A decision as plain text of several lines; the same text as the Python client's. */
import type { Decision, Figure, Headroom, MatchedRule, NamedValue, RowTrace, RowVerdict, TableTrace } from "./decision.js";
import { Money, textOf } from "./values.js";
import type { Values } from "./values.js";

interface Captions {
  readonly asOf: string;
  readonly noMatch: string;
  readonly items: string;
  readonly because: string;
  readonly reading: string;
  readonly inputs: string;
  readonly figures: string;
  readonly rows: string;
  readonly company: string;
  readonly since: string;
  readonly byDefault: string;
  readonly headroom: string;
  readonly fromThere: string;
  readonly past: string;
  readonly noRow: string;
  readonly refused: string;
  readonly item: (number: number) => string;
  readonly at: (threshold: string) => string;
  readonly below: (distance: string, threshold: string) => string;
  readonly above: (distance: string, threshold: string) => string;
  readonly verdicts: { readonly [verdict in RowVerdict]: string };
}

const CAPTIONS: { readonly en: Captions; readonly zh: Captions } = {
  en: {
    asOf: "as of", noMatch: "no row matched, and the table has no default", items: "items", because: "because", reading: "read as", inputs: "inputs",
    figures: "figures", rows: "rows", company: "set by the company", since: "since", byDefault: "default", headroom: "headroom",
    fromThere: "from there on", past: "beyond that", noRow: "no row", refused: "the request is refused",
    item: (n) => `item ${String(n)}`, at: (t) => `exactly ${t}`, below: (d, t) => `${d} below ${t}`, above: (d, t) => `${d} above ${t}`,
    verdicts: { unknown: "unknown verdict", selected: "selected", outranked: "outranked", not_matched: "not matched", not_reached: "not reached" },
  },
  zh: {
    asOf: "截至", noMatch: "没有规则命中，且决策表没有默认行", items: "明细", because: "依据", reading: "理解为", inputs: "输入",
    figures: "参数", rows: "规则行", company: "公司自定", since: "生效日", byDefault: "默认", headroom: "余量",
    fromThere: "达到此界则", past: "越过此界则", noRow: "没有规则适用", refused: "请求被拒绝",
    item: (n) => `第 ${String(n)} 项`, at: (t) => `恰为 ${t}`, below: (d, t) => `比 ${t} 低 ${d}`, above: (d, t) => `比 ${t} 高 ${d}`,
    verdicts: { unknown: "未知", selected: "采用", outranked: "命中但未采用", not_matched: "未命中", not_reached: "未轮到" },
  },
};
const MARKS: { readonly [verdict in RowVerdict]: string } = { unknown: "?", selected: "✓", outranked: "~", not_matched: "✗", not_reached: "-" };
// What takes two columns of a terminal.
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu;

/** Write the answer, the rules it rests on, and the trace as far as there is one. */
export function explainText(decision: Decision, language: "en" | "zh"): string {
  const words = CAPTIONS[language];
  const lines = [`${decision.decision}  ${words.asOf} ${decision.asOf.text}`];
  if (!decision.decided) lines.push(`  ${words.noMatch}`);
  lines.push(...indented(outputs(decision.outputs)));
  if (decision.items.length) lines.push(`  ${words.items}`, ...indented(decision.items.map(String), 4));
  if (decision.matchedRules.length) lines.push(`  ${words.because}`, ...indented(decision.matchedRules.flatMap((r) => rule(r, words)), 4));
  for (const one of decision.trace?.tables ?? []) lines.push("", ...table(one, words));
  const time = decision.trace ? `${decision.trace.elapsedMs.toFixed(2)} ms` : "";
  return [...lines, "", joined(decision.policy, decision.policyVersion.slice(0, 12), decision.id, time)].join("\n");
}

function rule(matched: MatchedRule, words: Captions): string[] {
  const head = joined(matched.rowId, clauses(matched.clauses), matched.says);
  return matched.reading ? [head, `  ${words.reading}: ${matched.reading}`] : [head];
}

function table(asked: TableTrace, words: Captions): string[] {
  const at = asked.itemNumber ? words.item(asked.itemNumber) : "";
  const lines = [joined(asked.decision, at, `(${asked.hitPolicy})`, asked.title)];
  if (asked.inputs.length) lines.push(`  ${words.inputs}`, ...indented(columns(asked.inputs.map((v) => [v.name, withUnit(v), v.title])), 4));
  if (asked.parameters.length) lines.push(`  ${words.figures}`, ...indented(columns(asked.parameters.map((p) => figure(p, words))), 4));
  if (asked.rows.length) lines.push(`  ${words.rows}`, ...indented(rows(asked.rows, words), 4));
  lines.push(...indented(outputs(asked.outputs)));
  if (asked.headroom.length) lines.push(`  ${words.headroom}`, ...indented(columns(asked.headroom.map((h) => room(h, words))), 4));
  return lines;
}

function figure(p: Figure, words: Captions): string[] {
  const since = p.effectiveFrom ? `${words.since} ${p.effectiveFrom.text}` : "";
  return [p.name, withUnit(p), clauses(p.clauses), p.setByCompany ? words.company : "", since, p.title];
}

/** Say how far a quantity may move, and what comes then. */
function room(headroom: Headroom, words: Captions): string[] {
  const threshold = textOf(headroom.threshold);
  const side = headroom.side === "below" ? words.below : words.above;
  const where = threshold === textOf(headroom.quantity.value) ? words.at(threshold) : side(textOf(headroom.distance), threshold);
  const when = headroom.thresholdIncluded ? words.past : words.fromThere;
  const given = Object.entries(headroom.beyondOutputs).map(([name, value]) => `${name}=${textOf(value)}`).join(", ");
  const then = (headroom.beyondRowIds.join(", ") || words.noRow) + (given ? ` (${given})` : "");
  return [headroom.quantity.name, where, `${when}: ${headroom.beyondOutcome === "refused" ? words.refused : then}`];
}

function rows(traced: readonly RowTrace[], words: Captions): string[] {
  const heads = columns(
    traced.map((row) => [
      `${MARKS[row.verdict]} ${row.rowId}`,
      words.verdicts[row.verdict] + (row.isDefault ? ` (${words.byDefault})` : ""),
      clauses(row.clauses),
      row.says,
    ]),
  );
  return traced.flatMap((row, i) => {
    const cells = columns(row.cells.map((c) => [c.name, c.test, textOf(c.actual), c.passed ? "✓" : "✗"]));
    return [heads[i] ?? "", ...indented(cells, 4)];
  });
}

function outputs(given: Values): string[] {
  return columns(Object.entries(given).map(([name, value]) => ["→", name, textOf(value)]));
}

function withUnit(named: NamedValue): string {
  const text = textOf(named.value);
  let unit = named.unit;
  if (named.value instanceof Money) {
    // An amount brings its currency with it: `5 CNY` and `CNY a year`, or `元/年`.
    const currency = named.value.currency;
    const name = [currency, ...(currency === "CNY" ? ["元"] : [])].find((n) => unit.startsWith(n) && !/^[A-Za-z0-9]/.test(unit.slice(n.length)));
    if (name !== undefined) unit = unit.slice(name.length).trim();
  }
  if (!unit) return text;
  return /^[（/]/.test(unit) ? text + unit : `${text} ${unit}`;
}

function clauses(cited: readonly string[]): string {
  return cited.length ? `[${cited.join(", ")}]` : "";
}

function joined(...parts: string[]): string {
  return parts.filter(Boolean).join("  ");
}

function indented(lines: readonly string[], by = 2): string[] {
  return lines.map((line) => " ".repeat(by) + line);
}

/** Align rows of equal length; columns that are empty in every row are left out. */
function columns(cells: readonly (readonly string[])[]): string[] {
  const widths = (cells[0] ?? []).map((_, i) => Math.max(...cells.map((row) => width(row[i] ?? ""))));
  return cells.map((row) => row.map((text, i) => text + " ".repeat((widths[i] ?? 0) - width(text))).filter((_, i) => widths[i]).join("  ").trimEnd());
}

function width(text: string): number {
  return (text.match(/./gsu)?.length ?? 0) + (text.match(WIDE)?.length ?? 0);
}
