"""Secrets never leave the process: wherever they stand on a tape they become tokens, and nothing else changes."""

import datetime
import gzip
import json
import random
import tracemalloc
import uuid
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoplayback.interception.target import Role, Target
from autoplayback.recorder.redaction import Redactor
from autoplayback.recorder.screening import REMEMBERED, Screen
from autoplayback.recorder.secrets import Sieve, is_token, names_secret
from autoplayback.tape import payload
from autoplayback.tape.draft import Draft
from autoplayback.tape.encoder import Encoder
from autoplayback.tape.model import Call, End, HandleNote, Outcome, Tape, TargetNote
from autoplayback.tape.values import Trust, rebuild

SECRET = "s3cr3t-Value-42"
TRUST = Trust(frozenset({"test_redaction", "tests"}), {})


def document(value):
    return Encoder().encode(value)


def value(encoded):
    return rebuild(encoded, TRUST)


def tape(*args, result=None, calls=(), parameters=("a", "b"), **others):
    """An operation's tape; `calls` are (name, role, arguments, result)."""
    target = TargetNote("op", "operation", "m", "op", tuple((name, 1) for name in parameters))
    made = tuple(
        Call(
            seq,
            TargetNote(name, role, "m", name, (("to", 1), ("text", 1))),
            None,
            Encoder().arguments(given, {}),
            Outcome(End.RETURNED, document(answer)),
            0,
            0,
        )
        for seq, (name, role, given, answer) in enumerate(calls)
    )
    made_tape = Tape(
        "01",
        "op",
        target,
        "function",
        0,
        0,
        0,
        None,
        Encoder().arguments(args, {}),
        made,
        Outcome(End.RETURNED, document(result)),
    )
    return replace(made_tape, **others)


def clean(made):
    """Redacts with the defaults alone, and checks that nothing of the secret is left in what would be written."""
    redacted = Redactor().redact(made)
    assert SECRET.encode() in payload.dump(made)
    assert SECRET.encode() not in payload.dump(redacted)
    return redacted


def test_a_tape_without_secrets_comes_back_as_the_same_object():
    """Most tapes have none, and pay nothing but a look."""
    plain = tape(
        {"n": 1, "name": "x"}, 2, result=[1.5, "text", {"key": "value"}], calls=[("load", "input", ("k",), {"rows": [1, 2]})]
    )
    assert Redactor().redact(plain) is plain


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "PASSWORD",
        "X-Api-Key",
        "apiKey",
        "access_token",
        "client_secret",
        "Authorization",
        "Set-Cookie",
        "private_key",
        "csrf-token",
    ],
)
def test_well_known_names_hide_what_stands_under_them(name):
    """In dictionaries, whatever their case and separators."""
    made = clean(tape({name: SECRET, "other": 1}))
    (entry, *_), _ = value(made.arguments)
    assert entry["other"] == 1
    assert SECRET not in str(entry[name])


@pytest.mark.parametrize("name", ["max_tokens", "secretary", "tokenizer", "key", "monkey", "bypass", "author"])
def test_names_that_only_sound_alike_hide_nothing(name):
    """A redaction that eats ordinary values would break every replay."""
    assert not names_secret(name)
    plain = tape({name: "ordinary"})
    assert value(Redactor().redact(plain).arguments) == [[{name: "ordinary"}], {}]


def test_positional_arguments_are_known_by_their_parameters_names():
    """login("ann", SECRET) says `password` only in the signature."""
    made = clean(tape("ann", SECRET, parameters=("user", "password")))
    assert value(made.arguments)[0][0] == "ann"


