"""`export`, `delete`, `prune`, `verify` and `ship`, as their users run them."""

from autoplayback.cassettes import open_cassette
from tests.cli.conftest import tape


def there(folder):
    return {summary.tape for summary in open_cassette(str(folder)).summaries()}


def test_export_copies_what_is_chosen_once(command, shop, recorded):
    """By filters and by ids; a second time nothing is copied."""
    done = command("export", "pinned", "--where", "customer=acme")
    assert (done.returncode, done.stdout) == (0, f"2 tapes copied to {shop}/pinned\n")
    again = command("export", "pinned", recorded[0].id, recorded[1].id[:22])
    assert again.stdout == f"1 tapes copied to {shop}/pinned, 1 were there already\n"
    assert there(shop / "pinned") == {recorded[n].id for n in (0, 1, 2)}
    assert open_cassette(str(shop / "pinned")).load(recorded[0].id) == recorded[0]
    nothing = command("export", "pinned", "--where", "customer=nobody")
    assert nothing.returncode == 5
    assert "no tape matched" in nothing.stderr


def test_delete_asks_unless_told(command, shop, recorded):
    """By id at once, by filter after a question, without either not at all."""
    folder = shop / ".autoplayback/tapes"
    assert command("delete", recorded[0].id).stdout == "1 tapes deleted\n"
    asked = command("delete", "--where", "customer=globex")
    assert asked.returncode == 1
    assert "Delete 1 tapes" in asked.stdout + asked.stderr
    assert command("delete", "--where", "customer=globex", "--yes").returncode == 0
    assert there(folder) == {recorded[2].id, recorded[3].id}
    assert all(b"globex" not in path.read_bytes() for path in folder.iterdir())
    unclear = command("delete")
    assert unclear.returncode == 2
    assert "say which tapes" in unclear.stderr
    unknown = command("delete", "01ZZZZZZ")
    assert unknown.returncode == 2
    assert "no tape's id begins with '01ZZZZZZ'" in unknown.stderr


def test_prune_by_count_age_and_size(command, shop, recorded):
    """A dry run only says; each bound takes the oldest."""
    folder = shop / ".autoplayback/tapes"
    assert command("prune", "--keep", "1", "--dry-run").stdout.startswith("2 tapes of")
    assert there(folder) == {each.id for each in recorded}
    assert command("prune", "--keep", "1").stdout.startswith("2 tapes of")
    assert there(folder) == {recorded[2].id, recorded[3].id}
    newest = next(open_cassette(str(folder)).summaries())
    assert command("prune", "--max-size", f"{newest.bytes + 10}B").returncode == 0
    assert there(folder) == {recorded[3].id}
    assert command("prune", "--older-than", "2020-01-01").stdout == "0 tapes of 0 bytes deleted\n"
    assert command("prune", "--older-than", "2100-01-01").stdout.startswith("1 tapes of")
    assert command("prune").returncode == 2
    odd = command("prune", "--max-size", "much")
    assert (odd.returncode, "no size" in odd.stderr) == (2, True)


def test_verify_names_what_is_damaged(command, shop, recorded):
    """Exit 0 where all is well; 1, the file and the tape where it isn't."""
    fine = command("verify")
    assert (fine.returncode, fine.stdout) == (0, "4 tapes, 0 problems\n")
    (path,) = (shop / ".autoplayback/tapes").glob("*.tapes")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    damaged = command("verify")
    assert damaged.returncode == 1
    assert path.name in damaged.stdout
    assert "damaged" in damaged.stdout
    missing = command("--tapes", "nowhere", "verify")
    assert missing.returncode == 2
    assert "no such folder" in missing.stderr


def test_verify_finds_secrets_that_are_stored(command, shop, recorded):
    """What redaction of today would have replaced is named by place, and never printed."""
    cassette = open_cassette(str(shop / ".autoplayback/tapes"))
    secret = "hunter2-is-not-for-printing"
    leaking = tape(body={"password": secret})
    cassette.add([leaking])
    assert command("verify").returncode == 0
    found = command("verify", "--secrets")
    assert found.returncode == 1
    assert f"{leaking.id}: holds what looks like a secret in call 1 mail.send (arguments)" in found.stdout
    assert secret not in found.stdout + found.stderr


def test_ship_is_for_buckets(command, shop, recorded):
    """Tapes in a folder are where they belong."""
    done = command("ship", "--once")
    assert done.returncode == 2
    assert "nothing to ship" in done.stderr
