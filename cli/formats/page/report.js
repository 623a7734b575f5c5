
"use strict";
// Sorts, filters, folds and copies. The page says everything without it; whatever it shows it takes from the page,
// and only ever as text.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);

  // -- light and dark: what the system wants, until the reader says otherwise --
  const theme = one("#theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const nameTheme = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", `Change to ${isDark() ? "light" : "dark"} colours`);
  };
  if (theme) {
    theme.hidden = false;
    theme.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      nameTheme();
    });
    dark.addEventListener("change", nameTheme);
    nameTheme();
  }

  // -- copying --
  const copyText = async (block) => {
    try {
      await navigator.clipboard.writeText(block.textContent);
      return true;
    } catch {
      // Where there is no clipboard for a page, the text is selected, which is half the way.
      getSelection().selectAllChildren(block);
      return document.execCommand("copy");
    }
  };
  for (const button of all(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copyText(one("code", button.parentElement));
      button.textContent = done ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
  }

  // -- the picture, for one account or the strongest of all --
  const words = {
    "nothing": "nothing", "read": "reads", "write attributes": "writes",
    "create or delete objects": "creates", "take control": "controls",
  };
  const ranks = Object.keys(words);
  const choice = one(".choice");
  if (choice) {
    choice.hidden = false;
    choice.addEventListener("change", (event) => {
      const which = event.target.value === "" ? "power" : `power-${event.target.value}`;
      for (const place of all(".picture .place")) {
        const power = place.getAttribute(`data-${which}`);
        const kept = place.classList.contains("blocked") ? " blocked" : "";
        place.setAttribute("class", `place p-${power.split(" ")[0]}${kept}`);
        one(".bar", place).setAttribute("width", 2 + 2 * ranks.indexOf(power));
        one(".word", place).textContent = words[power];
      }
    });
  }

  // -- findings --
  const table = one(".findings");
  if (!table) {
    filterDifferences();
    return;
  }
  const findings = all("tbody.finding", table);

  const open = (finding, opened) => {
    one(".detail", finding).hidden = !opened;
    one(".toggle", finding).setAttribute("aria-expanded", String(opened));
  };
  for (const finding of findings) {
    const title = one(".title", finding);
    const detail = one(".detail", finding);
    const toggle = document.createElement("button");
    toggle.type = "button";
    toggle.className = "toggle";
    detail.id = `${finding.id}-detail`;
    toggle.setAttribute("aria-controls", detail.id);
    toggle.append(...title.childNodes);
    title.append(toggle);
    one(".head", finding).addEventListener("click", () => {
      if (getSelection().isCollapsed) open(finding, detail.hidden);
    });
    open(finding, false);
  }
  const openNamed = () => {
    const named = findings.find((finding) => `#${finding.id}` === location.hash);
    if (named) open(named, true);
  };
  addEventListener("hashchange", openNamed);
  openNamed();

  // Sorting: by the severity's rank, or by text with numbers in it as people do.
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const headings = all("thead th", table);
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      for (const each of headings) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const key = (finding) => {
        const cell = one(".head", finding).children[column];
        return cell.dataset.sort ?? cell.textContent;
      };
      const sorted = findings
        .map((finding) => [key(finding), finding])
        .sort(([a], [b]) => order.compare(a, b) * (descending ? -1 : 1));
      table.append(...sorted.map(([, finding]) => finding));
    });
  });
  headings[0].setAttribute("aria-sort", "ascending");

  // Filtering.
  const form = one(".filters");
  form.hidden = false;
  for (const select of all("select", form)) {
    const values = new Set(findings.map((finding) => finding.dataset[select.name]).filter(Boolean));
    const options = [...values];
    if (select.name !== "severity") options.sort(order.compare);
    for (const value of options) select.append(new Option(value, value));
    if (!options.length) select.closest("label").hidden = true;
  }
  const texts = new Map(findings.map((finding) => [finding, finding.textContent.toLowerCase()]));
  const count = one("#shown-count");
  const filter = () => {
    const wanted = form.elements.text.value.trim().toLowerCase().split(/\s+/);
    let shown = 0;
    for (const finding of findings) {
      const fits = all("select", form).every((s) => !s.value || finding.dataset[s.name] === s.value)
        && wanted.every((word) => texts.get(finding).includes(word));
      finding.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown === findings.length ? `${shown} findings` : `${shown} of ${findings.length} findings`;
    one("#none-left").hidden = shown > 0;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  for (const tile of all(".tile[data-severity]")) {
    tile.addEventListener("click", () => {
      if (![...form.elements.severity.options].some((option) => option.value === tile.dataset.severity)) return;
      form.elements.severity.value = tile.dataset.severity;
      filter();
    });
  }
  const openAll = one("#open-all");
  openAll.addEventListener("click", () => {
    const opened = openAll.getAttribute("aria-pressed") !== "true";
    openAll.setAttribute("aria-pressed", String(opened));
    openAll.textContent = opened ? "Close all" : "Open all";
    for (const finding of findings) open(finding, opened);
  });
  filter();

  // -- a comparison: its objects by kind and text --
  function filterDifferences() {
    const form = one(".filters");
    if (!form) return;
    form.hidden = false;
    const objects = all(".difference");
    const texts = new Map(objects.map((each) => [each, each.textContent.toLowerCase()]));
    const show = () => {
      const wanted = form.elements.text.value.trim().toLowerCase().split(/\s+/);
      const kind = form.elements.kind.value;
      let shown = 0;
      for (const each of objects) {
        const fits = (!kind || each.dataset.kind === kind) && wanted.every((word) => texts.get(each).includes(word))
          && (form.elements.inherited.checked || !each.hasAttribute("data-inherited"));
        each.hidden = !fits;
        shown += fits;
      }
      one("#shown-count").textContent = `${shown} of ${objects.length} objects`;
    };
    form.addEventListener("input", show);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(show));
    show();
  }
})();
