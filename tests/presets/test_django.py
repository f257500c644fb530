"""Django over PostgreSQL with connections that outlive requests, under gunicorn: sessions, logins, CSRF, the admin, mail."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import requests

from autoplayback import cassettes
from autoplayback.tape import payload
from tests.journeys.moves import Project
from tests.servers import processes

CONFIG = """
service: shop
operations:
  - wsgi: site_:application
    metadata: {path: request.path}
inputs:
  - preset: psycopg
  - preset: django
outputs:
  - target: views:told
"""
SITE = """
import os, sys
import django
from django.conf import settings

APPS = ["admin", "auth", "contenttypes", "sessions", "messages"]
MIDDLEWARE = ["sessions.middleware.Session", "auth.middleware.Authentication", "messages.middleware.Message"]
settings.configure(
    SECRET_KEY="x" * 40, DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF="views", USE_TZ=True, TIME_ZONE="Europe/Berlin",
    INSTALLED_APPS=[*(f"django.contrib.{name}" for name in APPS), "shop"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", f"django.contrib.{MIDDLEWARE[0]}Middleware",
                "django.middleware.csrf.CsrfViewMiddleware", *(f"django.contrib.{name}Middleware" for name in MIDDLEWARE[1:])],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {"context_processors":
        ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
         "django.contrib.messages.context_processors.messages"]}}],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "app", "HOST": "127.0.0.1",
                           "PORT": os.environ["PORT"], "CONN_MAX_AGE": 600}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"], DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    LOGIN_URL="/admin/login/",
)
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()

if __name__ == "__main__":
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from shop.models import Product
    call_command("migrate", run_syncdb=True, verbosity=0)
    for n in range(3):
        User.objects.create_superuser(f"u{n}", password="p@ss word")
        Product.objects.create(name=f"p{n}", stock=100)
"""
MODELS = """
from django.contrib import admin
from django.db import models

class Product(models.Model):
    name = models.CharField(max_length=20, unique=True)
    stock = models.IntegerField()
    changed = models.DateTimeField(auto_now=True)

class Note(models.Model):
    text = models.CharField(max_length=200)

admin.site.register(Product)
"""
VIEWS = """
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.mail.message import make_msgid
from django.db import IntegrityError, transaction
from django.db.models import F
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path
from django.utils.crypto import get_random_string
from django.views.decorators.csrf import csrf_exempt
from shop.models import Note, Product

def told(text):
    pass

@csrf_exempt
@login_required
def buy(request):
    with transaction.atomic():
        Product.objects.filter(name=request.POST["name"]).update(stock=F("stock") - 1)
        try:
            with transaction.atomic():
                Product.objects.create(name=request.POST["name"], stock=0)
        except IntegrityError:
            Note.objects.create(text=f"{request.user} bought {request.POST['name']}")
    request.session["bought"] = request.session.get("bought", 0) + 1
    told(f"mail {get_random_string(8)}")
    return JsonResponse({"bought": request.session["bought"]})

def stock(request):
    rows = Product.objects.order_by("id").iterator(chunk_size=2)
    return StreamingHttpResponse(f"{product.name} {product.changed.isoformat()}\\n" for product in rows)

urlpatterns = [path("admin/", admin.site.urls), path("buy", buy), path("stock", stock)]
"""


def test_a_django_service_replays_whatever_its_process_had_done_before(tmp_path, postgres, monkeypatch):
    """Persistent connections, cached content types, savepoints' names, random tokens and sealed cookies: nothing of the process
    that recorded is needed; and a write that is gone is told."""
    port = processes.free_port()
    monkeypatch.setenv("PORT", str(urlsplit(postgres).port))
    project = Project(tmp_path, CONFIG, site_=SITE, views=VIEWS)
    (tmp_path / "shop").mkdir()
    project.write("shop/__init__.py", "")
    project.write("shop/models.py", MODELS)
    made = project.python("site_.py")
    assert made.status == 0, made.err
    url = f"http://127.0.0.1:{port}"

    sealed = set()

    def visit(n):
        session = requests.Session()
        form = session.get(f"{url}/admin/login/", timeout=20).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]
        login = {"username": f"u{n}", "password": "p@ss word", "csrfmiddlewaretoken": token, "next": "/stock"}
        assert session.post(f"{url}/admin/login/", data=login, timeout=20).text.startswith("p0 ")
        for count in range(1, 4):
            assert session.post(f"{url}/buy", data={"name": f"p{n}"}, timeout=20).json() == {"bought": count}
        sealed.update((token.encode(), session.cookies["sessionid"].encode(), session.cookies["csrftoken"].encode()))
        page = session.get(f"{url}/admin/shop/product/add/", timeout=20).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
        new = {"csrfmiddlewaretoken": token, "name": f"new {n}", "stock": "3"}
        assert "was added successfully" in session.post(f"{url}/admin/shop/product/add/", data=new, timeout=20).text
        assert requests.post(f"{url}/buy", data={"name": "p0"}, timeout=20, allow_redirects=False).status_code == 302
        assert requests.post(f"{url}/admin/login/", data=login, timeout=20).status_code == 403  # no cookie

    command = [sys.executable, "-m", "gunicorn", "--threads", "4", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    with project.serving([*command, "site_:application"], port), ThreadPoolExecutor(3) as pool:
        list(pool.map(visit, range(3)))
    cassette = cassettes.open_cassette(str(tmp_path / ".autoplayback" / "tapes"))
    stored = b"".join(payload.dump(cassette.load(summary.tape)) for summary in cassette.summaries())
    cassette.close()
    assert b"csrfmiddlewaretoken" in stored
    assert not [secret for secret in (b"p@ss word", b"p%40ss", *sealed) if secret in stored]

    monkeypatch.setenv("PORT", "1")  # gone
    replay = project.replay()
    assert replay.verdicts == {"equal": 33}, replay.failures()
    assert all(result["calls"]["unanswered"] == 0 for result in replay.results)

    def changed(old, new, *arguments):
        assert old in VIEWS
        project.write("views.py", VIEWS.replace(old, new))
        return project.replay(*arguments).verdicts

    buys = ("--where", "path=/buy")
    dropped = '            Note.objects.create(text=f"{request.user} bought {request.POST[\'name\']}")\n'
    assert changed(dropped, "            pass\n", *buys) == {"different": 9, "equal": 3}
    assert changed('F("stock") - 1', 'F("stock") - 2', *buys) == {"diverged": 9, "equal": 3}
    assert changed('get("bought", 0) + 1', 'get("bought", 0) + 2', *buys) == {"diverged": 9, "equal": 3}
    assert changed('order_by("id")', 'order_by("-id")', "--where", "path=/stock") == {"diverged": 3}