def test_equal_secrets_become_equal_tokens_everywhere_on_the_tape_and_in_every_process():
    """What was read from the vault and then sent out still matches at replay."""
    made = clean(
        tape(
            {"token": SECRET},
            calls=[
                ("vault.read", "input", ("x",), {"secret": SECRET}),
                ("mail.send", "output", ("ann", f"your code is {SECRET}."), None),
            ],
        )
    )
    token = value(made.arguments)[0][0]["token"]
    assert is_token(token)
    assert value(made.calls[0].outcome.value) == {"secret": token}
    assert value(made.calls[1].arguments)[0] == ["ann", f"your code is {token}."]
    assert value(Redactor().redact(tape({"token": SECRET})).arguments)[0][0]["token"] == token
    assert value(Redactor(key="another").redact(tape({"token": SECRET})).arguments)[0][0]["token"] != token


def test_redacting_twice_changes_nothing():
    """A replay of a redacted tape is redacted again, and must not drift."""
    once = clean(tape({"authorization": f"Bearer {SECRET}", "cookie": f"sid={SECRET}; theme=dark1"}))
    assert payload.dump(Redactor().redact(once)) == payload.dump(once)


def test_of_a_replay_only_what_the_recorded_tape_does_not_hold_is_looked_at():
    """A rule that is younger than the tape makes no difference where there is none; what is new is hidden as ever."""
    recorded = tape({"password": SECRET}, result="fine")
    assert Redactor().redact(replace(recorded, id="02"), recorded) == replace(recorded, id="02")
    replay = tape({"password": SECRET}, result={"api_key": SECRET[::-1]})
    assert SECRET[::-1].encode() not in payload.dump(Redactor().redact(replay, recorded))


