"""The configuration: what is accepted, and what is said about everything else."""

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest

from syncd.errors import UserError
from syncd.plan import Limits
from syncd.settings import Secret, Settings, load

ROOT = Path(__file__).parents[2]

GOOD = """\
[syncd]
poll_every = "90 seconds"

[shops.acme]
platform = "shopify"
domain = "acme.myshopify.com"
token = { env = "SHOPIFY_TOKEN" }

[shops.cafe]
platform = "ecwid"
store_id = 1003
token = { file = "secrets/ecwid" }

[audiences.main]
esp = "mailchimp"
list_id = "a1b2c3d4e5"
api_key = { credential = "mailchimp" }
shops = ["acme", "cafe"]
currency = "EUR"
timezone = "Europe/Madrid"
lifecycle = "lifecycle.toml"
"""
RULES = """\
[segments.repeat]
when = "orders(ever) >= 2"
"""


@pytest.fixture(autouse=True)
def no_configuration_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNCD_CONFIG", raising=False)


def write(directory: Path, text: str = GOOD, rules: str = RULES) -> Path:
    (directory / "lifecycle.toml").write_text(rules)
    file = directory / "syncd.toml"
    file.write_text(text)
    return file


def problems(directory: Path, text: str = GOOD, rules: str = RULES) -> tuple[str, ...]:
    with pytest.raises(UserError) as caught:
        load(write(directory, text, rules))
    assert caught.value.exit_code == 2
    assert caught.value.problems
    return caught.value.problems


def with_line(line: str, instead_of: str | None = None) -> str:
    """GOOD with one line of the audience added, or put in another's place."""
    return GOOD.replace(instead_of, line) if instead_of else GOOD + line + "\n"


# --- what is accepted


def test_a_good_file_becomes_settings(tmp_path: Path) -> None:
    settings = load(write(tmp_path))
    assert settings.path == tmp_path / "syncd.toml"
    assert (settings.poll_every, settings.stale_after, settings.sandbox) == (90, 6 * 3600, None)
    assert list(settings.shops) == ["acme", "cafe"]
    assert settings.shops["acme"].token == Secret("env", "SHOPIFY_TOKEN")
    assert settings.shops["cafe"].token == Secret("file", f"{tmp_path}/secrets/ecwid")
    assert settings.shops["cafe"].store_id == 1003


def test_what_is_left_out_has_the_documented_value(tmp_path: Path) -> None:
    audience = load(write(tmp_path)).audiences["main"]
    assert (audience.tag_prefix, audience.adopt, audience.max_entries_per_day) == ("syncd:", (), 500)
    assert (audience.contact_limit, audience.spend, audience.pending_counts) == (None, "paid", False)
    assert (audience.create, audience.rates, audience.base_url) == ("consented", {}, None)
    assert audience.brake.limits == Limits()


def test_every_limit_of_the_brake_can_be_set(tmp_path: Path) -> None:
    text = GOOD + "[audiences.main.brake]\nremovals_min = 1\nremovals_share = 1\nadditions_min = 3\n"
    text += "additions_share = 0.5\nknown_customers = 4\nhistory_shrink = 0.25\n"
    assert load(write(tmp_path, text)).audiences["main"].brake.limits == Limits(1, 1.0, 3, 0.5, 4, 0.25)


def test_rates_are_exact(tmp_path: Path) -> None:
    text = GOOD + '[audiences.main.rates]\nUSD = 0.1\nGBP = "1.17"\nJPY = 1\n'
    rates = load(write(tmp_path, text)).audiences["main"].rates
    assert rates == {"USD": Decimal("0.1"), "GBP": Decimal("1.17"), "JPY": Decimal(1)}


def test_the_playbook_of_an_audience_holds_its_rules(tmp_path: Path) -> None:
    audience = load(write(tmp_path)).audiences["main"]
    assert [segment.name for segment in audience.playbook.segments] == ["repeat"]
    assert audience.playbook.currency == "EUR"
    assert audience.playbook is audience.playbook


