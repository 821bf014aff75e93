"""Who is let in, from where, and with what: the checks in front of every page."""

import io
import json
import stat
import zlib

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra web")
pytest.importorskip("httpx", reason="needs httpx")

from own_requests import BASE, SAME_ORIGIN, SESSION
from PIL import Image

from ultralytics_reid.errors import ConfigError, GalleryError
from ultralytics_reid.web.audit import Audit
from ultralytics_reid.web.options import ServeOptions
from ultralytics_reid.web.security import MAX_BODY
from ultralytics_reid.web.uploads import decode

pytestmark = pytest.mark.extras
CHANGING = (
    "/people/1/rename", "/people/1/merge", "/people/1/split", "/people/1/delete", "/changes/undo", "/search/enrol",
    "/review/answer", "/review/again",
)  # fmt: skip


def image_file(size=(60, 120), kind="JPEG"):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("page", ["/people", "/people/1", "/visits/1/image", "/static/site.css", "/flow/visits.csv"])
def test_nothing_is_shown_without_the_token(page, serve):
    client = serve(signed_in=False)
    assert client.get(page).status_code == 401
    client.cookies.set(SESSION.cookie, "guessed")
    assert client.get(page).status_code == 401


def test_the_start_address_makes_a_cookie_that_scripts_and_other_sites_do_not_get(serve):
    client = serve(signed_in=False)
    assert client.get("/?token=wrong").status_code == 401
    response = client.get(f"/?token={SESSION.token}")
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert SESSION.token not in response.text
    assert client.get("/people").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "localhost.evil.example"])
def test_other_hosts_are_answered_400(host, client):
    assert client.get("/people", headers={"host": host}).status_code == 400
    assert client.get(f"/?token={SESSION.token}", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "shop.example:8000"])
def test_named_hosts_are_answered(host, serve):
    assert serve(names=("shop.example",)).get("/people", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": BASE},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "http://[bad"},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize("address", ["/people/1/delete", "/changes/undo", "/search/upload"])
def test_changes_come_from_the_same_origin(headers, address, serve, gallery):
    client = serve(headers=headers)
    assert client.post(address, data={"for_good": "yes"}).status_code == 403
    assert 1 in {i.identity_id for i in gallery.individuals()}


@pytest.mark.parametrize("headers", [SAME_ORIGIN, {"origin": BASE}], ids=str)
def test_changes_of_the_same_origin_are_made(headers, serve, gallery):
    assert serve(headers=headers).post("/people/1/rename", data={"name": "Eve"}).status_code == 303
    assert gallery.store.names()[1] == "Eve"


def test_changes_are_not_made_by_get(client, gallery):
    before = sorted((v.id, v.identity) for v in gallery.visits(details=False))
    for address in CHANGING:
        client.get(address)
    assert sorted((v.id, v.identity) for v in gallery.visits(details=False)) == before


def test_read_only_has_no_route_that_changes_something(serve):
    client = serve(read_only=True)
    changing = {r.path for r in client.app.routes if "POST" in (getattr(r, "methods", None) or ())}
    assert changing == {"/search/upload", "/csp-report"}
    for address in CHANGING:
        assert client.post(address).status_code in (404, 405), address
    for page in ("/people", "/people/1", "/review", "/changes", "/search?identity=1"):
        text = client.get(page).text
        assert all(f'action="{address}' not in text for address in CHANGING), page


def test_every_answer_has_the_headers(client, serve):
    answers = [client.get("/people"), client.get("/no-such-page"), serve(signed_in=False).get("/people")]
    for response in answers:
        assert response.headers["content-security-policy"].startswith("default-src 'self';")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"


def test_images_of_people_are_not_kept_by_browsers(client):
    assert client.get("/visits/1/image").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "address",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fsite.py", "/static/vendor/../../security.py",
     "/search/upload/..%2f..%2fetc%2fpasswd", "/flow/..%2f..%2fetc%2fpasswd.csv", "/flow/heatmap.png?on=/etc/passwd"],
)  # fmt: skip
def test_no_path_of_a_request_reaches_the_file_system(address, client):
    response = client.get(address)
    assert response.status_code in (404, 409)
    assert "import" not in response.text


@pytest.mark.parametrize(
    "query",
    ["from=yesterday", "from=9999999-01-01", "to=0000-00-00", "cls=-1", "cls=x", "from=2026-01-02&to=2026-01-01",
     "camera=" + "x" * 400, "&".join("camera=a" for _ in range(200))],
)  # fmt: skip
def test_filters_out_of_range_are_an_error_that_says_so(query, client):
    assert client.get(f"/people?{query}").status_code == 409


@pytest.mark.parametrize("tz", ["../../etc/passwd", "No/Where", "x" * 500, "%00"])
def test_unknown_zones_are_utc(tz, client):
    client.cookies.set("tz", tz)
    assert "zone UTC" in client.get("/people").text


def test_numbers_that_no_gallery_has_are_not_there(client):
    for address in (
        "/people/99999999999999999999999",
        "/people/77",
        "/people/0",
        "/visits/99999999999999999999999/image",
    ):
        assert client.get(address).status_code in (303, 307, 404, 409), address


