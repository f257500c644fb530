"""The first config: what `init` finds in folders as people have them, and that what it writes can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoplayback.config import first
from autoplayback.config.discovery import discover
from autoplayback.config.load import load

PRESETS = ["psycopg", "requests", "sqlite3", "urllib3"]


def written(folder: Path, files: dict[str, str]) -> Path:
    """A folder with these files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(("files", "applications"), [
    ({"app.py": "from flask import Flask\napp = Flask(__name__)\n"}, [("wsgi", "app:app")]),
    ({"shop/web.py": "import flask\nserver: flask.Flask = flask.Flask('x')\n"}, [("wsgi", "shop.web:server")]),
    ({"shop/__init__.py": "from flask import Flask\ndef create_app(config=None):\n    app = Flask('x')\n    return app\n"},
     [("wsgi", "shop:create_app()")]),
    ({"shop/__init__.py": "from flask import Flask\ndef create_app(config):\n    return Flask('x')\n"}, []),
    ({"src/api/main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}, [("asgi", "api.main:app")]),
    ({"site/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"},
     [("wsgi", "site.wsgi:application")]),
    ({"serve.py": "def application(environ, start_response):\n    return []\n"}, [("wsgi", "serve:application")]),
    ({"tasks.py": "from celery import Celery\napp = Celery('x')\n"}, [("celery", "tasks:app")]),
    ({"game.py": "class App: pass\napp = App()\n"}, []),
    ({"broken.py": "def (:\n", "nul.py": "\0"}, []),
    ({".venv/pyvenv.cfg": "", ".venv/lib/x.py": "from flask import Flask\napp = Flask('x')\n"}, []),
    ({"env/pyvenv.cfg": "", "env/x.py": "from flask import Flask\napp = Flask('x')\n"}, []),
    ({"tests/test_x.py": "from flask import Flask\napp = Flask('x')\n"}, []),
])
def test_applications_are_found_without_importing_anything(
    tmp_path: Path, files: dict[str, str], applications: list[tuple[str, str]]
) -> None:
    """Frameworks by what makes their application; environments, tests and files that are no Python are passed over."""
    assert discover(written(tmp_path, files)).applications == applications


def test_libraries_come_from_imports_and_from_requirements(tmp_path: Path) -> None:
    """Whichever way a project says it."""
    written(tmp_path, {
        "a.py": "import requests.adapters\nfrom sqlite3 import connect\n",
        "requirements.txt": "# web\nFlask>=3\npsycopg-binary==3.2\n-r more.txt\n",
        "pyproject.toml": "[project]\ndependencies = ['redis[hiredis]>=5']\n",
    })
    libraries = discover(tmp_path).libraries
    assert {"requests", "sqlite3", "flask", "psycopg-binary", "redis"} <= libraries
    assert first.presets_for(libraries, PRESETS) == ["psycopg", "requests", "sqlite3"]
    assert first.presets_for({"requests"}, ["urllib3"]) == ["urllib3"], "the preset that holds it, where it has none of its own"


@pytest.mark.parametrize("files", [
    {},
    {"app.py": "from flask import Flask\nimport requests, sqlite3\napp = Flask(__name__)\n"},
    {"site/asgi.py": "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n",
     "site/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"},
])
@pytest.mark.parametrize("service", ["shop", "my shop: \"1\"", "true", "2026"])
def test_what_is_written_can_be_read(tmp_path: Path, files: dict[str, str], service: str) -> None:
    """The file is valid as it stands, and says what was found; one of Django's two applications is enough."""
    found = discover(written(tmp_path, files))
    (tmp_path / "autoplayback.yaml").write_text(first.text(service, found, PRESETS))
    settings = load(tmp_path / "autoplayback.yaml", presets=PRESETS, environment={}).settings
    assert settings.service == service
    assert len(settings.operations) == min(1, len(found.applications))
    assert not settings.operations or settings.operations[0].wsgi


def test_every_commented_example_is_valid_too(tmp_path: Path) -> None:
    """Who takes away the `# ` gets settings, not a complaint."""
    text = first.text("shop", discover(tmp_path), PRESETS)
    lines = []
    for line in text.splitlines():
        if line.startswith(("  # -", "  #   ", "#   - ", "# outputs:", "# redact:", "# sampling:")):
            lines.append(line.replace("# ", "", 1))
        else:
            lines.append(line)
    (tmp_path / "autoplayback.yaml").write_text("\n".join(lines))
    settings = load(tmp_path / "autoplayback.yaml", presets=PRESETS, environment={}).settings
    assert settings.operations[0].name == "place_order"
    assert settings.inputs[0].ignore == ["timeout"]
    assert settings.outputs
    assert settings.redact
    assert settings.sampling.rate == 0.1


@pytest.mark.parametrize(("code", "chosen"), [
    ('import sqlalchemy\nURL = "postgresql+psycopg://app@db/shop"\n', ["psycopg"]),
    ('from sqlalchemy import create_engine\ncreate_engine("postgresql://app@db/shop")\n', ["psycopg2"]),
    ('import sqlalchemy\nURL = "sqlite+pysqlite:///shop.db"\n', ["sqlite3"]),
    (('import django\nDATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}\n'
     'CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}\n'), ["psycopg", "redis"]),
    ('import psycopg\nURL = "postgresql://app@db/shop"\n', ["psycopg"]),
    ('HELP = "for example postgresql://app@db/shop"\n', []),
])
def test_drivers_that_no_import_names_are_found_in_urls_and_backends(tmp_path: Path, code: str, chosen: list[str]) -> None:
    """SQLAlchemy and Django load their driver themselves: a first config without it would let every query through unrecorded."""
    presets = ["psycopg", "psycopg2", "redis", "sqlite3"]
    written(tmp_path, {"db.py": code})
    text = first.text("shop", discover(tmp_path), presets)
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("  - preset:")] == chosen
    assert "below the ORM" not in text


def test_an_orm_whose_driver_the_code_does_not_name_is_asked_for(tmp_path: Path) -> None:
    """Its URL stands in the environment: the person who reads the config knows it."""
    written(tmp_path, {"db.py": 'import os, sqlalchemy\nsqlalchemy.create_engine(os.environ["DATABASE_URL"])\n'})
    text = first.text("shop", discover(tmp_path), ["psycopg", "redis", "sqlite3"])
    assert "# - preset: psycopg " in text
    assert "the driver below the ORM, one of: psycopg, sqlite3\n" in text