def test_headers_and_cookies_keep_their_form():
    """Code that splits them goes on working on the tokens."""
    import base64

    basic = base64.b64encode(f"ann:{SECRET}".encode()).decode()
    request = {"headers": {"authorization": f"Basic {basic}", "cookie": f"theme=dark; sid={SECRET}", "accept": "*/*"}}
    (made, *_), _ = value(clean(tape(request, SECRET, parameters=("request", "password"))).arguments)
    scheme, _, credentials = made["headers"]["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(credentials).decode().startswith("ann:redacted-")
    names = [part.split("=")[0].strip() for part in made["headers"]["cookie"].split(";")]
    assert names == ["theme", "sid"]
    assert made["headers"]["accept"] == "*/*"


def test_lists_of_header_pairs_are_headers_too():
    """ASGI and many clients keep them so, as bytes."""
    made = clean(tape({"headers": [(b"authorization", f"Bearer {SECRET}".encode()), (b"host", b"example.org")]}))
    (request, *_), _ = value(made.arguments)
    assert request["headers"][0][1].startswith(b"Bearer redacted-")
    assert request["headers"][1] == (b"host", b"example.org")


def test_json_is_changed_only_where_the_secret_stands():
    """Spaces, order, numbers and escapes stay byte for byte, whether the body is text or bytes."""
    body = '{"n": 1.50,  "nested": [{"password" : "%s"}], "u":"\\u00e9", "big": 123456789012345678901234567890}'
    body = body.replace("%s", SECRET)
    for given_body in (body, body.encode()):
        (made, *_), _ = value(clean(tape(given_body)).arguments)
        text = made if isinstance(made, str) else made.decode()
        token = json.loads(text)["nested"][0]["password"]
        assert is_token(token)
        assert text == body.replace(SECRET, token)


def test_forms_gzip_and_urls_are_looked_into():
    """The usual hiding places."""
    form = f"user=ann&password={SECRET}&x=1"
    (made, *_), _ = value(Redactor().redact(tape(form.encode())).arguments)
    assert made.startswith(b"user=ann&password=redacted-")
    assert made.endswith(b"&x=1")
    squeezed = gzip.compress(json.dumps({"api_key": SECRET, "ok": True}).encode())
    (made, *_), _ = value(Redactor().redact(tape(squeezed)).arguments)
    assert is_token(json.loads(gzip.decompress(made))["api_key"])
    (made, *_), _ = value(clean(tape(f"postgresql://app:{SECRET}@db.example/x?sslmode=require")).arguments)
    assert made.startswith("postgresql://app:redacted-")
    assert made.endswith("@db.example/x?sslmode=require")


@pytest.mark.parametrize(
    "text",
    [
        "user=ann&password=p%40ss+w%5Erd",
        b"user=ann&password=p%40ss+w%5Erd",
        "sent user=ann&password=p%40ss%20w%5Erd to it",
        "postgresql://app:p%40ss%20w%5Erd@db.example/x",
    ],
)
def test_a_secret_quoted_in_a_form_or_url_is_the_one_that_the_service_then_sees(text):
    """One token for both, so that a replay asks what was asked; and no copy of the secret stays anywhere."""
    made = Redactor().redact(tape(text, {"password": "p@ss w^rd"}, "she typed p@ss w^rd", parameters=("a", "b", "c")))
    (found, account, typed), _ = value(made.arguments)
    token = account["password"]
    assert is_token(token)
    assert (token.encode() if isinstance(text, bytes) else token) in found
    assert typed == f"she typed {token}"
    again = text if isinstance(text, str) else text.decode()
    quoted = Redactor().redact(tape(text, f"<{again[again.index('p%40') :][: 15 if '%20' in again else 13]}>"))
    assert value(quoted.arguments)[0][1] == f"<{token}>"


def test_a_gzip_bomb_is_replaced_rather_than_unpacked(monkeypatch):
    """What is too large to look into doesn't leave unlooked-at."""
    monkeypatch.setattr("autoplayback.recorder.rewriting._INFLATED", 1000)
    bomb = gzip.compress(b"a" * 100_000)
    (made, *_), _ = value(Redactor().redact(tape(bomb)).arguments)
    assert made != bomb
    assert len(made) < 100


def test_a_body_split_into_chunks_is_read_as_one_and_its_length_header_follows():
    """A secret on the border of two chunks is still one; a client that counts bytes still gets as many as announced."""
    body = json.dumps({"access_token": SECRET, "scope": "all"}).encode()
    cut = body.index(b"Value")
    chunks = (document(body[:cut]), document(body[cut:]))
    head = {"status": 200, "headers": {"Content-Length": str(len(body))}}
    call = Call(
        0,
        TargetNote("get", "input", "m", "get"),
        None,
        Encoder().arguments(("/",), {}),
        Outcome(End.RETURNED, document(head), chunks),
        0,
        0,
    )
    made = Redactor().redact(replace(tape(), calls=(call,)))
    answer = made.calls[0].outcome
    whole = b"".join(value(item) for item in answer.items)
    assert is_token(json.loads(whole)["access_token"])
    assert value(answer.value)["headers"]["Content-Length"] == str(len(whole))


def test_messages_of_errors_and_metadata_are_texts_like_others():
    """`raise ValueError(f"login failed: password={...}")` is how secrets get out."""
    made = clean(
        tape(
            {"token": SECRET},
            outcome=Outcome(End.RAISED, document(ValueError(f"refused for {SECRET}"))),
            metadata={"who": f"key {SECRET}", "api_key": SECRET, "n": 3},
        )
    )
    error = value(made.outcome.value)
    assert type(error) is ValueError
    assert str(error).startswith("refused for redacted-")
    assert made.metadata["n"] == 3
    assert SECRET not in str(made.metadata)


def test_a_connection_made_outside_the_operation_hides_its_password():
    """Its making arguments are on the tape, so that a replay finds it again."""
    note = HandleNote(
        1, "psycopg.connect", "psycopg:Connection", None, Encoder().arguments((), {"host": "db", "password": SECRET})
    )
    made = clean(tape(handles=(note,)))
    assert value(made.handles[0].arguments)[1]["host"] == "db"


@dataclass
class Card:
    number: str
    code: int
    limit: Decimal
    until: datetime.date
    id: uuid.UUID


def test_paths_of_the_config_reach_into_objects_and_leave_their_types():
    """Whatever the type of the field, the object can still be made again."""
    card = Card("4111111111111111", 123, Decimal("-99.50"), datetime.date(2030, 1, 2), uuid.uuid4())
    made = Redactor(["card.*"]).redact(tape({"card": card, "n": card.code}))
    (entry, *_), _ = value(made.arguments)
    new = entry["card"]
    assert is_token(new.number)
    assert (type(new.code), type(new.limit), type(new.until), type(new.id)) == (int, Decimal, datetime.date, uuid.UUID)
    assert new.code != card.code
    assert new.id != card.id
    assert entry["n"] == 123


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("**.iban", True),
        ("customer.iban", True),
        ("result.customer.iban", True),
        ("inputs.load.result.customer.iban", False),
        ("result.*.iban", True),
        ("result.customer.ib*", True),
        ("iban", True),
        ("error.iban", False),
        ("result.other", False),
    ],
)
def test_paths_hold_anywhere_unless_they_name_their_place(path, hidden):
    """`customer.iban` means any customer's; `inputs.load...` only what that input gave."""
    made = Redactor([path]).redact(tape(result={"customer": {"iban": "DE89370400440532013000"}, "other": 1}))
    assert (value(made.outcome.value)["customer"]["iban"] != "DE89370400440532013000") is hidden