def test_rules_can_stand_in_the_configuration_itself(tmp_path: Path) -> None:
    text = GOOD.replace('lifecycle = "lifecycle.toml"\n', "")
    text += '[audiences.main.lifecycle.segments.keen]\nwhen = "orders(ever) >= 3"\n'
    (keen,) = load(write(tmp_path, text)).audiences["main"].playbook.segments
    assert (keen.name, keen.when_text) == ("keen", "orders(ever) >= 3")


def test_a_shop_that_no_audience_takes_is_no_problem(tmp_path: Path) -> None:
    assert "cafe" in load(write(tmp_path, GOOD.replace('["acme", "cafe"]', '["acme"]'))).shops


def test_no_secret_is_read_when_the_configuration_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOPIFY_TOKEN", raising=False)
    token = load(write(tmp_path)).shops["acme"].token
    assert token is not None
    with pytest.raises(UserError, match="SHOPIFY_TOKEN is not set"):
        token.get()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sqlite:///syncd.db", "sqlite:///{here}/syncd.db"),
        ("sqlite:///data/../x.db", "sqlite:///{here}/data/../x.db"),
        ("sqlite:////var/lib/syncd/syncd.db", "sqlite:////var/lib/syncd/syncd.db"),
        ("postgresql+psycopg://syncd@db/syncd?passfile=/run/pgpass",) * 2,
    ],
)
def test_a_relative_database_lies_beside_the_configuration(tmp_path: Path, written: str, meant: str) -> None:
    text = GOOD.replace("[syncd]", f'[syncd]\ndatabase = "{written}"')
    assert load(write(tmp_path, text)).database == meant.format(here=tmp_path)


def test_without_a_word_the_database_lies_beside_the_configuration_too(tmp_path: Path) -> None:
    text = GOOD.removeprefix('[syncd]\npoll_every = "90 seconds"\n')
    settings = load(write(tmp_path, text))
    assert settings.database == f"sqlite:///{tmp_path}/syncd.db"
    assert settings.poll_every == 120


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1 second", 1), ("90 seconds", 90), ("2 minutes", 120), ("1 hour", 3600), ("1hour", 3600), ("2 days", 172800)],
)
def test_times_are_written_in_words(tmp_path: Path, written: str, meant: int) -> None:
    assert load(write(tmp_path, GOOD.replace("90 seconds", written))).poll_every == meant


@pytest.mark.parametrize("listen", ["127.0.0.1:8780", "0.0.0.0:80", "[::1]:8780", "localhost:0"])
def test_webhooks_are_taken_where_the_file_says_and_nowhere_by_default(tmp_path: Path, listen: str) -> None:
    assert load(write(tmp_path)).listen is None
    assert load(write(tmp_path, GOOD.replace("[syncd]", f'[syncd]\nlisten = "{listen}"'))).listen == listen


def test_against_the_sandbox_secrets_may_stand_in_the_file(tmp_path: Path) -> None:
    text = GOOD.replace('{ env = "SHOPIFY_TOKEN" }', '"shpat_x"\nbase_url = "http://127.0.0.1:8701/"')
    text = text.replace("[syncd]", '[syncd]\nsandbox = "http://[::1]:8700"').replace("acme.myshopify.com", "acme.test")
    settings = load(write(tmp_path, text))
    assert settings.sandbox == "http://[::1]:8700"
    assert settings.shops["acme"].base_url == "http://127.0.0.1:8701"
    token = settings.shops["acme"].token
    assert token is not None
    assert token.get() == "shpat_x"
    assert "shpat_x" not in repr(settings)


# --- which file is read


def test_the_argument_goes_before_the_environment_and_that_before_the_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for directory in (here, there):
        directory.mkdir()
        write(directory)
    monkeypatch.chdir(here)
    assert load().path == here / "syncd.toml"
    monkeypatch.setenv("SYNCD_CONFIG", str(there / "syncd.toml"))
    assert load().path == there / "syncd.toml"
    assert load(Path("syncd.toml")).path == here / "syncd.toml"


def test_a_file_that_was_named_and_is_not_there_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNCD_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(UserError, match=r"gone\.toml cannot be read: No such file") as caught:
        load()
    assert "syncd init" in caught.value.hint


