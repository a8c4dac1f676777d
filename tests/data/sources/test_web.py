"""Pages, feeds and WordPress sites of the web."""

import json

import pytest

from ftjax.config import InputError
from ftjax.data.sources._fetch import Later
from ftjax.data.sources._reading import Reading
from ftjax.data.sources.wp import endpoint
from tests.data.sources.conftest import OPEN

FEED = (
  b"<rss><channel><item><title>One</title><description>Words.</description></item></channel></rss>"
)


def test_a_feed_by_its_url(site, gather):
  site.answers["/feed"] = [(200, {"Content-Type": "application/rss+xml; charset=utf-8"}, FEED)]
  wanted = [{"text": "Words.", "title": "One"}]
  for kind in ("feed", "web"):
    assert gather(kind, f"{site.url}/feed", OPEN) == (wanted, [])
  site.answers["/a.pdf"] = [(200, {"Content-Type": "application/pdf"}, b"x")]
  with pytest.raises(InputError, match="of type application/pdf; .*Download the file"):
    gather("web", f"{site.url}/a.pdf", OPEN)


def test_a_page_by_its_url(site, gather):
  words = "The keeper wrote down the weather every evening, whatever it was. " * 8
  page = f"<html><head><title>Log</title></head><body><article><p>Caf\xe9. {words}</p></article></body></html>"
  site.answers["/log"] = [
    (200, {"Content-Type": "text/html; charset=latin-1"}, page.encode("latin-1"))
  ]
  rows, bad = gather("web", f"{site.url}/log", OPEN)
  assert not bad and rows[0]["text"].startswith("Caf\xe9.") and rows[0]["url"] == f"{site.url}/log"


def wp_post(number, **more):
  return {
    "id": number, "date_gmt": "2023-04-05T06:07:08", "link": f"https://example.org/{number}",
    "title": {"rendered": f"Post &#{64 + number};"},
    "content": {"rendered": f"<h2>Head</h2><p>Words of {number}.</p>", "protected": False},
    "_embedded": {
      "author": [{"name": "Mara"}],
      "wp:term": [[{"taxonomy": "category", "name": "Sea &amp; Sky"}], [{"taxonomy": "post_tag", "name": "x"}]],
    },
  } | more  # fmt: skip


def page(url, number):
  from ftjax.data.sources.wp import _page

  return _page(endpoint(url), number).removeprefix(url)


def pages_of(site, *pages, total=True):
  headers = {"X-WP-TotalPages": str(len(pages))} if total else {}
  for number, posts in enumerate(pages, 1):
    site.answers[page(site.url, number)] = [(200, headers, json.dumps(posts).encode())]


def test_where_posts_are():
  api = "https://a.org/wp-json/wp/v2/posts"
  for given in ("https://a.org", "https://a.org/", "https://a.org/wp-json/", api):
    assert endpoint(given) == api
  assert endpoint("https://a.org/blog") == "https://a.org/blog/wp-json/wp/v2/posts"
  assert (
    endpoint("https://a.org/wp-json/wp/v2/pages?x=1") == "https://a.org/wp-json/wp/v2/pages?x=1"
  )


def test_a_site_is_read_page_by_page(site, gather, waits):
  pages_of(
    site,
    [wp_post(1), wp_post(2)],
    [wp_post(3)],
    [wp_post(4, content={"rendered": "<p></p>"}), {"id": 5}],
  )
  how = Reading(allow_private=True, delay=1.5)
  rows, bad = gather("wp", site.url, how)
  assert rows[0] == {
    "text": "## Head\n\nWords of 1.", "title": "Post A", "date": "2023-04-05T06:07:08+00:00", "author": "Mara",
    "url": "https://example.org/1", "category": "Sea & Sky",
  }  # fmt: skip
  assert len(rows) == 3 and waits == [1.5, 1.5]
  assert f"{site.url} post 4: 'Post D' has no text" in bad[0] and "not a post" in bad[1]
  assert all("per_page=100" in asked and "orderby=id&order=asc" in asked for asked in site.asked)


def test_a_site_that_does_not_tell_its_pages_is_read_to_the_end(site, gather):
  pages_of(site, [wp_post(n) for n in range(100)], [wp_post(n) for n in range(100)], total=False)
  site.answers[page(site.url, 3)] = [(400, {}, b"{}")]
  assert len(gather("wp", site.url, OPEN)[0]) == 200


def test_work_that_was_cut_off_goes_on_with_the_page_that_is_missing(site, gather, tmp_path):
  pages_of(site, [wp_post(1)], [wp_post(2)], [wp_post(3)])
  second = page(site.url, 2)
  good = site.answers[second]
  site.answers[second] = [(503, {}, b"")]
  how = Reading(allow_private=True, delay=0.0, cache=str(tmp_path))
  with pytest.raises(Later, match="status 503"):
    gather("wp", site.url, how)
  site.answers[second] = good
  before = len(site.asked)
  rows, bad = gather("wp", site.url, how)
  assert [r["title"] for r in rows] == ["Post A", "Post B", "Post C"] and not bad
  assert len(site.asked) == before + 2  # The first page comes from the cache.


@pytest.mark.parametrize(
  ("body", "match"),
  [(b"<html>", "the answer is not JSON"), (b'{"code": "rest_no_route"}', "not a list of posts")],
)
def test_a_site_that_is_no_wordpress_is_refused(site, gather, tmp_path, body, match):
  site.answers[page(site.url, 1)] = [(200, {}, body)]
  with pytest.raises(InputError, match=match):
    gather("wp", site.url, Reading(allow_private=True, cache=str(tmp_path)))
  assert not list(tmp_path.iterdir())