def test_patterns_of_the_config_hide_what_they_match_in_any_text():
    """Between slashes, a regular expression."""
    made = Redactor([r"/\b4\d{15}\b/"]).redact(tape("card 4111111111111111 of ann", b'{"pan": "4111111111111111"}'))
    text, body = value(made.arguments)[0]
    assert text.startswith("card redacted-")
    assert text.endswith(" of ann")
    assert b"4111" not in body


def test_shared_and_cyclic_values_stay_so():
    """A document with references is rewritten without losing them."""
    shared = {"password": SECRET}
    loop = [shared, shared]
    loop.append(loop)
    (made, *_), _ = value(clean(tape(loop)).arguments)
    assert made[0] is made[1]
    assert made[2] is made
    assert is_token(made[0]["password"])


@dataclass
class Account:
    user: str
    password: str


def test_a_secret_in_a_table_goes_by_the_name_of_its_field():
    """Lists of many instances of one class stand on the tape as rows, apart from their fields' names."""
    accounts = [Account(f"user {n}", SECRET + str(n)) for n in range(20)]
    document(accounts)  # its class is known from now on, and such a list written as a table
    rows = document({"accounts": accounts})
    assert rows.count(b"password") == 1
    redacted = clean(tape(result={"accounts": accounts}, calls=[("load", "input", (accounts[3].password,), None)]))
    made = value(redacted.outcome.value)["accounts"]
    assert [account.user for account in made] == [account.user for account in accounts]
    assert len({account.password for account in made if is_token(account.password)}) == 20
    rows = [{"user": f"user {n}", "password": SECRET + str(n), "pin": 1000 + n} for n in range(100)]
    redacted = Redactor(["**.pin"]).redact(tape(result=rows, calls=[("load", "input", (rows[3]["password"],), None)]))
    assert SECRET.encode() not in payload.dump(redacted)
    made = value(redacted.outcome.value)
    assert [row["user"] for row in made] == [row["user"] for row in rows]
    assert all(is_token(row["password"]) and row["pin"] != old["pin"] for row, old in zip(made, rows, strict=True))
    clean(tape(result=[{"n": n, "text": f"password={SECRET}"} for n in range(100)]))
    by_path = Redactor(["result.accounts[*].user"]).redact(tape(result={"accounts": accounts}))
    assert all(is_token(account.user) for account in value(by_path.outcome.value)["accounts"])


