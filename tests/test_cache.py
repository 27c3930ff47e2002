from harness.cache import cache_folder, kept


def test_what_is_kept_is_made_once(tmp_path):
    place, made = tmp_path / "a" / "b", []

    def make():
        made.append(1)
        return b"content"

    assert [kept(place, make), kept(place, make)] == [b"content", b"content"]
    assert made == [1]
    assert [path.name for path in place.parent.iterdir()] == ["b"]


def test_where_nothing_can_be_written_it_is_made_each_time(tmp_path):
    (tmp_path / "a").write_text("a file where a folder should be")

    assert kept(tmp_path / "a" / "b", lambda: b"content") == b"content"


def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cache_folder("speech") == tmp_path / "realtime-harness" / "speech"
