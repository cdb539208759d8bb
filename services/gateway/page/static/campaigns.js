// The page for researchers: reports of campaigns, fetched with the key where one is asked.

import { Api, Problem } from "./api.js";

const part = (id) => document.getElementById(id);
const api = new Api(() => part("key").value.trim());
const urls = new Set();

function made(name, words = "", attributes = {}) {
  const element = document.createElement(name);
  element.textContent = words;
  return Object.assign(element, attributes);
}

async function url(path) {
  const made = URL.createObjectURL(await api.result(path));
  urls.add(made);
  return made;
}

async function tried(work) {
  part("said").textContent = "Loading…";
  try {
    await work();
    part("said").textContent = "";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    part("said").textContent = `${error.message} ${error.hint}`;
  }
}

async function list() {
  const { reports } = await api.json("/campaigns/reports");
  part("list").hidden = !reports.length;
  part("list").firstElementChild.replaceChildren(
    ...reports.map((name) => {
      const button = made("button", name, { type: "button" });
      button.addEventListener("click", () => tried(() => show(name, button)));
      const item = made("li");
      item.append(button);
      return item;
    }),
  );
  if (!reports.length) throw new Problem("NOT_FOUND", "There are no reports yet.");
}

async function show(name, button) {
  const path = `/campaigns/reports/${name}`;
  const report = await api.json(path);
  for (const old of urls) URL.revokeObjectURL(old);
  urls.clear();
  for (const other of part("list").querySelectorAll("button")) other.ariaCurrent = other === button ? "true" : null;
  part("title").textContent = report.title;
  part("about").textContent = report.about;
  part("plots").replaceChildren(
    ...(await Promise.all(
      report.plots.map(async ({ caption, file }) => {
        const figure = made("figure");
        figure.append(
          made("img", "", { src: await url(`${path}/${file}`), alt: `${caption}; its numbers are in the table` }),
          made("figcaption", caption),
        );
        return figure;
      }),
    )),
  );
  const cells = (tag, line) => {
    const row = made("tr");
    row.append(...line.map((cell) => made(tag, cell, tag === "th" ? { scope: "col" } : {})));
    return row;
  };
  const table = document.querySelector("table");
  table.tHead.replaceChildren(cells("th", report.header));
  table.tBodies[0].replaceChildren(...report.rows.map((line) => cells("td", line)));
  part("shown").textContent =
    report.rows.length < report.total ? `The first ${report.rows.length} of ${report.total} lines.` : `${report.total} lines.`;
  document.querySelector(".files").replaceChildren(
    ...(await Promise.all(
      [
        ["table.csv", "Table (CSV)"],
        ["report.md", "Text (Markdown)"],
        ["index.html", "Whole report (HTML)"],
      ].map(async ([file, words]) =>
        made("a", words, { className: "button", download: `${name}-${file}`, href: await url(`${path}/${file}`) }),
      ),
    )),
  );
  part("report").hidden = false;
  part("title").focus();
}

part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  tried(list);
});
if (part("key-part").hidden) tried(list);
