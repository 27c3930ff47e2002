from hypothesis import given
from hypothesis import strategies as st

from harness.sinks.tally import Exemplar, Histogram, Tally, merge

BOUNDS = (0.1, 1.0)

amounts = st.floats(0, 1e9)
labels = st.tuples(st.sampled_from(["talk", "shout"]), st.sampled_from(["small", "large"]))


@st.composite
def tallies(draw):
    tally = Tally()
    for label, value in draw(st.lists(st.tuples(labels, amounts), max_size=8)):
        histogram = tally.histogram("ttfa", label, BOUNDS)
        bucket = histogram.add(value, BOUNDS)
        histogram.exemplars[bucket] = Exemplar(draw(amounts), value, "1.0.0", "resp")
    for label, amount in draw(st.lists(st.tuples(labels, amounts), max_size=8)):
        tally.count("turns", label, amount)
    tally.change("sessions", (), draw(st.integers(0, 100)))
    return tally


def test_a_value_on_a_bound_lies_under_it():
    histogram = Histogram([0, 0, 0])

    for value in (0.05, 0.1, 0.100001, 1.0, 7.0):
        histogram.add(value, BOUNDS)

    assert histogram.counts == [2, 2, 1]
    assert histogram.sum == 0.05 + 0.1 + 0.100001 + 1.0 + 7.0


def test_what_lies_beyond_counts_above_every_bound_even_if_its_value_does_not():
    histogram = Histogram([0, 0, 0])

    histogram.add_beyond(0.5)

    assert histogram.counts == [0, 0, 1]
    assert histogram.sum == 0.5


@given(st.lists(tallies(), min_size=1, max_size=5), st.randoms())
def test_merging_in_any_order_gives_one_tally(parts, random):
    shuffled = parts.copy()
    random.shuffle(shuffled)

    assert merge(shuffled) == merge(parts)


@given(st.lists(tallies(), max_size=4))
def test_merging_loses_no_sample(parts):
    merged = merge(parts)

    def samples(tally):
        return sum(sum(h.counts) for series in tally.histograms.values() for h in series.values())

    assert samples(merged) == sum(map(samples, parts))


@given(tallies())
def test_a_tally_survives_the_way_to_the_master(tally):
    assert Tally.decode(tally.encode()) == tally


def test_a_retired_worker_keeps_its_counts_but_not_its_gauges():
    here, gone = Tally(), Tally()
    for tally in (here, gone):
        tally.count("turns", ("talk", "small"), 3)
        tally.change("sessions", (), 2)

    merged = merge([here], retired=[gone])

    assert merged.counters == {"turns": {("talk", "small"): 6}}
    assert merged.gauges == {"sessions": {(): 2}}


def test_merged_buckets_keep_their_newest_exemplar():
    parts = []
    for at in (5.0, 9.0, 7.0):
        tally = Tally()
        histogram = tally.histogram("ttfa", ("talk",), BOUNDS)
        histogram.exemplars[histogram.add(0.5, BOUNDS)] = Exemplar(at, 0.5, f"1.0.{at:.0f}", "")
        parts.append(tally)

    assert merge(parts).histograms["ttfa"]["talk",].exemplars == {
        1: Exemplar(9.0, 0.5, "1.0.9", "")
    }
