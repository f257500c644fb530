"""The servers the tests rely on are the real ones, and answer."""

import redis as client


def test_postgresql_answers(postgres):
    """With a version, as an empty database of this run's own."""
    import psycopg

    with psycopg.connect(postgres) as connection:
        assert "PostgreSQL" in connection.execute("select version()").fetchone()[0]


def test_redis_answers(redis_url):
    """And keeps what it is given."""
    connection = client.Redis.from_url(redis_url)
    connection.set("key", "value")
    assert connection.get("key") == b"value"


def test_chromium_renders(chromium, tmp_path):
    """A page from disk, its script run."""
    (tmp_path / "page.html").write_text("<title>before</title><script>document.title = 'after'</script>")
    page = chromium.new_page()
    page.goto(f"file://{tmp_path}/page.html")
    assert page.title() == "after"
    page.close()