def rendered(draft_of, items=None, notes=(), **metadata):
    """What the recorder's thread makes of an operation that returned a value."""
    draft = Draft("01", Target(Role.OPERATION, "op", "m", "op", parameters=(("a", 1),)), 0, {"host": "h"})
    draft.arguments = draft.encoder.arguments((1,), {})
    draft.value = document(draft_of)
    draft.items = items and [document(item) for item in items]
    draft.notes += [(name, document(note)) for name, note in notes]
    draft.metadata.update(metadata)
    return payload.drafted(draft)


def test_a_blob_is_not_searched_but_what_stands_around_it_is():
    """Large binary data has no names for secrets to stand under; large text is searched, and what gzip holds."""
    noise = bytes(range(256)) * 300
    form = b"password=" + SECRET.encode()
    assert Redactor().finish(rendered(noise + form)) is None
    assert Redactor().finish(rendered(noise + form, password=SECRET)).metadata["password"] != SECRET
    for text in (b"x" * (64 << 10) + b"&" + form, gzip.compress(random.randbytes(64 << 10) + form)):
        assert SECRET.encode() not in payload.dump(Redactor().finish(rendered(text)))


@pytest.mark.parametrize(
    "text",
    [
        "Straße ".encode("latin-1") * 20_000 + f"&password={SECRET}".encode(),
        b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\n' + bytes(range(256)) * 300
        + f'\r\n--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n{SECRET}\r\n--b--'.encode(),
    ],
    ids=["latin-1", "multipart"],
)  # fmt: skip
def test_what_only_begins_like_binary_data_is_searched(text):
    """Text in another encoding than UTF-8, and a form with a photograph before the password."""
    assert SECRET.encode() not in payload.dump(Redactor().finish(rendered(text)))


@pytest.mark.parametrize("cut", range(1, 40))
@pytest.mark.parametrize("kind", [bytes, str])
def test_a_name_or_secret_on_the_border_of_two_chunks_is_seen(cut, kind):
    """A server cuts a body wherever it likes; each chunk alone may be clean."""
    text = f'{{"password": "{SECRET}", "n": 1}}'
    chunks = [text[:cut], text[cut:]] if kind is str else [text[:cut].encode(), text[cut:].encode()]
    redactor = Redactor()
    redactor.finish(rendered(chunks[0]))
    whole = "".join(map(str, map(value, redactor.finish(rendered(None, chunks)).outcome.items)))
    assert SECRET not in whole.replace("b'", "").replace("'", "")
    by_pattern = Redactor([r"/s3cr3t-\w+-\d+/"]).finish(rendered(None, ["key s3cr", "3t-Value-42"]))
    assert SECRET not in "".join(map(value, by_pattern.outcome.items))


def test_a_note_is_hidden_by_its_name():
    """`autoplayback.note("password", ...)`: nothing else tells what it is."""
    made = Redactor().finish(rendered(1, notes=[("password", SECRET), ("seen", 3)]))
    (name, secret), (_, seen) = made.notes
    assert (name, value(seen)) == ("password", 3)
    assert is_token(value(secret))