def test_large_requests_are_refused_before_they_are_read(client):
    assert client.post("/search/upload", content=b"x" * (MAX_BODY + 1)).status_code == 413
    chunks = (b"x" * 2**20 for _ in range(12))
    kind = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/search/upload", content=chunks, headers=kind).status_code == 413
    assert client.post("/search/upload", headers={"content-length": "-5"}).status_code == 400


def test_a_body_that_does_not_say_its_length_is_read_to_the_limit_only(client):
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'
    parts, answers = iter([head, *[b"x" * 2**20] * 40]), []
    headers = {
        "host": "127.0.0.1:8000",
        "cookie": f"{SESSION.cookie}={SESSION.token}",
        "content-type": "multipart/form-data; boundary=b",
        **SAME_ORIGIN,
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/search/upload",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive():
        return {"type": "http.request", "body": next(parts), "more_body": True}

    async def send(message):
        answers.append(message)

    client.portal.call(client.app, scope, receive, send)
    assert answers[0]["status"] == 413
    assert len(list(parts)) == 40 - MAX_BODY // 2**20 - 1


def bomb():
    """A PNG of some bytes that claims 20,000 x 20,000 pixels."""
    data = bytearray(image_file((4, 4), "PNG"))
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no JPEG"),
        (b"GIF89a" + b"x" * 50, "no JPEG"),
        (b"%!PS-Adobe-3.0 EPSF", "no JPEG"),
        (b"\xff\xd8\xff" + b"x" * 500, "damaged"),
        (image_file()[:300], "damaged"),
        (bomb(), "40 megapixels"),
        (b"\xff\xd8" + b"x" * (10 * 2**20), "10 MB"),
    ],
)
def test_uploads_that_are_no_images_or_too_large_are_refused(data, message):
    with pytest.raises(GalleryError, match=message):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_images_are_decoded_and_made_small(kind):
    assert decode(image_file((60, 120), kind)).shape == (120, 60, 3)
    assert max(decode(image_file((2400, 300), kind)).shape) == 1920


def test_searches_and_changes_are_logged_without_names(client, path):
    client.get("/search?identity=1")
    client.post("/people/1/rename", data={"name": "Secret Name"})
    client.post("/people/9/merge", data={"gone": "10"})
    client.post("/people/2/delete", data={"for_good": "yes"})
    log = path.with_name("site.db.audit.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["action"] for line in lines] == ["search", "rename", "merge", "delete"]
    assert lines[2]["gone"] == [10]
    assert "Secret" not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_what_leaves_the_gallery_as_a_file_is_logged_and_nothing_that_was_refused(client, path):
    picture = "/flow/heatmap.png?on=shop&time=all"
    made = ("/review/labels.csv", "/flow/ways.csv", "/flow/visits.csv", f"{picture}&download=yes")
    refused = ("/flow/secrets.csv", "/flow/ways.csv?cls=x", "/flow/paths.png?on=nowhere&download=yes")
    assert [client.get(address).status_code for address in made] == [200] * 4
    assert [client.get(address).status_code for address in refused] == [404, 409, 404]
    assert client.get(picture).status_code == 200  # shown on a page
    lines = [json.loads(line) for line in path.with_name("site.db.audit.jsonl").read_text().splitlines()]
    assert [line.pop("action") for line in lines] == ["export"] * 4
    assert [line.get("table", line.get("picture")) for line in lines] == ["labels", "ways", "visits", "heatmap.png"]


def test_a_change_that_cannot_be_logged_is_not_made(client, path, gallery):
    log = path.with_name("site.db.audit.jsonl")
    log.unlink()
    log.mkdir()
    assert client.post("/people/1/delete").status_code == 409
    assert 1 in {i.identity_id for i in gallery.individuals()}


def test_where_the_disk_is_full_no_line_is_half_written(tmp_path, file_limit):
    path = tmp_path / "audit.jsonl"
    audit = Audit(path)
    audit.note("search", kind="visit")
    with file_limit(path.stat().st_size + 20), pytest.raises(GalleryError, match="can't be written"):
        audit.note("export", table="ways")
    audit.note("delete", identity=1)
    assert [json.loads(line)["action"] for line in path.read_text().splitlines()] == ["search", "delete"]


@pytest.mark.parametrize(
    "options",
    [{"port": 70_000}, {"host": "0.0.0.0"}, {"host": "::"}, {"names": ("a:80",)}, {"names": ("*",)}, {"names": ("",)}],
    ids=str,
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError):
        ServeOptions(gallery="site.db", **options)


def test_the_latest_reports_of_the_policy_are_held_and_no_more(client):
    for n in range(150):
        client.post("/csp-report", content=str(n).encode())
    assert list(client.app.state.reports) == [str(n).encode() for n in range(50, 150)]


def test_reports_of_the_policy_are_taken_from_who_is_let_in(serve):
    assert serve().post("/csp-report", content=b"{}").status_code == 204
    assert serve(signed_in=False).post("/csp-report", content=b"{}").status_code == 401
