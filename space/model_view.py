"""Everything known about one model as HTML: its rows, contract, cost, the commands that repeat it, how to cite it. Foreign text is escaped everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from eval.catalogue import CATALOGUE
from leaderboard.again import commands
from leaderboard.board import SELF_TEST, Row
from leaderboard.citations import bibliography
from leaderboard.compute import load_costs, load_published
from leaderboard.figures import setting
from leaderboard.record import Record
from space.board_data import shown
from space.submission_view import address, facts

# Where the browser lets no page write to the clipboard (plain http from another machine) the text is selected instead.
COPIES = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  const code = button.parentElement.querySelector("code");
  const copied = navigator.clipboard?.writeText(code.textContent) ?? Promise.reject();
  copied.then(() => (button.textContent = "Copied"), () => {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  });
});
"""
BACK = '<p class="back"><a href="./leaderboard">Leaderboard</a></p>'
COPY = '<button type="button" class="copy">Copy</button>'


def heading_html(name: str, rows: Sequence[Row]) -> str:
    """The name and in one sentence each what was measured and what is claimed."""
    lines = []
    for status, words in (("measured", "Measured here"), ("claimed", "Claimed"), ("disputed", "Disputed")):
        some = [row for row in rows if row.status == status]
        if some:
            each = ", ".join(f"{escape(row.title)} <b>{percent(row)} %</b>{protocol(row)}" for row in some[:6])
            lines.append(f'<span><i class="mark {status}"></i>{words}: {each}{", ..." if len(some) > 6 else ""}</span>')
    return f'{BACK}<h1>{escape(name)}</h1><p class="verdict">{"".join(lines)}</p>'