@pytest.mark.parametrize("pattern", ["/stra.e-42/", "/[a-zß]{6}-42/", r"/\w{6}-42/"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_pattern_means_letters_however_they_are_encoded(pattern, encoding):
    """One letter may be two bytes on the tape."""
    assert value(Redactor([pattern]).finish(rendered("in straße-42")).outcome.value).startswith("in redacted-")
    if encoding == "latin-1" and pattern == "/stra.e-42/":
        made = Redactor([pattern]).finish(rendered("in straße-42".encode(encoding)))
        assert value(made.outcome.value).startswith(b"in redacted-")


def test_what_was_clean_once_is_looked_at_again_where_it_matters():
    """Clean documents are remembered, whole: nothing that differs from them is taken for them, or beside them left out."""
    redactor = Redactor()
    for value in ({"n": 1}, {"note": "nothing to hide"}, {"n": 1}, 5, None):
        assert redactor.finish(rendered(value)) is None
    assert SECRET.encode() not in payload.dump(redactor.finish(rendered({"note": f"password={SECRET}"})))
    assert redactor.finish(rendered({"n": 1}, password=SECRET)).metadata["password"] != SECRET
    assert redactor.finish(rendered({"note": "nothing to hide"})) is None


@pytest.mark.parametrize(
    "pattern", [r"/^4\d{15}$/", r"/\b4\d{15}\b/", r"/(?<![\w-])4\d{15}/", r"/\A4\d+/", "/4[0-9]{15}/", "/[4][^x]{15}/"]
)
def test_a_pattern_means_the_text_and_not_the_bytes_around_it(pattern):
    """In a document a text's length stands before it, which may look like a letter."""
    for text in ("4111111111111111", "4111111111111111" + " " * 49):
        if text.strip() == text or not pattern.endswith("$/"):
            redacted = Redactor([pattern]).finish(rendered(text))
            assert redacted is not None
            assert b"4111111111111111" not in payload.dump(redacted)


def test_what_is_remembered_is_bounded():
    """By memory, not by number: many small documents weigh more than their bytes."""
    screen = Screen(Sieve(), (), lambda names: False)
    empty = rendered(None)
    tracemalloc.start()
    try:
        for start in range(0, 200_000, 1000):
            assert not screen.doubts(empty._replace(documents=[document(f"{n:08}") for n in range(start, start + 1000)]))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * REMEMBERED


@pytest.mark.parametrize("value", ["://:p@", {"pin": 1}, [["pin", 1]], "pin=1", {"token": 1}, "token=1"])
def test_the_shortest_secrets_are_seen(value):
    """No document is too short to be looked at that could have a name and a secret in it."""
    assert Redactor(["pin"]).finish(rendered(value)) is not None


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=5), max_size=5),
       st.sampled_from(["password", "Api-Key", "accessToken", "p.a.s.s.w.o.r.d"]), st.integers(0, 4))
def test_a_secret_is_seen_whatever_was_recorded_before(values, name, at):
    """The memory of clean documents hides none."""
    redactor = Redactor()
    for value in values:
        redactor.finish(rendered(value))
    value = [*values[:at], {name: SECRET}, *values[at:]]
    assert SECRET.encode() not in payload.dump(redactor.finish(rendered(value)))


NAMES = st.sampled_from(["password", "Api-Key", "accessToken", "client_secret", "COOKIE", "proxy-authorization", "passphrase"])


@given(NAMES, st.binary(max_size=200), st.binary(max_size=200))
def test_the_quick_look_never_says_no_to_a_name_that_is_there(name, before, after):
    """Whatever bytes stand around it."""
    assert Sieve().may_hold(before + name.encode() + after)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(alphabet='abc é"\\', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="xyz", max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, NAMES)
def test_any_json_around_a_secret_stays_what_it_was(around, name):
    """Parsed again, only the secret differs."""
    whole = {"before": around, name: SECRET, "after": [around]}
    (made, *_), _ = value(Redactor().redact(tape(json.dumps(whole))).arguments)
    parsed = json.loads(made)
    assert SECRET not in made
    assert {**parsed, name: SECRET} == whole


@dataclass
class Session:
    password: str
    payload_of: dict


def test_a_secret_that_is_a_key_is_replaced_there_too():
    """`cache.set_many({f"session:{token}": user})`; names of fields stay, whatever a secret is called."""
    secret = "payload_of"
    made = Redactor().finish(rendered([{"token": SECRET}, {f"session:{SECRET}": 1}, {SECRET: {SECRET: 2}, 3: 4}]))
    first, second, third = value(made.outcome.value)
    assert second == {f"session:{first['token']}": 1}
    assert third == {first["token"]: {first["token"]: 2}, 3: 4}
    named = value(Redactor().finish(rendered(Session(secret, {secret: 1}))).outcome.value)
    assert named.payload_of == {named.password: 1}
