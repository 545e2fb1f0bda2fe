"""Books made for measuring: one decision table of any number of rows, and requests that fall into its cells."""

from __future__ import annotations

from policybook.model.facts import Raw, RawMoney, Tag

KINDS = ("ale", "beer", "cider", "date", "egg")
STEP = 100


def book_text(name: str, rows: int) -> str:
    """Return a book whose one decision, `price`, has `rows` rows: a kind of goods and a range of amounts each."""
    lines = [
        f"policy: {name}",
        "title: {en: Generated, zh: 生成}",
        "currency: CNY",
        "time_zone: UTC",
        "inputs:",
        f"  kind: {{type: enum, values: [{', '.join(KINDS)}]}}",
        "  amount: {type: money, min: 0}",
        "decisions:",
        "  price:",
        "    title: {en: Price, zh: 价格}",
        "    hit_policy: first",
        "    outputs: {code: {type: integer}, share: {type: percent}}",
        "    rules:",
    ]
    for i in range(rows):
        kind, step = KINDS[i % len(KINDS)], i // len(KINDS)
        test = f'"[{step * STEP}..{(step + 1) * STEP})"'
        lines.append(
            f"      - {{id: r{i}, set_by: company, when: {{kind: {kind}, amount: {test}}}, then: {{code: {i}, share: {i % 100}%}}}}"
        )
    lines += ["    default: {id: none-of-them, set_by: company, then: {code: -1, share: 0%}}", ""]
    return "\n".join(lines)


def facts_of_row(row: int) -> dict[str, Raw]:
    """Return facts that the row and no other matches."""
    return {
        "kind": Raw(Tag.TEXT, KINDS[row % len(KINDS)]),
        "amount": Raw(Tag.MONEY, RawMoney(f"{row // len(KINDS) * STEP + STEP // 2}.50", "CNY")),
    }
