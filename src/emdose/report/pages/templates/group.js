// Sorts the table of runs by a column: numbers by their value, empty cells last.
(function () {
  "use strict";
  const table = document.getElementById("table");
  if (!table) return;
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const key = (row, n) => row.cells[n].dataset.key;
  function sort(n) {
    const up = heads[n].getAttribute("aria-sort") !== "ascending";
    const rows = [...body.rows].sort((a, b) => {
      const [p, q] = [key(a, n), key(b, n)];
      if (p === "" || q === "") return (p === "") - (q === "");
      const [x, y] = [Number(p), Number(q)];
      const order = Number.isNaN(x) || Number.isNaN(y) ? p.localeCompare(q, undefined, { numeric: true }) : x - y;
      return up ? order : -order;
    });
    heads.forEach((head, k) => head.setAttribute("aria-sort", k === n ? (up ? "ascending" : "descending") : "none"));
    body.append(...rows);
  }
  heads.forEach((head, n) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(n));
    head.setAttribute("aria-sort", "none");
    head.replaceChildren(button);
  });
})();