def rows_html(rows: Sequence[Row], chosen: str) -> str:
    """Every row of the model as a table; a measured one is a link that shows its figures."""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Benchmark", "Accuracy (%)", "95 % interval", "Tie", "Status", "Epoch chosen on", "Source"))
    body = "".join(_row(row, row.key == chosen) for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="board"><div class="scroll" tabindex="0" role="region" aria-label="Results of this model" id="model-rows">{table}</div></div>'


def _row(row: Row, is_chosen: bool) -> str:
    title = f"{escape(row.title)}{protocol(row)}"
    if row.status == "measured":
        title = f'<a href="{escape(address(row.model, row.key))}"{" aria-current=true" if is_chosen else ""}>{title}</a>'
    source = f'<a href="{escape(row.link)}" target="_blank" rel="noopener noreferrer">{escape(row.source)}</a>' if row.link else escape(row.source)
    interval = f"{row.interval[0]:.1f} to {row.interval[1]:.1f}" if row.interval else "none: the size of the test set is not published"
    epoch = escape(row.epoch_selection) + (f" <small>({escape(row.epoch_source)})</small>" if row.epoch_source else "")
    cells = (f"<b>{percent(row)}</b>", interval, row.tie_group or "–", f'<i class="mark {row.status}"></i>{row.status}', epoch, source)
    return f'<tr><th scope="row">{title}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def details_html(rows: Sequence[Row], record: Record | None) -> str:
    """Contract, cost, provenance, commands and citation."""
    row = next((one for one in rows if record and one.key == record.id), rows[0])
    parts = []
    if record is not None:
        parts.append(f"<h2>Run it again</h2>{code('bash', chr(10).join(commands(record)), 'Commands that repeat this result')}{_same(record)}")
        parts.append(f"<h2>Contract</h2>{facts(contract_pairs(record))}" if record.contract else "")
        parts.append(f"<h2>Result</h2>{facts(result_pairs(record, row))}")
    else:
        known = {one.name for one in CATALOGUE}
        command = "\n".join(
            f"python -m eval score WEIGHTS --benchmark {name} --data DIR" for name in dict.fromkeys(one.benchmark for one in rows) if name in known
        )
        parts.append(
            "<h2>Run it</h2><p class='note'>Nothing of this model was measured here. With its authors' weights in the file WEIGHTS and the "
            f"benchmark in DIR:</p>{code('bash', command, 'Command that measures this model')}"
            if command
            else "<h2>Run it</h2><p class='note'>Its test set is private: nobody else can measure this.</p>"
        )
    parts.append(f"<h2>Cost</h2>{cost_html(row)}")
    if cited := bibliography(rows):
        parts.append(f"<h2>Cite</h2>{code('bibtex', cited, 'BibTeX entries')}")
    else:
        parts.append(f"<h2>Cite</h2><p class='note'>Cite the source of the number: {escape(row.source)}.</p>")
    return '<div class="details">' + "".join(f"<section>{part}</section>" for part in parts if part) + "</div>"


def _same(record: Record) -> str:
    words = "Same weights, files and settings give the same confusion matrix; the last digits of probabilities depend on the processor."
    data = f" The benchmark's files have the fingerprint {record.fingerprint[:16]}." if record.fingerprint else ""
    own = " The weights are a file that its submitter kept; the sha256 tells it." if record.source.startswith("file ") else ""
    return f'<p class="note">{words}{data}{own}</p>'


def contract_pairs(record: Record) -> list[tuple[str, str]]:
    """What stands between a face and the logits."""
    found = record.contract
    numbers = lambda name: ", ".join(f"{value:g}" for value in found.get(name, ()))  # noqa: E731
    pairs = [
        ("Architecture", str(found.get("architecture", ""))),
        ("Expressions, in order", ", ".join(found.get("labels", ()))),
        ("Input", f"{found.get('input_size')} x {found.get('input_size')} pixels, {found.get('channels')}, {found.get('interpolation')}"),
        ("Mean; deviation", f"{numbers('mean')}; {numbers('std')}"),
        ("Margin around the face", f"{100 * found.get('crop', 0):g} % of its longer side"),
        ("Head", f"{found.get('head')}, temperature {found.get('temperature', 1):g}"),
        ("Looks at", "the face and its mirror image; the answer is their mean" if found.get("mirror") else "the face as it is"),
        ("Trained", str(found.get("source", ""))),
        ("Licence", str(found.get("licence", ""))),
    ]
    return [pair for pair in pairs if pair[1]]


def result_pairs(record: Record, row: Row) -> list[tuple[str, str]]:
    """What was measured, on what, by whom."""
    score = lambda value: "" if value is None else f"{shown(value)} %"  # noqa: E731
    copies = record.copies
    same = f"{copies['exact']} stand in the training part too; accuracy without them {shown(100 * copies['accuracy_without'])} %" if copies.get("exact") else ""
    pairs = [
        ("Benchmark", f"{row.title}, {record.protocol}, version {record.version}"),
        ("Test images", f"{record.num_images:,}" + (f"; {same}" if same else "")),
        ("Mean class accuracy", score(row.mean_class_accuracy)),
        ("Macro F1", score(row.macro_f1)),
        ("Calibration error", score(row.calibration_error)),
        ("Under corruptions", score(row.corrupted)),
        ("Heatmap deletion", auc(row.deletion_auc, row.deletion_auc_low, row.deletion_auc_high)),
        ("Heatmap insertion", auc(row.insertion_auc, row.insertion_auc_low, row.insertion_auc_high)),
        ("Not measured", " ".join(f"{name.capitalize()}: {why}" for name, why in record.analyses.get("left_out", {}).items())),
        ("Training data", record.training_data),
        ("Submitted by", record.submitted_by),
        ("Source", record.source),
        ("Measured", f"{record.finished}, {record.device} {record.dtype}, {record.seconds:.0f} s"),
        ("Software", ", ".join(f"{name} {value}" for name, value in (record.software or {}).items())),
        ("Weights (sha256)", record.weights_sha256),
        ("Result", record.id),
    ]
    return [pair for pair in pairs if pair[1]]


def auc(value: float | None, low: float | None, high: float | None) -> str:
    """An area under a curve with its interval, "" where there is none."""
    return "" if value is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


def cost_html(row: Row) -> str:
    """Parameters, FLOPs and speed, counted here; and what the paper prints where that counts otherwise."""
    found = load_costs().of.get(row.architecture)
    if found is None:
        return '<p class="note">Not counted: the network is not one of those this project has written.</p>'
    pairs = [
        ("Architecture", row.architecture),
        ("Parameters", f"{(row.parameters or found.parameters) / 1e6:.2f} million, of modules that are called"),
        ("FLOPs an image", f"{row.looks * found.flops / 1e9:.2f} G (two operations a multiply-add); {row.looks * found.macs / 1e9:.2f} G multiply-adds"),
        ("Speed", f"{found.speed[max(found.speed)] / row.looks:.2f} times POSTER++ ({setting()})"),
    ]
    if row.looks > 1:
        pairs.append(("Counted", "twice: the face and its mirror image each go through the network once"))
    for paper in load_published():
        if paper.architecture == row.architecture:
            pairs.append(("Its paper prints", f"{paper.parameters_millions:g} M, {paper.gflops:g} G ({paper.counted_as}; {paper.source})"))
    return facts(pairs)


def code(language: str, content: str, label: str) -> str:
    """Text to copy."""
    return f'<div class="code" data-language="{language}">{COPY}<pre tabindex="0" aria-label="{escape(label)}"><code>{escape(content)}</code></pre></div>'


def protocol(row: Row) -> str:
    """The protocol of a measured row, where it is worth a word."""
    return f" <small>({escape(row.protocol)})</small>" if row.status == "measured" and row.benchmark != SELF_TEST else ""


def percent(row: Row) -> str:
    """As the board shows it."""
    return f"{shown(row.accuracy, row.status):.{1 if row.status == 'measured' else 2}f}"
