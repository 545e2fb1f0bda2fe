"""The document's own words, in both languages."""

from __future__ import annotations

from collections.abc import Mapping

from policybook.model.book import Aggregation, Decision, HitPolicy
from policybook.model.kinds import Text

LABELS: Mapping[str, Text] = {
    "title": Text("Policy book", "制度手册"),
    "lead": Text(
        "What the system decides, on which figures, and by which written clause.",
        "系统如何决策、依据哪些参数、出自哪条制度。",
    ),
    "as_of": Text("Rules and figures in force on", "规则与参数适用日"),
    "contents": Text("Contents", "目录"),
    "how_to_read": Text("How to read it", "阅读说明"),
    "read_tables": Text(
        "Each decision is a table. A row holds when all its conditions hold; then the results to the right of the heavy line apply. "
        "A “–” under a condition means that anything will do, under a result that there is none.",
        "每项决策为一张表。一行的条件全部满足，则该行适用，粗线右侧为其结果。条件栏“–”表示不限，结果栏“–”表示无。",
    ),
    "read_tables_md": Text(
        "Each decision is a table. A row holds when all its conditions hold; then the results, in the columns marked with an arrow, apply. "
        "A “–” under a condition means that anything will do, under a result that there is none.",
        "每项决策为一张表。一行的条件全部满足，则该行适用，带箭头的各栏为其结果。条件栏“–”表示不限，结果栏“–”表示无。",
    ),
    "read_default": Text(
        "The last row, where it is marked “otherwise”, applies when no row above it does.",
        "末行标注“其他情形”者，于以上各行均不适用时适用。",
    ),
    "read_absent": Text(
        "A condition on something that is not given fails, unless it reads “not given” or begins with “not” or “none of”.",
        "事实未给出的，该条件不满足；但条件写明“未给出”或以“非”“均非”开头的除外。",
    ),
    "read_sentence": Text(
        "Below each row stand the sentence that the system answers with, the clauses that the row implements, and, where a clause is "
        "unclear, how it was read and why.",
        "每行之下为系统答复的语句、所依据的条款；条款含义不明的，载明如何解读及其理由。",
    ),
    "read_company": Text(
        "is a figure or a row that the written policies leave open: the company set it and may change it.",
        "表示原制度未定、由公司设定并可由公司更改的参数或规则。",
    ),
    "company": Text("set by the company", "公司设定"),
    "book": Text("Book", "规则簿"),
    "documents": Text("Documents", "制度文件"),
    "document": Text("Document", "制度文件"),
    "version": Text("Version", "版本"),
    "in_force": Text("In force", "有效期"),
    "always": Text("without limit", "未设期限"),
    "not_in_force": Text("not in force on this day", "该日未生效"),
    "currency": Text("Currency", "币种"),
    "time_zone": Text("Time zone", "时区"),
    "decisions": Text("Decisions", "决策"),
    "rows": Text("Rows", "规则数"),
    "figures": Text("Figures", "参数"),
    "inputs": Text("Facts asked for", "所需事实"),
    "values": Text("Derived values", "推算值"),
    "own_values": Text("Derived for this table", "本表推算值"),
    "figure": Text("Figure", "参数"),
    "value": Text("Value", "值"),
    "clause": Text("Clause", "条款"),
    "same_as": Text("Must equal", "须等于"),
    "reading": Text("Reading", "解读"),
    "note": Text("Note", "注"),
    "fact": Text("Fact", "事实"),
    "kind": Text("What may be given", "取值"),
    "meaning": Text("How it comes about", "推算方法"),
    "uses": Text("Builds on", "所依据的决策"),
    "promises": Text("Always holds (proved of every request)", "恒成立（已对所有请求证明）"),
    "recorded": Text("No answer is given out without a durable record", "未留存记录不作答复"),
    "used_by": Text("Used by", "被引用于"),
    "facts_used": Text("Looks at", "考虑的事实"),
    "figures_used": Text("Figures", "参数"),
    "over": Text("Decided once for each of", "逐项判定"),
    "how": Text("Which row applies", "适用规则"),
    "ranking": Text("Rank of the answers", "结论次序"),
    "when": Text("When", "条件"),
    "then": Text("Then", "结果"),
    "otherwise": Text("otherwise", "其他情形"),
    "sleepers": Text("Not in force on this day", "该日未生效的规则"),
    "dated": Text("By date", "按日期"),
    "now": Text("now", "现行"),
    "appendix_company": Text("What the company has set", "公司设定事项"),
    "appendix_company_lead": Text(
        "The written policies leave these open. They are the company's to set and to change.",
        "下列事项原制度未作规定，由公司设定并可更改。",
    ),
    "appendix_cited": Text("The clauses cited", "所引条款"),
    "appendix_cited_lead": Text(
        "Each clause as written, with an English rendering, and the rows and figures that implement it.",
        "各条款原文、英译，以及落实该条款的规则与参数。",
    ),
    "appendix_exempt": Text("Clauses that need no row", "无需规则的条款"),
    "appendix_exempt_lead": Text(
        "These clauses are exhortations, headings, or duties that no system can check; each says why no table implements it.",
        "下列条款为倡导、标题或系统无法核查的义务；逐条载明不设规则的理由。",
    ),
    "appendix_open": Text("Clauses still open", "尚未处理的条款"),
    "appendix_open_lead": Text(
        "No row implements these clauses yet, and no reason says that none is needed.",
        "下列条款既无规则落实，亦未说明理由。",
    ),
    "appendix": Text("Appendix", "附录"),
    "no_clauses": Text("No index of clauses lies beside these books; clauses are cited by number alone.", "无条款索引，仅列条款编号。"),
    "implemented_by": Text("Implemented by", "落实于"),
    "why": Text("Why", "理由"),
    "repaired": Text("Damaged in the source", "原文损坏"),
    "read_as": Text("read as", "校读为"),
    "unclear": Text("Unclear", "含义不明"),
    "back": Text("to the contents", "返回目录"),
    "page_count": Text("clauses", "条"),
    "row": Text("Row", "规则"),
}