@pytest.mark.skipif(Path("/etc/syncd/syncd.toml").exists(), reason="this machine has a configuration of its own")
def test_without_any_file_the_command_that_writes_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="there is no configuration") as caught:
        load()
    assert "syncd init" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.chmod(0)
    with pytest.raises(UserError, match="Permission denied"):
        load(file)


# --- what is said about mistakes


def test_all_problems_are_reported_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = GOOD.replace("90 seconds", "soon").replace('domain = "acme.myshopify.com"\n', "")
    text = text.replace("store_id", "storeid").replace('"cafe"]', '"caffe"]').replace("Europe/Madrid", "Europe/Madird")
    text = text.replace("EUR", "EURO").replace('"mailchimp"\nlist', '"mailchim"\nlist')
    with pytest.raises(UserError) as caught:
        load(write(tmp_path, text, '[segments.a]\nwhen = "orders(ever) >= 2"\ntga = "x"\n'))
    assert str(caught.value) == "syncd.toml has 9 problems"
    assert caught.value.problems == (
        'syncd.toml:2: syncd.poll_every: expected a time such as "90 seconds", "2 minutes" or "1 hour"',
        "syncd.toml:4: shops.acme: a shop on shopify needs domain and client_id and client_secret, or domain and token",
        "syncd.toml:8: shops.cafe: a shop on ecwid needs store_id and token",
        "syncd.toml:10: shops.cafe.storeid: there is no such key here; did you mean 'store_id'?",
        (
            "syncd.toml:14: audiences.main.esp: 'mailchim' is not an e-mail service that syncd writes to;"
            " did you mean 'mailchimp'?"
        ),
        "syncd.toml:17: audiences.main.shops: 'caffe' is not a shop of this file; did you mean 'cafe'?",
        "syncd.toml:18: audiences.main.currency: 'EURO' is not a currency code (ISO 4217); did you mean 'EUR'?",
        (
            "syncd.toml:19: audiences.main.timezone: 'Europe/Madird' is not a time zone (such as Europe/Madrid);"
            " did you mean 'Europe/Madrid'?"
        ),
        "lifecycle.toml:3: segments.a.tga: there is no such key here; did you mean 'tag'?",
    )


