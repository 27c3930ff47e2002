import pandas as pd
import pytest
from rundirs import answered, crowd, silent, write_run

from harness.cli import main
from harness.report.load import load_run
from harness.report.summary import summarise
from harness.report.tables import write_tables

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, and everything that ``report`` can make of it."""
    path = crowd(tmp_path_factory.mktemp("run"), callers=12, seconds=60)
    out = path / "out"
    code = main(["report", "--quiet", str(path), "--markdown", str(path / "run.md"),
                 "--tables", str(out / "tables"), "--png", str(out / "png")])  # fmt: skip
    assert code == 0
    return load_run(path), out


@pytest.mark.parametrize("name", ["turns", "sessions", "tools", "metrics", "workers"])
def test_csv_and_parquet_hold_the_same_rows(made, name):
    _, out = made
    csv = pd.read_csv(out / "tables" / f"{name}.csv")
    parquet = pd.read_parquet(out / "tables" / f"{name}.parquet")

    assert csv.columns.tolist() == parquet.columns.tolist()
    assert len(csv) == len(parquet) > 0


def test_the_turns_of_the_table_are_those_of_the_run(made):
    run, out = made
    turns = pd.read_parquet(out / "tables" / "turns.parquet")

    assert len(turns) == len(run.turns)
    assert turns["ttfa"].sum() == pytest.approx(run.turns["ttfa"].sum())
    assert turns["outcome"].tolist() == run.turns["outcome"].tolist()
    assert turns["t"].tolist() == run.turns["t"].tolist()


def test_the_metrics_of_the_table_are_those_of_the_summary(tmp_path):
    turns = [answered(n, 0.3 + n / 1000, caller=n) for n in range(90)]
    turns += [silent(n, caller=n) for n in range(15)]
    run = load_run(write_run(tmp_path, turns))
    summary = summarise(run)

    write_tables(tmp_path / "t", run, summary)

    table = pd.read_csv(tmp_path / "t" / "metrics.csv", index_col="metric")
    ttfa = summary["metrics"]["ttfa"]
    assert table.loc["ttfa", "p50"] == pytest.approx(ttfa["p50"])
    assert table.loc["ttfa", ["p50_low", "p50_high"]].tolist() == pytest.approx(ttfa["ci"]["p50"])
    assert pd.isna(table.loc["ttfa", "p90"])
    assert table.loc["ttfa", "p90_above"] == 10.0


def test_a_run_without_records_leaves_the_tables_that_have_rows(tmp_path):
    run = load_run(write_run(tmp_path))

    assert write_tables(tmp_path / "t", run, summarise(run)) == ["metrics.csv", "metrics.parquet"]


def test_every_plot_of_the_page_becomes_a_picture(made):
    _, out = made
    pictures = {path.stem: path.read_bytes() for path in (out / "png").iterdir()}

    assert pictures.keys() >= {"ttfa", "concurrency", "outcomes", "distribution", "waterfall"}
    assert all(content.startswith(PNG) for content in pictures.values())


def test_markdown_says_verdict_figures_and_objectives(tmp_path, capsys):
    turns = [answered(n, 0.3 + n / 1000, caller=n) for n in range(90)]
    turns += [silent(n, outcome="failed", code="a|b") for n in range(10)]
    path = write_run(tmp_path, turns, meta={"options": {"slo": "ttfa:p50<0.2s;ttft:p99<1s"}})

    main(["report", str(path), "--markdown", str(tmp_path / "run.md")])

    said = (tmp_path / "run.md").read_text()
    assert said.startswith("### ")
    assert "100 turns in 0 sessions" in said
    assert "10 turns and 0 sessions failed" in said
    assert "| `ttfa:p50<0.2s` | 349 ms | ✕ **missed** |" in said
    assert "| `ttft:p99<1s` | too few turns: p99 takes 1\u202f000 | undecidable |" in said
    assert "| ttfa | 349 ms (" in said
    assert "a\\|b 10" in said


def test_a_run_of_a_single_turn_has_its_pictures_too(tmp_path):
    path, pictures = write_run(tmp_path, [answered()]), tmp_path / "png"

    assert main(["report", str(path), "--quiet", "--png", str(pictures)]) == 0
    assert {"ttfa", "outcomes", "distribution"} <= {each.stem for each in pictures.iterdir()}


def test_what_is_of_one_run_takes_one(tmp_path, capsys):
    paths = [str(write_run(tmp_path / name, [answered()])) for name in ("a", "b")]

    assert main(["report", *paths, "--png", str(tmp_path / "png")]) == 2
    assert "are of one run: name one" in capsys.readouterr().err
