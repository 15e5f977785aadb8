"""Settings: each layer, their order, the errors, and the changes that apply to existing caches."""

import gc
import os
import subprocess
import sys
import threading

import pytest

from tophash_cache import (
    ConfigError,
    Mode,
    Settings,
    TopHashCache,
    config,
    configure,
    load_config,
    option_context,
    show_config,
)


def entries() -> int:
    return TopHashCache().settings.max_entries


@pytest.fixture
def toml(tmp_path):
    def write(text, name="tophash_cache.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def python(code: str, environment: dict[str, str], cwd=None, flags=()) -> subprocess.CompletedProcess:
    """Run code in a new interpreter with only these TOPHASH_CACHE variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOPHASH_CACHE")}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.run(
        [sys.executable, "-P", *flags, "-c", code],
        env={**clean, "PYTHONPATH": path, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
    )


SHOW = "import tophash_cache; tophash_cache.show_config()"


def test_the_defaults():
    assert TopHashCache().settings == Settings(
        enabled=True,
        max_entries=8192,
        max_key_bytes=32,
        hit_rate_floor=0.85,
        resume_at=0.90,
        window=2048,
        policy="cost",
    )


def test_each_layer_wins_over_the_ones_below(toml, monkeypatch):
    assert entries() == 8192
    load_config(toml("max_entries = 10"))
    assert entries() == 10
    _, layer, problems = config._read_environment({"TOPHASH_CACHE_MAX_ENTRIES": "20"})
    monkeypatch.setattr(config, "_environment", layer)
    assert (entries(), problems) == (20, [])
    configure(max_entries=30)
    assert entries() == 30
    with option_context(max_entries=40):
        assert entries() == 40
        assert TopHashCache(max_entries=50).settings.max_entries == 50
    assert entries() == 30
    configure(max_entries=None)
    assert entries() == 20


def test_settings_do_what_they_say():
    cache = TopHashCache(max_entries=7, max_key_bytes=4, window=64, hit_rate_floor=0.2, resume_at=0.3, policy="always")
    for key in ("abcd", "abcde"):
        cache.hash(key)
    assert (cache.cache_info(), cache.stats().oversize) == ((0, 1, 7, 1), 1)


def test_contexts_nest_and_end_with_an_error():
    with option_context(max_entries=10):
        with option_context(window=64):
            assert (TopHashCache().settings.max_entries, TopHashCache().settings.window) == (10, 64)
        with pytest.raises(ZeroDivisionError), option_context(window=64):
            raise ZeroDivisionError
        assert (TopHashCache().settings.max_entries, TopHashCache().settings.window) == (10, 2048)


def test_none_in_a_context_takes_a_setting_of_the_outer_one_back():
    with option_context(max_entries=10), option_context(max_entries=None):
        assert entries() == 8192


def test_a_context_belongs_to_its_thread():
    seen = []
    with option_context(max_entries=10):
        thread = threading.Thread(target=lambda: seen.append(entries()))
        thread.start()
        thread.join()
    assert seen == [8192]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_entrys": 1}, r"unknown setting 'max_entrys' \(configure\(\)\): did you mean 'max_entries'"),
        ({"hitrate_floor": 1}, "did you mean 'hit_rate_floor'"),
        ({"zzz": 1}, "the settings are enabled, max_entries"),
        ({"zzz": None}, "unknown setting 'zzz'"),
        ({"enabled": "on"}, r"enabled must be True or False .*, not 'on' \(configure\(\)\)"),
        ({"enabled": 1}, "enabled must be True or False"),
        ({"max_entries": 0}, "max_entries must be an int from 1 to 16777216, not 0"),
        ({"max_entries": 1 << 25}, "from 1 to 16777216"),
        ({"max_entries": 10.0}, "an int"),
        ({"max_entries": True}, "an int"),
        ({"max_key_bytes": -1}, "max_key_bytes must be an int from 1 to 1024, not -1"),
        ({"hit_rate_floor": 1.5}, "hit_rate_floor must be a number from 0.0 to 1.0, not 1.5"),
        ({"hit_rate_floor": float("nan")}, "not nan"),
        ({"resume_at": "0.9"}, "resume_at must be a number"),
        ({"window": 63}, "window must be an int from 64"),
        (
            {"policy": "alway"},
            r"policy must be one of 'cost', 'hit-rate', 'always' \(did you mean 'always'\?\), not 'alway'",
        ),
        ({"policy": 3}, "policy must be one of 'cost', 'hit-rate', 'always', not 3"),
        ({"policy": []}, "policy must be one of"),
        ({"hit_rate_floor": 0.95}, r"resume_at is 0.9 \(default\), below hit_rate_floor 0.95 \(configure\(\)\): set"),
        ({"resume_at": 0.5}, r"resume_at is 0.5 \(configure\(\)\), below hit_rate_floor 0.85 \(default\)"),
    ],
)
def test_a_bad_setting_is_refused_everywhere_and_changes_nothing(settings, message):
    with pytest.raises(ConfigError, match=message):
        configure(
            max_entries=settings.get("max_entries", 5), **{k: v for k, v in settings.items() if k != "max_entries"}
        )
    with (
        pytest.raises(ConfigError, match=message.replace(r"configure\(\)", r"option_context\(\)")),
        option_context(**settings),
    ):
        pass
    with pytest.raises(ConfigError, match=message.replace(r"configure\(\)", "an argument")):
        TopHashCache(**settings)
    assert TopHashCache().settings == Settings()


def test_numbers_take_the_type_of_the_setting():
    configure(hit_rate_floor=0, resume_at=1)
    settings = TopHashCache().settings
    assert (repr(settings.hit_rate_floor), repr(settings.resume_at)) == ("0.0", "1.0")


@pytest.mark.parametrize("name", ["pyproject.toml", "settings.toml"])
def test_a_file_with_tool_tables_is_read_at_the_cache_s(toml, name):
    load_config(toml('[project]\nname = "x"\n[tool.tophash-cache]\nenabled = false\nwindow = 128', name))
    assert (TopHashCache().settings.enabled, TopHashCache().settings.window) == (False, 128)


def test_a_file_replaces_the_one_loaded_before(toml):
    load_config(toml("max_entries = 10"))
    load_config(toml("window = 128"))
    assert (TopHashCache().settings.max_entries, TopHashCache().settings.window) == (8192, 128)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("max_entrys = 1", "tophash_cache.toml", r"unknown setting 'max_entrys' \(file .*toml\): did you mean"),
        ("window = 'x'", "tophash_cache.toml", r"window must be an int .*, not 'x' \(file "),
        ("window = ", "tophash_cache.toml", "is not valid TOML, correct it"),
        ("[tool.other]", "pyproject.toml", r"has no table \[tool.tophash-cache\]: add one"),
        ("tool = 3", "pyproject.toml", r"has no table"),
        ("[tool]\ntophash-cache = 3", "pyproject.toml", r"has no table"),
        ("resume_at = 0.1", "tophash_cache.toml", "resume_at is 0.1"),
    ],
)
def test_a_bad_file_is_refused_and_changes_nothing(toml, text, name, message):
    load_config(toml("max_entries = 10", "good.toml"))
    with pytest.raises(ConfigError, match=message):
        load_config(toml(text, name))
    assert entries() == 10


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*absent\.toml: No such file or directory; give the path"):
        load_config(tmp_path / "absent.toml")


def test_show_config_tells_value_and_origin(toml, capsys):
    path = toml("window = 128")
    load_config(path)
    configure(max_entries=10)
    with option_context(policy="always"):
        show_config()
    assert [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()] == [
        ["enabled", "True", "default"],
        ["max_entries", "10", "configure()"],
        ["max_key_bytes", "32", "default"],
        ["hit_rate_floor", "0.85", "default"],
        ["resume_at", "0.9", "default"],
        ["window", "128", f"file {path}"],
        ["policy", "always", "option_context()"],
    ]


def mode(cache: TopHashCache) -> Mode:
    return cache.stats().mode


def test_live_caches_follow_configure_and_files(toml):
    cache = TopHashCache()
    cache.hash("a")
    configure(enabled=False)
    assert (mode(cache), cache.stats().entries) == (Mode.DISABLED, 0)
    configure(enabled=None)
    assert mode(cache) is Mode.WARM_UP
    load_config(toml("enabled = false"))
    assert mode(cache) is Mode.DISABLED
    configure(enabled=True)
    assert mode(cache) is Mode.WARM_UP


def test_other_changes_leave_live_caches_alone():
    cache = TopHashCache()
    cache.hash("a")
    configure(max_entries=10)
    assert (cache.cache_info().maxsize, cache.cache_info().currsize) == (8192, 1)


def test_what_was_said_to_one_cache_wins_over_configure():
    with option_context(enabled=True):
        pinned = [TopHashCache()]
    pinned.append(TopHashCache(enabled=True))
    pinned.append(TopHashCache())
    pinned[-1].enable()
    configure(enabled=False)
    assert {mode(cache) for cache in pinned} == {Mode.WARM_UP}
    switched_off = TopHashCache(enabled=True)
    switched_off.disable()
    configure(enabled=True)
    assert mode(switched_off) is Mode.DISABLED


def test_following_keeps_no_cache_alive():
    before = len(config._followers)
    caches = [TopHashCache() for _ in range(10)]
    assert len(config._followers) == before + 10
    del caches
    gc.collect()
    assert len(config._followers) == before


@pytest.mark.parametrize("text", ["off", "OFF", "0", "false", "no", " No "])
def test_the_environment_switches_off(text):
    done = python(SHOW, {"TOPHASH_CACHE": text})
    assert " ".join(done.stdout.splitlines()[0].split()) == "enabled False environment variable TOPHASH_CACHE"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"TOPHASH_CACHE": "on"}, "enabled True environment variable TOPHASH_CACHE"),
        ({"TOPHASH_CACHE": ""}, "enabled True default"),
        (
            {"TOPHASH_CACHE_HIT_RATE_FLOOR": "0.5"},
            "hit_rate_floor 0.5 environment variable TOPHASH_CACHE_HIT_RATE_FLOOR",
        ),
        ({"TOPHASH_CACHE_WINDOW": "128"}, "window 128 environment variable TOPHASH_CACHE_WINDOW"),
        ({"TOPHASH_CACHE_POLICY": "always"}, "policy always environment variable TOPHASH_CACHE_POLICY"),
    ],
)
def test_the_environment_sets_each_setting(environment, line):
    done = python(SHOW, environment)
    assert line in [" ".join(shown.split()) for shown in done.stdout.splitlines()]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("environment", "problems"),
    [
        ({"TOPHASH_CACHE": "maybe"}, ["enabled must be True or False (on or off in the environment), not 'maybe'"]),
        ({"TOPHASH_CACHE_WINDOW": "many"}, ["window must be an int", "environment variable TOPHASH_CACHE_WINDOW"]),
        ({"TOPHASH_CACHE_WINDOWS": "128"}, ["unknown setting 'windows'", "did you mean 'window'?"]),
        ({"TOPHASH_CACHE_ENABLED": "on"}, ["TOPHASH_CACHE_ENABLED: did you mean TOPHASH_CACHE?"]),
        ({"TOPHASH_CACHE_HIT_RATE_FLOOR": "0.95"}, ["resume_at is 0.9 (default), below hit_rate_floor 0.95"]),
        ({"TOPHASH_CACHE_CONFIG": "/absent/file.toml"}, ["cannot read /absent/file.toml"]),
        ({"TOPHASH_CACHE": "maybe", "TOPHASH_CACHE_WINDOW": "1"}, ["2 invalid", "'maybe'", "window must be"]),
    ],
)
def test_a_faulty_environment_is_one_warning_and_the_defaults(environment, problems):
    done = python(
        "import tophash_cache as t; print(t.TopHashCache().settings == t.Settings())", environment, flags=["-Walways"]
    )
    assert done.stdout == "True\n"
    assert done.stderr.count("Warning") == 1
    for problem in problems:
        assert problem in done.stderr


def test_one_bad_variable_leaves_the_good_ones():
    _, layer, problems = config._read_environment(
        {"TOPHASH_CACHE_WINDOW": "128", "TOPHASH_CACHE_RESUME_AT": "0.1", "TOPHASH_CACHE_MAX_ENTRIES": "x"}
    )
    assert ([*layer], len(problems)) == (["window"], 2)


def test_the_file_of_the_environment_is_loaded_at_import_below_the_variables(toml):
    path = toml("window = 128\nmax_entries = 10")
    done = python(SHOW, {"TOPHASH_CACHE_CONFIG": str(path), "TOPHASH_CACHE_WINDOW": "256"})
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f"max_entries 10 file {path}" in lines
    assert "window 256 environment variable TOPHASH_CACHE_WINDOW" in lines


def test_the_working_folder_is_not_searched(toml, tmp_path):
    toml("enabled = false")
    toml("[tool.tophash-cache]\nenabled = false", "pyproject.toml")
    done = python(SHOW, {}, cwd=tmp_path)
    assert {line.split()[-1] for line in done.stdout.splitlines()} == {"default"}