@pytest.mark.parametrize(
    ("line", "instead_of", "said"),
    [
        ('max_entries_per_day = "many"', None, "max_entries_per_day: expected a whole number, got text"),
        ("max_entries_per_day = 1.5", None, "max_entries_per_day: expected a whole number, got a number"),
        ("max_entries_per_day = true", None, "max_entries_per_day: expected a whole number, got true or false"),
        ("max_entries_per_day = -1", None, "max_entries_per_day: must be 0 or more"),
        ("contact_limit = 0", None, "contact_limit: must be 1 or more"),
        ("pending_counts = 1", None, "pending_counts: expected true or false, got a whole number"),
        ('adopt = "vip"', None, "adopt: expected a list, got text"),
        ("adopt = [1]", None, "adopt: expected text, got a whole number"),
        ('spend = "payed"', None, "spend: 'payed' is not a choice here; did you mean 'paid'?"),
        ('spend = "x"', None, "spend: 'x' is not a choice here; known: goods, paid"),
        ("create = true", None, "create: expected one of consented, never, got true or false"),
        ("brake = { removals_share = 2 }", None, "brake.removals_share: must be 1 or less"),
        ("brake = { removals = 2 }", None, "brake.removals: there is no such key here; did you mean 'removals_min'?"),
        ("brake = 3", None, "brake: expected a table, got a whole number"),
        ("rates = { USD = 0 }", None, "rates.USD: a rate is a number greater than 0"),
        ("rates = { USD = 1e9 }", None, "rates.USD: no currency is worth a billion of another"),
        ('rates = { USD = "1e-999999999" }', None, "rates.USD: no currency is worth a billion of another"),
        ("rates = { USD = true }", None, "rates.USD: expected a number, got true or false"),
        ("rates = { usd = 1 }", None, "rates.usd: 'usd' is not a currency code (ISO 4217); did you mean 'USD'?"),
        ("shops = []", 'shops = ["acme", "cafe"]', "shops: name at least one shop"),
        ('shops = ["acme", "cafe", "acme"]', 'shops = ["acme", "cafe"]', "shops: name each shop once"),
        ('list_id = "a/b"', 'list_id = "a1b2c3d4e5"', "list_id: expected the id of a list, such as a1b2c3d4e5"),
        ("timezone = 1979-05-27", 'timezone = "Europe/Madrid"', "timezone: expected text, got a date or time"),
        ("lifecycle = 1", 'lifecycle = "lifecycle.toml"', 'lifecycle: expected the name of a file such as "lifecycle'),
        ('base_url = "http://example.com"', None, "base_url: plain http is only for the sandbox on this machine"),
        ('base_url = "http://127.0.0.1.example.com"', None, "base_url: plain http is only for the sandbox"),
        ('base_url = "ftp://localhost"', None, "base_url: expected an address such as https://example.com"),
        ('base_url = "https://a@example.com"', None, "base_url: an address has no user name"),
        ('base_url = "https://[::1"', None, "base_url: "),
    ],
)
def test_a_mistake_in_an_audience_is_said_in_words(
    tmp_path: Path, line: str, instead_of: str | None, said: str
) -> None:
    (only,) = problems(tmp_path, with_line(line, instead_of))
    assert re.sub(r"^syncd\.toml:\d+: audiences\.main\.", "", only).startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"shopify"', '"shopfy"', "'shopfy' is not a platform that syncd reads; did you mean 'shopify'?"),
        ("acme.myshopify.com", "https://acme.myshopify.com", "a bare host name such as acme.myshopify.com"),
        ("acme.myshopify.com", "acme.com", "the shop's permanent name, which ends in .myshopify.com"),
        ("store_id = 1003", 'store_id = "1003"', "shops.cafe.store_id: expected a whole number, got text"),
        ("[shops.cafe]", '[shops."ca fe"]', "a name of up to 50 letters, digits, - and _"),
        ("[syncd]", '[syncd]\ndatabase = "postgres://db/x"', "expected sqlite:///FILE or postgresql+psycopg://"),
        ("[syncd]", '[syncd]\ndatabase = "sqlite:///"', "name the file: sqlite:///syncd.db"),
        ("[syncd]", '[syncd]\nsandbox = "https://example.com"', "the sandbox runs on this machine only"),
        ("[syncd]", "[sincd]", "sincd: there is no such key here; did you mean 'syncd'?"),
        ("[syncd]", '[syncd]\nlisten = "8780"', 'syncd.listen: expected host:port, such as "127.0.0.1:8780"'),
        ("[syncd]", '[syncd]\nlisten = "127.0.0.1:65536"', "expected host:port"),
        ("[syncd]", '[syncd]\nlisten = "http://127.0.0.1:80"', "expected host:port"),
        ("90 seconds", "0 seconds", "expected a time such as"),
        ('{ env = "SHOPIFY_TOKEN" }', '{ var = "X" }', "expected one of { env ="),
    ],
)
def test_a_mistake_anywhere_else_is_said_in_words(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in problems(tmp_path, GOOD.replace(old, new))[0]


@pytest.mark.parametrize(
    ("table", "key"), [("shops.acme", "domain"), ("shops.cafe", "store_id"), ("audiences.main", "list_id")]
)
def test_a_shop_or_list_under_a_second_name_is_refused(tmp_path: Path, table: str, key: str) -> None:
    begin = GOOD.index(f"[{table}]")
    end = GOOD.find("\n\n", begin)
    twin = GOOD[begin : end if end > 0 else None].replace(f"[{table}]", f"[{table}2]")
    (only,) = problems(tmp_path, f"{GOOD}\n{twin}\n")
    assert only.endswith(f"{table}2.{key}: this is what {table} is already; describe it once")


def test_a_missing_key_is_reported_at_its_table(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD.replace('currency = "EUR"\n', "")) == (
        "syncd.toml:14: audiences.main.currency: this key is missing",
    )


@pytest.mark.parametrize("text", ["", "[syncd]\n", "[shops]\n"])
def test_a_file_without_a_shop_says_how_to_begin(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == ("syncd.toml: no shop is described; begin with a table [shops.NAME]",)


@pytest.mark.parametrize("text", ["shops = 3\n", "[shops]\nacme = 3\n", "audiences = []\n[shops.a]\nplatform = 3\n"])
def test_what_should_be_a_table_and_is_not_is_a_problem_and_no_crash(tmp_path: Path, text: str) -> None:
    assert any("expected a table, got" in problem for problem in problems(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "key"), [('{ env = "SHOPIFY_TOKEN" }', "shops.acme.token"), ('{ credential = "mailchimp" }', "api_key")]
)
def test_a_secret_written_out_is_refused_and_never_repeated(tmp_path: Path, old: str, key: str) -> None:
    (only,) = problems(tmp_path, GOOD.replace(old, '"shpat_0123456789"'))
    assert key in only
    assert "a secret is never written here" in only
    assert "shpat_0123456789" not in only


def test_the_secret_of_webhooks_is_one_like_any_other(tmp_path: Path) -> None:
    token = '{ env = "SHOPIFY_TOKEN" }'
    kept = load(write(tmp_path, GOOD.replace(token, f'{token}\nwebhook_secret = {{ env = "HOOKS" }}')))
    assert kept.shops["acme"].webhook_secret == Secret("env", "HOOKS")
    assert (
        "a secret is never written here" in problems(tmp_path, GOOD.replace(token, f'{token}\nwebhook_secret = "s"'))[0]
    )


@pytest.mark.parametrize(
    "address",
    [
        "syncd:hunter2@db/syncd",
        "syncd:h/hunter2@db/syncd",
        "syncd:h?hunter2@db/syncd",
        "syncd@db/syncd?password=hunter2",
        "/syncd?host=db&ssl%70assword=hunter2",
    ],
)
def test_a_password_in_the_database_address_is_refused_and_never_repeated(tmp_path: Path, address: str) -> None:
    (only,) = problems(tmp_path, GOOD.replace("[syncd]", f'[syncd]\ndatabase = "postgresql+psycopg://{address}"'))
    assert "keep the password out of this file" in only
    assert "hunter2" not in only


def test_no_value_of_a_faulty_file_appears_in_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(write(tmp_path, GOOD.replace('{ env = "SHOPIFY_TOKEN" }', '["shpat_0123456789"]')))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "shpat_0123456789" not in f"{caught.value} {caught.value.problems}"


# --- the shipped examples


@pytest.mark.parametrize("name", ["syncd.toml", "lifecycle.toml"])
def test_the_shipped_examples_and_those_in_the_package_are_one(name: str) -> None:
    assert (ROOT / "config" / name).read_bytes() == (ROOT / "syncd" / "config" / name).read_bytes()


def test_the_shipped_configuration_is_in_order() -> None:
    settings: Settings = load(ROOT / "config" / "syncd.toml")
    assert list(settings.shops) == ["acme", "cafe"]
    assert settings.audiences["main"].playbook.segments


JUNK = [
    "true",
    "-1",
    "0",
    "1.5",
    "nan",
    '""',
    '"\\u0000"',
    '"x"',
    "[]",
    "[[1], {}]",
    "{}",
    "{ a = { b = 1 } }",
    "1979-05-27T07:32:00Z",
]


@pytest.mark.parametrize("junk", JUNK)
def test_whatever_stands_in_a_key_is_a_problem_or_fine_and_never_a_crash(tmp_path: Path, junk: str) -> None:
    lines = (
        GOOD + 'base_url = "https://example.com"\nadopt = []\nrates = {}\nbrake = {}\nspend = "paid"\n'
    ).splitlines()
    crashes = []
    for number, line in enumerate(lines):
        key, is_entry, _ = line.partition(" = ")
        changed = [*lines[:number], f"{key} = {junk}", *lines[number + 1 :]] if is_entry else lines
        try:
            load(write(tmp_path, "\n".join(changed)))
        except UserError as err:
            if any("Traceback" in problem or problem.endswith(": ") for problem in err.problems):
                crashes.append(line)
    assert crashes == []


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("table", ["syncd", "shops", "audiences", "shops.acme", "audiences.main"])
def test_whatever_stands_in_the_place_of_a_table_is_a_problem_or_fine(tmp_path: Path, table: str, junk: str) -> None:
    file = write(tmp_path, f"{table} = {junk}\n")
    with pytest.raises(UserError) as caught:
        load(file)
    assert caught.value.problems