CLAUSE_KINDS: Mapping[str, Text] = {
    "decision": Text("decision", "决策"),
    "deadline": Text("deadline", "期限"),
    "duty": Text("duty", "义务"),
    "form": Text("form", "表单"),
    "benchmark": Text("benchmark", "参考指标"),
    "principle": Text("principle", "原则"),
    "definition": Text("definition", "定义"),
}

_POLICIES: Mapping[HitPolicy, Text] = {
    HitPolicy.UNIQUE: Text(
        "At most one row can match; should two ever match, the system refuses to answer.",
        "至多一行适用；若有两行同时适用，系统拒绝答复。",
    ),
    HitPolicy.ANY: Text("Several rows may match, as long as they give the same result.", "可有多行适用，但结果须一致。"),
    HitPolicy.FIRST: Text(
        "Rows are tried from top to bottom; the first that matches applies.", "自上而下逐行比较，以第一个符合的规则为准。"
    ),
    HitPolicy.PRIORITY: Text(
        "Of the rows that match, the one whose answer ranks highest applies.", "在符合的规则中，以结论次序最高者为准。"
    ),
    HitPolicy.COLLECT: Text("Every row that matches applies; the answer lists all of them.", "所有符合的规则均适用，逐一列出。"),
    HitPolicy.RULE_ORDER: Text(
        "Every row that matches applies; the answer lists them in the order of the table.",
        "所有符合的规则均适用，按表中顺序列出。",
    ),
    HitPolicy.OUTPUT_ORDER: Text(
        "Every row that matches applies; the answer lists them by the rank of their results.",
        "所有符合的规则均适用，按结论次序列出。",
    ),
}

_AGGREGATIONS: Mapping[Aggregation, Text] = {
    Aggregation.SUM: Text("Every row that matches applies, and its numbers are added up.", "所有符合的规则均适用，数额相加。"),
    Aggregation.MIN: Text("Of all rows that match, the least result applies.", "在所有符合的规则中取最小值。"),
    Aggregation.MAX: Text("Of all rows that match, the greatest result applies.", "在所有符合的规则中取最大值。"),
    Aggregation.COUNT: Text("The answer is how many rows match.", "结果为符合的规则条数。"),
}

RANKED = frozenset({HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER})


def policy_text(decision: Decision) -> Text:
    """Explain a hit policy in a sentence."""
    return _AGGREGATIONS[decision.aggregation] if decision.aggregation else _POLICIES[decision.hit_policy]
