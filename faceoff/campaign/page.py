"""A report as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from faceoff.campaign.sections import HONEST, Section, facts

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ name }}</title>
<style>
:root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fff; --rule: #c8c8cc; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --paper: #161618; --rule: #48484c; } }
body { color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 90rem;
  overflow-wrap: anywhere; padding: 1rem 1.25rem 4rem; }
h1, h2 { line-height: 1.2; }
p, ul { max-width: 60rem; }
ul { padding-left: 1.25rem; }
figure { margin: 1.25rem 0; }
figure svg { display: block; }
figcaption { font-size: .875rem; }
.wide { overflow-x: auto; }
:focus-visible { outline: 2px solid; outline-offset: 2px; }
table { border-collapse: collapse; font-size: .8125rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--rule); padding: .25rem .5rem; text-align: left; white-space: nowrap; }
</style>
</head>
<body>
<main>
<h1>{{ name }}</h1>
{% if claim %}<p>{{ claim }}</p>{% endif %}
<p>{{ honest }}</p>
<ul>{% for fact in facts %}<li>{{ fact }}</li>{% endfor %}</ul>
{% for section in sections %}
<section>
<h2>{{ section.title }}</h2>
<p>{{ section.words }}</p>
{% for caption, svg in section.figures %}
<figure><div class="wide" role="img" tabindex="0" aria-label="{{ caption }}; its numbers are in the table below">
{{ svg | drawn }}</div><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
{% if section.rows %}
<div class="wide" role="region" tabindex="0" aria-label="{{ section.title }}"><table>
<thead><tr>{% for cell in section.header %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in section.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
{% endif %}
</section>
{% endfor %}
</main>
</body>
</html>
"""


def page(manifest: Mapping[str, Any], told: Sequence[Section]) -> str:
    """The page. Everything in it is escaped but the figures, which are our own."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["drawn"] = Markup
    template = environment.from_string(_PAGE)
    return template.render(
        name=manifest["name"], claim=manifest["claim"], honest=HONEST, facts=facts(manifest), sections=told
    )
